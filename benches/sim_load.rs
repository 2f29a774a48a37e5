//! The embedded API server under the largest load: start, memory, CPU, bytes a pod, changes that a watch sees.
//!
//! `cargo bench --bench sim_load [-- NODES PODS CHURN SECONDS]` prints the figures; it judges nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Server {
    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0.id())).unwrap_or_default()
    }

    /// MiB.
    fn resident(&self) -> u64 {
        let status = self.proc("status");
        let line = status.lines().find(|l| l.starts_with("VmRSS:")).unwrap_or("0 0");
        line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
    }

    /// CPU time so far, in hundredths of a second (the kernel's usual tick).
    fn ticks(&self) -> u64 {
        let stat = self.proc("stat");
        let fields: Vec<u64> = stat
            .rsplit(')')
            .next()
            .unwrap_or("")
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|f| f.parse().ok())
            .collect();
        fields.iter().sum()
    }
}

/// Sends a GET and returns the connection behind the head of the answer.
fn get(host: &str, path: &str) -> BufReader<TcpStream> {
    let mut socket = TcpStream::connect(host).unwrap();
    write!(socket, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut reader = BufReader::with_capacity(1 << 20, socket);
    let mut line = String::new();
    while line != "\r\n" {
        line.clear();
        assert!(reader.read_line(&mut line).unwrap() > 0, "the server hung up");
    }
    reader
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let arg = |i: usize, default: u64| args.get(i).copied().unwrap_or(default);
    let (nodes, pods, churn, seconds) = (arg(0, 5_000), arg(1, 150_000), arg(2, 2_000), arg(3, 30));
    let start = Instant::now();
    let child = Command::new(env!("CARGO_BIN_EXE_khud"))
        .args([
            "sim",
            "--nodes",
            &nodes.to_string(),
            "--pods",
            &pods.to_string(),
            "--churn",
            &churn.to_string(),
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("khud sim starts");
    let mut server = Server(child);
    let mut url = String::new();
    BufReader::new(server.0.stdout.take().unwrap()).read_line(&mut url).unwrap();
    let host = url.trim().trim_start_matches("http://").to_string();
    println!("khud sim --nodes {nodes} --pods {pods} --churn {churn}");
    println!("  listening after        {:>8.2} s", start.elapsed().as_secs_f64());
    println!("  resident               {:>8} MiB", server.resident());

    let wall = Duration::from_secs(seconds);
    let before = server.ticks();
    std::thread::sleep(wall);
    let share = |ticks: u64, wall: Duration| ticks as f64 / wall.as_secs_f64();
    println!("  CPU, nobody listening  {:>8.1} % of a core", share(server.ticks() - before, wall));

    let (mut bytes, listed, before) = (Vec::new(), Instant::now(), server.ticks());
    get(&host, "/api/v1/pods?resourceVersion=0").read_to_end(&mut bytes).unwrap();
    let took = listed.elapsed();
    println!(
        "  all pods listed in     {:>8.2} s, {:.1} kB a pod",
        took.as_secs_f64(),
        bytes.len() as f64 / pods.max(1) as f64 / 1000.0
    );
    println!("  CPU of that            {:>8.2} s", (server.ticks() - before) as f64 / 100.0);
    let tail = String::from_utf8_lossy(&bytes[..400.min(bytes.len())]).into_owned();
    drop(bytes);
    let version = tail
        .split("\"resourceVersion\":\"")
        .nth(1)
        .and_then(|t| t.split('"').next())
        .unwrap_or("0")
        .to_string();

    let mut watch = get(&host, &format!("/api/v1/pods?watch=1&resourceVersion={version}"));
    let (started, before) = (Instant::now(), server.ticks());
    let (mut line, mut events, mut seen) = (Vec::new(), 0_u64, 0_u64);
    while started.elapsed() < wall {
        line.clear();
        seen += watch.read_until(b'\n', &mut line).unwrap() as u64;
        events += u64::from(line.starts_with(b"{\"type\":"));
    }
    let took = started.elapsed();
    println!(
        "  one watch of pods sees {:>8.0} events/s, {:.1} MB/s",
        events as f64 / took.as_secs_f64(),
        seen as f64 / 1e6 / took.as_secs_f64()
    );
    println!("  CPU, one watch         {:>8.1} % of a core", share(server.ticks() - before, took));
    println!("  resident at the end    {:>8} MiB", server.resident());
}
