//! Findings without a screen: `khud scan` as a table, Markdown or JSON. Pure functions.

use std::fmt::Write;
use std::sync::Arc;

use serde::Serialize;

use crate::world::{StreamState, Time, World, time};

use super::detector::Detector;
use super::finding::{Finding, State};
use super::incident::{self, Incident};
use super::quiet::How;
use super::recurrence;
use super::timeline::Entry;
use crate::judge::Severity;

/// One source and whether it could be seen.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Coverage {
    /// `pods`, `nodes in prod`, `dcgm`.
    pub source: String,
    /// `live`, `forbidden`, `unsupported`, `reconnecting`, …
    pub state: String,
    pub reason: Option<String>,
}

/// What a scan saw. Serialises as CLI.md says.
#[derive(Clone, Debug, Serialize)]
pub struct Scan {
    pub cluster: String,
    pub at: Time,
    pub coverage: Vec<Coverage>,
    pub findings: Vec<Arc<Finding>>,
    /// Findings with one root, by their index in `findings`.
    pub incidents: Vec<Incident>,
}

impl Coverage {
    /// Whether all that the source has was looked at. One that the server does not serve has nothing.
    pub fn seen(&self) -> bool {
        matches!(self.state.as_str(), "live" | "polled" | "unsupported")
    }
}

impl Scan {
    /// Says of each incident whether it is back, from the context's timeline in the order of time.
    pub fn recall(&mut self, timeline: &[Entry]) {
        for i in &mut self.incidents {
            i.recurrence = recurrence::of(timeline, &i.root, &i.cause, i.since);
        }
    }

    pub fn new(cluster: impl Into<String>, at: Time, world: &World, detector: &Detector) -> Scan {
        let findings = detector.findings();
        let told = findings.iter().filter(|f| f.state != State::Resolving && !f.is(How::Muted));
        let mut findings: Vec<Arc<Finding>> = told.cloned().collect();
        // As the judge orders the causes of one object, so that `diagnose` and `scan` agree.
        findings.sort_by(|a, b| {
            let rank = |f: &Finding| (std::cmp::Reverse(f.severity), f.sure, f.since);
            rank(a).cmp(&rank(b)).then_with(|| (&a.cause, a.fix()).cmp(&(&b.cause, b.fix())))
        });
        let incidents = incident::group(world, &findings, |key| detector.affected(key));
        Scan { cluster: cluster.into(), at, coverage: coverage(world, at), findings, incidents }
    }

    /// Whether any firing finding is at or above the level.
    pub fn fails(&self, level: Severity) -> bool {
        self.findings.iter().any(|f| f.counts() && f.severity >= level)
    }
}

/// The state of every stream and of every telemetry source of the world.
pub fn coverage(world: &World, now: Time) -> Vec<Coverage> {
    use crate::world::StreamId;
    let measured = world.readings.states(now).into_iter().map(|(name, state)| (name.to_string(), state));
    let watched = world.streams.iter().map(|(id, stream)| {
        let source = match id {
            StreamId::Watch { kind, namespace } if namespace.is_empty() => kind.plural().to_owned(),
            StreamId::Watch { kind, namespace } => format!("{} in {namespace}", kind.plural()),
            StreamId::Telemetry(name) => name.to_string(),
        };
        (source, stream.state.clone())
    });
    let all = watched.chain(measured);
    all.map(|(source, state)| {
        let reason = match &state {
            StreamState::Forbidden { why }
            | StreamState::Polled { why }
            | StreamState::Unsupported { why }
            | StreamState::Reconnecting { why, .. } => Some(why.to_string()),
            StreamState::Stale { since } => {
                Some(format!("no new values for {}", time::human(since.age(now))))
            }
            _ => None,
        };
        let state = match &state {
            StreamState::Listing { .. } => "listing".to_owned(),
            s => s.to_string(),
        };
        Coverage { source, state, reason }
    })
    .collect()
}

