//! Services with nothing ready behind them, ports that no pod serves, names and addresses that lead nowhere.

use crate::world::selector::Requirement;
use crate::world::{Kind, ObjectRef, Pod, Selector, Service, ServicePort, Workload};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::evidence::{Key, Severity};
use super::limits::seconds;
use super::network_policy;
use super::registry::causes;

const WHY_SERVICE: &str = "callers get refused or time out although pods are there";

causes! {
    NO_ENDPOINTS = "service.no-endpoints" Warning Watch("services, endpointslices, pods") tree "service":
        "nothing ready stands behind the Service: no pod matches, or none is ready",
        why WHY_SERVICE, source "EndpointSlices";
    PORT = "service.port" Critical Watch("services, endpointslices, pods") tree "service":
        "no pod behind the Service has its target port, by name or by number",
        why WHY_SERVICE, source "Service and containers";
    EXTERNAL = "service.external" Warning Watch("services") tree "service":
        "an ExternalName Service stands for a name that cannot exist",
        why WHY_SERVICE, source "spec.externalName and the Services";
    ENDPOINT_DEAD = "service.endpoint-dead" Warning Watch("services, endpointslices, pods") tree "service":
        "endpoints written by hand point at an address that no pod has",
        why WHY_SERVICE, source "EndpointSlices and pod addresses";
}

pub fn judge(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    if service.meta.deleting.is_some() {
        return;
    }
    if &*service.service_type == "ExternalName" {
        return out.signals.extend(external(ctx, service, object));
    }
    let Some(selector) = service.selector.as_ref().filter(|s| !s.is_empty()) else {
        return by_hand(ctx, service, object, out);
    };
    let w = ctx.world;
    if !(w.synced(&Kind::EndpointSlice) && w.synced(&Kind::Pod)) {
        return;
    }
    let (ready, not_ready, empty_since) = ctx.past.endpoints(object);
    let backing = || -> Vec<&Workload> {
        let mut found: Vec<_> =
            w.workloads_in(&service.meta.namespace).filter(|d| may_match(selector, d)).collect();
        found.sort_by(|a, b| a.meta.name.cmp(&b.meta.name));
        found
    };
    if ready > 0 || (service.publish_not_ready && not_ready > 0) {
        if named_ports(ctx, service, object, out) {
            return;
        }
        let pods = pods_behind(ctx, service, selector, &backing());
        let closed = || network_policy::judge(ctx, service, object, &pods);
        out.signals.extend(numbered_ports(ctx, service, object, &pods).or_else(closed));
        return;
    }
    let created = service.meta.created.unwrap_or(ctx.now);
    let since = empty_since.unwrap_or(created).max(created);
    let fires = since.plus(seconds(ctx.limits.starting_volume));
    let name = &service.meta.name;
    let wanted = describe(selector);
    let backing = backing();
    let explained = explained(ctx, service, selector, &backing);
    if explained.is_none() && !backing.is_empty() && backing.iter().all(|d| d.desired == 0) {
        // Scaled to zero: somebody wants it so.
        return;
    }
    // Pods that started a moment ago have no time to be ready, and nothing speaks against them yet.
    let here = || w.pods.values().filter(|p| p.meta.namespace == service.meta.namespace);
    let youngest =
        || here().filter(|p| selector.matches(&p.meta.labels)).filter_map(|p| p.meta.created).max();
    let young = if explained.is_none() && not_ready > 0 { youngest() } else { None };
    if let Some(settled) = young.map(|at| at.plus(seconds(ctx.limits.unavailable))).filter(|at| ctx.now < *at)
    {
        return out.again(settled);
    }
    if ctx.now < fires {
        out.again(fires);
        // A Service that was made a moment ago has not lost anything yet.
        if explained.is_none() && ctx.now < created.plus(seconds(ctx.limits.starting_volume)) {
            return;
        }
    }
    // Whoever should make the pods may be scaled to zero.
    let workloads = &[Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet, Kind::ReplicaSet];
    let known = not_ready > 0 || ctx.listed(workloads, &service.meta.namespace);
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
        .evidence("endpointslices", quote, object, Some(since))
        .likely_unless(known);
    if let Some(key) = explained {
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

/// A named target port that no pod has leaves the slices without that port. True where that is so.
fn named_ports(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) -> bool {
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
            return true;
        }
    }
    false
}

