//! A ring of log lines: bounded in lines and in bytes a line, with what was skipped counted, never hidden.

use std::collections::{HashMap, VecDeque};

use regex::Regex;

use crate::app::core::msg::SourceId;
use crate::world::Time;

#[derive(Clone, PartialEq, Debug)]
pub struct Line {
    pub source: SourceId,
    /// The kubelet's time, where the log was asked for with timestamps.
    pub time: Option<Time>,
    pub text: Box<str>,
}

/// A container can write one line for ever; the rest of a line beyond this many bytes is cut.
const LONGEST: usize = 16 * 1024;

#[derive(Debug)]
pub struct LogBuffer {
    lines: VecDeque<Line>,
    /// Sequence number of the first line held; lines before it were skipped.
    first: u64,
    capacity: usize,
    /// Once full it takes no more: the beginning is wanted, not the end.
    keep_first: bool,
    /// Lines dropped to make room, or that found none.
    skipped: u64,
    /// The number of the line a reader stands at, kept true as lines come in before it.
    held: u64,
    /// A last line without its newline yet, by source. `true`: its tail is being cut.
    partial: HashMap<SourceId, (Vec<u8>, bool)>,
    /// The time of each source's last line.
    last: HashMap<SourceId, Time>,
    /// Sources that are read once more: lines up to that time are there already.
    again: HashMap<SourceId, Time>,
    filter: Option<Filter>,
    /// Sequence numbers of the lines that pass the filter, oldest first.
    shown: VecDeque<u64>,
}

#[derive(Debug)]
struct Filter {
    pattern: Regex,
    inverse: bool,
}

impl Filter {
    fn passes(&self, text: &str) -> bool {
        self.pattern.is_match(text) != self.inverse
    }
}

impl LogBuffer {
    /// Holds at most `capacity` lines.
    pub fn new(capacity: usize) -> LogBuffer {
        LogBuffer {
            lines: VecDeque::new(),
            first: 0,
            capacity: capacity.max(1),
            keep_first: false,
            skipped: 0,
            held: 0,
            partial: HashMap::new(),
            last: HashMap::new(),
            again: HashMap::new(),
            filter: None,
            shown: VecDeque::new(),
        }
    }

    /// Holds the first `capacity` lines and takes no more.
    pub fn of_first(capacity: usize) -> LogBuffer {
        LogBuffer { keep_first: true, ..LogBuffer::new(capacity) }
    }

    /// Whether no line to come will be taken.
    pub fn closed(&self) -> bool {
        self.keep_first && self.lines.len() == self.capacity
    }

