//! Views on a live cluster, in a real terminal: logs through restarts and rollouts, a kind nobody knew, Secrets,
//! other contexts and namespaces, any size at any moment.

use crate::support::lab::{self, Lab};
use crate::support::pty::{Session, cockpit};
use khud_sim::api::store::Part;
use serde_json::json;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

/// The cluster of `fixtures/talkers.yaml`, with one line of a mebibyte in it, three times as fast as life.
fn talkers() -> Lab {
    let dir = tempfile::tempdir().unwrap();
    let fixture = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/talkers.yaml");
    let text =
        std::fs::read_to_string(fixture).unwrap().replace("HUGE", &format!("HUGE{}", "x".repeat(1 << 20)));
    let file = dir.path().join("talkers.yaml");
    std::fs::write(&file, text).unwrap();
    Lab::start(file.to_str().unwrap(), 3.0)
}

fn open(lab: &Lab, config: &str, args: &[&str]) -> Session {
    cockpit(KHUD, lab.dir.path(), config, args, 120, 30)
}

fn count(screen: &vt100::Screen, what: &str) -> usize {
    screen.contents().matches(what).count()
}

#[test]
fn a_log_is_followed_through_restarts_with_what_was_skipped_told() {
    let lab = talkers();
    let mut k = open(&lab, "log-lines = 100\n", &["pod/crasher", "-n", "production"]);
    k.until("the pod under the cursor", |s| s.contents().contains("▌crasher"));
    k.then("l", "following");
    // One view, several runs of the container; nobody pressed a key in between.
    k.until("a second run", |s| count(s, "this run begins at") >= 2);
    // Only what matches, also of runs to come.
    k.then("/begins\r", "/begins");
    k.until("the filter", |s| count(s, "working") == 0 && count(s, "this run begins at") >= 2);
    // As they are, to a file.
    k.then("\x13", "lines to ");
    let saved = std::fs::read_dir(lab.dir.path().join("state/saved")).unwrap().next().unwrap().unwrap();
    assert!(saved.path().extension().is_some_and(|e| e == "log"), "{saved:?}");
    let text = std::fs::read_to_string(saved.path()).unwrap();
    assert!(text.lines().count() >= 2, "{text}");
    for line in text.lines() {
        assert!(line.contains("crasher/app this run begins at") && line.starts_with("20"), "{line}");
    }
    // The run before.
    k.then("p", "(run before)");
    // More than is kept: what made room is told, never hidden.
    k.then(":deploy/talker production\r", "─ deployments in production ─");
    k.then("l", "skipped ");
    k.until_text(" 100 lines ");
}

#[test]
fn a_workloads_log_takes_in_the_pods_a_rollout_brings() {
    let lab = talkers();
    let mut k = open(&lab, "", &["deploy/talker", "-n", "production"]);
    k.until("the workload under the cursor", |s| {
        s.contents().contains("▌talker 2/2") || s.contents().contains("▌talker   2/2")
    });
    k.until_text("live");
    k.then("l", "following");
    k.until_text("2/2 open");
    let names = |lab: &Lab| lab.pods("production", |p| p["metadata"]["labels"]["app"] == "talker");
    let before = names(&lab);
    k.until("both to speak", |s| before.iter().all(|p| s.contents().contains(&format!("I am {p}"))));
    let store = lab.sim.store();
    store
        .modify("deployments.apps", "production", "talker", Part::Main, |d| {
            d["spec"]["template"]["spec"]["containers"][0]["image"] = "acme/talker:2".into();
        })
        .unwrap();
    k.until("only pods born later to speak", |s| {
        let text = s.contents();
        let new: Vec<_> = names(&lab).into_iter().filter(|p| !before.contains(p)).collect();
        new.len() >= 2
            && new.iter().all(|p| text.contains(&format!("I am {p}")))
            && !before.iter().any(|p| text.contains(&format!("I am {p}")))
    });
    // How far back is the server's to say: all of it, then the last minute of the cluster's time.
    k.then("1", "standing still");
    k.until_text("born ");
    k.send("g");
    k.until("the first words of the first pods", |s| {
        s.contents().lines().nth(2).is_some_and(|l| l.contains("born "))
    });
    k.then("G", ", line 70");
    k.then("2", "of the last 60s");
    k.send("g");
    k.until("the last minute only", |s| {
        let second = s.contents().lines().nth(2).unwrap_or_default().to_owned();
        second.contains("I am") && !second.contains("born")
    });
}

