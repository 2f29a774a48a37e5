//! Loads built-in scenarios and files, with the scenarios they extend, and reports mistakes by line.
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::{Location, Spanned};

use super::check::{self, Mistake};
use super::format::{Context, Scenario};
use crate::api::meta::text;

/// The built-in scenarios; those that are only extended come first.
const BUILT_IN: [(&str, &str); 33] = [
    ("common", include_str!("../../../../assets/scenarios/common.yaml")),
    ("monitored", include_str!("../../../../assets/scenarios/monitored.yaml")),
    ("base", include_str!("../../../../assets/scenarios/base.yaml")),
    ("small", include_str!("../../../../assets/scenarios/small.yaml")),
    ("tour", include_str!("../../../../assets/scenarios/tour.yaml")),
    ("healthy", include_str!("../../../../assets/scenarios/healthy.yaml")),
    ("failed-deployment", include_str!("../../../../assets/scenarios/failed-deployment.yaml")),
    ("crashloop-oom", include_str!("../../../../assets/scenarios/crashloop-oom.yaml")),
    ("namespace-bleed", include_str!("../../../../assets/scenarios/namespace-bleed.yaml")),
    ("quota-exhausted", include_str!("../../../../assets/scenarios/quota-exhausted.yaml")),
    ("gpu-vanished", include_str!("../../../../assets/scenarios/gpu-vanished.yaml")),
    ("gpu-memory-leak", include_str!("../../../../assets/scenarios/gpu-memory-leak.yaml")),
    ("kube-proxy-cycling", include_str!("../../../../assets/scenarios/kube-proxy-cycling.yaml")),
    ("runtime-crashloop", include_str!("../../../../assets/scenarios/runtime-crashloop.yaml")),
    ("dns-partial", include_str!("../../../../assets/scenarios/dns-partial.yaml")),
    ("region-outage", include_str!("../../../../assets/scenarios/region-outage.yaml")),
    ("node-drift", include_str!("../../../../assets/scenarios/node-drift.yaml")),
    ("upgrade", include_str!("../../../../assets/scenarios/upgrade.yaml")),
    ("upgrade-run", include_str!("../../../../assets/scenarios/upgrade-run.yaml")),
    ("pending-everything", include_str!("../../../../assets/scenarios/pending-everything.yaml")),
    ("model-loading", include_str!("../../../../assets/scenarios/model-loading.yaml")),
    ("inference-slow", include_str!("../../../../assets/scenarios/inference-slow.yaml")),
    ("connectivity", include_str!("../../../../assets/scenarios/connectivity.yaml")),
    ("storage", include_str!("../../../../assets/scenarios/storage.yaml")),
    ("dead-provisioner", include_str!("../../../../assets/scenarios/dead-provisioner.yaml")),
    ("job-trouble", include_str!("../../../../assets/scenarios/job-trouble.yaml")),
    ("cert-expired", include_str!("../../../../assets/scenarios/cert-expired.yaml")),
    ("network-policy", include_str!("../../../../assets/scenarios/network-policy.yaml")),
    ("rbac-running", include_str!("../../../../assets/scenarios/rbac-running.yaml")),
    ("crd-migration", include_str!("../../../../assets/scenarios/crd-migration.yaml")),
    ("webhook-dead", include_str!("../../../../assets/scenarios/webhook-dead.yaml")),
    ("hung-collective", include_str!("../../../../assets/scenarios/hung-collective.yaml")),
    ("rbac-restricted", include_str!("../../../../assets/scenarios/rbac-restricted.yaml")),
];
/// The number of scenarios that are only extended.
const FOUNDATIONS: usize = 4;

/// The deepest inheritance; deeper means a cycle.
const DEEPEST: usize = 8;

/// A parsed, checked and complete scenario.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub name: String,
    pub scenario: Scenario,
    /// The further clusters of the scenario, each named after its context.
    pub beside: Vec<Loaded>,
}

#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error(
        "there is no scenario called {name:?}; `khud demo --list` shows those there are, and a file needs its path (./{name}.yaml)"
    )]
    Unknown { name: String },
    #[error("can't read the scenario {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{}", check::told(file, mistakes))]
    Wrong { file: String, mistakes: Vec<Mistake> },
}

/// The text of a built-in scenario.
fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// (name, title) of the scenarios that can be played.
pub fn built_in_names() -> Vec<(&'static str, String)> {
    let title = |text| serde_saphyr::from_str::<Scenario>(text).map(|s| s.title).unwrap_or_default();
    BUILT_IN.iter().skip(FOUNDATIONS).map(|(n, text)| (*n, title(text))).collect()
}