    /// Takes bytes as they came from a log asked for with timestamps. Invalid UTF-8 is replaced, not dropped.
    pub fn push(&mut self, source: SourceId, bytes: &[u8]) {
        let (mut held, mut cutting) = self.partial.remove(&source).unwrap_or_default();
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|b| *b == b'\n') {
            extend(&mut held, &rest[..end], &mut cutting);
            self.add(source, &held);
            held.clear();
            cutting = false;
            rest = &rest[end + 1..];
        }
        extend(&mut held, rest, &mut cutting);
        if !held.is_empty() {
            self.partial.insert(source, (held, cutting));
        }
    }

    /// The source's log ended: what came without a newline is a line too.
    pub fn end(&mut self, source: SourceId) {
        if let Some((held, _)) = self.partial.remove(&source) {
            self.add(source, &held);
        }
    }

    /// The time of the source's last line.
    pub fn last(&self, source: SourceId) -> Option<Time> {
        self.last.get(&source).copied()
    }

    /// The source is read from a little before its end once more: what is held already is not taken twice.
    pub fn resume(&mut self, source: SourceId) {
        self.partial.remove(&source);
        if let Some(last) = self.last(source) {
            self.again.insert(source, last);
        }
    }

    fn add(&mut self, source: SourceId, bytes: &[u8]) {
        let text = String::from_utf8_lossy(bytes);
        let text = text.strip_suffix('\r').unwrap_or(&text);
        let (time, text) = match text.split_once(' ') {
            Some((stamp, rest)) if stamp.len() >= 20 => match Time::parse(stamp) {
                Some(time) => (Some(time), rest),
                None => (None, text),
            },
            _ => (None, text),
        };
        if let Some(time) = time {
            if self.again.get(&source).is_some_and(|until| time <= *until) {
                return;
            }
            self.last.insert(source, time);
        }
        if self.closed() {
            self.skipped += 1;
            return;
        }
        // Several containers are read at once: a line goes before those that were logged after it.
        let later = |l: &&Line| l.time.is_some_and(|t| time.is_some_and(|own| t > own));
        let after = self.lines.iter().rev().take_while(later).count();
        if self.lines.len() == self.capacity {
            self.skipped += 1;
            if after == self.capacity {
                return;
            }
            self.lines.pop_front();
            self.first += 1;
            if self.shown.front().is_some_and(|s| *s < self.first) {
                self.shown.pop_front();
            }
        }
        let at = self.lines.len() - after;
        let number = self.first + at as u64;
        let mut place = self.shown.len();
        if after > 0 {
            place = self.shown.partition_point(|n| *n < number);
            self.shown.iter_mut().skip(place).for_each(|n| *n += 1);
            self.held += u64::from(self.held >= number);
        }
        if self.filter.as_ref().is_none_or(|f| f.passes(text)) {
            self.shown.insert(place, number);
        }
        self.lines.insert(at, Line { source, time, text: text.into() });
    }

    /// A reader stands at the `i`-th line that passes the filter.
    pub fn hold(&mut self, i: usize) {
        self.held = self.shown.get(i).copied().unwrap_or(self.first + self.lines.len() as u64);
    }

    /// Where that line is now; where it had to make room, the first that is left.
    pub fn held(&self) -> usize {
        self.shown.partition_point(|n| *n < self.held)
    }

    /// Shows only lines that match (or, with a leading `!`, do not); an empty pattern shows all.
    ///
    /// # Errors
    /// A sentence where the pattern is no regular expression; the filter stays as it was.
    pub fn filter(&mut self, pattern: &str) -> Result<(), String> {
        let (inverse, body) = match pattern.strip_prefix('!') {
            Some(rest) => (true, rest),
            None => (false, pattern),
        };
        self.filter = if body.is_empty() {
            None
        } else {
            let pattern = regex::RegexBuilder::new(body)
                .case_insensitive(true)
                .size_limit(1 << 20)
                .build()
                .map_err(|e| format!("{body:?} is not a regular expression: {}", last_line(&e)))?;
            Some(Filter { pattern, inverse })
        };
        let filter = &self.filter;
        let numbered = (self.first..).zip(&self.lines);
        self.shown = numbered
            .filter(|(_, l)| filter.as_ref().is_none_or(|f| f.passes(&l.text)))
            .map(|(n, _)| n)
            .collect();
        Ok(())
    }

    pub fn clear(&mut self) {
        self.first += self.lines.len() as u64;
        self.lines.clear();
        self.shown.clear();
    }

    /// Lines that pass the filter.
    pub fn len(&self) -> usize {
        self.shown.len()
    }

    pub fn is_empty(&self) -> bool {
        self.shown.is_empty()
    }

    /// All lines held, those that the filter hides included.
    pub fn all(&self) -> usize {
        self.lines.len()
    }

    /// The `i`-th line that passes the filter, oldest first, with its number since the log was opened.
    pub fn get(&self, i: usize) -> Option<(u64, &Line)> {
        let number = *self.shown.get(i)?;
        self.lines.get(usize::try_from(number - self.first).ok()?).map(|l| (number, l))
    }

    pub fn iter(&self) -> impl Iterator<Item = &Line> {
        (0..self.len()).filter_map(|i| self.get(i).map(|(_, l)| l))
    }

    /// Lines that had to make room for newer ones, or that found none.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }
}

fn extend(held: &mut Vec<u8>, more: &[u8], cutting: &mut bool) {
    if *cutting {
        return;
    }
    let room = LONGEST.saturating_sub(held.len());
    held.extend_from_slice(&more[..more.len().min(room)]);
    if more.len() > room {
        held.extend_from_slice("… (line cut)".as_bytes());
        *cutting = true;
    }
}

