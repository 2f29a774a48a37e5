//! Reading scenarios: built-in ones and files, what they extend, and what is wrong with them, line by line.
use std::path::{Path, PathBuf};

use serde_json::Value;
use serde_saphyr::Spanned;

use super::format::{PatchStep, Scenario, Step};
use crate::sim::cluster::object::text;

/// The scenarios that come with khud; those others only extend come first.
const BUILT_IN: [(&str, &str); 22] = [
    ("common", include_str!("../../../assets/scenarios/common.yaml")),
    ("base", include_str!("../../../assets/scenarios/base.yaml")),
    ("small", include_str!("../../../assets/scenarios/small.yaml")),
    ("tour", include_str!("../../../assets/scenarios/tour.yaml")),
    ("healthy", include_str!("../../../assets/scenarios/healthy.yaml")),
    ("failed-deployment", include_str!("../../../assets/scenarios/failed-deployment.yaml")),
    ("crashloop-oom", include_str!("../../../assets/scenarios/crashloop-oom.yaml")),
    ("namespace-bleed", include_str!("../../../assets/scenarios/namespace-bleed.yaml")),
    ("quota-exhausted", include_str!("../../../assets/scenarios/quota-exhausted.yaml")),
    ("gpu-vanished", include_str!("../../../assets/scenarios/gpu-vanished.yaml")),
    ("gpu-memory-leak", include_str!("../../../assets/scenarios/gpu-memory-leak.yaml")),
    ("kube-proxy-cycling", include_str!("../../../assets/scenarios/kube-proxy-cycling.yaml")),
    ("runtime-crashloop", include_str!("../../../assets/scenarios/runtime-crashloop.yaml")),
    ("dns-partial", include_str!("../../../assets/scenarios/dns-partial.yaml")),
    ("node-drift", include_str!("../../../assets/scenarios/node-drift.yaml")),
    ("upgrade", include_str!("../../../assets/scenarios/upgrade.yaml")),
    ("pending-everything", include_str!("../../../assets/scenarios/pending-everything.yaml")),
    ("model-loading", include_str!("../../../assets/scenarios/model-loading.yaml")),
    ("inference-slow", include_str!("../../../assets/scenarios/inference-slow.yaml")),
    ("connectivity", include_str!("../../../assets/scenarios/connectivity.yaml")),
    ("storage", include_str!("../../../assets/scenarios/storage.yaml")),
    ("rbac-restricted", include_str!("../../../assets/scenarios/rbac-restricted.yaml")),
];
/// How many of them are only there to be extended.
const FOUNDATIONS: usize = 3;

/// Scenarios extending scenarios extending scenarios: deeper than this is a circle.
const DEEPEST: usize = 8;

/// A scenario that is read, checked and complete.
#[derive(Clone, Debug)]
pub struct Loaded {
    pub name: String,
    pub scenario: Scenario,
}

#[derive(Debug, thiserror::Error)]
pub enum ScenarioError {
    #[error(
        "there is no scenario called {name:?}; `khud demo --list` shows those there are, and a file needs its path (./{name}.yaml)"
    )]
    Unknown { name: String },
    #[error("can't read the scenario {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{file} is not a scenario: {why}")]
    Wrong { file: String, why: String },
}

/// The text of a built-in scenario.
pub fn built_in(name: &str) -> Option<&'static str> {
    BUILT_IN.iter().find(|(n, _)| *n == name).map(|(_, text)| *text)
}

/// (name, title) of the scenarios that can be played.
pub fn built_in_names() -> Vec<(&'static str, String)> {
    let title = |text| serde_saphyr::from_str::<Scenario>(text).map(|s| s.title).unwrap_or_default();
    BUILT_IN.iter().skip(FOUNDATIONS).map(|(n, text)| (*n, title(text))).collect()
}

/// Loads a scenario by its built-in name or from a file, with everything it extends.
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
    let scenario = read(&file, &text, dir.as_deref(), 0)?;
    let stem = path.file_stem().and_then(|s| s.to_str()).unwrap_or(name);
    Ok(Loaded { name: stem.to_owned(), scenario })
}

/// What is wrong with a scenario file, or a line that says it is fine.
///
/// # Errors
/// As [`load`].
pub fn check_file(path: &str) -> Result<String, ScenarioError> {
    let name = if path.contains(['/', '\\', '.']) { path.to_owned() } else { format!("./{path}") };
    let loaded = load(&name)?;
    let s = &loaded.scenario;
    let nodes: u32 = s.nodes.iter().map(|p| p.count).sum();
    Ok(format!(
        "{path}: {} ({nodes} nodes, {} objects, {} behaviours, {} steps)",
        s.title,
        s.objects.len(),
        s.containers.len(),
        s.steps.len()
    ))
}

