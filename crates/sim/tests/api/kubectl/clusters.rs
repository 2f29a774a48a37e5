//! What needs controllers and kubelets behind the server.

use super::{Kubectl, OLD};
use khud_sim::clock::SimClock;
use khud_sim::cluster::Cluster;
use khud_sim::{Sim, SimOptions, scenario};
use std::sync::Arc;

/// A cluster with controllers behind the server, its time three times as fast.
async fn cluster() -> Sim {
    let loaded = scenario::load("healthy").unwrap();
    let options = SimOptions { clock: SimClock::wall(3.0), seed: Some(1), ..SimOptions::default() };
    let sim = Sim::start_with(options, |store| {
        let cluster = Cluster::stage(store.clone(), &loaded);
        tokio::spawn(cluster.clone().run());
        Arc::new(cluster)
    });
    sim.await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rollouts_and_drains_go_as_on_a_real_cluster() {
    let sim = cluster().await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let deployment = "deploy/alertmanager -n monitoring";
    let image = || {
        k.ok("get deploy/alertmanager -n monitoring -o jsonpath={.spec.template.spec.containers[0].image}")
    };
    let before = image().await;
    k.ok(&format!("set image {deployment} alertmanager=quay.io/prometheus/alertmanager:v0.29.0")).await;
    let status = k.ok(&format!("rollout status {deployment} --timeout=90s")).await;
    // captures/kubectl/rollout-status-ok.txt
    assert!(status.ends_with("deployment \"alertmanager\" successfully rolled out\n"), "{status}");
    // captures/kubectl/rollout-history.txt
    let history = k.ok(&format!("rollout history {deployment}")).await;
    assert_eq!(
        history.split_whitespace().take(3).collect::<Vec<_>>(),
        ["deployment.apps/alertmanager", "REVISION", "CHANGE-CAUSE"]
    );
    assert_eq!(history.lines().filter(|l| l.contains("<none>")).count(), 2);
    // captures/kubectl/rollout-undo-dry-run.txt and rollout-undo.txt
    let dry = k.ok(&format!("rollout undo {deployment} --dry-run=server")).await;
    assert_eq!(dry, "deployment.apps/alertmanager rolled back (server dry run)\n");
    assert_ne!(image().await, before);
    assert_eq!(
        k.ok(&format!("rollout undo {deployment}")).await,
        "deployment.apps/alertmanager rolled back\n"
    );
    assert_eq!(image().await, before);
    assert_eq!(
        k.ok(&format!("rollout restart {deployment}")).await,
        "deployment.apps/alertmanager restarted\n"
    );
    k.ok(&format!("rollout status {deployment} --timeout=90s")).await;
    assert!(k.ok("events -n monitoring").await.contains("ScalingReplicaSet"));
    k.ok("patch pdb/coredns -n kube-system --type=merge -p {\"spec\":{\"minAvailable\":3}}").await;
    k.ok("wait pdb/coredns -n kube-system --for=jsonpath={.status.disruptionsAllowed}=0 --timeout=60s").await;
    let node = k.ok("get pods -n kube-system -l app=coredns -o jsonpath={.items[0].spec.nodeName}").await;
    let drain = format!("drain {node} --pod-selector app=coredns --timeout=8s");
    let refused = k.fails(&drain).await;
    // captures/kubectl/drain-pdb-blocked.txt
    assert!(
        refused.contains("Cannot evict pod as it would violate the pod's disruption budget."),
        "{refused}"
    );
    k.ok("patch pdb/coredns -n kube-system --type=merge -p {\"spec\":{\"minAvailable\":1}}").await;
    k.ok("wait pdb/coredns -n kube-system --for=jsonpath={.status.disruptionsAllowed}=2 --timeout=60s").await;
    let drained = k.ok(&format!("drain {node} --pod-selector app=coredns --timeout=90s")).await;
    assert!(drained.contains(&format!("node/{node} drained")), "{drained}");
    k.ok(&format!("uncordon {node}")).await;
    // captures/kubectl/drain-unmanaged-refused.txt
    k.ok(&format!("run alone --image=busybox:1 --overrides={{\"spec\":{{\"nodeName\":\"{node}\"}}}}")).await;
    let refused = k.fails(&format!("drain {node} --ignore-daemonsets")).await;
    let cause = "cannot delete Pods that declare no controller (use --force to override): default/alone";
    assert!(refused.contains(cause), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_is_there_can_be_described_and_looked_at() {
    let sim = cluster().await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    k.ok("autoscale deploy/alertmanager -n monitoring --min=1 --max=3 --cpu-percent=50").await;
    k.ok("create ingress web -n monitoring --rule=a.example.com/*=alertmanager:80").await;
    let mut described = 0;
    for kind in
        k.ok("api-resources --verbs=list,get -o name").await.lines().filter(|k| !k.contains("metrics"))
    {
        let there = k.ok(&format!("get {kind} -A -o name")).await;
        let Some(first) = there.lines().next() else { continue };
        let text = k.ok(&format!("describe {kind} -A")).await;
        let name = first.rsplit('/').next().unwrap();
        assert!(text.contains("Name:") && text.contains(name), "{kind}: {text}");
        described += 1;
    }
    assert!(described >= 20, "{described} kinds");
    assert!(k.ok("get all -A").await.contains("deployment.apps/alertmanager"));
    let cascade = k.ok("get hpa -n monitoring").await;
    assert!(cascade.contains("Deployment/alertmanager   cpu: <unknown>/50%   1         3"), "{cascade}");
    assert!(k.ok("cluster-info dump --namespaces=monitoring").await.contains("\"kind\": \"PodList\""));
}

/// Not its streams, which are SPDY, nor `apply` with validation, for which it wants the OpenAPI of version 2.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_kubectl_does_most_of_it_too() {
    let sim = cluster().await;
    let Some(k) = Kubectl::at_least(OLD, &sim).await else { return };
    assert!(k.ok("get pods -A -o wide").await.contains("alertmanager"));
    assert!(k.ok("describe deploy/alertmanager -n monitoring").await.contains("StrategyType:"));
    assert!(k.ok("logs deploy/coredns -n kube-system").await.contains("CoreDNS"));
    assert!(k.ok("top nodes").await.contains("MEMORY"));
    assert_eq!(k.ok("auth can-i create pods").await, "yes\n");
    assert_eq!(k.ok("create configmap x --from-literal=a=b").await, "configmap/x created\n");
    let object = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x", "namespace": "default"}, "data": {"a": "c"}});
    k.write("x.json", &object);
    assert_eq!(k.ok("apply --validate=false -f x.json").await, "configmap/x configured\n");
    assert_eq!(k.object("configmap x").await["data"]["a"], "c");
    let deployment = "deploy/alertmanager -n monitoring";
    k.ok(&format!("scale {deployment} --replicas=2")).await;
    k.ok(&format!("rollout restart {deployment}")).await;
    let status = k.ok(&format!("rollout status {deployment} --timeout=90s")).await;
    assert!(status.contains("successfully rolled out"), "{status}");
    k.ok(&format!("rollout undo {deployment}")).await;
    let history = k.ok(&format!("rollout history {deployment}")).await;
    assert!(history.contains("REVISION"), "{history}");
    k.ok("patch pdb/coredns -n kube-system --type=merge -p {\"spec\":{\"minAvailable\":1}}").await;
    let node = k.ok("get pods -n kube-system -l app=coredns -o jsonpath={.items[0].spec.nodeName}").await;
    let drained = k.ok(&format!("drain {node} --pod-selector app=coredns --timeout=90s")).await;
    assert!(
        drained.contains(&format!("node/{node} evicted"))
            || drained.contains(&format!("node/{node} drained")),
        "{drained}"
    );
    assert!(k.ok(&format!("get node {node}")).await.contains("SchedulingDisabled"));
    let gone = k.ok("delete configmap x").await;
    assert!(gone.starts_with("configmap \"x\" deleted"), "{gone}");
}
