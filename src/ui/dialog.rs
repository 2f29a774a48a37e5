//! Boxes over the view: the menu of actions, and a remedy's plan, question, progress and end.

use ratatui::layout::{Position, Rect};

use super::paint::Painter;
use crate::app::model::{Dialog, Model};
use crate::app::runs::{ActiveRun, Menu};
use crate::remedy::plan::{Outcome, Severity, Stage};
use crate::term::clean::wrap;

/// Draws the dialog, if one is open, and returns where the cursor stands in it.
pub fn draw(p: &mut Painter<'_>, model: &Model, body: Rect) -> Option<Position> {
    match model.dialog.as_ref()? {
        Dialog::Menu(m) => {
            menu(p, model, m, body);
            None
        }
        Dialog::Plan(id) => plan(p, model.runs.iter().find(|r| r.id == *id)?, body),
    }
}

/// A framed box in the middle of the body; returns its inside.
pub fn frame(p: &mut Painter<'_>, body: Rect, width: u16, height: u16, title: &str, danger: bool) -> Rect {
    let (w, h) = (width.min(body.width), height.min(body.height));
    let area = Rect::new(body.x + (body.width - w) / 2, body.y + (body.height - h) / 2, w, h);
    p.clear(area, "dialog");
    let set = p.theme.borders();
    let scope = if danger { "dialog.danger" } else { "dialog.frame" };
    let (right, bottom) = (area.right() - 1, area.bottom() - 1);
    p.line(area.x, area.y, w, set.horizontal_top, scope);
    p.line(area.x, bottom, w, set.horizontal_bottom, scope);
    p.vertical(area.x, area.y, h, set.vertical_left, scope);
    p.vertical(right, area.y, h, set.vertical_right, scope);
    for (x, y, sign) in [
        (area.x, area.y, set.top_left),
        (right, area.y, set.top_right),
        (area.x, bottom, set.bottom_left),
        (right, bottom, set.bottom_right),
    ] {
        p.line(x, y, 1, sign, scope);
    }
    let scope = if danger { "dialog.danger" } else { "dialog.title" };
    p.put(area.x + 2, area.y, w.saturating_sub(4), &format!(" {title} "), scope);
    Rect::new(area.x + 2, area.y + 1, w.saturating_sub(4), h.saturating_sub(2))
}

fn menu(p: &mut Painter<'_>, model: &Model, menu: &Menu, body: Rect) {
    let n = menu.offers.len() as u16;
    let inside = frame(p, body, 78, n + 4, &format!("Actions on {}", menu.object), false);
    let rows = usize::from(inside.height.saturating_sub(2));
    let first = menu.index.saturating_sub(rows.saturating_sub(1));
    for (row, (i, offer)) in menu.offers.iter().enumerate().skip(first).take(rows).enumerate() {
        let y = inside.y + row as u16;
        let chosen = i == menu.index;
        let scope = match (offer.refused, chosen) {
            (Some(_), _) => "dialog.disabled",
            (None, true) => "dialog.selected",
            (None, false) if offer.action.dangerous => "dialog.danger",
            (None, false) => "dialog",
        };
        if chosen {
            p.tint(Rect { y, height: 1, ..inside }, "dialog.selected");
        }
        let key = offer
            .command
            .and_then(|id| model.keymap.shown(crate::config::Scope::Actions, id))
            .unwrap_or_default();
        p.put(inside.x, y, 1, if offer.fits { p.glyph("verdict") } else { " " }, scope);
        p.put(inside.x + 2, y, 2, &key, if chosen { scope } else { "key" });
        p.put(inside.x + 5, y, 18, offer.action.title, scope);
        let about = match offer.refused {
            Some(why) => why.to_owned(),
            None if offer.target == menu.object => offer.action.about.to_owned(),
            None => format!("{}: {}", offer.target, offer.action.about),
        };
        p.put(inside.x + 24, y, inside.width.saturating_sub(24), &about, scope);
    }
    let foot = format!(
        "{} fits the cause found   enter plans it, nothing is changed yet   esc closes",
        p.glyph("verdict")
    );
    p.put(inside.x, inside.bottom() - 1, inside.width, &foot, "text.dim");
}

/// The lines of a run's dialog, each with its style.
fn lines(active: &ActiveRun, width: usize) -> Vec<(String, &'static str)> {
    let report = active.run.report();
    let mut out: Vec<(String, &'static str)> = Vec::new();
    let mut put = |text: &str, scope: &'static str| {
        for line in wrap(text, width) {
            out.push((line, scope));
        }
    };
    for change in &report.plan.changes {
        put(&change.object.to_string(), "diff.header");
        for line in change.diff.lines() {
            let scope = match line.as_bytes().first() {
                Some(b'+') => "diff.add",
                Some(b'-') => "diff.remove",
                Some(b'@') => "diff.header",
                _ => "diff.context",
            };
            put(line, scope);
        }
        put(" ", "dialog");
    }
    for impact in &report.plan.impact {
        let (sign, scope) = match impact.severity {
            Severity::Critical => ("!!", "error"),
            Severity::Warning => ("! ", "finding.warning"),
            Severity::Info => ("· ", "dialog"),
        };
        let detail = if impact.detail.is_empty() { String::new() } else { format!(": {}", impact.detail) };
        put(&format!("{sign} {}{detail}", impact.what), scope);
    }
    for guard in &report.guard {
        let reason = if guard.reason.is_empty() { String::new() } else { format!(": {}", guard.reason) };
        if guard.ok {
            put(&format!("ok {}{reason}", guard.check), "text.dim");
        } else {
            put(&format!("no {}{reason}", guard.check), "error");
        }
    }
    if !report.plan.kubectl.is_empty() {
        put(" ", "dialog");
        put(&format!("$ {}", report.plan.kubectl), "text.dim");
    }
    let progress = active.run.progress();
    for (name, state) in &progress.items {
        put(&format!("   {name}  {state}"), "dialog");
    }
    for file in &report.files {
        put(&format!("{}  {} bytes  sha256 {}", file.path, file.bytes, file.sha256), "success");
    }
    out
}

