//! The EndpointSlice controller: the ready and unready pods of each Service.
use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use crate::cluster::controllers::Controller;
use crate::cluster::engine::Engine;
use crate::cluster::kubelet::named_port;
use crate::cluster::object::{self, Key, finished, flag, list, map_selects, text};

const SLICES: &str = "endpointslices.discovery.k8s.io";
/// The most endpoints of a slice.
const FULL: usize = 100;

pub(in crate::cluster) struct EndpointSliceController;

impl Controller for EndpointSliceController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let slices: Vec<Object> = engine
            .cache
            .in_namespace(SLICES, &key.ns)
            .filter(|(_, s)| object::label(s, "kubernetes.io/service-name") == Some(&*key.name))
            .filter(|(_, s)| {
                object::label(s, "endpointslice.kubernetes.io/managed-by")
                    == Some("endpointslice-controller.k8s.io")
            })
            .map(|(_, s)| s.clone())
            .collect();
        let Some(service) = engine.cached("services", key).filter(|s| !object::deleting(s)) else { return };
        if service.pointer("/spec/selector").and_then(Value::as_object).is_none_or(|m| m.is_empty())
            || text(&service, "/spec/type") == "ExternalName"
        {
            return;
        }
        let pods: Vec<Object> = engine
            .cache
            .in_namespace("pods", &key.ns)
            .filter(|(_, p)| map_selects(service.pointer("/spec/selector"), p.pointer("/metadata/labels")))
            .map(|(_, p)| p.clone())
            .collect();
        let publish = flag(&service, "/spec/publishNotReadyAddresses");
        let members: Vec<&Object> =
            pods.iter().filter(|p| !finished(p) && !text(p, "/status/podIP").is_empty()).collect();
        let endpoints: Vec<Value> = members.iter().map(|p| endpoint(engine, p, publish)).collect();
        let ports = ports(&service, members.first().copied());
        let groups: Vec<&[Value]> =
            if endpoints.is_empty() { vec![&[]] } else { endpoints.chunks(FULL).collect() };
        for (i, group) in groups.iter().enumerate() {
            match slices.get(i) {
                Some(slice) => {
                    let now = engine.stamp();
                    engine.write(SLICES, &Key::of(slice), |o| {
                        if o["endpoints"] != json!(group) || o["ports"] != ports {
                            o["endpoints"] = json!(group);
                            o["ports"] = ports.clone();
                            object::entry(&mut o["metadata"], "annotations").insert(
                                "endpoints.kubernetes.io/last-change-trigger-time".into(),
                                json!(now),
                            );
                        }
                    });
                }
                None => new_slice(engine, key, &service, group, &ports),
            }
        }
        for extra in slices.iter().skip(groups.len()) {
            // The slice may be deleted already.
            let _ = engine.store.delete(SLICES, &key.ns, object::name(extra), DeleteOptions::default());
        }
    }
}

fn new_slice(engine: &mut Engine, key: &Key, service: &Object, endpoints: &[Value], ports: &Value) {
    let slice = json!({
        "addressType": "IPv4", "endpoints": endpoints, "ports": ports,
        "metadata": {
            "generateName": format!("{}-", key.name),
            "labels": {
                "kubernetes.io/service-name": &*key.name,
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [object::owner_reference(service, "v1", "Service")],
        },
    });
    if let Err(status) = engine.store.create(SLICES, &key.ns, slice) {
        tracing::debug!(%status, service = %key, "an endpoint slice was not made");
    }
}

fn endpoint(engine: &Engine, pod: &Value, publish: bool) -> Value {
    let serving = object::ready(pod);
    let terminating = object::deleting(pod);
    let node = text(pod, "/spec/nodeName");
    let mut endpoint = json!({
        "addresses": [text(pod, "/status/podIP")],
        "conditions": {"ready": publish || serving && !terminating, "serving": serving, "terminating": terminating},
        "targetRef": {"kind": "Pod", "namespace": object::namespace(pod), "name": object::name(pod), "uid": object::uid(pod)},
        "nodeName": node,
    });
    let zone =
        engine.cache.find("nodes", "", node).and_then(|n| object::label(n, "topology.kubernetes.io/zone"));
    if let Some(zone) = zone {
        endpoint["zone"] = json!(zone);
    }
    endpoint
}

fn ports(service: &Value, pod: Option<&Object>) -> Value {
    let containers = pod.map_or(&[][..], |p| list(p, "/spec/containers"));
    let ports = list(service, "/spec/ports").iter().map(|port| {
        let target = port.get("targetPort").filter(|t| !t.is_null()).or_else(|| port.get("port"));
        let resolved = containers.iter().map(|c| named_port(Some(c), target)).find(|p| *p > 0);
        let number = resolved.unwrap_or_else(|| named_port(None, target));
        json!({
            "name": text(port, "/name"), "port": number,
            "protocol": match text(port, "/protocol") { "" => "TCP", p => p },
        })
    });
    Value::Array(ports.collect())
}
