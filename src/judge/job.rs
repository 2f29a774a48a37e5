//! Jobs that failed for good or keep failing, CronJobs that missed their time.

use crate::world::{CronJob, Job, ObjectRef, Owner, Pod, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;
use super::{crash, workload};

const WHY_JOB: &str = "the Job has given up: what it was to do is not done and will not be retried";
const WHY_CRONJOB: &str = "work that was scheduled did not run, and nobody is told by default";

/// What a Job that gave up folds under, with its pods.
const FAILED: &str = "job.failed";

causes! {
    JOB_BACKOFF_LIMIT = "job.backoff-limit" Warning Watch("jobs, pods") tree "job":
        "the Job used up its retries",
        why WHY_JOB, source "condition Failed";
    JOB_DEADLINE = "job.deadline" Warning Watch("jobs, pods") tree "job":
        "the Job ran longer than it may",
        why WHY_JOB, source "condition Failed";
    CRONJOB_MISSED = "cronjob.missed" Warning Watch("cronjobs, events") tree "job":
        "a scheduled run was missed",
        why WHY_CRONJOB, source "events MissSchedule, FailedNeedsStart, TooManyMissedTimes";
}

pub fn judge(ctx: &Ctx, job: &Job, object: &ObjectRef, out: &mut Out) {
    if job.meta.deleting.is_some() {
        return;
    }
    if let Some(c) = condition(&job.conditions, "Failed").filter(|c| c.status == Status::True) {
        if superseded(ctx, job) {
            return;
        }
        let (rule, title, row) = match &*c.reason {
            "DeadlineExceeded" => {
                let deadline = job.deadline.map_or(String::new(), |d| format!(" of {d} s"));
                (JOB_DEADLINE, format!("Job ran longer than its deadline{deadline}"), "deadline exceeded")
            }
            _ => (
                JOB_BACKOFF_LIMIT,
                format!("Job failed: {} failed pods, retries allowed {}", job.failed, job.backoff_limit),
                "retries used up",
            ),
        };
        out.push(
            Diagnosis::new(rule, ctx.root(object), c.since.unwrap_or(ctx.now))
                .family(FAILED)
                .title(title)
                .row(row)
                .evidence("condition Failed", format!("{}: {}", c.reason, c.message), object, c.since),
        );
        return;
    }
    let done = job.completed.is_some() || job.succeeded >= job.completions.max(1);
    if job.active == 0
        && !done
        && !job.suspended
        && let Some(event) = workload::failed_create(ctx, object, &job.meta.uid)
    {
        let (cause, title, row) = workload::refused(&event.note);
        out.push(Diagnosis::new(cause, ctx.root(object), event.first).title(title).row(row).event(event));
    }
}

/// Whether a later run of the same CronJob went well.
fn superseded(ctx: &Ctx, job: &Job) -> bool {
    let Some(owner) = &job.meta.owner else { return false };
    ctx.world.jobs.values().any(|j| {
        j.meta.owner.as_ref().is_some_and(|o| o.uid == owner.uid)
            && j.meta.created > job.meta.created
            && j.completed.is_some()
            && j.succeeded > 0
    })
}

/// A failed pod of a Job: proof of the Job's failure, or a warning while the Job still tries.
pub fn failed_pod(ctx: &Ctx, pod: &Pod, object: &ObjectRef, owner: &Owner, out: &mut Out) {
    let Some(job) = ctx.world.jobs.find(&pod.meta.namespace, &owner.name) else { return };
    if job.completed.is_some() || job.suspended {
        return;
    }
    let failed = condition(&job.conditions, "Failed").is_some_and(|c| c.status == Status::True);
    if failed && superseded(ctx, job) {
        return;
    }
    let before = out.signals.len();
    for c in &pod.containers {
        crash::judge(ctx, pod, object, c, out);
        if out.signals.len() > before {
            break;
        }
    }
    for s in &mut out.signals[before..] {
        s.severity = Severity::Warning;
        if failed {
            s.key.family = FAILED.into();
            s.part = Part::Consequence;
        }
    }
}

/// What the CronJob controller's events say, as long as nothing ran since.
pub fn cron(ctx: &Ctx, cron: &CronJob, object: &ObjectRef, out: &mut Out) {
    if cron.suspended || cron.meta.deleting.is_some() {
        return;
    }
    let fresh = ctx.now.minus(seconds(3600));
    let event = ctx.world.events_of(object).into_iter().find(|e| {
        matches!(
            &*e.reason,
            "MissSchedule" | "FailedNeedsStart" | "TooManyMissedTimes" | "UnparseableSchedule"
        ) && e.last >= fresh
            && cron.last_schedule.is_none_or(|s| s < e.last)
    });
    let Some(event) = event else { return };
    out.push(
        Diagnosis::new(CRONJOB_MISSED, object.clone(), event.first)
            .title(format!("a run scheduled by {:?} was missed", &*cron.schedule))
            .row("run missed")
            .event(event),
    );
    out.again(event.last.plus(seconds(3600)));
}
