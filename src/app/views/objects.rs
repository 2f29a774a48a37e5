//! A table of objects of one kind, and what its keys do: sort, mark, only faults, more columns.

use crate::app::core::content::{Body, Content, Mark, Sheet, SheetRow, Title};
use crate::app::core::data::Data;
use crate::app::core::model::Model;
use crate::app::core::notice::Tone;
use crate::app::core::pane::Pane;
use crate::app::core::stack;
use crate::app::core::view::{Leaving, Motion, Room, Saved, Then, View};
use crate::app::table::columns::Column;
use crate::app::table::cx::Cx;
use crate::app::table::filter::Filter;
use crate::app::table::shape::{Shape, unscrolled};
use crate::app::table::{Fence, Shown, Source, Table};
use crate::app::views::freshness::freshness;
use crate::app::views::inside;
use crate::app::views::save::csv;
use crate::config::{Id, Scope};
use crate::judge;
use crate::world::served::MOST_ROWS;
use crate::world::{Kind, ObjectRef, StreamId, StreamState, Time};

/// The view of a table.
#[derive(Debug)]
pub struct Objects(Table);

impl Objects {
    pub fn new(table: Table) -> Objects {
        Objects(table)
    }
}

/// Opens the full view of a kind.
pub fn open_kind(model: &mut Model, kind: Kind) {
    open(model, Source { kind, fence: Fence::All });
}

/// Opens one table of all workloads.
pub fn open_workloads(model: &mut Model) {
    open(model, Source { kind: Kind::Deployment, fence: Fence::Workloads });
}

/// Opens a table of what the source lists, in the chosen namespaces.
pub fn open(model: &mut Model, source: Source) {
    let mut table = Table::new(source);
    table.relearn(&model.data.cx());
    table.within_namespaces(&model.data.cx(), &model.namespaces);
    stack::push(model, Objects(table));
}

impl View for Objects {
    fn title(&self) -> String {
        self.0.title()
    }

    fn scope(&self) -> Scope {
        match &self.0.source.kind {
            Kind::Pod => Scope::Pods,
            Kind::Node => Scope::Nodes,
            Kind::Event => Scope::Events,
            kind if kind.workload() => Scope::Workloads,
            _ => Scope::Rows,
        }
    }

    fn object(&self, model: &Model) -> Option<ObjectRef> {
        self.0.selected(&model.data.cx())
    }

    fn content(&self, model: &Model, focus: bool) -> Content {
        let table = &self.0;
        let body = match table.is_empty() {
            true => Body::sentence(emptiness(model, table)),
            false => Body::Sheet(sheet(model, table, focus)),
        };
        let title =
            Title { name: table.title(), filter: table.filter.text.clone(), notes: notes(model, table) };
        Content { title, body, ages: Vec::new() }
    }

    fn saved(&self, model: &Model) -> Saved {
        let (names, cells) = self.0.written(&model.data.cx());
        csv(model, self.title(), &names.iter().map(String::as_str).collect::<Vec<_>>(), cells)
    }

    fn enter(&self, model: &Model) -> Option<Then> {
        inside::of(self.object(model)?)
    }

    fn go(&mut self, _: &Model, motion: Motion) {
        let table = &mut self.0;
        match motion {
            Motion::Step(by) => table.step(by),
            Motion::Page(by) => table.step(by * table.height.saturating_sub(1).max(1) as isize),
            Motion::Top => table.top(),
            Motion::Bottom => table.jump(usize::MAX),
            Motion::Line(line) => table.point(line),
            Motion::Sideways(by) => {
                let last = table.columns().len().saturating_sub(2);
                table.left = table.left.saturating_add_signed(by).min(last);
            }
        }
    }

    fn fit(&mut self, _: &Model, room: Room) {
        self.0.height = room.rows();
        self.0.settle();
    }

    fn filter(&self) -> &str {
        &self.0.filter.text
    }

    fn set_filter(&mut self, model: &Model, text: &str) -> Option<String> {
        self.0.filter = Filter::of_table(text, self.0.columns());
        self.0.rebuild(&model.data.cx());
        None
    }

    fn filter_note(&self) -> Option<String> {
        self.0.filter.note.clone()
    }

    fn table(&self) -> Option<&Table> {
        Some(&self.0)
    }

    fn table_mut(&mut self) -> Option<&mut Table> {
        Some(&mut self.0)
    }

    fn bury(&mut self, model: &Model, leaving: &Leaving<'_>) {
        for slot in leaving.slots {
            if let Some(row) = self.0.source.row(leaving.kind, *slot) {
                self.0.bury(&model.data.cx(), row);
            }
        }
    }

