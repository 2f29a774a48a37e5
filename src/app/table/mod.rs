//! A table of objects: which rows, in what order, where the cursor stands. Kept by changes, drawn by the window.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use crate::app::table::cell::{Cell, Value};
use crate::app::table::columns::Column;
use crate::app::table::cx::Cx;
use crate::app::table::filter::Filter;
use crate::world::{Kind, ObjectRef, Slot, Text, Uid};

mod build;
pub mod cell;
pub mod columns;
pub mod computed;
pub mod cx;
pub mod events;
pub mod filter;
pub mod health;
mod marks;
mod order;
pub mod picture;
pub mod progress;
pub mod shape;
mod sorted;
mod source;
mod tombstones;
pub mod trend;
pub mod usage;
pub mod vitals;

use build::{Places, Rebuild};
pub use marks::vanished;
use order::{Key, Order, UNRANKED, Way};
pub use source::{Fence, Source};
pub use tombstones::{TOMBSTONE, Tombstone};

/// One line of the window.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'t> {
    Row(Slot),
    Gone(&'t Tombstone),
}

#[derive(Debug)]
pub struct Table {
    pub source: Source,
    /// Namespaces shown; empty: all.
    pub namespaces: BTreeSet<Text>,
    columns: Cow<'static, [Column]>,
    /// More columns than matter at first.
    wide: bool,
    /// Columns scrolled out to the left.
    pub left: usize,
    order: Order,
    rebuild: Option<Box<Rebuild>>,
    places: Places,
    /// Rows put in since whose places are not known.
    unranked: usize,
    tombstones: Vec<Tombstone>,
    /// The column sorted by; `None`: the kind's own order.
    sort: Option<usize>,
    descending: bool,
    pub filter: Filter,
    /// Only rows with a fault.
    pub faults: bool,
    /// `None` while the operator has not moved: the top row, whichever it is.
    cursor: Option<Slot>,
    /// The namespace and name of the object the cursor waits for.
    wanted: Option<(Text, Text)>,
    pub offset: usize,
    pub height: usize,
    /// What is marked, each in the incarnation that was: of that name there may be another by now.
    pub marks: BTreeMap<ObjectRef, Uid>,
    /// Where a range of marks begins.
    anchor: Option<Slot>,
    /// Rows before the filter.
    pub total: usize,
    inside: Vec<bool>,
}

impl Table {
    pub fn new(source: Source) -> Table {
        let own = source.own_columns();
        Table {
            source,
            namespaces: BTreeSet::new(),
            columns: Cow::Borrowed(own),
            wide: false,
            left: 0,
            order: Order::default(),
            rebuild: None,
            places: Places::default(),
            unranked: 0,
            tombstones: Vec::new(),
            sort: None,
            descending: false,
            filter: Filter::default(),
            faults: false,
            cursor: None,
            wanted: None,
            offset: 0,
            height: 1,
            marks: BTreeMap::new(),
            anchor: None,
            total: 0,
            inside: Vec::new(),
        }
    }

    /// The same table, with rows of a fault only.
    pub fn with_faults_only(mut self) -> Table {
        self.faults = true;
        self
    }

    /// What the view is of, for its title.
    pub fn title(&self) -> String {
        self.source.title(&self.namespaces)
    }

