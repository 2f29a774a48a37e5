//! Services with nothing ready behind them, ports that no pod serves, quotas that are nearly used up.

use crate::world::selector::Requirement;
use crate::world::{Kind, ObjectRef, Selector, Service, Workload};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::evidence::{Key, Severity};
use super::limits::seconds;
use super::registry::causes;

const WHY_SERVICE: &str = "callers get refused or time out although pods are there";

causes! {
    NO_ENDPOINTS = "service.no-endpoints" Warning Watch("services, endpointslices, pods") tree "service":
        "nothing ready stands behind the Service: no pod matches, or none is ready",
        why WHY_SERVICE, source "EndpointSlices";
    PORT = "service.port" Critical Watch("services, endpointslices, pods") tree "service":
        "the Service's named target port is not served by its pods",
        why WHY_SERVICE, source "Service and containers";
}

pub fn judge(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty()) else { return };
    if &*service.service_type == "ExternalName" || service.meta.deleting.is_some() {
        return;
    }
    let w = ctx.world;
    if !(w.synced(&Kind::EndpointSlice) && w.synced(&Kind::Pod)) {
        return;
    }
    let (ready, not_ready, empty_since) = ctx.past.endpoints(object);
    if ready > 0 || (service.publish_not_ready && not_ready > 0) {
        return ports(ctx, service, object, out);
    }
    let created = service.meta.created.unwrap_or(ctx.now);
    let since = empty_since.unwrap_or(created).max(created);
    let fires = since.plus(seconds(ctx.limits.starting_volume));
    if ctx.now < fires {
        out.again(fires);
    }
    let name = &service.meta.name;
    let wanted = describe(selector);
    let backing: Vec<&Workload> = [&w.deployments, &w.stateful_sets, &w.daemon_sets]
        .into_iter()
        .flat_map(|t| t.values())
        .filter(|d| d.meta.namespace == service.meta.namespace && may_match(selector, d))
        .collect();
    if !backing.is_empty() && backing.iter().all(|d| d.desired == 0) {
        // Scaled to zero: somebody wants it so.
        return;
    }
    let quote = if not_ready > 0 {
        format!("{not_ready} endpoints, none ready")
    } else {
        format!("no pod matches {wanted}")
    };
    let mut signal = Diagnosis::new(NO_ENDPOINTS, object.clone(), since)
        .fires_at(fires)
        .title(if not_ready > 0 {
            format!("none of the {not_ready} pods behind Service {name} is ready")
        } else {
            format!("no pod matches the selector of Service {name}: {wanted}")
        })
        .row("no endpoints")
        .evidence("endpointslices", quote, object, Some(since));
    if let Some(key) = explained(ctx, service, selector, &backing) {
        signal.key = key;
        signal.part = Part::Consequence;
        signal.severity = Severity::Critical;
        signal.title = format!("Service {name} has no ready endpoint");
    }
    out.push(signal);
}

/// The finding that already says why the pods behind the Service are not ready.
fn explained(ctx: &Ctx, service: &Service, selector: &Selector, backing: &[&Workload]) -> Option<Key> {
    let ns = &service.meta.namespace;
    let by_pod = ctx.diagnosed.sick_pods(ns).into_iter().find_map(|(object, keys)| {
        let pod = ctx.world.pods.find(ns, &object.name)?;
        selector.matches(&pod.meta.labels).then(|| keys.first().cloned())?
    });
    by_pod.or_else(|| {
        backing.iter().find_map(|w| {
            let root = ObjectRef::new(w.kind.clone(), w.meta.namespace.clone(), w.meta.name.clone());
            ctx.diagnosed.of(&root).first().cloned()
        })
    })
}

/// A named target port that no pod has leaves the slices without that port.
fn ports(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    for port in service.ports.iter().filter(|p| p.target.parse::<u16>().is_err() && !p.target.is_empty()) {
        let mut any = false;
        let served = ctx.past.slices(object).iter().any(|name| {
            any = true;
            ctx.world
                .endpoint_slices
                .find(&service.meta.namespace, name)
                .is_some_and(|s| s.ports.iter().any(|p| p.name == port.name && p.number > 0))
        });
        if any && !served {
            out.push(
                Diagnosis::new(PORT, object.clone(), service.meta.created.unwrap_or(ctx.now))
                    .title(format!(
                        "no pod behind Service {} has a port named {}",
                        service.meta.name, port.target
                    ))
                    .row(format!("port {} not served", port.target))
                    .evidence(
                        "service spec",
                        format!("port {} targets {}", port.port, port.target),
                        object,
                        None,
                    )
                    .evidence("endpointslices", format!("without port {:?}", &*port.name), object, None),
            );
            return;
        }
    }
}

/// Whether the workload's pods carry the labels the Service asks for, as far as its own selector and labels tell.
fn may_match(selector: &Selector, w: &Workload) -> bool {
    selector.0.iter().all(|r| match r {
        Requirement::In(k, vs) => {
            let own = w.selector.0.iter().any(
                |o| matches!(o, Requirement::In(ok, ovs) if ok == k && ovs.iter().any(|v| vs.contains(v))),
            );
            own || w.meta.labels.get(k).is_some_and(|v| vs.iter().any(|x| &**x == v))
        }
        _ => true,
    })
}

fn describe(selector: &Selector) -> String {
    let parts: Vec<String> = selector
        .0
        .iter()
        .map(|r| match r {
            Requirement::In(k, vs) => format!("{k}={}", vs.first().map_or("", |v| &**v)),
            Requirement::NotIn(k, _) => format!("{k}!=…"),
            Requirement::Exists(k) => k.to_string(),
            Requirement::DoesNotExist(k) => format!("!{k}"),
        })
        .collect();
    parts.join(",")
}
