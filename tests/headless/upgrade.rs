//! An upgrade as an operator runs it: what stands in the way is named, then node by node, and no Service goes down.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::support::lab::Lab;
use khud_sim::api::store::{DeleteOptions, Part, Store};
use serde_json::{Value, json};

/// Ready endpoints of each Service.
fn endpoints(store: &Store) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for slice in store.list("endpointslices.discovery.k8s.io", None) {
        let name = format!(
            "{}/{}",
            slice["metadata"]["namespace"].as_str().unwrap(),
            slice["metadata"]["labels"]["kubernetes.io/service-name"].as_str().unwrap()
        );
        let all = slice["endpoints"].as_array().cloned().unwrap_or_default();
        *out.entry(name).or_default() += all.iter().filter(|e| e["conditions"]["ready"] == true).count();
    }
    out
}

/// Looks at every change of the cluster until it is told to stop: which of the Services were without an endpoint.
fn watch(
    store: Arc<Store>,
    services: BTreeSet<String>,
    done: Arc<AtomicBool>,
) -> std::thread::JoinHandle<BTreeSet<String>> {
    std::thread::spawn(move || {
        let mut changes = store.subscribe();
        let mut gone = BTreeSet::new();
        while !done.load(Ordering::SeqCst) {
            let mut moved = false;
            while let Some(change) = changes.try_next() {
                moved |= change.resource.starts_with("endpointslices");
            }
            if moved {
                let now = endpoints(&store);
                gone.extend(services.iter().filter(|s| now.get(*s).copied().unwrap_or(0) == 0).cloned());
            }
            std::thread::yield_now();
        }
        gone
    })
}

fn versions(store: &Store) -> BTreeSet<String> {
    let of = |n: &Value| n["status"]["nodeInfo"]["kubeletVersion"].as_str().unwrap().to_owned();
    store.list("nodes", None).iter().map(|n| of(n)).collect()
}

#[test]
fn the_cluster_goes_from_1_27_3_to_1_28_5_and_every_service_keeps_answering() {
    let lab = Lab::start("upgrade-run", 20.0);
    let store = lab.sim.store().clone();
    let khud = env!("CARGO_BIN_EXE_khud");
    let node_cmd = format!("{khud} do annotate node/{{node}} acme.io/kubelet-version={{version}} --yes");
    let etcd = lab.dir.path().join("etcd.sh");
    std::fs::write(&etcd, "#!/bin/sh\nprintf snapshot > \"$1\"\n").unwrap();
    std::fs::set_permissions(&etcd, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let etcd_cmd = format!("{} {{file}}", etcd.display());
    let state = lab.dir.path().join("run.json");
    let base = ["do", "upgrade", "--to", "v1.28.5", "--node-cmd", &node_cmd, "--etcd-cmd", &etcd_cmd];
    let run = [
        &base[..],
        &["--pause", "1s", "--control-plane-pause", "1s", "--state", state.to_str().unwrap(), "--yes"],
    ]
    .concat();

    // Nothing is touched while a webhook and a budget stand in the way.
    let out = lab.run(&run);
    let said = String::from_utf8(out.stdout).unwrap();
    assert_eq!(out.status.code(), Some(1), "{said}");
    for line in [
        "✔ version-skew: API server v1.27.3, 8 kubelets: all may go to v1.28.5",
        "⚠ deprecated-apis: clients request deprecated APIs that this version still serves",
        "flowcontrol.apiserver.k8s.io/v1beta2 flowschemas (not served from 1.29): apf-tuner wrote batch-jobs at",
        "legacy-policy.acme.io in legacy-policy: Service security/legacy-policy does not exist",
        "production/report needs 1 of 1 pods, so none may ever be evicted",
        "CoreDNS v1.9.3 is older than 1.10.1, which kubeadm installs with v1.28.5",
        "--accept webhooks goes on",
    ] {
        assert!(said.contains(line), "{line:?} is missing:\n{said}");
    }
    assert!(!state.exists() && versions(&store) == ["v1.27.3".to_owned()].into());
    assert!(store.list("nodes", None).iter().all(|n| n["spec"]["unschedulable"].is_null()));

    store
        .delete(
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "",
            "legacy-policy",
            DeleteOptions::default(),
        )
        .unwrap();
    store
        .modify("deployments.apps", "production", "report", Part::Main, |o| o["spec"]["replicas"] = json!(2))
        .unwrap();
    let ready = || endpoints(&store).get("production/report") == Some(&2);
    super::waves::until("two ready pods of report", || ready().then_some(()));

    let (code, plan) = lab.json(&[&base[..], &["--dry-run", "-o", "json"]].concat());
    assert_eq!(code, 0, "{plan}");
    let waves: Vec<Vec<&str>> = plan["waves"]
        .as_array()
        .unwrap()
        .iter()
        .map(|w| w["nodes"].as_array().unwrap().iter().map(|n| n["name"].as_str().unwrap()).collect())
        .collect();
    assert_eq!(waves[..3], [["control-plane-1"], ["control-plane-2"], ["control-plane-3"]]);
    assert!(waves[3..].iter().all(|w| w.len() == 1 && w[0].starts_with("worker-")), "{waves:?}");
    let verdicts: BTreeMap<&str, &str> = plan["checks"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| (c["check"].as_str().unwrap(), c["verdict"].as_str().unwrap()))
        .collect();
    assert_eq!((verdicts["webhooks"], verdicts["budgets"]), ("ok", "ok"), "{plan}");

    let services: BTreeSet<String> =
        endpoints(&store).into_iter().filter(|(_, n)| *n >= 2).map(|(name, _)| name).collect();
    assert!(services.contains("production/cart"), "two pods and no budget: {services:?}");
    let done = Arc::new(AtomicBool::new(false));
    let watching = watch(store.clone(), services, done.clone());
    let out = lab.run(&run);
    done.store(true, Ordering::SeqCst);
    let log = std::fs::read_to_string(state.with_extension("md")).unwrap_or_default();
    assert_eq!(out.status.code(), Some(0), "{}\n{log}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(watching.join().unwrap(), BTreeSet::new(), "Services without an endpoint:\n{log}");
    assert_eq!(versions(&store), ["v1.28.5".to_owned()].into());
    let nodes = store.list("nodes", None);
    assert!(nodes.iter().all(|n| n["spec"]["unschedulable"].is_null()), "none is left cordoned");
    for line in [
        "# Upgrade log: v1.27.3 → v1.28.5",
        "**Downtime**: none seen: each of",
        "8 of 8 nodes done in 8 waves",
        // As `printf snapshot | sha256sum` prints it.
        "8 bytes, sha256 16a0eeb0791b6c92451fd284dd9f599e0a7dbe7f6ebea6e2d2d06c7f74aec112",
        "gate functional holds: control-plane-1: names, API server, a claim of gp3",
        "- [x] all 8 nodes run v1.28.5",
        "- [x] the API server runs v1.28.5",
        "- [x] CoreDNS: 3 of 3 pods are ready",
        "None beside what an upgrade brings.",
    ] {
        assert!(log.contains(line), "{line:?} is missing:\n{log}");
    }
    for kind in ["pods", "persistentvolumeclaims"] {
        let left = store.list(kind, Some("default"));
        assert!(left.is_empty(), "a gate left {kind} behind: {left:?}");
    }
    // Nothing is left to do, and nothing is done.
    let out = lab.run(
        &[&base[..], &["--state", lab.dir.path().join("again.json").to_str().unwrap(), "--yes"]].concat(),
    );
    assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stderr));
    assert!(String::from_utf8_lossy(&out.stdout).contains("8 nodes run the version already"));
}

