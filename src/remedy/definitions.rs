//! CustomResourceDefinitions: their objects, an old definition in the form v1, and the fields that a schema drops.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::cx::Cx;
use super::run::Stop;

const PRESERVE: &str = "x-kubernetes-preserve-unknown-fields";

/// The version that a definition stores its objects in.
pub(super) fn storage(definition: &Value) -> Option<&str> {
    versions(definition).find(|v| v["storage"] == true)?["name"].as_str()
}

fn versions(definition: &Value) -> impl Iterator<Item = &Value> {
    definition["spec"]["versions"].as_array().into_iter().flatten()
}

/// The path of its objects in all namespaces, in the version that is stored, else in one that is served.
///
/// # Errors
/// No version of it is served.
fn collection(definition: &Value) -> Result<(String, String), Stop> {
    let spec = &definition["spec"];
    let served = || versions(definition).filter(|v| v["served"] == true);
    let version = served().find(|v| v["storage"] == true).or_else(|| served().next());
    let Some(version) = version.and_then(|v| v["name"].as_str()) else {
        return Err(Stop::Refused("no version of it is served: its objects cannot be read".to_owned()));
    };
    let group = spec["group"].as_str().unwrap_or("");
    let plural = spec["names"]["plural"].as_str().unwrap_or("");
    Ok((format!("{group}/{version}"), plural.to_owned()))
}

/// Every object of a definition, page by page, in the version that is stored.
pub(super) async fn instances(cx: &Cx, definition: &Value) -> Result<Vec<Value>, Stop> {
    let (api_version, plural) = collection(definition)?;
    let mut all = cx.list(&format!("/apis/{api_version}/{plural}"), "").await?;
    for item in &mut all {
        item["apiVersion"] = api_version.as_str().into();
        item["kind"] = definition["spec"]["names"]["kind"].clone();
    }
    Ok(all)
}

/// The collection that an object belongs to, by the plural of its kind.
pub(super) fn collection_of(object: &Value, plural: &str) -> String {
    let api_version = object["apiVersion"].as_str().unwrap_or("");
    let root = if api_version.contains('/') { "/apis" } else { "/api" };
    match object["metadata"]["namespace"].as_str() {
        Some(namespace) if !namespace.is_empty() => {
            format!("{root}/{api_version}/namespaces/{namespace}/{plural}")
        }
        _ => format!("{root}/{api_version}/{plural}"),
    }
}

/// The definition in the form `apiextensions.k8s.io/v1`, as the API server itself converted one of v1beta1 up to 1.21.
/// Where v1beta1 kept fields that no schema names, the result keeps them, too: nothing is lost by the new form alone.
///
/// # Errors
/// A sentence: it is no definition, or of no form that is known.
pub(super) fn to_v1(definition: &Value) -> Result<Value, String> {
    let mut out = definition.clone();
    match definition["apiVersion"].as_str() {
        _ if definition["kind"] != "CustomResourceDefinition" => {
            return Err(format!("{} is no CustomResourceDefinition", definition["kind"]));
        }
        Some("apiextensions.k8s.io/v1") => return Ok(out),
        Some("apiextensions.k8s.io/v1beta1") => {}
        other => {
            return Err(format!("{} is no form of definition that is known", other.unwrap_or("nothing")));
        }
    }
    out["apiVersion"] = "apiextensions.k8s.io/v1".into();
    if let Some(fields) = out.as_object_mut() {
        fields.remove("status");
    }
    let Some(spec) = out["spec"].as_object_mut() else { return Err("it has no spec".to_owned()) };
    let mut of_all = Map::new();
    for key in ["validation", "subresources", "additionalPrinterColumns", "version", "preserveUnknownFields"]
    {
        if let Some(value) = spec.remove(key) {
            of_all.insert(key.to_owned(), value);
        }
    }
    let keep = of_all.get("preserveUnknownFields") != Some(&Value::Bool(false));
    let named = of_all.get("version").cloned().unwrap_or(Value::Null);
    let listed = spec.get("versions").and_then(Value::as_array).filter(|v| !v.is_empty()).cloned();
    let mut versions =
        listed.unwrap_or_else(|| vec![json!({"name": named, "served": true, "storage": true})]);
    for version in &mut versions {
        let Some(fields) = version.as_object_mut() else {
            return Err("a version of it is no object".to_owned());
        };
        for (old, new) in [
            ("validation", "schema"),
            ("subresources", "subresources"),
            ("additionalPrinterColumns", "additionalPrinterColumns"),
        ] {
            if let (false, Some(value)) = (fields.contains_key(new), of_all.get(old)) {
                fields.insert(new.to_owned(), value.clone());
            }
        }
        for column in
            fields.get_mut("additionalPrinterColumns").and_then(Value::as_array_mut).into_iter().flatten()
        {
            if let Some(path) = column.as_object_mut().and_then(|c| c.remove("JSONPath")) {
                column["jsonPath"] = path;
            }
        }
        let schema = &mut version["schema"]["openAPIV3Schema"];
        if schema.is_null() {
            *schema = json!({});
        }
        if schema["type"].is_null() {
            schema["type"] = "object".into();
        }
        match keep {
            true => preserve(schema),
            false if schema["properties"].is_null() => schema[PRESERVE] = true.into(),
            false => {}
        }
    }
    spec.insert("versions".to_owned(), versions.into());
    if let Some(conversion) = spec.get_mut("conversion").and_then(Value::as_object_mut)
        && let Some(client) = conversion.remove("webhookClientConfig")
    {
        let reviews = conversion.remove("conversionReviewVersions").unwrap_or_else(|| json!(["v1beta1"]));
        conversion.insert(
            "webhook".to_owned(),
            json!({"clientConfig": client, "conversionReviewVersions": reviews}),
        );
    }
    Ok(out)
}

