//! One line of a log taken apart: when, how severe, and what it says, for the formats that loggers write.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use super::{pattern, text as str_of};
use crate::world::Time;

/// Bytes of a line that are looked at.
const LONGEST: usize = 8 * 1024;
/// Lines of one structured entry (a stack trace in a field) that are looked at.
const INNER: usize = 200;

/// How severe a line is by its own word. `Unknown` where it has none.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Level {
    Debug,
    Info,
    Unknown,
    Warning,
    Error,
    Fatal,
}

/// A line, or one line of a multi-line field of a structured entry.
#[derive(Clone, Debug)]
pub struct Line<'a> {
    /// As printed, without the time the kubelet puts in front.
    pub raw: &'a str,
    pub at: Option<Time>,
    pub level: Level,
    /// The message without time, level and logger; its indentation is kept.
    pub text: Cow<'a, str>,
    /// A logger began this line: it has a time, a level or a structure of its own.
    pub starts: bool,
    /// A further line of the same structured entry.
    pub inner: bool,
    /// One request of an access log.
    pub access: bool,
}

macro_rules! re {
    ($name:ident, $text:expr) => {
        static $name: LazyLock<Option<Regex>> = LazyLock::new(|| pattern($text));
    };
}

re!(KUBELET, r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}(?:Z|[+-]\d\d:\d\d)) ");
re!(COLOURS, r"\x1b\[[0-9;?]*[ -/]*[@-~]");
re!(KLOG, r"^([IWEF])\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ [\w.\-]+:\d+\] ");
re!(ACCESS, r#""(?:GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS) \S+(?: HTTP/\d(?:\.\d)?)?" ?-?:? ?\d{3}\b"#);
re!(LOGFMT_LEVEL, r#"(?:^|\s)(?:level|lvl|severity)="?(\w+)"?"#);
re!(LOGFMT_FIELD, r#"(?:^|\s)(msg|message|err|error|reason|caller)=("(?:[^"\\]|\\.)*"|\S+)"#);
re!(
    PREFIX,
    r"(?x)^(?:
        \(?[\w-]+(?:\ [\w-]+)?,?\ pid=\d+(?:,\ ip=[\d.]+)?\)[:\ ]
      | \[?\d{4}[-/]\d\d[-/]\d\d[T\ ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:\ ?(?:Z|UTC|GMT|[+-]\d\d:?\d\d))?\]?(?:[,:])?(?:\s|$)
      | \[?\d\d-\d\d\ \d\d:\d\d:\d\d(?:\.\d+)?\]?\s
      | \[?\d\d:\d\d:\d\d(?:[.,]\d+)?\]?\s
      | \w{3}\ +\d{1,2}\ \d\d:\d\d:\d\d\s
      | \[?\d{1,2}[/\ ]\w{3}[/\ ]\d{4}[:\ ]\d\d:\d\d:\d\d(?:\.\d+)?(?:\ [+-]\d{4})?\]?\s
      | \[\w{3}\ \w{3}\ \d\d\ \d\d:\d\d:\d\d(?:\.\d+)?\ \d{4}\]\s
      | \d+:[MSCX]\s
      | \d+\#\d+:\s(?:\*\d+\s)?
      | \[\d+\]:?\s
      | \d+\ ---\ \[[^\]]*\]\ (?:\[[^\]]*\]\ )?\S+\s+:\s
      | \[[A-Za-z][\w.\-/:\#$@,\ =]{0,80}\]:?\s
      | [\w./-]+\.(?:go|py|cc|cpp|cu|rs|js|ts|java|c|h|rb):\d+[\]:>]*\s
      | -\s
      | [\w.$-]+\s-\s
    )"
);
re!(
    LEVEL,
    r"(?x)^(?:
        [\[(<]\s?(?i:(trace|debug|dbg|info|inf|notice|log|note|warn|warning|wrn|error|err|eror|erro|severe|crit|critical|fatal|panic|emerg|alert|system|e|w|i|f))\s?[\])>](?:\[[^\]]*\])*:?(?:\s|$)
      | (TRACE|DEBUG|INFO|NOTICE|LOG|WARN|WARNING|ERROR|ERR|ERRO|SEVERE|CRIT|CRITICAL|FATAL|PANIC|EMERG|ALERT|FATA|DBG|INF|WRN|FTL|DEBU)(?:\[\d+\])?(?:[:,|]|\s-)?(?:\s|$)
      | ([Tt]race|[Dd]ebug|[Ii]nfo|[Nn]otice|[Ww]arn(?:ing)?|[Ee]rror|[Ff]atal|[Cc]ritical|[Ss]evere|fail|crit|dbug|trce|panic|emerg)(?:[:\t]|\ error:)(?:\s|$)?
      | (TRACE|DEBUG|INFO|WARNING|ERROR|CRITICAL|FATAL):[\w.]+:
    )"
);
re!(REDIS, r"^\d+:[MSCX] \d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d(?:\.\d+)? ([*#.-]) ");
re!(RUBY, r"^([DIWEF]), \[\d{4}-[^\]]*\]\s+\w+ -- [^:]*: ");

