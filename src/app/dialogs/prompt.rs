//! The line typed after `:` or `/`: editing, suggestions, and what it does while and when it is typed.

use crate::app::core::configure;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::runs::control;
use crate::app::core::stack;
use crate::app::core::typed::{Prompt, PromptKind};
use crate::app::dialogs::{complete, jump, silence};
use crate::app::views::{document, find, plugin, timeline};
use crate::detect::How;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use tui_input::{Input, InputRequest};

/// Themes shown in their picker.
const THEMES: usize = 16;
/// Longest line taken, characters.
const LONGEST: usize = 400;

pub fn open(model: &mut Model, kind: PromptKind) {
    let before = if kind == PromptKind::Filter { model.front().filter().to_owned() } else { String::new() };
    model.prompt = Some(Prompt { kind, input: before.clone().into(), before, ..Prompt::default() });
    suggest(model);
}

/// Types a line again that ran nothing, with the reason: what it could mean is offered above it.
pub fn propose(model: &mut Model, line: &str, why: String) -> Vec<Effect> {
    // A line that waited for the server must not take the keys from what was begun since.
    if model.prompt.is_some() || model.dialog.is_some() {
        model.say(Tone::Bad, why);
        return Vec::new();
    }
    model.prompt =
        Some(Prompt { kind: PromptKind::Command, input: line.into(), note: Some(why), ..Prompt::default() });
    suggest(model);
    Vec::new()
}

pub fn typed(model: &mut Model, key: KeyEvent) {
    if let KeyCode::Char(c) = key.code
        && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
    {
        edit(model, |input| {
            input.handle(InputRequest::InsertChar(c));
        });
    }
}

pub fn paste(model: &mut Model, pasted: &str) {
    if model.prompt.is_some() {
        let line: String = pasted.lines().next().unwrap_or("").chars().filter(|c| !c.is_control()).collect();
        edit(model, |input| {
            for c in line.chars() {
                input.handle(InputRequest::InsertChar(c));
            }
        });
    }
}

/// Changes the line, and what follows from it at once.
pub fn edit(model: &mut Model, f: impl FnOnce(&mut Input)) {
    let Some(prompt) = &mut model.prompt else { return };
    f(&mut prompt.input);
    if prompt.text().chars().nth(LONGEST).is_some() {
        let cursor = prompt.input.cursor().min(LONGEST);
        prompt.input = Input::new(prompt.text().chars().take(LONGEST).collect()).with_cursor(cursor);
    }
    prompt.chosen = None;
    prompt.note = None;
    let (kind, text) = (prompt.kind, prompt.text().to_owned());
    match kind {
        PromptKind::Filter => stack::filter(model, &text),
        PromptKind::Command | PromptKind::Jump => suggest(model),
        PromptKind::Option
        | PromptKind::Reveal
        | PromptKind::Note
        | PromptKind::Acknowledge
        | PromptKind::Mute
        | PromptKind::Plugin => {}
        PromptKind::Theme => {
            suggest(model);
            show_theme(model);
        }
    }
    model.dirty = Dirty::Input;
}

/// What accepting the line came to.
pub enum Accepted {
    /// A line after `:`, to be run.
    Line(String),
    Done(Vec<Effect>),
}

/// Deletes a part of the line.
pub fn delete(model: &mut Model, what: InputRequest) {
    edit(model, |input| {
        input.handle(what);
    });
}

/// Moves the cursor in the line.
pub fn go(model: &mut Model, to: InputRequest) {
    if let Some(prompt) = &mut model.prompt {
        prompt.input.handle(to);
    }
}

/// A character to the right; at the end of the line, what completes it.
pub fn right(model: &mut Model) {
    let Some(prompt) = &model.prompt else { return };
    if prompt.input.cursor() == prompt.text().chars().count() {
        complete(model);
    } else {
        go(model, InputRequest::GoToNextChar);
    }
}

/// Takes the chosen suggestion into the line, else the best.
pub fn complete(model: &mut Model) {
    if let Some(text) = model.prompt.as_ref().and_then(|p| p.with(p.chosen.unwrap_or(0))) {
        take(model, text);
    }
}

