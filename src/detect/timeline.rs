//! The timeline: what changed, findings beginning and ending, walks, actions and notes; bounded in memory.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::Duration;

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

use crate::world::{Kind, ObjectRef, Time};

use super::finding::{FindingChange, State, Turn, WhatChanged};
use super::report::{code, inline};
use crate::judge::Severity;
use crate::judge::text::{self, bounded};

/// Entries held in memory.
pub const HELD: usize = 20_000;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// A cockpit was opened.
    Session,
    Change,
    FindingBegan,
    /// Another cause is proved than before.
    FindingRefined,
    FindingEnded,
    Walk,
    Action,
    Note,
    /// Somebody has a finding.
    Acknowledged,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            What::Session => "session",
            What::Change => "change",
            What::FindingBegan => "finding",
            What::FindingRefined => "cause",
            What::FindingEnded => "resolved",
            What::Walk => "walk",
            What::Action => "action",
            What::Note => "note",
            What::Acknowledged => "acknowledged",
        }
    }
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Entry {
    pub at: Time,
    pub what: What,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub object: Option<ObjectRef>,
    /// The operator, or the controller or client that wrote it; empty where nobody is known.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub who: String,
    pub text: String,
    /// Of a finding.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub cause: String,
    /// What tells it from other findings about the same object.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub family: String,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub severity: Option<Severity>,
    /// The incident that a finding belonged to then.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub incident: String,
    /// When khud saw that a finding began.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seen: Option<Time>,
    /// Quotes and steps under it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub detail: Vec<String>,
}

impl Entry {
    pub fn new(at: Time, what: What, object: Option<ObjectRef>, text: impl AsRef<str>) -> Entry {
        let text = bounded(text.as_ref(), text::QUOTE);
        Entry {
            at,
            what,
            object,
            text,
            who: String::new(),
            cause: String::new(),
            family: String::new(),
            severity: None,
            incident: String::new(),
            seen: None,
            detail: Vec::new(),
        }
    }

    pub fn by(mut self, who: impl Into<String>) -> Entry {
        self.who = who.into();
        self
    }

    /// A finding's beginning, at the time since which it is true, another cause proved, or its end.
    pub fn of_finding(change: &FindingChange, now: Time) -> Option<Entry> {
        let f = &change.finding;
        let (what, at) = match change.turn {
            Turn::Began => (What::FindingBegan, f.since),
            Turn::Returned => (What::FindingBegan, now),
            Turn::Refined => (What::FindingRefined, now),
            Turn::Resolving => (What::FindingEnded, now),
            // It went without resolving: something else explains it now.
            Turn::Ended if f.state == State::Firing => (What::FindingEnded, now),
            Turn::Pending | Turn::Changed | Turn::Ended => return None,
        };
        let mut entry = Entry::new(at, what, Some(f.fix().clone()), &f.title);
        entry.cause = f.cause.to_string();
        entry.severity = Some(f.severity);
        entry.family = f.key.family.to_string();
        if what != What::FindingEnded {
            entry.detail = f.evidence.iter().take(3).map(|e| format!("{}: {}", e.source, e.quote)).collect();
        }
        Some(entry)
    }

    pub fn of_change(change: &WhatChanged) -> Entry {
        Entry::new(change.at, What::Change, Some(change.object.clone()), &change.what).by(&*change.by)
    }
}

/// Which entries to show; empty shows all.
#[derive(Clone, Default, Debug, PartialEq)]
pub struct Filter {
    /// The object, in any namespace where none is named; for a namespace also all that is in it.
    pub object: Option<ObjectRef>,
    pub from: Option<Time>,
    pub to: Option<Time>,
    /// In lower case; each of them anywhere in the text, the object or who.
    pub words: Vec<String>,
}

impl Filter {
    /// Reads `pod/prod/api-0 01:00..01:30 image`: an object, a window (`15m..` is the last quarter of an hour; times
    /// of day are the last ones before `now`, in that zone) and words, in any order.
    pub fn parse(text: &str, now: Time, zone: &TimeZone) -> Filter {
        let mut out = Filter::default();
        for token in text.split_whitespace() {
            if let Some((from, to)) = window(token, now, zone) {
                (out.from, out.to) = (from, to);
            } else if let Some(object) = object(token) {
                out.object = Some(object);
            } else {
                out.words.push(token.to_lowercase());
            }
        }
        out
    }

