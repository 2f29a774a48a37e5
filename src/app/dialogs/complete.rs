//! What could stand where a line after `:` ends: a command or kind, then what it takes. Names come from what is
//! watched anyway; nothing is asked of the server.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::app::core::available::Here;
use crate::app::core::model::Model;
use crate::app::core::typed::Suggestion;
use crate::app::dialogs::meaning::{self, Meaning};
use crate::config::commands::{COMMANDS, Id};
use crate::term::clean::clean;
use crate::world::{Kind, Meta};

/// Suggestions shown for a line.
const SHOWN: usize = 8;

/// Where in the line the word begins that is being typed, and what could be meant by it, best first.
pub fn line(model: &Model, text: &str) -> (usize, Vec<Suggestion>) {
    let start = text.len() - text.trim_start_matches([' ', ':']).len();
    let typed = &text[start..];
    match typed.split_once(' ') {
        None => match typed.split_once('/') {
            Some((word, name)) => {
                let named = meaning::kind(model, word).map(|kind| objects(model, &kind, name));
                (text.len() - name.len(), named.unwrap_or_default())
            }
            None => (start, best(words(model), typed, SHOWN)),
        },
        Some((first, rest)) => {
            let rest = rest.trim_start();
            let (cut, suggestions) = argument(model, first, rest);
            (text.len() - rest.len() + cut, suggestions)
        }
    }
}

/// Whether something may follow the word.
pub fn takes_more(model: &Model, word: &str) -> bool {
    !argument(model, word, "").1.is_empty()
}

/// Every word a line begins with, with what it does.
pub fn words(model: &Model) -> Vec<Suggestion> {
    let commands = COMMANDS.iter().filter(|c| c.typed());
    let here = Here::of(model);
    let mut out: Vec<Suggestion> = Vec::new();
    for kind in Kind::WATCHED {
        let description = format!("{} in a view of their own", kind.name());
        out.push(Suggestion { word: kind.plural().into(), description, ..Suggestion::default() });
    }
    for kind in model.served.offers.iter().map(|o| &o.kind).filter(|k| !k.watched()) {
        let group = if kind.group().is_empty() { "core" } else { kind.group() };
        let description = format!("{} of {group}/{}, as the server lists them", kind.name(), kind.version());
        out.push(Suggestion { word: model.served.word(kind), description, ..Suggestion::default() });
    }
    for (alias, line) in &model.prefs.own().aliases {
        out.push(Suggestion {
            word: alias.clone(),
            description: format!("your alias of {line}"),
            ..Suggestion::default()
        });
    }
    for c in commands {
        // A name in parts is the keymap's; people type one word.
        let word = if c.name.contains('.') { c.words.first().copied().unwrap_or(c.name) } else { c.name };
        if out.iter().all(|s| s.word != word) {
            out.push(Suggestion {
                word: word.into(),
                description: c.description.into(),
                also: c.words,
                refused: here.refusal(c.id),
            });
        }
    }
    out
}

/// What may follow the first word, from where on it is replaced.
fn argument(model: &Model, first: &str, rest: &str) -> (usize, Vec<Suggestion>) {
    if let Some((word, name)) = first.split_once('/') {
        let kind = meaning::kind(model, word);
        return (0, kind.map(|kind| homes(model, &kind, name, rest)).unwrap_or_default());
    }
    match meaning::of(model, first) {
        Some(Meaning::Kind(kind)) if kind.namespaced() || kind == Kind::Namespace => namespaces(model, rest),
        Some(Meaning::Command(Id::ViewWorkloads)) => namespaces(model, rest),
        Some(Meaning::Command(Id::Context)) => (0, best(contexts(model), rest, SHOWN)),
        Some(Meaning::Command(Id::Theme)) => (0, best(model.prefs.themes(), rest, SHOWN)),
        _ => (0, Vec::new()),
    }
}

/// Namespaces, several with commas between them.
fn namespaces(model: &Model, rest: &str) -> (usize, Vec<Suggestion>) {
    // A filter, labels, or the namespaces are there already.
    if rest.starts_with('-') || rest.contains(['/', '=', ' ']) {
        return (0, Vec::new());
    }
    let cut = rest.rfind(',').map_or(0, |comma| comma + 1);
    let (before, word) = rest.split_at(cut);
    let watched = model.data.world.metas(&Kind::Namespace).map(|m| &*m.name);
    let mut names: Vec<&str> = watched.collect();
    if names.is_empty() {
        // Who may not list namespaces still sees whose pods there are.
        names = model.data.world.metas(&Kind::Pod).map(|m| &*m.namespace).collect();
    }
    names.sort_unstable();
    names.dedup();
    let favourites = &model.prefs.settings.namespaces;
    let all = before.is_empty().then(|| suggestion("all", "every namespace"));
    let favourite =
        favourites.iter().enumerate().map(|(i, n)| suggestion(n, &format!("favourite {}", i + 1)));
    let others = names.into_iter().filter(|n| favourites.iter().all(|f| f != n)).map(|n| match n {
        n if model.namespaces.contains(n) => suggestion(n, "namespace, shown now"),
        n => suggestion(n, "namespace"),
    });
    let listed = |s: &Suggestion| before.split(',').any(|n| n == s.word);
    let names = favourite.chain(others).chain(all).filter(|s| !listed(s)).collect();
    (cut, best(names, word, SHOWN))
}

