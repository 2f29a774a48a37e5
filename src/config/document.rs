//! Reads TOML with line numbers. A problem names the file, the line and the nearest valid name.

use std::borrow::Cow;
use std::fmt;
use std::ops::{Range, RangeInclusive};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A value and its position in the text.
pub(crate) type Node<'t> = Spanned<DeValue<'t>>;
/// A key and its position in the text.
pub(crate) type Name<'t> = Spanned<Cow<'t, str>>;

/// The largest configuration file, in bytes. No hand-written file comes near it.
pub const LARGEST: usize = 1024 * 1024;

/// The severity of a problem.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The rest of the file is used.
    Warning,
    /// The file is rejected.
    Error,
}

/// A problem in a file of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file's path, as given.
    pub file: String,
    /// The line in the file, from 1.
    pub line: usize,
    pub level: Level,
    /// One sentence: what is wrong and what to write instead.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Warning => "warning",
            Level::Error => "error",
        };
        write!(f, "{}:{}: {level}: {}", self.file, self.line, self.text)
    }
}

/// Whether one of the problems rejects the file.
pub fn refused(problems: &[Problem]) -> bool {
    problems.iter().any(|p| p.level == Level::Error)
}

/// The name closest to `word`, if it is close enough to be a typo.
pub fn nearest<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    names
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(&folded, &name.to_lowercase()), name))
        .filter(|(distance, name)| *distance <= 1 + name.len().min(word.len()) / 4)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// `; did you mean "X"?`, or an empty text.
pub(crate) fn hint<'a>(word: &str, names: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, names).map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default()
}

/// Quotes user text for a message: bounded length, control characters escaped.
pub(crate) fn quote(text: &str) -> String {
    const LONGEST: usize = 60;
    let mut shown: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// A file being read: its text and the problems so far.
pub(crate) struct Document<'t> {
    file: String,
    text: &'t str,
    pub problems: Vec<Problem>,
}

impl<'t> Document<'t> {
    pub fn new(file: &str, text: &'t str) -> Document<'t> {
        Document { file: file.to_owned(), text, problems: Vec::new() }
    }

    /// Parses the file; `None` if it is not TOML, with the problem recorded.
    pub fn parse(&mut self) -> Option<DeTable<'t>> {
        if self.text.len() > LARGEST {
            self.error(&(0..0), format!("the file is larger than {LARGEST} bytes and was not read"));
            return None;
        }
        match DeTable::parse(self.text) {
            Ok(table) => Some(table.into_inner()),
            Err(e) => {
                let at = e.span().unwrap_or(0..0);
                self.error(&at, format!("not valid TOML: {}", e.message()));
                None
            }
        }
    }

    /// The line of a position in the text, from 1.
    pub fn line(&self, at: &Range<usize>) -> usize {
        let end = at.start.min(self.text.len());
        1 + self.text.as_bytes()[..end].iter().filter(|b| **b == b'\n').count()
    }

    fn note(&mut self, at: &Range<usize>, level: Level, text: impl Into<String>) {
        let line = self.line(at);
        self.problems.push(Problem { file: self.file.clone(), line, level, text: text.into() });
    }

    pub fn error(&mut self, at: &Range<usize>, text: impl Into<String>) {
        self.note(at, Level::Error, text);
    }

    pub fn warn(&mut self, at: &Range<usize>, text: impl Into<String>) {
        self.note(at, Level::Warning, text);
    }

