//! Every fault of the wire at once, for minutes; what a kind that always fails costs the server, and a slow link.
//!
//! `cargo bench --bench soak` prints all; `cargo bench --bench soak -- requests`, `-- link` (a first list over a slow
//! link) or `-- soak 3` one of them, the soak for 3 minutes instead of 10. It ends with status 1 where what khud knows is not what the server has.
#![allow(clippy::expect_used, clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use khud::cluster::{Connection, Feed, Options, Scope, watch_all};
use khud::world::{Clock, Kind, World};
use khud_sim::api::faults::parse_schedule;
use khud_sim::api::load::{Load, LoadOptions};
use khud_sim::{Sim, SimOptions};

#[allow(dead_code, reason = "the bench uses its part")]
#[path = "../tests/support/front.rs"]
mod front;
use front::{Fate, Front};

const KINDS: [Kind; 4] = [Kind::Pod, Kind::Node, Kind::Deployment, Kind::Event];

struct Rig {
    sim: Sim,
    front: Arc<Front>,
    feed: Feed,
    world: World,
    _dir: tempfile::TempDir,
}

impl Rig {
    /// khud's watches, through the proxy `front`, on an API server with `faults`.
    async fn new(faults: &str) -> Rig {
        let faults = parse_schedule(faults, 7).expect("a schedule");
        let sim = Sim::start(SimOptions { faults, seed: Some(7), ..SimOptions::default() });
        Rig::on(sim.await.expect("the embedded cluster starts"), |_| ()).await
    }

    /// The same on this API server, with the proxy as `prepare` wants it.
    async fn on(sim: Sim, prepare: impl FnOnce(&Front)) -> Rig {
        let front = Front::start(&sim).await;
        prepare(&front);
        let dir = tempfile::tempdir().expect("a scratch directory");
        let path = dir.path().join("kubeconfig");
        std::fs::write(&path, front.kubeconfig("soak")).expect("the kubeconfig");
        let options = Options { kubeconfig: Some(path), ..Options::default() };
        let connection = Connection::open(options, Clock::wall()).await.expect("a connection");
        let feed = watch_all(&connection, &Scope::Cluster, &KINDS);
        Rig { sim, front, feed, world: World::new(), _dir: dir }
    }

    /// Applies what arrives until then.
    async fn follow(&mut self, until: Instant) {
        let mut changes = Vec::new();
        while let Ok(deltas) = tokio::time::timeout_at(until.into(), self.feed.next()).await {
            deltas.into_iter().for_each(|delta| self.world.apply(delta, &mut changes));
            changes.clear();
        }
    }

    /// Pods and nodes as khud has them, by namespace, name and UID.
    fn known(&self) -> BTreeSet<String> {
        let pods = self.world.pods.iter().map(|(_, p)| &p.meta);
        let nodes = self.world.nodes.iter().map(|(_, n)| &n.meta);
        pods.chain(nodes).map(|m| format!("{}/{} {}", m.namespace, m.name, m.uid)).collect()
    }

    /// The same as the server has them.
    fn stored(&self) -> BTreeSet<String> {
        let all = ["pods", "nodes"].into_iter().flat_map(|kind| self.sim.store().list(kind, None));
        all.map(|o| {
            let text = |field: &str| o["metadata"][field].as_str().unwrap_or_default().to_owned();
            format!("{}/{} {}", text("namespace"), text("name"), text("uid"))
        })
        .collect()
    }
}

/// Requests a minute for a kind that always fails, and for all others meanwhile.
async fn requests() -> bool {
    let mut within = true;
    for (code, reason) in
        [(500, "InternalError"), (503, "ServiceUnavailable"), (429, "TooManyRequests"), (403, "Forbidden")]
    {
        let mut rig = Rig::new("").await;
        let (broken, others) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let counted = (broken.clone(), others.clone());
        rig.front.rule(move |asked| {
            let fails = asked.path == "/api/v1/pods";
            (if fails { &counted.0 } else { &counted.1 }).fetch_add(1, Ordering::Relaxed);
            fails.then_some(Fate::Status(code, reason))
        });
        // The watches that run already are asked for again.
        rig.front.cut();
        rig.follow(Instant::now() + Duration::from_secs(60)).await;
        let (broken, others) = (broken.load(Ordering::Relaxed), others.load(Ordering::Relaxed));
        println!(
            "pods always {code}: {broken} requests in the first minute (at most 60); all other kinds {others}"
        );
        within &= broken <= 60;
        rig.sim.stop().await;
    }
    within
}

