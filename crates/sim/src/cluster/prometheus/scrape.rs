//! One scrape of every target: kubelets (cadvisor), dcgm-exporters, and pods that serve metrics of their own.
use std::fmt::Write as _;

use super::super::engine::Engine;
use super::super::kubelet::{Container, PodRun};
use super::super::{cadvisor, dcgm, requests, vllm};
use super::tsdb::Labels;
use crate::scenario::format::Serves;

/// The samples of all targets now, with the labels of each target.
pub(super) fn all(engine: &Engine) -> Vec<(Labels, f64)> {
    let now = engine.now();
    let mut out = Vec::new();
    for run in engine.runs.values().filter(|r| !r.done) {
        if !engine.machines.get(&run.node).is_some_and(|m| m.kubelet) {
            continue;
        }
        for container in run.containers.iter().filter(|c| c.running()) {
            let Some(going) = &container.run else { continue };
            for (metric, value) in cadvisor::numbers(run, container, now) {
                kubelet(metric, run, container, value, &mut out);
            }
            let target = target(run, container);
            if going.behaviour.serves == Some(Serves::Dcgm) {
                read(&dcgm::dcgm_text(engine, &run.node, now), &target, &mut out);
            }
            if let Some(vllm) = &going.behaviour.vllm {
                read(&vllm::metrics(vllm, going.elapsed(now)), &target, &mut out);
            }
            if let Some(traffic) = &going.behaviour.requests {
                read(&requests::metrics(traffic, going.elapsed(now)), &target, &mut out);
            }
        }
    }
    out
}

/// A number of a container as the kubelet's `/metrics/cadvisor` has it.
fn kubelet(metric: &str, run: &PodRun, container: &Container, value: f64, out: &mut Vec<(Labels, f64)>) {
    let labels = [
        ("__name__", metric),
        ("container", &container.name),
        ("image", &container.image),
        ("namespace", &run.key.ns),
        ("pod", &run.key.name),
        ("node", &run.node),
        ("job", "kubelet"),
        ("metrics_path", "/metrics/cadvisor"),
    ];
    out.push((owned(&labels), value));
}

/// The labels that the operator's service discovery gives a pod's target.
fn target(run: &PodRun, container: &Container) -> Labels {
    owned(&[
        ("container", &container.name),
        ("namespace", &run.key.ns),
        ("pod", &run.key.name),
        ("job", &container.name),
    ])
}

fn owned(labels: &[(&str, &str)]) -> Labels {
    labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

/// Reads a text of the exposition format. As without `honorLabels`, a label that the target has too is renamed.
fn read(text: &str, target: &Labels, out: &mut Vec<(Labels, f64)>) {
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let Some((series, value)) = line.rsplit_once(' ') else { continue };
        let Ok(value) = value.parse() else { continue };
        let (name, rest) = series.split_once('{').unwrap_or((series, "}"));
        let mut labels = target.clone();
        labels.insert("__name__".to_owned(), name.to_owned());
        for (label, text) in pairs(rest.trim_end_matches('}')) {
            let clash = target.contains_key(label);
            let mut name = String::new();
            let _ = write!(name, "{}{label}", if clash { "exported_" } else { "" });
            labels.insert(name, text.to_owned());
        }
        out.push((labels, value));
    }
}

/// `name="value"` pairs. The exporters of this cluster write no escapes.
fn pairs(text: &str) -> impl Iterator<Item = (&str, &str)> {
    text.split("\",").filter_map(|pair| {
        let (name, value) = pair.split_once("=\"")?;
        Some((name, value.trim_end_matches('"')))
    })
}
