//! Clusters to walk trees in: the captures, the scenes of `cases.rs`, and scenarios of the embedded cluster.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::cases::cases;
use crate::support::scene::{Scene, ago, labels, meta, node, workload};
use crate::support::{captures, drill::Drill};
use khud::cluster::slim::Decoder;
use khud::cluster::{Connection, Options};
use khud::detect::{DetectConfig, Detector};
use khud::playbook::{Intrusive, Library, Playbook, Read, Reading, State, Walk, WalkOptions};
use khud::world::ask::{Answer, ExecOutput, LogTail};
use khud::world::{
    Change, Claim, Clock, ContainerState, Delta, Kind, Namespace, ObjectRef, Phase, Record, Time, Uid, What,
    World,
};

/// Answers what a walk wants read.
type Machines<'r> = dyn Fn(&Read) -> Result<Reading, String> + 'r;
type Edit = fn(&mut Scene);

/// A cluster that was looked at, and the way to read more of it.
pub struct Site<'r> {
    pub from: String,
    world: World,
    pub detector: Detector,
    now: Time,
    read: Box<Machines<'r>>,
}

impl Site<'_> {
    pub fn walk(
        &self,
        library: &Arc<Library>,
        book: &Arc<Playbook>,
        object: ObjectRef,
        answers: &[(&str, &str)],
        intrusive: Intrusive,
    ) -> Walk {
        let options = WalkOptions { intrusive, operator: !answers.is_empty() };
        let answer = self.detector.answer(&self.world, &object, self.now);
        let mut walk = Walk::start(library.clone(), book.clone(), object, options);
        for _ in 0..200 {
            match walk.step(&self.world, self.now, &answer).clone() {
                State::Done => return walk,
                State::Asking { id, .. } => {
                    let told = answers.iter().find(|(q, _)| *q == id);
                    walk.tell(told.map_or("unknown", |(_, a)| a));
                }
                State::Reading => {
                    for read in walk.wants().to_vec() {
                        walk.give(&read, (self.read)(&read), 0);
                    }
                }
            }
        }
        panic!("the walk of {} does not end: {:?}", walk.object, walk.steps());
    }

    /// Somebody asks about an object, as `diagnose` does: logs that nothing else calls for are read.
    pub fn ask(&mut self, object: &ObjectRef) {
        self.detector.ask(&self.world, object, self.now);
        let read = &self.read;
        answer_logs(&self.world, &mut self.detector, self.now, |tail| match read(&Read::Log(tail.clone())) {
            Ok(Reading::Text(text)) => Ok(text),
            Ok(_) => Err("no text".to_owned()),
            Err(why) => Err(why),
        });
        self.detector.on_timer(&self.world, self.now);
    }

    /// Objects with the tree to walk for each: those that findings are about, then healthy ones.
    pub fn objects(&self, library: &Arc<Library>, all: bool) -> Vec<(Arc<Playbook>, ObjectRef)> {
        let mut out = Vec::new();
        let mut put = |book: &Arc<Playbook>, object: &ObjectRef| {
            if !out.iter().any(|(b, o): &(Arc<Playbook>, ObjectRef)| b.id == book.id && o == object) {
                out.push((book.clone(), object.clone()));
            }
        };
        let about = |kind: &Kind| library.about(kind).filter(|b| b.about.contains(kind)).cloned();
        let mut seen = BTreeMap::new();
        for f in self.detector.findings() {
            // A rule that fires about a hundred pods alike needs no hundred walks.
            let times = seen.entry((f.rule.clone(), f.object.kind.clone())).or_insert(0);
            *times += 1;
            if *times > 3 && !all {
                continue;
            }
            let namespace = ObjectRef::new(Kind::Namespace, "", f.object.namespace.clone());
            for object in [&f.object, f.fix(), &namespace].into_iter().filter(|o| !o.name.is_empty()) {
                about(&object.kind).iter().for_each(|b| put(b, object));
                library.get(&f.playbook).iter().for_each(|b| put(b, object));
            }
        }
        for kind in &Kind::followed() {
            let Some(book) = about(kind) else { continue };
            for slot in self.world.slots(kind).into_iter().take(if all { 1000 } else { 2 }) {
                let meta = self.world.meta_at(kind, slot).unwrap();
                put(&book, &ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone()));
            }
        }
        out
    }
}

