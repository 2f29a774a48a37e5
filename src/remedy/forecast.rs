//! What a drain would do, predicted from the World: which pods go, which stay, what holds them up, where they can go.

use std::collections::BTreeMap;

use super::plan::Severity;
use crate::world::quantity::bytes;
use crate::world::scheduling::{amount, free_on, requests};
use crate::world::{
    Budget, Kind, Node, ObjectRef, Phase, Pod, Status, StreamId, StreamState, Taint, Uid, World, condition,
};

/// Names listed in one sentence at most.
const NAMED: usize = 8;

/// A pod that is evicted.
#[derive(Clone)]
pub(super) struct Victim {
    pub pod: ObjectRef,
    pub uid: Uid,
}

/// What was asked for beyond a plain drain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// Pods that no controller replaces.
    pub force: bool,
    /// Pods whose emptyDir is lost.
    pub local: bool,
}

#[derive(Default)]
pub(super) struct Forecast {
    pub victims: Vec<Victim>,
    /// Why the drain is refused, with what overrides it.
    pub refusals: Vec<String>,
    /// Consequences: what, how bad, in detail.
    pub impacts: Vec<(String, Severity, String)>,
}

impl Forecast {
    /// What the operator agrees to: which pods are evicted, and what speaks against it.
    pub fn basis(&self) -> String {
        let uids: Vec<String> = self.victims.iter().map(|v| v.uid.to_string()).collect();
        format!("{} {}", uids.join(","), self.refusals.join(","))
    }

    fn say(&mut self, what: impl Into<String>, severity: Severity, detail: impl Into<String>) {
        self.impacts.push((what.into(), severity, detail.into()));
    }
}

fn name(p: &Pod) -> String {
    format!("{}/{}", p.meta.namespace, p.meta.name)
}

/// `a, b and 3 more`.
fn listed(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// `1 pod`, `2 pods`.
fn counted(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The pods a drain evicts, what holds it up, and where the pods can go.
pub(super) fn forecast(world: &World, node: &str, allowed: Allowed) -> Forecast {
    let (mut f, alive) = evicted(world, node, allowed);
    budgets(world, &alive, &mut f);
    destination(world, node, &alive, &mut f);
    f
}

/// The pods a drain evicts and the pods that refuse it, without budgets and free capacity: cheap enough for thousands of nodes.
pub(super) fn evictions(world: &World, node: &str, allowed: Allowed) -> Forecast {
    evicted(world, node, allowed).0
}

/// Follows `kubectl drain` (pkg/drain/filters.go) in what is evicted and what refuses the drain; finished pods always go.
/// The pods are those that have not ended and belong to no DaemonSet and no file of the kubelet.
fn evicted<'w>(world: &'w World, node: &str, allowed: Allowed) -> (Forecast, Vec<&'w Pod>) {
    let mut f = Forecast::default();
    let mut pods: Vec<&Pod> = world.pods_on(node).map(|(_, p)| p).collect();
    pods.sort_by(|a, b| (&a.meta.namespace, &a.meta.name).cmp(&(&b.meta.namespace, &b.meta.name)));
    let finished = |p: &Pod| matches!(p.phase, Phase::Succeeded | Phase::Failed);
    let of_daemon = |p: &Pod| p.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::DaemonSet);
    let (statics, others): (Vec<&Pod>, Vec<&Pod>) = pods.into_iter().partition(|p| p.mirror);
    let (daemons, others): (Vec<&Pod>, Vec<&Pod>) =
        others.into_iter().partition(|p| of_daemon(p) && !finished(p));
    // kubectl: a DaemonSet's pod whose DaemonSet is gone is refused, or evicted with --force.
    let orphaned = |p: &&Pod| {
        let owner = p.meta.owner.as_ref();
        world.synced(&Kind::DaemonSet)
            && owner.is_some_and(|o| world.daemon_sets.find(&p.meta.namespace, &o.name).is_none())
    };
    let (orphans, daemons): (Vec<&Pod>, Vec<&Pod>) = daemons.into_iter().partition(orphaned);
    let alive: Vec<&Pod> = others.iter().copied().filter(|p| !finished(p)).collect();
    let names = |pods: &[&Pod]| pods.iter().map(|p| name(p)).collect::<Vec<_>>();
    let local: Vec<&Pod> = alive.iter().copied().filter(|p| p.spec.empty_dir).collect();
    let mut bare: Vec<&Pod> = alive.iter().copied().filter(|p| p.meta.owner.is_none()).collect();
    bare.extend(&orphans);

    let going: Vec<&Pod> =
        others.iter().copied().chain(orphans.iter().copied().filter(|_| allowed.force)).collect();
    f.victims = going
        .iter()
        .map(|p| Victim {
            pod: ObjectRef {
                kind: Kind::Pod,
                namespace: p.meta.namespace.clone(),
                name: p.meta.name.clone(),
            },
            uid: p.meta.uid.clone(),
        })
        .collect();
    f.say(format!("{} evicted", counted(going.len(), "pod")), Severity::Warning, listed(&names(&going)));
    if !daemons.is_empty() {
        let what = counted(daemons.len(), "DaemonSet pod");
        f.say(format!("kept: {what}"), Severity::Info, "they belong on every node");
    }
    if !statics.is_empty() {
        let detail = format!("{}; the node's kubelet runs them from files", listed(&names(&statics)));
        f.say(format!("kept: {}", counted(statics.len(), "static pod")), Severity::Info, detail);
    }
    let gpus: u64 = going.iter().map(|p| requests(p, "nvidia.com/gpu")).sum();
    if gpus > 0 {
        f.say(
            format!("pods holding {} lose their work", counted(gpus as usize, "GPU")),
            Severity::Critical,
            "since their last checkpoint",
        );
    }
    match (local.is_empty(), allowed.local) {
        (true, _) => {}
        (false, true) => f.say("emptyDir data is lost", Severity::Critical, listed(&names(&local))),
        (false, false) => f.refusals.push(format!(
            "pods with local storage: {}; --delete-emptydir-data gives it up",
            listed(&names(&local))
        )),
    }
    match (bare.is_empty(), allowed.force) {
        (true, _) => {}
        (false, true) => {
            f.say("pods without a controller are gone for good", Severity::Critical, listed(&names(&bare)));
        }
        (false, false) => f.refusals.push(format!(
            "pods no controller would replace: {}; --force evicts them",
            listed(&names(&bare))
        )),
    }
    (f, alive)
}

