//! NetworkPolicies that stand between a caller and what it needs: computed from the objects, so never more than likely.

use std::net::IpAddr;

use crate::world::{
    Kind, NetworkPolicy, ObjectRef, Peer, Pod, PolicyPort, PolicyRule, Port, Service, ServicePort, Text,
};

use super::diagnosis::{Ctx, Diagnosis};
use super::registry::causes;
use super::roles;

causes! {
    NETWORK_POLICY = "service.network-policy" Warning Watch("services, networkpolicies, pods") tree "service":
        "no rule of the network policies lets anybody reach the Service's pods, or lets a pod reach the names or the Service that its log misses",
        why "callers time out although every pod is ready and every endpoint is there",
        source "podSelector, policyTypes and rules of the NetworkPolicies";
}

/// Whether the policies of the namespace close every port of the Service.
pub fn judge(ctx: &Ctx, service: &Service, object: &ObjectRef, pods: &[&Pod]) -> Option<Diagnosis> {
    // What runs in its node's network is beyond the policies.
    let pods: Vec<&Pod> = pods.iter().copied().filter(|p| !p.spec.host_network).collect();
    if pods.is_empty() || service.ports.is_empty() || !ctx.world.synced(&Kind::NetworkPolicy) {
        return None;
    }
    let here: Vec<&NetworkPolicy> = ctx
        .world
        .network_policies
        .values()
        .filter(|p| p.meta.namespace == service.meta.namespace && p.ingress.is_some())
        .collect();
    let mut closing = None;
    for pod in pods {
        let selecting: Vec<&NetworkPolicy> =
            here.iter().copied().filter(|p| p.selector.matches(&pod.meta.labels)).collect();
        let first = *selecting.first()?;
        if service.ports.iter().any(|port| selecting.iter().any(|p| lets_in(p, pod, port))) {
            return None;
        }
        closing.get_or_insert((first, selecting.len()));
    }
    let (policy, several) = closing?;
    let rules = policy.ingress.as_deref().unwrap_or_default();
    let policy_ref =
        ObjectRef::new(Kind::NetworkPolicy, policy.meta.namespace.clone(), policy.meta.name.clone());
    let says = if rules.is_empty() {
        "policyTypes has Ingress and there is no rule: nothing comes in".to_owned()
    } else {
        let ports: Vec<String> = rules.iter().flat_map(|r| r.ports.iter()).map(written).collect();
        format!("its rules let in {} only", ports.join(", "))
    };
    let ports: Vec<String> = service.ports.iter().map(|p| format!("{} to {}", p.port, p.target)).collect();
    let name = &service.meta.name;
    let by = if several > 1 {
        format!("{several} network policies")
    } else {
        format!("NetworkPolicy {}", policy.meta.name)
    };
    Some(
        Diagnosis::new(NETWORK_POLICY, policy_ref.clone(), policy.meta.created.unwrap_or(ctx.now))
            .likely()
            .title(format!("{by} let nobody reach the pods behind Service {name}"))
            .row("blocked by a policy")
            .evidence("networkpolicy spec", says, &policy_ref, None)
            .evidence("service spec", format!("ports {}", ports.join(", ")), object, None),
    )
}

/// The peer that a pod's log says it cannot reach.
#[derive(Clone, Copy, Debug)]
pub enum Missed<'a> {
    /// Names do not resolve.
    Names,
    /// A Service does not answer.
    Service(&'a ObjectRef),
    /// A peer outside the cluster does not answer: its address or name, and its port where that is known.
    Outside(&'a str, Option<u16>),
}

/// A diagnosis that rests on what a log misses, told of the policy that stands in the way; unchanged where none does.
pub fn explain(ctx: &Ctx, pod: &Pod, missed: Missed, signal: Diagnosis) -> Diagnosis {
    let Some((policy, way)) = in_the_way(ctx, pod, missed) else { return signal };
    let blocked =
        ObjectRef::new(Kind::NetworkPolicy, policy.meta.namespace.clone(), policy.meta.name.clone());
    let what = match missed {
        Missed::Names => "ask for names (port 53)".to_owned(),
        Missed::Service(service) => format!("reach Service {}", service.name),
        Missed::Outside(peer, None) => format!("reach {peer}"),
        Missed::Outside(peer, Some(port)) => format!("reach {peer}:{port}"),
    };
    let rules = match way {
        Way::Out => policy.egress.as_deref(),
        Way::In => policy.ingress.as_deref(),
    };
    let says = match rules.unwrap_or_default() {
        [] => format!("policyTypes has {} and there is no rule", way.word()),
        rules => format!("none of its {} {} rules fits", rules.len(), way.word().to_lowercase()),
    };
    let said = signal.title.clone();
    let title =
        format!("NetworkPolicy {} does not let pod {} {what}: {said}", policy.meta.name, pod.meta.name);
    let mut signal = signal.renamed(NETWORK_POLICY).likely().fold_off().waits_for(None);
    signal.key.root = blocked.clone();
    signal.title(title).row("blocked by a policy").evidence("networkpolicy spec", says, &blocked, None)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    In,
    Out,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Way::In => "Ingress",
            Way::Out => "Egress",
        }
    }
}

