//! Thread dumps of the JVM, Python (py-spy) and Go in one form.

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

/// The largest file that is read as a thread dump, in bytes. A dump of 100,000 threads with deep stacks has
/// 200 MiB.
pub const LIMIT: u64 = 512 << 20;

/// One thread dump. A file can hold several: a JVM writes one to its log for each SIGQUIT.
#[derive(Clone, Debug)]
pub struct Dump {
    /// The runtime that printed the dump.
    pub runtime: Runtime,
    /// The time of the dump, as printed. The JVM's text has no time zone.
    pub taken: Option<String>,
    /// The threads, in the order of the dump.
    pub threads: Vec<Thread>,
    /// Whether the dump lists the owners of java.util.concurrent locks (`jstack -l`). Monitors are always
    /// listed.
    pub lists_lock_owners: bool,
    /// A sentence about missing or cut parts.
    pub incomplete: Option<String>,
    /// The runtime reported that no thread can continue (Go's "all goroutines are asleep").
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

/// The runtime that printed the dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Runtime {
    /// A Java virtual machine.
    Jvm,
    /// Python, through py-spy.
    Python,
    /// Go.
    Go,
}

impl Runtime {
    /// The runtime's word for a thread: "thread" or "goroutine".
    pub fn noun(self) -> &'static str {
        if self == Runtime::Go { "goroutine" } else { "thread" }
    }
}

/// A thread, or in Go's aggregated profile several threads with one stack.
#[derive(Clone, Debug, Default)]
pub struct Thread {
    /// The name; empty for most virtual threads.
    pub name: String,
    /// Identifies the thread among those of the same name; stable between dumps.
    pub id: String,
    /// The runtime's state: RUNNABLE, WAITING, idle, chan receive.
    pub state: String,
    /// Whether it is a virtual thread of the JVM.
    pub is_virtual: bool,
    /// The processor time used, in milliseconds.
    pub cpu_ms: Option<f64>,
    /// The age of the thread, in seconds.
    pub elapsed_s: Option<f64>,
    /// The time in its state, in minutes. Only Go prints it, and only from one minute on.
    pub waited_min: Option<u64>,
    /// Innermost first.
    pub frames: Vec<Frame>,
    /// The lock it waits for, if it waits for one.
    pub waits: Option<Wait>,
    /// The locks it holds.
    pub holds: Vec<Lock>,
    /// The number of threads this entry stands for.
    pub count: u64,
}

/// One line of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Frame {
    /// The function with its class or package: `com.shop.Cache.get`, `main.worker`, `wait`.
    pub function: String,
    /// File and line, or what the dump prints instead: `Cache.java:12`, `Native Method`.
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

/// The object a thread waits for.
#[derive(Clone, Debug)]
pub struct Wait {
    /// The object.
    pub lock: Lock,
    /// The way the thread waits.
    pub how: How,
}

/// How a thread waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// Waits to enter a monitor or to lock a mutex.
    Enter,
    /// Parked on an object of java.util.concurrent, such as a lock, condition or queue.
    Park,
    /// In `Object.wait`, for a notification.
    Notify,
}

/// An object that threads wait for: its address or identity, and its class if the dump names it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lock {
    /// The address or identity, as printed.
    pub id: String,
    /// The class; empty if the dump does not name it.
    pub class: String,
}

/// Why a file could not be parsed, and what was readable.
#[derive(Debug, thiserror::Error)]
#[error("{what} at byte {offset}; {readable}")]
pub struct Unreadable {
    /// The byte offset in the file at which parsing stopped.
    pub offset: u64,
    /// The part that cannot be parsed, as the start of a sentence.
    pub what: String,
    /// The part of a sentence that says what was readable before.
    pub readable: String,
}

/// Reads a file that holds one or more thread dumps.
///
/// # Errors
/// A sentence with the file's name: it could not be read, is larger than [`LIMIT`] or holds no thread dump.
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

/// Parses a file's content, whatever the format, and returns the dumps in file order.
///
/// # Errors
/// [`Unreadable`], with the offset at which parsing stopped.
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
