//! Reads a container's log: which line decides, what it proves, what it names, how sure that is.
//!
//! Lines become entries (a message with its trace), the rows of the tables match what the entries say, and the
//! candidates are graded: by how much their wording proves, by their level, by their place (the last error of a
//! program that ended weighs most), and by whether the program went on afterwards.

mod allocator;
mod benign;
mod config;
mod files;
mod line;
mod models;
mod network;
mod program;
mod repeat;
mod runtime;
mod services;
mod table;
mod tls;
mod trace;

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use line::{Level, Line};
use table::{Grade, Match};
use trace::Entry;

use super::short;
use crate::judge::log::{CAPABILITY, CONFIG, GPU_FRAGMENTATION, MODEL_OOM_LOADING, OOM_HEAP};
use crate::judge::{Cause, Sure, crash, volume};

pub use repeat::{Repeat, repeats};
pub use trace::Language;

/// What a line names, taken only from the place where its message prints it.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Named {
    Nothing,
    Host { name: String, port: Option<u16> },
    Path(String),
    Module(String),
    Variable(String),
    User(String),
    Port(u16),
    Other(String),
}

impl Named {
    /// As text: `db:5432`, `/data`, `DATABASE_URL`; empty where nothing is named.
    pub fn text(&self) -> String {
        match self {
            Named::Nothing => String::new(),
            Named::Host { name, port: Some(port) } => format!("{name}:{port}"),
            Named::Host { name, port: None } => name.clone(),
            Named::Port(port) => port.to_string(),
            Named::Path(t) | Named::Module(t) | Named::Variable(t) | Named::User(t) | Named::Other(t) => {
                t.clone()
            }
        }
    }
}

/// A line that says why the program ended.
#[derive(Clone, PartialEq, Debug)]
pub struct Proof<'a> {
    /// `crash.application` for a decisive line that no table knows.
    pub cause: Cause,
    /// A few words for a row.
    pub words: String,
    pub named: Named,
    /// The decisive line as printed.
    pub line: &'a str,
    pub sure: Sure,
    /// How many entries say the same.
    pub times: usize,
    /// A table knows the line.
    pub known: bool,
}

/// What the log of a container that ended says.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Answer<'a> {
    pub found: Option<Proof<'a>>,
    /// Other causes that lines of the log speak for, the strongest first; at most three.
    pub also: Vec<Proof<'a>>,
    pub language: Option<Language>,
}

/// A candidate below this is no answer.
const ENOUGH: i32 = 20;
/// Candidates this much weaker than the best one are still shown.
const RIVAL: i32 = 40;
/// A rival this close makes the best one likely only.
const CLOSE: i32 = 8;
/// Entries without an error after which a program has gone on.
const WENT_ON: usize = 20;
/// Entries before a fatal one in which an error explains it.
const NEAR: usize = 10;

struct Candidate<'a> {
    cause: Cause,
    words: String,
    named: Named,
    line: &'a str,
    score: i32,
    strong: bool,
    known: bool,
    entry: usize,
}

/// Reads the end of the log of a container that ended.
pub fn ended(text: &str) -> Answer<'_> {
    let lines = line::lines(text);
    let entries = trace::entries(&lines);
    let said: Vec<Vec<Said>> = entries
        .iter()
        .map(|e| said(&lines, e).into_iter().filter(|s| !s.found.row.only_running).collect())
        .collect();
    let language = entries.iter().rev().find_map(|e| e.language);
    let mut candidates: Vec<Candidate> = Vec::new();
    for (i, entry) in entries.iter().enumerate() {
        if handled_later(&lines, &entries, &said, i) {
            continue;
        }
        let place = i32::try_from(10 * (i + 1) / entries.len()).unwrap_or(10);
        let explains = entries[i + 1..].iter().take(NEAR).any(|e| unknown_fatal(e, &said, &entries));
        let level = severity(entry);
        for s in &said[i] {
            if entry.level == Level::Debug || level <= 4 && s.found.row.grade == Grade::Plain {
                continue;
            }
            let grade = match s.found.row.grade {
                Grade::Exact => 15,
                Grade::Named => 12,
                Grade::Plain => 3,
            };
            let rank = i32::try_from(s.rank.min(3)).unwrap_or(3);
            let cause = cause_in(&lines, &entries, i, s);
            let listens = cause == CAPABILITY && s.found.row.ended != CAPABILITY;
            candidates.push(Candidate {
                cause,
                words: if listens { "may not listen on its port".into() } else { s.found.words.clone() },
                named: s.found.named.clone(),
                line: lines[s.line].raw,
                score: level + grade + place + 6 - 2 * rank + if explains { 8 } else { 0 },
                strong: s.found.row.grade >= Grade::Named && entry.level >= Level::Unknown,
                known: true,
                entry: i,
            });
        }
        if said[i].is_empty() && (entry.level >= Level::Error || entry.uncaught) {
            let at = entry.decisive.first().copied().unwrap_or(entry.range.start);
            if benign::handled(&lines[at].text) {
                continue;
            }
            let weight = if entry.uncaught {
                40
            } else if entry.is_trace() {
                25
            } else {
                14
            };
            candidates.push(Candidate {
                cause: crash::APPLICATION,
                words: short(lines[at].text.trim(), 60),
                named: Named::Nothing,
                line: lines[at].raw,
                score: weight + place,
                strong: false,
                known: false,
                entry: i,
            });
        }
    }
    let (found, also) = ranked(candidates);
    Answer { found, also, language }
}

