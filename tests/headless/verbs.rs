//! The tour without a screen: scan, diagnose and do, as scripts and alerts use them.

use crate::support::lab::{Lab, bare};
use serde_json::{Value, json};
use sha2::Digest;

fn api_server_pod(lab: &Lab) -> String {
    let waiting = |p: &Value| {
        let name = p["metadata"]["name"].as_str().unwrap_or_default();
        let reason = &p["status"]["containerStatuses"][0]["state"]["waiting"]["reason"];
        name.starts_with("api-server-") && (reason == "ErrImagePull" || reason == "ImagePullBackOff")
    };
    lab.pods("production", waiting).first().expect("a pod that cannot pull its image").clone()
}

#[test]
fn what_khud_prints_of_itself_it_takes_back_without_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let print = |what: &[&str]| {
        let mut command = bare(&[&["print"], what].concat());
        let output = command.env("KHUD_CONFIG_DIR", dir.path()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{what:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(told, "", "{what:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let (config, keys, theme) = (print(&["config"]), print(&["keys"]), print(&["theme", "nord"]));
    std::fs::create_dir(dir.path().join("themes")).unwrap();
    for (file, text) in [("config.toml", &config), ("keymap.toml", &keys), ("themes/mine.toml", &theme)] {
        std::fs::write(dir.path().join(file), text).unwrap();
    }
    assert_eq!(print(&["config"]), config);
    assert_eq!(print(&["keys"]), keys);
    assert!(print(&["theme", "mine"]).lines().count() > 100);
    assert!(print(&["completions", "bash"]).contains("_khud"));
    assert!(print(&["man"]).contains(".TH khud"));
    // What cannot be taken is told with its line.
    std::fs::write(dir.path().join("config.toml"), "theme = 'nord'\nthemme = 'light'\n").unwrap();
    let output = bare(&["print", "config"]).env("KHUD_CONFIG_DIR", dir.path()).output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("config.toml:2: warning") && told.contains("did you mean \"theme\"?"), "{told}");
}

#[test]
fn a_bad_rollout_is_found_explained_rolled_back_and_written_down() {
    let lab = Lab::start("tour", 4.0);
    let finding = lab.finding("image.not-found");
    assert_eq!(finding["severity"], "critical");
    assert_eq!(
        finding["root"],
        json!({"kind": "Deployment", "namespace": "production", "name": "api-server"})
    );
    assert!(finding["title"].as_str().unwrap().contains("v2.0.1"), "{finding}");
    assert!(
        finding["evidence"]
            .as_array()
            .unwrap()
            .iter()
            .any(|e| e["quote"].as_str().unwrap().contains("not found"))
    );

    let pod = api_server_pod(&lab);
    let (code, walk) = lab.json(&["diagnose", &format!("pod/{pod}"), "-n", "production", "-o", "json"]);
    assert_eq!((code, &walk["verdict"]["cause"]), (0, &json!("image.not-found")));
    assert_eq!(walk["playbook"], "pod");
    let remedy =
        walk["remedies"].as_array().unwrap().iter().find(|r| r["action"] == "rollback").expect("a rollback");
    assert_eq!(remedy["enabled"], true);
    assert!(walk["steps"].as_array().unwrap().iter().all(|s| s["by"] == "cluster"));

    let rollback = ["do", "rollback", "deploy/api-server", "-n", "production", "-o", "json"];
    let dry = lab.json(&[&rollback[..], &["--dry-run"]].concat());
    assert_eq!((dry.0, &dry.1["outcome"]), (0, &Value::Null));
    assert!(dry.1["requests"].as_array().unwrap().iter().all(|r| r["dry_run"] == true));
    let diff = dry.1["plan"]["changes"][0]["diff"].as_str().unwrap();
    assert!(diff.lines().any(|l| l.starts_with('-') && l.contains(":v2.0.1")), "{diff}");

    let asked = lab.json(&rollback);
    assert_eq!((asked.0, &asked.1["outcome"]), (1, &json!("refused")), "without a terminal nothing is done");

    let read_only = lab.json(&[&rollback[..], &["--yes", "--read-only"]].concat());
    assert_eq!((read_only.0, &read_only.1["outcome"]), (1, &json!("refused")));

    let done = lab.json(&[&rollback[..], &["--yes"]].concat());
    assert_eq!((done.0, &done.1["outcome"]), (0, &json!("verified")), "{}", done.1["reason"]);
    let image = "/spec/template/spec/containers/0/image";
    let deployment = lab.sim.store().get("deployments.apps", "production", "api-server").unwrap();
    assert!(deployment.pointer(image).unwrap().as_str().unwrap().ends_with(":v2.0.0"));

    let journal = lab.run(&["journal"]);
    let journal = String::from_utf8(journal.stdout).unwrap();
    assert!(journal.lines().any(|l| l.contains("verified") && l.contains("rollback")), "{journal}");
}

#[test]
fn a_rollback_to_a_revision_that_fails_too_is_applied_and_not_verified() {
    let lab = Lab::start("tour", 4.0);
    lab.finding("image.not-found");
    // Revision 3 has another tag that does not exist; going back to revision 2 cannot heal anything.
    let to =
        |args: &[&str]| lab.json(&[&["do"], args, &["-n", "production", "-o", "json", "--yes"]].concat());
    let image = "api-server=registry.acme.io/shop/api-server:v9.9.9";
    let set = to(&["set-image", "deploy/api-server", image, "--timeout", "1s"]);
    assert_eq!(set.0, 3, "{}", set.1["reason"]);
    let back = to(&["rollback", "deploy/api-server", "--to-revision", "2", "--timeout", "5s"]);
    assert_eq!((back.0, &back.1["outcome"]), (3, &json!("applied")), "{}", back.1["reason"]);
    assert!(!back.1["reason"].as_str().unwrap().is_empty());
}

/// The terminal of `do` is closed while a drain waits for a budget: what was begun is written down with where it stopped.
#[test]
fn a_signal_ends_an_action_after_its_step_and_the_journal_says_where() {
    let lab = Lab::start("healthy", 1.0);
    // Pods that no budget speaks for yet, and then one that lets none of them go.
    let store = lab.sim.store();
    let budgets = store.list("poddisruptionbudgets.policy", None);
    let place = |o: &Value| o["metadata"]["namespace"].as_str().unwrap_or("").to_owned();
    let app = |p: &Value| p["metadata"]["labels"]["app"].as_str().map(str::to_owned);
    let free = |p: &Value| {
        let of_a_set = p["metadata"]["ownerReferences"][0]["kind"] == "ReplicaSet";
        let spoken_for = |b: &Value| {
            place(b) == place(p)
                && b["spec"]["selector"]["matchLabels"]["app"] == p["metadata"]["labels"]["app"]
        };
        of_a_set && app(p).is_some() && !budgets.iter().any(|b| spoken_for(b))
    };
    let pods = store.list("pods", None);
    let on = pods.iter().find(|p| free(p)).expect("a pod without a budget");
    let node = on["spec"]["nodeName"].as_str().unwrap().to_owned();
    let budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "all-of-it", "namespace": place(on)},
        "spec": {"minAvailable": "100%", "selector": {"matchLabels": {"app": app(on)}}}});
    store.create("poddisruptionbudgets.policy", &place(on), budget).unwrap();
    let target = format!("node/{node}");
    let args = ["do", "drain", &target, "--yes", "-o", "json", "--force", "--delete-emptydir-data"];
    let mut child = lab.khud(&args).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let journal = || {
        let output = lab.run(&["journal", "-o", "json"]);
        serde_json::from_slice::<Vec<Value>>(&output.stdout).unwrap_or_default()
    };
    // The cordon is a step of its own; after it the drain waits for the budget.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !journal().iter().any(|e| e["event"] == "step") {
        assert!(std::time::Instant::now() < deadline, "{:?}", journal());
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::HUP).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(3), "applied, and its result was not seen");
    let entries = journal();
    let begun = &entries[0];
    let ended = entries.last().unwrap();
    assert_eq!((&begun["event"], &ended["event"]), (&json!("begun"), &json!("ended")));
    assert_eq!(begun["id"], ended["id"], "one run has one id");
    assert_eq!(ended["outcome"], "applied");
    let reason = ended["reason"].as_str().unwrap();
    assert!(reason.starts_with("stopped by the operator: "), "{reason}");
    assert!(reason.contains(&format!("node {node} stays cordoned")), "{reason}");
    assert_eq!(store.get("nodes", "", &node).unwrap()["spec"]["unschedulable"], true);
}

