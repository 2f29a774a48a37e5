//! All watches of a cluster as one stream of deltas, with a probe that notices when the server has gone quiet.

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

/// What is watched.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Scope {
    /// All namespaces; where that is forbidden, those that are allowed.
    Cluster,
    /// These namespaces and what lies in none.
    Namespaces(Vec<Text>),
}

/// The times a watch goes by. Tests shorten them.
#[derive(Clone, Debug)]
pub struct Tuning {
    /// Objects a page of a list.
    pub page: u32,
    /// For the headers of a watch.
    pub headers: Duration,
    /// Silence after which a streaming list is taken for one that has no end.
    pub initial_silence: Duration,
    /// Silence after which a watch is made anew: bookmarks come about once a minute.
    pub silence: Duration,
    /// The server is asked to end a watch after this.
    pub timeout: Duration,
    /// A watch that ends sooner did not go well.
    pub short: Duration,
    pub backoff: Duration,
    pub backoff_limit: Duration,
    /// How often missing rights and namespaces are looked at again.
    pub forbidden_again: Duration,
    /// How often a missing kind is.
    pub unsupported_again: Duration,
    /// How often a list is read again where the watch is not allowed; less often where reading it takes long.
    pub poll: Duration,
    /// The probe's rhythm and its patience: together they bound how long a frozen server passes for a live one.
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
            silence: s(100),
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
    /// Spread, so that the watches of one khud do not all end at once.
    pub(super) fn timeout_seconds(&self) -> u64 {
        self.timeout.mul_f64(0.8 + 0.2 * chance()).as_secs().max(1)
    }
}

/// What the watches of one feed share.
pub(super) struct Shared {
    pub outbox: Outbox,
    pub tuning: Tuning,
    /// Counts the times every watch was told to make a new connection.
    pub nudge: signal::Sender<u64>,
    /// Namespaces somebody wants to see, whatever else there is.
    pub wanted: signal::Sender<Vec<Text>>,
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

/// The deltas of all watches. Dropping it ends them.
pub struct Feed {
    conn: Connection,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

/// At most so many deltas at a time, so that keys get their turn during a first list and little is under way to a
/// reader that stands still.
const BATCH: usize = 128;

/// Watches every kind given and says how each stream stands.
pub fn watch_all(conn: &Connection, scope: &Scope, kinds: &[Kind]) -> Feed {
    watch_all_tuned(conn, scope, kinds, Tuning::default())
}

/// `watch_all` with other times.
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

/// Asks which cluster this is beside the first lists, which wait for nothing. What fails is asked again by the watches.
async fn identify(conn: Connection) {
    if let Err(e) = conn.identify().await {
        tracing::warn!(why = %e, "the cluster's identity could not be read");
    }
}

/// Watches the server's own tables of one kind, whichever it serves, in all namespaces or those that are allowed.
pub fn watch_tables(conn: &Connection, kind: &Kind, tuning: Tuning) -> Feed {
    let shared = Arc::new(Shared::new(tuning));
    let mut tasks = JoinSet::new();
    let all = Text::default();
    tasks.spawn(supervise(conn.clone(), shared.clone(), kind.clone(), all, Watch::of_tables));
    tasks.spawn(probe(conn.clone(), shared.clone()));
    Feed { conn: conn.clone(), shared, _tasks: tasks }
}

/// How a watch is made: of objects, or of tables.
type Make = fn(&Connection, &Arc<Shared>, Kind, Text) -> Watch;

impl Feed {
    /// The changes since the last call, in order; waits for the first. Cancelling it loses nothing.
    pub async fn next(&mut self) -> Vec<Delta> {
        self.shared.outbox.take(BATCH).await
    }

    pub fn counters(&self) -> Counters {
        self.shared.outbox.counters()
    }

    /// Where the whole cluster is forbidden these namespaces are tried, too.
    pub fn want(&self, namespaces: Vec<Text>) {
        self.shared.wanted.send_replace(namespaces);
    }

