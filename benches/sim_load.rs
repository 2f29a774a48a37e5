//! The embedded API server under the largest load: start, memory, CPU, what a pod weighs, how alike pods are, and the
//! changes that a watch sees over minutes.
//!
//! `cargo bench --bench sim_load [-- NODES PODS CHURN SECONDS]` prints the figures and what was asked of them; it judges
//! nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use serde::Deserialize;
use serde::de::IgnoredAny;
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

mod support;
use support::mib;
use support::pty::Cost;

/// Pods asked for in one list request.
const PAGE: u64 = 2_000;

/// A `khud sim` in a process of its own.
struct Server {
    child: Child,
    host: String,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Server {
    fn start(nodes: u64, pods: u64, churn: u64, seed: u64) -> Server {
        let numbers = [("--nodes", nodes), ("--pods", pods), ("--churn", churn), ("--seed", seed)];
        let args = numbers.iter().flat_map(|(flag, n)| [flag.to_string(), n.to_string()]);
        let mut child = Command::new(env!("CARGO_BIN_EXE_khud"))
            .arg("sim")
            .args(args)
            .stdout(Stdio::piped())
            .spawn()
            .expect("khud sim starts");
        let mut url = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut url).unwrap();
        Server { child, host: url.trim().trim_start_matches("http://").to_string() }
    }

    fn cost(&self) -> Cost {
        Cost::of(self.child.id())
    }

    /// Sends a GET and returns the connection behind the head of the answer.
    fn get(&self, path: &str) -> BufReader<TcpStream> {
        let host = &self.host;
        let mut socket = TcpStream::connect(host).unwrap();
        // HTTP/1.0, so that lists come without the lengths of chunks between their bytes.
        write!(socket, "GET {path} HTTP/1.0\r\nHost: {host}\r\n\r\n").unwrap();
        let mut reader = BufReader::with_capacity(1 << 20, socket);
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(reader.read_line(&mut line).unwrap() > 0, "the server hung up");
        }
        reader
    }
}

