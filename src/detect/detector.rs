//! The detector: follows what deltas touched, judges those objects, folds what the rules say, keeps the timers.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use crate::world::ask::LogTail;
use crate::world::{Change, Kind, Meta, ObjectRef, Time, What, World};

use super::changed;
use super::config::DetectConfig;
use super::finding::{Finding, FindingChange, State, Turn};
use super::group::{self, Groups};
use super::incident::Incident;
use super::logs::LogBook;
use super::past_states::{PastStates, is_configuration};
use super::quiet::{How, Quiet};
use super::secrets::SecretBook;
use super::user::UserRules;
use crate::judge::certificate::Secrets;
use crate::judge::fields::KINDS;
use crate::judge::free_capacity::FreeCapacity;
use crate::judge::limits::seconds;
use crate::judge::{Ctx, Diagnosed, Key, Out, concerned, is_notable, judge, pod};

/// Events of type Normal that say what an object waits for.
const WAITS: &[&str] = &["JobAlreadyActive", "ExternalProvisioning", "FailedBinding"];

#[derive(Debug, Default)]
pub struct Detector {
    config: DetectConfig,
    rules: UserRules,
    pub(super) groups: Groups,
    past: PastStates,
    pub(super) logs: LogBook,
    pub(super) secrets: SecretBook,
    pub(super) certificates: Secrets,
    free: FreeCapacity,
    /// Objects to judge again at a time, and that time by object.
    timers: BTreeSet<(Time, ObjectRef)>,
    due: HashMap<ObjectRef, Time>,
    /// Groups to build again at a time: they fire or are let go.
    group_timers: BTreeSet<(Time, Key)>,
    pub(super) first: HashSet<ObjectRef>,
    /// Judged after `first`: what sums others up.
    pub(super) second: HashSet<ObjectRef>,
    /// Pods that somebody asked about.
    pub(super) asked: BTreeSet<ObjectRef>,
    /// Pods whose logs are read once though nothing about them is odd.
    pub(super) sampled: BTreeSet<ObjectRef>,
    pub(super) sampled_once: bool,
    /// What a question changed and nobody was told yet.
    pub(super) unreported: Vec<FindingChange>,
    /// Whether a question waits for the next `on_timer`.
    pub(super) just_asked: bool,
    pub(super) listed: HashSet<Kind>,
    /// What was acknowledged and muted from the screen.
    quiet: HashMap<Key, Quiet>,
    ranked: Vec<Arc<Finding>>,
    incidents: Vec<Incident>,
}

impl Detector {
    pub fn new(config: DetectConfig) -> Detector {
        let rules = UserRules::new(config.rules.clone());
        Detector { config, rules, ..Detector::default() }
    }

    /// Goes by other thresholds, severities, mutes and rules from now on, also in what was found before.
    pub fn configure(&mut self, config: DetectConfig, world: &World, now: Time) -> Vec<FindingChange> {
        let before = std::mem::replace(&mut self.rules, UserRules::new(config.rules.clone()));
        self.config = config;
        let kinds = KINDS.iter().map(|(k, _)| k).chain([&Kind::ReplicaSet]);
        for kind in kinds {
            let of = |m: &Meta| ObjectRef::new(kind.clone(), m.namespace.clone(), m.name.clone());
            let all: Vec<ObjectRef> = world.metas(kind).map(of).collect();
            let asked = self.rules.about(kind) || before.about(kind);
            for object in all {
                let well = *kind == Kind::Pod
                    && world.pods.find(&object.namespace, &object.name).is_some_and(pod::plainly_well);
                if asked || !well || self.groups.is_sick(&object) {
                    self.queue(object);
                }
            }
        }
        self.groups.dirty_all();
        self.settle(world, now)
    }

    /// Takes in what a batch of deltas changed. Call it after every batch, also an empty one: the end of a list
    /// changes nothing and still says that what is not there is absent.
    pub fn on_changes(&mut self, world: &World, changes: &[Change], now: Time) -> Vec<FindingChange> {
        for change in changes {
            self.touch(world, change, now);
        }
        self.follow_lists(world, now);
        self.settle(world, now)
    }

