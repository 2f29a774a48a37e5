//! Remedies from plan to journal, against the captured cluster and a pretended container.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use crate::support::captures;
use khud::remedy::{self, Entry, Need, Options, Outcome, Params, Reply, Run, Stage};
use khud::world::ask::{Answer, Call, Exec, ExecOutput, Verb};
use khud::world::{Kind, ObjectRef, Time, World};
use serde_json::{Value, json};

type Answering<'a> = dyn FnMut(&Call, &mut World) -> Answer + 'a;
type Running<'a> = dyn FnMut(&Exec) -> Result<ExecOutput, String> + 'a;

/// Plays everybody around a run.
struct Everybody<'a> {
    now: Time,
    calls: Box<Answering<'a>>,
    execs: Box<Running<'a>>,
    yes: bool,
    asked: Vec<Option<String>>,
    journal: Vec<Entry>,
    sent: Vec<Call>,
    /// Cancel when this many execs were answered.
    cancel_after: Option<usize>,
}

fn answer(status: u16, body: Value) -> Answer {
    Answer { status, body }
}

fn allowed() -> Answer {
    let capture = captures::capture("authz/ssar-allowed.json");
    answer(201, capture["response"]["json"].clone())
}

impl<'a> Everybody<'a> {
    fn new(calls: impl FnMut(&Call, &mut World) -> Answer + 'a) -> Everybody<'a> {
        Everybody {
            now: captures::now(),
            calls: Box::new(calls),
            execs: Box::new(|e| Err(format!("no such command {:?}", e.command))),
            yes: true,
            asked: Vec::new(),
            journal: Vec::new(),
            sent: Vec::new(),
            cancel_after: None,
        }
    }

    /// Drives a run to its end: needs are answered in order, and where nothing is needed time goes on.
    fn play(&mut self, run: &mut Run, world: &mut World) {
        let mut open: VecDeque<(u64, Need)> = VecDeque::new();
        let mut execs = 0;
        for _ in 0..10_000 {
            open.extend(run.poll(world, self.now));
            if run.done() {
                return;
            }
            let Some((id, need)) = open.pop_front() else {
                let wake = run.wake().expect("a run that waits for nothing is stuck");
                // In small steps, as the world would show it.
                self.now = Time((self.now.0 + 1000).min(wake.0.max(self.now.0 + 1)));
                continue;
            };
            let reply = match need {
                Need::Call(call) => {
                    self.sent.push(call.clone());
                    let a = if call.path.ends_with("selfsubjectaccessreviews") {
                        allowed()
                    } else {
                        (self.calls)(&call, world)
                    };
                    Reply::Call(Ok(a))
                }
                Need::Exec(e) => {
                    execs += 1;
                    if self.cancel_after == Some(execs) {
                        run.cancel();
                    }
                    Reply::Exec((self.execs)(&e))
                }
                Need::File(op) => Reply::File(op.perform()),
                Need::Confirm(c) => {
                    self.asked.push(c.typed.map(|t| t.to_string()));
                    Reply::Confirm(self.yes)
                }
                Need::Journal(entry) => {
                    self.journal.push(*entry);
                    Reply::Journal(Ok(()))
                }
            };
            run.answer(id, reply);
        }
        panic!("the run does not end: {run:?}");
    }
}

// --- rollback ------------------------------------------------------------------------------------------------------------

struct Stream(Vec<Value>);

impl Stream {
    fn load() -> Stream {
        Stream(
            captures::text("watch/failed-rollout-and-undo.jsonl")
                .lines()
                .map(|l| serde_json::from_str(l).unwrap())
                .collect(),
        )
    }

    fn kind(event: &Value) -> Kind {
        match event["resource"].as_str().unwrap() {
            "pods" => Kind::Pod,
            "nodes" => Kind::Node,
            "events" => Kind::Event,
            "deployments" => Kind::Deployment,
            "replicasets" => Kind::ReplicaSet,
            _ => Kind::EndpointSlice,
        }
    }

