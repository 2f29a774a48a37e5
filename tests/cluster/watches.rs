//! The engine over real HTTP: captured streams, and every fault of the wire, with the World equal to the cluster.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::support::server::{Canned, Server, Streaming};
use khud::cluster::slim::Decoder;
use khud::cluster::{Connection, Failure, Feed, Options, Scope, Tuning, watch_all_tuned};
use khud::world::{Clock, Kind, Record, StreamId, StreamState, Text, Time, World};

fn quick() -> Tuning {
    let ms = Duration::from_millis;
    Tuning {
        page: 7,
        headers: ms(1500),
        initial_silence: ms(400),
        slow_after: ms(200),
        slow: 4 << 20,
        silence: ms(600),
        list_check: ms(300),
        timeout: Duration::from_secs(5),
        short: ms(50),
        backoff: ms(20),
        backoff_limit: ms(200),
        forbidden_again: ms(200),
        unsupported_again: ms(200),
        poll: ms(50),
        probe_every: ms(150),
        probe_within: ms(250),
    }
}

struct Rig {
    server: Arc<Server>,
    conn: Connection,
    feed: Feed,
    world: World,
    _dir: tempfile::TempDir,
}

impl Rig {
    async fn new(kinds: &[Kind], prepare: impl FnOnce(&Server)) -> Rig {
        Rig::with_clock(kinds, Clock::wall(), prepare).await
    }

    async fn with_clock(kinds: &[Kind], clock: Clock, prepare: impl FnOnce(&Server)) -> Rig {
        let server = Server::start().await;
        prepare(&server);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config");
        std::fs::write(&path, server.kubeconfig(Some("first"))).unwrap();
        let options = Options { kubeconfig: Some(path), ..Options::default() };
        let conn = Connection::open(options, clock).await.unwrap();
        let feed = watch_all_tuned(&conn, &Scope::Cluster, kinds, quick());
        Rig { server, conn, feed, world: World::new(), _dir: dir }
    }

    /// Applies deltas until the condition holds.
    async fn until(&mut self, what: &str, mut holds: impl FnMut(&World, &Server) -> bool) {
        let mut changes = Vec::new();
        let waited = tokio::time::timeout(Duration::from_secs(30), async {
            while !holds(&self.world, &self.server) {
                // Not every condition is one that a delta tells of.
                let Ok(deltas) = tokio::time::timeout(Duration::from_millis(20), self.feed.next()).await
                else {
                    continue;
                };
                for delta in deltas {
                    self.world.apply(delta, &mut changes);
                }
                changes.clear();
            }
        });
        if waited.await.is_err() {
            panic!("waited in vain until {what}; streams: {:?}", self.world.streams);
        }
    }

    async fn until_equal(&mut self) {
        self.until("the world is as the cluster", |w, s| differences(w, &s.pods()).is_empty()).await;
    }

    fn state(&self, namespace: &str) -> Option<&StreamState> {
        state(&self.world, namespace)
    }
}

fn state<'w>(world: &'w World, namespace: &str) -> Option<&'w StreamState> {
    let id = StreamId::Watch { kind: Kind::Pod, namespace: namespace.into() };
    world.streams.get(&id).map(|s| &s.state)
}

fn live(world: &World) -> bool {
    state(world, "").is_some_and(StreamState::is_live)
}

/// Names of pods that are not in the World as the cluster has them, or are there and should not be.
fn differences(world: &World, pods: &[serde_json::Value]) -> Vec<String> {
    let mut decoder = Decoder::new(Kind::Pod);
    let mut out = Vec::new();
    for pod in pods {
        let item = decoder.object(pod.to_string().as_bytes()).unwrap();
        let Record::Pod(want) = item.record else { panic!() };
        if world.pods.find(&want.meta.namespace, &want.meta.name) != Some(&want) {
            out.push(format!("{}/{}", want.meta.namespace, want.meta.name));
        }
    }
    if world.pods.len() != pods.len() {
        out.push(format!("{} pods instead of {}", world.pods.len(), pods.len()));
    }
    out
}

/// At least 100 adds, changes, deletes and recreations under the same name.
struct Churn {
    note: u64,
    random: u64,
}

impl Churn {
    fn pick(&mut self, n: u64) -> u64 {
        // xorshift: the same every time.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % n
    }