    /// Judges again the nodes and pods that were measured.
    pub fn on_readings(&mut self, world: &World, touched: &[ObjectRef], now: Time) -> Vec<FindingChange> {
        for object in touched {
            if is_notable(world, object) || self.groups.is_sick(object) {
                self.queue(object.clone());
            }
            // A node under pressure names the pod that uses most beyond its request.
            let pod = Some(object).filter(|o| o.kind == Kind::Pod);
            let node =
                pod.and_then(|o| world.pods.find(&o.namespace, &o.name)).map(|p| Ctx::node_ref(&p.node));
            if let Some(node) = node.filter(|n| self.groups.is_sick(n)) {
                self.queue(node);
            }
        }
        self.settle(world, now)
    }

    /// Judges again what asked for it by `now`.
    pub fn on_timer(&mut self, world: &World, now: Time) -> Vec<FindingChange> {
        while let Some((at, _)) = self.timers.first() {
            if *at > now {
                break;
            }
            let Some((_, object)) = self.timers.pop_first() else { break };
            self.due.remove(&object);
            self.queue(object);
        }
        while let Some((at, _)) = self.group_timers.first() {
            if *at > now {
                break;
            }
            let Some((_, key)) = self.group_timers.pop_first() else { break };
            self.groups.dirty.insert(key);
        }
        self.follow_lists(world, now);
        self.settle(world, now)
    }

    /// When `on_timer` has something to do.
    pub fn next_timer(&self) -> Option<Time> {
        if self.just_asked {
            return Some(Time(0));
        }
        let a = self.timers.first().map(|(t, _)| *t);
        let b = self.group_timers.first().map(|(t, _)| *t);
        a.into_iter().chain(b).min()
    }

    /// All findings: firing before pending before resolving, what nobody has first, worst first, newest first.
    pub fn findings(&self) -> &[Arc<Finding>] {
        &self.ranked
    }

    /// The findings by incident, worst first; indexes are into `findings`.
    pub fn incidents(&self) -> &[Incident] {
        &self.incidents
    }

    /// The incident that the finding of a key belongs to.
    pub fn incident_of(&self, key: &Key) -> Option<&Incident> {
        let at = self.ranked.iter().position(|f| f.key == *key || f.with.contains(key))?;
        self.incidents.iter().find(|i| i.findings.contains(&at))
    }

    /// The finding that stands on the row of an object: of a pod, workload, node, Service, claim, …
    pub fn of(&self, object: &ObjectRef) -> Option<&Arc<Finding>> {
        let own = self.groups.of(object).iter();
        let keys = own.chain(self.groups.at_root(object));
        keys.filter_map(|k| self.groups.get(k)?.finding.as_ref())
            .filter(|f| f.state != State::Resolving)
            .max_by_key(|f| f.severity)
    }

    /// The finding of a key, as it is before those of one trouble are folded into one line.
    pub fn finding(&self, key: &Key) -> Option<&Arc<Finding>> {
        self.groups.get(key)?.finding.as_ref()
    }

    /// The few words for the object's row: its own cause where it has one, else that of its finding.
    pub fn row(&self, object: &ObjectRef) -> Option<&str> {
        let key = self.groups.of(object).first();
        if let Some(signal) = key.and_then(|k| self.groups.signal(k, object)) {
            return Some(&signal.row);
        }
        self.of(object).map(|f| f.row.as_str())
    }

    /// The objects that have a share in a finding.
    pub fn affected(&self, key: &Key) -> Vec<ObjectRef> {
        self.groups.get(key).map(|g| g.members.keys().cloned().collect()).unwrap_or_default()
    }

    /// What changed in the cluster since this was last asked: rollouts, configuration, nodes. For the timeline.
    pub fn take_changes(&mut self) -> Vec<super::finding::WhatChanged> {
        self.past.take_fresh()
    }

    /// Log tails to fetch now: at most four in flight. Each must be answered with `on_log`.
    pub fn wanted_logs(&mut self, now: Time) -> Vec<LogTail> {
        self.logs.take(now)
    }

    /// Takes the answer to a wanted log: its text, or why there is none.
    pub fn on_log(
        &mut self,
        world: &World,
        tail: &LogTail,
        answer: Result<&str, &str>,
        now: Time,
    ) -> Vec<FindingChange> {
        let Some(root) = self.logs.settle(tail, answer, now) else { return Vec::new() };
        let keys: Vec<Key> = self.groups.at_root(&root).cloned().collect();
        for key in keys {
            let members: Vec<ObjectRef> =
                self.groups.get(&key).map(|g| g.members.keys().cloned().collect()).unwrap_or_default();
            for object in members {
                self.queue(object);
            }
        }
        self.queue(ObjectRef::new(Kind::Pod, tail.namespace.clone(), tail.pod.clone()));
        self.settle(world, now)
    }

