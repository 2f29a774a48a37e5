//! The numbers that rules compare with; an operator may set each of them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Times in seconds, shares in percent.
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

pub fn seconds(n: u64) -> Duration {
    Duration::from_secs(n)
}