/// Killed, it can write nothing more: the journal says what was begun, how far it came, and that it never ended.
#[test]
fn what_was_killed_is_listed_as_begun_and_never_ended() {
    let lab = Lab::start("healthy", 1.0);
    let state = lab.dir.path().join("state/khud");
    std::fs::create_dir_all(&state).unwrap();
    // Of a process that is no more: this test's own child, which has ended.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let entry = |id: &str, event: &str, reason: &str| {
        json!({"at": "2026-11-21T02:40:00Z", "id": id, "event": event, "by": format!("{host}:{pid}"), "context": "khud",
            "action": "drain", "target": {"kind": "Node", "namespace": "", "name": "n1"}, "params": {},
            "outcome": if event == "ended" { "refused" } else { "" }, "reason": reason, "kubectl": "",
            "requests": [], "files": [], "took_ms": 0})
    };
    let lines = [
        entry("a", "begun", ""),
        entry("a", "step", "pod prod/api-1 is evicted"),
        // Another run of the same on the same, refused, does not end the first.
        entry("b", "ended", "khud runs read-only and sends no writes"),
    ];
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    std::fs::write(state.join("journal.jsonl"), text).unwrap();
    let output = lab.run(&["journal"]);
    let text = String::from_utf8(output.stdout).unwrap();
    let line = text.lines().find(|l| l.contains("begun, never ended")).expect(&text);
    assert!(line.contains("node n1") && line.contains("pod prod/api-1 is evicted"), "{line}");
    assert_eq!(text.lines().count(), 2, "{text}");
}