/// The first policy that closes the way from the pod, or to what it wants to reach.
fn in_the_way<'w>(ctx: &Ctx<'w>, pod: &Pod, missed: Missed) -> Option<(&'w NetworkPolicy, Way)> {
    let w = ctx.world;
    if pod.spec.host_network || !w.synced(&Kind::NetworkPolicy) {
        return None;
    }
    let (targets, ports): (Vec<&Pod>, Vec<ServicePort>) = match missed {
        Missed::Names => {
            let port = |protocol: &str| ServicePort {
                port: 53,
                target: "53".into(),
                protocol: protocol.into(),
                ..ServicePort::default()
            };
            let dns = w.pods.values().filter(|p| roles::of(p) == roles::Role::Dns).collect();
            (dns, vec![port("UDP"), port("TCP")])
        }
        Missed::Service(o) => {
            let service = w.services.find(&o.namespace, &o.name)?;
            let selector = service.selector.as_ref().filter(|s| !s.is_empty())?;
            let behind = w.pods.values().filter(|p| p.meta.namespace == o.namespace && p.ready);
            (behind.filter(|p| selector.matches(&p.meta.labels)).collect(), service.ports.to_vec())
        }
        Missed::Outside(..) => (Vec::new(), Vec::new()),
    };
    let from: Vec<&NetworkPolicy> = w
        .network_policies
        .values()
        .filter(|p| p.meta.namespace == pod.meta.namespace && p.egress.is_some())
        .filter(|p| p.selector.matches(&pod.meta.labels))
        .collect();
    let lets_out = |policy: &NetworkPolicy| {
        policy.egress.iter().flatten().any(|rule| {
            if let Missed::Outside(peer, port) = missed {
                let peers = rule.peers.is_empty() || rule.peers.iter().any(|p| leads_outside(p, peer));
                let port = port.map(|port| ServicePort { port, ..ServicePort::default() });
                return peers && port.is_none_or(|port| open(rule, None, &port));
            }
            // Peers that cannot be seen may well be the ones that are meant.
            let peers = rule.peers.is_empty()
                || targets.is_empty()
                || targets.iter().any(|t| names(ctx, rule, policy, t));
            peers && ports.iter().any(|port| open(rule, targets.first().copied(), port))
        })
    };
    if let Some(first) = from.first().filter(|_| !from.iter().any(|p| lets_out(p))) {
        return Some((first, Way::Out));
    }
    let target = targets.first().filter(|_| matches!(missed, Missed::Service(_)))?;
    let to: Vec<&NetworkPolicy> = w
        .network_policies
        .values()
        .filter(|p| p.meta.namespace == target.meta.namespace && p.ingress.is_some())
        .filter(|p| p.selector.matches(&target.meta.labels))
        .collect();
    let lets_in = |policy: &NetworkPolicy| {
        policy.ingress.iter().flatten().any(|rule| {
            let peers = rule.peers.is_empty() || names(ctx, rule, policy, pod);
            peers && ports.iter().any(|port| open(rule, Some(target), port))
        })
    };
    to.first().filter(|_| !to.iter().any(|p| lets_in(p))).map(|first| (*first, Way::In))
}

/// Whether a peer of a rule may be the one outside the cluster. A name may stand for any address.
fn leads_outside(peer: &Peer, outside: &str) -> bool {
    let Peer::Addresses { range, except } = peer else { return false };
    outside.parse::<IpAddr>().is_err() || within(range, except, outside)
}

