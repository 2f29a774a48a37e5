//! `fieldValidation`: unknown fields, and values that do not fit their field.
use super::registry::Resource;
use crate::api::handler::Call;
use crate::api::meta::status::{Cause, Status};
use crate::api::schema::{self, Field, Kind, Message, Shape};
use crate::api::store::Store;
use crate::api::wire::body::Answer;
use http::{HeaderValue, header};
use serde_json::{Map, Value};

/// How unknown fields are reported. They are never stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    Ignore,
    Warn,
    Strict,
}

impl Level {
    /// The `fieldValidation` of the query; Warn by default.
    pub fn of(call: &Call) -> Result<Level, Status> {
        match call.query.get("fieldValidation") {
            "Ignore" => Ok(Level::Ignore),
            "" | "Warn" => Ok(Level::Warn),
            "Strict" => Ok(Level::Strict),
            other => {
                let levels = ["Ignore", "Strict", "Warn"];
                let cause = Cause::not_supported("fieldValidation", &other.into(), &levels);
                Err(Status::invalid("CreateOptions", "createoptions.meta.k8s.io", "", vec![cause]))
            }
        }
    }

    /// Returns the unknown fields to warn about, or `strict decoding error: unknown field "spec.foo"`.
    pub fn judge(self, unknown: Vec<String>) -> Result<Vec<String>, String> {
        match self {
            Level::Ignore => Ok(Vec::new()),
            Level::Strict if !unknown.is_empty() => {
                let list: Vec<String> =
                    unknown.iter().map(|field| format!("unknown field {field:?}")).collect();
                Err(format!("strict decoding error: {}", list.join(", ")))
            }
            Level::Warn | Level::Strict => Ok(unknown),
        }
    }
}

/// Adds `unknown field "spec.foo"` to the answer's headers, where kubectl looks for warnings.
pub fn warn(answer: &mut Answer, unknown: &[String]) {
    for field in unknown {
        let text = format!("unknown field {field:?}").replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{text}\"")) {
            answer.headers_mut().append(header::WARNING, value);
        }
    }
}

/// The known fields of a kind.
pub enum Shapes {
    BuiltIn(&'static Message),
    /// `openAPIV3Schema` of a CustomResourceDefinition's version.
    Custom(Value),
    Nothing,
}

impl Shapes {
    pub fn of(def: &Resource, store: &Store) -> Shapes {
        if !def.custom {
            return schema::of_kind(&def.api_version, &def.kind).map_or(Shapes::Nothing, Shapes::BuiltIn);
        }
        let definition = store.definition(def);
        definition.map_or(Shapes::Nothing, |v| Shapes::Custom(v["schema"]["openAPIV3Schema"].clone()))
    }

    /// Removes the unknown fields from `object` and returns their paths. The error is that of Go's decoder
    /// for a value that does not fit its field.
    pub fn check(&self, object: &mut Value) -> Result<Vec<String>, String> {
        let mut walk = Walk { unknown: Vec::new(), path: Vec::new() };
        let Value::Object(map) = object else { return Ok(Vec::new()) };
        match self {
            Shapes::BuiltIn(message) => walk.top(map, message)?,
            Shapes::Custom(schema) => walk.custom_top(map, schema)?,
            Shapes::Nothing => {}
        }
        Ok(walk.unknown)
    }
}

struct Walk {
    /// In the order of the input.
    unknown: Vec<String>,
    /// Field names, and list indexes as `[0]`.
    path: Vec<String>,
}

type Checked = Result<(), String>;

impl Walk {
    /// Every object has these two fields besides those of its message.
    fn top(&mut self, map: &mut Map<String, Value>, message: &Message) -> Checked {
        let types = [map.remove("apiVersion"), map.remove("kind")];
        let checked = self.message(map, message);
        for (key, value) in ["apiVersion", "kind"].into_iter().zip(types) {
            value.map(|value| map.insert(key.into(), value));
        }
        checked
    }

    fn message(&mut self, map: &mut Map<String, Value>, message: &Message) -> Checked {
        let fields = message.fields();
        let find = |key: &str| fields.iter().find(|f| f.name == key).copied();
        self.prune(map, |key| find(key).is_some());
        for (key, value) in map.iter_mut() {
            let Some(field) = find(key) else { continue };
            self.path.push(key.clone());
            self.field(value, field, message)?;
            self.path.pop();
        }
        Ok(())
    }

