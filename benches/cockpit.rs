//! The cockpit in a process of its own against `khud sim tour`: start to first rows, memory, CPU and bytes when idle.
//!
//! `cargo bench --bench cockpit` prints the figures; it judges nothing. `KHUD=PATH` measures another binary.
#![allow(clippy::expect_used)]

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod support;
use support::{Cost, Terminal, mib};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts `khud sim SCENARIO` and waits for the kubeconfig it writes.
fn serve(khud: &Path, scenario: &str, kubeconfig: &Path) -> Server {
    let child = Command::new(khud)
        .args(["sim", scenario, "--kubeconfig"])
        .arg(kubeconfig)
        .stdout(Stdio::null())
        .stderr(Stdio::inherit())
        .spawn()
        .expect("khud sim starts");
    let server = Server(child);
    let deadline = Instant::now() + Duration::from_secs(30);
    while !kubeconfig.exists() {
        assert!(Instant::now() < deadline, "khud sim wrote no kubeconfig within 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
    server
}

fn main() {
    let given = std::env::var("KHUD");
    let khud = Path::new(given.as_deref().unwrap_or(env!("CARGO_BIN_EXE_khud")));
    let dir = tempfile::tempdir().expect("a scratch directory");
    println!("khud {}, terminal 180x50, a process of its own against khud sim", env!("CARGO_PKG_VERSION"));
    for scenario in ["tour", "healthy"] {
        let kubeconfig = dir.path().join(scenario);
        let server = serve(khud, scenario, &kubeconfig);
        let path = kubeconfig.to_string_lossy().into_owned();
        let mut terminal = Terminal::start(khud, &["--kubeconfig", &path], 50, 180);
        let first = terminal.wait(Duration::from_secs(20), |s| s.contains("Running") && s.contains("kube-"));
        let Some(first) = first else {
            println!("{scenario}: no rows within 20 s; the screen was:\n{}", terminal.text());
            continue;
        };
        // The first half minute is start-up: the lists, the first scrape, the youngest ages.
        terminal.run_for(Duration::from_secs(30));
        let (before, bytes) = (terminal.cost(), terminal.bytes);
        let window = Duration::from_secs(30);
        terminal.run_for(window);
        let after = terminal.cost();
        // To the pods: they have rows whatever the scenario.
        terminal.answer("\x1b2");
        // The cursor up and down, a pause between keys as fingers make it.
        let mut answers: Vec<Duration> = (0..40)
            .filter_map(|i| {
                terminal.run_for(Duration::from_millis(40));
                terminal.answer(if i % 2 == 0 { "j" } else { "k" })
            })
            .collect();
        answers.sort();
        let worst = answers.last().map_or(f64::NAN, |d| d.as_secs_f64() * 1000.0);
        let cpu = (after.cpu - before.cpu).as_secs_f64() / window.as_secs_f64() * 100.0;
        let rate = (terminal.bytes - bytes) as f64 / window.as_secs_f64();
        println!(
            "{scenario:8} first rows {:4.0} ms   resident {:5.1} MiB  peak {:5.1} MiB   CPU {cpu:4.1} %  {rate:5.0} B/s over {} s   key to frame at most {worst:4.1} ms of {}   server {:5.1} MiB",
            first.as_secs_f64() * 1000.0,
            mib(after.resident),
            mib(after.peak),
            window.as_secs(),
            answers.len(),
            mib(Cost::of(server.0.id()).resident),
        );
    }
}
