//! Every fault by its name, as a plain HTTP client sees it: in the embedded API server, and in a proxy in front of one.

use crate::support::wire::{self, Reply, Wire, get, running_pod, send};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use jiff::fmt::rfc2822::DateTimeParser;
use jiff::{SignedDuration, Timestamp};
use khud_sim::api::faults::proxy::FaultProxy;
use khud_sim::api::faults::{Fault, Faults, parse_schedule};
use khud_sim::clock::SimClock;
use khud_sim::{Sim, SimOptions};
use kube::api::{Api, AttachParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// For what must come; never waited out where it does.
const PATIENCE: Duration = Duration::from_secs(60);
/// For what must not come.
const SILENCE: Duration = Duration::from_millis(300);

const PODS: &str = "/api/v1/namespaces/prod/pods";
const WATCH: &str = "/api/v1/pods?watch=1&allowWatchBookmarks=true&timeoutSeconds=60";

/// A server, and where its faults are: in itself or in a proxy before it.
struct Place {
    name: &'static str,
    sim: Sim,
    proxy: Option<FaultProxy>,
}

impl Place {
    fn url(&self) -> &str {
        self.proxy.as_ref().map_or(self.sim.url(), FaultProxy::url)
    }

    fn faults(&self) -> &Faults {
        self.proxy.as_ref().map_or(self.sim.faults(), FaultProxy::faults)
    }

    async fn get(&self, path: &str) -> Reply {
        get(self.url(), path).await
    }

    async fn watch(&self, query: &str) -> Wire {
        Wire::open(self.url(), &format!("{WATCH}{query}")).await
    }

    /// A watch that has seen the one pod that is there.
    async fn running_watch(&self) -> Wire {
        let mut watch = self.watch("&resourceVersion=0").await;
        assert_eq!(watch.event().await.unwrap().unwrap()["type"], "ADDED", "{}", self.name);
        watch
    }
}

async fn start(tls: bool) -> Sim {
    wire::start(SimOptions { tls, ..SimOptions::default() }, std::env::temp_dir()).await
}

async fn places() -> [Place; 3] {
    let (plain, secret) = (start(false).await, start(true).await);
    let before_plain = FaultProxy::start(plain.url(), None).await.unwrap();
    let kubeconfig = Kubeconfig::from_yaml(&secret.kubeconfig()).unwrap();
    let ca = kubeconfig.clusters[0].cluster.clone().unwrap().certificate_authority_data.unwrap();
    let ca = String::from_utf8(BASE64_STANDARD.decode(ca).unwrap()).unwrap();
    let before_tls = FaultProxy::start(secret.url(), Some(&ca)).await.unwrap();
    [
        Place { name: "in the server", sim: start(false).await, proxy: None },
        Place { name: "before HTTP", sim: plain, proxy: Some(before_plain) },
        Place { name: "before HTTPS", sim: secret, proxy: Some(before_tls) },
    ]
}

/// `Authorization` of a user in some groups.
fn bearer(sim: &Sim, user: &str, groups: &[&str]) -> String {
    let kubeconfig = serde_json::to_value(Kubeconfig::from_yaml(&sim.kubeconfig_of(user, groups)).unwrap());
    format!("Bearer {}", kubeconfig.unwrap()["users"][0]["user"]["token"].as_str().unwrap())
}

#[tokio::test]
async fn requests_are_answered_as_the_fault_says() {
    // Name, status, type, and what stands in the body; the texts are those of kube-apiserver and of nginx.
    let table = [
        ("429", 429, "text/plain; charset=utf-8", "Too many requests, please try again later."),
        ("500", 500, "application/json", r#""reason":"InternalError""#),
        ("503", 503, "application/json", r#""reason":"ServiceUnavailable""#),
        ("html", 502, "text/html", "<title>502 Bad Gateway</title>"),
        ("html=504", 504, "text/html", "<title>504 Gateway Timeout</title>"),
        ("expire-token", 401, "application/json", r#""reason":"Unauthorized""#),
    ];
    for place in places().await {
        for (name, status, kind, words) in table {
            place.faults().set([name.parse().unwrap()]);
            let reply = place.get(PODS).await;
            let seen = (reply.status, reply.header("Content-Type").unwrap());
            assert_eq!(seen, (status, kind), "{name} {}", place.name);
            assert!(reply.whole && reply.text().contains(words), "{name} {}: {}", place.name, reply.text());
            let after = (status == 429).then_some("1");
            assert_eq!(reply.header("Retry-After"), after, "{name} {}", place.name);
        }
        place.faults().clear();
        // Over TLS nobody is somebody without a token, fault or no fault.
        assert_eq!(place.get("/version").await.status, 200, "{}", place.name);
    }
}

#[tokio::test]
async fn one_kind_is_refused_to_whoever_asks() {
    for place in places().await {
        place.faults().set(["forbid=pods".parse().unwrap()]);
        for (user, groups) in [("root", &["system:masters"][..]), ("someone", &["system:masters"])] {
            let token = bearer(&place.sim, user, groups);
            let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
            let reply = send(place.url(), "GET", PODS, &headers, "").await;
            // In the words of captures/errors/403-list-pods.json.
            let message = format!(
                "pods is forbidden: User \"{user}\" cannot list resource \"pods\" in API group \"\" in the namespace \"prod\""
            );
            assert_eq!((reply.status, &reply.json()["message"]), (403, &json!(message)), "{}", place.name);
            let reply = send(place.url(), "GET", &format!("{PODS}/shell/log"), &headers, "").await;
            assert_eq!(reply.status, 403, "{}", place.name);
            let reply = send(place.url(), "GET", "/api/v1/nodes", &headers, "").await;
            assert_eq!(reply.status, 200, "only pods are refused {}", place.name);
            for (resource, allowed) in [("pods", false), ("nodes", true)] {
                let attributes = json!({"verb": "list", "resource": resource});
                let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
                    "spec": {"resourceAttributes": attributes}});
                let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
                let reply = send(place.url(), "POST", path, &headers, &review.to_string()).await;
                let seen = (reply.status, &reply.json()["status"]["allowed"]);
                assert_eq!(seen, (201, &json!(allowed)), "{resource} {}", place.name);
            }
        }
        let stranger = [("Authorization", "Bearer nobody")];
        assert_eq!(send(place.url(), "GET", PODS, &stranger, "").await.status, 401, "{}", place.name);
    }
}

/// Those that need a token to be let in do not tell more about faults of connections.
async fn open_places() -> impl Iterator<Item = Place> {
    places().await.into_iter().filter(|p| p.name != "before HTTPS")
}

#[tokio::test]
async fn watches_are_dropped_in_the_middle() {
    for place in open_places().await {
        let mut watch = place.running_watch().await;
        place.faults().start(Fault::DropWatches);
        let end = tokio::time::timeout(PATIENCE, watch.event()).await.unwrap();
        assert!(matches!(end, Ok(None) | Err(_)), "{}: {end:?}", place.name);
        // Once: whoever comes back is served, with nothing lost.
        place.running_watch().await;
    }
}

#[tokio::test]
async fn gone_ends_running_watches_and_refuses_new_ones() {
    for place in open_places().await {
        let mut watch = place.running_watch().await;
        place.faults().set([Fault::Gone]);
        let event = tokio::time::timeout(PATIENCE, watch.event()).await.unwrap().unwrap().unwrap();
        let seen = (&event["type"], &event["object"]["code"], &event["object"]["reason"]);
        assert_eq!(seen, (&json!("ERROR"), &json!(410), &json!("Expired")), "{}", place.name);
        let event = place.watch("&resourceVersion=1").await.event().await.unwrap().unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["code"]),
            (&json!("ERROR"), &json!(410)),
            "{}",
            place.name
        );
        let page = place.get(&format!("{PODS}?limit=1&continue=eyJ2Ijoi")).await;
        assert_eq!(page.status, 410, "{}", place.name);
        assert_eq!(place.get(PODS).await.status, 200, "a new list works {}", place.name);
    }
}