fn plan(p: &mut Painter<'_>, active: &ActiveRun, body: Rect) -> Option<Position> {
    let width = body.width.saturating_sub(4).clamp(36, 110);
    let lines = lines(active, usize::from(width) - 4);
    let report = active.run.report();
    let asks_name = active.question.as_ref().and_then(|(_, q)| q.typed.clone());
    let foot = 4 + u16::from(asks_name.is_some());
    let height = (lines.len() as u16).saturating_add(foot + 2).min(body.height.saturating_sub(2)).max(9);
    let inside = frame(p, body, width, height, &active.title, active.dangerous);
    let rows = usize::from(inside.height.saturating_sub(foot));
    let from = active.scroll.min(lines.len().saturating_sub(rows));
    for (i, (text, scope)) in lines.iter().skip(from).take(rows).enumerate() {
        p.put(inside.x, inside.y + i as u16, inside.width, text, scope);
    }
    if lines.len() > rows {
        let more = format!("{}-{} of {}", from + 1, (from + rows).min(lines.len()), lines.len());
        p.put_right(inside.x, inside.bottom() - foot, inside.width, &more, "text.dim");
    }
    let mut y = inside.bottom() - foot + 1;
    if let Some((_, question)) = &active.question {
        p.put(inside.x, y, inside.width, &question.question, "dialog.title");
        y += 1;
        let mut cursor = None;
        if let Some(name) = asks_name {
            let used =
                p.put(inside.x, y, inside.width, &format!("Type {name} to go ahead: "), "dialog.danger");
            let typed =
                p.put_end(inside.x + used, y, inside.width.saturating_sub(used + 1), &active.typed, "prompt");
            cursor = Some(Position::new((inside.x + used + typed).min(inside.right() - 1), y));
            y += 1;
        }
        y += 1;
        let go = if active.dangerous { "dialog.danger" } else { "dialog.button" };
        let (cancel, apply) = if active.go {
            ("dialog.button", "dialog.button.focus")
        } else {
            ("dialog.button.focus", if active.released() { go } else { "dialog.disabled" })
        };
        let used = p.put(inside.x, y, 12, "[ Cancel ]", cancel);
        p.put(inside.x + used + 2, y, 12, "[ Go ahead ]", apply);
        p.put(
            inside.x + used + 17,
            y,
            inside.width.saturating_sub(used + 17),
            "tab chooses   enter presses   ctrl-y copies the command",
            "text.dim",
        );
        return cursor;
    }
    let progress = active.run.progress();
    let (word, scope) = match (active.run.stage(), report.outcome) {
        (_, Some(Outcome::Verified)) => ("Done and verified.", "success"),
        (_, Some(Outcome::Applied)) => ("Applied, not verified.", "finding.warning"),
        (_, Some(Outcome::Refused)) => ("Not done.", "finding.warning"),
        (_, Some(Outcome::Failed)) => ("Failed.", "error"),
        (Stage::Planning, None) => ("Planning…", "notice"),
        (Stage::Guarding, None) => ("Checking what is allowed…", "notice"),
        (Stage::DryRun, None) => ("Trying it on the server without effect…", "notice"),
        (Stage::Confirming, None) => ("Waiting for your answer.", "notice"),
        (Stage::Applying, None) => ("Applying…", "notice"),
        (Stage::Watching, None) => ("Watching the result…", "notice"),
        (Stage::Done, None) => ("Planned.", "notice"),
    };
    let text = if report.outcome.is_some() { report.reason.clone() } else { progress.line.clone() };
    for (i, line) in wrap(&format!("{word} {text}"), inside.width.into()).iter().take(2).enumerate() {
        p.put(inside.x, y + i as u16, inside.width, line, scope);
    }
    if report.outcome.is_none() && progress.total > 0 {
        let columns = usize::from(inside.width.saturating_sub(8));
        let full = (columns as u64 * progress.done / progress.total).min(columns as u64) as usize;
        let bar = p.glyph("bar.full").repeat(full) + &p.glyph("bar.empty").repeat(columns - full);
        let used = p.put(inside.x, y + 1, inside.width, &bar, "gauge.low");
        p.put(inside.x + used + 1, y + 1, 6, &format!("{}%", progress.done * 100 / progress.total), "dialog");
    }
    let keys = if active.told { "esc closes" } else { "esc leaves it running   ctrl-c stops it" };
    p.put(inside.x, inside.bottom() - 1, inside.width, keys, "text.dim");
    None
}