/// The part of a regex error that names the trouble; the rest draws the pattern over several lines.
fn last_line(e: &regex::Error) -> String {
    e.to_string().lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(0);
    const B: SourceId = SourceId(1);

    fn texts(b: &LogBuffer) -> Vec<String> {
        b.iter().map(|l| l.text.to_string()).collect()
    }

    #[test]
    fn lines_arrive_in_pieces_from_several_containers() {
        let mut b = LogBuffer::new(10);
        b.push(A, b"2026-11-21T01:05:53.123456789Z hel");
        b.push(B, b"other\nlast");
        b.push(A, b"lo\r\n\xff\n");
        assert_eq!(texts(&b), ["other", "hello", "\u{fffd}"]);
        assert_eq!(b.get(1).unwrap().1.time, Time::parse("2026-11-21T01:05:53.123Z"));
        b.end(B);
        assert_eq!(texts(&b)[3], "last");
    }

    #[test]
    fn a_log_read_once_more_from_before_its_end_repeats_nothing() {
        let mut b = LogBuffer::new(10);
        let at = |s: u32, text: &str| format!("2026-11-21T01:05:{s:02}.000000000Z {text}\n");
        b.push(A, (at(1, "one") + &at(2, "two") + "2026-11-21T01:05:03.000000000Z cut o").as_bytes());
        b.resume(A);
        b.push(A, (at(1, "one") + &at(2, "two") + &at(3, "cut off") + &at(4, "four")).as_bytes());
        b.push(B, at(1, "another's").as_bytes());
        assert_eq!(texts(&b), ["one", "another's", "two", "cut off", "four"]);
    }

    #[test]
    fn old_lines_make_room_and_are_counted() {
        let mut b = LogBuffer::new(3);
        for i in 0..8 {
            b.push(A, format!("line {i}\n").as_bytes());
        }
        assert_eq!(texts(&b), ["line 5", "line 6", "line 7"]);
        assert_eq!(b.skipped(), 5);
        assert_eq!(b.get(0).unwrap().0, 5);
    }

    #[test]
    fn lines_of_several_containers_stand_in_the_order_they_were_logged_in() {
        let mut b = LogBuffer::new(5);
        let at = |s: u32, text: &str| format!("2026-11-21T01:05:{s:02}Z {text}\n");
        b.push(A, (at(1, "a1") + &at(4, "a4") + &at(5, "a5")).as_bytes());
        b.filter("!a4").unwrap();
        // A reader stands at a5; what comes before it moves it, and the filter's lines, along.
        b.hold(1);
        b.push(B, (at(2, "b2") + &at(4, "b4") + &at(6, "b6")).as_bytes());
        assert_eq!(texts(&b), ["b2", "b4", "a5", "b6"], "a1 made room");
        assert_eq!((b.held(), b.skipped(), b.all()), (2, 1, 5));
        b.filter("").unwrap();
        assert_eq!(texts(&b), ["b2", "a4", "b4", "a5", "b6"]);
        // Older than all there is room for: it is skipped, nothing else is.
        b.push(A, at(1, "old").as_bytes());
        assert_eq!((texts(&b)[0].as_str(), b.skipped()), ("b2", 2));
        // A line without a time, as a mark is, stays between what was before and after it.
        b.push(A, b"mark\n");
        b.push(B, at(3, "late").as_bytes());
        assert_eq!(texts(&b)[3..], ["mark", "late"]);
    }

    #[test]
    fn from_the_beginning_the_first_lines_stay_and_the_rest_is_counted() {
        let mut b = LogBuffer::of_first(2);
        for i in 0..5 {
            b.push(A, format!("line {i}\n").as_bytes());
        }
        assert_eq!(texts(&b), ["line 0", "line 1"]);
        assert!(b.closed());
        assert_eq!(b.skipped(), 3);
        b.clear();
        assert!(!b.closed() && b.skipped() == 3, "cleared is not skipped");
    }

    #[test]
    fn a_filter_holds_for_lines_to_come_and_a_bad_one_changes_nothing() {
        let mut b = LogBuffer::new(4);
        b.push(A, b"GET /a\nERROR x\n");
        b.filter("error").unwrap();
        b.push(A, b"GET /b\nerror y\nGET /c\n");
        assert_eq!(texts(&b), ["ERROR x", "error y"]);
        assert!(b.filter("(").unwrap_err().contains("regular expression"));
        assert_eq!(b.len(), 2);
        b.filter("!error").unwrap();
        assert_eq!(texts(&b), ["GET /b", "GET /c"]);
        b.filter("").unwrap();
        assert_eq!(b.len(), 4);
    }

    #[test]
    fn a_line_without_end_is_cut_not_kept() {
        let mut b = LogBuffer::new(4);
        for _ in 0..100 {
            b.push(A, &[b'x'; 4096]);
        }
        b.push(A, b"\nnext\n");
        let all = texts(&b);
        assert_eq!(all.len(), 2);
        assert!(all[0].len() < LONGEST + 32 && all[0].ends_with("(line cut)"));
        assert_eq!(all[1], "next");
    }
}
