//! What the machines behind the API do: shells and files, heap dumps, exporters, logs, and the captured sequences.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::support::drill::{self, Drill};
use bytes::Bytes;
use khud_sim::api::machines::{ExecIo, ExecRequest, ExecResult, LogOptions, Machines, ProxyTarget};
use khud_sim::api::store::{ChangeKind, Object, Store};
use khud_sim::clock::SimClock;
use khud_sim::cluster::Cluster;
use khud_sim::scenario;
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

/// fixtures/sequences/*.txt are the same lines told of captures/watch/*.jsonl.
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
    are_as_captured("tests/fixtures/sequences", &seen);
}

fn are_as_captured(dir: &str, seen: &BTreeMap<String, Vec<String>>) {
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let of = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let want = std::fs::read_to_string(&path).unwrap();
        let want: Vec<&str> = want.lines().collect();
        let got: Vec<&str> =
            seen.get(&of).into_iter().flatten().map(String::as_str).take(want.len()).collect();
        assert_eq!(got, want, "{of}");
    }
}

/// fixtures/drain/*.txt are told in the same way of captures/watch/drain-blocked-by-pdb.jsonl.
#[test]
fn a_blocked_drain_goes_as_captured() {
    let drill = Drill::start("tests/fixtures/captured-drain.yaml");
    let before = drill.pods("dev", "payment-service");
    let first = drill::name(&before[0]).to_owned();
    let is_new = |name: &str| before.iter().all(|p| drill::name(p) != name);
    let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut replacement = None;
    let mut blocked = Vec::new();
    let mut changes = drill.changes();
    let mut record = |replacement: &mut Option<String>| {
        while let Some(change) = changes.try_next() {
            let (o, name) = (&*change.object, text(&change.object, "/metadata/name"));
            let about = text(o, "/involvedObject/name");
            let gone = change.kind == ChangeKind::Deleted;
            let (of, line) = match &*change.resource {
                "nodes" => ("node", told_cordon(o)),
                "pods" if text(o, "/metadata/namespace") == "production" => {
                    blocked.push(told_disruption(o, gone));
                    continue;
                }
                "pods" if name == first => ("evicted", told_disruption(o, gone)),
                "pods" if is_new(name) && replacement.as_deref().is_none_or(|r| r == name) => {
                    *replacement = Some(name.to_owned());
                    ("replacement", told_placement(o))
                }
                "events" if about == first => ("evicted-events", told_event(o)),
                "events" if Some(about) == replacement.as_deref() => ("replacement-events", told_event(o)),
                "events" if about == "gpu-worker-042" => ("node-events", told_event(o)),
                "events" if text(o, "/involvedObject/kind") == "ReplicaSet" => ("set-events", told_event(o)),
                _ => continue,
            };
            let lines = seen.entry(of.to_owned()).or_default();
            if lines.last() != Some(&line) {
                lines.push(line);
            }
        }
    };
    let node = drill.get("nodes", "", "gpu-worker-042");
    let (cordoned, pod) = (told_cordon(&node), told_disruption(&before[0], false));
    drill.cordon("gpu-worker-042", true);
    for pod in &before {
        drill.evict("dev", drill::name(pod), Some(2)).unwrap();
    }
    for _ in 0..30 {
        for pod in drill.pods("production", "api-server") {
            let refused = drill.evict("production", drill::name(&pod), Some(2)).unwrap_err();
            assert!(
                refused.contains("Cannot evict pod as it would violate the pod's disruption budget."),
                "{refused}"
            );
            assert!(
                refused.contains("The disruption budget api-server needs 3 healthy pods and has 3 currently")
            );
        }
        drill.pass(1);
        record(&mut replacement);
    }
    drill.cordon("gpu-worker-042", false);
    drill.pass(10);
    record(&mut replacement);
    assert_eq!(blocked, Vec::<String>::new(), "the budget's pods are left alone");
    seen.get_mut("node").unwrap().insert(0, cordoned);
    seen.get_mut("evicted").unwrap().insert(0, pod);
    are_as_captured("tests/fixtures/drain", &seen);
}

fn told_cordon(node: &Value) -> String {
    let cordoned = node["spec"]["unschedulable"] == true;
    let taints = node["spec"]["taints"].as_array().into_iter().flatten();
    let taints =
        taints.map(|t| format!("{}:{}", text(t, "/key"), text(t, "/effect"))).collect::<Vec<_>>().join(",");
    format!("unschedulable={cordoned} {taints}").trim().to_owned()
}

fn told_disruption(pod: &Value, gone: bool) -> String {
    if gone {
        return "gone".to_owned();
    }
    let deleting = pod.pointer("/metadata/deletionTimestamp").map(|_| "deleting".to_owned());
    let parts = [
        Some(text(pod, "/status/phase").to_owned()),
        deleting,
        told_container(pod),
        told_condition(pod, "DisruptionTarget"),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn told_placement(pod: &Value) -> String {
    let scheduled = match text(condition(pod, "PodScheduled"), "/status") {
        "True" => Some("scheduled".to_owned()),
        _ => told_condition(pod, "PodScheduled"),
    };
    let parts = [Some(text(pod, "/status/phase").to_owned()), scheduled, told_container(pod)];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

fn told_event(event: &Value) -> String {
    let message = text(event, "/message").trim_start_matches("(combined from similar events): ");
    format!("{} {} {}", text(event, "/type"), text(event, "/reason"), anonymous(message))
}