/// A number that none of the pods' containers declares, where they declare others: containers may listen on ports they
/// do not declare, so this is likely, not proved, and only where not one port of the Service fits.
fn numbered_ports(ctx: &Ctx, service: &Service, object: &ObjectRef, pods: &[&Pod]) -> Option<Diagnosis> {
    let target = |p: &ServicePort| if p.target.is_empty() { Some(p.port) } else { p.target.parse().ok() };
    let targets: Vec<u16> = service.ports.iter().map(target).collect::<Option<_>>()?;
    let first = *targets.first()?;
    let pod = pods.first()?;
    let declared = |pod: &Pod| -> Vec<u16> {
        pod.containers.iter().flat_map(|c| c.spec.ports.iter()).map(|p| p.number).collect()
    };
    let probed = |pod: &Pod, port: u16| {
        let probes =
            pod.containers.iter().flat_map(|c| [&c.spec.readiness, &c.spec.liveness, &c.spec.startup]);
        probes.flatten().any(|p| p.handler.port().is_some_and(|n| n.parse() == Ok(port)))
    };
    let fits = |pod: &Pod| {
        let have = declared(pod);
        have.is_empty() || targets.iter().any(|t| have.contains(t) || probed(pod, *t))
    };
    if pods.iter().any(|p| fits(p)) {
        return None;
    }
    let have: Vec<String> = declared(pod).iter().map(u16::to_string).collect();
    let ports: Vec<String> = service.ports.iter().map(|p| format!("{} to {}", p.port, p.target)).collect();
    Some(
        Diagnosis::new(PORT, object.clone(), service.meta.created.unwrap_or(ctx.now))
            .likely()
            .severity(Severity::Warning)
            .title(format!(
                "Service {} leads to port {first}; the pods behind it declare {}",
                service.meta.name,
                have.join(", ")
            ))
            .row(format!("port {first} not served"))
            .evidence("service spec", format!("ports {}", ports.join(", ")), object, None)
            .evidence(
                "pod spec",
                format!("container ports {}", have.join(", ")),
                &super::pod::reference(pod),
                None,
            ),
    )
}

/// A ready pod of each workload behind the Service; of pods without a workload, one.
fn pods_behind<'w>(
    ctx: &Ctx<'w>,
    service: &Service,
    selector: &Selector,
    backing: &[&'w Workload],
) -> Vec<&'w Pod> {
    let w = ctx.world;
    let fits = |p: &&Pod| p.ready && selector.matches(&p.meta.labels);
    let mut out = Vec::new();
    for workload in backing {
        let sets = w.replica_sets_of(&workload.meta.uid).map(|(_, r)| &r.meta.uid);
        let owners = std::iter::once(&workload.meta.uid).chain(sets);
        let pod = owners.flat_map(|uid| w.pods_of(uid)).map(|(_, p)| p).find(fits);
        out.extend(pod);
    }
    if out.is_empty() {
        let here = w.pods.values().filter(|p| p.meta.namespace == service.meta.namespace);
        out.extend(here.into_iter().find(fits));
    }
    out
}

/// An ExternalName that leads back into the cluster to no Service, or to a name that is reserved never to exist.
fn external(ctx: &Ctx, service: &Service, object: &ObjectRef) -> Option<Diagnosis> {
    let target = service.external_name.trim_end_matches('.');
    let says = if target.parse::<std::net::IpAddr>().is_ok() {
        // A name server answers with this text as a name, and no such name resolves.
        format!("{target}, an address where a name is asked for")
    } else if target.rsplit('.').next() == Some("invalid") {
        format!("{target}, a name that is reserved never to exist")
    } else {
        let mut parts = target.split('.');
        let (name, namespace, svc) = (parts.next()?, parts.next()?, parts.next()?);
        let listed = |ns: &str| {
            ctx.world.synced_in(&Kind::Service, &"".into()) || ctx.world.synced_in(&Kind::Service, &ns.into())
        };
        if svc != "svc" || !listed(namespace) || ctx.world.services.find(namespace, name).is_some() {
            return None;
        }
        format!("{target}, and there is no Service {namespace}/{name}")
    };
    Some(
        Diagnosis::new(EXTERNAL, object.clone(), service.meta.created.unwrap_or(ctx.now))
            .title(format!("Service {} stands for {says}", service.meta.name))
            .row("leads nowhere")
            .evidence("service spec", format!("externalName: {}", service.external_name), object, None),
    )
}

