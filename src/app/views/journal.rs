//! `:journal`: what was done in this session, newest first.

use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::runs::batch::{Fate, Phase};
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape};
use crate::app::views::list::{ListView, Row, Rows};

static SHAPES: &[Shape] =
    &[shape("ACTION", 20, 80, 100), shape("STATE", 8, 12, 90), shape("RESULT", 20, 200, 80)];

#[derive(Debug)]
struct Journal;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Journal));
}

impl Rows for Journal {
    fn title(&self) -> String {
        "journal".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn rows(&self, model: &Model) -> Vec<Row> {
        rows(model)
    }

    /// Opens the plan and its progress.
    fn enter(&self, model: &Model, row: &Row) -> Option<Then> {
        let id = row.id.parse().unwrap_or_default();
        let of_many = model.batches.iter().any(|b| b.id == id);
        Some(Box::new(move |model| {
            model.dialog = Some(if of_many { Dialog::Batch(id) } else { Dialog::Plan(id) });
            Vec::new()
        }))
    }

    fn empty(&self, _: &Model) -> &'static str {
        "Nothing was done in this session. `khud journal` shows all of them."
    }
}

/// The actions of this session, newest first.
fn rows(model: &Model) -> Vec<Row> {
    let single = model.runs.iter().map(|r| {
        let report = r.run.report();
        let (state, scope) = match report.outcome {
            Some(o) if o.exit_code() == 0 => (o.as_str(), "success"),
            Some(o) => (o.as_str(), "status.bad"),
            None => ("under way", "status.pending"),
        };
        let result = if report.outcome.is_some() { report.reason } else { r.run.progress().line };
        let row = Row {
            id: r.id.to_string().into(),
            object: Some(report.target),
            cells: vec![
                Cell::plain(Value::Text(r.title.as_str().into())),
                Cell::new(Value::Word(state), scope),
                Cell::plain(Value::Text(result.into())),
            ],
            indent: 0,
        };
        (r.id, row)
    });
    let many = model.batches.iter().map(|b| {
        let (state, scope) = match b.phase() {
            Phase::Planning | Phase::Going => ("under way", "status.pending"),
            Phase::Asking | Phase::Halted => ("asks you", "status.bad"),
            Phase::Over if b.count(Fate::Done) == b.items.len() => ("verified", "success"),
            Phase::Over => ("not all", "status.bad"),
        };
        let row = Row {
            id: b.id.to_string().into(),
            object: None,
            cells: vec![
                Cell::plain(Value::Text(b.title.as_str().into())),
                Cell::new(Value::Word(state), scope),
                Cell::plain(Value::Text(b.summary().into())),
            ],
            indent: 0,
        };
        (b.id, row)
    });
    let mut rows: Vec<(u64, Row)> = single.chain(many).collect();
    rows.sort_by_key(|(id, _)| std::cmp::Reverse(*id));
    rows.into_iter().map(|(_, row)| row).collect()
}
