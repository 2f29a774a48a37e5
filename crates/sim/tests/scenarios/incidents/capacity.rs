//! Room and permission: neighbours that are pushed out, a quota used up, pods that cannot be placed, a role too narrow.

use serde_json::{Value, json};

use super::all_ready;
use crate::support::drill::*;

/// Three production challenges 1: dev 10 → 20 GB of 48, then the neighbours are evicted and the culprit runs on.
pub fn namespace_bleed(drill: &mut Drill) {
    let gigabytes = |ns: &str| {
        let path = format!("/apis/metrics.k8s.io/v1beta1/namespaces/{ns}/pods");
        let usage: Value = serde_json::from_str(&drill.request("GET", &path, None).unwrap()).unwrap();
        let containers =
            usage["items"].as_array().unwrap().iter().flat_map(|p| p["containers"].as_array().unwrap());
        let kib = |c: &Value| text(c, "/usage/memory").trim_end_matches("Ki").parse::<f64>().unwrap();
        (containers.map(kib).sum::<f64>() / 1_048_576.0).round()
    };
    assert_eq!([gigabytes("dev"), gigabytes("qa"), gigabytes("prod")], [10.0, 5.0, 8.0]);
    drill.pass(65);
    assert_eq!([gigabytes("dev"), gigabytes("qa"), gigabytes("prod")], [20.0, 5.0, 8.0]);
    assert!(drill.list("nodes", "").iter().all(|n| condition(n, "MemoryPressure")["status"] == "False"));
    drill.pass(120);
    let pressed =
        drill.list("nodes", "").into_iter().filter(|n| condition(n, "MemoryPressure")["status"] == "True");
    assert!(pressed.count() >= 1);
    for (ns, victim) in [("qa", "qa-api"), ("prod", "prod-database")] {
        let evicted = drill.events(ns, victim).into_iter().filter(|e| {
            e.starts_with(
                "Evicted: The node was low on resource: memory. Threshold quantity: 100Mi, available: ",
            )
        });
        assert!(evicted.count() >= 1, "{victim}");
        assert!(!all_ready(drill, ns, victim), "{victim}");
    }
    let culprits = drill.pods("dev", "payment-service");
    assert!(culprits.iter().all(|p| ready(p) && restarts(p) == 0), "the culprit runs on");

    // The fences: a quota for dev, limits for the leak. Now it dies of its own leak, and nobody else does.
    drill.create(json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "dev-quota", "namespace": "dev"},
            "spec": {"hard": {"requests.memory": "10Gi", "requests.cpu": "8", "limits.memory": "12Gi", "limits.cpu": "10", "pods": "50"}}}));
    let resources =
        json!({"requests": {"memory": "512Mi", "cpu": "250m"}, "limits": {"memory": "1Gi", "cpu": "500m"}});
    drill.set_container("deployments", "dev", "payment-service", json!({"resources": resources}));
    for culprit in &culprits {
        drill.delete("pods", "dev", name(culprit));
    }
    // The pressure is over five minutes after it was last felt; until then nothing without requests is placed there.
    drill.pass(600);
    assert!(drill.pods("dev", "payment-service").iter().any(|p| last_reason(p) == "OOMKilled"));
    assert!(all_ready(drill, "prod", "prod-database"), "nobody else dies of it");
    drill.set_container(
        "deployments",
        "dev",
        "payment-service",
        json!({"image": "registry.acme.io/payment-service:1.1"}),
    );
    for pod in drill.list("pods", "").iter().filter(|p| p["status"]["reason"] == "Evicted") {
        drill.delete("pods", text(pod, "/metadata/namespace"), name(pod));
    }
    drill.pass(400);
    assert!(drill.list("nodes", "").iter().all(|n| condition(n, "MemoryPressure")["status"] == "False"));
    for (ns, app, count) in [
        ("dev", "payment-service", 3),
        ("qa", "qa-api", 3),
        ("prod", "prod-database", 3),
        ("prod", "shop", 3),
    ] {
        let pods = drill.pods(ns, app);
        assert!(pods.len() == count && pods.iter().all(ready), "{app}: {}", pods.len());
    }
}

/// Three production challenges 1, the quota: used 10Gi of 10Gi, and no pod to look at.
pub fn quota_exhausted(drill: &mut Drill) {
    drill.pass(30);
    let stuck = drill.get("deployments", "dev", "payment-service");
    let why = text(condition(&stuck, "ReplicaFailure"), "/message");
    assert!(why.contains("is forbidden: exceeded quota: dev-quota, requested: limits.memory=2Gi,requests.memory=2Gi, used: limits.memory=10Gi,requests.memory=10Gi, limited: limits.memory=12Gi,requests.memory=10Gi")
            || why.contains("is forbidden: exceeded quota: dev-quota, requested: requests.memory=2Gi, used: requests.memory=10Gi, limited: requests.memory=10Gi"), "{why}");
    assert_eq!(drill.pods("dev", "payment-service").len(), 2);
    let quota = drill.get("resourcequotas", "dev", "dev-quota");
    assert_eq!(
        (&quota["status"]["used"]["requests.memory"], &quota["status"]["hard"]["requests.memory"]),
        (&"10Gi".into(), &"10Gi".into())
    );
    drill.patch(
        "resourcequotas",
        "dev",
        "dev-quota",
        json!({"spec": {"hard": {"requests.memory": "20Gi", "limits.memory": "24Gi"}}}),
    );
    drill.pass(60);
    assert_eq!(drill.get("deployments", "dev", "payment-service")["status"]["readyReplicas"], 5);
}

