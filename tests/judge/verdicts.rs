//! Scenarios end at their verdict without an operator: the questions on the way, their answers, and the cause.

use std::sync::Arc;

use super::sites;
use crate::support::drill::Drill;
use crate::support::scene::{Scene, ago, node};
use khud::playbook::{Intrusive, Library, Walk};
use khud::world::{Kind, ObjectRef, Status, Uid};

/// A walk over a scenario of the embedded cluster after so many seconds, as `khud diagnose` and `w` make it.
fn walk(scenario: &str, seconds: u64, kind: Kind, namespace: &str, name: &str) -> (Vec<String>, Walk) {
    let drill = Drill::start(scenario);
    drill.pass(seconds);
    let object = ObjectRef::new(kind.clone(), namespace, name);
    let mut site = sites::scenario_site(&drill, scenario, seconds);
    site.ask(&object);
    let library = Arc::new(Library::embedded().unwrap());
    let book = library.about(&kind).unwrap().clone();
    let walk = site.walk(&library, &book, object, &[], Intrusive::NotAllowed);
    let path = walk.steps().iter().map(|s| format!("{}={}", s.id, s.answer)).collect();
    (path, walk)
}

#[track_caller]
fn ends(found: (Vec<String>, Walk), path: &[&str], cause: &str, says: &str) -> Walk {
    let (steps, walk) = found;
    let verdict = walk.verdict().map_or("unknown", |v| &v.cause);
    assert_eq!((steps.iter().map(String::as_str).collect::<Vec<_>>(), verdict), (path.to_vec(), cause));
    let v = walk.verdict().unwrap();
    assert!(format!("{}\n{}", v.title, v.explanation).contains(says), "{says}: {v:?}");
    walk
}

fn actions(walk: &Walk) -> Vec<String> {
    walk.proposals().iter().map(khud::playbook::Proposal::command).collect()
}

#[test]
fn a_job_without_its_input_a_job_over_its_deadline_and_a_run_that_blocks_the_next() {
    let job = |kind, name| walk("job-trouble", 240, kind, "ml-training", name);
    ends(
        job(Kind::Job, "import"),
        &["judged=yes", "in-its-pods=yes", "what-log-says=yes"],
        "job.backoff-limit",
        "/data/events-2025-10.parquet: file does not exist",
    );
    ends(
        job(Kind::Job, "evaluate"),
        &["judged=yes", "in-its-pods=no"],
        "job.deadline",
        "ran longer than activeDeadlineSeconds",
    );
    let blocked = &["judged=yes", "in-its-pods=no"];
    let walk = ends(job(Kind::CronJob, "report"), blocked, "cronjob.blocked", "Forbid leaves out each run");
    assert!(actions(&walk)[0].starts_with("khud do delete job/report-"), "{:?}", actions(&walk));
    ends(job(Kind::CronJob, "cleanup"), &["judged=no", "suspended=yes"], "none", "suspended");
}

#[test]
fn a_certificate_that_ended_is_found_behind_an_ingress_whose_pods_are_well() {
    ends(
        walk("cert-expired", 240, Kind::Ingress, "production", "shop"),
        &["class=yes", "leads=yes", "answers=yes", "judged=yes"],
        "cert.expired",
        "2025-10-30",
    );
}

#[test]
fn a_policy_that_lets_nobody_in_is_found_though_every_endpoint_is_ready() {
    ends(
        walk("network-policy", 240, Kind::Service, "production", "billing"),
        &["selects=yes", "endpoints=yes", "judged=yes"],
        "service.network-policy",
        "deny-all",
    );
}

#[test]
fn a_claim_leads_to_the_controller_of_its_driver_that_crashes() {
    let walk = ends(
        walk("dead-provisioner", 240, Kind::StatefulSet, "production", "vectors"),
        &[
            "complete=no",
            "creates=yes",
            "volume=no",
            "volume/bound=no",
            "volume/judged=yes",
            "volume/whose=yes",
            "volume/provisioner-runs=no",
            "volume/why-not=yes",
        ],
        "volume.provisioner",
        "csi-fast-controller",
    );
    assert_eq!(walk.leaf(), "volume/provisioner-down");
    assert_eq!(actions(&walk), ["khud do rollback deployment/csi-fast-controller -n kube-system"]);
}