/// One pretty-printed JSON document.
///
/// # Errors
/// Where serialising fails, which plain data does not.
pub fn json(scan: &Scan) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(scan)
}

/// Columns for a terminal: severity, age, object, what. No escapes are removed here: the caller prints.
pub fn table(scan: &Scan) -> String {
    if scan.findings.is_empty() {
        let (seen, all) = (scan.coverage.iter().filter(|c| c.seen()).count(), scan.coverage.len());
        return match seen == all {
            true => format!("{}: nothing wrong found\n", scan.cluster),
            false => format!(
                "{}: nothing wrong found in the {seen} of {all} sources that could be looked at\n",
                scan.cluster
            ),
        };
    }
    let rows: Vec<[String; 5]> = scan
        .findings
        .iter()
        .map(|f| {
            let state = if f.state == State::Pending { " (pending)" } else { "" };
            let count = if f.count > 1 { format!(" ×{}", f.count) } else { String::new() };
            [
                f.severity.to_string(),
                time::human(f.since.age(scan.at)),
                format!("{}{count}", f.fix()),
                f.cause.to_string(),
                format!("{}{state}", f.title),
            ]
        })
        .collect();
    let head = ["SEVERITY", "AGE", "OBJECT", "CAUSE", "WHAT"].map(str::to_owned);
    let mut width = [0usize; 4];
    for row in rows.iter().chain([&head]) {
        for (w, cell) in width.iter_mut().zip(row) {
            *w = (*w).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in [&head].into_iter().chain(&rows) {
        let [a, b, c, d, e] = row;
        let [wa, wb, wc, wd] = width;
        let _ = writeln!(out, "{a:wa$}  {b:wb$}  {c:wc$}  {d:wd$}  {e}");
    }
    out
}

/// A report to paste into a ticket.
pub fn markdown(scan: &Scan) -> String {
    let mut out = format!("# Findings on {} at {}\n", inline(&scan.cluster), scan.at);
    if scan.findings.is_empty() {
        out.push_str("\nNothing wrong found.\n");
    }
    for f in &scan.findings {
        let _ = write!(
            out,
            "\n## {}: {}\n\n{} · `{}` · rule `{}` · since {} · {} affected · {}\n",
            f.severity,
            inline(&f.title),
            inline(&f.fix().to_string()),
            f.cause,
            f.rule,
            f.since,
            f.count,
            f.state.as_str()
        );
        for e in &f.evidence {
            let at = e.at.map_or(String::new(), |t| format!(" at {t}"));
            let _ = write!(
                out,
                "\n- {}, {}{at}: {}",
                inline(&e.source),
                inline(&e.object.to_string()),
                code(&e.quote)
            );
        }
        out.push('\n');
        if !f.changed.is_empty() {
            out.push_str("\nChanged before:\n");
            for c in &f.changed {
                let by = if c.by.is_empty() { String::new() } else { format!(" by {}", inline(&c.by)) };
                let _ =
                    write!(out, "\n- {} {}: {}{by}", c.at, inline(&c.object.to_string()), inline(&c.what));
            }
            out.push('\n');
        }
    }
    let unseen: Vec<&Coverage> = scan.coverage.iter().filter(|c| c.state != "live").collect();
    if !unseen.is_empty() {
        out.push_str("\n## Not seen\n");
        for c in unseen {
            let why = c.reason.as_deref().map_or(String::new(), |r| format!(": {}", code(r)));
            let _ = write!(out, "\n- {} ({}){why}", inline(&c.source), c.state);
        }
        out.push('\n');
    }
    out
}

/// Text of the cluster as Markdown text: one line, nothing in it marks up.
pub(super) fn inline(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_control() => out.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '#' | '|' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out
}

/// Text of the cluster as inline code: fenced by more backticks than it has in a row.
pub(super) fn code(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    format!("{fence} {} {fence}", text.trim())
}
