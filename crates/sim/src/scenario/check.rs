//! What is wrong with a scenario file, line by line: what its format can't refuse, and what the cluster refuses of it.
use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use serde_saphyr::Spanned;

use super::format::{PatchStep, Scenario, Step};
use super::load::{Loaded, ScenarioError, load};
use super::player::parse_reference;
use crate::api::{bootstrap, faults, store::Store};
use crate::clock::SimClock;
use crate::cluster::Cluster;
use crate::cluster::object::text;

/// Something wrong in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// From 1; 0 where no line is to blame.
    pub line: u64,
    pub why: String,
}

/// `FILE:LINE: what is wrong`, a line each.
pub(super) fn told(file: &str, mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter().map(|m| match m.line {
        0 => format!("{file}: {}", m.why),
        line => format!("{file}:{line}: {}", m.why),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// What is wrong with a scenario file, or a line that says it is fine. The scenario is played to its last step: what
/// the embedded cluster refuses of it is a mistake, too.
///
/// # Errors
/// As [`load`].
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

/// Plays a scenario in simulated time until its last step; what was refused of it.
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

/// What the format alone can't refuse.
pub(super) fn written(scenario: &Scenario) -> Vec<Mistake> {
    let mut found: Vec<Mistake> = scenario.objects.iter().filter_map(object).collect();
    for step in &scenario.steps {
        found.extend(step.value.apply.iter().filter_map(object));
        let line = step.referenced.line();
        found.extend(references(&step.value).into_iter().map(|why| Mistake { line, why }));
    }
    for pool in scenario.nodes.iter().filter(|p| p.count == 0 || p.count > 20_000) {
        let why = format!("the node pool {:?} has {} nodes; 1 to 20000 are possible", pool.name, pool.count);
        found.push(Mistake { line: 0, why });
    }
    if let Err(e) = faults::parse_schedule(&scenario.faults.join(","), 1) {
        found.push(Mistake { line: 0, why: e.to_string() });
    }
    let mut names = BTreeSet::new();
    for context in &scenario.contexts {
        if !names.insert(&context.name) {
            let why = format!("there are two contexts called {:?}", context.name);
            found.push(Mistake { line: 0, why });
        }
        found.extend(written(&context.scenario));
    }
    found
}

fn object(object: &Spanned<Value>) -> Option<Mistake> {
    let v = &object.value;
    let missing = [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("metadata.name", "/metadata/name")]
        .into_iter()
        .find(|(_, pointer)| text(v, pointer).is_empty())?;
    let why = format!("this object has no {}; write it as for kubectl apply", missing.0);
    Some(Mistake { line: object.referenced.line(), why })
}

/// The objects a step names that are not named as objects are.
fn references(step: &Step) -> Vec<String> {
    let named = step.patch.iter().map(|PatchStep { object, .. }| object.as_str());
    let named = named
        .chain(step.delete.iter().map(String::as_str))
        .chain(step.set_image.iter().map(|s| s.object.as_str()))
        .chain(step.restart.iter().map(String::as_str))
        .chain(step.scale.iter().map(|s| s.object.as_str()));
    named.filter_map(|object| parse_reference(object).err()).collect()
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
            // What the cluster refuses when the step is played.
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
