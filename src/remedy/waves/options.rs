//! The options of `khud do waves`, as typed and as understood.

use std::path::PathBuf;
use std::time::Duration;

use super::upgrade::Upgrade;
use crate::remedy::action::Spec;
use crate::remedy::forecast::Allowed;
use crate::remedy::run::Params;

pub(super) const NODES: Spec = Spec::value(
    "nodes",
    "SELECTOR",
    "which nodes: labels, node fields (metadata.name, kubeletVersion, osImage), or names a,b",
);
pub(super) const SIZE: Spec = Spec::value("size", "N", "nodes in one wave (default 5; of an upgrade 1)");
pub(super) const GATE: Spec = Spec::value("gate", "GATE", "what must hold before the next wave, in this order: ready=300s, gpus, daemons, pods, volumes, version=V, functional, smoke, pause=5m, window=22:00-06:00, word").many();
pub(super) const MODE: Spec =
    Spec::value("mode", "MODE", "drain (default), cordon-and-wait, hands-off (plan only)");
pub(super) const MAX_JOB_AGE: Spec =
    Spec::value("max-job-age", "AGE", "skip nodes that run a job older than this (24h)");
pub(super) const WAIT: Spec = Spec::value(
    "wait",
    "TIME",
    "cordon-and-wait: how long jobs may go on (default 24h); then the node is uncordoned and skipped",
);
pub(super) const GPU_PRICE: Spec =
    Spec::value("gpu-price", "PRICE", "cost of one GPU hour, for what is at stake (default 2)");
pub(super) const STATE: Spec =
    Spec::value("state", "FILE", "where the run is written down (default: the state directory)");
pub(super) const ABORT: Spec = Spec::flag("abort", "with --resume: uncordon what is safe to and end the run");
pub(super) const EMPTY_DIR: Spec =
    Spec::flag("delete-emptydir-data", "also evict pods whose emptyDir is lost with them");
pub(super) const FORCE: Spec = Spec::flag("force", "go on in spite of what speaks against it");
pub(super) const CHECKPOINT: Spec = Spec::value(
    "checkpoint-cmd",
    "COMMAND",
    "has the jobs of a node save their work before they are evicted; KHUD_JOBS names them, a failure stops the run",
);
pub(super) const PROBE_IMAGE: Spec = Spec::value(
    "probe-image",
    "IMAGE",
    "of the pod of the gate functional; it needs nslookup and wget (default: one that the node has)",
);
pub(super) const PROBE_NAMESPACE: Spec =
    Spec::value("probe-namespace", "NAMESPACE", "where the pods of gates are made (default: default)");
pub(super) const GRACE: Spec =
    Spec::value("grace-period", "SECONDS", "how long each pod may take to end (default: its own)");

pub(in crate::remedy) const SPECS: &[Spec] = &[
    NODES,
    Spec::value("terraform-plan", "FILE", "the nodes that a `terraform show -json` plan replaces"),
    SIZE,
    GATE,
    MODE,
    MAX_JOB_AGE,
    WAIT,
    Spec::value(
        "replace-cmd",
        "COMMAND",
        "replaces one node; runs without a shell, {node} and KHUD_NODE name it",
    ),
    Spec::value("replace-timeout", "TIME", "how long a replacement may take (default 30m)"),
    Spec::flag("no-replace", "drain and uncordon only; nothing replaces the nodes"),
    GPU_PRICE,
    STATE,
    ABORT,
    EMPTY_DIR,
    FORCE,
    GRACE,
    CHECKPOINT,
    PROBE_IMAGE,
    PROBE_NAMESPACE,
    Spec::value("smoke-image", "IMAGE", "of the pod of the gate smoke (default: nvidia/cuda, base)"),
];

/// The treatment of a node's pods before it is replaced.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::remedy) enum Mode {
    /// Evict them.
    Drain,
    /// Let jobs end by themselves, then evict what is left.
    Wait,
    /// Nothing: the plan is all that is wanted.
    HandsOff,
}

