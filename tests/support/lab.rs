//! A scenario on the embedded cluster, and the khud binary run against it as a user would.
#![allow(dead_code, reason = "each test binary uses its part")]

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use khud_sim::clock::SimClock;
use khud_sim::cluster::Cluster;
use khud_sim::{Sim, SimOptions, scenario};
use serde_json::{Value, json};

/// A scenario: two nodes of one zone drop DNS; a pod with tools runs on every worker.
pub const DNS_WITH_TOOLS: &str = r#"
title: DNS is dropped on two nodes, and every node has a pod with tools
extends: dns-partial
objects:
  - apiVersion: apps/v1
    kind: DaemonSet
    metadata: {name: tools, namespace: production}
    spec:
      selector: {matchLabels: {app: tools}}
      template:
        metadata: {labels: {app: tools}}
        spec: {containers: [{name: tools, image: "registry.acme.io/ops/tools:1"}]}
"#;

pub struct Lab {
    pub dir: tempfile::TempDir,
    pub sim: Sim,
    runtime: tokio::runtime::Runtime,
}

impl Lab {
    /// Starts a built-in scenario whose time runs `speed` times as fast.
    pub fn start(name: &str, speed: f64) -> Lab {
        Lab::started(name, speed, Duration::ZERO, 1)
    }

    /// Another cluster with the same story: its UIDs are its own.
    #[allow(dead_code, reason = "not every test target has two")]
    pub fn seeded(name: &str, speed: f64, seed: u64) -> Lab {
        Lab::started(name, speed, Duration::ZERO, seed)
    }

    /// Starts a scenario whose story began this long ago.
    pub fn begun(name: &str, ago: Duration) -> Lab {
        Lab::started(name, 1.0, ago, 1)
    }

    fn started(name: &str, speed: f64, ago: Duration, seed: u64) -> Lab {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let loaded = scenario::load(name).unwrap();
        let clock = SimClock::wall(speed);
        clock.set_skew(jiff::SignedDuration::try_from(ago).unwrap() * -1);
        let options = SimOptions { clock, seed: Some(seed), ..SimOptions::default() };
        let sim = runtime.block_on(Sim::start_with(options, |store| {
            let cluster = Cluster::stage(store.clone(), &loaded);
            // The replayed history ended at the story's beginning; what has passed since is played event by event.
            if !ago.is_zero() {
                cluster.advance(ago);
                store.clock().set_skew(jiff::SignedDuration::ZERO);
            }
            tokio::spawn(cluster.clone().run());
            Arc::new(cluster)
        }));
        let sim = sim.unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("kubeconfig"), sim.kubeconfig()).unwrap();
        Lab { dir, sim, runtime }
    }

    pub fn kubeconfig(&self) -> PathBuf {
        self.dir.path().join("kubeconfig")
    }

    /// The address of the API server.
    pub fn server(&self) -> String {
        let config = self.sim.kubeconfig();
        let line = config.lines().find_map(|l| l.trim().strip_prefix("server: ")).unwrap();
        line.trim_matches('"').to_owned()
    }

    /// A kubeconfig of contexts and the servers that they lead to; the first is the current one.
    pub fn contexts(&self, contexts: &[(&str, &str)]) {
        let cluster = |(name, server): &(&str, &str)| json!({"name": name, "cluster": {"server": server}});
        let context =
            |(name, _): &(&str, &str)| json!({"name": name, "context": {"cluster": name, "user": "u"}});
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": contexts[0].0,
            "clusters": contexts.iter().map(cluster).collect::<Vec<_>>(),
            "contexts": contexts.iter().map(context).collect::<Vec<_>>(),
            "users": [{"name": "u", "user": {}}],
        });
        std::fs::write(self.kubeconfig(), config.to_string()).unwrap();
    }

    /// The binary with an environment of its own: this kubeconfig, state and configuration in the scratch directory.
    pub fn khud(&self, args: &[&str]) -> Command {
        let mut command = bare(args);
        command.env("KUBECONFIG", self.kubeconfig());
        command.env("XDG_STATE_HOME", self.dir.path().join("state"));
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.khud(args).output().unwrap()
    }

    /// Runs a command that prints JSON; its exit code and what it printed.
    pub fn json(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(args);
        let text = String::from_utf8(output.stdout).unwrap();
        let value = serde_json::from_str(&text).unwrap_or_else(|e| {
            panic!("{args:?} printed no JSON ({e}): {text:?}\n{}", String::from_utf8_lossy(&output.stderr))
        });
        (output.status.code().unwrap(), value)
    }

    /// Scans until a finding of that cause is there; the finding.
    pub fn finding(&self, cause: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            let (_, scan) = self.json(&["scan", "-o", "json"]);
            let findings = scan["findings"].as_array().unwrap().clone();
            if let Some(found) = findings.iter().find(|f| f["cause"] == cause) {
                return found.clone();
            }
            let seen: Vec<_> = findings.iter().map(|f| f["cause"].clone()).collect();
            assert!(Instant::now() < deadline, "no {cause} within a minute; there was {seen:?}");
        }
    }

    /// The names of pods that a rule on their JSON picks.
    pub fn pods(&self, namespace: &str, pick: impl Fn(&Value) -> bool) -> Vec<String> {
        let pods = self.sim.store().list("pods", Some(namespace));
        pods.iter().filter(|p| pick(p)).map(|p| p["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }
}

/// An address that nobody listens on.
pub fn nobody() -> String {
    let address = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    format!("http://{address}")
}

/// The binary with nothing of this machine's in its environment.
pub fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_khud"));
    command.args(args).env_clear().stdin(Stdio::null());
    command.env("HOME", "/nonexistent").env("TERM", "xterm-256color");
    command
}
