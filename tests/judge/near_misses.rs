//! For every rule a fixture in which its cause is found with its evidence, and a near miss, differing in the one
//! deciding field, in which it is not. Texts are the wire's: captures, Kubernetes sources, the source documents.

use std::collections::BTreeSet;

use super::cases::cases;
use crate::support::scene::{Case, Scene, Seen};
use khud::judge::rules;
use khud::world::{Kind, ObjectRef, Status, Uid};

fn run(case: &Case, also: Option<fn(&mut Scene)>) -> Vec<Seen> {
    let mut scene = Scene::new();
    (case.sick)(&mut scene);
    if let Some(also) = also {
        also(&mut scene);
    }
    scene.look()
}

#[test]
fn every_cause_is_found_and_its_near_miss_is_not() {
    let mut wrong = Vec::new();
    let library = khud::playbook::library::Library::embedded().unwrap();
    for case in cases() {
        let found = run(&case, None);
        let Some(hit) = found.iter().find(|s| s.rule == case.rule) else {
            wrong.push(format!("{}: not found; seen {found:#?}", case.rule));
            continue;
        };
        if !hit.evidence.iter().any(|q| q.contains(case.quotes)) {
            wrong.push(format!("{}: does not quote {:?}: {:#?}", case.rule, case.quotes, hit.evidence));
        }
        if library.get(&hit.playbook).is_none() {
            wrong.push(format!("{}: there is no tree {}", case.rule, hit.playbook));
        }
        if hit.title.is_empty() || hit.row.is_empty() || hit.title.contains("$1") {
            wrong.push(format!("{}: says nothing: {hit:?}", case.rule));
        }
        // One root cause, one line.
        let firing: Vec<&str> = found.iter().map(|s| s.rule.as_str()).collect();
        if firing.len() > 1 {
            wrong.push(format!("{}: not alone: {firing:?}", case.rule));
        }
        let near = run(&case, Some(case.near));
        if near.iter().any(|s| s.rule == case.rule) {
            wrong.push(format!("{}: found in its near miss: {near:#?}", case.rule));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn no_rule_is_without_a_case() {
    let have: BTreeSet<&str> = cases().iter().map(|c| c.rule).collect();
    let lacking: Vec<&str> = rules().filter(|r| !have.contains(r.id)).map(|r| r.id).collect();
    assert!(lacking.is_empty(), "rules without a case: {lacking:?}");
}

/// What a stranger writes about a node is no word of Node Problem Detector's.
#[test]
fn events_of_another_source_explain_nothing_about_a_node() {
    for (source, told) in [("kernel-monitor", true), ("some-operator", false)] {
        let mut scene = Scene::new();
        scene.node_condition("DiskPressure", Status::True, "KubeletHasDiskPressure", "");
        let node = ObjectRef::new(Kind::Node, "", "n1");
        scene.event_on(node, Uid::Uuid(10), "Ext4Error", "EXT4-fs error").source = source.into();
        let seen = scene.look();
        assert_eq!(seen[0].evidence.iter().any(|q| q.contains("EXT4-fs")), told, "{source}: {seen:#?}");
    }
    // Its word of a kill is none of a node without memory: the kubelet's is.
    for (reason, source, cause) in [
        ("SystemOOM", "kubelet", "crash.oom-node"),
        ("OOMKilling", "kernel-monitor", "crash.oom-limit"),
        ("SystemOOM", "some-operator", "crash.oom-limit"),
    ] {
        let mut scene = Scene::new();
        scene.crashes(137, "OOMKilled");
        let node = ObjectRef::new(Kind::Node, "", "n1");
        scene.event_on(node, Uid::Uuid(10), reason, "Killed process 1 (app)").source = source.into();
        let seen = scene.look();
        assert_eq!(seen[0].rule, cause, "{reason} of {source}: {seen:#?}");
    }
}

/// A scene with nothing done to it is well, so that whatever a case finds is its own doing.
#[test]
fn the_untouched_scene_is_well() {
    let seen = Scene::new().look();
    assert!(seen.is_empty(), "{seen:#?}");
}