    /// An unknown key is only a warning, so that a file for a newer khud still works.
    pub fn unknown<'a>(&mut self, name: &Name<'_>, what: &str, known: impl IntoIterator<Item = &'a str>) {
        let hint = hint(name.get_ref(), known);
        self.warn(&name.span(), format!("unknown {what} {}{hint}", quote(name.get_ref())));
    }

    fn expected(&mut self, node: &Node<'_>, key: &str, what: &str) {
        let found = node.get_ref().type_str();
        let article = if found.starts_with(['a', 'e', 'i', 'o']) { "an" } else { "a" };
        self.error(&node.span(), format!("{} must be {what}, not {article} {found}", quote(key)));
    }

    pub fn table<'n>(&mut self, key: &str, node: &'n Node<'t>) -> Option<&'n DeTable<'t>> {
        let table = node.get_ref().as_table();
        if table.is_none() {
            self.expected(node, key, "a table");
        }
        table
    }

    pub fn string<'n>(&mut self, key: &str, node: &'n Node<'t>) -> Option<&'n str> {
        let text = node.get_ref().as_str();
        if text.is_none() {
            self.expected(node, key, "a string");
        }
        text
    }

    pub fn bool(&mut self, key: &str, node: &Node<'t>) -> Option<bool> {
        let value = node.get_ref().as_bool();
        if value.is_none() {
            self.expected(node, key, "true or false");
        }
        value
    }

    /// A whole number within `range`.
    pub fn integer(&mut self, key: &str, node: &Node<'t>, range: RangeInclusive<i64>) -> Option<i64> {
        let (low, high) = (*range.start(), *range.end());
        let Some(digits) = node.get_ref().as_integer() else {
            self.expected(node, key, &format!("a whole number from {low} to {high}"));
            return None;
        };
        let value = i64::from_str_radix(digits.as_str(), digits.radix()).ok().filter(|v| range.contains(v));
        if value.is_none() {
            let text = format!("{} must be from {low} to {high}, not {digits}", quote(key));
            self.error(&node.span(), text);
        }
        value
    }

    /// A string or a list of strings.
    pub fn strings<'n>(&mut self, key: &str, node: &'n Node<'t>) -> Option<Vec<(Range<usize>, &'n str)>> {
        if let Some(one) = node.get_ref().as_str() {
            return Some(vec![(node.span(), one)]);
        }
        let Some(list) = node.get_ref().as_array() else {
            self.expected(node, key, "a string or a list of strings");
            return None;
        };
        let mut strings = Vec::with_capacity(list.len());
        for item in list.iter() {
            strings.push((item.span(), self.string(key, item)?));
        }
        Some(strings)
    }

    /// One of several words.
    pub fn choice<T: Copy>(&mut self, key: &str, node: &Node<'t>, choices: &[(&str, T)]) -> Option<T> {
        let word = self.string(key, node)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == word) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let hint = hint(word, names.iter().copied());
        let text = format!("{} must be one of {}, not {}{hint}", quote(key), names.join(", "), quote(word));
        self.error(&node.span(), text);
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_problem_names_file_line_and_reason() {
        let mut document = Document::new("k.toml", "a = 1\nb = = 2\n");
        assert!(document.parse().is_none());
        let problem = &document.problems[0];
        assert_eq!((problem.line, problem.level), (2, Level::Error));
        assert!(problem.to_string().starts_with("k.toml:2: error: not valid TOML: "), "{problem}");
    }

    #[test]
    fn nearest_takes_slips_and_leaves_strangers() {
        let names = ["move.down", "move.up", "filter"];
        assert_eq!(nearest("fitler", names), Some("filter"));
        assert_eq!(nearest("Move.Down", names), Some("move.down"));
        assert_eq!(nearest("teleport", names), None);
    }

    #[test]
    fn values_of_the_wrong_type_or_range_are_refused_with_their_line() {
        let text = "a = 1\nb = 70000\nc = ['x', 2]\nd = 'maybe'\n";
        let mut document = Document::new("c.toml", text);
        let table = document.parse().unwrap();
        assert_eq!(document.bool("a", &table["a"]), None);
        assert_eq!(document.integer("b", &table["b"], 1..=100), None);
        assert_eq!(document.strings("c", &table["c"]), None);
        assert_eq!(document.choice("d", &table["d"], &[("yes", true), ("no", false)]), None);
        let said: Vec<(usize, &str)> = document.problems.iter().map(|p| (p.line, p.text.as_str())).collect();
        assert_eq!(
            said,
            [
                (1, "\"a\" must be true or false, not an integer"),
                (2, "\"b\" must be from 1 to 100, not 70000"),
                (3, "\"c\" must be a string, not an integer"),
                (4, "\"d\" must be one of yes, no, not \"maybe\""),
            ]
        );
    }
}
