//! Authorization: RBAC evaluated from the stored roles and bindings.
use super::auth::{MASTERS, User};
use crate::api::meta::status::Status;
use crate::api::meta::{items, text};
use crate::api::store::{Object, Store};
use crate::api::wire::request::RequestInfo;
use serde_json::{Value, json};

const GROUP: &str = "rbac.authorization.k8s.io";

/// A request as a rule sees it.
#[derive(Clone, Debug, Default)]
pub struct Asked<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub name: &'a str,
    pub namespace: &'a str,
    /// Set for requests without a resource.
    pub path: &'a str,
}

impl<'a> Asked<'a> {
    pub fn of(info: &'a RequestInfo) -> Self {
        if !info.about_resource() {
            return Asked { verb: info.verb, path: &info.path, ..Asked::default() };
        }
        Asked {
            verb: info.verb,
            group: &info.group,
            resource: &info.resource,
            subresource: &info.subresource,
            name: &info.name,
            namespace: &info.namespace,
            path: "",
        }
    }
}

/// Whether a rule of `user` allows the request.
pub fn allowed(store: &Store, user: &User, asked: &Asked) -> bool {
    user.is_in(MASTERS) || rules(store, user, asked.namespace).iter().any(|rule| allows(rule, asked))
}

/// 403 unless the request is allowed.
pub fn authorize(store: &Store, user: &User, asked: &Asked) -> Result<(), Status> {
    if allowed(store, user, asked) {
        return Ok(());
    }
    Err(denied(&user.name, asked))
}

/// 403 with the text of the real authorizer.
pub fn denied(user: &str, asked: &Asked) -> Status {
    if !asked.path.is_empty() {
        let text = format!("forbidden: User \"{}\" cannot {} path \"{}\"", user, asked.verb, asked.path);
        return Status::failure(403, "Forbidden", text).with_details(Default::default());
    }
    let resource = match asked.subresource {
        "" => asked.resource.to_string(),
        sub => format!("{}/{sub}", asked.resource),
    };
    let place = match asked.namespace {
        "" => "at the cluster scope".to_string(),
        ns => format!("in the namespace \"{ns}\""),
    };
    let why = format!(
        "User \"{}\" cannot {} resource \"{resource}\" in API group \"{}\" {place}",
        user, asked.verb, asked.group
    );
    let qualified = match asked.group {
        "" => asked.resource.to_string(),
        group => format!("{}.{group}", asked.resource),
    };
    Status::forbidden(&qualified, asked.name, why)
}

/// The rules of a user: cluster-wide, and of a namespace if one is given.
pub fn rules(store: &Store, user: &User, namespace: &str) -> Vec<Value> {
    let key = |plural: &str| format!("{plural}.{GROUP}");
    let mut bindings: Vec<Object> = store.list(&key("clusterrolebindings"), None);
    if !namespace.is_empty() {
        bindings.extend(store.list(&key("rolebindings"), Some(namespace)));
    }
    let mut rules = Vec::new();
    for binding in bindings {
        if !items(&binding, "subjects")
            .any(|s| is_subject(s, user, text(&binding, &["metadata", "namespace"])))
        {
            continue;
        }
        let name = text(&binding, &["roleRef", "name"]);
        let role = match text(&binding, &["roleRef", "kind"]) {
            "ClusterRole" => store.get(&key("clusterroles"), "", name),
            _ => store.get(&key("roles"), namespace, name),
        };
        if let Some(role) = role {
            rules.extend(items(&role, "rules").cloned());
        }
    }
    rules
}

fn is_subject(subject: &Value, user: &User, binding_ns: &str) -> bool {
    let name = text(subject, &["name"]);
    match text(subject, &["kind"]) {
        "User" => name == user.name,
        "Group" => user.is_in(name),
        "ServiceAccount" => {
            let ns = Some(text(subject, &["namespace"])).filter(|ns| !ns.is_empty()).unwrap_or(binding_ns);
            user.name == format!("system:serviceaccount:{ns}:{name}")
        }
        _ => false,
    }
}

fn has(rule: &Value, key: &str, wanted: &str) -> bool {
    items(rule, key).any(|v| v == "*" || v == wanted)
}