    async fn run(&mut self, server: &Server) {
        let (mut adds, mut changes, mut deletes, mut recreations) = (0, 0, 0, 0);
        while adds < 100 || changes < 100 || deletes < 100 || recreations < 100 {
            self.note += 1;
            let name = format!("p{}", self.pick(150));
            let namespace = if self.pick(2) == 0 { "team-a" } else { "team-b" };
            match self.pick(4) {
                0 if server.delete(namespace, &name) => deletes += 1,
                1 if server.delete(namespace, &name) => {
                    server.apply(namespace, &name, self.note);
                    recreations += 1;
                }
                2 => {
                    server.apply(namespace, &name, self.note);
                    server.apply(namespace, &name, self.note + 1_000_000);
                    changes += 1;
                }
                3 => {
                    server.apply(namespace, &format!("new-{}", self.note), self.note);
                    adds += 1;
                }
                _ => {}
            }
            if self.note.is_multiple_of(16) {
                tokio::task::yield_now().await;
            }
        }
    }
}

fn churn() -> Churn {
    Churn { note: 0, random: 0x9e37_79b9_7f4a_7c15 }
}

fn fill(server: &Server) {
    for i in 0..60 {
        server.apply(if i % 2 == 0 { "team-a" } else { "team-b" }, &format!("p{i}"), i);
    }
}

/// One fault: on, churn until it was met, off, churn; the World must end as the cluster is.
async fn survives(on: impl FnOnce(&Server), met: impl Fn(&Server) -> bool, off: impl FnOnce(&Server)) -> Rig {
    let mut rig = Rig::new(&[Kind::Pod], fill).await;
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
    let server = rig.server.clone();
    let began = Instant::now();
    on(&server);
    churn().run(&server).await;
    rig.until("the fault was met", |_, s| met(s)).await;
    // Tries come 20 ms to 200 ms apart, each at most a list and a watch, and the probe asks every 150 ms: more than
    // this would be a busy loop.
    let (requests, passed) = (server.requests.load(Ordering::SeqCst), began.elapsed());
    assert!(u128::from(requests) < 40 + passed.as_millis() / 12, "{requests} requests in {passed:?}");
    off(&server);
    churn().run(&server).await;
    rig.until_equal().await;
    rig.until("live again", |w, _| live(w)).await;
    rig
}