    /// Puts what happened in `[from, to)` seconds into the world.
    fn play(&self, world: &mut World, from: f64, to: f64) {
        for e in &self.0 {
            let t = e["t"].as_f64().unwrap();
            if t < from || t >= to || e["type"] == "BOOKMARK" {
                continue;
            }
            if e["type"] == "DELETED" {
                let meta = &e["object"]["metadata"];
                let object = ObjectRef::new(
                    Stream::kind(e),
                    meta["namespace"].as_str().unwrap_or(""),
                    meta["name"].as_str().unwrap(),
                );
                let uid = meta["uid"].as_str().unwrap().into();
                world.apply(khud::world::Delta::Delete { object, uid }, &mut Vec::new());
            } else {
                captures::apply(world, Stream::kind(e), &e["object"]);
            }
        }
    }

    /// The newest state before `t` of the objects of a resource in `production`.
    fn objects(&self, resource: &str, t: f64) -> Vec<Value> {
        let mut out: std::collections::BTreeMap<String, Value> = std::collections::BTreeMap::new();
        for e in &self.0 {
            if e["t"].as_f64().unwrap() < t
                && e["resource"] == resource
                && e["object"]["metadata"]["namespace"] == "production"
            {
                out.insert(e["object"]["metadata"]["name"].as_str().unwrap().to_owned(), e["object"].clone());
            }
        }
        out.into_values().collect()
    }
}

fn api_server() -> ObjectRef {
    ObjectRef::new(Kind::Deployment, "production", "api-server")
}

/// The value of `/spec/template` in kubectl's request (its log cuts the body after that).
fn kubectls_template() -> Value {
    let log = captures::text("kubectl/rollout-undo.txt");
    let line = log.lines().find(|l| l.contains("Request Body") && l.contains("/spec/template")).unwrap();
    let quoted = line.split_once("body=\"").unwrap().1.replace("\\\"", "\"").replace("\\\\", "\\");
    let value = quoted.split_once("\"value\":").unwrap().1;
    serde_json::Deserializer::from_str(value).into_iter::<Value>().next().unwrap().unwrap()
}

#[test]
fn a_rollback_sends_what_kubectl_sends_and_is_verified_by_the_watch() {
    let stream = Stream::load();
    // Just before the undo: progress deadline exceeded.
    let (before, after) = (58.0, 59.3);
    let mut world = World::new();
    stream.play(&mut world, 0.0, before);
    let deployment = stream.objects("deployments", before).remove(0);
    let sets = stream.objects("replicasets", before);
    let patched = stream.objects("deployments", 59.0).remove(0);
    let bodies = RefCell::new(Vec::new());
    let mut stage = Everybody::new(|call, world| match (call.verb, call.path.as_str()) {
        (Verb::Get, "/apis/apps/v1/namespaces/production/deployments/api-server") => {
            answer(200, deployment.clone())
        }
        (Verb::Get, "/apis/apps/v1/namespaces/production/replicasets?labelSelector=app%3Dapi-server") => {
            answer(200, json!({"items": sets}))
        }
        (Verb::Patch, path) => {
            assert_eq!(&*call.content_type, "application/json-patch+json");
            bodies.borrow_mut().push((path.to_owned(), call.body.clone().unwrap()));
            if !path.contains("dryRun") {
                // What the cluster did then.
                stream.play(world, before, after);
            }
            answer(200, patched.clone())
        }
        other => panic!("{other:?}"),
    });
    let mut run = Run::new("rollback", api_server(), Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Verified), "{}", report.reason);
    assert_eq!((run.exit_code(), run.stage()), (0, Stage::Done));

