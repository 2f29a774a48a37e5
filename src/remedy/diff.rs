//! Objects as YAML, compared: what an operator reads before saying yes. Hidden values never show.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use similar::TextDiff;

static SENSITIVE: LazyLock<Regex> = LazyLock::new(|| {
    // A literal pattern; a test compiles it.
    #[allow(clippy::expect_used)]
    Regex::new(
        r"(?i)passw|secret|token|credential|private|api.?key|access.?key|_key$|_dsn$|connection.?string",
    )
    .expect("compiles")
});

/// Whether a variable of that name likely holds a secret.
pub fn sensitive(name: &str) -> bool {
    SENSITIVE.is_match(name)
}

/// The fields that an operator can change or cares about: metadata's labels, annotations and finalizers, the spec, and what else
/// stands at the top (a ConfigMap's data). Server bookkeeping, status and the copy of the manifest kubectl apply leaves
/// are left out.
pub fn essence(object: &Value) -> Value {
    let mut out = serde_json::Map::new();
    let mut meta = serde_json::Map::new();
    for key in ["labels", "annotations"] {
        if let Some(Value::Object(map)) = object["metadata"].get(key) {
            let kept: serde_json::Map<String, Value> = map
                .iter()
                .filter(|(k, _)| k.as_str() != "kubectl.kubernetes.io/last-applied-configuration")
                .map(|(k, v)| (k.clone(), v.clone()))
                .collect();
            if !kept.is_empty() {
                meta.insert(key.to_owned(), Value::Object(kept));
            }
        }
    }
    if let Some(finalizers) = object["metadata"].get("finalizers") {
        meta.insert("finalizers".to_owned(), finalizers.clone());
    }
    // Kept for a Secret, because it says that the data below are hidden.
    let secret = object["kind"] == "Secret";
    let left_out = |key: &str| match key {
        "kind" => !secret,
        key => ["apiVersion", "metadata", "status"].contains(&key),
    };
    if !meta.is_empty() {
        out.insert("metadata".to_owned(), Value::Object(meta));
    }
    let rest = object.as_object().into_iter().flatten().filter(|(key, _)| !left_out(key));
    out.extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    Value::Object(out)
}

/// The object without what the server alone writes: as it may be edited, or made again.
pub fn restorable(object: &Value) -> Value {
    let mut out = object.clone();
    if let Some(fields) = out.as_object_mut() {
        fields.remove("status");
    }
    if let Some(meta) = out["metadata"].as_object_mut() {
        let own = ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];
        meta.retain(|key, _| !own.contains(&key.as_str()));
    }
    out
}

/// A unified diff (three lines of context) of two values as YAML; empty where they are equal.
///
/// The data of a Secret, and environment values whose name says they are secret, show as `<hidden>`, and as `<hidden, changed>` where they differ.
pub fn unified(before: &Value, after: &Value) -> String {
    let (mut before, mut after) = (before.clone(), after.clone());
    let old = hide(&mut before, "");
    let new = hide(&mut after, "");
    for (path, value) in &new {
        if old.iter().any(|(p, v)| p == path && v != value)
            && let Some(slot) = after.pointer_mut(path)
        {
            *slot = Value::String("<hidden, changed>".to_owned());
        }
    }
    let (a, b) = (yaml(&before), yaml(&after));
    if a == b {
        return String::new();
    }
    TextDiff::from_lines(a.as_str(), b.as_str())
        .unified_diff()
        .context_radius(3)
        .header("before", "after")
        .to_string()
}

/// Replaces sensitive environment values; returns where they were and what they said.
fn hide(value: &mut Value, path: &str) -> Vec<(String, String)> {
    let mut out = Vec::new();
    match value {
        Value::Object(map) => {
            let named = map.get("name").and_then(Value::as_str).is_some_and(sensitive);
            if named && let Some(v @ Value::String(_)) = map.get_mut("value") {
                out.push((format!("{path}/value"), v.as_str().unwrap_or("").to_owned()));
                *v = Value::String("<hidden>".to_owned());
            }
            if map.get("kind").is_some_and(|k| k == "Secret") {
                for field in ["data", "stringData"] {
                    for (key, v) in map.get_mut(field).and_then(Value::as_object_mut).into_iter().flatten() {
                        out.push((
                            format!("{path}/{field}/{}", escaped(key)),
                            v.as_str().unwrap_or("").to_owned(),
                        ));
                        *v = Value::String("<hidden>".to_owned());
                    }
                }
            }
            for (key, v) in map.iter_mut() {
                out.extend(hide(v, &format!("{path}/{}", escaped(key))));
            }
        }
        Value::Array(items) => {
            for (i, v) in items.iter_mut().enumerate() {
                out.extend(hide(v, &format!("{path}/{i}")));
            }
        }
        _ => {}
    }
    out
}

/// A key as a part of a JSON pointer.
pub fn escaped(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// The value as YAML; JSON where a value has no YAML form.
pub fn yaml(value: &Value) -> String {
    serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_image_is_one_line_out_and_one_in() {
        let with = |image: &str, password: &str| {
            json!({
                "metadata": {"managedFields": [1], "resourceVersion": "7", "labels": {"app": "a"}},
                "spec": {"containers": [{"name": "a", "image": image,
                    "env": [{"name": "DB_PASSWORD", "value": password}, {"name": "MODE", "value": "x"}]}]},
                "status": {"replicas": 3},
            })
        };
        let (old, new) = (with("r/a:v1", "hunter2"), with("r/a:v2", "hunter3"));
        let diff = unified(&essence(&old), &essence(&new));
        let changed: Vec<&str> =
            diff.lines().filter(|l| l.starts_with(['+', '-']) && l.len() > 12).map(str::trim_end).collect();
        assert_eq!(changed.len(), 4, "{diff}");
        assert!(diff.contains("r/a:v1") && diff.contains("r/a:v2"), "{diff}");
        assert!(diff.contains("<hidden, changed>") && !diff.contains("hunter"), "{diff}");
        assert!(!diff.contains("managedFields") && !diff.contains("replicas"), "{diff}");
        assert_eq!(unified(&old, &old), "");
    }

    #[test]
    fn what_a_secret_holds_is_never_in_a_diff() {
        let with = |a: &str, b: &str| json!({"kind": "Secret", "data": {"a/b": a, "same": b}});
        let diff =
            unified(&essence(&with("aHVudGVyMg==", "c2FtZQ==")), &essence(&with("aHVudGVyMw==", "c2FtZQ==")));
        assert!(diff.contains("a/b: <hidden, changed>") && !diff.contains("+  same"), "{diff}");
        assert!(!diff.contains("aHVudGVy") && !diff.contains("c2FtZQ"), "{diff}");
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"MODE": "fast"}, "status": {}});
        assert_eq!(essence(&map), json!({"data": {"MODE": "fast"}}));
    }
}
