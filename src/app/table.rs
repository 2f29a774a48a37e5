//! A table of objects: which rows, in what order, where the cursor stands. Kept by changes, drawn by the window.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::cell::{Cell, Value};
use super::columns::{self, Column, served, workload_slot};
use super::cx::Cx;
use super::filter::Filter;
use super::health;
use super::order::{Builder, Key, Order, UNRANKED};
use super::vitals;
use crate::world::{Kind, Labels, Meta, Object, ObjectRef, Slot, Text, Time, Uid};

/// Rows looked at in one go. A larger table is made in portions, with frames and keys in between.
const PORTION: usize = 4096;
/// Rows put in order in one go.
const MERGED: usize = 8192;
/// How long a row that vanished is still shown, and how many of them at most.
const GHOST: std::time::Duration = std::time::Duration::from_secs(5);
const GHOSTS: usize = 40;

/// Which objects of the kind.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum Fence {
    #[default]
    All,
    KubeProxy,
    OnNode(Text),
    /// Objects whose controller has this uid.
    Owned(Uid),
    Regarding(ObjectRef),
    /// Deployments, StatefulSets, DaemonSets and lone ReplicaSets in one.
    Workloads,
    /// Pods that name this object in their spec.
    Users(ObjectRef),
}

/// Where the rows come from and which columns they have.
#[derive(Clone, Debug, PartialEq)]
pub struct Source {
    pub kind: Kind,
    pub fence: Fence,
}

impl Source {
    pub fn all(kind: Kind) -> Source {
        Source { kind, fence: Fence::All }
    }

    /// The row that shows a kind's record, where this table may list it.
    pub fn row(&self, kind: &Kind, slot: Slot) -> Option<Slot> {
        match self.fence {
            Fence::Workloads => workload_slot(kind, slot),
            _ => (self.kind == *kind).then_some(slot),
        }
    }

    /// The columns that need no word of the server.
    fn own_columns(&self) -> &'static [Column] {
        match self.fence {
            Fence::KubeProxy => columns::KUBE_PROXY,
            Fence::Workloads => columns::WORKLOADS,
            _ => columns::of_kind(&self.kind),
        }
    }

    fn columns(&self, cx: &Cx<'_>, wide: bool) -> Cow<'static, [Column]> {
        let own = self.own_columns();
        if !self.kind.watched() {
            return Cow::Owned(served::columns(cx, &self.kind, wide));
        }
        if wide && self.fence != Fence::Workloads {
            return Cow::Owned([own, columns::wide_of(&self.kind)].concat());
        }
        Cow::Borrowed(own)
    }
}

/// A row whose object is gone, as it last looked.
#[derive(Clone, Debug)]
pub struct Ghost {
    pub object: ObjectRef,
    pub cells: Vec<Cell>,
    key: Key,
    slot: Slot,
    pub until: Time,
}

/// One line of the window.
#[derive(Clone, Copy, Debug)]
pub enum Shown<'t> {
    Row(Slot),
    Gone(&'t Ghost),
}

/// A new order on its way, while the one before is shown.
#[derive(Debug)]
struct Rebuild {
    /// Rows still to be looked at, the next one last.
    left: Vec<Slot>,
    builder: Builder,
    /// Rows that changed meanwhile: they are looked at once more at the end.
    changed: BTreeSet<Slot>,
    /// Not a new order, but where each row stands among the names.
    names: bool,
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
    /// Where each slot's row stands by namespace and name; made once for a large table, so that rows of one value
    /// need not be compared by their texts whenever it is sorted.
    places: Vec<u32>,
    ghosts: Vec<Ghost>,
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
    pub marks: BTreeSet<ObjectRef>,
    /// Where a range of marks begins.
    anchor: Option<Slot>,
    /// Rows before the filter.
    pub total: usize,
    inside: Vec<bool>,
}