/// A state directory nobody can write to: nothing is done, and it is said.
#[test]
fn without_a_journal_nothing_is_done() {
    let lab = Lab::start("healthy", 1.0);
    let node =
        || lab.sim.store().get("nodes", "", "gpu-worker-007").unwrap()["spec"]["unschedulable"].clone();
    let before = node();
    // A file stands in its place.
    let file = lab.dir.path().join("occupied");
    std::fs::write(&file, "").unwrap();
    let args = ["do", "cordon", "node/gpu-worker-007", "--yes", "-o", "json"];
    let output = lab.khud(&args).env("KHUD_STATE_DIR", file.join("khud")).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("occupied"), "it says where it cannot write: {said}");
    assert_eq!(node(), before);
    // A disk that is full, as the device that always is.
    let full = lab.dir.path().join("full");
    std::fs::create_dir(&full).unwrap();
    std::os::unix::fs::symlink("/dev/full", full.join("journal.jsonl")).unwrap();
    let output = lab.khud(&args).env("KHUD_STATE_DIR", &full).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["outcome"], "refused");
    assert!(report["reason"].as_str().unwrap().contains("No space left on device"), "{}", report["reason"]);
    assert_eq!(node(), before);
}

/// Restart, pause, resume, set-image and evict, each until the watch shows what was asked for.
#[test]
fn a_workload_is_restarted_paused_resumed_and_given_another_image() {
    let lab = Lab::start("healthy", 4.0);
    let workload = || lab.sim.store().get("deployments.apps", "production", "cart").unwrap();
    let act = |args: &[&str]| {
        let (code, report) =
            lab.json(&[&["do"], args, &["-n", "production", "--yes", "-o", "json"]].concat());
        assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{args:?}: {}", report["reason"]);
        report
    };
    act(&["restart", "deploy/cart"]);
    let template = workload()["spec"]["template"].clone();
    let at = &template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"];
    assert!(khud::world::Time::parse(at.as_str().unwrap()).is_some(), "{at}");

    act(&["pause", "deploy/cart"]);
    assert_eq!(workload()["spec"]["paused"], true);
    let again = act(&["pause", "deploy/cart"]);
    assert!(again["reason"].as_str().unwrap().contains("already paused; nothing was sent"));
    act(&["resume", "deploy/cart"]);
    assert_ne!(workload()["spec"]["paused"], true);

    let container = &template["spec"]["containers"][0];
    let (name, image) = (container["name"].as_str().unwrap(), container["image"].as_str().unwrap());
    // Of the same application, so that the embedded registry has it; the digest makes it another reference.
    let tag = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
    let wanted = format!("{name}={tag}:v9");
    let report = lab
        .json(&["do", "set-image", "deploy/cart", &wanted, "-n", "production", "--dry-run", "-o", "json"])
        .1;
    assert!(report["plan"]["changes"][0]["diff"].as_str().unwrap().contains("\n+  "), "{report}");
    let same = format!("{name}={image}");
    let report = act(&["set-image", "deploy/cart", &same]);
    assert!(report["reason"].as_str().unwrap().contains("already runs"), "{}", report["reason"]);

    let ready = |p: &Value| p["metadata"]["name"].as_str().unwrap_or("").starts_with("cart-");
    let pod = lab.pods("production", ready).first().expect("a pod of cart").clone();
    act(&["evict", &format!("pod/{pod}")]);
    assert!(!lab.pods("production", ready).contains(&pod), "{pod} is gone, another has taken its place");
}