#[tokio::test]
async fn bookmarks_stay_away_but_for_the_one_that_ends_the_list() {
    let query = "watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&timeoutSeconds=1";
    for place in open_places().await {
        for (faults, bookmarks) in [(vec![], 2), (vec![Fault::NoBookmarks], 1)] {
            place.faults().set(faults);
            let text = place.get(&format!("/api/v1/pods?{query}")).await.text();
            let seen = (text.matches("BOOKMARK").count(), text.matches("initial-events-end").count());
            assert_eq!(seen, (bookmarks, 1), "{}: {text}", place.name);
        }
    }
}

#[tokio::test]
async fn connections_are_reset_under_their_users() {
    for place in open_places().await {
        let mut watch = place.running_watch().await;
        place.faults().set([Fault::Reset]);
        let end = tokio::time::timeout(PATIENCE, watch.event()).await.unwrap();
        assert_eq!(end.unwrap_err().kind(), std::io::ErrorKind::ConnectionReset, "{}", place.name);
        let reply = place.get(PODS).await;
        assert_eq!((reply.status, reply.whole), (0, false), "{}", place.name);
        place.faults().clear();
        assert_eq!(place.get(PODS).await.status, 200, "{}", place.name);
    }
}

#[tokio::test]
async fn a_hanging_connection_is_open_and_silent() {
    for place in open_places().await {
        let mut watch = place.running_watch().await;
        place.faults().set([Fault::Hang]);
        running_pod(&place.sim, "unseen", json!({}));
        // Neither an event nor an end, on the old connection and on a new one.
        assert!(tokio::time::timeout(SILENCE, watch.event()).await.is_err(), "{}", place.name);
        assert!(tokio::time::timeout(SILENCE, place.get(PODS)).await.is_err(), "{}", place.name);
    }
}

