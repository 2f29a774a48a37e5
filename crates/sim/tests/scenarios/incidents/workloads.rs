//! Rollouts and the processes in them: what a newcomer sees first, a healthy cluster, deploys that cannot work, a leak.

use serde_json::{Value, json};

use super::{all_ready, gpu_nodes, progressing};
use crate::support::drill::*;

pub fn healthy(drill: &mut Drill) {
    drill.pass(300);
    let nodes = drill.list("nodes", "");
    assert_eq!((nodes.len(), gpu_nodes(drill)), (40, 12));
    assert!(nodes.iter().all(ready));
    let pods = drill.list("pods", "");
    assert!((280..=330).contains(&pods.len()), "{} pods", pods.len());
    for pod in &pods {
        assert!(ready(pod) && restarts(pod) == 0, "{} {}", name(pod), pod["status"]);
    }
    let warnings: Vec<Value> =
        drill.list("events", "").into_iter().filter(|e| e["type"] == "Warning").collect();
    assert_eq!(warnings, Vec::<Value>::new());
    for deployment in drill.list("deployments", "") {
        assert_eq!(condition(&deployment, "Progressing")["reason"], "NewReplicaSetAvailable");
        assert_eq!(condition(&deployment, "Available")["status"], "True");
    }
}

/// The first screen a newcomer sees: a rollout that can't work, a leak, a node in trouble, kube-proxies.
pub fn tour(drill: &mut Drill) {
    let payments = drill.pods("production", "payment-service");
    let counts: Vec<i64> = payments.iter().map(restarts).collect();
    assert!(counts.iter().any(|r| *r >= 6) && counts.iter().any(|r| (2..=4).contains(r)), "{counts:?}");
    let leaking = payments.iter().find(|p| restarts(p) >= 6).unwrap();
    assert_eq!(last_reason(leaking), "OOMKilled");
    let logged = drill.log("production", name(leaking), true);
    assert!(logged.contains("session cache holds"), "{logged}");
    let restarted = drill.pods("kube-system", "kube-proxy").iter().filter(|p| restarts(p) > 0).count();
    assert_eq!(restarted, 3);
    drill.pass(12);
    let stuck = drill.pods("production", "api-server").into_iter().find(|p| !ready(p)).unwrap();
    assert!(waiting(&stuck).contains("api-server:v2.0.1: not found"), "{}", waiting(&stuck));
    drill.pass(78);
    let node = drill.get("nodes", "", "gpu-worker-007");
    assert_eq!(condition(&node, "Ready")["message"], "container runtime is down");
    drill.cordon("gpu-worker-007", true);
    assert_eq!(progressing(drill, "production", "api-server"), "ProgressDeadlineExceeded");

    drill.undo("production", "api-server");
    drill.undo("production", "payment-service");
    drill.pass(1800);
    drill.cordon("gpu-worker-007", false);
    drill.pass(1);
    for app in ["api-server", "payment-service"] {
        assert_eq!(progressing(drill, "production", app), "NewReplicaSetAvailable");
        assert!(drill.pods("production", app).iter().all(|p| ready(p) && restarts(p) == 0), "{app}");
    }
    let node = drill.get("nodes", "", "gpu-worker-007");
    assert!(ready(&node));
    assert_eq!(node["spec"]["taints"].as_array().unwrap().len(), 1, "{}", node["spec"]);
}

/// Failed deployment recovery: its four causes, and the rollback of each.
pub fn failed_deployment(drill: &mut Drill) {
    drill.pass(75);
    let sick = |app: &str| drill.pods("production", app).into_iter().find(|p| !ready(p)).unwrap();
    assert!(waiting(&sick("api-server")).contains("v2.0.1: not found"));
    let previous = |app: &str| drill.log("production", name(&sick(app)), true);
    assert!(previous("web").contains("Error: Cannot find module 'missing-dependency'\n    at Function.Module._resolveFilename (internal/modules/cjs/loader.js:636:15)"));
    assert!(previous("orders").contains("Fatal error: Database connection failed\nError: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local"));
    let probed = drill.events("production", name(&sick("profile")));
    assert!(
        probed.iter().any(|e| e.starts_with("Unhealthy: Readiness probe failed: Get \"http://10.")
            && e.ends_with(":3000: connect: connection refused")),
        "{probed:?}"
    );
    for app in ["api-server", "profile"] {
        assert_eq!(progressing(drill, "production", app), "ProgressDeadlineExceeded", "{app}");
    }
    // The old pods serve on: nothing was taken away before something new was ready.
    assert_eq!(drill.pods("production", "api-server").iter().filter(|p| ready(p)).count(), 3);
    for app in ["api-server", "web", "orders", "profile"] {
        drill.undo("production", app);
    }
    drill.pass(120);
    for app in ["api-server", "web", "orders", "profile"] {
        assert_eq!(progressing(drill, "production", app), "NewReplicaSetAvailable", "{app}");
        assert!(all_ready(drill, "production", app), "{app}");
    }
}