/// Something that must hold before the next wave begins. Times are the longest that it may take.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::remedy) enum Gate {
    /// The nodes are Ready.
    Ready(Duration),
    /// The nodes offer as many GPUs as before.
    Gpus(Duration),
    /// Every DaemonSet pod on the nodes is ready, exporters and device plugins among them.
    Daemons(Duration),
    /// The workloads that lost pods have as many ready pods as they want.
    Pods(Duration),
    /// No volume is still attached for a pod that left.
    Volumes(Duration),
    /// The kubelet runs this version.
    Version(String, Duration),
    /// The static pods of the control plane on the nodes are ready and run this version.
    ControlPlane(String, Duration),
    /// A pod on each node resolves names, reaches the API server and writes to a claim.
    Functional(Duration),
    /// A pod on each node with GPUs sees one.
    Smoke(Duration),
    Pause(Duration),
    /// Minutes of the day, UTC. A window that ends before it begins goes over midnight.
    Window(u16, u16),
    /// An operator says so.
    Word,
}

/// How long a gate may take where nothing is said.
const PATIENCE: Duration = Duration::from_secs(300);

impl Gate {
    fn parse(text: &str) -> Result<Gate, String> {
        let (name, value) = text.split_once('=').map_or((text, None), |(n, v)| (n, Some(v)));
        let time = || value.map_or(Ok(PATIENCE), duration);
        let needs = |what: &str| format!("gate {name} needs {what}");
        Ok(match name {
            "ready" => Gate::Ready(time()?),
            "gpus" => Gate::Gpus(time()?),
            "daemons" | "exporter" => Gate::Daemons(time()?),
            "pods" => Gate::Pods(time()?),
            "volumes" => Gate::Volumes(time()?),
            "version" => {
                Gate::Version(value.ok_or_else(|| needs("a version: version=v1.33.4"))?.to_owned(), PATIENCE)
            }
            "functional" => Gate::Functional(time()?),
            "smoke" => Gate::Smoke(time()?),
            "pause" => Gate::Pause(duration(value.ok_or_else(|| needs("a time: pause=5m"))?)?),
            "window" => {
                let say = || needs("two times of the day in UTC: window=22:00-06:00");
                let (from, to) = value.and_then(|v| v.split_once('-')).ok_or_else(say)?;
                Gate::Window(minute(from).ok_or_else(say)?, minute(to).ok_or_else(say)?)
            }
            "word" => Gate::Word,
            _ => {
                return Err(format!(
                    "there is no gate {name:?}; khud has ready, gpus, daemons, pods, volumes, version, functional, smoke, pause, window, word"
                ));
            }
        })
    }

    /// As it is typed.
    pub fn name(&self) -> String {
        let clock = |m: u16| format!("{:02}:{:02}", m / 60, m % 60);
        match self {
            Gate::Ready(_) => "ready".to_owned(),
            Gate::Gpus(_) => "gpus".to_owned(),
            Gate::Daemons(_) => "daemons".to_owned(),
            Gate::Pods(_) => "pods".to_owned(),
            Gate::Volumes(_) => "volumes".to_owned(),
            Gate::Version(v, _) => format!("version={v}"),
            Gate::ControlPlane(..) => "control-plane".to_owned(),
            Gate::Functional(_) => "functional".to_owned(),
            Gate::Smoke(_) => "smoke".to_owned(),
            Gate::Pause(d) => format!("pause={}s", d.as_secs()),
            Gate::Window(a, b) => format!("window={}-{}", clock(*a), clock(*b)),
            Gate::Word => "word".to_owned(),
        }
    }

    /// The longest that it may take; `None` where a person or the time of day decides.
    pub fn limit(&self) -> Option<Duration> {
        match self {
            Gate::Ready(d)
            | Gate::Gpus(d)
            | Gate::Daemons(d)
            | Gate::Pods(d)
            | Gate::Volumes(d)
            | Gate::Version(_, d)
            | Gate::ControlPlane(_, d)
            | Gate::Functional(d)
            | Gate::Smoke(d)
            | Gate::Pause(d) => Some(*d),
            Gate::Window(..) | Gate::Word => None,
        }
    }
}

/// Minutes since midnight of `22:00`.
fn minute(text: &str) -> Option<u16> {
    let (h, m) = text.trim().split_once(':')?;
    let (h, m): (u16, u16) = (h.parse().ok()?, m.parse().ok()?);
    (h < 24 && m < 60).then_some(h * 60 + m)
}

