//! kubectl, where there is one of 1.31 or newer, against the embedded cluster. A run without says so on stderr.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/sim.rs"]
mod support;

use khud::sim::clock::SimClock;
use khud::sim::cluster::Cluster;
use khud::sim::{Sim, SimOptions, scenario};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncReadExt;
use tokio::process::Command;

/// Wall time for one command on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

struct Kubectl {
    home: tempfile::TempDir,
}

impl Kubectl {
    /// None where there is no kubectl that is new enough; says so past the test harness's capture.
    async fn new(sim: &Sim) -> Option<Kubectl> {
        let home = tempfile::tempdir().unwrap();
        let kubectl = Kubectl { home };
        std::fs::write(kubectl.home.path().join("config"), sim.kubeconfig()).unwrap();
        let version = kubectl.command(&["version", "--client", "-o", "json"]).output().await;
        let minor = version
            .ok()
            .and_then(|o| serde_json::from_slice::<Value>(&o.stdout).ok())
            .and_then(|v| v["clientVersion"]["minor"].as_str()?.trim_end_matches('+').parse::<u32>().ok());
        if minor.is_some_and(|m| m >= 31) {
            return Some(kubectl);
        }
        let found = minor.map_or("none".to_string(), |m| format!("1.{m}"));
        eprintln!("SKIPPED: tests/kubectl.rs needs kubectl 1.31 or newer and found {found}");
        None
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command.args(args).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("config"));
        command.current_dir(self.home.path()).stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    async fn output(&self, line: &str) -> Output {
        let args: Vec<&str> = line.split(' ').filter(|a| !a.is_empty()).collect();
        tokio::time::timeout(PATIENCE, self.command(&args).output()).await.expect(line).unwrap()
    }

    /// What a command that works prints.
    async fn ok(&self, line: &str) -> String {
        let output = self.output(line).await;
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "kubectl {line}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What a command that fails says.
    async fn fails(&self, line: &str) -> String {
        let output = self.output(line).await;
        assert!(
            !output.status.success(),
            "kubectl {line} works: {}",
            String::from_utf8_lossy(&output.stdout)
        );
        String::from_utf8_lossy(&output.stderr).into_owned()
    }

    fn write(&self, file: &str, object: &Value) {
        std::fs::write(self.home.path().join(file), object.to_string()).unwrap();
    }
}

async fn local(root: &Path) -> Sim {
    support::start(SimOptions::default(), root.to_path_buf()).await
}

#[tokio::test]
async fn kubectl_reads_and_writes() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let table = k.ok("get pods -n prod -o wide").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    // As captures/kubectl/get-pods-wide.txt, which lists all namespaces.
    assert_eq!(header.join(" "), "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES");
    assert!(table.lines().nth(1).unwrap().starts_with("shell   1/1     Running   0"), "{table}");
    let object: Value = serde_json::from_str(&k.ok("get pod shell -n prod -o json").await).unwrap();
    assert_eq!((&object["kind"], &object["spec"]["nodeName"]), (&json!("Pod"), &json!("node-1")));
    assert!(k.ok("get pod shell -n prod -o yaml").await.contains("nodeName: node-1"));
    assert_eq!(k.ok("get pods -n prod -o name").await, "pod/shell\n");
    assert_eq!(k.ok("get pods -n prod -o jsonpath={.items[0].status.podIP}").await, "10.244.0.9");
    assert!(k.ok("get pods -A --field-selector spec.nodeName=node-1 -l app=shell").await.contains("shell"));
    assert!(k.ok("describe pod shell -n prod").await.contains("Node:             node-1"));
    assert!(k.ok("api-resources").await.lines().any(|l| l.starts_with("deployments")));

