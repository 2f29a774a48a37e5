//! The foot: the line being typed, else what just happened, else the keys that work here.

use ratatui::layout::{Position, Rect};

use super::paint::Painter;
use crate::app::core::available::Here;
use crate::app::core::model::Model;
use crate::app::core::notice::Tone;
use crate::app::core::typed::{Prompt, PromptKind};
use crate::config::{Id, Key, Scope};
use crate::term::clean::wrap;

/// The keys shown, best first; those that do not fit are left to `?`, which has its place whatever fits.
const KEYS: &[(Id, &str)] = &[
    (Id::Palette, "command"),
    (Id::Filter, "filter"),
    (Id::Why, "why"),
    (Id::Act, "act"),
    (Id::Describe, "describe"),
    (Id::Yaml, "yaml"),
    (Id::Logs, "logs"),
    (Id::Drill, "open"),
    (Id::Timeline, "timeline"),
    (Id::Sick, "sick only"),
    (Id::Zoom, "zoom"),
    (Id::FocusNext, "next pane"),
    (Id::Help, "help"),
];

const TREE: &[(Id, &str)] = &[
    (Id::TreeOpen, "plan or open"),
    (Id::AnswerYes, "overrule: yes"),
    (Id::AnswerNo, "no"),
    (Id::AnswerUnknown, "unknown"),
    (Id::TreeAgain, "ask again"),
    (Id::Act, "act"),
    (Id::Back, "back"),
    (Id::Help, "help"),
];

const FINDINGS: &[(Id, &str)] = &[
    (Id::Why, "why"),
    (Id::Fix, "fix"),
    (Id::Drill, "open"),
    (Id::Evidence, "evidence"),
    (Id::Act, "act"),
    (Id::Acknowledge, "acknowledge"),
    (Id::Mute, "mute"),
    (Id::Palette, "command"),
    (Id::Help, "help"),
    (Id::Report, "report"),
    (Id::Timeline, "timeline"),
    (Id::Note, "note"),
    (Id::Describe, "describe"),
    (Id::FocusNext, "next pane"),
];

const WORKLOADS: &[(Id, &str)] = &[
    (Id::Palette, "command"),
    (Id::Filter, "filter"),
    (Id::Why, "why"),
    (Id::Act, "act"),
    (Id::PlanRollback, "roll back"),
    (Id::PlanRestart, "restart"),
    (Id::PlanScale, "scale"),
    (Id::Describe, "describe"),
    (Id::Yaml, "yaml"),
    (Id::Logs, "logs"),
    (Id::Drill, "open"),
    (Id::Sick, "sick only"),
    (Id::Help, "help"),
];

const TIMELINE: &[(Id, &str)] = &[
    (Id::Filter, "filter"),
    (Id::TimelineObject, "this object"),
    (Id::Timeline15m, "15 min"),
    (Id::Timeline1h, "1 h"),
    (Id::TimelineAll, "all"),
    (Id::Note, "note"),
    (Id::TimelineSave, "save"),
    (Id::Drill, "open"),
    (Id::Why, "why"),
    (Id::Back, "back"),
    (Id::Help, "help"),
];

const LOGS: &[(Id, &str)] = &[
    (Id::Filter, "filter"),
    (Id::LogsFollow, "follow"),
    (Id::LogsWrap, "wrap"),
    (Id::LogsTimes, "times"),
    (Id::LogsFields, "fields"),
    (Id::LogsContainers, "containers"),
    (Id::LogsRunBefore, "run before"),
    (Id::LogsHead, "from start"),
    (Id::LogsMark, "mark"),
    (Id::Back, "back"),
    (Id::Help, "help"),
];

const TEXT: &[(Id, &str)] = &[
    (Id::Filter, "search"),
    (Id::MatchNext, "next"),
    (Id::MatchPrevious, "before"),
    (Id::CopyText, "copy"),
    (Id::Reveal, "reveal"),
    (Id::Back, "back"),
    (Id::Help, "help"),
    (Id::ManagedFields, "managed fields"),
];

fn keys(scope: Scope) -> &'static [(Id, &'static str)] {
    match scope {
        Scope::Tree => TREE,
        Scope::Logs => LOGS,
        Scope::Text => TEXT,
        Scope::Findings => FINDINGS,
        Scope::Workloads => WORKLOADS,
        Scope::Timeline => TIMELINE,
        _ => KEYS,
    }
}

/// The keys just typed, at the right end, for those who watch; returns what is left of the line.
fn last_keys(p: &mut Painter<'_>, model: &Model, area: Rect) -> Rect {
    if model.prefs.keys.is_empty() {
        return area;
    }
    let keys: Vec<&str> = model.prefs.keys.iter().map(String::as_str).collect();
    let text = format!(" {} ", keys.join(" "));
    let width = (crate::term::clean::width(&text) as u16).min(area.width / 2);
    p.put_right(area.right() - width, area.y, width, &text, "row.selected");
    Rect { width: area.width - width, ..area }
}

/// What may follow the keys typed so far, in a box above the foot.
pub fn which_key(p: &mut Painter<'_>, model: &Model, foot: Rect) {
    let choices = &model.prefs.choices;
    if choices.is_empty() {
        return;
    }
    let begun = Key::print_sequence(model.keymap.pending());
    let wide = choices.iter().map(|c| c.description.chars().count() + 14).max().unwrap_or(0);
    let width = (u16::try_from(wide).unwrap_or(u16::MAX)).clamp(24, 60).min(foot.width);
    let rows = (choices.len() as u16 + 1).min(foot.y.saturating_sub(1));
    let area = Rect::new(foot.right() - width, foot.y - rows, width, rows);
    p.clear(area, "dialog");
    p.put(area.x + 1, area.y, width - 1, &format!("{begun} …"), "dialog.title");
    for (i, choice) in choices.iter().enumerate().take(usize::from(rows.saturating_sub(1))) {
        let y = area.y + 1 + i as u16;
        p.put(area.x + 2, y, 10, &choice.key.to_string(), "key");
        p.put(area.x + 12, y, width.saturating_sub(12), choice.description, "dialog");
    }
}