/// Whether one rule allows the request.
pub fn allows(rule: &Value, asked: &Asked) -> bool {
    if !has(rule, "verbs", asked.verb) {
        return false;
    }
    if !asked.path.is_empty() {
        return items(rule, "nonResourceURLs").filter_map(Value::as_str).any(|url| {
            match url.strip_suffix('*') {
                Some(prefix) => asked.path.starts_with(prefix),
                None => asked.path == url,
            }
        });
    }
    let resource = match asked.subresource {
        "" => asked.resource.to_string(),
        sub => format!("{}/{sub}", asked.resource),
    };
    let any_parent = format!("*/{}", asked.subresource);
    let resource_fits = items(rule, "resources")
        .filter_map(Value::as_str)
        .any(|r| r == "*" || r == resource || (!asked.subresource.is_empty() && r == any_parent));
    let names = items(rule, "resourceNames").count();
    has(rule, "apiGroups", asked.group)
        && resource_fits
        && (names == 0 || items(rule, "resourceNames").any(|n| n == asked.name))
}

/// The default roles of every cluster with their bindings, as resource key and object.
pub fn bootstrap() -> Vec<(String, Value)> {
    let role = |name: &str, rules: Value| {
        let object = json!({"metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}}, "rules": rules});
        (format!("clusterroles.{GROUP}"), object)
    };
    let bind = |name: &str, group: &str| {
        let object = json!({"metadata": {"name": name, "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}},
            "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": GROUP, "kind": "Group", "name": group}]});
        (format!("clusterrolebindings.{GROUP}"), object)
    };
    let read = ["get", "list", "watch"];
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    let core = [
        "bindings",
        "configmaps",
        "endpoints",
        "events",
        "limitranges",
        "namespaces/status",
        "persistentvolumeclaims",
        "persistentvolumeclaims/status",
        "pods",
        "pods/log",
        "pods/status",
        "replicationcontrollers",
        "replicationcontrollers/scale",
        "replicationcontrollers/status",
        "resourcequotas",
        "resourcequotas/status",
        "serviceaccounts",
        "services",
        "services/status",
        "namespaces",
    ];
    let apps = [
        "controllerrevisions",
        "daemonsets",
        "daemonsets/status",
        "deployments",
        "deployments/scale",
        "deployments/status",
        "replicasets",
        "replicasets/scale",
        "replicasets/status",
        "statefulsets",
        "statefulsets/scale",
        "statefulsets/status",
    ];
    let view = json!([
        {"apiGroups": [""], "resources": core, "verbs": read},
        {"apiGroups": ["apps"], "resources": apps, "verbs": read},
        {"apiGroups": ["batch"], "resources": ["cronjobs", "cronjobs/status", "jobs", "jobs/status"], "verbs": read},
        {"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers", "horizontalpodautoscalers/status"], "verbs": read},
        {"apiGroups": ["policy"], "resources": ["poddisruptionbudgets", "poddisruptionbudgets/status"], "verbs": read},
        {"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "ingresses/status", "networkpolicies"], "verbs": read},
        {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": read},
        {"apiGroups": ["events.k8s.io"], "resources": ["events"], "verbs": read},
        {"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": read}
    ]);
    let mut edit = view.as_array().cloned().unwrap_or_default();
    edit.extend([
        json!({"apiGroups": [""], "resources": ["pods/attach", "pods/exec", "pods/portforward", "pods/proxy", "secrets", "services/proxy"], "verbs": read}),
        json!({"apiGroups": [""], "resources": ["configmaps", "events", "persistentvolumeclaims", "pods", "pods/attach", "pods/exec",
            "pods/portforward", "pods/proxy", "pods/resize", "pods/ephemeralcontainers", "replicationcontrollers", "replicationcontrollers/scale", "secrets",
            "serviceaccounts", "services", "services/proxy"], "verbs": write}),
        json!({"apiGroups": [""], "resources": ["pods/eviction", "serviceaccounts/token"], "verbs": ["create"]}),
        json!({"apiGroups": ["apps"], "resources": ["daemonsets", "deployments", "deployments/rollback", "deployments/scale",
            "replicasets", "replicasets/scale", "statefulsets", "statefulsets/scale"], "verbs": write}),
        json!({"apiGroups": ["batch"], "resources": ["cronjobs", "jobs"], "verbs": write}),
        json!({"apiGroups": ["autoscaling"], "resources": ["horizontalpodautoscalers"], "verbs": write}),
        json!({"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": write}),
        json!({"apiGroups": ["networking.k8s.io"], "resources": ["ingresses", "networkpolicies"], "verbs": write}),
    ]);
    let mut admin = edit.clone();
    admin.push(json!({"apiGroups": [GROUP], "resources": ["rolebindings", "roles"], "verbs": ["*"]}));
    // The rules in captures/authz/ssrr.json, which every user has.
    let basic = json!([
        {"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews", "selfsubjectrulesreviews"], "verbs": ["create"]},
        {"apiGroups": ["authentication.k8s.io"], "resources": ["selfsubjectreviews"], "verbs": ["create"]}
    ]);
    let discovery = json!([{"nonResourceURLs": ["/api", "/api/*", "/apis", "/apis/*", "/healthz", "/livez", "/openapi", "/openapi/*",
        "/readyz", "/version", "/version/"], "verbs": ["get"]}]);
    let public = json!([{"nonResourceURLs": ["/healthz", "/livez", "/readyz", "/version", "/version/"], "verbs": ["get"]}]);
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}, {"nonResourceURLs": ["*"], "verbs": ["*"]}]);
    vec![
        role("cluster-admin", everything),
        role("admin", json!(admin)),
        role("edit", json!(edit)),
        role("view", view),
        role("system:basic-user", basic),
        role("system:discovery", discovery),
        role("system:public-info-viewer", public),
        bind("cluster-admin", MASTERS),
        bind("system:basic-user", "system:authenticated"),
        bind("system:discovery", "system:authenticated"),
        bind("system:public-info-viewer", "system:authenticated"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::SimClock;

    #[test]
    fn rules_come_from_bindings_and_denials_are_worded_as_the_real_ones() {
        let store = Store::new(SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap()));
        for (key, object) in bootstrap() {
            store.create(&key, "", object).unwrap();
        }
        store.create("namespaces", "", json!({"metadata": {"name": "prod"}})).unwrap();
        store
            .create(&format!("rolebindings.{GROUP}"), "prod", json!({"metadata": {"name": "v"},
                "roleRef": {"kind": "ClusterRole", "name": "view"}, "subjects": [{"kind": "User", "name": "viewer"}]}))
            .unwrap();
        let viewer = User::new("viewer", &[]);
        let pods = |verb, namespace| Asked { verb, resource: "pods", namespace, ..Asked::default() };
        assert!(allowed(&store, &viewer, &pods("list", "prod")));
        assert!(!allowed(&store, &viewer, &pods("delete", "prod")));
        assert!(allowed(&store, &User::new("root", &[MASTERS]), &pods("delete", "prod")));
        // captures/errors/403-list-pods.json and 403-patch-node.json
        let denied = authorize(&store, &viewer, &pods("list", "")).unwrap_err();
        assert_eq!(
            denied.message,
            "pods is forbidden: User \"viewer\" cannot list resource \"pods\" in API group \"\" at the cluster scope"
        );
        let patch = Asked { verb: "patch", resource: "nodes", name: "gpu-worker-042", ..Asked::default() };
        assert_eq!(
            authorize(&store, &viewer, &patch).unwrap_err().message,
            "nodes \"gpu-worker-042\" is forbidden: User \"viewer\" cannot patch resource \"nodes\" in API group \"\" at the cluster scope"
        );
    }

    #[test]
    fn subresources_and_names_are_matched() {
        let rule = json!({"apiGroups": [""], "resources": ["pods", "*/scale"], "resourceNames": ["a"], "verbs": ["get"]});
        let ask = |resource, subresource, name| Asked {
            verb: "get",
            resource,
            subresource,
            name,
            ..Asked::default()
        };
        assert!(allows(&rule, &ask("pods", "", "a")) && !allows(&rule, &ask("pods", "", "b")));
        assert!(!allows(&rule, &ask("pods", "log", "a")) && allows(&rule, &ask("x", "scale", "a")));
    }
}
