//! Remedies from plan to journal, against the captured cluster and a pretended container.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::time::Duration;

use crate::support::captures;
use khud::remedy::bundle::Known;
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
    /// Why the journal cannot be written.
    unwritten: Option<String>,
    sent: Vec<Call>,
    /// Cancel when this many execs were answered.
    cancel_after: Option<usize>,
    /// Stop after the step under way when this many calls were answered.
    stop_after: Option<usize>,
}

fn answer(status: u16, body: Value) -> Answer {
    Answer { status, body }
}

fn action(name: &str) -> &'static remedy::Action {
    remedy::action(name).unwrap()
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
            unwritten: None,
            sent: Vec::new(),
            cancel_after: None,
            stop_after: None,
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
                    let writes = self.sent.iter().filter(|c| c.path.ends_with("/eviction")).count();
                    if self.stop_after.is_some_and(|n| writes >= n) {
                        run.stop();
                    }
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
                Need::Command(command) => panic!("no remedy here runs {command:?}"),
                Need::Elsewhere(..) => Reply::Elsewhere(Err("there is no other cluster".to_owned().into())),
                Need::Known(_) => Reply::Known(Known::default()),
                Need::Forward(_) => Reply::Forward(Err("nobody keeps a port open here".to_owned())),
                Need::Terminal(_) => Reply::Terminal(Err("nobody is there".to_owned())),
                Need::Confirm(c) => {
                    self.asked.push(c.typed.map(|t| t.to_string()));
                    Reply::Confirm(self.yes)
                }
                Need::Journal(entry) => {
                    self.journal.push(*entry);
                    Reply::Journal(self.unwritten.clone().map_or(Ok(()), Err))
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
    let mut run = Run::new(action("rollback"), api_server(), Params::new(), Options::default()).unwrap();
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
    // The object planned for and its spec, whatever its status became.
    let meta = &deployment["metadata"];
    assert_eq!(ops[0], json!({"op": "test", "path": "/metadata/uid", "value": meta["uid"]}));
    assert_eq!(ops[1], json!({"op": "test", "path": "/metadata/generation", "value": meta["generation"]}));
    assert_eq!((&ops[2]["op"], &ops[2]["path"]), (&json!("replace"), &json!("/spec/template")));
    assert_eq!(ops[2]["value"], kubectls_template());
    assert_eq!((&ops[3]["op"], &ops[3]["path"]), (&json!("replace"), &json!("/metadata/annotations")));
    // What the server then had, annotations and template, is what was asked for.
    assert_eq!(ops[3]["value"], patched["metadata"]["annotations"]);
    assert_eq!(ops[2]["value"], patched["spec"]["template"]);

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
    let mut run = Run::new(action("rollback"), api_server(), Params::new(), Options::default()).unwrap();
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
        let mut run = Run::new(action("rollback"), api_server(), params, options).unwrap();
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
    assert!(Run::new(action("rollback"), api_server(), to("x"), Options::default()).is_err());
}

/// Polls, answering all needs but the question, until the operator is asked; the question's id.
fn until_asked(run: &mut Run, world: &mut World, stage: &mut Everybody) -> u64 {
    for _ in 0..1000 {
        for (id, need) in run.poll(world, stage.now) {
            let reply = match need {
                Need::Confirm(_) => return id,
                Need::Call(call) if call.path.ends_with("selfsubjectaccessreviews") => {
                    Reply::Call(Ok(allowed()))
                }
                Need::Call(call) => {
                    stage.sent.push(call.clone());
                    Reply::Call(Ok((stage.calls)(&call, world)))
                }
                other => panic!("{other:?}"),
            };
            run.answer(id, reply);
        }
        assert!(!run.done(), "{}", run.report().reason);
    }
    panic!("nobody is asked: {run:?}");
}

