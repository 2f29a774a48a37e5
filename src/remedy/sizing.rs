//! Whether other requests and limits fit: the namespace's LimitRanges and quotas, the nodes, and who else sets them.

use serde_json::{Value, json};

use super::cx::Cx;
use super::forecast::takes_pods;
use super::plan::Severity;
use super::run::Stop;
use crate::world::ask::Call;
use crate::world::quantity::{bytes, milli, value};
use crate::world::scheduling::free_on;
use crate::world::{Kind, ObjectRef, Pod, Resources, World, scheduling};

/// A container before and after.
pub(super) struct Size<'a> {
    pub before: &'a Value,
    pub after: &'a Value,
}

impl Size<'_> {
    fn text(container: &Value, part: &str, name: &str) -> Option<String> {
        match &container["resources"][part][name] {
            Value::String(s) => Some(s.clone()),
            Value::Number(n) => Some(n.to_string()),
            _ => None,
        }
    }

    /// The amount as a plain number: millicores of cpu, else whole units. A request that is left out is the limit.
    fn amount(container: &Value, part: &str, name: &str) -> Option<u64> {
        let text = Size::text(container, part, name)
            .or_else(|| if part == "requests" { Size::text(container, "limits", name) } else { None })?;
        if name == "cpu" { milli(&text) } else { value(&text) }
    }
}

/// Whether two lists of amounts are equal, however they are written.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    let read = |of: &Value| -> Vec<(String, Option<u64>)> {
        let mut all: Vec<_> = of
            .as_object()
            .into_iter()
            .flatten()
            .map(|(k, v)| {
                (k.clone(), milli(v.as_str().map_or_else(|| v.to_string(), str::to_owned).as_str()))
            })
            .collect();
        all.sort();
        all
    };
    read(a) == read(b)
}

/// An amount for people.
fn shown(name: &str, amount: u64) -> String {
    match name {
        "cpu" if amount.is_multiple_of(1000) => format!("{} cpu", amount / 1000),
        "cpu" => format!("{amount}m cpu"),
        "memory" | "ephemeral-storage" => format!("{} {name}", bytes(amount)),
        name => format!("{amount} {name}"),
    }
}

/// Adds to the plan what stands against the new size, and who else would change it.
pub(super) async fn check(cx: &Cx, target: &ObjectRef, object: &Value, size: &Size<'_>) -> Result<(), Stop> {
    let mut names: Vec<String> = ["requests", "limits"]
        .iter()
        .flat_map(|part| [size.before, size.after].map(|c| c["resources"][*part].as_object()))
        .flatten()
        .flat_map(|map| map.keys().cloned())
        .collect();
    names.sort();
    names.dedup();
    for name in &names {
        let at = |part: &str| Size::amount(size.after, part, name);
        if let (Some(request), Some(limit)) = (at("requests"), at("limits"))
            && request > limit
        {
            let reason =
                format!("requests {} are above the limit of {}", shown(name, request), shown(name, limit));
            cx.guard("request within limit", false, reason);
        }
        if name == "memory" && at("limits").is_none() {
            let detail = "its node's memory is its only bound: it can push its neighbours out";
            cx.impact("no memory limit", Severity::Warning, detail);
        }
    }
    limit_ranges(cx, target, size).await?;
    // How much more each pod asks for, and how many pods do.
    let more: Vec<(String, u64, u64)> = names
        .iter()
        .filter_map(|name| {
            let before = Size::amount(size.before, "requests", name).unwrap_or(0);
            let after = Size::amount(size.after, "requests", name)?;
            (after > before).then(|| (name.clone(), after - before, after))
        })
        .collect();
    let pods = match target.kind {
        Kind::Pod => 1,
        Kind::DaemonSet => object["status"]["desiredNumberScheduled"].as_u64().unwrap_or(1),
        _ => object["spec"]["replicas"].as_u64().unwrap_or(1),
    };
    let limits: Vec<(String, u64)> = names
        .iter()
        .filter_map(|name| {
            let before = Size::amount(size.before, "limits", name).unwrap_or(0);
            let after = Size::amount(size.after, "limits", name)?;
            (after > before).then(|| (name.clone(), after - before))
        })
        .collect();
    let of = target.clone();
    let facts = cx.look(move |world, _| facts(world, &of, &more, &limits, pods)).await?;
    for (what, severity, detail) in facts {
        cx.impact(what, severity, detail);
    }
    Ok(())
}

type Fact = (String, Severity, String);

fn facts(
    world: &World,
    target: &ObjectRef,
    more: &[(String, u64, u64)],
    limits: &[(String, u64)],
    pods: u64,
) -> Vec<Fact> {
    let mut out = quotas(world, target, more, limits, pods);
    let pod = world.pods.find(&target.namespace, &target.name).filter(|_| target.kind == Kind::Pod);
    match pod {
        Some(pod) => out.extend(on_its_node(world, pod, more)),
        None => out.extend(on_any_node(world, target, more)),
    }
    let workload = if target.kind == Kind::Pod { world.root(target) } else { target.clone() };
    let scaler = world.autoscalers.values().find(|a| {
        a.meta.namespace == workload.namespace
            && *a.target_kind == *workload.kind.name()
            && a.target_name == workload.name
    });
    if let Some(a) = scaler {
        let detail =
            "where it scales by utilisation, that is a share of the request: it will count other pods";
        out.push((
            format!("autoscaler {} reads the requests", a.meta.name),
            Severity::Warning,
            detail.to_owned(),
        ));
    }
    if target.kind == Kind::Pod && workload != *target {
        let detail =
            format!("{workload} keeps its template: a pod that it makes later has the old resources");
        out.push(("only this pod is resized".to_owned(), Severity::Warning, detail));
    }
    out
}

