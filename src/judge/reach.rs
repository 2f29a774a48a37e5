//! Which object of the cluster a program means by a host name or an address.

use crate::world::{Kind, ObjectRef, Text, World};

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
    if host.parse::<std::net::IpAddr>().is_ok() {
        let found = world.services.values().find(|s| &*s.cluster_ip == host)?;
        return Some(ObjectRef::new(Kind::Service, found.meta.namespace.clone(), found.meta.name.clone()));
    }
    let mut parts = host.split('.');
    let name = parts.next().filter(|n| !n.is_empty() && *n != "localhost")?;
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
