//! What detection costs: a healthy cluster of 5,000 nodes and 150,000 pods with 2,000 changes a second, ten minutes of it.
//!
//! `cargo bench --bench detect [-- NODES PODS RATE SECONDS]`
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/healthy/mod.rs"]
mod healthy;

use std::time::{Duration, Instant};

use khud::detect::{DetectConfig, Detector, Severity, State};
use khud::world::{Change, World};

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("0 0");
    line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) * 1024
}

fn main() {
    let args: Vec<usize> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let get = |i: usize, default: usize| args.get(i).copied().unwrap_or(default);
    let (nodes, pods, rate, length) = (get(0, 5_000), get(1, 150_000), get(2, 2_000), get(3, 600));

    let (mut cluster, lists) = healthy::Healthy::new(nodes, pods, 7);
    let (mut world, mut changes) = (World::new(), Vec::<Change>::new());
    let before = resident();
    let begin = Instant::now();
    for delta in lists {
        world.apply(delta, &mut changes);
    }
    let (list_apply, world_bytes) = (begin.elapsed(), resident().saturating_sub(before));

    let mut detector = Detector::new(DetectConfig::default());
    let (before, begin) = (resident(), Instant::now());
    detector.on_changes(&world, &changes, cluster.now);
    let (list_detect, detector_bytes) = (begin.elapsed(), resident().saturating_sub(before));
    drop(changes);

    let (mut apply, mut detect, mut worst, mut count) =
        (Duration::ZERO, Duration::ZERO, Duration::ZERO, 0usize);
    let mut wrong = 0;
    for _ in 0..length {
        let mut left = cluster.second(rate);
        // As they come: twenty batches a second.
        let size = left.len().div_ceil(20).max(1);
        while !left.is_empty() {
            let rest = left.split_off(left.len().min(size));
            let mut changes = Vec::new();
            let begin = Instant::now();
            for delta in std::mem::replace(&mut left, rest) {
                world.apply(delta, &mut changes);
            }
            let applied = begin.elapsed();
            detector.on_timer(&world, cluster.now);
            detector.on_changes(&world, &changes, cluster.now);
            let detected = begin.elapsed() - applied;
            apply += applied;
            detect += detected;
            worst = worst.max(detected);
            count += changes.len();
        }
        wrong += detector
            .findings()
            .iter()
            .filter(|f| f.state == State::Firing && f.severity > Severity::Info)
            .count();
    }
    let each = |d: Duration| d.as_nanos() as f64 / 1000.0 / count.max(1) as f64;
    println!("{nodes} nodes, {} pods, {count} changes over {length} s simulated", world.pods.len());
    println!("first lists: apply {list_apply:?}, detect {list_detect:?}");
    println!("memory: world {} MiB, detector {} MiB", world_bytes >> 20, detector_bytes >> 20);
    println!("a change: apply {:.2} µs, detect {:.2} µs; worst batch {worst:?}", each(apply), each(detect));
    println!(
        "share of one core at {rate} changes a second: detect {:.2} %",
        each(detect) * rate as f64 / 10_000.0
    );
    println!("findings above info: {wrong}");
}