/// A plan is read for minutes while the object's status changes every second and an autoscaler changes its size once.
#[test]
fn a_plan_stays_valid_while_its_status_changes_and_is_made_again_when_its_object_does() {
    let stream = Stream::load();
    let mut world = World::new();
    stream.play(&mut world, 0.0, 58.0);
    let deployment = RefCell::new(stream.objects("deployments", 58.0).remove(0));
    let sets = stream.objects("replicasets", 58.0);
    let mut stage = Everybody::new(|call, _| match call.verb {
        Verb::Get if call.path.contains("replicasets") => answer(200, json!({"items": sets})),
        _ => answer(200, deployment.borrow().clone()),
    });
    let mut run = Run::new(action("rollback"), api_server(), Params::new(), Options::default()).unwrap();
    let asked = until_asked(&mut run, &mut world, &mut stage);

    // A status update: the question stands.
    let mut status = deployment.borrow().clone();
    status["metadata"]["resourceVersion"] = json!("99999");
    status["status"]["unavailableReplicas"] = json!(1);
    captures::apply(&mut world, Kind::Deployment, &status);
    stage.now = Time(stage.now.0 + 60_000);
    assert!(run.poll(&world, stage.now).is_empty());
    assert_eq!(run.question(), Some(asked));

    // An autoscaler doubles it: planned again, with the difference, and the question is a new one.
    let mut scaled = status.clone();
    scaled["spec"]["replicas"] = json!(6);
    scaled["metadata"]["generation"] = json!(scaled["metadata"]["generation"].as_i64().unwrap() + 1);
    captures::apply(&mut world, Kind::Deployment, &scaled);
    deployment.replace(scaled);
    stage.now = Time(stage.now.0 + 60_000);
    let again = until_asked(&mut run, &mut world, &mut stage);
    assert_ne!(again, asked);
    let difference = run.report().refreshed.expect("what changed is shown");
    assert!(
        difference.contains("- ⚠ pods: 1 goes, 3 stay:")
            && difference.contains("+ ⚠ pods: 1 goes, 3 come, 3 stay:"),
        "{difference}"
    );
    assert_eq!(run.question(), Some(again));

    // An answer to the first question is none to the second.
    run.answer(asked, Reply::Confirm(true));
    assert!(run.poll(&world, stage.now).is_empty());
    assert_eq!(run.question(), Some(again));
    // A yes that crosses a change is asked again, and nothing was sent.
    let mut last = deployment.borrow().clone();
    last["spec"]["replicas"] = json!(3);
    last["metadata"]["generation"] = json!(last["metadata"]["generation"].as_i64().unwrap() + 1);
    captures::apply(&mut world, Kind::Deployment, &last);
    deployment.replace(last);
    run.answer(again, Reply::Confirm(true));
    let third = until_asked(&mut run, &mut world, &mut stage);
    assert!(third > again);
    assert!(stage.sent.iter().all(|c| c.verb == Verb::Get || c.path.contains("dryRun")));
}

/// StatefulSets do this all the time: the pod of that name is another one by now.
#[test]
fn an_object_that_was_made_anew_is_another_object() {
    let named = |uid: &str| {
        json!({"metadata": {"name": "db-0", "namespace": "prod", "uid": uid, "generation": 1},
            "spec": {"nodeName": "n1", "containers": [{"name": "db", "image": "db:1"}]}})
    };
    let pod = || ObjectRef::new(Kind::Pod, "prod", "db-0");
    // The one that was chosen is gone before the plan is made.
    let mut world = captures::world();
    captures::apply(&mut world, Kind::Pod, &named("first"));
    let mut stage = Everybody::new(|call, _| {
        assert_eq!(call.verb, Verb::Get, "{call:?}");
        answer(200, named("second"))
    });
    let options = Options { uid: Some("first".into()), ..Options::default() };
    let mut run = Run::new(action("delete"), pod(), Params::new(), options).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(report.reason.starts_with("pod prod/db-0 was deleted and made anew"), "{}", report.reason);

    // It goes between the operator's yes and the request: the precondition holds, and it is said why.
    for name in ["delete", "evict"] {
        let mut world = captures::world();
        captures::apply(&mut world, Kind::Pod, &named("first"));
        let gone = RefCell::new(false);
        let mut stage = Everybody::new(|call, _| match call.verb {
            Verb::Get if *gone.borrow() => answer(200, named("second")),
            Verb::Get => answer(200, named("first")),
            _ if call.path.contains("dryRun") => answer(200, named("first")),
            _ => {
                let body = call.body.as_ref().unwrap();
                let options = if name == "evict" { &body["deleteOptions"] } else { body };
                assert_eq!(options["preconditions"]["uid"], "first");
                gone.replace(true);
                let message = "Precondition failed: UID in precondition: first, UID in object meta: second";
                answer(409, json!({"kind": "Status", "message": message, "reason": "Conflict"}))
            }
        });
        let mut run = Run::new(action(name), pod(), Params::new(), Options::default()).unwrap();
        stage.play(&mut run, &mut world);
        let report = run.report();
        assert_eq!(report.outcome, Some(Outcome::Refused), "{name}: {}", report.reason);
        assert!(
            report.reason.contains("deleted and made anew") && report.reason.ends_with("nothing was changed")
        );
    }
}

