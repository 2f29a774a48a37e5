//! Services with nothing ready behind them, ports that no pod serves, quotas that are nearly used up.

use crate::world::selector::Requirement;
use crate::world::{Kind, ObjectRef, Quota, Selector, Service, Workload};

use super::config::seconds;
use super::finding::{Key, Severity};
use super::signal::{Ctx, Out, Part, Signal};

pub fn judge(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty()) else { return };
    if &*service.service_type == "ExternalName" || service.meta.deleting.is_some() {
        return;
    }
    let w = ctx.world;
    if !(w.synced(&Kind::EndpointSlice) && w.synced(&Kind::Pod)) {
        return;
    }
    let (ready, not_ready, empty_since) = ctx.memory.endpoints(object);
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
    let mut signal = Signal::new("service.no-endpoints", object.clone(), since)
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
    let by_pod = ctx.groups.sick_pods(ns).find_map(|(object, keys)| {
        let pod = ctx.world.pods.find(ns, &object.name)?;
        selector.matches(&pod.meta.labels).then(|| keys.first().cloned())?
    });
    by_pod.or_else(|| {
        backing.iter().find_map(|w| {
            let root = ObjectRef::new(w.kind.clone(), w.meta.namespace.clone(), w.meta.name.clone());
            ctx.groups.of(&root).first().cloned()
        })
    })
}

/// A named target port that no pod has leaves the slices without that port.
fn ports(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    for port in service.ports.iter().filter(|p| p.target.parse::<u16>().is_err() && !p.target.is_empty()) {
        let mut any = false;
        let served = ctx.memory.slices(object).any(|name| {
            any = true;
            ctx.world
                .endpoint_slices
                .find(&service.meta.namespace, name)
                .is_some_and(|s| s.ports.iter().any(|p| p.name == port.name && p.number > 0))
        });
        if any && !served {
            out.push(
                Signal::new("service.port", object.clone(), service.meta.created.unwrap_or(ctx.now))
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

pub fn quota(ctx: &Ctx, quota: &Quota, object: &ObjectRef, out: &mut Out) {
    let near = quota
        .amounts
        .iter()
        .filter(|a| {
            a.hard_value > 0
                && a.used_value.saturating_mul(100) > a.hard_value.saturating_mul(ctx.limits.quota)
        })
        .max_by_key(|a| a.used_value.saturating_mul(1000) / a.hard_value);
    let Some(a) = near else { return };
    let percent = a.used_value.saturating_mul(100) / a.hard_value;
    out.push(
        Signal::new("namespace.quota-near", object.clone(), ctx.now)
            .title(format!(
                "namespace {} uses {percent} % of its quota for {}",
                quota.meta.namespace, a.resource
            ))
            .row(format!("{} at {percent} %", a.resource))
            .evidence("quota status", format!("{} used {} of {}", a.resource, a.used, a.hard), object, None),
    );
}
