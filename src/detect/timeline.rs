//! The timeline: what changed, findings beginning and ending, walks, actions and notes; bounded in memory, kept in a file.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::world::{Kind, ObjectRef, Time};

use super::finding::{FindingChange, Severity, Turn, WhatChanged};
use super::report::{code, inline};
use super::text::{self, bounded};

/// Entries held in memory.
pub const HELD: usize = 20_000;
/// Bytes of a file before it is set aside as `NAME.1`.
const FILE: u64 = 16 << 20;
/// Longest line that is read back; a longer one is passed over.
const LINE: usize = 64 << 10;

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    Change,
    FindingBegan,
    FindingEnded,
    Walk,
    Action,
    Note,
}

impl What {
    pub fn as_str(self) -> &'static str {
        match self {
            What::Change => "change",
            What::FindingBegan => "finding",
            What::FindingEnded => "resolved",
            What::Walk => "walk",
            What::Action => "action",
            What::Note => "note",
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
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub severity: Option<Severity>,
    /// Quotes and steps under it.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub detail: Vec<String>,
}

impl Entry {
    pub fn new(at: Time, what: What, object: Option<ObjectRef>, text: impl AsRef<str>) -> Entry {
        let text = bounded(text.as_ref(), text::QUOTE);
        Entry { at, what, object, who: String::new(), text, severity: None, detail: Vec::new() }
    }

    pub fn by(mut self, who: impl Into<String>) -> Entry {
        self.who = who.into();
        self
    }

    /// A finding's beginning or end; nothing for what lies between.
    pub fn of_finding(change: &FindingChange, now: Time) -> Option<Entry> {
        let f = &change.finding;
        let what = match change.turn {
            Turn::Began => What::FindingBegan,
            Turn::Resolving => What::FindingEnded,
            Turn::Pending | Turn::Changed | Turn::Ended => return None,
        };
        let mut entry = Entry::new(now, what, Some(f.fix().clone()), format!("{} ({})", f.title, f.cause));
        entry.severity = Some(f.severity);
        if what == What::FindingBegan {
            entry.detail = f.evidence.iter().take(3).map(|e| format!("{}: {}", e.source, e.quote)).collect();
        }
        Some(entry)
    }

    pub fn of_change(change: &WhatChanged) -> Entry {
        Entry::new(change.at, What::Change, Some(change.object.clone()), &change.what)
    }
}

/// Which entries to show; empty shows all.
#[derive(Clone, Default, Debug)]
pub struct Filter {
    /// The object; for a namespace also all that is in it.
    pub object: Option<ObjectRef>,
    pub from: Option<Time>,
    pub to: Option<Time>,
    /// Anywhere in the text, the object or who; in any case.
    pub words: String,
}

impl Filter {
    fn shows(&self, e: &Entry) -> bool {
        let object = self.object.as_ref().is_none_or(|o| {
            e.object
                .as_ref()
                .is_some_and(|have| have == o || (o.kind == Kind::Namespace && have.namespace == o.name))
        });
        let words = self.words.is_empty() || {
            let w = self.words.to_lowercase();
            let has = |t: &str| t.to_lowercase().contains(&w);
            has(&e.text) || has(&e.who) || e.object.as_ref().is_some_and(|o| has(&o.to_string()))
        };
        object && words && self.from.is_none_or(|t| e.at >= t) && self.to.is_none_or(|t| e.at <= t)
    }
}

/// Entries in the order of their time, and the file that outlives the session.
#[derive(Debug, Default)]
pub struct Timeline {
    entries: VecDeque<Entry>,
    file: Option<Journal>,
    /// Why the file is no longer written, where it is not.
    pub trouble: Option<String>,
}

#[derive(Debug)]
struct Journal {
    path: PathBuf,
    file: File,
    bytes: u64,
}

impl Timeline {
    /// A timeline in memory alone.
    pub fn new() -> Timeline {
        Timeline::default()
    }

    /// A timeline kept in `path` (made with its folder where missing, readable by its owner alone); what is already
    /// there is read back.
    ///
    /// # Errors
    /// A sentence where the file cannot be opened.
    pub fn open(path: &Path) -> Result<Timeline, String> {
        let say = |e: io::Error| format!("cannot keep the timeline in {}: {e}", path.display());
        if let Some(dir) = path.parent() {
            std::fs::create_dir_all(dir).map_err(say)?;
        }
        if path.symlink_metadata().is_ok_and(|m| !m.file_type().is_file()) {
            return Err(format!("cannot keep the timeline in {}: it is not a plain file", path.display()));
        }
        let mut entries = VecDeque::new();
        if let Ok(file) = File::open(path) {
            read_back(BufReader::new(file), &mut entries).map_err(say)?;
        }
        let file = append_to(path).map_err(say)?;
        let bytes = file.metadata().map_err(say)?.len();
        let mut timeline = Timeline { entries, ..Timeline::default() };
        timeline.entries.make_contiguous().sort_by_key(|e| e.at);
        timeline.file = Some(Journal { path: path.to_owned(), file, bytes });
        Ok(timeline)
    }

    /// Puts an entry in at its time and appends it to the file. Trouble with the file is kept as a sentence and ends
    /// the writing, never the timeline.
    pub fn push(&mut self, entry: Entry) {
        if let Some(journal) = &mut self.file
            && let Err(e) = journal.write(&entry)
        {
            self.trouble = Some(format!("the timeline is no longer kept in {}: {e}", journal.path.display()));
            self.file = None;
        }
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
            let _ = writeln!(
                body,
                "| {} | {severity}{} | {object} | {} | {} |",
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

impl Journal {
    fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        if self.bytes + line.len() as u64 > FILE {
            let aside = self.path.with_added_extension("1");
            std::fs::rename(&self.path, aside)?;
            self.file = append_to(&self.path)?;
            self.bytes = 0;
        }
        // One write a line: a lost session tears at most the last one.
        self.file.write_all(&line)?;
        self.bytes += line.len() as u64;
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Reads lines back, the newest `HELD` of them; what is torn, foreign or too long is passed over.
fn read_back(mut from: impl BufRead, entries: &mut VecDeque<Entry>) -> io::Result<()> {
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = io::Read::take(&mut from, LINE as u64).read_until(b'\n', &mut line)?;
        if n == 0 {
            return Ok(());
        }
        if let Ok(entry) = serde_json::from_slice::<Entry>(&line) {
            if entries.len() == HELD {
                entries.pop_front();
            }
            entries.push_back(entry);
        }
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
    fn what_was_written_is_there_after_a_lost_session_torn_line_and_all() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state/timeline.jsonl");
        let mut t = Timeline::open(&path).unwrap();
        t.push(Entry::new(at(10), What::Note, None, "paged at 01:00").by("ana"));
        t.push(Entry::new(at(5), What::Change, pod("a"), "image v1 → v2"));
        drop(t);
        let mut file = OpenOptions::new().append(true).open(&path).unwrap();
        file.write_all(b"{\"at\":\"2026-11-21T").unwrap();
        drop(file);

        let t = Timeline::open(&path).unwrap();
        let everything = Filter::default();
        let all: Vec<_> = t.entries(&everything).map(|e| (e.at, e.who.as_str())).collect();
        assert_eq!(all, [(at(5), ""), (at(10), "ana")]);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        std::fs::remove_file(&path).unwrap();
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
            assert!(Timeline::open(&path).unwrap_err().contains("not a plain file"));
        }
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