fn level_of(word: &str) -> Level {
    match word.to_ascii_lowercase().as_str() {
        "trace" | "debug" | "dbg" | "debu" | "dbug" | "trce" | "verbose" | "d" => Level::Debug,
        "info" | "inf" | "notice" | "log" | "note" | "information" | "informational" | "system" | "i" => {
            Level::Info
        }
        "warn" | "warning" | "wrn" | "w" => Level::Warning,
        "error" | "err" | "eror" | "erro" | "severe" | "fail" | "e" => Level::Error,
        "fatal" | "panic" | "crit" | "critical" | "emerg" | "emergency" | "alert" | "fata" | "ftl"
        | "dpanic" | "f" => Level::Fatal,
        _ => Level::Unknown,
    }
}

/// Takes the lines of a log apart; blank ones are left out.
pub fn lines(text: &str) -> Vec<Line<'_>> {
    let mut out = Vec::new();
    for raw in text.split('\n') {
        let raw = raw.trim_end_matches(['\r', ' ', '\t']);
        if !raw.trim().is_empty() {
            one(raw, &mut out);
        }
    }
    out
}

fn one<'a>(raw: &'a str, out: &mut Vec<Line<'a>>) {
    let mut at = None;
    let mut raw = raw;
    if let Some(found) = KUBELET.as_ref().and_then(|p| p.captures(raw.as_bytes())) {
        at = found.get(1).and_then(|m| Time::parse(str_of(m)));
        raw = &raw[found[0].len()..];
        if raw.trim().is_empty() {
            return;
        }
    }
    let cut = bounded(raw);
    let clean: Cow<str> = match COLOURS.as_ref() {
        Some(p) if cut.contains('\x1b') => {
            Cow::Owned(String::from_utf8_lossy(&p.replace_all(cut.as_bytes(), &b""[..])).into_owned())
        }
        _ => Cow::Borrowed(cut),
    };
    let line = |level, text, starts, inner| Line { raw, at, level, text, starts, inner, access: false };
    if let Some((level, text)) = structured(&clean) {
        for (i, part) in text.lines().filter(|l| !l.trim().is_empty()).take(INNER).enumerate() {
            out.push(line(level, Cow::Owned(part.to_owned()), i == 0, i > 0));
        }
        return;
    }
    let access = |p: &Option<Regex>| p.as_ref().is_some_and(|p| p.is_match(clean.as_bytes()));
    // A proxy's access log is the only place where it says that its upstream failed.
    if access(&ACCESS) && !clean.contains("{connection_failure") {
        out.push(Line { access: true, ..line(Level::Info, clean, true, false) });
        return;
    }
    let (level, from, when) = prefix(&clean);
    let at = at.or(when);
    let text = match clean {
        Cow::Borrowed(t) => Cow::Borrowed(&t[from..]),
        Cow::Owned(t) => Cow::Owned(t[from..].to_owned()),
    };
    out.push(Line { raw, at, level, text, starts: from > 0, inner: false, access: false });
}