/// The best candidate and its rivals.
fn ranked(mut candidates: Vec<Candidate>) -> (Option<Proof>, Vec<Proof>) {
    candidates.retain(|c| c.score >= ENOUGH);
    // Among equals the last one wins: it is nearest the end.
    candidates.sort_by(|a, b| b.score.cmp(&a.score).then(b.entry.cmp(&a.entry)));
    let mut times: HashMap<(Cause, String), usize> = HashMap::new();
    for c in &candidates {
        *times.entry((c.cause, c.named.text())).or_default() += 1;
    }
    // A line that names its subject says more than a stronger one of the same cause that names nothing.
    if let Some(first) = candidates.first().filter(|c| c.known && c.named == Named::Nothing)
        && let Some(i) = candidates.iter().position(|c| c.cause == first.cause && c.named != Named::Nothing)
        && candidates[i].strong
    {
        let score = first.score;
        let mut telling = candidates.remove(i);
        telling.score = score;
        candidates.insert(0, telling);
    }
    let Some(best) = candidates.first() else { return (None, Vec::new()) };
    let (cause, score) = (best.cause, best.score);
    let contested = candidates.iter().any(|c| c.cause != cause && c.known && c.score > score - CLOSE);
    let proof = |c: &Candidate<'_>, sure| -> (Cause, String, Named, usize, Sure, bool) {
        let n = times.get(&(c.cause, c.named.text())).copied().unwrap_or(1);
        (c.cause, c.words.clone(), c.named.clone(), n, sure, c.known)
    };
    let mut out: Vec<Proof> = Vec::new();
    for c in &candidates {
        if out.len() > 3 || c.score < score - RIVAL {
            break;
        }
        if out.iter().any(|p| p.cause == c.cause) || (!c.known && !out.is_empty()) {
            continue;
        }
        let sure = if out.is_empty() && c.strong && !contested { Sure::Proved } else { Sure::Likely };
        let (cause, words, named, times, sure, known) = proof(c, sure);
        out.push(Proof { cause, words, named, line: c.line, sure, times, known });
    }
    let mut out = out.into_iter();
    (out.next(), out.collect())
}

/// A row that matched one of an entry's lines.
#[derive(Clone, Debug)]
struct Said {
    line: usize,
    found: Match,
    /// Its line's place among those that decide; 0 is the most telling.
    rank: usize,
}

/// What the lines of an entry say, one for each cause: the most telling line, and of equals the one that names more.
fn said(lines: &[Line], entry: &Entry) -> Vec<Said> {
    let mut out: Vec<Said> = Vec::new();
    for at in entry.range.clone() {
        if !entry.speaks(at) || lines[at].access {
            continue;
        }
        let text = benign::without_zeros(lines[at].text.trim());
        let Some(found) = table::best(&text) else { continue };
        if found.row.grade < Grade::Exact && benign::spoken_of(&text, found.at) || benign::handled(&text) {
            continue;
        }
        let rank = entry.decisive.iter().position(|d| *d == at).unwrap_or(entry.decisive.len());
        let new = Said { line: at, found, rank };
        match out.iter_mut().find(|s| s.found.row.ended == new.found.row.ended) {
            Some(old) => {
                let weight = |s: &Said| {
                    (s.found.named != Named::Nothing, s.found.row.grade, std::cmp::Reverse(s.rank))
                };
                if weight(&new) > weight(old) {
                    *old = new;
                }
            }
            None => out.push(new),
        }
    }
    out.sort_by_key(|s| s.rank);
    out
}

