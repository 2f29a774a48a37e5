//! Thread dumps: one form for what the JVM, Python (py-spy) and Go print about their threads.

mod analysis;
mod changes;
mod go;
mod json;
mod jvm;
mod py_spy;
mod render;
mod rules;
#[cfg(test)]
mod tests;

use std::path::Path;

pub use analysis::{Analysis, Deadlock, Group, LockWait, PoolUse, analyse};
pub use changes::{Busy, Changes, Stuck};
pub use render::table;

/// The largest file that is read as a thread dump, in bytes. A dump of 100,000 threads with deep stacks has 200 MiB.
pub const LIMIT: u64 = 512 << 20;

/// One thread dump. A file can hold several: a JVM that got SIGQUIT three times wrote three into one log.
#[derive(Clone, Debug)]
pub struct Dump {
    pub runtime: Runtime,
    /// When it was taken, as the dump says it (the JVM's text has no zone).
    pub taken: Option<String>,
    pub threads: Vec<Thread>,
    /// Whether the dump lists who holds java.util.concurrent locks (`jstack -l`); monitors are always listed.
    pub lists_lock_owners: bool,
    /// What the dump says is missing or cut off, as a sentence.
    pub incomplete: Option<String>,
    /// The runtime itself found that no thread can go on (Go's "all goroutines are asleep").
    pub all_asleep: bool,
}

impl Dump {
    fn of(runtime: Runtime) -> Dump {
        Dump {
            runtime,
            taken: None,
            threads: Vec::new(),
            lists_lock_owners: false,
            incomplete: None,
            all_asleep: false,
        }
    }
}

/// Whose threads they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    Jvm,
    Python,
    Go,
}

impl Runtime {
    /// What one of its threads is called.
    pub fn noun(self) -> &'static str {
        if self == Runtime::Go { "goroutine" } else { "thread" }
    }
}

/// A thread, or (in Go's aggregated profile) several with one stack.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    pub name: String,
    /// What tells it apart from others with its name, the same in the next dump.
    pub id: String,
    /// The runtime's own word: RUNNABLE, WAITING, idle, chan receive.
    pub state: String,
    pub is_virtual: bool,
    /// Processor time it has used, in milliseconds.
    pub cpu_ms: Option<f64>,
    /// How long it has lived, in seconds.
    pub elapsed_s: Option<f64>,
    /// How long it has been in its state, in minutes (Go, and only from one minute on).
    pub waited_min: Option<u64>,
    /// Innermost first.
    pub frames: Vec<Frame>,
    pub waits: Option<Wait>,
    pub holds: Vec<Lock>,
    /// How many threads this entry stands for.
    pub count: u64,
}

/// One line of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame {
    /// The function with its class or package: `com.shop.Cache.get`, `main.worker`, `wait`.
    pub function: String,
    /// File and line, or what stands in their place: `Cache.java:12`, `Native Method`.
    pub place: String,
}

impl std::fmt::Display for Frame {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.place.is_empty() {
            f.write_str(&self.function)
        } else {
            write!(f, "{}({})", self.function, self.place)
        }
    }
}

/// What a thread waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    pub lock: Lock,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// To enter a monitor, or a mutex.
    Enter,
    /// Parked on an object of java.util.concurrent: a lock, a condition, a queue.
    Park,
    /// `Object.wait`: for a notification, not for the monitor.
    Notify,
}

/// An object that threads wait for: its address or identity, and its class where the dump names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lock {
    pub id: String,
    pub class: String,
}

/// Why a file could not be read, and how far it was.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {offset}; {readable}")]
pub struct Unreadable {
    /// Bytes from the file's begin to where reading ended.
    pub offset: u64,
    pub what: String,
    /// What was understood before, as a part of a sentence.
    pub readable: String,
}

/// Reads a file that holds one or more thread dumps.
///
/// # Errors
/// A sentence with the file's name: it could not be read, is larger than [`LIMIT`], or holds no thread dump.
pub fn read(path: &Path) -> Result<Vec<Dump>, String> {
    let name = path.display();
    let length = std::fs::metadata(path).map_err(|e| format!("{name} could not be read: {e}"))?.len();
    if length > LIMIT {
        return Err(format!(
            "{name} was not read: it has {length} bytes, and thread dumps are read up to {LIMIT}; \
             is it a heap dump? Those are for `khud heap`"
        ));
    }
    let bytes = std::fs::read(path).map_err(|e| format!("{name} could not be read: {e}"))?;
    parse(&bytes).map_err(|e| format!("{name} is no thread dump khud can read: {e}"))
}

/// The dumps in a file's content, oldest first as the file has them. The format is told by the content.
///
/// # Errors
/// [`Unreadable`] with the offset where it stopped making sense.
pub fn parse(bytes: &[u8]) -> Result<Vec<Dump>, Unreadable> {
    let refuse = |what: &str, readable: &str| {
        Err(Unreadable { offset: 0, what: what.to_owned(), readable: readable.to_owned() })
    };
    if bytes.starts_with(b"JAVA PROFILE ") {
        return refuse("a JVM heap dump begins", "open it with `khud heap`");
    }
    let text = String::from_utf8_lossy(bytes);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    // jcmd prints the process id first, also before JSON.
    let body = text.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start_matches(':').trim_start();
    let dumps = if body.starts_with(['{', '[']) {
        json::parse(body, text.len() - body.len())?
    } else if jvm::is_text(text) {
        jvm::text(text)
    } else if jvm::is_plain(text) {
        vec![jvm::plain(text)]
    } else if go::is_dump(text) {
        vec![go::parse(text)]
    } else if py_spy::is_dump(text) {
        vec![py_spy::parse(text)]
    } else {
        return refuse(
            "no thread begins",
            "known are: jstack, jcmd Thread.print and Thread.dump_to_file, Spring's /threaddump, \
             py-spy dump, and Go's goroutine dumps",
        );
    };
    if dumps.iter().all(|d| d.threads.is_empty()) {
        return Err(Unreadable {
            offset: bytes.len() as u64,
            what: "the file ends before its first thread,".to_owned(),
            readable: "nothing was readable".to_owned(),
        });
    }
    Ok(dumps)
}
