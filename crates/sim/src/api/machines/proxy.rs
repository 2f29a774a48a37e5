//! The proxy subresource of pods, services and nodes.
use super::ProxyTarget;
use crate::api::handler::{Api, Call};
use crate::api::meta::status::Status;
use crate::api::meta::{self, items, text};
use crate::api::wire::body::{Answer, full};
use crate::api::wire::request::RequestInfo;
use http::HeaderValue;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use serde_json::Value;

pub async fn answer(api: &Api, call: &Call, info: &RequestInfo) -> Result<Answer, Status> {
    let target = match info.resource.as_str() {
        "nodes" => node(api, &info.name)?,
        "services" => service(api, &info.namespace, &info.name)?,
        _ => pod(api, &info.namespace, &info.name)?,
    };
    let path = if info.rest.is_empty() { "/" } else { &info.rest };
    let path = match call.raw_query.as_str() {
        "" => path.to_string(),
        query => format!("{path}?{query}"),
    };
    let response = api.machines.http(target, call.method.as_str(), &path, call.body.clone()).await?;
    let (parts, body) = response.into_parts();
    let mut answer = Answer::new(full(body));
    *answer.status_mut() = parts.status;
    *answer.headers_mut() = parts.headers;
    let headers = answer.headers_mut();
    for hop in [CONNECTION, TRANSFER_ENCODING, UPGRADE, CONTENT_LENGTH] {
        headers.remove(hop);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    Ok(answer)
}

/// `[scheme:]name[:port]`.
struct Named<'a> {
    https: bool,
    name: &'a str,
    port: &'a str,
}

fn named(text: &str) -> Result<Named<'_>, Status> {
    let parts: Vec<&str> = text.split(':').collect();
    let (scheme, name, port) = match parts.as_slice() {
        [name] => ("", *name, ""),
        [name, port] => ("", *name, *port),
        [scheme, name, port] => (*scheme, *name, *port),
        _ => return Err(Status::bad_request(format!("invalid proxy request {text:?}"))),
    };
    match scheme {
        "" | "http" => Ok(Named { https: false, name, port }),
        "https" => Ok(Named { https: true, name, port }),
        _ => Err(Status::bad_request(format!("invalid proxy request {text:?}"))),
    }
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|p| *p > 0)
}

fn node(api: &Api, text: &str) -> Result<ProxyTarget, Status> {
    let named = named(text)?;
    let found = api.store.get("nodes", "", named.name);
    found.ok_or_else(|| Status::not_found("nodes", named.name))?;
    let port = match named.port {
        "" => 0,
        port => number(port).ok_or_else(|| Status::bad_request(format!("invalid node port {port:?}")))?,
    };
    Ok(ProxyTarget::Node { name: named.name.into(), port })
}

fn pod(api: &Api, ns: &str, text: &str) -> Result<ProxyTarget, Status> {
    let named = named(text)?;
    let pod = api.store.get("pods", ns, named.name).ok_or_else(|| Status::not_found("pods", named.name))?;
    let first = || {
        let mut ports = items(&pod["spec"], "containers").flat_map(|c| items(c, "ports"));
        ports.find_map(|p| p["containerPort"].as_u64()).and_then(|p| u16::try_from(p).ok()).unwrap_or(80)
    };
    let port = match named.port {
        "" => first(),
        port => container_port(&pod, port)
            .ok_or_else(|| Status::bad_request(format!("invalid pod port {port:?}")))?,
    };
    if self::text(&pod, &["status", "podIP"]).is_empty() {
        return Err(Status::bad_request("address not allowed"));
    }
    Ok(ProxyTarget::Pod { ns: ns.into(), name: named.name.into(), https: named.https, port })
}

/// A container port by number or name.
fn container_port(pod: &Value, port: &str) -> Option<u16> {
    if let Some(number) = number(port) {
        return Some(number);
    }
    let mut ports = items(&pod["spec"], "containers").flat_map(|c| items(c, "ports"));
    let found = ports.find(|p| p["name"] == port)?;
    u16::try_from(found["containerPort"].as_u64()?).ok()
}

/// A ready pod of the service, from its EndpointSlices.
fn service(api: &Api, ns: &str, text: &str) -> Result<ProxyTarget, Status> {
    let named = named(text)?;
    let service =
        api.store.get("services", ns, named.name).ok_or_else(|| Status::not_found("services", named.name))?;
    let nobody = || Status::unavailable(format!("no endpoints available for service \"{text}\""));
    let ports: Vec<&Value> = items(&service["spec"], "ports").collect();
    let port = ports.iter().find(|p| match named.port {
        "" => true,
        port => p["name"] == port || number(port).is_some_and(|n| p["port"] == n),
    });
    let port = port.ok_or_else(|| {
        Status::unavailable(format!(
            "no service port \"{}\" found for service \"{}\"",
            named.port, named.name
        ))
    })?;
    let name = port["name"].as_str().unwrap_or_default();
    for slice in api.store.list("endpointslices.discovery.k8s.io", Some(ns)) {
        if slice["metadata"]["labels"]["kubernetes.io/service-name"] != named.name {
            continue;
        }
        let port = items(&slice, "ports").find(|p| p["name"].as_str().unwrap_or_default() == name);
        let Some(port) = port.and_then(|p| p["port"].as_u64()).and_then(|p| u16::try_from(p).ok()) else {
            continue;
        };
        let ready = |e: &&Value| e["conditions"]["ready"] != false && e["targetRef"]["kind"] == "Pod";
        if let Some(endpoint) = items(&slice, "endpoints").find(ready) {
            let pod = self::text(endpoint, &["targetRef", "name"]);
            return Ok(ProxyTarget::Pod {
                ns: meta::namespace(&slice).into(),
                name: pod.into(),
                https: named.https,
                port,
            });
        }
    }
    Err(nobody())
}
