//! Why a pod has no node: the scheduler's sentence, checked against what the nodes have and what they refuse.

use crate::world::quantity::bytes;
use crate::world::scheduling::{amount, free_on, requests};
use crate::world::{Node, Pod, Status, Time, World, condition};

use super::patterns::{Rejection, scheduler};
use super::{Cause, schedule};

/// Why a pod is not scheduled.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unscheduled {
    /// A cause id.
    pub cause: Cause,
    /// A few words: `needs 8 nvidia.com/gpu, at most 2 free on a node`.
    pub words: String,
    /// The resource or claim it is about, where there is one.
    pub subject: String,
    /// The scheduler's sentence.
    pub quote: String,
    /// When the scheduler first said so.
    pub at: Option<Time>,
    /// Every reason of the sentence.
    pub rejections: Vec<Rejection>,
}

/// What the PodScheduled condition proves; `None` for a pod that has a node or was not looked at yet.
pub fn why_pending(world: &World, pod: &Pod) -> Option<Unscheduled> {
    if !pod.node.is_empty() {
        return None;
    }
    let c = condition(&pod.conditions, "PodScheduled").filter(|c| c.status == Status::False)?;
    let make = |cause, words: String, subject: &str, rejections| Unscheduled {
        cause,
        words,
        subject: subject.to_owned(),
        quote: c.message.to_string(),
        at: c.since,
        rejections,
    };
    if &*c.reason == "SchedulingGated" {
        return Some(make(schedule::GATED, "held by a scheduling gate".to_owned(), "", Vec::new()));
    }
    let sentence = scheduler(&c.message)?;
    let first = sentence.first()?.clone();
    let rejections = sentence.rejections;
    if first.cause != schedule::INSUFFICIENT {
        return Some(make(first.cause, first.words(), &first.subject.clone(), rejections));
    }
    let need = requests(pod, &first.subject);
    let fits: Vec<&Node> =
        world.nodes.values().filter(|n| amount(&n.allocatable, &first.subject) >= need.max(1)).collect();
    // Nodes that could hold it, all shut for another reason, are the cause; the small nodes are beside the point.
    for (cause, shut) in [(schedule::CORDONED, cordoned as fn(&Node) -> bool), (schedule::TAINT, tainted)] {
        let named = rejections.iter().find(|r| r.cause == cause);
        if let Some(r) = named
            && !fits.is_empty()
            && fits.iter().all(|n| shut(n))
        {
            let words =
                format!("{}, the only ones with {} {}", r.words(), show(&first.subject, need), first.subject);
            return Some(make(r.cause, words, &first.subject, rejections.clone()));
        }
    }
    let free =
        world.nodes.values().filter(|n| !n.unschedulable).map(|n| free_on(world, n, &first.subject)).max();
    let words = match free {
        Some(free) if need > 0 => format!(
            "needs {} {}, at most {} free on a node",
            show(&first.subject, need),
            first.subject,
            show(&first.subject, free)
        ),
        _ => first.words(),
    };
    Some(make(schedule::INSUFFICIENT, words, &first.subject, rejections))
}

fn cordoned(n: &Node) -> bool {
    n.unschedulable
}

fn tainted(n: &Node) -> bool {
    n.unschedulable || n.taints.iter().any(|t| matches!(&*t.effect, "NoSchedule" | "NoExecute"))
}

fn show(name: &str, n: u64) -> String {
    match name {
        "cpu" if n.is_multiple_of(1000) => format!("{}", n / 1000),
        "cpu" => format!("{n}m"),
        "memory" | "ephemeral-storage" => bytes(n),
        _ => n.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::world::*;

    fn world(nodes: &[(&str, u64, bool, bool)]) -> World {
        let mut w = World::new();
        for (name, gpu, unschedulable, taint) in nodes {
            let refused =
                Taint { key: "x".into(), value: "".into(), effect: "NoSchedule".into(), added: None };
            let node = Node {
                meta: Meta { name: Text::from(*name), ..Meta::default() },
                allocatable: Resources { gpu: Some(*gpu), ..Resources::default() },
                unschedulable: *unschedulable,
                taints: if *taint { Box::new([refused]) } else { Box::new([]) },
                ..Node::default()
            };
            w.apply(Delta::Apply(Record::Node(Box::new(node))), &mut Vec::new());
        }
        w
    }

    fn pod(message: &str, gpu: u64) -> Pod {
        let spec = ContainerSpec {
            name: "c".into(),
            image: "i".into(),
            role: Role::App,
            requests: Resources { gpu: Some(gpu), ..Resources::default() },
            limits: Resources::default(),
            ports: Box::new([]),
            liveness: None,
            readiness: None,
            startup: None,
        };
        let container = Container {
            spec: Arc::new(spec),
            ready: false,
            started: None,
            restarts: 0,
            state: ContainerState::None,
            last: None,
        };
        Pod {
            conditions: Box::new([Condition {
                kind: "PodScheduled".into(),
                status: Status::False,
                reason: "Unschedulable".into(),
                message: message.into(),
                since: None,
                updated: None,
            }]),
            containers: Box::new([container]),
            ..Pod::default()
        }
    }

    #[test]
    fn the_nodes_decide_which_reason_counts() {
        let message =
            "0/3 nodes are available: 1 node(s) had untolerated taint(s), 2 Insufficient nvidia.com/gpu.";
        // The one node with GPUs is tainted: that is why, not the two without any.
        let w = world(&[("gpu", 8, false, true), ("a", 0, false, false), ("b", 0, false, false)]);
        let u = why_pending(&w, &pod(message, 4)).unwrap();
        assert_eq!(
            (u.cause.id(), &*u.words),
            ("schedule.taint", "1 node tainted, the only ones with 4 nvidia.com/gpu")
        );
        // A GPU node that is open but full or too small: not enough.
        let w = world(&[("gpu", 8, false, false), ("a", 0, false, true), ("b", 0, false, false)]);
        let u = why_pending(&w, &pod(message, 16)).unwrap();
        assert_eq!(
            (u.cause.id(), &*u.words),
            ("schedule.insufficient", "needs 16 nvidia.com/gpu, at most 8 free on a node")
        );
        let scheduled = Pod { node: "a".into(), ..pod(message, 1) };
        assert_eq!(why_pending(&w, &scheduled), None);
    }
}
