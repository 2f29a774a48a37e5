//! The defaults that the API server writes into objects, as the captured lists show them.
use crate::api::meta::patch::merge_key;
use crate::api::meta::{child, default, descend, object};
use serde_json::{Value, json};

/// Sets the defaults of a new or changed object.
pub fn apply(key: &str, o: &mut Value) {
    match key {
        "pods" => pod_spec(child(o, "spec")),
        "podtemplates" => pod_spec(descend(o, &["template", "spec"])),
        "deployments.apps" => {
            let spec = child(o, "spec");
            default(spec, "replicas", 1);
            default(spec, "revisionHistoryLimit", 10);
            default(spec, "progressDeadlineSeconds", 600);
            let strategy = child(spec, "strategy");
            default(strategy, "type", "RollingUpdate");
            if strategy["type"] == "RollingUpdate" {
                let rolling = child(strategy, "rollingUpdate");
                default(rolling, "maxUnavailable", "25%");
                default(rolling, "maxSurge", "25%");
            }
            template(spec);
        }
        "replicasets.apps" | "replicationcontrollers" => {
            let spec = child(o, "spec");
            default(spec, "replicas", 1);
            template(spec);
        }
        "statefulsets.apps" => {
            let spec = child(o, "spec");
            default(spec, "replicas", 1);
            default(spec, "revisionHistoryLimit", 10);
            default(spec, "podManagementPolicy", "OrderedReady");
            default(
                spec,
                "persistentVolumeClaimRetentionPolicy",
                json!({"whenDeleted": "Retain", "whenScaled": "Retain"}),
            );
            let strategy = child(spec, "updateStrategy");
            default(strategy, "type", "RollingUpdate");
            if strategy["type"] == "RollingUpdate" {
                default(child(strategy, "rollingUpdate"), "partition", 0);
            }
            template(spec);
        }
        "daemonsets.apps" => {
            let spec = child(o, "spec");
            default(spec, "revisionHistoryLimit", 10);
            let strategy = child(spec, "updateStrategy");
            default(strategy, "type", "RollingUpdate");
            if strategy["type"] == "RollingUpdate" {
                let rolling = child(strategy, "rollingUpdate");
                default(rolling, "maxUnavailable", 1);
                default(rolling, "maxSurge", 0);
            }
            template(spec);
        }
        "jobs.batch" => job(child(o, "spec")),
        "cronjobs.batch" => {
            let spec = child(o, "spec");
            default(spec, "concurrencyPolicy", "Allow");
            default(spec, "suspend", false);
            default(spec, "successfulJobsHistoryLimit", 3);
            default(spec, "failedJobsHistoryLimit", 1);
            template(descend(spec, &["jobTemplate", "spec"]));
        }
        "services" => service(child(o, "spec")),
        "secrets" => default(o, "type", "Opaque"),
        "persistentvolumeclaims" => default(child(o, "spec"), "volumeMode", "Filesystem"),
        "persistentvolumes" => {
            let spec = child(o, "spec");
            default(spec, "volumeMode", "Filesystem");
            default(spec, "persistentVolumeReclaimPolicy", "Retain");
        }
        "storageclasses.storage.k8s.io" => {
            default(o, "reclaimPolicy", "Delete");
            default(o, "volumeBindingMode", "Immediate");
        }
        "priorityclasses.scheduling.k8s.io" => default(o, "preemptionPolicy", "PreemptLowerPriority"),
        "horizontalpodautoscalers.autoscaling" => default(child(o, "spec"), "minReplicas", 1),
        "namespaces" => {
            let name = o["metadata"]["name"].clone();
            let labels = child(child(o, "metadata"), "labels");
            object(labels).insert("kubernetes.io/metadata.name".into(), name);
        }
        "roles.rbac.authorization.k8s.io" | "clusterroles.rbac.authorization.k8s.io" => {
            default(o, "rules", Value::Array(Vec::new()));
        }
        "rolebindings.rbac.authorization.k8s.io" | "clusterrolebindings.rbac.authorization.k8s.io" => {
            default(child(o, "roleRef"), "apiGroup", "rbac.authorization.k8s.io");
            for subject in elements(o, "subjects") {
                if subject["kind"] != "ServiceAccount" {
                    default(subject, "apiGroup", "rbac.authorization.k8s.io");
                }
            }
        }
        _ => {}
    }
}