#[test]
fn a_line_that_means_harm_is_text_and_breaks_no_column() {
    let lab = talkers();
    let mut k = open(&lab, "", &["pod/hostile", "-n", "production"]);
    k.until("the pod under the cursor", |s| s.contents().contains("▌hostile"));
    k.then("l", "queue is full");
    k.until_text("HUGExxx");
    let text = k.text();
    let line = text.lines().find(|l| l.contains("pwned")).unwrap();
    for part in ["␛]0;pwned␇␛[2J␛[31mred", "東京", "tab here", "nul␀", "del␡", "end"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    assert!(!text.contains('\u{202e}') && !text.contains('\u{9b}'), "{text}");
    // JSON is folded to level and message; the fields come when they are asked for.
    assert!(text.contains("WARN  queue is full  +2"), "{text}");
    k.then("x", "queue=17");
    k.until_text("who=␛[5mx");
    k.send("x");
    // A line of a mebibyte is cut and says so; wrapped or not, the frame stands.
    k.then("wG", "(line cut)");
    let text = k.text();
    assert!(
        text.lines().next().unwrap().contains("live") && text.lines().nth(1).unwrap().contains("logs pod"),
        "{text}"
    );
    for key in ["w", "t", "w", "\x1b[C", "\x1b[D"] {
        k.send(key);
    }
    k.resize(61, 17);
    k.until("the frame at another size", |s| {
        s.contents().lines().count() <= 17 && s.contents().contains("logs pod")
    });
    let raw = String::from_utf8_lossy(&k.raw()).into_owned();
    // What an emulator of this test draws as nothing is not nothing: it stands for what was taken out.
    assert!(raw.contains("\u{fffd}evil") && raw.contains("\u{fffd}5m"), "made visible");
    for bad in ["\u{1b}]0;pwned", "\u{1b}[2J\u{1b}[31mred", "\u{9b}", "\u{202e}", "\u{1b}[5mx", "\0"] {
        assert!(!raw.contains(bad), "{bad:?} reached the terminal");
    }
    k.send("\u{3}");
    assert_eq!(k.ends(), 0);
}

#[test]
fn a_custom_resource_is_found_completed_watched_and_left() {
    let lab = Lab::start("small", 1.0);
    let store = lab.sim.store();
    let crd = json!({"metadata": {"name": "widgets.acme.io"}, "spec": {
        "group": "acme.io", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "shortNames": ["wd"]},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}},
            "additionalPrinterColumns": [
                {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
                {"name": "Phase", "type": "string", "jsonPath": ".status.phase"}]}]}});
    store.create("customresourcedefinitions.apiextensions.k8s.io", "", crd).unwrap();
    let widgets = "widgets.acme.io";
    for (name, size) in [("left", 9), ("right", 10)] {
        let object = json!({"metadata": {"name": name}, "spec": {"size": size, "knob": "turned"}});
        store.create(widgets, "production", object).unwrap();
    }
    let mut k = open(&lab, "", &["--command", ":wd"]);
    k.until("its rows", |s| s.contents().contains("widgets") && count(s, "production") >= 2);
    assert!(k.text().contains("SIZE"), "{}", k.text());
    // Watched: what changes, comes and goes shows by itself.
    store.create(widgets, "production", json!({"metadata": {"name": "third"}, "spec": {"size": 3}})).unwrap();
    k.until_text("third");
    store.modify(widgets, "production", "third", Part::Main, |w| w["spec"]["size"] = 77.into()).unwrap();
    k.until_text("77");
    store.remove(widgets, "production", "third");
    k.until("a tombstone", |s| s.contents().lines().any(|l| l.contains("third") && l.contains('†')));
    k.until("it to go", |s| !s.contents().contains("third"));
    // Described from the server, with what its spec says; YAML of the whole object.
    k.then("/left\r", "1/2");
    k.then("d", "knob");
    k.then("\x1b", "1/2");
    k.then("y", "knob: turned");
    k.then("\x1b", "1/2");
    // Completed at the prompt, like every kind the server has.
    k.then(":lea", "leases");
    k.send("\x15");
    k.then("priorityc\r", "system-node-critical");
}

