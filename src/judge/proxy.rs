//! kube-proxy's own health page: rules that it does not write.

use std::time::Duration;

use crate::world::measured::Proxy;
use crate::world::time::human;
use crate::world::{Kind, Node, ObjectRef, Phase, Service, World};

use super::diagnosis::{Ctx, Diagnosis, Out};
use super::evidence::Severity;
use super::gpu::running_since;
use super::limits::seconds;
use super::registry::causes;
use super::roles;

causes! {
    SYNC_STUCK = "proxy.sync-stuck" Critical Watch("kube-proxy's health page") tree "node":
        "kube-proxy of a node reports that it does not write changed rules",
        why WHY, source "`/healthz` on port 10256 says unhealthy for a minute; not while the node is removed";
    RULES_STALE = "proxy.rules-stale" Critical Watch("kube-proxy's metrics") tree "node":
        "kube-proxy of a node has a change that it has not written for a minute, or each attempt to write fails",
        why WHY, source "last queued against last synced, and restore or sync failures; a health page that says so goes first";
    RULES_MISSING = "proxy.rules-missing" Critical Watch("kube-proxy's metrics, Services") tree "node":
        "kube-proxy of a node has written fewer NAT rules than there are Service ports with ready endpoints",
        why "Services do not answer from this node at all, and from every other one they do",
        source "`kubeproxy_sync_proxy_rules_iptables_total{table=\"nat\"}`; mode iptables alone, and not version 1.27, where it counts the last write";
}

const WHY: &str = "new connections from the node go to endpoints that are gone, while old connections work and every pod is ready";

/// Rules of iptables with which one write takes kube-proxy many seconds, so that it falls behind; the field saw it break
/// at 47,823.
const MANY: u64 = 40_000;

/// More rules than kube-proxy writes in time.
fn rules(ctx: &Ctx, node: &Node, proxy: &Proxy, object: &ObjectRef, out: &mut Out) {
    let rules = proxy.all_rules();
    if &*proxy.mode != "iptables" || rules < MANY {
        return;
    }
    let services = ctx.world.services.len();
    let quote =
        format!("{rules} iptables rules for {services} Services; nftables or Cilium needs no such list");
    out.push(
        Diagnosis::new(roles::PROXY_TOO_MANY_RULES, object.clone(), proxy.read_at)
            .severity(Severity::Warning)
            .title(format!("kube-proxy of node {} writes {rules} iptables rules", node.meta.name))
            .row(format!("{rules} iptables rules"))
            .evidence("kube-proxy /metrics", quote, object, Some(proxy.read_at)),
    );
}

/// A change that was not written for this long is stuck: kube-proxy writes at least every 30 s unless told otherwise.
const UNWRITTEN: Duration = Duration::from_secs(60);
/// A kube-proxy that has just started writes its rules within this time.
const STARTS: Duration = Duration::from_secs(120);

/// Rules that are old: a change waits, or writing fails.
fn stale(ctx: &Ctx, node: &Node, proxy: &Proxy, object: &ObjectRef, out: &mut Out) {
    let Some(synced) = proxy.last_sync else { return };
    let waits = proxy.last_queued.filter(|queued| *queued > synced && queued.age(proxy.read_at) >= UNWRITTEN);
    let fails = proxy.failing_since.filter(|since| since.age(ctx.now) >= UNWRITTEN);
    let Some(since) = waits.into_iter().chain(fails).min() else { return };
    let age = human(synced.age(ctx.now));
    let mut quote = format!("last sync {age} ago");
    if let Some(queued) = waits {
        quote.push_str(&format!(", a change waits for {}", human(queued.age(ctx.now))));
    }
    if let Some(n) = proxy.failures.filter(|n| *n > 0) {
        quote.push_str(&format!(", {n} failed writes since its start"));
    }
    out.push(
        Diagnosis::new(RULES_STALE, object.clone(), since)
            .title(format!("kube-proxy of node {} serves old rules, last sync {age} ago", node.meta.name))
            .row("kube-proxy rules old")
            .evidence("kube-proxy /metrics", quote, object, Some(proxy.read_at)),
    );
}