    /// Acknowledges or mutes findings, in place of what was said of them before.
    pub fn quiet(&mut self, quiet: Vec<Quiet>, world: &World, now: Time) -> Vec<FindingChange> {
        for q in quiet {
            self.groups.dirty.insert(q.key());
            self.quiet.insert(q.key(), q);
        }
        self.settle(world, now)
    }

    /// Takes back what was said of these findings. What the configuration mutes stays muted.
    pub fn unquiet(&mut self, keys: &[Key], world: &World, now: Time) -> Vec<FindingChange> {
        for key in keys.iter().filter(|k| self.quiet.remove(k).is_some()) {
            self.groups.dirty.insert(key.clone());
        }
        self.settle(world, now)
    }

    /// What is acknowledged and muted from the screen, for the state directory.
    pub fn quieted(&self, now: Time) -> Vec<Quiet> {
        let mut all: Vec<Quiet> = self.quiet.values().filter(|q| now < q.until).cloned().collect();
        all.sort_by_key(Quiet::key);
        all
    }

    pub(super) fn queue(&mut self, object: ObjectRef) {
        match object.kind {
            Kind::Deployment
            | Kind::StatefulSet
            | Kind::DaemonSet
            | Kind::ReplicaSet
            | Kind::Job
            | Kind::CronJob
            | Kind::Service
            | Kind::HorizontalPodAutoscaler
            | Kind::Ingress
            | Kind::Namespace => self.second.insert(object),
            _ => self.first.insert(object),
        };
    }

    /// Notes one change: what it does to memory, and whom it concerns.
    fn touch(&mut self, world: &World, change: &Change, now: Time) {
        let object = &change.object;
        match &object.kind {
            Kind::Pod => {
                self.past.pod(world, change, &self.config.thresholds, now);
                let well = world
                    .pods
                    .get(change.slot)
                    .is_some_and(|p| p.meta.name == object.name && pod::plainly_well(p));
                if !well || self.groups.is_sick(object) || self.rules.about(&Kind::Pod) {
                    self.queue(object.clone());
                }
            }
            Kind::Event => {
                if let Some(event) = world.events.get(change.slot) {
                    // An event about an object that is well explains nothing.
                    let r = &event.regarding;
                    let concerned = match &r.kind {
                        // A probe that fails now and then is reason enough to read the pod's log.
                        Kind::Pod => world
                            .pods
                            .find(&r.namespace, &r.name)
                            .is_some_and(|p| &*event.reason == "Unhealthy" || !pod::plainly_well(p)),
                        _ => event.warning || WAITS.contains(&&*event.reason) || self.groups.is_sick(r),
                    };
                    if concerned {
                        self.queue(r.clone());
                        if r.kind == Kind::PersistentVolumeClaim {
                            self.pods_of_claim(world, r);
                        }
                    }
                }
            }
            Kind::Node => {
                let turn = self.past.node(world, change, now);
                self.queue(object.clone());
                if turn.doors_changed && world.synced(&Kind::Node) {
                    self.second.extend(world.daemon_sets.values().map(crate::world::Object::reference));
                }
                if turn.readiness_changed {
                    let pods: Vec<_> = world.pods_on(&object.name).map(|(_, p)| pod::reference(p)).collect();
                    self.first.extend(pods);
                }
            }
            Kind::ReplicaSet => {
                self.past.workload(world, change, now);
                match world.replica_sets.get(change.slot).filter(|r| r.meta.name == object.name) {
                    Some(set) => {
                        if change.what == What::Added {
                            // Pods that came before their ReplicaSet do not know their Deployment.
                            let uid = set.meta.uid.clone();
                            let pods = world.pods_of(&uid).map(|(_, p)| pod::reference(p));
                            let sick: Vec<_> = pods.filter(|p| self.groups.is_sick(p)).collect();
                            self.first.extend(sick);
                        }
                        match &set.meta.owner {
                            Some(o) => self.queue(ObjectRef::new(
                                o.kind.clone(),
                                object.namespace.clone(),
                                o.name.clone(),
                            )),
                            None => self.queue(object.clone()),
                        }
                    }
                    None => self.queue(object.clone()),
                }
            }
            Kind::Deployment | Kind::StatefulSet | Kind::DaemonSet => {
                self.past.workload(world, change, now);
                self.queue(object.clone());
            }
            Kind::Job | Kind::CronJob => {
                self.queue(object.clone());
                if let Some(j) = world.jobs.get(change.slot).filter(|_| object.kind == Kind::Job)
                    && (j.failed > 0)
                {
                    let pods: Vec<_> = world.pods_of(&j.meta.uid).map(|(_, p)| pod::reference(p)).collect();
                    self.first.extend(pods);
                }
            }
            Kind::EndpointSlice => {
                if let Some(service) = self.past.slice(world, change, now) {
                    for other in concerned(world, &service) {
                        self.queue(other);
                    }
                    self.queue(service);
                }
            }
            Kind::Service => {
                if matches!(change.what, What::Removed(_)) {
                    self.past.forget_service(object);
                }
                self.queue(object.clone());
            }
            Kind::PersistentVolumeClaim => {
                self.queue(object.clone());
                self.pods_of_claim(world, object);
            }
            Kind::ResourceQuota => {
                self.past.quota(world, change, now);
                self.queue(object.clone());
            }
            kind if is_configuration(kind) => {
                self.past.configuration(world, change, now);
            }
            Kind::HorizontalPodAutoscaler | Kind::Namespace => self.queue(object.clone()),
            kind if Kind::JUDGED.contains(kind) => self.queue(object.clone()),
            _ => {}
        }
        for other in concerned(world, object) {
            self.queue(other);
        }
    }

