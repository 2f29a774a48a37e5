//! Why the scheduler finds no node for a pod: its message taken apart, with what is asked for and what is free.

use crate::judge::patterns::{self, Rejection};
use crate::world::scheduling;
use crate::world::{Kind, Node, Object, ObjectRef, Pod, Status, Time, condition};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::limits::seconds;
use super::registry::{Cause, causes};
use super::text::{bytes, millicores};
use super::{claim, volume};

const SCHED: &str = "condition PodScheduled; scheduler wording of 1.2x to 1.36";
const WHY_SCHEDULE: &str = "the pod waits for a node that will not come by itself";

causes! {
    INSUFFICIENT = "schedule.insufficient" Critical Watch("pods, nodes") tree "pod":
        "no node has enough of a resource left; names it, with need and most free",
        why WHY_SCHEDULE, source SCHED;
    SELECTOR = "schedule.selector" Critical Watch("pods, nodes") tree "pod":
        "nodeSelector or node affinity matches no node",
        why WHY_SCHEDULE, source SCHED;
    TAINT = "schedule.taint" Critical Watch("pods, nodes") tree "pod":
        "only nodes with taints that the pod does not tolerate are left",
        why WHY_SCHEDULE, source SCHED;
    CORDONED = "schedule.cordoned" Critical Watch("pods, nodes") tree "pod":
        "the nodes that would fit are cordoned",
        why WHY_SCHEDULE, source SCHED;
    POD_AFFINITY = "schedule.pod-affinity" Critical Watch("pods") tree "pod":
        "pod affinity or anti-affinity cannot be satisfied",
        why WHY_SCHEDULE, source SCHED;
    SPREAD = "schedule.spread" Critical Watch("pods") tree "pod":
        "topology spread constraints cannot be satisfied",
        why WHY_SCHEDULE, source SCHED;
    HOST_PORT = "schedule.host-port" Critical Watch("pods") tree "pod":
        "the host port is taken on every node that fits",
        why WHY_SCHEDULE, source SCHED;
    TOO_MANY_PODS = "schedule.too-many-pods" Critical Watch("pods, nodes") tree "pod":
        "the nodes that fit run as many pods as they may",
        why WHY_SCHEDULE, source SCHED;
    GATED = "schedule.gated" Info Watch("pods") tree "pod":
        "scheduling gates hold the pod back, as somebody asked",
        why WHY_SCHEDULE, source SCHED;
    NO_SCHEDULER = "schedule.no-scheduler" Critical Watch("pods") tree "pod":
        "no scheduler has looked at the pod: its schedulerName names one that does not run, or the scheduler is down",
        why WHY_SCHEDULE, source "spec.schedulerName; no condition PodScheduled";
    RESOURCE_CLAIM_MISSING = "config.resource-claim-missing" Critical Watch("pods, events") tree "pod":
        "a ResourceClaim that the pod names, or the ResourceClaimTemplate that makes it, does not exist",
        why WHY_SCHEDULE, source "condition PodScheduled, event FailedResourceClaimCreation";
    DEVICE_CLASS_MISSING = "config.device-class-missing" Critical Watch("pods") tree "pod":
        "a ResourceClaim asks for a DeviceClass that does not exist",
        why WHY_SCHEDULE, source SCHED;
    UNKNOWN = "schedule.unknown" Critical Watch("pods") tree "pod":
        "the scheduler gives a reason khud does not know; it is quoted",
        why WHY_SCHEDULE, source SCHED;
}

/// Any GPU, where the message does not say which resource.
const GPU: &str = "nvidia.com/gpu";

/// How far a node came before it was refused, by the filter that refused it, in the order in which the scheduler runs
/// them: a node refused by a later one passed the earlier ones, so the latest is what stands between the pod and a node.
fn rank(cause: Cause) -> u8 {
    match cause {
        CORDONED => 1,
        TAINT => 2,
        SELECTOR => 3,
        HOST_PORT => 4,
        INSUFFICIENT | TOO_MANY_PODS => 5,
        c if c.starts_with("volume.") => 6,
        SPREAD => 7,
        POD_AFFINITY => 8,
        _ => 0,
    }
}

