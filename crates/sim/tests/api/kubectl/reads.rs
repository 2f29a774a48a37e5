//! get in all its outputs, and the commands that only look.

use super::{Kubectl, local};
use crate::support::wire::running_pod;
use serde_json::json;

#[tokio::test]
async fn get_prints_every_output() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    let table = k.ok("get pods -n prod -o wide").await;
    let header: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    // As captures/kubectl/get-pods-wide.txt, which lists all namespaces.
    assert_eq!(header.join(" "), "NAME READY STATUS RESTARTS AGE IP NODE NOMINATED NODE READINESS GATES");
    assert!(table.lines().nth(1).unwrap().starts_with("shell   1/1     Running   0"), "{table}");
    let object = k.object("pod shell -n prod").await;
    assert_eq!((&object["kind"], &object["spec"]["nodeName"]), (&json!("Pod"), &json!("node-1")));
    assert!(k.ok("get pod shell -n prod -o yaml").await.contains("nodeName: node-1"));
    for (output, want) in [
        ("name", "pod/shell\n"),
        ("jsonpath={.items[0].status.podIP}", "10.244.0.9"),
        ("go-template={{range~.items}}{{.metadata.name}}{{end}}", "shell"),
        ("custom-columns=N:.metadata.name,I:.spec.containers[*].image", "N       I\nshell   busybox:1\n"),
        ("custom-columns=N:.metadata.name --no-headers", "shell\n"),
    ] {
        assert_eq!(k.ok(&format!("get pods -n prod -o {output}")).await, want, "{output}");
    }
    for name in ["b", "a"] {
        running_pod(&sim, name, json!({"app": "web", "tier": name}));
    }
    let names = async |line: &str| {
        let text = k.ok(&format!("get pods -n prod {line} -o name")).await;
        text.lines().map(|l| l.trim_start_matches("pod/").to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("").await, ["a", "b", "shell"]);
    assert_eq!(names("--sort-by={.metadata.resourceVersion}").await, ["shell", "b", "a"]);
    assert_eq!(names("--chunk-size=1").await, ["a", "b", "shell"]);
    assert_eq!(names("-l app=web,tier~notin~(b)").await, ["a"]);
    assert_eq!(
        names("--field-selector metadata.name!=a,spec.nodeName=node-1,status.phase=Running").await,
        ["b", "shell"]
    );
    let labels = k.ok("get pods -n prod -L tier --show-labels").await;
    assert!(labels.lines().next().unwrap().ends_with("TIER   LABELS"), "{labels}");
    assert!(labels.contains("app=web,tier=a"), "{labels}");
    assert!(k.ok("get pods,nodes -A").await.contains("node/node-1"));
    let missing = k.fails("get pod nope -n prod").await;
    assert_eq!(missing, "Error from server (NotFound): pods \"nope\" not found\n");
    assert_eq!(k.ok("get pod nope -n prod --ignore-not-found").await, "");
}

#[tokio::test]
async fn get_watches() {
    use tokio::io::{AsyncBufReadExt, BufReader};
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    for (args, first) in [(&["-w"][..], "NAME"), (&["-w", "-o", "json", "--output-watch-events"], "{")] {
        let mut command = k.command(&[&["get", "pods", "-n", "prod"], args].concat());
        let mut watch = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
        let mut next = async || {
            tokio::time::timeout(super::PATIENCE, lines.next_line()).await.unwrap().unwrap().unwrap()
        };
        let line = next().await;
        assert!(line.starts_with(first), "{line}");
        if first == "NAME" {
            assert!(next().await.starts_with("shell"));
            running_pod(&sim, "later", json!({}));
            assert!(next().await.starts_with("later   0/1     Pending"));
            assert!(next().await.starts_with("later   1/1     Running"));
        }
        watch.kill().await.unwrap();
    }
}

#[tokio::test]
async fn questions_are_answered() {
    let root = tempfile::tempdir().unwrap();
    let sim = local(root.path()).await;
    let Some(k) = Kubectl::new(&sim).await else { return };
    assert!(k.ok("describe pod shell -n prod").await.contains("Node:             node-1"));
    assert!(k.ok("api-resources").await.lines().any(|l| l.starts_with("deployments")));
    assert!(k.ok("api-versions").await.lines().any(|l| l == "autoscaling/v2"));
    assert!(k.ok("version").await.contains("Server Version: v1.36"));
    assert_eq!(k.ok("get --raw /readyz").await, "ok");
    assert!(k.ok("explain deployment.spec.replicas").await.contains("FIELD: replicas <integer>"));
    assert!(k.ok("explain pod.spec.containers.env").await.contains("valueFrom\t<EnvVarSource>"));
    assert!(k.fails("explain pod.spec.nope").await.contains("field \"nope\" does not exist"));
    assert!(k.ok("auth whoami").await.contains("system:masters"));
    assert!(
        k.ok("auth can-i --list -n prod").await.contains("selfsubjectaccessreviews.authorization.k8s.io")
    );
    assert_eq!(k.ok("auth can-i delete pods -n prod").await, "yes\n");
    let nobody = k.output("auth can-i delete pods -n prod --as=nobody").await;
    assert_eq!((nobody.status.code(), &nobody.stdout[..]), (Some(1), &b"no\n"[..]));
    let refused = k.fails("get pods -n prod --as=nobody").await;
    assert!(refused.contains("pods is forbidden: User \"nobody\" cannot list resource \"pods\" in API group \"\" in the namespace \"prod\""));
    assert!(k.ok("top pods -n prod").await.contains("250m"));
    assert!(k.ok("top pods -n prod --containers").await.contains("64Mi"));
    let nodes = k.ok("top nodes").await;
    assert!(nodes.contains("250m") && nodes.contains("64Mi"), "{nodes}");
    assert_eq!(
        k.ok("wait pod/shell -n prod --for=condition=Ready --timeout=60s").await,
        "pod/shell condition met\n"
    );
    assert_eq!(
        k.ok("wait pod/shell -n prod --for=jsonpath={.status.phase}=Running --timeout=60s").await,
        "pod/shell condition met\n"
    );
    let late = k.fails("wait pod/shell -n prod --for=condition=Gone --timeout=1s").await;
    assert_eq!(late, "error: timed out waiting for the condition on pods/shell\n");
}
