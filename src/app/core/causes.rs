//! Keeps the detector fed and the causes on the rows in step with what it found.

use std::collections::BTreeSet;

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Dirty;
use crate::app::core::record;
use crate::app::core::touch::touch;
use crate::app::core::view::View;
use crate::app::table::cx::Cause;
use crate::detect::timeline::Entry;
use crate::detect::{Finding, FindingChange, Severity, State, Turn};
use crate::world::StreamState::{Connecting, Listing};
use crate::world::ask::LogTail;
use crate::world::{Change, Kind, ObjectRef, StreamId, StreamState, TlsSecret, World};

/// What explains the pods' trouble is among these.
const NEEDED: &[Kind] = &[
    Kind::Pod,
    Kind::Node,
    Kind::Event,
    Kind::Deployment,
    Kind::ReplicaSet,
    Kind::DaemonSet,
    Kind::Job,
    Kind::Service,
    Kind::EndpointSlice,
    Kind::PersistentVolumeClaim,
];

/// Tells the detector what changed. Also after a batch without changes: a list that ended says what is absent.
pub fn on_changes(model: &mut Model, changes: &[Change]) -> Vec<Effect> {
    let data = &mut model.data;
    let found = data.detector.on_changes(&data.world, changes, data.now);
    for change in data.detector.take_changes() {
        record::entry(model, Entry::of_change(&change));
    }
    follow(model, found);
    for change in changes.iter().filter(|c| c.object.kind != Kind::Event) {
        refresh(model, &change.object);
    }
    begin_timeline(model);
    wanted(model)
}

/// Tells the detector whose numbers changed.
pub fn on_readings(model: &mut Model, touched: &[ObjectRef]) -> Vec<Effect> {
    let data = &mut model.data;
    let found = data.detector.on_readings(&data.world, touched, data.now);
    follow(model, found);
    for object in touched {
        if let Some(slot) = model.data.world.slot(object) {
            touch(model, &object.kind, slot);
        }
    }
    wanted(model)
}

/// What the rules say before all lists are there may be half of the truth: a pod without its ReplicaSet, a claim that
/// is still to come. It shows, and goes on the timeline once it holds with all of them.
fn begin_timeline(model: &mut Model) {
    let asked = |k| matches!(answer(&model.data.world, k), None | Some(Connecting | Listing { .. }));
    if model.data.settled || NEEDED.iter().any(asked) {
        return;
    }
    model.data.settled = true;
    let firing = model.data.detector.findings().iter().filter(|f| f.state == State::Firing);
    let began = firing.cloned().map(|finding| FindingChange { turn: Turn::Began, finding });
    for change in began.collect::<Vec<_>>() {
        report(model, &change);
    }
}

/// Puts a finding's beginning and end on the timeline, and announces a new critical one.
fn report(model: &mut Model, change: &FindingChange) {
    if !model.data.settled {
        return;
    }
    if let Some(mut entry) = Entry::of_finding(change, model.data.now) {
        let incident = model.data.detector.incident_of(&change.finding.key);
        entry.incident = incident.map_or(String::new(), |i| i.id.clone());
        entry.seen = (change.turn == Turn::Began).then_some(model.data.now);
        record::entry(model, entry);
    }
    let f = &change.finding;
    if change.turn == Turn::Began && f.severity == Severity::Critical && f.quiet.is_none() {
        model.prefs.announce(&f.title);
    }
}

pub fn timers(model: &mut Model) -> Vec<Effect> {
    let data = &mut model.data;
    if data.detector.next_timer().is_none_or(|t| t > data.now) {
        return Vec::new();
    }
    let found = data.detector.on_timer(&data.world, data.now);
    follow(model, found);
    wanted(model)
}

/// A log a rule asked for has come.
pub fn on_log(model: &mut Model, tail: &LogTail, result: &Result<String, String>) -> Vec<Effect> {
    let data = &mut model.data;
    let answer = result.as_ref().map(String::as_str).map_err(String::as_str);
    let found = data.detector.on_log(&data.world, tail, answer, data.now);
    follow(model, found);
    wanted(model)
}

/// Takes in the certificate that an Ingress names.
pub fn on_certificate(
    model: &mut Model,
    secret: &ObjectRef,
    result: Result<TlsSecret, String>,
) -> Vec<Effect> {
    let data = &mut model.data;
    let found = data.detector.on_secret(&data.world, secret, result, data.now);
    follow(model, found);
    wanted(model)
}

fn wanted(model: &mut Model) -> Vec<Effect> {
    let now = model.data.now;
    let logs = model.data.detector.wanted_logs(now).into_iter().map(Effect::Log);
    let mut effects: Vec<Effect> = logs.collect();
    effects.extend(model.data.detector.wanted_secrets().into_iter().map(Effect::Certificate));
    effects.extend(model.prefs.announcement());
    effects
}

/// Puts each finding's cause on the rows it concerns, and takes it off those it no longer does.
pub(in crate::app) fn follow(model: &mut Model, found: Vec<FindingChange>) {
    if found.is_empty() {
        return;
    }
    if model.in_sight().any(View::shows_findings) {
        model.dirty = model.dirty.max(Dirty::Data);
    }
    for change in found {
        report(model, &change);
        let finding = &change.finding;
        let mut rows: BTreeSet<ObjectRef> = model.data.detector.affected(&finding.key).into_iter().collect();
        rows.insert(finding.object.clone());
        rows.insert(finding.fix().clone());
        let before = model.data.carried.insert(finding.key.clone(), rows.clone()).unwrap_or_default();
        if change.turn == Turn::Ended {
            model.data.carried.remove(&finding.key);
        }
        for object in rows.union(&before) {
            refresh(model, object);
        }
    }
}

/// How loud a finding is on an object's row. A pod is its node's victim: it is told of the node, but what is
/// broken by itself comes first.
fn severity_on(finding: &Finding, object: &ObjectRef) -> Severity {
    match (&object.kind, &finding.fix().kind) {
        (Kind::Pod, Kind::Node) => Severity::Info,
        _ => finding.severity,
    }
}

/// The cause on one row is what the detector says now.
fn refresh(model: &mut Model, object: &ObjectRef) {
    let detector = &model.data.detector;
    let cause = detector.of(object).map(|f| Cause {
        text: detector.row(object).unwrap_or(&f.row).into(),
        severity: severity_on(f, object),
    });
    let changed = match cause {
        Some(cause) => model.data.causes.insert(object.clone(), cause.clone()) != Some(cause),
        None => model.data.causes.remove(object).is_some(),
    };
    if changed && let Some(slot) = model.data.world.slot(object) {
        touch(model, &object.kind, slot);
    }
}

/// How the kind's stream does; `None` before it was asked for.
pub fn answer<'w>(world: &'w World, kind: &Kind) -> Option<&'w StreamState> {
    let mut states = world.streams.iter().filter_map(|(id, stream)| match id {
        StreamId::Watch { kind: k, .. } if k == kind => Some(&stream.state),
        _ => None,
    });
    let first = states.next()?;
    // Where only some namespaces are allowed, one that is live stands for the kind.
    Some(states.fold(first, |best, s| if s.is_live() { s } else { best }))
}
