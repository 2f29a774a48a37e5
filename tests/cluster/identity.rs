//! The cluster stays the one that khud was opened on.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use khud::cluster::{Connection, Feed, Identity, Options, Scope, watch_all};
use khud::world::ask::{Call, Verb};
use khud::world::{Clock, Kind, StreamId, StreamState, World};
use khud_sim::{Sim, SimOptions};
use serde_json::{Value, json};

use crate::support::front::{Fate, Front};
use crate::support::pty;

/// A cluster with one node, named after it.
async fn cluster(node: &str) -> Sim {
    let sim = Sim::start(SimOptions::default()).await.unwrap();
    sim.store().create("nodes", "", json!({"metadata": {"name": node}})).unwrap();
    sim
}

fn kube_system(sim: &Sim) -> String {
    let namespace = sim.store().get("namespaces", "", "kube-system").unwrap();
    namespace["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn cordoned(sim: &Sim, node: &str) -> bool {
    sim.store().get("nodes", "", node).unwrap()["spec"]["unschedulable"] == true
}

fn cordon(node: &str) -> Call {
    Call {
        verb: Verb::Patch,
        path: format!("/api/v1/nodes/{node}"),
        content_type: "application/merge-patch+json".into(),
        body: Some(json!({"spec": {"unschedulable": true}})),
    }
}

/// A kubeconfig with the contexts `staging` and `prod`, whose users log in with a plugin that prints a file.
struct Kubeconfig {
    dir: tempfile::TempDir,
    servers: [String; 2],
    current: &'static str,
    contexts: Vec<&'static str>,
}

impl Kubeconfig {
    fn new(staging: &Sim, prod: &Sim) -> Kubeconfig {
        let dir = tempfile::tempdir().unwrap();
        let servers = [staging.url().to_owned(), prod.url().to_owned()];
        for (name, sim) in [("staging", staging), ("prod", prod)] {
            let token = sim.access(name, "admin", &["system:masters"]).token;
            std::fs::write(dir.path().join(format!("{name}.token")), token).unwrap();
        }
        let kubeconfig = Kubeconfig { dir, servers, current: "staging", contexts: vec!["staging", "prod"] };
        kubeconfig.write();
        kubeconfig
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("config")
    }

    fn write(&self) {
        let named = |name: &str, what: &str, value: Value| json!({"name": name, what: value});
        let contexts: Vec<Value> =
            self.contexts.iter().map(|c| named(c, "context", json!({"cluster": c, "user": c}))).collect();
        let clusters = [("staging", &self.servers[0]), ("prod", &self.servers[1])]
            .map(|(c, server)| named(c, "cluster", json!({"server": server})));
        let users = ["staging", "prod"].map(|user| {
            let token = self.dir.path().join(format!("{user}.token"));
            // Always about to run out, so that it is renewed as often as khud allows itself.
            let soon = Clock::wall().now().plus(Duration::from_secs(30)).to_jiff();
            let print = format!(
                r#"printf '{{"kind":"ExecCredential","status":{{"token":"%s","expirationTimestamp":"{soon}"}}}}' "$(cat {})""#,
                token.display(),
            );
            let exec = json!({"apiVersion": "client.authentication.k8s.io/v1", "command": "sh",
                "args": ["-c", print], "interactiveMode": "Never"});
            named(user, "user", json!({"exec": exec}))
        });
        let config = json!({"apiVersion": "v1", "kind": "Config", "current-context": self.current,
            "clusters": clusters, "contexts": contexts, "users": users});
        std::fs::write(self.path(), config.to_string()).unwrap();
    }
}

/// `kubectl config use-context` in another window, a moved context and a removed one, each before a renewal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_never_leads_to_another_cluster() {
    let (staging, prod) = (cluster("worker-1").await, cluster("worker-1").await);
    let mut kubeconfig = Kubeconfig::new(&staging, &prod);
    let clock = Clock::manual(Clock::wall().now());
    let options = Options { kubeconfig: Some(kubeconfig.path()), ..Options::default() };
    let conn = Connection::open(options, clock.clone()).await.unwrap();
    assert_eq!((conn.context(), conn.server()), ("staging", staging.url()));
    let path = kubeconfig.path().to_string_lossy().into_owned();
    assert_eq!(conn.kubectl(), ["--context", "staging", "--kubeconfig", &path]);
    assert_eq!(conn.identify().await.unwrap(), Identity::Verified(kube_system(&staging)));

    // The next request renews the credential.
    let changed = |kubeconfig: &Kubeconfig| {
        kubeconfig.write();
        clock.advance(Duration::from_secs(10));
    };
    kubeconfig.current = "prod";
    changed(&kubeconfig);
    assert!(conn.call(cordon("worker-1")).await.unwrap().ok());
    assert!(cordoned(&staging, "worker-1") && !cordoned(&prod, "worker-1"));

    kubeconfig.servers[0] = prod.url().to_owned();
    changed(&kubeconfig);
    let told = conn.check().await.unwrap_err().to_string();
    assert!(told.starts_with(&format!("the context staging now names the server {}", prod.url())), "{told}");
    assert!(told.contains(&format!("khud stays on {}", staging.url())), "{told}");
    assert!(conn.standing().borrow().moved.is_some());
    // What is read still comes from the cluster that is shown; nothing is changed on either.
    let node = conn.call(Call::get("/api/v1/nodes/worker-1")).await.unwrap();
    assert_eq!(node.body["spec"]["unschedulable"], true, "staging's");
    assert!(conn.call(cordon("worker-1")).await.is_err());
    assert!(!cordoned(&prod, "worker-1"));

    kubeconfig.servers[0] = staging.url().to_owned();
    changed(&kubeconfig);
    assert!(conn.call(cordon("worker-1")).await.unwrap().ok(), "set right again");
    assert_eq!(conn.standing().borrow().moved, None);

    kubeconfig.contexts = vec!["prod"];
    changed(&kubeconfig);
    let told = conn.check().await.unwrap_err().to_string();
    assert!(told.contains("has no context \"staging\"") && told.contains("sends no changes"), "{told}");
}

