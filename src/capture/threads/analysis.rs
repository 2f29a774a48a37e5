//! Analyses thread dumps: lock waits, deadlocks, equal stacks, and pools without a free worker.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::changes::{self, Changes};
use super::{Dump, Frame, How, Lock, Runtime, Thread, rules};

/// The most groups of equal stacks; further groups are counted.
const GROUPS: usize = 50;
/// The most frames of a group, innermost first.
const FRAMES: usize = 100;
/// Smaller pools are often fully busy without a problem.
const SMALL_POOL: usize = 5;

/// The analysis of one or more dumps of a process. States, locks, deadlocks and groups describe the newest
/// dump.
#[derive(Debug, Serialize)]
pub struct Analysis {
    /// The runtime that printed the dumps.
    pub runtime: Runtime,
    /// The number of dumps.
    pub dumps: usize,
    /// The time in the newest dump, as printed.
    pub taken: Option<String>,
    /// The number of threads in the newest dump.
    pub threads: u64,
    /// The number of virtual threads among them.
    pub virtual_threads: u64,
    /// One sentence for each problem, the worst first.
    pub summary: Vec<String>,
    /// The number of threads by state.
    pub states: BTreeMap<String, u64>,
    /// Locks with waiters, most waiters first.
    pub locks: Vec<LockWait>,
    /// Deadlocks in the newest dump.
    pub deadlocks: Vec<Deadlock>,
    /// Connection and object pools with waiters.
    pub waits_for_pools: Vec<PoolWait>,
    /// Thread pools, most busy workers first.
    pub pools: Vec<PoolUse>,
    /// Threads with equal stacks and states, largest groups first.
    pub groups: Vec<Group>,
    /// The number of groups that are not listed.
    pub more_groups: usize,
    /// The changes from the oldest to the newest dump; none with one dump.
    pub changes: Option<Changes>,
    /// The questions that the dumps cannot answer, one sentence each. Without it, a missing answer would look like a good
    /// one.
    pub unknown: Vec<String>,
}

/// A lock with its waiters.
#[derive(Debug, Serialize)]
pub struct LockWait {
    /// Class and identity: `ReentrantLock 0x00000000ffd1b1a0`.
    pub lock: String,
    /// The class of the lock.
    pub class: String,
    /// The thread that holds the lock; none if the dump does not name it.
    pub owner: Option<String>,
    /// The names of the waiting threads.
    pub waiters: Vec<String>,
    /// The innermost application frame of the owner, or of the first waiter if the owner is unknown.
    pub top: Option<String>,
}

/// Threads that wait for each other in a cycle.
#[derive(Debug, Serialize)]
pub struct Deadlock {
    /// The threads, in the order in which they wait for each other.
    pub threads: Vec<Deadlocked>,
}

#[derive(Debug, Serialize)]
pub struct Deadlocked {
    pub thread: String,
    pub waits_for: String,
    pub held_by: String,
    pub top: Option<String>,
}

/// Threads that wait for an object of a pool.
#[derive(Debug, Serialize)]
pub struct PoolWait {
    /// The resource they wait for, such as `a connection of a HikariCP pool`.
    pub what: String,
    pub threads: u64,
    /// The application frame that most of them have.
    pub top: Option<String>,
}

/// A thread pool, recognised by the names of its threads.
#[derive(Debug, Serialize)]
pub struct PoolUse {
    /// The name of the pool.
    pub pool: String,
    /// The number of its threads.
    pub threads: usize,
    /// The number of busy threads.
    pub busy: usize,
    /// The application frame that most busy workers have.
    pub top: Option<String>,
    /// The number of busy workers in that frame.
    pub top_count: usize,
}

/// Threads with equal stacks.
#[derive(Debug, Serialize)]
pub struct Group {
    /// The number of threads.
    pub count: u64,
    /// The state.
    pub state: String,
    /// Innermost first.
    pub frames: Vec<String>,
    /// Some of their names.
    pub threads: Vec<String>,
    /// They wait for work, or belong to the runtime.
    pub idle: bool,
    /// The longest wait in minutes, if the dump has it.
    pub waited_min: Option<u64>,
}