#[tokio::test]
async fn bodies_end_in_the_middle_of_an_object() {
    for place in open_places().await {
        place.faults().set([Fault::Truncate]);
        let reply = place.get(PODS).await;
        assert!(reply.status == 200 && !reply.whole, "{}", place.name);
        assert!(serde_json::from_slice::<Value>(&reply.body).unwrap_err().is_eof(), "{}", place.name);
        let reply = place.get(&format!("{WATCH}&resourceVersion=0")).await;
        let last = reply.text().lines().last().unwrap().to_string();
        assert!(!reply.whole && last.starts_with("{\"type\":\"ADDED\""), "{}: {last}", place.name);
        assert!(serde_json::from_str::<Value>(&last).unwrap_err().is_eof(), "{}: {last}", place.name);
    }
}

#[tokio::test]
async fn everything_takes_longer() {
    let by = Duration::from_millis(300);
    for place in open_places().await {
        let mut watch = place.running_watch().await;
        place.faults().set([Fault::Slow(by)]);
        let started = Instant::now();
        assert_eq!(place.get(PODS).await.status, 200);
        assert!(started.elapsed() >= by, "{}", place.name);
        let started = Instant::now();
        running_pod(&place.sim, "late", json!({}));
        assert_eq!(watch.event().await.unwrap().unwrap()["object"]["metadata"]["name"], "late");
        assert!(started.elapsed() >= by, "{}", place.name);
    }
}

#[tokio::test]
async fn the_clock_is_wrong() {
    let ahead = |reply: &Reply| {
        let date = DateTimeParser::new().parse_timestamp(reply.header("Date").unwrap()).unwrap();
        date.duration_since(Timestamp::now()).as_mins()
    };
    for place in open_places().await {
        place.faults().set(["clock-skew=-3h".parse().unwrap()]);
        assert!((-181..=-179).contains(&ahead(&place.get(PODS).await)), "{}", place.name);
        place.faults().clear();
        assert!((-1..=1).contains(&ahead(&place.get(PODS).await)), "{}", place.name);
    }
    // The server itself believes it, too.
    let sim = start(false).await;
    sim.faults().set([Fault::ClockSkew(SignedDuration::from_hours(3))]);
    running_pod(&sim, "from-the-future", json!({}));
    let pod = get(sim.url(), &format!("{PODS}/from-the-future")).await.json();
    let made: Timestamp = pod["metadata"]["creationTimestamp"].as_str().unwrap().parse().unwrap();
    assert!(made.duration_since(Timestamp::now()).as_mins() >= 179);
}

