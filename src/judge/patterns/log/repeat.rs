//! Errors that a running container repeats, from the tail of its log.

use std::borrow::Cow;
use std::sync::LazyLock;
use std::time::Duration;

use regex::bytes::Regex;

use super::line::{Level, Line, lines};
use super::table::Grade;
use super::trace::Entry;
use super::{Named, benign, is_fragmented, pattern, said, short, trace};
use crate::judge::{Cause, log};
use crate::world::Time;

/// Entries that must say the same.
const TIMES: usize = 3;
/// The same for a line whose logger does not call it an error.
const UNMARKED: usize = 5;
/// Among this many entries at least one must be an error that no table knows.
const SHARE: usize = 20;
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
    /// A table knows the line.
    pub known: bool,
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
        let mut known = false;
        for s in said(&lines, entry) {
            let Some(cause) = s.found.row.running else { continue };
            let fragmented = cause == log::OOM_HEAP && is_fragmented(lines[s.line].raw);
            let cause = if fragmented { log::GPU_FRAGMENTATION } else { cause };
            known = true;
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
                        known: true,
                    };
                    out.push((repeat, i, i));
                }
            }
        }
        if let Some(at) = unknown(&lines, entry).filter(|_| !known) {
            let (when, line) = (lines[at].at.or(first.at), lines[at].raw);
            let shape = Named::Other(shape(&lines[at].text));
            let marked = entry.level >= Level::Error || entry.uncaught;
            match out.iter_mut().find(|(r, _, _)| r.cause == log::LOG_ERROR && r.named == shape) {
                Some((r, last, _)) => {
                    r.count += 1;
                    (r.line, r.last, *last) = (line, when.or(r.last), i);
                    r.exact |= marked;
                }
                None => {
                    let repeat = Repeat {
                        cause: log::LOG_ERROR,
                        words: short(lines[at].text.trim(), 90),
                        named: shape,
                        line,
                        count: 1,
                        first: when,
                        last: when,
                        // Until it is counted: whether its logger calls it an error.
                        exact: marked,
                        known: false,
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
            let enough = match (r.known, r.exact) {
                (true, _) => r.count >= TIMES,
                (false, marked) => {
                    r.count >= if marked { TIMES } else { UNMARKED } && r.count * SHARE >= entries.len()
                }
            };
            enough && !got_over && goes_on(r, *last, entries.len(), now.or(end))
        })
        .map(|(r, _, _)| Repeat { exact: r.exact && r.known, ..r })
        .collect();
    out.sort_by_key(|r| (!r.known, !r.exact, std::cmp::Reverse(r.count)));
    if out.first().is_some_and(|r| r.known) {
        // An entry that a table knows explains the unknown ones.
        out.retain(|r| r.known);
    }
    out
}

static FAULT: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        // The word reports something: it ends a clause, or a verb or the details follow. A name, a quoted text or a
        // line about error handling holds the same words and reports nothing.
        r"(?xi)
          (?:^|[\s:\]|>(])[\w.]*(?:errors?|fatal|panic|exception|failure)\s*[:\]!]
        | \b(?:failed|unable|cannot|can't|could\ not|couldn't)\ (?:to\ )?[a-z]+
        | \b(?:failed|refused|denied|timed\ out)\s*(?:$|[:;,(])
        ",
    )
});

static SCARCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:rejected|rejecting|exceeded|exhausted|dropped|dropping|overloaded|not enough|insufficient|out of memory|memory usage:? \d+ ?%)",
    )
});

/// The line of an entry that tells of a fault which no table knows.
fn unknown(lines: &[Line], entry: &Entry) -> Option<usize> {
    let at = entry.decisive.first().copied().unwrap_or(entry.range.start);
    let line = &lines[at];
    if lines[entry.range.start].access || benign::everyday(&line.text) {
        return None;
    }
    let text = benign::without_zeros(line.text.trim());
    // A line that counts zero errors may have no other fault; then only the words that remain decide.
    let counts_none = matches!(text, Cow::Owned(_));
    if (entry.level >= Level::Error || entry.uncaught) && !counts_none {
        return (!text.trim().is_empty()).then_some(at);
    }
    // A warning is a programmer's opinion; it counts where it says that something is used up.
    let words = if entry.level == Level::Warning { &SCARCE } else { &FAULT };
    let found = words.as_ref()?.find(text.as_bytes())?;
    (!benign::spoken_of(&text, found.start())).then_some(at)
}

/// The line without what differs from one time to the next: words with digits in them.
fn shape(text: &str) -> String {
    let words = text.split_ascii_whitespace().take(16);
    let words = words.map(|w| if w.bytes().any(|b| b.is_ascii_digit()) { "#" } else { w });
    words.collect::<Vec<_>>().join(" ")
}

/// Whether two entries name the same, or one of them names nothing. A program that may not write meets it at one file
/// after the other.
fn same(a: &Named, b: &Named) -> bool {
    let files = matches!((a, b), (Named::Path(_), Named::Path(_)));
    a == b || files || *a == Named::Nothing || *b == Named::Nothing
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
