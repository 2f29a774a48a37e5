//! Parses the text of `py-spy dump`, with or without `--locals` and `--native`.

use super::{Dump, Frame, Runtime, Thread};

/// Parses `Thread 1742 (active+gil): "ThreadPoolExecutor-10_0"`. Some options omit the number, and many
/// threads have no name.
fn header(line: &str) -> Option<Thread> {
    let rest = line.strip_prefix("Thread ")?;
    let open = rest.find('(')?;
    let (state, rest_of) = rest[open + 1..].split_once(')')?;
    if !(state.starts_with("idle") || state.starts_with("active")) {
        return None;
    }
    let name = rest_of.trim_start_matches(':').trim().trim_matches('"');
    Some(Thread {
        name: name.to_owned(),
        id: rest[..open].trim().to_owned(),
        state: state.to_owned(),
        count: 1,
        ..Thread::default()
    })
}

pub fn is_dump(text: &str) -> bool {
    text.lines().any(|l| header(l).is_some())
}

pub fn parse(text: &str) -> Dump {
    let mut dump = Dump::of(Runtime::Python);
    for line in text.lines() {
        if let Some(thread) = header(line) {
            dump.threads.push(thread);
        } else if let Some(frame) = frame(line)
            && let Some(thread) = dump.threads.last_mut()
        {
            thread.frames.push(frame);
        }
    }
    dump
}

/// Parses a frame: four spaces, function, file and line. Locals may look alike but are indented deeper.
fn frame(line: &str) -> Option<Frame> {
    let text = line.strip_prefix("    ").filter(|l| !l.starts_with(' '))?;
    let (function, place) = text.trim_end().strip_suffix(')')?.rsplit_once(" (")?;
    Some(Frame { function: function.to_owned(), place: place.to_owned() })
}