/// `300s`, `24h`, `1h30m`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let say = || format!("{text:?} is not a time; write 300s, 5m or 24h");
    let span: jiff::SignedDuration = text.trim().parse().map_err(|_| say())?;
    span.try_into().map_err(|_| say())
}

/// The words of a command as typed; `None` where there is none. No shell ever reads them.
///
/// # Errors
/// A sentence: a quote that does not end.
pub(super) fn hook(name: &str, text: Option<&str>) -> Result<Option<Vec<String>>, String> {
    match text.map(|t| (t, shlex::split(t))) {
        None => Ok(None),
        Some((_, Some(words))) if !words.is_empty() => Ok(Some(words)),
        Some((t, _)) => Err(format!("--{name} {t:?} has a quote that does not end")),
    }
}

/// The options of one run.
#[derive(Clone, Debug)]
pub(in crate::remedy) struct Asked {
    pub nodes: Option<String>,
    pub terraform: Option<PathBuf>,
    pub size: usize,
    pub gates: Vec<Gate>,
    pub mode: Mode,
    pub max_job_age: Option<Duration>,
    pub wait: Duration,
    /// Words of the hook; `None`: a person replaces the nodes.
    pub hook: Option<Vec<String>>,
    pub replace: bool,
    pub replace_timeout: Duration,
    pub price: f64,
    pub state: Option<PathBuf>,
    pub abort: bool,
    pub allowed: Allowed,
    /// Seconds.
    pub grace: Option<u32>,
    /// Words of the command before jobs are evicted.
    pub checkpoint: Option<Vec<String>>,
    pub probe_image: Option<String>,
    pub probe_namespace: String,
    pub smoke_image: Option<String>,
    /// The run is an upgrade.
    pub upgrade: Option<Upgrade>,
}

impl Asked {
    /// # Errors
    /// A sentence about the option that cannot be read.
    pub fn parse(params: &Params) -> Result<Asked, String> {
        let given = |name: &str| params.get(name).is_some_and(|t| !t.is_empty());
        if !given("nodes") && !given("terraform-plan") {
            return Err(
                "waves needs --nodes SELECTOR or --terraform-plan FILE: which nodes to change".to_owned()
            );
        }
        Asked::read(params, 5)
    }

    /// The options of an upgrade. Without gates of its own it has those that every upgrade needs.
    ///
    /// # Errors
    /// A sentence about the option that cannot be read.
    pub fn upgrade(params: &Params) -> Result<Asked, String> {
        let upgrade = Upgrade::parse(params)?;
        let mut asked = Asked::read(params, 1)?;
        let text = |name: &str| params.get(name).map(String::as_str).filter(|t| !t.is_empty());
        asked.hook = hook("node-cmd", text("node-cmd"))?;
        if let Some(t) = text("node-timeout") {
            asked.replace_timeout = duration(t).map_err(|e| format!("--node-timeout: {e}"))?;
        }
        let to = || upgrade.to.clone();
        let ready = asked.gates.iter().find_map(|g| if let Gate::Ready(d) = g { Some(*d) } else { None });
        // A kubelet that still runs the old version is Ready: the version comes first.
        let mut gates = vec![
            Gate::Version(to(), PATIENCE),
            Gate::Ready(ready.unwrap_or(PATIENCE)),
            Gate::ControlPlane(to(), PATIENCE),
        ];
        asked.gates.retain(|g| !matches!(g, Gate::Ready(_) | Gate::Version(..)));
        if asked.gates.is_empty() {
            gates.extend([Gate::Daemons(PATIENCE), Gate::Pods(PATIENCE), Gate::Functional(PATIENCE)]);
        }
        gates.append(&mut asked.gates);
        asked.gates = gates;
        asked.upgrade = Some(upgrade);
        Ok(asked)
    }

