//! Saving what is on the screen: a table with all its columns as CSV, text and logs as they read. Files are private,
//! their names and contents cleaned.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::view::Saved;
use crate::app::table::cell::{Cell, Value};
use crate::term::clean::clean;
use crate::world::Time;

/// What the view shows, to a file.
pub fn view(model: &mut Model) -> Vec<Effect> {
    match model.front().saved(model) {
        Saved::Screen => screen(model),
        Saved::File { count: 0, .. } => {
            model.say(Tone::Info, "There is nothing here to save.");
            Vec::new()
        }
        Saved::File { title, ending, text, count } => {
            vec![Effect::Save { name: name(model, &title, ending), text, what: format!("{count} lines") }]
        }
    }
}

/// The screen as it is drawn, to a file.
pub fn screen(model: &Model) -> Vec<Effect> {
    vec![Effect::SaveScreen(name(model, "screen", "txt"))]
}

/// `CONTEXT-WHAT-TIME.ENDING`. What is no letter, digit, `.`, `_` or `-` becomes `_` where the file is written.
fn name(model: &Model, what: &str, ending: &str) -> String {
    let at: String = model.data.now.to_string().chars().filter(|c| *c != ':').collect();
    let part = |text: &str| text.chars().take(48).collect::<String>();
    format!("{}-{}-{at}.{ending}", part(&model.cluster.context), part(what))
}

/// Rows as CSV with a line of names.
pub fn csv(model: &Model, title: String, names: &[&str], cells: Vec<Vec<Cell>>) -> Saved {
    let now = model.data.now;
    let mut text = line(names.iter().map(|n| quoted(n, true)));
    for row in &cells {
        text.push_str(&line(row.iter().map(|c| field(c, now))));
    }
    Saved::File { title, ending: "csv", text, count: cells.len() }
}

fn line(fields: impl Iterator<Item = String>) -> String {
    fields.collect::<Vec<_>>().join(",") + "\r\n"
}

/// Times are written whole: an age means nothing tomorrow.
fn field(cell: &Cell, now: Time) -> String {
    match &cell.value {
        Value::Age(t) | Value::Clock(t) => t.to_string(),
        value @ (Value::Num(_) | Value::Of(..) | Value::Bytes(_) | Value::Millicores(_)) => {
            value.show(now).into_owned()
        }
        value => quoted(&value.show(now), false),
    }
}

/// A CSV field. Text a spreadsheet would take for a formula is marked as text.
fn quoted(text: &str, name: bool) -> String {
    let safe = clean(text);
    let formula = !name && safe.starts_with(['=', '+', '-', '@']);
    if !formula && !safe.contains(['"', ',']) {
        return safe.into_owned();
    }
    format!("\"{}{}\"", if formula { "'" } else { "" }, safe.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_breaks_no_line_and_is_no_formula() {
        let text = |t: &str| field(&Cell::plain(Value::Text(t.into())), Time(0));
        assert_eq!(text("plain"), "plain");
        assert_eq!(text("a,\"b\"\n\u{1b}[2J"), "\"a,\"\"b\"\" ␛[2J\"");
        assert_eq!(text("=cmd|' /C calc'!A0"), "\"'=cmd|' /C calc'!A0\"");
        assert_eq!(field(&Cell::plain(Value::Num(-3)), Time(0)), "-3");
    }
}
