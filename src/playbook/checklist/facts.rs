//! What the World says to the items of checklists.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use serde_json::{Map, Value, json};

use crate::judge::node;
use crate::playbook::expr::Bindings;
use crate::world::quantity::bytes;
use crate::world::scheduling::{free_on, requests};
use crate::world::{
    ContainerSpec, Kind, Node, Object as _, ObjectRef, Phase, Pod, Role, Status, Text, Time, Workload, World,
    condition,
};

/// Names that are written out; of more, the number is said.
const NAMED: usize = 5;
/// Namespaces of the platform itself.
const PLATFORM: &[&str] = &["kube-system", "kube-public", "kube-node-lease"];

/// Facts by name, and why others are not known.
#[derive(Debug)]
pub struct Facts {
    bindings: Bindings,
    /// The beginning of a fact's name (`cluster.nodes`), and the sentence.
    missing: Vec<(String, String)>,
}

/// Facts under one variable, as they are gathered.
struct Gathered<'w> {
    world: &'w World,
    known: Map<String, Value>,
    missing: Vec<(String, String)>,
}

/// Names as a count and a text.
fn names(all: impl IntoIterator<Item = String>) -> Value {
    let all: BTreeSet<String> = all.into_iter().collect();
    let mut quote = all.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > NAMED {
        quote.push_str(&format!(" and {} more", all.len() - NAMED));
    }
    json!({"count": all.len(), "quote": quote})
}

fn named(w: &Workload) -> String {
    format!("{}/{}", w.meta.namespace, w.meta.name)
}

impl Facts {
    /// The facts of the cluster, and of a workload where one is named. `critical`: the titles of critical findings.
    pub fn of(world: &World, workload: Option<&ObjectRef>, critical: &[String], now: Time) -> Facts {
        let mut cluster = Gathered { world, known: Map::new(), missing: Vec::new() };
        nodes(&mut cluster, now);
        workloads(&mut cluster);
        platform(&mut cluster, critical);
        let Gathered { known, mut missing, .. } = cluster;
        let mut bindings = Bindings::from([("cluster".to_owned(), Value::Object(known))]);
        match workload.and_then(|o| Some((o, find(world, o)?))) {
            Some((_, w)) => {
                let mut own = Gathered { world, known: Map::new(), missing: Vec::new() };
                of_workload(&mut own, w);
                bindings.insert("workload".to_owned(), Value::Object(own.known));
                missing.extend(own.missing.into_iter().map(|(k, v)| (k.replace("cluster.", "workload."), v)));
            }
            None => {
                let why = match workload {
                    Some(o) => format!("there is no {o} that khud may read, or it is no Deployment, StatefulSet or DaemonSet"),
                    None => "name the workload: khud playbook show checklist-pre-deployment deploy/NAME -n NAMESPACE".to_owned(),
                };
                missing.push(("workload.".to_owned(), why));
            }
        }
        Facts { bindings, missing }
    }

    pub(super) fn bindings(&self) -> &Bindings {
        &self.bindings
    }

    /// Why a fact that an expression reads is not known.
    pub(super) fn missing(&self, expression: &str) -> Option<String> {
        self.missing.iter().find(|(fact, _)| expression.contains(fact.as_str())).map(|(_, why)| why.clone())
    }
}

