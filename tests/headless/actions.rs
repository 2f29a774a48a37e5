//! Actions from plan to verification against the embedded cluster: what each does, refuses and fails at.

use crate::support::lab::Lab;
use serde_json::{Value, json};

/// Plans, goes ahead and expects the result to be seen.
pub(crate) fn act(lab: &Lab, args: &[&str]) -> Value {
    let (code, report) = lab.json(&[&["do"], args, &["--yes", "-o", "json"]].concat());
    assert_eq!((code, &report["outcome"]), (0, &json!("verified")), "{args:?}: {}", report["reason"]);
    report
}

/// Expects that nothing was changed; the reason.
pub(crate) fn refused(lab: &Lab, args: &[&str]) -> String {
    let (code, report) = lab.json(&[&["do"], args, &["--yes", "-o", "json"]].concat());
    assert_eq!((code, &report["outcome"]), (1, &json!("refused")), "{args:?}: {}", report["reason"]);
    let written: Vec<&Value> =
        report["requests"].as_array().unwrap().iter().filter(|r| r["dry_run"] == false).collect();
    assert!(written.is_empty(), "{args:?}: {written:?}");
    report["reason"].as_str().unwrap().to_owned()
}

fn impacts(report: &Value) -> Vec<String> {
    let all = report["plan"]["impact"].as_array().unwrap();
    all.iter()
        .map(|i| format!("{}: {}", i["what"].as_str().unwrap(), i["detail"].as_str().unwrap()))
        .collect()
}

pub(crate) fn says(report: &Value, what: &str) {
    assert!(impacts(report).iter().any(|i| i.contains(what)), "{what:?} is not in {:?}", impacts(report));
}

pub(crate) fn pod_of(lab: &Lab, app: &str) -> String {
    let ready = |p: &Value| {
        p["metadata"]["labels"]["app"] == app && p["status"]["containerStatuses"][0]["ready"] == true
    };
    lab.pods("production", ready).first().unwrap_or_else(|| panic!("a ready pod of {app}")).clone()
}

