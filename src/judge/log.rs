//! What the last lines of a crashed container's log prove.

use std::collections::HashMap;

use crate::judge::patterns;
use crate::world::ask::LogTail;
use crate::world::{ObjectRef, Text, Time};

use super::registry::{Cause, causes};
use super::text::{self, bounded};

const LOGLINE: &str = "last lines of the log; the runtimes' own wordings";
const WHY_CRASH: &str =
    "a restart loop serves nobody, loses work in flight, and hides its cause in a log that is soon gone";
const WHY_RBAC: &str = "the program runs and is refused by the API server: it looks like a fault of its own";
const WHY_MODEL: &str = "a server without its model answers nothing, and takes minutes to say so";
const WHY_VOLUME: &str = "the pod waits for its data, or cannot write any more";

causes! {
    OOM_HEAP = "crash.oom-heap" Critical Log("pods, previous log") tree "pod":
        "the runtime inside runs out of heap: JVM, Node, Go, CUDA",
        why WHY_CRASH, source LOGLINE;
    DEPENDENCY = "crash.dependency" Critical Log("pods, previous log") tree "pod":
        "a module or library is missing from the image",
        why WHY_CRASH, source LOGLINE;
    UNREACHABLE = "crash.unreachable" Critical Log("pods, services, previous log") tree "pod":
        "a host it needs does not resolve or answer; says whether that Service exists",
        why WHY_CRASH, source LOGLINE;
    CONFIG = "crash.config" Critical Log("pods, previous log") tree "pod":
        "it reports bad or missing configuration",
        why WHY_CRASH, source LOGLINE;
    INCOMPATIBLE = "crash.incompatible" Critical Log("pods, previous log") tree "pod":
        "versions do not fit",
        why WHY_CRASH, source LOGLINE;
    RBAC_FORBIDDEN = "rbac.forbidden" Critical Log("pods, previous log") tree "pod":
        "the API server refuses what the workload asks for",
        why WHY_RBAC, source LOGLINE;
    MODEL_PATH = "model.path" Critical Log("pods, previous log") tree "pod":
        "the model's files are not where the server looks for them",
        why WHY_MODEL, source LOGLINE;
    MODEL_CORRUPT = "model.corrupt" Critical Log("pods, previous log") tree "pod":
        "the model's files do not read as they should",
        why WHY_MODEL, source LOGLINE;
    MODEL_OOM_LOADING = "model.oom-loading" Critical Log("pods, previous log") tree "pod":
        "the model does not fit into memory while loading",
        why WHY_MODEL, source LOGLINE;
    VOLUME_FULL = "volume.full" Critical Log("pods, previous log") tree "pod":
        "no space is left where the program writes",
        why WHY_VOLUME, source LOGLINE;
}

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
    pub cause: Cause,
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

/// What the logs said that were read so far. An answer belongs to its pod, whoever turns out to own that.
#[derive(Debug, Default)]
pub struct Answers(HashMap<(ObjectRef, Text), Vec<LogAnswer>>);

impl Answers {
    /// The answer for a container of a pod: its own, else one of a pod of the same workload.
    pub fn get(&self, root: &ObjectRef, pod: &Text, container: &Text) -> Option<&LogAnswer> {
        let all = self.0.get(&(root.clone(), container.clone()))?;
        let own = all.iter().find(|a| a.pod == *pod);
        let telling = |a: &&LogAnswer| a.found.is_some();
        own.filter(telling).or_else(|| all.iter().find(telling)).or(own).or(all.first())
    }

    /// Takes in what a tail said. A proof is not given up because the next log is gone.
    pub fn put(&mut self, root: &ObjectRef, container: &Text, answer: LogAnswer) {
        let all = self.0.entry((root.clone(), container.clone())).or_default();
        match all.iter_mut().find(|a| a.pod == answer.pod) {
            Some(old) if answer.absent.is_some() && old.found.is_some() => old.restarts = answer.restarts,
            Some(old) => *old = answer,
            None => all.push(answer),
        }
    }

    /// Moves a pod's answers to the workload that turned out to own it.
    pub fn adopt(&mut self, from: &ObjectRef, to: &ObjectRef, pod: &Text, container: &Text) {
        let Some(all) = self.0.get_mut(&(from.clone(), container.clone())) else { return };
        let moved: Vec<LogAnswer> = all.extract_if(.., |a| a.pod == *pod).collect();
        self.0.retain(|_, all| !all.is_empty());
        moved.into_iter().for_each(|answer| self.put(to, container, answer));
    }

    /// Forgets what was said about a workload that is well or gone.
    pub fn forget(&mut self, root: &ObjectRef) {
        self.0.retain(|(r, _), _| r != root);
    }
}

/// Reads the answer to a tail that was asked for: its text, or why there is none.
pub fn read(pod: &Text, restarts: u32, answer: Result<&str, &str>, now: Time) -> LogAnswer {
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
    LogAnswer { pod: pod.clone(), restarts, at: now, found, last, absent }
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
    let unreachable = clue.cause == UNREACHABLE && !subject.is_empty();
    let resolves = !clue.words.contains("does not resolve");
    let (title, row) = match clue.cause {
        DEPENDENCY => (format!("{subject} is missing from the image"), clue.words),
        UNREACHABLE if unreachable && !resolves => {
            (format!("host {subject} does not resolve"), format!("cannot resolve {subject}"))
        }
        UNREACHABLE if unreachable => {
            (format!("{subject} cannot be reached"), format!("cannot reach {subject}"))
        }
        CONFIG => (format!("it refuses its configuration: {}", clue.words), clue.words),
        RBAC_FORBIDDEN => (format!("the API server refuses what it asks for: {}", clue.words), clue.words),
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
        find(text).map(|f| f.cause.id())
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
}
