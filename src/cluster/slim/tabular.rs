//! Decodes the server's own tables (`meta.k8s.io/v1 Table`): lists and watch events of any kind as rows of
//! plain cells.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::wire::{self, S};
use super::{DecodeError, Decoder, Item, Line, Page};
use crate::world::served::{Column, Datum, Row};
use crate::world::{Record, Text};

/// The longest text of a cell, in bytes.
const LONGEST: usize = 1024;

#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase", default)]
struct Table<'a> {
    metadata: Option<wire::ListMeta<'a>>,
    column_definitions: Option<Vec<Definition<'a>>>,
    rows: Option<Vec<TableRow<'a>>>,
    /// The objects of a list, if the server has no table for the kind.
    items: Option<Vec<Bare<'a>>>,
}

#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"), default)]
struct Definition<'a> {
    name: Option<S<'a>>,
    r#type: Option<S<'a>>,
    priority: Option<wire::N>,
}

#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"), default)]
struct TableRow<'a> {
    cells: Option<Vec<serde_json::Value>>,
    object: Option<Bare<'a>>,
}

#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"), default)]
struct Bare<'a> {
    metadata: Option<wire::Meta<'a>>,
}

/// A watch event's object: a table with one row, or the object itself if the server has no table for the
/// kind.
#[derive(Deserialize, Default)]
#[serde(bound(deserialize = "'de: 'a"), rename_all = "camelCase", default)]
struct Event<'a> {
    metadata: Option<wire::Meta<'a>>,
    column_definitions: Option<Vec<Definition<'a>>>,
    rows: Option<Vec<TableRow<'a>>>,
}

#[derive(Deserialize)]
struct Typed<'a> {
    r#type: String,
    #[serde(borrow)]
    object: &'a RawValue,
}

impl Decoder {
    /// The columns, if they changed since the last call.
    pub fn new_columns(&mut self) -> Option<Arc<[Column]>> {
        std::mem::take(&mut self.columns_changed).then(|| self.columns.clone())?
    }

    /// Decodes one page of a list that was requested as a table.
    pub(super) fn table_page(&mut self, bytes: &[u8]) -> Result<Page, DecodeError> {
        let table: Table<'_> = serde_json::from_slice(bytes)?;
        let mut page = Page::default();
        page.read(table.metadata);
        match table.items {
            Some(items) => {
                self.define(Some(Vec::new()));
                for object in items {
                    self.page_row(TableRow { cells: None, object: Some(object) }, &mut page);
                }
            }
            None => {
                self.define(table.column_definitions);
                for row in table.rows.unwrap_or_default() {
                    self.page_row(row, &mut page);
                }
            }
        }
        Ok(page)
    }

    fn page_row(&mut self, row: TableRow<'_>, page: &mut Page) {
        match self.row(row) {
            Ok(item) => page.items.push(item.record),
            Err(e) => {
                page.unreadable += 1;
                page.why.get_or_insert_with(|| e.to_string());
            }
        }
    }

    /// Decodes one line of a watch that was requested as tables.
    pub(super) fn table_line(&mut self, bytes: &[u8]) -> Result<Line, DecodeError> {
        let line: Typed<'_> = serde_json::from_slice(bytes)?;
        let object = line.object.get();
        if line.r#type == "ERROR" {
            return Ok(Line::Error(serde_json::from_str::<wire::Status<'_>>(object)?.into()));
        }
        let mut event: Event<'_> = serde_json::from_str(object)?;
        let row = match event.rows.take().map(|rows| rows.into_iter().next()) {
            Some(row) => row,
            None => Some(TableRow { cells: None, object: Some(Bare { metadata: event.metadata.take() }) }),
        };
        if line.r#type == "BOOKMARK" {
            let version =
                |m: Option<wire::Meta<'_>>| m.and_then(|m| m.resource_version).map(|v| v.to_string());
            let of_row = row.and_then(|r| version(r.object.and_then(|o| o.metadata)));
            let resource_version = of_row.or(version(event.metadata)).unwrap_or_default();
            return Ok(Line::Bookmark { resource_version, initial_end: false });
        }
        self.define(event.column_definitions);
        let item = self.row(row.unwrap_or_default())?;
        match line.r#type.as_str() {
            "ADDED" | "MODIFIED" => Ok(Line::Apply(item)),
            "DELETED" => Ok(Line::Delete(item)),
            other => Ok(Line::Unknown(other.chars().take(40).collect())),
        }
    }

    /// Stores the columns. The server sends them with each page and with the first event of a watch.
    fn define(&mut self, definitions: Option<Vec<Definition<'_>>>) {
        let Some(definitions) = definitions else { return };
        let mut columns: Vec<Column> = definitions
            .into_iter()
            .map(|d| Column {
                name: Text::from(d.name.as_deref().unwrap_or_default()),
                of: self.t(d.r#type),
                wide: d.priority.is_some_and(|n| n.0 > 0),
            })
            .collect();
        if columns.is_empty() {
            columns.push(Column { name: "Name".into(), of: "string".into(), wide: false });
            columns.push(Column { name: "Age".into(), of: "date".into(), wide: false });
        }
        if self.columns.as_deref() != Some(&*columns) {
            self.columns = Some(columns.into());
            self.columns_changed = true;
        }
    }

    fn row(&mut self, row: TableRow<'_>) -> Result<Item, DecodeError> {
        let mut wire = row.object.unwrap_or_default().metadata;
        let version = wire.as_mut().and_then(|m| m.resource_version.take());
        let meta = self.meta(wire);
        if meta.name.is_empty() {
            return Err(DecodeError::Shape("a row without its object's name".to_owned()));
        }
        let cells = match row.cells {
            Some(cells) => cells.into_iter().map(|c| self.datum(c)).collect(),
            None => Box::from([Datum::Text(meta.name.clone())]),
        };
        let record = Record::Served(Box::new(Row { kind: self.kind.clone(), meta, cells }));
        Ok(Item { record, resource_version: version.map(|v| v.0.into_owned()).unwrap_or_default() })
    }

    fn datum(&mut self, value: serde_json::Value) -> Datum {
        use serde_json::Value;
        match value {
            Value::Null => Datum::None,
            Value::Bool(flag) => Datum::Flag(flag),
            Value::Number(n) if n.is_i64() => n.as_i64().map_or(Datum::None, Datum::Number),
            Value::String(text) if text.is_empty() || text == "<none>" || text == "<unset>" => Datum::None,
            Value::String(mut text) => {
                if text.len() > LONGEST {
                    let mut end = LONGEST;
                    while !text.is_char_boundary(end) {
                        end -= 1;
                    }
                    text.truncate(end);
                    text.push('…');
                }
                Datum::Text(self.text.get(text))
            }
            other => Datum::Text(self.text.get(other.to_string())),
        }
    }
}