impl<'w> Gathered<'w> {
    /// Takes facts in where all these kinds were read, else says that they were not.
    fn take(&mut self, kinds: &[Kind], facts: &[&str], make: impl FnOnce(&'w World) -> Vec<Value>) {
        match kinds.iter().find(|k| !self.world.synced(k)) {
            None => {
                let made = make(self.world);
                self.known.extend(facts.iter().map(|f| (*f).to_owned()).zip(made));
            }
            Some(kind) => self.lack(facts, &format!("{} were not read", kind.plural())),
        }
    }

    fn lack(&mut self, facts: &[&str], why: &str) {
        self.missing.extend(facts.iter().map(|f| (format!("cluster.{f}"), why.to_owned())));
    }
}

fn nodes(out: &mut Gathered<'_>, now: Time) {
    out.take(&[Kind::Node], &["nodes", "ready", "cordoned", "minors", "drivers"], |w| {
        let all = || w.nodes.values();
        let minor = |n: &Node| n.info.kubelet.split('.').take(2).collect::<Vec<_>>().join(".");
        let mut drivers: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for n in all() {
            let product = n.meta.labels.get("nvidia.com/gpu.product");
            if let (Some(product), Some(driver)) = (product, node::driver(n)) {
                drivers.entry(product).or_default().insert(driver);
            }
        }
        let several = drivers.into_iter().filter(|(_, d)| d.len() > 1);
        let several =
            several.map(|(p, d)| format!("{p}: {}", d.into_iter().collect::<Vec<_>>().join(" and ")));
        vec![
            json!(all().count()),
            json!(all().filter(|n| node::ready(n)).count()),
            names(all().filter(|n| n.unschedulable).map(|n| n.meta.name.to_string())),
            names(all().map(minor)),
            names(several),
        ]
    });
    out.take(&[Kind::Node], &["gpu_nodes", "unmeasured"], |w| {
        let gpu = || w.nodes.values().filter(|n| n.capacity.gpu.unwrap_or(0).max(n.labelled_gpus()) > 0);
        let measured = |n: &&Node| {
            w.readings.gpus_on(&n.meta.name).any(|(g, _)| !crate::world::Readings::is_stale(g, now))
        };
        vec![json!(gpu().count()), names(gpu().filter(|n| !measured(n)).map(|n| n.meta.name.to_string()))]
    });
    out.take(&[Kind::Node, Kind::Pod], &["spare"], |w| vec![spare(w)]);
}

/// Whether what the largest node's pods request is free on the others. DaemonSets' pods go with their node.
fn spare(w: &World) -> Value {
    let takes = |n: &&Node| !n.unschedulable && node::ready(n);
    let movable = |p: &&Pod| {
        let by_daemon = p.meta.owner.as_ref().is_some_and(|o| o.kind == Kind::DaemonSet);
        !by_daemon && !matches!(p.phase, Phase::Succeeded | Phase::Failed)
    };
    let asked = |n: &Node, what: &str| -> u64 {
        w.pods_on(&n.meta.name).map(|(_, p)| p).filter(movable).map(|p| requests(p, what)).sum()
    };
    let Some(largest) = w.nodes.values().filter(takes).max_by_key(|n| asked(n, "memory")) else {
        return json!({"enough": false, "quote": "no node takes pods"});
    };
    let others = || w.nodes.values().filter(takes).filter(|n| n.meta.name != largest.meta.name);
    let free = |what: &str| -> u64 { others().map(|n| free_on(w, n, what)).sum() };
    let (cpu, memory) = (asked(largest, "cpu"), asked(largest, "memory"));
    let (free_cpu, free_memory) = (free("cpu"), free("memory"));
    json!({
        "enough": cpu <= free_cpu && memory <= free_memory,
        "quote": format!(
            "pods of node {} request {cpu}m CPU and {}; the other {} nodes have {free_cpu}m and {} free in all, taints and GPUs not counted",
            largest.meta.name, bytes(memory), others().count(), bytes(free_memory)
        ),
    })
}

fn own(w: &&Workload) -> bool {
    !PLATFORM.contains(&&*w.meta.namespace)
}

fn served(world: &World) -> impl Iterator<Item = &Workload> {
    world.deployments.values().chain(world.stateful_sets.values()).filter(own)
}

const SERVED: [Kind; 2] = [Kind::Deployment, Kind::StatefulSet];

fn apps(w: &Workload) -> impl Iterator<Item = &ContainerSpec> {
    let all = w.template.containers.iter().map(|c| &**c);
    all.filter(|c| matches!(c.role, Role::App | Role::Sidecar))
}

fn is_unlimited(w: &Workload) -> bool {
    apps(w).any(|c| c.limits.memory.is_none())
}

fn is_complete(w: &Workload) -> bool {
    w.observed_generation >= w.meta.generation && w.updated >= w.desired && w.ready >= w.desired && !w.paused
}

fn workloads(out: &mut Gathered<'_>) {
    out.take(&SERVED, &["alone", "unlimited", "unprobed", "moving", "at_zero"], |w| {
        let unprobed = |w: &&Workload| w.desired > 0 && apps(w).all(|c| c.readiness.is_none());
        vec![
            names(served(w).filter(|w| w.desired == 1).map(named)),
            names(served(w).filter(|w| is_unlimited(w)).map(named)),
            names(served(w).filter(unprobed).map(named)),
            names(served(w).filter(|w| !is_complete(w)).map(named)),
            names(served(w).filter(|w| w.desired == 0).map(named)),
        ]
    });
    out.take(&[Kind::PodDisruptionBudget], &["budgets", "blocking"], |w| {
        let blocks = |b: &&crate::world::Budget| b.expected_pods > 0 && b.disruptions_allowed == 0;
        let blocking = w.budgets.values().filter(blocks);
        vec![
            json!(w.budgets.values().count()),
            names(blocking.map(|b| format!("{}/{}", b.meta.namespace, b.meta.name))),
        ]
    });
    out.take(
        &[Kind::Pod, Kind::PodDisruptionBudget, Kind::Deployment, Kind::StatefulSet],
        &["unbudgeted"],
        |w| {
            let covered = covered(w);
            let bare = served(w).filter(|w| w.desired > 1 && !covered.contains(&w.reference()));
            vec![names(bare.map(named))]
        },
    );
    out.take(&[Kind::CronJob], &["suspended"], |w| {
        let idle = w.cron_jobs.values().filter(|c| c.suspended);
        vec![names(idle.map(|c| format!("{}/{}", c.meta.namespace, c.meta.name)))]
    });
    out.take(&[Kind::Pod], &["leftovers"], |w| {
        let running = |c: &crate::world::Container| {
            c.spec.role == Role::Ephemeral && matches!(c.state, crate::world::ContainerState::Running { .. })
        };
        let debugged = w.pods.values().filter(|p| p.containers.iter().any(running));
        vec![names(debugged.map(|p| format!("pod {}/{}", p.meta.namespace, p.meta.name)))]
    });
}

/// The workloads of which a budget selects a pod.
fn covered(w: &World) -> HashSet<ObjectRef> {
    let mut by_namespace: BTreeMap<&Text, Vec<&crate::world::Budget>> = BTreeMap::new();
    for b in w.budgets.values() {
        by_namespace.entry(&b.meta.namespace).or_default().push(b);
    }
    let selected = w.pods.values().filter(|p| {
        let budgets = by_namespace.get(&p.meta.namespace);
        budgets.is_some_and(|all| all.iter().any(|b| b.selector.matches(&p.meta.labels)))
    });
    selected.map(|p| w.root(&p.reference())).collect()
}

fn platform(out: &mut Gathered<'_>, critical: &[String]) {
    out.take(&[Kind::Pod, Kind::Node], &["critical"], |_| vec![names(critical.iter().cloned())]);
    out.take(&[Kind::CustomResourceDefinition], &["stored"], |w| {
        let stale = w.custom_resources.values().filter(|c| c.stored.iter().any(|s| !c.served.contains(s)));
        vec![names(stale.map(|c| c.meta.name.to_string()))]
    });
    out.take(&[Kind::APIService], &["unavailable"], |w| {
        let down = w
            .api_services
            .values()
            .filter(|a| condition(&a.conditions, "Available").is_some_and(|c| c.status != Status::True));
        vec![names(down.map(|a| a.meta.name.to_string()))]
    });
    let asked = |source: &str| source.ends_with("-history") || matches!(source, "traffic" | "waits");
    let answers = out.world.readings.scrapes().any(|(t, s)| asked(&t.source) && s.read.is_some());
    if out.world.readings.scrapes().next().is_some() {
        out.known.insert("prometheus".to_owned(), json!(answers));
    } else {
        out.lack(&["prometheus"], "no telemetry was read yet");
    }
}

fn find<'w>(world: &'w World, o: &ObjectRef) -> Option<&'w Workload> {
    match o.kind {
        Kind::Deployment => world.deployments.find(&o.namespace, &o.name),
        Kind::StatefulSet => world.stateful_sets.find(&o.namespace, &o.name),
        Kind::DaemonSet => world.daemon_sets.find(&o.namespace, &o.name),
        _ => None,
    }
}

