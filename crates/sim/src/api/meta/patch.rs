//! PATCH: JSON patch, JSON merge patch and strategic merge patch.
use super::status::Status;
use serde_json::{Map, Value};

/// The kinds of patch, by content type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchKind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl PatchKind {
    /// The kind of a content type; 415 for any other.
    pub fn of(content_type: &str) -> Result<PatchKind, Status> {
        match content_type.split(';').next().unwrap_or_default().trim() {
            "application/json-patch+json" => Ok(PatchKind::Json),
            "application/merge-patch+json" => Ok(PatchKind::Merge),
            "application/strategic-merge-patch+json" => Ok(PatchKind::Strategic),
            "application/apply-patch+yaml" => Ok(PatchKind::Apply),
            _ => Err(unsupported_media_type()),
        }
    }
}

pub fn unsupported_media_type() -> Status {
    Status::failure(415, "UnsupportedMediaType", "415: Unsupported Media Type")
        .with_details(Default::default())
}

/// A parsed patch.
#[derive(Debug)]
pub enum Patch {
    Json(json_patch::Patch),
    Merge(Value),
    Strategic(Value),
}

/// The most operations of a JSON patch, as on a real server.
const MAX_OPERATIONS: usize = 10_000;
/// The most bytes that copy operations may add, as on a real server.
const MAX_COPIED: usize = 3 << 20;

impl Patch {
    pub fn read(kind: PatchKind, body: &[u8]) -> Result<Patch, Status> {
        let value: Value = serde_json::from_slice(body)
            .map_err(|e| Status::bad_request(format!("error decoding patch: {}", go_words(&e))))?;
        match kind {
            PatchKind::Json => {
                let patch: json_patch::Patch = serde_json::from_value(value)
                    .map_err(|e| Status::bad_request(format!("error decoding patch: {e}")))?;
                if patch.0.len() > MAX_OPERATIONS {
                    let text = format!(
                        "The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {}",
                        patch.0.len()
                    );
                    return Err(Status::failure(413, "RequestEntityTooLarge", text));
                }
                Ok(Patch::Json(patch))
            }
            _ if !value.is_object() => Err(Status::bad_request(
                "error decoding patch: json: cannot unmarshal into Go value of type map[string]interface {}",
            )),
            PatchKind::Strategic => Ok(Patch::Strategic(value)),
            PatchKind::Merge | PatchKind::Apply => Ok(Patch::Merge(value)),
        }
    }

    /// The object that errors show: the patched one, or a strategic patch as Go prints maps.
    pub fn shown(&self, patched: &Value) -> String {
        match self {
            Patch::Strategic(patch) => go_print(patch),
            Patch::Json(_) | Patch::Merge(_) => patched.to_string(),
        }
    }

    pub fn apply(&self, object: &mut Value) -> Result<(), Status> {
        match self {
            Patch::Merge(patch) => json_patch::merge(object, patch),
            Patch::Strategic(patch) => strategic(object, patch)?,
            Patch::Json(patch) => {
                let mut copied = 0;
                for operation in &patch.0 {
                    if let json_patch::PatchOperation::Copy(copy) = operation {
                        copied += object.pointer(copy.from.as_str()).map_or(0, |v| v.to_string().len());
                    }
                    if copied > MAX_COPIED {
                        let text = "Unable to complete the patch, the accumulated size increase of copy is too large";
                        return Err(Status::failure(413, "RequestEntityTooLarge", text));
                    }
                    json_patch::patch(object, std::slice::from_ref(operation)).map_err(|e| {
                        Status::failure(
                            422,
                            "Invalid",
                            format!("the server rejected our request due to an error in our request: {e}"),
                        )
                        .with_details(Default::default())
                    })?;
                }
            }
        }
        if object.is_object() {
            return Ok(());
        }
        Err(Status::bad_request("the patched object is no JSON object"))
    }
}

/// `map[a:1 b:[x y]]`, as Go's `%v` prints it.
fn go_print(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let mut all: Vec<String> = map.iter().map(|(k, v)| format!("{k}:{}", go_print(v))).collect();
            all.sort_unstable();
            format!("map[{}]", all.join(" "))
        }
        Value::Array(list) => format!("[{}]", list.iter().map(go_print).collect::<Vec<_>>().join(" ")),
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".into(),
        other => other.to_string(),
    }
}

