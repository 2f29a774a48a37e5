//! The timeline in the cockpit: what goes on it, and its rows.

use super::cell::{Cell, Value};
use super::columns::Shape;
use super::list::{Row, shape};
use super::model::Model;
use super::msg::Effect;
use crate::detect::timeline::{Entry, Filter, What};

pub static SHAPES: &[Shape] = &[
    shape("TIME", 8, 8, 100),
    shape(" ", 1, 1, 95),
    shape("WHAT", 4, 8, 60),
    Shape { name: "OBJECT", min: 12, max: 60, right: false, keep: 80, tail: true },
    shape("TEXT", 20, 400, 98),
    shape("WHO", 3, 24, 50),
];

/// Newest entries shown; `/` looks through all of them.
const SHOWN: usize = 2_000;

/// Puts an entry on the timeline and has it kept in its file.
pub fn note(model: &mut Model, entry: Entry) {
    model.keep.push(entry.clone());
    model.data.timeline.push(entry);
}

/// What is still to be written to the timeline's file.
pub fn keep(model: &mut Model) -> Option<Effect> {
    (!model.keep.is_empty()).then(|| Effect::Keep(std::mem::take(&mut model.keep)))
}

/// The timeline, newest first.
pub fn rows(model: &Model, words: &str) -> Vec<Row> {
    let filter = Filter { words: words.to_owned(), ..Filter::default() };
    let entries = model.data.timeline.entries(&filter).rev().take(SHOWN);
    entries.enumerate().map(|(i, e)| row(i, e)).collect()
}

fn row(i: usize, e: &Entry) -> Row {
    let (sign, word, scope) = match e.what {
        What::Change => ("changed", "change", "timeline.change"),
        What::FindingBegan => ("critical", "finding", "timeline.finding"),
        What::FindingEnded => ("ok", "resolved", "timeline.finding"),
        What::Walk => ("verdict", "walk", "text"),
        What::Action => ("arrow", "action", "timeline.action"),
        What::Note => ("info", "note", "timeline.note"),
    };
    let object = e.object.as_ref().map_or(Value::None, |o| Value::Text(o.to_string().into()));
    Row {
        id: format!("{}{i}", e.at).into(),
        object: e.object.clone(),
        cells: vec![
            Cell::dim(Value::Clock(e.at)),
            Cell::new(Value::Sign(sign, word), scope),
            Cell::new(Value::Word(word), scope),
            Cell::plain(object),
            Cell::new(Value::Text(e.text.as_str().into()), scope),
            Cell::dim(Value::Text(e.who.as_str().into())),
        ],
        indent: 0,
    }
}