#[tokio::test]
async fn a_restarted_server_has_no_history() {
    for place in open_places().await {
        let before =
            place.get(PODS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_string();
        let mut watch = place.running_watch().await;
        running_pod(&place.sim, "later", json!({}));
        place.faults().start(Fault::Restart);
        while let Ok(event) = tokio::time::timeout(PATIENCE, watch.event()).await.unwrap() {
            assert!(event.is_some(), "a reset and not a goodbye {}", place.name);
        }
        let event = place.watch(&format!("&resourceVersion={before}")).await.event().await.unwrap().unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["code"]),
            (&json!("ERROR"), &json!(410)),
            "{}",
            place.name
        );
        // What is listed afterwards can be watched.
        let now = place.get(PODS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_string();
        let mut watch = place.watch(&format!("&resourceVersion={now}")).await;
        running_pod(&place.sim, "after", json!({}));
        let event = watch.event().await.unwrap().unwrap();
        assert_eq!(event["object"]["metadata"]["name"], "after", "{}", place.name);
    }
}

#[tokio::test]
async fn faults_come_and_go_at_their_times() {
    let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
    let faults = parse_schedule("503@10s..20s,forbid=pods@30s", 0).unwrap();
    let options = SimOptions { clock: clock.clone(), faults, ..SimOptions::default() };
    let sim = wire::start(options, std::env::temp_dir()).await;
    let mut switched = sim.faults().subscribe();
    // One wait of the player at a time: it must have heard of the last one before the clock moves on.
    let mut statuses = vec![get(sim.url(), PODS).await.status];
    for _ in 0..3 {
        clock.advance(Duration::from_secs(10));
        tokio::time::timeout(PATIENCE, switched.changed()).await.unwrap().unwrap();
        statuses.push(get(sim.url(), PODS).await.status);
    }
    assert_eq!(statuses, [200, 503, 200, 403]);
}

/// The table of docs/sim.md names each fault, with values that are read.
#[test]
fn the_documented_faults_are_those_that_there_are() {
    let text = include_str!("../../../../docs/sim.md");
    let rows = text.lines().skip_while(|l| !l.starts_with("| name |")).take_while(|l| l.starts_with('|'));
    let names =
        rows.filter_map(|row| row.split('|').nth(1)).flat_map(|cell| cell.split('`').skip(1).step_by(2));
    let mut documented: Vec<String> = names
        .map(|name| {
            let example = name.replace("STATUS", "503").replace("DURATION", "2s").replace("RESOURCE", "pods");
            let fault: Fault = example.parse().unwrap();
            fault.to_string().split('=').next().unwrap().to_string()
        })
        .collect();
    documented.sort();
    documented.dedup();
    let mut drawn: Vec<String> = parse_schedule("random", 1)
        .unwrap()
        .iter()
        .map(|t| t.fault.to_string().split('=').next().unwrap().to_string())
        .collect();
    drawn.sort();
    drawn.dedup();
    assert_eq!(documented, drawn);
}

#[tokio::test]
async fn streams_pass_the_proxy() {
    let [_, plain, secret] = places().await;
    for place in [plain, secret] {
        let kubeconfig = place.sim.kubeconfig().replace(place.sim.url(), place.url());
        let kubeconfig = Kubeconfig::from_yaml(&kubeconfig).unwrap();
        let mut config =
            Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        config.proxy_url = None;
        let pods: Api<k8s_openapi::api::core::v1::Pod> =
            Api::namespaced(Client::try_from(config).unwrap(), "prod");
        let mut process = pods.exec("shell", ["echo", "hello"], &AttachParams::default()).await.unwrap();
        let mut out = String::new();
        process.stdout().unwrap().read_to_string(&mut out).await.unwrap();
        assert_eq!(out, "hello\n", "{}", place.name);
    }
}
