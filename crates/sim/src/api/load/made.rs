//! Generated objects: a template shared by thousands, and a few numbers for each object.
use crate::api::meta::ids::{mix, uid};
use crate::api::store::item::bare_json;
use crate::clock::rfc3339;
use bytes::Bytes;
use jiff::Timestamp;
use serde_json::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// A value that differs between objects. In a template's tree a hole is the string `@@NAME@@`; a `#` before
/// the name writes the value without quotes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Hole {
    Name,
    Uid,
    Version,
    /// The node of a pod, or the node itself.
    Node,
    Ip,
    HostIp,
    Created,
    Changed,
    Restarts,
    /// 32 hex digits, unique for the object and this hole.
    Unique(u8),
}

fn hole(name: &str) -> Option<Hole> {
    Some(match name.trim_start_matches('#') {
        "NAME" => Hole::Name,
        "UID" => Hole::Uid,
        "VERSION" => Hole::Version,
        "NODE" => Hole::Node,
        "IP" => Hole::Ip,
        "HOSTIP" => Hole::HostIp,
        "CREATED" => Hole::Created,
        "CHANGED" => Hole::Changed,
        "RESTARTS" => Hole::Restarts,
        unique => Hole::Unique(unique.strip_prefix('U')?.parse().ok()?),
    })
}

/// The shared text, with holes.
#[derive(Debug)]
pub struct Template {
    api_version: Arc<str>,
    kind: Arc<str>,
    namespace: Box<str>,
    /// The prefix of all names.
    prefix: Box<str>,
    labels: Vec<(String, String)>,
    phase: &'static str,
    /// The text before each hole; `tail` follows the last one.
    parts: Vec<(Box<str>, Hole)>,
    tail: Box<str>,
}

impl Template {
    /// Splits a tree with holes into its parts.
    pub fn new(tree: &Value, prefix: &str, phase: &'static str) -> Arc<Template> {
        let text = String::from_utf8(bare_json(tree).to_vec()).unwrap_or_default();
        let (mut parts, mut rest) = (Vec::new(), text.as_str());
        let mut before = String::new();
        while let Some((head, (name, tail))) =
            rest.split_once("@@").and_then(|(h, t)| Some((h, t.split_once("@@")?)))
        {
            before.push_str(head);
            let Some(hole) = hole(name) else { break };
            rest = tail;
            if name.starts_with('#') {
                before.pop();
                rest = tail.strip_prefix('"').unwrap_or(tail);
            }
            parts.push((std::mem::take(&mut before).into(), hole));
        }
        let labels = tree["metadata"]["labels"].as_object().into_iter().flatten();
        let text = |key: &str| tree[key].as_str().unwrap_or_default();
        Arc::new(Template {
            api_version: text("apiVersion").into(),
            kind: text("kind").into(),
            namespace: tree["metadata"]["namespace"].as_str().unwrap_or_default().into(),
            prefix: prefix.into(),
            labels: labels.map(|(k, v)| (k.clone(), v.as_str().unwrap_or_default().into())).collect(),
            phase,
            parts,
            tail: (before + rest).into(),
        })
    }
}

/// One generated object in one version.
#[derive(Clone, Debug)]
pub struct Made {
    pub template: Arc<Template>,
    /// Unique among the objects of a kind.
    pub index: u32,
    pub seed: u64,
    pub rv: u64,
    /// The number of the pod's node; for nodes, their own number.
    pub node: u32,
    pub restarts: u32,
    /// Unix seconds.
    pub created: i64,
    pub changed: i64,
}

/// The alphabet of `generateName`.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

pub fn node_name(node: u32) -> String {
    format!("node-{node:05}")
}

fn stamp(second: i64) -> String {
    Timestamp::from_second(second).map(rfc3339).unwrap_or_default()
}

impl Made {
    pub fn name(&self) -> String {
        if self.template.prefix.is_empty() {
            return node_name(self.index);
        }
        // The multiplier is coprime to 27, so different indexes get different suffixes.
        let mut number = u64::from(self.index) * 8_675_309 % 27_u64.pow(5);
        let mut name = String::from(&*self.template.prefix);
        for _ in 0..5 {
            name.push(char::from(LETTERS[(number % 27) as usize]));
            number /= 27;
        }
        name
    }

