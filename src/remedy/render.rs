//! `khud do`, `khud do --list` and `khud journal` as text. Pure; cluster text is made harmless.

use super::action::{Action, action, catalogue, cluster_wide};
use super::journal::{self, Entry};
use super::plan::{Outcome, Report, Severity};

/// Cluster text for a terminal: control and bidirectional characters become `·`, newlines stay where `lines` says so.
pub fn plain(text: &str, lines: bool) -> String {
    text.chars()
        .map(|c| match c {
            '\n' if lines => c,
            '\t' => ' ',
            c if c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}') => '·',
            c => c,
        })
        .collect()
}

/// `khud do -o json`: the report, or a plan that has a form of its own, indented, one trailing newline.
pub fn json(report: &Report) -> String {
    let plan = report.shown.as_ref().filter(|_| report.outcome.is_none());
    let text = match plan {
        Some(shown) => serde_json::to_string_pretty(&shown.json),
        None => serde_json::to_string_pretty(report),
    };
    let mut out = text.unwrap_or_else(|_| "null".to_owned());
    out.push('\n');
    out
}

/// The plan as text: what changes, whom it hurts, what guards say, the kubectl equivalent.
pub fn plan(report: &Report) -> String {
    let target = match action(&report.action).is_some_and(Action::is_cluster_wide) {
        true => String::new(),
        false => format!(" {}", plain(&report.target.to_string(), false)),
    };
    let mut out = format!("{}{target}\n", report.action);
    for change in &report.plan.changes {
        if !change.diff.is_empty() {
            out.push_str(&format!("\n  {}\n", plain(&change.object.to_string(), false)));
            for line in plain(&change.diff, true).lines() {
                out.push_str(&format!("    {line}\n"));
            }
        }
    }
    if let Some(shown) = &report.shown {
        out.push_str(&plain(&shown.text, true));
    }
    if !report.plan.impact.is_empty() {
        out.push_str("\nImpact\n");
        for i in &report.plan.impact {
            let mark = match i.severity {
                Severity::Info => "·",
                Severity::Warning => "⚠",
                Severity::Critical => "✖",
            };
            out.push_str(&format!("  {mark} {}: {}\n", plain(&i.what, false), plain(&i.detail, false)));
        }
    }
    if !report.guard.is_empty() {
        out.push_str("\nGuards\n");
        for g in &report.guard {
            let mark = if g.ok { "✔" } else { "✖" };
            out.push_str(&format!("  {mark} {}: {}\n", plain(&g.check, false), plain(&g.reason, false)));
        }
    }
    if report.plan.choices.len() > 1 {
        out.push_str("\nChoices\n");
        for c in &report.plan.choices {
            let mark = if c.chosen { "▸" } else { " " };
            out.push_str(&format!("  {mark} --{} {}: {}\n", c.option, c.value, plain(&c.label, false)));
        }
    }
    if !report.plan.kubectl.is_empty() {
        out.push_str(&format!("\nThe same with kubectl\n  {}\n", plain(&report.plan.kubectl, false)));
    }
    out
}

/// How it ended: requests, files, outcome.
pub fn outcome(report: &Report) -> String {
    let mut out = String::new();
    for r in &report.requests {
        let dry = if r.dry_run { " (dry run)" } else { "" };
        let status = if r.status == 0 { "no answer".to_owned() } else { r.status.to_string() };
        let times = if r.times > 1 { format!(", {} times", r.times) } else { String::new() };
        let place =
            if r.context.is_empty() { String::new() } else { format!("{}: ", plain(&r.context, false)) };
        out.push_str(&format!("  {place}{} {} → {status}{dry}{times}\n", r.verb, plain(&r.path, false)));
    }
    for f in &report.files {
        let sum = if f.sha256.is_empty() { "incomplete".to_owned() } else { format!("sha256 {}", f.sha256) };
        out.push_str(&format!("  {}  {} bytes  {sum}\n", f.path, f.bytes));
    }
    let mark = match report.outcome {
        Some(Outcome::Verified) => "✔ verified",
        Some(Outcome::Applied) => "⚠ applied, not verified",
        Some(Outcome::Refused) => "✖ refused",
        Some(Outcome::Failed) => "✖ failed",
        None => "·",
    };
    out.push_str(&format!("{mark}: {} ({:.1} s)\n", plain(&report.reason, false), seconds(report.took_ms)));
    out
}

