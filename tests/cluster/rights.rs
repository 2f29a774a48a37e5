//! Less than all rights, and less than a whole cluster: what can be shown is shown, and what is missing is said.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use khud::cluster::{Connection, Options, Scope, Tuning, watch_all, watch_all_tuned, watch_tables};
use khud::world::{Clock, Kind, StreamId, StreamState, World};
use khud_sim::{Sim, SimOptions};
use serde_json::{Value, json};

use crate::identity::{khud, until};
use crate::support::front::{Fate, Front};
use crate::support::pty;

async fn cluster() -> Sim {
    let sim = Sim::start(SimOptions::default()).await.unwrap();
    sim.store().create("nodes", "", json!({"metadata": {"name": "n-1"}})).unwrap();
    sim
}

/// List without watch: the rows come, and keep up with the cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_watches_are_forbidden_lists_are_polled() {
    let sim = cluster().await;
    let front = Front::start(&sim).await;
    front.rule(|asked| asked.query.contains("watch=true").then_some(Fate::Status(403, "Forbidden")));
    let conn = connect(&front).await;
    let (mut feed, mut world) = (watch_all(&conn, &Scope::Cluster, &[Kind::Node]), World::new());
    let id = StreamId::Watch { kind: Kind::Node, namespace: "".into() };
    let polled = |w: &World| matches!(w.streams.get(&id).map(|s| &s.state), Some(StreamState::Polled { .. }));
    until(&mut feed, &mut world, "the polled list", |w| polled(w) && w.nodes.len() == 1).await;
    sim.store().create("nodes", "", json!({"metadata": {"name": "n-2"}})).unwrap();
    until(&mut feed, &mut world, "the new node", |w| w.nodes.len() == 2).await;
    sim.store().remove("nodes", "", "n-1");
    until(&mut feed, &mut world, "the deleted node to go", |w| w.nodes.len() == 1 && polled(w)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_saw_little_says_so_in_one_line_and_is_no_clean_bill() {
    let sim = cluster().await;
    let front = Front::start(&sim).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config"), front.kubeconfig("x")).unwrap();
    let scan = async |args: &[&str]| {
        let (dir, args) = (dir.path().to_owned(), args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let run = move || khud(&dir, &args.iter().map(String::as_str).collect::<Vec<_>>());
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    // Nothing but the kubelet, which this node has none of.
    let (code, out, err) = scan(&["scan"]).await;
    assert_eq!(code, Some(0), "{out}{err}");
    assert!(
        err.starts_with("khud: could not read kubelet: reconnecting (") && err.lines().count() == 1,
        "{err}"
    );
    assert!(out.starts_with("x: nothing wrong found in the "), "{out}");

    // Nothing but namespaces and nodes.
    let allowed = |path: &str| {
        !path.starts_with("/api") || ["/api/v1/namespaces/kube-system", "/api/v1/nodes"].contains(&path)
    };
    front.rule(move |asked| (!allowed(asked.path)).then_some(Fate::Status(403, "Forbidden")));
    let (code, out, err) = scan(&["scan"]).await;
    assert_eq!(code, Some(2), "{out}{err}");
    assert_eq!(err.lines().count(), 1, "{err}");
    assert!(err.contains("not allowed to read") && err.contains("pods") && !err.contains("nodes"), "{err}");
    assert!(out.starts_with("x: nothing wrong found in the 1 of"), "{out}");
    let (code, out, _) = scan(&["scan", "-o", "json"]).await;
    let scanned: Value = serde_json::from_str(&out).unwrap();
    let pods = scanned["coverage"].as_array().unwrap().iter().find(|c| c["source"] == "pods").unwrap();
    assert_eq!((code, &pods["state"]), (Some(2), &json!("forbidden")));

    // One source of many: still a look worth having, but not a strict one.
    front
        .rule(|asked| asked.path.contains("/poddisruptionbudgets").then_some(Fate::Status(403, "Forbidden")));
    assert_eq!(scan(&["scan"]).await.0, Some(0));
    assert_eq!(scan(&["scan", "--strict"]).await.0, Some(2));
}

/// One kind that cannot be served is no lost cluster.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_broken_kind_leaves_the_header_live() {
    let sim = cluster().await;
    let front = Front::start(&sim).await;
    front.rule(|asked| asked.path.contains("/services").then_some(Fate::Status(500, "InternalError")));
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kubeconfig"), front.kubeconfig("prod")).unwrap();
    let cockpit =
        pty::cockpit(env!("CARGO_BIN_EXE_khud"), dir.path(), "", &["--command", ":services"], 160, 30);
    let screen = cockpit.until("the broken kind", |s| s.contents().contains("lists broken"));
    let header = screen.lines().next().unwrap();
    assert!(header.contains("live, 1 of") && !header.contains("lost"), "{header}");
    cockpit.until_text("InternalError");
}

fn tuned() -> Tuning {
    let ms = Duration::from_millis;
    Tuning { page: 2, backoff: ms(20), probe_every: ms(150), probe_within: ms(500), ..Tuning::default() }
}

async fn connect(front: &Front) -> Connection {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, front.kubeconfig("x")).unwrap();
    Connection::open(Options { kubeconfig: Some(path), ..Options::default() }, Clock::wall()).await.unwrap()
}

/// A list in pages that breaks off goes on where it was: a link that is cut again and again brings all of it in the end.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_list_that_breaks_off_goes_on_where_it_was() {
    let sim = cluster().await;
    for i in 2..=9 {
        sim.store().create("nodes", "", json!({"metadata": {"name": format!("n-{i}")}})).unwrap();
    }
    let front = Front::start(&sim).await;
    let (begun, pages) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let counts = (begun.clone(), pages.clone());
    front.rule(move |asked| {
        if asked.query.contains("sendInitialEvents") {
            return Some(Fate::Status(422, "Invalid"));
        }
        if asked.path == "/api/v1/nodes" && asked.query.contains("limit=") {
            let first = !asked.query.contains("continue=");
            counts.0.fetch_add(usize::from(first), Ordering::SeqCst);
            // Every second page is lost.
            let n = counts.1.fetch_add(1, Ordering::SeqCst);
            return (n % 2 == 1).then_some(Fate::Status(503, "ServiceUnavailable"));
        }
        None
    });
    let conn = connect(&front).await;
    let mut feed = watch_all_tuned(&conn, &Scope::Cluster, &[Kind::Node], tuned());
    let mut world = World::new();
    until(&mut feed, &mut world, "all nodes", |w| w.synced(&Kind::Node)).await;
    assert_eq!(world.nodes.len(), 9);
    assert_eq!(begun.load(Ordering::SeqCst), 1, "the list began once");
    assert!(pages.load(Ordering::SeqCst) >= 9, "five pages, four of them twice");
}

