//! The incidents of the documents, each played to its end: the signals its document names are there, and the document's
//! own cure heals it. Everything is seen and done through the API.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod drill;

use drill::*;
use khud::sim::scenario;
use serde_json::json;

/// One test a scenario.
macro_rules! incidents {
    ($($name:ident $scenario:literal)*) => {
        $(#[test]
        fn $name() {
            let mut drill = Drill::start($scenario);
            played::$name(&mut drill);
            drill.was_played_as_written();
        })*
    };
}

incidents! {
    region_outage "region-outage"
}

/// docs/scenarios.md begins with an example; what it says of itself is true.
#[test]
fn the_example_to_start_from_is_checked_and_plays_as_it_says() {
    let docs = std::fs::read_to_string("docs/scenarios.md").unwrap();
    let example = docs.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("cart.yaml");
    std::fs::write(&file, example).unwrap();
    let file = file.to_str().unwrap();
    let said = scenario::check_file(file).unwrap();
    assert!(said.contains("The shop's cart is deployed with a tag that does not exist (9 nodes"), "{said}");
    let drill = Drill::start(file);
    let logged = drill.log("production", name(&drill.pod("production", "cart")), false);
    assert!(logged.contains("served 1 carts, 1"), "{logged}");
    drill.pass(30);
    let stuck = drill.pods("production", "cart").into_iter().find(|p| !ready(p)).unwrap();
    assert!(waiting(&stuck).contains("registry.acme.io/cart:v2: not found"), "{}", waiting(&stuck));
    drill.undo("production", "cart");
    drill.pass(30);
    assert_eq!(drill.pods("production", "cart").iter().filter(|p| ready(p)).count(), 3);
    drill.was_played_as_written();
}

mod played {
    use super::*;

    /// Case study 3: 40 % of the traffic in a region that goes dark, latency +250 %, survivors scaled to 12, gpt-4 with
    /// ten replicas of two GPUs elsewhere.
    pub fn region_outage(drill: &mut Drill) {
        let latency = |drill: &Drill, model: &str| {
            drill.mean("production", model, 8000, "vllm:e2e_request_latency_seconds")
        };
        let all_ready = |drill: &Drill, app: &str| {
            let pods = drill.pods("production", app);
            pods.iter().filter(|p| ready(p)).count()
        };
        assert!((latency(drill, "gpt-3-5") - 0.9).abs() < 0.05);
        for context in ["eu-west-1", "ap-southeast-1", "us-east-1"] {
            drill.use_context(context);
            assert!(drill.answers(), "{context}");
        }
        drill.use_context("eu-west-1");
        assert_eq!(all_ready(drill, "gpt-4"), 10);
        drill.pass(300);
        let dark: Vec<&str> = ["us-east-1", "eu-west-1", "ap-southeast-1"]
            .into_iter()
            .filter(|context| {
                drill.use_context(context);
                !drill.answers()
            })
            .collect();
        assert_eq!(dark, ["eu-west-1"]);

        for (context, models) in
            [("us-east-1", ["gpt-3-5", "bert-base"]), ("ap-southeast-1", ["gpt-3-5", "local-chinese"])]
        {
            drill.use_context(context);
            assert!(drill.list("nodes", "").iter().all(ready), "{context}");
            for model in models {
                assert!((latency(drill, model) - 0.9 * 3.5).abs() < 0.05, "{context} {model}");
                assert!(drill.metric("production", model, 8000, "vllm:num_requests_waiting") > 90.0);
                assert!(drill.pods("production", "gpt-4").is_empty());
                drill.scale("production", model, 12);
            }
        }
        drill.use_context("us-east-1");
        let emergency = json!({"apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "gpt-4-emergency", "namespace": "production"}, "spec": {"replicas": 10,
            "selector": {"matchLabels": {"app": "gpt-4"}}, "template": {"metadata": {"labels": {"app": "gpt-4"}},
            "spec": {"containers": [{"name": "server", "image": "vllm/vllm-openai:v0.9.2",
                "resources": {"limits": {"nvidia.com/gpu": 2}}}]}}}});
        drill.create(emergency);
        drill.pass(120);
        assert_eq!(all_ready(drill, "gpt-4-emergency"), 10);
        for (context, models) in
            [("us-east-1", ["gpt-3-5", "bert-base"]), ("ap-southeast-1", ["gpt-3-5", "local-chinese"])]
        {
            drill.use_context(context);
            for model in models {
                assert_eq!(all_ready(drill, model), 12, "{context} {model}");
                assert!((latency(drill, model) - 0.9).abs() < 0.05, "{context} {model}");
                assert_eq!(drill.metric("production", model, 8000, "vllm:num_requests_waiting"), 0.0);
            }
        }
        drill.pass(300);
        drill.use_context("eu-west-1");
        assert!(drill.answers());
    }
}
