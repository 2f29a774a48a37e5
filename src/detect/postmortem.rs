//! The report of an incident: when it began, was found, acted on and ended, how far it reached, why, what was done, what
//! is left. Made from the incident where it is still there, else from the timeline alone.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::detector::Detector;
use super::finding::{Finding, State, WhatChanged};
use super::incident::{Incident, Radius};
use super::quiet::How;
use super::recurrence::{self, Recurrence};
use super::timeline::{self, What};
use crate::judge::evidence::object_json;
use crate::judge::{Evidence, Severity, Sure};
use crate::world::{ObjectRef, Text, Time};

/// How long before an incident a change counts as what came before it.
const BEFORE: Duration = Duration::from_secs(7_200);
/// How far the clocks of the cluster and of the machines that khud ran on may be apart.
const SKEW: Duration = Duration::from_secs(300);
/// How long after its end what is done still belongs to it.
const AFTER: Duration = Duration::from_secs(3_600);

/// An action that somebody took.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Done {
    pub at: Time,
    /// The person who did it; empty where unknown.
    pub who: String,
    /// The action and its object.
    pub what: String,
    #[serde(skip)]
    pub object: Option<ObjectRef>,
    /// `verified`, `applied`, `refused`, `failed`; empty where the end is not known.
    pub outcome: String,
    pub reason: String,
    /// The same by kubectl; empty where it has none.
    pub kubectl: String,
}

/// When the phases of an incident began. `None`: not known, or not yet.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Phases {
    pub began: Time,
    pub found: Option<Time>,
    pub acknowledged: Option<Time>,
    pub acted: Option<Time>,
    /// Nothing critical was true any more.
    pub mitigated: Option<Time>,
    /// Nothing of it was true any more.
    pub resolved: Option<Time>,
}

/// Milliseconds from the beginning to each phase.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Durations {
    pub to_found: Option<i64>,
    pub to_acted: Option<i64>,
    pub to_mitigated: Option<i64>,
    pub to_resolved: Option<i64>,
}

impl Phases {
    pub fn durations(&self) -> Durations {
        let since = |t: Option<Time>| t.map(|t| (t.0 - self.began.0).max(0));
        Durations {
            to_found: since(self.found),
            to_acted: since(self.acted),
            to_mitigated: since(self.mitigated),
            to_resolved: since(self.resolved),
        }
    }
}

/// One cause of the incident, with its proof.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Cause {
    pub cause: Text,
    pub severity: Severity,
    #[serde(serialize_with = "object_json")]
    pub object: ObjectRef,
    pub title: String,
    /// `None` where only the timeline tells of it.
    pub sure: Option<Sure>,
    pub evidence: Vec<Evidence>,
}

/// A moment of the incident.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Moment {
    pub at: Time,
    pub what: String,
    pub who: String,
    pub object: String,
    pub text: String,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Report {
    pub id: String,
    pub cluster: String,
    pub at: Time,
    #[serde(serialize_with = "root_json")]
    pub root: Option<ObjectRef>,
    pub title: String,
    pub severity: Severity,
    /// The earlier times of the same cause at the same object; `None` where it is new.
    pub recurrence: Option<Recurrence>,
    /// open, mitigated or resolved.
    pub state: &'static str,
    pub phases: Phases,
    pub durations_ms: Durations,
    /// `None` where the incident is over: how far it reached is not kept.
    pub radius: Option<Radius>,
    /// The root's first.
    pub causes: Vec<Cause>,
    pub changed: Vec<WhatChanged>,
    pub done: Vec<Done>,
    /// The findings that are still open.
    pub left: Vec<String>,
    pub timeline: Vec<Moment>,
}

fn root_json<S: Serializer>(root: &Option<ObjectRef>, s: S) -> Result<S::Ok, S::Error> {
    match root {
        Some(root) => object_json(root, s),
        None => s.serialize_none(),
    }
}

/// The sources of a report besides the incident.
pub struct Sources<'a> {
    pub cluster: &'a str,
    pub now: Time,
    /// In the order of time.
    pub timeline: &'a [timeline::Entry],
    pub done: &'a [Done],
}

/// The objects that have a share in an incident.
pub fn objects(detector: &Detector, incident: &Incident) -> BTreeSet<ObjectRef> {
    let findings = incident.findings.iter().filter_map(|i| detector.findings().get(*i));
    let of = |f: &Arc<Finding>| {
        let keys = std::iter::once(&f.key).chain(&f.with);
        let affected = keys.flat_map(|k| detector.affected(k).into_iter().chain([k.root.clone()]));
        affected.chain([f.object.clone(), f.fix().clone()]).collect::<Vec<_>>()
    };
    findings.flat_map(of).chain([incident.root.clone()]).collect()
}

