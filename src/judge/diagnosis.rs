//! What a rule says of one object, and what it may look at to say it.

use std::collections::BTreeSet;

use crate::world::{Event, Kind, ObjectRef, Pod, Text, Time, Uid, World};

use super::certificate::Secrets;
use super::evidence::{Evidence, Key, Severity, Sure};
use super::fleet::Fleet;
use super::log::{Answers, Want};
use super::registry::{self, Cause};
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
pub struct Diagnosis {
    pub key: Key,
    pub rule: Text,
    pub cause: Text,
    pub severity: Severity,
    pub sure: Sure,
    /// The container to blame, where one is.
    pub container: Option<Text>,
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
    /// The object that has to be put right first: the Service it calls, the ConfigMap it names, the quota that refuses
    /// it. It need not exist.
    pub waits_for: Option<ObjectRef>,
}

impl Diagnosis {
    /// A diagnosis by the rule of that name, about `root`, folding with others of the same cause.
    pub fn new(rule: Cause, root: ObjectRef, since: Time) -> Diagnosis {
        let r = registry::rule(&rule);
        Diagnosis {
            key: Key { root, family: rule.id().into() },
            rule: rule.id().into(),
            // A rule that looked and found no proof says so.
            cause: if rule.ends_with(".unknown") { "unknown".into() } else { rule.id().into() },
            severity: r.map_or(Severity::Warning, |r| r.severity),
            sure: Sure::Proved,
            container: None,
            part: Part::Member,
            title: String::new(),
            row: String::new(),
            evidence: Vec::new(),
            since,
            fires_at: Time(0),
            playbook: r.map_or("pod", |r| r.playbook).into(),
            fold: None,
            waits_for: None,
        }
    }

    /// Whether this is the rule that fired.
    pub fn is(&self, rule: Cause) -> bool {
        *self.rule == *rule
    }

    /// The same trouble under the name of another rule.
    pub fn renamed(mut self, rule: Cause) -> Diagnosis {
        self.rule = rule.id().into();
        self.cause = rule.id().into();
        self.key.family = rule.id().into();
        self
    }

    /// A diagnosis by a rule of the user's own.
    pub fn named(rule: Text, root: ObjectRef, since: Time) -> Diagnosis {
        Diagnosis {
            key: Key { root, family: rule.clone() },
            cause: rule.clone(),
            rule,
            severity: Severity::Warning,
            sure: Sure::Proved,
            container: None,
            part: Part::Member,
            title: String::new(),
            row: String::new(),
            evidence: Vec::new(),
            since,
            fires_at: Time(0),
            playbook: "pod".into(),
            fold: None,
            waits_for: None,
        }
    }

    pub fn title(mut self, title: impl AsRef<str>) -> Diagnosis {
        self.title = bounded(title.as_ref(), text::TITLE);
        self
    }

    pub fn row(mut self, row: impl AsRef<str>) -> Diagnosis {
        self.row = bounded(row.as_ref(), text::ROW);
        self
    }

    pub fn evidence(
        mut self,
        source: impl Into<Text>,
        quote: impl AsRef<str>,
        object: &ObjectRef,
        at: Option<Time>,
    ) -> Diagnosis {
        let quote = text::quoted(quote.as_ref(), text::QUOTE);
        self.evidence.push(Evidence { source: source.into(), quote, object: object.clone(), at });
        self
    }

    pub fn event(self, event: &Event) -> Diagnosis {
        let quote = if event.count > 1 {
            format!("{} (×{})", event.note.trim(), event.count)
        } else {
            event.note.to_string()
        };
        self.evidence(format!("event {}", event.reason), quote, &event.regarding, Some(event.last))
    }

    /// Folds with the same trouble of other workloads.
    pub fn fold(mut self, trouble: impl Into<Text>) -> Diagnosis {
        self.fold = Some(trouble.into());
        self
    }

    /// Has nothing in common with other workloads' trouble after all.
    pub fn fold_off(mut self) -> Diagnosis {
        self.fold = None;
        self
    }

    /// Names the object that has to be put right first.
    pub fn waits_for(mut self, object: Option<ObjectRef>) -> Diagnosis {
        self.waits_for = object;
        self
    }

    pub fn family(mut self, family: &str) -> Diagnosis {
        self.key.family = family.into();
        self
    }

    pub fn part(mut self, part: Part) -> Diagnosis {
        self.part = part;
        self
    }

