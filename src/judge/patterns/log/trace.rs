//! Groups the lines of a log into entries, recognises stack traces, and says which of their lines decide.

use std::ops::Range;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::line::{Level, Line};
use super::pattern;

/// The language of a program, as its traces show it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Language {
    Java,
    Python,
    Go,
    Node,
    Ruby,
    Rust,
    Cpp,
    DotNet,
    Php,
}

/// Lines that belong together: a message with its trace.
#[derive(Clone, Debug)]
pub struct Entry {
    pub range: Range<usize>,
    pub level: Level,
    pub language: Option<Language>,
    /// The runtime itself says that nobody caught it.
    pub uncaught: bool,
    /// Lines that decide, the most telling one first: the last cause, the first exception of a chain, the panic.
    pub decisive: Vec<usize>,
    /// Lines of the call stack and of source code: they name classes and files, not faults.
    frames: Vec<bool>,
}

impl Entry {
    /// Whether the line may say what went wrong.
    pub fn speaks(&self, line: usize) -> bool {
        !self.frames.get(line - self.range.start).copied().unwrap_or(false)
    }

    pub fn is_trace(&self) -> bool {
        self.language.is_some()
    }
}

macro_rules! re {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| pattern($text));
    };
}

fn is(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_some_and(|p| p.is_match(text.as_bytes()))
}

re!(
    CONTINUES,
    r#"^(?:at \S|\.\.\. \d+ (?:more|common)|Caused by: |Suppressed: |--->|--- End of|\[cause\]: |note: run with|stack backtrace:|Stack trace:|#\d+ |thrown in |goroutine \d+ \[|created by |\[signal |exit status \d|Node\.js v\d|File "|Require stack:|terminate called|what\(\): )"#
);
re!(CHAIN, r"^(?:During handling of the above exception|The above exception was the direct cause)");
re!(EXCEPTION, r"^(?:[\w$]+[.:])*[\w$]*(?:Exception|Error|Throwable|Failure|Interrupt|Exit)(?::|$|\s\()");
re!(
    FRAME,
    r#"^(?:at \S|\.\.\. \d+ (?:more|common)|File "|from \S+:\d+|#\d+ |goroutine \d+ \[|created by |--- End of|\^+$|\d+: 0x|\d+: +\S+::|stack backtrace:|Stack trace:|thrown in |note: run with|Node\.js v\d|Require stack:|- /)"#
);
re!(GO_FRAME, r"^(?:[\w./*\-]+(?:\([^)]*\))?[\w.()*]*\(.*\)|\S+\.go:\d+(?: \+0x[0-9a-f]+)?)$");
re!(RUBY_HEAD, r"^\S+\.rb:\d+:in .*\([\w:]*(?:Error|Exception)\)$");
re!(NODE_FRAME, r"^at (?:.*\((?:node:|file:|/|internal/)[^)]*:\d+:\d+\)|(?:node:|file:|/)\S+:\d+:\d+)");
re!(
    JAVA_FRAME,
    r"^at (?:[\w.$]+/)?[\w.$<>/@-]+\((?:[\w$]+\.(?:java|kt|scala|groovy)(?::\d+)?|Native Method|Unknown Source|<generated>)\)"
);
re!(DOTNET_FRAME, r"^at [\w.`<>\[\],+|]+\(.*\)(?: in \S+:line \d+)?$");

/// Groups the lines of a log into entries.
pub fn entries(lines: &[Line]) -> Vec<Entry> {
    let mut out: Vec<Entry> = Vec::new();
    let mut open: Option<Open> = None;
    for (i, line) in lines.iter().enumerate() {
        match &mut open {
            Some(entry) if entry.takes(&lines[i - 1], line) => entry.push(line),
            _ => {
                out.extend(open.take().map(|o| o.close(lines, i)));
                open = Some(Open::new(i, line));
            }
        }
    }
    out.extend(open.map(|o| o.close(lines, lines.len())));
    out
}

/// An entry that may still grow.
struct Open {
    from: usize,
    level: Level,
    starts: bool,
    /// Within a Python traceback, before its exception.
    python: bool,
    /// After a sentence that joins two tracebacks.
    chained: bool,
    go: bool,
    /// It has lines of a trace.
    traced: bool,
}

impl Open {
    fn new(from: usize, line: &Line) -> Open {
        let mut open = Open {
            from,
            level: line.level,
            starts: line.starts,
            python: false,
            chained: false,
            go: false,
            traced: false,
        };
        open.note(line);
        open
    }

    fn takes(&self, before: &Line, line: &Line) -> bool {
        let text = &*line.text;
        let trimmed = text.trim_start();
        let indented = trimmed.len() < text.len();
        if line.inner {
            return true;
        }
        if line.access || line.starts && !self.starts && !indented {
            return false;
        }
        if is(&CHAIN, trimmed) || self.python {
            return true;
        }
        if trimmed.starts_with("Traceback (most recent call last)") {
            return self.chained
                || !self.traced && (self.level >= Level::Warning || before.text.ends_with(':'));
        }
        if is(&CONTINUES, trimmed) && (indented || self.traced || line.starts || !before.starts) {
            // A second uncaught error in a row is an entry of its own.
            return !trimmed.starts_with("terminate called") || before.starts;
        }
        let closes = trimmed.bytes().all(|b| b"})];,".contains(&b));
        if !line.starts && (indented || closes) {
            return true;
        }
        if self.go {
            return trimmed.starts_with("panic: ") || is(&GO_FRAME, trimmed);
        }
        let after_panic = before.text.contains("panicked at ") && before.text.ends_with(':');
        // A logged exception stands under its message; under a message of another level it is a new one.
        let heads_trace = !line.starts
            && !self.traced
            && before.starts
            && self.level >= Level::Warning
            && is(&EXCEPTION, text);
        after_panic || heads_trace
    }