/// The captured cluster, or an earlier moment of a captured watch stream.
fn captured(from: &str, world: World) -> Site<'static> {
    let mut detector = Detector::new(DetectConfig::default());
    let mut changes = Vec::new();
    for kind in &Kind::followed() {
        for slot in world.slots(kind) {
            let meta = world.meta_at(kind, slot).unwrap();
            let object = ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone());
            changes.push(Change { object, slot, what: What::Added });
        }
    }
    detector.on_changes(&world, &changes, captures::now());
    answer_logs(&world, &mut detector, captures::now(), captures::log);
    let read = |read: &Read| match read {
        Read::Log(tail) => captures::log(tail).map(Reading::Text),
        _ => Err("it was not captured".to_owned()),
    };
    Site { from: from.to_owned(), world, detector, now: captures::now(), read: Box::new(read) }
}

fn answer_logs(
    world: &World,
    detector: &mut Detector,
    now: Time,
    log: impl Fn(&LogTail) -> Result<String, String>,
) {
    loop {
        let wanted = detector.wanted_logs(now);
        if wanted.is_empty() {
            return;
        }
        for tail in wanted {
            let answer = log(&tail);
            detector.on_log(world, &tail, answer.as_ref().map(String::as_str).map_err(String::as_str), now);
        }
    }
}

/// `captures/watch/node-notready-and-back` as it stood so many seconds after its start.
fn node_that_goes_silent(seconds: u32) -> World {
    let mut world = World::new();
    for line in captures::text("watch/node-notready-and-back.jsonl").lines() {
        let e: serde_json::Value = serde_json::from_str(line).unwrap();
        let kind = match e["resource"].as_str().unwrap() {
            "nodes" => Kind::Node,
            "pods" => Kind::Pod,
            _ => continue,
        };
        if e["t"].as_f64().unwrap() <= f64::from(seconds) && e["type"] != "BOOKMARK" && e["type"] != "DELETED"
        {
            captures::apply(&mut world, kind, &e["object"]);
        }
    }
    [Kind::Node, Kind::Pod].into_iter().for_each(|kind| captures::listed(&mut world, kind));
    world
}

pub fn capture_sites() -> Vec<Site<'static>> {
    let silent = |t: u32| {
        captured(&format!("captures/watch/node-notready-and-back at {t} s"), node_that_goes_silent(t))
    };
    vec![captured("captures/list", captures::world()), silent(42), silent(77)]
}

/// A scene whose machines answer as a kubelet without the log query and as an API server that refuses do.
pub fn scene_site(from: String, scene: Scene) -> Site<'static> {
    let log = scene.log.clone();
    let (world, detector, now) = scene.play();
    let read = move |read: &Read| match read {
        Read::Log(_) => Ok(Reading::Text(log.clone())),
        // What a kubelet answers whose log query is off: the page of /var/log.
        Read::NodeLog { .. } => Ok(Reading::Text("<pre>\n<a href=\"pods/\">pods/</a>\n</pre>\n".to_owned())),
        Read::Call(_) => {
            let answer = captures::capture("authz/ssar-denied.json")["response"].clone();
            Ok(Reading::Answer(Answer { status: 201, body: answer["json"].clone() }))
        }
        Read::Exec(_) => Err("no commands run in a scene".to_owned()),
    };
    Site { from, world, detector, now, read: Box::new(read) }
}

