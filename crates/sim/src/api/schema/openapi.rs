//! OpenAPI v3. kubectl reads it for `explain`, and to learn which kinds support `fieldValidation`.
use super::discovery::groups;
use super::registry::{Resource, group_version};
use crate::api::schema::{self, Field, Kind, Message, Shape};
use crate::api::wire::body::{self, Answer};
use serde_json::{Map, Value, json};
use std::sync::Arc;

/// Answers `/openapi/v3` and the documents below it. `definition` returns the CRD's definition of a
/// resource's version.
pub fn answer(
    path: &str,
    resources: &[Arc<Resource>],
    definition: impl Fn(&Resource) -> Option<Value>,
) -> Option<Answer> {
    let rest = path.strip_prefix("/openapi/v3")?.trim_matches('/');
    if rest.is_empty() {
        return Some(body::json(200, index(resources).to_string()));
    }
    let (group, version) = match rest.split('/').collect::<Vec<_>>().as_slice() {
        ["api", version] => (String::new(), version.to_string()),
        ["apis", group, version] => (group.to_string(), version.to_string()),
        _ => return None,
    };
    let of: Vec<_> = resources.iter().filter(|r| r.group == group && r.version == version).collect();
    (!of.is_empty()).then(|| body::json(200, document(&of, definition).to_string()))
}

fn root(group: &str, version: &str) -> String {
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{}", group_version(group, version))
    }
}

fn index(resources: &[Arc<Resource>]) -> Value {
    let mut paths = Map::new();
    for (group, versions) in groups(resources) {
        for version in versions {
            let root = root(group, version);
            paths.insert(root.clone(), json!({"serverRelativeURL": format!("/openapi/v3/{root}?hash=0")}));
        }
    }
    json!({"paths": paths})
}

fn document(resources: &[&Arc<Resource>], definition: impl Fn(&Resource) -> Option<Value>) -> Value {
    let (mut paths, mut schemas) = (Map::new(), Map::new());
    for r in resources.iter().filter(|r| r.stored()) {
        let gvk = json!({"group": r.group, "version": r.version, "kind": r.kind});
        let place = if r.namespaced { "/namespaces/{namespace}" } else { "" };
        let path = format!("/{}{place}/{}/{{name}}", root(&r.group, &r.version), r.plural);
        let query = |name: &str| json!({"name": name, "in": "query", "schema": {"type": "string", "uniqueItems": true}});
        // Without a request body, kubectl computes strategic merge patches from its own types instead of
        // merge keys in the schemas.
        let write = json!({"x-kubernetes-group-version-kind": gvk, "responses": {},
            "parameters": [query("dryRun"), query("fieldManager"), query("fieldValidation")]});
        paths.insert(path, json!({"get": write, "patch": write, "put": write}));
        let own = schema::of_kind(&r.api_version, &r.kind).filter(|_| !r.custom);
        let mut schema = match own {
            Some(message) => object(message, &mut schemas),
            None => definition(r)
                .map(|version| version["schema"]["openAPIV3Schema"].clone())
                .filter(Value::is_object)
                .unwrap_or_else(|| json!({"x-kubernetes-preserve-unknown-fields": true})),
        };
        schema["type"] = "object".into();
        schema["x-kubernetes-group-version-kind"] = json!([gvk]);
        for field in ["apiVersion", "kind"] {
            schema["properties"][field] = json!({"type": "string"});
        }
        let name = match own {
            Some(message) => full_name(message.id()),
            None => format!("{}.{}.{}", r.group, r.version, r.kind),
        };
        schemas.insert(name, schema);
    }
    let int_or_string = json!({"oneOf": [{"type": "integer"}, {"type": "string"}]});
    schemas.insert("IntOrString".into(), int_or_string);
    schemas.insert("Quantity".into(), json!({"oneOf": [{"type": "string"}, {"type": "number"}]}));
    json!({"openapi": "3.0.0", "info": {"title": "khud", "version": "v1"}, "paths": paths, "components": {"schemas": schemas}})
}

/// The name of a message's schema. kubectl shows the part after the last dot.
fn full_name(id: &str) -> String {
    format!("io.k8s.api.{}", id.replace('/', "."))
}

/// The schema of a message. The schemas of nested messages are added to `schemas`.
fn object(message: &Message, schemas: &mut Map<String, Value>) -> Value {
    let mut properties = Map::new();
    for field in message.fields() {
        let of = value(field, schemas);
        let of = match field.shape {
            Shape::List => json!({"type": "array", "items": of}),
            Shape::Map => json!({"type": "object", "additionalProperties": of}),
            _ => of,
        };
        properties.insert(field.name.into(), of);
    }
    json!({"type": "object", "properties": properties})
}

fn value(field: &Field, schemas: &mut Map<String, Value>) -> Value {
    let reference = |name: &str| json!({"allOf": [{"$ref": format!("#/components/schemas/{name}")}]});
    match field.kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Int32 => json!({"type": "integer", "format": "int32"}),
        Kind::Int64 => json!({"type": "integer", "format": "int64"}),
        Kind::Double => json!({"type": "number", "format": "double"}),
        Kind::Bool => json!({"type": "boolean"}),
        Kind::Bytes => json!({"type": "string", "format": "byte"}),
        Kind::Time => json!({"type": "string", "format": "date-time"}),
        Kind::Either => reference("IntOrString"),
        Kind::Quantity => reference("Quantity"),
        Kind::Any => json!({"type": "object"}),
        Kind::Message(id) => {
            let name = full_name(id);
            if let (false, Some(message)) = (schemas.contains_key(&name), schema::named(id)) {
                // Inserted before its fields, because they may contain the message itself.
                schemas.insert(name.clone(), Value::Null);
                let object = object(message, schemas);
                schemas.insert(name.clone(), object);
            }
            reference(&name)
        }
    }
}