/// A JSON error in the text of Go's decoder, where captures show it.
pub fn go_words(error: &serde_json::Error) -> String {
    if error.is_eof() { "unexpected end of JSON input".into() } else { error.to_string() }
}

/// The field that identifies the elements of a list; None if the list is replaced as a whole.
pub fn merge_key(field: &str, list: &[Value]) -> Option<&'static str> {
    Some(match field {
        "containers"
        | "initContainers"
        | "ephemeralContainers"
        | "volumes"
        | "env"
        | "imagePullSecrets"
        | "secrets"
        | "resourceClaims"
        | "schedulingGates"
        | "webhooks"
        | "claims" => "name",
        "volumeMounts" => "mountPath",
        "volumeDevices" => "devicePath",
        "ports" if list.iter().any(|v| v.get("containerPort").is_some()) => "containerPort",
        "ports" => "port",
        "hostAliases" | "podIPs" | "hostIPs" => "ip",
        "conditions" | "addresses" => "type",
        "ownerReferences" => "uid",
        "taints" => "key",
        "topologySpreadConstraints" => "topologyKey",
        _ => return None,
    })
}

/// Whether a list of plain values is merged as a set.
fn is_set(field: &str) -> bool {
    matches!(field, "finalizers" | "podCIDRs")
}

/// Merges a strategic merge patch, with its directives, into `target`.
pub fn strategic(target: &mut Value, patch: &Value) -> Result<(), Status> {
    let (Some(map), true) = (patch.as_object(), target.is_object()) else {
        *target = stripped(patch);
        return Ok(());
    };
    match map.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            *target = stripped(patch);
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Object(Map::new());
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(bad_directive("$patch", other)),
    }
    let Value::Object(into) = target else { return Ok(()) };
    if let Some(keep) = map.get("$retainKeys") {
        into.retain(|k, _| keep.as_array().is_some_and(|a| a.iter().any(|v| v == k.as_str())));
    }
    for (key, value) in map {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            if let Some(Value::Array(list)) = into.get_mut(field) {
                list.retain(|v| !value.as_array().is_some_and(|gone| gone.contains(v)));
            }
        } else if key.starts_with('$') {
            continue;
        } else if value.is_null() {
            into.remove(key);
        } else if let Value::Array(list) = value {
            let slot = into.entry(key.as_str()).or_insert(Value::Null);
            merge_list(slot, key, list)?;
        } else {
            let slot = into.entry(key.as_str()).or_insert(Value::Null);
            if slot.is_object() { strategic(slot, value)? } else { *slot = stripped(value) }
        }
    }
    for (key, order) in map {
        if let Some(field) = key.strip_prefix("$setElementOrder/")
            && let (Some(Value::Array(list)), Some(order)) = (into.get_mut(field), order.as_array())
        {
            reorder(list, field, order);
        }
    }
    Ok(())
}

fn bad_directive(directive: &str, value: &str) -> Status {
    Status::bad_request(format!("Unknown value for {directive} in patch: {value:?}"))
}

fn merge_list(slot: &mut Value, field: &str, patch: &[Value]) -> Result<(), Status> {
    let replace = patch.iter().any(|v| v["$patch"] == "replace");
    let key = merge_key(field, patch).filter(|_| !replace);
    let (Value::Array(list), true) = (&mut *slot, key.is_some() || is_set(field)) else {
        let keep = patch.iter().filter(|v| v.get("$patch").is_none());
        *slot = Value::Array(keep.map(stripped).collect());
        return Ok(());
    };
    for element in patch {
        let Some(key) = key else {
            if !list.contains(element) {
                list.push(element.clone());
            }
            continue;
        };
        let Some(wanted) = element.get(key) else {
            let text = format!("map: {element} does not contain declared merge key: {key}");
            return Err(Status::failure(422, "Invalid", text));
        };
        if element["$patch"] == "delete" {
            list.retain(|v| v.get(key) != Some(wanted));
            continue;
        }
        match list.iter_mut().find(|v| v.get(key) == Some(wanted)) {
            Some(found) => strategic(found, element)?,
            None => list.push(stripped(element)),
        }
    }
    Ok(())
}

/// Sorts a list into the client's order; elements that it does not name follow.
fn reorder(list: &mut [Value], field: &str, order: &[Value]) {
    let key = merge_key(field, list);
    let place = |v: &Value| {
        let same = |o: &Value| match key {
            Some(key) => o.get(key).is_some() && o.get(key) == v.get(key),
            None => o == v,
        };
        order.iter().position(same).unwrap_or(order.len())
    };
    list.sort_by_key(place);
}

