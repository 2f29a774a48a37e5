//! One version of a stored object, in the smallest form for its age.
use crate::api::load::made::Made;
use bytes::Bytes;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

/// A stored object with `apiVersion` and `kind`.
pub type Object = Arc<Value>;

/// An immutable version of an object. Cheap to clone.
#[derive(Clone, Debug)]
pub enum Item {
    /// A current object: the tree, and the text once it was needed.
    Live(Arc<Live>),
    /// A past version: only the text, about ten times smaller than the tree.
    Cold(Arc<Cold>),
    /// A generated object: only what differs from its template.
    Made(Arc<Made>),
}

#[derive(Debug)]
pub struct Live {
    value: Object,
    json: OnceLock<Bytes>,
}

#[derive(Debug)]
pub struct Cold {
    api_version: Arc<str>,
    kind: Arc<str>,
    json: Bytes,
}

impl Item {
    pub fn new(value: Value) -> Self {
        Item::Live(Arc::new(Live { value: Arc::new(value), json: OnceLock::new() }))
    }

    /// The object as a tree.
    pub fn value(&self) -> Object {
        match self {
            Item::Live(live) => live.value.clone(),
            Item::Cold(cold) => {
                // `json` wrote the text from a tree.
                let mut value: Value = serde_json::from_slice(&cold.json).unwrap_or_default();
                value["apiVersion"] = Value::from(&*cold.api_version);
                value["kind"] = Value::from(&*cold.kind);
                Arc::new(value)
            }
            Item::Made(made) => Arc::new(made.value()),
        }
    }

    /// The object's text without `apiVersion` and `kind`, as in the items of a list.
    pub fn json(&self) -> Bytes {
        match self {
            Item::Live(live) => live.json.get_or_init(|| bare_json(&live.value)).clone(),
            Item::Cold(cold) => cold.json.clone(),
            Item::Made(made) => made.json(),
        }
    }

    /// The same version in its form for the history.
    pub fn cold(&self) -> Item {
        match self {
            Item::Live(live) => {
                let text = |key: &str| Arc::from(live.value[key].as_str().unwrap_or_default());
                let cold = Cold { api_version: text("apiVersion"), kind: text("kind"), json: self.json() };
                Item::Cold(Arc::new(cold))
            }
            Item::Cold(_) | Item::Made(_) => self.clone(),
        }
    }

    /// The bytes that this version needs in the history.
    pub fn weight(&self) -> usize {
        match self {
            Item::Made(_) => 0,
            _ => self.json().len() + 128,
        }
    }

    /// `namespace/name`, or `name` for what has no namespace.
    pub fn key(&self) -> Box<str> {
        if let Item::Made(made) = self {
            return made.key();
        }
        let value = self.value();
        crate::api::store::key(crate::api::meta::namespace(&value), crate::api::meta::name(&value))
    }

    pub fn view(&self) -> View {
        match self {
            Item::Made(made) => View::Made(made.clone()),
            _ => View::Tree(self.value()),
        }
    }
}

/// The text of `value` without `apiVersion` and `kind`.
pub fn bare_json(value: &Value) -> Bytes {
    let mut out = Vec::with_capacity(1024);
    out.push(b'{');
    for (key, field) in value.as_object().into_iter().flatten() {
        if key == "apiVersion" || key == "kind" {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        // Writing JSON into memory cannot fail.
        let _ = serde_json::to_writer(&mut out, key);
        out.push(b':');
        let _ = serde_json::to_writer(&mut out, field);
    }
    out.push(b'}');
    out.into()
}

/// Puts `{"kind":…,"apiVersion":…,` in front of a bare text.
pub fn with_type(kind: &str, api_version: &str, bare: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bare.len() + kind.len() + api_version.len() + 32);
    out.extend_from_slice(b"{\"kind\":");
    let _ = serde_json::to_writer(&mut out, kind);
    out.extend_from_slice(b",\"apiVersion\":");
    let _ = serde_json::to_writer(&mut out, api_version);
    if bare.len() > 2 {
        out.push(b',');
    }
    out.extend_from_slice(&bare[1.min(bare.len())..]);
    out
}

/// An object as selectors see it.
pub enum View {
    Tree(Object),
    Made(Arc<Made>),
}

impl View {
    pub fn label(&self, key: &str) -> Option<&str> {
        match self {
            View::Tree(tree) => tree["metadata"]["labels"].get(key)?.as_str(),
            View::Made(made) => made.label(key),
        }
    }

    /// The value at a dotted path such as `spec.nodeName`; "" for missing fields and nulls.
    pub fn field(&self, path: &str) -> Cow<'_, str> {
        match self {
            View::Tree(tree) => at(tree, path),
            View::Made(made) => match made.field(path) {
                Some(known) => known,
                None => at(&made.value(), path).into_owned().into(),
            },
        }
    }
}

fn at<'a>(tree: &'a Value, path: &str) -> Cow<'a, str> {
    match path.split('.').fold(tree, |at, part| &at[part]) {
        Value::String(s) => Cow::Borrowed(s),
        Value::Null => Cow::Borrowed(""),
        other => Cow::Owned(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_item_keeps_its_object_through_cold_storage() {
        let item = Item::new(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}));
        assert_eq!(&item.json()[..], br#"{"metadata":{"name":"a"}}"#);
        assert_eq!(item.cold().value(), item.value());
        let sent = with_type("Pod", "v1", &item.json());
        assert_eq!(sent, br#"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"a"}}"#);
        assert_eq!(with_type("Pod", "v1", b"{}"), br#"{"kind":"Pod","apiVersion":"v1"}"#);
    }
}
