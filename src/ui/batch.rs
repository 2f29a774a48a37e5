//! The dialog of one action on many objects: how each stands, what they change together, the question, the end.

use ratatui::layout::{Position, Rect};

use super::dialog::{Ask, Lines, bar, doing};
use super::paint::Painter;
use crate::app::core::runs::batch::{Batch, Fate, Item, Phase};
use crate::remedy::plan::{Outcome, Report, Severity, Stage};
use crate::term::clean::width;
use crate::world::ObjectRef;

pub fn draw(p: &mut Painter<'_>, batch: &Batch, body: Rect) -> Option<Position> {
    let lines = lines(batch, Lines::within(body));
    let phase = batch.phase();
    let title = (batch.title.as_str(), batch.action.dangerous);
    if let Some(question) = batch.question() {
        let wanted = batch.wanted();
        let ask = Ask {
            title,
            lines,
            question: &question,
            wanted: wanted.as_deref(),
            form: &batch.form,
            buttons: if phase == Phase::Halted {
                ("Stop here", "Go on")
            } else {
                ("Cancel", batch.action.title)
            },
            copies: "commands",
        };
        return ask.draw(p, body);
    }
    let foot = lines.draw(p, body, title, batch.form.scroll, 3);
    let total = batch.items.len() as u64;
    let open = |fate| batch.count(fate) as u64;
    let (text, scope, keys) = match phase {
        Phase::Planning => ("Making a plan for each…".to_owned(), "notice", "esc cancels"),
        Phase::Over => {
            let scope = if open(Fate::Done) == total { "success" } else { "finding.warning" };
            (format!("Over. {}.", batch.summary()), scope, "esc closes")
        }
        _ => {
            let keys = "esc leaves it running   ctrl-c stops all of it after the steps under way";
            (format!("Going. {}.", batch.summary()), "notice", keys)
        }
    };
    p.put(foot.x, foot.y, foot.width, &text, scope);
    match phase {
        Phase::Planning => {
            let planned = batch.items.iter().filter(|i| i.active.ended || i.active.question.is_some());
            bar(p, foot, planned.count() as u64, total);
        }
        Phase::Going => bar(p, foot, total - open(Fate::Waiting) - open(Fate::UnderWay), total),
        _ => {}
    }
    p.put(foot.x, foot.bottom() - 1, foot.width, keys, "text.dim");
    None
}

/// What must be seen first comes first: before the yes the gravest consequences, after it how each object stands.
fn lines(batch: &Batch, mut lines: Lines) -> Lines {
    let reports: Vec<(&Item, Report)> = batch.items.iter().map(|i| (i, i.active.run.report())).collect();
    let all = batch.items.len();
    let meant = |i: &Item| !matches!(i.fate(), Fate::Refused | Fate::Gone | Fate::NotBegun);
    let impacts = merged(&reports, meant, |r| &r.plan.impact);
    let (grave, light): (Vec<_>, Vec<_>) =
        impacts.into_iter().partition(|(i, _)| i.severity == Severity::Critical);
    let asking = matches!(batch.phase(), Phase::Planning | Phase::Asking);
    let put_grave = |lines: &mut Lines| {
        for impact in &batch.combined {
            lines.impact(impact, "");
        }
        for (impact, of) in &grave {
            lines.impact(impact, &whose(of, all));
        }
        if !batch.combined.is_empty() || !grave.is_empty() {
            lines.put(" ", "dialog");
        }
    };
    if asking {
        put_grave(&mut lines);
    }
    objects(batch, &reports, &mut lines);
    lines.put(" ", "dialog");
    if !asking {
        put_grave(&mut lines);
    }
    for (impact, of) in &light {
        lines.impact(impact, &whose(of, all));
    }
    for (guard, of) in merged(&reports, |_| true, |r| &r.guard) {
        let of = if guard.ok { String::new() } else { whose(&of, all) };
        lines.guard(guard, &of);
    }
    let kubectl = batch.kubectl();
    if !kubectl.is_empty() {
        lines.put(" ", "dialog");
    }
    for command in kubectl.lines() {
        lines.put(&format!("$ {command}"), "text.dim");
    }
    for (change, _) in merged(&reports, meant, |r| &r.plan.changes) {
        lines.put(" ", "dialog");
        lines.put(&change.object.to_string(), "diff.header");
        lines.diff(&change.diff);
    }
    for file in reports.iter().flat_map(|(_, r)| &r.files) {
        lines.put(&format!("{}  {} bytes  sha256 {}", file.path, file.bytes, file.sha256), "success");
    }
    lines
}