/// Sets the fields of new objects only: the first status, and the finalizer of a namespace.
pub fn first(key: &str, o: &mut Value) {
    match key {
        "pods" => {
            let qos = qos_class(&o["spec"]);
            let status = child(o, "status");
            default(status, "phase", "Pending");
            default(status, "qosClass", qos);
        }
        "namespaces" => {
            default(child(o, "spec"), "finalizers", json!(["kubernetes"]));
            default(child(o, "status"), "phase", "Active");
        }
        "persistentvolumeclaims" => default(child(o, "status"), "phase", "Pending"),
        "persistentvolumes" => default(child(o, "status"), "phase", "Pending"),
        "services" => default(o, "status", json!({"loadBalancer": {}})),
        "deployments.apps" | "poddisruptionbudgets.policy" | "jobs.batch" | "cronjobs.batch" | "nodes" => {
            child(o, "status");
        }
        "replicasets.apps" | "replicationcontrollers" | "statefulsets.apps" => {
            default(child(o, "status"), "replicas", 0);
        }
        "daemonsets.apps" => {
            let status = child(o, "status");
            for key in
                ["currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady"]
            {
                default(status, key, 0);
            }
        }
        "customresourcedefinitions.apiextensions.k8s.io" => {
            let names = o["spec"]["names"].clone();
            let versions: Vec<Value> = o["spec"]["versions"]
                .as_array()
                .into_iter()
                .flatten()
                .filter(|v| v["storage"] == true)
                .map(|v| v["name"].clone())
                .collect();
            let now = o["metadata"]["creationTimestamp"].clone();
            let condition = |kind: &str, reason: &str, message: &str| json!({"type": kind, "status": "True", "lastTransitionTime": now, "reason": reason, "message": message});
            let status = json!({"acceptedNames": names, "storedVersions": versions, "conditions": [
                condition("NamesAccepted", "NoConflicts", "no conflicts found"),
                condition("Established", "InitialNamesAccepted", "the initial names have been accepted")]});
            object(o).insert("status".into(), status);
        }
        _ => {}
    }
}

fn elements<'a>(o: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    o.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

fn template(spec: &mut Value) {
    if !spec["template"].is_object() {
        return;
    }
    child(descend(spec, &["template"]), "metadata");
    pod_spec(descend(spec, &["template", "spec"]));
}

fn job(spec: &mut Value) {
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        default(spec, "completions", 1);
    }
    default(spec, "parallelism", 1);
    default(spec, "backoffLimit", 6);
    default(spec, "completionMode", "NonIndexed");
    default(spec, "suspend", false);
    default(spec, "podReplacementPolicy", "TerminatingOrFailed");
    template(spec);
}

fn service(spec: &mut Value) {
    default(spec, "type", "ClusterIP");
    default(spec, "sessionAffinity", "None");
    if spec["type"] != "ExternalName" {
        default(spec, "internalTrafficPolicy", "Cluster");
        default(spec, "ipFamilies", json!(["IPv4"]));
        default(spec, "ipFamilyPolicy", "SingleStack");
    }
    for port in elements(spec, "ports") {
        default(port, "protocol", "TCP");
        let number = port["port"].clone();
        default(port, "targetPort", number);
    }
}

fn pod_spec(spec: &mut Value) {
    default(spec, "restartPolicy", "Always");
    default(spec, "terminationGracePeriodSeconds", 30);
    default(spec, "dnsPolicy", "ClusterFirst");
    child(spec, "securityContext");
    default(spec, "schedulerName", "default-scheduler");
    if let (true, account) = (spec["serviceAccount"].is_null(), spec["serviceAccountName"].clone())
        && account.is_string()
    {
        default(spec, "serviceAccount", account);
    }
    for list in ["initContainers", "containers", "ephemeralContainers"] {
        for container in elements(spec, list) {
            self::container(container);
        }
    }
    for volume in elements(spec, "volumes") {
        for (kind, key) in [
            ("configMap", "defaultMode"),
            ("secret", "defaultMode"),
            ("projected", "defaultMode"),
            ("downwardAPI", "defaultMode"),
        ] {
            if volume[kind].is_object() {
                default(child(volume, kind), key, 420);
            }
        }
        if volume["hostPath"].is_object() {
            default(child(volume, "hostPath"), "type", "");
        }
    }
}

