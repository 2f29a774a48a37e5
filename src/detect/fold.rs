//! One line for one trouble of many: workloads that wait for the same registry, ConfigMap or host; nodes that went, or
//! lost their GPUs, together.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::world::{Kind, Node, Text, World};

use super::common_factors::{Factor, of_nodes};
use super::finding::{Finding, State};
use super::quiet::How;
use crate::judge::Evidence;
use crate::judge::node::{GPUS, NODES};
use crate::judge::text::{self, bounded};

/// Fewer than this each keep their own line: two may be a coincidence.
const FEW: usize = 3;
/// Common factors named on it.
const SHARED: usize = 3;
/// Others named on the line that stands for all.
const NAMED: usize = 6;

/// Replaces findings that share their trouble by the oldest of them, which counts and names the others.
pub fn fold(world: &World, findings: Vec<Arc<Finding>>) -> Vec<Arc<Finding>> {
    // What is muted does not hide what is not.
    let mut by_trouble: BTreeMap<(Text, bool), Vec<Arc<Finding>>> = BTreeMap::new();
    let mut out = Vec::with_capacity(findings.len());
    for f in findings {
        match &f.fold {
            Some(trouble) if f.state == State::Firing && !has_own_numbers(&f) => {
                by_trouble.entry((trouble.clone(), f.is(How::Muted))).or_default().push(f)
            }
            _ => out.push(f),
        }
    }
    for ((trouble, _), mut same) in by_trouble {
        if same.len() < FEW {
            out.append(&mut same);
            continue;
        }
        same.sort_by(|a, b| (a.since, &a.key).cmp(&(b.since, &b.key)));
        out.push(Arc::new(together(world, &trouble, &same)));
    }
    out
}

/// A pod that finds no place and a claim that no volume fits: what each asks for is worth its own line; the incident
/// groups them.
fn has_own_numbers(f: &Finding) -> bool {
    f.cause.starts_with("schedule.") || f.cause.starts_with("volume.")
}

fn together(world: &World, trouble: &str, same: &[Arc<Finding>]) -> Finding {
    let mut one = (*same[0]).clone();
    one.with = same.iter().skip(1).map(|f| f.key.clone()).collect();
    if same.iter().any(|f| f.quiet.is_none()) {
        // Somebody has those of before; the new ones nobody has.
        one.quiet = None;
    }
    one.count = same.iter().map(|f| f.count).fold(0, u32::saturating_add);
    one.severity = same.iter().map(|f| f.severity).max().unwrap_or(one.severity);
    let n = same.len();
    if trouble == NODES || trouble == GPUS {
        let shared = shared(world, same);
        let at = shared.first().map_or(String::new(), |f| format!("; all {n} {}", f.what));
        one.evidence.extend(shared.iter().take(SHARED).map(|f| Evidence {
            source: "what the sick share".into(),
            quote: f.sentence(),
            object: one.object.clone(),
            at: None,
        }));
        let what = if trouble == NODES { "are not ready" } else { "lost GPUs" };
        one.title = format!("{n} nodes {what}{at}");
        one.cause =
            if same.iter().all(|f| f.cause == one.cause) { one.cause } else { "node.not-ready".into() };
    } else {
        one.title = format!("{}: {n} workloads suffer from it", one.title);
    }
    one.title = bounded(&one.title, text::TITLE);
    for f in same.iter().skip(1).take(NAMED) {
        one.evidence.push(Evidence {
            source: "also".into(),
            quote: f.title.clone(),
            object: f.fix().clone(),
            at: Some(f.since),
        });
    }
    if n > NAMED + 1 {
        let quote = format!("and {} more", n - NAMED - 1);
        one.evidence.push(Evidence { source: "also".into(), quote, object: one.object.clone(), at: None });
    }
    one
}

