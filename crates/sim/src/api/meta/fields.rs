//! Field sets: the `fieldsV1` of managedFields as paths.
use super::patch::merge_key;
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The steps in `fieldsV1` notation: `f:name`, `k:{"name":"c"}`, `v:"x"`, and `.` for the element itself.
pub type Path = Vec<String>;

/// The leaves of an object that a manager owns.
pub type Set = BTreeSet<Path>;

/// Objects and lists that are owned as a whole.
fn is_atomic(field: &str) -> bool {
    matches!(field, "selector" | "nodeSelector" | "matchLabels" | "podSelector" | "namespaceSelector")
}

/// All leaves of `value`, without the top-level fields that the server owns.
pub fn of_object(value: &Value) -> Set {
    let mut set = Set::new();
    for (key, field) in value.as_object().into_iter().flatten() {
        match key.as_str() {
            "apiVersion" | "kind" => {}
            "metadata" => {
                for (key, field) in field.as_object().into_iter().flatten() {
                    if matches!(
                        key.as_str(),
                        "labels" | "annotations" | "finalizers" | "ownerReferences" | "generateName"
                    ) {
                        walk(&mut set, vec!["f:metadata".into(), format!("f:{key}")], key, field);
                    }
                }
            }
            _ => walk(&mut set, vec![format!("f:{key}")], key, field),
        }
    }
    set
}

fn walk(set: &mut Set, path: Path, field: &str, value: &Value) {
    let step = |step: String| {
        let mut longer = path.clone();
        longer.push(step);
        longer
    };
    match value {
        Value::Object(map) if !map.is_empty() && !is_atomic(field) => {
            for (key, value) in map {
                walk(set, step(format!("f:{key}")), key, value);
            }
        }
        Value::Array(list) if field == "finalizers" => {
            set.extend(list.iter().map(|v| step(format!("v:{v}"))));
        }
        Value::Array(list)
            if merge_key(field, list).is_some_and(|key| list.iter().all(|v| v.get(key).is_some())) =>
        {
            let Some(key) = merge_key(field, list) else { return };
            for element in list {
                let at = step(element_step(key, &element[key]));
                let mut itself = at.clone();
                itself.push(".".into());
                set.insert(itself);
                for (key, value) in element.as_object().into_iter().flatten() {
                    let mut longer = at.clone();
                    longer.push(format!("f:{key}"));
                    walk(set, longer, key, value);
                }
            }
        }
        _ => {
            set.insert(path);
        }
    }
}

fn element_step(key: &str, value: &Value) -> String {
    let mut map = Map::new();
    map.insert(key.into(), value.clone());
    format!("k:{}", Value::Object(map))
}

/// The set as a `fieldsV1` tree.
pub fn to_tree(set: &Set) -> Value {
    let mut root = Value::Object(Map::new());
    for path in set {
        let mut at = &mut root;
        for step in path {
            at = crate::api::meta::child(at, step);
        }
    }
    root
}

/// The set of a `fieldsV1` tree.
pub fn from_tree(tree: &Value) -> Set {
    fn walk(set: &mut Set, path: &Path, tree: &Value) {
        match tree.as_object() {
            Some(map) if !map.is_empty() => {
                for (step, below) in map {
                    let mut longer = path.clone();
                    longer.push(step.clone());
                    walk(set, &longer, below);
                }
            }
            _ if !path.is_empty() => {
                set.insert(path.clone());
            }
            _ => {}
        }
    }
    let mut set = Set::new();
    walk(&mut set, &Vec::new(), tree);
    set
}

/// The value at a path, if there is one.
pub fn at<'a>(object: &'a Value, path: &[String]) -> Option<&'a Value> {
    let Some((step, rest)) = path.split_first() else { return Some(object) };
    if step == "." {
        return Some(object);
    }
    let below = if let Some(field) = step.strip_prefix("f:") {
        object.get(field)?
    } else {
        &object.as_array()?[position(object, step)?]
    };
    at(below, rest)
}

/// The index of the element that a `k:` or `v:` step names.
fn position(list: &Value, step: &str) -> Option<usize> {
    let wanted: Value = serde_json::from_str(step.get(2..)?).ok()?;
    let fits = |v: &Value| match (&wanted, step.starts_with("k:")) {
        (Value::Object(keys), true) => keys.iter().all(|(k, wanted)| v.get(k) == Some(wanted)),
        (wanted, _) => v == wanted,
    };
    list.as_array()?.iter().position(fits)
}

/// Removes the leaf at a path.
pub fn remove(object: &mut Value, path: &[String]) {
    let Some((step, rest)) = path.split_first() else { return };
    if let Some(field) = step.strip_prefix("f:") {
        let Some(map) = object.as_object_mut() else { return };
        if rest.is_empty() {
            map.remove(field);
        } else if let Some(below) = map.get_mut(field) {
            remove(below, rest);
        }
    } else if let Some(i) = position(object, step)
        && let Some(list) = object.as_array_mut()
    {
        if rest.is_empty() || rest == ["."] {
            list.remove(i);
        } else {
            remove(&mut list[i], rest);
        }
    }
}

/// `.spec.containers[name="c"].image`, as conflicts show it.
pub fn words(path: &[String]) -> String {
    let mut out = String::new();
    for step in path.iter().filter(|s| *s != ".") {
        if let Some(field) = step.strip_prefix("f:") {
            out.push('.');
            out.push_str(field);
        } else {
            let keys = step.get(2..).and_then(|s| serde_json::from_str::<Value>(s).ok()).unwrap_or_default();
            match keys.as_object() {
                Some(keys) => {
                    let all: Vec<String> = keys.iter().map(|(k, v)| format!("{k}={v}")).collect();
                    out.push_str(&format!("[{}]", all.join(",")));
                }
                None => out.push_str(&format!("[={keys}]")),
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn sets_are_written_as_in_managed_fields() {
        let object = json!({"apiVersion": "v1", "metadata": {"name": "x", "labels": {"a": "1"}},
            "spec": {"containers": [{"name": "c", "image": "i"}], "selector": {"x": "y"}, "command": ["a", "b"]}});
        let set = of_object(&object);
        let tree = json!({"f:metadata": {"f:labels": {"f:a": {}}}, "f:spec": {"f:command": {}, "f:selector": {},
            "f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}}}}});
        assert_eq!(to_tree(&set), tree);
        assert_eq!(from_tree(&tree), set);
        let image = set.iter().find(|p| p.last().is_some_and(|s| s == "f:image")).unwrap();
        assert_eq!(words(image), ".spec.containers[name=\"c\"].image");
        assert_eq!(at(&object, image), Some(&json!("i")));
        let mut object = object;
        remove(&mut object, image);
        assert_eq!(object["spec"]["containers"], json!([{"name": "c"}]));
    }
}
