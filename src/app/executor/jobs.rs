//! Carries effects out against the cluster, each in a task of its own; what comes back is a message.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::app::core::msg::{Effect, Msg};
use crate::app::core::saved_panes::SavedPanes;
use crate::app::executor::foreground;
use crate::app::executor::known;
use crate::app::executor::needs::{self, Fetched};
use crate::app::executor::programs;
use crate::app::executor::regions::Eye;
use crate::app::executor::state_files::{self, Item, Keeper};
use crate::app::views::log::SourceId;
use crate::cluster::{Connection, Feed, Identity, Scope, Tuning, watch_all, watch_tables};
use crate::config::bug;
use crate::config::files;
use crate::config::regions::Region;
use crate::remedy::bundle::Known;
use crate::remedy::journal::{self, Entry, Journal};
use crate::remedy::run::{Need, NeedId, Reply, Terminal};
use crate::telemetry;
use crate::world::ask::{Forward, LogTail};
use crate::world::{Kind, Text, Time};

/// Messages that may wait; past that the feed holds deltas back and folds them.
pub const INBOX: usize = 64;

#[derive(Debug)]
pub struct Jobs {
    connection: Connection,
    inbox: mpsc::Sender<Msg>,
    /// Everything under way. Dropping it stops all.
    tasks: JoinSet<()>,
    /// Wakes the feeds to connect again at once.
    nudge: watch::Sender<()>,
    /// The namespaces the operator asks for.
    wanted: watch::Sender<Vec<Text>>,
    /// Logs that are followed, by view.
    followed: HashMap<u64, Vec<AbortHandle>>,
    /// The server's tables that are watched, by kind.
    tables: HashMap<Kind, AbortHandle>,
    /// Local ports that are open, by the run that opened them.
    forwards: HashMap<u64, AbortHandle>,
    /// Programs of the user that run, by the view that shows them.
    programs: HashMap<u64, AbortHandle>,
    /// Clusters that are watched beside this one.
    regions: Vec<AbortHandle>,
    /// How many telemetry targets are read at once.
    scrapes: Arc<Semaphore>,
    journal: Result<Journal, String>,
    keeper: Keeper,
    /// The cluster's folder in the state directory.
    folder: Result<PathBuf, String>,
}

/// An action that never ended is told of for so long after it was begun; `khud journal` shows it for ever.
const REMEMBERED: Duration = Duration::from_secs(3 * 24 * 3600);

/// How often a forwarded port is told of at most.
const FORWARDS: Duration = Duration::from_millis(500);

/// How often the configuration's files are looked at.
const FILES: Duration = Duration::from_secs(1);

impl Jobs {
    pub fn new(connection: Connection, inbox: mpsc::Sender<Msg>) -> Jobs {
        let journal = Journal::default_path();
        // The state directory is where the journal lies.
        let folder = journal.clone().map(|path| {
            let state = path.parent().unwrap_or(Path::new("."));
            state_files::folder(state, connection.context(), connection.server())
        });
        match folder.as_deref().map_or(Ok(None), known::load) {
            Ok(uid) => connection.expect(uid),
            // Said where it is written again, too.
            Err(why) => tracing::warn!("{why}"),
        }
        let keeper = Keeper::start(folder.clone(), inbox.clone());
        Jobs {
            connection,
            inbox,
            tasks: JoinSet::new(),
            nudge: watch::channel(()).0,
            wanted: watch::Sender::new(Vec::new()),
            followed: HashMap::new(),
            tables: HashMap::new(),
            forwards: HashMap::new(),
            programs: HashMap::new(),
            regions: Vec::new(),
            scrapes: Arc::new(Semaphore::new(telemetry::PARALLEL)),
            journal: journal.map(Journal::at),
            keeper,
            folder,
        }
    }

    /// How the panes were arranged when this cluster was last left.
    ///
    /// # Errors
    /// A sentence where what was kept cannot be read.
    pub fn arranged(&self) -> Result<Option<SavedPanes>, String> {
        // Without a folder nothing was kept, and the keeper says why.
        self.folder.as_deref().map_or(Ok(None), state_files::panes)
    }

    /// Asks the server who it is.
    pub fn hello(&mut self) {
        let connection = self.connection.clone();
        self.spawn("asking for the server's version", async move {
            match connection.check().await {
                Ok(v) => Msg::Version(v.git_version),
                Err(e) => Msg::Failed(e.to_string()),
            }
        });
    }