/// The captures that are text: one file each, complete, readable by their owner alone.
#[test]
fn threads_and_classes_of_a_jvm_are_brought_home() {
    let lab = Lab::start("tour", 1.0);
    let ready = |p: &Value| {
        let name = p["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("payment-service-") && p["status"]["containerStatuses"][0]["ready"] == true
    };
    let pod = format!("pod/{}", lab.pods("production", ready).first().expect("a replica that lives"));
    let out = lab.dir.path().join("captures");
    for (action, words) in [("thread-dump", "Full thread dump"), ("class-histogram", "#instances")] {
        let dir = out.to_str().unwrap();
        let args = ["do", action, &pod, "-n", "production", "--yes", "-o", "json", "--out", dir];
        let (code, report) = lab.json(&args);
        assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{}", report["reason"]);
        let text = std::fs::read_to_string(report["files"][0]["path"].as_str().unwrap()).unwrap();
        assert!(text.contains(words), "{action}: {}", &text[..text.len().min(300)]);
    }
}

/// Two bad rollouts in a row: the newest revision that runs is proposed, not the one before, and it says so.
#[test]
fn a_rollback_goes_to_the_newest_revision_that_runs() {
    let lab = Lab::start("tour", 4.0);
    lab.finding("image.not-found");
    let act = |args: &[&str]| lab.json(&[&["do"], args, &["-n", "production", "-o", "json"]].concat());
    // Revision 3 has another tag that does not exist; 2 never ran; the pods of 1 still serve.
    let image = "api-server=registry.acme.io/shop/api-server:v9.9.9";
    let set = act(&["set-image", "deploy/api-server", image, "--yes", "--timeout", "1s"]);
    assert_eq!(set.0, 3, "{}", set.1["reason"]);
    let (_, plan) = act(&["rollback", "deploy/api-server", "--dry-run"]);
    let impacts: Vec<&str> =
        plan["plan"]["impact"].as_array().unwrap().iter().map(|i| i["what"].as_str().unwrap()).collect();
    assert!(impacts.contains(&"revision 2 is passed over"), "{impacts:?}");
    assert!(
        plan["plan"]["kubectl"].as_str().unwrap().ends_with("--to-revision=1"),
        "{}",
        plan["plan"]["kubectl"]
    );
    let choices = plan["plan"]["choices"].as_array().unwrap();
    let chosen: Vec<&Value> = choices.iter().filter(|c| c["chosen"] == true).collect();
    assert_eq!((choices.len(), &chosen[0]["value"]), (2, &json!("1")));
    let (code, done) = act(&["rollback", "deploy/api-server", "--yes"]);
    assert_eq!((code, &done["outcome"]), (0, &json!("verified")), "{}", done["reason"]);

    // Once more: there is only what was left before, and the plan says where that leads.
    let (_, again) = act(&["rollback", "deploy/api-server", "--dry-run"]);
    let impacts = again["plan"]["impact"].to_string();
    assert!(impacts.contains("was left again for revision"), "{impacts}");
    assert!(impacts.contains("this leads back to what was rolled back from"), "{impacts}");
}

#[test]
fn a_node_is_cordoned_and_uncordoned() {
    let lab = Lab::start("healthy", 1.0);
    let unschedulable =
        || lab.sim.store().get("nodes", "", "gpu-worker-007").unwrap()["spec"]["unschedulable"].clone();
    for (action, want) in [("cordon", json!(true)), ("uncordon", Value::Null)] {
        let (code, report) = lab.json(&["do", action, "node/gpu-worker-007", "--yes", "-o", "json"]);
        assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{}", report["reason"]);
        assert_eq!(unschedulable(), want, "{action}");
    }
}

#[test]
fn a_leaking_jvm_is_found_and_its_heap_brought_home_whole() {
    let lab = Lab::start("tour", 1.0);
    let finding = lab.finding("crash.oom-limit");
    assert_eq!(
        finding["root"],
        json!({"kind": "Deployment", "namespace": "production", "name": "payment-service"})
    );
    assert!(finding["title"].as_str().unwrap().contains("2Gi"), "{finding}");

    let ready = |p: &Value| {
        let name = p["metadata"]["name"].as_str().unwrap_or_default();
        name.starts_with("payment-service-") && p["status"]["containerStatuses"][0]["ready"] == true
    };
    let pod = lab.pods("production", ready).first().expect("a replica that lives").clone();
    let out = lab.dir.path().join("dumps");
    let target = format!("pod/{pod}");
    let args = [
        "do",
        "heap-dump",
        &target,
        "-n",
        "production",
        "--yes",
        "-o",
        "json",
        "--out",
        out.to_str().unwrap(),
    ];
    let (code, report) = lab.json(&args);
    assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{}", report["reason"]);
    let file = &report["files"][0];
    let bytes = std::fs::read(file["path"].as_str().unwrap()).unwrap();
    assert_eq!(file["bytes"], bytes.len());
    assert!(bytes.starts_with(b"JAVA PROFILE 1.0.2\0"), "an hprof file");
    assert!(bytes.len() > 10 << 20, "{} bytes", bytes.len());
    let sum: String = sha2::Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(file["sha256"], sum, "the sum the container's own sha256sum printed");
    let left: Vec<_> = std::fs::read_dir(&out).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 1, "no part file is left: {left:?}");
}