/// Quotas that the growth of all pods exceeds.
fn quotas(
    world: &World,
    target: &ObjectRef,
    more: &[(String, u64, u64)],
    limits: &[(String, u64)],
    pods: u64,
) -> Vec<Fact> {
    let mut out = Vec::new();
    let grows = more
        .iter()
        .flat_map(|(name, each, _)| [(format!("requests.{name}"), name, *each), (name.clone(), name, *each)])
        .chain(limits.iter().map(|(name, each)| (format!("limits.{name}"), name, *each)));
    for (resource, name, each) in grows {
        for quota in world.quotas.values().filter(|q| q.meta.namespace == target.namespace) {
            let Some(a) = quota.amounts.iter().find(|a| *a.resource == *resource) else { continue };
            let wanted = each * pods;
            if a.used_value + wanted > a.hard_value {
                let detail = format!(
                    "{resource}: {} of {} used, {pods} pods ask for {} more; the pods beyond that are refused",
                    a.used,
                    a.hard,
                    shown(name, wanted)
                );
                out.push((format!("quota {} is exceeded", quota.meta.name), Severity::Critical, detail));
            }
        }
    }
    out
}

fn on_its_node(world: &World, pod: &Pod, more: &[(String, u64, u64)]) -> Vec<Fact> {
    let Some(node) = world.nodes.find("", &pod.node) else { return Vec::new() };
    let short = more.iter().filter_map(|(name, each, _)| {
        let free = free_on(world, node, name);
        (free < *each).then(|| format!("{} more wanted, {} free", shown(name, *each), shown(name, free)))
    });
    let short: Vec<String> = short.collect();
    if short.is_empty() {
        return Vec::new();
    }
    let detail = format!("{}; the kubelet waits until there is room", short.join(", "));
    vec![(format!("node {} has no room", pod.node), Severity::Critical, detail)]
}

/// Whether a pod of the new size fits on a node that takes pods now.
fn on_any_node(world: &World, target: &ObjectRef, more: &[(String, u64, u64)]) -> Vec<Fact> {
    if more.is_empty() || !world.synced(&Kind::Node) {
        return Vec::new();
    }
    let now: Resources = world
        .workload(target)
        .and_then(|w| world.pods_of(&w.meta.uid).next().map(|(_, p)| p))
        .map(|p| Resources {
            cpu: Some(scheduling::requests(p, "cpu")),
            memory: Some(scheduling::requests(p, "memory")),
            ..Resources::default()
        })
        .unwrap_or_default();
    let takes: Vec<_> = world.nodes.values().filter(|n| takes_pods(n)).collect();
    let fits = takes.iter().filter(|n| {
        more.iter().all(|(name, each, after)| {
            let wanted = (scheduling::amount(&now, name) + each).max(*after);
            free_on(world, n, name) >= wanted
        })
    });
    let (fits, all) = (fits.count(), takes.len());
    let detail = "counted by requests alone: selectors, affinity and taints may leave fewer".to_owned();
    match fits {
        0 => vec![("no node has room for a pod of that size now".to_owned(), Severity::Critical, detail)],
        n => vec![(format!("{n} of {all} nodes have room for one more such pod"), Severity::Info, detail)],
    }
}

/// Refuses what a LimitRange of the namespace refuses.
async fn limit_ranges(cx: &Cx, target: &ObjectRef, size: &Size<'_>) -> Result<(), Stop> {
    let path = format!("/api/v1/namespaces/{}/limitranges", target.namespace);
    let answer = cx.call(Call::get(path)).await?;
    let Some(ranges) = answer.body["items"].as_array().filter(|_| answer.ok()) else {
        cx.guard("limit ranges", true, format!("not evaluated: {}", answer.message()));
        return Ok(());
    };
    let mut against = Vec::new();
    for range in ranges {
        let of_containers =
            range["spec"]["limits"].as_array().into_iter().flatten().filter(|l| l["type"] == "Container");
        for limit in of_containers {
            for (bound, part, beyond) in [("max", "limits", true), ("min", "requests", false)] {
                for (name, amount) in limit[bound].as_object().into_iter().flatten() {
                    let bare = json!({"resources": {part: {name: amount}}});
                    let (Some(bound_at), Some(at)) =
                        (Size::amount(&bare, part, name), Size::amount(size.after, part, name))
                    else {
                        continue;
                    };
                    if (beyond && at > bound_at) || (!beyond && at < bound_at) {
                        let word = if beyond { "at most" } else { "at least" };
                        against.push(format!(
                            "{} allows {word} {} for a container, not {}",
                            range["metadata"]["name"].as_str().unwrap_or("?"),
                            shown(name, bound_at),
                            shown(name, at)
                        ));
                    }
                }
            }
        }
    }
    let text = if against.is_empty() {
        format!("{} of the namespace allow it", ranges.len())
    } else {
        against.join("; ")
    };
    cx.guard("limit ranges", against.is_empty(), text);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_compared_by_what_they_are() {
        assert!(same(&json!({"cpu": "1", "memory": "1Gi"}), &json!({"memory": "1024Mi", "cpu": "1000m"})));
        assert!(!same(&json!({"cpu": "1"}), &json!({"cpu": "1", "memory": "1Gi"})));
        assert!(same(&Value::Null, &json!({})));
        let c = json!({"resources": {"limits": {"memory": "1Gi"}}});
        assert_eq!(Size::amount(&c, "requests", "memory"), Some(1 << 30), "a request left out is the limit");
        assert_eq!(shown("cpu", 2000), "2 cpu");
        assert_eq!(shown("cpu", 250), "250m cpu");
    }
}
