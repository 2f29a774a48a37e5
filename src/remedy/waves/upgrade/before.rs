//! The pre-checks of an upgrade: what stands in its way, each with its evidence, and what could not be looked at.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Serialize;
use serde_json::Value;

use super::deprecated;
use super::options::Upgrade;
use super::version;
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::Stop;
use crate::remedy::waves::plan::WavePlan;
use crate::remedy::waves::stagger::endpoints;
use crate::remedy::waves::state::Upgraded;
use crate::world::ask::Call;
use crate::world::{Budget, Kind, Status, World, condition};

/// Objects read at once.
pub(super) const PAGE: usize = 500;

/// The answer of a pre-check.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::remedy::waves) enum Verdict {
    Ok,
    /// Worth knowing; the run may go on.
    Warning,
    /// It stands in the way.
    No,
    /// It could not be looked at.
    Unknown,
}

#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(in crate::remedy::waves) struct Check {
    /// As `--accept` takes it.
    pub check: &'static str,
    pub verdict: Verdict,
    pub reason: String,
    pub evidence: Vec<String>,
}

impl Check {
    pub(super) fn new(check: &'static str, verdict: Verdict, reason: impl Into<String>) -> Check {
        Check { check, verdict, reason: reason.into(), evidence: Vec::new() }
    }

    fn with(self, evidence: Vec<String>) -> Check {
        Check { evidence, ..self }
    }

    /// The worst of what was found, in one answer.
    pub(super) fn of(
        check: &'static str,
        no: (Vec<String>, &str),
        warning: (Vec<String>, &str),
        ok: impl Into<String>,
    ) -> Check {
        match (no.0.is_empty(), warning.0.is_empty()) {
            (false, _) => Check::new(check, Verdict::No, no.1).with([no.0, warning.0].concat()),
            (true, false) => Check::new(check, Verdict::Warning, warning.1).with(warning.0),
            (true, true) => Check::new(check, Verdict::Ok, ok),
        }
    }
}

/// The pre-checks as text, before the plan.
pub(in crate::remedy::waves) fn told(checks: &[Check]) -> String {
    let mut out = String::from("\nPre-checks\n");
    for c in checks {
        let mark = match c.verdict {
            Verdict::Ok => "✔",
            Verdict::Warning => "⚠",
            Verdict::No => "✖",
            Verdict::Unknown => "?",
        };
        let _ = writeln!(out, "  {mark} {}: {}", c.check, c.reason);
        for line in &c.evidence {
            let _ = writeln!(out, "      {line}");
        }
    }
    out
}

/// What an upgrade has to know of the cluster before it begins.
pub(in crate::remedy::waves) async fn begun(
    cx: &Cx,
    upgrade: &Upgrade,
    plan: &WavePlan,
) -> Result<Upgraded, Stop> {
    let from = cx.call(Call::get("/version".to_owned())).await?;
    let (services, controls) = cx
        .look(|world, _| {
            let of = |n: &&crate::world::Node| super::control_plane(n);
            let controls: BTreeSet<String> =
                world.nodes.values().filter(of).map(|n| n.meta.name.to_string()).collect();
            (super::redundant(world), controls)
        })
        .await?;
    let done = plan.already.iter().any(|n| controls.contains(n));
    let first = plan.waves.iter().flat_map(|w| &w.nodes).find(|n| controls.contains(&n.name));
    Ok(Upgraded {
        from: from.body["gitVersion"].as_str().unwrap_or("an unknown version").to_owned(),
        to: upgrade.to.clone(),
        first: first.filter(|_| !done).map(|n| n.name.clone()).unwrap_or_default(),
        services,
        ..Upgraded::default()
    })
}

