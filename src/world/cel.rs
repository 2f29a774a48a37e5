//! Converts JSON to values of the Common Expression Language, for playbooks and for the user's own rules.

use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

/// Every whole number becomes an int, because CEL compares only numbers of the same type (`restarts > 3`).
pub fn as_cel(value: &Value) -> cel::Value {
    match value {
        Value::Null => cel::Value::Null,
        Value::Bool(b) => cel::Value::Bool(*b),
        Value::Number(n) => {
            n.as_i64().map_or_else(|| cel::Value::Float(n.as_f64().unwrap_or(f64::NAN)), cel::Value::Int)
        }
        Value::String(s) => cel::Value::String(Arc::new(s.clone())),
        Value::Array(items) => cel::Value::List(Arc::new(items.iter().map(as_cel).collect())),
        Value::Object(map) => {
            let map: HashMap<String, cel::Value> = map.iter().map(|(k, v)| (k.clone(), as_cel(v))).collect();
            cel::Value::Map(map.into())
        }
    }
}
