//! Faults of a real cluster in what workloads stand on, from its lists and events to the cause and the object to fix.

use std::collections::BTreeSet;

use khud::cluster::slim::Decoder;
use khud::detect::{DetectConfig, Detector, Finding, State};
use khud::world::{Delta, Kind, StreamId, Time, World};
use serde_json::Value;

use crate::support::captures::capture;

/// What a list of the captures holds: its objects, or the one object it is.
fn objects(file: &str) -> Vec<Value> {
    let body = capture(&format!("list/{file}.json"))["response"]["json"].clone();
    match body["items"].as_array() {
        Some(items) => items.clone(),
        None => vec![body],
    }
}

/// Lists the captured files as kinds, all other kinds as empty, and says what fires at that moment.
fn found(files: &[(&str, Kind)], at: &str, edit: impl Fn(&mut Value)) -> Vec<std::sync::Arc<Finding>> {
    let now = Time::parse(at).unwrap();
    let (mut world, mut changes) = (World::new(), Vec::new());
    let mut kinds = Kind::followed();
    // Objects before what speaks of them: the order in which the cluster itself makes them.
    kinds.sort_by_key(|k| matches!(k, Kind::Pod));
    for kind in kinds {
        let id = StreamId::Watch { kind: kind.clone(), namespace: "".into() };
        world.apply(Delta::Stream { id, state: khud::world::StreamState::Live, at: now }, &mut changes);
        world.apply(Delta::ListStart { kind: kind.clone(), namespace: "".into() }, &mut changes);
        for (file, _) in files.iter().filter(|(_, k)| *k == kind) {
            for mut object in objects(file) {
                edit(&mut object);
                let item = Decoder::new(kind.clone()).object(&serde_json::to_vec(&object).unwrap()).unwrap();
                world.apply(Delta::Apply(item.record), &mut changes);
            }
        }
        world.apply(Delta::ListEnd { kind, namespace: "".into() }, &mut changes);
    }
    let mut detector = Detector::new(DetectConfig::default());
    detector.on_changes(&world, &changes, now);
    for tail in detector.wanted_logs(now) {
        detector.on_log(&world, &tail, Err("not captured"), now);
    }
    detector.findings().iter().filter(|f| f.state == State::Firing).cloned().collect()
}

/// `cause object`, as a set.
fn causes(found: &[std::sync::Arc<Finding>]) -> BTreeSet<String> {
    found.iter().map(|f| format!("{} {}/{}", f.cause, f.key.root.kind.name(), f.key.root.name)).collect()
}

fn set(expected: &[&str]) -> BTreeSet<String> {
    expected.iter().map(|s| (*s).to_owned()).collect()
}

#[test]
fn claims_say_which_volume_class_or_provisioner_is_missing() {
    let files = [
        ("storage-pvcs", Kind::PersistentVolumeClaim),
        ("storage-pvs", Kind::PersistentVolume),
        ("storageclasses", Kind::StorageClass),
        ("storage-events", Kind::Event),
        ("storage-pods", Kind::Pod),
    ];
    let all = found(&files, "2026-11-28T20:34:00Z", |_| {});
    assert_eq!(
        causes(&all),
        set(&[
            "volume.class-missing PersistentVolumeClaim/class-missing",
            "volume.claim-unbound PersistentVolumeClaim/no-class",
            "volume.provisioner PersistentVolumeClaim/no-provisioner",
            "volume.no-match PersistentVolumeClaim/waits-for-pod",
            "volume.attach Pod/wants-csi",
        ]),
        "{all:#?}"
    );
    // The class that is missing has a volume after all: it is too small, and both sides' numbers are told.
    let all = found(&files, "2026-11-28T20:34:00Z", |o| {
        if o["metadata"]["name"] == "pv-released" {
            o["spec"]["storageClassName"] = "fast-ssd".into();
            o["status"]["phase"] = "Available".into();
            o["spec"]["claimRef"] = Value::Null;
            o["spec"]["capacity"]["storage"] = "500Mi".into();
        }
    });
    let fits = all.iter().find(|f| &*f.key.root.name == "class-missing").unwrap();
    assert_eq!(&*fits.cause, "volume.no-match");
    assert!(fits.title.contains("pv-released has 500Mi, and the claim wants 1Gi"), "{}", fits.title);
    assert!(fits.evidence.iter().any(|e| e.quote.contains("wants 1Gi, ReadWriteOnce")), "{fits:#?}");
}