/// A Service without a selector: somebody writes its endpoints.
fn by_hand(ctx: &Ctx, service: &Service, object: &ObjectRef, out: &mut Out) {
    let w = ctx.world;
    // The API server's own Service: whoever reads this has reached it.
    let own = &*service.meta.namespace == "default" && &*service.meta.name == "kubernetes";
    if own || !(w.synced(&Kind::EndpointSlice) && w.synced(&Kind::Pod)) {
        return;
    }
    let created = service.meta.created.unwrap_or(ctx.now);
    let name = &service.meta.name;
    let slices = ctx.past.slices(object);
    let found = || slices.iter().filter_map(|s| w.endpoint_slices.find(&service.meta.namespace, s));
    let (ready, not_ready, since) = ctx.past.endpoints(object);
    if ready == 0 {
        let since = since.unwrap_or(created).max(created);
        let fires = since.plus(seconds(ctx.limits.unavailable));
        if ctx.now < fires {
            out.again(fires);
        }
        let quote =
            if not_ready > 0 { format!("{not_ready} endpoints, none ready") } else { "no endpoints".into() };
        return out.push(
            Diagnosis::new(NO_ENDPOINTS, object.clone(), since)
                .fires_at(fires)
                .title(format!("Service {name} has no selector, and nobody wrote ready endpoints for it"))
                .row("no endpoints")
                .evidence("service spec", "no selector", object, None)
                .evidence("endpointslices", quote, object, Some(since)),
        );
    }
    let addresses: Vec<_> = found().flat_map(|s| s.by_hand.iter().map(move |a| (s, a))).collect();
    let gone = |address: &str| {
        let ours = || pod_address(ctx, address) && !w.pods.values().any(|p| *p.ip == *address && p.ready);
        nowhere(address) || ours()
    };
    if addresses.is_empty() || !addresses.iter().all(|(_, a)| gone(a)) {
        return;
    }
    let (slice, address) = addresses[0];
    let slice = ObjectRef::new(Kind::EndpointSlice, slice.meta.namespace.clone(), slice.meta.name.clone());
    out.push(
        Diagnosis::new(ENDPOINT_DEAD, object.clone(), created)
            .likely()
            .title(if nowhere(address) {
                format!("Service {name} leads to {address}, an address that is set aside for documentation")
            } else {
                format!("Service {name} leads to {address}, an address that no ready pod has")
            })
            .row("endpoint is dead")
            .evidence("endpointslice", format!("addresses {address}, written by hand"), &slice, None),
    );
}

/// Whether pods of this cluster have addresses beside this one (the same first two bytes): others may be machines
/// outside, of which khud knows nothing.
fn pod_address(ctx: &Ctx, address: &str) -> bool {
    let net = |a: &str| a.match_indices('.').nth(1).map(|(at, _)| a[..at].to_owned());
    let Some(ours) = net(address) else { return false };
    let node = |a: &str| ctx.world.nodes.values().any(|n| *n.internal_ip == *a);
    let beside = |p: &&Pod| net(&p.ip).is_some_and(|n| n == ours);
    !node(address) && ctx.world.pods.values().filter(|p| !p.spec.host_network).any(|p| beside(&p))
}

/// Whether the address is one of those set aside for documentation (RFC 5737, RFC 3849): nobody has it.
fn nowhere(address: &str) -> bool {
    ["192.0.2.", "198.51.100.", "203.0.113.", "2001:db8:"].iter().any(|net| address.starts_with(net))
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
