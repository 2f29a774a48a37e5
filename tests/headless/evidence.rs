//! Decision trees that look further than what is watched: commands in containers and the logs of nodes.

use crate::support::lab::{DNS_WITH_TOOLS, Lab, bare};
use serde_json::Value;
use std::time::{Duration, Instant};

fn steps(walk: &Value) -> Vec<String> {
    let step = |s: &Value| format!("{}={}", s["id"].as_str().unwrap(), s["answer"].as_str().unwrap());
    walk["steps"].as_array().unwrap().iter().map(step).collect()
}

#[test]
fn dns_is_traced_to_the_node_that_drops_it_once_commands_are_allowed() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dns.yaml");
    std::fs::write(&file, DNS_WITH_TOOLS).unwrap();
    let lab = Lab::start(file.to_str().unwrap(), 4.0);
    lab.finding("crash.unreachable");
    // Between two crashes it runs for a moment: after three of them that is no recovery.
    let crashed = |p: &Value| {
        p["spec"]["nodeName"] == "worker-002"
            && p["metadata"]["labels"]["app"] == "api-backend"
            && p["status"]["containerStatuses"][0]["restartCount"].as_u64() >= Some(3)
    };
    let deadline = Instant::now() + Duration::from_secs(90);
    let pod = loop {
        match lab.pods("production", crashed).first() {
            Some(name) => break format!("pod/{name}"),
            None => assert!(Instant::now() < deadline, "no pod of worker-002 crashed three times"),
        }
        std::thread::park_timeout(Duration::from_millis(50));
    };
    let diagnose =
        |more: &[&str]| lab.json(&[&["diagnose", &pod, "-n", "production", "-o", "json"], more].concat()).1;

    let walk = diagnose(&[]);
    assert_eq!(walk["verdict"]["cause"], "crash.unreachable", "{:?}", steps(&walk));
    let says = walk["unknown"].to_string();
    assert!(says.contains("needs --allow intrusive: runs `nslookup"), "{says}: {:?}", steps(&walk));

    let walk = diagnose(&["--allow", "intrusive", "--read-only"]);
    assert!(walk["unknown"].to_string().contains("khud runs read-only"), "{}", walk["unknown"]);

    let walk = diagnose(&["--allow", "intrusive"]);
    let path = steps(&walk);
    let end: Vec<&str> = path.iter().filter_map(|s| s.strip_prefix("dns/")).collect();
    assert_eq!(end, ["dns-up=yes", "here=no", "elsewhere=yes", "proxy=yes", "node-log=yes"], "{walk:#}");
    assert_eq!(walk["verdict"]["cause"], "dns.firewall");
    assert!(walk["verdict"]["title"].as_str().unwrap().contains("worker-002"), "{}", walk["verdict"]);
    assert_eq!(walk["also"][0]["cause"], "crash.unreachable", "what the judge says stays");
    let actions: Vec<&Value> = walk["remedies"].as_array().unwrap().iter().map(|r| &r["action"]).collect();
    assert_eq!(actions, ["cordon"]);
}

#[test]
fn a_missing_right_is_asked_for_again_as_that_account() {
    let lab = Lab::start("rbac-restricted", 10.0);
    // Its log has to say so more than once before it counts.
    let deadline = Instant::now() + Duration::from_secs(60);
    let walk = loop {
        let (_, walk) = lab.json(&["diagnose", "deploy/reporter", "-n", "production", "-o", "json"]);
        if walk["verdict"]["cause"] != "none" || Instant::now() > deadline {
            break walk;
        }
    };
    assert_eq!(walk["verdict"]["cause"], "rbac.forbidden", "{:?}", steps(&walk));
    assert!(steps(&walk).iter().any(|s| s.ends_with("still-refused=yes")), "{:?}", steps(&walk));
    let explains = walk["verdict"]["explanation"].as_str().unwrap();
    assert!(explains.contains("may not") && explains.contains("kubectl create"), "{explains}");
}

/// A tree of one's own: two walks are recorded as its cases, and from then on it must come to the same.
const MINE: &str = "\
id: mine
title: Is this pod ready?
about: [Pod]
start: ready
nodes:
  ready:
    ask: Is it ready?
    needs: [pod]
    test: pod.ready
    show: [pod.status]
    yes: fine
    no: not-ready
verdicts:
  fine: {cause: none, title: it is ready, explain: 'status {pod.status}'}
  not-ready: {cause: ready.probe, explain: 'status {pod.status}'}
";

