//! `?`: the keys that work here, on one screen: the view's own first, in columns, with the legend of the symbols.

use crate::app::core::available::Here;
use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::views::text::Reader;
use crate::config::{Command, Theme};
use crate::term::clean::{fit, width};

/// Columns of the screen that one column of keys takes at least.
const COLUMN: usize = 38;
/// Columns of the keys in it.
const KEYS: usize = 11;

/// Symbols worth a word, and what they say.
const LEGEND: &[(&str, &str, &str)] = &[
    ("critical", "finding.critical", "critical"),
    ("warning", "finding.warning", "warning"),
    ("info", "finding.info", "worth knowing"),
    ("pending", "finding.pending", "true for a moment only"),
    ("resolving", "finding.resolving", "no longer true"),
    ("acknowledged", "finding.acknowledged", "somebody has it"),
    ("muted", "text.dim", "muted"),
    ("changed", "timeline.change", "changed before it"),
    ("selected", "frame.focus", "under the cursor"),
    ("marked", "row.marked", "marked"),
    ("tombstone", "row.tombstone", "deleted just now"),
    ("verdict", "tree.verdict", "the verdict, or fits the cause"),
    ("restart", "text", "restarts"),
    ("up", "header.bad", "sick pods"),
    ("down", "header.bad", "GPUs lost"),
];

#[derive(Debug)]
struct Help;

pub fn open(model: &mut Model) {
    let lines = page(model);
    stack::push(model, Reader::new(Help, "help", None, lines));
}

/// One cell of the page: pieces of text with their scopes.
type Cell = Vec<(String, &'static str)>;

fn page(model: &Model) -> Vec<Line> {
    let columns = (usize::from(model.size.0).saturating_sub(1) / COLUMN).clamp(1, 5);
    let room = (usize::from(model.size.0).saturating_sub(1) / columns).max(COLUMN) - 2;
    let mut cells = keys(model, room);
    cells.push(Vec::new());
    cells.extend(legend(&model.theme));
    let rows = cells.len().div_ceil(columns);
    let mut lines: Vec<Line> = Vec::with_capacity(rows + 2);
    for row in 0..rows {
        let mut line: Cell = vec![(" ".to_owned(), "text")];
        for column in 0..columns {
            let Some(cell) = cells.get(column * rows + row) else { continue };
            let used: usize = cell.iter().map(|(text, _)| width(text)).sum();
            line.extend(cell.iter().cloned());
            line.push((" ".repeat((room + 2).saturating_sub(used)), "text"));
        }
        lines.push(Line(line));
    }
    lines.push(Line::default());
    lines.extend(own(model));
    let foot = "`:` runs any command by its name and opens any kind; tab completes.";
    lines.push(Line::of(format!(" {foot}"), "text.dim"));
    lines
}

/// The keys and words that config.toml adds.
fn own(model: &Model) -> Vec<Line> {
    let own = model.prefs.own();
    let mut entries: Vec<(String, String)> = Vec::new();
    entries.extend(own.hotkeys.iter().map(|h| (h.key.to_string(), format!(":{}", h.line))));
    entries.extend(own.plugins.iter().map(|p| {
        let about = if p.about.is_empty() { &p.name } else { &p.about };
        (p.key.to_string(), format!("{about} (on {})", p.scopes.join(", ")))
    }));
    entries.extend(own.aliases.iter().map(|(word, line)| (format!(":{word}"), format!(":{line}"))));
    if entries.is_empty() {
        return Vec::new();
    }
    let title = Line::of(" Your own", "title");
    let line = |(key, text): (String, String)| Line(vec![(format!(" {key:<KEYS$} "), "key"), (text, "text")]);
    std::iter::once(title).chain(entries.into_iter().map(line)).chain([Line::default()]).collect()
}

/// Headings and keys, the most particular first. What does nothing now is grey; numbered commands share a line.
fn keys(model: &Model, room: usize) -> Vec<Cell> {
    let here = Here::of(model);
    let mut cells = Vec::new();
    for (scope, commands) in model.keymap.help(model.scope()) {
        if !cells.is_empty() {
            cells.push(Vec::new());
        }
        cells.push(vec![(scope.title().to_owned(), "title")]);
        let mut rest = commands.as_slice();
        while let Some(((command, keys), others)) = rest.split_first() {
            let same =
                others.iter().take_while(|(c, _)| stem(c).is_some() && stem(c) == stem(command)).count();
            let (keys, text) = match others[..same].last() {
                Some((_, last)) => {
                    (format!("{keys}…{}", last.chars().last().unwrap_or(' ')), series(command))
                }
                None => (short(keys), command.description),
            };
            rest = &others[same..];
            let off = same == 0 && here.refusal(command.id).is_some();
            let keys = fit(&keys, KEYS - 1).into_owned();
            cells.push(vec![
                (format!("{keys:<KEYS$}"), if off { "text.dim" } else { "key" }),
                (fit(text, room - KEYS).into_owned(), if off { "text.dim" } else { "text" }),
            ]);
        }
    }
    cells
}

/// The first of several keys for the same.
fn short(keys: &str) -> String {
    keys.split(", ").next().unwrap_or_default().to_owned()
}

/// The name without its number, of commands that are one for each number.
fn stem(command: &Command) -> Option<&'static str> {
    let stem = command.name.trim_end_matches(|c: char| c.is_ascii_digit());
    (stem.len() < command.name.len() && stem.ends_with('.')).then_some(stem)
}

/// The description of a series of keys.
fn series(command: &Command) -> &'static str {
    match stem(command) {
        Some("focus.") => "pane of this number",
        Some("namespace.") => "favourite of this number",
        _ => command.description,
    }
}

fn legend(theme: &Theme) -> Vec<Cell> {
    let mut cells: Vec<Cell> = vec![vec![("Symbols".to_owned(), "title")]];
    cells.extend(LEGEND.iter().map(|(glyph, scope, says)| {
        vec![(format!("{:<KEYS$}", theme.glyph(glyph)), *scope), ((*says).to_owned(), "text")]
    }));
    cells
}