/// What one may not see is said and is no reason to stay silent about the rest.
#[test]
fn somebody_without_rights_is_told_so() {
    let lab = Lab::start("healthy", 1.0);
    let config = lab.dir.path().join("nobody");
    std::fs::write(&config, lab.sim.kubeconfig_of("nobody", &["system:authenticated"])).unwrap();
    let output = bare(&["scan", "--kubeconfig", config.to_str().unwrap()]).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(output.stdout.is_empty());
    assert!(stderr.contains("not allowed to read") && stderr.contains("pods, nodes"), "{stderr}");
}

#[test]
fn a_healthy_cluster_scans_clean() {
    let lab = Lab::start("healthy", 1.0);
    let (code, scan) = lab.json(&["scan", "-o", "json", "--fail-on", "warning", "--strict"]);
    assert_eq!((code, &scan["findings"]), (0, &json!([])));
    let coverage = scan["coverage"].as_array().unwrap();
    assert!(coverage.iter().any(|c| c["source"] == "pods" && c["state"] == "live"));
}

/// CLI.md, field by field: scripts read these names and exit codes.
#[test]
fn a_scan_keeps_its_contract() {
    let lab = Lab::start("tour", 4.0);
    lab.finding("image.not-found");
    let (code, scan) = lab.json(&["scan", "-o", "json"]);
    assert_eq!(code, 1, "critical findings, and --fail-on is critical by itself");
    let keys = |v: &Value| v.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let time = |v: &Value| {
        let text = v.as_str().unwrap();
        assert!(khud::world::Time::parse(text).is_some() && text.ends_with('Z'), "{text} is RFC 3339 in UTC");
    };
    let object = |v: &Value| {
        assert_eq!(keys(v), ["kind", "name", "namespace"]);
        assert!(khud::world::Kind::parse(v["kind"].as_str().unwrap()).is_some(), "{v}");
    };
    assert_eq!(keys(&scan), ["at", "cluster", "coverage", "findings", "incidents"]);
    time(&scan["at"]);
    assert!(scan["cluster"].is_string());
    for source in scan["coverage"].as_array().unwrap() {
        assert_eq!(keys(source), ["reason", "source", "state"]);
    }
    let findings = scan["findings"].as_array().unwrap();
    let mut changes = 0;
    for f in findings {
        let names = [
            "cause", "changed", "count", "evidence", "object", "playbook", "root", "rule", "severity",
            "since", "state", "sure", "title",
        ];
        // Only where a container is to blame is one named.
        let named = keys(f).into_iter().filter(|k| *k != "container");
        assert!(named.eq(names), "{f}");
        object(&f["object"]);
        if !f["root"].is_null() {
            object(&f["root"]);
        }
        assert!(["critical", "warning", "info"].contains(&f["severity"].as_str().unwrap()));
        assert!(["pending", "firing"].contains(&f["state"].as_str().unwrap()), "{f}");
        time(&f["since"]);
        assert!(f["count"].as_u64() > Some(0));
        for e in f["evidence"].as_array().unwrap() {
            assert_eq!(keys(e), ["at", "object", "quote", "source"]);
            object(&e["object"]);
            if !e["at"].is_null() {
                time(&e["at"]);
            }
        }
        for c in f["changed"].as_array().unwrap() {
            // `by` is more than the contract, where somebody is known.
            assert!(keys(c) == ["at", "object", "what"] || keys(c) == ["at", "by", "object", "what"], "{c}");
            object(&c["object"]);
            time(&c["at"]);
            changes += 1;
        }
    }
    assert!(changes > 0, "the rollout changed an image");

    // One namespace, for a while, as a report; the other levels.
    let output = lab.run(&["scan", "-n", "monitoring", "--for", "1s", "-o", "markdown"]);
    assert_eq!(output.status.code(), Some(0), "nothing is wrong there");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("# Findings on ") && text.contains("Nothing wrong found."), "{text}");
    let output = lab.run(&["scan", "-o", "table", "--fail-on", "warning"]);
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("SEVERITY") && text.contains("image.not-found"), "{text}");

    // What the configuration mutes is not told of.
    let config = lab.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    let mute = "[[findings.mute]]\nrule = '*'\nreason = 'known'\n";
    std::fs::write(config.join("config.toml"), mute).unwrap();
    let output = lab.khud(&["scan", "-o", "json"]).env("KHUD_CONFIG_DIR", &config).output().unwrap();
    let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((output.status.code(), &scan["findings"]), (Some(0), &json!([])));
}

