//! Resource requests of pods, and their sums on each node.
use std::collections::{BTreeMap, HashMap};

use serde_json::Value;

use super::object::{Key, amount, list, text};

/// Amounts by resource name: cores, bytes, counts.
pub type Amounts = BTreeMap<String, f64>;

pub fn amounts(map: Option<&Value>) -> Amounts {
    let entries = map.and_then(Value::as_object).into_iter().flatten();
    entries.filter_map(|(k, v)| Some((k.clone(), amount(v)?))).collect()
}

/// The requests of a container. A limit without a request counts as the request.
pub fn container_requests(container: &Value) -> Amounts {
    let mut asked = amounts(container.pointer("/resources/limits"));
    asked.extend(amounts(container.pointer("/resources/requests")));
    asked
}

/// The effective requests of a pod: the sum of containers and sidecars, or the largest init container if that
/// is more.
pub fn pod_requests(pod: &Value) -> Amounts {
    let mut sum = Amounts::new();
    let add = |more: Amounts, sum: &mut Amounts| {
        for (name, value) in more {
            *sum.entry(name).or_default() += value;
        }
    };
    for container in list(pod, "/spec/containers") {
        add(container_requests(container), &mut sum);
    }
    for init in list(pod, "/spec/initContainers") {
        if init["restartPolicy"] == "Always" {
            add(container_requests(init), &mut sum);
        } else {
            for (name, value) in container_requests(init) {
                let most = sum.entry(name).or_default();
                *most = most.max(value);
            }
        }
    }
    sum
}

/// BestEffort, Burstable or Guaranteed.
pub fn quality(pod: &Value) -> &'static str {
    let containers = || list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    let pick =
        |m: Amounts| -> Amounts { m.into_iter().filter(|(k, _)| k == "cpu" || k == "memory").collect() };
    let asks = |c: &Value| {
        (pick(amounts(c.pointer("/resources/requests"))), pick(amounts(c.pointer("/resources/limits"))))
    };
    if containers().all(|c| asks(c).0.is_empty() && asks(c).1.is_empty()) {
        return "BestEffort";
    }
    let guaranteed = containers().all(|c| {
        let (requests, limits) = asks(c);
        limits.len() == 2 && (requests.is_empty() || requests == limits)
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

/// The requested amounts on each node.
#[derive(Default)]
pub struct Allocations {
    pods: HashMap<Key, (String, Amounts)>,
    nodes: HashMap<String, Amounts>,
}

impl Allocations {
    /// Updates the pod's share on its node. Returns whether something was freed.
    pub fn set(&mut self, key: &Key, pod: Option<&Value>) -> bool {
        if let (Some((node, _)), Some(pod)) = (self.pods.get(key), pod)
            && node == text(pod, "/spec/nodeName")
        {
            return false;
        }
        let freed = self.pods.remove(key).is_some_and(|(node, amounts)| {
            let used = self.nodes.entry(node).or_default();
            for (name, value) in amounts {
                *used.entry(name).or_default() -= value;
            }
            true
        });
        if let Some(pod) = pod {
            let node = text(pod, "/spec/nodeName").to_owned();
            let mut asked = pod_requests(pod);
            asked.insert("pods".into(), 1.0);
            let used = self.nodes.entry(node.clone()).or_default();
            for (name, value) in &asked {
                *used.entry(name.clone()).or_default() += value;
            }
            self.pods.insert(key.clone(), (node, asked));
        }
        freed
    }

    pub fn used(&self, node: &str, resource: &str) -> f64 {
        self.nodes.get(node).and_then(|a| a.get(resource)).copied().unwrap_or(0.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_pod_asks_for_the_sum_or_its_largest_init_container() {
        let pod = json!({"spec": {
            "containers": [
                {"resources": {"requests": {"cpu": "100m"}, "limits": {"memory": "1Gi"}}},
                {"resources": {"requests": {"cpu": "200m"}}}],
            "initContainers": [{"resources": {"requests": {"cpu": "1"}}}],
        }});
        let asked = pod_requests(&pod);
        assert_eq!((asked["cpu"], asked["memory"]), (1.0, 1_073_741_824.0));
        assert_eq!(quality(&pod), "Burstable");
    }
}