/// Analyses dumps of one process. Their order is kept unless all have a time.
///
/// # Errors
/// A sentence if there is no dump, or if they are of different runtimes.
pub fn analyse(mut dumps: Vec<Dump>) -> Result<Analysis, String> {
    if dumps.iter().all(|d| d.taken.is_some()) {
        dumps.sort_by(|a, b| a.taken.cmp(&b.taken));
    }
    let Some(newest) = dumps.last() else { return Err("there is no thread dump to analyse".to_owned()) };
    if let Some(other) = dumps.iter().find(|d| d.runtime != newest.runtime) {
        return Err(format!(
            "the dumps are of different programs ({:?} and {:?}): compare dumps of one process",
            other.runtime, newest.runtime
        ));
    }
    let mut states = BTreeMap::new();
    for thread in &newest.threads {
        *states.entry(thread.state.clone()).or_insert(0) += thread.count;
    }
    let (groups, more_groups) = groups(newest);
    let owners = owners(newest);
    let mut analysis = Analysis {
        runtime: newest.runtime,
        dumps: dumps.len(),
        taken: newest.taken.clone(),
        threads: newest.threads.iter().map(|t| t.count).sum(),
        virtual_threads: newest.threads.iter().filter(|t| t.is_virtual).map(|t| t.count).sum(),
        summary: Vec::new(),
        states,
        locks: locks(newest, &owners),
        deadlocks: deadlocks(newest, &owners),
        waits_for_pools: pool_waits(newest),
        pools: pools(newest),
        groups,
        more_groups,
        changes: (dumps.len() > 1).then(|| changes::between(&dumps)),
        unknown: unknown(newest),
    };
    analysis.summary = summary(&analysis, newest);
    Ok(analysis)
}

fn unknown(dump: &Dump) -> Vec<String> {
    let mut out: Vec<String> = dump.incomplete.iter().cloned().collect();
    let parked = dump
        .threads
        .iter()
        .filter_map(|t| t.waits.as_ref())
        .any(|w| w.how == How::Park && is_lock(&w.lock.class));
    match dump.runtime {
        Runtime::Jvm if !dump.lists_lock_owners && parked => out.push(
            "the dump does not list who holds java.util.concurrent locks: \
             take it with `jstack -l PID` or `jcmd PID Thread.print -l`"
                .to_owned(),
        ),
        Runtime::Jvm => {}
        Runtime::Python => {
            out.push("py-spy does not name lock owners, so deadlocks cannot be detected".to_owned())
        }
        Runtime::Go => {
            out.push(
                "Go does not name mutex owners, so deadlocks of some goroutines cannot be detected"
                    .to_owned(),
            );
        }
    }
    out
}

/// The name to show; most virtual threads have none.
pub(super) fn name(thread: &Thread) -> String {
    if thread.name.is_empty() { format!("thread {}", thread.id) } else { thread.name.clone() }
}

fn top(thread: &Thread, runtime: Runtime) -> Option<String> {
    rules::own_frame(thread, runtime).map(Frame::to_string)
}

/// Whether the class is a lock with one owner. Threads also park on queues and conditions.
fn is_lock(class: &str) -> bool {
    let class = rules::short_class(class);
    ["ReentrantLock", "ReentrantReadWriteLock", "StampedLock", "Semaphore"]
        .iter()
        .any(|c| class.starts_with(c))
}

fn owners(dump: &Dump) -> HashMap<&str, usize> {
    let held =
        dump.threads.iter().enumerate().flat_map(|(i, t)| t.holds.iter().map(move |l| (l.id.as_str(), i)));
    held.collect()
}

/// The lock the thread waits for.
fn wanted<'a>(thread: &'a Thread, owners: &HashMap<&str, usize>) -> Option<&'a Lock> {
    let wait = thread.waits.as_ref()?;
    let lock = match wait.how {
        How::Enter => true,
        How::Park => is_lock(&wait.lock.class) || owners.contains_key(wait.lock.id.as_str()),
        How::Notify => false,
    };
    lock.then_some(&wait.lock)
}

fn locks(dump: &Dump, owners: &HashMap<&str, usize>) -> Vec<LockWait> {
    let mut waiters: BTreeMap<&Lock, Vec<&Thread>> = BTreeMap::new();
    for thread in &dump.threads {
        if let Some(lock) = wanted(thread, owners) {
            waiters.entry(lock).or_default().push(thread);
        }
    }
    let mut out: Vec<LockWait> = waiters
        .into_iter()
        .map(|(lock, waiters)| {
            let owner = owners.get(lock.id.as_str()).map(|i| &dump.threads[*i]);
            LockWait {
                lock: format!(
                    "{} {}",
                    rules::short_class(&lock.class),
                    lock.id.rsplit('@').next().unwrap_or_default()
                ),
                class: lock.class.clone(),
                owner: owner.map(name),
                top: owner.or(waiters.first().copied()).and_then(|t| top(t, dump.runtime)),
                waiters: waiters.into_iter().map(name).collect(),
            }
        })
        .collect();
    out.sort_by_key(|l| std::cmp::Reverse(l.waiters.len()));
    out
}

