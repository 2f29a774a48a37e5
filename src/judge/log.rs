//! What the last lines of a crashed container's log prove.

use std::collections::HashMap;

use crate::judge::patterns::log::{Language, Named, Proof, Repeat, ended, repeats};
use crate::world::ask::LogTail;
use crate::world::{Kind, ObjectRef, Text, Time};

use super::evidence::Sure;
use super::registry::{Cause, causes};
use super::text::{self, bounded};

const LOGLINE: &str = "last lines of the log; the runtimes' own wordings";
const WHY_CRASH: &str =
    "a restart loop serves nobody, loses work in flight, and hides its cause in a log that is soon gone";
const WHY_RBAC: &str = "the program runs and is refused by the API server: it looks like a fault of its own";
const WHY_MODEL: &str = "a server without its model answers nothing, and takes minutes to say so";
const REPEATED: &str = "the tail of the log, read where something else about the pod is odd: at least 3 times and still going on";
const WHY_RUNNING: &str = "the pod looks well and part of what it serves fails; nothing restarts it";
const WHY_TLS: &str = "every connection that needs it fails, and retries do not help";
const WHY_USER: &str = "the program may not do what it needs, and each new pod fails the same way";
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
    VOLUME_QUOTA = "volume.quota" Critical Log("pods, log") tree "pod":
        "the disk quota is used up where the program writes",
        why WHY_VOLUME, source LOGLINE;
    SHARED_WRITERS = "volume.shared-writers" Critical Log("pods, previous log") tree "pod":
        "another process holds the lock of the program's data directory",
        why "two writers on one volume damage the data; the lock is what keeps them apart", source LOGLINE;
    PORT_IN_USE = "crash.port-in-use" Critical Log("pods, previous log") tree "pod":
        "another process already listens on its port",
        why WHY_CRASH, source LOGLINE;
    THREADS = "crash.threads" Critical Log("pods, previous log") tree "pod":
        "no more threads or processes can be created",
        why WHY_CRASH, source LOGLINE;
    OPEN_FILES = "crash.open-files" Critical Log("pods, previous log") tree "pod":
        "no more files, sockets or watches can be opened",
        why WHY_CRASH, source LOGLINE;
    JVM_METASPACE = "jvm.metaspace" Critical Log("pods, previous log") tree "pod":
        "the JVM's space for classes is full",
        why WHY_CRASH, source LOGLINE;
    JVM_HEAP_OVER_LIMIT = "jvm.heap-over-limit" Critical Log("pods, previous log") tree "pod":
        "the JVM is told to take more memory than it can reserve",
        why WHY_CRASH, source LOGLINE;
    POOL_EXHAUSTED = "pool.exhausted" Critical Log("pods, previous log") tree "pod":
        "the program ends because no connection is left in a pool or at its database",
        why WHY_CRASH, source LOGLINE;
    MODEL_INCOMPATIBLE = "model.incompatible" Critical Log("pods, previous log") tree "pod":
        "the server does not support this model",
        why WHY_MODEL, source LOGLINE;
    MODEL_TRANSFER_INCOMPLETE = "model.transfer-incomplete" Critical Log("pods, previous log") tree "pod":
        "the model's files are not all there",
        why WHY_MODEL, source LOGLINE;
    GPU_HUNG_COLLECTIVE = "gpu.hung-collective" Critical Log("pods, log") tree "pod":
        "a collective operation of several GPUs hangs until its timeout",
        why "one slow or lost rank stops the whole job, and every GPU of it idles", source LOGLINE;
    GPU_FRAGMENTATION = "gpu.fragmentation" Critical Log("pods, log") tree "pod":
        "an allocation on a GPU fails though the allocator holds enough memory that it does not use",
        why "the GPU looks full, a larger one would help for a while only, and a restart gives the memory back",
        source "PyTorch's account in its error: reserved but unallocated against the size it tried to allocate";
    CUDA_ERROR = "gpu.cuda-error" Critical Log("pods, log") tree "pod":
        "a running container keeps failing at its GPU calls; most such errors last until the process restarts",
        why "the pod looks well and every request that needs the GPU fails", source REPEATED;
    CERT_EXPIRED = "cert.expired" Critical Log("pods, log") tree "pod":
        "a certificate has expired",
        why WHY_TLS, source LOGLINE;
    CERT_NOT_YET = "cert.not-yet" Critical Log("pods, log") tree "pod":
        "a certificate is not valid yet, or a clock is wrong",
        why WHY_TLS, source LOGLINE;
    CERT_HOSTNAME = "cert.hostname" Critical Log("pods, log") tree "pod":
        "a certificate is for other names than the one asked for",
        why WHY_TLS, source LOGLINE;
    CERT_UNTRUSTED = "cert.untrusted" Critical Log("pods, log") tree "pod":
        "a certificate's issuer is not trusted",
        why WHY_TLS, source LOGLINE;
    CERT_KEY_MISMATCH = "cert.key-mismatch" Critical Log("pods, log") tree "pod":
        "a certificate and its private key do not belong together",
        why WHY_TLS, source LOGLINE;
    CERT_FORMAT = "cert.format" Critical Log("pods, log") tree "pod":
        "a certificate or key file cannot be read",
        why WHY_TLS, source LOGLINE;
    READ_ONLY_FS = "config.read-only-fs" Critical Log("pods, log") tree "pod":
        "the program writes where its file system is read-only",
        why WHY_USER, source LOGLINE;
    CAPABILITY = "config.capability" Critical Log("pods, log") tree "pod":
        "the program needs a capability that it has not",
        why WHY_USER, source LOGLINE;
    USER = "config.user" Critical Log("pods, log") tree "pod":
        "the program refuses its user, or the user is not known in the image",
        why WHY_USER, source "waiting.message; last lines of the log";
    LOG_TLS = "log.tls" Warning Log("pods, log") tree "pod":
        "a running container keeps failing at TLS handshakes",
        why WHY_RUNNING, source REPEATED;
    LOG_DNS = "log.dns" Warning Log("pods, services, log") tree "pod":
        "a running container keeps asking for a name that does not resolve",
        why WHY_RUNNING, source REPEATED;
    LOG_REFUSED = "log.refused" Warning Log("pods, services, log") tree "pod":
        "a running container keeps finding a peer that does not answer",
        why WHY_RUNNING, source REPEATED;
    LOG_POOL = "log.pool" Warning Log("pods, log") tree "pod":
        "a running container keeps waiting for a connection of a pool that is used up",
        why WHY_RUNNING, source REPEATED;
    LOG_PERMISSION = "log.permission" Warning Log("pods, log") tree "pod":
        "a running container keeps being refused a file, a table or an API",
        why WHY_RUNNING, source REPEATED;
    LOG_ERROR = "log.error" Warning Log("pods, log") tree "pod":
        "a running container keeps printing an error that no other rule knows; it is quoted, and never more than likely",
        why WHY_RUNNING, source REPEATED;
    CONTAINER_SECURITY = "container.security" Critical Log("pods, log") tree "pod":
        "AppArmor or seccomp refuses the container or a system call of it",
        why WHY_USER, source "waiting.message, status.reason; last lines of the log";
}