/// All pre-checks. Each that says no becomes a guard that refuses, unless the operator accepted it by name.
pub(in crate::remedy::waves) async fn checks(
    cx: &Cx,
    upgrade: &Upgrade,
    plan: &WavePlan,
) -> Result<Vec<Check>, Stop> {
    let mut all = vec![skew(cx, &upgrade.to).await?];
    all.push(cx.look(|world, _| nodes(world)).await?);
    all.push(deprecated::check(cx, &upgrade.to).await?);
    all.push(stored_versions(cx).await?);
    all.push(webhooks(cx).await?);
    let drained: BTreeSet<String> =
        plan.waves.iter().flat_map(|w| &w.nodes).map(|n| n.name.clone()).collect();
    all.push(cx.look(move |world, _| budgets(world, &drained)).await?);
    let to = upgrade.to.clone();
    all.push(cx.look(move |world, _| add_ons(world, &to)).await?);
    all.push(etcd(cx, upgrade).await?);
    for check in &all {
        let accepted = upgrade.accepted.iter().any(|name| name == check.check);
        match check.verdict {
            Verdict::No if accepted => {
                cx.impact(
                    format!("pre-check {} is accepted", check.check),
                    Severity::Critical,
                    &check.reason,
                );
            }
            Verdict::No => {
                let first = check.evidence.first().map_or_else(String::new, |e| format!(" ({e})"));
                cx.guard(
                    check.check,
                    false,
                    format!("{}{first}; --accept {} goes on", check.reason, check.check),
                );
            }
            Verdict::Unknown => {
                cx.impact(format!("{}: could not look", check.check), Severity::Warning, &check.reason);
            }
            Verdict::Warning | Verdict::Ok => {}
        }
    }
    if let Some(name) = upgrade.accepted.iter().find(|name| all.iter().all(|c| c.check != **name)) {
        let names: Vec<&str> = all.iter().map(|c| c.check).collect();
        return Err(Stop::Refused(format!("there is no pre-check {name:?}; there are {}", names.join(", "))));
    }
    Ok(all)
}

async fn skew(cx: &Cx, to: &str) -> Result<Check, Stop> {
    const NAME: &str = "version-skew";
    let answer = cx.call(Call::get("/version".to_owned())).await?;
    let Some(server) = answer.body["gitVersion"].as_str().filter(|_| answer.ok()).map(str::to_owned) else {
        return Ok(Check::new(
            NAME,
            Verdict::No,
            format!(
                "GET /version was answered {}: without the API server's version nobody knows whether it may go to {to}",
                answer.status
            ),
        ));
    };
    let to = to.to_owned();
    cx.look(move |world, _| {
        let mut wrong: Vec<String> = version::server(&server, &to).into_iter().collect();
        if !world.nodes.values().any(super::control_plane) && !version::same(&server, &to) {
            wrong.push(format!(
                "no node here runs the control plane, which runs {server}: upgrade it first, with your provider's tool"
            ));
        }
        for node in world.nodes.values() {
            let (name, kubelet) = (&node.meta.name, &*node.info.kubelet);
            // A run that stopped left control-plane nodes that are there already.
            let done = super::control_plane(node) && version::same(kubelet, &to);
            let now = || version::kubelet(kubelet, &server).filter(|_| !done);
            let why = version::kubelet(kubelet, &to).or_else(now);
            wrong.extend(why.map(|why| format!("{name}: {why}")));
        }
        let ok = format!("API server {server}, {} kubelets: all may go to {to}", world.nodes.len());
        Check::of(NAME, (wrong, "the version skew policy does not allow it"), (Vec::new(), ""), ok)
    })
    .await
}

fn nodes(world: &World) -> Check {
    let mut off = Vec::new();
    let mut pressed = Vec::new();
    for node in world.nodes.values() {
        let name = &node.meta.name;
        match condition(&node.conditions, "Ready") {
            Some(c) if c.status == Status::True => {}
            Some(c) => off.push(format!("{name} is not Ready: {}", c.reason)),
            None => off.push(format!("{name} does not say whether it is Ready")),
        }
        let under = |c: &&crate::world::Condition| c.kind.ends_with("Pressure") && c.status == Status::True;
        pressed.extend(node.conditions.iter().filter(under).map(|c| format!("{name}: {}", c.kind)));
    }
    let ok = format!("{} nodes are Ready, none is under pressure", world.nodes.len());
    Check::of("nodes", (off, "nodes are not Ready"), (pressed, "nodes are under pressure"), ok)
}

/// A list of objects; `Err`: why it could not be read.
pub(super) async fn list(cx: &Cx, path: &str) -> Result<Result<Vec<Value>, String>, Stop> {
    let mut out = Vec::new();
    let mut next = String::new();
    loop {
        let after = if next.is_empty() { String::new() } else { format!("&continue={next}") };
        let answer = cx.call(Call::get(format!("{path}?limit={PAGE}{after}"))).await?;
        if !answer.ok() {
            return Ok(Err(format!("GET {path} was answered {}: {}", answer.status, answer.message())));
        }
        out.extend(answer.body["items"].as_array().cloned().unwrap_or_default());
        match answer.body["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => token.clone_into(&mut next),
            _ => return Ok(Ok(out)),
        }
    }
}

pub(super) fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or("")
}