/// Three production challenges 2: OOM at the 2Gi limit after a deploy, the memory in the log, the cache in the heap.
pub fn crashloop_oom(drill: &mut Drill) {
    drill.pass(400);
    let pods = drill.pods("production", "payment-service");
    assert!(pods.iter().all(|p| restarts(p) >= 2 && last_reason(p) == "OOMKilled"));
    assert_eq!(text(&pods[0], "/spec/containers/0/resources/limits/memory"), "2Gi");
    let log = drill.log("production", name(&pods[0]), true);
    for line in ["[WARN] Memory usage: 500MB", "[WARN] Memory usage: 1GB", "[WARN] Memory usage: 1.5GB"] {
        assert!(log.contains(line), "{log}");
    }
    // While it lives, its heap shows what fills it.
    let running = (0..400).find_map(|_| {
        drill.pass(1);
        drill.pods("production", "payment-service").into_iter().find(ready)
    });
    let histogram = drill.exec("production", name(&running.unwrap()), &["jcmd", "1", "GC.class_histogram"]);
    assert!(histogram.out.contains("PaymentTransactionCache$Entry"), "{}", histogram.out);
    let pool =
        histogram.out.lines().find(|l| l.contains("org.postgresql.jdbc.PgConnection")).unwrap_or_default();
    assert_eq!(pool.split_whitespace().nth(1), Some("500"), "{}", histogram.out);
    drill.undo("production", "payment-service");
    drill.pass(300);
    let pods = drill.pods("production", "payment-service");
    assert!(pods.len() == 5 && pods.iter().all(|p| ready(p) && restarts(p) == 0));
}

/// Jobs that are not done: retries used up, a deadline passed, a run that keeps the next ones out.
pub fn job_trouble(drill: &mut Drill) {
    drill.pass(200);
    let failed = |name: &str| {
        let job = drill.get("jobs", "ml-training", name);
        text(condition(&job, "Failed"), "/reason").to_owned()
    };
    assert_eq!(failed("import"), "BackoffLimitExceeded");
    assert_eq!(failed("evaluate"), "DeadlineExceeded");
    let said = drill.events("ml-training", "report");
    assert!(said.iter().any(|s| s.starts_with("JobAlreadyActive")), "{said:#?}");
    assert!(drill.events("ml-training", "cleanup").is_empty(), "it is suspended");

    let runs = || -> Vec<String> {
        let jobs = drill.list("jobs", "ml-training");
        jobs.iter().map(|j| name(j).to_owned()).filter(|n| n.starts_with("report-")).collect()
    };
    let hung = runs();
    assert_eq!(hung.len(), 1, "{hung:?}");
    drill.delete("jobs", "ml-training", &hung[0]);
    drill.pass(90);
    assert!(runs().iter().any(|run| *run != hung[0]), "the next run starts: {:?}", runs());
}

/// A release without its binding: the controller's pod is ready, and each of its requests is refused.
pub fn rbac_running(drill: &mut Drill) {
    drill.pass(90);
    let controller = drill.pod("inference", "model-controller");
    assert!(ready(&controller) && restarts(&controller) == 0);
    let log = drill.log("inference", name(&controller), false);
    assert!(
        log.contains("configmaps is forbidden: User \"system:serviceaccount:inference:model-controller\""),
        "{log}"
    );
    let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": "model-controller", "namespace": "inference"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "model-controller"},
        "subjects": [{"kind": "ServiceAccount", "name": "model-controller", "namespace": "inference"}]});
    drill
        .request(
            "POST",
            "/apis/rbac.authorization.k8s.io/v1/namespaces/inference/rolebindings",
            Some(binding),
        )
        .unwrap();
    drill.restart("deployments", "inference", "model-controller");
    drill.pass(60);
    let log = drill.log("inference", name(&drill.pod("inference", "model-controller")), false);
    assert!(log.lines().last().unwrap().contains("reconciled 3 models"), "{log}");
}

/// A version that is not served any more: the operator that asks for it crashes, and starts once it is served again.
pub fn crd_migration(drill: &mut Drill) {
    drill.pass(120);
    let operator = drill.pod("production", "backup-operator");
    assert!(!ready(&operator) && restarts(&operator) > 1);
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/backups.data.acme.io";
    let read = || -> Value { serde_json::from_str(&drill.request("GET", path, None).unwrap()).unwrap() };
    let mut crd = read();
    assert_eq!(crd["status"]["storedVersions"], json!(["v1beta1", "v1"]));
    for version in crd["spec"]["versions"].as_array_mut().unwrap() {
        version["served"] = json!(true);
    }
    let versions = json!({"spec": {"versions": crd["spec"]["versions"]}});
    drill.request("PATCH", path, Some(versions)).unwrap();
    drill.delete("pods", "production", name(&drill.pod("production", "backup-operator")));
    drill.pass(30);
    assert!(all_ready(drill, "production", "backup-operator"));
}

/// A webhook without a backend: no pod of production can be created, and no pod is there to say so.
pub fn webhook_dead(drill: &mut Drill) {
    drill.pass(120);
    let said = drill.events("production", "cart");
    let words = "failed calling webhook \"image-policy.acme.io\": failed to call webhook: Post \"https://image-policy.security.svc:443/validate?timeout=10s\": no endpoints available for service \"image-policy\"";
    assert!(said.iter().any(|s| s.contains(words)), "{said:#?}");
    assert_eq!(drill.pods("production", "cart").len(), 3, "the old pods go on, no new one is made");
    let elsewhere = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "free", "namespace": "inference"},
        "spec": {"containers": [{"name": "c", "image": "registry.acme.io/shop/cart:v1"}]}});
    drill.create(elsewhere);

    drill.undo("security", "image-policy");
    drill.pass(400);
    let cart = drill.get("deployments", "production", "cart");
    assert_eq!(cart["status"]["updatedReplicas"], 3, "{}", cart["status"]);
    assert!(all_ready(drill, "production", "cart"));
}