    /// Sick pods that wait for a claim.
    fn pods_of_claim(&mut self, world: &World, claim: &ObjectRef) {
        let waiting: Vec<ObjectRef> = self
            .groups
            .sick_pods(&claim.namespace)
            .into_iter()
            .map(|(o, _)| o.clone())
            .filter(|o| {
                world.pods.find(&o.namespace, &o.name).is_some_and(|p| p.spec.claims.contains(&claim.name))
            })
            .collect();
        self.first.extend(waiting);
    }

    pub(super) fn settle(&mut self, world: &World, now: Time) -> Vec<FindingChange> {
        self.free.age(now);
        self.just_asked = false;
        if self.past.fleet.take_dirty() {
            self.first.extend(world.nodes.values().map(crate::world::Object::reference));
        }
        for object in std::mem::take(&mut self.first) {
            self.judge_and_fold(world, &object, now);
        }
        // Ingresses follow Services, which follow workloads, which follow pods.
        let mut second: Vec<ObjectRef> = std::mem::take(&mut self.second).into_iter().collect();
        second.sort_by_key(|o| match o.kind {
            Kind::Service => 1,
            Kind::Ingress => 2,
            _ => 0,
        });
        for object in second {
            self.judge_and_fold(world, &object, now);
        }
        for object in std::mem::take(&mut self.second) {
            self.judge_and_fold(world, &object, now);
        }
        let mut out = std::mem::take(&mut self.unreported);
        out.extend(self.rebuild(world, now));
        out
    }

