//! The options of `khud do upgrade`, as typed and as understood.

use std::time::Duration;

use super::version;
use crate::remedy::action::Spec;
use crate::remedy::run::Params;
use crate::remedy::waves::options::{self, duration, hook};

pub(in crate::remedy) const SPECS: &[Spec] = &[
    Spec::value("to", "VERSION", "the version that every node shall run: v1.28.5").required(),
    Spec::value(
        "node-cmd",
        "COMMAND",
        "upgrades one node (kubeadm by ssh); runs without a shell, {node}, {version} and {role} are filled in",
    ),
    Spec::value("control-plane-cmd", "COMMAND", "the same for control-plane nodes (default: --node-cmd)"),
    Spec::value("etcd-cmd", "COMMAND", "saves a snapshot of etcd into {file} before anything is changed"),
    Spec::value("control-plane-pause", "TIME", "after each control-plane node (default 2m)"),
    Spec::value("pause", "TIME", "after each wave of workers (default 5m)"),
    Spec::value("node-timeout", "TIME", "how long a node's command may take (default 30m)"),
    Spec::value("accept", "CHECK", "go on although this pre-check says no").many(),
    options::NODES,
    options::SIZE,
    options::GATE,
    options::MODE,
    options::MAX_JOB_AGE,
    options::WAIT,
    options::GPU_PRICE,
    options::STATE,
    options::ABORT,
    options::EMPTY_DIR,
    options::FORCE,
    options::GRACE,
    options::CHECKPOINT,
    options::PROBE_IMAGE,
    options::PROBE_NAMESPACE,
];

/// The options that waves do not have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in crate::remedy) struct Upgrade {
    /// As typed: `v1.28.5`.
    pub to: String,
    /// Words of the command for control-plane nodes.
    pub control_plane: Option<Vec<String>>,
    pub etcd: Option<Vec<String>>,
    pub control_plane_pause: Duration,
    pub pause: Duration,
    /// Names of pre-checks.
    pub accepted: Vec<String>,
}

impl Upgrade {
    /// The pause after a wave.
    pub fn pause_after(&self, control_plane: bool) -> Duration {
        if control_plane { self.control_plane_pause } else { self.pause }
    }

    /// # Errors
    /// A sentence about the option that cannot be read.
    pub fn parse(params: &Params) -> Result<Upgrade, String> {
        let text = |name: &str| params.get(name).map(String::as_str).filter(|t| !t.is_empty());
        let to = text("to").ok_or("upgrade needs --to VERSION: which version to run")?;
        if version::read(to).is_none() {
            return Err(format!("--to {to:?} is not a version; write v1.28.5"));
        }
        let time = |name: &str, default: u64| {
            text(name).map_or(Ok(Duration::from_secs(default)), |t| {
                duration(t).map_err(|e| format!("--{name}: {e}"))
            })
        };
        let words = |name: &str| hook(name, text(name));
        Ok(Upgrade {
            to: to.to_owned(),
            control_plane: words("control-plane-cmd")?.or(words("node-cmd")?),
            etcd: words("etcd-cmd")?,
            control_plane_pause: time("control-plane-pause", 120)?,
            pause: time("pause", 300)?,
            accepted: text("accept").map_or_else(Vec::new, |t| t.lines().map(str::to_owned).collect()),
        })
    }
}
