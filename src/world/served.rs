//! Kinds without a record of khud's own: the kinds the server serves, and bounded tables of their objects.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::record::{Meta, Object};
use super::table::Table;
use super::{Kind, Text};

/// The most rows of one kind. Further rows are dropped and `Rows::full` is set.
pub const MOST_ROWS: usize = 100_000;

/// A kind as API discovery names it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct Resource {
    /// Empty for core.
    pub group: Text,
    /// The API version (`v1alpha1`).
    pub version: Text,
    /// The plural in URLs (`widgets`).
    pub plural: Text,
    /// The API's name (`Widget`).
    pub kind: Text,
    /// Whether objects of the kind live in a namespace.
    pub namespaced: bool,
}

/// A kind that can be listed and watched, with its short names.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// The kind.
    pub kind: Kind,
    /// kubectl's short names.
    pub short: Box<[Text]>,
}

impl Offer {
    /// Whether a typed word names this kind: plural, kind, short name or `plural.group`, in any case.
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
    /// The column's heading.
    pub name: Text,
    /// The API's type: `string`, `integer`, `number`, `boolean` or `date`.
    pub of: Text,
    /// Shown only in wide output (`priority` above 0).
    pub wide: bool,
}

/// The content of a cell.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Datum {
    /// No value.
    None,
    /// Text, cut at a limit.
    Text(Text),
    /// A whole number.
    Number(i64),
    /// A boolean.
    Flag(bool),
}

/// A row of the server's table, with the metadata of its object.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Row {
    /// The kind of the object.
    pub kind: Kind,
    /// The metadata of the object.
    pub meta: Meta,
    /// The cells, in the order of the columns.
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

/// The rows of one kind.
#[derive(Debug, Default)]
pub struct Rows {
    /// The columns of the table.
    pub columns: Arc<[Column]>,
    /// The rows.
    pub rows: Table<Row>,
    /// The server has more rows than khud stores.
    pub full: bool,
}