pub fn cancel(model: &mut Model) {
    configure::leave_preview(model);
    if let Some(p) = model.prompt.take()
        && p.kind == PromptKind::Filter
    {
        stack::filter(model, &p.before);
    }
}

/// Closes the prompt and does what its line says.
pub fn accept(model: &mut Model) -> Accepted {
    let Some(p) = model.prompt.take() else { return Accepted::Done(Vec::new()) };
    let text = p.text().to_owned();
    if let Some(asks) = p.asks {
        return Accepted::Done(control::answered(model, asks, text.trim()));
    }
    let chosen = p.chosen.and_then(|i| p.suggestions.get(i));
    match p.kind {
        PromptKind::Command => {
            return Accepted::Line(p.chosen.and_then(|i| p.with(i)).unwrap_or(text));
        }
        PromptKind::Note => timeline::noted(model, p.object, &text),
        PromptKind::Acknowledge => {
            return Accepted::Done(silence::said(model, How::Acknowledged, &p.findings, &text));
        }
        PromptKind::Mute => return Accepted::Done(silence::said(model, How::Muted, &p.findings, &text)),
        PromptKind::Theme => match p.suggestions.get(p.chosen.unwrap_or(0)) {
            Some(s) => configure::choose_theme(model, &s.word),
            None => configure::choose_theme(model, text.trim()),
        },
        PromptKind::Jump => match p.objects.get(p.chosen.unwrap_or(0)) {
            Some(o) => find::open(model, &o.kind, &o.namespace, &o.name),
            None => model.say(Tone::Info, "No object of that name is watched here."),
        },
        PromptKind::Plugin => return Accepted::Done(plugin::confirmed(model, p.program, &text)),
        PromptKind::Reveal => {
            let key = chosen.map_or(text, |s| s.word.clone());
            document::revealed(model, key);
        }
        // The filter holds already; an option has been taken above.
        PromptKind::Filter | PromptKind::Option => {}
    }
    Accepted::Done(Vec::new())
}

/// The line with a suggestion taken; after a word that takes more, that can be typed at once.
fn take(model: &mut Model, mut text: String) {
    let Some(p) = &model.prompt else { return };
    if p.kind == PromptKind::Command && p.from == 0 && complete::takes_more(model, &text) {
        text.push(' ');
    }
    edit(model, |input| *input = text.into());
}

/// Moves among the suggestions.
pub fn choose(model: &mut Model, by: isize) {
    let Some(p) = &mut model.prompt else { return };
    let n = p.suggestions.len();
    if n > 0 {
        p.chosen = Some(match p.chosen {
            None if by > 0 => 0,
            None => n - 1,
            Some(i) => (i + n).saturating_add_signed(by) % n,
        });
        show_theme(model);
    }
}

/// While themes are chosen from, the one under the cursor is shown.
fn show_theme(model: &mut Model) {
    let Some(p) = model.prompt.as_ref().filter(|p| p.kind == PromptKind::Theme) else { return };
    match p.suggestions.get(p.chosen.unwrap_or(0)) {
        Some(s) => configure::preview(model, &s.word.clone()),
        None => configure::leave_preview(model),
    }
}

fn suggest(model: &mut Model) {
    let Some((kind, text)) = model.prompt.as_ref().map(|p| (p.kind, p.text().to_owned())) else { return };
    let (from, suggestions, objects) = match kind {
        PromptKind::Command => {
            let (from, suggestions) = complete::line(model, &text);
            (from, suggestions, Vec::new())
        }
        PromptKind::Theme => (0, complete::best(model.prefs.themes(), text.trim(), THEMES), Vec::new()),
        PromptKind::Jump => {
            let (objects, suggestions) = jump::find(model, &text).into_iter().unzip();
            (0, suggestions, objects)
        }
        _ => return,
    };
    if let Some(p) = &mut model.prompt {
        (p.from, p.suggestions, p.objects) = (from, suggestions, objects);
    }
}
