//! Saving what is on the screen: a table with all its columns as CSV, text and logs as they read. Files are private,
//! their names and contents cleaned.

use crate::app::core::model::{Model, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::table::cell::{Cell, Value};
use crate::app::views::rows;
use crate::term::clean::clean;
use crate::world::Time;

/// What the view shows, to a file.
pub fn view(model: &mut Model) -> Vec<Effect> {
    let (title, ending, text, count) = match model.view() {
        View::Text(t) => {
            let text = t.lines.iter().map(|l| clean(&l.text()).into_owned() + "\n").collect::<String>();
            (t.title.to_string(), "txt", text, t.lines.len())
        }
        View::Logs(l) => (l.title(), "log", l.written(), l.buffer.len()),
        View::Why(_) => return screen(model),
        View::Table(_) | View::List(_) | View::Overview => match table(model) {
            Some((title, text, count)) => (title, "csv", text, count),
            None => return screen(model),
        },
    };
    if count == 0 {
        model.say(Tone::Info, "There is nothing here to save.");
        return Vec::new();
    }
    vec![Effect::Save { name: name(model, &title, ending), text, what: format!("{count} lines") }]
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

/// The rows of the table or list that keys act on, as CSV with a line of names.
fn table(model: &Model) -> Option<(String, String, usize)> {
    let now = model.data.now;
    let (title, names, cells) = if let Some(table) = model.table() {
        let (names, cells) = table.written(&model.data.cx());
        (table.title(), names, cells)
    } else {
        let list = model.list()?;
        let cells: Vec<_> = model.rows(&list.what, &list.filter).into_iter().map(|r| r.cells).collect();
        let names = rows::names(&list.what).into_iter().map(str::to_owned).collect::<Vec<_>>();
        (crate::app::views::list::title(&list.what), names, cells)
    };
    let mut text = line(names.iter().map(|n| quoted(n, true)));
    for row in &cells {
        text.push_str(&line(row.iter().map(|c| field(c, now))));
    }
    Some((title, text, cells.len()))
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