/// Keeps unknown fields at every level, as v1beta1 did.
fn preserve(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(preserve);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = fields.get_mut(key) {
            preserve(inner);
        }
    }
    let object = fields.get("type").is_some_and(|t| t == "object") || fields.contains_key("properties");
    if object && !fields.contains_key("additionalProperties") {
        fields.insert(PRESERVE.to_owned(), true.into());
    }
}

/// The fields of the objects that the schemas of a definition do not know and the server therefore drops when it reads
/// or writes them, each with the number of objects that have it.
pub(super) fn dropped(definition: &Value, objects: &[Value]) -> BTreeMap<String, usize> {
    let stored = storage(definition);
    let version = versions(definition).find(|v| v["name"].as_str() == stored);
    let schema = version.map_or(&Value::Null, |v| &v["schema"]["openAPIV3Schema"]);
    let mut out = BTreeMap::new();
    for object in objects {
        let mut paths = Vec::new();
        below(schema, object, "", true, &mut paths);
        paths.sort();
        paths.dedup();
        for path in paths {
            *out.entry(path).or_default() += 1;
        }
    }
    out
}

/// Structural pruning as of apiextensions: `whole` is an object with a metadata of its own.
fn below(schema: &Value, value: &Value, path: &str, whole: bool, out: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let whole = whole || schema["x-kubernetes-embedded-resource"] == true;
            let others = &schema["additionalProperties"];
            let free = schema[PRESERVE] == true || *others == Value::Bool(true);
            for (key, value) in fields {
                if whole && matches!(key.as_str(), "apiVersion" | "kind" | "metadata") {
                    continue;
                }
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (&schema["properties"][key], others) {
                    (known @ Value::Object(_), _) | (Value::Null, known @ Value::Object(_)) => {
                        below(known, value, &path, false, out);
                    }
                    _ if free => {}
                    _ => out.push(path),
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                below(&schema["items"], item, &format!("{path}[]"), false, out);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of the case study: v1beta1, one version, no schema for most of its fields.
    fn old() -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "llmdeployments.inference.llm-d.io"},
            "spec": {"group": "inference.llm-d.io", "version": "v1alpha1", "scope": "Namespaced",
                "names": {"plural": "llmdeployments", "kind": "LLMDeployment"},
                "subresources": {"status": {}},
                "additionalPrinterColumns": [{"name": "Model", "type": "string", "JSONPath": ".spec.model"}],
                "conversion": {"strategy": "Webhook", "webhookClientConfig": {"url": "https://c"}},
                "validation": {"openAPIV3Schema": {"properties": {"spec": {"type": "object",
                    "properties": {"model": {"type": "string"}}}}}}}})
    }

    #[test]
    fn a_definition_of_v1beta1_becomes_one_of_v1_that_drops_nothing_more() {
        let new = to_v1(&old()).unwrap();
        let version = &new["spec"]["versions"][0];
        assert_eq!((&version["name"], &version["storage"]), (&json!("v1alpha1"), &json!(true)));
        assert_eq!(
            version["additionalPrinterColumns"][0],
            json!({"name": "Model", "type": "string", "jsonPath": ".spec.model"})
        );
        assert_eq!(version["schema"]["openAPIV3Schema"]["type"], "object");
        assert_eq!(
            version["schema"]["openAPIV3Schema"][PRESERVE], true,
            "v1beta1 kept unknown fields by default"
        );
        let object =
            json!({"apiVersion": "a/v1", "kind": "K", "metadata": {}, "spec": {"replicas": 1}, "x": 1});
        assert!(dropped(&new, std::slice::from_ref(&object)).is_empty());
        let mut strict = old();
        strict["spec"]["preserveUnknownFields"] = false.into();
        let lost: Vec<String> = dropped(&to_v1(&strict).unwrap(), &[object]).into_keys().collect();
        assert_eq!(lost, ["spec.replicas", "x"]);
        assert_eq!(new["spec"]["conversion"]["webhook"]["conversionReviewVersions"], json!(["v1beta1"]));
        for gone in ["version", "validation", "subresources", "preserveUnknownFields"] {
            assert!(new["spec"].get(gone).is_none(), "{gone}");
        }
        assert_eq!(to_v1(&new).unwrap(), new, "what is v1 stays as it is");
        assert!(to_v1(&json!({"kind": "Pod"})).unwrap_err().contains("no CustomResourceDefinition"));
    }

    #[test]
    fn fields_that_no_schema_names_are_counted_and_those_that_may_be_anything_are_not() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "model": {"type": "string"},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "any": {"type": "object", PRESERVE: true, "properties": {"in": {"type": "object", "properties": {}}}},
            "ports": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
            "pod": {"type": "object", "x-kubernetes-embedded-resource": true}}}}});
        let definition = json!({"spec": {"versions": [{"name": "v1", "storage": true, "schema": {"openAPIV3Schema": schema}}]}});
        let object =
            |spec: Value| json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "n"}, "spec": spec});
        let objects = [
            object(
                json!({"model": "m", "labels": {"x": "1"}, "replicas": 3, "ports": [{"n": 1, "x": 2}, {"x": 3}]}),
            ),
            object(
                json!({"any": {"y": 1, "in": {"z": 1}}, "pod": {"metadata": {}, "spec": {}}, "replicas": 1}),
            ),
        ];
        let found: Vec<(String, usize)> = dropped(&definition, &objects).into_iter().collect();
        let expected =
            [("spec.any.in.z", 1), ("spec.pod.spec", 1), ("spec.ports[].x", 1), ("spec.replicas", 2)];
        assert_eq!(found, expected.map(|(path, n)| (path.to_owned(), n)));
    }
}
