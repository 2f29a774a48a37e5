//! Errors that a running container repeats, from the tail of its log.

use std::time::Duration;

use super::line::{Level, lines};
use super::table::Grade;
use super::{Named, benign, said, trace};
use crate::judge::Cause;
use crate::world::Time;

/// Entries that must say the same.
const TIMES: usize = 3;
/// Part of the tail (of 10) in which the last one must stand.
const STILL: usize = 4;
/// How long after the last one it is still happening, at least.
const RECENT: Duration = Duration::from_secs(120);

/// An error that a running program repeats and has not got over.
#[derive(Clone, PartialEq, Debug)]
pub struct Repeat<'a> {
    pub cause: Cause,
    pub words: String,
    pub named: Named,
    /// The last line that says it, as printed.
    pub line: &'a str,
    /// Entries of the tail that say it.
    pub count: usize,
    pub first: Option<Time>,
    pub last: Option<Time>,
    /// Its wording names the fault; `false` for a phrase that several faults share.
    pub exact: bool,
}

impl Repeat<'_> {
    /// The time between the first and the last of them, where the lines carry times.
    pub fn window(&self) -> Option<Duration> {
        let (first, last) = (self.first?, self.last?);
        u64::try_from(last.0 - first.0).ok().map(Duration::from_millis)
    }
}

/// The errors a running container repeats and has not got over, the most frequent first. `now` is the time of the
/// reading; with it, errors that stopped minutes ago do not count.
pub fn repeats(text: &str, now: Option<Time>) -> Vec<Repeat<'_>> {
    let lines = lines(text);
    let entries = trace::entries(&lines);
    let mut out: Vec<(Repeat, usize, usize)> = Vec::new();
    let mut recoveries: Vec<usize> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        let first = &lines[entry.range.start];
        if entry.level <= Level::Warning && benign::recovered(&first.text) {
            recoveries.push(i);
            continue;
        }
        if entry.level <= Level::Info || entry.range.clone().any(|l| benign::handled(&lines[l].text)) {
            continue;
        }
        for s in said(&lines, entry) {
            let Some(cause) = s.found.row.running else { continue };
            let (at, line) = (lines[s.line].at.or(first.at), lines[s.line].raw);
            match out.iter_mut().find(|(r, _, _)| r.cause == cause && same(&r.named, &s.found.named)) {
                Some((r, last, _)) => {
                    r.count += 1;
                    (r.line, r.last, *last) = (line, at.or(r.last), i);
                    if r.named == Named::Nothing {
                        (r.named, r.words) = (s.found.named, s.found.words);
                    }
                    r.exact |= s.found.row.grade >= Grade::Named;
                }
                None => {
                    let repeat = Repeat {
                        cause,
                        words: s.found.words,
                        named: s.found.named,
                        line,
                        count: 1,
                        first: at,
                        last: at,
                        exact: s.found.row.grade >= Grade::Named,
                    };
                    out.push((repeat, i, i));
                }
            }
        }
    }
    let end = entries.iter().rev().find_map(|e| lines[e.range.start].at);
    let mut out: Vec<Repeat> = out
        .into_iter()
        .filter(|(r, last, first)| {
            let got_over = recoveries.iter().filter(|at| *at > first).count() * 2 > r.count
                || recoveries.iter().any(|at| at > last);
            r.count >= TIMES && !got_over && goes_on(r, *last, entries.len(), now.or(end))
        })
        .map(|(r, _, _)| r)
        .collect();
    out.sort_by_key(|r| (!r.exact, std::cmp::Reverse(r.count)));
    out
}

/// Whether two entries name the same, or one of them names nothing.
fn same(a: &Named, b: &Named) -> bool {
    a == b || *a == Named::Nothing || *b == Named::Nothing
}

/// Whether the error was still happening when the log was read.
fn goes_on(repeat: &Repeat, last: usize, entries: usize, now: Option<Time>) -> bool {
    if let (Some(at), Some(now), Some(window)) = (repeat.last, now, repeat.window()) {
        let gap = window.as_millis() / repeat.count.saturating_sub(1).max(1) as u128;
        let allowed = RECENT.as_millis().max(3 * gap);
        return u128::try_from(now.0 - at.0).is_ok_and(|since| since <= allowed) || now < at;
    }
    // Without times: in the last part of the tail.
    (last + 1) * 10 >= entries * (10 - STILL)
}
