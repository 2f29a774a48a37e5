//! Finds the server that answers Prometheus's API among the cluster's pods.

use super::super::source::answers;
use crate::world::Pod;
use crate::world::readings::{Place, Server};

/// The server among these pods. One that answers for the whole cluster goes before a single Prometheus.
pub(in crate::telemetry) fn find<'p>(pods: impl Iterator<Item = &'p Pod>) -> Option<Server> {
    let ready = pods.filter(|p| answers(p) && p.ready);
    let found = ready.filter_map(|p| Some((rank(p)?, (&p.meta.namespace, &p.meta.name), p)));
    let ((_, port, prefix), _, pod) = found.min_by_key(|(server, name, _)| (*server, *name))?;
    let place = Place::Pod { namespace: pod.meta.namespace.clone(), name: pod.meta.name.clone(), port };
    Some(Server { place, prefix: prefix.into() })
}

/// Whether a pod may be the server.
pub(in crate::telemetry) fn is_server(pod: &Pod) -> bool {
    rank(pod).is_some()
}

/// The server that a pod is: what is preferred comes first; then its port and the path before `api/v1`.
fn rank(pod: &Pod) -> Option<(u8, u16, &'static str)> {
    let label = |key: &str| pod.meta.labels.get(key).unwrap_or_default();
    let name = match label("app.kubernetes.io/name") {
        "" => label("app"),
        name => name,
    };
    let part = match label("app.kubernetes.io/component") {
        "" => label("component"),
        part => part,
    };
    let port = |usual: u16, names: &[&str]| {
        let ports = || pod.containers.iter().flat_map(|c| c.spec.ports.iter());
        let named = || ports().find(|p| names.contains(&&*p.name));
        ports().find(|p| p.number == usual).or_else(named).map_or(usual, |p| p.number)
    };
    let has_image = |part: &str| pod.containers.iter().any(|c| c.spec.image.contains(part));
    Some(match (name, part) {
        ("thanos-query" | "thanos-query-frontend", _) | ("thanos", "query" | "query-frontend") => {
            (1, port(10_902, &["http"]), "")
        }
        ("vmselect", _) => (2, port(8481, &["http"]), "select/0/prometheus/"),
        ("vmsingle" | "victoria-metrics-single", _) => (2, port(8428, &["http"]), ""),
        ("mimir", "query-frontend") => (3, port(8080, &["http-metrics", "http"]), "prometheus/"),
        ("prometheus", "" | "server" | "prometheus") | ("prometheus-server", _)
            if has_image("/prometheus:") || has_image("/prometheus@") =>
        {
            (4, port(9090, &["web", "http-web", "http"]), "")
        }
        _ => return None,
    })
}
