//! Decodes request bodies: JSON, YAML, and the protobuf of kubectl's typed clients.
use super::protobuf;
use crate::api::handler::Call;
use crate::api::meta;
use crate::api::meta::patch::{go_words, unsupported_media_type};
use crate::api::meta::status::Status;
use crate::api::schema::registry::Resource;
use crate::api::schema::strict::{Level, Shapes};
use crate::api::store::Store;
use serde_json::Value;

/// The body as a tree. `kind` is the expected kind, for error texts.
pub fn any(call: &Call, kind: &str) -> Result<Value, Status> {
    let value = match call.content_type().split(';').next().unwrap_or_default().trim() {
        "" | "application/json" | "*/*" => serde_json::from_slice(&call.body).map_err(|e| {
            Status::bad_request(format!("couldn't get version/kind; json parse error: {}", go_words(&e)))
        })?,
        "application/yaml" | "text/yaml" | "application/x-yaml" => yaml(&call.body)?,
        "application/vnd.kubernetes.protobuf" => protobuf::decode(&call.body)?,
        _ => return Err(unsupported_media_type()),
    };
    match value {
        Value::Object(_) => Ok(value),
        _ => Err(Status::bad_request(format!("couldn't get version/kind; the body is no {kind}"))),
    }
}

/// YAML (or JSON, which is YAML) as a tree.
pub fn yaml(body: &[u8]) -> Result<Value, Status> {
    let text =
        std::str::from_utf8(body).map_err(|_| Status::bad_request("error decoding YAML: invalid UTF-8"))?;
    if let Ok(value) = serde_json::from_str(text) {
        return Ok(value);
    }
    serde_saphyr::from_str(text).map_err(|e| Status::bad_request(format!("error decoding YAML: {e}")))
}

/// An object of the path's kind without unknown fields, and the paths of those fields.
pub fn checked(call: &Call, def: &Resource, store: &Store) -> Result<(Value, Vec<String>), Status> {
    let mut object = object(call, def)?;
    let (shapes, level) = (Shapes::of(def, store), Level::of(call)?);
    let unknown = shapes.check(&mut object).and_then(|unknown| level.judge(unknown));
    let unknown = unknown.map_err(|why| unfit(def, &why))?;
    Ok((object, unknown))
}

/// An object of the path's kind.
pub fn object(call: &Call, def: &Resource) -> Result<Value, Status> {
    let object = any(call, &def.kind)?;
    let kind = meta::text(&object, &["kind"]);
    let version = meta::text(&object, &["apiVersion"]);
    if kind.is_empty() {
        let shown: String = String::from_utf8_lossy(&call.body).chars().take(200).collect();
        return Err(Status::bad_request(format!("Object 'Kind' is missing in '{shown}'")));
    }
    if kind != def.kind || (!version.is_empty() && version != &*def.api_version) {
        let text = format!(
            "{kind} in version {version:?} cannot be handled as a {}: the object provided is unrecognized (must be of type {})",
            def.kind, def.kind
        );
        return Err(Status::bad_request(text));
    }
    if !object["metadata"].is_object() && !object["metadata"].is_null() {
        let why =
            format!("json: cannot unmarshal into Go struct field {kind}.metadata of type v1.ObjectMeta");
        return Err(unfit(def, &why));
    }
    Ok(object)
}

fn unfit(def: &Resource, why: &str) -> Status {
    let (kind, version) = (&def.kind, &def.version);
    Status::bad_request(format!("{kind} in version {version:?} cannot be handled as a {kind}: {why}"))
}
