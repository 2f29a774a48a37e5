//! A table of objects: which rows, in what order, where the cursor stands. Kept by changes, drawn by the window.

use std::collections::BTreeSet;

use super::cell::Value;
use super::columns::{self, Column};
use super::cx::Cx;
use super::filter::{self, Filter};
use super::health;
use super::order::{Key, Order};
use super::vitals;
use crate::world::{Kind, Object, ObjectRef, Slot, Text, Uid};

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

    pub fn columns(&self) -> &'static [Column] {
        match self.fence {
            Fence::KubeProxy => columns::KUBE_PROXY,
            _ => columns::of_kind(&self.kind),
        }
    }
}

#[derive(Debug)]
pub struct Table {
    pub source: Source,
    /// Namespaces shown; empty: all.
    pub namespaces: BTreeSet<Text>,
    order: Order,
    /// The column sorted by; `None`: the kind's own order.
    sort: Option<usize>,
    descending: bool,
    pub filter: Filter,
    /// Only rows with a fault.
    pub faults: bool,
    /// `None` while the operator has not moved: the top row, whichever it is.
    cursor: Option<Slot>,
    pub offset: usize,
    pub height: usize,
    pub marks: BTreeSet<ObjectRef>,
    /// Rows before the filter.
    pub total: usize,
    inside: Vec<bool>,
}

impl Table {
    pub fn new(source: Source) -> Table {
        Table {
            source,
            namespaces: BTreeSet::new(),
            order: Order::default(),
            sort: None,
            descending: false,
            filter: Filter::default(),
            faults: false,
            cursor: None,
            offset: 0,
            height: 1,
            marks: BTreeSet::new(),
            total: 0,
            inside: Vec::new(),
        }
    }

