//! The captured cluster gives exactly the findings that its manifest (`captures/cluster-under-capture.yaml`) calls for:
//! the tables here are written from that file and from what was done to the cluster, not from khud's output.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::support::captures::{self, capture, path, text as read};
use khud::cluster::slim::{Decoder, Line};
use khud::detect::{DetectConfig, Detector, Finding, State};
use khud::world::{Delta, Kind, ObjectRef, Record, Time, World};
use serde_json::Value;

/// The lists in an order in which what an object refers to is there before it.
const LISTS: &[(&str, Kind)] = &[
    ("namespaces", Kind::Namespace),
    ("nodes", Kind::Node),
    ("deployments", Kind::Deployment),
    ("replicasets", Kind::ReplicaSet),
    ("daemonsets", Kind::DaemonSet),
    ("jobs", Kind::Job),
    ("services", Kind::Service),
    ("endpointslices", Kind::EndpointSlice),
    ("pvcs", Kind::PersistentVolumeClaim),
    ("resourcequotas", Kind::ResourceQuota),
    ("pdbs", Kind::PodDisruptionBudget),
    ("events", Kind::Event),
    ("pods", Kind::Pod),
];

/// A cockpit without a screen: the World, the detector, and the kubelet's logs as they were captured.
struct Room {
    world: World,
    detector: Detector,
    now: Time,
}

impl Room {
    fn new(now: Time) -> Room {
        Room { world: World::new(), detector: Detector::new(DetectConfig::default()), now }
    }

    fn apply(&mut self, deltas: impl IntoIterator<Item = Delta>) {
        let mut changes = Vec::new();
        for delta in deltas {
            self.world.apply(delta, &mut changes);
        }
        self.detector.on_changes(&self.world, &changes, self.now);
    }

    fn list(&mut self, kind: &Kind, file: &str) {
        let list = capture(&format!("list/{file}.json"));
        let mut decoder = Decoder::new(kind.clone());
        let page = decoder.page(&serde_json::to_vec(&list["response"]["json"]).unwrap()).unwrap();
        assert_eq!(page.unreadable, 0, "{file}");
        self.apply([Delta::ListStart { kind: kind.clone(), namespace: "".into() }]);
        self.apply(page.items.into_iter().map(Delta::Apply));
        self.apply([Delta::ListEnd { kind: kind.clone(), namespace: "".into() }]);
    }

    /// Lets time pass, with every timer at its own moment.
    fn advance(&mut self, to: Time) {
        while let Some(at) = self.detector.next_timer().filter(|at| *at <= to) {
            self.now = at.max(self.now);
            self.detector.on_timer(&self.world, self.now);
        }
        self.now = to;
    }

    /// Answers every log the detector asks for.
    fn answer_logs(&mut self) -> usize {
        let mut asked = 0;
        loop {
            let wanted = self.detector.wanted_logs(self.now);
            assert!(wanted.len() <= 4, "more than four in flight");
            if wanted.is_empty() {
                return asked;
            }
            for tail in wanted {
                asked += 1;
                let previous = if tail.previous { ".previous" } else { "" };
                let name = format!("{}.{}.{}{previous}.json", tail.namespace, tail.pod, tail.container);
                let path = path(&format!("logs/{name}"));
                let answer = match std::fs::read_to_string(path) {
                    Ok(text) => {
                        let v: Value = serde_json::from_str(&text).unwrap();
                        Ok(v["response"]["text"].as_str().unwrap_or_default().to_owned())
                    }
                    Err(_) => Err("404 Not Found".to_owned()),
                };
                let answer = answer.as_ref().map(String::as_str).map_err(String::as_str);
                self.detector.on_log(&self.world, &tail, answer, self.now);
            }
        }
    }

    fn firing(&self) -> Vec<Arc<Finding>> {
        self.detector.findings().iter().filter(|f| f.state == State::Firing).cloned().collect()
    }

    /// `kind namespace/name: rule cause ×count` of everything that fires, sorted.
    fn table(&self) -> BTreeSet<String> {
        self.firing().iter().map(|f| line(f)).collect()
    }
}