    let path = "/apis/apps/v1/namespaces/production/deployments/api-server";
    let sent: Vec<(&str, bool, u16)> =
        report.requests.iter().map(|r| (r.path.as_str(), r.dry_run, r.status)).collect();
    assert_eq!(sent, [(&*format!("{path}?dryRun=All"), true, 200), (path, false, 200)]);
    let bodies = bodies.borrow().clone();
    assert_eq!(bodies[0].1, bodies[1].1, "what was tried is what is sent");
    let ops = bodies[1].1.as_array().unwrap();
    assert_eq!(ops[0], json!({"op": "test", "path": "/metadata/resourceVersion", "value": "1236"}));
    assert_eq!((&ops[1]["op"], &ops[1]["path"]), (&json!("replace"), &json!("/spec/template")));
    assert_eq!(ops[1]["value"], kubectls_template());
    assert_eq!((&ops[2]["op"], &ops[2]["path"]), (&json!("replace"), &json!("/metadata/annotations")));
    // What the server then had, annotations and template, is what was asked for.
    assert_eq!(ops[2]["value"], patched["metadata"]["annotations"]);
    assert_eq!(ops[1]["value"], patched["spec"]["template"]);

    let diff = &report.plan.changes[0].diff;
    assert!(diff.contains("-") && diff.contains("myregistry.io/api-server:v2.0.1"), "{diff}");
    assert!(diff.lines().any(|l| l.starts_with('+') && l.contains("localhost/busybox:1")), "{diff}");
    assert_eq!(report.plan.kubectl, "kubectl rollout undo deployment/api-server -n production");
    assert!(
        report.plan.impact.iter().any(|i| i.what == "kubectl apply manages this"),
        "{:?}",
        report.plan.impact
    );
    let events: Vec<&str> = stage.journal.iter().map(|e| e.event.as_str()).collect();
    assert_eq!(events, ["begun", "ended"]);
    assert_eq!(stage.journal[1].outcome, "verified");
}

