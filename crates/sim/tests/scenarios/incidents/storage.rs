//! Claims that are not bound or mounted, and disks that fill up.

use serde_json::json;

use super::all_ready;
use crate::support::drill::*;

/// The guide on storage: class, provisioner, capacity, permission, a volume in use elsewhere, a missing Secret.
pub fn storage(drill: &mut Drill) {
    drill.pass(60);
    let said = drill.events("ml-training", "");
    for want in [
        "storageclass.storage.k8s.io \"fast-ssd\" not found",
        "external provisioner 'nfs.csi.k8s.io'",
        "no capacity left in us-west-2b",
        "secret \"db-credentials\" not found",
        "FailedAttachVolume: Multi-Attach error for volume \"pvc-",
        "Volume is already used by pod(s) backup",
    ] {
        assert!(said.iter().any(|s| s.contains(want)), "{want}: {said:#?}");
    }
    let log = drill.log("ml-training", name(&drill.pod("ml-training", "checkpoint-writer")), true);
    assert!(log.contains("Permission denied: '/checkpoints/step-1000.pt'"), "{log}");

    drill.create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "fast-ssd"}, "provisioner": "ebs.csi.aws.com", "volumeBindingMode": "Immediate"}));
    for class in ["nfs", "cold"] {
        drill.patch(
            "storageclasses",
            "",
            class,
            json!({"metadata": {"annotations": {"khud.dev/provisioner": null}}}),
        );
    }
    drill.patch(
        "deployments",
        "ml-training",
        "checkpoint-writer",
        json!({"spec": {"template": {"spec": {"securityContext": {"fsGroup": 2000}}}}}),
    );
    drill.delete("pods", "ml-training", "backup");
    drill.create(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "db-credentials", "namespace": "ml-training"}, "data": {}}));
    drill.pass(200);
    for claim in drill.list("persistentvolumeclaims", "ml-training") {
        assert_eq!(claim["status"]["phase"], "Bound", "{}", name(&claim));
    }
    for pod in ["loader", "checkpoint-writer", "restore", "secretive"] {
        assert!(all_ready(drill, "ml-training", pod), "{pod}: {}", drill.pod("ml-training", pod)["status"]);
    }
}

/// A driver's controller that crashes: claims wait with its name in their events, and bind once it is rolled back.
pub fn dead_provisioner(drill: &mut Drill) {
    let phase = |n: u8| {
        let claim = drill.get("persistentvolumeclaims", "production", &format!("data-vectors-{n}"));
        text(&claim, "/status/phase").to_owned()
    };
    assert_eq!(phase(0), "Bound");
    drill.pass(120);
    assert_eq!((phase(0), phase(1)), ("Bound".to_owned(), "Pending".to_owned()));
    let said = drill.events("production", "data-vectors-1");
    assert!(said.iter().any(|s| s.contains("external provisioner 'fast.csi.acme.io'")), "{said:#?}");
    let controller = drill.pod("kube-system", "csi-fast-controller");
    assert!(drill.log("kube-system", name(&controller), true).contains("unknown feature gate"));
    assert!(!ready(&drill.pod("production", "vectors-1")));

    drill.undo("kube-system", "csi-fast-controller");
    drill.pass(120);
    assert_eq!((phase(1), phase(2)), ("Bound".to_owned(), "Bound".to_owned()));
    assert!(all_ready(drill, "production", "vectors"));
}

/// Local storage: an emptyDir over its own limit, and a disk that fills up.
#[test]
fn a_kubelet_evicts_for_storage_that_is_used_up() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("full.yaml");
    let scenario = r#"
title: Disks that fill up
extends: common
nodes: [{name: worker-#, count: 1, cpu: 8, memory: 32Gi, storage: 100Gi}]
containers:
  - {match: {pod: logger}, writes: {logs: [[60s, 1Gi], [5m, 70Gi]]}}
objects:
  - {apiVersion: v1, kind: Pod, metadata: {name: logger, namespace: default}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: logs, mountPath: /logs}]}], volumes: [{name: logs, emptyDir: {}}]}}
  - {apiVersion: v1, kind: Pod, metadata: {name: scratch, namespace: default}, spec: {containers: [{name: c, image: i, volumeMounts: [{name: d, mountPath: /d}]}], volumes: [{name: d, emptyDir: {sizeLimit: 4Mi}}]}}
"#;
    std::fs::write(&file, scenario).unwrap();
    let drill = Drill::start(file.to_str().unwrap());
    drill.pass(10);
    drill.exec("default", "scratch", &["dd", "if=/dev/zero", "of=/d/x", "bs=1048576", "count=8"]);
    drill.pass(15);
    let scratch = drill.get("pods", "default", "scratch");
    // As captured: captures/list/pods.json, evicted-by-its-limit.
    assert_eq!((text(&scratch, "/status/phase"), text(&scratch, "/status/reason")), ("Failed", "Evicted"));
    assert_eq!(
        text(&scratch, "/status/message"),
        "Usage of EmptyDir volume \"d\" exceeds the limit \"4Mi\". "
    );
    assert!(condition(&scratch, "DisruptionTarget").is_null());

    let node = || drill.get("nodes", "", "worker-1");
    assert_eq!(condition(&node(), "DiskPressure")["status"], "False");
    drill.pass(270);
    assert_eq!(condition(&node(), "DiskPressure")["reason"], "KubeletHasDiskPressure");
    let logger = drill.get("pods", "default", "logger");
    let why = text(&logger, "/status/message");
    assert!(
        why.starts_with(
            "The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: "
        ),
        "{why}"
    );
    assert!(
        why.contains("Container c was using ")
            && why.ends_with("request is 0, has larger consumption of ephemeral-storage. ")
    );
    assert_eq!(condition(&logger, "DisruptionTarget")["reason"], "TerminationByKubelet");
    drill.pass(330);
    assert_eq!(condition(&node(), "DiskPressure")["status"], "False");
}