/// Loads a scenario by built-in name or from a file, with everything it extends.
///
/// # Errors
/// A sentence that names the file, the line and what to write instead.
pub fn load(name: &str) -> Result<Loaded, ScenarioError> {
    let path = Path::new(name);
    let is_file = name.contains(['/', '\\', '.']);
    let (file, text, dir) = if is_file {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ScenarioError::Read { path: path.into(), source })?;
        (name.to_owned(), text, path.parent().map(Path::to_path_buf))
    } else {
        let text = built_in(name).ok_or_else(|| ScenarioError::Unknown { name: name.to_owned() })?;
        (format!("the built-in scenario {name}"), text.to_owned(), None)
    };
    let mut scenario = read(&file, &text, dir.as_deref(), 0)?;
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or(name);
    let mut clusters = std::mem::take(&mut scenario.contexts).into_iter().map(|c| Loaded {
        name: c.name,
        scenario: c.scenario,
        beside: Vec::new(),
    });
    Ok(match clusters.next() {
        None => Loaded { name: stem.to_owned(), scenario, beside: Vec::new() },
        Some(first) => Loaded { beside: clusters.collect(), ..first },
    })
}

fn read(file: &str, text: &str, dir: Option<&Path>, depth: usize) -> Result<Scenario, ScenarioError> {
    let wrong = |mistakes| ScenarioError::Wrong { file: file.to_owned(), mistakes };
    let written: Scenario = serde_saphyr::from_str(text).map_err(|e| {
        let line = e.location().map_or(0, |l| l.line());
        wrong(vec![Mistake { line, why: e.without_snippet().to_string() }])
    })?;
    let mistakes = check::written(&written);
    if !mistakes.is_empty() {
        return Err(wrong(mistakes));
    }
    complete(file, written, dir, depth)
}

/// The scenario merged with the ones it extends, and one for each of its contexts.
fn complete(
    file: &str,
    mut scenario: Scenario,
    dir: Option<&Path>,
    depth: usize,
) -> Result<Scenario, ScenarioError> {
    let contexts = std::mem::take(&mut scenario.contexts);
    if let Some(parent) = scenario.extends.take() {
        if depth >= DEEPEST {
            let why = format!("it extends {parent}, which in turn extends it: a circle");
            let mistakes = vec![Mistake { line: 0, why }];
            return Err(ScenarioError::Wrong { file: file.to_owned(), mistakes });
        }
        let beside = dir.map(|d| d.join(&parent));
        let base = match (built_in(&parent), beside) {
            (Some(text), _) => read(&format!("the built-in scenario {parent}"), text, None, depth + 1)?,
            (None, Some(path)) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| ScenarioError::Read { path: path.clone(), source })?;
                read(&path.display().to_string(), &text, path.parent(), depth + 1)?
            }
            (None, None) => return Err(ScenarioError::Unknown { name: parent }),
        };
        scenario = merge(elsewhere(base), scenario);
    }
    let shared = scenario.clone();
    for Context { name, scenario: own } in contexts {
        let own = complete(file, own, dir, depth)?;
        scenario.contexts.push(Context { name, scenario: merge(shared.clone(), own) });
    }
    Ok(scenario)
}

/// Removes line numbers, which are meaningless in another file.
fn elsewhere(mut scenario: Scenario) -> Scenario {
    scenario.objects.iter_mut().for_each(|o| o.referenced = Location::UNKNOWN);
    scenario.steps.iter_mut().for_each(|s| s.referenced = Location::UNKNOWN);
    scenario
}

/// Merges the extended scenario with this one, whose behaviours and images take precedence.
fn merge(base: Scenario, own: Scenario) -> Scenario {
    fn join<T>(mut first: Vec<T>, then: Vec<T>) -> Vec<T> {
        first.extend(then);
        first
    }
    // A node pool or object with the same name replaces the extended one.
    let mut nodes = base.nodes;
    for pool in own.nodes {
        match nodes.iter_mut().find(|p| p.name == pool.name) {
            Some(old) => *old = pool,
            None => nodes.push(pool),
        }
    }
    let identity = |o: &Spanned<Value>| {
        let v = &o.value;
        [&["kind"][..], &["metadata", "namespace"], &["metadata", "name"]]
            .map(|path| text(v, path).to_owned())
    };
    let mut objects = base.objects;
    for object in own.objects {
        match objects.iter_mut().find(|o| identity(o) == identity(&object)) {
            Some(old) => *old = object,
            None => objects.push(object),
        }
    }
    Scenario {
        title: if own.title.is_empty() { base.title } else { own.title },
        description: if own.description.is_empty() { base.description } else { own.description },
        extends: None,
        seed: own.seed.or(base.seed),
        history: own.history.or(base.history),
        kubernetes: own.kubernetes.or(base.kubernetes),
        metrics_server: own.metrics_server.or(base.metrics_server),
        deprecated_requests: join(own.deprecated_requests, base.deprecated_requests),
        nodes,
        images: join(own.images, base.images),
        containers: join(own.containers, base.containers),
        objects,
        misfits: join(own.misfits, base.misfits),
        steps: join(base.steps, own.steps),
        faults: join(base.faults, own.faults),
        contexts: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads_and_says_what_it_is() {
        // The first two are what every cluster has; the nodes are those of whoever extends them.
        for (name, _) in BUILT_IN.into_iter().skip(2) {
            let loaded = load(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!loaded.scenario.title.is_empty(), "{name} has no title");
            assert!(loaded.scenario.nodes.iter().map(|p| p.count).sum::<u32>() > 0, "{name} has no nodes");
        }
    }
}