/// Bytes of a tail that are looked at: its end.
const READ: usize = 64 * 1024;
/// Lines quoted where no pattern matches.
const QUOTED: usize = 3;

/// What a tail is read for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Tail {
    /// Why the container ended.
    Ended,
    /// What the container, which runs, repeats.
    Running,
    /// The same, because somebody asks about the pod: it waits for no budget.
    Asked,
}

/// A tail that would refine a finding.
#[derive(Clone, PartialEq, Debug)]
pub struct Want {
    /// The workload; the pod itself for a running container, whose log speaks for this pod alone.
    pub root: ObjectRef,
    pub restarts: u32,
    pub kind: Tail,
    pub tail: LogTail,
}

/// What the decisive line of a log proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// `crash.application` where the line decides and no table knows it.
    pub cause: Cause,
    pub title: String,
    pub row: String,
    pub line: String,
    /// The host that cannot be reached, where the line names one; without its port.
    pub host: Option<String>,
    /// The file or directory that it names.
    pub path: Option<String>,
    pub sure: Sure,
}

#[derive(Clone, PartialEq, Debug)]
pub struct LogAnswer {
    pub pod: Text,
    pub restarts: u32,
    pub at: Time,
    pub found: Option<Found>,
    /// Lines that speak for other causes, the strongest first.
    pub also: Vec<String>,
    pub language: Option<Language>,
    /// The last lines, where nothing was found in them.
    pub last: Vec<String>,
    /// Why there is no log, where there is none.
    pub absent: Option<String>,
}

impl LogAnswer {
    pub fn quotes(&self) -> impl Iterator<Item = &str> {
        let found = self.found.iter().map(|f| f.line.as_str());
        let rest = self.also.iter().chain(&self.last).map(String::as_str);
        found.chain(rest).chain(self.absent.as_deref())
    }
}

/// An error that a running container repeats.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Repeated {
    pub cause: Cause,
    pub title: String,
    pub row: String,
    /// The last line that says it.
    pub line: String,
    /// The host that it names, without its port.
    pub host: Option<String>,
    /// The file or directory that it names.
    pub path: Option<String>,
    pub sure: Sure,
    pub count: usize,
    pub first: Option<Time>,
    pub last: Option<Time>,
}