fn line(f: &Finding) -> String {
    format!("{}: {} {} ×{}", f.fix(), f.rule, f.cause, f.count)
}

fn expected() -> BTreeSet<String> {
    [
        // Five replicas of 100Mi where the quota leaves room for two.
        "deployment dev/payment-service: quota.exceeded quota.exceeded ×1",
        // A JVM with -Xmx200m that keeps 8 MiB more each second under a limit of 180Mi, twice.
        "deployment prod/payment-service: crash.oom-limit crash.oom-limit ×2",
        // 16 GPUs on a cluster whose only node has 8.
        "pod ml-training/llm-train-too-big: schedule.insufficient schedule.insufficient ×1",
        // The claim asks for class fast-ssd, which nobody made; one pod waits for it.
        "persistentvolumeclaim ml-training/model-cache: volume.class-missing volume.class-missing ×1",
        "pod production/wrong-selector: schedule.selector schedule.selector ×1",
        "pod production/missing-config: config.configmap-missing config.configmap-missing ×1",
        "pod production/missing-secret-volume: config.secret-missing config.secret-missing ×1",
        // myregistry.io does not exist in any DNS.
        "pod production/bad-image: image.network image.network ×1",
        "pod production/invalid-image-name: image.invalid-name image.invalid-name ×1",
        "pod production/never-pull: image.never-pull image.never-pull ×1",
        "pod production/bad-command: container.command container.command ×1",
        // Their logs say so.
        "pod production/app-error: crash.dependency crash.dependency ×1",
        "pod production/config-error: crash.unreachable crash.unreachable ×1",
        // The Service in front of it has no endpoint for that reason: no line of its own.
        "pod production/unready: ready.probe ready.probe ×1",
        "pod production/liveness-fails: crash.liveness crash.liveness ×1",
        // `false`, with one retry: two pods.
        "job production/migrate-db: job.backoff-limit job.backoff-limit ×2",
        "pod production/init-fails: crash.init crash.init ×1",
        "pod production/tag-absent: image.not-found image.not-found ×1",
        "pod production/pull-denied: image.auth image.auth ×1",
        "pod production/pull-rate-limited: image.rate-limit image.rate-limit ×1",
        // Nothing listens on localhost:5999.
        "pod production/registry-down: image.network image.network ×1",
        "pod production/stuck-terminating: delete.stuck delete.stuck ×1",
        // 40 MiB into an emptyDir of 4Mi.
        "pod production/evicted-by-its-limit: evicted.ephemeral-limit evicted.ephemeral-limit ×1",
    ]
    .into_iter()
    .map(str::to_owned)
    .collect()
}

fn captured_at() -> Time {
    // The newest time that a container of the list started or ended.
    let list = capture("list/pods.json");
    let mut best = None;
    for pod in list["response"]["json"]["items"].as_array().unwrap() {
        for c in pod["status"]["containerStatuses"].as_array().into_iter().flatten() {
            for state in ["state", "lastState"] {
                for at in c[state].as_object().into_iter().flat_map(|o| o.values()) {
                    for key in ["startedAt", "finishedAt"] {
                        best = best.max(at[key].as_str().and_then(Time::parse));
                    }
                }
            }
        }
    }
    best.unwrap()
}

#[test]
fn the_captured_cluster_has_exactly_what_its_manifest_breaks() {
    let mut room = Room::new(captured_at());
    for (file, kind) in LISTS {
        room.list(kind, file);
    }
    room.answer_logs();
    let table = room.table();
    let want = expected();
    let missing: Vec<_> = want.difference(&table).collect();
    let extra: Vec<_> = table.difference(&want).collect();
    assert!(missing.is_empty() && extra.is_empty(), "missing {missing:#?}, not called for {extra:#?}");
    assert!(room.answer_logs() == 0, "a log is asked for twice");
    // Nothing is listed twice because something came later that explains it better: a ReplicaSet, a claim, an event.
    // What a log proved is the finding that was there before it was read, not another after it.
    let going: Vec<_> = room.detector.findings().iter().filter(|f| f.state == State::Resolving).collect();
    assert!(going.is_empty(), "{going:#?}");

    // Whatever order the lists come in, and with another full list after them.
    let mut other = Room::new(room.now);
    for (file, kind) in LISTS.iter().rev() {
        other.list(kind, file);
    }
    other.answer_logs();
    assert_eq!(other.table(), want);
    for (file, kind) in LISTS {
        other.list(kind, file);
    }
    assert_eq!(other.table(), want);
}

