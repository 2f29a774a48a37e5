//! One judge: `scan` and `diagnose` give the same cause, the same object to blame and the same container, for every
//! near-miss scene, every broken object of the captures and every scenario of the embedded cluster.

use std::sync::Arc;

use super::cases::cases;
use crate::support::scene::Scene;
use crate::support::{captures, drill::Drill};
use khud::cluster::slim::Decoder;
use khud::detect::report::Scan;
use khud::detect::{DetectConfig, Detector, Finding};
use khud::judge::Found;
use khud::playbook::{Library, Proposal, State, Walk, WalkOptions};
use khud::world::ask::LogTail;
use khud::world::{ContainerState, Delta, Kind, ObjectRef, Time, World};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A cluster that was looked at once.
struct Look {
    world: World,
    detector: Detector,
    now: Time,
    library: Arc<Library>,
}

impl Look {
    fn of_scene(scene: Scene) -> Look {
        let (world, detector, now) = scene.play();
        Look { world, detector, now, library: Arc::new(Library::embedded().unwrap()) }
    }

    /// Takes lists in and answers the logs that are wanted.
    fn of_lists(
        lists: Vec<(Kind, Vec<u8>)>,
        now: Time,
        log: impl Fn(&LogTail) -> Result<String, String>,
    ) -> Look {
        let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
        for (kind, body) in lists {
            let page = Decoder::new(kind.clone()).page(&body).unwrap();
            let scope = || (kind.clone(), "".into());
            let mut deltas = vec![Delta::ListStart { kind: scope().0, namespace: scope().1 }];
            deltas.extend(page.items.into_iter().map(Delta::Apply));
            deltas.push(Delta::ListEnd { kind: scope().0, namespace: scope().1 });
            let mut changes = Vec::new();
            deltas.into_iter().for_each(|d| world.apply(d, &mut changes));
            detector.on_changes(&world, &changes, now);
        }
        loop {
            let wanted = detector.wanted_logs(now);
            if wanted.is_empty() {
                break;
            }
            for tail in wanted {
                let answer = log(&tail);
                let answer = answer.as_ref().map(String::as_str).map_err(String::as_str);
                detector.on_log(&world, &tail, answer, now);
            }
        }
        Look { world, detector, now, library: Arc::new(Library::embedded().unwrap()) }
    }

    /// What `khud scan` lists, in its order.
    fn scan(&self) -> Vec<Arc<Finding>> {
        Scan::new("test", self.now, &self.world, &self.detector).findings
    }

    /// What `khud diagnose` walks.
    fn diagnose(&self, object: &ObjectRef) -> Walk {
        let book = self.library.about(&object.kind).unwrap().clone();
        let mut walk = Walk::start(self.library.clone(), book, object.clone(), WalkOptions::default());
        let answer = self.detector.answer(&self.world, object, self.now);
        while *walk.step(&self.world, self.now, &answer) == State::Reading {
            for read in walk.wants().to_vec() {
                walk.give(&read, Err("nobody answers".into()), 0);
            }
        }
        walk
    }

    /// Why a proposal cannot help, as far as the World shows it.
    fn unfit(&self, p: &Proposal) -> Option<String> {
        let Some(action) = khud::remedy::action(&p.action) else {
            return Some(format!("there is no action {}", p.action));
        };
        // An action without kinds works on any.
        if !action.kinds.is_empty() && !action.kinds.contains(&p.target.kind) {
            return Some(format!("{} does not work on {}", p.action, p.target));
        }
        if self.world.meta(&p.target).is_none() {
            return Some(format!("{} of {}, which is not there", p.action, p.target));
        }
        let node = self.world.nodes.find("", &p.target.name).filter(|_| p.target.kind == Kind::Node);
        let pod = self.world.pods.find(&p.target.namespace, &p.target.name);
        match p.action.as_str() {
            "uncordon" if node.is_some_and(|n| !n.unschedulable) => Some("it is not cordoned".into()),
            "cordon" if node.is_some_and(|n| n.unschedulable) => Some("it is cordoned already".into()),
            "drain" if node.is_some_and(|n| !khud::judge::node::ready(n)) => {
                Some("its kubelet cannot evict".into())
            }
            "heap-dump" | "class-histogram" | "thread-dump" => {
                let runs = pod.is_some_and(|p| {
                    p.containers.iter().any(|c| matches!(c.state, ContainerState::Running { .. }))
                });
                (!runs).then(|| format!("{} of a pod in which nothing runs", p.action))
            }
            _ => None,
        }
    }

