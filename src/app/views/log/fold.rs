//! One log line read as what it is: JSON, klog, or text with a level word in it.

use serde_json::Value;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
}

impl Level {
    fn of(word: &str) -> Option<Level> {
        let upper = word.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_ascii_uppercase();
        Some(match upper.as_str() {
            "ERROR" | "ERR" | "FATAL" | "CRITICAL" | "CRIT" | "PANIC" | "SEVERE" | "ALERT" | "EMERG" => {
                Level::Error
            }
            "WARN" | "WARNING" => Level::Warn,
            "INFO" | "NOTICE" | "INFORMATION" => Level::Info,
            "DEBUG" | "TRACE" | "FINE" | "VERBOSE" => Level::Debug,
            _ => return None,
        })
    }

    /// Numeric levels as pino and bunyan write them.
    fn of_number(n: i64) -> Option<Level> {
        Some(match n {
            50.. => Level::Error,
            40..50 => Level::Warn,
            30..40 => Level::Info,
            10..30 => Level::Debug,
            _ => return None,
        })
    }
}

/// A line with its level, the time it claims, its message, and the fields folded away.
#[derive(Clone, PartialEq, Debug)]
pub struct Folded {
    /// The line was JSON: its level and time are no longer in the message.
    pub json: bool,
    pub level: Option<Level>,
    /// As written in the line; empty where it says none.
    pub time: String,
    pub message: String,
    /// The other fields, without those shown above.
    pub fields: Vec<(String, String)>,
}

const LEVEL_KEYS: &[&str] = &["level", "lvl", "severity", "log.level", "levelname", "loglevel"];
const TIME_KEYS: &[&str] = &["time", "ts", "timestamp", "@timestamp", "t", "asctime"];
const MESSAGE_KEYS: &[&str] = &["msg", "message", "event", "log", "error"];

/// Reads a line. Text that is no JSON keeps its whole self as the message.
pub fn fold(line: &str) -> Folded {
    let trimmed = line.trim();
    if trimmed.starts_with('{')
        && let Ok(Value::Object(object)) = serde_json::from_str::<Value>(trimmed)
    {
        return fold_json(object);
    }
    Folded {
        json: false,
        level: level_of_text(trimmed),
        time: String::new(),
        message: line.to_owned(),
        fields: Vec::new(),
    }
}

fn fold_json(mut object: serde_json::Map<String, Value>) -> Folded {
    let mut take = |keys: &[&str]| keys.iter().find_map(|k| object.remove(*k));
    let level = take(LEVEL_KEYS).and_then(|v| match &v {
        Value::String(s) => Level::of(s),
        Value::Number(n) => n.as_i64().and_then(Level::of_number),
        _ => None,
    });
    let time = take(TIME_KEYS).map(|v| plain(&v)).unwrap_or_default();
    let message = take(MESSAGE_KEYS).map(|v| plain(&v)).unwrap_or_default();
    let fields = object.into_iter().map(|(k, v)| (k, plain(&v))).collect();
    Folded { json: true, level, time, message, fields }
}

/// A string without its quotes, anything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    }
}

/// klog's first letter with its date (`E1121 01:05:53.1 …]`), or a level word among the first few.
fn level_of_text(line: &str) -> Option<Level> {
    let b = line.as_bytes();
    if b.len() > 5 && b[1..5].iter().all(u8::is_ascii_digit) && b[5] == b' ' {
        match b[0] {
            b'E' | b'F' => return Some(Level::Error),
            b'W' => return Some(Level::Warn),
            b'I' => return Some(Level::Info),
            b'D' => return Some(Level::Debug),
            _ => {}
        }
    }
    line.split(|c: char| c.is_whitespace() || "[]|()".contains(c)).filter(|w| !w.is_empty()).take(6).find_map(
        |w| {
            // "level=error", and "Error:" but not "error" in running prose.
            let word = w.strip_prefix("level=").unwrap_or(w);
            let shouted = word.chars().filter(|c| c.is_ascii_alphabetic()).all(|c| c.is_ascii_uppercase());
            (shouted || word.len() < w.len() || word.ends_with(':')).then(|| Level::of(word)).flatten()
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_lines_fold_to_level_time_and_message() {
        let f = fold(
            r#"{"ts":"2026-11-21T01:05:53Z","level":"warn","msg":"queue is full","queue":17,"who":{"a":1}}"#,
        );
        assert_eq!(f.level, Some(Level::Warn));
        assert_eq!((f.time.as_str(), f.message.as_str()), ("2026-11-21T01:05:53Z", "queue is full"));
        assert_eq!(f.fields, [("queue".into(), "17".into()), ("who".into(), r#"{"a":1}"#.into())]);
        assert_eq!(fold(r#"{"level":50,"message":"no"}"#).level, Some(Level::Error), "pino");
        assert_eq!(fold("{broken").message, "{broken");
    }

    #[test]
    fn levels_are_seen_in_text_but_not_in_prose() {
        for (line, want) in [
            (
                "E1121 01:05:53.123456       1 proxier.go:733] \"Failed to execute iptables-restore\"",
                Some(Level::Error),
            ),
            ("2026-11-21 01:05:53,123 WARN  [main] low on heap", Some(Level::Warn)),
            ("time=x level=error msg=y", Some(Level::Error)),
            ("Error: Cannot find module 'express'", Some(Level::Error)),
            ("there was no error in this request", None),
            ("", None),
        ] {
            assert_eq!(fold(line).level, want, "{line}");
        }
    }
}
