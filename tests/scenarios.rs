//! Scenarios, played in simulated time: what their documents name must be seen through the store, and their cures must heal.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use khud::sim::api::machines::{ExecIo, ExecRequest, ExecResult, LogOptions, Machines, ProxyTarget};
use khud::sim::api::store::{Object, Part, Store};
use khud::sim::clock::SimClock;
use khud::sim::cluster::Cluster;
use khud::sim::scenario;
use serde_json::Value;

/// A scenario on a manual clock, its history lived through.
struct Play {
    cluster: Cluster,
    store: Arc<Store>,
}

impl Play {
    fn start(name: &str) -> Self {
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        let store = Store::seeded(clock, 7);
        let loaded = scenario::load(name).unwrap_or_else(|e| panic!("{e}"));
        let cluster = Cluster::stage(store.clone(), &loaded);
        Self { cluster, store }
    }

    fn pass(&self, seconds: u64) {
        self.cluster.advance(Duration::from_secs(seconds));
    }

    fn pods(&self, ns: &str, prefix: &str) -> Vec<Object> {
        let all = self.store.list("pods", Some(ns));
        all.into_iter().filter(|p| text(p, "/metadata/name").starts_with(prefix)).collect()
    }

    fn set_image(&self, ns: &str, deployment: &str, image: &str) {
        let write = |o: &mut Value| o["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        self.store.modify("deployments.apps", ns, deployment, Part::Main, write).unwrap();
        self.cluster.settle();
    }
}

/// What a command in a container came to.
struct Ran {
    out: Vec<u8>,
    err: String,
    result: ExecResult,
}

impl Ran {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.out).into_owned()
    }
}

impl Play {
    async fn exec(&self, ns: &str, pod: &str, command: &[&str]) -> Ran {
        self.exec_with(ns, pod, command, Bytes::new()).await
    }

    async fn exec_with(&self, ns: &str, pod: &str, command: &[&str], input: Bytes) -> Ran {
        let (to_stdin, stdin) = tokio::sync::mpsc::channel(4);
        let (stdout, mut out) = tokio::sync::mpsc::channel(4);
        let (stderr, mut err) = tokio::sync::mpsc::channel(4);
        let (_resize, resize) = tokio::sync::mpsc::channel(1);
        let request = ExecRequest {
            container: String::new(),
            command: command.iter().map(|c| (*c).to_owned()).collect(),
            stdin: !input.is_empty(),
            tty: false,
        };
        if !input.is_empty() {
            to_stdin.send(input).await.unwrap();
        }
        drop(to_stdin);
        let io = ExecIo { stdin, stdout, stderr, resize };
        let mut running = self.cluster.exec(ns, pod, request, io).unwrap();
        let (mut ran, mut done) =
            (Ran { out: Vec::new(), err: String::new(), result: ExecResult::Exited(-1) }, false);
        loop {
            tokio::select! {
                biased;
                Some(data) = out.recv() => ran.out.extend_from_slice(&data),
                Some(data) = err.recv() => ran.err.push_str(&String::from_utf8_lossy(&data)),
                result = &mut running, if !done => {
                    ran.result = result;
                    done = true;
                }
                // Nothing to read while the command waits: let its time pass.
                () = tokio::task::yield_now(), if !done => self.cluster.advance(Duration::from_millis(100)),
                else => return ran,
            }
        }
    }
}