/// All faults mixed on a cluster that changes; then quiet, and khud must know what the server has.
async fn soak(minutes: u64) -> bool {
    let mut rig = Rig::new(&format!("random@5s..{}s", minutes * 60)).await;
    let options = LoadOptions { nodes: 50, pods: 1_000, churn: 20.0, seed: 7 };
    let mut load = Load::fill(rig.sim.store(), options).expect("a generated cluster");
    let end = Instant::now() + Duration::from_secs(minutes * 60);
    let mut second = 0;
    while Instant::now() < end {
        (0..20).for_each(|_| load.step());
        second += 1;
        // A load balancer that drops everything, and one kind that fails by itself for a while.
        if second % 47 == 0 {
            rig.front.cut();
        }
        match second % 60 {
            10 => {
                rig.front.rule(|a| (a.path == "/api/v1/pods").then_some(Fate::Status(500, "InternalError")))
            }
            25 => rig.front.rule(|_| None),
            _ => {}
        }
        rig.follow(Instant::now() + Duration::from_secs(1)).await;
    }
    rig.front.rule(|_| None);
    rig.sim.faults().clear();
    let (began, stored) = (Instant::now(), rig.stored());
    while rig.known() != stored && began.elapsed() < Duration::from_secs(60) {
        rig.follow(Instant::now() + Duration::from_millis(100)).await;
    }
    let known = rig.known();
    let (missing, left) = (stored.difference(&known).count(), known.difference(&stored).count());
    println!(
        "{minutes} minutes of every fault: {} objects at the server, {missing} missing and {left} too many in khud, {:.1} s after the last fault; {:?}",
        stored.len(),
        began.elapsed().as_secs_f64(),
        rig.feed.counters(),
    );
    rig.sim.stop().await;
    missing + left == 0 && !stored.is_empty()
}

/// The first list of 10,000 pods over a slow link that breaks every 20 seconds.
async fn slow_link() -> bool {
    const PODS: u32 = 10_000;
    let sim = Sim::start(SimOptions { seed: Some(7), ..SimOptions::default() });
    let sim = sim.await.expect("the embedded cluster starts");
    let options = LoadOptions { nodes: 200, pods: PODS, churn: 0.0, seed: 7 };
    let _load = Load::fill(sim.store(), options).expect("a generated cluster");
    let plain: usize = sim.store().list("pods", None).iter().map(|pod| pod.to_string().len()).sum();
    let mut rig = Rig::on(sim, |front| front.slow(2_000_000)).await;
    let began = Instant::now();
    let mut cut = began;
    while rig.world.pods.len() < PODS as usize && began.elapsed() < Duration::from_secs(180) {
        rig.follow(Instant::now() + Duration::from_millis(200)).await;
        if cut.elapsed() >= Duration::from_secs(20) {
            rig.front.cut();
            cut = Instant::now();
        }
    }
    let (pods, megabytes) = (rig.world.pods.len(), rig.front.passed() as f64 / 1e6);
    println!(
        "{pods} pods of {:.0} MB over 2 MB/s, cut every 20 s: {megabytes:.1} MB (at most 15), {:.0} s",
        plain as f64 / 1e6,
        began.elapsed().as_secs_f64()
    );
    rig.sim.stop().await;
    pods >= PODS as usize && megabytes <= 15.0
}

#[tokio::main]
async fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with('-')).collect();
    let on = |what: &str| wanted.is_empty() || wanted.iter().any(|w| w == what);
    let minutes = wanted.iter().find_map(|w| w.parse().ok()).unwrap_or(10);
    let requests = !on("requests") || requests().await;
    let link = !on("link") || slow_link().await;
    let soak = !on("soak") || soak(minutes).await;
    if requests && link && soak { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