/// The report of an incident that is there, with its findings and the objects that have a share in them.
pub fn of_incident(
    incident: &Incident,
    findings: &[Arc<Finding>],
    objects: &BTreeSet<ObjectRef>,
    sources: &Sources<'_>,
) -> Report {
    let findings: Vec<&Arc<Finding>> = incident.findings.iter().filter_map(|i| findings.get(*i)).collect();
    let touches = |o: &ObjectRef| *o == incident.root || objects.contains(o);
    let entries = sources.timeline.iter().filter(|e| belongs(e, incident, &touches));
    let entries: Vec<&timeline::Entry> = entries.filter(|e| e.what != What::Session).collect();
    let found = entries.iter().filter(|e| e.what == What::FindingBegan).filter_map(|e| e.seen).min();
    let firing = |f: &&&Arc<Finding>| f.state != State::Resolving;
    let open = findings.iter().any(|f| firing(&f));
    let critical = findings.iter().filter(firing).any(|f| f.severity == Severity::Critical);
    let ends = entries.iter().filter(|e| e.what == What::FindingEnded).map(|e| (e.at, e.severity));
    let last = ends.clone().map(|(at, _)| at).max();
    let last_critical = ends.filter(|(_, s)| *s == Some(Severity::Critical)).map(|(at, _)| at).max();
    let was_critical = incident.severity == Severity::Critical;
    let done: Vec<Done> = sources
        .done
        .iter()
        .filter(|d| d.at >= incident.since.minus(SKEW) && d.object.as_ref().is_some_and(touches))
        .cloned()
        .collect();
    let phases = Phases {
        began: incident.since,
        found: Some(found.unwrap_or(sources.now)),
        acknowledged: entries.iter().find(|e| e.what == What::Acknowledged).map(|e| e.at),
        acted: done.first().map(|d| d.at),
        mitigated: if critical || !was_critical && open { None } else { last_critical.or(last) },
        resolved: if open { None } else { last },
    };
    let causes = findings.iter().map(|f| Cause {
        cause: f.cause.clone(),
        severity: f.severity,
        object: f.fix().clone(),
        title: f.title.clone(),
        sure: Some(f.sure),
        evidence: f.evidence.clone(),
    });
    let mut left: Vec<String> =
        findings.iter().filter(firing).map(|f| format!("{}: {}", f.fix(), f.title)).collect();
    left.extend(findings.iter().filter(|f| f.is(How::Muted)).map(|f| format!("{} is still muted", f.fix())));
    left.extend(
        done.iter().filter(|d| d.outcome.is_empty()).map(|d| format!("{}: its end is not recorded", d.what)),
    );
    Report {
        id: incident.id.clone(),
        cluster: sources.cluster.to_owned(),
        at: sources.now,
        root: Some(incident.root.clone()),
        title: incident.title.clone(),
        severity: incident.severity,
        recurrence: recurrence::of(sources.timeline, &incident.root, &incident.cause, incident.since),
        state: state(&phases),
        phases,
        durations_ms: phases.durations(),
        radius: Some(incident.radius),
        causes: causes.collect(),
        changed: incident.changed.clone(),
        done,
        left,
        timeline: entries.into_iter().map(moment).collect(),
    }
}

fn state(phases: &Phases) -> &'static str {
    match (phases.mitigated, phases.resolved) {
        (_, Some(_)) => "resolved",
        (Some(_), None) => "mitigated",
        (None, None) => "open",
    }
}

/// Whether an entry tells of the incident: of its findings, of what changed before it, or of what was done and noted
/// while it went on.
fn belongs(e: &timeline::Entry, incident: &Incident, touches: &impl Fn(&ObjectRef) -> bool) -> bool {
    let about = e.object.as_ref().is_some_and(touches);
    match e.what {
        What::Session => false,
        What::Change => {
            let named = incident.changed.iter().any(|c| Some(&c.object) == e.object.as_ref());
            (about || named) && e.at >= incident.since.minus(BEFORE)
        }
        What::FindingBegan | What::FindingRefined | What::FindingEnded => {
            e.incident == incident.id || about && e.at >= incident.since
        }
        What::Note => (about || e.object.is_none()) && e.at >= incident.since.minus(SKEW),
        What::Acknowledged | What::Walk | What::Action => about && e.at >= incident.since.minus(SKEW),
    }
}

/// The incidents that the timeline tells of, newest first.
pub fn remembered(timeline: &[timeline::Entry]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for e in timeline.iter().rev().filter(|e| !e.incident.is_empty()) {
        if !ids.contains(&e.incident) {
            ids.push(e.incident.clone());
        }
    }
    ids
}