fn watch(conn: &Connection) -> (Feed, World) {
    (watch_all(conn, &Scope::Cluster, &[Kind::Node, Kind::Namespace]), World::new())
}

pub async fn until(feed: &mut Feed, world: &mut World, what: &str, holds: impl Fn(&World) -> bool) {
    let mut changes = Vec::new();
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds(world) {
            for delta in feed.next().await {
                world.apply(delta, &mut changes);
            }
        }
    });
    assert!(waited.await.is_ok(), "waited in vain for {what}; streams: {:?}", world.streams);
}

fn nodes(world: &World) -> Vec<String> {
    world.nodes.values().map(|n| n.meta.name.to_string()).collect()
}

/// The address leads to another cluster: nothing of it is mixed into what is shown, and nothing is changed there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_behind_the_same_address_is_noticed() {
    let (first, second) = (cluster("first-1").await, cluster("second-1").await);
    let front = Front::start(&first).await;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("config");
    std::fs::write(&path, front.kubeconfig("prod")).unwrap();
    let options = Options { kubeconfig: Some(path), ..Options::default() };
    let conn = Connection::open(options, Clock::wall()).await.unwrap();
    let (mut feed, mut world) = watch(&conn);
    until(&mut feed, &mut world, "the first cluster", |w| {
        w.synced(&Kind::Node) && w.synced(&Kind::Namespace)
    })
    .await;
    let mut standing = conn.standing();
    standing.wait_for(|s| matches!(s.identity, Identity::Verified(_))).await.unwrap();

    front.lead_to(&second);
    standing.wait_for(|s| matches!(s.identity, Identity::Other { .. })).await.unwrap();
    let (known, found) = (kube_system(&first), kube_system(&second));
    assert_eq!(standing.borrow().identity, Identity::Other { known, found });
    let node = StreamId::Watch { kind: Kind::Node, namespace: "".into() };
    let lost = |w: &World| matches!(&w.streams[&node].state, StreamState::Reconnecting { why, .. } if why.contains("another cluster"));
    until(&mut feed, &mut world, "the reason", lost).await;
    let told = conn.call(cordon("second-1")).await.unwrap_err().to_string();
    assert!(told.starts_with("another cluster answers at http"), "{told}");
    assert!(conn.call(Call::get("/api/v1/nodes/second-1")).await.is_err(), "nothing of it is shown");
    assert!(!cordoned(&second, "second-1"));
    assert_eq!(nodes(&world), ["first-1"]);

    front.lead_to(&first);
    first.store().create("nodes", "", json!({"metadata": {"name": "first-2"}})).unwrap();
    until(&mut feed, &mut world, "the first cluster again", |w| w.nodes.len() == 2).await;
    assert!(matches!(standing.borrow_and_update().identity, Identity::Verified(_)));
}