/// Whether an address lies in a range and in none of its exceptions.
fn within(range: &str, except: &[Text], address: &str) -> bool {
    contains(range, address) && !except.iter().any(|e| contains(e, address))
}

/// Whether one of the rule's peers is the pod.
fn names(ctx: &Ctx, rule: &PolicyRule, policy: &NetworkPolicy, pod: &Pod) -> bool {
    rule.peers.iter().any(|peer| match peer {
        Peer::Pods(pods) => pod.meta.namespace == policy.meta.namespace && pods.matches(&pod.meta.labels),
        Peer::Namespaces(namespaces, pods) => {
            let of = ctx.world.namespaces.find("", &pod.meta.namespace);
            of.is_none_or(|n| namespaces.matches(&n.meta.labels)) && pods.matches(&pod.meta.labels)
        }
        Peer::Addresses { range, except } => within(range, except, &pod.ip),
    })
}

/// Whether an address lies in a range (CIDR). What cannot be read may.
fn contains(range: &str, address: &str) -> bool {
    let (net, bits) = range.split_once('/').unwrap_or((range, ""));
    let (Ok(net), Ok(address)) = (net.parse::<IpAddr>(), address.parse::<IpAddr>()) else { return true };
    let bits: u32 = bits.parse().unwrap_or(u32::MAX);
    match (net, address) {
        (IpAddr::V4(net), IpAddr::V4(address)) => {
            let shift = 32 - bits.min(32);
            net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        (IpAddr::V6(net), IpAddr::V6(address)) => {
            let shift = 128 - bits.min(128);
            net.to_bits().checked_shr(shift) == address.to_bits().checked_shr(shift)
        }
        _ => false,
    }
}

/// Whether the rule is about the port of the target.
fn open(rule: &PolicyRule, target: Option<&Pod>, port: &ServicePort) -> bool {
    let nobody = Pod::default();
    rule.ports.is_empty() || rule.ports.iter().any(|p| opens(p, target.unwrap_or(&nobody), port))
}

/// Whether any rule of the policy lets somebody reach the port.
fn lets_in(policy: &NetworkPolicy, pod: &Pod, port: &ServicePort) -> bool {
    policy.ingress.iter().flatten().any(|rule| open(rule, Some(pod), port))
}

fn opens(open: &PolicyPort, pod: &Pod, port: &ServicePort) -> bool {
    let protocol = if port.protocol.is_empty() { "TCP" } else { &*port.protocol };
    if *open.protocol != *protocol {
        return false;
    }
    if open.port.is_empty() {
        return true;
    }
    let target = number(pod, &port.target).unwrap_or(port.port);
    match (number(pod, &open.port), open.end) {
        (Some(from), Some(to)) => (from..=to).contains(&target),
        (Some(only), None) => only == target,
        // A name that no container has opens nothing.
        (None, _) => false,
    }
}

/// The number of a port that is given by number or by a container port's name.
fn number(pod: &Pod, port: &str) -> Option<u16> {
    port.parse().ok().or_else(|| {
        let ports = || pod.containers.iter().flat_map(|c| c.spec.ports.iter());
        ports().find(|p: &&Port| &*p.name == port).map(|p| p.number)
    })
}

fn written(p: &PolicyPort) -> String {
    match (p.port.is_empty(), p.end) {
        (true, _) => format!("every {} port", p.protocol),
        (false, Some(end)) => format!("{}-{end}/{}", p.port, p.protocol),
        (false, None) => format!("{}/{}", p.port, p.protocol),
    }
}

#[cfg(test)]
mod tests {
    use super::contains;

    #[test]
    fn addresses_lie_in_ranges_of_their_own_family() {
        for (range, address, within) in [
            ("10.244.0.0/16", "10.244.3.7", true),
            ("10.244.0.0/16", "10.245.3.7", false),
            ("0.0.0.0/0", "10.244.3.7", true),
            ("10.244.3.7/32", "10.244.3.7", true),
            ("fd00::/8", "fd00:10::7", true),
            ("::/0", "10.244.3.7", false),
            ("nonsense", "10.244.3.7", true),
        ] {
            assert_eq!(contains(range, address), within, "{range} {address}");
        }
    }
}
