//! Name patterns, as contexts are named by.

use regex::Regex;

/// A name pattern with `*` and `?`, in any case.
#[derive(Debug, Clone)]
pub(super) struct Pattern {
    pub text: String,
    regex: Option<Regex>,
}

impl Pattern {
    pub fn new(text: &str) -> Pattern {
        let body = regex::escape(text).replace(r"\*", ".*").replace(r"\?", ".");
        Pattern { text: text.to_owned(), regex: Regex::new(&format!("(?is)^{body}$")).ok() }
    }

    pub fn matches(&self, name: &str) -> bool {
        self.regex.as_ref().is_some_and(|r| r.is_match(name))
    }
}
