//! The built-in trees on the captured cluster: every broken workload of `cluster-under-capture.yaml` gets its cause.

use std::sync::Arc;

use crate::support::captures;
use khud::detect::{DetectConfig, Detector};
use khud::judge::Answer;
use khud::playbook::{self, By, Intrusive, Library, Read, Reading, State, Walk, WalkOptions};
use khud::world::ask::ExecOutput;
use khud::world::{Change, Kind, ObjectRef, What, World};
use serde_json::json;

fn library() -> Arc<Library> {
    Arc::new(Library::embedded().unwrap())
}

/// The judge's answer about an object of a World, all of whose lists are there; logs come from the captures.
fn judge(world: &World, object: &ObjectRef) -> Answer {
    let mut detector = Detector::new(DetectConfig::default());
    let mut changes = Vec::new();
    for kind in &Kind::followed() {
        for slot in world.slots(kind) {
            let meta = world.meta_at(kind, slot).unwrap();
            let object = ObjectRef::new(kind.clone(), meta.namespace.clone(), meta.name.clone());
            changes.push(Change { object, slot, what: What::Added });
        }
    }
    detector.on_changes(world, &changes, captures::now());
    loop {
        let wanted = detector.wanted_logs(captures::now());
        if wanted.is_empty() {
            break;
        }
        for tail in wanted {
            let answer = captures::log(&tail);
            let answer = answer.as_ref().map(String::as_str).map_err(String::as_str);
            detector.on_log(world, &tail, answer, captures::now());
        }
    }
    detector.answer(world, object, captures::now())
}

/// Walks to the end, logs answered from the captures.
fn finish(walk: &mut Walk, world: &World) {
    let answer = judge(world, &walk.object);
    for _ in 0..100 {
        match walk.step(world, captures::now(), &answer).clone() {
            State::Done | State::Asking { .. } => return,
            State::Reading => {
                for read in walk.wants().to_vec() {
                    let answer = match &read {
                        Read::Log(tail) => captures::log(tail).map(Reading::Text),
                        other => Err(format!("{other:?} was not captured")),
                    };
                    walk.give(&read, answer, 3);
                }
            }
        }
    }
    panic!("the walk does not end: {:?}", walk.steps());
}

fn diagnose_with(library: &Arc<Library>, world: &World, object: ObjectRef) -> Walk {
    let book = library.about(&object.kind).unwrap().clone();
    let mut walk = Walk::start(library.clone(), book, object, WalkOptions::default());
    finish(&mut walk, world);
    walk
}

fn diagnose(world: &World, namespace: &str, pod: &str) -> Walk {
    diagnose_with(&library(), world, ObjectRef::new(Kind::Pod, namespace, pod))
}

fn cause(walk: &Walk) -> &str {
    walk.verdict().map_or("unknown", |v| &v.cause)
}

/// A cause without a leaf would be a verdict without an explanation.
#[test]
fn every_cause_has_a_leaf_that_explains_it() {
    let library = library();
    let explained = |id: &str| library.books().any(|b| b.verdicts.values().any(|leaf| leaf.cause == id));
    let holes: Vec<&str> =
        khud::judge::rules().map(|r| r.id).filter(|id| !id.ends_with(".unknown") && !explained(id)).collect();
    assert!(holes.is_empty(), "causes without a leaf in assets/playbooks: {holes:?}");
}