    /// The object behind a row.
    pub fn object(&self, cx: &Cx<'_>, slot: Slot) -> Option<ObjectRef> {
        self.source.object(cx, slot)
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub fn len(&self) -> usize {
        self.order.len()
    }

    pub fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// The column sorted by and its direction, where the operator chose one.
    pub fn sorted_by(&self) -> Option<(usize, bool)> {
        self.sort.map(|c| (c, self.descending))
    }

    /// Shows these namespaces only; kinds of no namespace stay whole.
    pub fn within_namespaces(&mut self, cx: &Cx<'_>, names: &BTreeSet<Text>) {
        if self.source.kind.namespaced() {
            self.namespaces = names.clone();
            self.rebuild(cx);
        }
    }

    /// Takes the columns anew: the server told of its own, or more of them are wanted.
    pub fn relearn(&mut self, cx: &Cx<'_>) {
        let sorted = self.sort.and_then(|c| self.columns.get(c)).map(|c| c.shape.name.clone());
        self.columns = self.source.columns(cx, self.wide);
        self.sort = sorted.and_then(|name| self.columns.iter().position(|c| c.shape.name == name));
        self.filter = Filter::of_table(&self.filter.text, &self.columns);
        self.left = 0;
        self.tombstones.clear();
        self.rebuild(cx);
    }

    /// More columns, or only those that matter at first.
    pub fn toggle_wide(&mut self, cx: &Cx<'_>) -> bool {
        self.wide = !self.wide;
        self.relearn(cx);
        self.wide
    }

    fn note_inside(&mut self, slot: Slot, inside: bool) {
        let i = slot.0 as usize;
        if self.inside.len() <= i {
            self.inside.resize(i + 1, false);
        }
        let before = std::mem::replace(&mut self.inside[i], inside);
        self.total = self.total + usize::from(inside) - usize::from(before);
    }

    fn keeps(&self, cx: &Cx<'_>, slot: Slot, text: &mut String) -> bool {
        if self.faults && !self.source.faulty(cx, &self.columns, slot) {
            return false;
        }
        self.filter.keeps(cx, &self.columns, slot, self.source.labels(cx, slot), text)
    }

    /// By what the rows are ordered.
    fn way(&self) -> Way {
        let named = self.sort.and_then(|c| self.columns.get(c)).is_some_and(|c| c.is("NAME"));
        Way { descending: self.descending, named }
    }

    fn key(&self, cx: &Cx<'_>, slot: Slot) -> Option<Key> {
        let named = self.way().named;
        let value = match self.sort.and_then(|c| self.columns.get(c)) {
            Some(_) if named => Value::None,
            Some(column) => column.value(cx, slot),
            None => self.source.natural(cx, slot),
        };
        if self.source.kind == Kind::Event {
            let about = &cx.events.get(slot)?.regarding;
            return Some(Key::new(value, UNRANKED, about.namespace.clone(), about.name.clone()));
        }
        let meta = self.source.meta(cx, slot)?;
        Some(Key::new(value, self.places.of(slot, named), meta.namespace.clone(), meta.name.clone()))
    }

    /// The row of this slot changed, came or went. True where that may show in the window.
    pub fn touch(&mut self, cx: &Cx<'_>, slot: Slot) -> bool {
        let before = self.window_place(slot);
        let same = match (self.order.key_of(slot), self.source.meta(cx, slot)) {
            (Some(key), Some(meta)) => key.is_of(&meta.namespace, &meta.name),
            _ => false,
        };
        if !same {
            self.places.forget(slot);
        }
        if let Some(rebuild) = &mut self.rebuild
            && rebuild.defers(slot, same)
        {
            let within = self.source.lists(cx, &self.namespaces, slot);
            if !within && self.order.contains(slot) {
                self.drop_row(slot);
                self.settle();
            }
            return before.is_some();
        }
        self.place(cx, slot);
        if self
            .wanted
            .as_ref()
            .is_some_and(|(_, name)| self.source.meta(cx, slot).is_some_and(|m| m.name == *name))
        {
            self.seek_again(cx);
        }
        self.unranked += usize::from(self.places.of(slot, false) == UNRANKED);
        // Before a list is whole that would be done over and over.
        if cx.world.synced(&self.source.kind) {
            self.learn_places();
        }
        let shown = before.is_some() || self.window_place(slot).is_some();
        self.settle();
        shown
    }

    fn place(&mut self, cx: &Cx<'_>, slot: Slot) {
        let within = self.source.lists(cx, &self.namespaces, slot);
        self.note_inside(slot, within);
        if within && self.keeps(cx, slot, &mut String::new()) {
            if !self.tombstones.is_empty()
                && let Some(object) = self.object(cx, slot)
            {
                self.tombstones.retain(|g| g.object != object);
            }
            if let Some(key) = self.key(cx, slot) {
                self.order.put(slot, key);
            }
        } else if self.order.contains(slot) {
            self.drop_row(slot);
        }
    }

    fn drop_row(&mut self, slot: Slot) {
        if self.cursor == Some(slot) {
            let index = self.order.index(slot).unwrap_or(0);
            self.order.remove(slot);
            // The object under the cursor is gone: the next one takes the cursor's place on the screen.
            self.cursor = self.order.get(index.min(self.order.len().saturating_sub(1)));
        } else {
            self.order.remove(slot);
        }
    }

    /// Where in the window the row stands, one line of slack on each side; `None` outside.
    fn window_place(&self, slot: Slot) -> Option<usize> {
        let i = self.order.index(slot)?;
        (i + 1 >= self.offset && i <= self.offset + self.height).then_some(i)
    }

    pub fn cursor_slot(&self) -> Option<Slot> {
        self.cursor.or_else(|| self.order.get(0))
    }

    pub fn cursor_index(&self) -> usize {
        self.cursor.and_then(|c| self.order.index(c)).unwrap_or(0)
    }

    pub fn selected(&self, cx: &Cx<'_>) -> Option<ObjectRef> {
        self.object(cx, self.cursor_slot()?)
    }

    /// Moves the cursor by so many rows.
    pub fn step(&mut self, by: isize) {
        let last = self.order.len().saturating_sub(1);
        self.jump(self.cursor_index().saturating_add_signed(by).min(last));
    }

    pub fn jump(&mut self, index: usize) {
        let last = self.order.len().saturating_sub(1);
        self.cursor = self.order.get(index.min(last));
        self.wanted = None;
        self.settle();
    }

    /// To the top, and staying there: new rows that sort first come into view.
    pub fn top(&mut self) {
        self.cursor = None;
        self.settle();
    }

    /// Puts the cursor on an object, without a namespace on the first of that name: now where it is listed, else as
    /// soon as it is. True where it is.
    pub fn seek(&mut self, cx: &Cx<'_>, namespace: &str, name: &str) -> bool {
        let found = match namespace {
            "" => self.order.range(0).find(|s| self.source.meta(cx, *s).is_some_and(|m| &*m.name == name)),
            ns => {
                let object = ObjectRef::new(self.source.kind.clone(), ns, name);
                cx.world.slot(&object).filter(|s| self.order.contains(*s))
            }
        };
        self.wanted = match found {
            Some(slot) => {
                self.cursor = Some(slot);
                self.settle();
                None
            }
            None => Some((namespace.into(), name.into())),
        };
        found.is_some()
    }

    /// Puts the cursor on the events of that reason, where there are any; true then.
    pub fn seek_reason(&mut self, cx: &Cx<'_>, reason: &str) -> bool {
        let found = self.order.range(0).find(|s| cx.events.get(*s).is_some_and(|e| &*e.reason == reason));
        if found.is_some() {
            self.cursor = found;
            self.settle();
        }
        found.is_some()
    }

    /// Seeks again what was not there before; moving the cursor gives it up.
    fn seek_again(&mut self, cx: &Cx<'_>) {
        if let Some((namespace, name)) = self.wanted.take() {
            self.seek(cx, &namespace, &name);
        }
    }

    /// Sorts by a column; by the same one again turns the order round; `None` goes back to the kind's own order.
    pub fn sort(&mut self, cx: &Cx<'_>, column: Option<usize>) {
        self.descending = column.is_some() && self.sort == column && !self.descending;
        self.sort = column;
        self.rebuild(cx);
    }

    /// Keeps the cursor in the window and the window on rows that exist.
    pub fn settle(&mut self) {
        let (at, height) = (self.cursor_index(), self.height.max(1));
        if at < self.offset {
            self.offset = at;
        } else if at >= self.offset + height {
            self.offset = at + 1 - height;
        }
        self.offset = self.offset.min(self.order.len().saturating_sub(height));
    }

    /// The lines of the window: rows, and what vanished from between them.
    pub fn lines(&self) -> Vec<Shown<'_>> {
        let end = self.offset + self.height;
        let mut tombstones: Vec<(usize, &Tombstone)> = self
            .tombstones
            .iter()
            .map(|g| (self.order.rank(&g.key, g.slot), g))
            .filter(|(at, _)| (self.offset..=end).contains(at))
            .collect();
        tombstones.sort_by_key(|(at, _)| *at);
        let mut tombstones = tombstones.into_iter().peekable();
        let mut lines = Vec::with_capacity(self.height);
        for (at, slot) in (self.offset..).zip(self.order.range(self.offset).take(self.height)) {
            while let Some((_, tombstone)) = tombstones.next_if(|(place, _)| *place <= at) {
                lines.push(Shown::Gone(tombstone));
            }
            lines.push(Shown::Row(slot));
        }
        lines.extend(tombstones.map(|(_, tombstone)| Shown::Gone(tombstone)));
        // The cursor's row is never pushed out of sight by what is not there any more.
        let cursor = self.cursor_slot();
        while let Some(at) = lines.iter().position(|l| matches!(l, Shown::Row(s) if Some(*s) == cursor))
            && at >= self.height
            && let Some(tombstone) = lines.iter().position(|l| matches!(l, Shown::Gone(_)))
        {
            lines.remove(tombstone);
        }
        lines.truncate(self.height);
        lines
    }