/// The reasons of a FailedScheduling message.
fn reasons(message: &str) -> Vec<Rejection> {
    let mut found = patterns::scheduler(message).map_or_else(Vec::new, |s| s.rejections);
    for r in &mut found {
        if r.why.contains("free storage") {
            r.cause = volume::CAPACITY;
        }
    }
    found
}

pub fn judge(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) {
    let root = ctx.root(object);
    let created = pod.meta.created.unwrap_or(ctx.now);
    let Some(scheduled) = condition(&pod.conditions, "PodScheduled").filter(|c| c.status == Status::False)
    else {
        return unseen(ctx, pod, object, root, created, out);
    };
    let since = scheduled.since.unwrap_or(created);
    let fires = since.plus(seconds(ctx.limits.unschedulable));
    if &*scheduled.reason == "SchedulingGated" {
        let gates = pod.spec.scheduling_gates.join(", ");
        let mut found = Diagnosis::new(GATED, root, since)
            .title(format!("held back by scheduling gate {gates}").trim_end())
            .row("scheduling gate")
            .evidence("condition PodScheduled", &*scheduled.message, object, scheduled.since);
        if !gates.is_empty() {
            found = found.evidence("pod spec", format!("schedulingGates: {gates}"), object, None);
        }
        return out.push(found);
    }
    let message = &*scheduled.message;
    if message.is_empty() {
        return;
    }
    if let Some(found) = devices(ctx, pod, object, &root, since, message) {
        if ctx.now < fires {
            out.again(fires);
        }
        let quoted = found.fires_at(fires).evidence("condition PodScheduled", message, object, Some(since));
        return out.push(quoted);
    }
    if message.contains("ersistentvolumeclaim") || message.contains("PersistentVolumeClaims") {
        return volume::unschedulable(ctx, pod, object, root, message, since, fires, out);
    }
    let found = reasons(message);
    let pending = claim::pending(ctx, pod);
    // The scheduler found a node, and the volume did not come: its claim says why.
    if found.is_empty() && message.contains("binding volumes") && pending.is_some() {
        return volume::unschedulable(ctx, pod, object, root, message, since, fires, out);
    }
    // A cluster that scales places its pods within patience: only then is it worth looking through the nodes.
    let ripe = ctx.now >= fires;
    let several = found.len() > 1;
    let main =
        found.iter().max_by_key(|r| if ripe { main_rank(ctx, pod, r, several) } else { rank(r.cause) });
    let never = if ripe { never_fits(ctx, pod) } else { None };
    let cause = never.or(main.map(|r| r.cause)).unwrap_or(UNKNOWN);
    if cause == claim::CLAIM_UNBOUND && pending.is_some() {
        return volume::unschedulable(ctx, pod, object, root, message, since, fires, out);
    }
    let nodes = found.iter().map(|r| r.nodes).sum::<u32>();
    let of = |r: &Rejection| {
        if found.len() > 1 && r.cause == cause {
            format!(" on {} of {nodes} nodes", r.nodes)
        } else {
            String::new()
        }
    };
    let root = match pending.filter(|_| cause == volume::CAPACITY) {
        Some(claim) => claim.reference(),
        None => root,
    };
    // Which of several reasons stands in the way, only the nodes tell.
    let claims =
        cause != claim::CLAIM_UNBOUND || ctx.listed(&[Kind::PersistentVolumeClaim], &object.namespace);
    let known = claims && (!several || ctx.world.synced(&Kind::Node));
    let mut signal = Diagnosis::new(cause, root, since).fires_at(fires).likely_unless(known);
    let (title, row) = match (cause, main) {
        (INSUFFICIENT, r) => {
            let (what, free) = insufficient(ctx, pod, &found, ripe);
            if let Some(free) = free {
                signal = signal.evidence("nodes", free, object, None);
            }
            (format!("no node has {what} free{}", r.map_or(String::new(), of)), format!("needs {what}"))
        }
        (SELECTOR, _) => {
            let wanted: Vec<String> =
                pod.spec.node_selector.iter().map(|(k, v)| format!("{k}={v}")).collect();
            if wanted.is_empty() {
                ("no node matches the pod's node affinity".into(), "no node matches".into())
            } else {
                let wanted = wanted.join(",");
                (format!("no node has the labels {wanted}"), format!("no node with {wanted}"))
            }
        }
        (TAINT, Some(r)) => {
            let taints = if ripe { untolerated(ctx, pod) } else { Vec::new() };
            if !taints.is_empty() {
                signal = signal.evidence("node taints", taints.join(", "), object, None);
            }
            (format!("only nodes with taints it does not tolerate are left{}", of(r)), "taints".into())
        }
        (CORDONED, _) => ("the nodes that could take it are cordoned".into(), "nodes cordoned".into()),
        (HOST_PORT, _) => ("its host port is taken on every node".into(), "host port taken".into()),
        (TOO_MANY_PODS, _) => ("the nodes run as many pods as they may".into(), "too many pods".into()),
        (SPREAD, _) => ("no node satisfies its topology spread constraints".into(), "topology spread".into()),
        (POD_AFFINITY, Some(r)) => {
            let anti = if r.why.contains("anti-affinity") { "anti-affinity" } else { "affinity" };
            (format!("no node satisfies its pod {anti} rules"), format!("pod {anti}"))
        }
        (volume::ZONE, _) => ("its volume lives where no fitting node is".into(), "volume zone".into()),
        (volume::CAPACITY, _) => ("no node has enough free storage".into(), "storage full".into()),
        (claim::CLAIM_UNBOUND, _) => {
            ("no persistent volume is available for its claim".into(), "claim unbound".into())
        }
        (volume::ATTACH, _) => {
            ("the nodes carry as many volumes as they may".into(), "too many volumes".into())
        }
        _ => ("the scheduler finds no node".into(), "cannot be scheduled".into()),
    };
    if cause == CORDONED && ripe {
        signal = signal.waits_for(cordoned(ctx, pod));
    }
    if let Some(trouble) = shared(ctx, pod, cause, &found, &row).filter(|_| ripe) {
        signal = signal.fold(trouble);
    }
    signal =
        signal.title(title).row(row).evidence("condition PodScheduled", message, object, scheduled.since);
    if ctx.now < fires {
        out.again(fires);
    }
    out.push(signal);
}