fn thrice(server: &Server) -> bool {
    server.hits().0 >= 3
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_410_in_the_stream_relists() {
    let rig = survives(
        |s| {
            s.faults(|f| f.compacted = u64::MAX);
            s.reset();
        },
        thrice,
        |s| s.faults(|f| f.compacted = 0),
    )
    .await;
    assert!(rig.server.lists.load(Ordering::SeqCst) >= 2, "it listed anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_410_as_the_http_status_relists() {
    let gone = Canned::status(410, "Expired", "too old resource version: 1 (7067)");
    let rig = survives(
        |s| {
            s.faults(|f| f.watch_answer = Some(gone));
            s.reset();
        },
        thrice,
        |s| s.faults(|f| f.watch_answer = None),
    )
    .await;
    assert!(rig.server.lists.load(Ordering::SeqCst) >= 2, "it listed anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_429_is_waited_out_as_long_as_it_says() {
    let mut busy = Canned::status(429, "TooManyRequests", "the server is busy");
    busy.headers.push(("retry-after", "1".into()));
    let rig = survives(
        |s| {
            s.faults(|f| f.answer = Some(busy));
            s.reset();
        },
        thrice,
        |s| s.faults(|f| f.answer = None),
    )
    .await;
    let (_, apart) = rig.server.hits();
    assert!(apart > Duration::from_millis(950), "it knocked again after {apart:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_500_and_an_html_page_are_survived() {
    for fault in [Canned::status(500, "InternalError", "etcd is gone"), Canned::html(502), Canned::html(200)]
    {
        survives(
            |s| {
                s.faults(|f| f.answer = Some(fault));
                s.reset();
            },
            thrice,
            |s| s.faults(|f| f.answer = None),
        )
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn resets_are_survived() {
    let rig = survives(Server::reset, |s| s.watches.load(Ordering::SeqCst) >= 1, Server::reset).await;
    assert_eq!(rig.server.lists.load(Ordering::SeqCst), 1, "it went on from its version");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_cut_in_the_middle_are_survived() {
    let rig = survives(
        |s| {
            s.faults(|f| f.cut_after = Some(1777));
            s.reset();
        },
        thrice,
        |s| s.faults(|f| f.cut_after = None),
    )
    .await;
    assert!(rig.feed.counters().reconnects > 1);
    assert_eq!(rig.feed.counters().unreadable, 0, "no half line was taken for an object");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_server_shows_as_stale_and_comes_back() {
    let mut rig = Rig::new(&[Kind::Pod], fill).await;
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
    rig.server.freeze(true);
    churn().run(&rig.server).await;
    rig.until("stale", |w, _| matches!(state(w, ""), Some(StreamState::Stale { .. }))).await;
    assert!(!differences(&rig.world, &rig.server.pods()).is_empty(), "the last state is kept");
    rig.server.freeze(false);
    rig.until_equal().await;
    rig.until("live again", |w, _| live(w)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_went_silent_is_made_anew() {
    let rig = survives(
        |s| {
            s.faults(|f| f.bookmarks = false);
            s.deafen(true);
        },
        |s| s.watches.load(Ordering::SeqCst) >= 1,
        |s| s.deafen(false),
    )
    .await;
    assert_eq!(rig.server.lists.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn servers_without_streaming_lists_are_paged() {
    for streaming in [Streaming::Refused, Streaming::Ignored] {
        let mut rig = Rig::new(&[Kind::Pod], |s| {
            fill(s);
            s.faults(|f| f.streaming = streaming);
        })
        .await;
        rig.until_equal().await;
        rig.until("live", |w, _| live(w)).await;
        assert!(rig.server.lists.load(Ordering::SeqCst) > 60 / 7, "pages of seven");
        churn().run(&rig.server).await;
        rig.until_equal().await;
    }
}

/// While pages are fetched the cluster changes, so each continue token expires; the list must still end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_410_of_a_continue_token_begins_the_list_anew() {
    let mut rig = Rig::new(&[Kind::Pod], |s| {
        fill(s);
        s.faults(|f| f.streaming = Streaming::Refused);
    })
    .await;
    let server = rig.server.clone();
    let disturbing = tokio::spawn(async move {
        for i in 0..40 {
            server.apply("team-a", &format!("p{i}"), 5000 + i);
            tokio::task::yield_now().await;
        }
    });
    rig.until_equal().await;
    disturbing.await.unwrap();
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_not_even_the_namespaces_may_be_listed_the_contexts_own_is_watched() {
    let mut rig = Rig::new(&[Kind::Pod], |s| {
        fill(s);
        s.faults(|f| f.allowed = Some(vec!["team-a".into()]));
    })
    .await;
    rig.until("team-a is there", |w, s| {
        let own: Vec<_> = s.pods().into_iter().filter(|p| p["metadata"]["namespace"] == "team-a").collect();
        state(w, "team-a").is_some_and(StreamState::is_live) && differences(w, &own).is_empty()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_cluster_is_forbidden_the_allowed_namespaces_are_watched() {
    let mut rig = Rig::new(&[Kind::Pod], |s| {
        fill(s);
        s.apply("team-c", "not-for-us", 1);
        s.faults(|f| (f.allowed, f.namespaces) = (Some(vec!["team-a".into(), "team-b".into()]), true));
    })
    .await;
    let own = |s: &Server| -> Vec<_> {
        s.pods().into_iter().filter(|p| p["metadata"]["namespace"] != "team-c").collect()
    };
    let both =
        |w: &World| ["team-a", "team-b"].iter().all(|ns| state(w, ns).is_some_and(StreamState::is_live));
    rig.until("both are there", |w, s| both(w) && differences(w, &own(s)).is_empty()).await;
    let Some(StreamState::Forbidden { why }) = rig.state("") else { panic!("{:?}", rig.world.streams) };
    assert!(why.contains("cannot list resource \"pods\""), "{why}");
    // Each goes on by itself.
    churn().run(&rig.server).await;
    rig.until("both follow", |w, s| both(w) && differences(w, &own(s)).is_empty()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_given_later_are_noticed() {
    let mut rig = Rig::new(&[Kind::Pod], |s| {
        fill(s);
        s.faults(|f| f.allowed = Some(Vec::new()));
    })
    .await;
    rig.until("forbidden", |w, _| matches!(state(w, ""), Some(StreamState::Forbidden { .. }))).await;
    // While refused it asks for its rights now and then, and does not knock with lists.
    let lists = rig.server.lists.load(Ordering::SeqCst);
    let asked = rig.server.requests.load(Ordering::SeqCst);
    rig.until("rights are asked for", |_, s| s.requests.load(Ordering::SeqCst) >= asked + 6).await;
    assert_eq!(rig.server.lists.load(Ordering::SeqCst), lists, "no list was tried meanwhile");
    rig.server.faults(|f| f.allowed = None);
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kind_the_server_lacks_is_said_to_be_unsupported() {
    let mut rig = Rig::new(&[Kind::HorizontalPodAutoscaler], |_| {}).await;
    let id = StreamId::Watch { kind: Kind::HorizontalPodAutoscaler, namespace: Text::default() };
    rig.until("unsupported", |w, _| {
        w.streams.get(&id).is_some_and(|s| matches!(s.state, StreamState::Unsupported { .. }))
    })
    .await;
}

/// Someone logs in anew: the kubeconfig gets another token, and khud goes on without being restarted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_expired_and_were_renewed_are_picked_up() {
    let mut rig = Rig::new(&[Kind::Pod], |s| {
        fill(s);
        s.faults(|f| f.token = Some("first".into()));
    })
    .await;
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
    rig.server.faults(|f| f.token = Some("second".into()));
    rig.server.reset();
    rig.until(
        "reconnecting",
        |w, _| matches!(state(w, ""), Some(StreamState::Reconnecting { why, .. }) if why.contains("401")),
    )
    .await;
    let Err(Failure::Credentials(why)) = rig.conn.check().await else { panic!("401 is no version") };
    assert!(why.contains("log in again"), "{why}");
    std::fs::write(rig._dir.path().join("config"), rig.server.kubeconfig(Some("second"))).unwrap();
    churn().run(&rig.server).await;
    rig.until_equal().await;
    rig.until("live again", |w, _| live(w)).await;
    rig.conn.check().await.unwrap();
}

/// A plugin's token is replaced before it expires, so that no request is ever refused for it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plugins_credential_is_renewed_before_it_expires() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let (config, token) = (dir.path().join("config"), dir.path().join("token"));
    let clock = Clock::manual(Time::parse("2026-11-21T01:00:00Z").unwrap());
    let issue = |name: &str, expires: &str| {
        let credential = serde_json::json!({"kind": "ExecCredential", "status":
            {"token": name, "expirationTimestamp": expires}});
        std::fs::write(&token, credential.to_string()).unwrap();
        server.faults(|f| f.token = Some(name.into()));
    };
    issue("first", "2026-11-21T01:15:00Z");
    let mut kubeconfig: serde_json::Value = serde_json::from_str(&server.kubeconfig(None)).unwrap();
    kubeconfig["users"][0]["user"] = serde_json::json!({"exec":
        {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [token]}});
    std::fs::write(&config, kubeconfig.to_string()).unwrap();
    let options = Options { kubeconfig: Some(config), ..Options::default() };
    let conn = Connection::open(options, clock.clone()).await.unwrap();
    conn.check().await.unwrap();

    issue("second", "2026-11-21T01:30:00Z");
    clock.advance(Duration::from_secs(14 * 60 + 30));
    conn.check().await.unwrap();
    assert_eq!(server.refused.load(Ordering::SeqCst), 0, "no request carried an old token");
}

/// The wall clock went on for an hour and the process did not run: every watch starts over a new connection.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_sleep_every_watch_is_made_anew() {
    let clock = Clock::manual(Time::parse("2026-11-21T01:00:00Z").unwrap());
    let mut rig = Rig::with_clock(&[Kind::Pod], clock.clone(), fill).await;
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
    assert_eq!(rig.server.watches.load(Ordering::SeqCst), 0, "the list is the watch");
    clock.advance(Duration::from_secs(3600));
    rig.until("a new watch", |w, s| s.watches.load(Ordering::SeqCst) > 0 && live(w)).await;
    rig.server.apply("team-a", "after", 1);
    rig.until_equal().await;
    assert_eq!(rig.server.lists.load(Ordering::SeqCst), 1, "it went on from where it was");
}

/// Nobody reads while the cluster changes thousands of times: what waits is bounded by the objects, and what is read
/// then is the present.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_stood_still_finds_the_present() {
    let mut rig = Rig::new(&[Kind::Pod], fill).await;
    rig.until_equal().await;
    rig.until("live", |w, _| live(w)).await;
    let server = rig.server.clone();
    let before = rig.feed.counters().applied;
    for round in 0..100 {
        for i in 0..60 {
            server.apply(
                if i % 2 == 0 { "team-a" } else { "team-b" },
                &format!("p{i}"),
                10_000 + round * 60 + i,
            );
        }
        tokio::task::yield_now().await;
    }
    while rig.feed.counters().applied < before + 6000 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let (mut changes, mut read) = (Vec::new(), 0);
    while !differences(&rig.world, &server.pods()).is_empty() {
        for delta in rig.feed.next().await {
            read += 1;
            rig.world.apply(delta, &mut changes);
        }
    }
    assert!(read <= 70, "{read} deltas for 60 pods");
    assert!(rig.feed.counters().merged > 5900);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ages_follow_the_servers_clock() {
    let rig = Rig::new(&[], |s| s.faults(|f| f.skew = 3600)).await;
    rig.conn.check().await.unwrap();
    let off = rig.conn.clock().offset_ms() - 3_600_000;
    assert!(off.abs() <= 1500, "an hour, give or take the second of Date: {off} ms");
    rig.server.faults(|f| f.skew = 0);
    rig.conn.check().await.unwrap();
    assert_eq!(rig.conn.clock().offset_ms(), 0, "set right again");
}

#[tokio::test]
async fn what_is_not_kubernetes_is_said_to_be_so() {
    let server = Server::start().await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, server.kubeconfig(None).replace("http://127", "https://127")).unwrap();
    let open = async || {
        let options = Options { kubeconfig: Some(path.clone()), ..Options::default() };
        Connection::open(options, Clock::wall()).await.unwrap()
    };
    let text = open().await.check().await.unwrap_err().to_string();
    assert!(text.contains("does not speak TLS"), "{text}");

    std::fs::write(&path, server.kubeconfig(None).replace(&server.url, "http://127.0.0.1:1")).unwrap();
    let text = open().await.check().await.unwrap_err().to_string();
    assert!(text.contains("connection refused"), "{text}");

    std::fs::write(&path, server.kubeconfig(None)).unwrap();
    let conn = open().await;
    server.faults(|f| f.answer = Some(Canned::html(200)));
    let call = khud::world::ask::Call::get("/api/v1/pods");
    let text = conn.call(call).await.unwrap_err().to_string();
    assert!(text.contains("not the Kubernetes API") && text.contains("Sign in to corp"), "{text}");
}

/// The captured streams through the real client: the World is the fold of the stream.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn captured_streams_give_the_world_of_their_fold() {
    let kinds = [Kind::Pod, Kind::Node, Kind::Event, Kind::Deployment, Kind::ReplicaSet, Kind::EndpointSlice];
    let names = [
        "failed-rollout-and-undo",
        "drain-blocked-by-pdb",
        "node-notready-and-back",
        "image-pull-failures",
        "oom-crashloop",
    ];
    for name in names {
        let path = format!("{}/tests/captures/watch/{name}.jsonl", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let mut scripts: BTreeMap<String, String> = BTreeMap::new();
        let mut fold: HashMap<(Kind, String, String), Record> = HashMap::new();
        let mut decoders: HashMap<Kind, Decoder> = HashMap::new();
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).unwrap();
            let (resource, kind) = (event["resource"].as_str().unwrap(), event["type"].as_str().unwrap());
            let of = kinds.iter().find(|k| k.plural() == resource).unwrap();
            let line = serde_json::json!({"type": kind, "object": event["object"]});
            scripts.entry(of.collection_path("")).or_default().push_str(&format!("{line}\n"));
            if kind == "BOOKMARK" {
                continue;
            }
            let decoder = decoders.entry(of.clone()).or_insert_with(|| Decoder::new(of.clone()));
            let item = decoder.object(event["object"].to_string().as_bytes()).unwrap();
            let r = item.reference();
            let key = (of.clone(), r.namespace.to_string(), r.name.to_string());
            if kind == "DELETED" {
                fold.remove(&key);
            } else {
                fold.insert(key, item.record);
            }
        }
        let mut rig = Rig::new(&kinds, |s| {
            for (path, lines) in scripts {
                s.script(&path, lines);
            }
        })
        .await;
        rig.until(name, |w, _| world_is(w, &fold)).await;
        assert!(fold.len() > 100, "{name}");
        assert_eq!(rig.feed.counters().unreadable, 0);
    }
}

fn world_is(world: &World, fold: &HashMap<(Kind, String, String), Record>) -> bool {
    let sizes = world.pods.len()
        + world.nodes.len()
        + world.events.len()
        + world.deployments.len()
        + world.replica_sets.len()
        + world.endpoint_slices.len();
    sizes == fold.len()
        && fold.iter().all(|((kind, ns, name), record)| match record {
            Record::Pod(r) => world.pods.find(ns, name) == Some(r),
            Record::Node(r) => world.nodes.find(ns, name) == Some(r),
            Record::Event(r) => world.events.find(ns, name) == Some(r),
            Record::Workload(r) => world.workloads(kind).and_then(|t| t.find(ns, name)) == Some(r),
            Record::EndpointSlice(r) => world.endpoint_slices.find(ns, name) == Some(r),
            _ => false,
        })
}
