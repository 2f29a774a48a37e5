//! Ingresses that lead nowhere: their class, the Services and ports they name.

use crate::world::{Ingress, IngressBackend, Kind, ObjectRef, Service};

use super::certificate;
use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::limits::seconds;
use super::registry::causes;

const WHY_INGRESS: &str = "callers from outside get 404 or 503 from the proxy, while every pod is well";

causes! {
    CLASS = "ingress.class" Warning Watch("ingresses, ingressclasses") tree "ingress":
        "the Ingress names a class that does not exist, or names none where there is no default: no controller serves it",
        why WHY_INGRESS, source "spec.ingressClassName and the IngressClasses";
    BACKEND = "ingress.backend" Warning Watch("ingresses, services, endpointslices") tree "ingress":
        "a path of the Ingress leads to a Service or port that does not exist, or has no ready endpoint",
        why WHY_INGRESS, source "spec.rules and the Services";
}

pub fn judge(ctx: &Ctx, ingress: &Ingress, object: &ObjectRef, out: &mut Out) {
    if ingress.meta.deleting.is_some() {
        return;
    }
    certificate::judge(ctx, ingress, object, out);
    let w = ctx.world;
    let created = ingress.meta.created.unwrap_or(ctx.now);
    // The objects of one `kubectl apply` come one after the other.
    let fires = created.plus(seconds(ctx.limits.starting_volume));
    if ctx.now < fires {
        out.again(fires);
    }
    if w.synced(&Kind::IngressClass)
        && let Some((title, row, quote)) = class(ctx, ingress)
    {
        out.push(
            Diagnosis::new(CLASS, object.clone(), created).fires_at(fires).title(title).row(row).evidence(
                "ingress spec",
                quote,
                object,
                None,
            ),
        );
        return;
    }
    if !(w.synced(&Kind::Service) && w.synced(&Kind::EndpointSlice)) {
        return;
    }
    for backend in ingress.backends.iter().filter(|b| !b.service.is_empty()) {
        let Some(found) = leads_nowhere(ctx, ingress, object, backend) else { continue };
        out.push(found.fires_at(fires));
        return;
    }
}

/// What is wrong with its class: title, row, quote.
fn class(ctx: &Ctx, ingress: &Ingress) -> Option<(String, String, String)> {
    let name = &ingress.meta.name;
    let classes = || ctx.world.ingress_classes.values();
    match &ingress.class {
        // A controller may serve the annotation's word without an IngressClass.
        Some(_) if ingress.class_annotated => None,
        Some(class) if classes().all(|c| c.meta.name != *class) => {
            let have: Vec<&str> = classes().map(|c| &*c.meta.name).collect();
            let have = if have.is_empty() { "there is none".to_owned() } else { have.join(", ") };
            Some((
                format!("Ingress {name} names the class {class}, which does not exist"),
                format!("class {class} missing"),
                format!("ingressClassName: {class}; ingress classes: {have}"),
            ))
        }
        // Without any class, and without a sign that a controller took it, nobody serves it.
        None if ingress.addresses == 0 && classes().all(|c| !c.default) => Some((
            format!("Ingress {name} names no class, and no class is the default"),
            "no ingress class".into(),
            "no ingressClassName; no IngressClass is marked as the default".into(),
        )),
        _ => None,
    }
}

fn leads_nowhere(
    ctx: &Ctx,
    ingress: &Ingress,
    object: &ObjectRef,
    backend: &IngressBackend,
) -> Option<Diagnosis> {
    let ns = &ingress.meta.namespace;
    let created = ingress.meta.created.unwrap_or(ctx.now);
    let name = &ingress.meta.name;
    let path = format!("{}{}", backend.host, if backend.path.is_empty() { "/" } else { &*backend.path });
    let leads = format!("{path} leads to Service {}, port {}", backend.service, backend.port);
    let to = ObjectRef::new(Kind::Service, ns.clone(), backend.service.clone());
    let Some(service) = ctx.world.services.find(ns, &backend.service) else {
        return Some(
            Diagnosis::new(BACKEND, object.clone(), created)
                .title(format!(
                    "Ingress {name}: {path} leads to Service {}, which does not exist",
                    backend.service
                ))
                .row(format!("service {} missing", backend.service))
                .evidence("ingress spec", leads, object, None),
        );
    };
    if !has_port(service, &backend.port) {
        let ports: Vec<String> = service.ports.iter().map(|p| format!("{} {}", p.name, p.port)).collect();
        return Some(
            Diagnosis::new(BACKEND, object.clone(), created)
                .title(format!(
                    "Ingress {name}: {path} leads to port {} of Service {}, which it has not",
                    backend.port, backend.service
                ))
                .row(format!("port {} missing", backend.port))
                .evidence("ingress spec", leads, object, None)
                .evidence("service spec", format!("ports: {}", ports.join(", ").trim()), &to, None),
        );
    }
    // The Service's own trouble is the root; the Ingress follows from it.
    let key = ctx.diagnosed.of(&to).first()?;
    let mut found = Diagnosis::new(BACKEND, object.clone(), created)
        .part(Part::Consequence)
        .severity(ctx.diagnosed.severity(key))
        .title(format!("Ingress {name}: Service {} behind {path} has no ready endpoint", backend.service))
        .row(format!("service {} not ready", backend.service))
        .evidence("ingress spec", leads, object, None);
    found.key = key.clone();
    Some(found)
}

fn has_port(service: &Service, port: &str) -> bool {
    service.ports.iter().any(|p| match port.parse::<u16>() {
        Ok(number) => p.port == number,
        Err(_) => &*p.name == port,
    }) || port.is_empty()
}
