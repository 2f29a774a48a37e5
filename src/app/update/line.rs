//! What a line typed after `:` does: a kind with namespaces or a filter, an object, or a command with its words.

use crate::app::core::configure;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::namespaces;
use crate::app::core::notice::Dirty;
use crate::app::core::served;
use crate::app::core::stack;
use crate::app::core::standing;
use crate::app::dialogs::action_line;
use crate::app::dialogs::complete;
use crate::app::dialogs::meaning::{self, Meaning, Reading};
use crate::app::dialogs::prompt::{self, Accepted};
use crate::app::dialogs::silence;
use crate::app::update::command::run;
use crate::app::views::{find, objects, rights, timeline, who};
use crate::config::commands::Id;
use crate::config::document::nearest;
use crate::detect::How;
use crate::world::Kind;

/// Takes what was typed into the prompt.
pub fn accept(model: &mut Model) -> Vec<Effect> {
    match prompt::accept(model) {
        Accepted::Line(line) => self::line(model, &line),
        Accepted::Done(effects) => effects,
    }
}

/// A line after `:`: a kind with a namespace or filter, or a command's word. A line that may not run as it stands is
/// typed again, with what could be meant.
pub fn line(model: &mut Model, line: &str) -> Vec<Effect> {
    model.dirty = Dirty::Input;
    let expanded = model.prefs.own().expand(line);
    let line = expanded.as_deref().unwrap_or(line).trim().trim_start_matches(':');
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return Vec::new() };
    let rest: Vec<&str> = words.collect();
    let (word, name) = first.split_once('/').map_or((first, None), |(word, name)| (word, Some(name)));
    match (meaning::read(model, word), name) {
        (Reading::Is(Meaning::Kind(kind)), Some(name)) => {
            find::open(model, &kind, rest.first().copied().unwrap_or(""), name);
            Vec::new()
        }
        (Reading::Is(Meaning::Kind(kind)), None) => kind_line(model, kind, line, &rest),
        (Reading::Is(Meaning::Command(id)), None) => command_line(model, id, line, &rest),
        (Reading::Several(names), _) => {
            /// Names in the sentence; the suggestions above it have more.
            const NAMED: usize = 4;
            let more = if names.len() > NAMED { ", …" } else { "" };
            let names: Vec<String> = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect();
            let text = format!("`:{word}` begins {}{more}: type more, or choose.", names.join(", "));
            prompt::propose(model, line, text)
        }
        (Reading::Guarded(name), None) => {
            prompt::propose(model, line, format!("`:{name}` runs only when its whole name is typed."))
        }
        _ if served::wait(model, line) => Vec::new(),
        (Reading::Elsewhere(sentence), None) => prompt::propose(model, line, sentence),
        (Reading::Is(_) | Reading::Elsewhere(_) | Reading::Guarded(_) | Reading::Unknown, _) => {
            let words = complete::words(model);
            let near = nearest(word, words.iter().map(|s| s.word.as_str()))
                .map(|w| format!(" Did you mean `{w}`?"))
                .unwrap_or_default();
            let trouble =
                model.served.trouble().map(|why| format!(" The server did not say what it serves: {why}"));
            let text = format!("`:{word}` is no command and no kind.{near}{}", trouble.unwrap_or_default());
            prompt::propose(model, line, text)
        }
    }
}

/// A kind's word with what follows it: another context, namespaces, a filter.
fn kind_line(model: &mut Model, kind: Kind, line: &str, rest: &[&str]) -> Vec<Effect> {
    // As k9s has it: a kind in another context.
    if let Some(context) = rest.iter().find_map(|word| word.strip_prefix('@')) {
        return standing::switch(model, context);
    }
    if let (Kind::Namespace, [names]) = (&kind, rest) {
        namespace_line(model, names);
        return Vec::new();
    }
    objects::open_kind(model, kind);
    narrow(model, line, rest);
    Vec::new()
}

/// A command's word with what follows it.
fn command_line(model: &mut Model, id: Id, line: &str, rest: &[&str]) -> Vec<Effect> {
    let said = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
    match id {
        Id::Theme if !said.is_empty() => configure::choose_theme(model, said),
        Id::Context if !said.is_empty() => return standing::switch(model, said),
        Id::Note if !said.is_empty() => {
            let object = model.selected();
            timeline::noted(model, object, said);
        }
        Id::Rights if !said.is_empty() => return rights::ask(model, said),
        Id::Do if !said.is_empty() => return action_line::run(model, said),
        Id::Who if !said.is_empty() => return who::ask(model, said),
        Id::Acknowledge if !said.is_empty() => return silence::line(model, How::Acknowledged, said),
        Id::Mute if !said.is_empty() => return silence::line(model, How::Muted, said),
        Id::ViewWorkloads => {
            let effects = run(model, id);
            narrow(model, line, rest);
            return effects;
        }
        _ => return run(model, id),
    }
    Vec::new()
}

/// The words after a table's: a filter, or namespaces.
fn narrow(model: &mut Model, line: &str, words: &[&str]) {
    for word in words {
        if let Some((_, pattern)) = line.split_once(" /").filter(|_| word.starts_with('/')) {
            stack::filter(model, pattern);
            break;
        }
        if let Some((_, rest)) = line.split_once(&format!(" {word}")).filter(|_| matches!(*word, "-f" | "-l"))
        {
            stack::filter(model, &format!("{word}{rest}"));
            break;
        }
        if word.contains('=') {
            stack::filter(model, &format!("-l {word}"));
        } else {
            namespace_line(model, word);
        }
    }
}

fn namespace_line(model: &mut Model, names: &str) {
    let names: Vec<_> = match names {
        "all" | "*" | "-A" => Vec::new(),
        names => names.split(',').filter(|n| !n.is_empty()).map(Into::into).collect(),
    };
    namespaces::show(model, names);
}
