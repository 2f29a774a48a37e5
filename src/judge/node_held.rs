//! Nodes that somebody took out of service, is deleting, or has an appointment with: who, since when, what waits.

use crate::world::{Kind, Node, ObjectRef, Status, Time, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, same};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;
use super::text::plural;

const WHY_NODE: &str = "its capacity is paid for and gives no room to anything";

causes! {
    DELETING = "node.deleting" Warning Watch("nodes, pods, budgets, events") tree "node":
        "a node has been going for minutes: its finalizer waits for pods that cannot leave",
        why WHY_NODE, source "deletionTimestamp; event FailedDraining";
    HELD = "node.held" Info Watch("nodes") tree "node":
        "an operator or controller holds the node out of service; a warning once it lasts longer than a service takes",
        why "an uncordon by hand gives pods to a node that somebody found sick or is about to restart",
        source "labels, annotations and taints of the controllers that cordon nodes";
    CORDONED = "node.cordoned" Info Watch("nodes") tree "node":
        "a node has been cordoned for longer than a service takes, and nothing on it says by which controller",
        why WHY_NODE, source "spec.unschedulable; time of the taint node.kubernetes.io/unschedulable";
    HOST_EVENT = "node.host-event" Warning Watch("nodes") tree "node":
        "the cloud has announced that it will stop, move or freeze the machine",
        why "pods that are not moved before are killed with it",
        source "condition VMEventScheduled";
}

/// How long a node may take to go: its pods' grace periods and their successors' start.
const GOING: u64 = 300;

/// Controllers that hold nodes, by what they leave on them. A name that ends in `/` is a prefix.
const TAINTS: &[(&str, &str)] = &[
    ("karpenter.sh/disrupted", "Karpenter"),
    ("karpenter.sh/disruption", "Karpenter"),
    ("ToBeDeletedByClusterAutoscaler", "cluster-autoscaler"),
    ("remediator.kubernetes.azure.com/unschedulable", "the AKS remediator"),
    ("cloud.google.com/impending-node-termination", "GKE"),
    ("aws-node-termination-handler/", "aws-node-termination-handler"),
    ("node.kubernetes.io/out-of-service", "an operator who declared it out of service"),
    ("UpdateInProgress", "the machine-config operator"),
];
const ANNOTATIONS: &[(&str, &str)] = &[
    ("weave.works/kured-reboot-in-progress", "kured"),
    ("quarantineHealthEvent", "NVSentinel"),
    ("machineconfiguration.openshift.io/state", "the machine-config operator"),
];
const NVSENTINEL: &str = "dgxc.nvidia.com/nvsentinel-state";

/// Who holds the node, and the text on the node that says so.
struct Holder {
    who: String,
    quote: String,
    source: &'static str,
    since: Option<Time>,
}

fn holder(node: &Node) -> Option<Holder> {
    let state = node.meta.labels.get(NVSENTINEL).filter(|s| *s != "remediation-succeeded");
    if let Some(state) = state {
        let event = node.holds.iter().find(|(k, _)| &**k == "quarantineHealthEvent");
        let quote =
            event.map_or(format!("{NVSENTINEL}={state}"), |(k, v)| format!("{NVSENTINEL}={state}; {k}: {v}"));
        return Some(Holder { who: "NVSentinel".into(), quote, source: "node labels", since: None });
    }
    for (key, value) in node.holds.iter() {
        let Some((_, who)) = ANNOTATIONS.iter().find(|(k, _)| **k == **key) else { continue };
        // The machine-config operator writes its state at all times.
        if &**key == "machineconfiguration.openshift.io/state" && matches!(&**value, "Done" | "") {
            continue;
        }
        let quote = format!("{key}: {value}");
        return Some(Holder {
            who: (*who).into(),
            quote,
            source: "node annotations",
            since: Time::parse(value),
        });
    }
    node.taints.iter().find_map(|t| {
        let (_, who) =
            TAINTS.iter().find(|(k, _)| **k == *t.key || (k.ends_with('/') && t.key.starts_with(k)))?;
        let quote = format!("{}={}:{}", t.key, t.value, t.effect);
        Some(Holder { who: (*who).into(), quote, source: "node taints", since: t.added })
    })
}

/// When the node was cordoned, where the server noted it.
fn cordoned_at(node: &Node) -> Option<Time> {
    node.taints.iter().find(|t| &*t.key == "node.kubernetes.io/unschedulable").and_then(|t| t.added)
}