/// A ResourceClaim, ResourceClaimTemplate or DeviceClass that is not there, by the scheduler's words and the events of
/// the controller that makes claims from templates.
fn devices(
    ctx: &Ctx,
    pod: &Pod,
    object: &ObjectRef,
    root: &ObjectRef,
    since: Time,
    message: &str,
) -> Option<Diagnosis> {
    let event = ctx.event(pod, object, &["FailedResourceClaimCreation"]);
    let found = patterns::resource_claim(message);
    let made = event.and_then(|e| patterns::resource_claim(&e.note));
    // The controller names the template; the scheduler says only that no claim was made from it.
    let clue = made.or(found)?;
    let title = clue.words.clone();
    let signal = Diagnosis::new(clue.cause, root.clone(), since)
        .title(&title)
        .row(&title)
        .waits_for(missing(&clue, object));
    let signal = signal.fold(format!("{} {} {title}", clue.cause, object.namespace));
    Some(event.map_or(signal.clone(), |e| signal.event(e)))
}

/// The object that is missing, where the text names it.
fn missing(clue: &patterns::Match, pod: &ObjectRef) -> Option<ObjectRef> {
    let name = Some(clue.subject.as_str()).filter(|n| !n.is_empty())?;
    let (kind, namespace) = match clue.cause {
        DEVICE_CLASS_MISSING => ("DeviceClass", "".into()),
        _ if clue.words.starts_with("ResourceClaimTemplate") => {
            ("ResourceClaimTemplate", pod.namespace.clone())
        }
        _ => ("ResourceClaim", pod.namespace.clone()),
    };
    Some(ObjectRef::new(Kind::of(kind), namespace, name))
}

