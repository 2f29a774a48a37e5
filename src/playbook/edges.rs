//! Evidence about what stands at the edges of an application: its Ingress, its namespace's quotas, its storage's
//! provisioner.

use serde_json::{Value, json};

use super::facts::{at, object};
use crate::world::Object as _;
use crate::world::{EndpointSlice, Ingress, IngressBackend, Kind, ObjectRef, Pod, Service, World};

/// An Ingress: its class, where each path leads, and its certificates' Secrets.
///
/// # Errors
/// A sentence: it is not there.
pub(super) fn ingress(world: &World, o: &ObjectRef) -> Result<Value, String> {
    let i = world.ingresses.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let class = i.class.as_deref().unwrap_or("");
    let mut classes = world.ingress_classes.values();
    let found = match class {
        "" => classes.find(|c| c.default),
        named => classes.find(|c| &*c.meta.name == named),
    };
    let paths: Vec<Value> = i.backends.iter().map(|b| path(world, i, b)).collect();
    let dead = paths.iter().filter(|p| p["ready"] == 0 || p["has_port"] == false).count();
    let worst = paths.iter().find(|p| p["exists"] == true && p["has_port"] == true && p["ready"] == 0);
    let tls: Vec<Value> = i
        .tls
        .iter()
        .map(|t| {
            let hosts: Vec<&str> = t.hosts.iter().map(|h| &**h).collect();
            json!({"secret": &*t.secret, "quote": format!("Secret {} for {}", t.secret, hosts.join(", ")),
                   "source": "spec.tls", "at": "", "object": object(o)})
        })
        .collect();
    Ok(json!({
        "class": class, "class_found": found.is_some() || i.class_annotated,
        "controller": found.map_or("", |c| &*c.controller), "addresses": i.addresses,
        "paths": paths, "dead": dead, "tls": tls,
        "service": worst.map_or(Value::Null, |p| p["service_object"].clone()), "has_service": worst.is_some(),
        "quote": format!("class {}, {} paths, {dead} of them lead nowhere, {} addresses",
            if class.is_empty() { "(default)" } else { class }, i.backends.len(), i.addresses),
        "source": "ingress", "at": at(None), "object": object(o),
    }))
}

/// Where one path leads.
fn path(world: &World, i: &Ingress, b: &IngressBackend) -> Value {
    let service = world.services.find(&i.meta.namespace, &b.service);
    let of_port = |s: &Service| {
        s.ports.iter().any(|p| p.port.to_string() == *b.port || *p.name == *b.port && !p.name.is_empty())
    };
    let has_port = service.is_some_and(of_port);
    let slices = |e: &&EndpointSlice| e.meta.namespace == i.meta.namespace && e.service == b.service;
    let ready: u32 = world.endpoint_slices.values().filter(slices).map(|e| e.ready).sum();
    let host = if b.host.is_empty() { "any host" } else { &*b.host };
    let says = match (service, has_port, ready) {
        (None, ..) => "which does not exist".to_owned(),
        (Some(_), false, _) => format!("which has no port {}", b.port),
        (Some(_), true, 0) => "which has no ready endpoint".to_owned(),
        (Some(_), true, n) => format!("{n} ready endpoints"),
    };
    json!({
        "host": &*b.host, "path": &*b.path, "service": &*b.service, "port": &*b.port, "exists": service.is_some(),
        "has_port": has_port, "ready": ready,
        "service_object": object(&ObjectRef::new(Kind::Service, i.meta.namespace.clone(), b.service.clone())),
        "quote": format!("{host}{} → Service {}:{}, {says}", b.path, b.service, b.port), "source": "ingress rules", "at": "",
        "object": object(&ObjectRef::new(Kind::Ingress, i.meta.namespace.clone(), i.meta.name.clone())),
    })
}