#[test]
fn a_secret_shows_one_value_at_a_time_and_only_when_asked() {
    let lab = Lab::start("small", 1.0);
    // Decoded: admin, hunter2.
    let secret = json!({"metadata": {"name": "login"}, "type": "Opaque",
        "data": {"user": "YWRtaW4=", "password": "aHVudGVyMg=="}});
    lab.sim.store().create("secrets", "production", secret).unwrap();
    let mut k = open(&lab, "", &["--command", ":secrets production /login"]);
    k.until("the Secret", |s| s.contents().contains("login") && s.contents().contains("Opaque"));
    k.then("y", "(7 bytes, masked)");
    k.then("x", "reveal which key?");
    k.then("password\r", "hunter2");
    k.until_text("(5 bytes, masked)");
    // Kept open or fetched again, nothing else shows; left, it is masked again.
    k.then("r", "hunter2");
    k.send("q");
    k.until("the table again", |s| !s.contents().contains("apiVersion"));
    k.then("y", "(7 bytes, masked)");
    let raw = String::from_utf8_lossy(&k.raw()).into_owned();
    for never in ["admin", "YWRtaW4", "aHVudGVyMg"] {
        assert!(!raw.contains(never), "{never}");
    }
}

#[test]
fn contexts_and_namespaces_change_in_place() {
    let (lab, other) = (Lab::start("small", 1.0), Lab::start("small", 1.0));
    let quota = |n: &str| json!({"metadata": {"name": n}, "spec": {"hard": {"pods": "5"}}});
    for (name, ns) in [("here-a", "production"), ("here-b", "inference"), ("here-c", "ml-training")] {
        lab.sim.store().create("resourcequotas", ns, quota(name)).unwrap();
    }
    other.sim.store().create("resourcequotas", "production", quota("there")).unwrap();
    // Two clusters in one file.
    let config = |server: &str| format!("{{cluster: {{server: '{server}'}}, name: '{server}'}}");
    let context =
        |name: &str, server: &str| format!("{{name: {name}, context: {{cluster: '{server}', user: u}}}}");
    let (a, b) = (lab.sim.url(), other.sim.url());
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: one\nusers: [{{name: u, user: {{}}}}]\nclusters: [{}, {}]\ncontexts: [{}, {}]\n",
        config(a),
        config(b),
        context("one", a),
        context("two", b)
    );
    std::fs::write(lab.kubeconfig(), text).unwrap();
    let mut k = open(&lab, "namespaces = ['production', 'inference']\n", &["-n", "production,inference"]);
    k.until("pods of these namespaces only", |s| {
        s.contents().contains("live") && s.contents().contains("No pods in inference, production.")
    });
    k.then(":quota\r", "here-a");
    k.until("both namespaces and no other", |s| {
        s.contents().contains("here-b") && !s.contents().contains("here-c")
    });
    k.then("2", "Namespace inference");
    k.until("one", |s| s.contents().contains("here-b") && !s.contents().contains("here-a"));
    k.then("0", "here-c");
    k.then(":ns ml-training,production\r", "here-c");
    k.until("two others", |s| s.contents().contains("here-a") && !s.contents().contains("here-b"));
    k.then(":ctx nowhere\r", "no context nowhere");
    k.then(":ctx\r", "SERVER");
    k.then("/two\r", "/two");
    k.send("\r");
    k.until("the other cluster", |s| {
        s.contents().lines().next().is_some_and(|l| l.contains("two") && l.contains("live"))
    });
    k.then(":quota\r", "there");
    assert!(!k.text().contains("here-"), "{}", k.text());
    k.then(":ctx one\r", "one");
    k.then(":quota\r", "here-c");
}