/// The words a tired person reads, and the proof under them, for a few whose text is fixed by what was captured.
#[test]
fn findings_quote_their_proof() {
    let mut room = Room::new(captured_at());
    for (file, kind) in LISTS {
        room.list(kind, file);
    }
    room.answer_logs();
    let all: BTreeMap<String, Arc<Finding>> =
        room.firing().into_iter().map(|f| (f.fix().to_string(), f)).collect();
    let says = |object: &str, title: &str, row: &str, quotes: &[&str]| {
        let f = all.get(object).unwrap_or_else(|| panic!("nothing on {object}"));
        assert!(f.title.contains(title), "{object}: {}", f.title);
        assert!(f.row.contains(row), "{object}: {}", f.row);
        for quote in quotes {
            assert!(
                f.evidence.iter().any(|e| e.quote.contains(quote)),
                "{object} does not quote {quote:?}: {:#?}",
                f.evidence
            );
        }
        assert!(f.since <= room.now);
    };
    says(
        "pod production/tag-absent",
        "image tag v2.0.1 does not exist",
        "tag v2.0.1 not found",
        &["code = NotFound"],
    );
    says(
        "deployment prod/payment-service",
        "killed at its memory limit of 180Mi",
        "OOM at 180Mi limit",
        &["OOMKilled (exit code 137)", "limits.memory 180Mi"],
    );
    says(
        "pod ml-training/llm-train-too-big",
        "no node has 16 nvidia.com/gpu free",
        "needs 16 nvidia.com/gpu",
        // llm-train-week3-0 holds four of the eight.
        &["1 Insufficient nvidia.com/gpu", "most free: 4 of 8 on gpu-worker-042"],
    );
    says(
        "pod production/wrong-selector",
        "no node has the labels disktype=ssd",
        "disktype=ssd",
        &["didn't match Pod's node affinity/selector"],
    );
    says(
        "pod production/config-error",
        "host database-new.production.svc.cluster.local does not resolve",
        "cannot resolve database-new.production",
        &["getaddrinfo ENOTFOUND", "no Service database-new in namespace production"],
    );
    says(
        "pod production/unready",
        ":3000/ready gets status 404",
        "readiness: 404",
        &["statuscode: 404", "1 endpoints, none ready", "GET :3000/ready"],
    );
    says(
        "pod production/bad-command",
        "command /no/such/binary is not in the image",
        "not found",
        &["no such file or directory"],
    );
    says(
        "pod production/init-fails",
        "init container wait-db fails",
        "init wait-db",
        &["exit code 3", "waiting"],
    );
    says(
        "persistentvolumeclaim ml-training/model-cache",
        "storage class fast-ssd of claim model-cache does not exist",
        "fast-ssd missing",
        &["unbound immediate PersistentVolumeClaims", "\"fast-ssd\" not found"],
    );
    says(
        "deployment dev/payment-service",
        "quota dev-quota is exceeded",
        "quota dev-quota",
        &["limited: requests.memory=256Mi", "ProgressDeadlineExceeded"],
    );
    says(
        "pod production/liveness-fails",
        "liveness probe fails",
        "liveness",
        &["failed liveness probe, will be restarted", "connect: connection refused"],
    );
    // The row of a pod, of its Service and of its claim lead to the finding.
    let of = |kind: Kind, ns: &str, name: &str| {
        room.detector.of(&khud::world::ObjectRef::new(kind, ns, name)).map(|f| f.cause.to_string())
    };
    assert_eq!(of(Kind::Service, "production", "unready-svc").as_deref(), Some("ready.probe"));
    assert_eq!(of(Kind::Pod, "ml-training", "waits-for-pvc").as_deref(), Some("volume.class-missing"));
    assert_eq!(of(Kind::Deployment, "prod", "payment-service").as_deref(), Some("crash.oom-limit"));
    assert_eq!(of(Kind::Pod, "production", "completed"), None);
    assert_eq!(of(Kind::Node, "", "gpu-worker-042"), None);
}