    /// Asks the server who the operator is, for the timeline.
    pub fn whoami(&mut self) {
        let connection = self.connection.clone();
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            // Servers before 1.28 do not say; then the operator is who they are on this machine.
            if let Ok(user) = connection.whoami().await {
                // The cockpit is gone when nobody receives any more.
                let _ = inbox.send(Msg::Whoami(user)).await;
            }
        });
    }

    /// Reads the kubeconfig again and lets its credential plugin ask on the terminal, which must be free; then tries
    /// the cluster at once.
    ///
    /// # Errors
    /// What the plugin said, in a sentence.
    pub async fn login(&self) -> Result<(), String> {
        self.connection.login().await.map_err(|e| e.to_string())?;
        // Without a feed there is nothing to connect again.
        let _ = self.nudge.send(());
        Ok(())
    }

    /// Tells of the cluster's identity, and keeps it where none is known.
    pub fn guard(&mut self) {
        let (mut standing, inbox) = (self.connection.standing(), self.inbox.clone());
        let folder = self.folder.clone();
        self.tasks.spawn(async move {
            loop {
                let now = standing.borrow_and_update().clone();
                if let (Identity::Verified(uid), Ok(folder)) = (&now.identity, &folder) {
                    let (uid, folder) = (uid.clone(), folder.clone());
                    let kept = needs::blocking("keeping the cluster's identity", move || {
                        known::remember(&folder, &uid)
                    });
                    if let Err(why) = kept.await {
                        let _ = inbox.send(Msg::Failed(why)).await;
                    }
                }
                // The cockpit is gone when nobody receives any more; so is the connection when nobody sends.
                if inbox.send(Msg::Standing(now)).await.is_err() || standing.changed().await.is_err() {
                    break;
                }
            }
        });
    }

    /// Tells of actions that an earlier khud began on this context and never ended.
    pub fn look_back(&mut self) {
        let Ok(journal) = self.journal.clone() else { return };
        let (context, now) = (self.connection.context().to_owned(), self.connection.clock().now());
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let read = needs::blocking("reading the journal", move || journal.read()).await;
            let text = match read {
                Ok((entries, _)) => unended(&entries, &context, now),
                Err(why) => Some(why),
            };
            if let Some(text) = text {
                // The cockpit is gone when nobody receives any more.
                let _ = inbox.send(Msg::Failed(text)).await;
            }
        });
    }

    /// Reads the configuration again whenever one of its files changes.
    pub fn watch_files(&mut self, mut watch: files::Watch) {
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let mut again = tokio::time::interval(FILES);
            loop {
                again.tick().await;
                if watch.changed() {
                    let loaded = Box::new(files::load(watch.places()));
                    if inbox.send(Msg::Configured(loaded)).await.is_err() {
                        break;
                    }
                }
            }
        });
    }

    /// Watches these clusters side by side, and no others.
    pub fn watch_regions(&mut self, regions: Vec<Region>) {
        self.regions.drain(..).for_each(|task| task.abort());
        for region in regions {
            let own = region.context == self.connection.context();
            let eye = Eye::new(region, self.connection.options(), self.connection.clock().clone(), own);
            self.regions.push(self.tasks.spawn(eye.watch(self.inbox.clone())));
        }
    }

    /// Watches the cluster for as long as the cockpit lives. While the cockpit is busy the feed folds changes.
    pub fn watch(&mut self, scope: &Scope) {
        let feed = watch_all(&self.connection, scope, &Kind::followed());
        self.bring(feed);
    }

    /// Brings what a feed hears to the cockpit.
    fn bring(&mut self, mut feed: Feed) -> AbortHandle {
        let (inbox, mut nudged) = (self.inbox.clone(), self.nudge.subscribe());
        let mut wanted = self.wanted.subscribe();
        feed.select_namespaces(wanted.borrow_and_update().clone());
        self.tasks.spawn(async move {
            loop {
                let deltas = tokio::select! {
                    deltas = feed.next() => deltas,
                    Ok(()) = nudged.changed() => {
                        feed.reconnect();
                        continue;
                    }
                    Ok(()) = wanted.changed() => {
                        feed.select_namespaces(wanted.borrow_and_update().clone());
                        continue;
                    }
                };
                if inbox.send(Msg::Deltas(deltas)).await.is_err() {
                    break;
                }
            }
        })
    }

    /// Does what a run needs the terminal for, which was given back for it.
    pub async fn at_terminal(&self, work: Terminal) -> Reply {
        Reply::Terminal(foreground::carry_out(&self.connection, work).await)
    }

    pub fn carry_out(&mut self, effect: Effect) {
        let connection = self.connection.clone();
        match effect {
            Effect::Call { token, call } => self.spawn("a request", async move {
                let result = connection.call(call).await.map_err(|e| e.to_string());
                Msg::Called { token, result }
            }),
            Effect::AskRights { menu, actions } => self.spawn("asking what is allowed", async move {
                let mut denied = Vec::new();
                for (action, target) in actions {
                    for right in action.rights {
                        if let Some(why) = needs::denied(&connection, right, &target).await {
                            denied.push((action.name, target.clone(), why));
                            break;
                        }
                    }
                }
                Msg::RightsAnswered { menu, denied }
            }),
            Effect::Log(tail) => self.spawn("reading a log", async move {
                let result = needs::read_log(&connection, &tail).await;
                Msg::Log { tail, result }
            }),
            Effect::Certificate(secret) => self.spawn("reading a certificate", async move {
                let result = connection.tls_secret(&secret.namespace, &secret.name).await;
                Msg::Certificate { secret, result }
            }),
            Effect::Start { token, program } => {
                let task = self.tasks.spawn(programs::run(token, program, self.inbox.clone()));
                self.programs.insert(token, task);
            }
            Effect::End(token) => {
                if let Some(task) = self.programs.remove(&token) {
                    task.abort();
                }
            }
            Effect::StopForward(id) => {
                if let Some(task) = self.forwards.remove(&id) {
                    task.abort();
                }
            }
            Effect::Need { run, id, need } => {
                // A port stays open when its run has ended, so it is no task of the run.
                if let Need::Forward(ask) = *need {
                    return self.forward(connection, run, id, ask);
                }
                let journal = self.journal.clone();
                self.spawn("carrying out an action", async move {
                    let reply = match (journal, *need) {
                        (Ok(journal), need) => needs::carry_out(&connection, &journal, need).await,
                        // Without a journal nothing is done: the run hears so when it first wants to write there.
                        (Err(why), Need::Journal(_)) => Reply::Journal(Err(why)),
                        (Err(why), Need::Call(_)) => Reply::Call(Err(why)),
                        (Err(why), Need::Exec(_)) => Reply::Exec(Err(why)),
                        (Err(why), Need::File(_)) => Reply::File(Err(why)),
                        (Err(why), Need::Command(_)) => Reply::Command(Err(why)),
                        (Err(why), Need::Terminal(_)) => Reply::Terminal(Err(why)),
                        (Err(why), Need::Forward(_)) => Reply::Forward(Err(why)),
                        (Err(why), Need::Elsewhere(..)) => Reply::Elsewhere(Err(why.into())),
                        (Err(_), Need::Known(_)) => Reply::Known(Known::default()),
                        (Err(_), Need::Confirm(_)) => Reply::Confirm(false),
                    };
                    Msg::Replied { run, id, reply }
                });
            }
            Effect::FetchEvidence { walk, read } => self.spawn("looking for evidence", async move {
                let Fetched { read, result, took_ms } = needs::read(&connection, *read).await;
                Msg::EvidenceFetched { walk, read: Box::new(read), result, took_ms }
            }),
            Effect::AppendTimeline(entries) => self.keep(Item::Entries(entries)),
            Effect::SaveSilences(quiet) => self.keep(Item::Quiet(quiet)),
            Effect::SavePanes(panes) => self.keep(Item::Panes(panes)),
            Effect::Follow { view, source, tail, since } => {
                let inbox = self.inbox.clone();
                let task = self.tasks.spawn(async move {
                    let why = follow(&connection, &tail, since, view, source, &inbox).await.err();
                    // The cockpit is gone when nobody receives any more.
                    let _ = inbox.send(Msg::LogEnd { view, source, why }).await;
                });
                self.followed.entry(view).or_default().push(task);
            }
            // Feeds are told as they come and go; there may be none yet.
            Effect::SelectNamespaces(namespaces) => drop(self.wanted.send_replace(namespaces)),
            Effect::StopLogs(view) => {
                for task in self.followed.remove(&view).unwrap_or_default() {
                    task.abort();
                }
            }
            Effect::Scrape(target) => {
                let turn = self.scrapes.clone();
                self.spawn("reading a telemetry source", async move {
                    // The semaphore is never closed; without a permit the reading would only be less orderly.
                    let _turn = turn.acquire().await;
                    Msg::Measured(needs::scrape(&connection, target).await)
                });
            }
            Effect::Bug(capabilities) => self.spawn("writing the bug report", async move {
                match bug::gather_and_write(None, connection.clock().now(), |f| f.capabilities = capabilities)
                {
                    Ok(path) => Msg::Notice(format!(
                        "The bug report is in {path}; look through it before you send it."
                    )),
                    Err(why) => Msg::Failed(why),
                }
            }),
            Effect::Save { name, text, what } => self.spawn("saving", async move {
                match needs::save(&name, text).await {
                    Ok(path) => Msg::Notice(format!("Saved {what} to {}", path.display())),
                    Err(why) => Msg::Failed(why),
                }
            }),
            Effect::AcceptCluster { known, found } => self.keep(Item::OtherCluster { known, found }),
            Effect::ReadOnly(on) => self.connection.set_read_only(on),
            // Without a feed there is nothing to connect again.
            Effect::Reconnect => drop(self.nudge.send(())),
            Effect::Discover => self.spawn("asking what the server serves", async move {
                Msg::Discovered(connection.offers().await.map_err(|e| e.to_string()))
            }),
            Effect::Regions(regions) => self.watch_regions(regions),
            Effect::Watch(kind) => {
                let feed = watch_tables(&connection, &kind, Tuning::default());
                let task = self.bring(feed);
                self.tables.insert(kind, task);
            }
            Effect::Unwatch(kind) => {
                if let Some(task) = self.tables.remove(&kind) {
                    task.abort();
                }
            }
            // These are the terminal's, and done before effects come here.
            Effect::Quit
            | Effect::Switch(_)
            | Effect::Suspend
            | Effect::Login
            | Effect::AtTerminal(_)
            | Effect::SaveScreen(_)
            | Effect::Redraw
            | Effect::Copy(_)
            | Effect::Announce(..) => {}
        }
    }

    /// Opens a local port for a run and keeps it open; the run's number names it from then on.
    fn forward(&mut self, connection: Connection, run: u64, id: NeedId, ask: Forward) {
        let inbox = self.inbox.clone();
        let task = self.tasks.spawn(async move {
            let forwarding = connection.forward(ask).await;
            let (reply, forwarding) = match forwarding {
                Ok(f) => (Ok(f.state().borrow().clone()), Some(f)),
                Err(e) => (Err(e.to_string()), None),
            };
            // The cockpit is gone when nobody receives any more.
            let _ = inbox.send(Msg::Replied { run, id, reply: Reply::Forward(reply) }).await;
            let Some(forwarding) = forwarding else { return };
            let mut state = forwarding.state();
            let tell = async {
                loop {
                    let now = state.borrow_and_update().clone();
                    if inbox.send(Msg::Forwarded { run, state: now }).await.is_err() {
                        break;
                    }
                    // A browser opens many connections at once; one message tells of all.
                    tokio::time::sleep(FORWARDS).await;
                    if state.changed().await.is_err() {
                        break;
                    }
                }
            };
            tokio::join!(forwarding.run(), tell);
        });
        self.forwards.insert(run, task);
    }

    fn keep(&mut self, item: Item) {
        if let Some(why) = self.keeper.keep(item) {
            self.spawn("telling of the disk", async { Msg::Failed(why) });
        }
    }

    /// Runs a task and delivers its message; one that panics is reported, not fatal.
    fn spawn(&mut self, what: &'static str, task: impl Future<Output = Msg> + Send + 'static) {
        while self.tasks.try_join_next().is_some() {}
        let inbox = self.inbox.clone();
        self.tasks.spawn(async move {
            let msg = match tokio::spawn(task).await {
                Ok(msg) => msg,
                Err(e) if e.is_panic() => Msg::Failed(format!(
                    "khud failed at {what}; this is a bug, and `khud bug` gathers what helps"
                )),
                Err(_) => return,
            };
            // The cockpit is gone when nobody receives any more.
            let _ = inbox.send(msg).await;
        });
    }
}

