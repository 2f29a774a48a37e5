//! Scrolled text with search: help, describe, YAML.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::world::{ObjectRef, Text};

/// One line in pieces, each with the scope of its style.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Line(pub Vec<(String, &'static str)>);

impl Line {
    pub fn plain(text: impl Into<String>) -> Line {
        Line(vec![(text.into(), "text")])
    }

    pub fn of(text: impl Into<String>, scope: &'static str) -> Line {
        Line(vec![(text.into(), scope)])
    }

    pub fn text(&self) -> String {
        self.0.iter().map(|(t, _)| t.as_str()).collect()
    }
}

/// What the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Help,
    Describe,
    Yaml,
    Evidence,
    Report,
}

/// The object behind an open YAML view and how it is shown.
#[derive(Debug, Default)]
pub struct Source {
    pub token: u64,
    pub object: Option<Value>,
    pub managed: bool,
    pub revealed: BTreeSet<String>,
}

#[derive(Debug)]
pub struct TextView {
    pub of: Of,
    pub title: Text,
    pub object: Option<ObjectRef>,
    pub lines: Vec<Line>,
    /// First line shown.
    pub offset: usize,
    /// Columns scrolled to the right.
    pub left: usize,
    pub height: usize,
    pub search: String,
    /// The line last found.
    found: Option<usize>,
    /// What a YAML view was made from.
    pub source: Option<Source>,
}

impl TextView {
    pub fn new(of: Of, title: impl Into<Text>, object: Option<ObjectRef>, lines: Vec<Line>) -> TextView {
        TextView {
            of,
            title: title.into(),
            object,
            lines,
            offset: 0,
            left: 0,
            height: 1,
            search: String::new(),
            found: None,
            source: None,
        }
    }

    pub fn scroll(&mut self, by: isize) {
        self.offset = self.offset.saturating_add_signed(by);
        self.settle();
    }

    pub fn settle(&mut self) {
        self.offset = self.offset.min(self.lines.len().saturating_sub(self.height));
    }

    /// Whether the line holds what is searched for.
    pub fn hit(&self, line: &Line) -> bool {
        !self.search.is_empty() && line.text().to_lowercase().contains(&self.search.to_lowercase())
    }

    /// Looks for a text as it is typed: the line last found stays while it still matches.
    pub fn search(&mut self, text: &str) {
        self.search = text.to_owned();
        if !self.search.is_empty() {
            self.look(0, true);
        }
    }

    /// Scrolls to the next line that matches, or the one before; false where none does.
    pub fn find(&mut self, forward: bool) -> bool {
        self.look(1, forward)
    }

    fn look(&mut self, first: usize, forward: bool) -> bool {
        let n = self.lines.len();
        // From the line last found, where that is in sight: several may stand on the last page.
        let page = self.offset..self.offset + self.height.max(1);
        let from = self.found.filter(|i| page.contains(i) && *i < n).unwrap_or(self.offset);
        let found = (first..first + n)
            .map(|d| if forward { (from + d) % n } else { (from + n - d) % n })
            .find(|i| self.hit(&self.lines[*i]));
        self.found = found;
        if let Some(i) = found {
            self.offset = i;
            self.settle();
        }
        found.is_some()
    }
}