/// Finds cycles. A thread waits for one lock and a lock has one owner, so one walk from each thread is
/// enough.
fn deadlocks(dump: &Dump, owners: &HashMap<&str, usize>) -> Vec<Deadlock> {
    let next = |i: usize| {
        let lock = wanted(&dump.threads[i], owners)?;
        owners.get(lock.id.as_str()).map(|owner| (lock, *owner))
    };
    let mut walked = vec![0; dump.threads.len()];
    let mut out = Vec::new();
    for start in 0..dump.threads.len() {
        let walk = start + 1;
        let mut at = start;
        while walked[at] == 0 {
            walked[at] = walk;
            let Some((_, owner)) = next(at) else { break };
            at = owner;
        }
        // The walk met itself. It did not stop at a thread that waits for nothing.
        if walked[at] != walk || next(at).is_none() {
            continue;
        }
        let mut circle = Vec::new();
        let mut member = at;
        while let Some((lock, owner)) = next(member) {
            let thread = &dump.threads[member];
            circle.push(Deadlocked {
                thread: name(thread),
                waits_for: format!("{} {}", rules::short_class(&lock.class), lock.id),
                held_by: name(&dump.threads[owner]),
                top: top(thread, dump.runtime),
            });
            member = owner;
            if member == at {
                break;
            }
        }
        out.push(Deadlock { threads: circle });
    }
    out
}

fn pool_waits(dump: &Dump) -> Vec<PoolWait> {
    let mut found: BTreeMap<&str, Vec<&Thread>> = BTreeMap::new();
    for thread in &dump.threads {
        if let Some(what) = rules::pool_wait(thread, dump.runtime) {
            found.entry(what).or_default().push(thread);
        }
    }
    let mut out: Vec<PoolWait> = found
        .into_iter()
        .map(|(what, threads)| PoolWait {
            what: what.to_owned(),
            threads: threads.iter().map(|t| t.count).sum(),
            top: most_common(threads.iter().filter_map(|t| top(t, dump.runtime))).map(|(frame, _)| frame),
        })
        .collect();
    out.sort_by_key(|p| std::cmp::Reverse(p.threads));
    out
}

fn most_common(of: impl Iterator<Item = String>) -> Option<(String, usize)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for one in of {
        *counts.entry(one).or_insert(0) += 1;
    }
    counts.into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)))
}

fn pools(dump: &Dump) -> Vec<PoolUse> {
    let mut members: BTreeMap<&str, Vec<&Thread>> = BTreeMap::new();
    for thread in dump.threads.iter().filter(|t| !t.frames.is_empty()) {
        if let Some(pool) = rules::pool_name(&thread.name)
            && dump.runtime != Runtime::Go
        {
            members.entry(pool).or_default().push(thread);
        }
    }
    let mut out: Vec<PoolUse> = members
        .into_iter()
        .filter(|(_, threads)| threads.len() > 1)
        .map(|(pool, threads)| {
            let busy: Vec<_> = threads.iter().filter(|t| !rules::is_idle(t, dump.runtime)).collect();
            let common = most_common(busy.iter().filter_map(|t| top(t, dump.runtime)));
            PoolUse {
                pool: pool.to_owned(),
                threads: threads.len(),
                busy: busy.len(),
                top_count: common.as_ref().map_or(0, |(_, n)| *n),
                top: common.map(|(frame, _)| frame),
            }
        })
        .collect();
    out.sort_by_key(|p| (std::cmp::Reverse(p.busy), std::cmp::Reverse(p.threads)));
    out
}

