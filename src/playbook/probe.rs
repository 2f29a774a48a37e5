//! DNS and connection probes: the plain words that run in a container, and what their output proves.
//!
//! A probe's target comes from the cluster or from a log, so it is checked first: it becomes one argument and can
//! neither be an option nor carry anything that is not a host name, an address or a port.

use serde_json::{Value, json};

use crate::world::ask::ExecOutput;

/// A host name or an IP address that may stand in a command.
///
/// # Errors
/// A sentence that names what is no host.
pub(super) fn host(text: &str) -> Result<&str, String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    let good = !text.is_empty()
        && text.len() <= 253
        && text.chars().all(fits)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if good { Ok(text) } else { Err(format!("{text:?} is not a host name, so it is not looked up")) }
}

/// `host:port` in its two parts.
///
/// # Errors
/// As [`host`], or a sentence about the port.
pub(super) fn address(text: &str) -> Result<(&str, u16), String> {
    let (name, port) = text.rsplit_once(':').ok_or_else(|| format!("{text:?} has no port to connect to"))?;
    let port = port.parse().map_err(|_| format!("{text:?} has no port to connect to"))?;
    Ok((host(name.trim_matches(['[', ']']))?, port))
}

/// The commands that look a name up, best first: an image may have only one of the programs.
pub(super) fn lookups(name: &str) -> Vec<Vec<String>> {
    let words = |w: &[&str]| w.iter().map(|w| (*w).to_owned()).collect();
    vec![words(&["nslookup", "-timeout=3", "-retry=1", name]), words(&["getent", "hosts", name])]
}

/// The commands that connect, best first.
pub(super) fn connects(host: &str, port: u16) -> Vec<Vec<String>> {
    let name = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    let url = format!("http://{name}:{port}/");
    let words = |w: &[&str]| w.iter().map(|w| (*w).to_owned()).collect();
    vec![
        words(&["curl", "-sS", "-m", "5", "-o", "/dev/null", &url]),
        words(&["wget", "-T", "5", "-O", "/dev/null", &url]),
        words(&["nc", "-z", "-w", "5", host, &port.to_string()]),
    ]
}

/// Whether the runtime says that the image does not have the program.
pub(super) fn missing(error: &str) -> bool {
    error.contains("unable to start container process")
        || error.contains("executable file not found")
        || error.contains("no such file or directory")
}

/// Reads the output of a lookup: `how` is `answered`, `no such name`, `no answer`, `server failure`, or
/// `not resolved` where the program does not tell these apart.
pub(super) fn looked_up(program: &str, output: &ExecOutput) -> Value {
    let text = both(output);
    let low = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| low.contains(w));
    let how = if has(&[
        "timed out",
        "no servers could be reached",
        "no response",
        "try again",
        "connection refused",
    ]) {
        "no answer"
    } else if has(&["servfail", "server failure"]) {
        "server failure"
    } else if has(&["nxdomain", "can't find", "no answer", "not known"]) {
        "no such name"
    } else if output.exit_code == 0 && !text.trim().is_empty() {
        "answered"
    } else {
        "not resolved"
    };
    let fallback = format!("{program} ended with exit code {}", output.exit_code);
    json!({"ok": how == "answered", "how": how, "quote": telling(&text, how == "answered").unwrap_or(fallback)})
}

/// Reads the output of a connection: `how` is `answered`, `refused`, `no answer`, `no such name`,
/// `unreachable`, or `not connected` where the program does not tell these apart.
pub(super) fn connected(program: &str, output: &ExecOutput) -> Value {
    let text = both(output);
    let low = text.to_ascii_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| low.contains(w));
    let how = if output.exit_code == 0
        || has(&["http/1.", "server returned error", "empty reply", "error response"])
    {
        // An error page, or bytes that are no HTTP, come from a peer that accepts connections.
        "answered"
    } else if has(&["refused"]) {
        "refused"
    } else if has(&["bad address", "resolve", "name or service not known", "unknown host"]) {
        "no such name"
    } else if has(&["no route", "unreachable"]) {
        "unreachable"
    } else if has(&["timed out", "timeout"]) {
        "no answer"
    } else {
        "not connected"
    };
    let fallback = format!("{program} ended with exit code {}", output.exit_code);
    json!({"ok": how == "answered", "how": how, "quote": telling(&text, false).unwrap_or(fallback)})
}

fn both(output: &ExecOutput) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The line to quote: the last one that says something; of an answer the one with the address.
fn telling(text: &str, answered: bool) -> Option<String> {
    let mut lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
    let line = if answered {
        lines.next_back()
    } else {
        lines.find(|l| !l.starts_with("Server:") && !l.starts_with("Address"))
    };
    line.map(|l| l.chars().take(300).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(stdout: &str, stderr: &str, exit_code: i32) -> ExecOutput {
        ExecOutput { stdout: stdout.into(), stderr: stderr.into(), exit_code, truncated: false }
    }

    #[test]
    fn a_target_is_one_argument_and_never_an_option() {
        assert_eq!(host("db.prod.svc.cluster.local"), Ok("db.prod.svc.cluster.local"));
        for evil in ["", "-rf", "a;reboot", "$(id)", "a b", "a\nb", "../x", "{x}", "\u{202e}x"] {
            assert!(host(evil).is_err(), "{evil:?}");
        }
        assert_eq!(address("10.96.0.10:53"), Ok(("10.96.0.10", 53)));
        assert_eq!(address("[fd00::a]:53"), Ok(("fd00::a", 53)));
        assert!(address("db").is_err() && address("db:http").is_err() && address("-x:1").is_err());
    }

    /// Outputs of `nslookup` in bind and busybox, of `getent`, and of captures/exec/nslookup-fails.
    #[test]
    fn lookups_are_told_apart() {
        let how = |o: &ExecOutput| looked_up("nslookup", o)["how"].as_str().unwrap_or("").to_owned();
        assert_eq!(
            how(&output(";; connection timed out; no servers could be reached\n\n", "", 1)),
            "no answer"
        );
        let nx = "Server:\t\t10.96.0.10\nAddress:\t10.96.0.10:53\n\n** server can't find db.x: NXDOMAIN\n";
        let found = looked_up("nslookup", &output(nx, "", 1));
        assert_eq!(
            (found["how"].as_str(), found["quote"].as_str()),
            (Some("no such name"), Some("** server can't find db.x: NXDOMAIN"))
        );
        assert_eq!(how(&output("10.96.0.1      kubernetes.default.svc.cluster.local\n", "", 0)), "answered");
        assert_eq!(how(&output("", "", 2)), "not resolved");
        assert_eq!(how(&output("** server can't find x: SERVFAIL\n", "", 1)), "server failure");
    }

    #[test]
    fn connections_are_told_apart() {
        let how = |text: &str, code| {
            connected("wget", &output("", text, code))["how"].as_str().unwrap_or("").to_owned()
        };
        assert_eq!(how("", 0), "answered");
        assert_eq!(how("wget: can't connect to remote host (10.0.0.1): Connection refused", 1), "refused");
        assert_eq!(how("wget: server returned error: HTTP/1.1 404 Not Found", 1), "answered");
        assert_eq!(how("wget: download timed out", 1), "no answer");
        assert_eq!(how("wget: bad address 'db:80'", 1), "no such name");
        assert_eq!(how("curl: (6) Could not resolve host: db", 6), "no such name");
        assert_eq!(how("curl: (7) Failed to connect to db port 80: No route to host", 7), "unreachable");
        assert_eq!(how("", 1), "not connected");
    }
}