impl Repeated {
    /// `6 times in 50 s`, as far as the lines carry times.
    pub fn counted(&self) -> String {
        match self.first.zip(self.last).map(|(a, b)| (b.0 - a.0) / 1000) {
            Some(s) if s > 0 => format!("{} times in {s} s in the tail of its log", self.count),
            _ => format!("{} times in the tail of its log", self.count),
        }
    }
}

/// What the log of a running container repeats.
#[derive(Clone, PartialEq, Debug)]
pub struct RunningAnswer {
    pub restarts: u32,
    pub at: Time,
    pub repeated: Vec<Repeated>,
    /// Why there is no log, where there is none.
    pub absent: Option<String>,
}

/// Pods whose running answers are kept; beyond that the oldest go.
const KEPT: usize = 500;

/// What the logs said that were read so far.
#[derive(Debug, Default)]
pub struct Answers {
    /// By workload and container. An answer belongs to its pod, whoever turns out to own that.
    ended: HashMap<(ObjectRef, Text), Vec<LogAnswer>>,
    /// By pod and container.
    running: HashMap<(ObjectRef, Text), RunningAnswer>,
}

impl Answers {
    /// The answer for a container of a pod: its own, else one of a pod of the same workload.
    pub fn get(&self, root: &ObjectRef, pod: &Text, container: &Text) -> Option<&LogAnswer> {
        let all = self.ended.get(&(root.clone(), container.clone()))?;
        let own = all.iter().find(|a| a.pod == *pod);
        let telling = |a: &&LogAnswer| a.found.is_some();
        own.filter(telling).or_else(|| all.iter().find(telling)).or(own).or(all.first())
    }

    /// What a running container of that pod repeats.
    pub fn running(&self, pod: &ObjectRef, container: &Text) -> Option<&RunningAnswer> {
        self.running.get(&(pod.clone(), container.clone()))
    }

    /// Takes in what the tail of a running container's log said.
    pub fn put_running(&mut self, pod: &ObjectRef, container: &Text, answer: RunningAnswer) {
        self.running.insert((pod.clone(), container.clone()), answer);
        if self.running.len() > KEPT {
            let oldest = self.running.iter().min_by_key(|(_, a)| a.at).map(|(key, _)| key.clone());
            oldest.map(|key| self.running.remove(&key));
        }
    }

    /// Takes in what a tail said. A proof is not given up because the next log is gone.
    pub fn put(&mut self, root: &ObjectRef, container: &Text, answer: LogAnswer) {
        let all = self.ended.entry((root.clone(), container.clone())).or_default();
        match all.iter_mut().find(|a| a.pod == answer.pod) {
            Some(old) if answer.absent.is_some() && old.found.is_some() => old.restarts = answer.restarts,
            Some(old) => *old = answer,
            None => all.push(answer),
        }
    }

    /// Moves a pod's answers to the workload that turned out to own it.
    pub fn adopt(&mut self, from: &ObjectRef, to: &ObjectRef, pod: &Text, container: &Text) {
        let Some(all) = self.ended.get_mut(&(from.clone(), container.clone())) else { return };
        let moved: Vec<LogAnswer> = all.extract_if(.., |a| a.pod == *pod).collect();
        self.ended.retain(|_, all| !all.is_empty());
        moved.into_iter().for_each(|answer| self.put(to, container, answer));
    }

    /// Forgets what was said about a workload that is well or gone.
    pub fn forget(&mut self, root: &ObjectRef) {
        self.ended.retain(|(r, _), _| r != root);
    }
}

/// Reads the answer to a tail that was asked for: its text, or why there is none.
pub fn read(pod: &Text, restarts: u32, answer: Result<&str, &str>, now: Time) -> LogAnswer {
    let mut out = LogAnswer {
        pod: pod.clone(),
        restarts,
        at: now,
        found: None,
        also: Vec::new(),
        language: None,
        last: Vec::new(),
        absent: None,
    };
    match answer {
        // The API answers 200 with this text where the runtime has dropped the log.
        Ok(text) if text.starts_with("unable to retrieve container logs") => {
            out.absent = Some("the log of that run is gone".to_owned());
        }
        Ok(text) => {
            let text = end_of(text);
            let said = ended(text);
            out.found = said.found.as_ref().map(found);
            out.also = said.also.iter().map(|p| text::quoted(p.line, text::QUOTE)).collect();
            out.language = said.language;
            // A line that no table knows needs its neighbours.
            if said.found.is_none_or(|f| !f.known) {
                let lines: Vec<&str> = text.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
                let from = lines.len().saturating_sub(QUOTED);
                let decisive = out.found.as_ref().map_or("", |f| &f.line);
                let last = lines[from..].iter().map(|l| bounded(l, text::QUOTE)).filter(|l| l != decisive);
                out.last = last.collect();
                out.absent = lines.is_empty().then(|| "its log is empty".to_owned());
            }
        }
        Err(why) => out.absent = Some(format!("its log could not be read: {why}")),
    }
    out
}

