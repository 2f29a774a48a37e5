//! Which object of the cluster a program means by a host name or an address.

use crate::world::{Kind, ObjectRef, Text, World};

/// The host that a line means: the name in its URL where the address behind it belongs to no Service any more.
pub fn meant<'a>(world: &World, namespace: &Text, host: &'a str, line: &'a str) -> &'a str {
    if host.parse::<std::net::IpAddr>().is_err() || service(world, namespace, host).is_some() {
        return host;
    }
    let rest = line.split_once("http://").or_else(|| line.split_once("https://")).map_or("", |(_, r)| r);
    let end =
        rest.find(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-'))).unwrap_or(rest.len());
    let named = &rest[..end];
    if service(world, namespace, named).is_some() { named } else { host }
}

/// The Ingress with a certificate for a host of the outside world, where this cluster has one.
pub fn ingress(world: &World, host: &str) -> Option<ObjectRef> {
    let host = host.split(':').next().unwrap_or(host).trim_end_matches('.');
    let serves = |i: &&crate::world::Ingress| i.tls.iter().any(|t| t.hosts.iter().any(|h| &**h == host));
    let found = world.ingresses.values().find(serves)?;
    Some(ObjectRef::new(Kind::Ingress, found.meta.namespace.clone(), found.meta.name.clone()))
}

/// The Service that a host names, as a pod of `namespace` would resolve it; `None` for names of the outside world and
/// while the Services are not known.
pub fn service(world: &World, namespace: &Text, host: &str) -> Option<ObjectRef> {
    if !world.synced(&Kind::Service) {
        return None;
    }
    let host = match host.rsplit_once(':') {
        Some((h, port)) if !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit()) => h,
        _ => host,
    };
    let host = host.trim_matches(['[', ']']).trim_end_matches('.');
    let reference = |s: &crate::world::Service| {
        ObjectRef::new(Kind::Service, s.meta.namespace.clone(), s.meta.name.clone())
    };
    if host.parse::<std::net::IpAddr>().is_ok() {
        let headless = || {
            let pod = world.pods.values().find(|p| &*p.ip == host && !p.spec.host_network)?;
            let selects = |s: &&crate::world::Service| {
                &*s.cluster_ip == "None"
                    && s.meta.namespace == pod.meta.namespace
                    && s.selector.as_ref().is_some_and(|l| !l.is_empty() && l.matches(&pod.meta.labels))
            };
            world.services.values().find(selects)
        };
        return world.services.values().find(|s| &*s.cluster_ip == host).or_else(headless).map(reference);
    }
    let mut parts = host.split('.');
    let name = parts.next().filter(|n| !n.is_empty() && *n != "localhost")?;
    // `db-0.db` and `db-0.db.data.svc`: a pod behind a headless Service.
    let of_pod: Vec<&str> = host.split('.').skip(1).collect();
    if let Some(service) = of_pod.first() {
        let space = match of_pod.get(1..).unwrap_or_default() {
            [] => Some(&**namespace),
            [ns] | [ns, "svc", ..] => Some(*ns),
            _ => None,
        };
        let found = space.and_then(|ns| world.services.find(ns, service));
        if let Some(found) = found.filter(|s| &*s.cluster_ip == "None") {
            return Some(reference(found));
        }
    }
    let namespace = match (parts.next(), parts.next()) {
        (None, _) => namespace.clone(),
        (Some(ns), None | Some("svc")) => Text::from(ns),
        _ => return None,
    };
    // `example.com` is no Service of a namespace `com`.
    let known = world.namespaces.find("", &namespace).is_some()
        || world.services.values().any(|s| s.meta.namespace == namespace)
        || world.pods.values().any(|p| p.meta.namespace == namespace);
    known.then(|| ObjectRef::new(Kind::Service, namespace, name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Delta, Meta, Record, Service};

    #[test]
    fn hosts_name_services_as_a_pod_resolves_them() {
        let mut world = World::new();
        assert_eq!(service(&world, &"shop".into(), "db"), None, "nobody has seen the Services yet");
        let db = Service {
            meta: Meta { namespace: "data".into(), name: "db".into(), ..Meta::default() },
            cluster_ip: "10.96.0.7".into(),
            ..Service::default()
        };
        world.apply(Delta::Apply(Record::Service(Box::new(db))), &mut Vec::new());
        let shop = Meta { namespace: "shop".into(), name: "web".into(), ..Meta::default() };
        let web = Service { meta: shop, ..Service::default() };
        world.apply(Delta::Apply(Record::Service(Box::new(web))), &mut Vec::new());
        world.apply(Delta::ListEnd { kind: Kind::Service, namespace: "".into() }, &mut Vec::new());
        let named = |host: &str| service(&world, &"shop".into(), host).map(|o| o.to_string());
        for (host, want) in [
            ("db", Some("service shop/db")),
            ("db:5432", Some("service shop/db")),
            ("db.data", Some("service data/db")),
            ("db.data.svc", Some("service data/db")),
            ("db.data.svc.cluster.local.", Some("service data/db")),
            ("10.96.0.7:5432", Some("service data/db")),
            ("10.1.2.3:5432", None),
            ("example.com", None),
            ("db.prod.example.com", None),
            ("localhost:6379", None),
            ("", None),
        ] {
            assert_eq!(named(host).as_deref(), want, "{host}");
        }
    }
}
