//! Fail over: pods in the regions that are left, then the traffic, as one plan over several contexts.

use std::path::PathBuf;

use crate::actions::{act, refused, says};
use crate::support::lab::{self, Lab};
use serde_json::{Value, json};

const ROUTES: &str = "virtualservices.networking.istio.io";

/// Three regions: the cockpit's own (us) with the route, another (ap), and one that does not answer (eu).
fn regions() -> (Lab, Lab) {
    let (us, ap) = (Lab::start("healthy", 8.0), Lab::seeded("healthy", 8.0, 7));
    us.contexts(&[
        ("us", &us.server()),
        ("ap", &ap.server()),
        ("eu", &lab::nobody()),
        ("us-again", &us.server()),
    ]);
    let definition = json!({"metadata": {"name": ROUTES}, "spec": {"group": "networking.istio.io", "scope": "Namespaced",
        "names": {"plural": "virtualservices", "singular": "virtualservice", "kind": "VirtualService", "listKind": "VirtualServiceList"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}});
    us.sim.store().create("customresourcedefinitions.apiextensions.k8s.io", "", definition).unwrap();
    let to = |host: &str, weight: u64| json!({"destination": {"host": host}, "weight": weight});
    let route = json!({"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "api"},
        "spec": {"hosts": ["api.example.com"], "http": [{"route": [to("api-eu.example.com", 60), to("api-us.example.com", 30), to("api-ap.example.com", 10)]}]}});
    us.sim.store().create(ROUTES, "production", route).unwrap();
    (us, ap)
}

fn weights(lab: &Lab) -> Vec<u64> {
    let route = lab.sim.store().get(ROUTES, "production", "api").unwrap();
    let rule = route["spec"]["http"][0]["route"].as_array().unwrap().clone();
    rule.iter().map(|d| d["weight"].as_u64().unwrap()).collect()
}

fn wanted(lab: &Lab, name: &str) -> Value {
    lab.sim.store().get("deployments.apps", "production", name).unwrap()["spec"]["replicas"].clone()
}

const SCALE: [&str; 4] = ["--workload", "production/deploy/cart", "--replicas", "8"];
const ROUTE: [&str; 2] = ["--route", "production/virtualservice/api"];

fn plan<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&["failover", "--from", "eu"][..], more].concat()
}

#[test]
fn survivors_get_their_pods_and_then_the_traffic() {
    let (us, ap) = regions();
    let report = act(&us, &plan(&[&["--to", "us=70,ap=30"][..], &SCALE, &ROUTE].concat()));
    says(&report, "eu does not answer");
    says(&report, "api-eu.example.com: weight 60 → 0");
    assert_eq!((wanted(&us, "cart"), wanted(&ap, "cart")), (json!(8), json!(8)));
    assert_eq!(weights(&us), [0, 70, 30]);
    says(
        &report,
        "khud do failover --to 'eu=60@api-eu.example.com,us=30@api-us.example.com,ap=10@api-ap.example.com'",
    );
    // Each write names the region that it went to.
    let writes = report["requests"].as_array().unwrap();
    let to_ap: Vec<&Value> =
        writes.iter().filter(|r| r["context"] == "ap" && r["dry_run"] == false).collect();
    assert!(to_ap.iter().any(|r| r["path"].as_str().unwrap().ends_with("/cart/scale")), "{writes:?}");
    // The pods were ready before the traffic came.
    let position = |what: &str| {
        writes.iter().position(|r| r["dry_run"] == false && r["path"].as_str().unwrap().contains(what))
    };
    assert!(position("/cart/scale") < position("virtualservices/api"), "{writes:?}");
    let again = act(&us, &plan(&[&["--to", "us=70,ap=30"][..], &SCALE, &ROUTE].concat()));
    assert!(again["reason"].as_str().unwrap().contains("nothing was sent"), "{}", again["reason"]);
}