/// Events tell of what is over. Without the pods they were about, or with all of them well, they say nothing.
#[test]
fn events_alone_find_nothing() {
    let mut room = Room::new(captured_at());
    for (file, kind) in LISTS.iter().filter(|(_, k)| matches!(k, Kind::Event | Kind::Node | Kind::Namespace))
    {
        room.list(kind, file);
    }
    assert_eq!(room.table(), BTreeSet::new());
}

// The streams.

struct Stream {
    lines: Vec<(f64, Kind, Vec<u8>)>,
}

fn stream(name: &str) -> Stream {
    let lines = read(&format!("watch/{name}.jsonl"))
        .lines()
        .map(|l| {
            let v: Value = serde_json::from_str(l).unwrap();
            let kind = Kind::parse(v["resource"].as_str().unwrap()).unwrap();
            let event = serde_json::json!({"type": v["type"], "object": v["object"]});
            (v["t"].as_f64().unwrap(), kind, serde_json::to_vec(&event).unwrap())
        })
        .collect();
    Stream { lines }
}

/// Plays a stream against the clock of its own objects and calls `see` after each change with the seconds since start.
fn play(name: &str, mut see: impl FnMut(f64, &mut Room)) -> Room {
    let s = stream(name);
    let mut decoders: BTreeMap<Kind, Decoder> = BTreeMap::new();
    let start = start(&s).unwrap();
    let mut room = Room::new(start);
    for (t, kind, bytes) in &s.lines {
        let at = Time(start.0 + (*t * 1000.0) as i64);
        room.advance(at);
        let decoder = decoders.entry(kind.clone()).or_insert_with(|| Decoder::new(kind.clone()));
        match decoder.line(bytes).unwrap() {
            Line::Apply(item) => room.apply([Delta::Apply(item.record)]),
            Line::Delete(item) => {
                let delta = Delta::Delete { object: item.reference(), uid: item.uid() };
                room.apply([delta]);
            }
            Line::Bookmark { initial_end: true, .. } => {
                room.apply([Delta::ListEnd { kind: kind.clone(), namespace: "".into() }]);
            }
            _ => {}
        }
        room.answer_logs();
        see(*t, &mut room);
    }
    room
}

/// When a stream began: its events carry the time at which they were written.
fn start(s: &Stream) -> Option<Time> {
    let mut decoders: BTreeMap<Kind, Decoder> = BTreeMap::new();
    let mut best = None;
    for (t, kind, bytes) in &s.lines {
        let decoder = decoders.entry(kind.clone()).or_insert_with(|| Decoder::new(kind.clone()));
        if let Line::Apply(item) = decoder.line(bytes).unwrap()
            && let Record::Event(e) = item.record
        {
            best = best.max(Some(Time(e.last.0 - (*t * 1000.0) as i64)));
        }
    }
    best
}

#[test]
fn a_failed_rollout_is_one_line_from_its_first_error_to_its_undoing() {
    let (mut seen, mut stuck, mut gone) = (None, None, None);
    let rollout = "deployment production/api-server";
    play("failed-rollout-and-undo", |t, room| {
        let mine: Vec<_> = room.firing().into_iter().filter(|f| f.fix().to_string() == rollout).collect();
        assert!(mine.len() <= 1, "{t}: two lines for one rollout: {mine:#?}");
        match mine.first() {
            Some(f) => {
                assert_eq!((&*f.cause, f.count), ("image.network", 1), "{t}");
                seen.get_or_insert(t);
                if &*f.rule == "rollout.stuck" {
                    stuck.get_or_insert(t);
                    assert_eq!(f.object.to_string(), rollout);
                    assert!(f.evidence.iter().any(|e| e.quote.contains("no such host")));
                    let why =
                        if t < 43.16 { "half of the deadline of 40 s" } else { "ProgressDeadlineExceeded" };
                    assert!(f.evidence.iter().any(|e| e.quote.contains(why)), "{t}: {:#?}", f.evidence);
                }
                assert!(
                    f.changed.iter().any(|c| c.what.contains("image") && c.what.contains("v2.0.1")),
                    "{t}: {:?}",
                    f.changed
                );
            }
            None if seen.is_some() => {
                gone.get_or_insert(t);
            }
            None => {}
        }
    });
    // The first ErrImagePull is at 3.64, half the deadline of 40 s at 22.96 after the last progress, the undo at 58.9.
    let (seen, stuck, gone) = (seen.unwrap(), stuck.unwrap(), gone.unwrap());
    assert!((3.6..4.6).contains(&seen), "seen at {seen}");
    assert!((20.0..44.0).contains(&stuck), "stuck at {stuck}");
    assert!((58.9..60.1).contains(&gone), "gone at {gone}");
}