fn text<'a>(v: &'a Value, pointer: &str) -> &'a str {
    v.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn condition<'a>(v: &'a Value, kind: &str) -> &'a Value {
    let list = v.pointer("/status/conditions").and_then(Value::as_array);
    list.and_then(|l| l.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

fn ready(pod: &Value) -> bool {
    condition(pod, "Ready")["status"] == "True"
}

fn restarts(pod: &Value) -> i64 {
    pod.pointer("/status/containerStatuses/0/restartCount").and_then(Value::as_i64).unwrap_or(-1)
}

#[test]
fn healthy_has_forty_nodes_three_hundred_pods_and_nothing_to_say() {
    let play = Play::start("healthy");
    play.pass(300);
    let nodes = play.store.list("nodes", None);
    assert_eq!(nodes.len(), 40);
    assert_eq!(
        nodes.iter().filter(|n| n.pointer("/status/allocatable/nvidia.com~1gpu").is_some()).count(),
        12
    );
    for node in &nodes {
        assert_eq!(condition(node, "Ready")["status"], "True", "{}", text(node, "/metadata/name"));
    }
    let pods = play.store.list("pods", None);
    assert!((280..=330).contains(&pods.len()), "{} pods", pods.len());
    for pod in &pods {
        assert!(ready(pod) && restarts(pod) == 0, "{} {}", text(pod, "/metadata/name"), pod["status"]);
    }
    let mut namespaces: Vec<&str> = pods.iter().map(|p| text(p, "/metadata/namespace")).collect();
    namespaces.sort_unstable();
    namespaces.dedup();
    assert_eq!(
        namespaces,
        ["gpu-operator", "inference", "kube-system", "ml-training", "monitoring", "production"]
    );
    let events = play.store.list("events", None);
    let warnings: Vec<&str> =
        events.iter().filter(|e| e["type"] == "Warning").map(|e| text(e, "/message")).collect();
    assert_eq!(warnings, Vec::<&str>::new());
    for deployment in play.store.list("deployments.apps", None) {
        assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
        assert_eq!(condition(&deployment, "Available")["status"], "True");
    }
    for budget in play.store.list("poddisruptionbudgets.policy", None) {
        assert!(budget["status"]["disruptionsAllowed"].as_i64() > Some(0), "{budget}");
    }
}

#[test]
fn the_tour_shows_its_incidents_and_rolling_back_heals_them() {
    let play = Play::start("tour");
    let sick =
        |prefix: &str| play.pods("production", prefix).into_iter().filter(|p| !ready(p)).collect::<Vec<_>>();
    assert!(sick("api-server").is_empty());
    let payments = play.pods("production", "payment-service");
    let counts: Vec<i64> = payments.iter().map(|p| restarts(p)).collect();
    assert!(counts.iter().any(|r| *r >= 6) && counts.iter().any(|r| (2..=4).contains(r)), "{counts:?}");
    let last = payments.iter().find(|p| restarts(p) >= 6).unwrap();
    assert_eq!(last["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"], "OOMKilled");
    let mut proxies: Vec<i64> =
        play.pods("kube-system", "kube-proxy").iter().map(|p| restarts(p)).filter(|r| *r > 0).collect();
    proxies.sort_unstable();
    assert_eq!(proxies.len(), 3, "{proxies:?}");

    play.pass(12);
    let waiting: Vec<String> = sick("api-server")
        .iter()
        .map(|p| text(p, "/status/containerStatuses/0/state/waiting/message").to_owned())
        .collect();
    assert!(!waiting.is_empty());
    assert!(waiting.iter().all(|m| m.contains("api-server:v2.0.1: not found")), "{waiting:?}");
    play.pass(20);
    let node = play.store.get("nodes", "", "gpu-worker-007").unwrap();
    assert_eq!(condition(&node, "Ready")["message"], "container runtime is down");
    play.pass(60);
    let stuck = play.store.get("deployments.apps", "production", "api-server").unwrap();
    assert_eq!(condition(&stuck, "Progressing")["reason"], "ProgressDeadlineExceeded");
    assert_eq!(condition(&stuck, "Available")["status"], "True", "maxUnavailable 1 keeps five of six");

    play.set_image("production", "api-server", "registry.acme.io/shop/api-server:v2.0.0");
    play.set_image("production", "payment-service", "registry.acme.io/shop/payment-service:v3.7.2");
    play.pass(300);
    let healed = play.store.get("deployments.apps", "production", "api-server").unwrap();
    assert_eq!(condition(&healed, "Progressing")["reason"], "NewReplicaSetAvailable");
    assert_eq!(healed["status"]["updatedReplicas"], 6);
    assert!(sick("api-server").is_empty() && sick("payment-service").is_empty());
    play.pass(1800);
    assert!(play.pods("production", "payment-service").iter().all(|p| restarts(p) == 0));
    let node = play.store.get("nodes", "", "gpu-worker-007").unwrap();
    assert_eq!(condition(&node, "Ready")["status"], "True");
    assert!(node["spec"].get("taints").is_some_and(|t| t.as_array().unwrap().len() == 1), "{}", node["spec"]);
}

#[tokio::test]
async fn a_heap_dump_is_a_real_file_with_a_real_checksum() {
    let play = Play::start("tour");
    let pods = play.pods("production", "payment-service");
    let pod =
        text(pods.iter().find(|p| (2..=4).contains(&restarts(p))).unwrap(), "/metadata/name").to_owned();
    let run = async |command: &[&str]| play.exec("production", &pod, command).await;
    assert_eq!(run(&["jcmd", "-l"]).await.text().lines().next(), Some("1 com.acme.payments.PaymentService"));
    assert!(run(&["jcmd", "1", "GC.class_histogram"]).await.text().contains("CardSession"));
    assert!(run(&["jcmd", "1", "Thread.print"]).await.text().contains("Full thread dump"));
    assert!(run(&["jcmd", "4242", "VM.version"]).await.err.contains("java.io.IOException: No such process"));
    // The wording is that of captures/exec/jcmd-heap-dump*.txt.
    let bad = run(&["jcmd", "1", "GC.heap_dump", "/nope/a.hprof"]).await.text();
    assert_eq!(
        bad,
        "1:\nDumping heap to /nope/a.hprof ...\nUnable to create /nope/a.hprof: No such file or directory\n"
    );
    let made = run(&["jcmd", "1", "GC.heap_dump", "/tmp/a.hprof"]).await.text();
    let size: u64 = made.split('[').nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(made.starts_with("1:\nDumping heap to /tmp/a.hprof ...\nHeap dump file created ["), "{made}");
    assert!(run(&["jcmd", "1", "GC.heap_dump", "/tmp/a.hprof"]).await.text().contains("File exists"));
    assert_eq!(run(&["stat", "-c", "%s", "/tmp/a.hprof"]).await.text().trim(), size.to_string());
    let sum = run(&["sha256sum", "/tmp/a.hprof"]).await.text();
    // Fetched in pieces, as a transfer that was cut resumes.
    let first = run(&["dd", "if=/tmp/a.hprof", "bs=1048576", "count=3"]).await;
    let script = format!("tail -c +{} /tmp/a.hprof", first.out.len() + 1);
    let rest = run(&["sh", "-c", &script]).await;
    let whole = [first.out, rest.out].concat();
    assert_eq!(whole.len() as u64, size);
    assert!(whole.starts_with(b"JAVA PROFILE 1.0.2"));
    use sha2::Digest;
    let ours: String = sha2::Sha256::digest(&whole).iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(sum, format!("{ours}  /tmp/a.hprof\n"));
    let tar = run(&["sh", "-c", "tar cf - /tmp/a.hprof | wc -c"]).await;
    assert_eq!(tar.text().trim().parse::<u64>().unwrap(), size.div_ceil(512) * 512 + 512 + 1024);
    assert_eq!(run(&["rm", "-f", "/tmp/a.hprof"]).await.result, ExecResult::Exited(0));
    assert!(run(&["ls", "/tmp/a.hprof"]).await.err.contains("No such file or directory"));
    let ExecResult::Failed(why) = run(&["/no/such/tool"]).await.result else { panic!("it ran") };
    assert!(why.ends_with("exec: \"/no/such/tool\": stat /no/such/tool: no such file or directory"), "{why}");
}

#[tokio::test]
async fn files_go_in_and_out_and_shells_do_as_they_are_told() {
    let play = Play::start("healthy");
    let pods = play.pods("production", "cart");
    let pod = text(&pods[0], "/metadata/name");
    let run = async |script: &str| play.exec("production", pod, &["sh", "-c", script]).await;
    assert_eq!(run("echo one > /tmp/x; echo two >> /tmp/x; cat /tmp/x | wc -l").await.text(), "2\n");
    assert_eq!(run("if [ -f /tmp/x ]; then echo yes; else echo no; fi").await.text(), "yes\n");
    assert_eq!(run("false && echo a || echo b").await.text(), "b\n");
    assert_eq!(run("exit 3").await.result, ExecResult::Exited(3));
    assert_eq!(run("nosuch").await.result, ExecResult::Exited(127));
    let archive = Bytes::from(play.exec("production", pod, &["tar", "cf", "-", "/tmp/x"]).await.out);
    let other = text(&pods[1], "/metadata/name");
    play.exec_with("production", other, &["tar", "xmf", "-", "-C", "/app"], archive).await;
    assert_eq!(play.exec("production", other, &["cat", "/app/tmp/x"]).await.text(), "one\ntwo\n");
    let known = run("nslookup api-server.production.svc.cluster.local").await;
    assert_eq!(known.result, ExecResult::Exited(0), "{}", known.text());
    assert!(run("nslookup nobody.production").await.text().contains("NXDOMAIN"));
    assert_eq!(run("wget -qO- http://api-server/ready").await.text(), "ok\n");
}

#[tokio::test]
async fn exporters_answer_through_the_proxy_in_their_own_format() {
    let play = Play::start("healthy");
    let get = async |ns: &str, pod: &str, port, path| {
        let target = ProxyTarget::Pod { ns: ns.into(), name: pod.into(), https: false, port };
        play.cluster.http(target, "GET", path, Bytes::new()).await
    };
    let exporter = play.pods("gpu-operator", "nvidia-dcgm-exporter");
    assert_eq!(exporter.len(), 12);
    let reply = get("gpu-operator", text(&exporter[0], "/metadata/name"), 9400, "/metrics").await.unwrap();
    let body = String::from_utf8(reply.body().to_vec()).unwrap();
    let used: Vec<&str> = body.lines().filter(|l| l.starts_with("DCGM_FI_DEV_FB_USED{")).collect();
    assert_eq!(used.len(), 8);
    for label in [
        "gpu=\"0\"",
        "UUID=\"GPU-",
        "pci_bus_id=\"",
        "device=\"nvidia0\"",
        "modelName=\"NVIDIA H100 80GB HBM3\"",
        "hostname=\"",
        "DCGM_FI_DRIVER_VERSION=\"550.54.15\"",
    ] {
        assert!(used[0].contains(label), "{label} is not in {}", used[0]);
    }
    assert!(
        body.contains("pod=\"llm-train-week3-")
            || body.contains("pod=\"llm-chat-")
            || body.contains("pod=\"vision-train-")
    );
    let refused =
        get("gpu-operator", text(&exporter[0], "/metadata/name"), 9999, "/metrics").await.unwrap_err();
    assert!(
        refused.message.starts_with("error trying to reach service: dial tcp 10.") && refused.code == 503
    );
    let node = ProxyTarget::Node { name: "worker-001".into(), port: 10256 };
    let health = play.cluster.http(node, "GET", "/healthz", Bytes::new()).await.unwrap();
    assert!(String::from_utf8_lossy(health.body()).contains("\"healthy\":true"));
    let usage = play.cluster.usage().unwrap();
    assert_eq!((usage.nodes.len(), usage.pods.len()), (40, play.store.list("pods", None).len()));
}

#[tokio::test]
async fn logs_are_there_also_those_of_the_run_before() {
    let play = Play::start("tour");
    let pods = play.pods("production", "payment-service");
    let pod = text(pods.iter().find(|p| restarts(p) >= 6).unwrap(), "/metadata/name");
    let read = async |options: LogOptions| -> Result<String, String> {
        let mut lines = play.cluster.log("production", pod, &options).map_err(|s| s.message)?;
        let mut all = Vec::new();
        while let Some(data) = lines.recv().await {
            all.extend_from_slice(&data);
        }
        Ok(String::from_utf8(all).unwrap())
    };
    let previous =
        LogOptions { previous: true, tail_lines: Some(1), timestamps: true, ..LogOptions::default() };
    let last = read(previous).await.unwrap();
    assert!(last.contains("session cache holds") && last.starts_with("2026-11-2"), "{last}");
    play.pass(10);
    let waiting = play.pods("production", "api-server").into_iter().find(|p| !ready(p)).unwrap();
    let status =
        play.cluster.log("production", text(&waiting, "/metadata/name"), &LogOptions::default()).unwrap_err();
    assert_eq!(
        status.message,
        format!(
            "container \"api-server\" in pod {:?} is waiting to start: trying and failing to pull image",
            text(&waiting, "/metadata/name")
        )
    );
}

/// Every version of an object that the watch showed, each told in a line, repetitions left out.
fn sequences(
    play: &Play,
    seconds: u64,
    tell: impl Fn(&str, &Value) -> Option<(String, String)>,
) -> BTreeMap<String, Vec<String>> {
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut changes = play.store.subscribe();
    for resource in ["nodes", "deployments.apps", "pods"] {
        for (of, line) in play.store.list(resource, None).iter().filter_map(|o| tell(resource, o)) {
            seen.entry(of).or_default().push(line);
        }
    }
    for _ in 0..seconds * 2 {
        play.cluster.advance(Duration::from_millis(500));
        while let Some(change) = changes.try_next() {
            let Some((of, line)) = tell(&change.resource, &change.object) else { continue };
            let lines = seen.entry(of).or_default();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
    }
    seen
}

/// Generated names and ids, told as what they are.
fn anonymous(text: &str) -> String {
    let rules = [
        (r"(api-server|payment-service)-[a-z0-9]{6,10}-[a-z0-9]{5}", "$1-POD"),
        (r"(api-server|payment-service)-[a-z0-9]{6,10}\b", "$1-SET"),
        (r"[0-9a-f]{8}-[0-9a-f-]{27}", "UID"),
    ];
    rules.iter().fold(text.to_owned(), |t, (rule, to)| {
        regex::Regex::new(rule).unwrap().replace_all(&t, *to).into_owned()
    })
}

fn told_condition(object: &Value, kind: &str) -> Option<String> {
    let c = condition(object, kind);
    let line =
        format!("{kind} {} {} {}", text(c, "/status"), text(c, "/reason"), anonymous(text(c, "/message")));
    (!c.is_null()).then(|| line.trim().to_owned())
}

fn told_container(pod: &Value) -> Option<String> {
    let c = pod.pointer("/status/containerStatuses/0")?;
    let state = &c["state"];
    let line = if let Some(w) = state.get("waiting") {
        format!("waiting {} {}", text(w, "/reason"), anonymous(text(w, "/message")))
    } else if state.get("running").is_some() {
        format!("running restarts={}", c["restartCount"])
    } else {
        let t = &state["terminated"];
        format!("terminated {} {} restarts={}", text(t, "/reason"), t["exitCode"], c["restartCount"])
    };
    Some(line.trim().to_owned())
}

/// tests/fixtures/sequences/*.txt are the same lines told of captures/watch/*.jsonl.
#[test]
fn the_sequences_of_the_captures_are_reproduced() {
    let play = Play::start("tests/fixtures/captured.yaml");
    let seen = sequences(&play, 300, |resource, o| {
        let name = text(o, "/metadata/name");
        Some(match resource {
            "deployments.apps" if name == "api-server" => {
                ("rollout".into(), told_condition(o, "Progressing")?)
            }
            "nodes" => ("node".into(), told_condition(o, "Ready")?),
            "pods" if text(o, "/metadata/namespace") == "prod" => ("oom".into(), told_container(o)?),
            "pods" if !name.starts_with("api-server") => {
                (format!("pull-{}", name.trim_start_matches("pull-")), told_container(o)?)
            }
            "events" if text(o, "/involvedObject/name") == "tag-absent" && o["reason"] != "Scheduled" => {
                let line = format!("{} {} {}", text(o, "/type"), text(o, "/reason"), text(o, "/message"));
                ("events-tag-absent".into(), line)
            }
            _ => return None,
        })
    });
    for file in std::fs::read_dir("tests/fixtures/sequences").unwrap() {
        let path = file.unwrap().path();
        let of = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let want = std::fs::read_to_string(&path).unwrap();
        let want: Vec<&str> = want.lines().collect();
        let got: Vec<&str> =
            seen.get(&of).into_iter().flatten().map(String::as_str).take(want.len()).collect();
        assert_eq!(got, want, "{of}");
    }
}

fn waiting(pod: &Value) -> String {
    let w = pod.pointer("/status/containerStatuses/0/state/waiting");
    w.map(|w| format!("{}: {}", text(w, "/reason"), text(w, "/message"))).unwrap_or_default()
}

fn deployment(play: &Play, ns: &str, name: &str) -> Object {
    play.store.get("deployments.apps", ns, name).unwrap()
}

async fn previous_log(play: &Play, ns: &str, pod: &Value) -> String {
    let options = LogOptions { previous: true, ..LogOptions::default() };
    let mut lines = match play.cluster.log(ns, text(pod, "/metadata/name"), &options) {
        Ok(lines) => lines,
        Err(status) => return status.message,
    };
    let mut all = String::new();
    while let Some(data) = lines.recv().await {
        all.push_str(&String::from_utf8_lossy(&data));
    }
    all
}

#[tokio::test]
async fn failed_deployment_has_four_causes_and_rolling_back_heals_each() {
    let play = Play::start("failed-deployment");
    play.pass(75);
    let sick = |app: &str| play.pods("production", app).into_iter().find(|p| !ready(p)).unwrap();
    assert!(waiting(&sick("api-server")).contains("v2.0.1: not found"));
    assert!(
        previous_log(&play, "production", &sick("web"))
            .await
            .contains("Cannot find module 'missing-dependency'")
    );
    assert!(
        previous_log(&play, "production", &sick("orders"))
            .await
            .contains("getaddrinfo ENOTFOUND database-new.production")
    );
    let events = play.store.list("events", Some("production"));
    assert!(
        events.iter().any(|e| text(e, "/message").starts_with("Readiness probe failed: Get \"http://10.")
            && text(e, "/message").ends_with(":3000: connect: connection refused"))
    );
    for name in ["api-server", "profile"] {
        assert_eq!(
            condition(&deployment(&play, "production", name), "Progressing")["reason"],
            "ProgressDeadlineExceeded",
            "{name}"
        );
    }
    play.set_image("production", "api-server", "registry.acme.io/shop/api-server:v2.0.0");
    play.set_image("production", "web", "registry.acme.io/shop/web:v1.4.0");
    for (name, field, value) in [
        (
            "orders",
            "env",
            serde_json::json!([{"name": "DATABASE_HOST", "value": "database.production.svc.cluster.local"}]),
        ),
        (
            "profile",
            "readinessProbe",
            serde_json::json!({"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 3}),
        ),
    ] {
        let write = |o: &mut Value| o["spec"]["template"]["spec"]["containers"][0][field] = value;
        play.store.modify("deployments.apps", "production", name, Part::Main, write).unwrap();
    }
    play.pass(120);
    for name in ["api-server", "web", "orders", "profile"] {
        assert_eq!(
            condition(&deployment(&play, "production", name), "Progressing")["reason"],
            "NewReplicaSetAvailable",
            "{name}"
        );
        assert!(play.pods("production", name).iter().all(|p| ready(p)), "{name}");
    }
}

#[test]
fn crashloop_oom_is_killed_at_its_limit_until_it_is_rolled_back() {
    let play = Play::start("crashloop-oom");
    play.pass(400);
    let pods = play.pods("production", "payment-service");
    assert!(pods.iter().any(|p| restarts(p) >= 2
        && p["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"] == "OOMKilled"));
    play.set_image("production", "payment-service", "registry.acme.io/shop/payment-service:v2.3.1");
    play.pass(300);
    let pods = play.pods("production", "payment-service");
    assert!(pods.len() == 3 && pods.iter().all(|p| ready(p) && restarts(p) == 0));
}

#[test]
fn gpu_vanished_shows_twenty_twenty_none_until_the_driver_is_back() {
    let play = Play::start("gpu-vanished");
    let plugin = || {
        play.store.get("daemonsets.apps", "gpu-operator", "nvidia-device-plugin-daemonset").unwrap()["status"]
            .clone()
    };
    let gpus = || {
        play.store
            .list("nodes", None)
            .iter()
            .filter(|n| text(n, "/status/allocatable/nvidia.com~1gpu") == "8")
            .count()
    };
    assert_eq!((&plugin()["numberReady"], gpus()), (&20.into(), 20));
    play.pass(10);
    // The plugin's own containers do not restart by themselves; the driver's roll-out restarts them on a real node.
    for pod in play.pods("gpu-operator", "nvidia-device-plugin") {
        play.store.delete("pods", "gpu-operator", text(&pod, "/metadata/name"), Default::default()).unwrap();
    }
    play.pass(110);
    let status = plugin();
    assert_eq!(
        (&status["desiredNumberScheduled"], &status["currentNumberScheduled"], &status["numberReady"]),
        (&20.into(), &20.into(), &0.into())
    );
    assert_eq!(gpus(), 0);
    assert!(play.store.list("nodes", None).iter().all(|n| condition(n, "Ready")["status"] == "True"));
    let train = play.store.get("pods", "ml-training", "llm-train-0").unwrap();
    assert!(
        text(condition(&train, "PodScheduled"), "/message").contains("24 Insufficient nvidia.com/gpu"),
        "{}",
        train["status"]
    );
    let back = |o: &mut Value| {
        o["spec"]["template"]["spec"]["containers"][0]["image"] = "nvcr.io/nvidia/driver:550.54.15".into()
    };
    play.store
        .modify("daemonsets.apps", "gpu-operator", "nvidia-driver-daemonset", Part::Main, back)
        .unwrap();
    play.pass(600);
    assert_eq!((&plugin()["numberReady"], gpus()), (&20.into(), 20));
    assert!(ready(&play.store.get("pods", "ml-training", "llm-train-0").unwrap()));
}

#[tokio::test]
async fn gpu_memory_leak_grows_from_twelve_to_twenty_eight_and_a_restart_frees_it() {
    let play = Play::start("gpu-memory-leak");
    let used = async || {
        let mut most = 0.0_f64;
        for exporter in play.pods("gpu-operator", "nvidia-dcgm-exporter") {
            let target = ProxyTarget::Pod {
                ns: "gpu-operator".into(),
                name: text(&exporter, "/metadata/name").into(),
                https: false,
                port: 9400,
            };
            let reply = play.cluster.http(target, "GET", "/metrics", Bytes::new()).await.unwrap();
            for line in String::from_utf8_lossy(reply.body())
                .lines()
                .filter(|l| l.starts_with("DCGM_FI_DEV_FB_USED{"))
            {
                most = most.max(line.rsplit(' ').next().unwrap().parse().unwrap());
            }
        }
        (most / 1024.0).round()
    };
    assert_eq!(used().await, 12.0);
    play.pass(300);
    assert_eq!(used().await, 18.0);
    play.pass(300);
    assert_eq!(used().await, 28.0);
}

#[test]
fn kube_proxy_cycling_counts_twelve_fifteen_and_eight_while_all_is_ready() {
    let play = Play::start("kube-proxy-cycling");
    let counts = || {
        let mut counts: Vec<i64> =
            play.pods("kube-system", "kube-proxy").iter().map(|p| restarts(p)).filter(|r| *r > 0).collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(counts(), [8, 12, 15]);
    assert!(play.pods("production", "api-backend").iter().all(|p| ready(p)));
    let more = |o: &mut Value| {
        o["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = "512Mi".into()
    };
    play.store.modify("daemonsets.apps", "kube-system", "kube-proxy", Part::Main, more).unwrap();
    play.pass(6 * 3600);
    assert_eq!(counts(), Vec::<i64>::new());
}

#[test]
fn runtime_crashloop_leaves_the_old_job_running_and_new_pods_waiting() {
    let play = Play::start("runtime-crashloop");
    play.pass(60);
    let node = play.store.get("nodes", "", "gpu-worker-002").unwrap();
    assert_eq!(
        (text(condition(&node, "Ready"), "/status"), text(condition(&node, "Ready"), "/message")),
        ("False", "container runtime is down")
    );
    let job = play.store.get("pods", "ml-training", "llm-train-week3-0").unwrap();
    assert!(job["status"]["containerStatuses"][0]["state"]["running"].is_object());
    let new = play.store.get("pods", "ml-training", "eval-run-7").unwrap();
    assert_eq!(waiting(&new), "ContainerCreating: ");
    assert!(
        play.store
            .list("events", Some("ml-training"))
            .iter()
            .any(|e| e["reason"] == "FailedCreatePodSandBox")
    );
    play.pass(240);
    let node = play.store.get("nodes", "", "gpu-worker-002").unwrap();
    assert_eq!(condition(&node, "Ready")["status"], "True");
    assert!(ready(&play.store.get("pods", "ml-training", "eval-run-7").unwrap()));
    assert_eq!(restarts(&play.store.get("pods", "ml-training", "llm-train-week3-0").unwrap()), 0);
}

#[tokio::test]
async fn dns_partial_hits_the_pods_of_two_nodes_only() {
    let play = Play::start("dns-partial");
    play.pass(90);
    for pod in play.pods("production", "api-backend") {
        let hit = matches!(text(&pod, "/spec/nodeName"), "worker-002" | "worker-005");
        assert_eq!(restarts(&pod) > 0, hit, "{}", text(&pod, "/spec/nodeName"));
    }
    assert!(play.pods("kube-system", "coredns").iter().all(|p| ready(p)));
    play.pass(600);
    assert!(play.pods("production", "api-backend").iter().all(|p| ready(p)));
}

#[test]
fn quotas_and_neighbours_stop_pods_and_say_so() {
    let play = Play::start("quota-exhausted");
    play.pass(30);
    let stuck = deployment(&play, "dev", "payment-service");
    let why = text(condition(&stuck, "ReplicaFailure"), "/message").to_owned();
    assert!(why.contains("exceeded quota: dev-quota, requested: requests.memory=100Mi, used: requests.memory=200Mi, limited: requests.memory=256Mi"), "{why}");
    let raise = |o: &mut Value| {
        o["spec"]["hard"] =
            serde_json::json!({"requests.memory": "1Gi", "limits.memory": "2Gi", "pods": "10"})
    };
    play.store.modify("resourcequotas", "dev", "dev-quota", Part::Main, raise).unwrap();
    play.pass(60);
    assert_eq!(deployment(&play, "dev", "payment-service")["status"]["readyReplicas"], 5);

    let play = Play::start("namespace-bleed");
    play.pass(80);
    let evicted = play
        .pods("dev", "batch-import")
        .into_iter()
        .find(|p| p["status"]["reason"] == "Evicted")
        .expect("the job is evicted");
    assert!(
        text(&evicted, "/status/message").starts_with("The node was low on resource: memory. "),
        "{}",
        evicted["status"]["message"]
    );
    assert!(play.pods("production", "cart").iter().all(|p| p["status"]["reason"] != "Evicted"));
}

#[test]
fn pending_everything_says_why_for_each() {
    let play = Play::start("pending-everything");
    play.pass(20);
    for (ns, name, why) in [
        ("production", "too-much-cpu", "Insufficient cpu"),
        ("ml-training", "too-many-gpus", "Insufficient nvidia.com/gpu"),
        ("production", "wrong-selector", "6 node(s) didn't match Pod's node affinity/selector"),
        ("production", "only-tainted", "3 node(s) had untolerated taint(s)"),
        ("production", "port-taken", "1 node(s) didn't have free ports for the requested pod ports"),
        ("production", "spread-out", "9 node(s) didn't match pod topology spread constraints"),
        ("ml-training", "waits-for-claim", "pod has unbound immediate PersistentVolumeClaims"),
        ("ml-training", "claim-missing", "persistentvolumeclaim \"models-v2\" not found"),
        ("production", "gated", "Scheduling is blocked due to non-empty scheduling gates"),
    ] {
        let pod = play.store.get("pods", ns, name).unwrap();
        let said = text(condition(&pod, "PodScheduled"), "/message");
        assert!(said.contains(why), "{name}: {said}");
    }
    let label = |o: &mut Value| o["metadata"]["labels"]["disktype"] = "ssd".into();
    play.store.modify("nodes", "", "worker-004", Part::Main, label).unwrap();
    play.pass(5);
    assert!(ready(&play.store.get("pods", "production", "wrong-selector").unwrap()));
}

#[tokio::test]
async fn the_guides_incidents_show_their_signals() {
    let play = Play::start("model-loading");
    play.pass(60);
    let pod = |app: &str| play.pods("inference", app).remove(0);
    assert!(
        previous_log(&play, "inference", &pod("path-wrong"))
            .await
            .contains("does not appear to have a file named config.json")
    );
    assert!(previous_log(&play, "inference", &pod("corrupt")).await.contains("SafetensorError"));
    assert_eq!(
        pod("too-big")["status"]["containerStatuses"][0]["lastState"]["terminated"]["reason"],
        "OOMKilled"
    );

    let play = Play::start("connectivity");
    play.pass(10);
    let ready_behind = |service: &str| {
        let slices = play.store.list("endpointslices.discovery.k8s.io", Some("production"));
        let slice = slices
            .iter()
            .find(|s| s["metadata"]["labels"]["kubernetes.io/service-name"] == service)
            .unwrap()
            .clone();
        slice["endpoints"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| e["conditions"]["ready"] == true)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (ready_behind("cart"), ready_behind("search"), ready_behind("profile")),
        (vec![], vec![true, true], vec![false, false])
    );
    let fix = |o: &mut Value| o["spec"]["selector"] = serde_json::json!({"app": "cart"});
    play.store.modify("services", "production", "cart", Part::Main, fix).unwrap();
    play.pass(1);
    assert_eq!(ready_behind("cart"), [true, true]);

    let play = Play::start("storage");
    play.pass(40);
    let said: Vec<String> = play
        .store
        .list("events", Some("ml-training"))
        .iter()
        .map(|e| text(e, "/message").to_owned())
        .collect();
    for want in [
        "storageclass.storage.k8s.io \"fast-ssd\" not found",
        "external provisioner 'nfs.csi.k8s.io'",
        "no capacity left in us-west-2b",
        "secret \"db-credentials\" not found",
    ] {
        assert!(said.iter().any(|s| s.contains(want)), "{want}");
    }
    let secret = serde_json::json!({"metadata": {"name": "db-credentials"}, "data": {}});
    play.store.create("secrets", "ml-training", secret).unwrap();
    play.pass(130);
    assert!(ready(&play.store.get("pods", "ml-training", "secretive").unwrap()));

    let play = Play::start("upgrade");
    let versions: std::collections::BTreeSet<String> = play
        .store
        .list("nodes", None)
        .iter()
        .map(|n| text(n, "/status/nodeInfo/kubeletVersion").to_owned())
        .collect();
    assert_eq!(versions.into_iter().collect::<Vec<_>>(), ["v1.31.9", "v1.34.1"]);
    assert!(restarts(&play.pods("llm-system", "llm-operator")[0]) > 3);
    let crd = play
        .store
        .get("customresourcedefinitions.apiextensions.k8s.io", "", "llmdeployments.inference.acme.io")
        .unwrap();
    assert_eq!(crd["status"]["storedVersions"], serde_json::json!(["v1beta1", "v1"]));
    play.set_image("llm-system", "llm-operator", "registry.acme.io/ml/llm-operator:2.0");
    play.pass(60);
    assert!(play.pods("llm-system", "llm-operator").iter().all(|p| ready(p)));
}
