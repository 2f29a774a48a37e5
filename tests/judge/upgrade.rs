//! An upgrade against a small cluster in memory: killed at every step and resumed, no node is upgraded twice, none is left
//! cordoned or tainted, none begins before the one before it is done and its pause is over. The API server is away for a
//! while after the first control-plane node, as it is where kubeadm restarts it.

use std::path::PathBuf;

use crate::support::captures;
use crate::waves::{Death, Fleet, STATE, drive, uid};
use khud::remedy::waves::Phase;
use khud::remedy::{self, Options, Outcome, Params, Run};
use khud::world::{Kind, Time};
use serde_json::json;

const TO: &str = "v1.33.4";

/// Two control-plane nodes, one of them without the taint, and three workers; one runs the version already.
fn fleet() -> Fleet {
    let mut fleet = Fleet::empty();
    fleet.to = Some(TO);
    for name in ["cp1", "cp2", "w1", "w2", "w3"] {
        fleet.join(name, true);
        let node = fleet.nodes.get_mut(name).unwrap();
        let old = if name == "w3" { TO } else { "v1.33.1" };
        node["status"]["nodeInfo"]["kubeletVersion"] = json!(old);
        node["status"]["allocatable"]["nvidia.com/gpu"] = json!("0");
        if name.starts_with("cp") {
            node["metadata"]["labels"]["node-role.kubernetes.io/control-plane"] = json!("");
        }
        let node = node.clone();
        captures::apply(&mut fleet.world, Kind::Node, &node);
    }
    fleet.first = fleet.nodes.iter().map(|(name, node)| (name.clone(), uid(node))).collect();
    let now = fleet.now.to_string();
    fleet.pod("web-1", "w1", json!({"kind": "ReplicaSet", "name": "web"}), &now, "Always");
    for kind in [Kind::Node, Kind::Pod, Kind::DaemonSet, Kind::PodDisruptionBudget] {
        captures::listed(&mut fleet.world, kind);
    }
    fleet
}

fn start(more: &[(&str, &str)]) -> Run {
    let params = [
        ("to", TO),
        ("node-cmd", "upgrade {node} {version} {role}"),
        ("gate", "pods"),
        ("control-plane-pause", "20s"),
        ("pause", "30s"),
        ("state", STATE),
    ];
    let params: Params = params.iter().chain(more).map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let options = Options { id: "r1".to_owned(), context: "prod".to_owned(), ..Options::default() };
    Run::new(remedy::action("upgrade").unwrap(), remedy::the_cluster(), params, options).unwrap()
}

fn whole(fleet: &Fleet, when: &str) {
    assert_eq!(fleet.wrong, Vec::<String>::new(), "{when}");
    let state = fleet.state();
    for name in ["cp1", "cp2", "w1", "w2"] {
        assert_eq!(state.nodes[name].phase, Phase::Done, "{when}: {name} {}", state.nodes[name].why);
        assert_eq!(fleet.hooks[name], 1, "{when}: {name}");
        assert!(fleet.nodes[name]["spec"]["taints"].is_null(), "{when}: {name} is left tainted");
    }
    assert!(
        !state.nodes.contains_key("w3") && !fleet.hooks.contains_key("w3"),
        "{when}: it runs {TO} already"
    );
    assert_eq!(fleet.unschedulable(), Vec::<&str>::new(), "{when}");
    assert_eq!(fleet.leases.len(), 0, "{when}");
}

#[test]
fn control_plane_nodes_go_first_each_tainted_and_paused_for() {
    let mut fleet = fleet();
    let mut run = start(&[]);
    drive(&mut fleet, &mut run, Death::Never);
    whole(&fleet, "at the end");
    let state = fleet.state();
    let order: Vec<&str> = {
        let mut all: Vec<_> = state.nodes.iter().map(|(name, n)| (n.wave, name.as_str())).collect();
        all.sort_unstable();
        all.into_iter().map(|(_, name)| name).collect()
    };
    // The worker with nothing on it goes before the one with a pod.
    assert_eq!(order, ["cp1", "cp2", "w2", "w1"]);
    let log = String::from_utf8(fleet.files[&PathBuf::from("/state/run.md")].clone()).unwrap();
    for line in [
        "# Upgrade log: v1.33.1 → v1.33.4",
        "cp1 is tainted node-role.kubernetes.io/control-plane:NoSchedule",
        "| 1 | cp1 | control plane | done |",
        // The API server of this cluster stays as it is.
        "- [ ] the API server runs v1.33.1",
    ] {
        assert!(log.contains(line), "{line:?} is missing:\n{log}");
    }
    assert_eq!((run.outcome(), run.exit_code()), (Some(Outcome::Applied), 3), "{}", run.report().reason);
}

#[test]
fn killed_before_and_after_every_step_no_node_is_upgraded_twice() {
    let mut whole_run = fleet();
    let steps = drive(&mut whole_run, &mut start(&[]), Death::Never);
    assert!(steps > 60, "the run has the steps that it should: {steps}");
    // Of the lists that are read one after the other the first stands for the others.
    let lists = whole_run.lists;
    for n in (0..steps).filter(|n| *n == 0 || !lists.contains(n) || !lists.contains(&(n - 1))) {
        for death in [Death::Before(n), Death::After(n)] {
            let mut fleet = fleet();
            drive(&mut fleet, &mut start(&[]), death);
            // Whoever resumes it does so once the API server answers again.
            let later = Time((fleet.now.0 + 5_000).max(fleet.away.0));
            fleet.tick(later);
            let file = PathBuf::from(STATE);
            if !fleet.files.contains_key(&file) || fleet.state().ended.is_none() {
                let mut run = start(&[]);
                drive(&mut fleet, &mut run, Death::Never);
                assert_eq!(run.outcome(), Some(Outcome::Applied), "{death:?}: {}", run.report().reason);
            }
            whole(&fleet, &format!("{death:?}"));
        }
    }
}

#[test]
fn a_version_that_the_skew_policy_does_not_allow_is_refused_and_no_node_is_touched() {
    for (to, says) in [
        ("v1.35.0", "upgrade to 1.34 first"),
        ("v1.32.9", "khud does not downgrade"),
        ("1.33", "is not a version"),
    ] {
        let mut fleet = fleet();
        let params: Params = [("to", to), ("node-cmd", "x"), ("state", STATE)]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into();
        let options = Options { id: "r1".to_owned(), ..Options::default() };
        let run = Run::new(remedy::action("upgrade").unwrap(), remedy::the_cluster(), params, options);
        let reason = match run {
            Err(why) => why,
            Ok(mut run) => {
                drive(&mut fleet, &mut run, Death::Never);
                assert_eq!(run.outcome(), Some(Outcome::Refused), "{to}");
                run.report().reason
            }
        };
        assert!(reason.contains(says), "{to}: {reason}");
        assert!(fleet.hooks.is_empty() && fleet.files.is_empty());
    }
}
