//! The cockpit in a process of its own against `khud sim tour`: start to first rows, memory, CPU and bytes when idle.
//!
//! `cargo bench --bench cockpit` prints the figures; it judges nothing. `KHUD=PATH` measures another binary.
#![allow(clippy::expect_used)]

use std::thread::sleep;
use std::time::Duration;

mod support;
use support::{Server, khud, mib, ms};

fn main() {
    let khud = khud(env!("CARGO_BIN_EXE_khud"));
    println!("khud {}, terminal 180x50, a process of its own against khud sim", env!("CARGO_PKG_VERSION"));
    for scenario in ["tour", "healthy"] {
        let server = Server::serve(&khud, &[scenario]);
        let mut terminal = server.cockpit(&khud, &[]);
        let first = terminal.wait(Duration::from_secs(20), |s| s.contains("Running") && s.contains("kube-"));
        let Some(first) = first else {
            println!("{scenario}: no rows within 20 s; the screen was:\n{}", terminal.text());
            continue;
        };
        // The first half minute is start-up: the lists, the first scrape, the youngest ages.
        sleep(Duration::from_secs(30));
        let (before, bytes) = (terminal.cost(), terminal.written());
        let window = Duration::from_secs(30);
        sleep(window);
        let after = terminal.cost();
        let rate = (terminal.written() - bytes) as f64 / window.as_secs_f64();
        // To the pods: they have rows whatever the scenario.
        terminal.answer("\x1b2");
        // The cursor up and down, a pause between keys as fingers make it.
        let mut answers: Vec<Duration> = (0..40)
            .filter_map(|i| {
                sleep(Duration::from_millis(40));
                terminal.answer(if i % 2 == 0 { "j" } else { "k" })
            })
            .collect();
        answers.sort();
        let worst = answers.last().map_or(f64::NAN, |d| ms(*d));
        let cpu = (after.cpu - before.cpu).as_secs_f64() / window.as_secs_f64() * 100.0;
        println!(
            "{scenario:8} first rows {:4.0} ms   resident {:5.1} MiB  peak {:5.1} MiB   CPU {cpu:4.1} %  {rate:5.0} B/s over {} s   key to frame at most {worst:4.1} ms of {}   server {:5.1} MiB",
            ms(first),
            mib(after.resident),
            mib(after.peak),
            window.as_secs(),
            answers.len(),
            mib(server.cost().resident),
        );
    }
}
