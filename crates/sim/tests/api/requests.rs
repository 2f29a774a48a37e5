//! The embedded API server on its socket, as plain HTTP, kube and the captures of a real server see it.

use crate::support::wire::{self, capture, get, running_pod, send};
use futures::{AsyncBufReadExt, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::authorization::v1::SelfSubjectAccessReview;
use k8s_openapi::api::core::v1::{Namespace, Node, Pod};
use khud_sim::api::store::Part;
use khud_sim::{Sim, SimOptions};
use kube::api::{
    Api, AttachParams, DeleteParams, EvictParams, ListParams, LogParams, Patch, PatchParams, PostParams,
    WatchEvent, WatchParams,
};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn sim() -> Sim {
    wire::start(SimOptions::default(), std::env::temp_dir()).await
}

async fn client_of(kubeconfig: &str) -> Client {
    let kubeconfig = Kubeconfig::from_yaml(kubeconfig).unwrap();
    let mut config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    config.default_retry = false;
    config.proxy_url = None;
    Client::try_from(config).unwrap()
}

fn deployment(name: &str, replicas: i32) -> Deployment {
    serde_json::from_value(json!({"metadata": {"name": name}, "spec": {"replicas": replicas,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}}}}))
    .unwrap()
}

/// The captured errors, asked for with the captured requests.
#[tokio::test]
async fn errors_have_the_bodies_of_a_real_server() {
    let sim = sim().await;
    sim.store().create("namespaces", "", json!({"metadata": {"name": "production"}})).unwrap();
    let object = serde_json::to_value(deployment("api-server", 3)).unwrap();
    sim.store().create("deployments.apps", "production", object).unwrap();
    for name in [
        "400-bad-patch",
        "404-pod",
        "409-conflict",
        "415-patch-type",
        "422-invalid",
        "410-continue",
        "404-metrics-api",
    ] {
        let case = capture(&format!("errors/{name}.json"));
        let (request, response) = (&case["request"], &case["response"]);
        if name == "404-metrics-api" {
            // This server has metrics; another group that it has not is answered the same.
            let reply = get(sim.url(), "/apis/nobody.example.com/v1/pods").await;
            assert_eq!((reply.status, reply.text()), (404, response["text"].as_str().unwrap().to_string()));
            continue;
        }
        let headers: Vec<(&str, &str)> = request["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str().unwrap()))
            .collect();
        let body = request["body"].as_str().unwrap_or_default();
        if name == "410-continue" {
            sim.store().compact();
        }
        let path = request["path"].as_str().unwrap();
        let reply = send(sim.url(), request["method"].as_str().unwrap(), path, &headers, body).await;
        assert_eq!(json!(reply.status), response["status"], "{name}");
        assert_eq!(reply.json(), response["json"], "{name}");
        for header in ["Cache-Control", "Content-Type", "Content-Length"] {
            assert_eq!(reply.header(header), response["headers"][header].as_str(), "{name} {header}");
        }
        // Field by field in the order of the real one.
        assert_eq!(reply.text(), format!("{}\n", compact(name)), "{name}");
    }
    let reply = get(sim.url(), "/api/v1/pods?watch=1&resourceVersion=1&timeoutSeconds=1").await;
    let mut want = capture("errors/410-watch.json")["response"]["json"].clone();
    let (first, last) = (reply.json(), sim.store().version());
    want["object"]["message"] = json!(format!("too old resource version: 1 ({last})"));
    assert_eq!((reply.status, first), (200, want));
}

/// The captured body as the wire had it: without spaces, in its own order.
fn compact(name: &str) -> String {
    let path = format!("{}/../../tests/captures/errors/{name}.json", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(path).unwrap();
    let body = text.split_once("\"json\": ").unwrap().1;
    let (mut out, mut quoted, mut escaped, mut depth) = (String::new(), false, false, 0);
    for c in body.chars() {
        if quoted || !c.is_whitespace() {
            out.push(c);
        }
        match c {
            '"' if !escaped => quoted = !quoted,
            '{' if !quoted => depth += 1,
            '}' if !quoted => depth -= 1,
            _ => {}
        }
        escaped = quoted && c == '\\' && !escaped;
        if depth == 0 {
            break;
        }
    }
    out
}

#[tokio::test]
async fn forbidden_and_unauthorized_as_captured() {
    let sim = sim().await;
    let viewer = Kubeconfig::from_yaml(&sim.kubeconfig_of("viewer", &[])).unwrap();
    let token =
        serde_json::to_value(&viewer).unwrap()["users"][0]["user"]["token"].as_str().unwrap().to_string();
    let bearer = format!("Bearer {token}");
    let reply = send(sim.url(), "GET", "/api/v1/pods", &[("Authorization", &bearer)], "").await;
    let want = &capture("errors/403-list-pods.json")["response"];
    assert_eq!((json!(reply.status), &reply.json()), (want["status"].clone(), &want["json"]));
    assert_eq!(reply.header("X-Content-Type-Options"), Some("nosniff"));
    let reply = send(sim.url(), "GET", "/api/v1/pods", &[("Authorization", "Bearer wrong")], "").await;
    assert_eq!((reply.status, reply.json()), (401, capture("errors/401.json")["response"]["json"].clone()));
    let body = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectRulesReview", "spec": {"namespace": "production"}});
    let path = "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews";
    let headers = [("Authorization", bearer.as_str()), ("Content-Type", "application/json")];
    let reply = send(sim.url(), "POST", path, &headers, &body.to_string()).await;
    let rules = |v: &Value| {
        let mut all: Vec<String> =
            v["status"]["resourceRules"].as_array().unwrap().iter().map(Value::to_string).collect();
        all.sort();
        all
    };
    assert_eq!(reply.status, 201);
    assert_eq!(rules(&reply.json()), rules(&capture("authz/ssrr.json")["response"]["json"]));
}

#[tokio::test]
async fn discovery_is_that_of_a_real_server() {
    let sim = sim().await;
    for (path, name) in [
        ("/api/v1", "api_v1"),
        ("/apis/apps/v1", "apis_apps_v1"),
        ("/apis/policy/v1", "apis_policy_v1"),
        ("/apis/batch/v1", "apis_batch_v1"),
    ] {
        let names = |v: &Value| {
            let of = |r: &Value| {
                (
                    r["name"].clone(),
                    r["kind"].clone(),
                    r["verbs"].clone(),
                    r["group"].clone(),
                    r["version"].clone(),
                )
            };
            v["resources"].as_array().unwrap().iter().map(of).collect::<Vec<_>>()
        };
        let ours = get(sim.url(), path).await.json();
        assert_eq!(
            names(&ours),
            names(&capture(&format!("discovery/{name}.json"))["response"]["json"]),
            "{path}"
        );
    }
    let accept =
        ("Accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
    let reply = send(sim.url(), "GET", "/api", &[accept], "").await;
    assert_eq!(reply.json(), capture("discovery/api-aggregated.json")["response"]["json"]);
    assert_eq!(
        reply.header("Content-Type"),
        Some("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    );
    let mut ours = send(sim.url(), "GET", "/apis", &[accept], "").await.json();
    // The captured cluster had no metrics server.
    ours["items"].as_array_mut().unwrap().retain(|g| g["metadata"]["name"] != "metrics.k8s.io");
    assert_eq!(ours, capture("discovery/apis-aggregated.json")["response"]["json"]);
    let client = client_of(&sim.kubeconfig()).await;
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
    let discovery = kube::Discovery::new(client).run_aggregated().await.unwrap();
    assert!(discovery.groups().any(|g| g.name() == "metrics.k8s.io"));
}

#[tokio::test]
async fn kube_lists_watches_and_writes() {
    let sim = sim().await;
    let client = client_of(&sim.kubeconfig()).await;
    let api: Api<Deployment> = Api::namespaced(client.clone(), "prod");
    let made = api.create(&PostParams::default(), &deployment("web", 2)).await.unwrap();
    assert_eq!(made.metadata.generation, Some(1));
    let params = WatchParams::default().timeout(20);
    let version = made.metadata.resource_version.clone().unwrap();
    let mut events = std::pin::pin!(api.watch(&params, &version).await.unwrap());
    let patch = Patch::Strategic(
        json!({"spec": {"template": {"spec": {"containers": [{"name": "c", "image": "i:2"}]}}}}),
    );
    api.patch("web", &PatchParams::default(), &patch).await.unwrap();
    let dry = PatchParams { dry_run: true, ..PatchParams::default() };
    api.patch("web", &dry, &Patch::Merge(json!({"spec": {"replicas": 9}}))).await.unwrap();
    match events.try_next().await.unwrap().unwrap() {
        WatchEvent::Modified(d) => {
            let spec = d.spec.unwrap();
            assert_eq!((d.metadata.generation, spec.replicas), (Some(2), Some(2)));
            assert_eq!(spec.template.spec.unwrap().containers[0].image.as_deref(), Some("i:2"));
        }
        other => panic!("{other:?}"),
    }
    let scale = api
        .patch_scale("web", &PatchParams::default(), &Patch::Merge(json!({"spec": {"replicas": 5}})))
        .await
        .unwrap();
    assert_eq!(scale.spec.unwrap().replicas, Some(5));
    let stale = Deployment { metadata: made.metadata.clone(), ..deployment("web", 1) };
    match api.replace("web", &PostParams::default(), &stale).await {
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 409),
        other => panic!("{other:?}"),
    }
    api.delete("web", &DeleteParams::default()).await.unwrap();
    let mut last = None;
    while let Some(event) = events.try_next().await.unwrap() {
        last = Some(event);
        if matches!(last, Some(WatchEvent::Deleted(_))) {
            break;
        }
    }
    assert!(matches!(last, Some(WatchEvent::Deleted(_))));
    let applied = PatchParams::apply("khud-test").force();
    let ns =
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "made", "labels": {"a": "b"}}});
    let ns: Namespace = Api::all(client.clone()).patch("made", &applied, &Patch::Apply(ns)).await.unwrap();
    assert_eq!(ns.metadata.labels.unwrap()["a"], "b");
    let review: SelfSubjectAccessReview = serde_json::from_value(
        json!({"spec": {"resourceAttributes": {"verb": "patch", "resource": "nodes"}}}),
    )
    .unwrap();
    let review = Api::all(client).create(&PostParams::default(), &review).await.unwrap();
    assert!(review.status.unwrap().allowed);
}

#[tokio::test]
async fn streaming_lists_end_with_a_marked_bookmark() {
    let sim = sim().await;
    running_pod(&sim, "second", json!({"app": "x"}));
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    let reply = get(sim.url(), &format!("/api/v1/namespaces/prod/pods?{query}")).await;
    let lines: Vec<Value> = reply.text().lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let kinds: Vec<&str> = lines.iter().map(|l| l["type"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["ADDED", "ADDED", "BOOKMARK", "BOOKMARK"]);
    let mark = &lines[2]["object"];
    assert_eq!(mark["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    // As in captures/watch.
    assert_eq!(
        (&mark["kind"], &mark["spec"], &mark["status"]),
        (&json!("Pod"), &json!({"containers": null}), &json!({}))
    );
    assert!(
        reply.whole
            && reply.text().starts_with(
                "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"metadata\":"
            )
    );
    let refused = get(sim.url(), "/api/v1/pods?watch=1&sendInitialEvents=true").await;
    assert_eq!(refused.status, 422);
    // Through the selector an object comes and goes.
    let version = sim.store().version();
    for app in ["y", "x"] {
        let label = |p: &mut Value| p["metadata"]["labels"]["app"] = json!(app);
        sim.store().modify("pods", "prod", "second", Part::Main, label).unwrap();
    }
    let path =
        format!("/api/v1/pods?watch=1&labelSelector=app%3Dx&resourceVersion={version}&timeoutSeconds=1");
    let text = get(sim.url(), &path).await.text();
    let kinds: Vec<Value> =
        text.lines().map(|l| serde_json::from_str::<Value>(l).unwrap()["type"].clone()).collect();
    assert_eq!(kinds, ["DELETED", "ADDED"]);
}

#[tokio::test]
async fn a_watch_that_is_far_behind_catches_up() {
    let sim = sim().await;
    let version = sim.store().version();
    // More than a watch is handed at a time, and none of it is for this one.
    for i in 0..300 {
        let label = |p: &mut Value| p["metadata"]["labels"]["n"] = json!(i.to_string());
        sim.store().modify("pods", "prod", "shell", Part::Main, label).unwrap();
    }
    running_pod(&sim, "wanted", json!({"app": "wanted"}));
    let path =
        format!("/api/v1/pods?watch=1&labelSelector=app%3Dwanted&resourceVersion={version}&timeoutSeconds=1");
    let text = get(sim.url(), &path).await.text();
    let names: Vec<Value> = text
        .lines()
        .map(|l| serde_json::from_str::<Value>(l).unwrap()["object"]["metadata"]["name"].clone())
        .collect();
    assert_eq!(names, ["wanted", "wanted"]);
}

#[tokio::test]
async fn lists_page_select_and_show_other_forms() {
    let sim = sim().await;
    for i in 0..5 {
        running_pod(&sim, &format!("p{i}"), json!({"app": "web"}));
    }
    let client = client_of(&sim.kubeconfig()).await;
    let pods: Api<Pod> = Api::all(client);
    let page = pods.list(&ListParams::default().limit(2).labels("app=web")).await.unwrap();
    assert_eq!((page.items.len(), page.metadata.remaining_item_count), (2, None));
    let token = page.metadata.continue_.unwrap();
    let rest =
        pods.list(&ListParams::default().limit(10).labels("app=web").continue_token(&token)).await.unwrap();
    assert_eq!(rest.items.len(), 3);
    let all =
        pods.list(&ListParams::default().fields("spec.nodeName=node-1,metadata.name!=p0")).await.unwrap();
    assert_eq!(all.items.len(), 5);
    let first = get(sim.url(), "/api/v1/pods?limit=2").await.json();
    assert_eq!(first["metadata"]["remainingItemCount"], 4);
    assert!(first["items"][0].get("kind").is_none());
    let accept = [("Accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let table = send(sim.url(), "GET", "/api/v1/namespaces/prod/pods", &accept, "").await.json();
    assert_eq!(
        table["columnDefinitions"],
        capture("table/pods.json")["response"]["json"]["columnDefinitions"]
    );
    let cells = &table["rows"][0]["cells"].as_array().unwrap()[..4];
    assert_eq!(json!(cells), json!(["p0", "1/1", "Running", "0"]));
    let partial = [("Accept", "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1")];
    let partial = send(sim.url(), "GET", "/api/v1/pods?limit=1", &partial, "").await.json();
    assert_eq!(
        (&partial["kind"], partial["items"][0].get("spec")),
        (&json!("PartialObjectMetadataList"), None)
    );
    for bad in [
        "labelSelector=a%20in%20(b",
        "fieldSelector=spec.foo%3D1",
        "limit=x",
        "continue=%25",
        "resourceVersion=x",
    ] {
        assert_eq!(get(sim.url(), &format!("/api/v1/pods?{bad}")).await.status, 400, "{bad}");
    }
}

#[tokio::test]
async fn evictions_obey_the_budget() {
    let sim = sim().await;
    running_pod(&sim, "a", json!({"app": "api-server"}));
    let spec = json!({"minAvailable": 3, "selector": {"matchLabels": {"app": "api-server"}}});
    let pdb = json!({"metadata": {"name": "api-server"}, "spec": spec});
    sim.store().create("poddisruptionbudgets.policy", "prod", pdb).unwrap();
    let set = |allowed: i64| {
        sim.store()
            .modify("poddisruptionbudgets.policy", "prod", "api-server", Part::Status, |b| {
                b["status"] = json!({"observedGeneration": 1, "disruptionsAllowed": allowed, "desiredHealthy": 3, "currentHealthy": 3});
            })
            .unwrap();
    };
    set(0);
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "a", "namespace": "prod"}}).to_string();
    let json_body = [("Content-Type", "application/json")];
    let path = "/api/v1/namespaces/prod/pods/a/eviction";
    let reply = send(sim.url(), "POST", path, &json_body, &body).await;
    let want = capture("evict/429-pdb.json");
    assert_eq!((reply.status, reply.json()), (429, want["response"]["json"].clone()));
    set(1);
    let reply = send(sim.url(), "POST", &format!("{path}?dryRun=All"), &json_body, &body).await;
    assert_eq!(
        (reply.status, reply.json()),
        (201, capture("evict/dry-run-ok.json")["response"]["json"].clone())
    );
    assert!(sim.store().get("pods", "prod", "a").unwrap()["metadata"]["deletionTimestamp"].is_null());
    let pods: Api<Pod> = Api::namespaced(client_of(&sim.kubeconfig()).await, "prod");
    pods.evict("a", &EvictParams::default()).await.unwrap();
    assert!(sim.store().get("pods", "prod", "a").unwrap()["metadata"]["deletionTimestamp"].is_string());
    let left = sim.store().get("poddisruptionbudgets.policy", "prod", "api-server").unwrap();
    assert_eq!(left["status"]["disruptionsAllowed"], 0);
}

#[tokio::test]
async fn streams_run_over_websockets() {
    let sim = sim().await;
    let client = client_of(&sim.kubeconfig()).await;
    let pods: Api<Pod> = Api::namespaced(client, "prod");
    let params = AttachParams::default().stdin(true).stdout(true).stderr(true);
    let script = "cat; echo to-stderr >&2; exit 3";
    let mut process = pods.exec("shell", ["sh", "-c", script], &params).await.unwrap();
    let mut stdin = process.stdin().unwrap();
    let big = vec![b'x'; 3 << 20];
    let (mut out, mut err) = (process.stdout().unwrap(), process.stderr().unwrap());
    let status = process.take_status().unwrap();
    let (mut got, mut errors) = (Vec::new(), String::new());
    let write = async {
        stdin.write_all(&big).await.unwrap();
        stdin.shutdown().await.unwrap();
    };
    let (_, read, _) = tokio::join!(write, out.read_to_end(&mut got), err.read_to_string(&mut errors));
    read.unwrap();
    let status = status.await.unwrap();
    assert_eq!((got.len(), errors.as_str()), (big.len(), "to-stderr\n"));
    assert_eq!(status.reason.as_deref(), Some("NonZeroExitCode"));
    assert_eq!(status.details.unwrap().causes.unwrap()[0].message.as_deref(), Some("3"));

    let mut forward = pods.portforward("shell", &[8080]).await.unwrap();
    let mut stream = forward.take_stream(8080).unwrap();
    stream.write_all(b"hello").await.unwrap();
    let mut got = vec![0; "port 8080\nhello".len()];
    stream.read_exact(&mut got).await.unwrap();
    assert_eq!(String::from_utf8(got).unwrap(), "port 8080\nhello");

    let tail = LogParams { tail_lines: Some(2), ..LogParams::default() };
    assert_eq!(pods.logs("shell", &tail).await.unwrap(), "two\nthree\n");
    let follow = LogParams { follow: true, ..LogParams::default() };
    let mut lines = pods.log_stream("shell", &follow).await.unwrap().lines();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|l| l != "followed") {
        seen.push(lines.next().await.unwrap().unwrap());
    }
    assert_eq!(seen, ["one", "two", "three", "followed"]);
}

/// kube and kubectl offer v5 first; older clients have only this one.
#[tokio::test]
async fn exec_speaks_the_fourth_channel_protocol_too() {
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest};
    let sim = sim().await;
    let path = "/api/v1/namespaces/prod/pods/shell/exec?command=sh&command=-c&command=echo%20out%3Bexit%203&stdout=1";
    let mut request = format!("{}{path}", sim.url().replace("http", "ws")).into_client_request().unwrap();
    request.headers_mut().insert("Sec-WebSocket-Protocol", "v4.channel.k8s.io".parse().unwrap());
    let socket = tokio::net::TcpStream::connect(sim.url().trim_start_matches("http://")).await.unwrap();
    let (mut socket, answer) = tokio_tungstenite::client_async(request, socket).await.unwrap();
    assert_eq!(answer.headers()["Sec-WebSocket-Protocol"], "v4.channel.k8s.io");
    let mut channels = vec![String::new(); 4];
    let code = loop {
        match socket.next().await.unwrap().unwrap() {
            Message::Binary(data) => {
                channels[usize::from(data[0])].push_str(std::str::from_utf8(&data[1..]).unwrap());
            }
            Message::Close(frame) => break u16::from(frame.unwrap().code),
            other => panic!("{other:?}"),
        }
    };
    let status: Value = serde_json::from_str(&channels[3]).unwrap();
    assert_eq!((channels[1].as_str(), &status["reason"], code), ("out\n", &json!("NonZeroExitCode"), 1000));
}

#[tokio::test]
async fn the_proxy_reaches_pods_services_and_nodes() {
    let sim = sim().await;
    let store = sim.store();
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8080}]);
    for name in ["web", "unready-svc"] {
        store
            .create("services", "prod", json!({"metadata": {"name": name}, "spec": {"ports": ports}}))
            .unwrap();
    }
    let slice = json!({"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": ["10.244.0.9"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "shell"}}]});
    store.create("endpointslices.discovery.k8s.io", "prod", slice).unwrap();
    let text = get(sim.url(), "/api/v1/namespaces/prod/services/web:http/proxy/ready?x=1").await.text();
    assert!(
        text.starts_with("GET /ready?x=1 Pod { ns: \"prod\", name: \"shell\"") && text.contains("port: 8080"),
        "{text}"
    );
    let text = get(sim.url(), "/api/v1/nodes/node-1/proxy/stats/summary").await.text();
    assert!(text.starts_with("GET /stats/summary Node { name: \"node-1\", port: 0 }"), "{text}");
    let reply = get(sim.url(), "/api/v1/namespaces/prod/pods/shell:9999/proxy/").await;
    assert_eq!(
        (reply.status, reply.json()),
        (503, capture("proxy/503-refused.json")["response"]["json"].clone())
    );
    let reply = get(sim.url(), "/api/v1/namespaces/prod/services/unready-svc:80/proxy/").await;
    assert_eq!(
        (reply.status, reply.json()),
        (503, capture("proxy/503-no-endpoints.json")["response"]["json"].clone())
    );
}