#[test]
fn a_rollback_to_a_revision_that_fails_too_is_applied_and_not_verified() {
    let stream = Stream::load();
    let mut world = World::new();
    // Revision 2 (the bad image) rolls out at t≈3 and its pod fails.
    stream.play(&mut world, 0.0, 2.8);
    let deployment = stream.objects("deployments", 2.8).remove(0);
    let failing = stream.objects("deployments", 3.0).remove(0);
    let mut sets = stream.objects("replicasets", 2.8);
    let bad = stream
        .objects("replicasets", 3.0)
        .into_iter()
        .find(|rs| rs["metadata"]["name"] == "api-server-988d4cb7d")
        .unwrap();
    // Pretend the bad one is an older revision.
    let mut older = bad.clone();
    older["metadata"]["annotations"]["deployment.kubernetes.io/revision"] = json!("0");
    sets.push(older);
    let mut stage = Everybody::new(|call, world| match call.verb {
        Verb::Get if call.path.contains("replicasets") => answer(200, json!({"items": sets})),
        Verb::Get => answer(200, deployment.clone()),
        _ => {
            if !call.path.contains("dryRun") {
                stream.play(world, 2.8, 30.0);
            }
            answer(200, failing.clone())
        }
    });
    let mut run = Run::new("rollback", api_server(), Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!((report.outcome, run.exit_code()), (Some(Outcome::Applied), 3), "{}", report.reason);
    assert!(report.reason.contains("image."), "the reason is the new pods': {}", report.reason);
}

#[test]
fn what_forbids_a_rollback_is_said_and_nothing_is_sent() {
    let stream = Stream::load();
    let deployment = stream.objects("deployments", 58.0).remove(0);
    let sets = stream.objects("replicasets", 58.0);
    let try_with = |deployment: Value, sets: Vec<Value>, params: Params, options: Options| {
        let mut world = World::new();
        let mut stage = Everybody::new(move |call, _| match call.verb {
            Verb::Get if call.path.contains("replicasets") => answer(200, json!({"items": sets})),
            Verb::Get => answer(200, deployment.clone()),
            _ => answer(200, deployment.clone()),
        });
        stage.yes = false;
        let mut run = Run::new("rollback", api_server(), params, options).unwrap();
        stage.play(&mut run, &mut world);
        let writes: Vec<String> = stage
            .sent
            .iter()
            .filter(|c| c.verb == Verb::Patch && !c.path.contains("dryRun"))
            .map(|c| c.path.clone())
            .collect();
        assert!(writes.is_empty(), "{writes:?}");
        run.report()
    };
    let plain = || (Params::new(), Options::default());
    let mut paused = deployment.clone();
    paused["spec"]["paused"] = json!(true);
    let (p, o) = plain();
    let r = try_with(paused, sets.clone(), p, o);
    assert!(r.reason.contains("is paused and cannot be rolled back"), "{}", r.reason);
    let (p, o) = plain();
    let r = try_with(deployment.clone(), sets[..1].to_vec(), p, o);
    assert!(r.reason.contains("has no earlier revision to go back to"), "{}", r.reason);
    let to = |n: &str| Params::from([("to-revision".to_owned(), n.to_owned())]);
    let r = try_with(deployment.clone(), sets.clone(), to("9"), Options::default());
    assert!(r.reason.contains("has no revision 9; it keeps 2, 1"), "{}", r.reason);
    let r = try_with(deployment.clone(), sets.clone(), to("2"), Options::default());
    assert!(r.reason.contains("already runs the template of revision 2"), "{}", r.reason);
    assert_eq!(r.outcome, Some(Outcome::Refused));
    let read_only = Options { read_only: true, ..Options::default() };
    let r = try_with(deployment.clone(), sets.clone(), Params::new(), read_only);
    assert_eq!(r.outcome, Some(Outcome::Refused));
    assert!(r.reason.contains("read-only") && r.requests.is_empty(), "not even a dry run: {r:?}");
    assert!(r.plan.changes[0].diff.contains("localhost/busybox:1"), "the plan is still shown");
    let (p, o) = plain();
    let r = try_with(deployment.clone(), sets.clone(), p, o);
    assert_eq!(
        (r.outcome, r.reason.as_str()),
        (Some(Outcome::Refused), "not confirmed; nothing was changed")
    );
    let r = try_with(deployment, sets, Params::new(), Options { dry_run: true, ..Options::default() });
    assert_eq!((r.outcome, r.requests.len(), r.requests[0].dry_run), (None, 1, true));
    assert!(Run::new("rollback", api_server(), to("x"), Options::default()).is_err());
}

// --- cordon, evict -------------------------------------------------------------------------------------------------------

#[test]
fn a_cordon_is_the_captured_request_and_is_seen_in_the_world() {
    let capture = captures::capture("patch/cordon-dry-run.json");
    let mut world = captures::world();
    let node = ObjectRef::new(Kind::Node, "", "gpu-worker-042");
    let list = captures::capture("list/nodes.json");
    let object = list["response"]["json"]["items"][0].clone();
    let mut stage = Everybody::new(|call, world| {
        if call.verb == Verb::Get {
            return answer(200, object.clone());
        }
        let want = &capture["request"];
        assert_eq!(&*call.content_type, want["headers"]["Content-Type"].as_str().unwrap());
        let body: Value = serde_json::from_str(want["body"].as_str().unwrap()).unwrap();
        assert_eq!(call.body.as_ref(), Some(&body));
        let mut after = object.clone();
        after["spec"]["unschedulable"] = json!(true);
        if !call.path.contains("dryRun") {
            captures::apply(world, Kind::Node, &after);
        } else {
            assert_eq!(call.path, want["path"].as_str().unwrap());
        }
        answer(200, after)
    });
    let mut run = Run::new("cordon", node, Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Verified), "{}", report.reason);
    assert!(
        report.plan.changes[0].diff.contains("+  unschedulable: true"),
        "{}",
        report.plan.changes[0].diff
    );
    let out: Value = serde_json::to_value(&report).unwrap();
    assert_eq!(out["target"], json!({"kind": "Node", "namespace": "", "name": "gpu-worker-042"}));
    assert_eq!((&out["outcome"], &out["requests"][1]["dry_run"]), (&json!("verified"), &json!(false)));
}

