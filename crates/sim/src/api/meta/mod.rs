//! Helpers for objects and answers: JSON trees, `Status`, quantities, uids, patches, field sets.

pub(in crate::api) mod fields;
pub(in crate::api) mod ids;
pub(in crate::api) mod patch;
pub(crate) mod quantity;
pub mod status;

use serde_json::{Map, Value};

/// The object at `value`; any other value is replaced by an empty object.
pub fn object(value: &mut Value) -> &mut Map<String, Value> {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map,
        // `value` was made an object above.
        _ => unreachable!("the value above is an object"),
    }
}

/// The field `key` of `value`; both become objects if they are not.
pub fn child<'a>(value: &'a mut Value, key: &str) -> &'a mut Value {
    let slot = object(value).entry(key).or_insert(Value::Null);
    object(slot);
    slot
}

/// `value.a.b…`; every step becomes an object.
pub fn descend<'a>(value: &'a mut Value, path: &[&str]) -> &'a mut Value {
    path.iter().fold(value, |at, key| child(at, key))
}

/// `metadata`; it becomes an object if it is not one.
pub fn metadata(value: &mut Value) -> &mut Map<String, Value> {
    object(child(value, "metadata"))
}

/// Sets `key` if it is missing or null.
pub fn default(value: &mut Value, key: &str, to: impl Into<Value>) {
    let slot = object(value).entry(key).or_insert(Value::Null);
    if slot.is_null() {
        *slot = to.into();
    }
}

/// The text at a path of keys; "" if there is none.
pub fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    path.iter().fold(value, |at, key| &at[*key]).as_str().unwrap_or_default()
}

pub fn name(value: &Value) -> &str {
    text(value, &["metadata", "name"])
}

pub fn namespace(value: &Value) -> &str {
    text(value, &["metadata", "namespace"])
}

pub fn uid(value: &Value) -> &str {
    text(value, &["metadata", "uid"])
}

pub fn version(value: &Value) -> &str {
    text(value, &["metadata", "resourceVersion"])
}

/// The elements of an array field; none if it is not an array.
pub fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}

pub fn finalizers(value: &Value) -> impl Iterator<Item = &str> {
    items(&value["metadata"], "finalizers").filter_map(Value::as_str)
}

/// Copies `key` from `from`, or removes it if `from` lacks it.
pub fn carry(to: &mut Map<String, Value>, from: &Value, key: &str) {
    match from.get(key) {
        Some(value) => to.insert(key.into(), value.clone()),
        None => to.remove(key),
    };
}