/// As kubectl's `rollout undo` of a stuck rollout looks to a watch that lags: the Deployment is observed, its condition
/// still says that the deadline was exceeded, and the newest ReplicaSet is the one that was left.
#[test]
fn a_rollback_is_not_blamed_for_the_pods_of_the_revision_it_leaves() {
    let stream = Stream::load();
    let (before, after) = (58.0, 59.3);
    let mut world = World::new();
    stream.play(&mut world, 0.0, before);
    let deployment = stream.objects("deployments", before).remove(0);
    assert!(deployment["status"]["conditions"].to_string().contains("ProgressDeadlineExceeded"));
    let sets = stream.objects("replicasets", before);
    let patched = stream.objects("deployments", 59.0).remove(0);
    let mut stage = Everybody::new(|call, world| match call.verb {
        Verb::Get if call.path.contains("replicasets") => answer(200, json!({"items": sets})),
        Verb::Get => answer(200, deployment.clone()),
        _ => {
            if !call.path.contains("dryRun") {
                let mut observed = patched.clone();
                observed["status"] = deployment["status"].clone();
                observed["status"]["observedGeneration"] = observed["metadata"]["generation"].clone();
                captures::apply(world, Kind::Deployment, &observed);
            }
            answer(200, patched.clone())
        }
    });
    let mut run = Run::new(action("rollback"), api_server(), Params::new(), Options::default()).unwrap();
    let asked = until_asked(&mut run, &mut world, &mut stage);
    run.answer(asked, Reply::Confirm(true));
    // Half a minute like that proves nothing; then the rest of the news comes in.
    for _ in 0..30 {
        stage.now = Time(stage.now.0 + 1000);
        for (id, need) in run.poll(&world, stage.now) {
            let reply = match need {
                Need::Call(call) => Reply::Call(Ok((stage.calls)(&call, &mut world))),
                Need::Journal(_) => Reply::Journal(Ok(())),
                other => panic!("{other:?}"),
            };
            run.answer(id, reply);
        }
        assert_eq!(run.outcome(), None, "{}", run.report().reason);
    }
    stream.play(&mut world, before, after);
    stage.play(&mut run, &mut world);
    assert_eq!(run.outcome(), Some(Outcome::Verified), "{}", run.report().reason);
}

