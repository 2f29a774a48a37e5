//! What the last lines of a crashed container's log prove, and which tails to fetch: one a workload, container and restart.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::LazyLock;

use regex::Regex;

use crate::world::ask::LogTail;
use crate::world::{ObjectRef, Text, Time};

use super::pattern;
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

struct Pattern {
    cause: &'static str,
    regex: Regex,
    /// `$1` is what the pattern caught.
    title: &'static str,
    row: &'static str,
    host: bool,
}

/// In the order in which they are believed: what is closest to the root first.
static PATTERNS: LazyLock<Vec<Pattern>> = LazyLock::new(|| {
    let p =
        |cause, regex: &str, title, row| Pattern { cause, regex: pattern(regex), title, row, host: false };
    let host =
        |cause, regex: &str, title, row| Pattern { cause, regex: pattern(regex), title, row, host: true };
    vec![
        p(
            "gpu.driver-mismatch",
            r"(?i)()driver/library version mismatch",
            "the GPU driver loaded on the node differs from its libraries",
            "GPU driver mismatch",
        ),
        p(
            "gpu.plugin",
            r"(?i)(could not load NVML library|ERROR_LIBRARY_NOT_FOUND|Failed to initialize NVML)",
            "NVML cannot be loaded: $1",
            "NVML not loadable",
        ),
        p(
            "model.oom-loading",
            r"(?i)(?:loading|load) (?:the )?(?:model|weights|checkpoint)[^\n]{0,120}(out of memory|OutOfMemory)",
            "the model does not fit into memory while loading",
            "model does not fit",
        ),
        p(
            "crash.oom-heap",
            r"java\.lang\.OutOfMemoryError: ([^\n]+)",
            "the JVM ran out of memory: $1",
            "JVM: $1",
        ),
        p(
            "crash.oom-heap",
            r"(?:torch(?:\.cuda)?\.OutOfMemoryError|CUDA out of memory)[^\n]*?Tried to allocate ([0-9.]+ [KMGT]iB)",
            "CUDA out of memory: tried to allocate $1",
            "CUDA out of memory",
        ),
        p(
            "crash.oom-heap",
            r"(?i)()(?:torch\.cuda\.)?OutOfMemoryError|CUDA out of memory|CUDA error: out of memory",
            "CUDA out of memory",
            "CUDA out of memory",
        ),
        p(
            "crash.oom-heap",
            r"()JavaScript heap out of memory",
            "Node.js ran out of heap",
            "Node.js heap out of memory",
        ),
        p(
            "crash.oom-heap",
            r"()(?:runtime error|runtime): out of memory|fatal error: runtime: cannot allocate memory",
            "the Go runtime ran out of memory",
            "Go out of memory",
        ),
        p(
            "image.platform",
            r"()exec format error",
            "the image is not built for this node",
            "exec format error",
        ),
        p(
            "crash.dependency",
            r"Cannot find (?:module|package) '([^']+)'",
            "module $1 is missing from the image",
            "module $1 missing",
        ),
        p(
            "crash.dependency",
            r"(?:ModuleNotFoundError|ImportError): No module named '?([a-zA-Z0-9_.]+)",
            "Python module $1 is missing from the image",
            "module $1 missing",
        ),
        p(
            "crash.dependency",
            r"error while loading shared libraries: ([^\s:]+)",
            "shared library $1 is missing from the image",
            "$1 missing",
        ),
        p(
            "crash.dependency",
            r"(?:java\.lang\.)?(?:ClassNotFoundException|NoClassDefFoundError): ([a-zA-Z0-9_./$]+)",
            "Java class $1 is missing from the image",
            "class $1 missing",
        ),
        p(
            "crash.dependency",
            r"ImportError: (lib[^\s:]+): cannot open shared object file",
            "shared library $1 is missing from the image",
            "$1 missing",
        ),
        p(
            "crash.incompatible",
            r"(version `?(?:GLIBC|GLIBCXX)_[0-9.]+'? not found|UnsupportedClassVersionError|CUDA driver version is insufficient)",
            "versions do not fit: $1",
            "incompatible version",
        ),
        host(
            "crash.unreachable",
            r"getaddrinfo (?:ENOTFOUND|EAI_AGAIN) ([a-zA-Z0-9_.-]+)",
            "host $1 does not resolve",
            "cannot resolve $1",
        ),
        host(
            "crash.unreachable",
            r"lookup ([a-zA-Z0-9_.-]+)(?: on [^\s:]+(?::\d+)?)?: (?:no such host|server misbehaving|i/o timeout)",
            "host $1 does not resolve",
            "cannot resolve $1",
        ),
        host(
            "crash.unreachable",
            r#"could not translate host name "([a-zA-Z0-9_.-]+)""#,
            "host $1 does not resolve",
            "cannot resolve $1",
        ),
        host(
            "crash.unreachable",
            r"java\.net\.UnknownHostException: ([a-zA-Z0-9_.-]+)",
            "host $1 does not resolve",
            "cannot resolve $1",
        ),
        host(
            "crash.unreachable",
            r"(?:can't resolve '|server can't find |could not resolve host: ?)([a-zA-Z0-9_.-]+)",
            "host $1 does not resolve",
            "cannot resolve $1",
        ),
        host(
            "crash.unreachable",
            r#"connection to server at "([a-zA-Z0-9_.-]+)"[^\n]{0,80}failed: (?:Connection refused|timeout|Connection timed out)"#,
            "server $1 does not accept connections",
            "$1 unreachable",
        ),
        host(
            "crash.unreachable",
            r"dial tcp ([a-zA-Z0-9_.:\[\]-]+): (?:connect: connection refused|i/o timeout|connect: no route to host)",
            "$1 does not accept connections",
            "$1 unreachable",
        ),
        host(
            "crash.unreachable",
            r"connect (?:ECONNREFUSED|ETIMEDOUT|EHOSTUNREACH) ([a-zA-Z0-9_.:-]+)",
            "$1 does not accept connections",
            "$1 unreachable",
        ),
        p(
            "crash.unreachable",
            r"()(?:Connection refused|Connection timed out|Name or service not known|Temporary failure in name resolution)",
            "something it needs cannot be reached",
            "dependency unreachable",
        ),
        p(
            "rbac.forbidden",
            r#"(\S+) is forbidden: User "system:serviceaccount:"#,
            "the API server refuses what it asks for: $1 is forbidden",
            "forbidden by RBAC",
        ),
        p(
            "model.corrupt",
            r"(?i)(SafetensorError|invalid header|checksum mismatch|corrupt(?:ed)? (?:model|weights|checkpoint|file)|UnpicklingError)",
            "the model's files do not read: $1",
            "model corrupt",
        ),
        p(
            "model.path",
            r"(?i)()(?:failed to load model[^\n]{0,120}(?:no such file|not found|does not exist)|(?:model|weights|checkpoint)[^\n]{0,80}(?:no such file or directory|does not exist|not found)|No such file or directory: '[^']*(?:model|weights|checkpoint|safetensors))",
            "the model's files are not where the server looks for them",
            "model not found",
        ),
        p(
            "crash.config",
            r"(?i)(?:missing|required|undefined|unset|must set|must be set|not set)[^\n]{0,40}(?:environment variable|env(?:ironment)? var|env)\b[: ]*'?([A-Z][A-Z0-9_]+)?",
            "it misses configuration: $1",
            "configuration missing",
        ),
        p(
            "crash.config",
            r"(?:environment variable|env var|variable) '?([A-Z][A-Z0-9_]{2,80})'? (?:is )?(?:not set|required|missing|undefined|must be set)",
            "it misses configuration: environment variable $1 is not set",
            "$1 not set",
        ),
        p(
            "crash.config",
            r"\b([A-Z][A-Z0-9_]{2,80}) (?:is )?(?:not set|must be set|is required|is missing)\b",
            "it misses configuration: $1 is not set",
            "$1 not set",
        ),
        p("crash.config", r"KeyError: '([A-Z][A-Z0-9_]{2,80})'", "it misses configuration: $1", "$1 not set"),
        p(
            "crash.config",
            r"(?i)((?:invalid|bad|malformed|cannot parse|could not parse|failed to parse|failed to load|error (?:parsing|reading|loading)) (?:the )?(?:config(?:uration)?|yaml|json|toml|properties)[^\n]{0,80})",
            "it refuses its configuration: $1",
            "bad configuration",
        ),
        p(
            "crash.config",
            r"(?i)((?:unknown|unrecognized|invalid|unexpected) (?:flag|option|argument|command line option)s?:? [^\n]{1,60})",
            "it refuses its arguments: $1",
            "bad arguments",
        ),
    ]
});

/// What the text proves: the first pattern, in the order of belief, that any of its lines matches; of those lines the last.
pub fn find(text: &str) -> Option<Found> {
    PATTERNS.iter().find_map(|p| {
        let m = p.regex.captures_iter(text).last()?;
        let all = m.get(0)?;
        let from = text[..all.start()].rfind('\n').map_or(0, |i| i + 1);
        let to = text[all.end()..].find('\n').map_or(text.len(), |i| all.end() + i);
        let caught = m.get(1).map_or("", |g| g.as_str()).trim().trim_end_matches(['.', ':']);
        let fill = |t: &str| t.replace("$1", caught).trim_end_matches([':', ' ']).to_owned();
        Some(Found {
            cause: p.cause,
            title: bounded(&fill(p.title), text::TITLE),
            row: bounded(&fill(p.row), text::ROW),
            line: bounded(&text[from..to], text::QUOTE),
            host: (p.host && !caught.is_empty()).then(|| caught.to_owned()),
        })
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
                "pods is forbidden: User \"system:serviceaccount:prod:api\" cannot list resource",
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