#[test]
fn walks_are_recorded_as_cases_and_a_tree_is_tested_with_them() {
    // cart's pods are ready; those of profile wait for a database that is not there.
    let lab = Lab::start("connectivity", 10.0);
    lab.finding("ready.probe");
    let at = |name: &str| lab.dir.path().join(name).to_str().unwrap().to_owned();
    let (tree, cases) = (at("mine.yaml"), at("mine.cases.yaml"));
    std::fs::write(&tree, MINE).unwrap();
    let said = |args: &[&str]| {
        let out = lab.run(args);
        (out.status.code().unwrap(), String::from_utf8(out.stdout).unwrap())
    };
    let (code, none) = said(&["playbook", "test", &tree]);
    assert!(code == 1 && none.contains("mine.cases.yaml: cannot be read"), "{none}");

    let ready = |p: &Value| {
        let conditions = p["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|c| c["type"] == "Ready" && c["status"] == "True")
    };
    for (app, want) in [("cart", true), ("profile", false)] {
        let deadline = Instant::now() + Duration::from_secs(60);
        let pods = loop {
            let pods = lab.pods("production", |p| {
                p["metadata"]["labels"]["app"] == app && p["status"]["phase"] == "Running" && ready(p) == want
            });
            if !pods.is_empty() || Instant::now() > deadline {
                break pods;
            }
        };
        let pod = format!("pod/{}", pods[0]);
        lab.run(&["diagnose", &pod, "-n", "production", "--playbook", &tree, "--record", &cases]);
    }
    let (code, well) = said(&["playbook", "test", &tree]);
    assert!(code == 0 && well.contains("2 cases, all as written"), "{well}");
    let (code, well) = said(&["playbook", "lint", &tree]);
    assert!(code == 0 && well.contains("no faults"), "{well}");

    // The tree is edited: the cases name the question whose answer is another now.
    std::fs::write(&tree, MINE.replace("test: pod.ready", "test: pod.restarts > 1000")).unwrap();
    let (code, wrong) = said(&["playbook", "test", &tree]);
    assert!(code == 1 && wrong.contains("mine.cases.yaml: line 1 column 3:"), "{wrong}");
    assert!(wrong.contains("after 0 questions the way goes on with ready=no, not ready=yes"), "{wrong}");
    assert!(wrong.contains("no case reaches verdict fine"), "{wrong}");

    // An expression that loads and fails on what was recorded is a fault with its place.
    std::fs::write(&tree, MINE.replace("show: [pod.status]", "show: [pod.colour]")).unwrap();
    let (code, wrong) = said(&["playbook", "lint", &tree]);
    assert!(code == 1 && wrong.contains("line 10 column 12: \"pod.colour\" fails"), "{wrong}");
}

#[test]
fn a_page_for_people_is_printed_with_names_that_stay_one_word() {
    let show = |args: &[&str]| bare(&[&["playbook", "show"], args].concat()).output().unwrap();
    let text = |o: &std::process::Output| String::from_utf8(o.stdout.clone()).unwrap();
    let list = text(&show(&[]));
    assert!(list.contains("etcd-restore") && list.contains("Restore etcd from a snapshot"), "{list}");
    let page = show(&["runtime-db", "node/a b;reboot", "--context", "prod", "--by", "ana", "--by", "ben"]);
    let page = text(&page);
    assert!(page.contains("Types: ana. Reads each line first and says go: ben."), "{page}");
    assert!(page.contains("kubectl --context prod cordon 'a b;reboot'"), "{page}");
    let none = show(&["etcd"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&none.stderr)
            .contains("there is no page \"etcd\"; there is cluster-recovery")
    );
}

/// A checklist says what the cluster answers with its proof, and leaves to a person what only a person knows.
#[test]
fn a_checklist_ticks_what_the_cluster_answers() {
    let lab = Lab::start("healthy", 1.0);
    let text = |args: &[&str]| {
        let output = lab.run(args);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let upgrade = text(&["playbook", "show", "checklist-pre-upgrade"]);
    let nodes = lab.sim.store().list("nodes", None).len();
    let below = |text: &str, item: &str| {
        let mut lines = text.lines().skip_while(|l| !l.contains(item)).take(2).map(str::to_owned);
        (lines.next().unwrap_or_else(|| panic!("{item}: {text}")), lines.next().unwrap_or_default())
    };
    let (ready, proof) = below(&upgrade, "All nodes are Ready");
    assert!(ready.starts_with("[x]") && proof.contains(&format!("{nodes} of {nodes} nodes")), "{upgrade}");
    let (etcd, _) = below(&upgrade, "A snapshot of etcd");
    assert!(etcd.starts_with("[ ]"), "{upgrade}");

    // A node that somebody cordons is no tick any more, and is named.
    let name = lab.sim.store().list("nodes", None)[0]["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!(lab.run(&["do", "cordon", &format!("node/{name}"), "--yes"]).status.code(), Some(0));
    let upgrade = text(&["playbook", "show", "checklist-pre-upgrade"]);
    let (cordoned, proof) = below(&upgrade, "No node is cordoned");
    assert!(cordoned.starts_with("[!]") && proof.contains(&name), "{upgrade}");

    // Without a workload its items are unknown; with one they are answered.
    let before = text(&["playbook", "show", "checklist-pre-deployment"]);
    let (images, why) = below(&before, "fixed tag");
    assert!(images.starts_with("[?]") && why.contains("name the workload"), "{before}");
    let before =
        text(&["playbook", "show", "checklist-pre-deployment", "deploy/coredns", "-n", "kube-system"]);
    let (images, proof) = below(&before, "fixed tag");
    assert!(images.starts_with("[x]") && proof.contains("coredns"), "{before}");
}