    /// Makes every watch connect anew at once, waiting or not, with credentials renewed where they are refused.
    pub fn reconnect(&self) {
        let (conn, shared) = (self.conn.clone(), self.shared.clone());
        tokio::spawn(async move {
            conn.forgive().await;
            shared.nudge.send_modify(|n| *n += 1);
        });
    }
}

/// Runs one kind's watch for ever, in the allowed namespaces where the whole cluster is not.
async fn supervise(conn: Connection, shared: Arc<Shared>, kind: Kind, namespace: Text, make: Make) {
    let again = shared.tuning.forbidden_again;
    let mut watch = make(&conn, &shared, kind.clone(), namespace.clone());
    let mut wanted = shared.wanted.subscribe();
    loop {
        // Returns only when forbidden.
        let why = watch.run().await;
        let mut inner = JoinSet::new();
        let mut running: Vec<Text> = Vec::new();
        loop {
            if namespace.is_empty() && kind.namespaced() {
                let names = wanted.borrow_and_update().clone();
                for ns in allowed(&conn, &kind, &names).await {
                    if !running.contains(&ns) {
                        running.push(ns.clone());
                        let id = StreamId::Watch { kind: kind.clone(), namespace: ns.clone() };
                        shared.outbox.say(&id, StreamState::Connecting, conn.clock().now());
                        inner.spawn(keep(conn.clone(), shared.clone(), kind.clone(), ns, make));
                    }
                }
            }
            // Said only now, so that whoever waits for every answer waits for the namespaces', too.
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

/// One namespace's watch, tried again now and then where it is forbidden.
async fn keep(conn: Connection, shared: Arc<Shared>, kind: Kind, namespace: Text, make: Make) {
    let mut watch = make(&conn, &shared, kind, namespace);
    loop {
        let why = watch.run().await;
        watch.forbidden(&why);
        tokio::time::sleep(shared.tuning.forbidden_again).await;
    }
}

/// The namespaces whose objects of the kind may be listed: of all of them, or, where those are unknown, of the one of
/// the context and of those wanted.
async fn allowed(conn: &Connection, kind: &Kind, wanted: &[Text]) -> Vec<Text> {
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
    // A cluster with a thousand namespaces must not see a thousand reviews at once.
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

/// Notices a server that froze, a network that swallows packets and a machine that slept.
async fn probe(conn: Connection, shared: Arc<Shared>) {
    let Tuning { probe_every, probe_within, .. } = shared.tuning;
    let wall = |conn: &Connection| conn.clock().now().0 - conn.clock().offset_ms();
    let (mut stale_since, mut at, mut wall_at): (Option<Time>, _, _) = (None, Instant::now(), wall(&conn));
    loop {
        tokio::time::sleep(probe_every).await;
        // The wall clock goes on while a laptop sleeps; the other does not.
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
                    // Connections of before may be dead without knowing it. Should renewing fail, the old client
                    // serves on and the watches say what is wrong.
                    if let Err(e) = conn.rebuild().await {
                        tracing::warn!(why = %e, "the client could not be renewed");
                    }
                    shared.nudge.send_modify(|n| *n += 1);
                } else {
                    shared.outbox.say_all(now, |s| {
                        matches!(s, StreamState::Stale { .. }).then_some(StreamState::Live)
                    });
                }
            }
            (false, None) => {
                let since = now.minus(silent);
                mark_stale(&shared, since, conn.clock().now());
                stale_since = Some(since);
            }
            // Streams that came back in between and are live again are no fresher than the probe.
            (false, Some(since)) => mark_stale(&shared, since, conn.clock().now()),
        }
    }
}

fn mark_stale(shared: &Shared, since: Time, at: Time) {
    shared.outbox.say_all(at, |s| s.is_live().then_some(StreamState::Stale { since }));
}
