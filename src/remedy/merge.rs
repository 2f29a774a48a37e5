//! JSON merge patches (RFC 7386): what an edit changes, and whether somebody else changed the same.

use serde_json::{Map, Value};

/// The merge patch that turns one value into the other. Lists are replaced whole.
pub(super) fn patch(before: &Value, after: &Value) -> Value {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return after.clone() };
    let mut out = Map::new();
    for key in old.keys().filter(|key| !new.contains_key(*key)) {
        out.insert(key.clone(), Value::Null);
    }
    for (key, value) in new {
        match old.get(key) {
            Some(had) if had == value => {}
            Some(had) if had.is_object() && value.is_object() => {
                out.insert(key.clone(), patch(had, value));
            }
            _ => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    Value::Object(out)
}

/// The value with the patch applied.
pub(super) fn applied(value: &Value, patch: &Value) -> Value {
    let Some(fields) = patch.as_object() else { return patch.clone() };
    let mut out = value.as_object().cloned().unwrap_or_default();
    for (key, change) in fields {
        if change.is_null() {
            out.remove(key);
        } else {
            let had = out.get(key).cloned().unwrap_or(Value::Null);
            out.insert(key.clone(), applied(&had, change));
        }
    }
    Value::Object(out)
}

/// The paths that the patch changes and that are not what they were when it was made: `spec.replicas`.
pub(super) fn conflicts(base: &Value, now: &Value, patch: &Value) -> Vec<String> {
    let mut out = Vec::new();
    collect(base, now, patch, "", &mut out);
    out
}

fn collect(base: &Value, now: &Value, patch: &Value, at: &str, out: &mut Vec<String>) {
    let inside = patch.is_object() && base.is_object() && now.is_object();
    let Some(fields) = patch.as_object().filter(|_| inside) else {
        if base != now {
            out.push(at.to_owned());
        }
        return;
    };
    for (key, change) in fields {
        let path = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
        collect(&base[key], &now[key], change, &path, out);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn values() -> impl Strategy<Value = Value> {
        // A null in an object means absent, in this API as in the RFC.
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            "[a-c]{0,2}".prop_map(Value::from)
        ];
        let tree = leaf.prop_recursive(3, 16, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map("[a-d]", inner, 0..4)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        });
        proptest::collection::btree_map("[a-d]", tree, 0..4)
            .prop_map(|m| Value::Object(m.into_iter().collect()))
    }

    proptest! {
        #[test]
        fn a_patch_leads_from_one_value_to_the_other(a in values(), b in values()) {
            let patch = patch(&a, &b);
            prop_assert_eq!(applied(&a, &patch), b);
            prop_assert!(conflicts(&a, &a, &patch).is_empty());
        }
    }

    #[test]
    fn only_what_both_changed_is_a_conflict() {
        let base = json!({"spec": {"replicas": 3, "paused": false}, "data": {"a": "1"}});
        let mine = patch(&base, &json!({"spec": {"replicas": 4, "paused": false}, "data": {}}));
        assert_eq!(mine, json!({"spec": {"replicas": 4}, "data": {"a": null}}));
        let theirs = |replicas: i64, a: &str| json!({"spec": {"replicas": replicas, "paused": true}, "data": {"a": a}});
        assert!(conflicts(&base, &theirs(3, "1"), &mine).is_empty());
        assert_eq!(conflicts(&base, &theirs(5, "2"), &mine), ["data.a", "spec.replicas"]);
    }
}
