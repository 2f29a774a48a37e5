//! What the engine costs: the cockpit in a process of its own against `khud sim` with generated load.
//!
//! `cargo bench --bench engine` prints every figure; `cargo bench --bench engine -- first storm` some of them
//! (first, large, idle, storm, latency, start). It judges nothing. Terminal 180×50.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

mod support;
use support::{Server, khud, mib, ms, p99, pods_shown};

/// First rows, all of them, CPU and memory for a list of that size.
fn sync(khud: &Path, nodes: u32, pods: u32) {
    let server = Server::start(khud, nodes, pods, 0);
    let began = Instant::now();
    let bytes = server.ask("GET", "/api/v1/pods", "application/json", "").len();
    let plain = began.elapsed();
    let terminal = server.cockpit(khud, &[]);
    let limit = Duration::from_secs(300);
    let first = terminal.wait(limit, |s| pods_shown(s) > 0);
    let all = terminal.wait(limit, |s| pods_shown(s) >= pods && s.contains("live"));
    let synced = terminal.cost();
    sleep(Duration::from_secs(10));
    let settled = terminal.cost();
    println!(
        "{pods} pods on {nodes} nodes: first rows {:.0} ms, all {:.2} s (a plain GET of the pods, {:.0} MB: {:.2} s), CPU {:.2} s; resident {:.1} MiB, peak {:.1} MiB (server {:.0} MiB)",
        first.map_or(f64::NAN, ms),
        all.map_or(f64::NAN, |d| d.as_secs_f64()),
        bytes as f64 / 1e6,
        plain.as_secs_f64(),
        synced.cpu.as_secs_f64(),
        mib(settled.resident),
        mib(settled.peak),
        mib(server.cost().resident),
    );
}

/// Nothing changes.
fn idle(khud: &Path) {
    let server = Server::start(khud, 500, 10_000, 0);
    let terminal = server.cockpit(khud, &[]);
    terminal.wait(Duration::from_secs(60), |s| pods_shown(s) >= 10_000);
    sleep(Duration::from_secs(20));
    let (cost, bytes, window) = (terminal.cost(), terminal.written(), Duration::from_secs(60));
    sleep(window);
    let cpu = (terminal.cost().cpu - cost.cpu).as_secs_f64() / window.as_secs_f64() * 100.0;
    let rate = (terminal.written() - bytes) as f64 / window.as_secs_f64();
    println!("10000 pods, nothing changes, over {} s: CPU {cpu:.2} %, {rate:.0} B/s", window.as_secs());
}

/// 2,000 changes a second on 150,000 pods, with keys pressed meanwhile.
fn storm(khud: &Path) {
    let server = Server::start(khud, 5_000, 150_000, 2_000);
    let mut terminal = server.cockpit(khud, &[]);
    terminal.wait(Duration::from_secs(300), |s| pods_shown(s) >= 149_000 && s.contains("live"));
    sleep(Duration::from_secs(10));
    let (cost, bytes, began) = (terminal.cost(), terminal.written(), Instant::now());
    let mut answers = Vec::new();
    for i in 0..200 {
        sleep(Duration::from_millis(100));
        answers.extend(terminal.answer(if i % 2 == 0 { "j" } else { "k" }));
    }
    let (after, passed) = (terminal.cost(), began.elapsed().as_secs_f64());
    let cpu = (after.cpu - cost.cpu).as_secs_f64() / passed * 100.0;
    let rate = (terminal.written() - bytes) as f64 / passed / 1000.0;
    println!(
        "150000 pods, 2000 changes/s: CPU {cpu:.0} % of a core, key to first byte p99 {:.1} ms of {}, {rate:.1} KB/s; resident {:.0} MiB, peak {:.0} MiB",
        p99(answers.clone()),
        answers.len(),
        mib(after.resident),
        mib(after.peak),
    );
}

/// A change at the server to the change on the screen: a node cordoned and uncordoned, in the nodes view.
fn latency(khud: &Path) {
    for (nodes, pods, churn) in [(500, 10_000, 100), (5_000, 150_000, 2_000)] {
        let server = Server::start(khud, nodes, pods, churn);
        let node = server.first_node();
        let terminal = server.cockpit(khud, &["--command", ":nodes"]);
        let most = pods - pods / 100;
        terminal.wait(Duration::from_secs(300), |s| pods_shown(s) >= most && s.contains(&node));
        sleep(Duration::from_secs(3));
        let shown = |s: &str| s.lines().any(|l| l.contains(&node) && l.contains("Cordoned"));
        let mut all = Vec::new();
        for i in 0..60 {
            sleep(Duration::from_millis(30));
            let on = i % 2 == 0;
            let began = Instant::now();
            server.cordon(&node, on);
            if terminal.wait(Duration::from_secs(3), |s| shown(s) == on).is_some() {
                all.push(began.elapsed());
            }
        }
        println!(
            "{pods} pods, {churn} changes/s: change to screen p99 {:.0} ms of {} (of 60)",
            p99(all.clone()),
            all.len()
        );
    }
}

fn start(khud: &Path) {
    let mut all: Vec<Duration> = (0..20)
        .map(|_| {
            let began = Instant::now();
            let ran = Command::new(khud).arg("--version").stdout(Stdio::null()).status();
            assert!(ran.is_ok_and(|s| s.success()), "khud --version");
            began.elapsed()
        })
        .collect();
    all.sort();
    let size = std::fs::metadata(khud).map_or(0, |m| m.len());
    println!("khud --version: {:.1} ms (median of 20); the binary {:.1} MiB", ms(all[10]), mib(size));
}

fn main() {
    let khud = khud(env!("CARGO_BIN_EXE_khud"));
    let khud = khud.as_path();
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let on = |what: &str| wanted.is_empty() || wanted.iter().any(|w| w == what);
    println!("khud {}, terminal 180x50, against khud sim on this machine", env!("CARGO_PKG_VERSION"));
    if on("start") {
        start(khud);
    }
    if on("first") {
        sync(khud, 500, 10_000);
    }
    if on("large") {
        sync(khud, 5_000, 150_000);
    }
    if on("idle") {
        idle(khud);
    }
    if on("latency") {
        latency(khud);
    }
    if on("storm") {
        storm(khud);
    }
}
