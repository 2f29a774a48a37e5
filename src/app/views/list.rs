//! Short lists: their rows are made when needed. A list implements [`Rows`], and [`ListView`] makes a view of it.

use std::fmt::Debug;
use std::sync::Arc;

use crate::app::core::content::{Body, Content, Line, Mark, Sheet, SheetRow, Title};
use crate::app::core::data::Data;
use crate::app::core::model::Model;
use crate::app::core::view::{FAR, Leaving, Motion, Room, Saved, Then, View};
use crate::app::table::TOMBSTONE;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::filter::Filter;
use crate::app::table::shape::{Shape, unscrolled};
use crate::app::views::freshness::freshness;
use crate::app::views::save::csv;
use crate::config::Scope;
use crate::detect::Finding;
use crate::world::{Kind, ObjectRef, Text, Time};

/// The rows of a short list.
pub trait Rows: Debug + 'static {
    /// The subject, for the title and the file.
    fn title(&self) -> String;

    fn shapes(&self) -> &'static [Shape];

    fn rows(&self, model: &Model) -> Vec<Row>;

    /// The first rows, as many as show, and how many there are: for lists of thousands.
    fn first(&self, _: &Model, _: usize) -> Option<(Vec<Row>, usize)> {
        None
    }

    /// Lines above the titles of the columns, in a room of so many columns.
    fn above(&self, _: &Model, _: usize) -> Vec<Line> {
        Vec::new()
    }

    /// The rows that a filter keeps.
    fn filtered(&self, model: &Model, filter: &str) -> Vec<Row> {
        let mut rows = self.rows(model);
        if !filter.is_empty() {
            let (now, names, filter) = (model.data.now, names(self.shapes()), self.parsed(filter));
            rows.retain(|r| filter.passes(&names, &r.cells, now));
        }
        rows
    }

    /// Parses a filter.
    fn parsed(&self, filter: &str) -> Filter {
        parse(&names(self.shapes()), filter)
    }

    /// The fault of a filter.
    fn note(&self, filter: &str) -> Option<String> {
        self.parsed(filter).note
    }

    /// Where keys are looked up.
    fn scope(&self) -> Scope {
        Scope::Rows
    }

    fn finding<'m>(&self, model: &'m Model, row: Option<&Row>) -> Option<&'m Arc<Finding>> {
        model.data.detector.of(row?.object.as_ref()?)
    }

    /// The effect of `enter` on a row.
    fn enter(&self, _: &Model, _: &Row) -> Option<Then> {
        None
    }

    /// The container that a row is of.
    fn container(&self, _: &Row) -> Option<Text> {
        None
    }

    /// The kind whose changes the list follows, and with which it becomes stale.
    fn follows(&self) -> Option<Kind> {
        None
    }

    /// Its rows in words.
    fn noun(&self) -> &'static str {
        "rows"
    }

    /// The text shown instead of rows.
    fn empty(&self, _: &Model) -> &'static str {
        "Nothing here."
    }

    /// Rows whose objects are deleted stay for a while.
    fn keeps_tombstones(&self) -> bool {
        false
    }
}

/// The names of columns, for a filter that compares one.
pub fn names(shapes: &[Shape]) -> Vec<&str> {
    shapes.iter().map(|s| &*s.name).collect()
}

/// Parses a filter over columns of these names.
pub fn parse(names: &[&str], filter: &str) -> Filter {
    Filter::parse(filter, |name| names.iter().any(|n| n.eq_ignore_ascii_case(name)))
}

/// A sentence for a list whose filter keeps none of its rows; `note` says what is wrong with the filter.
pub fn none_of(all: usize, noun: &str, note: Option<String>) -> String {
    let note = note.map_or(String::new(), |note| format!(" ({note})"));
    format!("None of {all} {noun} matches{note}. esc clears the filter.")
}

/// A column that a filter compares and that has no value in any of the rows.
pub fn valueless(names: &[&str], filter: &Filter, rows: &[Row]) -> Option<String> {
    let name = filter.column()?;
    let at = names.iter().position(|n| n.eq_ignore_ascii_case(name))?;
    let valued = |r: &Row| r.cells.get(at).is_some_and(|c| c.value != Value::None);
    (!rows.iter().any(valued)).then(|| format!("{} has no value in any row", names[at]))
}

/// A view of a short list.
#[derive(Debug)]
pub struct ListView<R> {
    of: R,
    list: List,
}

impl<R: Rows> ListView<R> {
    pub fn new(of: R) -> ListView<R> {
        ListView { of, list: List::new() }
    }

    /// The rows that the filter keeps.
    fn rows(&self, model: &Model) -> Vec<Row> {
        self.of.filtered(model, &self.list.filter)
    }

    /// The rows from the first to the last that shows, and how many there are.
    fn in_sight(&self, model: &Model) -> (Vec<Row>, usize) {
        let whole = self.list.at_rest() && self.list.filter.is_empty();
        if let Some(first) = whole.then(|| self.of.first(model, self.list.height)).flatten() {
            return first;
        }
        let rows = self.rows(model);
        let total = rows.len();
        (rows, total)
    }