    let labels = json!({"app": "web"});
    let template =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}});
    let mut web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "prod"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}});
    k.write("web.json", &web);
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web created\n");
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web unchanged\n");
    web["spec"]["template"]["spec"]["containers"][0]["image"] = json!("i:2");
    k.write("web.json", &web);
    assert_eq!(
        k.ok("apply -f web.json --dry-run=server").await,
        "deployment.apps/web configured (server dry run)\n"
    );
    assert_eq!(k.ok("apply -f web.json").await, "deployment.apps/web configured\n");
    let stored = sim.store().get("deployments.apps", "prod", "web").unwrap();
    assert_eq!(stored["spec"]["template"]["spec"]["containers"][0]["image"], "i:2");
    assert_eq!(stored["metadata"]["generation"], 2);
    let config = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "prod"}, "data": {"a": "1"}});
    k.write("cm.json", &config);
    assert_eq!(k.ok("apply --server-side -f cm.json").await, "configmap/cm serverside-applied\n");
    let refused = k.fails("apply --server-side --field-manager=other -f cm2.json").await;
    assert!(refused.contains("cm2.json"), "{refused}");
    let other = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm", "namespace": "prod"}, "data": {"a": "2"}});
    k.write("cm2.json", &other);
    let refused = k.fails("apply --server-side --field-manager=other -f cm2.json").await;
    assert!(refused.contains("Apply failed with 1 conflict: conflict with \"kubectl\""), "{refused}");
    assert_eq!(k.ok("scale deploy/web -n prod --replicas=5").await, "deployment.apps/web scaled\n");
    k.ok("patch deploy/web -n prod --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":4}]").await;
    k.ok("patch deploy/web -n prod --type=merge -p {\"spec\":{\"paused\":true}}").await;
    k.ok("set image deploy/web -n prod c=i:3").await;
    let stored = sim.store().get("deployments.apps", "prod", "web").unwrap();
    let image = &stored["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(
        (&stored["spec"]["replicas"], &stored["spec"]["paused"], image),
        (&json!(4), &json!(true), &json!("i:3"))
    );
    assert_eq!(k.ok("cordon node-1").await, "node/node-1 cordoned\n");
    assert!(k.ok("get node node-1").await.contains("SchedulingDisabled"));
    assert_eq!(k.ok("uncordon node-1").await, "node/node-1 uncordoned\n");
    assert_eq!(
        k.ok("wait pod/shell -n prod --for=condition=Ready --timeout=60s").await,
        "pod/shell condition met\n"
    );
    assert_eq!(k.ok("auth can-i delete pods -n prod").await, "yes\n");
    assert_eq!(
        String::from_utf8(k.output("auth can-i delete pods -n prod --as=nobody").await.stdout).unwrap(),
        "no\n"
    );
    let refused = k.fails("get pods -n prod --as=nobody").await;
    assert!(refused.contains("pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\" in the namespace \"prod\""));
    assert!(k.ok("top pods -n prod").await.contains("250m"));
    assert!(k.ok("top nodes").await.contains("64Mi") || k.ok("top nodes").await.contains("250m"));
    // These go as protobuf.
    assert_eq!(
        k.ok("create deployment made -n prod --image=i:1 --replicas=2").await,
        "deployment.apps/made created\n"
    );
    let made = sim.store().get("deployments.apps", "prod", "made").unwrap();
    let image = &made["spec"]["template"]["spec"]["containers"][0]["image"];
    assert_eq!(
        (&made["spec"]["replicas"], image, &made["spec"]["strategy"]["type"]),
        (&json!(2), &json!("i:1"), &json!("RollingUpdate"))
    );
    k.ok("create secret generic s -n prod --from-literal=a=b").await;
    assert_eq!(sim.store().get("secrets", "prod", "s").unwrap()["data"], json!({"a": "Yg=="}));
    k.ok("create role r -n prod --verb=get,list --resource=pods").await;
    k.ok("create rolebinding rb -n prod --role=r --user=nobody").await;
    assert!(k.ok("get pods -n prod --as=nobody").await.contains("shell"));
    k.ok("create service clusterip svc -n prod --tcp=80:8080").await;
    assert_eq!(sim.store().get("services", "prod", "svc").unwrap()["spec"]["ports"][0]["targetPort"], 8080);
    let gone = k.ok("delete deploy/web -n prod").await;
    // Newer ones name the namespace.
    assert!(gone.starts_with("deployment.apps \"web\" deleted"), "{gone}");
    assert!(k.fails("get deploy/web -n prod").await.contains("deployments.apps \"web\" not found"));
}

#[tokio::test]
async fn kubectl_streams() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    assert_eq!(k.ok("logs shell -n prod --tail=2").await, "two\nthree\n");
    assert!(
        k.fails("logs shell -n prod --previous")
            .await
            .contains("previous terminated container \"c\" in pod \"shell\" not found")
    );
    let mut follow =
        k.command(&["logs", "-f", "shell", "-n", "prod"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut got = vec![0; "one\ntwo\nthree\nfollowed\n".len()];
    let read = follow.stdout.as_mut().unwrap().read_exact(&mut got);
    tokio::time::timeout(PATIENCE, read).await.unwrap().unwrap();
    assert!(got.ends_with(b"followed\n"));
    follow.kill().await.unwrap();
    assert_eq!(k.ok("exec shell -n prod -- echo hello").await, "hello\n");
    let output = k.output("exec shell -n prod -- false").await;
    assert_eq!(output.status.code(), Some(1));
    let missing = k.fails("exec shell -n prod -- /no/such/tool").await;
    assert!(missing.contains("Internal error occurred"), "{missing}");
    let data: Vec<u8> = (0..2_000_000_u32).map(|i| (i * 7 % 251) as u8).collect();
    std::fs::write(k.home.path().join("local"), &data).unwrap();
    k.ok("cp local prod/shell:there").await;
    assert!(std::fs::read(root.path().join("there")).unwrap() == data);
    k.ok("cp prod/shell:there back").await;
    assert!(std::fs::read(k.home.path().join("back")).unwrap() == data);
}

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
async fn kubectl_rolls_out_and_drains() {
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
}
