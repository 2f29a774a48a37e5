//! How much of each resource is free on each node: computed when a pending pod asks, at most every few seconds.

use std::cell::RefCell;
use std::collections::HashMap;

use crate::world::scheduling::{amount, free_on};
use crate::world::{Phase, Text, Time, World};

/// Free and allocatable amounts of one resource: by node.
type Amounts = Vec<(Text, u64, u64)>;

#[derive(Debug, Default)]
pub struct FreeCapacity {
    /// By resource, with the time of the first computation.
    seen: RefCell<(Time, HashMap<String, Amounts>)>,
}

impl FreeCapacity {
    /// Forgets what is older than five seconds.
    pub fn age(&self, now: Time) {
        let mut seen = self.seen.borrow_mut();
        if now.0 - seen.0.0 > 5000 || now < seen.0 {
            *seen = (now, HashMap::new());
        }
    }

    /// The node with most of the resource free among those that fit: (node, free, allocatable).
    pub fn most_free(
        &self,
        world: &World,
        resource: &str,
        fits: impl Fn(&str) -> bool,
    ) -> Option<(Text, u64, u64)> {
        let mut seen = self.seen.borrow_mut();
        if !seen.1.contains_key(resource) {
            seen.1.insert(resource.to_owned(), amounts(world, resource));
        }
        let amounts = seen.1.get(resource)?;
        let best = amounts
            .iter()
            .filter(|(name, _, all)| *all > 0 && fits(name))
            .max_by(|a, b| a.1.cmp(&b.1).then_with(|| b.0.cmp(&a.0)))?;
        Some(best.clone())
    }
}

fn amounts(world: &World, resource: &str) -> Amounts {
    world
        .nodes
        .values()
        .map(|node| {
            let all = amount(&node.allocatable, resource);
            let free = if resource == "pods" {
                let live = world
                    .pods_on(&node.meta.name)
                    .filter(|(_, p)| !matches!(p.phase, Phase::Succeeded | Phase::Failed))
                    .count();
                all.saturating_sub(live as u64)
            } else {
                free_on(world, node, resource)
            };
            (node.meta.name.clone(), free, all)
        })
        .collect()
}