#[test]
fn four_pulls_fail_for_four_reasons() {
    let room = play("image-pull-failures", |_, _| {});
    let table = room.table();
    for want in [
        "pod production/tag-absent: image.not-found image.not-found ×1",
        "pod production/pull-denied: image.auth image.auth ×1",
        "pod production/pull-rate-limited: image.rate-limit image.rate-limit ×1",
        "pod production/registry-down: image.network image.network ×1",
        "deployment prod/payment-service: crash.oom-limit crash.oom-limit ×2",
    ] {
        assert!(table.contains(want), "{want} is not in {table:#?}");
    }
    for well in ["production/completed", "production/with-sidecar", "production/api-server"] {
        assert!(!table.iter().any(|l| l.contains(well)), "{well} is well: {table:#?}");
    }
}

#[test]
fn a_silent_kubelet_is_one_finding_and_its_pods_are_victims() {
    let (mut began, mut runtime, mut ended) = (None, None, None);
    play("node-notready-and-back", |t, room| {
        let node: Vec<_> =
            room.firing().into_iter().filter(|f| f.fix().to_string() == "node gpu-worker-042").collect();
        assert!(node.len() <= 1, "{t}: {node:#?}");
        if let Some(f) = node.first() {
            began.get_or_insert(t);
            if t > 42.0 && t < 76.0 {
                assert_eq!(&*f.cause, "node.not-ready");
                // 13 pods were Ready on it.
                assert!(f.count >= 8, "{t}: {} victims", f.count);
                // Whatever was well before has no line of its own now.
                let other = room.table();
                for victim in ["production/api-server", "prod/shell", "llm-train-week3-0"] {
                    assert!(!other.iter().any(|l| l.contains(victim)), "{t}: {other:#?}");
                }
            }
            if &*f.cause == "node.runtime-down" {
                runtime.get_or_insert(t);
            }
        } else if began.is_some() {
            ended.get_or_insert(t);
        }
    });
    let (began, runtime, ended) = (began.unwrap(), runtime.unwrap(), ended.unwrap());
    // Ready=Unknown at 41.355, `container runtime is down` at 76.948, Ready=True at 87.279.
    assert!((41.3..41.5).contains(&began), "began at {began}");
    assert!((76.9..77.2).contains(&runtime), "runtime at {runtime}");
    assert!((87.2..87.5).contains(&ended), "ended at {ended}");
}

#[test]
fn a_leak_is_found_at_its_first_kill_and_does_not_flicker_between_kills() {
    let mut first = None;
    let room = play("oom-crashloop", |t, room| {
        let oom = room.firing().iter().any(|f| &*f.cause == "crash.oom-limit");
        if oom {
            first.get_or_insert(t);
        }
        assert!(first.is_none() || oom, "{t}: it flickered");
    });
    // The first OOMKilled of the stream is at 19.768.
    assert!((19.7..19.9).contains(&first.unwrap()), "first at {first:?}");
    let f = room.firing().into_iter().find(|f| &*f.cause == "crash.oom-limit").unwrap();
    assert_eq!((f.fix().to_string().as_str(), f.count), ("deployment prod/payment-service", 2));
}

#[test]
fn a_drain_moves_pods_and_is_no_finding() {
    play("drain-blocked-by-pdb", |t, room| {
        let table = room.table();
        for line in &table {
            // Cordoned for sixteen seconds, nothing can be scheduled: within patience.
            assert!(
                !line.contains("schedule.cordoned") && !line.contains("production/api-server"),
                "{t}: {line}"
            );
        }
    });
}

