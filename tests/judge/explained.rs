//! What stands beside a finding: what changed before it began, nearest first, and who is to blame where many suffer.

use std::sync::Arc;

use crate::support::scene::{Scene, ago, condition, meta};
use khud::world::*;

fn written(scene: &Scene, name: &str, seconds_ago: u64) -> Configuration {
    let mut meta = meta("prod", name, 1000, ago(scene, 86_400));
    meta.uid = name.into();
    meta.writer = Some(Box::new(Writer { manager: "kubectl-edit".into(), at: ago(scene, seconds_ago) }));
    Configuration { kind: Kind::ConfigMap, meta }
}

/// A pod that crashes since 100 s, of a rollout 300 s ago with another image.
fn crashing() -> Scene {
    let mut s = Scene::new();
    s.crashes(1, "Error");
    let mut new = s.set.clone();
    new.meta.name = "web-2".into();
    new.meta.uid = Uid::Uuid(201);
    new.meta.created = Some(ago(&s, 300));
    new.revision = Some(2);
    let mut template = (*new.template).clone();
    let mut container = (*template.containers[0]).clone();
    container.image = "registry.example.com/team/web:v2.0.2".into();
    template.containers = [Arc::new(container)].into();
    new.template = Arc::new(template);
    s.pod.meta.owner = Some(Owner { kind: Kind::ReplicaSet, name: "web-2".into(), uid: Uid::Uuid(201) });
    s.sets.push(new);
    s
}

fn changes(scene: Scene) -> Vec<(String, String, String)> {
    let seen = scene.see();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    let changed = seen[0].changed.iter();
    changed.map(|c| (c.object.to_string(), c.what.clone(), c.by.to_string())).collect()
}

#[test]
fn what_changed_before_it_began_is_named_nearest_first() {
    let mut s = crashing();
    s.pod_spec().config_maps = ["app".into(), "later".into(), "old".into()].into();
    s.config_maps = vec![
        written(&s, "app", 150),
        // Not of this pod, after it began, and long before.
        written(&s, "other", 150),
        written(&s, "later", 20),
        written(&s, "old", 3 * 3600),
    ];
    s.node.taints = [Taint {
        key: "maintenance".into(),
        value: "".into(),
        effect: "NoSchedule".into(),
        added: Some(ago(&s, 200)),
    }]
    .into();
    let row = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
    assert_eq!(
        changes(s),
        [
            row("configmap prod/app", "ConfigMap written", "kubectl-edit"),
            row("node n1", "taint maintenance:NoSchedule", ""),
            row("deployment prod/web", "image of app v2.0.1 → v2.0.2", ""),
        ]
    );
}

#[test]
fn a_node_that_changed_under_a_pod_is_named() {
    let mut s = Scene::new();
    let mut node = s.node.clone();
    node.unschedulable = true;
    node.info.kubelet = "v1.33.9".into();
    node.meta.writer = Some(Box::new(Writer { manager: "kubectl-cordon".into(), at: s.now }));
    let mut sick = s.pod.clone();
    std::mem::swap(&mut sick, &mut s.pod);
    s.crashes(1, "Error");
    std::mem::swap(&mut sick, &mut s.pod);
    sick.containers[0].last.as_mut().unwrap().finished = Some(s.now);
    (s.slice.ready, s.slice.not_ready) = (1, 0);
    s.then = vec![Record::Node(Box::new(node)), Record::Pod(Box::new(sick))];
    let seen = changes(s);
    let of_node: Vec<_> =
        seen.iter().filter(|(o, ..)| o == "node n1").map(|(_, w, by)| (&**w, &**by)).collect();
    assert!(of_node.contains(&("cordoned", "kubectl-cordon")), "{seen:?}");
    assert!(of_node.iter().any(|(w, _)| *w == "kubelet v1.33.2 → v1.33.9"), "{seen:?}");
}

/// Three pods evicted from one node: two that grew, one that did nothing.
fn evicted(pressed: bool) -> Scene {
    let mut s = Scene::new();
    s.failed("Evicted", "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. ");
    let grew = |s: &Scene, name: &str, uid: u128, used: &str| {
        let mut pod = s.pod.clone();
        pod.meta.name = name.into();
        pod.meta.uid = Uid::Uuid(uid);
        pod.meta.owner = None;
        pod.message = format!(
            "{}Container {name} was using {used}, request is 1Gi, has larger consumption of memory. ",
            pod.message
        )
        .into();
        pod
    };
    s.more = vec![grew(&s, "a-little", 110, "1100Mi"), grew(&s, "hog", 111, "12Gi")];
    let status = if pressed { Status::True } else { Status::False };
    let pressure = condition("MemoryPressure", status, "KubeletHasInsufficientMemory", "", ago(&s, 120));
    s.node.conditions = [s.node.conditions[0].clone(), pressure].into();
    s
}

#[test]
fn who_grew_is_told_from_who_was_evicted() {
    for pressed in [true, false] {
        let seen = evicted(pressed).see();
        assert_eq!(seen.len(), 1, "one node, one line: {seen:#?}");
        let f = &seen[0];
        assert_eq!(f.fix().to_string(), "node n1");
        assert_eq!(f.count, 3);
        assert!(!f.title.contains("web"), "the victim is not blamed: {}", f.title);
        if pressed {
            assert!(f.title.contains("in pod prod/hog hog was using 12Gi"), "{}", f.title);
            let growers: Vec<&str> =
                f.evidence.iter().filter(|e| &*e.source == "eviction").map(|e| &*e.object.name).collect();
            assert_eq!(growers, ["hog", "a-little"]);
        } else {
            assert!(f.title.contains("was using"), "{}", f.title);
            assert_ne!(&*f.object.name, "web-1-abc");
        }
    }
    // Where nobody who grew was evicted, nobody is blamed.
    let mut s = evicted(false);
    s.more.clear();
    let seen = s.see();
    assert_eq!(seen[0].title, "evicted: node n1 ran low on memory");
}
