//! Which objects a table lists, and what stands behind each of its rows.

use std::borrow::Cow;
use std::collections::BTreeSet;

use crate::app::table::cell::Value;
use crate::app::table::columns::{self, Column, served, workload_slot};
use crate::app::table::cx::Cx;
use crate::app::table::health;
use crate::app::table::vitals;
use crate::world::{Kind, Labels, Meta, Object, ObjectRef, Slot, Text, Uid};

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
    pub(super) fn own_columns(&self) -> &'static [Column] {
        match self.fence {
            Fence::KubeProxy => columns::KUBE_PROXY,
            Fence::Workloads => columns::WORKLOADS,
            _ => columns::of_kind(&self.kind),
        }
    }

    pub(super) fn columns(&self, cx: &Cx<'_>, wide: bool) -> Cow<'static, [Column]> {
        let own = self.own_columns();
        if !self.kind.watched() {
            return Cow::Owned(served::columns(cx, &self.kind, wide));
        }
        let wide = if wide && self.fence != Fence::Workloads { columns::wide_of(&self.kind) } else { &[] };
        let added = match self.fence {
            Fence::Workloads | Fence::KubeProxy => None,
            _ => cx.own.get(&self.kind),
        };
        if wide.is_empty() && added.is_none() {
            return Cow::Borrowed(own);
        }
        let added: Vec<Column> = added.into_iter().flatten().map(Column::computed).collect();
        Cow::Owned([own, &added, wide].concat())
    }

    /// What the view is of, for its title.
    pub(super) fn title(&self, namespaces: &BTreeSet<Text>) -> String {
        let kind = match &self.fence {
            Fence::Workloads => "workloads",
            _ => self.kind.plural(),
        };
        let of = match &self.fence {
            Fence::All | Fence::Workloads => String::new(),
            Fence::KubeProxy => " of kube-proxy".into(),
            Fence::OnNode(n) => format!(" on {n}"),
            Fence::Owned(_) => " it owns".into(),
            Fence::Regarding(o) => format!(" about {o}"),
            Fence::Users(o) => format!(" that use {o}"),
        };
        let namespaces = match namespaces.len() {
            0 => String::new(),
            _ => format!(" in {}", namespaces.iter().map(|n| &**n).collect::<Vec<_>>().join(", ")),
        };
        format!("{kind}{of}{namespaces}")
    }

    /// Every row that may be listed.
    pub(super) fn candidates(&self, cx: &Cx<'_>) -> Vec<Slot> {
        match &self.fence {
            Fence::Workloads => columns::all_workloads(cx),
            Fence::OnNode(node) => cx.world.pods_on(node).map(|(slot, _)| slot).collect(),
            _ if self.kind == Kind::Event => cx.events.slots().collect(),
            _ => cx.world.slots(&self.kind),
        }
    }

    pub(super) fn meta<'a>(&self, cx: &Cx<'a>, slot: Slot) -> Option<&'a Meta> {
        match self.fence {
            Fence::Workloads => columns::of_workload(cx, slot).map(|w| &w.meta),
            _ => cx.world.meta_at(&self.kind, slot),
        }
    }

    /// Whether the row belongs here at all, before any filter.
    pub(super) fn lists(&self, cx: &Cx<'_>, namespaces: &BTreeSet<Text>, slot: Slot) -> bool {
        if self.kind == Kind::Event {
            let Some(event) = cx.events.get(slot) else { return false };
            let shown = namespaces.is_empty() || namespaces.contains(&event.regarding.namespace);
            return shown
                && match &self.fence {
                    Fence::Regarding(about) => event.regarding == *about,
                    _ => true,
                };
        }
        let Some(meta) = self.meta(cx, slot) else { return false };
        if !namespaces.is_empty() && !namespaces.contains(&meta.namespace) {
            return false;
        }
        match &self.fence {
            Fence::All | Fence::Workloads => true,
            Fence::KubeProxy => cx.world.pods.get(slot).is_some_and(vitals::is_kube_proxy),
            Fence::OnNode(node) => cx.world.pods.get(slot).is_some_and(|p| p.node == *node),
            Fence::Owned(uid) => meta.owner.as_ref().is_some_and(|o| o.uid == *uid),
            Fence::Regarding(_) => false,
            Fence::Users(object) => {
                cx.world.pods.get(slot).is_some_and(|p| crate::app::table::usage::uses(p, object))
            }
        }
    }

    pub(super) fn labels<'a>(&self, cx: &Cx<'a>, slot: Slot) -> Option<&'a Labels> {
        match self.kind {
            Kind::Event => None,
            _ => self.meta(cx, slot).map(|m| &m.labels),
        }
    }

    /// Whether the row shows a fault, in one of these columns where its kind has no state of its own.
    pub(super) fn faulty(&self, cx: &Cx<'_>, columns: &[Column], slot: Slot) -> bool {
        match self.kind {
            Kind::Pod => {
                cx.world.pods.get(slot).is_some_and(|p| health::pod(cx, p) <= health::Health::Pending)
            }
            Kind::Node => {
                cx.world.nodes.get(slot).is_some_and(|n| health::node(cx, n) <= health::Health::Pending)
            }
            Kind::Event => cx.events.get(slot).is_some_and(|e| e.warning),
            _ => columns.iter().any(|c| {
                let scope = c.cell(cx, slot).scope;
                scope.starts_with("status.bad")
                    || scope.starts_with("status.pending")
                    || scope.starts_with("finding")
            }),
        }
    }

    /// The object behind a row.
    pub(super) fn object(&self, cx: &Cx<'_>, slot: Slot) -> Option<ObjectRef> {
        match (&self.kind, &self.fence) {
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

    /// The kind's own order: sick pods and nodes first, newest events first, all else by name.
    pub(super) fn natural(&self, cx: &Cx<'_>, slot: Slot) -> Value {
        match self.kind {
            _ if self.fence == Fence::Workloads => {
                match columns::of_workload(cx, slot).and_then(|w| cx.cause(&w.reference())) {
                    Some(cause) => Value::Num(-(cause.severity as i64)),
                    None => Value::Num(9),
                }
            }
            // What restarted last is what one looks for among forty of them.
            Kind::Pod if self.fence == Fence::KubeProxy => {
                let Some(p) = cx.world.pods.get(slot) else { return Value::None };
                match crate::app::table::health::last_exit(&p.containers) {
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
}