    fn prune(&mut self, map: &mut Map<String, Value>, known: impl Fn(&str) -> bool) {
        map.retain(|key, _| {
            let keep = known(key);
            if !keep {
                let path = self.path.iter().chain([key]);
                self.unknown.push(path.fold(String::new(), |all, step| {
                    match step.starts_with('[') || all.is_empty() {
                        true => all + step,
                        false => all + "." + step,
                    }
                }));
            }
            keep
        });
    }

    fn field(&mut self, value: &mut Value, field: &Field, of: &Message) -> Checked {
        match (field.shape, value) {
            (_, Value::Null) => Ok(()),
            (Shape::List, Value::Array(list)) => {
                for (i, element) in list.iter_mut().enumerate() {
                    self.path.push(format!("[{i}]"));
                    self.value(element, field, of)?;
                    self.path.pop();
                }
                Ok(())
            }
            (Shape::Map, Value::Object(map)) => {
                for (key, element) in map {
                    self.path.push(key.clone());
                    self.value(element, field, of)?;
                    self.path.pop();
                }
                Ok(())
            }
            (Shape::List, other) => Err(self.mismatch(other, &format!("[]{}", go_type(field.kind)), of)),
            (Shape::Map, other) => {
                Err(self.mismatch(other, &format!("map[string]{}", go_type(field.kind)), of))
            }
            (_, value) => self.value(value, field, of),
        }
    }

    fn value(&mut self, value: &mut Value, field: &Field, of: &Message) -> Checked {
        let fits = match field.kind {
            Kind::Any => true,
            Kind::Text | Kind::Bytes | Kind::Time => value.is_string(),
            Kind::Bool => value.is_boolean(),
            Kind::Int32 => value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            Kind::Int64 => value.is_i64(),
            Kind::Double => value.is_number(),
            Kind::Either => value.is_string() || value.as_i64().is_some_and(|n| i32::try_from(n).is_ok()),
            Kind::Quantity => value.is_string() || value.is_number(),
            Kind::Message(id) => match (value.as_object_mut(), schema::named(id)) {
                (Some(map), Some(message)) => return self.message(map, message),
                (map, _) => map.is_some(),
            },
        };
        if fits || value.is_null() { Ok(()) } else { Err(self.mismatch(value, &go_type(field.kind), of)) }
    }

    /// The error text of Go's decoder, which omits list indexes.
    fn mismatch(&self, value: &Value, wanted: &str, of: &Message) -> String {
        let found = match value {
            Value::String(_) => "string".to_string(),
            Value::Bool(_) => "bool".to_string(),
            Value::Array(_) => "array".to_string(),
            Value::Object(_) => "object".to_string(),
            Value::Number(n) if wanted.starts_with("int") => format!("number {n}"),
            _ => "number".to_string(),
        };
        let path: Vec<&str> = self.path.iter().map(String::as_str).filter(|s| !s.starts_with('[')).collect();
        let path = path.join(".");
        format!("json: cannot unmarshal {found} into Go struct field {}.{path} of type {wanted}", of.name())
    }

    /// Every custom resource has these fields besides those of its schema.
    fn custom_top(&mut self, map: &mut Map<String, Value>, schema: &Value) -> Checked {
        let Some(metadata) = schema::named("ObjectMeta") else { return Ok(()) };
        if let Some(Value::Object(found)) = map.get_mut("metadata") {
            self.path.push("metadata".into());
            self.message(found, metadata)?;
            self.path.pop();
        }
        self.custom(map, schema, &["apiVersion", "kind", "metadata"]);
        Ok(())
    }

    fn custom(&mut self, map: &mut Map<String, Value>, schema: &Value, given: &[&str]) {
        let (properties, others) = (&schema["properties"], &schema["additionalProperties"]);
        let free = schema["x-kubernetes-preserve-unknown-fields"] == true || others == &Value::Bool(true);
        if !free && !others.is_object() {
            self.prune(map, |key| properties.get(key).is_some() || given.contains(&key));
        }
        for (key, value) in map.iter_mut().filter(|(key, _)| !given.contains(&key.as_str())) {
            let below = properties.get(key).unwrap_or(others);
            if below.is_object() {
                self.path.push(key.clone());
                self.custom_value(value, below);
                self.path.pop();
            }
        }
    }

