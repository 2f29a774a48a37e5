//! Parses the JVM's text dumps: `jstack`, `jcmd Thread.print`, SIGQUIT (one format) and `jcmd
//! Thread.dump_to_file`.

use super::{Dump, Frame, How, Lock, Runtime, Thread, Wait};

const HEAD: &str = "Full thread dump";

pub fn is_text(text: &str) -> bool {
    text.lines().any(|l| l.trim_start().starts_with(HEAD) || header(l).is_some())
}

/// All dumps in the text. Log lines may surround them.
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
                        // The text starts inside a dump.
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
    /// The JVM's deadlock report, with the lock of the previous line. It names owners even in a dump without
    /// `-l`.
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
            dump.incomplete = Some("the dump is cut off: threads may be missing".to_owned());
        }
    }
}

/// Parses the header of a thread: `"name" #12 daemon prio=5 … tid=0x… nid=0x… waiting on condition  [0x…]`.
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
        // The JVM's own threads have no state line.
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

/// Parses a line below a thread's header. True if it starts the list of java.util.concurrent locks that the
/// thread holds.
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

/// Parses a frame without its module (`java.base@17.0.15/`) and class loader, which vary between equal
/// frames.
pub fn frame(text: &str) -> Frame {
    let (function, place) = text.trim_end_matches(')').split_once('(').unwrap_or((text, ""));
    // Each lambda class has its own number and address, which would make equal stacks differ.
    let (class, method) = match function.split_once("$$Lambda") {
        Some((class, rest)) => (class, format!("$$Lambda{}", rest.find('.').map_or("", |at| &rest[at..]))),
        None => (function, String::new()),
    };
    let function = format!("{}{method}", class.rsplit('/').next().unwrap_or(class));
    let place = place.rsplit('/').next().unwrap_or(place);
    Frame { function, place: place.to_owned() }
}

/// Parses a line below a frame that begins with `- `.
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

/// `Object.wait` releases the monitor, but the dump still prints `locked` at the frame that entered it.
fn drop_lock_given_up(thread: &mut Thread) {
    if let Some(wait) = &thread.waits {
        thread.holds.retain(|held| held.id != wait.lock.id);
    }
}

/// Parses `<0x00000000f7c22ac8> (a java.lang.Object)` or `<java.lang.Object@1b2c>`.
fn lock(text: &str) -> Option<Lock> {
    let (id, rest) = text.trim_start().strip_prefix('<')?.split_once('>')?;
    if let Some((class, _)) = id.split_once('@') {
        return Some(Lock { id: id.to_owned(), class: class.to_owned() });
    }
    let class = rest.trim().strip_prefix("(a ").map_or("", |c| c.trim_end_matches(')'));
    id.starts_with("0x").then(|| Lock { id: id.to_owned(), class: class.to_owned() })
}

/// Parses `waiting to lock monitor 0x… (object 0x…, a T),` and the next line, `which is held by "name"`.
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

/// Recognises a line such as `2026-11-21 01:39:17`.
fn is_time(line: &str) -> bool {
    line.len() >= 19 && line.is_char_boundary(19) && line[..19].parse::<jiff::civil::DateTime>().is_ok()
}

/// Parses the header of a thread in `Thread.dump_to_file`: `#29 "name" virtual WAITING 2026-…`.
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
        // JDK 21 to 23 print no state here.
        state: state.unwrap_or("UNKNOWN").to_owned(),
        is_virtual,
        count: 1,
        ..Thread::default()
    })
}

pub fn is_plain(text: &str) -> bool {
    text.lines().any(|l| plain_header(l).is_some())
}

/// Parses the text of `jcmd PID Thread.dump_to_file FILE`, with platform and virtual threads.
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