/// Pods of the nodes that no other node has room for now; `None` where no other node takes pods at all.
pub(super) fn homeless(world: &World, leaving: &[&str]) -> Option<Vec<String>> {
    let mut moving = Vec::new();
    let mut takers: Vec<&Node> = Vec::new();
    for name in leaving {
        let Some(from) = world.nodes.find("", name) else { continue };
        let allowed = Allowed { force: true, local: true };
        moving.extend(evicted(world, name, allowed).1.into_iter().filter(|p| p.meta.owner.is_some()));
        for n in world.nodes.values() {
            if takes_pods_of(n, from)
                && !leaving.contains(&&*n.meta.name)
                && !takers.iter().any(|t| t.meta.name == n.meta.name)
            {
                takers.push(n);
            }
        }
    }
    if takers.is_empty() && !moving.is_empty() {
        return None;
    }
    Some(without_room(world, &takers, &moving))
}

/// Why the budgets of the cluster are not all known; `None` where they are.
fn unknown_budgets(world: &World) -> Option<String> {
    let kind = Kind::PodDisruptionBudget;
    let mut states = world.streams.iter().filter_map(|(id, stream)| match id {
        StreamId::Watch { kind: k, .. } if *k == kind => Some(&stream.state),
        _ => None,
    });
    let refused = states.find_map(|state| match state {
        StreamState::Forbidden { why } | StreamState::Unsupported { why } => Some(why.to_string()),
        _ => None,
    });
    let unlisted = || (!world.synced(&kind)).then(|| "they were not listed yet".to_owned());
    refused.or_else(unlisted)
}

/// What disruption budgets will hold up.
fn budgets(world: &World, pods: &[&Pod], f: &mut Forecast) {
    let mut wanted: BTreeMap<String, (&Budget, u32)> = BTreeMap::new();
    for p in pods {
        let of: Vec<&Budget> = world
            .budgets
            .values()
            .filter(|b| b.meta.namespace == p.meta.namespace && b.selector.matches(&p.meta.labels))
            .collect();
        if of.len() > 1 {
            let names: Vec<&str> = of.iter().map(|b| &*b.meta.name).collect();
            f.refusals.push(format!(
                "{} has more than one disruption budget ({}); the API server refuses to evict it",
                name(p),
                names.join(", ")
            ));
        }
        for b in of {
            let spare = !p.ready && (b.always_evict_unhealthy || b.current_healthy >= b.desired_healthy);
            if !spare {
                wanted.entry(format!("{}/{}", b.meta.namespace, b.meta.name)).or_insert((b, 0)).1 += 1;
            }
        }
    }
    for (name, (b, wanted)) in wanted {
        let (severity, text) = if b.observed_generation < b.meta.generation {
            let text = format!(
                "{name} is not computed yet: whether {wanted} of its pods here may go is not known; the API server \
                 refuses them until it is"
            );
            (Severity::Warning, text)
        } else if b.disruptions_allowed == 0 {
            let text = format!(
                "{name} needs {} healthy pods and has {}: {wanted} of its pods here cannot go until more are ready \
                 elsewhere",
                b.desired_healthy, b.current_healthy
            );
            (Severity::Critical, text)
        } else if wanted > b.disruptions_allowed {
            let text =
                format!("{name} lets {} of its {wanted} pods here go at a time", b.disruptions_allowed);
            (Severity::Warning, text)
        } else {
            continue;
        };
        f.say("disruption budget", severity, text);
    }
    if let Some(why) = unknown_budgets(world) {
        f.say(
            "disruption budgets not evaluated",
            Severity::Critical,
            format!(
                "{why}: whether these pods may go is not known; the API server decides when they are evicted"
            ),
        );
    }
}

