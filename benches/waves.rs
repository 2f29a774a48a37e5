//! Benchmark: planning waves for a cluster of 5,000 nodes and 150,000 pods, all nodes selected.
//!
//! `cargo bench --bench waves [-- NODES PODS]` prints; it judges nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/healthy.rs"]
#[allow(dead_code, reason = "this bench uses its part")]
mod healthy;

use std::time::Instant;

use khud::remedy::waves;
use khud::world::World;

fn main() {
    let numbers: Vec<usize> = std::env::args().filter_map(|a| a.parse().ok()).collect();
    let (nodes, pods) =
        (numbers.first().copied().unwrap_or(5_000), numbers.get(1).copied().unwrap_or(150_000));
    let (cluster, lists) = healthy::Healthy::new(nodes, pods, 7);
    let mut world = World::new();
    for delta in lists {
        world.apply(delta, &mut Vec::new());
    }
    for size in [5, 50] {
        let params = [
            ("nodes", "!khud.dev/none"),
            ("size", &*size.to_string()),
            ("force", ""),
            ("delete-emptydir-data", ""),
        ]
        .map(|(k, v)| (k.to_owned(), v.to_owned()))
        .into();
        let begin = Instant::now();
        let plan = waves::plan(&world, cluster.now, &params).unwrap();
        println!(
            "{} nodes, {} pods, waves of {size}: {} waves, {} nodes skipped, planned in {:.0} ms",
            nodes,
            pods,
            plan.waves.len(),
            plan.skipped.len(),
            begin.elapsed().as_secs_f64() * 1000.0
        );
    }
}