#[test]
fn labels_annotations_and_taints_say_whom_they_move() {
    let lab = Lab::start("healthy", 4.0);
    let pod = format!("pod/{}", pod_of(&lab, "cart"));
    let node = "node/gpu-worker-007";
    let report = act(&lab, &["label", &pod, "app=aside", "-n", "production"]);
    says(&report, "the pod leaves Service cart");
    says(&report, "lets the pod go");
    let again = act(&lab, &["label", &pod, "app=aside", "-n", "production"]);
    assert!(again["reason"].as_str().unwrap().contains("nothing was sent"), "{}", again["reason"]);

    act(&lab, &["annotate", node, "example.com/ticket=OPS 17"]);
    let stored = || lab.sim.store().get("nodes", "", "gpu-worker-007").unwrap();
    assert_eq!(stored()["metadata"]["annotations"]["example.com/ticket"], "OPS 17");
    act(&lab, &["annotate", node, "example.com/ticket-"]);
    assert!(stored()["metadata"]["annotations"]["example.com/ticket"].is_null());

    let report = act(&lab, &["taint", node, "example.com/fault=gpu:NoSchedule"]);
    assert!(
        report["plan"]["kubectl"]
            .as_str()
            .unwrap()
            .ends_with("taint node gpu-worker-007 example.com/fault=gpu:NoSchedule --overwrite")
    );
    let taint = |t: &Value| t["key"] == "example.com/fault";
    let taints = || stored()["spec"]["taints"].as_array().cloned().unwrap_or_default();
    assert!(taints().iter().any(|t| taint(t) && t["value"] == "gpu"), "{:?}", taints());
    let why = refused(&lab, &["untaint", node, "example.com/other"]);
    assert!(
        why.contains("has no taint example.com/other; it has") && why.contains("example.com/fault"),
        "{why}"
    );
    act(&lab, &["untaint", node, "example.com/fault"]);
    assert!(!taints().iter().any(taint), "{:?}", taints());
    let (_, plan) =
        lab.json(&["do", "taint", node, "example.com/fault:NoExecute", "--dry-run", "-o", "json"]);
    says(&plan, "evicted");
    let why = refused(&lab, &["out-of-service", node]);
    assert!(why.contains("its kubelet reports Ready"), "{why}");
    // Usage errors are told before anything is asked.
    let output = lab.run(&["do", "taint", node, "example.com/fault:Sometimes", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it is one of NoSchedule"));
    let output = lab.run(&["do", "cordon", node, "A=1", "--yes"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("takes nothing behind its target"));
}

#[test]
fn resources_are_set_by_a_rollout_or_in_place_and_bounds_are_told_before() {
    let lab = Lab::start("healthy", 4.0);
    let ns = ["-n", "production"];
    let with = |args: &[&'static str]| [args, &ns[..]].concat();
    let report = act(
        &lab,
        &with(&["set-resources", "deploy/cart", "--requests", "memory=300Mi", "--limits", "memory=600Mi"]),
    );
    says(&report, "nodes have room");
    let template = lab.sim.store().get("deployments.apps", "production", "cart").unwrap();
    let resources = &template["spec"]["template"]["spec"]["containers"][0]["resources"];
    assert_eq!(
        (&resources["requests"]["memory"], &resources["limits"]["memory"]),
        (&json!("300Mi"), &json!("600Mi"))
    );

    let why = refused(
        &lab,
        &with(&["set-resources", "deploy/cart", "--requests", "memory=2Gi", "--limits", "memory=1Gi"]),
    );
    assert!(why.contains("above the limit"), "{why}");
    let range = json!({"metadata": {"name": "bounds"}, "spec": {"limits": [{"type": "Container", "max": {"memory": "1Gi"}}]}});
    lab.sim.store().create("limitranges", "production", range).unwrap();
    let why = refused(&lab, &with(&["set-resources", "deploy/cart", "--limits", "memory=2Gi"]));
    assert!(why.contains("bounds allows at most 1Gi memory for a container, not 2Gi"), "{why}");

    let pod = pod_of(&lab, "orders");
    let target = format!("pod/{pod}");
    let before = lab.sim.store().get("pods", "production", &pod).unwrap();
    let request = before["spec"]["containers"][0]["resources"]["requests"].clone();
    assert!(request["memory"].is_string(), "{request}");
    let report = act(&lab, &["set-resources", &target, "--limits", "memory=900Mi", "-n", "production"]);
    says(&report, "only this pod is resized");
    let after = lab.sim.store().get("pods", "production", &pod).unwrap();
    assert_eq!(after["status"]["containerStatuses"][0]["resources"]["limits"]["memory"], "900Mi");
    assert_eq!(after["status"]["containerStatuses"][0]["restartCount"], 0, "in place: nothing restarted");
    let huge =
        ["set-resources", &target, "--requests", "cpu=5000", "--limits", "cpu=5000", "-n", "production"];
    let why = refused(&lab, &huge);
    assert!(why.contains("node didn't have enough allocatable resources: cpu"), "{why}");
    let output =
        lab.run(&["do", "set-resources", "deploy/cart", "--limits", "memory=1GB", "-n", "production"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("\"1GB\" is no amount of memory"));
}

#[test]
fn environment_probes_and_guards_change_and_secrets_stay_hidden() {
    let lab = Lab::start("healthy", 4.0);
    let container = || {
        let d = lab.sim.store().get("deployments.apps", "production", "cart").unwrap();
        d["spec"]["template"]["spec"]["containers"][0].clone()
    };
    let args = [
        "do",
        "set-env",
        "deploy/cart",
        "MODE=slow down",
        "DB_PASSWORD=hunter2",
        "-n",
        "production",
        "--yes",
        "-o",
        "json",
    ];
    let output = lab.run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let env = container()["env"].clone();
    let value =
        |name: &str| env.as_array().unwrap().iter().find(|e| e["name"] == name).unwrap()["value"].clone();
    assert_eq!((value("MODE"), value("DB_PASSWORD")), (json!("slow down"), json!("hunter2")));
    let told = [output.stdout, output.stderr, lab.run(&["journal", "-o", "json"]).stdout].concat();
    let told = String::from_utf8(told).unwrap();
    assert!(told.contains("MODE") && !told.contains("hunter2"), "{told}");
    act(&lab, &["set-env", "deploy/cart", "MODE-", "-n", "production"]);
    assert!(!container()["env"].to_string().contains("MODE"));

    let probe = [
        "set-probe",
        "deploy/cart",
        "--probe",
        "readiness",
        "--period",
        "7",
        "--failures",
        "4",
        "-n",
        "production",
    ];
    let report = act(&lab, &probe);
    assert_eq!(
        (&container()["readinessProbe"]["periodSeconds"], &container()["readinessProbe"]["failureThreshold"]),
        (&json!(7), &json!(4))
    );
    assert!(report["plan"]["kubectl"].as_str().unwrap().contains("patch deployment/cart -n production -p"));
    let why =
        refused(&lab, &["set-probe", "deploy/cart", "--probe", "startup", "--remove", "-n", "production"]);
    assert!(why.contains("has no startupProbe"), "{why}");
    let gpu =
        ["do", "set-probe", "deploy/cart", "--probe", "liveness", "--exec", "nvidia-smi", "-n", "production"];
    let output = lab.run(&gpu);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sees not what the server uses"));

    let report = act(
        &lab,
        &["guards", "deploy/cart", "--max-unavailable", "25%", "--min-ready", "5", "-n", "production"],
    );
    says(&report, "pods may be missing");
    let why = refused(&lab, &["guards", "deploy/cart", "--min-ready", "900", "-n", "production"]);
    assert!(why.contains("progressDeadlineSeconds 600, minReadySeconds 900"), "{why}");
}

#[test]
fn configuration_quotas_and_selectors_tell_who_uses_them() {
    let lab = Lab::start("healthy", 4.0);
    let store = lab.sim.store();
    let map = |name: &str, immutable: bool| json!({"metadata": {"name": name}, "data": {"MODE": "fast"}, "immutable": immutable});
    store.create("configmaps", "production", map("settings", false)).unwrap();
    store.create("configmaps", "production", map("fixed", true)).unwrap();
    act(&lab, &["set-config", "cm/settings", "MODE=slow", "NEW=a b", "-n", "production"]);
    assert_eq!(
        store.get("configmaps", "production", "settings").unwrap()["data"],
        json!({"MODE": "slow", "NEW": "a b"})
    );
    let why = refused(&lab, &["set-config", "cm/fixed", "MODE=slow", "-n", "production"]);
    assert!(why.contains("it is immutable"), "{why}");

    let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"configmaps": "50"}}});
    store.create("resourcequotas", "production", quota).unwrap();
    act(&lab, &["set-quota", "quota/q", "--hard", "configmaps=60,services=40", "-n", "production"]);
    assert_eq!(store.get("resourcequotas", "production", "q").unwrap()["spec"]["hard"]["configmaps"], "60");
    let (_, plan) = lab.json(&[
        "do",
        "set-quota",
        "quota/q",
        "--hard",
        "configmaps=1",
        "-n",
        "production",
        "--dry-run",
        "-o",
        "json",
    ]);
    says(&plan, "more than 1");

    let why = refused(&lab, &["switch-selector", "svc/cart", "app=cart-green", "-n", "production"]);
    assert!(why.contains("no ready pod has app=cart-green"), "{why}");
    let report = act(&lab, &["switch-selector", "svc/cart", "app=orders", "-n", "production"]);
    says(&report, "khud do switch-selector svc/cart app=cart -n production");
}

#[test]
fn jobs_are_held_triggered_and_run_again() {
    let lab = Lab::start("healthy", 8.0);
    let store = lab.sim.store();
    let image = {
        let d = store.get("deployments.apps", "production", "cart").unwrap();
        d["spec"]["template"]["spec"]["containers"][0]["image"].clone()
    };
    let pods = json!({"metadata": {"labels": {"app": "report"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "report", "image": image}]}});
    let cron = json!({"metadata": {"name": "report"}, "spec": {"schedule": "0 3 1 1 *", "concurrencyPolicy": "Forbid",
        "jobTemplate": {"metadata": {"labels": {"app": "report"}}, "spec": {"backoffLimit": 0, "template": pods}}}});
    store.create("cronjobs.batch", "production", cron).unwrap();
    let suspended =
        || store.get("cronjobs.batch", "production", "report").unwrap()["spec"]["suspend"].clone();
    act(&lab, &["suspend", "cj/report", "-n", "production"]);
    assert_eq!(suspended(), true);
    act(&lab, &["suspend", "cj/report", "--undo", "-n", "production"]);
    assert_ne!(suspended(), true);
    // The image serves and does not end, so the job is followed for the time given and told as running.
    let args = ["do", "trigger", "cj/report", "-n", "production", "--timeout", "3s", "--yes", "-o", "json"];
    let (code, report) = lab.json(&args);
    assert_eq!((code, &report["outcome"]), (3, &json!("applied")), "{}", report["reason"]);
    let jobs = store.list("jobs.batch", Some("production"));
    let made =
        jobs.iter().find(|j| j["metadata"]["name"].as_str().unwrap().starts_with("report-manual-")).unwrap();
    assert_eq!(made["metadata"]["annotations"]["cronjob.kubernetes.io/instantiate"], "manual");
    assert_eq!(made["metadata"]["ownerReferences"][0]["name"], "report");
    let name = made["metadata"]["name"].as_str().unwrap();
    let why = refused(&lab, &["retry", &format!("job/{name}"), "-n", "production"]);
    assert!(why.contains("has not ended"), "{why}");
    let report = act(&lab, &["delete", &format!("job/{name}"), "-n", "production"]);
    says(&report, "1 pods go with it");
}