    fn read(params: &Params, size: usize) -> Result<Asked, String> {
        let text = |name: &str| params.get(name).map(String::as_str).filter(|t| !t.is_empty());
        let flag = |name: &str| params.get(name).is_some_and(|v| v != "false");
        let time = |name: &str, default: u64| {
            text(name).map_or(Ok(Duration::from_secs(default)), |t| {
                duration(t).map_err(|e| format!("--{name}: {e}"))
            })
        };
        let size = match text("size").map(|t| (t, t.parse::<usize>())) {
            None => size,
            Some((_, Ok(n))) if n > 0 => n,
            Some((t, _)) => return Err(format!("--size {t:?} is not a number of nodes of at least 1")),
        };
        let gates = text("gate")
            .map_or(Ok(Vec::new()), |t| t.lines().map(Gate::parse).collect::<Result<Vec<Gate>, String>>())?;
        let mode = match text("mode") {
            None | Some("drain") => Mode::Drain,
            Some("cordon-and-wait") => Mode::Wait,
            Some("hands-off") => Mode::HandsOff,
            Some(t) => return Err(format!("--mode {t:?} is not drain, cordon-and-wait or hands-off")),
        };
        let hook = hook("replace-cmd", text("replace-cmd"))?;
        if hook.is_some() && flag("no-replace") {
            return Err("--replace-cmd and --no-replace exclude each other".to_owned());
        }
        let price = match text("gpu-price").map(|t| (t, t.parse::<f64>())) {
            None => 2.0,
            Some((_, Ok(p))) if p.is_finite() && p >= 0.0 => p,
            Some((t, _)) => return Err(format!("--gpu-price {t:?} is not a price")),
        };
        let grace = match text("grace-period").map(|t| (t, t.parse::<u32>())) {
            None => None,
            Some((_, Ok(seconds))) => Some(seconds),
            Some((t, Err(_))) => return Err(format!("--grace-period {t:?} is not a number of seconds")),
        };
        let max_job_age = match text("max-job-age") {
            None => None,
            Some(t) => Some(duration(t).map_err(|e| format!("--max-job-age: {e}"))?),
        };
        Ok(Asked {
            nodes: text("nodes").map(str::to_owned),
            terraform: text("terraform-plan").map(PathBuf::from),
            size,
            gates,
            mode,
            max_job_age,
            wait: time("wait", 24 * 3600)?,
            hook,
            replace: !flag("no-replace"),
            replace_timeout: time("replace-timeout", 1800)?,
            price,
            state: text("state").map(PathBuf::from),
            abort: flag("abort"),
            allowed: Allowed { force: flag("force"), local: flag("delete-emptydir-data") },
            grace,
            checkpoint: self::hook("checkpoint-cmd", text("checkpoint-cmd"))?,
            probe_image: text("probe-image").map(str::to_owned),
            probe_namespace: text("probe-namespace").unwrap_or("default").to_owned(),
            smoke_image: text("smoke-image").map(str::to_owned),
            upgrade: None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(pairs: &[(&str, &str)]) -> Result<Asked, String> {
        Asked::parse(&pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn gates_keep_their_order_and_a_hook_is_split_without_a_shell() {
        let asked = parse(&[
            ("nodes", "a=b"),
            ("gate", "ready=5m\ngpus\nwindow=22:00-06:30\nword"),
            ("replace-cmd", "terraform apply -replace 'aws_instance.gpu[\"{node}\"]'"),
        ]);
        let asked = asked.unwrap();
        let gates: Vec<String> = asked.gates.iter().map(Gate::name).collect();
        assert_eq!(gates, ["ready", "gpus", "window=22:00-06:30", "word"]);
        assert_eq!(asked.gates[0].limit(), Some(Duration::from_secs(300)));
        assert_eq!(asked.hook.unwrap(), ["terraform", "apply", "-replace", "aws_instance.gpu[\"{node}\"]"]);
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (pairs, says) in [
            (&[("size", "5")][..], "--nodes SELECTOR"),
            (&[("nodes", "a"), ("size", "0")], "at least 1"),
            (&[("nodes", "a"), ("gate", "window=25:00-06:00")], "two times of the day"),
            (&[("nodes", "a"), ("gate", "gpu")], "there is no gate \"gpu\""),
            (&[("nodes", "a"), ("max-job-age", "a week")], "is not a time"),
            (&[("nodes", "a"), ("replace-cmd", "x 'y")], "a quote that does not end"),
            (&[("nodes", "a"), ("mode", "fast")], "is not drain"),
        ] {
            let error = parse(pairs).unwrap_err();
            assert!(error.contains(says), "{pairs:?}: {error}");
        }
    }
}
