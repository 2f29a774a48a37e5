//! The check after the last node: versions, pods, add-ons, the API server.

use std::time::Duration;

use super::version;
use crate::remedy::run::Stop;
use crate::remedy::waves::run::lock;
use crate::remedy::waves::steps::Machine;
use crate::world::ask::Call;
use crate::world::{ContainerState, Kind, Phase, Status, Workload, World, condition};

/// How long pods may take to be well again after the last node.
const SETTLE: Duration = Duration::from_secs(120);
/// Names in one line.
const NAMED: usize = 5;

/// One line of the check: what was seen, and whether that is as it should be.
type Line = (String, bool);

fn listed(all: &[String]) -> String {
    let shown = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

fn line(wrong: &[String], well: String, sick: &str) -> Line {
    match wrong.is_empty() {
        true => (well, true),
        false => (format!("{sick}: {}", listed(wrong)), false),
    }
}

fn nodes(world: &World, to: &str) -> [Line; 2] {
    let (mut off, mut other) = (Vec::new(), Vec::new());
    for node in world.nodes.values() {
        let ready = condition(&node.conditions, "Ready").is_some_and(|c| c.status == Status::True);
        if !ready {
            off.push(node.meta.name.to_string());
        }
        if !version::same(&node.info.kubelet, to) {
            other.push(format!("{} runs {}", node.meta.name, node.info.kubelet));
        }
    }
    let all = world.nodes.len();
    [
        line(&off, format!("all {all} nodes are Ready"), "nodes that are not Ready"),
        line(&other, format!("all {all} nodes run {to}"), "nodes with another version"),
    ]
}

/// Pods that wait: for a node, an image, or after a crash.
pub(super) fn waiting(world: &World) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for pod in world.pods.values() {
        let name = format!("{}/{}", pod.meta.namespace, pod.meta.name);
        let stuck = pod.containers.iter().find_map(|c| match &c.state {
            ContainerState::Waiting { reason, .. }
                if matches!(&**reason, "CrashLoopBackOff" | "ImagePullBackOff" | "ErrImagePull") =>
            {
                Some(reason.to_string())
            }
            _ => None,
        });
        match stuck {
            Some(reason) => out.push((name, reason)),
            None if pod.phase == Phase::Pending => out.push((name, "Pending".to_owned())),
            None => {}
        }
    }
    out.sort();
    out
}

fn pods(world: &World) -> Line {
    let wrong: Vec<String> = waiting(world).into_iter().map(|(name, why)| format!("{name} {why}")).collect();
    let all = world.pods.len();
    line(
        &wrong,
        format!("none of {all} pods crashes, waits for an image or is Pending"),
        "pods that are not well",
    )
}

/// An add-on by its label or name; `None` where the cluster has none that khud knows by these.
fn add_on<'w>(world: &'w World, name: &str, label: &str) -> Option<&'w Workload> {
    let of = |w: &&Workload| &*w.meta.name == name || w.meta.labels.get("k8s-app") == Some(label);
    let mut all = world.deployments.values().chain(world.daemon_sets.values());
    all.find(|w| &*w.meta.namespace == "kube-system" && of(w))
}

fn add_ons(world: &World) -> Vec<Line> {
    let mut out = Vec::new();
    for (what, name, label) in
        [("CoreDNS", "coredns", "kube-dns"), ("metrics-server", "metrics-server", "metrics-server")]
    {
        out.push(match add_on(world, name, label) {
            Some(w) => (format!("{what}: {} of {} pods are ready", w.ready, w.desired), w.ready >= w.desired),
            None => (format!("{what}: not found in kube-system, so not looked at"), true),
        });
    }
    let system = [&world.deployments, &world.daemon_sets, &world.stateful_sets];
    let own = |w: &&Workload| &*w.meta.namespace == "kube-system";
    let all: Vec<&Workload> = system.iter().flat_map(|t| t.values()).filter(own).collect();
    let wrong: Vec<String> = all
        .iter()
        .filter(|w| w.ready < w.desired)
        .map(|w| format!("{} {} of {}", w.meta.name, w.ready, w.desired))
        .collect();
    out.push(line(
        &wrong,
        format!("all {} workloads of kube-system are ready", all.len()),
        "not ready in kube-system",
    ));
    out
}

impl Machine {
    /// Checks the cluster after the last node, and writes down what it saw.
    pub(in crate::remedy::waves) async fn conclude(&self) -> Result<(), Stop> {
        let Some(upgrade) = self.asked.upgrade.clone() else { return Ok(()) };
        self.board("checking the cluster");
        let deadline = self.cx.now().plus(SETTLE);
        let unsettled = |world: &World| waiting(world).is_empty() && add_ons(world).iter().all(|(_, ok)| *ok);
        self.cx.until(Some(deadline), move |world, _| unsettled(world).then_some(())).await?;
        let to = upgrade.to.clone();
        let mut lines: Vec<Line> = self
            .cx
            .look(move |world, _| {
                let mut lines = nodes(world, &to).to_vec();
                match world.synced(&Kind::Pod) {
                    true => lines.push(pods(world)),
                    false => lines.push(("pods: they could not be listed".to_owned(), false)),
                }
                lines.extend(add_ons(world));
                lines
            })
            .await?;
        for (what, path) in [("the API server says that it is ready", "/readyz")] {
            let answer = self.cx.call(Call::get(path.to_owned())).await?;
            lines.push(match answer.ok() {
                true => (what.to_owned(), true),
                false => (format!("GET {path} was answered {}: {}", answer.status, answer.message()), false),
            });
        }
        let answer = self.cx.call(Call::get("/version".to_owned())).await?;
        let server = answer.body["gitVersion"].as_str().unwrap_or("nothing").to_owned();
        lines.push((format!("the API server runs {server}"), version::same(&server, &upgrade.to)));
        let outages = self.upgraded(|u| u.outages.clone());
        let services = self.upgraded(|u| u.services.len());
        let gone: Vec<String> = outages.into_iter().map(|(name, at)| format!("{name} at {at}")).collect();
        lines.push(line(
            &gone,
            format!("each of {services} Services with two ready endpoints kept one, as far as the watch saw"),
            "Services that were without a ready endpoint",
        ));
        for (text, ok) in &lines {
            self.note(0, format!("check {}: {text}", if *ok { "holds" } else { "does not hold" }));
        }
        self.compare_objects(&upgrade.to).await?;
        self.with_upgraded(|u| u.checked = lines);
        self.save().await?;
        let wrong = {
            let s = lock(&self.state);
            s.upgrade.iter().flat_map(|u| &u.checked).filter(|(_, ok)| !ok).count()
        };
        self.cx.step(format!("the cluster was checked: {wrong} things are not as they should be")).await;
        Ok(())
    }
}