    /// The row under the cursor.
    fn row(&self, model: &Model) -> Option<Row> {
        let mut rows = self.rows(model);
        let at = self.list.index(&rows);
        (at < rows.len()).then(|| rows.swap_remove(at))
    }

    /// The text of a list without rows.
    fn emptiness(&self, model: &Model) -> String {
        let filter = &self.list.filter;
        let all = if filter.is_empty() { Vec::new() } else { self.of.rows(model) };
        if all.is_empty() {
            return self.of.empty(model).to_owned();
        }
        let parsed = self.of.parsed(filter);
        let note = self.of.note(filter);
        let note = note.or_else(|| valueless(&names(self.of.shapes()), &parsed, &all));
        none_of(all.len(), self.of.noun(), note)
    }

    fn sheet(&self, rows: &[Row], total: usize, above: Vec<Line>) -> Sheet {
        let list = &self.list;
        let selected = list.index(rows).checked_sub(list.offset);
        let window: Vec<&Row> = rows.iter().skip(list.offset).take(list.height).collect();
        // A tombstone stands where its row stood, as far as no row has to go for it.
        let room = list.height.saturating_sub(window.len());
        let mut lines: Vec<(Option<usize>, &Row)> =
            window.iter().enumerate().map(|(i, r)| (Some(i), *r)).collect();
        for tombstone in list.tombstones.iter().take(room) {
            let at = tombstone.index.saturating_sub(list.offset).min(lines.len());
            lines.insert(at, (None, &tombstone.row));
        }
        let shapes = self.of.shapes();
        let columns = unscrolled(shapes.iter(), list.left);
        let row = |(live, r): &(Option<usize>, &Row)| SheetRow {
            cells: columns.iter().filter_map(|i| r.cells.get(*i).cloned()).collect(),
            mark: live.is_none().then_some(Mark::Tombstone),
            indent: r.indent,
        };
        Sheet {
            shapes: columns.iter().map(|i| shapes[*i].clone()).collect(),
            rows: lines.iter().map(row).collect(),
            selected: lines.iter().position(|(live, _)| live.is_some() && *live == selected),
            sorted: None,
            total,
            offset: list.offset,
            more: None,
            above,
        }
    }

    /// The source of its rows.
    pub fn of(&self) -> &R {
        &self.of
    }

    pub fn of_mut(&mut self) -> &mut R {
        &mut self.of
    }

    /// The row under the cursor, for what its keys do.
    pub fn here(&self, model: &Model) -> Option<Row> {
        self.row(model)
    }
}

impl<R: Rows> View for ListView<R> {
    fn title(&self) -> String {
        self.of.title()
    }

    fn scope(&self) -> Scope {
        self.of.scope()
    }

    fn object(&self, model: &Model) -> Option<ObjectRef> {
        self.row(model)?.object
    }

    fn row_id(&self, model: &Model) -> Option<Text> {
        self.row(model).map(|r| r.id)
    }

    fn finding<'m>(&self, model: &'m Model) -> Option<&'m Arc<Finding>> {
        self.of.finding(model, self.row(model).as_ref())
    }

    fn content(&self, model: &Model, _: bool) -> Content {
        let (rows, total) = self.in_sight(model);
        let mut notes = Vec::new();
        if self.list.left > 0 {
            notes.push(format!("{} {} columns", model.theme.glyph("left"), self.list.left));
        }
        notes.extend(self.of.follows().and_then(|kind| freshness(model, &kind)));
        notes.push(total.to_string());
        let body = match rows.is_empty() {
            true => Body::sentence(self.emptiness(model)),
            false => Body::Sheet(self.sheet(&rows, total, self.of.above(model, self.list.width))),
        };
        let title = Title { name: self.title(), filter: self.list.filter.clone(), notes };
        Content { title, body, ages: Vec::new() }
    }

    fn saved(&self, model: &Model) -> Saved {
        let cells = self.rows(model).into_iter().map(|r| r.cells).collect();
        csv(model, self.title(), &names(self.of.shapes()), cells)
    }

    fn enter(&self, model: &Model) -> Option<Then> {
        self.of.enter(model, &self.row(model)?)
    }

    fn go(&mut self, model: &Model, motion: Motion) {
        let list = &mut self.list;
        let by = match motion {
            Motion::Top => return list.top(),
            Motion::Sideways(by) => {
                let last = self.of.shapes().len().saturating_sub(2);
                list.left = list.left.saturating_add_signed(by).min(last);
                return;
            }
            Motion::Step(by) => by,
            Motion::Page(by) => by * list.height.saturating_sub(1).max(1) as isize,
            Motion::Bottom => FAR,
            Motion::Line(line) => {
                let rows = self.of.filtered(model, &list.filter);
                if list.offset + line < rows.len() {
                    list.jump(&rows, list.offset + line);
                }
                return;
            }
        };
        let rows = self.of.filtered(model, &list.filter);
        list.step(&rows, by);
        list.show_cursor(&rows);
    }

    fn fit(&mut self, model: &Model, room: Room) {
        self.list.width = room.width.into();
        self.list.above = self.of.above(model, self.list.width).len() as u16;
        self.list.height = room.rows().saturating_sub(self.list.above.into()).max(1);
        // Rows are made for a pane only where they can move it.
        if !self.list.at_rest() {
            let rows = self.rows(model);
            self.list.show_cursor(&rows);
        }
    }

    fn filter(&self) -> &str {
        &self.list.filter
    }

    fn set_filter(&mut self, _: &Model, text: &str) -> Option<String> {
        self.list.filter = text.to_owned();
        self.list.top();
        None
    }

    fn filter_note(&self) -> Option<String> {
        self.of.note(&self.list.filter)
    }

    fn head(&self) -> u16 {
        2 + self.list.above
    }

    fn container(&self, model: &Model) -> Option<Text> {
        self.of.container(&self.row(model)?)
    }

    fn shows_findings(&self) -> bool {
        true
    }

    fn bury(&mut self, model: &Model, leaving: &Leaving<'_>) {
        if !self.of.keeps_tombstones() {
            return;
        }
        let rows = self.rows(model);
        for (index, row) in rows.into_iter().enumerate() {
            if row.object.as_ref().is_some_and(|o| leaving.has(&model.data, o)) {
                self.list.bury(row, index, model.data.now);
            }
        }
    }

    fn expire(&mut self, now: Time) -> bool {
        self.list.expire(now)
    }

    fn next_timer(&self, _: &Data) -> Option<Time> {
        self.list.tombstones.iter().map(|t| t.until).min()
    }
}

