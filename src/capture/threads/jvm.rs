//! The JVM's text: `jstack`, `jcmd Thread.print`, SIGQUIT (all one format), and `jcmd Thread.dump_to_file`.

use super::{Dump, Frame, How, Lock, Runtime, Thread, Wait};

const HEAD: &str = "Full thread dump";

pub fn is_text(text: &str) -> bool {
    text.lines().any(|l| l.trim_start().starts_with(HEAD) || header(l).is_some())
}

/// Every dump in the text. A log can stand around and between them.
pub fn text(text: &str) -> Vec<Dump> {
    let mut dumps: Vec<Dump> = Vec::new();
    let mut before = "";
    let mut reading = Reading::Threads;
    let mut ended = false;
    for line in text.lines() {
        let trimmed = line.trim();
        if trimmed.starts_with(HEAD) {
            finish(dumps.last_mut(), ended);
            let mut dump = Dump::of(Runtime::Jvm);
            dump.taken = is_time(before).then(|| before.to_owned());
            dumps.push(dump);
            (reading, ended) = (Reading::Threads, false);
            continue;
        }
        before = trimmed;
        if trimmed.starts_with("JNI global ref") {
            (reading, ended) = (Reading::Nothing, true);
            continue;
        }
        if trimmed.starts_with("Found ") && trimmed.contains("Java-level deadlock") {
            reading = Reading::Deadlock { lock: None };
            continue;
        }
        if trimmed.starts_with("Java stack information for the threads listed above") {
            reading = Reading::Nothing;
            continue;
        }
        match &mut reading {
            Reading::Nothing => {}
            Reading::Deadlock { lock } => {
                if let Some(dump) = dumps.last_mut() {
                    deadlock_line(trimmed, lock, dump);
                }
            }
            Reading::Threads => {
                if let Some(thread) = header(line) {
                    if dumps.is_empty() {
                        // A piece of a dump, without its first line.
                        dumps.push(Dump::of(Runtime::Jvm));
                    }
                    dumps.last_mut().into_iter().for_each(|d| d.threads.push(thread.clone()));
                } else if let Some(dump) = dumps.last_mut() {
                    let owned = thread_line(trimmed, dump.threads.last_mut());
                    dump.lists_lock_owners |= owned;
                }
            }
        }
    }
    finish(dumps.last_mut(), ended);
    dumps
}

enum Reading {
    Threads,
    /// The JVM's own finding, with the lock of the line before. It names owners that a dump without `-l` does not.
    Deadlock {
        lock: Option<Lock>,
    },
    Nothing,
}

fn finish(dump: Option<&mut Dump>, ended: bool) {
    if let Some(dump) = dump {
        for thread in &mut dump.threads {
            drop_lock_given_up(thread);
        }
        if !ended {
            dump.incomplete =
                Some("the dump has no end: threads after the last one may be missing".to_owned());
        }
    }
}