/// The trouble that pods of several workloads have in common: nodes that are shut, a label that no node carries, a
/// resource of which nothing is left. A pod that asks for more than any node has is a trouble of its own.
fn shared(ctx: &Ctx, pod: &Pod, cause: Cause, found: &[Rejection], row: &str) -> Option<String> {
    let nodes = || ctx.world.nodes.values().filter(|n| selected(pod, &n.meta.labels));
    match cause {
        CORDONED => {
            let mut shut: Vec<&str> = nodes().filter(|n| n.unschedulable).map(|n| &*n.meta.name).collect();
            shut.sort_unstable();
            shut.truncate(SHOWN);
            Some(format!("{cause} {}", shut.join(",")))
        }
        SELECTOR if !pod.spec.node_selector.is_empty() => Some(format!("{cause} {row}")),
        TAINT => {
            let taints = untolerated(ctx, pod);
            (!taints.is_empty()).then(|| format!("{cause} {}", taints.join(",")))
        }
        TOO_MANY_PODS => Some(cause.to_string()),
        INSUFFICIENT => {
            let scarce = found.iter().filter(|r| r.cause == INSUFFICIENT).max_by_key(|r| r.nodes)?;
            let need = scheduling::requests(pod, &scarce.subject);
            let fits = nodes().any(|n| scheduling::amount(&n.allocatable, &scarce.subject) >= need);
            fits.then(|| format!("{cause} {}", scarce.subject))
        }
        _ => None,
    }
}

/// The one cordoned node that the pod could go to.
fn cordoned(ctx: &Ctx, pod: &Pod) -> Option<ObjectRef> {
    let mut shut = ctx.world.nodes.values().filter(|n| n.unschedulable && selected(pod, &n.meta.labels));
    let node = shut.next()?;
    shut.next().is_none().then(|| ObjectRef::new(Kind::Node, "", node.meta.name.clone()))
}

/// What keeps the pod from every node there is, whatever the scheduler met first on each: a label no node carries, more
/// GPUs than any node has.
fn never_fits(ctx: &Ctx, pod: &Pod) -> Option<Cause> {
    if !ctx.world.synced(&Kind::Node) || ctx.world.nodes.is_empty() {
        return None;
    }
    let nodes = || ctx.world.nodes.values();
    if !pod.spec.node_selector.is_empty() && !nodes().any(|n| selected(pod, &n.meta.labels)) {
        return Some(SELECTOR);
    }
    let gpus = scheduling::requests(pod, GPU);
    (gpus > nodes().filter_map(|n| n.allocatable.gpu).max().unwrap_or(0)).then_some(INSUFFICIENT)
}

/// Taints are tested before selectors. Where the selector matches some node, the taint is what stands in the way; and
/// where every tainted node is one of the control plane, what keeps the pod from the others.
fn main_rank(ctx: &Ctx, pod: &Pod, r: &Rejection, several: bool) -> u8 {
    let rank = rank(r.cause);
    if r.cause == TAINT && several {
        let shut = |n: &&Node| n.taints.iter().any(|t| hard(t) && !pod.spec.tolerates(t));
        let usual = |n: &&Node| {
            n.taints.iter().filter(|t| hard(t) && !pod.spec.tolerates(t)).all(|t| t.key.starts_with(ROLE))
        };
        let nodes = ctx.world.nodes.values().filter(shut);
        let (roles, others): (Vec<&Node>, Vec<&Node>) =
            nodes.filter(|n| !n.unschedulable).partition(|n| usual(n));
        return if others.is_empty() && !roles.is_empty() { 0 } else { rank };
    }
    if r.cause != SELECTOR || pod.spec.node_selector.is_empty() {
        return rank;
    }
    if ctx.world.nodes.values().any(|n| selected(pod, &n.meta.labels)) { 0 } else { 9 }
}

/// Taints by which a node says what it is for.
const ROLE: &str = "node-role.kubernetes.io/";

/// Whether a taint keeps pods out; PreferNoSchedule only advises.
fn hard(taint: &crate::world::Taint) -> bool {
    matches!(&*taint.effect, "NoSchedule" | "NoExecute")
}

/// The taints that the pod does not tolerate, on nodes that its selector matches: those of roles last.
fn untolerated(ctx: &Ctx, pod: &Pod) -> Vec<String> {
    let mut out: Vec<(bool, String)> = Vec::new();
    for node in ctx.world.nodes.values().filter(|n| selected(pod, &n.meta.labels)) {
        for t in node.taints.iter().filter(|t| hard(t) && !pod.spec.tolerates(t)) {
            let value = if t.value.is_empty() { String::new() } else { format!("={}", t.value) };
            let said = (t.key.starts_with(ROLE), format!("{}{value}:{}", t.key, t.effect));
            if !out.contains(&said) {
                out.push(said);
            }
        }
    }
    out.sort();
    out.into_iter().take(SHOWN).map(|(_, t)| t).collect()
}

