//! Merges all watches of a cluster into one stream of deltas, and probes whether the server still answers.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch as signal;
use tokio::task::JoinSet;

use super::ask::Action;
use super::backoff::chance;
use super::connect::Connection;
use super::outbox::{Counters, Outbox};
use super::slim::Decoder;
use super::watch::Watch;
use crate::world::{Delta, Kind, StreamId, StreamState, Text, Time};

/// The namespaces to watch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All namespaces. If the user may not list them, each namespace the user may list.
    Cluster,
    /// These namespaces, and the cluster-scoped objects.
    Namespaces(Vec<Text>),
}

/// Page size, timeouts and pauses of the watches. Tests shorten them.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Objects in one page of a list.
    pub page: u32,
    /// The longest wait for the response headers of a watch.
    pub headers: Duration,
    /// A streaming list that is silent this long has no end marker: the server does not support it.
    pub initial_silence: Duration,
    /// A streaming list is judged by its rate after this time.
    pub slow_after: Duration,
    /// Below this rate, in bytes per second, lists are read in compressed pages: a streaming list is never compressed,
    /// takes eight times the bytes and begins anew when it breaks off.
    pub slow: u64,
    /// A watch that is silent this long is opened again. A server sends a bookmark about once a minute.
    pub silence: Duration,
    /// The kind of an open pane is listed this often, since its watch cannot tell that lists fail.
    pub list_check: Duration,
    /// The server is asked to close a watch after this time.
    pub timeout: Duration,
    /// A watch that ends sooner counts as a failure.
    pub short: Duration,
    pub backoff: Duration,
    pub backoff_limit: Duration,
    /// The pause before missing rights and namespaces are checked again.
    pub forbidden_again: Duration,
    /// The pause before a kind that the server did not serve is tried again.
    pub unsupported_again: Duration,
    /// The pause between two lists if the user may list but not watch. It grows with the time a list takes.
    pub poll: Duration,
    /// The probe's interval and timeout. Together they bound how long a frozen server can look alive.
    pub probe_every: Duration,
    pub probe_within: Duration,
}

impl Default for Tuning {
    fn default() -> Tuning {
        let s = Duration::from_secs;
        Tuning {
            page: 500,
            headers: s(15),
            initial_silence: s(5),
            slow_after: Duration::from_millis(500),
            slow: 4 << 20,
            silence: s(100),
            list_check: s(5),
            timeout: s(290),
            short: s(3),
            backoff: Duration::from_millis(400),
            backoff_limit: s(30),
            forbidden_again: s(60),
            unsupported_again: s(300),
            poll: s(3),
            probe_every: Duration::from_millis(2500),
            probe_within: s(3),
        }
    }
}

impl Tuning {
    /// Randomised, so that the watches of one khud do not all end at once.
    pub(super) fn timeout_seconds(&self) -> u64 {
        self.timeout.mul_f64(0.8 + 0.2 * chance()).as_secs().max(1)
    }
}

/// State that the watches of one feed share.
pub(super) struct Shared {
    pub outbox: Outbox,
    pub tuning: Tuning,
    /// A counter; each increment makes every watch reconnect.
    pub nudge: signal::Sender<u64>,
    /// Namespaces the user selected. They are tried even if the list of namespaces is forbidden.
    pub wanted: signal::Sender<Vec<Text>>,
    /// The server does not support streaming lists, or the link is too slow for them.
    no_streaming: AtomicBool,
}

impl Shared {
    fn new(tuning: Tuning) -> Shared {
        Shared {
            outbox: Outbox::default(),
            tuning,
            nudge: signal::Sender::new(0),
            wanted: signal::Sender::new(Vec::new()),
            no_streaming: AtomicBool::new(false),
        }
    }

    pub fn streaming(&self) -> bool {
        !self.no_streaming.load(Ordering::Relaxed)
    }

    pub fn no_streaming(&self) {
        self.no_streaming.store(true, Ordering::Relaxed);
    }
}

