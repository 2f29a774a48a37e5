//! Pods whose trouble has a name of its own: kube-proxy, CoreDNS, GPU device plugins and exporters.

use crate::judge::patterns;
use crate::world::{Container, Phase, Pod};

use super::diagnosis::{Ctx, Diagnosis, Part};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::{Cause, causes};
use super::text::bytes;
use super::{crash, running};

const WHY_GPU: &str =
    "GPUs are the dearest thing there is: vanished or sick ones fail jobs that ran for days, often silently";
const WHY_PROXY: &str =
    "Services break on one node only, while every pod is ready: the hardest outage to see";
const WHY_DNS: &str = "without names every service fails, each with another error: the cause is one";

causes! {
    GPU_PLUGIN = "gpu.plugin" Critical Log("pods, log") tree "gpu":
        "the device plugin is not running, or cannot load NVML",
        why WHY_GPU, source "DaemonSet and its log";
    GPU_DRIVER_MISMATCH = "gpu.driver-mismatch" Critical Log("pods, events, log") tree "gpu":
        "the loaded kernel module differs from the user-space library, or is older than the image's CUDA needs",
        why WHY_GPU, source "`driver/library version mismatch`, `requirement error: unsatisfied condition: cuda>=…`";
    GPU_EXPORTER_DOWN = "gpu.exporter-down" Warning Watch("pods") tree "gpu":
        "the DCGM exporter does not run; that says nothing of the GPUs",
        why WHY_GPU, source "pods of the exporter";
    PROXY_RESTARTING = "proxy.restarting" Warning Log("pods") tree "pod":
        "kube-proxy restarts while all looks healthy; critical from 3 nodes or 8 restarts",
        why WHY_PROXY, source "restart counts and last reason of its pods";
    PROXY_OOM = "proxy.oom" Critical Log("pods") tree "pod":
        "kube-proxy is killed at its memory limit",
        why WHY_PROXY, source "OOMKilled and the limit of its container";
    PROXY_IPTABLES_LOCK = "proxy.iptables-lock" Critical Log("pods, previous log") tree "pod":
        "kube-proxy cannot take the iptables lock",
        why WHY_PROXY, source "kube-proxy's own log";
    PROXY_TOO_MANY_RULES = "proxy.too-many-rules" Critical Log("pods, previous log") tree "pod":
        "more iptables rules than can be programmed",
        why WHY_PROXY, source "kube-proxy's own log";
    PROXY_CONNTRACK_FULL = "proxy.conntrack-full" Critical Log("pods, previous log") tree "pod":
        "the connection tracking table is full",
        why WHY_PROXY, source "kube-proxy's own log";
    DNS_COREDNS = "dns.coredns" Critical Watch("pods, workloads") tree "pod":
        "no CoreDNS pod is ready",
        why WHY_DNS, source "pods labelled k8s-app=kube-dns";
}

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

/// What keeps such a pod from running, be it its image, a place or its probe, under the name of what it means.
pub fn unready(ctx: &Ctx, pod: &Pod, signal: Diagnosis) -> Diagnosis {
    let role = of(pod);
    let over = pod.meta.deleting.is_some() || matches!(pod.phase, Phase::Failed | Phase::Succeeded);
    let named = match role {
        Role::Dns => signal.is(DNS_COREDNS),
        Role::GpuPlugin => signal.is(GPU_PLUGIN) || signal.is(GPU_DRIVER_MISMATCH),
        Role::GpuExporter => signal.is(GPU_EXPORTER_DOWN),
        Role::Proxy | Role::Other => true,
    };
    // A line of the log is told beside it; a pod on a dead node is the node's.
    let beside = signal.key.family.starts_with(running::FAMILY) || signal.part != Part::Member;
    if pod.ready || over || named || beside || signal.severity == Severity::Info {
        return signal;
    }
    match role {
        Role::Dns => no_dns(ctx, pod, signal),
        Role::GpuPlugin => {
            let title = format!("the GPU device plugin does not run: {}", signal.title);
            rename(signal, GPU_PLUGIN, "gpu").title(title)
        }
        Role::GpuExporter => {
            let title = format!("the GPU exporter does not run: {}", signal.title);
            rename(signal, GPU_EXPORTER_DOWN, "gpu").severity(Severity::Warning).title(title)
        }
        Role::Proxy | Role::Other => signal,
    }
}

/// Trouble of a CoreDNS pod under the name of no DNS, where none of its siblings is ready.
fn no_dns(ctx: &Ctx, pod: &Pod, signal: Diagnosis) -> Diagnosis {
    let siblings = pod.meta.owner.iter().flat_map(|o| ctx.world.pods_of(&o.uid));
    let (ready, all) = siblings.fold((0, 0), |(r, n), (_, p)| (r + usize::from(p.ready), n + 1));
    if ready > 0 {
        return signal;
    }
    let title = format!("no CoreDNS pod is ready (0 of {all}): {}", signal.title);
    rename(signal, DNS_COREDNS, "pod").title(title)
}

/// A crash of such a pod under its own name. The patterns count in kube-proxy's own log only.
pub fn adapt(ctx: &Ctx, pod: &Pod, c: &Container, mut signal: Diagnosis) -> Diagnosis {
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
            let restarts = format!("{} restarts on node {}{}", c.restarts, pod.node, recent(ctx, pod));
            let (rule, title, row) = if let Some(clue) = clue {
                (clue.cause, clue.words.clone(), clue.words)
            } else if signal.is(crash::OOM_LIMIT) {
                let limit = c.spec.limits.memory.map_or("none".into(), bytes);
                (PROXY_OOM, format!("killed at its memory limit of {limit}"), format!("OOM at {limit} limit"))
            } else {
                (PROXY_RESTARTING, signal.title.clone(), signal.row.clone())
            };
            signal = signal.renamed(rule).family(&PROXY_RESTARTING);
            signal.playbook = "pod".into();
            signal.severity = if c.restarts >= 8 { Severity::Critical } else { Severity::Warning };
            signal.title(format!("kube-proxy restarts: {title}")).row(row).evidence(
                "pod status",
                restarts,
                &super::pod::reference(pod),
                None,
            )
        }
        Role::GpuPlugin | Role::GpuExporter | Role::Dns => signal,
    }
}

/// Restarts of the last quarter of an hour and of the last hour, as far back as khud saw them.
fn recent(ctx: &Ctx, pod: &Pod) -> String {
    let within = |minutes: u64| ctx.world.restarts.since(&pod.meta.uid, ctx.now.minus(seconds(minutes * 60)));
    match (within(15), within(60)) {
        (_, 0) => String::new(),
        (quarter, hour) => format!("; {quarter} seen in the last 15 min, {hour} in the last hour"),
    }
}

fn rename(signal: Diagnosis, rule: Cause, playbook: &str) -> Diagnosis {
    let object = signal.key.root.clone();
    let own = signal.cause.clone();
    let mut signal = signal.evidence("cause", own, &object, None).renamed(rule);
    signal.playbook = playbook.into();
    signal
}