/// The scenes of `cases.rs`: objects as controllers and kubelets write them, one thing of each broken.
pub fn scene_sites() -> Vec<Site<'static>> {
    let mut out = Vec::new();
    for case in cases() {
        let (mut sick, mut near) = (Scene::new(), Scene::new());
        (case.sick)(&mut sick);
        out.push(scene_site(format!("scene: {}", case.rule), sick));
        (case.sick)(&mut near);
        (case.near)(&mut near);
        out.push(scene_site(format!("scene: near {}", case.rule), near));
    }
    out
}

/// Scenes in which no rule fires, and the trees have something to say all the same.
pub const QUIET: &[(&str, Edit)] = &[
    ("healthy", |_| {}),
    ("a log with errors", |s| s.log = "INFO ready\nERROR cannot write report 17\n".to_owned()),
    ("usage is measured and low", |s| s.usage(12, 10, |_| 200.0)),
    ("a pod that was created this moment", |s| {
        s.unscheduled("");
        s.pod.conditions = [].into();
        // A scene is looked at 90 s after its time.
        s.pod.meta.created = Some(s.now.plus(Duration::from_secs(85)));
    }),
    ("a container that started this moment", |s| {
        let at = ago(s, 5);
        s.not_ready();
        s.c().state = ContainerState::Running { since: Some(at) };
        s.pod.meta.created = Some(at);
        s.pod.ready_since = Some(at);
        s.pod.started = Some(at);
    }),
    ("a pod whose phase is Unknown", |s| s.pod.phase = Phase::Unknown),
    ("three pods of a node are being created", |s| {
        for i in 0..3 {
            let mut pod = s.pod.clone();
            pod.meta = meta("prod", &format!("new-{i}"), 110 + i, s.now);
            pod.phase = Phase::Pending;
            pod.containers[0].state =
                ContainerState::Waiting { reason: "ContainerCreating".into(), message: "".into() };
            s.more.push(pod);
        }
    }),
    ("a Job that somebody suspended", |s| {
        let job = s.a_job();
        (job.suspended, job.failed) = (true, 0);
    }),
    ("a Service of a workload that is scaled to zero", |s| {
        (s.deployment.desired, s.set.desired) = (0, 0);
        (s.slice.ready, s.slice.not_ready) = (0, 0);
        s.pod.meta.labels = labels(&[("app", "other")]);
        s.pod.meta.owner = None;
    }),
    ("a claim that waits for its first pod", |s| {
        pending_claim(s);
        let claim = ObjectRef::new(Kind::PersistentVolumeClaim, "prod", "models");
        let event = s.event_on(
            claim,
            Uid::Uuid(600),
            "WaitForFirstConsumer",
            "waiting for first consumer to be created before binding",
        );
        event.warning = false;
    }),
    ("a claim of which nothing is said", pending_claim),
    ("a StatefulSet in the middle of an update, all pods ready", |s| {
        let template = s.deployment.template.clone();
        let old = ago(s, 86_400);
        let mut set = workload(Kind::StatefulSet, meta("prod", "db", 410, old), &template);
        (set.desired, set.current, set.updated, set.ready, set.available) = (3, 3, 1, 3, 3);
        s.then.push(Record::Workload(Box::new(set)));
    }),
    ("a DaemonSet that a new node waits for", |s| {
        s.daemon("agent", &[("app", "agent")]);
        let at = s.now.plus(Duration::from_secs(85));
        s.nodes.push(node("n2", at));
    }),
    ("a DaemonSet on every node", |s| s.daemon("agent", &[("app", "agent")])),
    ("a namespace whose events warn", |s| {
        let old = ago(s, 86_400);
        let prod =
            Namespace { meta: meta("", "prod", 420, old), phase: "Active".into(), ..Namespace::default() };
        s.standing.push(Record::Namespace(Box::new(prod)));
        let on = ObjectRef::new(Kind::Namespace, "", "prod");
        s.event_on(on, Uid::Uuid(420), "PolicyViolation", "namespace has no owner label");
    }),
    ("a warning about an object that khud has no rules for", |s| {
        let widget = ObjectRef::new(Kind::Other("Widget".into()), "prod", "w");
        s.event_on(widget, Uid::Uuid(888), "SyncFailed", "cannot reach the upstream");
    }),
];

