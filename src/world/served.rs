//! Kinds khud has no record for: what the server says it serves, and its own tables of them, bounded.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Meta, Object};
use super::table::Table;
use super::{Kind, Text};

/// Rows of one kind held at most; what comes after is left out and `Rows::full` says so.
pub const MOST_ROWS: usize = 100_000;

/// A kind as discovery names it: where it is served and under which words.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Resource {
    /// Empty for core.
    pub group: Text,
    pub version: Text,
    /// The word in URLs (`widgets`).
    pub plural: Text,
    /// The API's word (`Widget`).
    pub kind: Text,
    pub namespaced: bool,
}

/// One kind that can be listed and watched, with the short words it also answers to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    pub kind: Kind,
    pub short: Box<[Text]>,
}

impl Offer {
    /// Whether the word an operator typed means this kind: plural, kind, short name or `plural.group`, in any case.
    pub fn answers_to(&self, word: &str) -> bool {
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        is(self.kind.plural())
            || is(self.kind.name())
            || self.short.iter().any(|s| is(s))
            || word.split_once('.').is_some_and(|(plural, group)| {
                plural.eq_ignore_ascii_case(self.kind.plural())
                    && group.eq_ignore_ascii_case(self.kind.group())
            })
    }
}

/// A column of the server's table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Column {
    pub name: Text,
    /// The API's type: `string`, `integer`, `number`, `boolean`, `date`.
    pub of: Text,
    /// Only wanted where there is room (`priority` above 0).
    pub wide: bool,
}

/// What stands in a cell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Datum {
    None,
    Text(Text),
    Number(i64),
    Flag(bool),
}

/// One object as the server's table shows it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    pub kind: Kind,
    pub meta: Meta,
    pub cells: Box<[Datum]>,
}

impl Object for Row {
    fn meta(&self) -> &Meta {
        &self.meta
    }
    fn kind(&self) -> Kind {
        self.kind.clone()
    }
}

/// All objects of one kind, as the server's table shows them.
#[derive(Debug, Default)]
pub struct Rows {
    pub columns: Arc<[Column]>,
    pub rows: Table<Row>,
    /// There are more than khud holds.
    pub full: bool,
}