    fn shows(&self, e: &Entry) -> bool {
        let object = self.object.as_ref().is_none_or(|o| {
            e.object.as_ref().is_some_and(|have| {
                let same = have.kind == o.kind
                    && have.name == o.name
                    && (o.namespace.is_empty() || have.namespace == o.namespace);
                same || (o.kind == Kind::Namespace && have.namespace == o.name)
            })
        });
        let has = |w: &String| {
            let has = |t: &str| t.to_lowercase().contains(w);
            has(&e.text)
                || has(&e.who)
                || has(&e.cause)
                || e.object.as_ref().is_some_and(|o| has(&o.to_string()))
        };
        object
            && self.words.iter().all(has)
            && self.from.is_none_or(|t| e.at >= t)
            && self.to.is_none_or(|t| e.at <= t)
    }
}

/// The word that `Filter::parse` reads as this object.
pub fn word_of(object: &ObjectRef) -> String {
    let kind = object.kind.name().to_lowercase();
    if object.namespace.is_empty() {
        format!("{kind}/{}", object.name)
    } else {
        format!("{kind}/{}/{}", object.namespace, object.name)
    }
}

fn object(token: &str) -> Option<ObjectRef> {
    let (kind, rest) = token.split_once('/')?;
    let kind = Kind::parse(kind)?;
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    (!name.is_empty()).then(|| ObjectRef::new(kind, namespace, name))
}

/// `A..B` with either side left out.
fn window(token: &str, now: Time, zone: &TimeZone) -> Option<(Option<Time>, Option<Time>)> {
    let (from, to) = token.split_once("..")?;
    let side = |text: &str| match text {
        "" => Some(None),
        text => moment(text, now, zone).map(Some),
    };
    Some((side(from)?, side(to)?))
}

/// `01:05`, `01:05:12`, `15m` ago, or RFC 3339.
fn moment(text: &str, now: Time, zone: &TimeZone) -> Option<Time> {
    if let Some(at) = Time::parse(&text.to_uppercase()) {
        return Some(at);
    }
    if let Some(ago) = lasting(text) {
        return Some(now.minus(ago));
    }
    let clock: jiff::civil::Time = text.parse().ok().filter(|_| text.contains(':'))?;
    let today = now.to_jiff().to_zoned(zone.clone()).date();
    let at = |day: jiff::civil::Date| {
        let zoned = day.to_datetime(clock).to_zoned(zone.clone()).ok()?;
        Some(Time(zoned.timestamp().as_millisecond()))
    };
    at(today).filter(|t| *t <= now).or_else(|| at(today.yesterday().ok()?))
}

/// A time as operators type it: `30m`, `2h`, `1d`, `1h30m`.
pub fn lasting(word: &str) -> Option<Duration> {
    let mut seconds: u64 = 0;
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits] {
            b's' => 1,
            b'm' => 60,
            b'h' => 3600,
            b'd' => 86_400,
            _ => return None,
        };
        seconds = seconds.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Entries in the order of their time.
#[derive(Debug, Default)]
pub struct Timeline {
    entries: VecDeque<Entry>,
}

impl Timeline {
    pub fn new() -> Timeline {
        Timeline::default()
    }

    /// Takes in what an earlier cockpit wrote.
    pub fn remember(&mut self, entries: Vec<Entry>) {
        self.entries.extend(entries);
        self.entries.make_contiguous().sort_by_key(|e| e.at);
        let over = self.entries.len().saturating_sub(HELD);
        self.entries.drain(..over);
    }