    fn expire(&mut self, now: Time) -> bool {
        self.0.expire(now)
    }

    fn next_timer(&self, _: &Data) -> Option<Time> {
        self.0.next_expiry()
    }
}

/// The text of an empty table.
fn emptiness(model: &Model, table: &Table) -> String {
    let kind = &table.source.kind;
    let plural = kind.plural();
    if table.total > 0 {
        let valueless = || {
            let name = table.without_values(&model.data.cx())?;
            Some(format!("{} has no value in any row", name.to_uppercase()))
        };
        let note = table.filter.note.clone().or_else(valueless);
        if table.faults && table.filter.is_empty() {
            let key = match table.source.kind {
                Kind::Event => model.keymap.shown(Scope::Global, Id::Warnings),
                _ => model.keymap.shown(Scope::Rows, Id::Sick),
            };
            let what = if table.source.kind == Kind::Event { "warning" } else { "fault" };
            let all = key.map_or(String::new(), |key| format!(" {key} shows all."));
            return format!("No {what} among {} {plural}.{all}", table.total);
        }
        let note = note.map_or(String::new(), |note| format!(" ({note})"));
        return format!("None of {} {plural} matches{note}. esc clears the filter.", table.total);
    }
    let state = model.data.world.streams.iter().find(|(id, _)| match id {
        StreamId::Watch { kind: k, .. } => k == kind,
        StreamId::Telemetry(_) => false,
    });
    match state.map(|(_, s)| &s.state) {
        Some(
            StreamState::Forbidden { why }
            | StreamState::Unsupported { why }
            | StreamState::Reconnecting { why, .. },
        ) => why.to_string(),
        Some(state) if state.is_live() && table.source.fence == Fence::KubeProxy => {
            judge::proxy::elsewhere(&model.data.world)
        }
        Some(state) if state.is_live() && table.namespaces.is_empty() => format!("No {plural}."),
        Some(state) if state.is_live() => {
            let names: Vec<&str> = table.namespaces.iter().map(|n| &**n).collect();
            let all = model.keymap.shown(Scope::Rows, Id::NamespaceAll);
            let all = all.map_or(String::new(), |key| format!(" {key} shows all namespaces."));
            format!("No {plural} in {}.{all}", names.join(", "))
        }
        _ => "Waiting for the cluster…".into(),
    }
}

/// The table's filter, its freshness and its count.
fn notes(model: &Model, table: &Table) -> Vec<String> {
    let mut notes = Vec::new();
    if table.faults {
        let what = if table.source.kind == Kind::Event { "warnings only" } else { "sick only" };
        notes.push(what.into());
    }
    if table.source.fence == Fence::KubeProxy && model.cluster.read_only {
        notes.push("read-only: rules and mode are not read".into());
    }
    if !table.marks.is_empty() {
        notes.push(marked(model, table));
    }
    if table.left > 0 {
        notes.push(format!("{} {} columns", model.theme.glyph("left"), table.left));
    }
    if model.data.world.served.get(&table.source.kind).is_some_and(|s| s.full) {
        notes.push(format!("only the first {MOST_ROWS}"));
    }
    notes.extend(freshness(model, &table.source.kind));
    notes.push(if table.len() == table.total {
        table.total.to_string()
    } else {
        format!("{}/{}", table.len(), table.total)
    });
    notes
}

/// The rows in the window.
fn sheet(model: &Model, table: &Table, focus: bool) -> Sheet {
    let cx = model.data.cx();
    let columns = picked(table);
    let mut lines = table.lines();
    // Beside an incident the healthy rows of a pane that nobody works in are one line.
    let sick = table.leading_faults(&cx, table.height);
    let fold = !focus && sick > 0 && sick < table.len() && sick < lines.len();
    if fold {
        lines.truncate(sick);
    }
    let row = |line: &Shown<'_>| match line {
        Shown::Row(slot) => SheetRow {
            cells: columns.iter().map(|(_, c)| c.cell(&cx, *slot)).collect(),
            mark: (!table.marks.is_empty()
                && table.object(&cx, *slot).is_some_and(|o| table.marks.contains_key(&o)))
            .then_some(Mark::Marked),
            indent: 0,
        },
        Shown::Gone(tombstone) => SheetRow {
            cells: columns.iter().filter_map(|(i, _)| tombstone.cells.get(*i).cloned()).collect(),
            mark: Some(Mark::Tombstone),
            indent: 0,
        },
    };
    let cursor = table.cursor_slot();
    Sheet {
        shapes: columns.iter().map(|(i, c)| asked_for(table, *i, c)).collect(),
        rows: lines.iter().map(row).collect(),
        selected: lines.iter().position(|l| matches!(l, Shown::Row(s) if Some(*s) == cursor)),
        sorted: table
            .sorted_by()
            .and_then(|(c, down)| Some((columns.iter().position(|(i, _)| *i == c)?, down))),
        total: if fold { sick } else { table.len() },
        offset: table.offset,
        above: Vec::new(),
        more: fold.then(|| format!("··· {} more without a fault", table.len() - sick)),
    }
}

