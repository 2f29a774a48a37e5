//! A healthy cluster raises no finding above info, however busy it is.

use crate::support::healthy::Healthy;
use khud::detect::{DetectConfig, Detector, Severity, State};
use khud::world::{Change, World};

/// Ten minutes of 10,000 pods with 50 changes a second: rollouts, scale-ups, node upgrades, Jobs.
#[test]
fn ten_thousand_busy_and_healthy_pods_raise_nothing() {
    let (mut cluster, lists) = Healthy::new(500, 10_000, 20_261_121);
    let (mut world, mut detector) = (World::new(), Detector::new(DetectConfig::default()));
    let mut changes: Vec<Change> = Vec::new();
    for delta in lists {
        world.apply(delta, &mut changes);
    }
    detector.on_changes(&world, &changes, cluster.now);
    assert!(detector.findings().is_empty(), "at rest: {:#?}", detector.findings());
    let (mut applied, mut informed) = (0, 0);
    for second in 0..600 {
        changes.clear();
        for delta in cluster.second(50) {
            world.apply(delta, &mut changes);
        }
        applied += changes.len();
        detector.on_timer(&world, cluster.now);
        detector.on_changes(&world, &changes, cluster.now);
        for f in detector.findings() {
            assert!(f.severity == Severity::Info || f.state == State::Pending, "{second} s: {f:#?}");
            informed += 1;
        }
        assert!(detector.wanted_logs(cluster.now).is_empty(), "{second} s: a healthy cluster's log is read");
    }
    // The test means something: the cluster was busy, and the serviced nodes were seen.
    assert!(applied >= 25_000, "{applied} changes");
    assert!(informed > 0, "no node under service was seen");
}
