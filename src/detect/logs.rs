//! What the last lines of a crashed container's log prove, and which tails to fetch: one a workload, container and restart.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::world::ask::LogTail;
use crate::world::patterns;
use crate::world::{ObjectRef, Text, Time};

use super::text::{self, bounded};

/// Tails fetched at the same time.
const IN_FLIGHT: usize = 4;
/// Bytes of a tail that are looked at: its end.
const READ: usize = 32 * 1024;
/// Lines quoted where no pattern matches.
const QUOTED: usize = 3;

/// A tail that would refine a finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Want {
    pub root: ObjectRef,
    pub restarts: u32,
    pub tail: LogTail,
}

/// What a log line proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    pub cause: &'static str,
    pub title: String,
    pub row: String,
    pub line: String,
    /// The host that cannot be reached, where the line names one.
    pub host: Option<String>,
}

#[derive(Clone, PartialEq, Debug)]
pub struct LogAnswer {
    pub pod: Text,
    pub restarts: u32,
    pub at: Time,
    pub found: Option<Found>,
    /// The last lines, where nothing was found in them.
    pub last: Vec<String>,
    /// Why there is no log, where there is none.
    pub absent: Option<String>,
}

impl LogAnswer {
    pub fn quotes(&self) -> impl Iterator<Item = &str> {
        let found = self.found.iter().map(|f| f.line.as_str());
        found.chain(self.last.iter().map(String::as_str)).chain(self.absent.as_deref())
    }
}

#[derive(Debug, Default)]
pub struct LogBook {
    answers: HashMap<(ObjectRef, Text), LogAnswer>,
    queue: VecDeque<Want>,
    /// By tail: what it is for.
    flying: HashMap<LogTail, Want>,
    asked: HashSet<(ObjectRef, Text, u32)>,
}

impl LogBook {
    pub fn answer(&self, root: &ObjectRef, container: &Text) -> Option<&LogAnswer> {
        self.answers.get(&(root.clone(), container.clone()))
    }

    pub fn want(&mut self, want: Want) {
        let key = (want.root.clone(), want.tail.container.clone(), want.restarts);
        if self.asked.insert(key) {
            self.queue.push_back(want);
        }
    }

    /// Tails to fetch now; each must be answered with `settle`, with its text or the error.
    pub fn take(&mut self) -> Vec<LogTail> {
        let mut out = Vec::new();
        while self.flying.len() < IN_FLIGHT {
            let Some(want) = self.queue.pop_front() else { break };
            if !self.flying.contains_key(&want.tail) {
                out.push(want.tail.clone());
                self.flying.insert(want.tail.clone(), want);
            }
        }
        out
    }

    /// Takes an answer in; the workload whose pods are to be judged again.
    pub fn settle(&mut self, tail: &LogTail, answer: Result<&str, &str>, now: Time) -> Option<ObjectRef> {
        let want = self.flying.remove(tail)?;
        let (found, last, absent) = match answer {
            // The API answers 200 with this text where the runtime has dropped the log.
            Ok(text) if text.starts_with("unable to retrieve container logs") => {
                (None, Vec::new(), Some("the log of that run is gone".to_owned()))
            }
            Ok(text) => {
                let text = end_of(text);
                match find(text) {
                    Some(found) => (Some(found), Vec::new(), None),
                    None => {
                        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty());
                        let all: Vec<&str> = lines.collect();
                        let from = all.len().saturating_sub(QUOTED);
                        let last: Vec<_> = all[from..].iter().map(|l| bounded(l, text::QUOTE)).collect();
                        let absent = last.is_empty().then(|| "its log is empty".to_owned());
                        (None, last, absent)
                    }
                }
            }
            Err(why) => (None, Vec::new(), Some(format!("its log could not be read: {why}"))),
        };
        let key = (want.root.clone(), tail.container.clone());
        // A proof is not given up because the next log is gone.
        let keep = absent.is_some() && self.answers.get(&key).is_some_and(|a| a.found.is_some());
        if keep {
            if let Some(a) = self.answers.get_mut(&key) {
                a.restarts = want.restarts;
            }
        } else {
            let answer =
                LogAnswer { pod: tail.pod.clone(), restarts: want.restarts, at: now, found, last, absent };
            self.answers.insert(key, answer);
        }
        Some(want.root)
    }

    /// Forgets what was asked and answered about a workload that is well or gone.
    pub fn forget(&mut self, root: &ObjectRef) {
        if !self.asked.is_empty() {
            self.asked.retain(|(r, _, _)| r != root);
            self.answers.retain(|(r, _), _| r != root);
            self.queue.retain(|w| w.root != *root);
        }
    }
}