/// Fewer rules than Services need: each port with an endpoint takes several in the table `nat`.
fn missing(ctx: &Ctx, node: &Node, proxy: &Proxy, object: &ObjectRef, out: &mut Out) {
    if &*proxy.mode != "iptables" || node.info.kubelet.starts_with("v1.27.") {
        return;
    }
    let Some(nat) = proxy.rules.get("nat").copied() else { return };
    let services = || ctx.world.services.values().filter(|s| routed(s));
    let ports =
        |services: &mut dyn Iterator<Item = &Service>| services.map(|s| s.ports.len() as u64).sum::<u64>();
    if nat >= ports(&mut services()) || !ctx.world.synced(&Kind::Service) {
        return;
    }
    let has_ready = |s: &&Service| {
        let object = ObjectRef::new(Kind::Service, s.meta.namespace.clone(), s.meta.name.clone());
        ctx.past.endpoints(&object).0 > 0
    };
    let needed = ports(&mut services().filter(has_ready));
    let pod = ctx.world.pods_on(&node.meta.name).map(|(_, p)| p).find(|p| roles::of(p) == roles::Role::Proxy);
    let since = pod.and_then(running_since).unwrap_or(proxy.read_at);
    if nat >= needed || since.age(proxy.read_at) < STARTS && pod.is_some() {
        return;
    }
    let quote = format!("{nat} NAT rules for {needed} Service ports with ready endpoints");
    out.push(
        Diagnosis::new(RULES_MISSING, object.clone(), proxy.read_at)
            .title(format!("kube-proxy of node {} has not written the rules of all Services", node.meta.name))
            .row("kube-proxy rules missing")
            .evidence("kube-proxy /metrics", quote, object, Some(proxy.read_at)),
    );
}

/// Whether kube-proxy writes rules for a Service: not a headless one, and not one that names another proxy.
fn routed(service: &Service) -> bool {
    !matches!(&*service.cluster_ip, "" | "None")
        && service.meta.labels.get("service.kubernetes.io/service-proxy-name").is_none()
}

/// Programs that do kube-proxy's work, by a label of their pods.
const INSTEAD: [(&str, &str, &str); 5] = [
    ("k8s-app", "cilium", "Cilium"),
    ("k8s-app", "anetd", "GKE Dataplane V2 (Cilium)"),
    ("app", "ovnkube-node", "OVN-Kubernetes"),
    ("k8s-app", "kube-router", "kube-router"),
    ("app", "antrea", "Antrea"),
];

/// One sentence on where kube-proxy is, where it runs in no pod.
pub fn elsewhere(world: &World) -> String {
    if world.pods.values().any(|p| roles::of(p) == roles::Role::Proxy) {
        return String::new();
    }
    let answer = world.nodes.values().filter(|n| world.readings.proxy(&n.meta.name).is_some()).count();
    let runs = |(key, value, _): &&(&str, &str, &str)| {
        world.pods.values().any(|p| p.phase == Phase::Running && p.meta.labels.get(key) == Some(value))
    };
    let k3s = || world.nodes.values().any(|n| n.info.kubelet.contains("+k3s"));
    match INSTEAD.iter().find(runs) {
        Some((_, _, name)) if answer > 0 => format!(
            "No kube-proxy pods: {name} runs here, and a health page like kube-proxy's answers on port 10256 of {answer} nodes."
        ),
        Some((_, _, name)) => {
            format!("No kube-proxy pods: {name} runs here and routes Services in kube-proxy's place.")
        }
        None if k3s() => "No kube-proxy pods: k3s runs kube-proxy within its own process.".to_owned(),
        None if answer > 0 => format!(
            "No kube-proxy pods: kube-proxy runs as a service of the host on {answer} of {} nodes (port 10256 answers).",
            world.nodes.len()
        ),
        None => "No kube-proxy pods, and no health page of one answered: khud does not see what routes Services here.".to_owned(),
    }
}

/// kube-proxy calls itself unhealthy after twice its sync period (60 s by default); this excludes a single bad answer.
const LASTS: u64 = 60;
/// The page is read every 30 s: two answers in a row were missed.
const OLD: Duration = Duration::from_secs(90);
/// kube-proxy fails its health check on purpose on a node with this taint, so that load balancers leave the node.
const TO_BE_DELETED: &str = "ToBeDeletedByClusterAutoscaler";

pub fn judge(ctx: &Ctx, node: &Node, object: &ObjectRef, out: &mut Out) {
    let Some(proxy) = ctx.world.readings.proxy(&node.meta.name) else { return };
    let leaves = node.meta.deleting.is_some() || node.taints.iter().any(|t| &*t.key == TO_BE_DELETED);
    if leaves || proxy.read_at.age(ctx.now) > OLD {
        return;
    }
    out.again(proxy.read_at.plus(OLD + seconds(1)));
    rules(ctx, node, proxy, object, out);
    missing(ctx, node, proxy, object, out);
    let Some(since) = proxy.unhealthy_since else { return stale(ctx, node, proxy, object, out) };
    let fires = since.plus(seconds(LASTS));
    if ctx.now < fires {
        out.again(fires);
    }
    let age = proxy.last_sync.map(|at| human(at.age(ctx.now)));
    let written = age.map_or("its last sync is unknown".to_owned(), |age| format!("last sync {age} ago"));
    out.push(
        Diagnosis::new(SYNC_STUCK, object.clone(), since)
            .fires_at(fires)
            .title(format!("kube-proxy of node {} does not write its rules, {written}", node.meta.name))
            .row("kube-proxy stuck")
            .evidence("kube-proxy /healthz", format!("unhealthy, {written}"), object, Some(proxy.read_at)),
    );
}