pub fn draw(p: &mut Painter<'_>, model: &Model, area: Rect) -> Option<Position> {
    if let Some(prompt) = &model.prompt {
        return Some(typed(p, model, prompt, area));
    }
    let area = last_keys(p, model, area);
    if let Some(message) = &model.message {
        let scope = match message.tone {
            Tone::Info => "notice",
            Tone::Good => "success",
            Tone::Bad => "error",
        };
        let columns = usize::from(area.width.saturating_sub(2));
        let lines = wrap(&message.text, columns);
        // What does not fit the line grows upwards over the view: half of an error helps nobody.
        let rows = (lines.len() as u16).clamp(1, 6).min(area.y + 1);
        let top = area.y + 1 - rows;
        if rows > 1 {
            p.clear(Rect { y: top, height: rows, ..area }, "text");
        }
        for (i, line) in lines.iter().take(rows.into()).enumerate() {
            p.put(area.x + 1, top + i as u16, area.width - 1, line, scope);
        }
        return None;
    }
    let scope = model.scope();
    let here = Here::of(model);
    let mut x = area.x + 1;
    let width = |key: &str, what: &str| (crate::term::clean::width(key) + what.len() + 3) as u16;
    let shown: Vec<(Id, String, &str)> = keys(scope)
        .iter()
        .filter_map(|(id, what)| Some((*id, model.keymap.shown(scope, *id)?, *what)))
        .collect();
    let help = shown.iter().find(|(id, ..)| *id == Id::Help).map_or(0, |(_, key, what)| width(key, what));
    let (mut helped, mut full) = (false, false);
    for (id, key, what) in &shown {
        let is_help = *id == Id::Help;
        let kept = if helped || is_help { 0 } else { help };
        full |= x + width(key, what) + kept > area.right() + 1;
        if full && !is_help {
            continue;
        }
        helped |= is_help;
        // What does nothing here keeps its place, so that the others keep theirs.
        let off = here.refusal(*id).is_some();
        x += p.put(x, area.y, area.right() - x, key, if off { "text.dim" } else { "key" });
        x += 1;
        x += p.put(x, area.y, area.right() - x, what, if off { "text.dim" } else { "key.description" });
        x += 2;
    }
    None
}

fn typed(p: &mut Painter<'_>, model: &Model, prompt: &Prompt, area: Rect) -> Position {
    p.tint(area, "prompt");
    let sign = match prompt.kind {
        PromptKind::Command => ":",
        PromptKind::Filter => "/",
        PromptKind::Theme => "theme ",
        PromptKind::Jump => "jump to ",
        PromptKind::Reveal => "reveal which key? ",
        PromptKind::Option => prompt.asks.as_ref().map_or("", |a| a.what.as_str()),
        PromptKind::Note | PromptKind::Acknowledge | PromptKind::Mute | PromptKind::Plugin => &prompt.what,
    };
    let mut x = area.x + p.put(area.x, area.y, area.width * 2 / 3, sign, "prompt");
    if matches!(
        prompt.kind,
        PromptKind::Option | PromptKind::Note | PromptKind::Acknowledge | PromptKind::Mute
    ) {
        x += p.put(x, area.y, 2, ": ", "prompt");
    }
    // While strangers look on the line is masked as a whole: a half of a secret is not known as one.
    let cursor = if p.presenting { usize::MAX } else { prompt.input.cursor() };
    let before: String = prompt.text().chars().take(cursor).collect();
    let after = &prompt.text()[before.len()..];
    x += p.put_end(x, area.y, area.right().saturating_sub(x + 2), &before, "prompt");
    let at = Position::new(x.min(area.right() - 1), area.y);
    x += p.put(x, area.y, area.right().saturating_sub(x), after, "prompt");
    if prompt.kind == PromptKind::Filter {
        if let Some(note) = model.front().filter_note() {
            p.put(x + 2, area.y, area.right().saturating_sub(x + 2), &note, "prompt.error");
        }
        return at;
    }
    // Why the line did not run stands above it, and the suggestions above that, best nearest.
    let notes =
        prompt.note.as_deref().map_or(Vec::new(), |note| wrap(note, usize::from(area.width.max(2) - 2)));
    let above = (notes.len() as u16).min(area.y.saturating_sub(1));
    for (i, line) in notes.iter().take(above.into()).enumerate() {
        let y = area.y - above + i as u16;
        p.clear(Rect::new(area.x, y, area.width, 1), "text");
        p.put(area.x + 1, y, area.width - 1, line, "error");
    }
    let wide =
        prompt.suggestions.iter().map(|s| crate::term::clean::width(&s.word)).max().unwrap_or(0) as u16 + 2;
    let box_width = area.width.min(wide + 54);
    for (i, s) in prompt.suggestions.iter().enumerate() {
        let Some(y) = area.y.checked_sub(1 + above + i as u16).filter(|y| *y > 0) else { break };
        let line = Rect::new(area.x, y, box_width, 1);
        p.clear(line, "dialog");
        let scope = if prompt.chosen == Some(i) { "dialog.selected" } else { "dialog" };
        p.tint(line, scope);
        let description = match &s.refused {
            Some(why) => format!("not now: {why}"),
            None => s.description.clone(),
        };
        p.put(area.x + 1, y, wide, &s.word, scope);
        p.put(area.x + 1 + wide, y, box_width.saturating_sub(wide + 1), &description, scope);
    }
    at
}