    /// What the judge may look at.
    pub(super) fn ctx<'a>(&'a self, world: &'a World, now: Time, asked: &'a BTreeSet<ObjectRef>) -> Ctx<'a> {
        Ctx {
            world,
            now,
            past: &self.past,
            logs: &self.logs.answers,
            secrets: &self.certificates,
            free: &self.free,
            limits: &self.config.thresholds,
            diagnosed: &self.groups,
            asked,
            sampled: &self.sampled,
        }
    }

    fn say(&self, world: &World, object: &ObjectRef, now: Time) -> Out {
        let mut out = Out::default();
        judge(&self.ctx(world, now, &self.asked), object, &mut out);
        if self.rules.about(&object.kind) {
            let began = |rule: &crate::world::Text| {
                let key = Key { root: object.clone(), family: rule.clone() };
                self.groups.signal(&key, object).map(|s| s.since)
            };
            self.rules.judge(world, object, now, began, &mut out);
        }
        out
    }

    fn judge_and_fold(&mut self, world: &World, object: &ObjectRef, now: Time) {
        let mut out = self.say(world, object, now);
        out.secrets.drain(..).for_each(|secret| self.secrets.want(secret));
        let mut adopted = false;
        for want in std::mem::take(&mut out.wants) {
            adopted |= self.logs.want(want);
        }
        if adopted {
            // Its log was read under an owner it is no longer told of.
            out = self.say(world, object, now);
        }
        for signal in &mut out.signals {
            // A server's clock may run ahead of ours; nothing began in the future.
            signal.since = signal.since.min(now);
            if let Some(severity) = self.config.severity.get(&*signal.rule) {
                signal.severity = *severity;
            }
        }
        if let Some(at) = self.due.remove(object) {
            self.timers.remove(&(at, object.clone()));
        }
        if let Some(at) = out.again.filter(|at| *at > now) {
            self.timers.insert((at, object.clone()));
            self.due.insert(object.clone(), at);
        }
        if out.signals.is_empty() && !self.groups.is_sick(object) {
            return;
        }
        let carries = matches!(
            object.kind,
            Kind::Pod | Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet
        );
        if self.groups.replace(object, out.signals, now) && carries {
            let root = world.root(object);
            if object.kind == Kind::Pod && root != *object {
                self.queue(root);
            }
            let services: Vec<ObjectRef> = self.groups.sick_services(&object.namespace).cloned().collect();
            self.second.extend(services);
        }
    }

    /// Builds the findings whose groups changed.
    fn rebuild(&mut self, world: &World, now: Time) -> Vec<FindingChange> {
        let dirty = std::mem::take(&mut self.groups.dirty);
        if dirty.is_empty() {
            return Vec::new();
        }
        let mut out = Vec::new();
        let keep = seconds(self.config.thresholds.resolving);
        for key in dirty {
            let Some(group) = self.groups.get(&key) else { continue };
            let old = group.finding.clone();
            let new = match group::build(&key, group, now) {
                Some((mut finding, fires)) => {
                    if let Some(at) = fires {
                        self.group_timers.insert((at, key.clone()));
                    }
                    if let Some(old) = old.as_ref().filter(|o| o.cause == finding.cause) {
                        finding.since = finding.since.min(old.since);
                    }
                    super::common_factors::name(world, group, &mut finding);
                    finding.changed = changed::before(
                        world,
                        &self.past,
                        &key.root,
                        group,
                        finding.since,
                        &self.config.thresholds,
                    );
                    finding
                }
                None => {
                    let Some(old) = &old else {
                        self.groups.remove(&key);
                        continue;
                    };
                    let until = group.left.unwrap_or(now).plus(keep);
                    let gone = old.state == State::Pending || now >= until;
                    if gone {
                        let old = old.clone();
                        self.groups.remove(&key);
                        if self.groups.at_root(&key.root).next().is_none() {
                            self.logs.forget(&key.root);
                        }
                        if self.quiet.get(&key).is_some_and(|q| q.how == How::Acknowledged) {
                            self.quiet.remove(&key);
                        }
                        out.push(FindingChange { turn: Turn::Ended, finding: old });
                        continue;
                    }
                    self.group_timers.insert((until, key.clone()));
                    Finding { state: State::Resolving, ..(**old).clone() }
                }
            };
            let mut new = new;
            let mute = self.config.mute.iter().find(|m| m.holds(&new, now)).map(|m| m.quieted());
            let said = self.quiet.get(&key).filter(|q| q.holds(&new, now)).map(Quiet::quieted);
            new.quiet = mute.or(said);
            if let Some(until) = new.quiet.as_ref().and_then(|q| q.until) {
                self.group_timers.insert((until, key.clone()));
            }
            if old.as_deref() == Some(&new) {
                continue;
            }
            let turn = match (old.as_ref().map(|o| o.state), new.state) {
                (_, State::Resolving) => Turn::Resolving,
                (_, State::Pending) => Turn::Pending,
                (Some(State::Firing), State::Firing)
                    if old.as_ref().is_some_and(|o| o.cause != new.cause) =>
                {
                    Turn::Refined
                }
                (Some(State::Firing), State::Firing) => Turn::Changed,
                (Some(State::Resolving), State::Firing) => Turn::Returned,
                (_, State::Firing) => Turn::Began,
            };
            let new = Arc::new(new);
            if let Some(group) = self.groups.group_mut(&key) {
                group.finding = Some(new.clone());
            }
            out.push(FindingChange { turn, finding: new });
        }
        let all = self.groups.iter().filter_map(|(_, g)| g.finding.clone()).collect();
        self.ranked = super::fold::fold(world, all);
        self.ranked.sort_by(|a, b| {
            let rank = |f: &Finding| {
                let state = match f.state {
                    State::Firing => 0,
                    State::Pending => 1,
                    State::Resolving => 2,
                };
                let worst = std::cmp::Reverse((f.severity, f.since));
                (f.is(How::Muted), state, f.is(How::Acknowledged), worst)
            };
            rank(a).cmp(&rank(b)).then_with(|| a.key.cmp(&b.key))
        });
        self.incidents = super::incident::group(world, &self.ranked, |key| self.affected(key));
        out
    }
}
