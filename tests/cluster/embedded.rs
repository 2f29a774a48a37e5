//! Against the embedded API server: TLS, rights, `--read-only`, logs, proxies, and commands with much output.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use bytes::Bytes;
use futures::future::BoxFuture;
use khud::cluster::{
    Action, ConnectError, Connection, Environment, Failure, Options, ProxyBackend, Scope, watch_all,
};
use khud::world::ask::{Call, Exec, LogTail, Verb};
use khud::world::{Clock, Kind, World};
use khud_sim::api::load::{Load, LoadOptions};
use khud_sim::api::machines::{
    ExecIo, ExecRequest, ExecResult, LogOptions, Machines, NoMachines, ProxyTarget, Usage,
};
use khud_sim::api::meta::status::Status;
use khud_sim::{Sim, SimOptions};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::front::Front;

/// A machine whose commands print as much as they are told.
struct Printer;

impl Machines for Printer {
    fn log(&self, _: &str, _: &str, options: &LogOptions) -> Result<mpsc::Receiver<Bytes>, Status> {
        let (tx, rx) = mpsc::channel(4);
        let (follow, tail) = (options.follow, options.tail_lines.unwrap_or(3));
        tokio::spawn(async move {
            for i in 0..tail {
                let _ = tx.send(Bytes::from(format!("line {i}\n"))).await;
            }
            if follow {
                tx.closed().await;
            }
        });
        Ok(rx)
    }

    fn exec(
        &self,
        _: &str,
        _: &str,
        exec: ExecRequest,
        io: ExecIo,
    ) -> Result<BoxFuture<'static, ExecResult>, Status> {
        let number = |i: usize| exec.command.get(i).and_then(|n| n.parse::<usize>().ok()).unwrap_or(0);
        let (out, err, code) = (number(1), number(2), number(3));
        if exec.command[0] != "print" {
            let text = format!("exec: \"{}\": stat {0}: no such file or directory", exec.command[0]);
            return Ok(Box::pin(async move { ExecResult::Failed(text) }));
        }
        Ok(Box::pin(async move {
            let mut left = [out, err];
            while left != [0, 0] {
                for (i, tx) in [&io.stdout, &io.stderr].into_iter().enumerate() {
                    let n = left[i].min(30_000);
                    left[i] -= n;
                    if n > 0 && tx.send(Bytes::from(vec![b'a' + i as u8; n])).await.is_err() {
                        return ExecResult::Exited(141);
                    }
                }
            }
            ExecResult::Exited(code as i32)
        }))
    }

    fn dial(&self, ns: &str, pod: &str, port: u16) -> Result<tokio::io::DuplexStream, Status> {
        NoMachines.dial(ns, pod, port)
    }

    fn http(
        &self,
        target: ProxyTarget,
        method: &str,
        path: &str,
        body: Bytes,
    ) -> BoxFuture<'static, Result<http::Response<Bytes>, Status>> {
        match target {
            ProxyTarget::Pod { port: 9400, .. } => {
                let text = format!("{method} {path}");
                Box::pin(async move { Ok(http::Response::new(Bytes::from(text))) })
            }
            other => NoMachines.http(other, method, path, body),
        }
    }

    fn usage(&self) -> Option<Usage> {
        None
    }
}

struct Rig {
    sim: Sim,
    dir: tempfile::TempDir,
}

impl Rig {
    async fn new(tls: bool) -> Rig {
        let options = SimOptions { tls, ..SimOptions::default() };
        let sim = Sim::start_with(options, |_| Arc::new(Printer)).await.unwrap();
        sim.store().create("namespaces", "", json!({"metadata": {"name": "prod"}})).unwrap();
        let pod = json!({"metadata": {"name": "p", "namespace": "prod"},
            "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"}});
        sim.store().create("pods", "prod", pod).unwrap();
        let running = json!({"phase": "Running", "podIP": "10.244.0.9", "containerStatuses": [
            {"name": "c", "ready": true, "restartCount": 0, "image": "i", "imageID": "i", "state": {"running": {}}}]});
        let part = khud_sim::api::store::Part::Status;
        sim.store().modify("pods", "prod", "p", part, |p| p["status"] = running).unwrap();
        Rig { sim, dir: tempfile::tempdir().unwrap() }
    }

    async fn connect(&self, kubeconfig: String, read_only: bool) -> Result<Connection, ConnectError> {
        let path = self.dir.path().join("config");
        std::fs::write(&path, kubeconfig).unwrap();
        let options = Options { kubeconfig: Some(path), read_only, ..Options::default() };
        Connection::open(options, Clock::wall()).await
    }

    async fn admin(&self) -> Connection {
        self.connect(self.sim.kubeconfig(), false).await.unwrap()
    }
}

