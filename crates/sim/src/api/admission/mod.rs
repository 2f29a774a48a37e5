//! Admission: the fields that the API server adds to new objects, the webhooks it must ask, and the quotas
//! and limit ranges it enforces.

pub(in crate::api) mod defaults;
pub(in crate::api) mod ephemeral;
pub(in crate::api) mod resize;
pub(in crate::api) mod validate;
pub mod webhooks;

use crate::api::meta::quantity::{format, parse};
use crate::api::meta::status::Status;
use crate::api::meta::{self, child, default, items, object, text};
use crate::api::schema::registry::Resource;
use crate::api::store::Inner;
use crate::api::store::item::Item;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Amounts by resource name, such as `requests.memory` or `pods`.
type Amounts = BTreeMap<String, f64>;

/// Changes a new object as the admission plugins do, or refuses it.
pub fn admit(inner: &Inner, def: &Resource, ns: &str, o: &mut Value) -> Result<(), Status> {
    if &*def.key == "pods" {
        pod_defaults(inner, def, o)?;
        limit_ranges(inner, ns, o)?;
    }
    if &*def.key == "services" {
        cluster_ip(inner, o);
    }
    webhooks::reachable(inner, def, "CREATE", ns, o)?;
    quota(inner, def, ns, o)
}

/// Service account, tolerations, priority.
fn pod_defaults(inner: &Inner, def: &Resource, o: &mut Value) -> Result<(), Status> {
    let name = meta::name(o).to_string();
    let spec = child(o, "spec");
    default(spec, "serviceAccountName", "default");
    let account = spec["serviceAccountName"].clone();
    default(spec, "serviceAccount", account);
    default(spec, "enableServiceLinks", true);
    let class = text(spec, &["priorityClassName"]).to_string();
    let found = inner.get("priorityclasses.scheduling.k8s.io", "", &class).map(Item::value);
    let found = match found {
        None if class.is_empty() => inner
            .range("priorityclasses.scheduling.k8s.io", None)
            .map(|(_, item)| item.value())
            .find(|c| c["globalDefault"] == true),
        // Every cluster has these two priority classes, even if they are not stored.
        None if class == "system-node-critical" => Some(json!({"value": 2_000_001_000}).into()),
        None if class == "system-cluster-critical" => Some(json!({"value": 2_000_000_000}).into()),
        None => {
            let why = format!("no PriorityClass with name {class} was found");
            return Err(Status::forbidden(&def.qualified(), &name, why));
        }
        found => found,
    };
    let class = found.unwrap_or_default();
    default(spec, "priority", class["value"].as_i64().unwrap_or(0));
    default(spec, "preemptionPolicy", class["preemptionPolicy"].as_str().unwrap_or("PreemptLowerPriority"));
    let mut tolerations = spec["tolerations"].as_array().cloned().unwrap_or_default();
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let covers = |t: &Value| {
            let effect = text(t, &["effect"]);
            (t["key"] == key || t["key"].is_null() && t["operator"] == "Exists")
                && (effect.is_empty() || effect == "NoExecute")
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(
                json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}),
            );
        }
    }
    object(spec).insert("tolerations".into(), tolerations.into());
    Ok(())
}

/// Assigns an address from 10.96.0.0/12, unless the Service is headless or has one.
fn cluster_ip(inner: &Inner, o: &mut Value) {
    let rv = inner.rv;
    let spec = child(o, "spec");
    if spec["type"] != "ExternalName" && spec["clusterIP"].is_null() {
        let taken: Vec<Value> = inner
            .range("services", None)
            .map(|(_, item)| item.value()["spec"]["clusterIP"].clone())
            .collect();
        let free = (0..u64::from(u16::MAX)).map(|n| {
            let n = crate::api::meta::ids::mix(rv + n);
            json!(format!("10.{}.{}.{}", 96 + (n >> 16) % 16, (n >> 8) % 256, 2 + n % 253))
        });
        let free = { free }.find(|ip| !taken.contains(ip));
        object(spec).insert("clusterIP".into(), free.unwrap_or(Value::Null));
    }
    if spec["clusterIP"].is_string() && spec["clusterIPs"].is_null() {
        let ips = json!([spec["clusterIP"]]);
        object(spec).insert("clusterIPs".into(), ips);
    }
}