/// Points for how loud an entry is.
fn severity(entry: &Entry) -> i32 {
    let level = match entry.level {
        Level::Fatal => 40,
        Level::Error => 30,
        Level::Unknown if entry.is_trace() => 34,
        Level::Unknown => 24,
        Level::Warning => 12,
        Level::Info => 4,
        Level::Debug => 0,
    };
    if entry.uncaught { level.max(40) } else { level }
}

fn unknown_fatal(entry: &Entry, said: &[Vec<Said>], entries: &[Entry]) -> bool {
    let i = entries.iter().position(|e| e.range == entry.range).unwrap_or(0);
    said[i].is_empty() && (entry.uncaught || entry.level == Level::Fatal)
}

/// Whether the program dealt with what this entry says: it says so, or it went on for long.
fn handled_later(lines: &[Line], entries: &[Entry], said: &[Vec<Said>], i: usize) -> bool {
    let mut normal = 0;
    for (later, entry) in entries.iter().enumerate().skip(i + 1) {
        let first = &lines[entry.range.start];
        if entry.level <= Level::Warning && benign::recovered(&first.text) {
            return true;
        }
        let calm = entry.level <= Level::Unknown && said[later].is_empty() && !entry.is_trace();
        if calm && !benign::farewell(&first.text) {
            normal += 1;
        }
    }
    normal >= WENT_ON
}

/// The cause of a match in its surroundings: memory that runs out while a model loads is the model's.
fn cause_in(lines: &[Line], entries: &[Entry], i: usize, s: &Said) -> Cause {
    let cause = s.found.row.ended;
    // A parser that stumbles while the program reads its settings found a fault of the settings.
    let frames = || entries[i].range.clone().map(|l| lines[l].text.to_ascii_lowercase());
    let reads_settings =
        |t: String| t.trim_start().starts_with("at ") && (t.contains("config") || t.contains("settings"));
    if cause == crash::APPLICATION
        && lines[s.line].text.contains("SyntaxError")
        && lines[s.line].text.contains("JSON")
        && frames().any(reads_settings)
    {
        return CONFIG;
    }
    // A refusal that names no file and stands above a call of bind(2) is about a port.
    let binds = |l: usize| {
        [".bind(", "server_bind", "Net.bind", "bind_sockets"].iter().any(|w| lines[l].text.contains(w))
    };
    if cause == volume::PERMISSION && s.found.named == Named::Nothing && entries[i].range.clone().any(binds) {
        return CAPABILITY;
    }
    if cause != OOM_HEAP || !s.found.words.starts_with("CUDA") {
        return cause;
    }
    if is_fragmented(lines[s.line].raw) {
        return GPU_FRAGMENTATION;
    }
    let loads = |text: &str| {
        ["load_model", "load_weights", "from_pretrained", "load_checkpoint", "load_state_dict"]
            .iter()
            .any(|w| text.contains(w))
    };
    let loading = |text: &str| {
        let text = text.to_ascii_lowercase();
        [
            "loading model",
            "loading weights",
            "loading safetensors",
            "loading checkpoint",
            "starting to load model",
        ]
        .iter()
        .any(|w| text.contains(w))
    };
    let done = |text: &str| {
        let text = text.to_ascii_lowercase();
        [
            "model loaded",
            "loaded model",
            "loading weights took",
            "model loading took",
            "startup complete",
            "ready",
        ]
        .iter()
        .any(|w| text.contains(w))
    };
    let in_frames = entries[i].range.clone().any(|l| loads(&lines[l].text));
    let before = entries[..i].iter().rev().take(WENT_ON).map(|e| &*lines[e.range.start].text);
    let last = before.into_iter().find_map(|t| match (done(t), loading(t)) {
        (true, _) => Some(false),
        (_, true) => Some(true),
        _ => None,
    });
    if in_frames || last == Some(true) { MODEL_OOM_LOADING } else { cause }
}

/// Whether a line says that a GPU's allocator holds enough memory and not in one piece.
fn is_fragmented(line: &str) -> bool {
    allocator::Account::read(line).is_some_and(|a| a.is_fragmented())
}

/// A pattern over bytes: log lines are mostly ASCII, and such patterns compile and match fastest. Every one of them
/// is compiled in a test.
fn pattern(text: &str) -> Option<regex::bytes::Regex> {
    regex::bytes::RegexBuilder::new(text).unicode(false).build().ok()
}

/// What a group matched; empty where it cut a character.
fn text<'t>(found: regex::bytes::Match<'t>) -> &'t str {
    std::str::from_utf8(found.as_bytes()).unwrap_or("")
}