/// One pod for each reason, its words, and what it asks for.
pub fn pending_everything(drill: &mut Drill) {
    drill.pass(20);
    let why = |ns: &str, pod: &str| {
        text(condition(&drill.get("pods", ns, pod), "PodScheduled"), "/message").to_owned()
    };
    for (ns, pod, want) in [
        ("production", "too-much-cpu", "Insufficient cpu"),
        ("ml-training", "too-many-gpus", "Insufficient nvidia.com/gpu"),
        ("production", "wrong-selector", "6 node(s) didn't match Pod's node affinity/selector"),
        ("production", "only-tainted", "3 node(s) had untolerated taint(s)"),
        ("production", "port-taken", "1 node(s) didn't have free ports for the requested pod ports"),
        ("production", "spread-out", "9 node(s) didn't match pod topology spread constraints"),
        ("ml-training", "waits-for-claim", "pod has unbound immediate PersistentVolumeClaims"),
        ("ml-training", "claim-missing", "persistentvolumeclaim \"models-v2\" not found"),
        ("production", "gated", "Scheduling is blocked due to non-empty scheduling gates"),
    ] {
        assert!(why(ns, pod).contains(want), "{pod}: {}", why(ns, pod));
    }
    drill.patch("nodes", "", "worker-004", json!({"metadata": {"labels": {"disktype": "ssd"}}}));
    drill.patch("nodes", "", "gpu-worker-001", json!({"spec": {"taints": null}}));
    drill.delete("pods", "production", "port-holder");
    drill.create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast-ssd"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}));
    drill.create(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "models-v2", "namespace": "ml-training"},
            "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gp3", "resources": {"requests": {"storage": "10Gi"}}}}));
    drill.patch("pods", "production", "gated", json!({"spec": {"schedulingGates": null}}));
    // What nothing here has room for is asked for again, smaller.
    for (ns, pod, resources) in [
        ("production", "too-much-cpu", json!({"requests": {"cpu": "2"}})),
        ("ml-training", "too-many-gpus", json!({"limits": {"nvidia.com/gpu": 8}})),
    ] {
        drill.delete("pods", ns, pod);
        drill.create(json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod, "namespace": ns}, "spec": {
                "tolerations": [{"operator": "Exists"}], "containers": [{"name": "c", "image": "registry.acme.io/x:1", "resources": resources}]}}));
    }
    drill.pass(120);
    for (ns, pod) in [
        ("production", "too-much-cpu"),
        ("ml-training", "too-many-gpus"),
        ("production", "wrong-selector"),
        ("production", "only-tainted"),
        ("production", "port-taken"),
        ("ml-training", "waits-for-claim"),
        ("ml-training", "claim-missing"),
        ("production", "gated"),
    ] {
        assert!(ready(&drill.get("pods", ns, pod)), "{pod}: {}", why(ns, pod));
    }
}

/// A role that reads pods in one namespace; a workload that may not list secrets, until it is bound to a role.
pub fn rbac_restricted(drill: &mut Drill) {
    let may = |user: Value, resource: &str, ns: &str| {
        let mut spec = json!({"resourceAttributes": {"verb": "list", "resource": resource, "namespace": ns}});
        spec.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
        let review =
            json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec});
        let path = "/apis/authorization.k8s.io/v1/subjectaccessreviews";
        let answer: Value =
            serde_json::from_str(&drill.request("POST", path, Some(review)).unwrap()).unwrap();
        answer["status"]["allowed"] == true
    };
    let reader = || json!({"user": "eve", "groups": ["readers", "system:authenticated"]});
    assert!(may(reader(), "pods", "production"));
    assert!(
        !may(reader(), "pods", "ml-training")
            && !may(reader(), "nodes", "")
            && !may(reader(), "secrets", "production")
    );
    let account =
        || json!({"user": "system:serviceaccount:production:reporter", "groups": ["system:serviceaccounts"]});
    assert!(!may(account(), "secrets", "production"));
    drill.pass(60);
    let log = drill.log("production", name(&drill.pod("production", "reporter")), false);
    assert!(log.contains("secrets is forbidden: User \"system:serviceaccount:production:reporter\" cannot list resource \"secrets\""), "{log}");
    drill.create(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "reporter", "namespace": "production"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "secret-lister"},
            "subjects": [{"kind": "ServiceAccount", "name": "reporter", "namespace": "production"}]}));
    drill.create(json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "secret-lister", "namespace": "production"},
            "rules": [{"apiGroups": [""], "resources": ["secrets"], "verbs": ["list"]}]}));
    assert!(may(account(), "secrets", "production") && !may(account(), "secrets", "ml-training"));
    drill.restart("deployments", "production", "reporter");
    drill.pass(60);
    let log = drill.log("production", name(&drill.pod("production", "reporter")), false);
    assert!(log.contains("reported") && !log.contains("forbidden"), "{log}");
}