/// The report of an incident that is over, from what the timeline kept of it; `None` where it kept nothing.
pub fn of_timeline(id: &str, sources: &Sources<'_>) -> Option<Report> {
    let own: Vec<&timeline::Entry> = sources.timeline.iter().filter(|e| e.incident == id).collect();
    let until = own.iter().map(|e| e.at).max()?;
    // While an incident grew its id may have changed: a finding of it may have begun under another one.
    let about: BTreeSet<(&Option<ObjectRef>, &str)> =
        own.iter().map(|e| (&e.object, e.family.as_str())).collect();
    let begins = |key: &(&Option<ObjectRef>, &str)| {
        let same =
            |e: &&timeline::Entry| (&e.object, e.family.as_str()) == *key && e.what == What::FindingBegan;
        sources.timeline.iter().filter(same).rfind(|e| e.at <= until)
    };
    let begun: Vec<&timeline::Entry> = about.iter().filter_map(begins).collect();
    let first = begun.iter().min_by_key(|e| (std::cmp::Reverse(e.severity), e.at))?;
    let began = begun.iter().map(|e| e.at).min()?;
    let objects: BTreeSet<&ObjectRef> = own.iter().filter_map(|e| e.object.as_ref()).collect();
    let of_own = |e: &&timeline::Entry| {
        e.what == What::FindingEnded
            && e.at >= began
            && begun.iter().any(|b| (&e.object, &e.family) == (&b.object, &b.family))
    };
    let ends = sources.timeline.iter().filter(of_own);
    let last = ends.clone().map(|e| e.at).max();
    let last_critical = ends.filter(|e| e.severity == Some(Severity::Critical)).map(|e| e.at).max();
    let ended = |b: &&timeline::Entry| {
        let same = |e: &&timeline::Entry| (&e.object, &e.family) == (&b.object, &b.family);
        sources.timeline.iter().filter(same).any(|e| e.what == What::FindingEnded && e.at >= b.at)
    };
    let over = begun.iter().all(ended);
    let until = last.filter(|_| over).map_or(sources.now, |t| t.plus(AFTER));
    let during = |at: Time| at >= began.minus(SKEW) && at <= until;
    let done: Vec<Done> = sources
        .done
        .iter()
        .filter(|d| during(d.at) && d.object.as_ref().is_some_and(|o| objects.contains(o)))
        .cloned()
        .collect();
    let around = |e: &&timeline::Entry| {
        let about = e.object.as_ref().is_some_and(|o| objects.contains(o));
        match e.what {
            What::Session => false,
            What::Change => about && e.at >= began.minus(BEFORE) && e.at <= until,
            What::Note => (about || e.object.is_none()) && during(e.at),
            _ => e.incident == id || about && during(e.at),
        }
    };
    let entries: Vec<&timeline::Entry> = sources.timeline.iter().filter(around).collect();
    let phases = Phases {
        began,
        found: begun.iter().filter_map(|e| e.seen).min(),
        acknowledged: entries.iter().find(|e| e.what == What::Acknowledged).map(|e| e.at),
        acted: done.first().map(|d| d.at),
        mitigated: last_critical.or(last).filter(|_| over),
        resolved: last.filter(|_| over),
    };
    let causes = begun.iter().filter_map(|e| {
        let object = e.object.clone()?;
        let quote = |d: &String| {
            let (source, quote) = d.split_once(": ").unwrap_or(("", d));
            Evidence { source: source.into(), quote: quote.into(), object: object.clone(), at: Some(e.at) }
        };
        Some(Cause {
            cause: e.cause.as_str().into(),
            severity: e.severity.unwrap_or(Severity::Info),
            title: e.text.clone(),
            sure: None,
            evidence: e.detail.iter().map(quote).collect(),
            object,
        })
    });
    Some(Report {
        id: id.to_owned(),
        cluster: sources.cluster.to_owned(),
        at: sources.now,
        root: first.object.clone(),
        title: first.text.clone(),
        severity: first.severity.unwrap_or(Severity::Info),
        recurrence: first
            .object
            .as_ref()
            .and_then(|o| recurrence::of(sources.timeline, o, &first.cause, began)),
        state: state(&phases),
        phases,
        durations_ms: phases.durations(),
        radius: None,
        causes: causes.collect(),
        changed: Vec::new(),
        left: done
            .iter()
            .filter(|d| d.outcome.is_empty())
            .map(|d| format!("{}: its end is not recorded", d.what))
            .collect(),
        done,
        timeline: entries.into_iter().map(moment).collect(),
    })
}

fn moment(e: &timeline::Entry) -> Moment {
    Moment {
        at: e.at,
        what: e.what.as_str().to_owned(),
        who: e.who.clone(),
        object: e.object.as_ref().map_or(String::new(), ToString::to_string),
        text: e.text.clone(),
    }
}

/// The actions among the timeline's entries, for use without the journal.
pub fn done_of_timeline(timeline: &[timeline::Entry]) -> Vec<Done> {
    let actions = timeline.iter().filter(|e| e.what == What::Action);
    actions
        .map(|e| Done {
            at: e.at,
            who: e.who.clone(),
            what: e.text.clone(),
            object: e.object.clone(),
            // The text says how it ended.
            outcome: "recorded".to_owned(),
            reason: String::new(),
            kubectl: String::new(),
        })
        .collect()
}
