//! A page of text with headings and pairs of key and value, wrapped to the screen.

use crate::app::core::content::Line;
use crate::term::clean::{clean, width, wrap};
use crate::world::Time;
use crate::world::time::human;

/// Columns of a pair's key.
const WIDE: usize = 14;

pub struct Page {
    pub lines: Vec<Line>,
    pub now: Time,
}

impl Page {
    pub fn title(&mut self, text: &str) {
        if !self.lines.is_empty() {
            self.lines.push(Line::default());
        }
        self.lines.push(Line::of(text, "title"));
    }

    pub fn pair(&mut self, key: &str, value: impl Into<String>, scope: &'static str) {
        let value = value.into();
        if !value.is_empty() {
            self.lines.push(Line(vec![(format!("  {key:<WIDE$} "), "text.dim"), (value, scope)]));
        }
    }

    pub fn ago(&self, t: Option<Time>) -> String {
        t.map_or(String::new(), |t| format!("{} ago", human(t.age(self.now))))
    }

    /// Its lines, long ones going on below, set in: a cause is no use when its end is off the screen.
    pub fn wrapped(self, columns: usize) -> Vec<Line> {
        self.lines.into_iter().flat_map(|line| wrapped(line, columns)).collect()
    }
}

fn wrapped(line: Line, columns: usize) -> Vec<Line> {
    /// How far what goes on is set in beyond its line.
    const IN: usize = 4;
    let Some((last, before)) = line.0.split_last() else { return vec![line] };
    let lead = before.iter().map(|(t, _)| width(&clean(t))).sum::<usize>();
    let all = line.text();
    if width(&clean(&all)) <= columns {
        return vec![line];
    }
    // Only the last piece is long as a rule; where another is, the line goes on as one.
    let (lead, first, (text, scope)) = match lead + IN * 4 <= columns {
        true => (lead, before.to_vec(), last.clone()),
        false => (0, Vec::new(), (all, last.1)),
    };
    let text = clean(&text);
    let indent = match lead {
        0 => text.chars().take_while(|c| *c == ' ').count() + IN,
        lead => lead.min(2 + WIDE + 1),
    };
    let mut head = first;
    let begins = wrap(&text, columns.saturating_sub(lead).max(IN)).into_iter().next().unwrap_or_default();
    let rest = wrap(text[begins.len()..].trim_start(), columns.saturating_sub(indent).max(IN));
    head.push((begins, scope));
    let rest = rest.into_iter().map(|t| Line(vec![(" ".repeat(indent), scope), (t, scope)]));
    std::iter::once(Line(head)).chain(rest).collect()
}