/// The rules a user wrote stand beside khud's own; a fault in their file is told and hides neither.
#[test]
fn the_rules_say_what_they_are() {
    let dir = tempfile::tempdir().unwrap();
    let output = bare(&["print", "rules"]).env("XDG_CONFIG_HOME", dir.path()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(text.contains("### image.not-found") && text.contains("### crash.oom-limit"), "{text}");

    std::fs::create_dir(dir.path().join("khud")).unwrap();
    std::fs::write(dir.path().join("khud/rules.yaml"), "rules: [{id: ").unwrap();
    let output = bare(&["print", "rules"]).env("XDG_CONFIG_HOME", dir.path()).output().unwrap();
    assert!(String::from_utf8(output.stderr).unwrap().contains("rules.yaml"));
    assert!(String::from_utf8(output.stdout).unwrap().contains("### image.not-found"));
}

/// Each is one sentence on stderr that says what to do, and nothing on stdout.
#[test]
fn bad_input_gets_a_sentence() {
    let lab = Lab::start("healthy", 1.0);
    let gone = lab.dir.path().join("gone");
    let config = |server: &str, token: &str| {
        let text = std::fs::read_to_string(lab.kubeconfig()).unwrap();
        let mut out = String::new();
        for line in text.lines() {
            let indent = &line[..line.len() - line.trim_start().len()];
            match line.trim_start().trim_start_matches("- ").split(':').next() {
                Some("server") if !server.is_empty() => out.push_str(&format!("{indent}server: {server}\n")),
                Some("token") if !token.is_empty() => out.push_str(&format!("{indent}token: {token}\n")),
                _ => out.push_str(&format!("{line}\n")),
            }
        }
        let path = lab.dir.path().join(format!("kubeconfig-{}-{}", server.len(), token.len()));
        std::fs::write(&path, out).unwrap();
        path
    };
    // Nothing listens on port 1 of loopback.
    let unreachable = config("http://127.0.0.1:1", "");
    let unauthorized = config("", "wrong");
    let path = |p: &std::path::Path| p.to_string_lossy().into_owned();
    let cases: &[(Vec<String>, &str)] = &[
        (vec!["scan".into()], "kubeconfig"),
        (vec!["scan".into(), "--kubeconfig".into(), path(&gone)], "gone"),
        (vec!["scan".into(), "--kubeconfig".into(), path(&unreachable)], "127.0.0.1:1"),
        (vec!["scan".into(), "--kubeconfig".into(), path(&unauthorized)], "401"),
        (
            vec![
                "scan".into(),
                "--kubeconfig".into(),
                path(&lab.kubeconfig()),
                "--context".into(),
                "khutt".into(),
            ],
            "khud",
        ),
        (
            vec!["diagnose".into(), "pod/none-such".into(), "--kubeconfig".into(), path(&lab.kubeconfig())],
            "none-such",
        ),
        (vec!["diagnose".into(), "llama/x".into(), "--kubeconfig".into(), path(&lab.kubeconfig())], "llama"),
        (vec!["demo".into(), "no-such-scenario".into()], "terminal"),
        (vec![], "terminal"),
    ];
    for (args, word) in cases {
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        let output = bare(&args).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.stdout.is_empty(), "{args:?} printed {:?}", String::from_utf8_lossy(&output.stdout));
        assert!(matches!(output.status.code(), Some(1 | 2)), "{args:?}: {:?}", output.status);
        assert!(stderr.to_lowercase().contains(&word.to_lowercase()), "{args:?}: {stderr}");
        assert!(
            !stderr.contains("panicked") && !stderr.contains("Error {") && !stderr.contains("Err("),
            "{stderr}"
        );
        assert!(stderr.lines().count() <= 3, "{args:?}: {stderr}");
    }
}

