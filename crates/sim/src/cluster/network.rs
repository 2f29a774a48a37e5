//! The pod network: names, Services and NetworkPolicies.
use serde_json::Value;

use super::engine::Engine;
use super::kubelet::PodRun;
use super::node_http::Reply;
use super::object::{self, int, list, selects, text};
use super::{machines, node_http};

/// Why a connection from inside the cluster failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreached {
    Refused,
    /// The packets are dropped on the way.
    TimedOut,
}

/// The result of a request from a pod to a port of a Service or pod.
pub(super) fn fetch_from(
    engine: &Engine,
    from: &PodRun,
    host: &str,
    port: u16,
    path: &str,
) -> Result<Reply, Unreached> {
    if matches!(host, "localhost" | "127.0.0.1") {
        return node_http::pod_port(engine, from, port, path).map_err(|_| Unreached::Refused);
    }
    if port == 443 && is_api_server(engine, from, host) {
        return Ok(node_http::api_server(engine, path));
    }
    let (run, port) = leads_to(engine, from, host, port).ok_or(Unreached::Refused)?;
    if !let_through(engine, from, run, port) {
        return Err(Unreached::TimedOut);
    }
    node_http::pod_port(engine, run, port, path).map_err(|_| Unreached::Refused)
}

/// Whether a name or address is that of the Service `kubernetes`, behind which the API server itself answers.
fn is_api_server(engine: &Engine, from: &PodRun, host: &str) -> bool {
    let Some(service) = engine.cache.find("services", "default", "kubernetes") else { return false };
    if host == text(service, "/spec/clusterIP") {
        return true;
    }
    let bare = host.trim_end_matches(".cluster.local").trim_end_matches(".svc");
    bare.split_once('.').unwrap_or((bare, &from.key.ns)) == ("kubernetes", "default")
}

/// The pod and port behind the address of a pod, the address of a Service, or a Service name.
fn leads_to<'a>(engine: &'a Engine, from: &PodRun, host: &str, port: u16) -> Option<(&'a PodRun, u16)> {
    if host.parse::<std::net::Ipv4Addr>().is_ok() {
        let services = engine.store.list("services", None);
        return match services.iter().find(|s| text(s, "/spec/clusterIP") == host) {
            Some(s) => behind(engine, text(s, "/metadata/namespace"), text(s, "/metadata/name"), port),
            None => Some((engine.runs.values().find(|r| r.ip.as_deref() == Some(host) && !r.done)?, port)),
        };
    }
    let bare = host.trim_end_matches(".cluster.local").trim_end_matches(".svc");
    let (service, ns) = bare.split_once('.').unwrap_or((bare, &from.key.ns));
    behind(engine, ns, service, port)
}

/// A ready pod of a Service, and the port that this port of the Service leads to.
fn behind<'a>(engine: &'a Engine, ns: &str, service: &str, port: u16) -> Option<(&'a PodRun, u16)> {
    let mut slices = engine.cache.in_namespace("endpointslices.discovery.k8s.io", ns);
    let (_, slice) = slices.find(|(_, s)| object::label(s, "kubernetes.io/service-name") == Some(service))?;
    let object = engine.cache.find("services", ns, service)?;
    let index = list(object, "/spec/ports").iter().position(|p| of_port(p, port))?;
    let target = int(slice, &format!("/ports/{index}/port")).and_then(|p| u16::try_from(p).ok())?;
    let ready = list(slice, "/endpoints").iter().find(|e| object::flag(e, "/conditions/ready"))?;
    Some((machines::run_of(engine, ns, text(ready, "/targetRef/name")).ok()?, target))
}

/// Whether the NetworkPolicies of the target's namespace allow the connection. A pod that no policy selects
/// accepts all traffic.
fn let_through(engine: &Engine, from: &PodRun, to: &PodRun, port: u16) -> bool {
    let policies = engine.store.list("networkpolicies.networking.k8s.io", Some(&to.key.ns));
    let labels = to.pod.pointer("/metadata/labels");
    let mut selecting = policies
        .iter()
        .filter(|p| {
            let kinds = list(p, "/spec/policyTypes");
            kinds.is_empty() || kinds.iter().any(|k| k == "Ingress")
        })
        .filter(|p| selects(p.pointer("/spec/podSelector"), labels))
        .peekable();
    selecting.peek().is_none()
        || selecting.any(|p| {
            list(p, "/spec/ingress").iter().any(|rule| {
                let ports = list(rule, "/ports");
                let peers = list(rule, "/from");
                (ports.is_empty() || ports.iter().any(|p| of_port(p, port)))
                    && (peers.is_empty() || peers.iter().any(|peer| is_peer(engine, peer, from, to)))
            })
        })
}

/// Whether an entry of a Service or a NetworkPolicy is about this TCP port.
fn of_port(entry: &Value, port: u16) -> bool {
    let tcp = matches!(text(entry, "/protocol"), "" | "TCP");
    tcp && int(entry, "/port") == Some(i64::from(port))
}

fn is_peer(engine: &Engine, peer: &Value, from: &PodRun, to: &PodRun) -> bool {
    let (pods, spaces) = (peer.get("podSelector"), peer.get("namespaceSelector"));
    if pods.is_none() && spaces.is_none() {
        return false;
    }
    let space = match spaces {
        Some(selector) => {
            let object = engine.cache.find("namespaces", "", &from.key.ns);
            selects(Some(selector), object.and_then(|o| o.pointer("/metadata/labels")))
        }
        None => from.key.ns == to.key.ns,
    };
    space && pods.is_none_or(|selector| selects(Some(selector), from.pod.pointer("/metadata/labels")))
}