fn print(words: &[&str]) -> Exec {
    let command = words.iter().map(|w| (*w).to_owned()).collect();
    Exec { namespace: "prod".into(), pod: "p".into(), container: "c".into(), command }
}

const MUCH: usize = 6_000_000;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_with_much_output_end_and_tell_their_exit_code() {
    let rig = Rig::new(false).await;
    let conn = rig.admin().await;
    // Both outputs far beyond any pipe, only a little of them kept.
    let much = MUCH.to_string();
    let out = conn.exec(&print(&["print", &much, &much, "3"]), 1000).await.unwrap();
    assert_eq!((out.exit_code, out.truncated), (3, true));
    assert_eq!((out.stdout, out.stderr), (vec![b'a'; 1000], vec![b'b'; 1000]));

    let text = conn.exec(&print(&["/no/such/tool"]), 1000).await.unwrap_err().to_string();
    assert!(text.contains("no such file or directory"), "{text}");
    let absent = Exec { pod: "absent".into(), ..print(&["print"]) };
    let text = conn.exec(&absent, 1000).await.unwrap_err().to_string();
    assert!(text.contains("pods \"absent\" not found"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_proxies_bring_what_is_behind_them() {
    let rig = Rig::new(false).await;
    let conn = rig.admin().await;
    let tail = LogTail {
        namespace: "prod".into(),
        pod: "p".into(),
        container: "c".into(),
        previous: false,
        tail: 2,
    };
    assert_eq!(conn.log_tail(&tail).await.unwrap(), "line 0\nline 1\n");
    let mut chunks = conn.log_stream(&tail, None).await.unwrap();
    let mut text = Vec::new();
    while text.len() < 14 {
        text.extend_from_slice(&chunks.next().await.unwrap().unwrap());
    }
    assert_eq!(text, b"line 0\nline 1\n");
    let absent = LogTail { pod: "absent".into(), ..tail };
    let text = conn.log_tail(&absent).await.unwrap_err().to_string();
    assert_eq!(text, "pods \"absent\" not found (HTTP 404)");

    let behind = |port| ProxyBackend::Pod { namespace: "prod".into(), name: "p".into(), port };
    let got = conn.proxy_get(&behind(9400), "metrics", Duration::from_secs(5)).await.unwrap();
    assert!(got.ok() && got.text().contains("/metrics"), "{got:?}");
    let got = conn.proxy_get(&behind(1), "metrics", Duration::from_secs(5)).await.unwrap();
    assert_eq!(got.status, 503);
    assert!(got.why().contains("there are no machines"), "{}", got.why());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn read_only_refuses_in_the_http_layer_and_nothing_changes() {
    let rig = Rig::new(false).await;
    let conn = rig.connect(rig.sim.kubeconfig(), true).await.unwrap();
    let before = rig.sim.store().get("pods", "prod", "p").unwrap();
    let call = |verb, path: &str, body| Call {
        verb,
        path: path.into(),
        content_type: "application/merge-patch+json".into(),
        body,
    };
    let pod = "/api/v1/namespaces/prod/pods/p";
    for attempt in [
        call(Verb::Patch, pod, Some(json!({"metadata": {"labels": {"x": "y"}}}))),
        call(Verb::Delete, pod, None),
        call(Verb::Post, &format!("{pod}/eviction?dryRun=All"), Some(json!({}))),
        call(Verb::Put, pod, Some(json!({}))),
    ] {
        let refused = conn.call(attempt).await.unwrap_err();
        assert!(matches!(refused, Failure::ReadOnly(_)), "{refused}");
    }
    let refused = conn.exec(&print(&["print", "1", "0", "0"]), 10).await.unwrap_err();
    assert!(matches!(refused, Failure::ReadOnly(_)), "{refused}");
    assert_eq!(rig.sim.store().get("pods", "prod", "p").unwrap(), before);
    assert!(conn.call(Call::get(pod)).await.unwrap().ok());
    assert!(conn.can(&Action::new("delete", &Kind::Pod, "prod")).await.unwrap().allowed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rights_and_discovery_are_asked_of_the_server() {
    let rig = Rig::new(false).await;
    let admin = rig.admin().await;
    let resources = admin.discover().await.unwrap();
    for kind in [Kind::Pod, Kind::Deployment, Kind::PodDisruptionBudget] {
        assert!(resources.iter().any(|r| r.name == kind.plural() && r.group == kind.group()), "{kind}");
    }
    let nobody = rig.connect(rig.sim.kubeconfig_of("viewer", &[]), false).await.unwrap();
    let may = nobody.can(&Action::new("patch", &Kind::Node, "")).await.unwrap();
    assert!(!may.allowed && !may.reason.is_empty(), "{may:?}");
    let answer = nobody.call(Call::get("/api/v1/pods")).await.unwrap();
    assert_eq!(answer.status, 403);
    assert!(answer.message().contains("cannot list resource \"pods\""), "{}", answer.message());
    assert_eq!(admin.check().await.unwrap().major, "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_is_checked_and_what_is_wrong_with_it_said() {
    let rig = Rig::new(true).await;
    rig.admin().await.check().await.unwrap();
    // The same server, for a client that does not know its authority.
    let other = Rig::new(true).await;
    let (mine, theirs) = (rig.sim.kubeconfig(), other.sim.kubeconfig());
    let swapped = theirs.replace(other.sim.url(), rig.sim.url());
    assert_ne!(mine, swapped);
    let text = rig.connect(swapped, false).await.unwrap().check().await.unwrap_err().to_string();
    assert!(text.starts_with("no secure connection to https://"), "{text}");
    assert!(text.contains("authority"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_a_pod_its_service_account_is_the_configuration() {
    let rig = Rig::new(true).await;
    let kubeconfig = rig.sim.kubeconfig();
    let field = |key: &str| {
        let rest = kubeconfig.split(key).nth(1).unwrap().trim_start_matches(['"', ':', ' ']);
        rest.split(['"', '\n', ',', '}']).next().unwrap().trim().to_owned()
    };
    let ca = base64::engine::general_purpose::STANDARD.decode(field("certificate-authority-data")).unwrap();
    let account = rig.dir.path().join("account");
    std::fs::create_dir(&account).unwrap();
    std::fs::write(account.join("token"), field("token")).unwrap();
    std::fs::write(account.join("ca.crt"), ca).unwrap();
    let service = Some(rig.sim.url().to_owned());
    let environment = Environment { service, account: account.clone(), ..Environment::default() };
    let open = async || Connection::open_in(Options::default(), environment.clone(), Clock::wall()).await;

    let text = open().await.unwrap_err().to_string();
    assert!(text.starts_with("the service account of this pod cannot be used: "), "{text}");
    assert!(text.contains("account/namespace cannot be read"), "{text}");

    std::fs::write(account.join("namespace"), "prod\n").unwrap();
    let inside = open().await.unwrap();
    assert_eq!((inside.context(), inside.namespace()), ("in-cluster", "prod"));
    inside.check().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_slow_link_lists_come_compressed() {
    let sim = Sim::start(SimOptions::default()).await.unwrap();
    let options = LoadOptions { nodes: 20, pods: 1_500, churn: 0.0, seed: 7 };
    let _load = Load::fill(sim.store(), options).unwrap();
    let plain: usize = sim.store().list("pods", None).iter().map(|pod| pod.to_string().len()).sum();
    let front = Front::start(&sim).await;
    front.slow(2_000_000);
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("kubeconfig");
    std::fs::write(&path, front.kubeconfig("slow")).unwrap();
    let options = Options { kubeconfig: Some(path), ..Options::default() };
    let conn = Connection::open(options, Clock::wall()).await.unwrap();
    let mut feed = watch_all(&conn, &Scope::Cluster, &[Kind::Pod]);
    let (mut world, mut changes) = (World::new(), Vec::new());
    let listed = |world: &World| world.streams.values().any(|s| s.state.is_live());
    while !listed(&world) || world.pods.len() < 1_500 {
        let deltas =
            tokio::time::timeout(Duration::from_secs(60), feed.next()).await.expect("more of the list");
        deltas.into_iter().for_each(|delta| world.apply(delta, &mut changes));
    }
    // The bytes before khud knew the link, and the rest compressed to a seventh or less.
    let passed = usize::try_from(front.passed()).unwrap();
    assert!(passed < 2_500_000 + plain / 7, "{passed} of {plain} bytes");
}
