//! kubectl against the embedded cluster. A run without one that is new enough says so past the test harness's capture,
//! and leaves a line in `target/tmp/skipped` for whoever has the last word.

mod clusters;
mod pods;
mod reads;
mod streams;
mod writes;

use crate::support::wire;
use khud_sim::{Sim, SimOptions};
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;
use tokio::process::Command;

/// Wall time for one command on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The first whose every command works: streams over WebSocket, validation in the server.
const NEW: u32 = 31;
/// Debian 12's, whose streams are SPDY and whose `apply` wants the OpenAPI of version 2.
const OLD: u32 = 20;

struct Kubectl {
    home: tempfile::TempDir,
}

impl Kubectl {
    async fn new(sim: &Sim) -> Option<Kubectl> {
        Kubectl::at_least(NEW, sim).await
    }

    /// None where there is no kubectl of this minor version of 1. `KUBECTL` names another than the path's.
    async fn at_least(least: u32, sim: &Sim) -> Option<Kubectl> {
        let home = tempfile::tempdir().unwrap();
        let kubectl = Kubectl { home };
        std::fs::write(kubectl.home.path().join("config"), sim.kubeconfig()).unwrap();
        let version = kubectl.command(&["version", "--client", "-o", "json"]).output().await;
        let minor = version
            .ok()
            .and_then(|o| serde_json::from_slice::<Value>(&o.stdout).ok())
            .and_then(|v| v["clientVersion"]["minor"].as_str()?.trim_end_matches('+').parse::<u32>().ok());
        if minor.is_some_and(|m| m >= least) {
            return Some(kubectl);
        }
        let found = minor.map_or("none".to_string(), |m| format!("1.{m}"));
        let test = std::thread::current().name().unwrap_or_default().to_string();
        let line = format!("SKIPPED: {test} needs kubectl 1.{least} or newer and found {found}\n");
        // The print macros would be captured, as nothing fails here.
        let _ = std::io::stderr().write_all(line.as_bytes());
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join("skipped");
        let file = std::fs::OpenOptions::new().create(true).append(true).open(file);
        let _ = file.and_then(|mut file| file.write_all(line.as_bytes()));
        None
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(std::env::var_os("KUBECTL").unwrap_or("kubectl".into()));
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("config"));
        command.current_dir(self.home.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn output_of(&self, args: &[&str]) -> Output {
        let output = tokio::time::timeout(PATIENCE, self.command(args).output()).await;
        output.unwrap_or_else(|_| panic!("kubectl {} does not end", args.join(" "))).unwrap()
    }

    /// Words are between spaces; `~` in a word is a space.
    async fn output(&self, line: &str) -> Output {
        let words: Vec<String> = line.split_whitespace().map(|word| word.replace('~', " ")).collect();
        self.output_of(&words.iter().map(String::as_str).collect::<Vec<_>>()).await
    }

    /// What a command that works prints.
    async fn ok(&self, line: &str) -> String {
        let output = self.output(line).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails says.
    async fn fails(&self, line: &str) -> String {
        let output = self.output(line).await;
        let out = String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success(), "kubectl {line} works: {out}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn write(&self, file: &str, object: &Value) {
        std::fs::write(self.home.path().join(file), object.to_string()).unwrap();
    }

    /// An object as it is stored.
    async fn object(&self, what: &str) -> Value {
        serde_json::from_str(&self.ok(&format!("get {what} -o json")).await).unwrap()
    }
}

/// A server whose one container is the directory `root`.
async fn local(root: &Path) -> Sim {
    wire::start(SimOptions::default(), root.to_path_buf()).await
}