/// Frees what many rows took in a thread of its own: a hundred thousand keys take longer than a frame may.
fn let_go(rows: usize, what: impl Send + 'static) {
    if rows > PORTION {
        std::thread::spawn(move || drop(what));
    }
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
            places: Vec::new(),
            ghosts: Vec::new(),
            sort: None,
            descending: false,
            filter: Filter::default(),
            faults: false,
            cursor: None,
            wanted: None,
            offset: 0,
            height: 1,
            marks: BTreeSet::new(),
            anchor: None,
            total: 0,
            inside: Vec::new(),
        }
    }

    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// What the view is of, for its title.
    pub fn title(&self) -> String {
        let kind = match &self.source.fence {
            Fence::Workloads => "workloads",
            _ => self.source.kind.plural(),
        };
        let of = match &self.source.fence {
            Fence::All | Fence::Workloads => String::new(),
            Fence::KubeProxy => " of kube-proxy".into(),
            Fence::OnNode(n) => format!(" on {n}"),
            Fence::Owned(_) => " it owns".into(),
            Fence::Regarding(o) => format!(" about {o}"),
            Fence::Users(o) => format!(" that use {o}"),
        };
        let namespaces = match self.namespaces.len() {
            0 => String::new(),
            _ => format!(" in {}", self.namespaces.iter().map(|n| &**n).collect::<Vec<_>>().join(", ")),
        };
        format!("{kind}{of}{namespaces}")
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
        self.filter = Filter::parse(&self.filter.text, &self.columns);
        self.left = 0;
        self.ghosts.clear();
        self.rebuild(cx);
    }

    /// More columns, or only those that matter at first.
    pub fn toggle_wide(&mut self, cx: &Cx<'_>) -> bool {
        self.wide = !self.wide;
        self.relearn(cx);
        self.wide
    }

    /// Builds the rows anew: after a filter, a sort, a namespace. A large table goes on in `work`.
    pub fn rebuild(&mut self, cx: &Cx<'_>) {
        let mut left = self.candidates(cx);
        left.reverse();
        let builder = Builder::new(self.descending);
        let rebuild = Rebuild { left, builder, changed: BTreeSet::new(), names: false };
        let_go(self.order.len(), self.rebuild.replace(Box::new(rebuild)));
        self.inside.clear();
        self.total = 0;
        let small = self.rebuild.as_ref().is_some_and(|r| r.left.len() <= PORTION);
        self.work(cx);
        while small && self.at_work() {
            self.work(cx);
        }
    }

    /// Whether a new order is on its way.
    pub fn at_work(&self) -> bool {
        self.rebuild.is_some()
    }

    /// One portion of a rebuild under way. True when the new order stands.
    pub fn work(&mut self, cx: &Cx<'_>) -> bool {
        let Some(mut rebuild) = self.rebuild.take() else { return false };
        let rest = rebuild.left.len().saturating_sub(PORTION);
        let portion = rebuild.left.split_off(rest);
        if portion.is_empty() {
            if rebuild.builder.merge(MERGED) {
                if rebuild.names {
                    self.place_names(*rebuild);
                    return false;
                }
                self.install(cx, *rebuild);
                return true;
            }
        } else if rebuild.names {
            let rows = portion.into_iter().filter_map(|slot| {
                let meta = self.meta(cx, slot)?;
                Some((slot, Key::new(Value::None, UNRANKED, meta.namespace.clone(), meta.name.clone())))
            });
            rebuild.builder.add(rows.collect());
        } else {
            let mut rows = Vec::with_capacity(portion.len());
            let mut text = String::new();
            for slot in portion.into_iter().rev() {
                let within = self.within(cx, slot);
                self.note_inside(slot, within);
                if within
                    && self.keeps(cx, slot, &mut text)
                    && let Some(key) = self.key(cx, slot)
                {
                    rows.push((slot, key));
                }
            }
            rebuild.builder.add(rows);
        }
        self.rebuild = Some(rebuild);
        false
    }

    fn install(&mut self, cx: &Cx<'_>, rebuild: Rebuild) {
        let before = std::mem::replace(&mut self.order, rebuild.builder.done());
        let_go(before.len(), before);
        for slot in rebuild.changed {
            self.place(cx, slot);
        }
        if self.cursor.is_some_and(|c| !self.order.contains(c)) {
            self.cursor = None;
        }
        self.seek_again(cx);
        self.settle();
        if self.places.is_empty() && self.order.len() > PORTION && self.source.kind != Kind::Event {
            let left = self.order.range(0).collect();
            let builder = Builder::new(false);
            let rebuild = Rebuild { left, builder, changed: BTreeSet::new(), names: true };
            self.rebuild = Some(Box::new(rebuild));
        }
    }

    fn place_names(&mut self, rebuild: Rebuild) {
        self.places.clear();
        let order = rebuild.builder.done();
        for (place, slot) in (0u32..).zip(order.range(0)) {
            let i = slot.0 as usize;
            if self.places.len() <= i {
                self.places.resize(i + 1, UNRANKED);
            }
            // What came meanwhile may be another object in the same slot.
            self.places[i] = if rebuild.changed.contains(&slot) { UNRANKED } else { place };
        }
        let_go(order.len(), order);
    }

    fn candidates(&self, cx: &Cx<'_>) -> Vec<Slot> {
        match &self.source.fence {
            Fence::Workloads => columns::all_workloads(cx),
            Fence::OnNode(node) => cx.world.pods_on(node).map(|(slot, _)| slot).collect(),
            _ if self.source.kind == Kind::Event => cx.events.slots().collect(),
            _ => cx.world.slots(&self.source.kind),
        }
    }

    fn note_inside(&mut self, slot: Slot, inside: bool) {
        let i = slot.0 as usize;
        if self.inside.len() <= i {
            self.inside.resize(i + 1, false);
        }
        let before = std::mem::replace(&mut self.inside[i], inside);
        self.total = self.total + usize::from(inside) - usize::from(before);
    }

    fn meta<'a>(&self, cx: &Cx<'a>, slot: Slot) -> Option<&'a Meta> {
        match self.source.fence {
            Fence::Workloads => columns::of_workload(cx, slot).map(|w| &w.meta),
            _ => cx.world.meta_at(&self.source.kind, slot),
        }
    }

    /// Whether the row belongs here at all, before any filter.
    fn within(&self, cx: &Cx<'_>, slot: Slot) -> bool {
        if self.source.kind == Kind::Event {
            let Some(event) = cx.events.get(slot) else { return false };
            let shown = self.namespaces.is_empty() || self.namespaces.contains(&event.regarding.namespace);
            return shown
                && match &self.source.fence {
                    Fence::Regarding(about) => event.regarding == *about,
                    _ => true,
                };
        }
        let Some(meta) = self.meta(cx, slot) else { return false };
        if !self.namespaces.is_empty() && !self.namespaces.contains(&meta.namespace) {
            return false;
        }
        match &self.source.fence {
            Fence::All | Fence::Workloads => true,
            Fence::KubeProxy => cx.world.pods.get(slot).is_some_and(vitals::is_kube_proxy),
            Fence::OnNode(node) => cx.world.pods.get(slot).is_some_and(|p| p.node == *node),
            Fence::Owned(uid) => meta.owner.as_ref().is_some_and(|o| o.uid == *uid),
            Fence::Regarding(_) => false,
            Fence::Users(object) => cx.world.pods.get(slot).is_some_and(|p| super::usage::uses(p, object)),
        }
    }

    fn keeps(&self, cx: &Cx<'_>, slot: Slot, text: &mut String) -> bool {
        if self.faults && !self.faulty(cx, slot) {
            return false;
        }
        self.filter.keeps(cx, &self.columns, slot, self.labels(cx, slot), text)
    }

    fn labels<'a>(&self, cx: &Cx<'a>, slot: Slot) -> Option<&'a Labels> {
        match self.source.kind {
            Kind::Event => None,
            _ => self.meta(cx, slot).map(|m| &m.labels),
        }
    }

    fn faulty(&self, cx: &Cx<'_>, slot: Slot) -> bool {
        match self.source.kind {
            Kind::Pod => {
                cx.world.pods.get(slot).is_some_and(|p| health::pod(cx, p) <= health::Health::Pending)
            }
            Kind::Node => {
                cx.world.nodes.get(slot).is_some_and(|n| health::node(cx, n) <= health::Health::Pending)
            }
            Kind::Event => cx.events.get(slot).is_some_and(|e| e.warning),
            _ => self.columns.iter().any(|c| {
                let scope = c.cell(cx, slot).scope;
                scope.starts_with("status.bad")
                    || scope.starts_with("status.pending")
                    || scope.starts_with("finding")
            }),
        }
    }

    /// The object behind a row.
    pub fn object(&self, cx: &Cx<'_>, slot: Slot) -> Option<ObjectRef> {
        match (&self.source.kind, &self.source.fence) {
            (Kind::Event, _) => cx.events.get(slot).map(|e| e.regarding.clone()),
            (_, Fence::Workloads) => columns::of_workload(cx, slot).map(Object::reference),
            (kind, _) => {
                let meta = self.meta(cx, slot)?;
                Some(ObjectRef {
                    kind: kind.clone(),
                    namespace: meta.namespace.clone(),
                    name: meta.name.clone(),
                })
            }
        }
    }

    fn key(&self, cx: &Cx<'_>, slot: Slot) -> Option<Key> {
        let value = match self.sort.and_then(|c| self.columns.get(c)) {
            Some(column) => column.cell(cx, slot).value,
            None => self.natural(cx, slot),
        };
        if self.source.kind == Kind::Event {
            let about = &cx.events.get(slot)?.regarding;
            return Some(Key::new(value, UNRANKED, about.namespace.clone(), about.name.clone()));
        }
        let meta = self.meta(cx, slot)?;
        let place = self.places.get(slot.0 as usize).copied().unwrap_or(UNRANKED);
        Some(Key::new(value, place, meta.namespace.clone(), meta.name.clone()))
    }

    /// The kind's own order: sick pods and nodes first, newest events first, all else by name.
    fn natural(&self, cx: &Cx<'_>, slot: Slot) -> Value {
        match self.source.kind {
            _ if self.source.fence == Fence::Workloads => {
                match columns::of_workload(cx, slot).and_then(|w| cx.cause(&w.reference())) {
                    Some(cause) => Value::Num(-(cause.severity as i64)),
                    None => Value::Num(9),
                }
            }
            // What restarted last is what one looks for among forty of them.
            Kind::Pod if self.source.fence == Fence::KubeProxy => {
                let Some(p) = cx.world.pods.get(slot) else { return Value::None };
                match columns::last_exit(&p.containers) {
                    _ if health::pod(cx, p).sick() => Value::Num(0),
                    Some((_, at)) => Value::Age(at),
                    None => Value::None,
                }
            }
            Kind::Pod => {
                cx.world.pods.get(slot).map_or(Value::None, |p| Value::Num(vitals::rank(health::pod(cx, p))))
            }
            Kind::Node => cx
                .world
                .nodes
                .get(slot)
                .map_or(Value::None, |n| Value::Num(vitals::rank(health::node(cx, n)))),
            Kind::Event => cx.events.get(slot).map_or(Value::None, |e| Value::Age(e.last)),
            _ => match self.object(cx, slot).and_then(|o| cx.cause(&o)) {
                Some(cause) => Value::Num(-(cause.severity as i64)),
                None => Value::Num(9),
            },
        }
    }

    /// The row of this slot changed, came or went. True where that may show in the window.
    pub fn touch(&mut self, cx: &Cx<'_>, slot: Slot) -> bool {
        let before = self.window_place(slot);
        self.forget_place(cx, slot);
        if let Some(rebuild) = &mut self.rebuild
            && rebuild.names
        {
            rebuild.changed.insert(slot);
        } else if let Some(rebuild) = &mut self.rebuild {
            rebuild.changed.insert(slot);
            let within = self.within(cx, slot);
            if !within && self.order.contains(slot) {
                self.drop_row(slot);
                self.settle();
            }
            return before.is_some();
        }
        self.place(cx, slot);
        if self.wanted.as_ref().is_some_and(|(_, name)| self.meta(cx, slot).is_some_and(|m| m.name == *name))
        {
            self.seek_again(cx);
        }
        let shown = before.is_some() || self.window_place(slot).is_some();
        self.settle();
        shown
    }

    /// A slot that another object may have taken has no place among the names any more.
    fn forget_place(&mut self, cx: &Cx<'_>, slot: Slot) {
        if self.places.is_empty() {
            return;
        }
        let same = match (self.order.key_of(slot), self.meta(cx, slot)) {
            (Some(key), Some(meta)) => key.is_of(&meta.namespace, &meta.name),
            _ => false,
        };
        if let Some(place) = self.places.get_mut(slot.0 as usize).filter(|_| !same) {
            *place = UNRANKED;
        }
    }

    fn place(&mut self, cx: &Cx<'_>, slot: Slot) {
        let within = self.within(cx, slot);
        self.note_inside(slot, within);
        if within && self.keeps(cx, slot, &mut String::new()) {
            if !self.ghosts.is_empty()
                && let Some(object) = self.object(cx, slot)
            {
                self.ghosts.retain(|g| g.object != object);
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

    /// The row's object is about to go: where it is in sight it stays a while, greyed.
    pub fn mourn(&mut self, cx: &Cx<'_>, slot: Slot) {
        // Events end by the hundred and were never there to stay.
        if self.source.kind == Kind::Event || self.window_place(slot).is_none() {
            return;
        }
        let (Some(object), Some(key)) = (self.object(cx, slot), self.order.key_of(slot)) else { return };
        if self.ghosts.len() == GHOSTS {
            self.ghosts.remove(0);
        }
        let cells = self.columns.iter().map(|c| c.cell(cx, slot)).collect();
        self.ghosts.push(Ghost { object, cells, key: key.clone(), slot, until: cx.now.plus(GHOST) });
    }

    /// When the first ghost goes.
    pub fn next_burial(&self) -> Option<Time> {
        self.ghosts.iter().map(|g| g.until).min()
    }

    /// Lets go of what vanished a while ago; true where there was any.
    pub fn bury(&mut self, now: Time) -> bool {
        let before = self.ghosts.len();
        self.ghosts.retain(|g| g.until > now);
        self.ghosts.len() != before
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
            "" => self.order.range(0).find(|s| self.meta(cx, *s).is_some_and(|m| &*m.name == name)),
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
        let mut ghosts: Vec<(usize, &Ghost)> = self
            .ghosts
            .iter()
            .map(|g| (self.order.rank(&g.key, g.slot), g))
            .filter(|(at, _)| (self.offset..=end).contains(at))
            .collect();
        ghosts.sort_by_key(|(at, _)| *at);
        let mut ghosts = ghosts.into_iter().peekable();
        let mut lines = Vec::with_capacity(self.height);
        for (at, slot) in (self.offset..).zip(self.order.range(self.offset).take(self.height)) {
            while let Some((_, ghost)) = ghosts.next_if(|(place, _)| *place <= at) {
                lines.push(Shown::Gone(ghost));
            }
            lines.push(Shown::Row(slot));
        }
        lines.extend(ghosts.map(|(_, ghost)| Shown::Gone(ghost)));
        // The cursor's row is never pushed out of sight by what is not there any more.
        let cursor = self.cursor_slot();
        while let Some(at) = lines.iter().position(|l| matches!(l, Shown::Row(s) if Some(*s) == cursor))
            && at >= self.height
            && let Some(ghost) = lines.iter().position(|l| matches!(l, Shown::Gone(_)))
        {
            lines.remove(ghost);
        }
        lines.truncate(self.height);
        lines
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

    /// Marks the row under the cursor, or takes its mark away; the next row is under the cursor then.
    pub fn mark(&mut self, cx: &Cx<'_>) {
        self.anchor = self.cursor_slot();
        if let Some(object) = self.selected(cx)
            && !self.marks.remove(&object)
        {
            self.marks.insert(object);
        }
        self.step(1);
    }

    /// Marks every row from where the last mark was set to the cursor.
    pub fn mark_range(&mut self, cx: &Cx<'_>) {
        let here = self.cursor_index();
        let from = self.anchor.and_then(|a| self.order.index(a)).unwrap_or(here);
        let (first, last) = (from.min(here), from.max(here));
        let objects = self.order.range(first).take(last - first + 1).filter_map(|s| self.object(cx, s));
        let objects: Vec<ObjectRef> = objects.collect();
        self.marks.extend(objects);
        self.anchor = self.cursor_slot();
    }

    /// Every row as listed, in every column, for a file.
    pub fn written(&self, cx: &Cx<'_>) -> (Vec<String>, Vec<Vec<Cell>>) {
        let columns = self.source.columns(cx, true);
        let names = columns.iter().map(|c| c.shape.name.to_string()).collect();
        let rows = self.order.range(0).map(|slot| columns.iter().map(|c| c.cell(cx, slot)).collect());
        (names, rows.collect())
    }
}