/// `"name" #12 daemon prio=5 … tid=0x… nid=0x… waiting on condition  [0x…]`, the head of a thread.
fn header(line: &str) -> Option<Thread> {
    let rest = line.trim_end().strip_prefix('"')?;
    let (name, rest) = rest.rsplit_once('"')?;
    let tid = field(rest, "tid=")?;
    let number = rest.trim_start().strip_prefix('#').and_then(|r| r.split(' ').next());
    let milliseconds = |text: &str| text.trim_end_matches("ms").replace(',', ".").parse().ok();
    let seconds = |text: &str| text.trim_end_matches('s').replace(',', ".").parse().ok();
    Some(Thread {
        name: name.to_owned(),
        id: number.map_or_else(|| tid.to_owned(), |n| format!("#{n}")),
        // Threads of the JVM itself have no state line.
        state: "RUNNABLE".to_owned(),
        cpu_ms: field(rest, "cpu=").and_then(milliseconds),
        elapsed_s: field(rest, "elapsed=").and_then(seconds),
        count: 1,
        ..Thread::default()
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let at = text.match_indices(name).find(|(at, _)| text[..*at].ends_with(' '))?.0;
    text[at + name.len()..].split(' ').next().filter(|v| !v.is_empty())
}

/// A line below a thread's head. True if it lists locks of java.util.concurrent that threads hold.
fn thread_line(line: &str, thread: Option<&mut Thread>) -> bool {
    if line.starts_with("Locked ownable synchronizers") {
        return true;
    }
    let Some(thread) = thread else { return false };
    if let Some(state) = line.strip_prefix("java.lang.Thread.State: ") {
        thread.state = state.split(' ').next().unwrap_or(state).to_owned();
    } else if let Some(at) = line.strip_prefix("at ") {
        thread.frames.push(frame(at));
    } else if let Some(note) = line.strip_prefix("- ") {
        lock_note(note, thread);
    }
    false
}

/// `java.base@17.0.15/` and class loaders before a class say where it came from, not which it is.
pub fn frame(text: &str) -> Frame {
    let (function, place) = text.trim_end_matches(')').split_once('(').unwrap_or((text, ""));
    // A lambda's class has a number and an address of its own, which hide that two stacks are the same.
    let (class, method) = match function.split_once("$$Lambda") {
        Some((class, rest)) => (class, format!("$$Lambda{}", rest.find('.').map_or("", |at| &rest[at..]))),
        None => (function, String::new()),
    };
    let function = format!("{}{method}", class.rsplit('/').next().unwrap_or(class));
    let place = place.rsplit('/').next().unwrap_or(place);
    Frame { function, place: place.to_owned() }
}

/// The text of a line that begins with `- ` below a frame.
fn lock_note(note: &str, thread: &mut Thread) {
    let waits = |how, lock| Some(Wait { how, lock });
    if let Some(lock) = note.strip_prefix("waiting to lock ").and_then(lock) {
        thread.waits = waits(How::Enter, lock);
    } else if let Some(lock) = note.strip_prefix("waiting to re-lock in wait() ").and_then(lock) {
        thread.waits = waits(How::Enter, lock);
    } else if let Some(lock) = note.strip_prefix("parking to wait for ").and_then(lock) {
        thread.waits = waits(How::Park, lock);
    } else if let Some(lock) = note.strip_prefix("waiting on ").and_then(lock) {
        thread.waits = waits(How::Notify, lock);
    } else if let Some(lock) = note.strip_prefix("locked ").and_then(lock) {
        thread.holds.push(lock);
    } else if note.starts_with('<') {
        thread.holds.extend(lock(note));
    }
}

/// `Object.wait` gives the monitor up, but the dump still prints `locked` on the frame that entered it.
fn drop_lock_given_up(thread: &mut Thread) {
    if let Some(wait) = &thread.waits {
        thread.holds.retain(|held| held.id != wait.lock.id);
    }
}

/// `<0x00000000f7c22ac8> (a java.lang.Object)` or `<java.lang.Object@1b2c>`.
fn lock(text: &str) -> Option<Lock> {
    let (id, rest) = text.trim_start().strip_prefix('<')?.split_once('>')?;
    if let Some((class, _)) = id.split_once('@') {
        return Some(Lock { id: id.to_owned(), class: class.to_owned() });
    }
    let class = rest.trim().strip_prefix("(a ").map_or("", |c| c.trim_end_matches(')'));
    id.starts_with("0x").then(|| Lock { id: id.to_owned(), class: class.to_owned() })
}

/// `waiting to lock monitor 0x… (object 0x…, a T),` and then `which is held by "name"`.
fn deadlock_line(line: &str, lock: &mut Option<Lock>, dump: &mut Dump) {
    let object =
        ["(object ", "ownable synchronizer "].iter().find_map(|w| line.split_once(w)).map(|(_, r)| r);
    if let Some(object) = object {
        let (id, rest) = object.split_once(',').unwrap_or((object, ""));
        let class = rest.rsplit("a ").next().unwrap_or_default().trim_end_matches([')', ',']);
        *lock = Some(Lock { id: id.to_owned(), class: class.to_owned() });
    } else if let Some(owner) = line.strip_prefix("which is held by \"").and_then(|r| r.strip_suffix('"'))
        && let Some(lock) = lock.take()
        && let Some(thread) = dump.threads.iter_mut().find(|t| t.name == owner)
        && !thread.holds.contains(&lock)
    {
        thread.holds.push(lock);
    }
}

/// `2026-11-21 01:39:17`
fn is_time(line: &str) -> bool {
    line.len() >= 19 && line.is_char_boundary(19) && line[..19].parse::<jiff::civil::DateTime>().is_ok()
}

/// `#29 "name" virtual WAITING 2026-…`, the head of a thread in `Thread.dump_to_file`.
fn plain_header(line: &str) -> Option<Thread> {
    let (id, rest) = line.strip_prefix('#')?.split_once(" \"")?;
    let (name, rest) = rest.rsplit_once('"')?;
    id.parse::<u64>().ok()?;
    let mut words = rest.split_whitespace();
    let first = words.next();
    let is_virtual = first == Some("virtual");
    let state = if is_virtual { words.next() } else { first };
    Some(Thread {
        name: name.to_owned(),
        id: format!("#{id}"),
        // JDK 21 to 23 print no state there.
        state: state.unwrap_or("UNKNOWN").to_owned(),
        is_virtual,
        count: 1,
        ..Thread::default()
    })
}

pub fn is_plain(text: &str) -> bool {
    text.lines().any(|l| plain_header(l).is_some())
}

/// The text of `jcmd PID Thread.dump_to_file FILE`: platform and virtual threads.
pub fn plain(text: &str) -> Dump {
    let mut dump = Dump::of(Runtime::Jvm);
    for line in text.lines() {
        if let Some(thread) = plain_header(line) {
            dump.threads.push(thread);
            continue;
        }
        let trimmed = line.trim();
        let Some(thread) = dump.threads.last_mut() else {
            if trimmed.parse::<jiff::Timestamp>().is_ok() {
                dump.taken = Some(trimmed.to_owned());
            }
            continue;
        };
        if let Some(note) = trimmed.strip_prefix("- ") {
            lock_note(note, thread);
        } else if !trimmed.is_empty() && line.starts_with(' ') {
            thread.frames.push(frame(trimmed.strip_prefix("at ").unwrap_or(trimmed)));
        }
    }
    for thread in &mut dump.threads {
        drop_lock_given_up(thread);
    }
    dump
}