    /// Compares both answers about every object that a finding is about; how many were compared.
    fn compare(&self, name: &str, wrong: &mut Vec<String>) -> usize {
        let findings = self.scan();
        let mut objects: Vec<ObjectRef> =
            findings.iter().flat_map(|f| [f.object.clone(), f.fix().clone()]).collect();
        objects.sort();
        objects.dedup();
        for object in &objects {
            let walk = self.diagnose(object);
            let answer = self.detector.answer(&self.world, object, self.now);
            let about = findings.iter().filter(|f| f.object == *object || f.fix() == object);
            let of = |f: &Found| (f.cause.to_string(), f.blamed.clone(), f.container.clone());
            let mut told = answer.causes.iter().map(of);
            for f in about {
                let want = (f.cause.to_string(), f.fix().clone(), f.container.clone());
                // In the same order: what was passed over does not come again.
                if !told.any(|t| t == want) {
                    let said: Vec<_> = answer.causes.iter().map(of).collect();
                    wrong.push(format!("{name}: {object}: scan says {want:?}, diagnose {said:?}"));
                }
            }
            let Some(first) = answer.causes.first() else { continue };
            let verdict = walk.verdict().map(|v| (v.cause.clone(), v.object.clone(), v.container.clone()));
            let unknown = &*first.cause == "unknown" && !walk.unknown().is_empty();
            if verdict != Some(of(first)) && !(unknown && verdict.is_none()) {
                let path: Vec<String> =
                    walk.steps().iter().map(|s| format!("{}={}", s.id, s.answer)).collect();
                wrong.push(format!("{name}: {object}: verdict {verdict:?} is not {:?}: {path:?}", of(first)));
            }
            wrong.extend(
                walk.proposals()
                    .iter()
                    .filter_map(|p| self.unfit(p))
                    .map(|why| format!("{name}: {object}: {}: {why}", first.cause)),
            );
            let quoted = |q: &str| walk.steps().iter().flat_map(|s| &s.evidence).any(|e| e.quote == q);
            if let Some(e) = first.evidence.first().filter(|e| !quoted(&e.quote)) {
                wrong.push(format!("{name}: {object}: no question shows the proof {:?}", e.quote));
            }
        }
        objects.len()
    }
}

