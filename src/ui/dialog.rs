//! Boxes over the view: the menu of actions, and a remedy's plan, question, progress and end.

use ratatui::layout::{Position, Rect};

use super::batch;
use super::paint::Painter;
use crate::app::core::dialog::{Choice, Dialog, Leave, Menu, START_OVER, text_width};
use crate::app::core::model::Model;
use crate::app::core::runs::active::{ActiveRun, Form};
use crate::app::dialogs::leave;
use crate::remedy::plan::{Guard, Impact, Outcome, Severity, Stage};
use crate::term::clean::wrap;

/// Draws the dialog, if one is open, and returns where the cursor stands in it.
pub fn draw(p: &mut Painter<'_>, model: &Model, body: Rect) -> Option<Position> {
    if !model.dialog_shown {
        let text = "A dialog is open and does not fit: enlarge the terminal. No key reaches it before.";
        for (i, line) in wrap(text, body.width.into()).iter().take(body.height.into()).enumerate() {
            let y = body.y + i as u16;
            p.clear(Rect { y, height: 1, ..body }, "dialog");
            p.put(body.x, y, body.width, line, "error");
        }
        return None;
    }
    match model.dialog.as_ref()? {
        Dialog::Leave(l) => {
            draw_leave(p, model, *l, body);
            None
        }
        Dialog::Menu(m) => {
            menu(p, model, m, body);
            None
        }
        Dialog::Plan(id) => plan(p, model.runs.iter().find(|r| r.id == *id)?, body),
        Dialog::OtherCluster(form) => other_cluster(p, model, form, body),
        Dialog::Batch(id) => batch::draw(p, model.batches.iter().find(|b| b.id == *id)?, body),
    }
}