    fn custom_value(&mut self, value: &mut Value, schema: &Value) {
        match value {
            Value::Object(map) if schema["x-kubernetes-embedded-resource"] == true => {
                self.custom(map, schema, &["apiVersion", "kind", "metadata"]);
            }
            Value::Object(map) => self.custom(map, schema, &[]),
            Value::Array(list) => {
                for (i, element) in list.iter_mut().enumerate() {
                    self.path.push(format!("[{i}]"));
                    self.custom_value(element, &schema["items"]);
                    self.path.pop();
                }
            }
            _ => {}
        }
    }
}

fn go_type(kind: Kind) -> String {
    match kind {
        Kind::Text => "string",
        Kind::Int32 => "int32",
        Kind::Int64 => "int64",
        Kind::Double => "float64",
        Kind::Bool => "bool",
        Kind::Bytes => "[]uint8",
        Kind::Time => "v1.Time",
        Kind::Either => "intstr.IntOrString",
        Kind::Quantity => "resource.Quantity",
        Kind::Any => "interface {}",
        Kind::Message(id) => return format!("v1.{}", id.rsplit('/').next().unwrap_or(id)),
    }
    .into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn deployment(object: &mut Value) -> Result<Vec<String>, String> {
        Shapes::BuiltIn(schema::of_kind("apps/v1", "Deployment").unwrap()).check(object)
    }

    #[test]
    fn unknown_fields_are_named_and_taken_out() {
        let mut object = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a", "lables": {}},
            "spec": {"replicas": 2, "foo": 1, "template": {"metadata": null, "spec": {"containers": [{"name": "c", "imagee": "i",
                "livenessProbe": {"httpGet": {"port": "http"}, "periodSeconds": 3}, "resources": {"limits": {"cpu": 1}}}]}}}});
        let unknown = deployment(&mut object).unwrap();
        assert_eq!(unknown, ["metadata.lables", "spec.foo", "spec.template.spec.containers[0].imagee"]);
        assert!(
            object["spec"].get("foo").is_none()
                && object["spec"]["replicas"] == 2
                && object["kind"] == "Deployment"
        );
        assert_eq!(
            object["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]["httpGet"]["port"],
            "http"
        );
        assert!(deployment(&mut object).unwrap().is_empty());
        let unknown = vec!["spec.foo".to_string(), "x".to_string()];
        let text = "strict decoding error: unknown field \"spec.foo\", unknown field \"x\"";
        assert_eq!(Level::Strict.judge(unknown.clone()), Err(text.into()));
        assert_eq!(
            (Level::Warn.judge(unknown.clone()), Level::Ignore.judge(unknown.clone())),
            (Ok(unknown), Ok(vec![]))
        );
        assert_eq!(Level::Strict.judge(vec![]), Ok(vec![]));
    }

    #[test]
    fn values_of_the_wrong_type_are_refused_in_gos_words() {
        let spec = |spec: Value| deployment(&mut json!({"spec": spec})).unwrap_err();
        assert_eq!(
            spec(json!({"replicas": "3"})),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"
        );
        assert_eq!(
            spec(json!({"template": {"spec": {"containers": [{"name": "c", "image": 7}]}}})),
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.image of type string"
        );
        assert_eq!(
            spec(json!({"template": []})),
            "json: cannot unmarshal array into Go struct field DeploymentSpec.spec.template of type v1.PodTemplateSpec"
        );
        assert!(spec(json!({"replicas": 1.5})).contains("cannot unmarshal number 1.5 into"));
        assert!(
            spec(json!({"selector": {"matchLabels": {"a": true}}}))
                .ends_with("LabelSelector.spec.selector.matchLabels.a of type string")
        );
    }

    #[test]
    fn custom_resources_have_the_fields_of_their_schema() {
        let schema = json!({"type": "object", "properties": {"spec": {"type": "object", "properties": {
            "size": {"type": "integer"}, "parts": {"type": "array", "items": {"type": "object", "properties": {"a": {}}}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}}}}}});
        let mut object = json!({"apiVersion": "e/v1", "kind": "W", "metadata": {"name": "w"}, "status": {},
            "spec": {"size": 1, "sise": 2, "parts": [{"a": 1, "b": 2}], "free": {"x": 1}, "labels": {"l": "1"}}});
        let unknown = Shapes::Custom(schema).check(&mut object).unwrap();
        assert_eq!(unknown, ["status", "spec.sise", "spec.parts[0].b"]);
        assert_eq!(
            object["spec"],
            json!({"size": 1, "parts": [{"a": 1}], "free": {"x": 1}, "labels": {"l": "1"}})
        );
        let anything = json!({"x-kubernetes-preserve-unknown-fields": true});
        assert!(Shapes::Custom(anything).check(&mut json!({"x": {"y": 1}})).unwrap().is_empty());
    }
}
