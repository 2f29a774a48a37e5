//! What detection costs: a healthy cluster of 5,000 nodes and 150,000 pods with 2,000 changes a second, ten minutes of
//! it in simulated time; its share of the cockpit's CPU and memory in that storm; and how soon a finding is on the screen.
//!
//! `cargo bench --bench detect [-- alone storm latency] [-- NODES PODS RATE SECONDS]` prints; it judges nothing.
//! `KHUD=PATH` measures another binary.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "../tests/support/healthy.rs"]
mod healthy;
mod support;

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use khud::detect::{DetectConfig, Detector, Severity, State};
use khud::world::{Change, World};
use support::pty::Cost;
use support::{Server, khud, mib, p99, pods_shown};

/// Resident memory of this process in bytes.
fn resident() -> u64 {
    Cost::of(std::process::id()).resident
}

/// What detection alone took.
struct Alone {
    /// Percent of a core, at the rate asked for.
    cpu: f64,
    bytes: u64,
}

/// The world and the detector in this process, fed the changes of a healthy cluster.
fn alone(nodes: usize, pods: usize, rate: usize, length: usize) -> Alone {
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
    Alone { cpu: each(detect) * rate as f64 / 10_000.0, bytes: detector_bytes }
}

/// The whole cockpit in the same storm, from the embedded server.
fn storm(khud: &Path, alone: &Alone, nodes: usize, pods: usize, rate: usize) {
    let (nodes, pods, rate) = (nodes as u32, pods as u32, rate as u32);
    let server = Server::start(khud, nodes, pods, rate);
    let terminal = server.cockpit(khud, &[]);
    let limit = Duration::from_secs(300);
    terminal.wait(limit, |s| pods_shown(s) >= pods / 100 * 99 && s.contains("live"));
    sleep(Duration::from_secs(10));
    let (before, window) = (terminal.cost(), Duration::from_secs(20));
    sleep(window);
    let after = terminal.cost();
    let cpu = (after.cpu - before.cpu).as_secs_f64() / window.as_secs_f64() * 100.0;
    println!(
        "the cockpit in the storm: CPU {cpu:.1} % of a core, resident {:.0} MiB; detection's share: CPU {:.1} %, memory {:.1} %",
        mib(after.resident),
        alone.cpu / cpu * 100.0,
        alone.bytes as f64 / after.resident as f64 * 100.0,
    );
}

/// From a node's condition at the server to its finding on the screen.
fn latency(khud: &Path) {
    for churn in [0, 100] {
        let server = Server::start(khud, 500, 10_000, churn);
        let answer = server.ask("GET", "/api/v1/nodes?limit=60", "application/json", "");
        let text = String::from_utf8_lossy(&answer);
        // A node's own name stands first in its metadata; what refers to it does not say `"name"`.
        let names = text.split("\"metadata\":{").skip(2).filter_map(|m| {
            let from = m.find("\"name\":\"")? + 8;
            m[from..].split('"').next().map(str::to_owned)
        });
        let names: Vec<String> = names.collect();
        let terminal = server.cockpit(khud, &["--command", ":findings"]);
        terminal.wait(Duration::from_secs(60), |s| pods_shown(s) >= 9_900 && s.contains("live"));
        sleep(Duration::from_secs(3));
        let mut all = Vec::new();
        for name in &names {
            let path = format!("/api/v1/nodes/{name}/status");
            let set = |full: &str| {
                let at = khud::world::Clock::wall().now().seconds() * 1000;
                let at = khud::world::Time(at);
                let one = |kind: &str, status: &str, reason: &str| {
                    format!(
                        "{{\"type\":\"{kind}\",\"status\":\"{status}\",\"reason\":\"{reason}\",\"message\":\"\",\"lastTransitionTime\":\"{at}\"}}"
                    )
                };
                let conditions = [
                    one("Ready", "True", "KubeletReady"),
                    one("DiskPressure", full, "KubeletHasDiskPressure"),
                ];
                server.patch(&path, &format!("{{\"status\":{{\"conditions\":[{}]}}}}", conditions.join(",")));
            };
            let sentence = format!("node {name} runs low on disk");
            let began = Instant::now();
            set("True");
            if terminal.wait(Duration::from_secs(3), |s| s.contains(&sentence)).is_some() {
                all.push(began.elapsed());
            }
            set("False");
            sleep(Duration::from_millis(30));
        }
        println!(
            "{churn} changes/s: a change at the server to its finding on the screen: p99 {:.0} ms of {} (of {})",
            p99(all.clone()),
            all.len(),
            names.len()
        );
    }
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let numbers: Vec<usize> = args.iter().filter_map(|a| a.parse().ok()).collect();
    let words: Vec<&String> = args.iter().filter(|a| a.parse::<usize>().is_err()).collect();
    let on = |what: &str| words.is_empty() || words.iter().any(|w| *w == what);
    let get = |i: usize, default: usize| numbers.get(i).copied().unwrap_or(default);
    let (nodes, pods, rate, length) = (get(0, 5_000), get(1, 150_000), get(2, 2_000), get(3, 600));
    let khud = khud(env!("CARGO_BIN_EXE_khud"));
    if on("alone") || on("storm") {
        let alone = alone(nodes, pods, rate, length);
        if on("storm") {
            storm(&khud, &alone, nodes, pods, rate);
        }
    }
    if on("latency") {
        latency(&khud);
    }
}