#[test]
fn two_snapshots_are_compared_without_ages_and_bookkeeping() {
    let lab = Lab::start("upgrade-run", 20.0);
    let store = lab.sim.store().clone();
    let file = |name: &str| lab.dir.path().join(name).display().to_string();
    let (before, after, secret) = (file("before.json"), file("after.json"), "correct-horse");
    let map = json!({"metadata": {"name": "shop", "namespace": "production"}, "data": {"mode": secret}});
    store.create("configmaps", "production", map).unwrap();
    let take = |to: &str| {
        let out = lab.run(&["do", "snapshot", "--out", to]);
        assert_eq!(out.status.code(), Some(0), "{}", String::from_utf8_lossy(&out.stdout));
    };
    take(&before);
    take(&after);
    let compare = |more: &[&str]| lab.run(&[&["do", "diff", &before, &after][..], more].concat());
    let same = compare(&[]);
    assert_eq!(same.status.code(), Some(0));
    let said = String::from_utf8(same.stdout).unwrap();
    assert!(said.contains("nothing changed between"), "heartbeats and leases are no change: {said}");

    let modify = |key: &str, name: &str, change: &dyn Fn(&mut Value)| {
        store.modify(key, "production", name, Part::Main, |o| change(o)).unwrap();
    };
    modify("deployments.apps", "web", &|o| {
        o["spec"]["template"]["spec"]["containers"][0]["image"] = json!("registry.acme.io/shop/web:v8.3.0");
    });
    modify("configmaps", "shop", &|o| o["data"]["mode"] = json!("other"));
    store.delete("poddisruptionbudgets.policy", "production", "web", DeleteOptions::default()).unwrap();
    std::fs::remove_file(&after).unwrap();
    take(&after);
    let text = String::from_utf8(compare(&[]).stdout).unwrap();
    for line in [
        "spec.template.spec.containers[web].image: registry.acme.io/shop/web:v8.2.1 → registry.acme.io/shop/web:v8.3.0",
        "data.mode: ",
        "gone",
        "3 objects changed between",
    ] {
        assert!(text.contains(line), "{line:?} is missing:\n{text}");
    }
    assert!(!text.contains(secret) && !std::fs::read_to_string(&before).unwrap().contains(secret));
    let json: Value = serde_json::from_slice(&compare(&["-o", "json"]).stdout).unwrap();
    let names: BTreeSet<&str> = json["plan"]["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["object"]["kind"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ConfigMap", "Deployment", "PodDisruptionBudget"].into());

    let kubeconfig = lab.kubeconfig().display().to_string();
    for (args, code, says) in [
        (&["do", "diff", &before][..], 2, "diff compares two snapshots; 1 files were named"),
        (&["do", "diff", &before, "none.json"], 1, "there is no file none.json"),
        (&["do", "diff", &before, &kubeconfig], 1, "it is no snapshot of khud"),
    ] {
        let out = lab.run(args);
        let said = [out.stdout, out.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert_eq!(out.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
}
