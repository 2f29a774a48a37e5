//! What an operator may set: thresholds, severities, mutes and rules of their own. The config room reads the file.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::world::Time;

use super::finding::{Finding, Severity};
use super::quiet::{How, Quieted};

/// `[findings]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectConfig {
    pub thresholds: Thresholds,
    /// Severity by rule id.
    pub severity: BTreeMap<String, Severity>,
    pub mute: Vec<Mute>,
    /// Rules of the user's own, from `user::load`.
    #[serde(skip)]
    pub rules: Vec<super::user::UserRule>,
}

/// Times in seconds, shares in percent. Defaults: facts 4.4 unless said otherwise.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// How long a pod may be unschedulable before it is a finding: a scaling cluster needs some time.
    pub unschedulable: u64,
    /// How long volumes and sandboxes may take.
    pub starting_volume: u64,
    /// How long a workload may lack available pods with no pod saying why.
    pub unavailable: u64,
    /// Restarts in `restart_window` that make a loop.
    pub restarts: u32,
    pub restart_window: u64,
    /// How long a container must run after a crash to be well. The kubelet forgets its back-off after 600 s.
    pub stable: u64,
    /// How long a finding that is no longer true is kept.
    pub resolving: u64,
    /// Restarts of kube-proxy within this time are a finding.
    pub proxy_window: u64,
    /// Share of a quota in percent.
    pub quota: u64,
    /// How long after its creation a node may still lack readiness and GPUs.
    pub young_node: u64,
    /// How long a cordoned node may be away: it is being serviced.
    pub serviced_node: u64,
    /// How long a deleted object may outstay its grace period.
    pub deleting: u64,
    /// How long an evicted pod whose workload replaced it is told of.
    pub evicted: u64,
    /// How far back what changed is looked for.
    pub changes: u64,
}

impl Default for Thresholds {
    fn default() -> Thresholds {
        Thresholds {
            unschedulable: 30,
            starting_volume: 30,
            unavailable: 60,
            restarts: 3,
            restart_window: 600,
            stable: 600,
            resolving: 30,
            proxy_window: 900,
            quota: 90,
            young_node: 300,
            serviced_node: 1800,
            deleting: 60,
            evicted: 1800,
            changes: 7200,
        }
    }
}

pub(super) fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Silences findings that match all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mute {
    /// Rule or cause id; a trailing `*` matches a prefix (`image.*`).
    pub rule: Option<String>,
    pub namespace: Option<String>,
    /// Name of the object or of the object to fix.
    pub name: Option<String>,
    pub reason: String,
    /// RFC 3339. Without it the mute holds for ever.
    pub until: Option<Time>,
}

impl Mute {
    pub(super) fn quieted(&self) -> Quieted {
        Quieted { how: How::Muted, reason: self.reason.clone(), who: String::new(), until: self.until }
    }

    pub fn holds(&self, finding: &Finding, now: Time) -> bool {
        let fix = finding.fix();
        self.until.is_none_or(|u| now < u)
            && (self.rule.is_some() || self.namespace.is_some() || self.name.is_some())
            && self.rule.as_ref().is_none_or(|r| glob(r, &finding.rule) || glob(r, &finding.cause))
            && self.namespace.as_ref().is_none_or(|n| **n == *fix.namespace)
            && self.name.as_ref().is_none_or(|n| **n == *fix.name || **n == *finding.object.name)
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    }
}