/// What the manifest breaks for good, as far as the streams tell: they have no claims, so that the class which nobody
/// made cannot be named.
const BROKEN: &[&str] = &[
    "deployment dev/payment-service: quota.exceeded",
    "deployment prod/payment-service: crash.oom-limit",
    "pod ml-training/llm-train-too-big: schedule.insufficient",
    "pod ml-training/waits-for-pvc: volume.claim-unbound",
    "pod production/wrong-selector: schedule.selector",
    "pod production/missing-config: config.configmap-missing",
    "pod production/missing-secret-volume: config.secret-missing",
    "pod production/bad-image: image.network",
    "pod production/invalid-image-name: image.invalid-name",
    "pod production/never-pull: image.never-pull",
    "pod production/bad-command: container.command",
    "pod production/app-error: crash.dependency",
    "pod production/config-error: crash.unreachable",
    "pod production/unready: ready.probe",
    "pod production/liveness-fails: crash.liveness",
    "pod production/init-fails: crash.init",
];

/// What was done while each stream was recorded: what comes and goes, and what is there at its end besides `BROKEN`.
const STREAMS: &[(&str, &[&str], &[&str])] = &[
    // The api-server is given an image of myregistry.io, which does not resolve, and given its old one back.
    ("failed-rollout-and-undo", &["deployment production/api-server: image.network"], &[]),
    (
        "image-pull-failures",
        // Recorded while payment-service was replaced by the one of the manifest: its pods before had ended with
        // exit code 1 ten times, and their log was not recorded.
        &["deployment prod/payment-service: crash.application"],
        &[
            "pod production/tag-absent: image.not-found",
            "pod production/pull-denied: image.auth",
            "pod production/pull-rate-limited: image.rate-limit",
            "pod production/registry-down: image.network",
        ],
    ),
    // The kubelet is stopped and started again.
    (
        "node-notready-and-back",
        &["node gpu-worker-042: node.not-ready", "node gpu-worker-042: node.runtime-down"],
        &[],
    ),
    ("oom-crashloop", &[], &[]),
    // A drain that waits for a budget is nothing broken.
    ("drain-blocked-by-pdb", &[], &[]),
];

#[test]
fn each_stream_finds_what_was_done_and_nothing_else() {
    let line = |f: &Arc<Finding>| format!("{}: {}", f.fix(), f.cause);
    for (name, passing, more) in STREAMS {
        let last: BTreeSet<String> = BROKEN.iter().chain(*more).map(|l| (*l).to_owned()).collect();
        let called_for: BTreeSet<String> =
            last.iter().cloned().chain(passing.iter().map(|l| (*l).to_owned())).collect();
        let mut seen = BTreeSet::new();
        let room = play(name, |t, room| {
            let kinds =
                [Kind::Pod, Kind::Node, Kind::Event, Kind::Deployment, Kind::ReplicaSet, Kind::EndpointSlice];
            // Half a list is half the truth.
            if kinds.iter().all(|k| room.world.synced(k)) {
                for f in room.firing() {
                    assert!(called_for.contains(&line(&f)), "{name} at {t}: not called for: {f:#?}");
                    seen.insert(line(&f));
                }
            }
        });
        let end: BTreeSet<String> = room.firing().iter().map(line).collect();
        assert_eq!(end, last, "{name} at its end");
        assert_eq!(seen, called_for, "{name}");
    }
}

/// The list of fields is the one that rules are checked against: it must be what an object really has.
#[test]
fn the_fields_that_are_listed_are_those_that_objects_have() {
    use khud::judge::fields::{KINDS, names, of};
    let world = captures::world();
    let mut compared = 0;
    for (kind, _) in KINDS {
        let Some(meta) = world.metas(kind).next() else { continue };
        let object = ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone());
        let value = of(&world, &object, captures::now()).unwrap();
        let mut has: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        has.sort_unstable();
        assert_eq!(has, names(kind), "{kind}");
        compared += 1;
    }
    assert!(compared >= 6, "{compared} kinds");
}