#[derive(Deserialize)]
struct List {
    metadata: ListMeta,
    items: Vec<Pod>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListMeta {
    resource_version: String,
    #[serde(rename = "continue", default)]
    next: String,
}

#[derive(Deserialize)]
struct Pod {
    metadata: Metadata,
    spec: Spec,
    status: Status,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    name: String,
    uid: String,
    managed_fields: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Spec {
    containers: Vec<Container>,
}

#[derive(Deserialize)]
struct Container {
    image: String,
    env: Vec<Env>,
}

#[derive(Deserialize)]
struct Env {
    value: String,
}

#[derive(Deserialize)]
struct Status {
    #[serde(rename = "podIP")]
    pod_ip: String,
}

/// What the pods of a server are made of, and how much of it there is but once.
#[derive(Default)]
struct Census {
    pods: usize,
    managed: usize,
    names: HashSet<u64>,
    uids: HashSet<u64>,
    ips: HashSet<u64>,
    values: HashSet<u64>,
    images: HashSet<String>,
    env: usize,
    /// Of all of these in their order: the same for the same cluster.
    digest: DefaultHasher,
    version: String,
}

fn hash(text: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

impl Census {
    /// Reads all pods in pages of one moment.
    fn of(server: &Server) -> Census {
        let mut census = Census::default();
        let mut next = String::new();
        loop {
            let mut body = Vec::new();
            let path = format!("/api/v1/pods?limit={PAGE}&continue={next}");
            server.get(&path).read_to_end(&mut body).unwrap();
            let list: List = serde_json::from_slice(&body).unwrap();
            list.items.iter().for_each(|pod| census.count(pod));
            census.version = list.metadata.resource_version;
            next = list.metadata.next;
            if next.is_empty() {
                return census;
            }
        }
    }

    fn count(&mut self, pod: &Pod) {
        self.pods += 1;
        self.managed += usize::from(pod.metadata.managed_fields.is_some());
        for (set, text) in [
            (&mut self.names, &pod.metadata.name),
            (&mut self.uids, &pod.metadata.uid),
            (&mut self.ips, &pod.status.pod_ip),
        ] {
            set.insert(hash(text));
            text.hash(&mut self.digest);
        }
        for container in &pod.spec.containers {
            self.images.insert(container.image.clone());
            container.image.hash(&mut self.digest);
            for env in &container.env {
                self.env += 1;
                self.values.insert(hash(&env.value));
                env.value.hash(&mut self.digest);
            }
        }
    }
}

fn line(what: &str, figure: impl std::fmt::Display, asked: &str) {
    println!("  {what:<34} {figure:>22}   {asked}");
}

fn main() {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|a| a.parse().ok()).collect();
    let arg = |i: usize, default: u64| args.get(i).copied().unwrap_or(default);
    let (nodes, pods, churn, seconds) = (arg(0, 5_000), arg(1, 150_000), arg(2, 2_000), arg(3, 120));
    let wall = Duration::from_secs(seconds);
    let share = |cpu: Duration, wall: Duration| {
        format!("{:.1} % of a core", cpu.as_secs_f64() / wall.as_secs_f64() * 100.0)
    };
    let memory = |bytes: u64| format!("{:.0} MiB", mib(bytes));

    println!("khud sim --nodes {nodes} --pods {pods} --churn {churn} --seed 1");
    let start = Instant::now();
    let server = Server::start(nodes, pods, churn, 1);
    line("listening after", format!("{:.2} s", start.elapsed().as_secs_f64()), "");
    line("resident then", memory(server.cost().resident), "");

    let idle = wall.min(Duration::from_secs(30));
    let before = server.cost().cpu;
    std::thread::sleep(idle);
    line("CPU, nobody listening", share(server.cost().cpu - before, idle), "");

    let (listed, before) = (Instant::now(), server.cost().cpu);
    let bytes =
        std::io::copy(&mut server.get("/api/v1/pods?resourceVersion=0"), &mut std::io::sink()).unwrap();
    let took = listed.elapsed();
    line("all pods in one list", format!("{:.2} s", took.as_secs_f64()), "");
    line("CPU of that", format!("{:.2} s", (server.cost().cpu - before).as_secs_f64()), "");
    line(
        "a pod on the wire",
        format!("{:.1} kB", bytes as f64 / pods.max(1) as f64 / 1000.0),
        "asked: at least 10",
    );

    let census = Census::of(&server);
    let of_all = |n: usize, all: usize| format!("{n} of {all}");
    line("pods with managedFields", of_all(census.managed, census.pods), "asked: all");
    line("names that differ", of_all(census.names.len(), census.pods), "asked: all");
    line("uids that differ", of_all(census.uids.len(), census.pods), "asked: all");
    line("IPs that differ", of_all(census.ips.len(), census.pods), "asked: all");
    line("env values that differ", of_all(census.values.len(), census.env), "asked: all");
    line("images", census.images.len(), "asked: some 200");

    let mut watch = server.get(&format!("/api/v1/pods?watch=1&resourceVersion={}", census.version));
    let (started, before) = (Instant::now(), server.cost().cpu);
    let (mut text, mut events, mut seen) = (Vec::new(), 0_u64, 0_u64);
    while started.elapsed() < wall {
        text.clear();
        seen += watch.read_until(b'\n', &mut text).unwrap() as u64;
        events += u64::from(text.starts_with(b"{\"type\":"));
        assert!(!text.starts_with(b"{\"type\":\"ERROR\""), "{}", String::from_utf8_lossy(&text));
        if churn == 0 {
            break;
        }
    }
    let took = started.elapsed();
    let rate = |n: u64| n as f64 / took.as_secs_f64();
    line(
        &format!("a watch of pods, {seconds} s"),
        format!("{:.0} events/s", rate(events)),
        "asked: the churn",
    );
    line("which is", format!("{:.1} MB/s", rate(seen) / 1e6), "");
    line("CPU, with that watch", share(server.cost().cpu - before, took), "asked: at most 100");
    line("resident at the end", memory(server.cost().resident), "");
    line("resident at the most", memory(server.cost().peak), "asked: under 1024");
    drop(server);

    let digest = |seed: u64| Census::of(&Server::start(50, 2_000, 0, seed)).digest.finish();
    let (first, again, other) = (digest(7), digest(7), digest(8));
    let said = |same: bool| if same { "the same" } else { "another" };
    line("2,000 pods of the same seed", said(first == again), "asked: the same");
    line("2,000 pods of another seed", said(first == other), "asked: another");
}