/// The journal is on a full disk: nothing is done, and that is said.
#[test]
fn what_cannot_be_written_down_is_not_done() {
    let stream = Stream::load();
    let mut world = World::new();
    stream.play(&mut world, 0.0, 58.0);
    let deployment = stream.objects("deployments", 58.0).remove(0);
    let sets = stream.objects("replicasets", 58.0);
    let mut stage = Everybody::new(|call, _| match call.verb {
        Verb::Get if call.path.contains("replicasets") => answer(200, json!({"items": sets})),
        _ => answer(200, deployment.clone()),
    });
    let full = "cannot write the journal /state/journal.jsonl: No space left on device (os error 28)";
    stage.unwritten = Some(full.to_owned());
    let mut run = Run::new(action("rollback"), api_server(), Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(
        report.reason.starts_with(full) && report.reason.contains("nothing was changed"),
        "{}",
        report.reason
    );
    assert!(report.requests.iter().all(|r| r.dry_run), "{:?}", report.requests);
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
        let mut body: Value = serde_json::from_str(want["body"].as_str().unwrap()).unwrap();
        // kubectl's, and the node that it is for.
        body["metadata"]["uid"] = object["metadata"]["uid"].clone();
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
    let mut run = Run::new(action("cordon"), node, Params::new(), Options::default()).unwrap();
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
        action("evict"),
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
        let mut run = Run::new(self::action(action), pod, Params::new(), Options::default()).unwrap();
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
        let impacts = (remedy::action(action).unwrap().combined)(&world, targets);
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
    let mut run = Run::new(action("drain"), node, Params::new(), Options::default()).unwrap();
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

/// A node with three pods: one goes, one is held by its budget twice, one was deleted and made anew meanwhile.
#[test]
fn a_drain_evicts_all_at_once_waits_for_budgets_and_says_what_became_of_each_pod() {
    let pod = |name: &str, uid: &str| {
        json!({"metadata": {"name": name, "namespace": "prod", "uid": uid, "labels": {"app": name},
                "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": true}]},
            "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]},
            "status": {"phase": "Running"}})
    };
    let node = |on: bool| {
        json!({"metadata": {"name": "n1", "uid": "node"}, "spec": {"unschedulable": on},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}})
    };
    let held = captures::capture("evict/429-pdb.json")["response"]["json"].clone();
    let tries = RefCell::new(std::collections::BTreeMap::<String, usize>::new());
    let lose = |world: &mut World, name: &str| {
        let object = ObjectRef::new(Kind::Pod, "prod", name);
        world.apply(khud::world::Delta::Delete { object, uid: name.into() }, &mut Vec::new());
    };
    let drained = |patience: usize, stop: Option<usize>| {
        let mut world = World::new();
        captures::apply(&mut world, Kind::Node, &node(false));
        for name in ["free", "held", "other"] {
            captures::apply(&mut world, Kind::Pod, &pod(name, name));
        }
        tries.borrow_mut().clear();
        let mut stage = Everybody::new(|call, world| {
            if call.verb == Verb::Get {
                return answer(200, node(false));
            }
            let Some(name) = call.path.strip_suffix("/eviction").and_then(|p| p.rsplit('/').next()) else {
                let body = call.body.as_ref().unwrap();
                assert_eq!(*body, json!({"spec": {"unschedulable": true}, "metadata": {"uid": "node"}}));
                return answer(200, node(true));
            };
            let body = call.body.as_ref().unwrap();
            assert_eq!(body["deleteOptions"]["preconditions"]["uid"], name, "no other pod of that name");
            let mut tries = tries.borrow_mut();
            let n = tries.entry(name.to_owned()).or_default();
            *n += 1;
            match name {
                "held" if *n <= patience => answer(429, held.clone()),
                "other" => answer(409, json!({"message": "the UID in the precondition does not match"})),
                _ => {
                    lose(world, name);
                    answer(201, json!({}))
                }
            }
        });
        stage.stop_after = stop;
        let target = ObjectRef::new(Kind::Node, "", "n1");
        let options = Options { timeout: Some(Duration::from_secs(60)), ..Options::default() };
        let mut run = Run::new(action("drain"), target, Params::new(), options).unwrap();
        stage.play(&mut run, &mut world);
        assert_eq!(stage.asked, [Some("n1".to_owned())]);
        (run.report(), stage.journal)
    };
    let (report, journal) = drained(2, None);
    assert_eq!(report.outcome, Some(Outcome::Verified), "{}", report.reason);
    assert_eq!(report.reason, "node n1 is drained: 3 pods gone");
    let events: Vec<(&str, &str)> = journal.iter().map(|e| (e.event.as_str(), e.reason.as_str())).collect();
    assert_eq!(events[..2], [("begun", ""), ("step", "node n1 is cordoned; no pod is evicted yet")]);
    assert!(events.contains(&("step", "pod prod/free is evicted")), "{events:?}");
    assert!(took(&report).as_secs() >= 10, "two pauses of kubectl's five seconds");

    // Held for ever: one line of requests, one sentence by pod.
    let (report, _) = drained(usize::MAX, None);
    assert_eq!(report.outcome, Some(Outcome::Applied));
    assert_eq!(
        report.reason,
        "after 60 s 2 of 3 pods gone, node n1 stays cordoned; \
         1 held by budget api-server needs 3 healthy pods and has 3: prod/held"
    );
    let refused: Vec<u32> = report.requests.iter().filter(|r| r.status == 429).map(|r| r.times).collect();
    assert!(refused.len() == 1 && refused[0] >= 10, "{refused:?}");

    // Stopped: what was sent is answered, what was not is not sent, and both are said.
    let (report, journal) = drained(usize::MAX, Some(3));
    assert_eq!(report.outcome, Some(Outcome::Applied));
    assert!(report.reason.starts_with("stopped by the operator: "), "{}", report.reason);
    assert!(report.reason.contains("node n1 stays cordoned"), "{}", report.reason);
    assert_eq!(journal.last().unwrap().reason, report.reason, "the journal says so, too");
}

