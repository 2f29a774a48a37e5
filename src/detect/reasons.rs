//! Why each family of rules is worth somebody's time: what happens to users or to the next change if nobody looks.

/// By the first word of a rule's id.
const REASONS: &[(&str, &str)] = &[
    ("addon", "add-ons older than the cluster fail at an upgrade, all at once"),
    (
        "admission",
        "pods are refused before they exist, so no pod shows anything: only the controller's events do",
    ),
    ("api", "clients of an API that the next version drops stop working on the day of the upgrade"),
    ("cert", "a certificate that ends or does not fit refuses every connection at the same second"),
    ("config", "the pod waits for ever: nothing retries a reference to what does not exist into existence"),
    (
        "container",
        "the image is there and the program is not started: restarting does not help, the spec must change",
    ),
    ("controlplane", "what the API server cannot do, no controller can: everything else goes stale"),
    ("cpu", "throttling and saturation are felt as latency long before anything restarts"),
    (
        "crash",
        "a restart loop serves nobody, loses work in flight, and hides its cause in a log that is soon gone",
    ),
    ("crd", "objects that can no longer be read block the upgrade and their operator"),
    ("cronjob", "work that was scheduled did not run, and nobody is told by default"),
    ("delete", "what does not go holds its node, volume or name, and what should replace it waits"),
    ("dns", "without names every service fails, each with another error: the cause is one"),
    ("evicted", "the node had to choose: whoever grew is to be found, whoever was evicted is a victim"),
    (
        "gpu",
        "GPUs are the dearest thing there is: vanished or sick ones fail jobs that ran for days, often silently",
    ),
    ("image", "the pod never starts, and a rollout with it stands half done"),
    ("ingress", "users outside get errors while everything inside looks healthy"),
    ("job", "the Job has given up: what it was to do is not done and will not be retried"),
    ("jvm", "a heap or lock that fills up takes the service down at its busiest"),
    ("latency", "slow is what users notice first"),
    ("limitrange", "pods are refused before they exist, so no pod shows anything"),
    ("logs", "without logs the next incident cannot be understood"),
    ("memory", "steady growth ends at the limit, at a time nobody chose"),
    ("model", "a server without its model answers nothing, and takes minutes to say so"),
    ("monitoring", "what is not measured is believed to be well"),
    (
        "namespace",
        "a full quota or a crowding neighbour stops the next rollout or scale-up, not the pods of today",
    ),
    ("node", "all pods of a node share its fate, and the scheduler may fill it again before anybody looks"),
    ("operator", "what an operator cares for drifts from then on, without an error"),
    ("pod", "the kubelet refuses the pod after the scheduler placed it: it will be tried again in vain"),
    ("pool", "requests wait for a connection: the service is up and nobody is served"),
    ("preempted", "more important work took the place: capacity is short"),
    ("proxy", "Services break on one node only, while every pod is ready: the hardest outage to see"),
    (
        "quota",
        "pods are refused before they exist, so no pod shows anything: only the controller's events do",
    ),
    ("rbac", "the program runs and is refused by the API server: it looks like a fault of its own"),
    ("ready", "pods that run and are not ready get no traffic: the rest carries it until it cannot"),
    ("region", "a whole cluster is away, and its own alerts with it"),
    ("rollout", "a rollout that stands runs two versions at once, on fewer pods than asked for"),
    ("runtime", "the node keeps its old pods and starts no new one: it looks half alive"),
    ("sandbox", "no pod starts on that node until its network or runtime is mended"),
    ("schedule", "the pod waits for a node that will not come by itself"),
    ("service", "callers get refused or time out although pods are there"),
    ("storage", "data goes with the pod or the claim, when nobody expects it"),
    ("volume", "the pod waits for its data, or cannot write any more"),
];

/// The reason for a rule.
pub fn of(rule: &str) -> &'static str {
    let family = family(rule);
    REASONS.iter().find(|(f, _)| *f == family).map_or("", |(_, reason)| reason)
}

/// The first word of a rule's id: rules of one family stand together.
pub fn family(rule: &str) -> &str {
    rule.split_once('.').map_or(rule, |(family, _)| family)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::registry::RULES;

    #[test]
    fn every_rule_has_a_reason_and_every_reason_a_rule() {
        for r in RULES {
            assert!(!of(r.id).is_empty(), "{} has no reason", r.id);
        }
        for (name, _) in REASONS {
            assert!(RULES.iter().any(|r| family(r.id) == *name), "{name} is no family");
        }
    }
}