pub fn judge(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let name = &node.meta.name;
    if let Some(c) = condition(&node.conditions, "VMEventScheduled").filter(|c| c.status == Status::True) {
        out.push(
            Diagnosis::new(HOST_EVENT, object.clone(), c.since.unwrap_or(ctx.now))
                .title(format!("the cloud will interrupt node {name}: {}", c.message))
                .row("host event planned")
                .evidence(
                    "condition VMEventScheduled",
                    format!("{}: {}", c.reason, c.message),
                    object,
                    c.since,
                ),
        );
    }
    let holder = holder(node);
    if let Some(since) = node.meta.deleting {
        let found = deleting(ctx, node, object, since, holder);
        if ctx.now < found.fires_at {
            out.again(found.fires_at);
        }
        return out.push(found);
    }
    let cordoned = cordoned_at(node);
    if let Some(holder) = holder.filter(|_| node.unschedulable || !node.taints.is_empty()) {
        let since = holder.since.or(cordoned).unwrap_or(ctx.now);
        let long = since.plus(seconds(ctx.limits.serviced_node));
        let mut found = Diagnosis::new(HELD, object.clone(), since)
            .title(format!("node {name} is held by {}", holder.who))
            .row(format!("held by {}", holder.who))
            .evidence(holder.source, holder.quote, object, holder.since);
        if let Some(at) = cordoned {
            found = found.evidence(
                "node taints",
                "node.kubernetes.io/unschedulable:NoSchedule",
                object,
                Some(at),
            );
        }
        if ctx.now < long {
            out.again(long);
        } else {
            found = found.severity(Severity::Warning);
        }
        return out.push(found);
    }
    if node.unschedulable {
        let writer = node.meta.writer.as_ref();
        let since = cordoned.or(writer.map(|w| w.at)).unwrap_or(ctx.now);
        // Whoever cordons a node is at work on it; one that stays so may be forgotten.
        let forgotten = since.plus(seconds(ctx.limits.serviced_node));
        if ctx.now < forgotten && !ctx.is_asked(object) {
            return out.again(forgotten);
        }
        let mut found = Diagnosis::new(CORDONED, object.clone(), since)
            .title(format!("node {name} is cordoned"))
            .row("cordoned")
            .evidence("node spec", "unschedulable: true", object, cordoned);
        if let Some(w) = writer {
            found =
                found.evidence("managedFields", format!("last written by {}", w.manager), object, Some(w.at));
        }
        out.push(found);
    }
}

/// A node that goes: who waits on it and what holds them.
fn deleting(ctx: &Ctx, node: &Node, object: &ObjectRef, since: Time, holder: Option<Holder>) -> Diagnosis {
    let w = ctx.world;
    let name = &node.meta.name;
    let waiting: Vec<_> = w
        .pods_on(name)
        .map(|(_, p)| p)
        .filter(|p| !p.mirror && p.meta.owner.as_ref().is_none_or(|o| o.kind != Kind::DaemonSet))
        .collect();
    let held = waiting.iter().find_map(|p| {
        let budget = w.budgets.values().find(|b| {
            b.meta.namespace == p.meta.namespace
                && b.disruptions_allowed == 0
                && !b.selector.is_empty()
                && b.selector.matches(&p.meta.labels)
        })?;
        Some((*p, budget))
    });
    let waits = match waiting.len() {
        0 => String::new(),
        n => format!("; {} {} on it", plural(n, "pod"), if n == 1 { "waits" } else { "wait" }),
    };
    let by = held.map_or(String::new(), |(p, b)| {
        format!(": {}/{} is held by budget {}", p.meta.namespace, p.meta.name, b.meta.name)
    });
    let mut found = Diagnosis::new(DELETING, object.clone(), since)
        .fires_at(since.plus(seconds(GOING)))
        .title(format!("node {name} is being deleted and does not go{waits}{by}"))
        .row("deleting")
        .evidence("node metadata", format!("deletionTimestamp {since}"), object, Some(since));
    if let Some((_, budget)) = held {
        let of = ObjectRef::new(
            Kind::PodDisruptionBudget,
            budget.meta.namespace.clone(),
            budget.meta.name.clone(),
        );
        let quote = format!(
            "disruptionsAllowed 0, healthy {}, needs {}",
            budget.current_healthy, budget.desired_healthy
        );
        found = found.evidence("budget status", quote, &of, None);
    }
    if let Some(holder) = holder {
        found = found.evidence(holder.source, holder.quote, object, holder.since);
    }
    let events = w.events_of(object);
    let drained =
        events.into_iter().find(|e| same(&e.regarding_uid, &node.meta.uid) && &*e.reason == "FailedDraining");
    match drained {
        Some(event) => found.event(event),
        None => found,
    }
}