fn pending_claim(s: &mut Scene) {
    let old = ago(s, 20);
    s.claim = Some(Claim {
        meta: meta("prod", "models", 600, old),
        phase: "Pending".into(),
        class: Some("fast".into()),
        requested: 1 << 30,
        ..Claim::default()
    });
}

/// Reads the certificates that Ingresses name, as khud reads them.
fn read_secrets(drill: &Drill, world: &World, detector: &mut Detector, now: Time) {
    let dir = tempfile::tempdir().unwrap();
    let kubeconfig = dir.path().join("config");
    std::fs::write(&kubeconfig, drill.kubeconfig()).unwrap();
    let options = Options { kubeconfig: Some(kubeconfig), ..Options::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let connection = runtime.block_on(Connection::open(options, Clock::wall())).unwrap();
    for secret in detector.wanted_secrets() {
        let answer = runtime.block_on(connection.tls_secret(&secret.namespace, &secret.name));
        detector.on_secret(world, &secret, answer, now);
    }
}

/// A scenario of the embedded cluster after so many seconds, read through its API.
pub fn scenario_site<'d>(drill: &'d Drill, name: &str, seconds: u64) -> Site<'d> {
    let now = Time::parse(&drill.now()).unwrap();
    let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
    for kind in Kind::followed() {
        let prefix =
            if kind.group().is_empty() { "/api".to_owned() } else { format!("/apis/{}", kind.group()) };
        let path = format!("{prefix}/{}/{}", kind.version(), kind.plural());
        let Ok(body) = drill.request("GET", &path, None) else { continue };
        let page = Decoder::new(kind.clone()).page(body.as_bytes()).unwrap();
        let mut changes = Vec::new();
        world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
        page.items.into_iter().for_each(|r| world.apply(Delta::Apply(r), &mut changes));
        world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut changes);
        detector.on_changes(&world, &changes, now);
    }
    let log = |tail: &LogTail| {
        let previous = if tail.previous { "&previous=true" } else { "" };
        let path = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}{previous}",
            tail.namespace, tail.pod, tail.container, tail.tail
        );
        drill.request("GET", &path, None)
    };
    answer_logs(&world, &mut detector, now, log);
    read_secrets(drill, &world, &mut detector, now);
    // What waits out its time fires.
    let later = now.plus(Duration::from_secs(60));
    while let Some(at) = detector.next_timer().filter(|at| *at <= later) {
        detector.on_timer(&world, at);
    }
    let read = move |read: &Read| match read {
        Read::Log(tail) => log(tail).map(Reading::Text),
        Read::NodeLog { node, services, tail } => {
            let query: String = services.iter().map(|s| format!("query={s}&")).collect();
            drill
                .request("GET", &format!("/api/v1/nodes/{node}/proxy/logs/?{query}tailLines={tail}"), None)
                .map(Reading::Text)
        }
        Read::Call(call) => {
            let method = if call.body.is_some() { "POST" } else { "GET" };
            let body = drill.request(method, &call.path, call.body.clone())?;
            Ok(Reading::Answer(Answer { status: 200, body: serde_json::from_str(&body).unwrap() }))
        }
        Read::Exec(exec) => {
            let words: Vec<&str> = exec.command.iter().map(String::as_str).collect();
            let ran = drill.try_exec(&exec.namespace, &exec.pod, &words)?;
            if ran.code == -1 {
                return Err(format!("exec: {:?}: executable file not found in $PATH", exec.command[0]));
            }
            Ok(Reading::Output(ExecOutput {
                stdout: ran.out.into_bytes(),
                stderr: ran.err.into_bytes(),
                exit_code: i32::try_from(ran.code).unwrap(),
                truncated: false,
            }))
        }
    };
    Site { from: format!("scenario {name} at {seconds} s"), world, detector, now, read: Box::new(read) }
}
