//! Reports of incidents as Markdown: the post-incident report, and the change request.

use std::fmt::Write as _;
use std::time::Duration;

use super::postmortem::{Cause, Report};
use super::report::{code, inline};
use crate::judge::Sure;
use crate::world::Time;
use crate::world::time::human;

/// A field that the reader of the report fills in.
const FILL_IN: &str = "_fill in_";

/// The post-incident report.
pub fn markdown(r: &Report) -> String {
    let mut out = String::new();
    let root = r.root.as_ref().map_or_else(|| "the cluster".to_owned(), ToString::to_string);
    let _ = writeln!(out, "# Post-incident report: {}\n", inline(&root));
    let _ = writeln!(
        out,
        "Incident `{}` on {} · {} · {} · written {}\n",
        r.id,
        inline(&r.cluster),
        r.severity,
        r.state,
        r.at
    );
    let _ = writeln!(out, "{}\n", inline(&r.title));
    if let Some(back) = &r.recurrence {
        let _ = writeln!(out, "Back: {}.\n", inline(&back.sentence()));
    }
    phases(&mut out, r);
    impact(&mut out, r);
    root_cause(&mut out, r);
    out.push_str("\n## What was done\n\n");
    if r.done.is_empty() {
        out.push_str("No action of khud is recorded.\n");
    }
    for d in &r.done {
        let who = if d.who.is_empty() { String::new() } else { format!(", by {}", inline(&d.who)) };
        let outcome = if d.outcome.is_empty() { "end not recorded" } else { &d.outcome };
        let reason = if d.reason.is_empty() { String::new() } else { format!(": {}", inline(&d.reason)) };
        let _ = writeln!(out, "- {} - {}{who} - {outcome}{reason}", clock(d.at), inline(&d.what));
        if !d.kubectl.is_empty() {
            let _ = writeln!(out, "  {}", code(&d.kubectl));
        }
    }
    out.push_str("\n## What is left\n\n");
    if r.left.is_empty() {
        out.push_str("Nothing that khud sees.\n");
    }
    for left in &r.left {
        let _ = writeln!(out, "- [ ] {}", inline(left));
    }
    out.push_str("\n## Timeline\n\n");
    if r.timeline.is_empty() {
        out.push_str("No cockpit was open: the timeline has nothing of it.\n");
    }
    for m in &r.timeline {
        let object = if m.object.is_empty() { String::new() } else { format!(" {}", inline(&m.object)) };
        let who = if m.who.is_empty() { String::new() } else { format!(" ({})", inline(&m.who)) };
        let _ = writeln!(out, "- {} - {}{object}: {}{who}", clock(m.at), m.what, inline(&m.text));
    }
    lessons(&mut out);
    checklist(&mut out, r);
    out
}