#[test]
fn a_refused_eviction_tells_the_budgets_reason() {
    let refused = captures::capture("evict/429-pdb.json");
    let mut world = captures::world();
    let pod = world.pods.values().find(|p| p.meta.name.starts_with("api-server-")).unwrap().meta.name.clone();
    let list = captures::capture("list/pods.json");
    let object = list["response"]["json"]["items"]
        .as_array()
        .unwrap()
        .iter()
        .find(|p| p["metadata"]["name"] == *pod)
        .unwrap()
        .clone();
    let mut stage = Everybody::new(|call, _| {
        if call.verb == Verb::Get {
            return answer(200, object.clone());
        }
        assert_eq!(call.path, format!("/api/v1/namespaces/production/pods/{pod}/eviction?dryRun=All"));
        assert_eq!(call.body.as_ref().unwrap()["kind"], "Eviction");
        answer(429, refused["response"]["json"].clone())
    });
    let mut run = Run::new(
        "evict",
        ObjectRef::new(Kind::Pod, "production", pod.clone()),
        Params::new(),
        Options::default(),
    )
    .unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(report.reason.ends_with("budget api-server needs 3 healthy pods and has 3"), "{}", report.reason);
}

#[test]
fn a_static_pod_is_not_deleted_because_its_kubelet_makes_it_anew() {
    let mut world = captures::world();
    let annotations = json!({"kubernetes.io/config.mirror": "5f2c"});
    let object = json!({
        "metadata": {"name": "etcd-cp-1", "namespace": "kube-system", "uid": "e", "annotations": annotations},
        "spec": {"nodeName": "cp-1", "containers": [{"name": "etcd", "image": "etcd:3"}]},
    });
    captures::apply(&mut world, Kind::Pod, &object);
    for action in ["delete", "evict"] {
        let mut stage = Everybody::new(|call, _| {
            assert_eq!(call.verb, Verb::Get, "nothing is tried: {call:?}");
            answer(200, object.clone())
        });
        let pod = ObjectRef::new(Kind::Pod, "kube-system", "etcd-cp-1");
        let mut run = Run::new(action, pod, Params::new(), Options::default()).unwrap();
        stage.play(&mut run, &mut world);
        let report = run.report();
        assert_eq!(report.outcome, Some(Outcome::Refused));
        assert!(report.reason.contains("kubelet runs it from a file"), "{}", report.reason);
    }
}

/// The captured budget, when it would let two pods go: each of the three alone is fine, all of them are not.
#[test]
fn what_several_do_together_is_told_beyond_what_each_does() {
    let mut world = captures::world();
    let mut budget = captures::capture("list/pdbs.json")["response"]["json"]["items"][0].clone();
    budget["status"]["disruptionsAllowed"] = json!(2);
    captures::apply(&mut world, Kind::PodDisruptionBudget, &budget);
    let pods: Vec<ObjectRef> = world
        .pods
        .values()
        .filter(|p| p.meta.name.starts_with("api-server-"))
        .map(|p| ObjectRef::new(Kind::Pod, "production", p.meta.name.clone()))
        .collect();
    assert_eq!(pods.len(), 3);
    let told = |action: &str, targets: &[ObjectRef]| -> Vec<String> {
        let impacts = remedy::together(&world, remedy::action(action).unwrap(), targets);
        impacts.into_iter().map(|i| format!("{}: {}", i.what, i.detail)).collect()
    };
    assert_eq!(
        told("delete", &pods),
        [
            "disruption budget is passed over: api-server lets 2 go now, 3 are its",
            "all 3 ready pods of deployment production/api-server are among them: \
             it serves nothing until new ones are ready",
        ]
    );
    assert_eq!(
        told("evict", &pods),
        [
            "disruption budget: api-server lets 2 go now, 3 are its; it refuses the others until new ones are ready"
        ]
    );
    assert!(told("delete", &pods[..2]).is_empty(), "the third goes on serving, and the budget agrees");
    assert!(told("heap-dump", &pods).is_empty());
}