/// Versions in which objects of custom resources may be stored: those that are not served are lost to everybody.
async fn stored_versions(cx: &Cx) -> Result<Check, Stop> {
    const NAME: &str = "stored-versions";
    let all = match list(cx, "/apis/apiextensions.k8s.io/v1/customresourcedefinitions").await? {
        Ok(all) => all,
        Err(why) => return Ok(Check::new(NAME, Verdict::Unknown, why)),
    };
    let (mut lost, mut several) = (Vec::new(), Vec::new());
    for crd in &all {
        let name = text(crd, "/metadata/name");
        let array = |path: &str| crd.pointer(path).and_then(Value::as_array).cloned().unwrap_or_default();
        let stored: Vec<String> =
            array("/status/storedVersions").iter().filter_map(|v| v.as_str().map(str::to_owned)).collect();
        let served: Vec<String> = array("/spec/versions")
            .iter()
            .filter(|v| v["served"] == true)
            .map(|v| text(v, "/name").to_owned())
            .collect();
        let missing: Vec<&str> = stored.iter().filter(|v| !served.contains(v)).map(String::as_str).collect();
        if !missing.is_empty() {
            lost.push(format!("{name} may hold objects in {}, which it does not serve", missing.join(", ")));
        } else if stored.len() > 1 {
            several.push(format!("{name} may hold objects in {}", stored.join(", ")));
        }
    }
    let ok = format!("{} custom resources: all stored versions are served, one each", all.len());
    Ok(Check::of(
        NAME,
        (lost, "custom resources may hold objects in versions that they do not serve"),
        (several, "custom resources may hold objects in several versions; migrate them before one goes"),
        ok,
    ))
}

/// Webhooks whose Service is missing or has no ready endpoint: with failurePolicy Fail, evicted pods do not come back.
async fn webhooks(cx: &Cx) -> Result<Check, Stop> {
    const NAME: &str = "webhooks";
    const GROUP: &str = "/apis/admissionregistration.k8s.io/v1";
    let mut all = Vec::new();
    for kind in ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"] {
        match list(cx, &format!("{GROUP}/{kind}")).await? {
            Ok(found) => all.extend(found),
            Err(why) => return Ok(Check::new(NAME, Verdict::Unknown, why)),
        }
    }
    cx.look(move |world, _| {
        if !world.synced(&Kind::Service) || !world.synced(&Kind::EndpointSlice) {
            return Check::new(NAME, Verdict::Unknown, "Services or EndpointSlices could not be listed");
        }
        let ready = endpoints(world);
        let (mut closed, mut open) = (Vec::new(), Vec::new());
        let (mut looked, mut outside) = (0, 0);
        for config in &all {
            for hook in config["webhooks"].as_array().into_iter().flatten() {
                let service = &hook["clientConfig"]["service"];
                let (ns, name) = (text(service, "/namespace"), text(service, "/name"));
                if name.is_empty() {
                    outside += 1;
                    continue;
                }
                looked += 1;
                let why = match world.services.find(ns, name) {
                    None => format!("Service {ns}/{name} does not exist"),
                    Some(_) if ready.get(&format!("{ns}/{name}")).copied().unwrap_or(0) == 0 => {
                        format!("Service {ns}/{name} has no ready endpoint")
                    }
                    Some(_) => continue,
                };
                // The API's default is Fail.
                let fails = text(hook, "/failurePolicy") != "Ignore";
                let line = format!("{} in {}: {why}", text(hook, "/name"), text(config, "/metadata/name"));
                if fails { closed.push(line) } else { open.push(line) }
            }
        }
        let beside = match outside {
            0 => String::new(),
            n => format!("; {n} call a URL, which was not looked at"),
        };
        Check::of(
            NAME,
            (closed, "webhooks that must answer have no backend: what they are called for is refused"),
            (open, "webhooks without a backend are passed over (failurePolicy Ignore)"),
            format!("{looked} webhooks have a ready backend{beside}"),
        )
    })
    .await
}

/// Whether a budget lets no pod go, however many are healthy.
fn never(b: &Budget) -> bool {
    let none = matches!(&*b.max_unavailable, "0" | "0%") || &*b.min_available == "100%";
    b.expected_pods > 0 && (none || b.desired_healthy >= b.expected_pods)
}