    pub fn severity(mut self, severity: Severity) -> Diagnosis {
        self.severity = severity;
        self
    }

    /// Blames a container of the pod.
    pub fn container(mut self, name: &Text) -> Diagnosis {
        self.container = Some(name.clone());
        self
    }

    /// The evidence fits this cause best and does not prove it.
    pub fn likely(mut self) -> Diagnosis {
        self.sure = Sure::Likely;
        self
    }

    /// Likely only, where something that could speak against the cause is not known.
    pub fn likely_unless(self, known: bool) -> Diagnosis {
        if known { self } else { self.likely() }
    }

    pub fn fires_at(mut self, at: Time) -> Diagnosis {
        self.fires_at = at;
        self
    }
}

/// What the rules say of one object, and when they want to look again though nothing changed.
#[derive(Default, Debug)]
pub struct Out {
    pub signals: Vec<Diagnosis>,
    pub again: Option<Time>,
    pub wants: Vec<Want>,
    /// Secrets whose certificate would be worth a look.
    pub secrets: Vec<ObjectRef>,
}

impl Out {
    pub fn push(&mut self, signal: Diagnosis) {
        self.signals.push(signal);
    }

    /// Asks to be judged again at that time.
    pub fn again(&mut self, at: Time) {
        self.again = Some(self.again.map_or(at, |a| a.min(at)));
    }
}

/// What the World does not keep and rules need: what objects were before.
pub trait Past {
    /// How often the container was seen to restart since `from`.
    fn restarts(&self, pod: &Uid, container: &Text, from: Time) -> usize;
    /// The most GPUs the node was seen to offer.
    fn most_gpus(&self, node: &str) -> u64;
    /// Since when the node offers fewer GPUs than it did, where that was seen to happen.
    fn fewer_gpus(&self, node: &str) -> Option<Time>;
    /// Since when the workload has had fewer pods than asked for, or none ready.
    fn short_since(&self, workload: &ObjectRef) -> Option<Time>;
    /// Ready and unready endpoints of a Service, and since when none is ready where that was seen to begin.
    fn endpoints(&self, service: &ObjectRef) -> (u32, u32, Option<Time>);
    /// The names of a Service's slices.
    fn slices(&self, service: &ObjectRef) -> Vec<Text>;
    /// How many nodes have which version.
    fn fleet(&self) -> &Fleet;
}

/// The diagnoses so far. What follows from one of them says so instead of speaking for itself.
pub trait Diagnosed {
    /// The troubles the object has a share in, its own first.
    fn of(&self, object: &ObjectRef) -> &[Key];
    fn severity(&self, key: &Key) -> Severity;
    /// Pods of the namespace that have a share in a trouble.
    fn sick_pods(&self, namespace: &str) -> Vec<(&ObjectRef, &[Key])>;
}

/// Everything a rule may look at.
pub struct Ctx<'a> {
    pub world: &'a World,
    pub now: Time,
    pub past: &'a dyn Past,
    pub logs: &'a Answers,
    /// The certificates that Ingresses name.
    pub secrets: &'a Secrets,
    pub free: &'a super::free_capacity::FreeCapacity,
    pub limits: &'a super::limits::Thresholds,
    pub diagnosed: &'a dyn Diagnosed,
    /// Objects that somebody asked about: there the logs of running containers are worth a read.
    pub asked: &'a BTreeSet<ObjectRef>,
    /// Pods of what was rolled out lately, a few of them: their logs are worth one read.
    pub sampled: &'a BTreeSet<ObjectRef>,
}

impl Ctx<'_> {
    /// Whether somebody asks about this very object: then what is no news is told too.
    pub fn is_asked(&self, object: &ObjectRef) -> bool {
        self.asked.contains(object)
    }

    /// Events about this very object (same uid), newest first, with that reason.
    pub fn event<'w>(&'w self, pod: &Pod, object: &ObjectRef, reasons: &[&str]) -> Option<&'w Event> {
        self.world
            .events_of(object)
            .into_iter()
            .find(|e| same(&e.regarding_uid, &pod.meta.uid) && reasons.contains(&&*e.reason))
    }

    /// Whether every object of the kinds that a namespace can have is known: without that, nothing is absent.
    pub fn listed(&self, kinds: &[Kind], namespace: &Text) -> bool {
        let all: Text = "".into();
        kinds.iter().all(|k| self.world.synced_in(k, &all) || self.world.synced_in(k, namespace))
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