#[test]
fn autoscalers_say_whether_metrics_or_the_target_are_missing() {
    let files = [("shop-hpas", Kind::HorizontalPodAutoscaler), ("shop-hpa-events", Kind::Event)];
    let all = found(&files, "2026-11-28T20:34:00Z", |_| {});
    let expected =
        ["hpa.target-missing HorizontalPodAutoscaler/gone", "hpa.no-metrics HorizontalPodAutoscaler/web"];
    assert_eq!(causes(&all), set(&expected), "{all:#?}");
    // One that was switched off by scaling its target to 0 is well.
    let disabled = |o: &mut Value| {
        for c in o["status"]["conditions"].as_array_mut().into_iter().flatten() {
            if c["type"] == "ScalingActive" {
                c["reason"] = "ScalingDisabled".into();
            }
        }
    };
    let all = found(&files, "2026-11-28T20:34:00Z", disabled);
    assert_eq!(causes(&all), set(&expected[..1]), "{all:#?}");
    let lost = [("hpa-lost-its-metrics", Kind::HorizontalPodAutoscaler)];
    let all = found(&lost, "2026-11-28T20:41:00Z", |_| {});
    assert_eq!(causes(&all), set(&["hpa.no-metrics HorizontalPodAutoscaler/worker"]), "{all:#?}");
    let most = [("hpa-at-maximum", Kind::HorizontalPodAutoscaler)];
    assert!(found(&most, "2026-11-28T20:39:00Z", |_| {}).is_empty(), "a minute at the maximum is no trouble");
    let all = found(&most, "2026-11-28T20:59:00Z", |_| {});
    assert_eq!(causes(&all), set(&["hpa.at-max HorizontalPodAutoscaler/worker"]), "{all:#?}");
}

#[test]
fn dead_extensions_of_the_api_carry_what_stalls_with_them() {
    let files = [
        ("apiservices-unavailable", Kind::APIService),
        ("namespace-stuck-discovery-failure", Kind::Namespace),
        ("namespace-stuck-finalizer", Kind::Namespace),
        ("validatingwebhookconfigurations", Kind::ValidatingWebhookConfiguration),
        ("guarded-deployments", Kind::Deployment),
        ("guarded-replicasets", Kind::ReplicaSet),
        ("guarded-events", Kind::Event),
    ];
    let all = found(&files, "2026-11-28T20:45:00Z", |_| {});
    assert_eq!(
        causes(&all),
        set(&[
            "apiservice.unavailable APIService/v1.gone.example.com",
            "apiservice.unavailable APIService/v1beta1.metrics.example.com",
            "namespace.terminating Namespace/old-team",
            "webhook.unavailable ValidatingWebhookConfiguration/config-policy.example.com",
            "webhook.unavailable ValidatingWebhookConfiguration/pod-policy.example.com",
        ]),
        "{all:#?}"
    );
    let severity = |name: &str| all.iter().find(|f| &*f.key.root.name == name).unwrap().severity.to_string();
    assert_eq!(severity("pod-policy.example.com"), "critical");
    assert_eq!(severity("config-policy.example.com"), "info", "failurePolicy Ignore refuses nothing");

    let files = [
        ("crd-conversion-webhook", Kind::CustomResourceDefinition),
        ("namespace-conversion-content-failure", Kind::Namespace),
    ];
    let all = found(&files, "2026-11-28T20:45:00Z", |_| {});
    let expected = ["crd.conversion CustomResourceDefinition/backups.storage.example.com"];
    assert_eq!(causes(&all), set(&expected), "the namespace waits for the conversion webhook: {all:#?}");
    let well = [("crd-two-versions", Kind::CustomResourceDefinition)];
    assert!(found(&well, "2026-11-28T20:45:00Z", |_| {}).is_empty());
}

