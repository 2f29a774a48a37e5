//! Server-side tables: the columns of each kind and their cells.

pub(in crate::api) mod cells;
pub(in crate::api) mod custom;
pub(in crate::api) mod pod;
pub(in crate::api) mod print;

use crate::api::schema::registry::Resource;
use crate::api::store::Store;
use jiff::Timestamp;
use serde_json::Value;
use std::sync::{Arc, LazyLock};

/// Column definitions by resource, as a real server sends them; "" is for kinds without their own.
static DEFINITIONS: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("columns.json")).unwrap_or_default());

/// The columns of one resource.
#[derive(Debug)]
pub struct Columns {
    key: Arc<str>,
    /// A custom resource's own columns.
    custom: Option<Value>,
}

impl Columns {
    pub fn of(def: &Resource, store: &Store) -> Arc<Columns> {
        let custom = def.custom.then(|| custom_columns(def, store)).flatten();
        Arc::new(Columns { key: def.key.clone(), custom })
    }

    /// For answers that are not tables.
    pub fn none() -> Arc<Columns> {
        Arc::new(Columns { key: "".into(), custom: None })
    }

    pub fn definitions(&self) -> String {
        if let Some(custom) = &self.custom {
            let plain = |c: &Value| {
                let text = |key: &str| c[key].as_str().unwrap_or_default().to_string();
                serde_json::json!({"name": text("name"), "type": text("type"), "format": text("format"),
                    "description": text("description"), "priority": c["priority"].as_i64().unwrap_or(0)})
            };
            let mut all = vec![DEFINITIONS[""][0].clone()];
            all.extend(custom.as_array().into_iter().flatten().map(plain));
            return Value::Array(all).to_string();
        }
        match DEFINITIONS.get(&*self.key) {
            Some(own) => own.to_string(),
            None => DEFINITIONS[""].to_string(),
        }
    }

    /// One row.
    pub fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        match &self.custom {
            Some(custom) => {
                let columns = custom.as_array().into_iter().flatten();
                let name = object["metadata"]["name"].clone();
                std::iter::once(name).chain(columns.map(|c| custom::cell(object, c, now))).collect()
            }
            None => cells::cells(&self.key, object, now),
        }
    }
}

/// `additionalPrinterColumns` of the version; None if it has none. Rows then have name and age.
fn custom_columns(def: &Resource, store: &Store) -> Option<Value> {
    let version = store.definition(def)?;
    let age =
        || serde_json::json!([{"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]);
    Some(version.get("additionalPrinterColumns").cloned().unwrap_or_else(age))
}
