//! The cost of telemetry: its readers against a million broken texts, and 1,000 exporters of eight GPUs each scraped every
//! 15 s, as a share of one core.
//!
//! `cargo bench --bench telemetry [-- CASES]` prints; it judges nothing.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};

use khud::telemetry::{SOURCES, exposition, outcome};
use khud::world::gpu::{Gpu, Holder, Memory};
use khud::world::readings::{Outcome, Place, Reading, Readings, Target};
use khud::world::{Text, Time};

/// Texts of real exporters and servers. Each is broken in its own way and given to every reader.
const TEXTS: [&str; 6] = [
    include_str!("../tests/exporters/vgpu.prom"),
    include_str!("../tests/exporters/mig.prom"),
    include_str!("../tests/exporters/gb10.prom"),
    include_str!("../tests/exporters/amd.prom"),
    include_str!("../tests/captures/metrics/kube-proxy-iptables.prom"),
    include_str!("../tests/captures/metrics/kube-proxy-healthz.json"),
];

const EXPORTERS: usize = 1000;
const EVERY: Duration = Duration::from_secs(15);

fn main() {
    let cases = std::env::args().filter_map(|a| a.parse().ok()).next().unwrap_or(1_000_000);
    broken(cases);
    fleet();
}

/// Numbers that look random and are the same in every run (xorshift).
struct Chance(u64);

impl Chance {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most.max(1) as u64).unwrap()
    }
}

fn target(source: &str, name: &str) -> Target {
    let place = Place::Pod { namespace: "gpu".into(), name: name.into(), port: 9400 };
    Target { source: source.into(), place, path: "metrics".into(), node: name.into(), sure: true }
}

fn broken(cases: usize) {
    let targets: Vec<Target> = SOURCES.iter().map(|s| target(s.name(), "n1")).collect();
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let (begin, mut bytes, mut measured) = (Instant::now(), 0usize, 0usize);
    for case in 0..cases {
        let mut text = TEXTS[chance.below(TEXTS.len())].as_bytes().to_vec();
        for _ in 0..chance.below(8) {
            let at = chance.below(text.len());
            text[at] = chance.below(256) as u8;
        }
        text.truncate(chance.below(text.len() + 1));
        let text = String::from_utf8_lossy(&text);
        bytes += text.len();
        let read = outcome(&targets[case % targets.len()], 200, &text, String::new, Time(5));
        measured += usize::from(matches!(read, Outcome::Measured { .. }));
    }
    let took = begin.elapsed();
    println!(
        "{cases} broken texts by {} readers: {:.1} s, {:.0} MB/s; {measured} had numbers, the others a sentence",
        targets.len(),
        took.as_secs_f64(),
        bytes as f64 / took.as_secs_f64() / 1e6
    );
}

/// The answer of one node's exporter, in which memory moves with each round.
fn answer(node: &str, round: u64) -> String {
    let gpus: Vec<Gpu> = (0..8)
        .map(|index| Gpu {
            node: node.into(),
            index,
            uuid: format!("GPU-{node}-{index}").into(),
            model: "NVIDIA H100 80GB HBM3".into(),
            driver: "570.86.15".into(),
            memory: Memory {
                used: Some((40 << 30) + (round << 24)),
                free: Some((40 << 30) - (round << 24)),
                ..Memory::default()
            },
            busy: Some(90.0),
            temperature: Some(60.0),
            power: Some(500.0),
            holders: vec![Holder {
                namespace: "ml".into(),
                pod: format!("train-{node}-{index}").into(),
                container: "train".into(),
                ..Holder::default()
            }],
            ..Gpu::default()
        })
        .collect();
    exposition::write(&gpus)
}

fn fleet() {
    const ROUNDS: u64 = 8;
    let targets: Vec<Target> = (0..EXPORTERS).map(|i| target("dcgm", &format!("n{i}"))).collect();
    let mut readings = Readings::default();
    let (mut cpu, mut bytes) = (Duration::ZERO, 0usize);
    for round in 0..ROUNDS {
        let answers: Vec<String> = (0..EXPORTERS).map(|i| answer(&format!("n{i}"), round)).collect();
        let at = Time(1_700_000_000_000).plus(EVERY * round as u32);
        let begin = Instant::now();
        for (target, text) in targets.iter().zip(&answers) {
            bytes += text.len();
            let outcome = outcome(target, 200, text, String::new, at);
            let touched = readings.apply(Reading { target: target.clone(), at, outcome });
            std::hint::black_box(touched);
        }
        cpu += begin.elapsed();
    }
    let share = cpu.as_secs_f64() / (EVERY.as_secs_f64() * ROUNDS as f64) * 100.0;
    println!(
        "{EXPORTERS} exporters of 8 GPUs every {} s: {share:.1} % of a core to read and take in {} KiB each; {} GPUs known",
        EVERY.as_secs(),
        bytes / ROUNDS as usize / EXPORTERS / 1024,
        readings.gpus().map(|g| g.node.clone()).collect::<Vec<Text>>().len()
    );
}