/// The API server is up and its store is not: watches are silent, and `/version` answers.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_does_not_answer_makes_what_is_shown_stale() {
    let sim = cluster().await;
    let front = Front::start(&sim).await;
    let conn = connect(&front).await;
    let mut feed = watch_all_tuned(&conn, &Scope::Cluster, &[Kind::Node], tuned());
    let mut world = World::new();
    let state = |w: &World| {
        let id = StreamId::Watch { kind: Kind::Node, namespace: "".into() };
        w.streams.get(&id).map(|s| s.state.clone())
    };
    until(&mut feed, &mut world, "a live list", |w| state(w) == Some(StreamState::Live)).await;
    front.rule(|asked| {
        (asked.path != "/version").then_some(Fate::Status(500, "etcdserver: request timed out"))
    });
    until(&mut feed, &mut world, "staleness", |w| matches!(state(w), Some(StreamState::Stale { .. }))).await;
    front.rule(|_| None);
    until(&mut feed, &mut world, "a live list again", |w| state(w) == Some(StreamState::Live)).await;
}

/// The watch of such a kind stays open and silent: only a list can tell.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pane_whose_kind_cannot_be_listed_any_more_is_not_live() {
    let sim = cluster().await;
    sim.store().create("serviceaccounts", "default", json!({"metadata": {"name": "builder"}})).unwrap();
    let front = Front::start(&sim).await;
    let conn = connect(&front).await;
    let offers = conn.offers().await.unwrap();
    let kind =
        offers.into_iter().map(|offer| offer.kind).find(|kind| kind.plural() == "serviceaccounts").unwrap();
    let tuning = Tuning { list_check: Duration::from_millis(100), ..Tuning::default() };
    let (mut feed, mut world) = (watch_tables(&conn, &kind, tuning), World::new());
    let id = StreamId::Watch { kind, namespace: "".into() };
    let state = |w: &World| w.streams.get(&id).map(|s| s.state.clone());
    until(&mut feed, &mut world, "the open pane", |w| state(w).is_some_and(|s| s.is_live())).await;
    front.rule(|asked| {
        let list = asked.path.ends_with("/serviceaccounts") && !asked.query.contains("watch=true");
        list.then_some(Fate::Status(500, "conversion webhook failed"))
    });
    until(&mut feed, &mut world, "the server's words", |w| {
        matches!(state(w), Some(StreamState::Reconnecting { why, .. }) if why.contains("conversion webhook"))
    })
    .await;
    front.rule(|_| None);
    until(&mut feed, &mut world, "the pane to recover", |w| state(w).is_some_and(|s| s.is_live())).await;
}
