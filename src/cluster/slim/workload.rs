//! Decodes workloads, jobs, disruption budgets and autoscalers.

use super::Decoder;
use super::wire::{self, time, u32_of};
use crate::world::{Autoscaler, Budget, CronJob, Job, Kind, Workload};

impl Decoder {
    pub(super) fn workload(&mut self, w: wire::Workload<'_>) -> Workload {
        let (meta, annotations) = self.managed_annotated(w.metadata);
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let daemon = self.kind == Kind::DaemonSet;
        let pick = |of_daemon, other| u32_of(if daemon { of_daemon } else { other });
        let strategy = spec.strategy.or(spec.update_strategy).unwrap_or_default();
        let rolling = strategy.rolling_update.unwrap_or_default();
        Workload {
            kind: self.kind.clone(),
            meta,
            desired: if daemon {
                u32_of(status.desired_number_scheduled)
            } else {
                spec.replicas.map_or(1, |n| u32_of(Some(n)))
            },
            current: pick(status.current_number_scheduled, status.replicas),
            updated: pick(status.updated_number_scheduled, status.updated_replicas),
            ready: pick(status.number_ready, status.ready_replicas),
            available: pick(status.number_available, status.available_replicas),
            observed_generation: status.observed_generation.map_or(0, |n| n.0),
            paused: spec.paused == Some(true),
            selector: self.selector(spec.selector),
            template: self.template(spec.template),
            conditions: self.conditions(status.conditions),
            revision: annotations.revision.and_then(|r| r.parse().ok()),
            change_cause: self.t(annotations.change_cause),
            current_revision: self.t(status.current_revision),
            update_revision: self.t(status.update_revision),
            strategy: self.t(strategy.kind),
            max_unavailable: self.t(rolling.max_unavailable),
            max_surge: self.t(rolling.max_surge),
            progress_deadline: spec.progress_deadline_seconds.map_or(600, |n| u32_of(Some(n))),
            history_limit: spec.revision_history_limit.map_or(10, |n| u32_of(Some(n))),
            service_name: self.t(spec.service_name),
            partition: u32_of(rolling.partition),
        }
    }

    pub(super) fn job(&mut self, w: wire::Job<'_>) -> Job {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        Job {
            meta: self.managed(w.metadata),
            active: u32_of(status.active),
            succeeded: u32_of(status.succeeded),
            failed: u32_of(status.failed),
            failed_indexes: self.t(status.failed_indexes),
            completions: spec.completions.map_or(1, |n| u32_of(Some(n))),
            parallelism: spec.parallelism.map_or(1, |n| u32_of(Some(n))),
            backoff_limit: spec.backoff_limit.map_or(6, |n| u32_of(Some(n))),
            deadline: spec.active_deadline_seconds.map(|n| u32_of(Some(n))),
            suspended: spec.suspend == Some(true),
            started: time(status.start_time),
            completed: time(status.completion_time),
            conditions: self.conditions(status.conditions),
            template: self.template(spec.template),
        }
    }

    pub(super) fn cron_job(&mut self, w: wire::CronJob<'_>) -> CronJob {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        CronJob {
            meta: self.managed(w.metadata),
            schedule: self.t(spec.schedule),
            time_zone: self.t(spec.time_zone),
            suspended: spec.suspend == Some(true),
            active: u32::try_from(status.active.map_or(0, |a| a.len())).unwrap_or(u32::MAX),
            last_schedule: time(status.last_schedule_time),
            last_success: time(status.last_successful_time),
            starting_deadline: spec.starting_deadline_seconds.map(|n| u32_of(Some(n))),
        }
    }

    pub(super) fn budget(&mut self, w: wire::Budget<'_>) -> Budget {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        Budget {
            meta: self.managed(w.metadata),
            selector: self.selector(spec.selector),
            min_available: self.t(spec.min_available),
            max_unavailable: self.t(spec.max_unavailable),
            current_healthy: u32_of(status.current_healthy),
            desired_healthy: u32_of(status.desired_healthy),
            disruptions_allowed: u32_of(status.disruptions_allowed),
            expected_pods: u32_of(status.expected_pods),
            always_evict_unhealthy: spec.unhealthy_pod_eviction_policy.as_deref() == Some("AlwaysAllow"),
            observed_generation: status.observed_generation.map_or(0, |n| n.0),
        }
    }

    pub(super) fn autoscaler(&mut self, w: wire::Autoscaler<'_>) -> Autoscaler {
        let (spec, status) = (w.spec.unwrap_or_default(), w.status.unwrap_or_default());
        let target = spec.scale_target_ref.unwrap_or_default();
        Autoscaler {
            meta: self.managed(w.metadata),
            target_kind: self.t(target.kind),
            target_name: self.t(target.name),
            min: spec.min_replicas.map_or(1, |n| u32_of(Some(n))),
            max: u32_of(spec.max_replicas),
            current: u32_of(status.current_replicas),
            desired: u32_of(status.desired_replicas),
            conditions: self.conditions(status.conditions),
        }
    }
}
