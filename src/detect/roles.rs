//! Pods whose trouble has a name of its own: kube-proxy, CoreDNS, GPU device plugins and exporters.

use crate::world::patterns;
use crate::world::{Container, Pod};

use super::finding::Severity;
use super::signal::{Ctx, Signal};
use super::text::bytes;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    Proxy,
    Dns,
    GpuPlugin,
    GpuExporter,
    Other,
}

/// By the labels that the projects' own manifests set, else by the container's name.
pub fn of(pod: &Pod) -> Role {
    let l = &pod.meta.labels;
    let says = |key: &str, part: &str| l.get(key).is_some_and(|v| v.contains(part));
    let any = |part: &str| {
        ["k8s-app", "app", "name", "component", "app.kubernetes.io/name"].iter().any(|k| says(k, part))
    };
    if l.get("k8s-app") == Some("kube-dns") {
        Role::Dns
    } else if any("kube-proxy") {
        Role::Proxy
    } else if any("dcgm-exporter") {
        Role::GpuExporter
    } else if any("device-plugin") && any("nvidia") || any("nvidia-device-plugin") {
        Role::GpuPlugin
    } else {
        Role::Other
    }
}

/// A crash of such a pod under its own name. The patterns count in kube-proxy's own log only.
pub fn adapt(ctx: &Ctx, pod: &Pod, c: &Container, mut signal: Signal) -> Signal {
    match of(pod) {
        Role::Other => signal,
        Role::Proxy => {
            let log: Vec<&str> = signal
                .evidence
                .iter()
                .filter(|e| &*e.source == "log" || e.source.starts_with("pod status"))
                .map(|e| e.quote.as_str())
                .collect();
            let clue = log.iter().find_map(|line| patterns::proxy_log(line));
            let restarts = format!("{} restarts on node {}", c.restarts, pod.node);
            let (rule, title, row) = if let Some(clue) = clue {
                (clue.cause, clue.words.clone(), clue.words)
            } else if &*signal.cause == "crash.oom-limit" {
                let limit = c.spec.limits.memory.map_or("none".into(), bytes);
                (
                    "proxy.oom",
                    format!("killed at its memory limit of {limit}"),
                    format!("OOM at {limit} limit"),
                )
            } else {
                ("proxy.restarting", signal.title.clone(), signal.row.clone())
            };
            signal.rule = rule.into();
            signal.cause = rule.into();
            signal.key.family = "proxy.restarting".into();
            signal.playbook = "pod".into();
            signal.severity = if c.restarts >= 8 { Severity::Critical } else { Severity::Warning };
            signal.title(format!("kube-proxy restarts: {title}")).row(row).evidence(
                "pod status",
                restarts,
                &super::pod::reference(pod),
                None,
            )
        }
        Role::GpuPlugin if !matches!(&*signal.cause, "gpu.driver-mismatch" | "gpu.plugin") => {
            let title = format!("the GPU device plugin does not run: {}", signal.title);
            rename(signal, "gpu.plugin", "gpu").title(title)
        }
        Role::GpuPlugin => signal,
        Role::GpuExporter => {
            let title = format!("the GPU exporter does not run: {}", signal.title);
            rename(signal, "gpu.exporter-down", "gpu").severity(Severity::Warning).title(title)
        }
        Role::Dns => {
            let siblings = pod.meta.owner.iter().flat_map(|o| ctx.world.pods_of(&o.uid));
            let (ready, all) = siblings.fold((0, 0), |(r, n), (_, p)| (r + usize::from(p.ready), n + 1));
            if ready > 0 {
                return signal;
            }
            let title = format!("no CoreDNS pod is ready (0 of {all}): {}", signal.title);
            rename(signal, "dns.coredns", "pod").title(title)
        }
    }
}

fn rename(mut signal: Signal, rule: &'static str, playbook: &str) -> Signal {
    let object = signal.key.root.clone();
    let own = signal.cause.clone();
    signal = signal.evidence("cause", own, &object, None);
    signal.rule = rule.into();
    signal.cause = rule.into();
    signal.key.family = rule.into();
    signal.playbook = playbook.into();
    signal
}