    pub fn key(&self) -> Box<str> {
        crate::api::store::key(&self.template.namespace, &self.name())
    }

    fn number(&self, salt: u64) -> u64 {
        mix(self.seed ^ mix((u64::from(self.index) << 8) | salt))
    }

    fn fill(&self, hole: Hole, out: &mut Vec<u8>) {
        let [_, b, c, d] = self.index.to_be_bytes();
        let [_, _, e, f] = self.node.to_be_bytes();
        let text = match hole {
            Hole::Name => self.name(),
            Hole::Uid => uid(self.number(0), self.number(1)),
            Hole::Version => self.rv.to_string(),
            Hole::Node => node_name(self.node),
            Hole::Ip => format!("10.{}.{c}.{d}", 64 + b % 128),
            Hole::HostIp => format!("172.20.{e}.{f}"),
            Hole::Created => stamp(self.created),
            Hole::Changed => stamp(self.changed),
            Hole::Restarts => self.restarts.to_string(),
            Hole::Unique(place) => {
                let place = 2 + 2 * u64::from(place);
                format!("{:016x}{:016x}", self.number(place), self.number(place + 1))
            }
        };
        out.extend_from_slice(text.as_bytes());
    }

    /// The object's text without `apiVersion` and `kind`.
    pub fn json(&self) -> Bytes {
        let template = &self.template;
        let fixed: usize = template.parts.iter().map(|(text, _)| text.len()).sum();
        let mut out = Vec::with_capacity(fixed + template.tail.len() + template.parts.len() * 24);
        for (text, hole) in &template.parts {
            out.extend_from_slice(text.as_bytes());
            self.fill(*hole, &mut out);
        }
        out.extend_from_slice(template.tail.as_bytes());
        out.into()
    }

    pub fn value(&self) -> Value {
        // The text was made from a tree, and the values need no escapes.
        let mut value: Value = serde_json::from_slice(&self.json()).unwrap_or_default();
        let map = crate::api::meta::object(&mut value);
        map.insert("apiVersion".into(), (&*self.template.api_version).into());
        map.insert("kind".into(), (&*self.template.kind).into());
        value
    }

    pub fn label(&self, key: &str) -> Option<&str> {
        self.template.labels.iter().find(|(k, _)| k == key).map(|(_, v)| v.as_str())
    }

    /// Reads often-used fields without building the tree.
    pub fn field(&self, path: &str) -> Option<Cow<'_, str>> {
        Some(match path {
            "metadata.name" => self.name().into(),
            "metadata.namespace" => Cow::Borrowed(&*self.template.namespace),
            "spec.nodeName" if &*self.template.kind == "Pod" => node_name(self.node).into(),
            "status.phase" => self.template.phase.into(),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_is_its_template_with_the_holes_filled() {
        let tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "@@NAME@@", "namespace": "ns", "labels": {"a": "b"}},
            "spec": {"nodeName": "@@NODE@@", "x": "a@@U0@@b"}, "status": {"restarts": "@@#RESTARTS@@"}});
        let template = Template::new(&tree, "web-", "Running");
        let made = |index| Made {
            template: template.clone(),
            index,
            seed: 1,
            rv: 9,
            node: 3,
            restarts: 7,
            created: 0,
            changed: 0,
        };
        let value = made(5).value();
        assert_eq!(
            (&value["spec"]["nodeName"], &value["status"]["restarts"]),
            (&json!("node-00003"), &json!(7))
        );
        assert_eq!(value["metadata"]["name"], made(5).name().as_str());
        assert_eq!(value["spec"]["x"].as_str().unwrap().len(), 34);
        assert_eq!(made(5).json(), made(5).json());
        let names: std::collections::HashSet<String> = (0..200_000).map(|i| made(i).name()).collect();
        assert_eq!(names.len(), 200_000);
        assert_eq!(made(5).field("spec.nodeName").as_deref(), Some("node-00003"));
    }
}