fn took(report: &khud::remedy::Report) -> Duration {
    Duration::from_millis(report.took_ms)
}

/// What kubectl does not say before: where the pods cannot go, which stay, which budgets nobody has looked at.
#[test]
fn a_drain_says_what_it_cannot_do_and_what_it_does_not_know() {
    let mut world = World::new();
    let node = |name: &str, ready: &str, gpus: &str| {
        json!({"metadata": {"name": name, "uid": name}, "spec": {},
            "status": {"allocatable": {"cpu": "8", "memory": "16Gi", "nvidia.com/gpu": gpus},
                "conditions": [{"type": "Ready", "status": ready}]}})
    };
    for (name, ready, gpus) in [("n1", "Unknown", "8"), ("n2", "True", "4"), ("n3", "False", "8")] {
        captures::apply(&mut world, Kind::Node, &node(name, ready, gpus));
    }
    let owner =
        json!([{"apiVersion": "batch/v1", "kind": "Job", "name": "train", "uid": "job", "controller": true}]);
    let trainer = json!({"metadata": {"name": "train-0", "namespace": "ml", "uid": "t", "ownerReferences": owner},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i",
            "resources": {"limits": {"nvidia.com/gpu": "8"}, "requests": {"nvidia.com/gpu": "8"}}}]},
        "status": {"phase": "Running"}});
    let mirror = json!({"metadata": {"name": "etcd-n1", "namespace": "kube-system", "uid": "e",
            "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"nodeName": "n1", "containers": [{"name": "etcd", "image": "i"}]},
        "status": {"phase": "Running"}});
    captures::apply(&mut world, Kind::Pod, &trainer);
    captures::apply(&mut world, Kind::Pod, &mirror);
    let listed = |world: &mut World, kind: Kind| {
        let end = khud::world::Delta::ListEnd { kind, namespace: "".into() };
        world.apply(end, &mut Vec::new());
    };
    let ends = [Kind::Node];
    for kind in ends {
        // A list that ends drops what it did not name; these objects are named again.
        let start = khud::world::Delta::ListStart { kind: kind.clone(), namespace: "".into() };
        world.apply(start, &mut Vec::new());
        for (name, ready, gpus) in [("n1", "Unknown", "8"), ("n2", "True", "4"), ("n3", "False", "8")] {
            captures::apply(&mut world, Kind::Node, &node(name, ready, gpus));
        }
        listed(&mut world, kind);
    }
    let why = "poddisruptionbudgets.policy is forbidden: User \"ann\" cannot list resource";
    let id = khud::world::StreamId::Watch { kind: Kind::PodDisruptionBudget, namespace: "".into() };
    let state = khud::world::StreamState::Forbidden { why: why.into() };
    world.apply(khud::world::Delta::Stream { id, state, at: captures::now() }, &mut Vec::new());
    let mut stage = Everybody::new(|_, _| answer(200, node("n1", "Unknown", "8")));
    stage.yes = false;
    let target = ObjectRef::new(Kind::Node, "", "n1");
    let mut run = Run::new(action("drain"), target, Params::new(), Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let impacts: Vec<String> =
        run.report().plan.impact.iter().map(|i| format!("{}: {}", i.what, i.detail)).collect();
    for words in [
        "1 pod evicted: ml/train-0",
        "kept: 1 static pod: kube-system/etcd-n1",
        "pods holding 8 GPUs lose their work",
        "the kubelet of n1 does not answer: evicted pods stay Terminating",
        "no other node has room now for 1 pod: ml/train-0 (8 GPUs); looked at 1 node that can take pods",
        "disruption budgets not evaluated: poddisruptionbudgets.policy is forbidden",
    ] {
        assert!(impacts.iter().any(|i| i.starts_with(words)), "{words:?} is not among {impacts:#?}");
    }
}

// --- heap dump -----------------------------------------------------------------------------------------------------------

/// A container that does what the captured JVM did: same tools, same words, a file of its own.
struct Jvm {
    dump: Vec<u8>,
    there: Option<String>,
    /// Chunks that are cut short before the transfer works.
    cuts: usize,
    wrong_sum: bool,
    /// Restarts of the container so far, and after how many commands it restarts once more.
    restarts: usize,
    restart_after: Option<usize>,
    /// `jcmd -l` does not show it.
    unlisted: bool,
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
        Jvm {
            dump,
            there: None,
            cuts: 0,
            wrong_sum: false,
            restarts: 0,
            restart_after: None,
            unlisted: false,
            log: Vec::new(),
        }
    }

    fn run(&mut self, exec: &Exec) -> Result<ExecOutput, String> {
        let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
        self.log.push(words.join(" "));
        if self.restart_after.is_some_and(|n| self.log.len() > n) {
            (self.restarts, self.restart_after, self.there) = (self.restarts + 1, None, None);
            return Err("the connection was closed".to_owned());
        }
        let ok =
            |stdout: Vec<u8>| Ok(ExecOutput { stdout, stderr: Vec::new(), exit_code: 0, truncated: false });
        match words.as_slice() {
            ["jcmd", "-l"] if self.unlisted => ok(b"20 jdk.jcmd/sun.tools.jcmd.JCmd -l\n".to_vec()),
            ["ls", "/proc"] if self.unlisted => ok(b"1\n20\ncpuinfo\nmeminfo\nself\n".to_vec()),
            ["grep", "-l", "-s", "libjvm.so", "/proc/1/maps", "/proc/20/maps"] if self.unlisted => {
                ok(b"/proc/1/maps\n".to_vec())
            }
            ["ls", "-ln", "/tmp"] => {
                let line = |path: &String| {
                    let name = path.rsplit('/').next().unwrap();
                    format!("-rw-------    1 0        0        {:>9} Nov 21 01:05 {name}\n", self.dump.len())
                };
                ok(format!("total 0\n{}", self.there.iter().map(line).collect::<String>()).into_bytes())
            }
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

/// The pod as the API server has it.
fn served_pod(jvm: &Jvm) -> Answer {
    let id = format!("containerd://{}", jvm.restarts);
    answer(
        200,
        json!({"metadata": {"name": jvm_pod().name, "namespace": "prod", "uid": "the-pod"},
            "status": {"containerStatuses": [{"name": "app", "containerID": id}]}}),
    )
}

fn dump(jvm: &RefCell<Jvm>, dir: &std::path::Path, cancel_after: Option<usize>) -> khud::remedy::Report {
    dump_with(jvm, dir, cancel_after, &[])
}

fn dump_with(
    jvm: &RefCell<Jvm>,
    dir: &std::path::Path,
    cancel_after: Option<usize>,
    options: &[(&str, &str)],
) -> khud::remedy::Report {
    let mut world = captures::world();
    let mut stage = Everybody::new(|call, _| {
        assert_eq!((call.verb, call.path.as_str()), (Verb::Get, &*jvm_pod().path()));
        served_pod(&jvm.borrow())
    });
    stage.execs = Box::new(|e| jvm.borrow_mut().run(e));
    stage.cancel_after = cancel_after;
    let mut params = Params::from([("out".to_owned(), dir.display().to_string())]);
    params.extend(options.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())));
    let mut run = Run::new(action("heap-dump"), jvm_pod(), params, Options::default()).unwrap();
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
    // jcmd -l, ls, heap_info, df, heap_dump, sha256sum, first chunk, second chunk: stopped while that arrives.
    let report = dump(&jvm, dir.path(), Some(8));
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
    assert!(jvm.borrow().there.is_some(), "the only whole dump is kept");
    assert!(report.reason.contains("--leftover fetch"), "{}", report.reason);

    // It is seen by whoever comes next, and brought home.
    jvm.borrow_mut().wrong_sum = false;
    let next = dump_with(&jvm, dir.path(), Some(1), &[]);
    assert_eq!(next.outcome, Some(Outcome::Refused), "stopped before anything was asked: {}", next.reason);
    let home = tempfile::tempdir().unwrap();
    let fetched = dump_with(&jvm, home.path(), None, &[("leftover", "fetch")]);
    assert_eq!(fetched.outcome, Some(Outcome::Verified), "{}", fetched.reason);
    assert_eq!(std::fs::read(&fetched.files[0].path).unwrap(), jvm.borrow().dump);
    assert_eq!(jvm.borrow().there, None);
    let none = dump_with(&jvm, home.path(), None, &[("leftover", "remove")]);
    assert!(none.reason.contains("left no heap dump in /tmp"), "{}", none.reason);

    let dir = tempfile::tempdir().unwrap();
    let mut cut = Jvm::new(9 << 20);
    cut.cuts = 100;
    let jvm = RefCell::new(cut);
    let report = dump(&jvm, dir.path(), None);
    assert!(report.reason.contains("the transfer was cut 6 times"), "{}", report.reason);
    assert!(Duration::from_millis(report.took_ms).as_secs() > 10, "it waits between tries");
}

#[test]
fn a_full_disk_here_is_seen_before_the_jvm_is_stopped() {
    // A file stands where the directory should be: nothing can be written there, whoever one is.
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("full");
    std::fs::write(&file, "").unwrap();
    let jvm = RefCell::new(Jvm::new(1 << 20));
    let report = dump(&jvm, &file.join("dumps"), None);
    assert_eq!(report.outcome, Some(Outcome::Failed), "{}", report.reason);
    assert!(report.reason.contains("full"), "{}", report.reason);
    assert!(!jvm.borrow().log.iter().any(|l| l.contains("GC.heap_dump")), "{:?}", jvm.borrow().log);
    // The plan looks at the space there is.
    let report = dump(&jvm, dir.path(), None);
    let disk = report.guard.iter().find(|g| g.check == "local disk").unwrap();
    assert!(disk.ok && disk.reason.contains("free"), "{}", disk.reason);
}

#[test]
fn a_container_that_restarts_meanwhile_ends_the_transfer_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut restarting = Jvm::new((4 << 20) * 3);
    // jcmd -l, ls, heap_info, df, heap_dump, sha256sum, first chunk.
    restarting.restart_after = Some(7);
    let jvm = RefCell::new(restarting);
    let report = dump(&jvm, dir.path(), None);
    assert_eq!(report.outcome, Some(Outcome::Failed));
    assert!(report.reason.contains("container app of pod prod/payment-service-66ff9fc75c-vwzws restarted"));
    assert!(report.reason.ends_with("and the dump with it"), "{}", report.reason);
    assert!(report.took_ms < 1000, "it does not try again: {} ms", report.took_ms);
    let log = &jvm.borrow().log;
    assert!(!log.iter().any(|l| l.starts_with("rm ")), "there is nothing to remove: {log:?}");
}