    /// Puts an entry in at its time.
    pub fn push(&mut self, entry: Entry) {
        if self.entries.len() == HELD {
            self.entries.pop_front();
        }
        let at = self.entries.partition_point(|e| e.at <= entry.at);
        self.entries.insert(at, entry);
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The entries the filter shows, oldest first.
    pub fn entries<'a>(&'a self, filter: &'a Filter) -> impl DoubleEndedIterator<Item = &'a Entry> {
        self.entries.iter().filter(|e| filter.shows(e))
    }

    /// What the filter shows, as a Markdown report.
    pub fn markdown(&self, title: &str, filter: &Filter) -> String {
        let mut out = format!("# {}\n\n", inline(title));
        let (mut first, mut last) = (None, None);
        let mut body = String::new();
        for e in self.entries(filter) {
            first.get_or_insert(e.at);
            last = Some(e.at);
            let object = e.object.as_ref().map_or(String::new(), |o| inline(&o.to_string()));
            let severity = e.severity.map_or(String::new(), |s| format!("{s} "));
            let cause = if e.cause.is_empty() { String::new() } else { format!(" (`{}`)", e.cause) };
            let _ = writeln!(
                body,
                "| {} | {severity}{} | {object} | {} | {}{cause} |",
                e.at,
                e.what.as_str(),
                inline(&e.who),
                inline(&e.text)
            );
        }
        match (first, last) {
            (Some(first), Some(last)) => {
                let _ = writeln!(out, "From {first} to {last} (UTC).\n");
                out.push_str("| time | what | object | who | text |\n|---|---|---|---|---|\n");
                out.push_str(&body);
            }
            _ => out.push_str("Nothing happened.\n"),
        }
        let proofs = self.entries(filter).filter(|e| !e.detail.is_empty());
        let mut headed = false;
        for e in proofs {
            if !headed {
                out.push_str("\n## Evidence\n");
                headed = true;
            }
            let _ = write!(out, "\n{} {}\n", e.at, inline(&e.text));
            for d in &e.detail {
                let _ = write!(out, "\n- {}", code(d));
            }
            out.push('\n');
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Time {
        Time(1_795_222_800_000 + second * 1000)
    }

    fn pod(name: &str) -> Option<ObjectRef> {
        Some(ObjectRef::new(Kind::Pod, "prod", name))
    }

    #[test]
    fn a_filter_is_read_as_object_window_and_words() {
        let now = Time::parse("2026-11-21T01:20:00Z").unwrap();
        let read = |text: &str| Filter::parse(text, now, &TimeZone::UTC);
        let time = |text: &str| Time::parse(text).unwrap();
        let f = read("01:05..01:10:30 pod/prod/api-0 Image kubectl");
        assert_eq!(f.object, Some(ObjectRef::new(Kind::Pod, "prod", "api-0")));
        assert_eq!(f.from, Some(time("2026-11-21T01:05:00Z")));
        assert_eq!(f.to, Some(time("2026-11-21T01:10:30Z")));
        assert_eq!(f.words, ["image", "kubectl"]);
        // A time of day that is still to come was yesterday's.
        assert_eq!(read("23:30..").from, Some(time("2026-11-20T23:30:00Z")));
        assert_eq!(read("..15m").to, Some(now.minus(Duration::from_secs(900))));
        assert_eq!(read("2026-11-20t10:00:00z..").from, Some(time("2026-11-20T10:00:00Z")));
        let berlin = TimeZone::fixed(jiff::tz::offset(1));
        assert_eq!(Filter::parse("02:00..", now, &berlin).from, Some(time("2026-11-21T01:00:00Z")));
        // What is neither is a word.
        assert_eq!(read("a..b team/api:v2 1.2").words, ["a..b", "team/api:v2", "1.2"]);
        assert_eq!(
            read(&word_of(&ObjectRef::new(Kind::Node, "", "n1"))).object.unwrap().to_string(),
            "node n1"
        );

        let mut t = Timeline::new();
        t.push(Entry::new(at(1), What::Change, pod("a"), "Image v1 → v2").by("kubectl"));
        t.push(Entry::new(at(2), What::Note, Some(ObjectRef::new(Kind::Namespace, "", "prod")), "image"));
        t.push(Entry::new(at(3), What::Note, None, "image"));
        let shown = |text: &str| t.entries(&read(text)).count();
        assert_eq!(
            (shown("image"), shown("image kubectl"), shown("pod/a"), shown("pod/other/a")),
            (3, 1, 1, 0)
        );
        assert_eq!(shown("ns/prod"), 2, "the namespace, and what is in it");
    }

    #[test]
    fn it_is_bounded_filtered_and_exported_without_markup_from_the_cluster() {
        let mut t = Timeline::new();
        for i in 0..(HELD as i64 + 10) {
            t.push(Entry::new(at(i), What::Change, pod(if i % 2 == 0 { "even" } else { "odd" }), "x"));
        }
        assert_eq!(t.len(), HELD);
        let filter =
            Filter { object: pod("even"), from: Some(at(100)), to: Some(at(110)), ..Filter::default() };
        assert_eq!(t.entries(&filter).count(), 6);

        let mut t = Timeline::new();
        let mut e = Entry::new(at(1), What::FindingBegan, pod("a"), "image | tag `v1`\u{1b}[2J <b>");
        e.detail.push("quote with ``` fence\nand a line".into());
        t.push(e);
        let text = t.markdown("Incident", &Filter::default());
        assert!(!text.contains('\u{1b}') && !text.contains("<b>"), "{text}");
        assert!(text.contains("image \\| tag \\`v1\\`"), "{text}");
        assert!(text.contains("```` quote with ``` fence and a line ````"), "{text}");
        let table = text.lines().filter(|l| l.starts_with('|')).count();
        assert_eq!(table, 3, "{text}");
    }
}