    /// Rows with a fault at the top, counted up to `most`, in a table in its kind's own order that nothing narrows; 0 in
    /// others.
    pub fn leading_faults(&self, cx: &Cx<'_>, most: usize) -> usize {
        let plain = self.sort.is_none() && self.filter.is_empty() && !self.faults && self.marks.is_empty();
        if !plain || self.offset > 0 || !matches!(self.source.kind, Kind::Pod) {
            return 0;
        }
        let faulty = |slot: &Slot| self.source.faulty(cx, &self.columns, *slot);
        self.order.range(0).take(most).take_while(faulty).count()
    }

    /// Puts the cursor on the row of a line of the window.
    pub fn point(&mut self, line: usize) {
        let slot = self.lines().get(line).and_then(|l| match l {
            Shown::Row(slot) => Some(*slot),
            Shown::Gone(_) => None,
        });
        if slot.is_some() {
            self.cursor = slot;
            self.settle();
        }
    }

    /// The column that the filter compares and that has no value in any row: nothing can match.
    pub fn without_values(&self, cx: &Cx<'_>) -> Option<&str> {
        /// Looked at with each frame, so only so many.
        const LOOKED_AT: usize = 2000;
        let name = self.filter.column()?;
        let column = self.columns.iter().find(|c| c.is(name))?;
        let slots = self.source.candidates(cx).into_iter();
        let mut listed = slots.filter(|s| self.source.lists(cx, &self.namespaces, *s)).take(LOOKED_AT);
        listed.all(|slot| column.value(cx, slot) == Value::None).then_some(name)
    }

    /// Every row as listed, in every column, for a file.
    pub fn written(&self, cx: &Cx<'_>) -> (Vec<String>, Vec<Vec<Cell>>) {
        let columns = self.source.columns(cx, true);
        let names = columns.iter().map(|c| c.shape.name.to_string()).collect();
        let rows = self.order.range(0).map(|slot| columns.iter().map(|c| c.cell(cx, slot)).collect());
        (names, rows.collect())
    }
}
