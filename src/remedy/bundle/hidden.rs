//! Objects as they may leave the cluster: without what Secrets hold and what a name calls secret.

use serde_json::{Value, json};

use crate::remedy::diff::sensitive;
use crate::world::redact::MASK;

/// The object without secrets, and what was taken out: the field in words.
pub fn hide(mut object: Value) -> (Value, Vec<String>) {
    let mut out = Vec::new();
    if let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
        // kubectl's copy of the manifest holds all of it once more.
        let annotations = meta.get_mut("annotations").and_then(Value::as_object_mut);
        if annotations.is_some_and(|a| a.remove("kubectl.kubernetes.io/last-applied-configuration").is_some())
        {
            out.push("kubectl's copy of the manifest".to_owned());
        }
    }
    let secret = object["kind"] == "Secret";
    for field in ["data", "stringData", "binaryData"] {
        let map = object.get_mut(field).and_then(Value::as_object_mut);
        for (key, value) in map.into_iter().flatten() {
            if secret || field == "binaryData" || sensitive(key) {
                *value = masked(value);
                out.push(format!("{field} {key}"));
            }
        }
    }
    environment(&mut object, &mut out);
    (object, out)
}

/// How long it was is evidence: an empty password is a cause.
fn masked(value: &Value) -> Value {
    let length = value.as_str().map_or(0, str::len);
    json!(format!("{MASK} ({length} characters)"))
}

/// Values of environment variables that a name calls secret, wherever a container is described.
fn environment(value: &mut Value, out: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if key != "env" {
                    environment(value, out);
                    continue;
                }
                for variable in value.as_array_mut().into_iter().flatten() {
                    let name = variable["name"].as_str().unwrap_or_default().to_owned();
                    if let Some(value) = variable.get_mut("value").filter(|_| sensitive(&name)) {
                        *value = masked(value);
                        out.push(format!("env {name}"));
                    }
                }
            }
        }
        Value::Array(all) => all.iter_mut().for_each(|v| environment(v, out)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_called_secret_leaves() {
        let secret = json!({"kind": "Secret", "metadata": {"name": "db", "managedFields": [{}]},
            "data": {"user": "YWRtaW4=", "password": ""}});
        let (hidden, what) = hide(secret);
        assert_eq!(hidden["data"]["user"], "[redacted] (8 characters)");
        assert_eq!(hidden["data"]["password"], "[redacted] (0 characters)");
        assert_eq!(what, ["data password", "data user"]);
        assert!(hidden["metadata"].get("managedFields").is_none() && hidden.get("stringData").is_none());

        let pod = json!({"kind": "Pod", "metadata": {"annotations":
            {"kubectl.kubernetes.io/last-applied-configuration": "{hunter2}", "team": "a"}},
            "spec": {"containers": [{"name": "a", "env": [
                {"name": "DB_PASSWORD", "value": "hunter2"}, {"name": "MODE", "value": "fast"},
                {"name": "API_TOKEN", "valueFrom": {"secretKeyRef": {"name": "db", "key": "t"}}}]}]}});
        let (hidden, what) = hide(pod);
        assert!(!hidden.to_string().contains("hunter2"), "{hidden}");
        assert!(hidden.to_string().contains("fast") && hidden.to_string().contains("secretKeyRef"));
        assert_eq!(what, ["kubectl's copy of the manifest", "env DB_PASSWORD"]);
    }
}