/// Budgets of pods on nodes that are drained.
fn budgets(world: &World, drained: &BTreeSet<String>) -> Check {
    const NAME: &str = "budgets";
    if !world.synced(&Kind::PodDisruptionBudget) {
        return Check::new(NAME, Verdict::Unknown, "disruption budgets could not be listed");
    }
    let (mut held, mut now, mut looked) = (Vec::new(), Vec::new(), 0);
    for b in world.budgets.values() {
        let name = format!("{}/{}", b.meta.namespace, b.meta.name);
        let own = |p: &&crate::world::Pod| {
            p.meta.namespace == b.meta.namespace
                && !p.mirror
                && drained.contains(&*p.node)
                && b.selector.matches(&p.meta.labels)
        };
        let pods = world.pods.values().filter(own).count();
        if pods == 0 {
            continue;
        }
        looked += 1;
        if never(b) {
            held.push(format!(
                "{name} needs {} of {} pods, so none may ever be evicted ({pods} on these nodes)",
                b.desired_healthy, b.expected_pods
            ));
        } else if b.disruptions_allowed == 0 {
            now.push(format!(
                "{name} lets no pod go now: {} healthy, {} needed",
                b.current_healthy, b.desired_healthy
            ));
        }
    }
    let ok = format!("{looked} budgets have pods on these nodes; each lets one go");
    Check::of(
        NAME,
        (held, "budgets that can never let a pod go would hold the drain for ever"),
        (now, "budgets let no pod go now; the drain waits for them"),
        ok,
    )
}

/// The CoreDNS that kubeadm installs with each minor version of Kubernetes 1.
///
/// Source: coredns/deployment, kubernetes/CoreDNS-k8s_version.md.
const COREDNS: &[(u64, &str)] = &[
    (24, "1.8.6"),
    (25, "1.9.3"),
    (26, "1.9.3"),
    (27, "1.10.1"),
    (28, "1.10.1"),
    (29, "1.11.1"),
    (30, "1.11.1"),
    (31, "1.11.3"),
    (32, "1.11.3"),
    (33, "1.12.0"),
];

/// Why a CoreDNS should be updated with an upgrade; `None` where it need not, or nobody knows.
fn old_dns(tag: &str, to: &str) -> Option<String> {
    let minor = version::read(to)?.minor;
    let (_, installed) = COREDNS.iter().find(|(m, _)| *m == minor)?;
    let older = version::read(tag)? < version::read(installed)?;
    older.then(|| format!("CoreDNS {tag} is older than {installed}, which kubeadm installs with {to}"))
}

/// kube-proxy follows the skew policy of the kubelet, CoreDNS the table of kubeadm. Other add-ons are named.
fn add_ons(world: &World, to: &str) -> Check {
    const NAME: &str = "add-ons";
    let (mut wrong, mut old, mut seen) = (Vec::new(), Vec::new(), Vec::new());
    let all = world.daemon_sets.values().chain(world.deployments.values());
    for w in all.filter(|w| &*w.meta.namespace == "kube-system") {
        for c in &w.template.containers {
            let Some((repository, tag)) = c.image.rsplit_once(':') else { continue };
            let name = repository.rsplit('/').next().unwrap_or(repository);
            match name {
                "kube-proxy" => {
                    wrong.extend(version::kubelet(tag, to).map(|why| why.replace("kubelet", "kube-proxy")));
                }
                "coredns" => old.extend(old_dns(tag, to)),
                "metrics-server" => {}
                _ => continue,
            }
            seen.push(format!("{name} {tag}"));
        }
    }
    if seen.is_empty() {
        let why = "no kube-proxy, CoreDNS or metrics-server was found in kube-system";
        return Check::new(NAME, Verdict::Unknown, why);
    }
    seen.sort();
    let ok = format!("{}; compare the others with the release notes of {to}", seen.join(", "));
    Check::of(NAME, (wrong, "an add-on is too old or too new"), (old, "an add-on should be updated too"), ok)
}

/// Whether a snapshot of etcd is made before anything changes.
async fn etcd(cx: &Cx, upgrade: &Upgrade) -> Result<Check, Stop> {
    const NAME: &str = "etcd";
    let here = cx.look(|world, _| world.nodes.values().any(super::control_plane)).await?;
    Ok(match (here, upgrade.etcd.is_some()) {
        (_, true) => Check::new(NAME, Verdict::Ok, "its command saves a snapshot before the first node"),
        (false, _) => Check::new(
            NAME,
            Verdict::Unknown,
            "no node here runs the control plane: its etcd is the provider's",
        ),
        (true, false) => Check::new(
            NAME,
            Verdict::Warning,
            "no --etcd-cmd: without a snapshot of etcd there is no way back",
        ),
    })
}
