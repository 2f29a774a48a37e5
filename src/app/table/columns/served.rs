//! The server's own table of any kind as columns: typed values, a live age, colour where a word is plainly bad news.

use std::borrow::Cow;

use super::{Column, Make};
use crate::app::table::cell::{Cell, Value};
use crate::app::table::cx::Cx;
use crate::app::table::filter::want_duration;
use crate::app::table::shape::{Cut, Shape, number, shape, tail};
use crate::world::quantity;
use crate::world::served::{Datum, Row};
use crate::world::{Kind, Slot, Time};

/// Which part of a row stands in a column.
#[derive(Debug, Clone)]
pub enum Part {
    Namespace,
    Name,
    /// The server's ages stand still; this one is counted from the object's creation.
    Age,
    Cell {
        index: usize,
        date: bool,
    },
}

/// The columns of the server's table, so far as they are known; the wide ones where they are wanted.
pub fn columns(cx: &Cx<'_>, kind: &Kind, wide: bool) -> Vec<Column> {
    let Some(rows) = cx.world.served.get(kind) else { return Vec::new() };
    let column = |shape, part| Column { shape, make: Make::Served(kind.clone(), part) };
    let mut out = Vec::new();
    if kind.namespaced() {
        out.push(column(shape("NAMESPACE", 4, 24, 82), Part::Namespace));
    }
    for (index, c) in rows.columns.iter().enumerate().filter(|(_, c)| wide || !c.wide) {
        let name = c.name.to_uppercase();
        let (part, shape) = match name.as_str() {
            "NAME" => (Part::Name, tail("NAME", 10, 60, 100)),
            "AGE" => (Part::Age, number("AGE", 3, 7, 50)),
            _ => {
                let right = matches!(&*c.of, "integer" | "number");
                // The server puts what matters first.
                let keep = if c.wide { 20 } else { 94 - (index.min(22) as u8) * 2 };
                let min = u16::try_from(name.chars().count()).unwrap_or(8).clamp(3, 10);
                let max = if right { 12 } else { 60 };
                let shape = Shape { name: Cow::Owned(name), min, max, right, keep, cut: Cut::End };
                (Part::Cell { index, date: &*c.of == "date" }, shape)
            }
        };
        out.push(column(shape, part));
    }
    out
}

pub fn cell(cx: &Cx<'_>, kind: &Kind, part: &Part, slot: Slot) -> Cell {
    let Some(rows) = cx.world.served.get(kind) else { return Cell::plain(Value::None) };
    let Some(row) = rows.rows.get(slot) else { return Cell::plain(Value::None) };
    match part {
        Part::Namespace => Cell::dim(Value::text(&row.meta.namespace)),
        Part::Name => Cell::new(Value::text(&row.meta.name), tone(row)),
        Part::Age => Cell::dim(Value::age(row.meta.created)),
        Part::Cell { index, date } => match row.cells.get(*index) {
            Some(datum) => {
                let name = rows.columns.get(*index).map_or("", |c| &c.name);
                Cell::new(value(datum, *date), scope(name, datum))
            }
            None => Cell::plain(Value::None),
        },
    }
}

fn tone(row: &Row) -> &'static str {
    if row.meta.deleting.is_some() { "status.done" } else { "text" }
}

/// A cell as what it means: `2/3`, `10Gi`, `5d3h`, a time, a number; text where it is none of these.
fn value(datum: &Datum, date: bool) -> Value {
    let text = match datum {
        Datum::None => return Value::None,
        Datum::Flag(true) => return Value::Word("true"),
        Datum::Flag(false) => return Value::Word("false"),
        Datum::Number(n) => return Value::Num(*n),
        Datum::Text(text) => text,
    };
    if date {
        if let Some(time) = Time::parse(text) {
            return Value::Age(time);
        }
        // Older first means smaller ages first, as for times.
        if let Some(age) = want_duration(text) {
            return Value::Ranked(i64::try_from(age.as_secs()).unwrap_or(i64::MAX), text.clone());
        }
    }
    if let Some((have, want)) = text.split_once('/')
        && let (Ok(have), Ok(want)) = (have.parse(), want.parse())
    {
        return Value::Of(have, want);
    }
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Value::Text(text.clone());
    }
    if let Ok(number) = text.parse() {
        return Value::Num(number);
    }
    // `10Gi`, but not `10E` or `5m`: those are as often something else.
    match quantity::value(text).filter(|_| text.ends_with('i')) {
        Some(bytes) => Value::Bytes(bytes),
        None => Value::Text(text.clone()),
    }
}

/// Columns in which a word tells how the object is.
const TELLING: [&str; 8] = ["status", "state", "phase", "ready", "health", "healthy", "available", "synced"];
const BAD: [&str; 12] = [
    "false",
    "failed",
    "error",
    "degraded",
    "lost",
    "unhealthy",
    "unknown",
    "outofsync",
    "notready",
    "unready",
    "expired",
    "invalid",
];
const PENDING: [&str; 7] =
    ["pending", "progressing", "terminating", "released", "suspended", "waiting", "reconciling"];

fn scope(column: &str, datum: &Datum) -> &'static str {
    if !TELLING.iter().any(|t| column.eq_ignore_ascii_case(t)) {
        return "text";
    }
    match datum {
        Datum::Flag(false) => "status.bad",
        Datum::Text(text) if BAD.iter().any(|w| text.eq_ignore_ascii_case(w)) => "status.bad",
        Datum::Text(text) if PENDING.iter().any(|w| text.eq_ignore_ascii_case(w)) => "status.pending",
        _ => "text",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_read_as_what_they_mean() {
        let of = |text: &str| value(&Datum::Text(text.into()), false);
        assert_eq!(of("2/3"), Value::Of(2, 3));
        assert_eq!(of("17"), Value::Num(17));
        assert!(of("512Mi") < of("10Gi"), "by size, not by text");
        assert_eq!(of("10.96.0.1"), Value::Text("10.96.0.1".into()));
        assert_eq!(of("5m"), Value::Text("5m".into()));
        let age = |text: &str| value(&Datum::Text(text.into()), true);
        assert!(age("59m") < age("3h") && age("3h") < age("2d4h"));
        assert!(matches!(age("2026-11-21T02:40:00Z"), Value::Age(_)));
    }
}