/// Memory that grows and a queue that grows show to whoever looks for some time, and every source says how it stands.
#[test]
fn what_grows_is_found_by_a_look_that_lasts() {
    let scan = |scenario: &'static str| {
        std::thread::spawn(move || {
            let lab = Lab::start(scenario, 6.0);
            lab.json(&["scan", "--for", "25s", "-o", "json", "--fail-on", "warning"])
        })
    };
    let (leak, slow) = (scan("gpu-memory-leak"), scan("inference-slow"));
    for (look, cause, source) in [(leak, "gpu.memory-leak", "dcgm"), (slow, "latency.kv-cache", "engines")] {
        let (code, scan) = look.join().unwrap();
        let findings = scan["findings"].as_array().unwrap();
        let found = findings.iter().find(|f| f["cause"] == cause && f["state"] == "firing");
        let found = found.unwrap_or_else(|| panic!("no {cause}: {findings:#?}"));
        assert_eq!((code, &found["root"]["name"]), (1, &json!("llm-server")), "{found}");
        let coverage = scan["coverage"].as_array().unwrap();
        assert!(coverage.iter().any(|c| c["source"] == source && c["state"] == "live"), "{coverage:#?}");
    }
}

/// A source that is switched off is not read, and coverage names it.
#[test]
fn a_telemetry_source_that_is_off_is_not_read_and_coverage_says_so() {
    let lab = Lab::start("gpu-memory-leak", 1.0);
    let config = lab.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "telemetry = ['dcgm off', 'kube-proxy 2m']\n").unwrap();
    let scan = |dir: &std::path::Path| {
        let output = lab.khud(&["scan", "-o", "json"]).env("KHUD_CONFIG_DIR", dir).output().unwrap();
        let scan: Value = serde_json::from_slice(&output.stdout).unwrap();
        let source = |name: &str| {
            let all = scan["coverage"].as_array().unwrap();
            all.iter().find(|c| c["source"] == name).cloned().unwrap_or_default()
        };
        (source("dcgm"), source("kube-proxy"))
    };
    let (dcgm, proxy) = scan(&config);
    assert_eq!(dcgm["state"], "unsupported", "{dcgm}");
    assert!(dcgm["reason"].as_str().unwrap().contains("setting telemetry"), "{dcgm}");
    assert_eq!(proxy["state"], "live", "{proxy}");
    let (dcgm, _) = scan(&lab.dir.path().join("none"));
    assert_eq!(dcgm["state"], "live", "{dcgm}");
}

/// Nothing speaks against a driver that was rolled out, and it is the root of what the nodes lost: asked about, it says so.
#[test]
fn the_root_of_an_incident_answers_with_what_it_brought_about() {
    let lab = Lab::start("gpu-vanished", 20.0);
    lab.finding("gpu.vanished");
    let args = ["diagnose", "ds/nvidia-driver-daemonset", "-n", "gpu-operator", "-o", "json"];
    let (code, answer) = lab.json(&args);
    let verdict = &answer["verdict"];
    assert_eq!(
        (code, &verdict["cause"], &verdict["sure"]),
        (0, &json!("gpu.vanished"), &json!("likely")),
        "{answer}"
    );
    let evidence = answer.to_string();
    assert!(evidence.contains("allocatable GPUs 0"), "{evidence}");
}
