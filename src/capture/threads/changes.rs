//! Compares several dumps of one process.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::analysis::name;
use super::{Dump, Frame, Runtime, Thread, rules};

/// The smallest share of a processor, in percent, that makes a thread busy.
const BUSY: f64 = 10.0;
/// The most names of started and ended threads.
const NAMES: usize = 20;

/// The differences between the oldest and the newest dump.
#[derive(Debug, Serialize)]
pub struct Changes {
    /// The number of threads that started.
    pub appeared: u64,
    /// The number of threads that ended.
    pub gone: u64,
    /// Up to 20 names of threads that started.
    pub appeared_names: Vec<String>,
    /// Up to 20 names of threads that ended.
    pub gone_names: Vec<String>,
    /// The change in the number of threads, by state.
    pub states: BTreeMap<String, i64>,
    /// Runnable threads with the same top frame in every dump.
    pub stuck: Vec<Stuck>,
    /// The threads that used the most processor time between the dumps.
    pub busy: Vec<Busy>,
}

/// Threads with the same top frame in every dump.
#[derive(Debug, Serialize)]
pub struct Stuck {
    /// The number of threads.
    pub count: u64,
    /// Their state.
    pub state: String,
    /// The innermost frame of the application, else the innermost frame.
    pub top: String,
    /// Some of their names.
    pub threads: Vec<String>,
}

/// A thread that used much processor time between the dumps.
#[derive(Debug, Serialize)]
pub struct Busy {
    /// The name of the thread.
    pub thread: String,
    /// The share of one processor.
    pub percent: f64,
    /// The innermost frame of the application in the newest dump.
    pub top: Option<String>,
}

/// Names are not unique, and ids are reused after a restart. Both together identify a thread.
fn by_key(dump: &Dump) -> HashMap<(&str, &str), &Thread> {
    dump.threads.iter().map(|t| ((t.id.as_str(), t.name.as_str()), t)).collect()
}

/// Compares the first dump with the last; `stuck` uses all. `dumps` must not be empty.
pub fn between(dumps: &[Dump]) -> Changes {
    let maps: Vec<_> = dumps.iter().map(by_key).collect();
    let (oldest, newest) = (&dumps[0], &dumps[dumps.len() - 1]);
    let (first, last) = (&maps[0], &maps[maps.len() - 1]);
    let runtime = newest.runtime;
    let missing = |from: &HashMap<(&str, &str), &Thread>, other: &HashMap<(&str, &str), &Thread>| {
        let mut gone: Vec<&Thread> =
            from.iter().filter(|(k, _)| !other.contains_key(*k)).map(|(_, t)| *t).collect();
        gone.sort_by(|a, b| a.name.cmp(&b.name));
        gone.into_iter().map(name).collect::<Vec<_>>()
    };
    let (mut appeared_names, mut gone_names) = (missing(last, first), missing(first, last));
    let (appeared, gone) = (appeared_names.len() as u64, gone_names.len() as u64);
    appeared_names.truncate(NAMES);
    gone_names.truncate(NAMES);
    let mut states: BTreeMap<String, i64> = BTreeMap::new();
    for (dump, sign) in [(oldest, -1), (newest, 1)] {
        for thread in &dump.threads {
            *states.entry(thread.state.clone()).or_insert(0) +=
                sign * i64::try_from(thread.count).unwrap_or(i64::MAX);
        }
    }
    states.retain(|_, change| *change != 0);
    Changes {
        appeared,
        gone,
        appeared_names,
        gone_names,
        states,
        stuck: stuck(&maps, runtime),
        busy: busy(first, last, runtime),
    }
}

fn stuck(maps: &[HashMap<(&str, &str), &Thread>], runtime: Runtime) -> Vec<Stuck> {
    let Some((last, before)) = maps.split_last() else { return Vec::new() };
    let mut found: BTreeMap<(&str, String), Vec<&Thread>> = BTreeMap::new();
    for (key, thread) in last {
        let same = before.iter().all(|m| m.get(key).is_some_and(|t| t.frames == thread.frames));
        if same && !rules::is_idle(thread, runtime) {
            let top = rules::own_frame(thread, runtime).map(Frame::to_string).unwrap_or_default();
            found.entry((&thread.state, top)).or_default().push(thread);
        }
    }
    let mut out: Vec<Stuck> = found
        .into_iter()
        .map(|((state, top), mut threads)| {
            threads.sort_by(|a, b| a.name.cmp(&b.name));
            Stuck {
                count: threads.iter().map(|t| t.count).sum(),
                state: state.to_owned(),
                top,
                threads: threads.iter().take(NAMES).map(|t| name(t)).collect(),
            }
        })
        .collect();
    out.sort_by_key(|s| std::cmp::Reverse(s.count));
    out
}

fn busy(
    first: &HashMap<(&str, &str), &Thread>,
    last: &HashMap<(&str, &str), &Thread>,
    runtime: Runtime,
) -> Vec<Busy> {
    let share = |then: &Thread, now: &Thread| {
        let passed = (now.elapsed_s? - then.elapsed_s?) * 1000.0;
        (passed > 0.0).then_some((now.cpu_ms? - then.cpu_ms?) / passed * 100.0)
    };
    let mut out: Vec<Busy> = last
        .iter()
        .filter_map(|(key, now)| {
            let percent = share(first.get(key)?, now)?;
            let top = rules::own_frame(now, runtime).map(Frame::to_string);
            (percent >= BUSY).then(|| Busy {
                thread: name(now),
                percent: (percent * 10.0).round() / 10.0,
                top,
            })
        })
        .collect();
    out.sort_by(|a, b| b.percent.total_cmp(&a.percent));
    out.truncate(NAMES);
    out
}

impl Changes {
    pub(super) fn sentences(&self, dumps: usize, noun: &str) -> Vec<String> {
        let mut out = Vec::new();
        for stuck in self.stuck.iter().filter(|s| s.count > 1).take(3) {
            let each = if dumps == 2 { "both".to_owned() } else { format!("all {dumps}") };
            out.push(format!(
                "{} {noun}s stand in {} in {each} dumps ({}).",
                stuck.count, stuck.top, stuck.state
            ));
        }
        for busy in self.busy.iter().take(3) {
            let at = busy.top.as_deref().map(|t| format!(", in {t}")).unwrap_or_default();
            out.push(format!(
                "{} used {:.0} % of a processor between the dumps{at}.",
                busy.thread, busy.percent
            ));
        }
        if self.appeared > 0 || self.gone > 0 {
            out.push(format!(
                "{} {noun}s appeared and {} ended between the dumps.",
                self.appeared, self.gone
            ));
        }
        out
    }
}
