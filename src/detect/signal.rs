//! What a rule says of one object, and what it may look at to say it.

use crate::world::{Event, Kind, ObjectRef, Pod, Text, Time, Uid, World};

use super::finding::{Evidence, Key, Severity};
use super::logs::{LogBook, Want};
use super::memory::Memory;
use super::registry;
use super::text::{self, bounded};

/// What part an object plays in a finding. Ordered: the greatest speaks first for rule and object.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Part {
    /// Suffers from it (a pod on a dead node).
    Victim,
    /// Follows from it (a Service without endpoints).
    Consequence,
    /// Shows the cause itself.
    Member,
    /// Sums up its members (the rollout above the pods).
    Overlay,
}

/// One object's share in a finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Signal {
    pub key: Key,
    pub rule: Text,
    pub cause: Text,
    pub severity: Severity,
    pub part: Part,
    pub title: String,
    pub row: String,
    pub evidence: Vec<Evidence>,
    pub since: Time,
    /// Pending before; zero: fires at once.
    pub fires_at: Time,
    pub playbook: Text,
    /// What it has in common with other workloads' trouble.
    pub fold: Option<Text>,
}

impl Signal {
    /// A signal of the rule, about `root`, folding with others of the same cause.
    pub fn new(rule: &'static str, root: ObjectRef, since: Time) -> Signal {
        let r = registry::rule(rule);
        Signal {
            key: Key { root, family: rule.into() },
            rule: rule.into(),
            // A rule that looked and found no proof says so.
            cause: if rule.ends_with(".unknown") { "unknown".into() } else { rule.into() },
            severity: r.map_or(Severity::Warning, |r| r.severity),
            part: Part::Member,
            title: String::new(),
            row: String::new(),
            evidence: Vec::new(),
            since,
            fires_at: Time(0),
            playbook: r.map_or("pod", |r| r.playbook).into(),
            fold: None,
        }
    }

    /// A signal of a user's rule.
    pub fn named(rule: Text, root: ObjectRef, since: Time) -> Signal {
        Signal {
            key: Key { root, family: rule.clone() },
            cause: rule.clone(),
            rule,
            severity: Severity::Warning,
            part: Part::Member,
            title: String::new(),
            row: String::new(),
            evidence: Vec::new(),
            since,
            fires_at: Time(0),
            playbook: "pod".into(),
            fold: None,
        }
    }

    pub fn title(mut self, title: impl AsRef<str>) -> Signal {
        self.title = bounded(title.as_ref(), text::TITLE);
        self
    }

    pub fn row(mut self, row: impl AsRef<str>) -> Signal {
        self.row = bounded(row.as_ref(), text::ROW);
        self
    }

    pub fn evidence(
        mut self,
        source: impl Into<Text>,
        quote: impl AsRef<str>,
        object: &ObjectRef,
        at: Option<Time>,
    ) -> Signal {
        let quote = text::quoted(quote.as_ref(), text::QUOTE);
        self.evidence.push(Evidence { source: source.into(), quote, object: object.clone(), at });
        self
    }

    pub fn event(self, event: &Event) -> Signal {
        let quote = if event.count > 1 {
            format!("{} (×{})", event.note.trim(), event.count)
        } else {
            event.note.to_string()
        };
        self.evidence(format!("event {}", event.reason), quote, &event.regarding, Some(event.last))
    }

    /// Folds with the same trouble of other workloads.
    pub fn fold(mut self, trouble: impl Into<Text>) -> Signal {
        self.fold = Some(trouble.into());
        self
    }

    pub fn family(mut self, family: &str) -> Signal {
        self.key.family = family.into();
        self
    }

    pub fn part(mut self, part: Part) -> Signal {
        self.part = part;
        self
    }

    pub fn severity(mut self, severity: Severity) -> Signal {
        self.severity = severity;
        self
    }

    pub fn fires_at(mut self, at: Time) -> Signal {
        self.fires_at = at;
        self
    }
}

/// What the rules say of one object, and when they want to look again though nothing changed.
#[derive(Default, Debug)]
pub struct Out {
    pub signals: Vec<Signal>,
    pub again: Option<Time>,
    pub wants: Vec<Want>,
}

impl Out {
    pub fn push(&mut self, signal: Signal) {
        self.signals.push(signal);
    }

    /// Asks to be judged again at that time.
    pub fn again(&mut self, at: Time) {
        self.again = Some(self.again.map_or(at, |a| a.min(at)));
    }
}

/// Everything a rule may look at.
pub struct Ctx<'a> {
    pub world: &'a World,
    pub now: Time,
    pub memory: &'a Memory,
    pub logs: &'a LogBook,
    pub room: &'a super::room::Room,
    pub limits: &'a super::config::Thresholds,
    /// The findings so far: what follows from one says so instead of speaking for itself.
    pub groups: &'a super::group::Groups,
}

impl Ctx<'_> {
    /// Events about this very object (same uid), newest first, with that reason.
    pub fn event<'w>(&'w self, pod: &Pod, object: &ObjectRef, reasons: &[&str]) -> Option<&'w Event> {
        self.world
            .events_of(object)
            .into_iter()
            .find(|e| same(&e.regarding_uid, &pod.meta.uid) && reasons.contains(&&*e.reason))
    }

    /// The object to fix above a pod.
    pub fn root(&self, object: &ObjectRef) -> ObjectRef {
        self.world.root(object)
    }

    /// Whether the node is there and reports not ready.
    pub fn node_down(&self, node: &str) -> bool {
        !node.is_empty() && self.world.nodes.find("", node).is_some_and(|n| !super::node::ready(n))
    }

    pub fn node_ref(node: &Text) -> ObjectRef {
        ObjectRef::new(Kind::Node, "", node.clone())
    }
}

/// Whether an event's uid names the object. Events of some components carry none.
pub fn same(regarding: &Uid, uid: &Uid) -> bool {
    regarding == uid || *regarding == Uid::default() || matches!(regarding, Uid::Other(t) if t.is_empty())
}
