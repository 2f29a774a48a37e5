//! Discovery, plain and aggregated, and `/version`.
use super::registry::{Resource, group_version};
use crate::api::wire::body::{self, Answer, full};
use http::{HeaderMap, HeaderValue, header};
use serde_json::{Value, json};
use std::sync::Arc;

/// The version of this server: that of the captured 1.36 cluster, or `other`. It serves the API of the former all the
/// same.
pub fn version(other: Option<&str>) -> Value {
    let mut out = json!({"major": "1", "minor": "36", "gitVersion": "v1.36.2+khud", "gitCommit": "0000000000000000000000000000000000000000",
        "gitTreeState": "clean", "buildDate": "2026-01-01T00:00:00Z", "goVersion": "none", "compiler": "rustc",
        "platform": "linux/amd64", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35"});
    if let Some(other) = other {
        let mut parts = other.trim_start_matches('v').split('.');
        out["major"] = parts.next().unwrap_or_default().into();
        out["minor"] = parts.next().unwrap_or_default().into();
        out["gitVersion"] = other.into();
        if let Some(fields) = out.as_object_mut() {
            // Servers before 1.33 emulate no other version.
            fields.retain(|k, _| !k.starts_with("emulation") && !k.starts_with("minCompat"));
        }
    }
    out
}

/// Groups and versions in order, each version once; the core group is "".
pub fn groups(resources: &[Arc<Resource>]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for r in resources {
        match groups.iter_mut().find(|(g, _)| *g == r.group) {
            Some((_, versions)) if versions.contains(&r.version.as_str()) => {}
            Some((_, versions)) => versions.push(&r.version),
            None => groups.push((&r.group, vec![&r.version])),
        }
    }
    groups
}

/// Answers a discovery path; None for any other path.
pub fn answer(path: &str, headers: &HeaderMap, resources: &[Arc<Resource>], address: &str) -> Option<Answer> {
    let parts: Vec<&str> = path.split('/').filter(|p| !p.is_empty()).collect();
    let core = |r: &&Arc<Resource>| r.group.is_empty();
    match parts.as_slice() {
        ["api"] if aggregated(headers) => Some(aggregate(resources.iter().filter(core))),
        ["apis"] if aggregated(headers) => Some(aggregate(resources.iter().filter(|r| !core(r)))),
        ["api"] => Some(plain(json!({"kind": "APIVersions", "versions": ["v1"],
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]}))),
        ["apis"] => {
            let groups =
                groups(resources).into_iter().filter(|(g, _)| !g.is_empty()).map(|(g, v)| group(g, &v));
            Some(plain(
                json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups.collect::<Vec<_>>()}),
            ))
        }
        ["api", version] => list("", version, resources),
        ["apis", group, version] => list(group, version, resources),
        ["apis", name] => {
            let (name, versions) = groups(resources).into_iter().find(|(g, _)| g == name)?;
            let mut body = group(name, &versions);
            body["kind"] = "APIGroup".into();
            body["apiVersion"] = "v1".into();
            Some(plain(body))
        }
        _ => None,
    }
}

fn plain(value: Value) -> Answer {
    body::json(200, value.to_string())
}

fn group(name: &str, versions: &[&str]) -> Value {
    let gv = |v: &&str| json!({"groupVersion": group_version(name, v), "version": v});
    json!({"name": name, "versions": versions.iter().map(gv).collect::<Vec<_>>(), "preferredVersion": versions.first().map(gv)})
}

fn list(group: &str, version: &str, resources: &[Arc<Resource>]) -> Option<Answer> {
    let mut out = Vec::new();
    for r in resources.iter().filter(|r| r.group == group && r.version == version) {
        let mut entry = json!({"name": r.plural, "singularName": r.singular, "namespaced": r.namespaced, "kind": r.kind, "verbs": r.verbs});
        if !r.short_names.is_empty() {
            entry["shortNames"] = json!(r.short_names);
        }
        if !r.categories.is_empty() {
            entry["categories"] = json!(r.categories);
        }
        out.push(entry);
        for s in &r.subresources {
            let mut entry = json!({"name": format!("{}/{}", r.plural, s.name), "singularName": "", "namespaced": r.namespaced,
                "kind": s.kind, "verbs": s.verbs});
            // kubectl drain evicts only if it finds policy/v1 here; otherwise it deletes.
            if !s.version.is_empty() && (s.group.as_str(), s.version.as_str()) != (group, version) {
                entry["group"] = json!(s.group);
                entry["version"] = json!(s.version);
            }
            out.push(entry);
        }
    }
    if out.is_empty() {
        return None;
    }
    let mut body =
        json!({"kind": "APIResourceList", "groupVersion": group_version(group, version), "resources": out});
    if !group.is_empty() {
        body["apiVersion"] = "v1".into();
    }
    Some(plain(body))
}

/// Whether the client accepts aggregated discovery v2.
fn aggregated(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT).iter().filter_map(|v| v.to_str().ok());
    accept.flat_map(|a| a.split(',')).any(|range| {
        let has = |wanted: &str| range.split(';').any(|p| p.trim() == wanted);
        has("application/json")
            && has("as=APIGroupDiscoveryList")
            && has("v=v2")
            && has("g=apidiscovery.k8s.io")
    })
}

fn aggregate<'a>(resources: impl Iterator<Item = &'a Arc<Resource>>) -> Answer {
    let resources: Vec<Arc<Resource>> = resources.cloned().collect();
    let items: Vec<Value> = groups(&resources)
        .into_iter()
        .map(|(name, versions)| {
            let version = |v: &&str| {
                let of = resources.iter().filter(|r| r.group == name && r.version == **v);
                json!({"version": v, "resources": of.map(|r| entry(r)).collect::<Vec<_>>(), "freshness": "Current"})
            };
            let metadata = if name.is_empty() { json!({}) } else { json!({"name": name}) };
            json!({"metadata": metadata, "versions": versions.iter().map(version).collect::<Vec<_>>()})
        })
        .collect();
    let list = json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items});
    let mut response = body::answer(
        200,
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        full(list.to_string()),
    );
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response
}

fn entry(r: &Resource) -> Value {
    let gvk =
        |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    // Built-in kinds omit a group and version equal to the list's; CRDs do not.
    let (group, version) = if r.custom { (&*r.group, &*r.version) } else { ("", "") };
    let mut entry = json!({"resource": r.plural, "responseKind": gvk(group, version, &r.kind),
        "scope": if r.namespaced { "Namespaced" } else { "Cluster" }, "singularResource": r.singular, "verbs": r.verbs});
    if !r.short_names.is_empty() {
        entry["shortNames"] = json!(r.short_names);
    }
    if !r.categories.is_empty() {
        entry["categories"] = json!(r.categories);
    }
    let sub = |s: &crate::api::schema::registry::Subresource| {
        let (group, version) = if s.version.is_empty() { (group, version) } else { (&*s.group, &*s.version) };
        json!({"subresource": s.name, "responseKind": gvk(group, version, &s.kind), "verbs": s.verbs})
    };
    if !r.subresources.is_empty() {
        entry["subresources"] = r.subresources.iter().map(sub).collect();
    }
    entry
}