fn bounded(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Level, bytes of the prefix, and the time in it.
fn prefix(text: &str) -> (Level, usize, Option<Time>) {
    if let Some(c) = KLOG.as_ref().and_then(|p| p.captures(text.as_bytes())) {
        return (level_of(c.get(1).map_or("", str_of)), c[0].len(), None);
    }
    if let Some(c) = RUBY.as_ref().and_then(|p| p.captures(text.as_bytes())) {
        return (level_of(c.get(1).map_or("", str_of)), c[0].len(), None);
    }
    if let Some(c) = REDIS.as_ref().and_then(|p| p.captures(text.as_bytes())) {
        let level = if &c[1] == b"#" { Level::Warning } else { Level::Info };
        return (level, c[0].len(), None);
    }
    let (mut level, mut from, mut when) = (Level::Unknown, 0, None);
    for _ in 0..8 {
        let rest = &text[from..];
        // Loggers pad the level to a column.
        let padding = if from > 0 { rest.len() - rest.trim_start().len() } else { 0 };
        if level == Level::Unknown
            && let Some(c) = LEVEL.as_ref().and_then(|p| p.captures(&rest.as_bytes()[padding..]))
        {
            let word = (1..=4).find_map(|i| c.get(i)).map_or("", str_of);
            level = level_of(word);
            // `Error: …` and `panic: …` at the very start are the message of a runtime, not the prefix of a logger.
            if from == 0
                && !matches!(c[0].first(), Some(b'[' | b'<' | b'('))
                && word.chars().any(|c| c.is_ascii_lowercase())
            {
                return (level, 0, when);
            }
            from += padding + c[0].len();
            continue;
        }
        let Some(found) = PREFIX.as_ref().and_then(|p| p.find(rest.as_bytes())) else { break };
        // A bracketed or dashed word opens many plain messages; it belongs to a prefix only behind a time or level.
        if from == 0
            && rest.starts_with(|c: char| c == '-' || c.is_ascii_alphabetic())
            && !str_of(found).contains(':')
        {
            break;
        }
        if when.is_none() {
            when = time(str_of(found));
        }
        from += found.len();
    }
    if level == Level::Unknown {
        level = upper_case_level(&text[from..]);
    }
    (level, from, when)
}

fn time(prefix: &str) -> Option<Time> {
    let text = prefix.trim_matches(|c: char| !c.is_ascii_alphanumeric()).replace(',', ".").replace('/', "-");
    let mut text = text.replacen(' ', "T", 1).replace(' ', "").replace("UTC", "Z").replace("GMT", "Z");
    if text.len() < 19 {
        return None;
    }
    if !text.ends_with('Z') && !text[19..].contains(['+', '-']) {
        text.push('Z');
    }
    Time::parse(&text)
}

/// A level among the first words, in capitals: `psql: FATAL:`, `[main] ERROR`, `mylib ERROR msg`.
fn upper_case_level(text: &str) -> Level {
    for word in text.split_ascii_whitespace().take(5) {
        let colon = word.ends_with(':');
        let bare = word.trim_matches(|c: char| !c.is_ascii_alphabetic());
        if matches!(bare, "WARN" | "WARNING" | "ERROR" | "SEVERE" | "CRITICAL" | "FATAL" | "PANIC" | "EMERG")
        {
            return level_of(bare);
        }
        if colon && matches!(bare, "error" | "fatal" | "warning" | "panic") {
            return level_of(bare);
        }
        if bare == "emerg" || bare == "crit" && word.starts_with('[') {
            return Level::Fatal;
        }
    }
    Level::Unknown
}

/// Level and message of a JSON or logfmt entry; the message has the error and its stack behind it.
fn structured(text: &str) -> Option<(Level, String)> {
    let start = text.trim_start();
    if start.starts_with('{') {
        return json(start);
    }
    if !(text.contains("msg=") || text.contains("message=")) || !text.contains('=') {
        return None;
    }
    let level = LOGFMT_LEVEL
        .as_ref()?
        .captures(text.as_bytes())
        .map_or(Level::Unknown, |c| level_of(c.get(1).map_or("", str_of)));
    let mut message = String::new();
    let mut error = String::new();
    for c in LOGFMT_FIELD.as_ref()?.captures_iter(text.as_bytes()) {
        let value = unquoted(c.get(2).map_or("", str_of));
        match c.get(1).map_or("", str_of) {
            "msg" | "message" => message = value,
            "err" | "error" | "reason" if !empty(&value) => error = value,
            _ => {}
        }
    }
    (!message.is_empty() || !error.is_empty()).then(|| (level, joined(&message, &error)))
}

fn joined(message: &str, error: &str) -> String {
    match (message.is_empty(), error.is_empty() || message.contains(error)) {
        (false, true) => message.to_owned(),
        (true, _) => error.to_owned(),
        (false, false) => format!("{message}: {error}"),
    }
}

fn unquoted(value: &str) -> String {
    if value.starts_with('"') {
        return serde_json::from_str(value).unwrap_or_else(|_| value.trim_matches('"').to_owned());
    }
    value.to_owned()
}

/// A field that says there is no error.
fn empty(value: &str) -> bool {
    matches!(value.trim(), "" | "nil" | "<nil>" | "null" | "none" | "None" | "false" | "0")
}

fn json(text: &str) -> Option<(Level, String)> {
    let value: Value = serde_json::from_str(text).ok()?;
    let object = value.as_object()?;
    let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or("");
    // The API server's refusal, as curl or a thin client prints it.
    if text("kind") == "Status" && text("status") == "Failure" {
        return Some((Level::Error, text("message").to_owned()));
    }
    // Events and objects of the cluster that a program forwards are not its own words.
    if ["involvedObject", "regarding", "apiVersion"].iter().any(|k| object.contains_key(*k)) {
        return Some((Level::Info, String::from("an object of the cluster")));
    }
    let pick = |names: &[&str]| {
        names.iter().find_map(|n| {
            object.get(*n).or_else(|| {
                let (outer, inner) = n.split_once('.')?;
                object.get(outer)?.get(inner)
            })
        })
    };
    let level = match pick(&[
        "level",
        "lvl",
        "severity",
        "log.level",
        "levelname",
        "@l",
        "Level",
        "LogLevel",
        "level_name",
    ]) {
        Some(Value::String(s)) => level_of(s),
        // pino and bunyan count in tens.
        Some(Value::Number(n)) => match n.as_u64().unwrap_or(0) {
            0..=20 => Level::Debug,
            21..=30 => Level::Info,
            31..=40 => Level::Warning,
            41..=50 => Level::Error,
            _ => Level::Fatal,
        },
        _ => Level::Unknown,
    };
    let said = |v: Option<&Value>| match v {
        Some(Value::String(s)) if !empty(s) => s.clone(),
        Some(Value::Object(o)) => {
            let part = |k: &str| o.get(k).and_then(Value::as_str).unwrap_or("");
            let stack = [part("stack"), part("extendedStackTrace"), part("stackTrace")];
            let kind = [part("type"), part("name"), part("class")];
            let first = |of: [&str; 3]| of.into_iter().find(|t| !t.is_empty()).unwrap_or("").to_owned();
            let stack = first(stack);
            if stack.is_empty() { joined(&first(kind), part("message")) } else { stack }
        }
        _ => String::new(),
    };
    let message = said(pick(&[
        "msg",
        "message",
        "log",
        "@m",
        "@mt",
        "event",
        "text",
        "short_message",
        "Message",
        "fields.message",
    ]));
    let error = said(pick(&[
        "err",
        "error",
        "exception",
        "error.message",
        "cause",
        "thrown",
        "@x",
        "exc_info",
        "Exception",
        "fields.error",
    ]));
    let stack =
        said(pick(&["stack_trace", "stacktrace", "stack", "error.stack_trace", "exc_text", "traceback"]));
    let mut text = joined(&message, &error);
    if !stack.is_empty() && stack != error {
        text = format!("{text}\n{stack}");
    }
    Some((level, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Level and message of one line in each format.
    #[test]
    fn formats_say_level_and_message() {
        for (line, level, text) in [
            (r#"{"level":"error","ts":1.7,"msg":"dial","err":"refused"}"#, Level::Error, "dial: refused"),
            (
                r#"{"level":50,"msg":"boom","err":{"type":"Error","message":"x","stack":"Error: x"}}"#,
                Level::Error,
                "boom: Error: x",
            ),
            (r#"{"severity":"INFO","message":"ok","error":null}"#, Level::Info, "ok"),
            (
                r#"time="2026-01-01T00:00:00Z" level=fatal msg="cannot start" err="no \"x\"""#,
                Level::Fatal,
                "cannot start: no \"x\"",
            ),
            ("E1128 10:00:00.000000       1 main.go:12] failed", Level::Error, "failed"),
            ("2026-01-01 10:00:00,123 - mylib.db - ERROR - gone", Level::Error, "gone"),
            ("2026-01-01T10:00:00.000Z  WARN 1 --- [main] c.e.App : slow", Level::Warning, "slow"),
            ("2026/01/01 10:00:00 [emerg] 1#1: bind() failed", Level::Fatal, "bind() failed"),
            ("2026-01-01 10:00:00.000 UTC [1] FATAL:  too many", Level::Fatal, " too many"),
            ("1:M 01 Jan 2026 10:00:00.000 # Warning: x", Level::Warning, "Warning: x"),
            ("E, [2026-01-01T10:00:00.1 #1] ERROR -- : gone", Level::Error, "gone"),
            ("ERROR:root:gone", Level::Error, "gone"),
            (
                "ERROR 01-01 10:00:00 core.py:390] Traceback (most recent call last):",
                Level::Error,
                "Traceback (most recent call last):",
            ),
            (
                "(EngineCore_0 pid=12) ERROR 01-01 10:00:00 [core.py:700] ValueError: x",
                Level::Error,
                "ValueError: x",
            ),
            ("panic: boom", Level::Fatal, "panic: boom"),
            ("Error: Cannot find module 'x'", Level::Error, "Error: Cannot find module 'x'"),
            ("plain words", Level::Unknown, "plain words"),
            ("psql: error: connection to server", Level::Error, "psql: error: connection to server"),
            ("\x1b[31mERROR\x1b[0m gone", Level::Error, "gone"),
        ] {
            let lines = lines(line);
            assert_eq!((lines[0].level, &*lines[0].text), (level, text), "{line}");
        }
        let access = lines(r#"10.0.0.1 - - [01/Jan/2026:10:00:00 +0000] "GET /error HTTP/1.1" 500 12"#);
        assert!(access[0].access);
        let stamped = lines("2026-01-01T10:00:00.123456789Z     at x");
        assert_eq!(
            (&*stamped[0].text, stamped[0].starts, stamped[0].at.is_some()),
            ("    at x", false, true)
        );
    }

    #[test]
    fn hostile_bytes_and_endless_lines_are_cut() {
        let long = format!("ERROR {}", "é".repeat(1 << 20));
        assert!(lines(&long)[0].text.len() <= LONGEST);
        assert_eq!(lines("\0\x07\x1b]0;x\x07\n\n \n").len(), 1);
        assert_eq!(lines(&format!("{{\"msg\":{}", "[".repeat(5000))).len(), 1);
    }
}