#[test]
fn ingresses_say_which_class_or_backend_is_missing() {
    let files = [
        ("edge-ingresses", Kind::Ingress),
        ("ingressclasses", Kind::IngressClass),
        ("edge-services", Kind::Service),
        ("edge-endpointslices", Kind::EndpointSlice),
    ];
    let all = found(&files, "2026-11-28T20:45:00Z", |_| {});
    let expected = set(&[
        "ingress.backend Ingress/missing-backend",
        "ingress.class Ingress/shop",
        "service.no-endpoints Service/api",
        "service.no-endpoints Service/public",
    ]);
    assert_eq!(causes(&all), expected, "{all:#?}");
}

#[test]
fn jobs_and_cron_jobs_say_which_rule_ended_or_holds_them() {
    let files =
        [("jobs-failed", Kind::Job), ("jobs-failed-events", Kind::Event), ("jobs-failed-pods", Kind::Pod)];
    let all = found(&files, "2026-11-28T20:32:00Z", |_| {});
    assert_eq!(
        causes(&all),
        set(&[
            "job.backoff-limit Job/backoff",
            "job.deadline Job/deadline",
            "job.indexes Job/indexed",
            "job.failure-policy Job/policy",
        ]),
        "{all:#?}"
    );
    let files = [("cronjobs", Kind::CronJob), ("cronjobs-events", Kind::Event), ("cronjobs-jobs", Kind::Job)];
    let all = found(&files, "2026-11-28T20:40:30Z", |_| {});
    assert!(causes(&all).contains("cronjob.blocked CronJob/report"), "{all:#?}");
    let all = found(&files, "2026-11-28T20:40:30Z", |o| {
        if o["kind"] == "CronJob" || o["spec"]["schedule"].is_string() {
            o["spec"]["schedule"] = "0 0 30 2 *".into();
        }
    });
    let never: Vec<String> = causes(&all).into_iter().filter(|c| c.starts_with("cronjob.schedule")).collect();
    // The suspended one is left alone.
    assert_eq!(never.len(), 3, "{all:#?}");
}

#[test]
fn nodes_say_who_holds_them_and_since_when() {
    let files = [("nodes-managed-by-others", Kind::Node), ("dra-resourceslices", Kind::ResourceSlice)];
    let all = found(&files, "2026-11-28T20:44:00Z", |_| {});
    let expected = set(&[
        "node.host-event Node/aks-gpu-12345678-vmss000003",
        "node.problem Node/dgx-h100-017",
        "gpu.vanished Node/dgx-h100-017",
        "node.held Node/dgx-h100-017",
        "node.held Node/worker-kured-07",
    ]);
    let seen = causes(&all);
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "missing {missing:?} in {seen:?}\n{all:#?}");
    let kured =
        all.iter().find(|f| &*f.key.root.name == "worker-kured-07" && &*f.cause == "node.held").unwrap();
    assert!(kured.title.contains("held by kured"), "{}", kured.title);
    assert_eq!(kured.since, Time::parse("2026-11-28T20:20:11Z").unwrap());
    // Days later the node that Karpenter deletes is still there.
    let all = found(&files, "2026-11-30T20:44:00Z", |_| {});
    let going = all.iter().find(|f| &*f.cause == "node.deleting").unwrap_or_else(|| panic!("{all:#?}"));
    assert!(going.key.root.name.starts_with("ip-10-0-44-12"), "{going:#?}");
    // A node whose GPUs a driver of dynamic resource allocation offers has lost nothing.
    let without_plugin = |o: &mut Value| {
        if o["metadata"]["name"] == "gpu-worker-042" {
            for amounts in ["capacity", "allocatable"] {
                if let Some(map) = o["status"][amounts].as_object_mut() {
                    map.remove("nvidia.com/gpu");
                }
            }
        }
    };
    let lost = |all: &[std::sync::Arc<Finding>]| {
        all.iter().any(|f| &*f.cause == "gpu.vanished" && &*f.key.root.name == "gpu-worker-042")
    };
    assert!(!lost(&found(&files, "2026-11-28T20:44:00Z", without_plugin)));
    assert!(lost(&found(&files[..1], "2026-11-28T20:44:00Z", without_plugin)), "without the slices it has");
}

#[test]
fn a_policy_that_lets_nobody_in_is_told_from_one_that_does() {
    let policies = [("edge-networkpolicies", Kind::NetworkPolicy)];
    // The policies alone, with no Service behind them, are nobody's trouble.
    assert!(found(&policies, "2026-11-28T20:45:00Z", |_| {}).is_empty());
}