/// Taints quoted.
const SHOWN: usize = 6;

/// A pod without a node of which the scheduler has said nothing: it waits for a volume to be made, or nobody looks.
fn unseen(ctx: &Ctx, pod: &Pod, object: &ObjectRef, root: ObjectRef, created: Time, out: &mut Out) {
    let due = created.plus(seconds(ctx.limits.unavailable));
    if ctx.now < due {
        return out.again(due);
    }
    // A pod whose claims are not made yet never enters the scheduler's queue.
    if let Some(found) = devices(ctx, pod, object, &root, created, "") {
        return out.push(found);
    }
    if let Some(claim) = claim::pending(ctx, pod) {
        let (found, reported) = claim::unbound(ctx, claim, created);
        if ctx.now < found.fires_at {
            out.again(found.fires_at);
        }
        if reported {
            out.push(found);
        }
        return;
    }
    let scheduler = if pod.spec.scheduler.is_empty() { "default-scheduler" } else { &*pod.spec.scheduler };
    let found = Diagnosis::new(NO_SCHEDULER, root, created)
        .title(format!("scheduler {scheduler} has not looked at the pod: does it run?"))
        .row(format!("not seen by {scheduler}"))
        .evidence("pod spec", format!("schedulerName: {scheduler}"), object, None)
        .evidence("pod status", "no node and no condition PodScheduled", object, Some(created));
    // The default scheduler may only be slow.
    out.push(if pod.spec.scheduler.is_empty() { found.likely() } else { found });
}

/// A pod that is bound to a node which does not exist: no kubelet will ever start it.
pub fn bound_to_nowhere(ctx: &Ctx, pod: &Pod, object: &ObjectRef, out: &mut Out) -> bool {
    let untouched = pod.started.is_none() && pod.phase == crate::world::Phase::Pending;
    if !untouched
        || !ctx.world.synced(&Kind::Node)
        || ctx.world.nodes.is_empty()
        || ctx.world.nodes.find("", &pod.node).is_some()
    {
        return false;
    }
    let created = pod.meta.created.unwrap_or(ctx.now);
    let fires = created.plus(seconds(ctx.limits.unschedulable));
    if ctx.now < fires {
        out.again(fires);
    }
    out.push(
        Diagnosis::new(SELECTOR, ctx.root(object), created)
            .fires_at(fires)
            .title(format!("the pod is bound to node {}, which does not exist", pod.node))
            .row(format!("no node {}", pod.node))
            .evidence("pod spec", format!("nodeName: {}", pod.node), object, None),
    );
    true
}

fn selected(pod: &Pod, labels: &crate::world::Labels) -> bool {
    pod.spec.node_selector.iter().all(|(k, v)| labels.get(k) == Some(&**v))
}

/// `16 nvidia.com/gpu`, and where that is looked at what the best node has: `most free: 4 of 8 on gpu-worker-042`.
fn insufficient(ctx: &Ctx, pod: &Pod, found: &[Rejection], look: bool) -> (String, Option<String>) {
    let scarce: Vec<&Rejection> = found.iter().filter(|r| r.cause == INSUFFICIENT).collect();
    let first = scarce.iter().max_by_key(|r| r.nodes);
    let resource = first.map_or(GPU, |r| r.subject.as_str());
    let show = |n: u64| match resource {
        "cpu" => millicores(n),
        "memory" | "ephemeral-storage" => bytes(n),
        _ => n.to_string(),
    };
    if resource == patterns::DEVICES {
        return (format!("the {resource}"), None);
    }
    let need = scheduling::requests(pod, resource);
    if !look {
        return (format!("{} {resource}", show(need)), None);
    }
    let fits = |name: &str| {
        ctx.world.nodes.find("", name).is_some_and(|n| !n.unschedulable && selected(pod, &n.meta.labels))
    };
    let free = match ctx.free.most_free(ctx.world, resource, fits) {
        Some((node, free, all)) => {
            format!("needs {} {resource}; most free: {} of {} on {node}", show(need), show(free), show(all))
        }
        None if ctx.world.synced(&Kind::Node) => format!("no node that fits offers {resource}"),
        None => return (format!("{} {resource}", show(need)), None),
    };
    (format!("{} {resource}", show(need)), Some(free))
}
