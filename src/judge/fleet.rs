//! What only all nodes together show: kubelets too far apart, GPU drivers that differ within one product.

use std::collections::BTreeMap;

use crate::world::{Kind, Node, ObjectRef, Text};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::node::driver;
use super::registry::causes;

const WHY_NODE: &str =
    "all pods of a node share its fate, and the scheduler may fill it again before anybody looks";
const WHY_GPU: &str =
    "GPUs are the dearest thing there is: vanished or sick ones fail jobs that ran for days, often silently";

causes! {
    NODE_VERSION_SKEW = "node.version-skew" Info Watch("nodes") tree "node":
        "kubelets differ by more than one minor version",
        why WHY_NODE, source "nodeInfo";
    GPU_DRIVER_DRIFT = "gpu.driver-drift" Info Watch("nodes") tree "gpu":
        "GPU nodes of one product run different drivers",
        why WHY_GPU, source "label nvidia.com/cuda.driver-version.full";
}

/// How many nodes have which version.
#[derive(Debug, Default)]
pub struct Fleet {
    kubelets: BTreeMap<u32, usize>,
    drivers: BTreeMap<(Text, Text), usize>,
    /// What the rules compare with changed since this was last asked.
    dirty: bool,
}

/// What a node adds to the counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Share {
    minor: Option<u32>,
    driver: Option<(Text, Text)>,
}

impl Share {
    pub fn of(node: &Node) -> Share {
        let product = node.meta.labels.get("nvidia.com/gpu.product").unwrap_or("GPU");
        Share { minor: minor(&node.info.kubelet), driver: driver(node).map(|d| (product.into(), d.into())) }
    }
}

impl Fleet {
    pub fn replace(&mut self, old: Option<&Share>, new: Option<&Share>) {
        if old == new {
            return;
        }
        let before = self.compared();
        if let Some(old) = old {
            take(&mut self.kubelets, old.minor.as_ref());
            take(&mut self.drivers, old.driver.as_ref());
        }
        if let Some(new) = new {
            new.minor.into_iter().for_each(|m| *self.kubelets.entry(m).or_default() += 1);
            new.driver.iter().cloned().for_each(|d| *self.drivers.entry(d).or_default() += 1);
        }
        self.dirty |= self.compared() != before;
    }

    /// What the nodes are held against: the newest kubelet, and the usual driver of each product with those beside it.
    /// Counts alone move with every node of an upgrade, and say nothing new of the others.
    fn compared(&self) -> (Option<u32>, Vec<(Text, Text, bool)>) {
        let drivers = self.drivers.keys().map(|(p, d)| (p.clone(), d.clone(), self.usual(p) == Some(d)));
        (self.kubelets.keys().next_back().copied(), drivers.collect())
    }

    /// The driver that more nodes with the product run than any other; `None` where two are equal.
    fn usual(&self, product: &Text) -> Option<&Text> {
        let of_product = || self.drivers.iter().filter(|((p, _), _)| p == product);
        let most = of_product().map(|(_, n)| n).max()?;
        let mut at_the_top = of_product().filter(|(_, n)| *n == most).map(|((_, d), _)| d);
        at_the_top.next().filter(|_| at_the_top.next().is_none())
    }

    /// Whether all nodes are to be judged again.
    pub fn take_dirty(&mut self) -> bool {
        std::mem::take(&mut self.dirty)
    }
}

fn take<K: Ord>(counts: &mut BTreeMap<K, usize>, key: Option<&K>) {
    if let Some(key) = key
        && let Some(n) = counts.get_mut(key)
    {
        *n -= 1;
        if *n == 0 {
            counts.remove(key);
        }
    }
}

/// `v1.33.2-eks-1` → 33.
fn minor(version: &str) -> Option<u32> {
    version.strip_prefix('v')?.split('.').nth(1)?.parse().ok()
}

/// Where the cure lies with no single node.
fn all_nodes() -> ObjectRef {
    ObjectRef::new(Kind::Other("Cluster".into()), "", "nodes")
}

pub fn judge(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let fleet = &ctx.past.fleet();
    let newest = fleet.kubelets.keys().next_back().copied();
    if let (Some(own), Some(newest)) = (minor(&node.info.kubelet), newest)
        && newest > own + 1
    {
        out.push(
            Diagnosis::new(NODE_VERSION_SKEW, all_nodes(), ctx.now)
                .title(format!("kubelets are {} minor versions apart: 1.{own} to 1.{newest}", newest - own))
                .row(format!("kubelet 1.{own}, others 1.{newest}"))
                .evidence("node info", format!("kubelet {}", node.info.kubelet), object, None),
        );
    }
    let Some((product, own)) = Share::of(node).driver else { return };
    let (other, quote) = match fleet.usual(&product) {
        Some(usual) if *usual == own => return,
        Some(usual) => (usual, format!("driver {own}; more nodes with {product} run {usual}")),
        // As many nodes run one as the other: none of them is the odd one.
        None => match fleet.drivers.keys().find(|(p, d)| *p == product && *d != own) {
            Some((_, other)) => (other, format!("driver {own}; as many nodes with {product} run {other}")),
            None => return,
        },
    };
    let (a, b) = if own < *other { (&own, other) } else { (other, &own) };
    out.push(
        Diagnosis::new(GPU_DRIVER_DRIFT, all_nodes(), ctx.now)
            .title(format!("nodes with {product} run different GPU drivers: {a} beside {b}"))
            .row(format!("driver {own}, others {other}"))
            .evidence("node labels", quote, object, None),
    );
}