fn clock(t: Time) -> String {
    t.to_jiff().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn lasting(ms: Option<i64>) -> String {
    let of = |ms: i64| human(Duration::from_millis(u64::try_from(ms).unwrap_or(0)));
    ms.map_or_else(|| "not yet".to_owned(), of)
}

fn phases(out: &mut String, r: &Report) {
    out.push_str("| phase | time (UTC) | after the start |\n|---|---|---|\n");
    let d = r.durations_ms;
    let p = r.phases;
    let acknowledged = p.acknowledged.map(|t| (t.0 - p.began.0).max(0));
    let rows = [
        ("started", Some(p.began), Some(0)),
        ("found", p.found, d.to_found),
        ("acknowledged", p.acknowledged, acknowledged),
        ("acted on", p.acted, d.to_acted),
        ("mitigated", p.mitigated, d.to_mitigated),
        ("resolved", p.resolved, d.to_resolved),
    ];
    for (what, at, after) in rows {
        let at = at.map_or_else(|| "—".to_owned(), clock);
        let after = after.map_or_else(|| "—".to_owned(), |ms| lasting(Some(ms)));
        let _ = writeln!(out, "| {what} | {at} | {after} |");
    }
    let until = p.resolved.unwrap_or(r.at);
    let until = if until.0 <= p.began.0 { p.began.plus(Duration::from_secs(1)) } else { until };
    let stamp = |t: Time| t.to_jiff().strftime("%Y-%m-%dT%H:%M:%S").to_string();
    out.push_str("\n```mermaid\ngantt\n    title Incident ");
    let _ = writeln!(out, "{}\n    dateFormat YYYY-MM-DDTHH:mm:ss\n    axisFormat %H:%M", r.id);
    let _ = writeln!(
        out,
        "\n    section Impact\n    Started to {} :crit, i1, {}, {}",
        if p.resolved.is_some() { "resolved" } else { "now" },
        stamp(p.began),
        stamp(until)
    );
    out.push_str("\n    section Detection\n");
    for (n, (what, at)) in [("Found", p.found), ("Acknowledged", p.acknowledged)].into_iter().enumerate() {
        if let Some(at) = at {
            let _ = writeln!(out, "    {what} :milestone, d{}, {}, 0m", n + 1, stamp(at));
        }
    }
    if !r.done.is_empty() {
        out.push_str("\n    section Response\n");
        for (n, done) in r.done.iter().enumerate() {
            // Colons and commas end a task's name in Mermaid.
            let what: String =
                done.what.chars().filter(|c| !matches!(c, ':' | ',' | ';' | '#' | '`')).collect();
            let _ = writeln!(
                out,
                "    {} :milestone, r{}, {}, 0m",
                what.replace('\n', " "),
                n + 1,
                stamp(done.at)
            );
        }
    }
    if p.mitigated.is_some() || p.resolved.is_some() {
        out.push_str("\n    section Recovery\n");
        for (n, (what, at)) in [("Mitigated", p.mitigated), ("Resolved", p.resolved)].into_iter().enumerate()
        {
            if let Some(at) = at {
                let _ = writeln!(out, "    {what} :milestone, m{}, {}, 0m", n + 1, stamp(at));
            }
        }
    }
    out.push_str("```\n");
}

fn impact(out: &mut String, r: &Report) {
    out.push_str("\n## Impact\n\n");
    let open = if r.phases.resolved.is_some() { "" } else { ", and it goes on" };
    let lasted = r.phases.resolved.unwrap_or(r.at).0 - r.phases.began.0;
    let _ = writeln!(
        out,
        "- {} from start to {}{open}",
        lasting(Some(lasted.max(0))),
        if open.is_empty() { "end" } else { "now" }
    );
    match &r.radius {
        Some(radius) => {
            let counts = [
                (radius.pods as u64, "pods"),
                (radius.workloads as u64, "workloads"),
                (radius.nodes as u64, "nodes"),
                (radius.gpus, "GPUs"),
                (radius.namespaces as u64, "namespaces"),
            ];
            let counts: Vec<String> = counts.iter().map(|(n, what)| format!("{n} {what}")).collect();
            let _ = writeln!(out, "- Reach: {}", counts.join(", "));
        }
        None => out.push_str("- Reach: not recorded; it is known only while the incident goes on\n"),
    }
    let _ = writeln!(out, "- Requests that failed: {FILL_IN} (khud does not measure them)");
    let _ = writeln!(out, "- Data lost: {FILL_IN}");
    let _ = writeln!(out, "- Cost: {FILL_IN}");
}

fn root_cause(out: &mut String, r: &Report) {
    out.push_str("\n## Root cause\n");
    if r.causes.is_empty() {
        out.push_str("\nNot known.\n");
    }
    for (n, c) in r.causes.iter().enumerate() {
        if n == 1 {
            out.push_str("\nWhat followed from it:\n");
        }
        cause(out, c);
    }
    if !r.changed.is_empty() {
        out.push_str("\nChanged before it:\n\n");
        for c in &r.changed {
            let by = if c.by.is_empty() { String::new() } else { format!(", by {}", inline(&c.by)) };
            let _ = writeln!(
                out,
                "- {} - {}: {}{by}",
                clock(c.at),
                inline(&c.object.to_string()),
                inline(&c.what)
            );
        }
    } else if r.radius.is_some() {
        out.push_str("\nNo change, event or alert before it explains it.\n");
    }
}

fn cause(out: &mut String, c: &Cause) {
    let sure = match c.sure {
        Some(Sure::Likely) => " (likely, not proved)",
        _ => "",
    };
    let _ =
        writeln!(out, "\n{}: {} (`{}`){sure}\n", inline(&c.object.to_string()), inline(&c.title), c.cause);
    for e in &c.evidence {
        let at = e.at.map_or(String::new(), |t| format!(", {}", clock(t)));
        let _ = writeln!(
            out,
            "- {}, {}{at}: {}",
            inline(&e.source),
            inline(&e.object.to_string()),
            code(&e.quote)
        );
    }
}

fn lessons(out: &mut String) {
    let _ = write!(
        out,
        "\n## Lessons learned\n\n**What went well:**\n- {FILL_IN}\n\n**What we could improve:**\n- {FILL_IN}\n\n\
         **Next:**\n- {FILL_IN}\n"
    );
}

/// Boxes; those that the report itself proves are ticked.
fn checklist(out: &mut String, r: &Report) {
    let tick = |done: bool| if done { 'x' } else { ' ' };
    let boxes = [
        (r.causes.iter().any(|c| c.sure == Some(Sure::Proved)), "Root cause proved"),
        (r.phases.resolved.is_some(), "Resolved, and nothing of it is left"),
        (r.done.iter().any(|d| d.outcome == "verified"), "What was done is verified"),
        (false, "Impact in requests, data and cost filled in"),
        (false, "The fix is in the source (Git, chart or pipeline), not only in the cluster"),
        (false, "A check in CI or an alert would have found it before users did"),
        (false, "Health checks, limits and budgets of what failed reviewed"),
        (false, "Runbook updated"),
    ];
    out.push_str("\n## Checklist\n\n");
    for (done, what) in boxes {
        let _ = writeln!(out, "- [{}] {what}", tick(done));
    }
}

/// The change request that puts the cause right for good, to be filled in.
pub fn change_request(r: &Report) -> String {
    let day = r.at.to_jiff().strftime("%Y-%m%d").to_string();
    let root = r.root.as_ref().map_or_else(|| "the cluster".to_owned(), ToString::to_string);
    let mut out =
        format!("CHANGE REQUEST: CR-{day}-{}\nTitle: Fix {}\n\nDescription:\n", r.id, inline(&root));
    let _ = writeln!(out, "- {}", inline(&r.title));
    let _ = writeln!(
        out,
        "- Incident {} on {}, {}, since {}",
        r.id,
        inline(&r.cluster),
        r.state,
        clock(r.phases.began)
    );
    if let Some(radius) = &r.radius {
        let _ = writeln!(
            out,
            "- Affects {} pods of {} workloads on {} nodes",
            radius.pods, radius.workloads, radius.nodes
        );
    }
    out.push_str("\nRoot Cause:\n");
    for c in &r.causes {
        let _ = writeln!(out, "- {} (`{}`)", inline(&c.title), c.cause);
        for e in c.evidence.iter().take(3) {
            let _ = writeln!(out, "  {}: {}", inline(&e.source), code(&e.quote));
        }
    }
    for c in &r.changed {
        let _ = writeln!(
            out,
            "- Changed before it: {} {}: {}",
            clock(c.at),
            inline(&c.object.to_string()),
            inline(&c.what)
        );
    }
    out.push_str("\nSolution:\n");
    for d in &r.done {
        let _ = writeln!(
            out,
            "- Done at once: {} ({})",
            inline(&d.what),
            if d.outcome.is_empty() { "end not recorded" } else { &d.outcome }
        );
    }
    let _ = writeln!(out, "- {FILL_IN}");
    let _ = writeln!(out, "\nChanges:\n- {FILL_IN}");
    let _ = writeln!(out, "\nRollback Plan:");
    let commands: Vec<&str> = r.done.iter().map(|d| d.kubectl.as_str()).filter(|k| !k.is_empty()).collect();
    for command in &commands {
        let _ = writeln!(out, "- To undo {}: {FILL_IN}", code(command));
    }
    if commands.is_empty() {
        let _ = writeln!(out, "- {FILL_IN}");
    }
    let _ = writeln!(out, "\nTesting:\n- {FILL_IN}\n- `khud scan` finds nothing about {}", inline(&root));
    let _ = writeln!(out, "\nRisk: {FILL_IN}");
    out
}