    pub fn columns(&self) -> &'static [Column] {
        self.source.columns()
    }

    /// What the view is of, for its title.
    pub fn title(&self) -> String {
        let kind = self.source.kind.plural();
        let of = match &self.source.fence {
            Fence::All => String::new(),
            Fence::KubeProxy => " of kube-proxy".into(),
            Fence::OnNode(n) => format!(" on {n}"),
            Fence::Owned(_) => " it owns".into(),
            Fence::Regarding(o) => format!(" about {o}"),
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

    /// Builds the rows anew: after a filter, a sort, a namespace.
    pub fn rebuild(&mut self, cx: &Cx<'_>) {
        self.inside.clear();
        self.total = 0;
        let slots = self.candidates(cx);
        let mut rows = Vec::with_capacity(slots.len());
        for slot in slots {
            if !self.within(cx, slot) {
                continue;
            }
            self.note_inside(slot, true);
            if self.keeps(cx, slot)
                && let Some(key) = self.key(cx, slot)
            {
                rows.push((slot, key));
            }
        }
        self.order = Order::build(rows, self.descending);
        if self.cursor.is_some_and(|c| !self.order.contains(c)) {
            self.cursor = None;
        }
        self.settle();
    }

    fn candidates(&self, cx: &Cx<'_>) -> Vec<Slot> {
        macro_rules! slots {
            ($($kind:ident $table:ident;)*) => {
                match self.source.kind {
                    $(Kind::$kind => cx.world.$table.iter().map(|(s, _)| s).collect(),)*
                    Kind::Event => cx.events.slots().collect(),
                    _ => Vec::new(),
                }
            };
        }
        slots! {
            Pod pods; Node nodes; Deployment deployments; ReplicaSet replica_sets; StatefulSet stateful_sets;
            DaemonSet daemon_sets; Job jobs; CronJob cron_jobs; Service services;
            EndpointSlice endpoint_slices; PersistentVolumeClaim claims; ResourceQuota quotas;
            PodDisruptionBudget budgets; HorizontalPodAutoscaler autoscalers; Namespace namespaces;
            ConfigMap config_maps; Secret secrets;
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

    /// Whether the row belongs here at all, before any filter.
    fn within(&self, cx: &Cx<'_>, slot: Slot) -> bool {
        let Some(object) = self.object(cx, slot) else { return false };
        if !self.namespaces.is_empty() && !self.namespaces.contains(&object.namespace) {
            return false;
        }
        match &self.source.fence {
            Fence::All => true,
            Fence::KubeProxy => cx.world.pods.get(slot).is_some_and(vitals::is_kube_proxy),
            Fence::OnNode(node) => cx.world.pods.get(slot).is_some_and(|p| p.node == *node),
            Fence::Owned(uid) => {
                cx.world.meta(&object).and_then(|m| m.owner.as_ref()).is_some_and(|o| o.uid == *uid)
            }
            Fence::Regarding(about) => cx.events.get(slot).is_some_and(|e| e.regarding == *about),
        }
    }

    fn keeps(&self, cx: &Cx<'_>, slot: Slot) -> bool {
        if self.faults && !self.faulty(cx, slot) {
            return false;
        }
        self.filter.keeps(cx, self.columns(), slot, filter::labels(cx, &self.source.kind, slot))
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
            _ => self.columns().iter().any(|c| {
                let scope = (c.cell)(cx, slot).scope;
                scope.starts_with("status.bad")
                    || scope.starts_with("status.pending")
                    || scope.starts_with("finding")
            }),
        }
    }

    /// The object behind a row.
    pub fn object(&self, cx: &Cx<'_>, slot: Slot) -> Option<ObjectRef> {
        macro_rules! object {
            ($($kind:ident $table:ident;)*) => {
                match self.source.kind {
                    $(Kind::$kind => cx.world.$table.get(slot).map(|r| r.reference()),)*
                    Kind::Event => cx.events.get(slot).map(|e| e.regarding.clone()),
                    _ => None,
                }
            };
        }
        object! {
            Pod pods; Node nodes; Deployment deployments; ReplicaSet replica_sets; StatefulSet stateful_sets;
            DaemonSet daemon_sets; Job jobs; CronJob cron_jobs; Service services;
            EndpointSlice endpoint_slices; PersistentVolumeClaim claims; ResourceQuota quotas;
            PodDisruptionBudget budgets; HorizontalPodAutoscaler autoscalers; Namespace namespaces;
            ConfigMap config_maps; Secret secrets;
        }
    }

    fn key(&self, cx: &Cx<'_>, slot: Slot) -> Option<Key> {
        let object = self.object(cx, slot)?;
        let value = match self.sort.and_then(|c| self.columns().get(c)) {
            Some(column) => (column.cell)(cx, slot).value,
            None => self.natural(cx, slot),
        };
        Some(Key { value, namespace: object.namespace, name: object.name })
    }

    /// The kind's own order: sick pods and nodes first, newest events first, all else by name.
    fn natural(&self, cx: &Cx<'_>, slot: Slot) -> Value {
        match self.source.kind {
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
        let within = self.within(cx, slot);
        self.note_inside(slot, within);
        let before = self.window_place(slot);
        if within && self.keeps(cx, slot) {
            if let Some(key) = self.key(cx, slot) {
                self.order.put(slot, key);
            }
        } else if self.order.contains(slot) {
            self.drop_row(slot);
        }
        let shown = before.is_some() || self.window_place(slot).is_some();
        self.settle();
        shown
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
        self.settle();
    }

    /// To the top, and staying there: new rows that sort first come into view.
    pub fn top(&mut self) {
        self.cursor = None;
        self.settle();
    }

    /// Puts the cursor on an object, where it is listed.
    pub fn select(&mut self, cx: &Cx<'_>, object: &ObjectRef) -> bool {
        let found = self.order.range(0).find(|s| self.object(cx, *s).as_ref() == Some(object));
        if found.is_some() {
            self.cursor = found;
            self.settle();
        }
        found.is_some()
    }

    /// The first listed object of that name, whatever its namespace.
    pub fn find_name(&self, cx: &Cx<'_>, name: &str) -> Option<ObjectRef> {
        self.order.range(0).filter_map(|s| self.object(cx, s)).find(|o| &*o.name == name)
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

    /// The slots in the window.
    pub fn window(&self) -> impl Iterator<Item = Slot> {
        self.order.range(self.offset).take(self.height)
    }
}