/// A line for each object and how it stands: bad news first, what is done last.
fn objects(batch: &Batch, reports: &[(&Item, Report)], lines: &mut Lines) {
    let here = reports.iter().map(|(item, report)| {
        let (state, scope) = state(item, report, batch.phase());
        (item.fate(), name(batch, &item.object), state, scope)
    });
    let gone = batch.gone.iter().map(|(o, why)| (Fate::Gone, name(batch, o), (*why).to_owned(), "text.dim"));
    let mut rows: Vec<_> = here.chain(gone).collect();
    rows.sort_by_key(|(fate, ..)| *fate);
    let column = rows.iter().map(|(_, name, ..)| width(name)).max().unwrap_or(0);
    for (_, name, state, scope) in rows {
        lines.beside(&name, column, &state, scope);
    }
}

/// What the plans say, each once, with those who say it.
fn merged<'r, T: PartialEq>(
    reports: &'r [(&Item, Report)],
    meant: impl Fn(&Item) -> bool,
    what: impl Fn(&'r Report) -> &'r Vec<T>,
) -> Vec<(&'r T, Vec<&'r ObjectRef>)> {
    let mut out: Vec<(&T, Vec<&ObjectRef>)> = Vec::new();
    for (_, report) in reports.iter().filter(|(i, _)| meant(i)) {
        for said in what(report) {
            match out.iter_mut().find(|(s, _)| *s == said) {
                Some((_, of)) => of.push(&report.target),
                None => out.push((said, vec![&report.target])),
            }
        }
    }
    out
}

/// Of whom something is true: what is counted in it is counted for each.
fn whose(of: &[&ObjectRef], all: usize) -> String {
    const NAMED: usize = 3;
    match all {
        1 => return String::new(),
        _ if of.len() == all => return format!(" (each of {all})"),
        _ => {}
    }
    let names: Vec<&str> = of.iter().take(NAMED).map(|o| &*o.name).collect();
    let more = match of.len().saturating_sub(NAMED) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    format!(" ({}{more})", names.join(", "))
}

/// The object as its line names it: its kind only where there are several.
fn name(batch: &Batch, object: &ObjectRef) -> String {
    let objects = batch.items.iter().map(|i| &i.object).chain(batch.gone.iter().map(|(o, _)| o));
    match objects.map(|o| &o.kind).all(|k| *k == object.kind) {
        true if object.namespace.is_empty() => object.name.to_string(),
        true => format!("{}/{}", object.namespace, object.name),
        false => object.to_string(),
    }
}

fn state(item: &Item, report: &Report, phase: Phase) -> (String, &'static str) {
    // Its name stands before it already.
    let reason = report.reason.strip_prefix(&format!("{} ", item.object)).unwrap_or(&report.reason);
    let ended = |word: &str| format!("{word}: {reason}");
    match item.fate() {
        Fate::Waiting if item.active.question.is_some() => match phase {
            Phase::Planning | Phase::Asking => ("ready".to_owned(), "dialog"),
            _ => ("waiting for its turn".to_owned(), "text.dim"),
        },
        Fate::Waiting | Fate::UnderWay => {
            let progress = item.active.run.progress().line;
            let stage = item.active.run.stage();
            let text = if progress.is_empty() { doing(stage).to_owned() } else { progress };
            (text, if stage == Stage::Planning { "text.dim" } else { "notice" })
        }
        Fate::Done => (ended("done"), "success"),
        Fate::Unverified => (ended("applied, not verified"), "finding.warning"),
        Fate::Failed => (ended("failed"), "error"),
        Fate::Refused if report.outcome == Some(Outcome::Refused) => (ended("refused"), "error"),
        Fate::Refused => (ended("no plan"), "error"),
        Fate::NotBegun => ("not begun".to_owned(), "finding.warning"),
        Fate::Gone => ("gone meanwhile; nothing was sent".to_owned(), "text.dim"),
    }
}