#[test]
fn a_jvm_that_jcmd_does_not_list_is_found_by_what_it_has_mapped() {
    let dir = tempfile::tempdir().unwrap();
    let mut unlisted = Jvm::new(1 << 20);
    unlisted.unlisted = true;
    let jvm = RefCell::new(unlisted);
    let report = dump(&jvm, dir.path(), None);
    assert_eq!(report.outcome, Some(Outcome::Verified), "{}", report.reason);
    assert!(jvm.borrow().log.iter().any(|l| l.starts_with("jcmd 1 GC.heap_dump")));
}

#[test]
fn a_container_without_a_jvm_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let mut world = captures::world();
    let mut stage = Everybody::new(|_, _| served_pod(&Jvm::new(0)));
    // captures/exec/command-not-found.txt
    let text = captured_output("command-not-found");
    stage.execs = Box::new(move |_| Err(text.trim().to_owned()));
    let params = Params::from([("out".to_owned(), dir.path().display().to_string())]);
    let mut run = Run::new(action("heap-dump"), jvm_pod(), params, Options::default()).unwrap();
    stage.play(&mut run, &mut world);
    let report = run.report();
    assert_eq!(report.outcome, Some(Outcome::Refused));
    assert!(report.reason.ends_with("app: there is no jcmd in the image"), "{}", report.reason);
}