#[test]
fn a_plan_that_a_region_cannot_carry_is_refused_as_a_whole() {
    let (us, ap) = regions();
    let why = refused(&us, &plan(&[&["--to", "us=70,nowhere=30"][..], &SCALE, &ROUTE].concat()));
    assert!(why.contains("nowhere does not answer"), "{why}");
    let typo = [&["failover", "--from", "mars", "--to", "us=70,ap=30"][..], &SCALE, &ROUTE].concat();
    let why = refused(&us, &typo);
    assert!(why.contains("no context \"mars\""), "{why}");
    let why = refused(&us, &[&["failover", "--to", "us,us-again"][..], &SCALE].concat());
    assert!(why.contains("us-again and us are one cluster"), "{why}");
    let why =
        refused(&us, &plan(&["--to", "ap", "--workload", "production/deploy/nobody", "--replicas", "3"]));
    assert!(why.contains("ap has no deployment production/nobody"), "{why}");
    let why = refused(&us, &plan(&["--to", "ap", "--workload", "production/deploy/cart", "--replicas", "1"]));
    assert!(why.contains("takes none away"), "{why}");
    let hard = json!({"metadata": {"name": "few"}, "spec": {"hard": {"pods": "1"}}, "status": {"hard": {"pods": "1"}, "used": {"pods": "1"}}});
    ap.sim.store().create("resourcequotas", "production", hard).unwrap();
    ap.sim
        .store()
        .modify("resourcequotas", "production", "few", khud_sim::api::store::Part::Status, |q| {
            q["status"] = json!({"hard": {"pods": "1"}, "used": {"pods": "1"}});
        })
        .unwrap();
    let why = refused(&us, &plan(&[&["--to", "us=50,ap=50"][..], &SCALE, &ROUTE].concat()));
    assert!(why.contains("quota production/few"), "{why}");
    assert_eq!(
        (wanted(&us, "cart"), weights(&us)),
        (wanted(&ap, "cart"), vec![60, 30, 10]),
        "nothing was changed anywhere"
    );
    let why = refused(&us, &plan(&["--to", "tokyo=100", "--route", "production/virtualservice/api"]));
    assert!(why.contains("tokyo does not answer"), "{why}");
    // What is typed is checked before anything is asked.
    let output = us.run(&[
        "do",
        "failover",
        "--to",
        "us=70,ap=40",
        "--route",
        "production/virtualservice/api",
        "--yes",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("110 together, not 100"));
}

#[test]
fn a_model_that_a_region_lacks_comes_from_a_manifest_with_its_priority() {
    let (us, ap) = regions();
    let store = ap.sim.store();
    let manifest = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "gpt-emergency", "namespace": "production"},
        "spec": {"replicas": 1, "selector": {"matchLabels": {"app": "gpt-emergency"}}, "template": {"metadata": {"labels": {"app": "gpt-emergency"}},
            "spec": {"containers": [{"name": "server", "image": "registry.acme.io/shop/cart:2.3.1"}]}}}});
    let file: PathBuf = us.dir.path().join("emergency.json");
    std::fs::write(&file, manifest.to_string()).unwrap();
    let file = file.to_str().unwrap();
    let args = plan(&["--to", "ap", "--apply", file, "--replicas", "2", "--priority", "emergency"]);
    let why = refused(&us, &args);
    assert!(why.contains("emergency"), "{why}");
    let class = json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": "emergency"}, "value": 1_000_000});
    store.create("priorityclasses.scheduling.k8s.io", "", class).unwrap();
    let report = act(&us, &args);
    says(&report, "may preempt others");
    let made = store.get("deployments.apps", "production", "gpt-emergency").unwrap();
    assert_eq!(made["spec"]["replicas"], 2);
    assert_eq!(made["spec"]["template"]["spec"]["priorityClassName"], "emergency");
    assert!(
        us.sim.store().get("deployments.apps", "production", "gpt-emergency").is_none(),
        "only where it was asked for"
    );
    // A protected region is named, with --yes, too.
    let config = us.dir.path().join("config");
    std::fs::create_dir_all(&config).unwrap();
    std::fs::write(config.join("config.toml"), "[contexts.ap]\nprotected = true\n").unwrap();
    let mut command = us.khud(&["do", "failover", "--to", "ap", "--apply", file, "--yes"]);
    let output = command.env("KHUD_CONFIG_DIR", &config).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--confirm ap"), "{output:?}");
    // A person reads which clusters it is about.
    let output = us.run(&["do", "failover", "--to", "ap", "--apply", file, "--dry-run"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("ap takes over") && text.contains(&ap.server()), "{text}");
}