fn groups(dump: &Dump) -> (Vec<Group>, usize) {
    let mut found: HashMap<(&str, &[Frame]), Vec<&Thread>> = HashMap::new();
    for thread in &dump.threads {
        found.entry((&thread.state, &thread.frames)).or_default().push(thread);
    }
    let mut out: Vec<Group> = found
        .into_iter()
        .map(|((state, frames), threads)| Group {
            count: threads.iter().map(|t| t.count).sum(),
            state: state.to_owned(),
            frames: frames.iter().take(FRAMES).map(Frame::to_string).collect(),
            idle: threads.iter().all(|t| rules::is_idle(t, dump.runtime)),
            waited_min: threads.iter().filter_map(|t| t.waited_min).max(),
            threads: threads.iter().filter(|t| t.count == 1).take(10).map(|t| name(t)).collect(),
        })
        .collect();
    out.sort_by(|a, b| {
        b.count.cmp(&a.count).then_with(|| a.frames.cmp(&b.frames)).then_with(|| a.state.cmp(&b.state))
    });
    let more = out.len().saturating_sub(GROUPS);
    out.truncate(GROUPS);
    (out, more)
}

fn summary(analysis: &Analysis, dump: &Dump) -> Vec<String> {
    let noun = dump.runtime.noun();
    let threads = |n: u64| format!("{n} {noun}{}", if n == 1 { " waits" } else { "s wait" });
    let place = |frame: &str| {
        let function =
            if frame.ends_with(')') { frame.rsplit_once('(').map_or(frame, |(f, _)| f) } else { frame };
        rules::short(function, dump.runtime).to_owned()
    };
    let mut out = Vec::new();
    if dump.all_asleep {
        out.push("All goroutines are asleep: the Go runtime found that none can continue.".to_owned());
    }
    for deadlock in &analysis.deadlocks {
        let parts: Vec<String> = deadlock
            .threads
            .iter()
            .map(|t| format!("{} waits for {}, held by {}", t.thread, t.waits_for, t.held_by))
            .collect();
        out.push(format!("Deadlock of {} {noun}s: {}.", deadlock.threads.len(), parts.join("; ")));
    }
    let deadlocked: Vec<&str> =
        analysis.deadlocks.iter().flat_map(|d| &d.threads).map(|t| t.thread.as_str()).collect();
    for lock in &analysis.locks {
        let waiters = lock.waiters.iter().filter(|w| !deadlocked.contains(&w.as_str())).count() as u64;
        if waiters == 0 || (lock.owner.is_none() && waiters == 1) {
            continue;
        }
        let class = rules::short_class(&lock.class);
        let monitor = !is_lock(&lock.class) && !class.starts_with("sync.");
        let what = format!("{}{}", if monitor { "the monitor of " } else { "" }, rules::with_article(class));
        let at = lock.top.as_deref().map(|t| format!(" in {}", place(t))).unwrap_or_default();
        out.push(match &lock.owner {
            Some(owner) => format!("{} for {what} held by {owner}{at}.", threads(waiters)),
            None => format!("{} for {what}{at}; the dump does not name the owner.", threads(waiters)),
        });
    }
    for pool in &analysis.waits_for_pools {
        let at = pool.top.as_deref().map(|t| format!(", called from {}", place(t))).unwrap_or_default();
        out.push(format!("{} for {}{at}.", threads(pool.threads), pool.what));
    }
    for pool in analysis.pools.iter().filter(|p| p.busy == p.threads && p.threads >= SMALL_POOL) {
        let at = match &pool.top {
            Some(top) => format!(": {} of them in {}", pool.top_count, place(top)),
            None => String::new(),
        };
        out.push(format!("All {} threads of the pool {} are busy{at}.", pool.threads, pool.pool));
    }
    if let Some(gil) = dump.threads.iter().find(|t| t.state.contains("gil")) {
        let at = top(gil, dump.runtime).map(|t| format!(" in {t}")).unwrap_or_default();
        out.push(format!("{} holds the interpreter lock (GIL){at}.", name(gil)));
    }
    // Goroutines that block for ever are the most common leak in Go.
    for group in analysis.groups.iter().filter(|g| !g.idle && g.count >= 10 && dump.runtime == Runtime::Go) {
        let since = group.waited_min.map(|m| format!(", up to {m} minutes")).unwrap_or_default();
        let own = group.frames.iter().find(|f| !f.starts_with("created by ") && !library_text(f));
        let at = own.map(|f| format!(" in {}", place(f))).unwrap_or_default();
        let state =
            if group.state == "not said" { "stand".to_owned() } else { format!("are in {}", group.state) };
        out.push(format!("{} goroutines {state}{at}{since}.", group.count));
    }
    if let Some(changes) = &analysis.changes {
        out.extend(changes.sentences(analysis.dumps, noun));
    }
    out
}

fn library_text(frame: &str) -> bool {
    rules::is_library(&Frame { function: frame.to_owned(), place: String::new() }, Runtime::Go)
}