#[test]
fn what_goes_with_an_object_is_told_before_it_is_deleted() {
    let lab = Lab::start("healthy", 4.0);
    let store = lab.sim.store();
    let why = refused(&lab, &["delete", "ns/kube-system"]);
    assert!(why.contains("the cluster does not work without it"), "{why}");
    let report = act(&lab, &["delete", "deploy/cart", "-n", "production"]);
    says(&report, "replicasets go with it");
    assert!(store.get("deployments.apps", "production", "cart").is_none());

    let stuck = json!({"metadata": {"name": "stuck", "finalizers": ["example.com/cleanup", "example.com/other"]}, "data": {}});
    store.create("configmaps", "production", stuck).unwrap();
    let why = refused(&lab, &["remove-finalizers", "cm/stuck", "-n", "production"]);
    assert!(why.contains("nobody has deleted it"), "{why}");
    let args = ["do", "delete", "cm/stuck", "-n", "production", "--timeout", "1s", "--yes", "-o", "json"];
    let (code, report) = lab.json(&args);
    assert_eq!((code, &report["outcome"]), (3, &json!("applied")), "{}", report["reason"]);
    assert!(report["reason"].as_str().unwrap().contains("example.com/cleanup"), "{}", report["reason"]);
    let one = ["remove-finalizers", "cm/stuck", "--finalizer", "example.com/other", "-n", "production"];
    act(&lab, &one);
    assert_eq!(
        store.get("configmaps", "production", "stuck").unwrap()["metadata"]["finalizers"],
        json!(["example.com/cleanup"])
    );
    act(&lab, &["remove-finalizers", "cm/stuck", "-n", "production"]);
    assert!(store.get("configmaps", "production", "stuck").is_none());

    let crd = json!({"metadata": {"name": "widgets.example.com"}, "spec": {"group": "example.com", "scope": "Namespaced",
        "names": {"plural": "widgets", "singular": "widget", "kind": "Widget", "listKind": "WidgetList"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    store.create("customresourcedefinitions.apiextensions.k8s.io", "", crd).unwrap();
    for name in ["a", "b"] {
        let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": name}, "spec": {"size": 1}});
        store.create("widgets.example.com", "production", widget).unwrap();
    }
    let why = refused(&lab, &["delete", "crd/widgets.example.com"]);
    assert!(why.contains("2 objects: `khud do backup crd/widgets.example.com` first"), "{why}");
    let out = lab.dir.path().join("backup");
    let report = act(&lab, &["backup", "crd/widgets.example.com", "--out", out.to_str().unwrap()]);
    let text = std::fs::read_to_string(report["files"][0]["path"].as_str().unwrap()).unwrap();
    assert_eq!((text.matches("---\n").count(), text.matches("\nkind: Widget\n").count()), (3, 2), "{text}");
    assert!(!text.contains("resourceVersion") && !text.contains("uid:"), "{text}");
    act(&lab, &["label", "widgets.example.com/a", "team=blue", "-n", "production"]);
    assert_eq!(
        store.get("widgets.example.com", "production", "a").unwrap()["metadata"]["labels"]["team"],
        "blue"
    );
    let report = act(&lab, &["delete", "crd/widgets.example.com", "--without-backup"]);
    says(&report, "2 widgets die with it");

    let pod = pod_of(&lab, "orders");
    let report = act(&lab, &["force-delete", &format!("pod/{pod}"), "-n", "production"]);
    says(&report, "it is not terminating");
    assert!(store.get("pods", "production", &pod).is_none());
}

/// Every action under --read-only, on an object of its kind: a plan or a usage error, and never a write.
#[test]
fn read_only_sends_no_write_whatever_the_action() {
    let lab = Lab::start("healthy", 1.0);
    let pod = format!("pod/{}", pod_of(&lab, "cart"));
    lab.sim
        .store()
        .create("configmaps", "production", json!({"metadata": {"name": "m"}, "data": {"A": "1"}}))
        .unwrap();
    for action in khud::remedy::catalogue() {
        let target = match action.kinds.first().map(|k| k.name()) {
            None | Some("ConfigMap") => "cm/m",
            Some("Pod") => pod.as_str(),
            Some("Node") => "node/gpu-worker-007",
            Some("Deployment") => "deploy/cart",
            Some("Service") => "svc/cart",
            // Not there: refused for that.
            Some(_) => continue,
        };
        let mut args =
            vec!["do", action.name, target, "-n", "production", "--read-only", "--yes", "-o", "json"];
        let words: &[&str] = match action.name {
            "scale" => &["--replicas", "2"],
            "copy" => &["/etc/hostname"],
            "set-image" => &["cart=x:1"],
            "set-env" | "set-config" | "label" | "annotate" | "switch-selector" => &["a=b"],
            "set-resources" => &["--limits", "memory=1Gi"],
            "set-probe" => &["--probe", "liveness", "--tcp", "80"],
            "guards" => &["--min-ready", "1"],
            "taint" => &["a=b:NoSchedule"],
            "untaint" => &["a"],
            "restore" => &["--from", "/nowhere"],
            _ => &[],
        };
        args.extend(words);
        let (code, report) = lab.json(&args);
        let writes: Vec<&Value> = report["requests"].as_array().unwrap().iter().collect();
        assert!(writes.is_empty(), "{}: {writes:?}", action.name);
        let done = report["reason"].as_str().unwrap();
        // It reads, and writes on this machine only.
        if matches!(action.name, "backup" | "bundle") {
            std::fs::remove_file(report["files"][0]["path"].as_str().unwrap()).unwrap();
            continue;
        }
        assert!(code == 1 || done.contains("nothing was sent"), "{}: {code} {done}", action.name);
    }
}

#[test]
fn pods_that_were_evicted_are_deleted_together_and_no_other() {
    let lab = Lab::start("healthy", 1.0);
    let store = lab.sim.store();
    for (name, phase, reason) in [
        ("old-1", "Failed", "Evicted"),
        ("old-2", "Failed", "Evicted"),
        ("bad", "Failed", "Error"),
        ("done", "Succeeded", ""),
    ] {
        let pod = json!({"metadata": {"name": name}, "spec": {"nodeName": "gone", "containers": [{"name": "c", "image": "i"}]}});
        store.create("pods", "production", pod).unwrap();
        let status = json!({"phase": phase, "reason": reason});
        store
            .modify("pods", "production", name, khud_sim::api::store::Part::Status, |p| p["status"] = status)
            .unwrap();
    }
    let there = |name: &str| store.get("pods", "production", name).is_some();
    let (code, plan) =
        lab.json(&["do", "delete", "--evicted", "-n", "production", "--dry-run", "-o", "json"]);
    assert_eq!(code, 0, "{plan}");
    says(&plan, "2 evicted pods are deleted: old-1, old-2");
    let report = act(&lab, &["delete", "--evicted", "-n", "production"]);
    assert!(report["reason"].as_str().unwrap().contains("2 evicted pods of production are gone"), "{report}");
    assert_eq!(["old-1", "old-2", "bad", "done"].map(there), [false, false, true, true]);
    act(&lab, &["delete", "--completed", "-n", "production"]);
    assert_eq!(["bad", "done"].map(there), [true, false]);
    let again = act(&lab, &["delete", "--evicted", "-n", "production"]);
    assert!(again["reason"].as_str().unwrap().contains("nothing was sent"), "{again}");
    let why = refused(&lab, &["delete", "--evicted", "-n", "nowhere"]);
    assert!(why.contains("there is no namespace nowhere"), "{why}");
    let output = lab.run(&["do", "delete", "--evicted", "-A", "--yes"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("one namespace at a time"), "{output:?}");
    let output = lab.run(&["do", "delete", "deploy/cart", "--evicted", "-n", "production", "--yes"]);
    assert_eq!(output.status.code(), Some(2));
}

/// A protected context or namespace is named before anything is changed, with --yes, too.
#[test]
fn a_protected_place_is_named_before_it_is_changed() {
    let lab = Lab::start("healthy", 4.0);
    let config = lab.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "protected-namespaces = ['prod*']\n").unwrap();
    let khud = |args: &[&str]| {
        let mut command = lab.khud(args);
        command.env("KHUD_CONFIG_DIR", &config);
        command.output().unwrap()
    };
    let restart = ["do", "restart", "deploy/cart", "-n", "production", "--yes"];
    let output = khud(&restart);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("production is protected: add --confirm production"), "{told}");
    let cart = || {
        lab.sim.store().get("deployments.apps", "production", "cart").unwrap()["metadata"]["generation"]
            .clone()
    };
    let before = cart();
    assert_eq!(khud(&[&restart[..], &["--confirm", "staging"]].concat()).status.code(), Some(1));
    assert_eq!(cart(), before);
    let output = khud(&[&restart[..], &["--confirm", "production"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let output = khud(&["do", "delete", "ns/production", "--yes"]);
    assert_eq!(output.status.code(), Some(1), "the namespace itself");
    assert!(lab.sim.store().get("namespaces", "", "production").is_some());
    // A node is in no namespace.
    assert_eq!(khud(&["do", "cordon", "node/gpu-worker-007", "--yes"]).status.code(), Some(0));
}