/// What the nodes share that no other node has.
fn shared(world: &World, same: &[Arc<Finding>]) -> Vec<Factor> {
    let gone = |n: &Node| same.iter().any(|f| f.fix().kind == Kind::Node && f.fix().name == n.meta.name);
    let (sick, well): (Vec<&Node>, Vec<&Node>) = world.nodes.values().partition(|n| gone(n));
    of_nodes(&sick, &well)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::detect::{DetectConfig, Detector, How, Quiet, Severity};
    use crate::world::*;

    fn see(records: Vec<Record>) -> Vec<Arc<Finding>> {
        let (mut world, mut changes) = (World::new(), Vec::new());
        for record in records {
            world.apply(Delta::Apply(record), &mut changes);
        }
        let mut detector = Detector::new(DetectConfig::default());
        detector.on_changes(&world, &changes, Time::parse("2026-11-21T02:00:00Z").unwrap());
        detector.findings().to_vec()
    }

    fn node(name: &str, zone: &str, ready: Status) -> Record {
        let labels = [("topology.kubernetes.io/zone".into(), zone.into())];
        let ready = Condition {
            kind: "Ready".into(),
            status: ready,
            reason: "NodeStatusUnknown".into(),
            message: "Kubelet stopped posting node status.".into(),
            since: Time::parse("2026-11-21T01:50:00Z"),
            updated: None,
        };
        Record::Node(Box::new(Node {
            meta: Meta { name: name.into(), labels: Labels(labels.into()), ..Meta::default() },
            conditions: [ready].into(),
            ..Node::default()
        }))
    }

    /// A DaemonSet's pod that fails to pull on a node, or runs there.
    fn pod(name: &str, owner: &str, node: &str, message: Option<&str>) -> Record {
        let image = "registry.example.com/team/agent:v2";
        let spec = ContainerSpec {
            name: "agent".into(),
            image: image.into(),
            role: Role::App,
            requests: Resources::default(),
            limits: Resources::default(),
            ports: [].into(),
            liveness: None,
            readiness: None,
            startup: None,
            ..ContainerSpec::default()
        };
        let state = match message {
            Some(m) => ContainerState::Waiting { reason: "ErrImagePull".into(), message: m.into() },
            None => ContainerState::Running { since: None },
        };
        let well = message.is_none();
        let container =
            Container { spec: Arc::new(spec), ready: well, started: None, restarts: 0, state, last: None };
        Record::Pod(Box::new(Pod {
            meta: Meta {
                namespace: "prod".into(),
                name: name.into(),
                uid: name.into(),
                owner: Some(Owner { kind: Kind::DaemonSet, name: owner.into(), uid: owner.into() }),
                ..Meta::default()
            },
            node: node.into(),
            phase: if well { Phase::Running } else { Phase::Pending },
            ready: well,
            containers: [container].into(),
            ..Pod::default()
        }))
    }

    fn daemon_set(name: &str) -> Record {
        Record::Workload(Box::new(Workload {
            kind: Kind::DaemonSet,
            meta: Meta { namespace: "prod".into(), name: name.into(), uid: name.into(), ..Meta::default() },
            desired: 0,
            current: 0,
            updated: 0,
            ready: 0,
            available: 0,
            observed_generation: 0,
            paused: false,
            selector: Selector::default(),
            template: Arc::default(),
            conditions: [].into(),
            revision: None,
            change_cause: "".into(),
            current_revision: "".into(),
            update_revision: "".into(),
            strategy: "".into(),
            max_unavailable: "".into(),
            max_surge: "".into(),
            progress_deadline: 600,
            history_limit: 10,
            service_name: "".into(),
            partition: 0,
        }))
    }

    #[test]
    fn nodes_gone_together_are_one_line_that_names_their_zone() {
        let (a, c) = ("us-west-2a", "us-west-2c");
        let (gone, well) = (Status::Unknown, Status::True);
        let there = [node("n1", c, gone), node("n2", c, gone), node("n3", c, gone)];
        let seen =
            see([&there[..], &[node("n4", a, well), node("n5", a, well), node("n6", a, well)]].concat());
        assert_eq!(seen.len(), 1, "{seen:#?}");
        assert_eq!(seen[0].title, "3 nodes are not ready; all 3 are in us-west-2c");
        assert_eq!(seen[0].count, 3);
        assert_eq!(seen[0].evidence.iter().filter(|e| &*e.source == "also").count(), 2);
        let shares = seen[0].evidence.iter().find(|e| &*e.source == "what the sick share").unwrap();
        assert_eq!(shares.quote, "all 3 sick are in us-west-2c; none of the 3 healthy");
        // One healthy node in that zone: the zone explains nothing.
        let seen =
            see([&there[..], &[node("n4", a, well), node("n5", a, well), node("n6", c, well)]].concat());
        assert_eq!(seen[0].title, "3 nodes are not ready");
        // Two healthy ones elsewhere may be a coincidence.
        let seen = see([&there[..], &[node("n4", a, well), node("n5", a, well)]].concat());
        assert_eq!(seen[0].title, "3 nodes are not ready");
        // Two are two.
        assert_eq!(see(vec![node("n1", c, gone), node("n2", c, gone), node("n4", a, well)]).len(), 2);
    }

    /// A Ready node of five hours with eight GPUs, of which it offers so many.
    fn gpu_node(name: &str, driver: &str, offers: u64) -> Record {
        let Record::Node(mut node) = node(name, "us-west-2a", Status::True) else { unreachable!() };
        node.meta.created = Time::parse("2026-11-20T21:00:00Z");
        let labels = [
            ("nvidia.com/cuda.driver-version.full".into(), driver.into()),
            ("nvidia.com/gpu.count".into(), "8".into()),
        ];
        node.meta.labels = Labels(labels.into());
        node.capacity.gpu = Some(8);
        node.allocatable.gpu = Some(offers);
        Record::Node(node)
    }

    #[test]
    fn nodes_that_lost_their_gpus_together_are_one_line_that_names_their_driver() {
        let (old, new) = ("550.54.15", "550.90.07");
        let lost = |n: &str| gpu_node(n, new, 0);
        let well = |driver: &str| [gpu_node("g4", old, 8), gpu_node("g5", old, 8), gpu_node("g6", driver, 8)];
        let seen = see([&[lost("g1"), lost("g2"), lost("g3")][..], &well(old)].concat());
        let seen: Vec<_> = seen.iter().filter(|f| &*f.cause == "gpu.vanished").collect();
        assert_eq!(seen.len(), 1, "{seen:#?}");
        assert_eq!(seen[0].title, "3 nodes lost GPUs; all 3 are on GPU driver 550.90.07");
        // One that is well with that driver: it is not the driver.
        let seen = see([&[lost("g1"), lost("g2"), lost("g3")][..], &well(new)].concat());
        assert!(seen.iter().any(|f| f.title == "3 nodes lost GPUs"), "{seen:#?}");
    }

    #[test]
    fn workloads_behind_one_registry_fold_and_others_do_not() {
        let down = "dial tcp: lookup registry.example.com: no such host";
        let seen = see(vec![
            daemon_set("agent"),
            daemon_set("logger"),
            daemon_set("tracer"),
            pod("agent-1", "agent", "n1", Some(down)),
            pod("logger-1", "logger", "n1", Some(down)),
            pod("tracer-1", "tracer", "n1", Some(down)),
        ]);
        assert_eq!(seen.len(), 1, "{seen:#?}");
        assert!(seen[0].title.ends_with("3 workloads suffer from it"), "{}", seen[0].title);
        let seen = see(vec![
            daemon_set("agent"),
            daemon_set("logger"),
            daemon_set("tracer"),
            pod("agent-1", "agent", "n1", Some(down)),
            pod("logger-1", "logger", "n1", Some(down)),
            pod("tracer-1", "tracer", "n1", Some("team/agent:v2: not found")),
        ]);
        assert_eq!(seen.len(), 3, "{seen:#?}");
    }

    /// Three DaemonSets that cannot reach one registry, and what is said of their one line.
    #[test]
    fn what_is_said_of_one_line_holds_for_all_it_stands_for_until_it_is_over_or_worse() {
        let now = Time::parse("2026-11-21T02:00:00Z").unwrap();
        let later = |s: u64| now.plus(std::time::Duration::from_secs(s));
        let down = Some("dial tcp: lookup registry.example.com: no such host");
        let (mut world, mut changes) = (World::new(), Vec::new());
        let mut apply = |world: &mut World, records: Vec<Record>| {
            changes.clear();
            records.into_iter().for_each(|r| world.apply(Delta::Apply(r), &mut changes));
            changes.clone()
        };
        let mut detector = Detector::new(DetectConfig::default());
        let names = ["agent", "logger", "tracer"];
        let mut records: Vec<Record> = names.iter().map(|n| daemon_set(n)).collect();
        records.extend(names.iter().map(|n| pod(&format!("{n}-1"), n, "n1", down)));
        let list = apply(&mut world, records);
        detector.on_changes(&world, &list, now);
        let said = |line: &Finding, how: How, until: Time| -> Vec<Quiet> {
            let keys = std::iter::once(&line.key).chain(&line.with);
            let quiet = keys.map(|k| Quiet {
                root: k.root.clone(),
                family: k.family.clone(),
                how,
                reason: "known".into(),
                who: "ana".into(),
                at: now,
                until,
                severity: line.severity,
            });
            quiet.collect()
        };
        let line = detector.findings()[0].clone();
        assert_eq!((detector.findings().len(), line.with.len()), (1, 2));
        // Acknowledged it still counts, and is one line still; muted it does not count.
        detector.quiet(said(&line, How::Acknowledged, later(3600)), &world, now);
        assert!(detector.findings()[0].is(How::Acknowledged) && detector.findings()[0].counts());
        assert_eq!(detector.findings().len(), 1);
        // A fourth that nobody has makes the line news again.
        let fourth = apply(&mut world, vec![daemon_set("shipper"), pod("shipper-1", "shipper", "n1", down)]);
        detector.on_changes(&world, &fourth, now);
        assert!(detector.findings()[0].quiet.is_none(), "{:#?}", detector.findings());

        let line = detector.findings()[0].clone();
        detector.quiet(said(&line, How::Muted, later(600)), &world, now);
        assert_eq!(detector.findings().len(), 1);
        assert!(detector.findings()[0].is(How::Muted) && !detector.findings()[0].counts());
        assert_eq!(detector.quieted(now).len(), 4);
        // Its time is over: it is told of again by itself.
        assert!(detector.next_timer().is_some_and(|t| t <= later(600)));
        detector.on_timer(&world, later(600));
        assert!(
            detector.findings().iter().all(|f| f.quiet.is_none()) && detector.quieted(later(600)).is_empty()
        );

        // What is acknowledged and ends is forgotten: it comes back as news. What got worse as well.
        let line = detector.findings()[0].clone();
        detector.quiet(said(&line, How::Acknowledged, later(7200)), &world, later(600));
        for q in detector.quieted(later(600)) {
            assert!(q.holds(&line, later(700)));
            let lesser = Quiet { severity: Severity::Warning, ..q };
            assert!(!lesser.holds(&line, later(700)), "it was a warning when somebody took it");
        }
        let well: Vec<Record> = names.iter().map(|n| pod(&format!("{n}-1"), n, "n1", None)).collect();
        let well = apply(&mut world, well);
        detector.on_changes(&world, &well, later(610));
        detector.on_timer(&world, later(650));
        assert_eq!(detector.quieted(later(650)).len(), 1, "the one that is still true");
    }

    #[test]
    fn what_the_sick_pods_share_and_the_healthy_do_not_is_named() {
        let (a, c) = ("us-west-2a", "us-west-2c");
        let fails = Some("something new");
        let cluster = |third: &str, pool: &str| {
            let mut all = vec![daemon_set("agent")];
            for i in 1..=6 {
                let (zone, pool) = if i <= 3 { (c, "old") } else { (a, pool) };
                let zone = if i == 6 { third } else { zone };
                let Record::Node(mut node) = node(&format!("n{i}"), zone, Status::True) else {
                    unreachable!()
                };
                let labels =
                    [("rack/pool".into(), pool.into()), ("topology.kubernetes.io/zone".into(), zone.into())];
                node.meta.labels = Labels(labels.into());
                all.push(Record::Node(node));
                all.push(pod(&format!("agent-{i}"), "agent", &format!("n{i}"), fails.filter(|_| i <= 3)));
            }
            see(all)
        };
        let seen = cluster(a, "new");
        assert_eq!((seen.len(), seen[0].count), (1, 3), "{seen:#?}");
        assert!(seen[0].title.ends_with("; all 3 are in us-west-2c"), "{}", seen[0].title);
        let shares: Vec<&str> = seen[0].evidence.iter().map(|e| e.quote.as_str()).collect();
        assert!(shares.contains(&"all 3 sick are in us-west-2c; none of the 3 healthy"), "{shares:#?}");
        // A label that nobody thought of tells as well, where the zone does not.
        let seen = cluster(c, "new");
        assert!(
            seen[0].title.ends_with("; all 3 are on nodes with label rack/pool=old"),
            "{}",
            seen[0].title
        );
        assert!(!cluster(c, "old")[0].title.contains("; all 3"));
    }
}