/// One row. The cursor stays on its `id`, wherever the row moves.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub id: Text,
    pub object: Option<ObjectRef>,
    pub cells: Vec<Cell>,
    /// Columns the first cell is set in, for trees.
    pub indent: u16,
}

#[derive(Debug)]
pub struct List {
    cursor: Option<Text>,
    index: usize,
    pub offset: usize,
    /// Columns scrolled out on the left.
    pub left: usize,
    /// Rows that show; of a list of cards, lines.
    pub height: usize,
    /// Columns that show, where rows are wrapped.
    pub width: usize,
    /// Lines above the titles of the columns.
    above: u16,
    /// What is typed after `/`.
    pub filter: String,
    /// Rows whose objects are gone, where they last stood.
    pub tombstones: Vec<Tombstone>,
}

/// A row whose object is gone, as it last looked.
#[derive(Clone, Debug)]
pub struct Tombstone {
    pub row: Row,
    pub index: usize,
    pub until: Time,
}

impl List {
    pub(super) fn new() -> List {
        List {
            cursor: None,
            index: 0,
            offset: 0,
            left: 0,
            height: 1,
            width: 80,
            above: 0,
            filter: String::new(),
            tombstones: Vec::new(),
        }
    }

    /// Where the cursor stands among these rows: on its row, or where that row last was.
    pub fn index(&self, rows: &[Row]) -> usize {
        self.index_among(rows.len(), |id| rows.iter().position(|r| r.id == *id))
    }

    /// The same among so many rows that need not be made to find one by its id.
    pub fn index_among(&self, rows: usize, find: impl FnOnce(&Text) -> Option<usize>) -> usize {
        match &self.cursor {
            None => 0,
            Some(id) => find(id).unwrap_or(self.index.min(rows.saturating_sub(1))),
        }
    }

    /// Whether it stands at the top and was never moved: whatever the rows, there it stays.
    pub fn at_rest(&self) -> bool {
        self.cursor.is_none() && self.offset == 0
    }

    /// The row's object is about to go: where it is in sight it stays a while, greyed.
    pub fn bury(&mut self, row: Row, index: usize, now: Time) {
        if (self.offset..self.offset + self.height).contains(&index) {
            self.tombstones.push(Tombstone { row, index, until: now.plus(TOMBSTONE) });
        }
    }

    /// Lets go of what vanished a while ago; true where there was any.
    pub fn expire(&mut self, now: Time) -> bool {
        let before = self.tombstones.len();
        self.tombstones.retain(|g| g.until > now);
        self.tombstones.len() != before
    }

    pub fn step(&mut self, rows: &[Row], by: isize) {
        let last = rows.len().saturating_sub(1);
        self.jump(rows, self.index(rows).saturating_add_signed(by).min(last));
    }

    pub fn jump(&mut self, rows: &[Row], index: usize) {
        let index = index.min(rows.len().saturating_sub(1));
        self.cursor = rows.get(index).map(|r| r.id.clone());
        self.index = index;
    }

    pub fn top(&mut self) {
        self.cursor = None;
        self.index = 0;
        self.offset = 0;
    }

    pub fn select(&mut self, id: Text) {
        self.cursor = Some(id);
    }

    /// Puts the window on the cursor.
    pub fn show_cursor(&mut self, rows: &[Row]) {
        let (at, height) = (self.index(rows), self.height.max(1));
        if at < self.offset {
            self.offset = at;
        } else if at >= self.offset + height {
            self.offset = at + 1 - height;
        }
        self.offset = self.offset.min(rows.len().saturating_sub(height));
    }
}
