//! NetworkPolicies that let nobody reach the pods behind a Service: computed from the objects, so never more than likely.

use crate::world::{Kind, NetworkPolicy, ObjectRef, Pod, PolicyPort, Port, Service, ServicePort};

use super::diagnosis::{Ctx, Diagnosis};
use super::registry::causes;

causes! {
    NETWORK_POLICY = "service.network-policy" Warning Watch("services, networkpolicies, pods") tree "service":
        "network policies select the pods behind the Service and no rule lets anybody reach its ports",
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

/// Whether any rule of the policy lets somebody reach the port.
fn lets_in(policy: &NetworkPolicy, pod: &Pod, port: &ServicePort) -> bool {
    let rules = policy.ingress.as_deref().unwrap_or_default();
    rules.iter().any(|r| r.ports.is_empty() || r.ports.iter().any(|p| opens(p, pod, port)))
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