/// The value of a patch without directives and nulls.
fn stripped(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let keep = map.iter().filter(|(k, v)| !k.starts_with('$') && !v.is_null());
            Value::Object(keep.map(|(k, v)| (k.clone(), stripped(v))).collect())
        }
        Value::Array(list) => {
            let keep = list.iter().filter(|v| v["$patch"] != "delete");
            Value::Array(keep.map(stripped).collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn applied(kind: PatchKind, object: &Value, patch: &Value) -> Result<Value, Status> {
        let mut object = object.clone();
        Patch::read(kind, patch.to_string().as_bytes())?.apply(&mut object)?;
        Ok(object)
    }

    // The body in captures/kubectl/set-image.txt.
    #[test]
    fn kubectl_set_image_changes_one_container() {
        let object = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "sidecar", "image": "s"}, {"name": "api-server", "image": "old", "env": [{"name": "A", "value": "1"}]}]}}}});
        let patch = json!({"spec": {"template": {"spec": {
            "$setElementOrder/containers": [{"name": "api-server"}, {"name": "sidecar"}],
            "containers": [{"image": "myregistry.io/api-server:v2.0.1", "name": "api-server"}]}}}});
        let want = json!({"spec": {"template": {"spec": {"containers": [
            {"name": "api-server", "image": "myregistry.io/api-server:v2.0.1", "env": [{"name": "A", "value": "1"}]},
            {"name": "sidecar", "image": "s"}]}}}});
        assert_eq!(applied(PatchKind::Strategic, &object, &patch).unwrap(), want);
    }

    #[test]
    fn directives_delete_replace_and_retain() {
        let object = json!({"spec": {"taints": [{"key": "a"}, {"key": "b"}], "strategy": {"type": "RollingUpdate", "rollingUpdate": {"x": 1}},
            "unschedulable": true}, "metadata": {"finalizers": ["x", "y"]}});
        let patch = json!({"spec": {"taints": [{"$patch": "delete", "key": "a"}, {"key": "c"}],
            "strategy": {"$retainKeys": ["type"], "type": "Recreate"}, "unschedulable": null},
            "metadata": {"$deleteFromPrimitiveList/finalizers": ["x"], "finalizers": ["z"]}});
        let want = json!({"spec": {"taints": [{"key": "b"}, {"key": "c"}], "strategy": {"type": "Recreate"}},
            "metadata": {"finalizers": ["y", "z"]}});
        assert_eq!(applied(PatchKind::Strategic, &object, &patch).unwrap(), want);
        let replace = json!({"spec": {"taints": [{"$patch": "replace"}, {"key": "only"}]}});
        assert_eq!(
            applied(PatchKind::Strategic, &object, &replace).unwrap()["spec"]["taints"],
            json!([{"key": "only"}])
        );
        let keyless =
            applied(PatchKind::Strategic, &object, &json!({"spec": {"taints": [{"effect": "NoSchedule"}]}}));
        assert_eq!(keyless.unwrap_err().code, 422);
    }

    #[test]
    fn bad_patches_get_the_4xx_of_a_real_server() {
        // captures/errors/400-bad-patch.json
        let bad = Patch::read(PatchKind::Merge, b"{\"spec\":").unwrap_err();
        assert_eq!(
            (bad.code, bad.message.as_str()),
            (400, "error decoding patch: unexpected end of JSON input")
        );
        // captures/errors/415-patch-type.json
        assert_eq!(PatchKind::of("application/json").unwrap_err().message, "415: Unsupported Media Type");
        let missing =
            applied(PatchKind::Json, &json!({}), &json!([{"op": "replace", "path": "/spec/x", "value": 1}]));
        assert_eq!(missing.unwrap_err().code, 422);
        // Operations that each double the document must not fill the memory.
        let bomb: Vec<Value> =
            (0..64).map(|i| json!({"op": "copy", "from": "", "path": format!("/a{i}")})).collect();
        let big = json!({"a": "x".repeat(1000)});
        assert!(applied(PatchKind::Json, &big, &json!(bomb)).is_err());
        assert_eq!(Patch::read(PatchKind::Strategic, b"[]").unwrap_err().code, 400);
    }
}