/// The expected causes follow from what `cluster-under-capture.yaml` breaks, and kubectl's own words for it.
#[test]
fn every_broken_pod_gets_its_cause() {
    let world = captures::world();
    let expected = [
        ("tag-absent", "image.not-found"),
        ("pull-denied", "image.auth"),
        ("pull-rate-limited", "image.rate-limit"),
        ("registry-down", "image.network"),
        ("bad-image", "image.network"),
        ("invalid-image-name", "image.invalid-name"),
        ("never-pull", "image.never-pull"),
        ("app-error", "crash.dependency"),
        ("config-error", "crash.unreachable"),
        ("bad-command", "container.command"),
        ("liveness-fails", "crash.liveness"),
        ("init-fails", "crash.init"),
        ("missing-config", "config.configmap-missing"),
        ("missing-secret-volume", "config.secret-missing"),
        ("wrong-selector", "schedule.selector"),
        ("unready", "ready.probe"),
        ("evicted-by-its-limit", "evicted.ephemeral-limit"),
        ("completed", "none"),
        ("with-sidecar", "none"),
    ];
    let mut wrong = Vec::new();
    for (pod, want) in expected {
        let walk = diagnose(&world, "production", pod);
        if cause(&walk) != want {
            let path: Vec<String> = walk.steps().iter().map(|s| format!("{}={}", s.id, s.answer)).collect();
            wrong.push(format!(
                "{pod}: {} not {want}: {} {:?}",
                cause(&walk),
                path.join(" "),
                walk.unknown()
            ));
        }
    }
    for (namespace, pod, want) in [
        ("prod", "payment-service-66ff9fc75c-xjg2x", "crash.oom-limit"),
        // It runs and is ready, but was killed a minute ago.
        ("prod", "payment-service-66ff9fc75c-vwzws", "crash.oom-limit"),
        ("ml-training", "llm-train-too-big", "schedule.insufficient"),
        ("ml-training", "waits-for-pvc", "volume.class-missing"),
        ("production", "stuck-terminating", "delete.stuck"),
    ] {
        let walk = diagnose(&world, namespace, pod);
        if cause(&walk) != want {
            let path: Vec<String> = walk.steps().iter().map(|s| format!("{}={}", s.id, s.answer)).collect();
            wrong.push(format!(
                "{pod}: {} not {want}: {} {:?}",
                cause(&walk),
                path.join(" "),
                walk.unknown()
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_verdict_quotes_what_proves_it_and_says_what_to_do() {
    let world = captures::world();
    let walk = diagnose(&world, "production", "config-error");
    let v = walk.verdict().unwrap();
    assert_eq!(v.title, "host database-new.production.svc.cluster.local does not resolve");
    assert_eq!(v.container.as_deref(), Some("c"));
    assert!(v.explanation.contains("no Service database-new in namespace production"), "{}", v.explanation);
    let log = walk.steps().iter().find(|s| s.id == "what-log-says").unwrap();
    let quote = "Error: getaddrinfo ENOTFOUND database-new.production.svc.cluster.local";
    assert!(log.evidence.iter().any(|e| e.source == "log" && e.quote == quote), "{:?}", log.evidence);
    assert_eq!(log.by, By::Cluster);

    let walk = diagnose(&world, "prod", "payment-service-66ff9fc75c-vwzws");
    let v = walk.verdict().unwrap();
    assert!(v.title.contains("memory limit of 180Mi"), "{}", v.title);
    let commands: Vec<String> = walk.proposals().iter().map(playbook::Proposal::command).collect();
    assert!(
        commands.iter().any(|c| c
            .starts_with("khud do heap-dump pod/payment-service-66ff9fc75c-vwzws -n prod --container app")),
        "{commands:?}"
    );
    let out = playbook::render::json(&walk, &|_| playbook::render::Standing {
        enabled: true,
        ..Default::default()
    });
    assert_eq!(out["verdict"]["cause"], "crash.oom-limit");
    assert_eq!(
        out["object"],
        json!({"kind": "Pod", "namespace": "prod", "name": "payment-service-66ff9fc75c-vwzws"})
    );
    let exit = out["steps"].as_array().unwrap().iter().find(|s| s["id"] == "memory").unwrap();
    assert_eq!(exit["evidence"][0]["at"], "2026-11-21T02:38:57Z");
    assert_eq!(exit["by"], "cluster");
}

#[test]
fn an_edited_leaf_explains_the_verdict_in_its_own_words() {
    let world = captures::world();
    let (file, text) = playbook::library::EMBEDDED[0];
    // A branch of one's own reads the judge's answer; the explanation is one's own, the cause is the judge's.
    let edited =
        text.replace("The registry says that {container.image} does not exist.", "Ask the release team.");
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(file), edited).unwrap();
    std::fs::write(dir.path().join("broken.yaml"), "id: [").unwrap();
    let mut own = Library::embedded().unwrap();
    let errors = own.add_directory(dir.path());
    assert_eq!(errors.len(), 1, "one file is broken, the other still loads: {errors:?}");
    let walk = diagnose_with(&Arc::new(own), &world, ObjectRef::new(Kind::Pod, "production", "tag-absent"));
    assert_eq!(cause(&walk), "image.not-found");
    assert!(walk.verdict().unwrap().explanation.starts_with("Ask the release team."));
}

#[test]
fn the_operator_may_overrule_and_answers_what_the_cluster_cannot() {
    let world = captures::world();
    let mut walk = diagnose(&world, "production", "tag-absent");
    walk.overrule("image-issue", "no").unwrap();
    finish(&mut walk, &world);
    let step = walk.steps().iter().find(|s| s.id == "image-issue").unwrap();
    assert_eq!((step.answer.as_str(), step.by, step.overruled.as_deref()), ("no", By::Operator, Some("yes")));
    assert_eq!(walk.verdict(), None, "nothing else is wrong with it: {:?}", walk.verdict());
    assert!(walk.overrule("image-issue", "perhaps").is_err());

    let library = library();
    let object = ObjectRef::new(Kind::Pod, "production", "with-sidecar");
    let options = WalkOptions { operator: true, ..WalkOptions::default() };
    let mut walk = Walk::start(library.clone(), library.get("pod").unwrap().clone(), object, options);
    for (question, answer) in [("working", "yes"), ("performance", "no"), ("bottleneck", "memory")] {
        finish(&mut walk, &world);
        let State::Asking { id, .. } = walk.state().clone() else { panic!("{:?}", walk.state()) };
        assert_eq!(id, question);
        walk.tell(answer);
    }
    finish(&mut walk, &world);
    assert_eq!(cause(&walk), "memory.near-limit");
}

/// A walk of a healthy pod whose operator says that it does not work; `names` asks DNS from inside the pod.
fn not_working(intrusive: Intrusive, world: &World) -> Walk {
    let library = library();
    let object = ObjectRef::new(Kind::Pod, "production", "with-sidecar");
    let options = WalkOptions { operator: true, intrusive };
    let mut walk = Walk::start(library.clone(), library.get("pod").unwrap().clone(), object, options);
    finish(&mut walk, world);
    walk.tell("no");
    finish(&mut walk, world);
    walk
}

#[test]
fn a_command_says_what_it_will_do_and_runs_only_after_a_yes() {
    let world = captures::world();
    let mut walk = not_working(Intrusive::Ask, &world);
    let names = |walk: &Walk| walk.steps().iter().find(|s| s.id == "names").unwrap().clone();
    let asked = names(&walk);
    let says = asked.consent.unwrap();
    for part in [
        "`nslookup -timeout=3 -retry=1 kubernetes.default.svc.cluster.local`",
        "`getent hosts ",
        "of pod production/with-sidecar",
        "at most 10 s",
    ] {
        assert!(says.contains(part), "{part} is not in {says}");
    }
    assert_eq!(asked.answer, "unknown");
    assert!(walk.consent("running").is_err(), "that question needs no command");

    walk.consent("names").unwrap();
    let answer = judge(&world, &walk.object);
    let wants = |walk: &mut Walk| {
        walk.step(&world, captures::now(), &answer);
        walk.wants()
            .iter()
            .map(|r| match r {
                Read::Exec(e) => e.command[0].clone(),
                r => format!("{r:?}"),
            })
            .collect::<Vec<_>>()
    };
    assert_eq!(wants(&mut walk), ["nslookup"]);
    // captures/exec/command-not-found: the image has no such program, so the next one is tried.
    let read = walk.wants()[0].clone();
    walk.give(&read, Err("OCI runtime exec failed: exec failed: unable to start container process: exec: \"nslookup\": executable file not found in $PATH".into()), 1);
    assert_eq!(wants(&mut walk), ["getent"]);
    let read = walk.wants()[0].clone();
    let output = ExecOutput {
        stdout: b"10.96.0.1  kubernetes.default.svc.cluster.local\n".to_vec(),
        stderr: Vec::new(),
        exit_code: 0,
        truncated: false,
    };
    walk.give(&read, Ok(Reading::Output(output)), 1);
    assert!(wants(&mut walk).is_empty());
    let step = names(&walk);
    assert_eq!((step.answer.as_str(), step.consent), ("yes", None));
    assert!(step.evidence[0].source.starts_with("exec getent hosts"), "{:?}", step.evidence);
    assert!(walk.probed());
}

#[test]
fn a_command_that_fails_is_a_sentence_and_the_walk_goes_on() {
    let world = captures::world();
    let long = ExecOutput { stdout: vec![b'x'; 1000], stderr: Vec::new(), exit_code: 0, truncated: true };
    for (result, want) in [
        (Err("`nslookup x` did not end within 10 s".to_owned()), "did not end within 10 s"),
        (Ok(Reading::Output(long)), "printed more than 64 KiB"),
        (Err("pods \"with-sidecar\" is forbidden: User \"viewer\" cannot create resource \"pods/exec\" (HTTP 403)".to_owned()), "cannot create resource"),
        (Err("exec: \"sh\": executable file not found in $PATH".to_owned()), "has no nslookup and no getent"),
    ] {
        let mut walk = not_working(Intrusive::Ask, &world);
        let answer = judge(&world, &walk.object);
        walk.consent("names").unwrap();
        walk.step(&world, captures::now(), &answer);
        for _ in 0..2 {
            for read in walk.wants().to_vec() {
                walk.give(&read, result.clone(), 1);
            }
            walk.step(&world, captures::now(), &answer);
        }
        let State::Asking { id, .. } = walk.state() else { panic!("{:?}", walk.state()) };
        assert_eq!(id, "connectivity", "the walk goes on");
        assert!(walk.unknown().iter().any(|u| u.why.contains(want)), "{want}: {:?}", walk.unknown());
    }
    for (intrusive, want) in [
        (Intrusive::ReadOnly, "khud runs read-only"),
        (Intrusive::NotAllowed, "needs --allow intrusive: runs"),
    ] {
        let walk = not_working(intrusive, &world);
        assert!(walk.unknown().iter().any(|u| u.why.contains(want)), "{want}: {:?}", walk.unknown());
        assert!(!walk.probed() && walk.steps().iter().all(|s| s.consent.is_none()));
    }
}

#[test]
fn a_workload_leads_to_the_pod_that_tells() {
    let world = captures::world();
    let walk = diagnose_with(&library(), &world, ObjectRef::new(Kind::Deployment, "dev", "payment-service"));
    assert_eq!(cause(&walk), "quota.exceeded", "{:?}", walk.steps());
    let walk = diagnose_with(&library(), &world, ObjectRef::new(Kind::Deployment, "prod", "payment-service"));
    assert_eq!(cause(&walk), "crash.oom-limit", "{:?}", walk.steps());
    assert!(walk.steps().iter().any(|s| s.id == "pod/memory"), "{:?}", walk.steps());
    let walk =
        diagnose_with(&library(), &world, ObjectRef::new(Kind::Deployment, "production", "api-server"));
    assert_eq!(cause(&walk), "none");
    let walk = diagnose_with(&library(), &world, ObjectRef::new(Kind::Deployment, "production", "no-such"));
    assert_eq!(walk.verdict(), None);
    assert!(
        walk.unknown()[0].why.contains("there is no deployment production/no-such"),
        "{:?}",
        walk.unknown()
    );
}

/// Log text that reads like CEL, like a template, or like terminal control stays text.
#[test]
fn cluster_text_is_only_ever_a_value() {
    let world = captures::world();
    let library = library();
    let object = ObjectRef::new(Kind::Pod, "production", "app-error");
    let mut walk =
        Walk::start(library.clone(), library.get("pod").unwrap().clone(), object, WalkOptions::default());
    let evil = "\x1b[2J{pod.namespace} \" || true || \"\u{202e} {log.lines";
    let mut answer = judge(&world, &walk.object);
    answer.causes[0].cause = "crash.application".into();
    answer.causes[0].evidence[1].quote = evil.to_owned();
    walk.step(&world, captures::now(), &answer);
    assert_eq!(cause(&walk), "crash.application");
    let v = walk.verdict().unwrap();
    assert!(v.explanation.contains("{pod.namespace} \" || true"), "{}", v.explanation);
    let text = playbook::render::text(&walk, &|_| playbook::render::Standing::default());
    assert!(!text.contains('\x1b') && !text.contains('\u{202e}'), "{text:?}");
}

/// `captures/watch/node-notready-and-back`: silent from t≈41, reporting not ready at ≈77, ready at ≈87.
#[test]
fn a_node_that_goes_silent_and_comes_back() {
    let events: Vec<serde_json::Value> = captures::text("watch/node-notready-and-back.jsonl")
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect();
    let until = |t: f64| {
        let mut world = World::new();
        for e in &events {
            let kind = match e["resource"].as_str().unwrap() {
                "nodes" => Kind::Node,
                "pods" => Kind::Pod,
                _ => continue,
            };
            if e["t"].as_f64().unwrap() <= t && e["type"] != "BOOKMARK" && e["type"] != "DELETED" {
                captures::apply(&mut world, kind, &e["object"]);
            }
        }
        [Kind::Node, Kind::Pod].into_iter().for_each(|kind| captures::listed(&mut world, kind));
        diagnose_with(&library(), &world, ObjectRef::new(Kind::Node, "", "gpu-worker-042"))
    };
    assert_eq!(cause(&until(10.0)), "none");
    let silent = until(42.0);
    assert_eq!(cause(&silent), "node.not-ready");
    assert!(silent.verdict().unwrap().title.contains("stopped reporting"));
    assert_eq!(silent.proposals()[0].command(), "khud do cordon node/gpu-worker-042");
    assert_eq!(cause(&until(77.0)), "node.runtime-down", "container runtime is down, says the kubelet");
    assert_eq!(cause(&until(1000.0)), "none");
}

#[test]
fn claims_services_and_lost_gpus() {
    let mut world = captures::world();
    let object = |kind, ns: &str, name: &str| ObjectRef::new(kind, ns, name);
    let claim = world.claims.values().next().map(|c| c.meta.clone()).unwrap();
    let walk =
        diagnose_with(&library(), &world, object(Kind::PersistentVolumeClaim, &claim.namespace, &claim.name));
    assert_eq!(cause(&walk), "volume.class-missing", "{:?}", walk.steps());

    for (name, want, last) in
        [("api-server-service", "none", "empty"), ("unready-svc", "service.no-endpoints", "judged")]
    {
        let walk = diagnose_with(&library(), &world, object(Kind::Service, "production", name));
        let end = walk.steps().last().unwrap();
        assert_eq!((cause(&walk), end.id.as_str()), (want, last), "{:?}", walk.steps());
    }

    // The captured node says 8 GPUs; its label claims more, and nobody runs a device plugin there.
    let list = captures::capture("list/nodes.json");
    let mut node = list["response"]["json"]["items"][0].clone();
    node["metadata"]["labels"]["nvidia.com/gpu.count"] = json!("16");
    captures::apply(&mut world, Kind::Node, &node);
    let walk = diagnose_with(&library(), &world, object(Kind::Node, "", "gpu-worker-042"));
    assert_eq!(cause(&walk), "gpu.vanished", "{:?}", walk.steps());
    assert!(walk.steps().iter().any(|s| s.id == "gpu/plugin" && s.answer == "no"), "{:?}", walk.steps());
}
