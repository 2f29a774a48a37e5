//! A decision tree that needs a command: what would run is shown, `y` on the question runs it, the timeline keeps it.

use std::path::Path;

use crate::support::lab::{DNS_WITH_TOOLS, Lab};
use crate::support::pty::cockpit;

const KHUD: &str = env!("CARGO_BIN_EXE_khud");

/// Whether a file anywhere below holds the text.
fn holds(dir: &Path, text: &str) -> bool {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|e| e.path()).any(|path| match path.is_dir() {
        true => holds(&path, text),
        false => std::fs::read_to_string(&path).is_ok_and(|all| all.contains(text)),
    })
}

#[test]
fn a_command_waits_for_a_yes_and_stands_on_the_timeline() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dns.yaml");
    std::fs::write(&file, DNS_WITH_TOOLS).unwrap();
    let lab = Lab::start(file.to_str().unwrap(), 4.0);
    lab.finding("crash.unreachable");
    let pods = lab.pods("production", |p| {
        p["spec"]["nodeName"] == "worker-002" && p["metadata"]["labels"]["app"] == "api-backend"
    });
    let pod = format!("pod/{}", pods[0]);
    let mut k = cockpit(KHUD, lab.dir.path(), "", &[&pod, "-n", "production"], 160, 50);
    k.until("the pod under the cursor", |s| s.contents().contains("▌api-backend"));
    k.then("w", "WHY ");
    k.until_text("crash.unreachable");
    // The last question is the one that needs a command.
    k.then("G", "nslookup");
    let state = lab.dir.path().join("state");
    assert!(!holds(&state, "allowed: runs"), "nothing ran before the yes");
    k.then("y", "dns.firewall");
    k.until("the command on the timeline", |_| holds(&state, "allowed: runs `nslookup"));
}
