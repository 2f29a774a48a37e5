//! `:audit`: what will hurt one day though nothing is wrong now: requests, limits, probes, images, budgets of workloads.

use crate::app::core::model::Model;
use crate::app::core::stack;
use crate::app::core::view::Then;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape, tail};
use crate::app::views::inside;
use crate::app::views::list::{ListView, Row, Rows};
use crate::config::Scope;
use crate::world::{Budget, ContainerSpec, Kind, Labels, Object, Role, Selector, Workload, World};

static SHAPES: &[Shape] =
    &[shape("CHECK", 8, 14, 90), tail("OBJECT", 20, 70, 100), shape("SAYS", 20, 120, 94)];

#[derive(Debug)]
struct Audit;

pub fn open(model: &mut Model) {
    stack::push(model, ListView::new(Audit));
}

impl Rows for Audit {
    fn title(&self) -> String {
        "audit".into()
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    /// The rows of the chosen namespaces, by check and then by object.
    fn rows(&self, model: &Model) -> Vec<Row> {
        let world = &model.data.world;
        let chosen =
            |w: &&Workload| model.namespaces.is_empty() || model.namespaces.contains(&w.meta.namespace);
        let all =
            world.deployments.values().chain(world.stateful_sets.values()).chain(world.daemon_sets.values());
        let mut rows: Vec<Row> = all.filter(chosen).flat_map(|w| of_workload(world, w)).collect();
        rows.sort_by(|a, b| a.id.cmp(&b.id));
        rows
    }

    fn scope(&self) -> Scope {
        Scope::Workloads
    }

    fn enter(&self, _: &Model, row: &Row) -> Option<Then> {
        inside::of(row.object.clone()?)
    }

    fn follows(&self) -> Option<Kind> {
        Some(Kind::Deployment)
    }

    fn noun(&self) -> &'static str {
        "remarks"
    }

    fn empty(&self, model: &Model) -> &'static str {
        match [Kind::Deployment, Kind::StatefulSet, Kind::DaemonSet]
            .iter()
            .all(|k| model.data.world.synced(k))
        {
            true => "Every workload here has requests, limits, probes, a fixed image and a budget.",
            false => "Not all workloads are listed: khud cannot tell yet, or may not list them.",
        }
    }
}

fn of_workload(world: &World, w: &Workload) -> Vec<Row> {
    let mut said: Vec<(&'static str, String)> = Vec::new();
    for c in w.template.containers.iter().filter(|c| matches!(c.role, Role::App | Role::Sidecar)) {
        said.extend(of_container(c));
    }
    said.extend(served_without_readiness(world, w));
    said.extend(budget(world, w));
    let object = w.reference();
    let row = |(check, says): (&'static str, String)| Row {
        id: format!("{check} {object} {says}").into(),
        object: Some(object.clone()),
        cells: vec![
            Cell::new(Value::Word(check), "status.pending"),
            Cell::plain(Value::Text(object.to_string().into())),
            Cell::plain(Value::Text(says.into())),
        ],
        indent: 0,
    };
    said.into_iter().map(row).collect()
}

fn of_container(c: &ContainerSpec) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    let name = &c.name;
    if c.requests.memory.is_none() && c.limits.memory.is_none() {
        out.push((
            "requests",
            format!("{name} requests no memory: its node may be short of it, and it goes first"),
        ));
    }
    if c.requests.cpu.is_none() && c.limits.cpu.is_none() {
        out.push((
            "requests",
            format!("{name} requests no CPU: beside busy neighbours it gets next to none"),
        ));
    }
    if c.limits.memory.is_none() {
        out.push((
            "limits",
            format!("{name} has no memory limit: a leak takes its node's other pods with it"),
        ));
    }
    if let (Some(live), Some(ready)) = (&c.liveness, &c.readiness)
        && live.handler == ready.handler
        && live.failure_threshold <= ready.failure_threshold
    {
        out.push((
            "probes",
            format!("{name} is restarted by the check that takes it out of its Services, and as soon: slow means dead"),
        ));
    }
    match tag(&c.image) {
        Some("latest") => {
            out.push(("image", format!("{name} runs tag latest: nobody can tell which code, or go back")))
        }
        None => out.push(("image", format!("{name} names no tag: nobody can tell which code, or go back"))),
        Some(_) => {}
    }
    out
}

/// The tag of an image, or its digest; `None` where it has neither.
fn tag(image: &str) -> Option<&str> {
    if let Some((_, digest)) = image.split_once('@') {
        return Some(digest);
    }
    // The port of a registry is no tag.
    let name = image.rsplit('/').next()?;
    name.split_once(':').map(|(_, tag)| tag)
}

/// The labels that every pod of the workload has, as far as a pod shows them.
fn labels<'w>(world: &'w World, w: &Workload) -> Option<&'w Labels> {
    let own = world.pods_of(&w.meta.uid).map(|(_, p)| p);
    let of_sets =
        world.replica_sets_of(&w.meta.uid).flat_map(|(_, set)| world.pods_of(&set.meta.uid).map(|(_, p)| p));
    own.chain(of_sets).next().map(|p| &p.meta.labels)
}

/// A Service sends to pods from their first moment where nothing says when they are ready.
fn served_without_readiness(world: &World, w: &Workload) -> Option<(&'static str, String)> {
    let labels = labels(world, w)?;
    let picks = |s: &Selector| !s.is_empty() && s.matches(labels);
    let service = world
        .services
        .values()
        .find(|s| s.meta.namespace == w.meta.namespace && s.selector.as_ref().is_some_and(picks))?;
    let silent = w.template.containers.iter().filter(|c| c.role == Role::App).all(|c| c.readiness.is_none());
    silent.then(|| {
        (
            "probes",
            format!("no readiness probe: Service {} sends to pods that still start", service.meta.name),
        )
    })
}

/// Deployments and StatefulSets whose pods a node drain takes all at once, or whose budget holds it up for ever.
fn budget(world: &World, w: &Workload) -> Option<(&'static str, String)> {
    if w.kind == Kind::DaemonSet || w.desired == 0 || !world.synced(&Kind::PodDisruptionBudget) {
        return None;
    }
    let labels = labels(world, w)?;
    let of = |b: &&Budget| b.meta.namespace == w.meta.namespace && b.selector.matches(labels);
    match world.budgets.values().find(of) {
        None if w.desired > 1 => {
            Some(("budget", "no disruption budget: a drain may take all its pods at once".into()))
        }
        Some(b) if b.expected_pods > 0 && b.desired_healthy >= b.expected_pods => Some((
            "budget",
            format!(
                "budget {} lets no pod go, however healthy: no node under it can be drained",
                b.meta.name
            ),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_no_tag_and_a_digest_is_one() {
        assert_eq!(tag("registry:5000/shop/api"), None);
        assert_eq!(tag("registry:5000/shop/api:v1"), Some("v1"));
        assert_eq!(tag("api@sha256:00ff"), Some("sha256:00ff"));
        assert_eq!(tag("api:latest"), Some("latest"));
    }
}
