//! Checks a scenario file for mistakes that its format cannot reject, line by line.
use std::collections::BTreeSet;

use serde_json::Value;
use serde_saphyr::Spanned;

use super::format::{PatchStep, Scenario, Step};
use super::reference::parse_reference;
use crate::api::faults;
use crate::api::meta::text;

/// A mistake in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1; 0 if no single line is wrong.
    pub line: u64,
    pub why: String,
}

/// `FILE:LINE: what is wrong`, one line each.
pub(super) fn told(file: &str, mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter().map(|m| match m.line {
        0 => format!("{file}: {}", m.why),
        line => format!("{file}:{line}: {}", m.why),
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The mistakes that the format cannot reject.
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
    let missing = ["apiVersion", "kind", "metadata.name"]
        .into_iter()
        .find(|field| text(v, &field.split('.').collect::<Vec<_>>()).is_empty())?;
    let why = format!("this object has no {}; write it as for kubectl apply", missing);
    Some(Mistake { line: object.referenced.line(), why })
}

/// The invalid object references of a step.
fn references(step: &Step) -> Vec<String> {
    let named = step.patch.iter().map(|PatchStep { object, .. }| object.as_str());
    let named = named
        .chain(step.delete.iter().map(String::as_str))
        .chain(step.set_image.iter().map(|s| s.object.as_str()))
        .chain(step.restart.iter().map(String::as_str))
        .chain(step.scale.iter().map(|s| s.object.as_str()));
    named.filter_map(|object| parse_reference(object).err()).collect()
}