/// The deltas of all watches. Dropping it ends the watches.
pub struct Feed {
    conn: Connection,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// Deltas in one batch. A small batch lets the main task handle keys during the first list.
const BATCH: usize = 128;

/// Watches every kind in `kinds` and reports the state of each stream.
pub fn watch_all(conn: &Connection, scope: &Scope, kinds: &[Kind]) -> Feed {
    watch_all_tuned(conn, scope, kinds, Tuning::default())
}

/// `watch_all` with the given timing.
pub fn watch_all_tuned(conn: &Connection, scope: &Scope, kinds: &[Kind], tuning: Tuning) -> Feed {
    let shared = Arc::new(Shared::new(tuning));
    let mut tasks = JoinSet::new();
    for kind in kinds {
        let namespaces = match scope {
            Scope::Namespaces(names) if kind.namespaced() => names.as_slice(),
            _ => &[Text::default()],
        };
        for namespace in namespaces {
            tasks.spawn(supervise(conn.clone(), shared.clone(), kind.clone(), namespace.clone(), Watch::new));
        }
    }
    tasks.spawn(probe(conn.clone(), shared.clone()));
    tasks.spawn(identify(conn.clone()));
    Feed { conn: conn.clone(), shared, _tasks: tasks }
}

/// Reads the cluster's identity beside the first lists, so that no list waits for it. After a failure the
/// watches ask again.
async fn identify(conn: Connection) {
    if let Err(e) = conn.identify().await {
        tracing::warn!(why = %e, "the cluster's identity could not be read");
    }
}

/// Watches one kind as the server's own tables, in all namespaces or in those the user may list.
pub fn watch_tables(conn: &Connection, kind: &Kind, tuning: Tuning) -> Feed {
    let shared = Arc::new(Shared::new(tuning));
    let mut tasks = JoinSet::new();
    let all = Text::default();
    tasks.spawn(supervise(conn.clone(), shared.clone(), kind.clone(), all, Watch::of_tables));
    tasks.spawn(probe(conn.clone(), shared.clone()));
    Feed { conn: conn.clone(), shared, _tasks: tasks }
}

/// Makes a watch of objects or of tables.
type Make = fn(&Connection, &Arc<Shared>, Kind, Text) -> Watch;

impl Feed {
    /// The changes since the last call, in order. It waits for the first one. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Vec<Delta> {
        self.shared.outbox.take(BATCH).await
    }

    pub fn counters(&self) -> Counters {
        self.shared.outbox.counters()
    }

    /// Adds namespaces to try if the user may not list the whole cluster.
    pub fn select_namespaces(&self, namespaces: Vec<Text>) {
        self.shared.wanted.send_replace(namespaces);
    }

    /// Makes every watch reconnect at once, even during a pause, and lets a 401 renew the credentials.
    pub fn reconnect(&self) {
        let (conn, shared) = (self.conn.clone(), self.shared.clone());
        tokio::spawn(async move {
            conn.allow_renewal().await;
            shared.nudge.send_modify(|n| *n += 1);
        });
    }
}

/// Runs the watch of one kind for ever. If the whole cluster is forbidden, it watches each allowed namespace.
async fn supervise(conn: Connection, shared: Arc<Shared>, kind: Kind, namespace: Text, make: Make) {
    let again = shared.tuning.forbidden_again;
    let mut watch = make(&conn, &shared, kind.clone(), namespace.clone());
    let mut wanted = shared.wanted.subscribe();
    loop {
        // `run` returns only when the list is forbidden.
        let why = watch.run().await;
        let mut inner = JoinSet::new();
        let mut running: Vec<Text> = Vec::new();
        loop {
            if namespace.is_empty() && kind.namespaced() {
                let names = wanted.borrow_and_update().clone();
                for ns in listable_namespaces(&conn, &kind, &names).await {
                    if !running.contains(&ns) {
                        running.push(ns.clone());
                        let id = StreamId::Watch { kind: kind.clone(), namespace: ns.clone() };
                        shared.outbox.set_state(&id, StreamState::Connecting, conn.clock().now());
                        inner.spawn(supervise_namespace(
                            conn.clone(),
                            shared.clone(),
                            kind.clone(),
                            ns,
                            make,
                        ));
                    }
                }
            }
            // Reported after the namespaces' watches have started: a reader that waits for every stream then
            // waits for them too.
            watch.forbidden(&why);
            tokio::select! {
                () = tokio::time::sleep(again.mul_f64(0.75 + 0.5 * chance())) => {}
                Ok(()) = wanted.changed() => continue,
            }
            let action = Action::new("list", &kind, &namespace);
            if conn.can(&action).await.is_ok_and(|p| p.allowed) {
                break;
            }
        }
    }
}