#[tokio::test]
async fn custom_resources_can_be_defined_and_served() {
    let sim = sim().await;
    let crd = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let json_body = [("Content-Type", "application/json")];
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(send(sim.url(), "POST", path, &json_body, &crd.to_string()).await.status, 201);
    let widget = json!({"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": {"size": 3}});
    let path = "/apis/example.com/v1/namespaces/prod/widgets";
    assert_eq!(send(sim.url(), "POST", path, &json_body, &widget.to_string()).await.status, 201);
    assert_eq!(get(sim.url(), path).await.json()["kind"], "WidgetList");
    assert_eq!(get(sim.url(), "/apis/example.com/v1").await.json()["resources"][0]["kind"], "Widget");
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.com";
    assert_eq!(send(sim.url(), "DELETE", path, &[], "").await.status, 200);
    assert_eq!(get(sim.url(), "/apis/example.com/v1/widgets").await.status, 404);
}

#[tokio::test]
async fn tls_is_trusted_through_the_kubeconfig() {
    let options = SimOptions { tls: true, ..SimOptions::default() };
    let sim = wire::start(options, std::env::temp_dir()).await;
    assert!(sim.url().starts_with("https://"));
    let nodes: Api<Node> = Api::all(client_of(&sim.kubeconfig()).await);
    assert_eq!(nodes.list(&ListParams::default()).await.unwrap().items.len(), 1);
    sim.stop().await;
}