/// Whether a node takes new pods, taints aside.
pub(super) fn takes_pods(n: &Node) -> bool {
    !n.unschedulable && n.meta.deleting.is_none() && ready(n)
}

/// Whether a node takes pods that run on `from`: they tolerate its taints, and of no others that is known.
pub(super) fn takes_pods_of(n: &Node, from: &Node) -> bool {
    let keeps_off = |t: &&Taint| matches!(&*t.effect, "NoSchedule" | "NoExecute");
    let tolerated = |t: &Taint| {
        from.taints.iter().any(|f| (&f.key, &f.value, &f.effect) == (&t.key, &t.value, &t.effect))
    };
    takes_pods(n) && n.taints.iter().filter(keeps_off).all(tolerated)
}

fn ready(n: &Node) -> bool {
    condition(&n.conditions, "Ready").is_none_or(|c| c.status == Status::True)
}

/// Where the pods can go, and whether the node lets them go at all.
fn destination(world: &World, node: &str, pods: &[&Pod], f: &mut Forecast) {
    let Some(from) = world.nodes.find("", node) else { return };
    if !ready(from) {
        f.say(
            format!("the kubelet of {node} does not answer"),
            Severity::Critical,
            "evicted pods stay Terminating until it does, or until the node is deleted or tainted \
             node.kubernetes.io/out-of-service",
        );
    }
    if !world.synced(&Kind::Node) {
        f.say("where the pods can go is not known", Severity::Warning, "the nodes were not listed");
        return;
    }
    let moving: Vec<&Pod> = pods.iter().copied().filter(|p| p.meta.owner.is_some()).collect();
    let takers: Vec<&Node> =
        world.nodes.values().filter(|n| n.meta.name != from.meta.name && takes_pods_of(n, from)).collect();
    if moving.is_empty() {
        return;
    }
    if takers.is_empty() {
        f.say(
            "no other node takes pods",
            Severity::Critical,
            "none is Ready, schedulable and without taints that this node has not: new pods stay Pending unless they \
             tolerate them",
        );
        return;
    }
    let nowhere = without_room(world, &takers, &moving);
    if !nowhere.is_empty() {
        f.say(
            format!("no other node has room now for {}", counted(nowhere.len(), "pod")),
            Severity::Critical,
            format!("{}; looked at {} that can take pods", listed(&nowhere), counted(takers.len(), "node")),
        );
    }
}

/// Millicores as Kubernetes writes them: `2`, `500m`.
fn cores(millicores: u64) -> String {
    if millicores.is_multiple_of(1000) { (millicores / 1000).to_string() } else { format!("{millicores}m") }
}

/// The resources that decide where a pod fits.
const RESOURCES: [&str; 3] = ["cpu", "memory", "nvidia.com/gpu"];

/// Pods for which none of the nodes has room once the larger ones before them are placed, with what they ask for.
fn without_room(world: &World, nodes: &[&Node], pods: &[&Pod]) -> Vec<String> {
    let mut free: Vec<(&Node, [u64; 3])> =
        nodes.iter().map(|n| (*n, RESOURCES.map(|r| free_on(world, n, r)))).collect();
    let mut asks: Vec<(&Pod, [u64; 3])> =
        pods.iter().map(|p| (*p, RESOURCES.map(|r| requests(p, r)))).collect();
    asks.sort_by_key(|(_, [cpu, memory, gpu])| std::cmp::Reverse((*gpu, *memory, *cpu)));
    let mut nowhere = Vec::new();
    for (pod, need) in asks {
        let selected = |n: &Node| pod.spec.node_selector.iter().all(|(k, v)| n.meta.labels.get(k) == Some(v));
        let fits = |(n, free): &&mut (&Node, [u64; 3])| {
            selected(n) && need.iter().zip(free.iter()).all(|(need, free)| need <= free)
        };
        match free.iter_mut().find(fits) {
            Some((_, free)) => free.iter_mut().zip(need).for_each(|(free, need)| *free -= need),
            None => {
                let largest = nodes.iter().map(|n| amount(&n.allocatable, "cpu")).max().unwrap_or(0);
                let asked = [
                    (need[2] > 0).then(|| counted(need[2] as usize, "GPU")),
                    (need[0] > 0).then(|| format!("{} cpu", cores(need[0]))),
                    (need[1] > 0).then(|| bytes(need[1])),
                    (need[0] > largest).then(|| "more cpu than any node has".to_owned()),
                ];
                let asked: Vec<String> = asked.into_iter().flatten().collect();
                let asked = if asked.is_empty() { "its node selector".to_owned() } else { asked.join(", ") };
                nowhere.push(format!("{} ({asked})", name(pod)));
            }
        }
    }
    nowhere
}