#[test]
fn a_drain_forecasts_and_refuses_what_kubectl_refuses() {
    let mut world = captures::world();
    let node = ObjectRef::new(Kind::Node, "", "gpu-worker-042");
    let list = captures::capture("list/nodes.json");
    let object = list["response"]["json"]["items"][0].clone();
    let mut stage = Everybody::new(|call, _| {
        assert_eq!(call.verb, Verb::Get, "a refused drain does not even cordon: {call:?}");
        answer(200, object.clone())
    });
    let mut run = Run::new("drain", node, Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(
        report.reason.contains("no controller would replace") && report.reason.contains("prod/shell"),
        "{}",
        report.reason
    );
    let budget = report.plan.impact.iter().find(|i| i.what == "disruption budget").unwrap();
    assert!(
        budget.detail.contains("production/api-server needs 3 healthy pods and has 3"),
        "{}",
        budget.detail
    );
}

// --- heap dump -----------------------------------------------------------------------------------------------------------

/// A container that does what the captured JVM did: same tools, same words, a file of its own.
struct Jvm {
    dump: Vec<u8>,
    there: Option<String>,
    /// Chunks that are cut short before the transfer works.
    cuts: usize,
    wrong_sum: bool,
    log: Vec<String>,
}

fn captured_output(name: &str) -> String {
    let text = captures::text(&format!("exec/{name}.txt"));
    let body = text.split_once('\n').unwrap().1;
    body.rsplit_once("[exit").unwrap().0.to_owned()
}

impl Jvm {
    fn new(size: usize) -> Jvm {
        let dump = (0..size).map(|i| u8::try_from((i * 7 + i / 251) % 256).unwrap()).collect();
        Jvm { dump, there: None, cuts: 0, wrong_sum: false, log: Vec::new() }
    }

    fn run(&mut self, exec: &Exec) -> Result<ExecOutput, String> {
        let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
        self.log.push(words.join(" "));
        let ok =
            |stdout: Vec<u8>| Ok(ExecOutput { stdout, stderr: Vec::new(), exit_code: 0, truncated: false });
        match words.as_slice() {
            ["jcmd", "-l"] => ok(captured_output("jcmd-list").into_bytes()),
            ["jcmd", "1", "GC.heap_info"] => ok(captured_output("jcmd-heap-info").into_bytes()),
            ["df", "-k", "/tmp"] => ok(captured_output("df").into_bytes()),
            ["jcmd", "1", "GC.heap_dump", path] => {
                self.there = Some((*path).to_owned());
                ok(format!(
                    "1:\nDumping heap to {path} ...\nHeap dump file created [{} bytes in 0.048 secs]\n",
                    self.dump.len()
                )
                .into_bytes())
            }
            ["sha256sum", path] => {
                assert_eq!(self.there.as_deref(), Some(*path));
                use sha2::Digest;
                let mut sum: String =
                    sha2::Sha256::digest(&self.dump).iter().map(|b| format!("{b:02x}")).collect();
                if self.wrong_sum {
                    sum = "0".repeat(64);
                }
                ok(format!("{sum}  {path}\n").into_bytes())
            }
            ["dd", input, bs, skip, count] => {
                assert_eq!(input.strip_prefix("if="), self.there.as_deref());
                let n = |s: &str, key: &str| s.strip_prefix(key).unwrap().parse::<usize>().unwrap();
                let (bs, skip, count) = (n(bs, "bs="), n(skip, "skip="), n(count, "count="));
                let from = (bs * skip).min(self.dump.len());
                let to = (from + bs * count).min(self.dump.len());
                if self.cuts > 0 && from > 0 {
                    self.cuts -= 1;
                    return ok(self.dump[from..from + 10].to_vec());
                }
                ok(self.dump[from..to].to_vec())
            }
            ["rm", "-f", path] => {
                assert_eq!(self.there.take().as_deref(), Some(*path));
                ok(Vec::new())
            }
            other => Err(format!("exec: {other:?}: executable file not found in $PATH")),
        }
    }
}

fn jvm_pod() -> ObjectRef {
    ObjectRef::new(Kind::Pod, "prod", "payment-service-66ff9fc75c-vwzws")
}

fn dump(jvm: &RefCell<Jvm>, dir: &std::path::Path, cancel_after: Option<usize>) -> khud::remedy::Report {
    let mut world = captures::world();
    let mut stage = Everybody::new(|call, _| panic!("{call:?}"));
    stage.execs = Box::new(|e| jvm.borrow_mut().run(e));
    stage.cancel_after = cancel_after;
    let params = Params::from([("out".to_owned(), dir.display().to_string())]);
    let mut run = Run::new("heap-dump", jvm_pod(), params, Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    run.report()
}

#[test]
fn a_heap_dump_arrives_whole_through_cuts_and_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let mut jvm = Jvm::new((4 << 20) * 2 + 12_345);
    jvm.cuts = 3;
    let jvm = RefCell::new(jvm);
    let report = dump(&jvm, dir.path(), None);
    assert_eq!(report.outcome, Some(Outcome::Verified), "{}", report.reason);
    let file = &report.files[0];
    assert_eq!(std::fs::read(&file.path).unwrap(), jvm.borrow().dump);
    assert_eq!(file.bytes, jvm.borrow().dump.len() as u64);
    assert_eq!(jvm.borrow().there, None, "the dump is gone from the container");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "and so is the part");
    assert!(
        jvm.borrow().log.iter().filter(|l| l.starts_with("dd ")).count() == 3 + 3,
        "each cut costs one chunk"
    );
    let checks: Vec<&str> = report.guard.iter().map(|g| g.check.as_str()).collect();
    assert!(checks.contains(&"permission create pods/exec") && checks.contains(&"disk"), "{checks:?}");
    assert!(!jvm.borrow().log.iter().any(|l| l.starts_with("sh ")), "no shell");
    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&file.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_heap_dump_that_is_stopped_or_damaged_says_so_and_cleans_up() {
    let dir = tempfile::tempdir().unwrap();
    let jvm = RefCell::new(Jvm::new((4 << 20) * 3));
    // jcmd -l, heap_info, df, heap_dump, sha256sum, first chunk, second chunk: stopped while that arrives.
    let report = dump(&jvm, dir.path(), Some(7));
    assert_eq!(report.outcome, Some(Outcome::Failed));
    assert!(report.reason.starts_with("stopped by the operator; 8Mi of 12Mi kept in "), "{}", report.reason);
    assert!(report.files[0].path.ends_with(".hprof.part") && report.files[0].sha256.is_empty());
    assert_eq!(jvm.borrow().there, None, "cleaned up after the stop");

    let dir = tempfile::tempdir().unwrap();
    let mut damaged = Jvm::new(1 << 20);
    damaged.wrong_sum = true;
    let jvm = RefCell::new(damaged);
    let report = dump(&jvm, dir.path(), None);
    assert_eq!(report.outcome, Some(Outcome::Failed));
    assert!(report.reason.contains("the copy does not match"), "{}", report.reason);
    assert_eq!(jvm.borrow().there, None);

    let dir = tempfile::tempdir().unwrap();
    let mut cut = Jvm::new(9 << 20);
    cut.cuts = 100;
    let jvm = RefCell::new(cut);
    let report = dump(&jvm, dir.path(), None);
    assert!(report.reason.contains("the transfer was cut 6 times"), "{}", report.reason);
    assert!(Duration::from_millis(report.took_ms).as_secs() > 10, "it waits between tries");
}

#[test]
fn a_container_without_a_jvm_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = captures::world();
    let mut stage = Everybody::new(|call, _| panic!("{call:?}"));
    // captures/exec/command-not-found.txt
    let text = captured_output("command-not-found");
    stage.execs = Box::new(move |_| Err(text.trim().to_owned()));
    let params = Params::from([("out".to_owned(), dir.path().display().to_string())]);
    let mut run = Run::new("heap-dump", jvm_pod(), params, Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(report.reason.ends_with("app: there is no jcmd in the image"), "{}", report.reason);
}