fn end_of(text: &str) -> &str {
    let mut from = text.len().saturating_sub(READ);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// What the text proves: the most telling of its lines, the last of those that tell the same.
pub fn find(text: &str) -> Option<Found> {
    let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
    let (clue, line) = patterns::log(&lines)?;
    let subject = &clue.subject;
    let unreachable = clue.cause == "crash.unreachable" && !subject.is_empty();
    let resolves = !clue.words.contains("does not resolve");
    let (title, row) = match clue.cause {
        "crash.dependency" => (format!("{subject} is missing from the image"), clue.words),
        "crash.unreachable" if unreachable && !resolves => {
            (format!("host {subject} does not resolve"), format!("cannot resolve {subject}"))
        }
        "crash.unreachable" if unreachable => {
            (format!("{subject} cannot be reached"), format!("cannot reach {subject}"))
        }
        "crash.config" => (format!("it refuses its configuration: {}", clue.words), clue.words),
        "rbac.forbidden" => (format!("the API server refuses what it asks for: {}", clue.words), clue.words),
        _ => (clue.words.clone(), clue.words),
    };
    Some(Found {
        cause: clue.cause,
        title: bounded(&title, text::TITLE),
        row: bounded(&row, text::ROW),
        line: text::quoted(line, text::QUOTE),
        host: unreachable.then_some(clue.subject),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(text: &str) -> Option<&'static str> {
        find(text).map(|f| f.cause)
    }

    /// Lines as the runtimes print them (captures/logs, the source documents, the runtimes' own sources); each near
    /// miss keeps the words and drops what decides.
    #[test]
    fn log_lines_prove_their_cause_and_near_misses_prove_none() {
        let cases = [
            ("Error: Cannot find module 'missing-dependency'\n    at x", Some("crash.dependency")),
            ("Found module 'missing-dependency'", None),
            ("ModuleNotFoundError: No module named 'torch'", Some("crash.dependency")),
            (
                "./app: error while loading shared libraries: libfoo.so.1: cannot open",
                Some("crash.dependency"),
            ),
            (
                "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local",
                Some("crash.unreachable"),
            ),
            ("getaddrinfo returned 10.0.0.1 for database", None),
            (
                "psql: error: connection to server at \"db\" (10.1.2.3), port 5432 failed: Connection refused",
                Some("crash.unreachable"),
            ),
            ("dial tcp: lookup cache.prod on 10.96.0.10:53: no such host", Some("crash.unreachable")),
            (
                "Exception in thread \"main\" java.lang.OutOfMemoryError: Java heap space",
                Some("crash.oom-heap"),
            ),
            ("java -XX:+ExitOnOutOfMemory is set", None),
            (
                "torch.cuda.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has",
                Some("crash.oom-heap"),
            ),
            ("KeyError: 'DATABASE_URL'", Some("crash.config")),
            ("FATAL: environment variable DATABASE_URL is not set", Some("crash.config")),
            ("environment variable DATABASE_URL is fine", None),
            (
                "pods is forbidden: User \"system:serviceaccount:prod:api\" cannot list resource \"pods\" in API group",
                Some("rbac.forbidden"),
            ),
            ("nvml error: driver/library version mismatch", Some("gpu.driver-mismatch")),
            ("Failed to initialize NVML: could not load NVML library.", Some("gpu.plugin")),
            ("waiting", None),
            ("", None),
        ];
        for (text, want) in cases {
            assert_eq!(cause(text), want, "{text}");
        }
        let found =
            find("a\nError: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local\nb").unwrap();
        assert_eq!(found.line, "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local");
        assert_eq!(found.host.as_deref(), Some("database-new.production.svc.cluster.local"));
    }

    #[test]
    fn four_tails_fly_at_once_and_each_is_asked_for_once() {
        let mut book = LogBook::default();
        let want = |i: usize| Want {
            root: ObjectRef::new(crate::world::Kind::Deployment, "prod", format!("d{i}")),
            restarts: 3,
            tail: LogTail {
                namespace: "prod".into(),
                pod: format!("p{i}").into(),
                container: "c".into(),
                previous: true,
                tail: 50,
            },
        };
        for i in 0..6 {
            book.want(want(i));
            book.want(want(i));
        }
        let first = book.take();
        assert_eq!(first.len(), 4);
        assert!(book.take().is_empty());
        let root = book.settle(&first[0], Ok("Cannot find module 'x'"), Time(1));
        assert_eq!(root, Some(want(0).root));
        assert_eq!(book.take().len(), 1);
        assert_eq!(book.answer(&want(0).root, &"c".into()).unwrap().restarts, 3);
        book.want(want(0));
        assert_eq!(book.queue.len(), 1, "asked again for the same restart");
    }
}