fn container(container: &mut Value) {
    if !container.is_object() {
        return;
    }
    default(container, "terminationMessagePath", "/dev/termination-log");
    default(container, "terminationMessagePolicy", "File");
    let latest = container["image"].as_str().is_none_or(|image| {
        let name = image.rsplit('/').next().unwrap_or(image);
        !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
    });
    default(container, "imagePullPolicy", if latest { "Always" } else { "IfNotPresent" });
    let resources = child(container, "resources");
    // A limit without a request is also the request.
    if let Some(limits) = resources["limits"].as_object().cloned() {
        let requests = child(resources, "requests");
        for (name, amount) in limits {
            default(requests, &name, amount);
        }
    }
    let has_host_port = merge_key("ports", container["ports"].as_array().map_or(&[], |p| p)).is_some();
    if has_host_port {
        for port in elements(container, "ports") {
            default(port, "protocol", "TCP");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if !container[probe].is_object() {
            continue;
        }
        let probe = child(container, probe);
        default(probe, "timeoutSeconds", 1);
        default(probe, "periodSeconds", 10);
        default(probe, "successThreshold", 1);
        default(probe, "failureThreshold", 3);
        if probe["httpGet"].is_object() {
            let http = child(probe, "httpGet");
            default(http, "path", "/");
            default(http, "scheme", "HTTP");
        }
    }
    for env in elements(container, "env") {
        let source = child_if(env, "valueFrom").and_then(|s| child_if(s, "fieldRef"));
        if let Some(field) = source {
            default(field, "apiVersion", "v1");
        }
    }
}

fn child_if<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    value.get_mut(key).filter(|v| v.is_object())
}

/// Guaranteed, Burstable or BestEffort.
pub fn qos_class(spec: &Value) -> &'static str {
    let containers = || {
        ["containers", "initContainers"].into_iter().flat_map(|k| spec[k].as_array().into_iter().flatten())
    };
    let has = |c: &Value, kind: &str, what: &str| !c["resources"][kind][what].is_null();
    let any =
        |c: &Value| ["requests", "limits"].iter().any(|k| ["cpu", "memory"].iter().any(|w| has(c, k, w)));
    let full = |c: &Value| {
        ["cpu", "memory"].iter().all(|w| {
            let (request, limit) = (&c["resources"]["requests"][w], &c["resources"]["limits"][w]);
            !limit.is_null() && (request.is_null() || request == limit)
        })
    };
    if !containers().any(any) {
        "BestEffort"
    } else if containers().all(full) {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deployment_gets_what_the_captured_ones_have() {
        let mut d = json!({"spec": {"selector": {}, "template": {"spec": {"containers": [
            {"name": "c", "image": "localhost:5000/busybox:1", "resources": {"limits": {"memory": "180Mi"}},
             "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}, "periodSeconds": 2}}]}}}});
        apply("deployments.apps", &mut d);
        assert_eq!(
            d["spec"]["strategy"]["rollingUpdate"],
            json!({"maxSurge": "25%", "maxUnavailable": "25%"})
        );
        let pod = &d["spec"]["template"]["spec"];
        assert_eq!((&pod["restartPolicy"], &pod["dnsPolicy"]), (&json!("Always"), &json!("ClusterFirst")));
        let c = &pod["containers"][0];
        assert_eq!(
            (&c["imagePullPolicy"], &c["resources"]["requests"]["memory"]),
            (&json!("IfNotPresent"), &json!("180Mi"))
        );
        assert_eq!(
            c["readinessProbe"],
            json!({"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTP"},
            "timeoutSeconds": 1, "periodSeconds": 2, "successThreshold": 1, "failureThreshold": 3})
        );
        assert_eq!(qos_class(pod), "Burstable");
        let again = d.clone();
        apply("deployments.apps", &mut d);
        assert_eq!(d, again);
    }

    #[test]
    fn nonsense_is_left_for_validation() {
        for bad in [
            json!({"spec": 7}),
            json!({"spec": {"containers": [1, "x", null]}}),
            json!({"spec": {"containers": {}}}),
        ] {
            for key in ["pods", "deployments.apps", "services", "jobs.batch", "namespaces"] {
                let mut o = bad.clone();
                apply(key, &mut o);
                first(key, &mut o);
            }
        }
    }
}
