//! Checks a scenario file by playing it: whatever the embedded cluster refuses is a mistake.
use std::time::Duration;

use jiff::Timestamp;

use crate::api::{bootstrap, store::Store};
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::scenario::Mistake;
use crate::scenario::format::Scenario;
use crate::scenario::{Loaded, ScenarioError, load};

/// The mistakes in a scenario file, or a line that says it is valid. The scenario is played to its last step,
/// and whatever the embedded cluster refuses is a mistake too.
///
/// # Errors
/// As [`scenario::load`](crate::scenario::load).
pub fn check_file(path: &str) -> Result<String, ScenarioError> {
    let name = if path.contains(['/', '\\', '.']) { path.to_owned() } else { format!("./{path}") };
    let loaded = load(&name)?;
    let clusters: Vec<&Loaded> = std::iter::once(&loaded).chain(&loaded.beside).collect();
    let mut mistakes: Vec<Mistake> = clusters.iter().flat_map(|l| played(l)).collect();
    mistakes.sort_by_key(|m| m.line);
    mistakes.dedup();
    if !mistakes.is_empty() {
        return Err(ScenarioError::Wrong { file: path.to_owned(), mistakes });
    }
    let sum = |count: fn(&Scenario) -> usize| clusters.iter().map(|l| count(&l.scenario)).sum::<usize>();
    Ok(format!(
        "{path}: {} ({} nodes, {} objects, {} behaviours, {} steps)",
        loaded.scenario.title,
        sum(|s| s.nodes.iter().map(|p| p.count as usize).sum()),
        sum(|s| s.objects.len()),
        sum(|s| s.containers.len()),
        sum(|s| s.steps.len())
    ))
}

/// Plays a scenario in simulated time to its last step; returns what was refused.
fn played(loaded: &Loaded) -> Vec<Mistake> {
    let store = Store::seeded(SimClock::manual(Timestamp::UNIX_EPOCH), 1);
    if let Err(status) = bootstrap(&store) {
        return vec![Mistake { line: 0, why: status.message }];
    }
    let cluster = Cluster::stage(store, loaded);
    let end = loaded.scenario.steps.iter().map(|s| {
        let again = s.value.again.map_or(Duration::ZERO, |a| a.every.duration() * a.times);
        s.value.at.duration() + again
    });
    cluster.advance(end.max().unwrap_or_default() + Duration::from_secs(1));
    cluster.refused()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_are_told_with_their_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.yaml");
        let path = path.to_str().unwrap();
        let cases = [
            ("title: x\nnodez: []\n", ":2: "),
            ("title: x\nsteps:\n  - at: soon\n", ":3: "),
            (
                "title: x\nobjects:\n  - kind: Pod\n    metadata: {name: a}\n",
                ":3: this object has no apiVersion",
            ),
            (
                "title: x\nsteps:\n  - at: 0s\n  - at: 1s\n    delete: [nonsense]\n",
                ":4: `nonsense` does not name",
            ),
            ("title: [\n", ":"),
            ("title: x\nextends: nowhere\n", "nowhere"),
            ("title: x\nfaults: [nonsense]\n", "\"nonsense\" is no fault"),
            // Reported when the step is played.
            (
                "title: x\nextends: small\nsteps:\n  - at: 1s\n    scale: {object: deployment/production/nobody, replicas: 3}\n",
                ":4: deployments.apps \"nobody\" not found",
            ),
            (
                "title: x\nextends: small\nsteps:\n  - at: 1s\n    node: [{match: nobody, dns: false}]\n",
                ":4: no node is called",
            ),
            (
                "title: x\nextends: small\nsteps:\n  - at: 1s\n    setImage: {object: daemonset/kube-system/kube-proxy, container: proxy, image: i}\n",
                ":4: daemonset/kube-system/kube-proxy has no container",
            ),
            (
                "title: x\nextends: small\nobjects:\n  - {apiVersion: v1, kind: Pod, metadata: {name: p, namespace: nowhere}, spec: {containers: [{name: c, image: i}]}}\n",
                ":4: namespaces \"nowhere\" not found",
            ),
        ];
        for (text, want) in cases {
            std::fs::write(path, text).unwrap();
            let said = check_file(path).unwrap_err().to_string();
            assert!(said.contains(want) && said.starts_with(path) || want == "nowhere", "{text:?}: {said}");
        }
        assert!(load("no-such-thing").unwrap_err().to_string().contains("khud demo --list"));
    }
}
