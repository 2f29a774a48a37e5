//! Findings with one root are one incident: its root, what follows from it, and how far it reaches.

use crate::support::captures;
use khud::detect::report::Scan;
use khud::detect::timeline::{Entry, What};
use khud::detect::{DetectConfig, Detector, Incident};
use khud::world::{Delta, Kind, Time, World};
use serde_json::{Value, json};

const AT: &str = "2026-11-21T01:50:00Z";

fn now() -> Time {
    Time::parse("2026-11-21T02:00:00Z").unwrap()
}

/// A cluster of a few workloads, as the API would list them.
#[derive(Default)]
struct Town {
    objects: Vec<(Kind, Value)>,
    logs: Vec<(String, String)>,
}

impl Town {
    fn put(&mut self, kind: Kind, object: Value) {
        self.objects.push((kind, object));
    }

    /// A Deployment with its ReplicaSet and one pod, and a Service before it.
    fn workload(&mut self, ns: &str, name: &str, status: Value, ready: bool) {
        let labels = json!({"app": name});
        let spec = json!({"containers": [{"name": "app", "image": format!("r.example.com/{name}:v1")}]});
        let template = json!({"metadata": {"labels": labels}, "spec": spec});
        let meta = |kind: &str, name: &str, owner: Option<(&str, String)>| {
            let mut meta = json!({
                "namespace": ns, "name": name, "uid": format!("{kind}-{ns}-{name}"), "labels": labels,
                "creationTimestamp": "2026-11-20T00:00:00Z", "generation": 1,
            });
            if let Some((kind, owner)) = owner {
                let uid = format!("{kind}-{ns}-{owner}");
                let owner = json!({"apiVersion": "apps/v1", "kind": kind, "name": owner, "uid": uid, "controller": true});
                meta["ownerReferences"] = json!([owner]);
            }
            meta
        };
        let ready_count = u32::from(ready);
        self.put(
            Kind::Deployment,
            json!({
                "metadata": meta("Deployment", name, None),
                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
                "status": {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1,
                           "readyReplicas": ready_count, "availableReplicas": ready_count},
            }),
        );
        let set = format!("{name}-1");
        self.put(
            Kind::ReplicaSet,
            json!({
                "metadata": meta("ReplicaSet", &set, Some(("Deployment", name.to_owned()))),
                "spec": {"replicas": 1, "selector": {"matchLabels": labels}, "template": template},
                "status": {"replicas": 1, "readyReplicas": ready_count},
            }),
        );
        let mut pod_spec = spec.clone();
        pod_spec["nodeName"] = json!("n1");
        pod_spec["restartPolicy"] = json!("Always");
        let condition = json!({"type": "Ready", "status": if ready { "True" } else { "False" }, "lastTransitionTime": AT});
        self.put(
            Kind::Pod,
            json!({
                "metadata": meta("Pod", &format!("{set}-x"), Some(("ReplicaSet", set.clone()))),
                "spec": pod_spec,
                "status": {"phase": "Running", "startTime": AT, "conditions": [condition], "containerStatuses": [status]},
            }),
        );
        self.put(
            Kind::Service,
            json!({
                "metadata": {"namespace": ns, "name": name, "uid": format!("svc-{ns}-{name}"), "creationTimestamp": "2026-11-20T00:00:00Z"},
                "spec": {"selector": labels, "ports": [{"port": 80}], "type": "ClusterIP"},
            }),
        );
        self.put(
            Kind::EndpointSlice,
            json!({
                "metadata": {"namespace": ns, "name": format!("{name}-s"), "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": ready}}],
                "ports": [{"port": 80}],
            }),
        );
    }

    fn well(&mut self, ns: &str, name: &str) {
        let running = json!({"running": {"startedAt": "2026-11-20T00:00:00Z"}});
        let status =
            json!({"name": "app", "ready": true, "started": true, "restartCount": 0, "state": running});
        self.workload(ns, name, status, true);
    }

    fn crashing(&mut self, ns: &str, name: &str, log: &str) {
        let ended = json!({"terminated": {"exitCode": 1, "reason": "Error", "startedAt": "2026-11-21T01:58:00Z", "finishedAt": "2026-11-21T01:58:20Z"}});
        let waiting = json!({"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m0s"}});
        let status = json!({
            "name": "app", "ready": false, "started": false, "restartCount": 6, "state": waiting, "lastState": ended,
        });
        self.workload(ns, name, status, false);
        self.logs.push((format!("{name}-1-x"), log.to_owned()));
    }

    fn look(&self) -> Scan {
        let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
        let node = json!({
            "metadata": {"name": "n1", "uid": "n1", "creationTimestamp": "2026-11-20T00:00:00Z"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        });
        captures::apply(&mut world, Kind::Node, &node);
        let mut changes = Vec::new();
        for kind in Kind::WATCHED {
            world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
            for (_, object) in self.objects.iter().filter(|(k, _)| k == kind) {
                let bytes = serde_json::to_vec(object).unwrap();
                let item = khud::cluster::slim::Decoder::new(kind.clone()).object(&bytes).unwrap();
                world.apply(Delta::Apply(item.record), &mut changes);
            }
            world.apply(Delta::ListEnd { kind: kind.clone(), namespace: "".into() }, &mut changes);
        }
        detector.on_changes(&world, &changes, now());
        loop {
            let wanted = detector.wanted_logs(now());
            if wanted.is_empty() {
                break;
            }
            for tail in wanted {
                let log = self.logs.iter().find(|(pod, _)| **pod == *tail.pod).map(|(_, log)| log.as_str());
                detector.on_log(&world, &tail, log.ok_or("no log"), now());
            }
        }
        let later = now().plus(std::time::Duration::from_secs(90));
        while let Some(at) = detector.next_timer().filter(|at| *at <= later) {
            detector.on_timer(&world, at.max(now()));
        }
        Scan::new("town", later, &world, &detector)
    }
}