#[test]
fn every_near_miss_scene_gets_one_answer_and_loses_it_in_both() {
    let (mut wrong, mut compared) = (Vec::new(), 0);
    let all = cases();
    for case in &all {
        let mut scene = Scene::new();
        (case.sick)(&mut scene);
        let sick = Look::of_scene(scene);
        let here = sick.compare(case.rule, &mut wrong);
        if here == 0 {
            wrong.push(format!("{}: nothing to compare", case.rule));
        }
        compared += here;
        let Some(finding) = sick.scan().into_iter().find(|f| &*f.rule == case.rule) else {
            wrong.push(format!("{}: not found", case.rule));
            continue;
        };
        // The deciding evidence is taken away: neither says so any more.
        let mut scene = Scene::new();
        (case.sick)(&mut scene);
        (case.near)(&mut scene);
        let near = Look::of_scene(scene);
        let still = near.detector.answer(&near.world, &finding.object, near.now);
        // An eviction whose news is over is still told to who asks about that very pod.
        let asked = case.rule.starts_with("evicted.");
        let seen = still.causes.iter().any(|f| &*f.rule == case.rule);
        if seen && !asked && !near.scan().iter().any(|f| &*f.rule == case.rule) {
            wrong.push(format!("{}: gone from scan, still in diagnose: {:?}", case.rule, still.causes));
        }
        near.compare(&format!("near {}", case.rule), &mut wrong);
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(compared >= all.len(), "{compared} objects of {} scenes", all.len());
}

#[test]
fn every_broken_object_of_the_captures_gets_one_answer() {
    let lists = captures::LISTS.iter().map(|(file, kind)| {
        let list = captures::capture(&format!("list/{file}.json"));
        (kind.clone(), serde_json::to_vec(&list["response"]["json"]).unwrap())
    });
    let look = Look::of_lists(lists.collect(), captures::now(), captures::log);
    let mut wrong = Vec::new();
    let compared = look.compare("captures", &mut wrong);
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // The manifest breaks 23 things.
    assert!(compared >= 23, "{compared}");
}

/// Lists arrive in any order, and logs answer early or late: the answer is the same.
#[test]
fn the_order_in_which_lists_and_logs_arrive_changes_nothing() {
    let table = |look: &Look| {
        let mut rows: Vec<String> =
            look.scan().iter().map(|f| format!("{} {} {:?}", f.fix(), f.cause, f.container)).collect();
        rows.sort();
        rows
    };
    let bodies: Vec<(Kind, Vec<u8>)> = captures::LISTS
        .iter()
        .map(|(file, kind)| {
            let list = captures::capture(&format!("list/{file}.json"));
            (kind.clone(), serde_json::to_vec(&list["response"]["json"]).unwrap())
        })
        .collect();
    let usual = table(&Look::of_lists(bodies.clone(), captures::now(), captures::log));
    assert!(usual.len() >= 23, "{usual:#?}");
    let mut runner = TestRunner::new_with_rng(
        Config { cases: 24, failure_persistence: None, ..Config::default() },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    let order = Just(bodies).prop_shuffle();
    runner
        .run(&(order, any::<[bool; 16]>()), |(order, early)| {
            let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
            let mut held = Vec::new();
            for (n, (kind, body)) in order.into_iter().enumerate() {
                let page = Decoder::new(kind.clone()).page(&body).unwrap();
                let mut changes = Vec::new();
                world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
                page.items.into_iter().for_each(|r| world.apply(Delta::Apply(r), &mut changes));
                world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut changes);
                detector.on_changes(&world, &changes, captures::now());
                held.extend(detector.wanted_logs(captures::now()));
                if early[n] {
                    held = answer(&world, &mut detector, held);
                }
            }
            while !held.is_empty() {
                held = answer(&world, &mut detector, held);
            }
            let library = Arc::new(Library::embedded().unwrap());
            let look = Look { world, detector, now: captures::now(), library };
            prop_assert_eq!(&table(&look), &usual);
            Ok(())
        })
        .unwrap();
}

/// Answers these logs; what is wanted then.
fn answer(world: &World, detector: &mut Detector, tails: Vec<LogTail>) -> Vec<LogTail> {
    for tail in tails {
        let log = captures::log(&tail);
        let log = log.as_ref().map(String::as_str).map_err(String::as_str);
        detector.on_log(world, &tail, log, captures::now());
    }
    detector.wanted_logs(captures::now())
}

/// The kinds a scan watches, as the API serves them.
const SERVED: &[(&str, Kind)] = &[
    ("/api/v1/nodes", Kind::Node),
    ("/api/v1/namespaces", Kind::Namespace),
    ("/apis/apps/v1/deployments", Kind::Deployment),
    ("/apis/apps/v1/replicasets", Kind::ReplicaSet),
    ("/apis/apps/v1/statefulsets", Kind::StatefulSet),
    ("/apis/apps/v1/daemonsets", Kind::DaemonSet),
    ("/apis/batch/v1/jobs", Kind::Job),
    ("/apis/batch/v1/cronjobs", Kind::CronJob),
    ("/api/v1/services", Kind::Service),
    ("/apis/discovery.k8s.io/v1/endpointslices", Kind::EndpointSlice),
    ("/api/v1/persistentvolumeclaims", Kind::PersistentVolumeClaim),
    ("/api/v1/resourcequotas", Kind::ResourceQuota),
    ("/apis/events.k8s.io/v1/events", Kind::Event),
    ("/api/v1/pods", Kind::Pod),
];

#[test]
fn every_scenario_gets_one_answer() {
    let (mut wrong, mut silent) = (Vec::new(), Vec::new());
    // The API server of `region-outage` goes dark: nobody answers there, and each request waits out its time.
    let answering =
        khud_sim::scenario::built_in_names().into_iter().filter(|(name, _)| *name != "region-outage");
    for (name, _) in answering {
        let drill = Drill::start(name);
        drill.pass(240);
        let lists: Vec<(Kind, Vec<u8>)> = SERVED
            .iter()
            .filter_map(|(path, kind)| {
                Some((kind.clone(), drill.request("GET", path, None).ok()?.into_bytes()))
            })
            .collect();
        let now = Time::parse(&drill.now()).unwrap();
        let look = Look::of_lists(lists, now, |tail| {
            let previous = if tail.previous { "&previous=true" } else { "" };
            let path = format!(
                "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={}{previous}",
                tail.namespace, tail.pod, tail.container, tail.tail
            );
            drill.request("GET", &path, None)
        });
        if look.compare(name, &mut wrong) == 0 {
            silent.push(name);
        }
        let scan = Scan::new(name, look.now, &look.world, &look.detector);
        if name == "gpu-vanished" {
            // A driver rollout that takes the GPUs of 20 nodes is one incident, and the driver's DaemonSet its root.
            let i = &scan.incidents[0];
            let said = (i.root.to_string(), &*i.cause, i.radius.nodes, i.radius.gpus);
            let driver = "daemonset gpu-operator/nvidia-driver-daemonset".to_owned();
            assert_eq!(said, (driver, "gpu.vanished", 20, 160), "{:#?}", scan.incidents);
            assert_eq!(i.findings.len(), scan.findings.len(), "one incident: {:#?}", scan.incidents);
            assert_eq!(i.changed.iter().filter(|c| c.object == i.root).count(), 1, "{:#?}", i.changed);
        }
        if name == "namespace-bleed" {
            // Replacements of evicted pods wait because of the pressure that evicted them.
            let waits = |n: &usize| scan.findings[*n].cause.starts_with("schedule.");
            let of_nodes = scan.incidents.iter().filter(|i| &*i.cause == "node.pressure-memory");
            let explained = of_nodes.flat_map(|i| &i.findings).filter(|n| waits(n)).count();
            let all = (0..scan.findings.len()).filter(waits).count();
            assert!(all > 0 && explained == all, "{:#?}", scan.incidents);
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    // Those without a fault that objects show at this moment: the rest must not fall silent.
    assert!(silent.len() <= 8, "nothing to compare in {silent:?}");
}

/// Whatever the kind: what was looked at is said, and nothing is called well unseen.
#[test]
fn any_kind_is_answered_with_what_was_looked_at() {
    let look = Look::of_scene(Scene::new());
    let walk = look.diagnose(&ObjectRef::new(Kind::Other("Widget".into()), "prod", "w"));
    assert_eq!(walk.verdict(), None);
    assert!(walk.unknown()[0].why.contains("no rule for objects of this kind"), "{:?}", walk.unknown());
    for kind in [Kind::Pod, Kind::Deployment, Kind::Node, Kind::Service] {
        let name = match kind {
            Kind::Pod => "web-1-abc",
            Kind::Node => "n1",
            _ => "web",
        };
        let namespace = if kind == Kind::Node { "" } else { "prod" };
        let object = ObjectRef::new(kind.clone(), namespace, name);
        let walk = look.diagnose(&object);
        let said = (walk.verdict().map(|v| v.cause.as_str()), walk.unknown());
        assert_eq!(said, (Some("none"), &[][..]), "{object}: {:?}", walk.steps());
        // The same object where its events were never listed: nobody knows.
        let mut blind = World::new();
        if let Some(p) = look.world.pods.find("prod", "web-1-abc").filter(|_| kind == Kind::Pod) {
            blind.apply(Delta::Apply(khud::world::Record::Pod(Box::new(p.clone()))), &mut Vec::new());
            let detector = Detector::new(DetectConfig::default());
            let library = look.library.clone();
            let blind = Look { world: blind, detector, now: look.now, library };
            let walk = blind.diagnose(&object);
            assert_eq!(walk.verdict(), None);
            assert!(walk.unknown().iter().any(|u| u.what.contains("events")), "{:?}", walk.unknown());
        }
    }
}
