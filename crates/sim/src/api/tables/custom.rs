//! The row of a custom resource, by the JSON paths in its definition.
use super::print::{age, plain};
use crate::api::meta::text;
use jiff::Timestamp;
use serde_json::{Value, json};

/// A custom resource's cell, read by a simple JSON path (`.spec.a.b`, `[?(@.type=="Ready")].status`).
pub fn cell(o: &Value, column: &Value, now: Timestamp) -> Value {
    let found = json_path(o, text(column, &["jsonPath"]));
    match (text(column, &["type"]), found) {
        ("date", Some(Value::String(at))) => json!(age(&json!(at), now)),
        ("string", Some(value)) => json!(plain(&value)),
        (_, Some(value)) => value,
        (_, None) => Value::Null,
    }
}

fn json_path(o: &Value, path: &str) -> Option<Value> {
    let mut at = o;
    let mut rest = path.trim_start_matches('.');
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix("[?(@.") {
            let (test, after) = inside.split_once(")]")?;
            let (key, value) = test.split_once("==")?;
            let wanted = value.trim().trim_matches(['"', '\'']);
            at = at.as_array()?.iter().find(|v| v[key.trim()] == wanted)?;
            rest = after.trim_start_matches('.');
        } else if let Some(inside) = rest.strip_prefix('[') {
            let (index, after) = inside.split_once(']')?;
            at = match index.parse::<usize>() {
                Ok(index) => at.get(index)?,
                Err(_) => at.get(index.trim_matches(['"', '\'']))?,
            };
            rest = after.trim_start_matches('.');
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            at = at.get(&rest[..end])?;
            rest = rest[end..].trim_start_matches('.');
        }
    }
    (!at.is_null()).then(|| at.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn custom_columns_follow_their_path() {
        let o = json!({"spec": {"size": 3, "list": [{"a": "x"}]}, "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let at = |path: &str| cell(&o, &json!({"type": "string", "jsonPath": path}), Timestamp::UNIX_EPOCH);
        assert_eq!(at(".spec.size"), "3");
        assert_eq!(at(".spec.list[0].a"), "x");
        assert_eq!(at(".status.conditions[?(@.type==\"Ready\")].status"), "True");
        assert_eq!(at(".spec.absent"), Value::Null);
        assert_eq!(at(".spec.list[?(broken"), Value::Null);
    }
}
