//! Object references in scenarios: `kind/namespace/name`, and the store's resource of a kind.

/// A named object: resource, namespace, name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    pub resource: String,
    pub ns: String,
    pub name: String,
}

/// Kinds by their common names.
const KINDS: [(&str, &str, bool); 32] = [
    ("pod", "pods", true),
    ("service", "services", true),
    ("configmap", "configmaps", true),
    ("secret", "secrets", true),
    ("serviceaccount", "serviceaccounts", true),
    ("persistentvolumeclaim", "persistentvolumeclaims", true),
    ("pvc", "persistentvolumeclaims", true),
    ("resourcequota", "resourcequotas", true),
    ("limitrange", "limitranges", true),
    ("endpoints", "endpoints", true),
    ("event", "events", true),
    ("node", "nodes", false),
    ("namespace", "namespaces", false),
    ("persistentvolume", "persistentvolumes", false),
    ("deployment", "deployments.apps", true),
    ("replicaset", "replicasets.apps", true),
    ("statefulset", "statefulsets.apps", true),
    ("daemonset", "daemonsets.apps", true),
    ("job", "jobs.batch", true),
    ("cronjob", "cronjobs.batch", true),
    ("ingress", "ingresses.networking.k8s.io", true),
    ("ingressclass", "ingressclasses.networking.k8s.io", false),
    ("networkpolicy", "networkpolicies.networking.k8s.io", true),
    ("poddisruptionbudget", "poddisruptionbudgets.policy", true),
    ("pdb", "poddisruptionbudgets.policy", true),
    ("horizontalpodautoscaler", "horizontalpodautoscalers.autoscaling", true),
    ("storageclass", "storageclasses.storage.k8s.io", false),
    ("priorityclass", "priorityclasses.scheduling.k8s.io", false),
    ("role", "roles.rbac.authorization.k8s.io", true),
    ("rolebinding", "rolebindings.rbac.authorization.k8s.io", true),
    ("clusterrole", "clusterroles.rbac.authorization.k8s.io", false),
    ("clusterrolebinding", "clusterrolebindings.rbac.authorization.k8s.io", false),
];

/// Parses `kind/namespace/name` or `kind/name`.
///
/// # Errors
/// A sentence that shows the form.
pub fn parse_reference(written: &str) -> Result<Reference, String> {
    let wrong = || {
        format!(
            "`{written}` does not name an object; write kind/namespace/name, like deployment/production/api-server, or kind/name for a node"
        )
    };
    let parts: Vec<&str> = written.split('/').collect();
    let (kind, ns, name) = match parts.as_slice() {
        [kind, ns, name] => (*kind, *ns, *name),
        [kind, name] => (*kind, "", *name),
        _ => return Err(wrong()),
    };
    let known = KINDS.iter().find(|k| k.0 == kind.to_lowercase() || k.1 == kind.to_lowercase());
    let Some((_, resource, namespaced)) = known else {
        if kind.contains('.') && !name.is_empty() {
            return Ok(Reference { resource: kind.to_lowercase(), ns: ns.into(), name: name.into() });
        }
        return Err(wrong());
    };
    if name.is_empty() || *namespaced == ns.is_empty() {
        return Err(wrong());
    }
    Ok(Reference { resource: (*resource).into(), ns: ns.into(), name: name.into() })
}

/// The store's resource for an API version and kind, and whether it is namespaced.
pub fn resource_of(api_version: &str, kind: &str) -> (String, bool) {
    if let Some((_, resource, namespaced)) = KINDS.iter().find(|k| k.0 == kind.to_lowercase()) {
        return ((*resource).to_owned(), *namespaced);
    }
    let plural = match kind.to_lowercase() {
        k if k.ends_with('y') => format!("{}ies", &k[..k.len() - 1]),
        k if k.ends_with('s') => format!("{k}es"),
        k => format!("{k}s"),
    };
    let resource = match api_version.split_once('/') {
        Some((group, _)) => format!("{plural}.{group}"),
        None => plural,
    };
    let cluster = matches!(
        kind,
        "CustomResourceDefinition"
            | "APIService"
            | "RuntimeClass"
            | "CSIDriver"
            | "VolumeAttachment"
            | "ValidatingWebhookConfiguration"
            | "MutatingWebhookConfiguration"
            | "CSINode"
            | "FlowSchema"
            | "PriorityLevelConfiguration"
    );
    (resource, !cluster)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_named_as_people_do() {
        let r = parse_reference("deployment/production/api-server").unwrap();
        assert_eq!(
            (r.resource.as_str(), r.ns.as_str(), r.name.as_str()),
            ("deployments.apps", "production", "api-server")
        );
        assert_eq!(parse_reference("node/gpu-worker-001").unwrap().resource, "nodes");
        for wrong in ["pods", "pod/x", "node/a/b", "thing/a/b", "pod//x"] {
            assert!(parse_reference(wrong).is_err(), "{wrong}");
        }
        assert_eq!(
            resource_of("networking.k8s.io/v1", "Ingress"),
            ("ingresses.networking.k8s.io".into(), true)
        );
        assert_eq!(resource_of("acme.io/v1", "Policy"), ("policies.acme.io".into(), true));
    }
}
