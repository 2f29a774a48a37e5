//! The engine: work queues and timers. Changes of the store and due timers trigger reconciliations; nothing
//! is polled. It runs on the wall clock and on a manual one.
use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use crate::api::store::{Change, ChangeKind, Changes, Object, Part, Store};
use crate::scenario::format::{Behaviour, DeprecatedRequest, Misfit};

use super::cache::Cache;
use super::chance::Chance;
use super::controllers::{
    Controller, CronJobController, DaemonSetController, DeploymentController, DisruptionController,
    EndpointSliceController, GarbageCollector, JobController, NamespaceController, NodeController,
    QuotaController, ReplicaSetController, StatefulSetController, VolumeController, nodes,
};
use super::events::{Recorder, Said, Source};
use super::images::Registry;
use super::kubelet::Kubelet;
use super::kubelet::{Machine, PodRun, PodTimer, Replacement};
use super::kubelet::{crash, node, pressure, run, upgrade};
use super::object::{self, Key};
use super::player::Player;
use super::prometheus::Tsdb;
use super::resources::Allocations;
use super::scheduler::Scheduler;

/// A queued reconciliation. Each is queued only once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Work {
    Deployment(Key),
    ReplicaSet(Key),
    StatefulSet(Key),
    DaemonSet(Key),
    Job(Key),
    CronJob(Key),
    Service(Key),
    Budget(Key),
    Quota(Arc<str>),
    Namespace(Arc<str>),
    Claim(Key),
    /// Reconcile a node's taints and their effect on its pods.
    Node(Arc<str>),
    /// Sync a pod on its kubelet.
    Pod(Key),
    /// Schedule the pods without a node.
    Schedule,
    /// Match behaviours again, because something they depend on changed.
    Rematch,
    /// Collect the dependents of the owner with this uid.
    Collect(Arc<str>),
}

/// A timer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timer {
    Work(Work),
    Pod(Arc<str>, PodTimer),
    /// Every kubelet renews its lease.
    Leases,
    /// A node's lease expires, unless it was renewed.
    Lost(Arc<str>),
    /// A toleration of a taint ends.
    Evict(Arc<str>),
    /// A kubelet checks its usage and may evict.
    Pressure(Arc<str>),
    /// The pods of a deleted node are removed.
    Orphans(Arc<str>),
    /// A machine replaces that of a deleted node.
    Boot(Arc<str>),
    /// The agent of a node has installed another kubelet.
    Upgraded(Arc<str>),
    Step(usize, u32),
    /// Old events are removed.
    Expire,
    /// Prometheus scrapes its targets.
    Scrape,
}

struct Due {
    at: Timestamp,
    serial: u64,
    timer: Timer,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        self.serial == other.serial
    }
}
impl Eq for Due {}
impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.serial).cmp(&(other.at, other.serial))
    }
}

/// Why an owner creates no pods for a while.
pub(super) struct Refused {
    pub until: Timestamp,
    /// The API server's message.
    pub why: String,
    /// The owner's pods at that time; a change triggers a retry at once.
    pub have: usize,
}

/// More reconciliations in a row than this are a bug.
const RUNAWAY: usize = 500_000;

pub struct Engine {
    pub(super) store: Arc<Store>,
    changes: Changes,
    pub(super) cache: Cache,
    pub(super) chance: Chance,
    timers: BinaryHeap<Reverse<Due>>,
    serial: u64,
    queue: VecDeque<Work>,
    queued: HashSet<Work>,
    pub(super) recorder: Recorder,
    pub(crate) registry: Registry,
    pub(crate) behaviours: Vec<Arc<Behaviour>>,
    /// The behaviour of a container without one in the scenario: it runs.
    pub(super) nothing: Arc<Behaviour>,
    pub(crate) misfits: Vec<Misfit>,
    pub(super) machines: HashMap<Arc<str>, Machine>,
    /// All machines started so far, because each needs its own addresses.
    pub(super) booted: u32,
    /// The machines that replace deleted nodes, by node name.
    pub(super) replacements: HashMap<Arc<str>, Replacement>,
    pub(super) runs: HashMap<Arc<str>, PodRun>,
    pub(super) allocations: Allocations,
    pub(super) pending: BTreeSet<Key>,
    /// The scheduler's last message on each pod it could not place.
    pub(super) misplaced: HashMap<Key, String>,
    /// Owners whose pods were refused.
    pub(super) refused: HashMap<String, Refused>,
    /// Pods that were tried since the cluster last changed for them.
    pub(super) tried: HashSet<Key>,
    pub(crate) metrics_server: bool,
    pub(super) deprecated_requests: Vec<DeprecatedRequest>,
    pub(crate) player: Player,
    /// The series of the cluster's Prometheus.
    pub(super) tsdb: Tsdb,
    /// The history is being replayed: periodic work is skipped.
    pub(super) replaying: bool,
    pub(super) last_heartbeat: Timestamp,
}