/// How much is marked, and how much of that is not among the rows: it counts all the same.
fn marked(model: &Model, table: &Table) -> String {
    /// Where more are marked, looking for each would take longer than a frame may.
    const LOOKED_FOR: usize = 2000;
    let mut text = format!("{} marked", table.marks.len());
    if table.marks.len() <= LOOKED_FOR {
        let (hidden, gone) = table.unseen_marks(&model.data.cx());
        for (n, what) in [(hidden, "hidden"), (gone, "gone")] {
            if n > 0 {
                text.push_str(&format!(", {n} {what}"));
            }
        }
    }
    text
}

/// A column's shape; one that is sorted by or compared is seen, however little it is worth else.
fn asked_for(table: &Table, index: usize, column: &Column) -> Shape {
    const SEEN: u8 = 94;
    let sorted = table.sorted_by().is_some_and(|(i, _)| i == index);
    let compared = table.filter.column().is_some_and(|name| column.is(name));
    let shape = column.shape.clone();
    if sorted || compared { Shape { keep: shape.keep.max(SEEN), ..shape } } else { shape }
}

/// The columns that are not scrolled out: the name stays, whatever the rest does. Where all rows are of one namespace
/// the title says it, and no column needs to.
fn picked(table: &Table) -> Vec<(usize, &Column)> {
    let columns = table.columns();
    let left = unscrolled(columns.iter().map(|c| &c.shape), table.left);
    let one = table.namespaces.len() == 1;
    let told = |i: usize| one && columns[i].is("NAMESPACE") && table.sorted_by().is_none_or(|(c, _)| c != i);
    left.into_iter().filter(|i| !told(*i)).map(|i| (i, &columns[i])).collect()
}

pub fn warnings(model: &mut Model) {
    let Model { data, overview, views, .. } = model;
    // The events in front, else those of the overview.
    let front = views.last_mut().and_then(|v| v.table_mut()).filter(|t| t.source.kind == Kind::Event);
    let Some(table) = front.or_else(|| overview.pane_mut(Pane::Events).table_mut()) else { return };
    table.faults = !table.faults;
    table.rebuild(&data.cx());
    let only = table.faults;
    model.say(Tone::Info, if only { "Of the events, warnings only." } else { "All events." });
}

pub fn wide(model: &mut Model) {
    let wide = model.table_mut().is_some_and(|(table, cx)| table.toggle_wide(&cx));
    let text = if wide { "All columns; left and right scroll them." } else { "The columns that matter." };
    model.say(Tone::Info, text);
}

pub fn sick(model: &mut Model) {
    with_table(model, |t, cx| {
        t.faults = !t.faults;
        t.rebuild(cx);
    });
}

pub fn mark(model: &mut Model) {
    with_table(model, |t, cx| t.mark(cx));
}

pub fn mark_range(model: &mut Model) {
    with_table(model, |t, cx| t.mark_range(cx));
}

pub fn clear_marks(model: &mut Model) {
    with_table(model, |t, _| t.marks.clear());
}

/// Turns the order of the column that is sorted by.
pub fn sort_again(model: &mut Model) {
    with_table(model, |t, cx| {
        if let Some((column, _)) = t.sorted_by() {
            t.sort(cx, Some(column));
        }
    });
}

fn with_table(model: &mut Model, f: impl FnOnce(&mut Table, &Cx<'_>)) {
    if let Some((table, cx)) = model.table_mut() {
        f(table, &cx);
    }
}

pub fn sort_by(model: &mut Model, name: &str) {
    with_table(model, |t, cx| {
        let column = t.columns().iter().position(|c| c.is(name));
        t.sort(cx, column);
    });
}

/// Sorts by the column beside the one sorted by.
pub fn sort_step(model: &mut Model, by: isize) {
    with_table(model, |t, cx| {
        let n = t.columns().len() as isize;
        let next = match t.sorted_by() {
            None if by > 0 => 0,
            None => n - 1,
            Some((c, _)) => (c as isize + by).rem_euclid(n),
        };
        t.sort(cx, usize::try_from(next).ok());
    });
}