fn read(file: &str, text: &str, dir: Option<&Path>, depth: usize) -> Result<Scenario, ScenarioError> {
    let wrong = |why: String| ScenarioError::Wrong { file: file.to_owned(), why };
    let mut scenario: Scenario = serde_saphyr::from_str(text).map_err(|e| wrong(e.to_string()))?;
    check(&scenario).map_err(&wrong)?;
    let Some(parent) = scenario.extends.take() else { return Ok(scenario) };
    if depth >= DEEPEST {
        return Err(wrong(format!("it extends {parent}, which in turn extends it: a circle")));
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
    Ok(merge(base, scenario))
}

/// The extended scenario first, then what this one adds; behaviours and images of this one win.
fn merge(base: Scenario, own: Scenario) -> Scenario {
    fn join<T>(mut first: Vec<T>, then: Vec<T>) -> Vec<T> {
        first.extend(then);
        first
    }
    // A node pool or an object stated again takes the place of the one it names.
    let mut nodes = base.nodes;
    for pool in own.nodes {
        match nodes.iter_mut().find(|p| p.name == pool.name) {
            Some(old) => *old = pool,
            None => nodes.push(pool),
        }
    }
    let identity = |o: &Spanned<Value>| {
        let v = &o.value;
        [text(v, "/kind"), text(v, "/metadata/namespace"), text(v, "/metadata/name")].map(str::to_owned)
    };
    let mut objects = base.objects;
    for object in own.objects {
        match objects.iter_mut().find(|o| identity(o) == identity(&object)) {
            Some(old) => *old = object,
            None => objects.push(object),
        }
    }
    Scenario {
        title: own.title,
        description: own.description,
        extends: None,
        seed: own.seed.or(base.seed),
        history: own.history.or(base.history),
        kubernetes: own.kubernetes.or(base.kubernetes),
        metrics_server: own.metrics_server.or(base.metrics_server),
        nodes,
        images: join(own.images, base.images),
        containers: join(own.containers, base.containers),
        objects,
        misfits: join(own.misfits, base.misfits),
        steps: join(base.steps, own.steps),
    }
}

/// What the format alone can't refuse.
fn check(scenario: &Scenario) -> Result<(), String> {
    for object in &scenario.objects {
        check_object(object)?;
    }
    for (i, step) in scenario.steps.iter().enumerate() {
        check_step(step).map_err(|why| format!("step {} (at {}s): {why}", i + 1, step.at.seconds()))?;
    }
    for pool in &scenario.nodes {
        if pool.count == 0 || pool.count > 20_000 {
            return Err(format!(
                "the node pool {:?} has {} nodes; 1 to 20000 are possible",
                pool.name, pool.count
            ));
        }
    }
    Ok(())
}

fn check_object(object: &Spanned<Value>) -> Result<(), String> {
    let line = object.referenced.line();
    let v = &object.value;
    for (field, pointer) in
        [("apiVersion", "/apiVersion"), ("kind", "/kind"), ("metadata.name", "/metadata/name")]
    {
        if text(v, pointer).is_empty() {
            return Err(format!("line {line}: this object has no {field}; write it as for kubectl apply"));
        }
    }
    super::player::resource_of(text(v, "/apiVersion"), text(v, "/kind"));
    Ok(())
}

fn check_step(step: &Step) -> Result<(), String> {
    for object in &step.apply {
        check_object(object)?;
    }
    let named = step.patch.iter().map(|PatchStep { object, .. }| object.as_str());
    let named = named
        .chain(step.delete.iter().map(String::as_str))
        .chain(step.set_image.iter().map(|s| s.object.as_str()))
        .chain(step.restart.iter().map(String::as_str))
        .chain(step.scale.iter().map(|s| s.object.as_str()));
    for object in named {
        super::player::parse_reference(object)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_scenario_loads_and_says_what_it_is() {
        for (name, _) in BUILT_IN.into_iter().skip(1) {
            let loaded = load(name).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert!(!loaded.scenario.title.is_empty(), "{name} has no title");
            assert!(loaded.scenario.nodes.iter().map(|p| p.count).sum::<u32>() > 0, "{name} has no nodes");
        }
    }

    #[test]
    fn mistakes_are_told_with_their_line() {
        let dir = tempfile::tempdir().unwrap();
        let cases = [
            ("title: x\nnodez: []\n", "line 2"),
            ("title: x\nsteps:\n  - at: soon\n", "line 3"),
            ("title: x\nobjects:\n  - kind: Pod\n    metadata: {name: a}\n", "line 3"),
            ("title: x\nsteps:\n  - at: 1s\n    delete: [nonsense]\n", "step 1"),
            ("title: [\n", "line"),
            ("title: x\nextends: nowhere\n", "nowhere"),
        ];
        for (text, want) in cases {
            let path = dir.path().join("s.yaml");
            std::fs::write(&path, text).unwrap();
            let said = check_file(path.to_str().unwrap()).unwrap_err().to_string();
            assert!(said.contains(want), "{text:?}: {said}");
        }
        assert!(load("no-such-thing").unwrap_err().to_string().contains("khud demo --list"));
    }
}