impl Engine {
    pub fn new(store: Arc<Store>, seed: u64) -> Self {
        let changes = store.subscribe();
        Self {
            store,
            changes,
            cache: Cache::default(),
            chance: Chance::new(seed),
            timers: BinaryHeap::new(),
            serial: 0,
            queue: VecDeque::new(),
            queued: HashSet::new(),
            recorder: Recorder::default(),
            registry: Registry::default(),
            behaviours: Vec::new(),
            nothing: Arc::default(),
            misfits: Vec::new(),
            machines: HashMap::new(),
            booted: 0,
            replacements: HashMap::new(),
            runs: HashMap::new(),
            allocations: Allocations::default(),
            pending: BTreeSet::new(),
            misplaced: HashMap::new(),
            refused: HashMap::new(),
            tried: HashSet::new(),
            metrics_server: true,
            deprecated_requests: Vec::new(),
            player: Player::default(),
            tsdb: Tsdb::default(),
            replaying: false,
            last_heartbeat: Timestamp::UNIX_EPOCH,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.store.clock().now()
    }

    pub(crate) fn store(&self) -> &Arc<Store> {
        &self.store
    }

    pub(crate) fn add(&mut self, work: Work) {
        if self.queued.insert(work.clone()) {
            self.queue.push_back(work);
        }
    }

    pub(crate) fn at(&mut self, at: Timestamp, timer: Timer) {
        self.serial += 1;
        self.timers.push(Reverse(Due { at, serial: self.serial, timer }));
    }

    pub(crate) fn after(&mut self, wait: Duration, timer: Timer) {
        let now = self.now();
        self.at(now.checked_add(wait).unwrap_or(now), timer);
    }

    /// Delays the remaining steps of the scenario.
    pub(super) fn delay_steps(&mut self, late: SignedDuration) {
        let timers = std::mem::take(&mut self.timers).into_iter();
        self.timers = timers
            .map(|Reverse(due)| match due.timer {
                Timer::Step(..) => Reverse(Due { at: due.at.checked_add(late).unwrap_or(due.at), ..due }),
                _ => Reverse(due),
            })
            .collect();
    }

    /// The time of the next timer.
    pub fn next_due(&self) -> Option<Timestamp> {
        self.timers.peek().map(|d| d.0.at)
    }

    /// Handles all due timers and changes, and what follows from them.
    pub fn settle(&mut self) {
        for _ in 0..RUNAWAY {
            self.take_changes();
            if let Some(work) = self.queue.pop_front() {
                self.queued.remove(&work);
                self.reconcile(work);
                continue;
            }
            let now = self.now();
            match self.timers.peek() {
                Some(Reverse(due)) if due.at <= now => {
                    if let Some(Reverse(due)) = self.timers.pop() {
                        self.fire(due.timer);
                    }
                }
                _ => return,
            }
        }
        tracing::error!("the embedded cluster's controllers keep finding work; giving them a rest");
    }

    /// Runs until `target`, event by event.
    pub fn run_until(&mut self, target: Timestamp) {
        self.settle();
        while let Some(due) = self.next_due().filter(|d| *d <= target) {
            self.jump(due);
            self.settle();
        }
        self.jump(target);
        self.settle();
    }

    /// Moves the clock to `to`. A manual clock is advanced; a wall clock is skewed.
    pub(super) fn jump(&self, to: Timestamp) {
        let clock = self.store.clock();
        let ahead = to.duration_since(clock.now());
        if clock.speed() > 0.0 {
            clock.set_skew(clock.skew() + ahead);
        } else if ahead > SignedDuration::ZERO {
            clock.advance(ahead.unsigned_abs());
        }
    }

    /// Applies the engine's own writes to the cache at once, so that a status counts the new objects.
    pub(super) fn absorb(&mut self) {
        self.take_changes();
    }

    fn take_changes(&mut self) {
        while let Some(change) = self.changes.try_next() {
            if matches!(change.kind, ChangeKind::Lagged) {
                // The writes overflowed the buffer: list again.
                self.relist();
                continue;
            }
            self.cache.apply(&change);
            self.dispatch(&change);
        }
    }

    /// Reloads the whole store, as after a missed change.
    pub fn relist(&mut self) {
        self.cache = Cache::default();
        self.allocations = Allocations::default();
        self.pending.clear();
        for resource in super::dispatch::WATCHED {
            for object in self.store.list(resource, None) {
                let change =
                    Change { rv: 0, resource: resource.into(), kind: ChangeKind::Added, object, old: None };
                self.cache.apply(&change);
                self.dispatch(&change);
            }
        }
    }

    fn reconcile(&mut self, work: Work) {
        match work {
            Work::Deployment(key) => DeploymentController::sync(self, &key),
            Work::ReplicaSet(key) => ReplicaSetController::sync(self, &key),
            Work::StatefulSet(key) => StatefulSetController::sync(self, &key),
            Work::DaemonSet(key) => DaemonSetController::sync(self, &key),
            Work::Job(key) => JobController::sync(self, &key),
            Work::CronJob(key) => CronJobController::sync(self, &key),
            Work::Service(key) => EndpointSliceController::sync(self, &key),
            Work::Budget(key) => DisruptionController::sync(self, &key),
            Work::Quota(ns) => QuotaController::sync(self, &ns),
            Work::Namespace(name) => NamespaceController::sync(self, &name),
            Work::Claim(key) => VolumeController::sync(self, &key),
            Work::Node(name) => NodeController::sync(self, &name),
            Work::Pod(key) => Kubelet::sync(self, &key),
            Work::Schedule => Scheduler::sync(self, &()),
            Work::Rematch => crash::rematch(self),
            Work::Collect(uid) => GarbageCollector::sync(self, &uid),
        }
    }

    fn fire(&mut self, timer: Timer) {
        match timer {
            Timer::Work(work) => self.add(work),
            Timer::Pod(uid, what) => run::pod_timer(self, &uid, what),
            Timer::Leases => node::renew_leases(self),
            Timer::Lost(node) => nodes::lease_ran_out(self, &node),
            Timer::Evict(uid) => nodes::evict_for_taint(self, &uid),
            Timer::Pressure(node) => pressure::relieve_pressure(self, &node),
            Timer::Orphans(node) => nodes::collect_orphans(self, &node),
            Timer::Boot(node) => node::boot_replacement(self, &node),
            Timer::Upgraded(node) => upgrade::install(self, &node),
            Timer::Step(index, round) => self.play_step(index, round),
            Timer::Expire => self.expire_events(),
            Timer::Scrape => self.scrape(),
        }
    }

    fn expire_events(&mut self) {
        self.expire_events_now();
        self.after(Duration::from_secs(300), Timer::Expire);
    }

    pub(super) fn expire_events_now(&mut self) {
        let now = self.now();
        super::events::expire(&self.store, &mut self.recorder, now);
    }

    pub(super) fn event(
        &mut self,
        source: Source<'_>,
        about: &Value,
        kind: &str,
        reason: &str,
        message: &str,
    ) {
        let said = Said { kind, reason, message, field: None, action: "" };
        let now = self.now();
        self.recorder.record(&self.store, now, source, about, &said);
    }

    /// Writes a status. It ignores an object that no longer exists.
    pub(super) fn write_status(
        &self,
        resource: &str,
        key: &Key,
        f: impl FnOnce(&mut Value),
    ) -> Option<Object> {
        self.store.modify(resource, &key.ns, &key.name, Part::Status, f).ok()
    }

    pub(super) fn write(&self, resource: &str, key: &Key, f: impl FnOnce(&mut Value)) -> Option<Object> {
        match self.store.modify(resource, &key.ns, &key.name, Part::Main, f) {
            Ok(object) => Some(object),
            Err(status) => {
                tracing::debug!(%status, %key, "a controller's write was refused");
                None
            }
        }
    }

    /// The current object in the controllers' cache.
    pub(super) fn cached(&self, resource: &str, key: &Key) -> Option<Object> {
        self.cache.get(resource, key).cloned()
    }

    pub(super) fn stamp(&self) -> String {
        object::stamp(self.now())
    }
}