/// What a namespace may use and uses, resource by resource, the fullest first.
///
/// # Errors
/// A sentence: the quotas were never listed.
pub(super) fn quotas(world: &World, o: &ObjectRef) -> Result<Value, String> {
    if !world.synced(&Kind::ResourceQuota) {
        return Err("the quotas were never listed".to_owned());
    }
    let namespace = if o.kind == Kind::Namespace { &o.name } else { &o.namespace };
    let here = world.quotas.values().filter(|q| q.meta.namespace == *namespace);
    let mut amounts: Vec<(u64, Value)> = Vec::new();
    for q in here {
        let of = object(&ObjectRef::new(Kind::ResourceQuota, q.meta.namespace.clone(), q.meta.name.clone()));
        for a in &q.amounts {
            let percent = match a.hard_value {
                0 => 100,
                hard => a.used_value.saturating_mul(100) / hard,
            };
            amounts.push((
                percent,
                json!({
                    "quota": &*q.meta.name, "resource": &*a.resource, "used": &*a.used, "hard": &*a.hard,
                    "percent": percent, "source": "resourcequota", "at": "", "object": of,
                    "quote": format!("{}: {} of {} {} ({percent} %)", q.meta.name, a.used, a.hard, a.resource),
                }),
            ));
        }
    }
    amounts.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.to_string().cmp(&b.1.to_string())));
    let full = amounts.iter().filter(|(p, _)| *p >= 100).count();
    let quota = amounts.first().map_or(Value::Null, |(_, a)| a["object"].clone());
    let resource = amounts.first().map_or(Value::Null, |(_, a)| a["resource"].clone());
    let amounts: Vec<Value> = amounts.into_iter().map(|(_, a)| a).collect();
    Ok(
        json!({"namespace": &**namespace, "amounts": amounts, "full": full, "quota": quota, "resource": resource}),
    )
}

/// The pods that make volumes for a claim's class.
///
/// # Errors
/// A sentence: the claim is not there, or its class or provisioner is not known.
pub(super) fn provisioner(world: &World, o: &ObjectRef) -> Result<Value, String> {
    let claim = world.claims.find(&o.namespace, &o.name).ok_or_else(|| format!("there is no {o}"))?;
    let class = world.storage_classes.values().find(|c| match claim.class.as_deref() {
        Some(name) => &*c.meta.name == name,
        None => c.default,
    });
    let class = class.ok_or("the claim's storage class is not there, so nobody knows its provisioner")?;
    let driver = &*class.provisioner;
    let words: Vec<&str> = driver.split(['.', '/', '-']).filter(|w| !COMMON.contains(w)).collect();
    // The controller of a driver is no pod of a node: its nodes' pods only mount.
    let makes = |p: &&Pod| {
        let of_driver = words.iter().any(|w| p.meta.name.split(['-', '.']).any(|part| part == *w));
        let provisions = p.containers.iter().any(|c| c.spec.name.contains("provisioner"))
            || p.meta.name.contains("provisioner")
            || p.meta.name.contains("controller");
        of_driver && provisions && p.meta.owner.as_ref().is_none_or(|o| o.kind != Kind::DaemonSet)
    };
    let mut pods: Vec<&Pod> = world.pods.values().filter(makes).collect();
    pods.sort_by_key(|p| (p.ready, p.meta.name.clone()));
    let ready = pods.iter().filter(|p| p.ready).count();
    let worst = pods.first().map(|p| p.reference());
    let quote = match pods.len() {
        0 => format!("class {} is made by {driver}; no pod of its controller is found", class.meta.name),
        n => format!(
            "class {} is made by {driver}; {ready} of {n} pods of its controller are ready",
            class.meta.name
        ),
    };
    Ok(json!({
        "driver": driver, "class": &*class.meta.name, "pods": pods.len(), "ready": ready,
        "worst": worst.as_ref().map_or(Value::Null, object), "has_worst": pods.iter().any(|p| !p.ready),
        "quote": quote, "source": "provisioner", "at": at(None), "object": object(o),
    }))
}

/// Words of a driver's name that say nothing about which it is.
const COMMON: &[&str] =
    &["", "csi", "com", "io", "org", "k8s", "kubernetes", "storage", "x", "sigs", "driver"];