/// Runs the watch of one namespace, and retries it while it is forbidden.
async fn supervise_namespace(conn: Connection, shared: Arc<Shared>, kind: Kind, namespace: Text, make: Make) {
    let mut watch = make(&conn, &shared, kind, namespace);
    loop {
        let why = watch.run().await;
        watch.forbidden(&why);
        tokio::time::sleep(shared.tuning.forbidden_again).await;
    }
}

/// The namespaces in which the user may list the kind. If the list of namespaces is forbidden, only the
/// context's namespace and the wanted ones are checked.
async fn listable_namespaces(conn: &Connection, kind: &Kind, wanted: &[Text]) -> Vec<Text> {
    let mut names: Vec<Text> = Vec::new();
    if let Ok((200, body)) = conn.get("/api/v1/namespaces", 64 << 20).await
        && let Ok(page) = Decoder::new(Kind::Namespace).page(&body)
    {
        names.extend(page.items.iter().map(|r| r.object().meta().name.clone()));
    }
    for name in std::iter::once(Text::from(conn.namespace())).chain(wanted.iter().cloned()) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    // At most 8 reviews at a time: a cluster may have a thousand namespaces.
    let mut asked = names.into_iter();
    let ask = |ns: Text| {
        let action = Action::new("list", kind, &ns);
        async move { conn.can(&action).await.is_ok_and(|p| p.allowed).then_some(ns) }
    };
    let mut pending: FuturesUnordered<_> = asked.by_ref().take(8).map(&ask).collect();
    let mut out = Vec::new();
    while let Some(found) = pending.next().await {
        out.extend(found);
        if let Some(ns) = asked.next() {
            pending.push(ask(ns));
        }
    }
    out.sort();
    out
}

/// Detects a frozen server, a network that drops packets and a machine that slept.
async fn probe(conn: Connection, shared: Arc<Shared>) {
    let Tuning { probe_every, probe_within, .. } = shared.tuning;
    let wall = |conn: &Connection| conn.clock().now().0 - conn.clock().offset_ms();
    let (mut stale_since, mut at, mut wall_at): (Option<Time>, _, _) = (None, Instant::now(), wall(&conn));
    loop {
        tokio::time::sleep(probe_every).await;
        // The wall clock runs while a laptop sleeps; `Instant` does not.
        let (ran, passed) = (at.elapsed(), wall(&conn) - wall_at);
        (at, wall_at) = (Instant::now(), wall(&conn));
        let slept = passed - i64::try_from(ran.as_millis()).unwrap_or(i64::MAX) > 10_000;
        let now = conn.clock().now();
        if slept {
            let since = Time(now.0 - passed);
            mark_stale(&shared, since, now);
            stale_since = stale_since.or(Some(since));
        } else if conn.pulse().silence() < probe_every && stale_since.is_none() {
            continue;
        }
        let silent = conn.pulse().silence();
        let heard = tokio::time::timeout(probe_within, conn.answers()).await;
        match (matches!(heard, Ok(Ok(true))), stale_since) {
            (true, None) => {}
            (true, Some(since)) => {
                stale_since = None;
                let now = conn.clock().now();
                if slept || since.age(now) > probe_every * 8 {
                    // Old connections may be dead without an error. If the renewal fails, the old client
                    // stays and the watches report the failure.
                    if let Err(e) = conn.rebuild().await {
                        tracing::warn!(why = %e, "the client could not be renewed");
                    }
                    shared.nudge.send_modify(|n| *n += 1);
                } else {
                    shared.outbox.change_states(now, |s| {
                        matches!(s, StreamState::Stale { .. }).then_some(StreamState::Live)
                    });
                }
            }
            (false, None) => {
                let since = now.minus(silent);
                mark_stale(&shared, since, conn.clock().now());
                stale_since = Some(since);
            }
            // A stream that became live again in between is no fresher than the failed probe.
            (false, Some(since)) => mark_stale(&shared, since, conn.clock().now()),
        }
    }
}

fn mark_stale(shared: &Shared, since: Time, at: Time) {
    shared.outbox.change_states(at, |s| s.is_live().then_some(StreamState::Stale { since }));
}