fn one(scan: &Scan) -> &Incident {
    assert_eq!(scan.incidents.len(), 1, "{:#?}\n{:#?}", scan.incidents, scan.findings);
    &scan.incidents[0]
}

#[test]
fn of_a_chain_only_the_last_link_is_the_root() {
    let mut town = Town::default();
    town.crashing("shop", "web", "Error: connect ECONNREFUSED orders:80");
    town.crashing(
        "shop",
        "orders",
        "dial tcp: lookup stock.shop.svc.cluster.local on 10.96.0.10:53: no such host",
    );
    town.crashing("shop", "stock", "Error: Cannot find module 'left-pad'");
    town.well("shop", "blog");
    let scan = town.look();
    let incident = one(&scan);
    assert_eq!(incident.root.to_string(), "deployment shop/stock");
    assert_eq!(&*incident.cause, "crash.dependency");
    assert_eq!((incident.radius.workloads, incident.radius.pods, incident.radius.namespaces), (3, 3, 1));
    // The root's finding first, and every finding of the output in it.
    assert_eq!(scan.findings[incident.findings[0]].fix().to_string(), "deployment shop/stock");
    let mut all = incident.findings.clone();
    all.sort_unstable();
    assert_eq!(all, (0..scan.findings.len()).collect::<Vec<_>>());
    // Healed, the link before it stands alone: its log still says so.
    town.objects.clear();
    town.logs.clear();
    town.crashing("shop", "web", "Error: connect ECONNREFUSED orders:80");
    town.crashing("shop", "orders", "KeyError: 'DATABASE_URL'");
    assert_eq!(one(&town.look()).root.to_string(), "deployment shop/orders");
}

#[test]
fn a_service_that_several_logs_name_is_one_incident() {
    let mut town = Town::default();
    for name in ["web", "cart", "mail"] {
        town.crashing("shop", name, "Error: getaddrinfo ENOTFOUND sessions.shop.svc.cluster.local");
    }
    town.crashing("shop", "other", "Error: Cannot find module 'x'");
    let scan = town.look();
    assert_eq!(scan.incidents.len(), 2, "{:#?}", scan.incidents);
    let shared = scan.incidents.iter().find(|i| i.root.kind == Kind::Service).unwrap();
    assert_eq!(shared.root.to_string(), "service shop/sessions");
    assert_eq!(shared.radius.workloads, 3);
    // Another host is another incident: what they have in common decides.
    let mut town = Town::default();
    town.crashing("shop", "web", "Error: getaddrinfo ENOTFOUND sessions.shop.svc.cluster.local");
    town.crashing("shop", "cart", "Error: getaddrinfo ENOTFOUND prices.shop.svc.cluster.local");
    assert_eq!(town.look().incidents.len(), 2);
}

