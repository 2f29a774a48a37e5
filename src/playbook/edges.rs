//! Evidence about what stands at the edges of an application: its Ingress, its namespace's quotas, its storage's
//! provisioner, the Services behind extensions of the API server.

use std::time::Duration;

use serde_json::{Value, json};

use super::facts::{self, at, object};
use crate::world::Object as _;
use crate::world::{
    Container, EndpointSlice, Ingress, IngressBackend, Kind, ObjectRef, Pod, Service, ServiceRef, Time, World,
};

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
pub(super) fn provisioner(world: &World, o: &ObjectRef, now: Time) -> Result<Value, String> {
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
    pods.sort_by_key(|p| (stays_up(p, now), p.meta.name.clone()));
    let ready = pods.iter().filter(|p| stays_up(p, now)).count();
    let worst = pods.first().map(|p| p.reference());
    let quote = match pods.len() {
        0 => format!("class {} is made by {driver}; no pod of its controller is found", class.meta.name),
        n => format!(
            "class {} is made by {driver}; {ready} of {n} pods of its controller stay up",
            class.meta.name
        ),
    };
    Ok(json!({
        "driver": driver, "class": &*class.meta.name, "pods": pods.len(), "ready": ready,
        "worst": worst.as_ref().map_or(Value::Null, object), "has_worst": ready < pods.len(),
        "owner": worst.as_ref().map_or(Value::Null, |p| facts::owner(world, p, now)),
        "quote": quote, "source": "provisioner", "at": at(None), "object": object(o),
    }))
}

/// Whether a pod is ready and no container of it ended lately: one that crashes in a loop is ready now and then.
fn stays_up(p: &Pod, now: Time) -> bool {
    let ended = |c: &Container| c.last.as_ref().and_then(|t| t.finished).is_some_and(|t| t.age(now) < LATELY);
    p.ready && p.meta.deleting.is_none() && !p.containers.iter().any(ended)
}

/// How long after its end a container counts as one that does not stay up.
const LATELY: Duration = Duration::from_secs(600);

/// Words of a driver's name that say nothing about which it is.
const COMMON: &[&str] =
    &["", "csi", "com", "io", "org", "k8s", "kubernetes", "storage", "x", "sigs", "driver"];

/// The Service that an extension of the API server (webhook configuration, APIService, CustomResourceDefinition) calls,
/// and the pods behind it: of several Services the first whose pods do not stay up.
///
/// # Errors
/// A sentence: neither object is an extension that khud knows, or it calls no Service of the cluster.
pub(super) fn backend(
    world: &World,
    blamed: &ObjectRef,
    asked: &ObjectRef,
    now: Time,
) -> Result<Value, String> {
    let called = [blamed, asked].into_iter().map(|o| called_by(world, o)).find(|list| !list.is_empty());
    let called = called.ok_or_else(|| format!("{blamed} calls no Service of the cluster"))?;
    let service_of = |s: &ServiceRef| world.services.find(&s.namespace, &s.name);
    let pods_of = |s: &ServiceRef| {
        let selector = service_of(s).and_then(|s| s.selector.as_ref()).filter(|sel| !sel.is_empty());
        let selected = |p: &&Pod| {
            p.meta.namespace == s.namespace && selector.is_some_and(|sel| sel.matches(&p.meta.labels))
        };
        world.pods.values().filter(selected).collect::<Vec<_>>()
    };
    let up = |s: &ServiceRef| pods_of(s).into_iter().filter(|p| stays_up(p, now)).count();
    let called_first = called.iter().find(|s| up(s) == 0).or_else(|| called.first());
    let service = called_first.ok_or("it calls no Service of the cluster")?;
    let (pods, ready) = (pods_of(service), up(service));
    let worst = pods.iter().filter(|p| !stays_up(p, now)).min_by_key(|p| (p.ready, p.meta.name.clone()));
    let of = ObjectRef::new(Kind::Service, service.namespace.clone(), service.name.clone());
    let quote = match (service_of(service), worst) {
        (None, _) => format!("{of} does not exist"),
        (Some(_), None) => format!("{of}: {ready} of {} pods behind it stay up", pods.len()),
        (Some(_), Some(p)) => {
            let status = p.status();
            let (name, n) = (p.reference(), pods.len());
            let times =
                if status.restarts > 0 { format!(", {} restarts", status.restarts) } else { String::new() };
            format!("{of}: {ready} of {n} pods behind it stay up; {name}: {}{times}", status.status)
        }
    };
    let owner = worst.map_or(Value::Null, |p| facts::owner(world, &p.reference(), now));
    Ok(json!({
        "service": object(&of), "exists": service_of(service).is_some(), "pods": pods.len(), "ready": ready,
        "worst": worst.map_or(Value::Null, |p| object(&p.reference())), "has_worst": worst.is_some(),
        "owner": owner, "quote": quote, "source": "backend", "at": at(None), "object": object(&of),
    }))
}

fn called_by<'w>(world: &'w World, o: &ObjectRef) -> Vec<&'w ServiceRef> {
    match o.by_word().kind {
        Kind::ValidatingWebhookConfiguration | Kind::MutatingWebhookConfiguration => {
            let all = world.validating_webhooks.values().chain(world.mutating_webhooks.values());
            let mine = all.filter(|c| c.meta.name == o.name && c.kind == o.by_word().kind);
            mine.flat_map(|c| c.webhooks.iter().filter_map(|h| h.service.as_ref())).collect()
        }
        Kind::APIService => {
            world.api_services.find("", &o.name).and_then(|a| a.service.as_ref()).into_iter().collect()
        }
        Kind::CustomResourceDefinition => {
            world.custom_resources.find("", &o.name).and_then(|c| c.converter.as_ref()).into_iter().collect()
        }
        _ => Vec::new(),
    }
}