pub fn khud(dir: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_khud"));
    command.args(args).env_clear().stdin(Stdio::null()).env("HOME", dir).env("TERM", "xterm");
    command.env("KUBECONFIG", dir.join("config")).env("KHUD_STATE_DIR", dir.join("state"));
    command.output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn do_refuses_another_cluster_until_it_is_accepted_by_its_uid() {
    let (first, second) = (cluster("n-1").await, cluster("n-1").await);
    let front = Front::start(&first).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("config"), front.kubeconfig("prod eu")).unwrap();
    let run = async |args: &[&str]| {
        let (dir, args) = (dir.path().to_owned(), args.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>());
        let run = move || khud(&dir, &args.iter().map(String::as_str).collect::<Vec<_>>());
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let cordon = ["do", "cordon", "node/n-1", "--yes", "-o", "json"];
    let output = run(&cordon).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["plan"]["kubectl"], "kubectl --context 'prod eu' cordon n-1");

    front.lead_to(&second);
    let output = run(&cordon).await;
    let (known, found) = (kube_system(&first), kube_system(&second));
    assert_eq!(output.status.code(), Some(1));
    let told = stderr(&output);
    assert!(told.contains(&known) && told.contains(&format!("--accept-cluster {found}")), "{told}");
    let output = run(&[&cordon[..], &["--accept-cluster", &known]].concat()).await;
    assert_eq!(output.status.code(), Some(1), "the UID of neither: {}", stderr(&output));
    assert!(!cordoned(&second, "n-1"));
    let output = run(&["scan"]).await;
    assert!(stderr(&output).contains("another cluster answers for prod eu"), "{}", stderr(&output));
    let output = run(&[&cordon[..], &["--accept-cluster", &found]].concat()).await;
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(cordoned(&second, "n-1"));
    let output = run(&["do", "uncordon", "node/n-1", "--yes"]).await;
    assert_eq!(output.status.code(), Some(0), "accepted once is known: {}", stderr(&output));

    // Where kube-system may not be read the plan says so, and the action is not refused for it.
    front.rule(|asked| {
        (asked.path == "/api/v1/namespaces/kube-system").then_some(Fate::Status(403, "Forbidden"))
    });
    let output = run(&cordon).await;
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let impact = report["plan"]["impact"].as_array().unwrap();
    assert!(impact.iter().any(|i| i["what"] == "cluster identity not verified"), "{impact:?}");
}

/// The cockpit asks before it goes on with another cluster, and starts over with nothing of the one before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cockpit_starts_over_only_after_a_yes() {
    let (first, second) = (cluster("first-1").await, cluster("second-1").await);
    let front = Front::start(&first).await;
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("kubeconfig"), front.kubeconfig("prod")).unwrap();
    let args = ["--command", ":nodes"];
    let mut cockpit = pty::cockpit(env!("CARGO_BIN_EXE_khud"), dir.path(), "", &args, 140, 30);
    cockpit.until_text("first-1");

    front.lead_to(&second);
    let asks = |s: &vt100::Screen| s.contents().contains("Another cluster answers");
    let screen = cockpit.until("the question", asks);
    for words in
        [&kube_system(&first), &kube_system(&second), "[ Cancel ]", "another cluster answers", "first-1"]
    {
        assert!(screen.contains(words), "{words}:\n{screen}");
    }
    cockpit.send("\r");
    cockpit.until("the question to go", |s| !s.contents().contains("[ Cancel ]"));
    assert!(cockpit.text().contains("first-1"), "Cancel is the default");

    cockpit.send(":ctx prod\r");
    cockpit.until_text("[ Cancel ]");
    cockpit.send("\t\r");
    cockpit.until("the second cluster alone", |s| {
        let text = s.contents();
        text.contains("nodes 1/1") || text.contains("nodes 0/1")
    });
    cockpit.send(":nodes\r");
    cockpit.until_text("second-1");
    assert!(!cockpit.text().contains("first-1"), "{}", cockpit.text());
}
