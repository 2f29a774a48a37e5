//! The difference of two snapshots, object by object and field by field.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::Snapshot;
use crate::world::{Kind, ObjectRef};

/// The longest value in a line, characters.
const LONGEST: usize = 120;
/// Fields by which the items of a list are told apart.
const NAMES: &[&str] = &["name", "key", "type", "port", "containerPort", "mountPath"];

/// An object that differs, with a line for each field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::remedy) struct Changed {
    pub object: ObjectRef,
    pub lines: Vec<String>,
}

/// What changed from one snapshot to another, and what cannot be said because one of them lacks it.
pub(in crate::remedy) fn difference(before: &Snapshot, after: &Snapshot) -> (Vec<Changed>, Vec<String>) {
    let mut out = Vec::new();
    let mut unknown = Vec::new();
    let kind_of = |key: &str| key.split(' ').next().unwrap_or("").to_owned();
    let missing: BTreeSet<&String> = before.missing.keys().chain(after.missing.keys()).collect();
    for kind in &missing {
        let why = before.missing.get(*kind).or(after.missing.get(*kind)).cloned().unwrap_or_default();
        unknown.push(format!("{kind}: not compared, one snapshot lacks it ({why})"));
    }
    if before.server != after.server {
        let line = format!("version: {} → {}", before.server, after.server);
        out.push(Changed { object: named("API", "server"), lines: vec![line] });
    }
    if !missing.contains(&"API".to_owned()) {
        let gone = before.apis.difference(&after.apis).map(|v| (v, "no longer served"));
        let new = after.apis.difference(&before.apis).map(|v| (v, "newly served"));
        for (version, what) in gone.chain(new) {
            out.push(Changed { object: named("API", version), lines: vec![what.to_owned()] });
        }
    }
    let keys: BTreeSet<&String> = before.objects.keys().chain(after.objects.keys()).collect();
    for key in keys.into_iter().filter(|k| !missing.contains(&kind_of(k))) {
        let lines = match (before.objects.get(key), after.objects.get(key)) {
            (Some(_), None) => vec!["gone".to_owned()],
            (None, Some(_)) => vec!["new".to_owned()],
            (Some(old), Some(new)) => changes(old, new),
            (None, None) => Vec::new(),
        };
        if !lines.is_empty() {
            out.push(Changed { object: object(key), lines });
        }
    }
    (out, unknown)
}

fn named(kind: &str, name: &str) -> ObjectRef {
    ObjectRef::new(Kind::Other(kind.into()), "", name)
}

/// The object of a key: `Kind namespace/name`.
fn object(key: &str) -> ObjectRef {
    let (kind, rest) = key.split_once(' ').unwrap_or((key, ""));
    let (namespace, name) = rest.split_once('/').unwrap_or(("", rest));
    ObjectRef::new(Kind::parse(kind).unwrap_or_else(|| Kind::Other(kind.into())), namespace, name)
}

/// `path: old → new` for each field that differs.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    flatten("", old, &mut was);
    flatten("", new, &mut is);
    let paths: BTreeSet<&String> = was.keys().chain(is.keys()).collect();
    let differ = paths.into_iter().filter(|p| was.get(*p) != is.get(*p));
    let shown =
        |v: Option<&String>| v.map_or_else(|| "nothing".to_owned(), |v| v.chars().take(LONGEST).collect());
    differ.map(|p| format!("{p}: {} → {}", shown(was.get(p)), shown(is.get(p)))).collect()
}

fn flatten(path: &str, value: &Value, into: &mut BTreeMap<String, String>) {
    let under = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Null => {}
        Value::Object(fields) => fields.iter().for_each(|(k, v)| flatten(&under(k), v, into)),
        Value::Array(items) if items.iter().any(Value::is_object) => {
            for (i, item) in items.iter().enumerate() {
                let by = NAMES.iter().find_map(|n| match item.get(n)? {
                    Value::String(s) => Some(s.clone()),
                    Value::Number(n) => Some(n.to_string()),
                    _ => None,
                });
                flatten(&format!("{path}[{}]", by.unwrap_or_else(|| i.to_string())), item, into);
            }
        }
        Value::Array(items) => {
            let all: Vec<String> = items.iter().map(text).collect();
            into.insert(path.to_owned(), all.join(", "));
        }
        other => drop(into.insert(path.to_owned(), text(other))),
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_compared_by_name_and_order_does_not_count() {
        let old = json!({"spec": {"replicas": 3, "containers": [
            {"name": "app", "image": "app:1", "args": ["a", "b"]}, {"name": "side", "image": "side:1"}]}});
        let new = json!({"spec": {"replicas": 3, "containers": [
            {"name": "side", "image": "side:1"}, {"name": "app", "image": "app:2", "args": ["a", "b"]}]}});
        assert_eq!(changes(&old, &new), ["spec.containers[app].image: app:1 → app:2"]);
        assert_eq!(changes(&json!({"a": 1}), &json!({"b": "x"})), ["a: 1 → nothing", "b: nothing → x"]);
        assert!(changes(&old, &old).is_empty());
    }
}