/// The sentence about actions on this context that were begun lately and never ended, where there are any.
fn unended(entries: &[Entry], context: &str, now: Time) -> Option<String> {
    let open = journal::open(entries);
    let lately =
        |o: &&journal::Open<'_>| !o.alive && o.begun.context == context && o.begun.at.age(now) <= REMEMBERED;
    let open: Vec<_> = open.iter().filter(lately).collect();
    let last = open.last()?;
    let more = match open.len() - 1 {
        0 => String::new(),
        n => format!(" (and {n} more)"),
    };
    Some(format!(
        "{} {} was begun at {} and never ended{more}: {}. `khud journal` lists them.",
        last.begun.action,
        last.begun.object(),
        last.begun.at,
        last.stopped()
    ))
}

/// Brings a log to its view until it ends.
///
/// # Errors
/// Why there is no log, or why it broke off: a sentence.
async fn follow(
    connection: &Connection,
    tail: &LogTail,
    since: Option<u64>,
    view: u64,
    source: SourceId,
    inbox: &mpsc::Sender<Msg>,
) -> Result<(), String> {
    let gone = |e: crate::cluster::Failure| e.to_string();
    let mut chunks = connection.log_stream(tail, since).await.map_err(gone)?;
    if inbox.send(Msg::LogBegin { view, source }).await.is_err() {
        return Ok(());
    }
    while let Some(bytes) = chunks.next().await {
        if inbox.send(Msg::Chunk { view, source, bytes: bytes.map_err(gone)? }).await.is_err() {
            break;
        }
    }
    Ok(())
}
