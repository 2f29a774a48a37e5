//! CustomResourceDefinitions: backed up, restored and migrated without losing an object, as `khud do` does it.

use std::path::{Path, PathBuf};

use crate::actions::{act, refused, says};
use crate::support::lab::Lab;
use khud_sim::api::store::DeleteOptions;
use serde_json::{Value, json};

const CRD: &str = "customresourcedefinitions.apiextensions.k8s.io";
const MODELS: &str = "llmdeployments.inference.llm-d.io";

/// A definition of the case study's kind whose versions and schema are given.
fn definition(versions: &[(&str, bool, bool)], schema: &Value) -> Value {
    let versions: Vec<Value> = versions
        .iter()
        .map(|(name, served, storage)| {
            json!({"name": name, "served": served, "storage": storage,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": schema}}}})
        })
        .collect();
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": MODELS}, "spec": {"group": "inference.llm-d.io", "scope": "Namespaced",
            "names": {"plural": "llmdeployments", "singular": "llmdeployment", "kind": "LLMDeployment", "listKind": "LLMDeploymentList"},
            "versions": versions}})
}

fn loose() -> Value {
    json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true})
}

/// A cluster with the definition in v1alpha1 and three models.
fn lab() -> Lab {
    let lab = Lab::start("healthy", 4.0);
    let store = lab.sim.store();
    store.create(CRD, "", definition(&[("v1alpha1", true, true)], &loose())).unwrap();
    let owner = json!({"metadata": {"name": "catalogue"}, "data": {}});
    let owner = store.create("configmaps", "production", owner).unwrap()["metadata"]["uid"].clone();
    for (name, replicas) in [("llama", 3), ("mistral", 2), ("qwen", 1)] {
        let model = json!({"apiVersion": "inference.llm-d.io/v1alpha1", "kind": "LLMDeployment",
            "metadata": {"name": name, "ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "catalogue", "uid": owner.clone()}]},
            "spec": {"model": format!("acme/{name}"), "replicas": replicas}});
        store.create(MODELS, "production", model).unwrap();
    }
    lab
}

fn models(lab: &Lab) -> Vec<String> {
    let all = lab.sim.store().list(MODELS, None);
    let mut names: Vec<String> =
        all.iter().map(|m| m["metadata"]["name"].as_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

fn write(lab: &Lab, name: &str, text: &str) -> PathBuf {
    let path = lab.dir.path().join(name);
    std::fs::write(&path, text).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn puts(report: &Value) -> usize {
    let all = report["requests"].as_array().unwrap();
    all.iter().filter(|r| r["verb"] == "PUT" && r["path"].as_str().unwrap().contains("/namespaces/")).count()
}

#[test]
fn what_was_deleted_comes_back_from_its_backup_and_what_is_there_stays() {
    let lab = lab();
    let store = lab.sim.store();
    let crd = format!("crd/{MODELS}");
    let out = lab.dir.path().join("out");
    let report = act(&lab, &["backup", &crd, "--out", text(&out)]);
    let file = PathBuf::from(report["files"][0]["path"].as_str().unwrap());
    let again = act(&lab, &["restore", &crd, "--from", text(&file)]);
    assert!(again["reason"].as_str().unwrap().contains("nothing was sent"), "{}", again["reason"]);

    // One is gone and one was changed since.
    store.delete(MODELS, "production", "qwen", DeleteOptions::default()).unwrap();
    act(&lab, &["label", &format!("{MODELS}/mistral"), "team=blue", "-n", "production"]);
    let report = act(&lab, &["restore", &crd, "--from", text(&file)]);
    says(&report, "llmdeployment production/qwen");
    says(&report, "1 objects are there and differ");
    says(&report, "the owner references of 3 objects are left out");
    assert_eq!(store.get(MODELS, "production", "mistral").unwrap()["metadata"]["labels"]["team"], "blue");
    assert_eq!(store.get(MODELS, "production", "qwen").unwrap()["spec"]["replicas"], 1);

    // The definition itself, and all objects with it.
    act(&lab, &["delete", &crd, "--without-backup"]);
    assert!(store.get(CRD, "", MODELS).is_none());
    let report = act(&lab, &["restore", &crd, "--from", text(&file)]);
    says(&report, "is made again");
    assert_eq!(models(&lab), ["llama", "mistral", "qwen"]);
    assert!(report["reason"].as_str().unwrap().starts_with("all 4 objects of"), "{}", report["reason"]);

    let why = refused(&lab, &["restore", "deploy/cart", "-n", "production", "--from", text(&file)]);
    assert!(why.contains("does not hold deployment production/cart"), "{why}");
    let odd = write(&lab, "odd.yaml", "just: [a\n");
    let why = refused(&lab, &["restore", &crd, "--from", text(&odd)]);
    assert!(why.contains("document 0"), "{why}");
    let why = refused(&lab, &["restore", &crd, "--from", "/nowhere.yaml"]);
    assert!(why.contains("there is no file /nowhere.yaml"), "{why}");
    // An object whose namespace is gone cannot be made.
    let away = std::fs::read_to_string(&file).unwrap().replace("namespace: production", "namespace: gone");
    let away = write(&lab, "away.yaml", &away);
    let why = refused(&lab, &["restore", &crd, "--from", text(&away)]);
    assert!(why.contains("there is no namespace gone"), "{why}");
}

#[test]
fn a_deployment_that_was_deleted_is_restored_and_rolls_out() {
    let lab = Lab::start("healthy", 4.0);
    let out = lab.dir.path().join("out");
    let report = act(&lab, &["backup", "deploy/cart", "-n", "production", "--out", text(&out)]);
    let file = report["files"][0]["path"].as_str().unwrap().to_owned();
    act(&lab, &["delete", "deploy/cart", "-n", "production"]);
    let report = act(&lab, &["restore", "deploy/cart", "-n", "production", "--from", &file]);
    says(&report, "1 objects are made again");
    assert!(lab.sim.store().get("deployments.apps", "production", "cart").is_some());
}

#[test]
fn a_definition_is_migrated_in_place_and_every_object_is_written_anew() {
    let lab = lab();
    let store = lab.sim.store();
    let crd = format!("crd/{MODELS}");
    let out = lab.dir.path().join("out");
    let migrate = |file: &Path, more: &[&str]| -> Vec<String> {
        let args = ["crd-migrate", &crd, "--from", text(file), "--out", text(&out)];
        args.iter().chain(more).map(|a| (*a).to_owned()).collect()
    };
    let words = |args: &[String]| -> Vec<&'static str> {
        args.iter().map(|a| &*Box::leak(a.clone().into_boxed_str())).collect()
    };
    // A definition that forgets the version in which objects are stored loses them.
    let forgetful = write(&lab, "new.json", &definition(&[("v1", true, true)], &loose()).to_string());
    let why = refused(&lab, &words(&migrate(&forgetful, &[])));
    assert!(why.contains("does not declare v1alpha1") && why.contains("served: false"), "{why}");
    // One whose schema does not know the replicas drops them.
    let versions = [("v1alpha1", true, false), ("v1", true, true)];
    let narrow = json!({"type": "object", "properties": {"model": {"type": "string"}}});
    let narrow = write(&lab, "narrow.json", &definition(&versions, &narrow).to_string());
    let why = refused(&lab, &words(&migrate(&narrow, &[])));
    assert!(why.contains("drops 1 fields") && why.contains("--drop-fields"), "{why}");
    let other = write(
        &lab,
        "other.json",
        &definition(&versions, &loose()).to_string().replace("\"Namespaced\"", "\"Cluster\""),
    );
    let why = refused(&lab, &words(&migrate(&other, &[])));
    assert!(why.contains("the scope cannot change from Namespaced to Cluster"), "{why}");

    // As the case study has it: the file is of v1beta1, with the schema on top.
    let old_form = json!({"apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition", "metadata": {"name": MODELS},
        "spec": {"group": "inference.llm-d.io", "scope": "Namespaced", "names": definition(&[], &loose())["spec"]["names"],
            "validation": {"openAPIV3Schema": {"type": "object", "properties": {"spec": {"type": "object", "properties": {"model": {"type": "string"}}}}}},
            "versions": [{"name": "v1alpha1", "served": true, "storage": false}, {"name": "v1", "served": true, "storage": true}]}});
    let file = write(&lab, "v1beta1.json", &old_form.to_string());
    let report = act(&lab, &words(&migrate(&file, &["--operator", "production/cart"])));
    assert_eq!(puts(&report), 3, "{}", report["requests"]);
    says(&report, "v1alpha1 is struck from the stored versions");
    let now = store.get(CRD, "", MODELS).unwrap();
    assert_eq!(now["status"]["storedVersions"], json!(["v1"]));
    assert_eq!(models(&lab), ["llama", "mistral", "qwen"]);
    assert_eq!(
        store.get(MODELS, "production", "llama").unwrap()["spec"]["replicas"],
        3,
        "nothing was dropped"
    );
    let cart = store.get("deployments.apps", "production", "cart").unwrap();
    assert!(
        cart["spec"]["template"]["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"].is_string()
    );
    let saved = std::fs::read_to_string(report["files"][0]["path"].as_str().unwrap()).unwrap();
    assert_eq!(saved.matches("---\n").count(), 4, "{saved}");
    // The version of before may go now; and then nothing is left to do.
    let clean = write(&lab, "clean.json", &definition(&[("v1", true, true)], &loose()).to_string());
    act(&lab, &words(&migrate(&clean, &[])));
    assert_eq!(store.get(CRD, "", MODELS).unwrap()["spec"]["versions"].as_array().unwrap().len(), 1);
    let report = act(&lab, &["crd-migrate", &crd]);
    assert!(report["reason"].as_str().unwrap().contains("nothing was sent"), "{}", report["reason"]);
}

/// A webhook that nobody answers refuses the second step; what was done, what is left and the way back are told.
#[test]
fn a_migration_that_fails_stops_there_and_names_the_way_back() {
    let lab = lab();
    let store = lab.sim.store();
    let crd = format!("crd/{MODELS}");
    let hook = json!({"metadata": {"name": "guard"}, "webhooks": [{"name": "guard.example.com", "failurePolicy": "Fail",
        "clientConfig": {"service": {"namespace": "production", "name": "nobody", "path": "/"}}, "sideEffects": "None",
        "admissionReviewVersions": ["v1"], "rules": [{"apiGroups": ["inference.llm-d.io"], "apiVersions": ["*"], "operations": ["UPDATE"], "resources": ["*"]}]}]});
    store.create("validatingwebhookconfigurations.admissionregistration.k8s.io", "", hook).unwrap();
    let versions = [("v1alpha1", true, false), ("v1", true, true)];
    let file = write(&lab, "new.json", &definition(&versions, &loose()).to_string());
    let out = lab.dir.path().join("out");
    let (code, report) = lab.json(&[
        "do",
        "crd-migrate",
        &crd,
        "--from",
        text(&file),
        "--out",
        text(&out),
        "--yes",
        "-o",
        "json",
    ]);
    let why = report["reason"].as_str().unwrap();
    assert_eq!((code, &report["outcome"]), (1, &json!("failed")), "{why}");
    assert!(
        why.contains("It stopped there")
            && why.contains("khud do crd-migrate")
            && why.contains("khud do restore"),
        "{why}"
    );
    // Nothing claims that the old version is empty.
    assert_eq!(store.get(CRD, "", MODELS).unwrap()["status"]["storedVersions"], json!(["v1alpha1", "v1"]));
    assert_eq!(models(&lab).len(), 3);
    // With the webhook gone the same command goes on.
    let hooks = "validatingwebhookconfigurations.admissionregistration.k8s.io";
    store.delete(hooks, "", "guard", DeleteOptions::default()).unwrap();
    std::fs::remove_dir_all(&out).unwrap();
    let report = act(&lab, &["crd-migrate", &crd, "--from", text(&file), "--out", text(&out)]);
    assert_eq!(puts(&report), 3);
    assert_eq!(store.get(CRD, "", MODELS).unwrap()["status"]["storedVersions"], json!(["v1"]));
}
