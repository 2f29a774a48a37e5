//! Texts of probes: which probe failed, and how.

use super::{group, re, short};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ProbeKind {
    Liveness,
    Readiness,
    Startup,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeOutcome {
    /// Answered with this HTTP status.
    Status(u16),
    /// Nothing listens at this address.
    Refused(String),
    Timeout,
    /// The command said no, with what it printed.
    Command(String),
    Other(String),
}

/// An `Unhealthy` event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProbeFailure {
    pub kind: ProbeKind,
    pub outcome: ProbeOutcome,
}

impl ProbeFailure {
    /// A few words: `readiness: HTTP 500`, `liveness: nothing listens on :8080`.
    pub fn words(&self) -> String {
        let kind = match self.kind {
            ProbeKind::Liveness => "liveness",
            ProbeKind::Readiness => "readiness",
            ProbeKind::Startup => "startup",
        };
        match &self.outcome {
            ProbeOutcome::Status(code) => format!("{kind}: HTTP {code}"),
            ProbeOutcome::Refused(addr) => {
                let port = addr.rsplit(':').next().unwrap_or(addr);
                format!("{kind}: nothing listens on :{port}")
            }
            ProbeOutcome::Timeout => format!("{kind}: no answer in time"),
            ProbeOutcome::Command(text) | ProbeOutcome::Other(text) if text.is_empty() => {
                format!("{kind} probe fails")
            }
            ProbeOutcome::Command(text) | ProbeOutcome::Other(text) => format!("{kind}: {}", short(text, 50)),
        }
    }
}

re!(
    PROBE,
    r"(?s)^(?P<kind>Liveness|Readiness|Startup) probe (?P<how>failed|errored and resulted in \w+ state|warning): ?(?P<out>.*)"
);
re!(CODE, r"(?:HTTP probe failed with )?statuscode: (?P<code>\d+)");
re!(REFUSED, r"dial tcp (?P<addr>\S+?): connect: connection refused");
re!(KILLED, r"Container (?P<name>\S+) failed (?P<kind>liveness|startup) probe, will be restarted");

/// Reads an `Unhealthy` event's text.
pub fn probe(note: &str) -> Option<ProbeFailure> {
    let c = PROBE.captures(note)?;
    if group(&c, &["how"]) == Some("warning") {
        return None;
    }
    let kind = match group(&c, &["kind"])? {
        "Liveness" => ProbeKind::Liveness,
        "Readiness" => ProbeKind::Readiness,
        _ => ProbeKind::Startup,
    };
    let out = group(&c, &["out"]).unwrap_or("").trim();
    let outcome = if let Some(code) = CODE.captures(out).and_then(|c| group(&c, &["code"])?.parse().ok()) {
        ProbeOutcome::Status(code)
    } else if let Some(addr) = REFUSED.captures(out).and_then(|c| group(&c, &["addr"])) {
        ProbeOutcome::Refused(addr.to_owned())
    } else if ["context deadline exceeded", "Client.Timeout", "i/o timeout", "timed out"]
        .iter()
        .any(|t| out.contains(t))
    {
        ProbeOutcome::Timeout
    } else if out.contains("Get \"") || out.contains("dial tcp") || out.starts_with("timeout:") {
        ProbeOutcome::Other(out.to_owned())
    } else {
        ProbeOutcome::Command(out.to_owned())
    };
    Some(ProbeFailure { kind, outcome })
}

/// The container and probe a `Killing` event names: `Container app failed liveness probe, will be restarted`.
pub fn killed_for(note: &str) -> Option<(&str, ProbeKind)> {
    let c = KILLED.captures(note)?;
    let kind = match group(&c, &["kind"])? {
        "liveness" => ProbeKind::Liveness,
        _ => ProbeKind::Startup,
    };
    Some((group(&c, &["name"])?, kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `captures/list/events.json`.
    #[test]
    fn probe_texts() {
        for (note, words) in [
            ("Readiness probe failed: HTTP probe failed with statuscode: 404", "readiness: HTTP 404"),
            (
                "Liveness probe failed: Get \"http://10.244.0.35:8080/health\": dial tcp 10.244.0.35:8080: connect: connection refused",
                "liveness: nothing listens on :8080",
            ),
            (
                "Startup probe failed: dial tcp 10.244.0.69:8000: connect: connection refused",
                "startup: nothing listens on :8000",
            ),
            ("Readiness probe failed: ", "readiness probe fails"),
            (
                "Liveness probe failed: cat: can't open '/tmp/healthy': No such file or directory\n",
                "liveness: cat: can't open '/tmp/healthy': No such file or d…",
            ),
            (
                "Readiness probe failed: Get \"http://10.1.2.3:80/\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)",
                "readiness: no answer in time",
            ),
        ] {
            assert_eq!(probe(note).map(|p| p.words()).as_deref(), Some(words), "{note}");
        }
        assert_eq!(probe("Back-off restarting failed container"), None);
        let note = "Container c failed startup probe, will be restarted";
        assert_eq!(killed_for(note), Some(("c", ProbeKind::Startup)));
        assert_eq!(killed_for("Stopping container c"), None);
    }
}
