//! Parses Go dumps: panics, SIGQUIT, `/debug/pprof/goroutine?debug=2`, and the aggregated profile of
//! `?debug=1`.

use super::{Dump, Frame, How, Lock, Runtime, Thread, Wait};

const PROFILE: &str = "goroutine profile: total ";

/// Parses `goroutine 18 gp=0x… m=nil [chan receive, 5 minutes, locked to thread]:`.
fn header(line: &str) -> Option<Thread> {
    let rest = line.strip_prefix("goroutine ")?;
    let (id, rest) = rest.split_once(' ')?;
    id.parse::<u64>().ok()?;
    let (status, _) = rest.get(rest.find('[')? + 1..)?.split_once(']')?;
    let mut parts = status.split(", ");
    let state = parts.next().unwrap_or_default().trim_end_matches(" (scan)");
    let waited_min = parts.find_map(|p| p.strip_suffix(" minutes")).and_then(|m| m.parse().ok());
    Some(Thread {
        name: format!("goroutine {id}"),
        id: id.to_owned(),
        state: state.to_owned(),
        waited_min,
        count: 1,
        ..Thread::default()
    })
}

pub fn is_dump(text: &str) -> bool {
    text.lines().any(|l| l.starts_with(PROFILE) || header(l).is_some())
}

pub fn parse(text: &str) -> Dump {
    if text.lines().any(|l| l.starts_with(PROFILE)) { profile(text) } else { stacks(text) }
}

fn stacks(text: &str) -> Dump {
    let mut dump = Dump::of(Runtime::Go);
    let mut inside = false;
    for line in text.lines() {
        if let Some(thread) = header(line) {
            dump.threads.push(thread);
            inside = true;
            continue;
        }
        if line.starts_with("fatal error: all goroutines are asleep") {
            dump.all_asleep = true;
        }
        if line.starts_with("...") {
            // Skips "...additional frames elided...".
            continue;
        }
        if line.trim().is_empty() {
            inside = false;
        }
        let Some(thread) = dump.threads.last_mut().filter(|_| inside) else { continue };
        if let Some(place) = line.strip_prefix('\t') {
            // `/src/main.go:12 +0x1d`
            let place = place.split(" +0x").next().unwrap_or(place);
            if let Some(last) = thread.frames.last_mut() {
                last.place = place.rsplit('/').next().unwrap_or(place).to_owned();
            }
        } else if let Some(creator) = line.strip_prefix("created by ") {
            let creator = creator.split(" in goroutine ").next().unwrap_or(creator);
            thread.frames.push(Frame { function: format!("created by {creator}"), place: String::new() });
        } else {
            let (function, arguments) = call(line);
            if let Some(lock) = mutex(function, arguments)
                && thread.waits.is_none()
                && waits_for_lock(&thread.state)
            {
                thread.waits = Some(Wait { how: How::Enter, lock });
            }
            thread.frames.push(Frame { function: function.to_owned(), place: String::new() });
        }
    }
    dump
}

/// Splits `main.(*Cache).Get(0xc000010000, {0x1, 0x2})` into function and arguments.
fn call(line: &str) -> (&str, &str) {
    let line = line.trim_end();
    let Some(inner) = line.strip_suffix(')') else { return (line, "") };
    // Receivers have parentheses too. The arguments start at the last opening parenthesis of depth 0.
    let mut depth = 0;
    for (at, c) in inner.char_indices().rev() {
        match c {
            ')' => depth += 1,
            '(' if depth == 0 => return (&inner[..at], &inner[at + 1..]),
            '(' => depth -= 1,
            _ => {}
        }
    }
    (line, "")
}

/// Go names no owner, but the mutex is the first argument of the function that waits for it.
fn mutex(function: &str, arguments: &str) -> Option<Lock> {
    let (class, _) = function.strip_prefix("sync.(*").and_then(|f| f.split_once(")."))?;
    if class != "Mutex" && class != "RWMutex" {
        return None;
    }
    let id = arguments.split([',', ')']).next()?.trim_end_matches('?');
    id.starts_with("0x").then(|| Lock { id: id.to_owned(), class: format!("sync.{class}") })
}

fn waits_for_lock(state: &str) -> bool {
    state.starts_with("semacquire") || state.starts_with("sync.Mutex") || state.starts_with("sync.RWMutex")
}

/// Parses `3 @ 0x102554a98 0x1024f1644`, followed by `#\t0x102…\tmain.worker+0x43\t/src/relay.go:12` for each
/// frame.
fn profile(text: &str) -> Dump {
    let mut dump = Dump::of(Runtime::Go);
    for line in text.lines() {
        if let Some((count, _)) = line.split_once(" @ ")
            && let Ok(count) = count.trim().parse::<u64>()
        {
            dump.threads.push(Thread { state: "not said".to_owned(), count, ..Thread::default() });
        } else if let Some(rest) = line.strip_prefix("#\t")
            && let Some(thread) = dump.threads.last_mut()
        {
            let mut columns = rest.split('\t').map(str::trim).filter(|c| !c.is_empty());
            let (Some(_), Some(function)) = (columns.next(), columns.next()) else { continue };
            let function = function.rsplit_once("+0x").map_or(function, |(f, _)| f);
            let place = columns.next().map_or("", |p| p.rsplit('/').next().unwrap_or(p));
            thread.frames.push(Frame { function: function.to_owned(), place: place.to_owned() });
        }
    }
    let total = text.lines().find_map(|l| l.strip_prefix(PROFILE)).and_then(|n| n.trim().parse::<u64>().ok());
    let read: u64 = dump.threads.iter().map(|t| t.count).sum();
    if let Some(total) = total.filter(|t| *t > read) {
        dump.incomplete = Some(format!("the profile counts {total} goroutines and lists {read}"));
    }
    dump
}
