//! The rows of the log tables: a pattern, the cause it proves, and what it names; finds the best row for a text.

use std::sync::{LazyLock, OnceLock};

use aho_corasick::AhoCorasick;
use regex::bytes::{Captures, Regex};

use super::{Named, config, files, models, network, pattern, program, runtime, services, text, tls};
use crate::judge::Cause;

/// How much a row proves. The order is that of trust.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Grade {
    /// A phrase that several faults share.
    Plain,
    /// A known message that names its subject.
    Named,
    /// A message that only this fault prints.
    Exact,
}

/// One wording of one fault.
#[derive(Debug)]
pub struct Row {
    /// The cause where the program ended after this line.
    pub ended: Cause,
    /// The cause where a program that still runs repeats the line; `None` where repeating it proves nothing.
    pub running: Option<Cause>,
    pub grade: Grade,
    /// Lower-case texts; only a line that has one of them is matched.
    pub keys: &'static [&'static str],
    /// A regular expression. `%host%`, `%addr%`, `%port%`, `%path%`, `%var%`, `%module%`, `%user%` and `%what%` stand
    /// for named groups; a digit before the second `%` tells alternatives apart.
    pub pattern: &'static str,
    /// Only a program that runs on and repeats the line has this fault; it is no reason to end.
    pub only_running: bool,
    /// Words for a row of the screen; `{group}` is replaced, and a part in `[]` is left out where its group is missing.
    pub words: &'static str,
}

impl Row {
    const fn new(
        ended: Cause,
        grade: Grade,
        keys: &'static [&'static str],
        pattern: &'static str,
        words: &'static str,
    ) -> Row {
        Row { ended, running: None, grade, keys, pattern, only_running: false, words }
    }

    /// The cause where a program that still runs repeats this line.
    pub const fn running(mut self, cause: Cause) -> Row {
        self.running = Some(cause);
        self
    }

    /// The cause is the same whether the program ended or runs on.
    pub const fn always(mut self) -> Row {
        self.running = Some(self.ended);
        self
    }
}

pub const fn exact(
    cause: Cause,
    keys: &'static [&'static str],
    pattern: &'static str,
    words: &'static str,
) -> Row {
    Row::new(cause, Grade::Exact, keys, pattern, words)
}

pub const fn named(
    cause: Cause,
    keys: &'static [&'static str],
    pattern: &'static str,
    words: &'static str,
) -> Row {
    Row::new(cause, Grade::Named, keys, pattern, words)
}

pub const fn plain(
    cause: Cause,
    keys: &'static [&'static str],
    pattern: &'static str,
    words: &'static str,
) -> Row {
    Row::new(cause, Grade::Plain, keys, pattern, words)
}

/// A message that says nothing of a program that ended, and names the fault of one that runs and repeats it.
pub const fn repeated(
    cause: Cause,
    keys: &'static [&'static str],
    pattern: &'static str,
    words: &'static str,
) -> Row {
    let mut row = Row::new(cause, Grade::Named, keys, pattern, words);
    row.running = Some(cause);
    row.only_running = true;
    row
}

/// Among rows of the same grade the first one wins, so the more telling tables stand first.
const TABLES: &[&[Row]] = &[
    models::ROWS,
    program::ROWS,
    runtime::ROWS,
    tls::ROWS,
    files::ROWS,
    services::ROWS,
    network::ROWS,
    config::ROWS,
];

/// What a row found in a text.
#[derive(Clone, Debug)]
pub struct Match {
    pub row: &'static Row,
    pub words: String,
    pub named: Named,
    /// Where the match begins, in bytes of the text.
    pub at: usize,
}

struct Compiled {
    rows: Vec<&'static Row>,
    patterns: Vec<OnceLock<Option<Regex>>>,
    /// Finds the rows' keys.
    keys: AhoCorasick,
    /// The row of each key.
    row_of: Vec<usize>,
}

static COMPILED: LazyLock<Option<Compiled>> = LazyLock::new(|| {
    let rows: Vec<&'static Row> = TABLES.iter().flat_map(|t| t.iter()).collect();
    let keyed = rows.iter().enumerate().flat_map(|(i, r)| r.keys.iter().map(move |k| (i, *k)));
    let (row_of, words): (Vec<usize>, Vec<&str>) = keyed.unzip();
    let keys = AhoCorasick::builder().ascii_case_insensitive(true).build(words).ok()?;
    let patterns = rows.iter().map(|_| OnceLock::new()).collect();
    Some(Compiled { rows, patterns, keys, row_of })
});

/// The best row for a text: the highest grade, and among those the first of the tables.
pub fn best(text: &str) -> Option<Match> {
    let compiled = COMPILED.as_ref()?;
    let mut rows: Vec<usize> =
        compiled.keys.find_overlapping_iter(text).map(|m| compiled.row_of[m.pattern().as_usize()]).collect();
    rows.sort_unstable_by_key(|&i| (std::cmp::Reverse(compiled.rows[i].grade), i));
    rows.dedup();
    rows.into_iter().find_map(|i| {
        let row = compiled.rows[i];
        // A pattern is compiled when a line first has one of its keys; most never are.
        let compiled_row = compiled.patterns[i].get_or_init(|| pattern(&expanded(row.pattern))).as_ref()?;
        let captures = compiled_row.captures(text.as_bytes())?;
        let at = captures.get(0).map_or(0, |m| m.start());
        Some(Match {
            row,
            words: filled(row.words, compiled_row, &captures),
            named: subject(compiled_row, &captures),
            at,
        })
    })
}

