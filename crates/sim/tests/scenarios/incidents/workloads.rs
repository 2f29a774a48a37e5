//! Rollouts and the processes in them: what a newcomer sees first, a healthy cluster, deploys that cannot work, a leak.

use serde_json::Value;

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