#[test]
fn one_quota_that_refuses_several_workloads_is_one_incident() {
    let mut town = Town::default();
    for name in ["web", "cart"] {
        town.well("shop", name);
        let message = format!(
            "pods \"{name}-1-y\" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2"
        );
        let deployment = town.objects.iter_mut().rev().find(|(k, _)| *k == Kind::Deployment).unwrap();
        deployment.1["spec"]["replicas"] = json!(2);
        deployment.1["status"]["conditions"] = json!([{
            "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": message,
            "lastTransitionTime": AT, "lastUpdateTime": AT,
        }]);
    }
    let scan = town.look();
    let incident = one(&scan);
    assert_eq!(incident.root.to_string(), "resourcequota shop/team");
    assert_eq!(&*incident.cause, "quota.exceeded");
    assert_eq!(incident.findings.len(), 2);
}

#[test]
fn an_incident_has_the_same_id_in_every_run_and_another_cause_has_another() {
    let id = |log: &str| {
        let mut town = Town::default();
        town.crashing("shop", "web", log);
        one(&town.look()).id.clone()
    };
    let first = id("Error: Cannot find module 'x'");
    assert!(first.len() == 8 && first.bytes().all(|b| b.is_ascii_hexdigit()), "{first}");
    assert_eq!(first, id("Error: Cannot find module 'x'"));
    assert_ne!(first, id("KeyError: 'DATABASE_URL'"));
}

#[test]
fn a_scan_prints_its_incidents() {
    let mut town = Town::default();
    town.crashing("shop", "web", "Error: Cannot find module 'x'");
    let scan: Value = serde_json::from_str(&khud::detect::report::json(&town.look()).unwrap()).unwrap();
    let incident = &scan["incidents"][0];
    let mut keys: Vec<&str> = incident.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "cause", "changed", "common", "findings", "id", "radius", "root", "severity", "since", "state",
            "title"
        ]
    );
    assert_eq!(incident["root"], json!({"kind": "Deployment", "namespace": "shop", "name": "web"}));
    assert_eq!(incident["findings"], json!([0]));
    assert_eq!(
        incident["radius"],
        json!({"pods": 1, "workloads": 1, "nodes": 1, "gpus": 0, "namespaces": 1})
    );
}

/// The timeline of the context tells that it ended before, and after what.
#[test]
fn an_incident_that_is_back_says_so_in_the_scan() {
    let mut town = Town::default();
    town.crashing("shop", "web", "Error: Cannot find module 'x'");
    let mut scan = town.look();
    let (root, since) = (one(&scan).root.clone(), one(&scan).since);
    let hours_before = |h: u64| since.minus(std::time::Duration::from_secs(3600 * h));
    let entry = |h, what, text: &str| Entry::new(hours_before(h), what, Some(root.clone()), text);
    let finding = |h, what| Entry { cause: "crash.dependency".into(), ..entry(h, what, "crashes") };
    let timeline = [
        finding(20, What::FindingBegan),
        entry(19, What::Action, "rolled back deployment web").by("ana"),
        finding(18, What::FindingEnded),
    ];
    scan.recall(&timeline[..1]);
    assert_eq!(one(&scan).recurrence, None, "it never ended");
    scan.recall(&timeline);
    let json: Value = serde_json::from_str(&khud::detect::report::json(&scan).unwrap()).unwrap();
    assert_eq!(
        json["incidents"][0]["recurrence"],
        json!({"times": 2, "ended": hours_before(18).to_string(), "ended_by": "rolled back deployment web (ana)"})
    );
}
