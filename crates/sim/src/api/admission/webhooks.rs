//! Admission webhooks that must be asked and cannot be reached. None is called: the programs behind them do not exist
//! here, so one that can be reached allows everything.

use serde_json::Value;

use crate::api::meta::status::Status;
use crate::api::meta::{items, text};
use crate::api::schema::registry::Resource;
use crate::api::store::Inner;
use crate::api::store::selector::LabelSelector;

const CONFIGURATIONS: [&str; 2] = [
    "mutatingwebhookconfigurations.admissionregistration.k8s.io",
    "validatingwebhookconfigurations.admissionregistration.k8s.io",
];
/// `timeoutSeconds` where a webhook names none.
const TIMEOUT: i64 = 10;

/// Refuses a write (`CREATE`, `UPDATE`) where a webhook with failurePolicy Fail has no ready endpoint, in the API
/// server's words.
pub fn reachable(inner: &Inner, def: &Resource, operation: &str, ns: &str, o: &Value) -> Result<(), Status> {
    for key in CONFIGURATIONS {
        for (_, item) in inner.range(key, None) {
            let configuration = item.value();
            for hook in items(&configuration, "webhooks") {
                if text(hook, &["failurePolicy"]) == "Ignore"
                    || !asks_about(inner, hook, def, operation, ns, o)
                {
                    continue;
                }
                unanswered(inner, hook).map_or(Ok(()), |why| Err(Status::internal(why)))?;
            }
        }
    }
    Ok(())
}

fn asks_about(inner: &Inner, hook: &Value, def: &Resource, operation: &str, ns: &str, o: &Value) -> bool {
    let names = |rule: &Value, list: &str, word: &str| {
        rule[list].as_array().into_iter().flatten().any(|w| w == "*" || w == word)
    };
    let rule = |rule: &Value| {
        names(rule, "operations", operation)
            && names(rule, "apiGroups", &def.group)
            && names(rule, "resources", &def.plural)
    };
    let selects =
        |selector: &str, labels: &Value| LabelSelector::from_object(&hook[selector]).matches_labels(labels);
    let namespace = inner.get("namespaces", "", ns).map(|item| item.value()["metadata"]["labels"].clone());
    items(hook, "rules").any(rule)
        && selects("namespaceSelector", &namespace.unwrap_or_default())
        && selects("objectSelector", &o["metadata"]["labels"])
}

/// Why a webhook behind a Service cannot answer.
fn unanswered(inner: &Inner, hook: &Value) -> Option<String> {
    let config = &hook["clientConfig"]["service"];
    let (ns, service) = (text(config, &["namespace"]), text(config, &["name"]));
    if service.is_empty() {
        return None;
    }
    let why = if inner.get("services", ns, service).is_none() {
        format!("service {service:?} not found")
    } else {
        let ready = inner.range("endpointslices.discovery.k8s.io", Some(ns)).any(|(_, item)| {
            let slice = item.value();
            slice["metadata"]["labels"]["kubernetes.io/service-name"] == service
                && items(&slice, "endpoints").any(|e| e["conditions"]["ready"] == true)
        });
        if ready {
            return None;
        }
        format!("no endpoints available for service {service:?}")
    };
    let port = config["port"].as_i64().unwrap_or(443);
    let path = text(config, &["path"]);
    let timeout = hook["timeoutSeconds"].as_i64().unwrap_or(TIMEOUT);
    let name = text(hook, &["name"]);
    Some(format!(
        "failed calling webhook {name:?}: failed to call webhook: Post \"https://{service}.{ns}.svc:{port}{path}?timeout={timeout}s\": {why}"
    ))
}
