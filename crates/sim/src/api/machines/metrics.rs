//! metrics.k8s.io, if there is a metrics server.
use super::Amount;
use crate::api::handler::{Api, Call};
use crate::api::meta::status::Status;
use crate::api::schema::registry::Resource;
use crate::api::store::selector::LabelSelector;
use crate::api::wire::body::{self, Answer};
use crate::api::wire::request::RequestInfo;
use crate::clock::rfc3339;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

pub const GROUP: &str = "metrics.k8s.io";

/// Its resources for discovery.
pub fn resources() -> [Arc<Resource>; 2] {
    let read = |mut r: Resource| {
        r.verbs = ["get", "list"].map(String::from).to_vec();
        r.singular = String::new();
        Arc::new(r)
    };
    [
        read(Resource::new(GROUP, "v1beta1", "nodes", "NodeMetrics", false)),
        read(Resource::new(GROUP, "v1beta1", "pods", "PodMetrics", true)),
    ]
}

fn usage(amount: &Amount) -> Value {
    json!({"cpu": format!("{}n", (amount.cpu_cores * 1e9).round() as i64), "memory": format!("{}Ki", amount.memory_bytes / 1024)})
}

fn entry(kind: &str, metadata: Value, at: Timestamp, window: Duration) -> Value {
    let window = format!("{:.3}s", window.as_secs_f64());
    json!({"kind": kind, "apiVersion": "metrics.k8s.io/v1beta1", "metadata": metadata, "timestamp": rfc3339(at), "window": window})
}

pub fn answer(api: &Api, call: &Call, info: &RequestInfo) -> Result<Answer, Status> {
    let Some(all) = api.machines.usage().filter(|_| info.version == "v1beta1") else {
        return Ok(body::no_page());
    };
    if !matches!(info.verb, "get" | "list") {
        return Err(Status::method_not_allowed());
    }
    let selector = LabelSelector::parse(call.query.get("labelSelector"))?;
    let of = |resource: &str, ns: &str, name: &str| {
        let object = api.store.get(resource, ns, name)?;
        let labels = object["metadata"]["labels"].clone();
        selector.matches_labels(&labels).then_some(labels)
    };
    let (kind, items): (&str, Vec<Value>) = match info.resource.as_str() {
        "nodes" => {
            let node = |n: &crate::api::machines::NodeUsage| {
                let labels = of("nodes", "", &n.name)?;
                let metadata =
                    json!({"name": n.name, "creationTimestamp": rfc3339(n.timestamp), "labels": labels});
                let mut entry = entry("NodeMetrics", metadata, n.timestamp, n.window);
                entry["usage"] = usage(&n.amount);
                Some(entry)
            };
            ("NodeMetrics", all.nodes.iter().filter_map(node).collect())
        }
        "pods" => {
            let pod = |p: &crate::api::machines::PodUsage| {
                let labels = of("pods", &p.ns, &p.name)?;
                let metadata = json!({"name": p.name, "namespace": p.ns, "creationTimestamp": rfc3339(p.timestamp), "labels": labels});
                let mut entry = entry("PodMetrics", metadata, p.timestamp, p.window);
                entry["containers"] = p
                    .containers
                    .iter()
                    .map(|(name, amount)| json!({"name": name, "usage": usage(amount)}))
                    .collect();
                Some(entry)
            };
            let here =
                |p: &&crate::api::machines::PodUsage| info.namespace.is_empty() || p.ns == info.namespace;
            ("PodMetrics", all.pods.iter().filter(here).filter_map(pod).collect())
        }
        _ => return Err(Status::no_such_resource()),
    };
    if info.verb == "list" {
        let list = json!({"kind": format!("{kind}List"), "apiVersion": "metrics.k8s.io/v1beta1", "metadata": {}, "items": items});
        return Ok(body::json(200, list.to_string()));
    }
    let found = items.into_iter().find(|i| i["metadata"]["name"] == info.name.as_str());
    let kind = format!("{}.{GROUP}", info.resource);
    Ok(body::json(200, found.ok_or_else(|| Status::not_found(&kind, &info.name))?.to_string()))
}