/// The pattern with its `%name%` written out.
fn expanded(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() + 64);
    for (i, part) in pattern.split('%').enumerate() {
        let class = match part.trim_end_matches(|c: char| c.is_ascii_digit()) {
            _ if i % 2 == 0 => None,
            "host" => Some(r"[A-Za-z0-9_](?:[A-Za-z0-9._-]*[A-Za-z0-9_])?"),
            "addr" => Some(r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_][A-Za-z0-9._-]*):\d{1,5}"),
            "port" => Some(r"\d{1,5}"),
            // The byte E2 begins typographic quotes.
            "path" => Some(r#"/[^\s"'`\xE2,;:()\[\]]*"#),
            "var" => Some(r"[A-Z][A-Z0-9]*_[A-Z0-9_]+|[A-Z]{3,}"),
            "module" => Some(r"[\w@./$-]*[\w]"),
            "user" => Some(r#"[^\s"'`@]+"#),
            "what" => Some(r"[^\n]+?"),
            _ => None,
        };
        match class {
            // A path begins outside of a word: `pg_wal/0001` has none.
            Some(class) if class.starts_with('/') => out.push_str(&format!(r"\B(?P<{part}>{class})")),
            Some(class) => out.push_str(&format!("(?P<{part}>{class})")),
            None => out.push_str(part),
        }
    }
    out
}

/// The first group of that name, numbered or not, that took part in the match.
fn group<'t>(pattern: &Regex, captures: &Captures<'t>, name: &str) -> Option<&'t str> {
    pattern
        .capture_names()
        .flatten()
        .filter(|n| n.trim_end_matches(|c: char| c.is_ascii_digit()) == name)
        .find_map(|n| captures.name(n))
        .map(|m| text(m).trim())
        .filter(|t| !t.is_empty())
}

fn subject(pattern: &Regex, captures: &Captures) -> Named {
    let get = |name| group(pattern, captures, name);
    if let Some(addr) = get("addr") {
        let (host, port) = addr.rsplit_once(':').unwrap_or((addr, ""));
        return Named::Host { name: host.trim_matches(['[', ']']).to_owned(), port: port.parse().ok() };
    }
    if let Some(host) = get("host") {
        return Named::Host { name: host.to_owned(), port: get("port").and_then(|p| p.parse().ok()) };
    }
    let own = |text: &str| super::short(text, 120);
    match () {
        () if get("path").is_some() => Named::Path(own(get("path").unwrap_or_default())),
        () if get("var").is_some() => Named::Variable(own(get("var").unwrap_or_default())),
        () if get("module").is_some() => Named::Module(own(get("module").unwrap_or_default())),
        () if get("user").is_some() => Named::User(own(get("user").unwrap_or_default())),
        () if get("port").is_some() => Named::Port(get("port").and_then(|p| p.parse().ok()).unwrap_or(0)),
        () => get("what").map_or(Named::Nothing, |w| Named::Other(own(w))),
    }
}

fn filled(words: &str, pattern: &Regex, captures: &Captures) -> String {
    let mut out = String::with_capacity(words.len() + 32);
    for part in words.split_inclusive(']').flat_map(|p| match p.split_once('[') {
        Some((before, optional)) => vec![(before, false), (optional.trim_end_matches(']'), true)],
        None => vec![(p, false)],
    }) {
        let (text, optional) = part;
        let mut filled = String::new();
        let mut missing = false;
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            filled.push_str(before);
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            match group(pattern, captures, name) {
                Some(value) => filled.push_str(&super::short(value, 60)),
                None => missing = true,
            }
            rest = after;
        }
        filled.push_str(rest);
        if !(optional && missing) {
            out.push_str(&filled);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_compiles_has_lower_case_keys_and_names_only_groups_it_has() {
        let mut rows = 0;
        for row in TABLES.iter().flat_map(|t| t.iter()) {
            rows += 1;
            let compiled = pattern(&expanded(row.pattern)).unwrap_or_else(|| panic!("{}", row.pattern));
            assert!(!row.keys.is_empty(), "{}", row.pattern);
            for key in row.keys {
                assert_eq!(*key, key.to_lowercase(), "{}", row.pattern);
            }
            for name in row.words.split('{').skip(1).filter_map(|p| p.split_once('}')).map(|(n, _)| n) {
                let has = compiled
                    .capture_names()
                    .flatten()
                    .any(|n| n.trim_end_matches(|c: char| c.is_ascii_digit()) == name);
                assert!(has, "{} has no group {name}", row.pattern);
            }
        }
        assert!(rows > 140, "{rows} rows");
    }
}