    fn push(&mut self, line: &Line) {
        self.note(line);
    }

    fn note(&mut self, line: &Line) {
        let text = &*line.text;
        let trimmed = text.trim_start();
        if trimmed.starts_with("Traceback (most recent call last)") {
            (self.python, self.chained, self.traced) = (true, false, true);
        } else if self.python && trimmed.len() == text.len() {
            self.python = false;
        } else if is(&CHAIN, trimmed) {
            self.chained = true;
        }
        if trimmed.starts_with("goroutine ")
            || trimmed.starts_with("panic: ")
            || text.starts_with("fatal error: ")
        {
            self.go = true;
        }
        self.traced |= is(&FRAME, trimmed) || trimmed.starts_with("Caused by: ");
    }

    fn close(self, lines: &[Line], end: usize) -> Entry {
        let range = self.from..end;
        let Shape { language, uncaught, decisive, frames } = shape(&lines[range.clone()]);
        Entry {
            level: self.level,
            language,
            uncaught,
            decisive: decisive.into_iter().map(|d| d + range.start).collect(),
            frames,
            range,
        }
    }
}

#[derive(Default)]
struct Shape {
    language: Option<Language>,
    uncaught: bool,
    decisive: Vec<usize>,
    frames: Vec<bool>,
}

fn shape(lines: &[Line]) -> Shape {
    let mut out = Shape::default();
    let (mut causes, mut raised, mut panics, mut heads) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut python, mut direct, mut go) = (false, false, false);
    for (i, line) in lines.iter().enumerate() {
        let text = &*line.text;
        let trimmed = text.trim_start();
        let indented = trimmed.len() < text.len();
        let mut frame = is(&FRAME, trimmed) && (indented || i > 0);
        if frame {
            out.language = out.language.or(language_of(trimmed));
        }
        if trimmed.starts_with("Traceback (most recent call last)") {
            (python, frame) = (true, true);
            out.language = Some(Language::Python);
        } else if python && indented {
            frame = true;
        } else if python {
            python = false;
            raised.push(i);
        } else if is(&CHAIN, trimmed) {
            direct |= trimmed.contains("direct cause");
            frame = true;
        } else if trimmed.starts_with("Caused by: ")
            || trimmed.starts_with("[cause]: ")
            || trimmed.starts_with("---> ")
        {
            causes.push(i);
        } else if text.starts_with("panic: ") || text.starts_with("fatal error: ") {
            panics.push(i);
            go = true;
        } else if trimmed.starts_with("goroutine ") {
            out.language = Some(Language::Go);
            out.uncaught |= !panics.is_empty();
        } else if go && is(&GO_FRAME, trimmed) {
            frame = true;
        } else if text.contains("panicked at ") && text.contains("thread '") {
            (out.language, out.uncaught) = (Some(Language::Rust), true);
            // The message stands behind the place in old compilers, on the next line in new ones.
            panics.push(if text.ends_with(':') && i + 1 < lines.len() { i + 1 } else { i });
        } else if text.starts_with("terminate called") {
            (out.language, out.uncaught) = (Some(Language::Cpp), true);
            panics.push(i);
        } else if trimmed.starts_with("what():") {
            panics.insert(0, i);
        } else if is(&RUBY_HEAD, trimmed) {
            (out.language, out.uncaught) = (Some(Language::Ruby), true);
            heads.push(i);
        } else if text.contains("Exception in thread \"") || is(&EXCEPTION, trimmed) && !frame {
            heads.push(i);
        }
        out.uncaught |= [
            "Exception in thread \"",
            "Unhandled exception",
            "Uncaught ",
            "unhandledRejection",
            "Unhandled Rejection",
        ]
        .iter()
        .any(|w| text.contains(w))
            || trimmed.starts_with("Node.js v");
        if out.language.is_none() && text.contains("Uncaught ") && text.contains(" in /") {
            out.language = Some(Language::Php);
        }
        out.frames.push(frame);
    }
    if out.language == Some(Language::Python) {
        // A traceback that no logger printed is the interpreter's own, unless the program went on.
        out.uncaught |= lines.first().is_some_and(|l| !l.starts && l.level == Level::Unknown);
        if !direct {
            raised.reverse();
        }
    }
    // The last cause is the root: each one explains the one before.
    out.decisive = causes.into_iter().rev().chain(raised).chain(panics).chain(heads).collect();
    out
}

fn language_of(frame: &str) -> Option<Language> {
    if is(&NODE_FRAME, frame) {
        Some(Language::Node)
    } else if is(&JAVA_FRAME, frame) {
        Some(Language::Java)
    } else if is(&DOTNET_FRAME, frame) {
        Some(Language::DotNet)
    } else if frame.starts_with("File \"") {
        Some(Language::Python)
    } else if frame.starts_with("from ") {
        Some(Language::Ruby)
    } else if frame.starts_with("Stack trace:") || frame.starts_with("thrown in ") {
        Some(Language::Php)
    } else {
        None
    }
}