#[allow(clippy::cast_precision_loss)] // shown with one decimal
fn seconds(ms: u64) -> f64 {
    ms as f64 / 1000.0
}

/// `khud do --list`.
pub fn list() -> String {
    let mut out = String::new();
    for a in catalogue().iter().chain(cluster_wide()) {
        let danger = if a.dangerous { "  (asks for the name)" } else { "" };
        out.push_str(&format!("{:<16} {:<36} {}{danger}\n", a.name, a.kinds_in_words(), a.about));
        for o in a.options {
            let name = o.usage();
            out.push_str(&format!("{:<16}   {name:<34} {}\n", "", o.about));
        }
    }
    out
}

/// `khud journal`: newest last, one line an action that ended; those that never ended say so and where they stopped.
pub fn journal(entries: &[Entry], unreadable: usize) -> String {
    let mut out = String::new();
    let open = journal::open(entries);
    for e in entries {
        let unended = open.iter().find(|o| std::ptr::eq(o.begun, e));
        let (outcome, reason) = match (e.event.as_str(), unended) {
            ("ended", _) => (e.outcome.as_str(), e.reason.clone()),
            (_, Some(o)) => (if o.alive { "under way" } else { "begun, never ended" }, o.stopped()),
            _ => continue,
        };
        let line = format!("{}  {outcome:<10} {:<16} {}  [{}]", e.at, e.action, e.object(), e.context);
        out.push_str(&plain(&line, false));
        if !reason.is_empty() {
            out.push_str(&plain(&format!("  {reason}"), false));
        }
        out.push('\n');
    }
    if out.is_empty() {
        out.push_str("khud has done nothing yet on this machine\n");
    }
    if unreadable > 0 {
        out.push_str(&format!("{unreadable} lines of the journal could not be read\n"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::remedy::run::{Options, Params};
    use crate::world::{Kind, ObjectRef, Time};

    #[test]
    fn cluster_text_cannot_move_the_cursor() {
        assert_eq!(plain("a\x1b[2Jb\u{202e}c\nd\te", false), "a·[2Jb·c·d e");
        assert_eq!(plain("a\nb", true), "a\nb");
    }

    #[test]
    fn the_journal_shows_what_ended_and_what_never_did() {
        let report = |name: &str| {
            let mut r = Report::new("cordon", ObjectRef::new(Kind::Node, "", name));
            r.outcome = Some(Outcome::Verified);
            r
        };
        let p = Params::new();
        let run = |id: &str| Options { context: "prod".to_owned(), id: id.to_owned(), ..Options::default() };
        let entries = [
            Entry::begun(&report("n1"), &p, &run("1"), Time(0)),
            // Another run of the same on the same does not end the first.
            Entry::begun(&report("n2"), &p, &run("2"), Time(2000)),
            Entry::step(&report("n2"), &p, &run("2"), Time(2000), "3 of 10 pods gone".to_owned()),
            Entry::ended(&report("n1"), &p, &run("1"), Time(1000)),
            Entry::ended(&report("n2"), &p, &run("3"), Time(3000)),
        ]
        .map(|e| Entry { by: "elsewhere:1".to_owned(), ..e });
        let text = journal(&entries, 1);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "1970-01-01T00:00:02Z  begun, never ended cordon           node n2  [prod]  \
                 last written down at 1970-01-01T00:00:02Z: 3 of 10 pods gone",
                "1970-01-01T00:00:01Z  verified   cordon           node n1  [prod]",
                "1970-01-01T00:00:03Z  verified   cordon           node n2  [prod]",
                "1 lines of the journal could not be read",
            ]
        );
    }
}