#[test]
fn any_size_at_any_moment_is_survived_in_every_view() {
    let lab = talkers();
    let mut k = open(&lab, "", &[]);
    k.until_text("crasher");
    for (keys, seen) in [
        ("", "KUBE-PROXY"),
        (":pods\r", "─ pods ─"),
        ("d", "─ describe pod"),
        ("q", "─ pods ─"),
        ("y", "apiVersion"),
        ("q", "─ pods ─"),
        ("l", "─ logs pod"),
        ("w", "─ logs pod"),
        ("q", "─ pods ─"),
        ("w", "─ WHY pod"),
        ("q", "─ pods ─"),
        ("a", "Actions on"),
        ("q", "─ pods ─"),
        (":gpu\r", "─ GPU MEMORY ─"),
        (":", "daemonsets  "),
    ] {
        k.send(keys);
        // Keys that come while nothing can be shown are not taken.
        k.until_text(seen);
        k.resize(39, 9);
        k.until_text("khud needs 40×10");
        for (columns, rows) in [(300, 80), (101, 25), (120, 30)] {
            k.resize(columns, rows);
            k.until_text(seen);
        }
        // Nor are keys taken before the new size is drawn.
        k.until("a frame of 120 columns", |s| s.contents().lines().any(|l| l.chars().count() > 110));
    }
    k.send("\x15overview\r");
    k.until("the overview, whole", |s| {
        ["INCIDENTS", "PODS", "EVENTS", "KUBE-PROXY"].iter().all(|w| s.contents().contains(w))
    });
    k.resize(39, 9);
    k.until_text("khud needs 40×10");
    k.resize(80, 24);
    k.until_text("1 INCIDENTS");
    // As a window manager does it: no frame fits the size it arrives at.
    for (columns, rows) in [(3, 1), (200, 4), (40, 10), (300, 80), (1, 60)].repeat(20) {
        k.resize(columns, rows);
    }
    k.send("\u{3}");
    assert_eq!(k.ends(), 0);
}

#[test]
fn somebody_who_may_read_one_namespace_reads_it_by_its_name() {
    let lab = Lab::start("rbac-restricted", 1.0);
    let mut k = open(&lab, "", &["--as", "eve", "--as-group", "readers"]);
    k.until("that little can be found, and why", |s| s.contents().contains("khud may not list pods here"));
    k.then(":pods production\r", "reporter-");
    k.until("which part that is", |s| s.contents().contains("only production"));
    k.then(":secrets\r", "secrets is forbidden: User \"eve\" cannot");
}

#[test]
fn what_an_earlier_khud_began_and_never_ended_is_told_at_the_start() {
    let lab = Lab::start("healthy", 1.0);
    // The process is gone: this test's own child, which has ended.
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let entry = |event: &str, reason: &str| {
        json!({"at": lab.sim.store().clock().now().to_string(), "id": "a", "event": event, "by": format!("{host}:{pid}"),
            "context": "khud", "action": "drain", "target": {"kind": "Node", "namespace": "", "name": "gpu-worker-007"},
            "params": {}, "outcome": "", "reason": reason, "kubectl": "", "requests": [], "files": [], "took_ms": 0})
    };
    let lines = [entry("begun", ""), entry("step", "pod prod/api-1 is evicted")];
    std::fs::create_dir_all(lab.dir.path().join("state")).unwrap();
    let text: String = lines.iter().map(|l| format!("{l}\n")).collect();
    std::fs::write(lab.dir.path().join("state/journal.jsonl"), text).unwrap();
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[], 160, 40);
    k.until_text("drain node gpu-worker-007 was begun at");
    k.until_text("never ended");
    k.send("\x03");
    assert_eq!(k.ends(), 0);
}

/// Two clusters of which one is gone: a row each, which model runs where, and a way there.
#[test]
fn regions_stand_side_by_side_and_enter_goes_there() {
    let (here, there) = (Lab::start("gpu-memory-leak", 4.0), Lab::start("small", 1.0));
    here.contexts(&[("us", &here.server()), ("eu", &there.server()), ("ap", &lab::nobody())]);
    let mut k = cockpit(KHUD, here.dir.path(), "", &[], 140, 40);
    k.until_text("live");
    k.then(":regions\r", "ap ");
    k.until("what each says", |s| {
        let row = |name: &str| {
            s.contents()
                .lines()
                // The header begins with the context's name, too.
                .rfind(|l| l.trim_start_matches(['▌', ' ']).starts_with(name))
                .map(str::to_owned)
        };
        let has = |name: &str, word: &str| row(name).is_some_and(|l| l.contains(word));
        has("ap ", "silent") && has("ap ", "refused") && has("eu ", " ms") && has("us ", " ms")
    });
    let store = here.sim.store();
    let models = store.list("deployments.apps", None);
    let gpu = |d: &serde_json::Value| {
        let containers = d["spec"]["template"]["spec"]["containers"].as_array().unwrap();
        containers.iter().any(|c| !c["resources"]["limits"]["nvidia.com/gpu"].is_null())
    };
    let model = models.iter().find(|d| gpu(d)).unwrap();
    let meta = &model["metadata"];
    k.until_text(&format!("{}/{}", meta["namespace"].as_str().unwrap(), meta["name"].as_str().unwrap()));
    // The rows are in the order of the names: the second is eu.
    k.then("gj\r", "eu ● live");
}