fn contexts(model: &Model) -> Vec<Suggestion> {
    let here = |name: &str| (name == model.cluster.context).then(|| "it is where you are".to_owned());
    let all = model.contexts.iter();
    all.map(|(name, server)| Suggestion { refused: here(name), ..suggestion(name, server) }).collect()
}

/// Objects of a kind by a part of their name, each with its namespace.
fn objects(model: &Model, kind: &Kind, part: &str) -> Vec<Suggestion> {
    let mut fuzzy = Fuzzy::new(part);
    let scored = model.data.world.metas(kind).filter_map(|meta| Some((fuzzy.score(&meta.name)?, meta)));
    let by_name = |m: &Meta| (m.name.clone(), m.namespace.clone());
    first(scored.collect(), SHOWN, |a, b| by_name(a).cmp(&by_name(b)))
        .into_iter()
        .map(|meta| suggestion(format!("{} {}", meta.name, meta.namespace).trim_end(), kind.name()))
        .collect()
}

/// The namespaces in which there is an object of that name.
fn homes(model: &Model, kind: &Kind, name: &str, part: &str) -> Vec<Suggestion> {
    let of_name = model.data.world.metas(kind).filter(|m| &*m.name == name && !m.namespace.is_empty());
    let mut names: Vec<Suggestion> =
        of_name.map(|m| suggestion(&m.namespace, &format!("where there is {name}"))).collect();
    names.sort_by(|a, b| a.word.cmp(&b.word));
    best(names, part, SHOWN)
}

/// A name goes into the line as it is drawn: clean.
fn suggestion(word: &str, description: &str) -> Suggestion {
    Suggestion {
        word: clean(word).into_owned(),
        description: description.to_owned(),
        ..Suggestion::default()
    }
}

/// The suggestions that fit a word best; all in their order where nothing is typed yet.
pub fn best(mut all: Vec<Suggestion>, word: &str, most: usize) -> Vec<Suggestion> {
    if word.is_empty() {
        all.truncate(most);
        return all;
    }
    let mut fuzzy = Fuzzy::new(word);
    let scored = all.into_iter().filter_map(|s| {
        let words = std::iter::once(s.word.as_str()).chain(s.also.iter().copied());
        Some((words.filter_map(|w| fuzzy.score(w)).max()?, s))
    });
    // Of equals the shorter is nearer to what was typed: pods, not poddisruptionbudgets.
    first(scored.collect(), most, |a, b| (a.word.len(), &a.word).cmp(&(b.word.len(), &b.word)))
}

/// The first few by score, the higher the better, and then by the order.
fn first<T>(mut scored: Vec<(u32, T)>, most: usize, order: impl Fn(&T, &T) -> std::cmp::Ordering) -> Vec<T> {
    let by = |a: &(u32, T), b: &(u32, T)| b.0.cmp(&a.0).then_with(|| order(&a.1, &b.1));
    // Only these few are put in order, of perhaps a hundred thousand.
    if scored.len() > most {
        scored.select_nth_unstable_by(most, by);
        scored.truncate(most);
    }
    scored.sort_unstable_by(by);
    scored.into_iter().map(|(_, item)| item).collect()
}

/// How well names fit what was typed.
struct Fuzzy<'w> {
    word: &'w str,
    pattern: Pattern,
    matcher: Matcher,
    buffer: Vec<char>,
}

impl Fuzzy<'_> {
    fn new(word: &str) -> Fuzzy<'_> {
        let pattern = Pattern::parse(word, CaseMatching::Ignore, Normalization::Smart);
        Fuzzy { word, pattern, matcher: Matcher::new(Config::DEFAULT), buffer: Vec::new() }
    }

    /// `None` where the name does not have the letters; one that begins with the word fits best.
    fn score(&mut self, name: &str) -> Option<u32> {
        let score = self.pattern.score(Utf32Str::new(name, &mut self.buffer), &mut self.matcher)?;
        Some(score + if name.starts_with(self.word) { 1000 } else { 0 })
    }
}