/// Reads the answer to the tail of a running container's log.
pub fn read_running(restarts: u32, answer: Result<&str, &str>, now: Time) -> RunningAnswer {
    let (repeated, absent) = match answer {
        Ok(text) => {
            let found = repeats(end_of(text), Some(now));
            (found.iter().map(repeated).collect(), None)
        }
        Err(why) => (Vec::new(), Some(format!("its log could not be read: {why}"))),
    };
    RunningAnswer { restarts, at: now, repeated, absent }
}

fn repeated(repeat: &Repeat) -> Repeated {
    let host = match &repeat.named {
        Named::Host { name, .. } => Some(name.clone()),
        _ => peer(repeat.cause, repeat.line),
    };
    Repeated {
        cause: repeat.cause,
        title: bounded(&repeat.words, text::TITLE),
        row: bounded(&repeat.words, text::ROW),
        line: text::quoted(repeat.line, text::QUOTE),
        host,
        path: path(&repeat.named),
        sure: if repeat.exact { Sure::Proved } else { Sure::Likely },
        count: repeat.count,
        first: repeat.first,
        last: repeat.last,
    }
}

/// The ServiceAccount that the API server refuses, where the line names it.
pub fn account(cause: Cause, line: &str) -> Option<ObjectRef> {
    let (_, rest) = line.split_once("system:serviceaccount:").filter(|_| cause == RBAC_FORBIDDEN)?;
    let end = rest
        .find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, ':' | '-' | '.')))
        .unwrap_or(rest.len());
    let (namespace, name) = rest[..end].split_once(':')?;
    Some(ObjectRef::new(Kind::of("ServiceAccount"), namespace, name))
}

fn path(named: &Named) -> Option<String> {
    match named {
        Named::Path(path) => Some(path.clone()),
        _ => None,
    }
}

fn end_of(text: &str) -> &str {
    let mut from = text.len().saturating_sub(READ);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    &text[from..]
}

/// The decision tree for a cause that a log proves: a tree about objects of other kinds has no question about pods.
pub fn tree_of(rule: &Text) -> Text {
    if &**rule == "object" { "pod".into() } else { rule.clone() }
}

/// The peer whose certificate or handshake fails, where the line prints the URL that was asked for.
fn peer(cause: Cause, line: &str) -> Option<String> {
    let tls = cause.starts_with("cert.") || cause == LOG_TLS;
    let (_, rest) = line.split_once("https://").filter(|_| tls)?;
    let end =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(rest.len());
    (end > 0).then(|| rest[..end].to_owned())
}

/// Title and row of a proof.
fn found(proof: &Proof) -> Found {
    let words = &proof.words;
    let subject = proof.named.text();
    let host = match &proof.named {
        Named::Host { name, .. } if proof.cause == UNREACHABLE => Some(name.clone()),
        _ => peer(proof.cause, proof.line),
    };
    let resolves = !words.contains("does not resolve");
    let (title, row) = match proof.cause {
        DEPENDENCY if !subject.is_empty() => (format!("{subject} is missing from the image"), words.clone()),
        UNREACHABLE if host.is_some() && !resolves => {
            (format!("host {subject} does not resolve"), format!("cannot resolve {subject}"))
        }
        UNREACHABLE if host.is_some() && words.ends_with("not reachable") => {
            (format!("{subject} cannot be reached"), format!("cannot reach {subject}"))
        }
        CONFIG => (format!("it refuses its configuration: {words}"), words.clone()),
        RBAC_FORBIDDEN => (format!("the API server refuses what it asks for: {words}"), words.clone()),
        _ => (words.clone(), words.clone()),
    };
    Found {
        cause: proof.cause,
        title: bounded(&title, text::TITLE),
        row: bounded(&row, text::ROW),
        line: text::quoted(proof.line, text::QUOTE),
        host,
        path: path(&proof.named),
        sure: proof.sure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(text: &str) -> Option<&'static str> {
        read(&"p".into(), 1, Ok(text), Time(1)).found.map(|f| f.cause.id())
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
        let log = "a\nError: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local\nb";
        let found = read(&"p".into(), 1, Ok(log), Time(1)).found.unwrap();
        assert_eq!(found.line, "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local");
        assert_eq!(found.host.as_deref(), Some("database-new.production.svc.cluster.local"));
    }
}