#[test]
fn a_running_pod_that_is_refused_gets_the_lines_that_give_the_right() {
    let (path, walk) = walk("rbac-running", 240, Kind::Deployment, "inference", "model-controller");
    let end: Vec<&str> = path.iter().map(String::as_str).skip_while(|s| *s != "pod/running=yes").collect();
    assert_eq!(
        end,
        [
            "pod/running=yes",
            "pod/stayed-up=yes",
            "pod/ready=yes",
            "pod/judged=yes",
            "pod/which-cause=rbac.forbidden",
            "pod/still-refused=yes"
        ],
        "{path:?}"
    );
    let v = walk.verdict().unwrap();
    assert_eq!(v.cause, "rbac.forbidden");
    assert!(v.explanation.contains("kubectl create role") && v.explanation.contains("configmaps"), "{v:?}");
}

#[test]
fn a_crd_that_serves_an_old_version_no_more_is_named() {
    ends(
        walk("crd-migration", 240, Kind::CustomResourceDefinition, "", "backups.data.acme.io"),
        &["judged=yes", "extension=no"],
        "crd.stored-version",
        "v1beta1",
    );
}

#[test]
fn a_webhook_without_backend_is_named_where_no_pod_is_there_to_tell() {
    let webhook = || walk("webhook-dead", 240, Kind::ValidatingWebhookConfiguration, "", "image-policy");
    let path = &["judged=yes", "extension=yes", "backend-runs=no", "backend-there=yes"];
    let ended = ends(webhook(), path, "webhook.unavailable", "image-policy.acme.io");
    assert_eq!(actions(&ended), ["khud do rollback deployment/image-policy -n security"]);
    let (path, walk) = walk("webhook-dead", 240, Kind::Deployment, "production", "cart");
    assert_eq!(walk.verdict().map(|v| v.cause.as_str()), Some("webhook.unavailable"), "{path:?}");
}

#[test]
fn ranks_that_end_by_their_watchdog_are_one_hung_collective() {
    let (path, walk) = walk("hung-collective", 240, Kind::StatefulSet, "ml-training", "llm-pretrain");
    assert_eq!(walk.verdict().map(|v| v.cause.as_str()), Some("gpu.hung-collective"), "{path:?}");
    assert!(path.iter().any(|s| s == "pod/what-log-says=gpu.hung-collective"), "{path:?}");
    // Rank 2 stands still, so it never ends; its pod and its node are named.
    assert_eq!(walk.leaf(), "pod/hung-rank");
    assert_eq!(actions(&walk)[1], "khud do delete pod/llm-pretrain-2 -n ml-training");
    assert!(
        walk.steps().iter().flat_map(|s| &s.evidence).any(|e| e.quote.contains("ALLREDUCE")),
        "{:?}",
        actions(&walk)
    );
}

/// The ways to go on for node n1, whose runtime is down and which runs one pod with four GPUs for a day.
fn ways(others: bool) -> Vec<khud::playbook::Choice> {
    let mut scene = Scene::new();
    scene.node_condition("Ready", Status::False, "KubeletNotReady", "container runtime is down");
    scene.spec().requests.gpu = Some(4);
    if others {
        let mut other = node("n2", ago(&scene, 86_400));
        other.meta.uid = Uid::Uuid(11);
        scene.nodes.push(other);
    }
    let site = sites::scene_site("runtime down".to_owned(), scene);
    let library = Arc::new(Library::embedded().unwrap());
    let object = ObjectRef::new(Kind::Node, "", "n1");
    let walk = site.walk(&library, library.get("node").unwrap(), object, &[], Intrusive::NotAllowed);
    let verdict = walk.verdict().unwrap();
    assert_eq!((&*verdict.cause, &verdict.pages[..]), ("node.runtime-down", &["runtime-db".to_owned()][..]));
    verdict.options.clone()
}

#[test]
fn the_ways_to_go_on_with_a_node_name_the_work_the_room_and_the_hour() {
    let all = ways(true);
    assert_eq!(all.len(), 4, "{all:?}");
    // Four GPUs for 24 hours, at 2 an hour.
    let lost =
        "at most 96 GPU hours (192 at 2 an hour), less what was checkpointed: web-1-abc (24h, 4 GPUs).";
    assert_eq!(all[1].cost, lost);
    assert_eq!(all[1].when, "Only after the work there is checkpointed or given up by its owner.");
    assert!(all[2].when.starts_with("Its pods find room elsewhere meanwhile"), "{}", all[2].when);
    assert!(all[2].when.contains("4 GPUs wanted, 8 free on 1 other nodes"), "{}", all[2].when);
    assert!(all[0].when.contains("It is Saturday 02:0"), "2026-11-21 is a Saturday: {}", all[0].when);
    let alone = ways(false);
    assert!(
        alone[2].when.starts_with("Its pods find no room elsewhere: add a node first"),
        "{}",
        alone[2].when
    );
}