/// Whether an image may be another one tomorrow: no tag, or `latest`.
fn is_floating(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn of_workload(out: &mut Gathered<'_>, w: &Workload) {
    let lacking = |c: &&ContainerSpec| {
        c.limits.memory.is_none() || c.requests.cpu.is_none() || c.requests.memory.is_none()
    };
    let images: BTreeSet<String> = apps(w).map(|c| c.image.to_string()).collect();
    let probe = apps(w).find(|c| c.readiness.is_some()).map(|c| format!("container {} has one", c.name));
    let facts = [
        ("floating", names(images.iter().filter(|i| is_floating(i)).cloned())),
        ("images", json!(images.into_iter().collect::<Vec<_>>().join(", "))),
        ("complete", json!(is_complete(w))),
        ("ready", json!(w.ready)),
        ("desired", json!(w.desired)),
        ("updated", json!(w.updated)),
        ("readiness", json!(probe.is_some())),
        ("probe", json!(probe.unwrap_or_default())),
        ("unlimited", names(apps(w).filter(lacking).map(|c| c.name.to_string()))),
        ("history", json!(w.history_limit)),
    ];
    out.known.extend(facts.into_iter().map(|(name, value)| (name.to_owned(), value)));
    let reference = w.reference();
    out.take(&[Kind::Pod, Kind::PodDisruptionBudget], &["budgeted"], |world| {
        vec![json!(covered(world).contains(&reference))]
    });
    out.take(&[Kind::ConfigMap], &["lacking"], |world| {
        let there = |name: &&Text| world.config_maps.find(&w.meta.namespace, name).is_some();
        vec![names(w.template.pod.config_maps.iter().filter(|n| !there(n)).map(ToString::to_string))]
    });
}

#[cfg(test)]
mod tests {
    use super::is_floating;

    #[test]
    fn an_image_is_fixed_by_a_tag_other_than_latest_or_by_its_digest() {
        for image in ["nginx", "nginx:latest", "registry.acme.io:5000/shop/api", "ghcr.io/a/b:latest"] {
            assert!(is_floating(image), "{image}");
        }
        for image in
            ["nginx:1.27", "registry.acme.io:5000/shop/api:v4", "a/b@sha256:00", "a/b:latest@sha256:00"]
        {
            assert!(!is_floating(image), "{image}");
        }
    }
}