/// Applies the defaults and limits of LimitRanges to containers.
fn limit_ranges(inner: &Inner, ns: &str, o: &mut Value) -> Result<(), Status> {
    let ranges: Vec<_> = inner.range("limitranges", Some(ns)).map(|(_, item)| item.value()).collect();
    let pod = meta::name(o).to_string();
    let mut refused = Vec::new();
    for limit in ranges.iter().flat_map(|r| items(&r["spec"], "limits")).filter(|l| l["type"] == "Container")
    {
        for list in ["containers", "initContainers"] {
            for container in
                child(o, "spec").get_mut(list).and_then(Value::as_array_mut).into_iter().flatten()
            {
                let resources = child(container, "resources");
                for (kind, from) in [("limits", "default"), ("requests", "defaultRequest")] {
                    for (name, amount) in limit[from].as_object().into_iter().flatten() {
                        default(child(resources, kind), name, amount.clone());
                    }
                }
                refused.extend(out_of_bounds(resources, limit));
            }
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let why = if refused.len() == 1 { refused.remove(0) } else { format!("[{}]", refused.join(", ")) };
    Err(Status::forbidden("pods", &pod, why))
}

fn out_of_bounds(resources: &Value, limit: &Value) -> Vec<String> {
    let mut refused = Vec::new();
    for (bound, kind, word) in [("max", "limits", "maximum"), ("min", "requests", "minimum")] {
        for (name, amount) in limit[bound].as_object().into_iter().flatten() {
            let used = &resources[kind][name];
            let Some(bound) = parse(amount) else { continue };
            let what = kind.trim_end_matches('s');
            let why = match parse(used) {
                None => format!("no {what} is specified"),
                Some(n) if (word == "maximum" && n > bound) || (word == "minimum" && n < bound) => {
                    format!("{what} is {}", crate::api::tables::print::plain(used))
                }
                Some(_) => continue,
            };
            let amount = crate::api::tables::print::plain(amount);
            refused.push(format!("{word} {name} usage per Container is {amount}, but {why}"));
        }
    }
    refused
}

/// The amounts that an object counts against a quota.
pub fn usage(key: &str, o: &Value) -> Amounts {
    let mut used = Amounts::new();
    match key {
        "pods" => {
            if matches!(text(o, &["status", "phase"]), "Succeeded" | "Failed") {
                return used;
            }
            used.insert("pods".into(), 1.0);
            used.insert("count/pods".into(), 1.0);
            for container in items(&o["spec"], "containers") {
                for kind in ["requests", "limits"] {
                    for (name, amount) in container["resources"][kind].as_object().into_iter().flatten() {
                        let amount = parse(amount).unwrap_or(0.0);
                        *used.entry(format!("{kind}.{name}")).or_default() += amount;
                        if kind == "requests" {
                            *used.entry(name.clone()).or_default() += amount;
                        }
                    }
                }
            }
        }
        "persistentvolumeclaims" => {
            used.insert("persistentvolumeclaims".into(), 1.0);
            let storage = parse(&o["spec"]["resources"]["requests"]["storage"]).unwrap_or(0.0);
            used.insert("requests.storage".into(), storage);
        }
        "services" | "secrets" | "configmaps" | "replicationcontrollers" | "resourcequotas" => {
            used.insert(key.into(), 1.0);
            used.insert(format!("count/{key}"), 1.0);
            if key == "services" && o["spec"]["type"] == "LoadBalancer" {
                used.insert("services.loadbalancers".into(), 1.0);
            }
            if key == "services" && matches!(text(o, &["spec", "type"]), "NodePort" | "LoadBalancer") {
                used.insert("services.nodeports".into(), items(&o["spec"], "ports").count() as f64);
            }
        }
        _ => {
            used.insert(format!("count/{key}"), 1.0);
        }
    }
    used
}

/// Refuses an object that would exceed a ResourceQuota of the namespace.
fn quota(inner: &Inner, def: &Resource, ns: &str, o: &Value) -> Result<(), Status> {
    for (_, quota) in inner.range("resourcequotas", Some(ns)).filter(|_| !ns.is_empty()) {
        let quota = quota.value();
        let hard = &quota["spec"]["hard"];
        let asked = usage(&def.key, o);
        let Some(limits) = hard.as_object() else { continue };
        let counted: Vec<&String> = limits.keys().filter(|k| asked.contains_key(*k)).collect();
        if &*def.key == "pods" {
            let compute = |k: &&String| {
                k.starts_with("requests.") || k.starts_with("limits.") || *k == "cpu" || *k == "memory"
            };
            let missing: Vec<&str> = limits
                .keys()
                .filter(compute)
                .filter(|k| !asked.contains_key(*k) && *k != "requests.storage")
                .map(String::as_str)
                .collect();
            if !missing.is_empty() {
                let containers: Vec<&str> =
                    items(&o["spec"], "containers").map(|c| text(c, &["name"])).collect();
                let list: Vec<String> =
                    missing.iter().map(|m| format!("{m} for: {}", containers.join(","))).collect();
                let why = format!("failed quota: {}: must specify {}", meta::name(&quota), list.join("; "));
                return Err(Status::forbidden(&def.qualified(), meta::name(o), why));
            }
        }
        let mut used = Amounts::new();
        for (_, item) in inner.range(&def.key, Some(ns)) {
            for (name, amount) in usage(&def.key, &item.value()) {
                *used.entry(name).or_default() += amount;
            }
        }
        let over: Vec<&String> = counted
            .into_iter()
            .filter(|k| {
                let limit = parse(&limits[*k]).unwrap_or(f64::MAX);
                used.get(*k).copied().unwrap_or(0.0) + asked[*k] > limit
            })
            .collect();
        if over.is_empty() {
            continue;
        }
        let list = |amount: &dyn Fn(&String) -> String| {
            over.iter().map(|k| format!("{k}={}", amount(k))).collect::<Vec<_>>().join(",")
        };
        let like = |k: &String| crate::api::tables::print::plain(&limits[k]);
        let why = format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            meta::name(&quota),
            list(&|k| format(asked[k], &like(k))),
            list(&|k| format(used.get(k).copied().unwrap_or(0.0), &like(k))),
            list(&like),
        );
        return Err(Status::forbidden(&def.qualified(), meta::name(o), why));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::store::Store;
    use crate::clock::SimClock;

    fn pod(name: &str, requests: Value, limits: Value) -> Value {
        json!({"metadata": {"name": name}, "spec": {"containers": [
            {"name": "c", "image": "x", "resources": {"requests": requests, "limits": limits}}]}})
    }

    #[test]
    fn quota_refuses_in_the_words_of_the_real_one() {
        let store = Store::new(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()));
        let hard = json!({"requests.memory": "256Mi", "limits.memory": "512Mi", "pods": "10"});
        store
            .create(
                "resourcequotas",
                "dev",
                json!({"metadata": {"name": "dev-quota"}, "spec": {"hard": hard}}),
            )
            .unwrap();
        for name in ["a", "b"] {
            store
                .create("pods", "dev", pod(name, json!({"memory": "100Mi"}), json!({"memory": "150Mi"})))
                .unwrap();
        }
        // captures/errors/403-quota.json; only the used amount is this store's.
        let refused =
            store.create("pods", "dev", pod("q", json!({"memory": "200Mi"}), json!({"memory": "300Mi"})));
        let refused = refused.unwrap_err();
        assert_eq!(refused.code, 403);
        assert_eq!(
            refused.message,
            "pods \"q\" is forbidden: exceeded quota: dev-quota, requested: limits.memory=300Mi,requests.memory=200Mi, \
             used: limits.memory=300Mi,requests.memory=200Mi, limited: limits.memory=512Mi,requests.memory=256Mi"
        );
        let open = store.create("pods", "dev", pod("o", json!({}), json!({}))).unwrap_err();
        assert!(
            open.message.contains("must specify limits.memory for: c; requests.memory for: c"),
            "{}",
            open.message
        );
    }

    #[test]
    fn limit_ranges_fill_in_and_bound() {
        let store = Store::new(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()));
        let limits = json!([{"type": "Container", "default": {"memory": "1Gi"}, "defaultRequest": {"memory": "512Mi"}, "max": {"memory": "2Gi"}}]);
        store
            .create("limitranges", "dev", json!({"metadata": {"name": "l"}, "spec": {"limits": limits}}))
            .unwrap();
        let got = store.create("pods", "dev", pod("a", json!({}), json!({}))).unwrap();
        assert_eq!(
            got["spec"]["containers"][0]["resources"],
            json!({"limits": {"memory": "1Gi"}, "requests": {"memory": "512Mi"}})
        );
        let refused = store.create("pods", "dev", pod("b", json!({}), json!({"memory": "3Gi"}))).unwrap_err();
        assert_eq!(
            refused.message,
            "pods \"b\" is forbidden: maximum memory usage per Container is 2Gi, but limit is 3Gi"
        );
    }
}
