//! The timeline in the cockpit: what goes on it, its rows, its filter's keys, and its way into a report.

use std::collections::HashSet;

use crate::app::core::causes;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::record;
use crate::app::core::stack;
use crate::app::core::typed::{Prompt, PromptKind};
use crate::app::core::view::{Then, View};
use crate::app::table;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape, tail};
use crate::app::views::inside;
use crate::app::views::list::{ListView, Row, Rows};
use crate::config::Scope;
use crate::detect::Quiet;
use crate::detect::timeline::{self, Entry, Filter, What};
use crate::world::ObjectRef;

static SHAPES: &[Shape] = &[
    shape("TIME", 8, 8, 100),
    shape(" ", 1, 1, 95),
    shape("WHAT", 4, 8, 60),
    tail("OBJECT", 12, 60, 80),
    shape("TEXT", 20, 400, 98),
    shape("WHO", 3, 24, 50),
];

/// Newest entries shown; `/` looks through all of them.
const SHOWN: usize = 2_000;

#[derive(Debug)]
struct Timeline;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Timeline));
}

impl Rows for Timeline {
    fn title(&self) -> String {
        "timeline".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model, "")
    }

    fn filtered(&self, model: &Model, filter: &str) -> Vec<Row> {
        rows(model, filter)
    }

    /// Its filter has words of its own, none of them a column's.
    fn parsed(&self, _: &str) -> table::filter::Filter {
        table::filter::Filter::default()
    }

    fn scope(&self) -> Scope {
        Scope::Timeline
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone()?)
    }

    fn empty(&self, _: &Model) -> &'static str {
        "Nothing on the timeline, or nothing in this window."
    }
}

/// The timeline's filter, where the timeline is in front.
fn text(model: &Model) -> Option<&str> {
    model.top::<ListView<Timeline>>().map(View::filter)
}

/// The first entry of a session.
pub fn opened(model: &mut Model) {
    let text = format!("khud {} on {}", env!("CARGO_PKG_VERSION"), model.cluster.context);
    let entry = Entry::new(model.data.now, What::Session, None, text).by(model.cluster.user.clone());
    record::entry(model, entry);
}

/// Takes in what earlier sessions saved.
pub fn loaded(model: &mut Model, entries: Vec<Entry>, quiet: Vec<Quiet>) {
    let mut open = HashSet::new();
    for e in &entries {
        match e.what {
            What::FindingBegan => drop(open.insert(record::opening(e))),
            What::FindingEnded => drop(open.remove(&record::opening(e))),
            _ => {}
        }
    }
    model.open = open;
    let data = &mut model.data;
    data.timeline.remember(entries);
    let found = data.detector.quiet(quiet, &data.world, data.now);
    causes::follow(model, found);
}

/// Asks for a note about what is under the cursor.
pub fn ask(model: &mut Model) {
    let object = model.selected();
    let what = match &object {
        Some(o) => format!("note on {o}"),
        None => "note".to_owned(),
    };
    model.prompt = Some(Prompt { kind: PromptKind::Note, object, what, ..Prompt::default() });
}

/// The operator's own words.
pub fn noted(model: &mut Model, object: Option<ObjectRef>, text: &str) {
    if text.trim().is_empty() {
        return;
    }
    let entry = Entry::new(model.data.now, What::Note, object, text.trim()).by(model.cluster.user.clone());
    record::entry(model, entry);
    model.say(Tone::Good, "Noted on the timeline.");
}

/// What the list's filter means.
fn filter(model: &Model, text: &str) -> Filter {
    Filter::parse(text, model.data.now, &model.prefs.times().zone())
}

/// The timeline, newest first.
fn rows(model: &Model, text: &str) -> Vec<Row> {
    let filter = filter(model, text);
    let entries = model.data.timeline.entries(&filter).rev().take(SHOWN);
    entries.map(row).collect()
}

/// Only the object under the cursor, or all again.
pub fn only_object(model: &mut Model) {
    let Some(object) = model.selected() else { return };
    let word = timeline::word_of(&object);
    replace(model, |w| w.contains('/'), &word);
}

/// Only what happened since so long ago; all, where it is empty.
pub fn only_since(model: &mut Model, ago: &str) {
    let word = if ago.is_empty() { String::new() } else { format!("{ago}..") };
    replace(model, |w| w.contains(".."), &word);
}

/// Puts a word of the filter in the place of those of its kind; the same word again takes it out.
fn replace(model: &mut Model, of_its_kind: impl Fn(&str) -> bool, word: &str) {
    let Some(text) = text(model).map(str::to_owned) else { return };
    let had = text.split_whitespace().any(|w| w == word);
    let others = text.split_whitespace().filter(|w| !of_its_kind(w));
    // A space after each, so that `/` goes on with the next word.
    let words = others.chain((!had && !word.is_empty()).then_some(word));
    let text: String = words.map(|w| format!("{w} ")).collect();
    stack::filter(model, &text);
}

/// What is shown, as a Markdown report in a file of its own.
pub fn save(model: &mut Model) -> Vec<Effect> {
    let text = text(model).unwrap_or_default().to_owned();
    let filter = filter(model, &text);
    let shown = if text.is_empty() { String::new() } else { format!(" ({text})") };
    let title = format!("Timeline of {}{shown}", model.cluster.context);
    let at = model.data.now.to_jiff().strftime("%Y%m%dT%H%M%SZ");
    let report = model.data.timeline.markdown(&title, &filter);
    let name = format!("khud-timeline-{at}.md");
    vec![Effect::Save { name, text: report, what: "the report".to_owned() }]
}

fn row(e: &Entry) -> Row {
    let (sign, word, scope) = match e.what {
        What::Session => ("live", "session", "text.dim"),
        What::Change => ("changed", "change", "timeline.change"),
        What::FindingBegan => ("critical", "finding", "timeline.finding"),
        What::FindingRefined => ("verdict", "cause", "timeline.finding"),
        What::FindingEnded => ("ok", "resolved", "timeline.finding"),
        What::Walk => ("verdict", "walk", "text"),
        What::Action => ("arrow", "action", "timeline.action"),
        What::Note => ("info", "note", "timeline.note"),
        What::Acknowledged => ("acknowledged", "acknowledged", "timeline.note"),
    };
    let object = e.object.as_ref().map_or(Value::None, |o| Value::Text(o.to_string().into()));
    let text = if e.cause.is_empty() { e.text.clone() } else { format!("{} ({})", e.text, e.cause) };
    Row {
        id: format!("{} {word} {} {}", e.at, object.show(e.at), e.text).into(),
        object: e.object.clone(),
        cells: vec![
            Cell::dim(Value::Clock(e.at)),
            Cell::new(Value::Sign(sign, word), scope),
            Cell::new(Value::Word(word), scope),
            Cell::plain(object),
            Cell::new(Value::Text(text.into()), scope),
            Cell::dim(Value::Text(e.who.as_str().into())),
        ],
        indent: 0,
    }
}