fn draw_leave(p: &mut Painter<'_>, model: &Model, leave: Leave, body: Rect) {
    let lines = leave::lines(model);
    let height = lines.len() as u16 + Choice::ALL.len() as u16 + 4;
    let inside = frame(p, body, 84, height, "Leave khud?", false);
    let mut y = inside.y;
    for line in &lines {
        p.put(inside.x, y, inside.width, line, "dialog");
        y += 1;
    }
    y += 1;
    for (i, choice) in Choice::ALL.iter().enumerate() {
        let scope = if i == leave.index { "dialog.selected" } else { "dialog" };
        if i == leave.index {
            p.tint(Rect { y, height: 1, ..inside }, "dialog.selected");
        }
        p.put(inside.x, y, inside.width, choice.about(), scope);
        y += 1;
    }
    p.put(inside.x, y, inside.width, "up and down choose   enter takes it   esc stays", "text.dim");
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
    let inside = frame(p, body, 78, n + 4, &format!("Actions on {}", menu.of), false);
    let rows = usize::from(inside.height.saturating_sub(2));
    let first = menu.index.saturating_sub(rows.saturating_sub(1));
    for (row, (i, offer)) in menu.offers.iter().enumerate().skip(first).take(rows).enumerate() {
        let y = inside.y + row as u16;
        let chosen = i == menu.index;
        let scope = match (&offer.refused, chosen) {
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
        let about = match &offer.refused {
            Some(why) => why.clone(),
            None if offer.own => offer.action.about.to_owned(),
            None => format!("{}: {}", offer.targets, offer.action.about),
        };
        p.put(inside.x + 24, y, inside.width.saturating_sub(24), &about, scope);
    }
    let foot = format!(
        "{} fits the cause found   enter plans it, nothing is changed yet   esc closes",
        p.glyph("verdict")
    );
    p.put(inside.x, inside.bottom() - 1, inside.width, &foot, "text.dim");
}

/// The lines of a dialog, each with its style.
pub struct Lines {
    width: usize,
    pub all: Vec<(String, &'static str)>,
}

impl Lines {
    /// For a dialog in this body.
    pub fn within(body: Rect) -> Lines {
        Lines { width: text_width(body.width), all: Vec::new() }
    }

    pub fn put(&mut self, text: &str, scope: &'static str) {
        self.all.extend(wrap(text, self.width).into_iter().map(|line| (line, scope)));
    }

    /// A name, and beside it what is said of it: longer texts go on below themselves.
    pub fn beside(&mut self, name: &str, column: usize, text: &str, scope: &'static str) {
        /// Narrower texts cannot be read.
        const READABLE: usize = 24;
        let column = column.min(self.width.saturating_sub(READABLE + 2));
        let mut name = name;
        if name.len() > column {
            self.put(name, scope);
            name = "";
        }
        for line in wrap(text, self.width - column - 2) {
            self.all.push((format!("{name:<column$}  {line}"), scope));
            name = "";
        }
    }

    pub fn diff(&mut self, diff: &str) {
        for line in diff.lines() {
            let scope = match line.as_bytes().first() {
                Some(b'+') => "diff.add",
                Some(b'-') => "diff.remove",
                Some(b'@') => "diff.header",
                _ => "diff.context",
            };
            self.put(line, scope);
        }
    }

    /// A consequence, and whose it is where that needs saying.
    pub fn impact(&mut self, impact: &Impact, of: &str) {
        let (sign, scope) = match impact.severity {
            Severity::Critical => ("!!", "error"),
            Severity::Warning => ("! ", "finding.warning"),
            Severity::Info => ("· ", "dialog"),
        };
        let detail = if impact.detail.is_empty() { String::new() } else { format!(": {}", impact.detail) };
        self.put(&format!("{sign} {}{detail}{of}", impact.what), scope);
    }

    /// A check, and whose it is where that needs saying.
    pub fn guard(&mut self, guard: &Guard, of: &str) {
        let reason = if guard.reason.is_empty() { String::new() } else { format!(": {}", guard.reason) };
        let (word, scope) = if guard.ok { ("ok", "text.dim") } else { ("no", "error") };
        self.put(&format!("{word} {}{reason}{of}", guard.check), scope);
    }

    /// Draws the dialog's box, titled and red where it is dangerous, with those of the lines that fit from `scroll`
    /// on and `foot` lines free below them; returns what is free.
    pub fn draw(
        &self,
        p: &mut Painter<'_>,
        body: Rect,
        title: (&str, bool),
        scroll: usize,
        foot: u16,
    ) -> Rect {
        let total = self.all.len();
        let height = (total as u16).saturating_add(foot + 3).min(body.height.saturating_sub(2)).max(9);
        let inside = frame(p, body, self.width as u16 + 4, height, title.0, title.1);
        let rows = usize::from(inside.height.saturating_sub(foot + 1));
        let from = scroll.min(total.saturating_sub(rows));
        for (i, (text, scope)) in self.all.iter().skip(from).take(rows).enumerate() {
            p.put(inside.x, inside.y + i as u16, inside.width, text, scope);
        }
        if total > rows {
            let more = format!("lines {}-{} of {total}, down scrolls", from + 1, (from + rows).min(total));
            p.put_right(inside.x, inside.bottom().saturating_sub(foot + 1), inside.width, &more, "text.dim");
        }
        Rect { y: inside.bottom().saturating_sub(foot), height: foot.min(inside.height), ..inside }
    }
}

/// A dialog that asks: its lines, the question, the words to type where some are asked for, the buttons.
pub struct Ask<'a> {
    pub title: (&'a str, bool),
    pub lines: Lines,
    pub question: &'a str,
    pub wanted: Option<&'a str>,
    pub form: &'a Form,
    /// The one that does nothing and the one that goes ahead.
    pub buttons: (&'a str, &'a str),
    /// What ctrl-y copies; empty where it copies nothing.
    pub copies: &'a str,
}

impl Ask<'_> {
    pub fn draw(&self, p: &mut Painter<'_>, body: Rect) -> Option<Position> {
        let question = wrap(self.question, self.lines.width);
        let height = question.len() as u16 + 2 + u16::from(self.wanted.is_some());
        let foot = self.lines.draw(p, body, self.title, self.form.scroll, height);
        let (x, mut y, width) = (foot.x, foot.y, foot.width);
        for line in &question {
            p.put(x, y, width, line, "dialog.title");
            y += 1;
        }
        let mut cursor = None;
        if let Some(words) = self.wanted {
            let used = p.put(x, y, width, &format!("Type {words} to go ahead: "), "dialog.danger");
            let typed = p.put_end(x + used, y, width.saturating_sub(used + 1), &self.form.typed, "prompt");
            cursor = Some(Position::new((x + used + typed).min(foot.right() - 1), y));
            y += 1;
        }
        y += 1;
        let go = match (self.form.released(self.wanted), self.title.1) {
            (false, _) => "dialog.disabled",
            (true, true) => "dialog.danger",
            (true, false) => "dialog.button",
        };
        let (cancel, go) =
            if self.form.go { ("dialog.button", "dialog.button.focus") } else { ("dialog.button.focus", go) };
        let used = p.put(x, y, width, &format!("[ {} ]", self.buttons.0), cancel);
        let room = width.saturating_sub(used + 2);
        let used = used + 2 + p.put(x + used + 2, y, room, &format!("[ {} ]", self.buttons.1), go);
        let mut keys = match self.form.control {
            Some(_) => "space or enter changes it, the plan is made again   tab goes on".to_owned(),
            None => "tab chooses   enter presses".to_owned(),
        };
        if self.form.control.is_none() && !self.copies.is_empty() {
            keys.push_str(&format!("   ctrl-y copies the {}", self.copies));
        }
        p.put(x + used + 3, y, width.saturating_sub(used + 3), &keys, "text.dim");
        cursor
    }
}

fn other_cluster(p: &mut Painter<'_>, model: &Model, form: &Form, body: Rect) -> Option<Position> {
    let (known, found) = model.cluster.other()?;
    let mut lines = Lines::within(body);
    lines.put(&format!("{} at {}", model.cluster.context, model.cluster.server), "dialog");
    lines.put(" ", "dialog");
    lines.beside("kube-system known", 18, known, "dialog");
    lines.beside("kube-system now", 18, found, "error");
    lines.put(" ", "dialog");
    lines.put(
        "The cluster was made anew, or the address leads to another one. What is on the screen is of the cluster \
         before; nothing of the other is shown, and no changes are sent.",
        "dialog",
    );
    let ask = Ask {
        title: ("Another cluster answers", true),
        lines,
        question: START_OVER,
        wanted: None,
        form,
        buttons: ("Cancel", "Start over"),
        copies: "",
    };
    ask.draw(p, body)
}

fn plan(p: &mut Painter<'_>, active: &ActiveRun, body: Rect) -> Option<Position> {
    let mut lines = Lines::within(body);
    let report = active.run.report();
    let progress = active.run.progress();
    if let Some(difference) = &report.refreshed {
        lines.put("Planned again: what it depends on changed while you read it.", "finding.warning");
        lines.diff(difference);
        lines.put(" ", "dialog");
    }
    for impact in &report.plan.impact {
        lines.impact(impact, "");
    }
    for guard in &report.guard {
        lines.guard(guard, "");
    }
    if let Some(shown) = &report.shown {
        lines.put(" ", "dialog");
        shown.text.lines().for_each(|line| lines.put(if line.is_empty() { " " } else { line }, "dialog"));
    }
    if !report.plan.kubectl.is_empty() {
        lines.put(" ", "dialog");
        lines.put(&format!("$ {}", report.plan.kubectl), "text.dim");
    }
    for (name, state) in &progress.items {
        lines.put(&format!("   {name}  {state}"), "dialog");
    }
    for file in &report.files {
        lines.put(&format!("{}  {} bytes  sha256 {}", file.path, file.bytes, file.sha256), "success");
    }
    let controls = active.controls();
    if !controls.is_empty() {
        lines.put(" ", "dialog");
    }
    for (i, control) in controls.iter().enumerate() {
        let focused = active.form.control == Some(i);
        let sign = match (control.next.is_none(), control.value.is_some()) {
            // A flag that is set, one that is not, and a value out of several.
            (true, _) => "[x]",
            (false, false) => "[ ]",
            (false, true) => "<->",
        };
        let scope = if focused { "dialog.button.focus" } else { "dialog.button" };
        lines.put(&format!("{sign} {}", control.label), scope);
    }
    // The diff comes last: it may be longer than the screen.
    for change in &report.plan.changes {
        lines.put(" ", "dialog");
        lines.put(&format!("Change of {}", change.object), "diff.header");
        lines.diff(&change.diff);
    }
    for step in &report.next {
        lines.put(&format!("enter plans what should follow: {} {}", step.action, step.target), "notice");
    }
    let title = (active.title.as_str(), active.dangerous);
    if let Some((_, question)) = &active.question {
        let ask = Ask {
            title,
            lines,
            question: &question.question,
            wanted: active.wanted(),
            form: &active.form,
            buttons: ("Cancel", active.run.action().title),
            copies: "command",
        };
        return ask.draw(p, body);
    }
    let foot = lines.draw(p, body, title, active.form.scroll, 3);
    let (word, scope) = match (active.run.stage(), report.outcome) {
        (_, Some(Outcome::Verified)) => ("Done and verified.", "success"),
        (_, Some(Outcome::Applied)) => ("Applied, not verified.", "finding.warning"),
        (_, Some(Outcome::Refused)) => ("Not done.", "finding.warning"),
        (_, Some(Outcome::Failed)) => ("Failed.", "error"),
        (stage, None) => (doing(stage), "notice"),
    };
    let text = if report.outcome.is_some() { report.reason.clone() } else { progress.line.clone() };
    for (i, line) in wrap(&format!("{word} {text}"), foot.width.into()).iter().take(2).enumerate() {
        p.put(foot.x, foot.y + i as u16, foot.width, line, scope);
    }
    if report.outcome.is_none() && progress.total > 0 {
        bar(p, foot, progress.done, progress.total);
    }
    let keys = match (active.ended, active.run.stopping()) {
        (true, _) if !controls.is_empty() => {
            "esc closes   tab chooses an option, space changes it and plans again"
        }
        (true, _) => "esc closes",
        (false, true) => "stopping after the step under way   ctrl-c does not wait for it",
        (false, false) => "esc leaves it running   ctrl-c stops it after the step under way",
    };
    p.put(foot.x, foot.bottom() - 1, foot.width, keys, "text.dim");
    None
}

/// What a run does at the moment.
pub fn doing(stage: Stage) -> &'static str {
    match stage {
        Stage::Planning => "Planning…",
        Stage::Guarding => "Checking what is allowed…",
        Stage::DryRun => "Trying it on the server without effect…",
        Stage::Confirming => "Waiting for your answer.",
        Stage::Applying => "Applying…",
        Stage::Watching => "Watching the result…",
        Stage::Done => "Planned.",
    }
}

/// How far it came, on the foot's second line.
pub fn bar(p: &mut Painter<'_>, foot: Rect, done: u64, total: u64) {
    let columns = usize::from(foot.width.saturating_sub(8));
    let full = (columns as u64 * done / total).min(columns as u64) as usize;
    let bar = p.glyph("bar.full").repeat(full) + &p.glyph("bar.empty").repeat(columns - full);
    let used = p.put(foot.x, foot.y + 1, foot.width, &bar, "gauge.low");
    p.put(foot.x + used + 1, foot.y + 1, 6, &format!("{}%", done * 100 / total), "dialog");
}
