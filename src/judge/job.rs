//! Jobs that failed for good or keep failing, CronJobs that do not run when they should.

use crate::world::{CronJob, Event, Job, Kind, ObjectRef, Owner, Pod, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::evidence::Severity;
use super::limits::seconds;
use super::registry::causes;
use super::text::bounded;
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
    JOB_FAILURE_POLICY = "job.failure-policy" Warning Watch("jobs, pods") tree "job":
        "a rule of the Job's podFailurePolicy ended it, retries or not",
        why WHY_JOB, source "condition Failed, reason PodFailurePolicy";
    JOB_INDEXES = "job.indexes" Warning Watch("jobs, pods") tree "job":
        "indexes of an indexed Job failed for good",
        why WHY_JOB, source "condition Failed, reasons FailedIndexes and MaxFailedIndexesExceeded";
    CRONJOB_MISSED = "cronjob.missed" Warning Watch("cronjobs, events") tree "job":
        "a scheduled run was missed",
        why WHY_CRONJOB, source "events MissSchedule, FailedNeedsStart, TooManyMissedTimes";
    CRONJOB_SCHEDULE = "cronjob.schedule" Warning Watch("cronjobs, events") tree "job":
        "the schedule or the time zone cannot be read, or names a day that no month has",
        why WHY_CRONJOB, source "spec.schedule; events UnparseableSchedule, InvalidSchedule, UnknownTimeZone";
    CRONJOB_BLOCKED = "cronjob.blocked" Warning Watch("cronjobs, jobs, events") tree "job":
        "runs are left out because the one before still runs and concurrencyPolicy is Forbid",
        why WHY_CRONJOB, source "event JobAlreadyActive";
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
            "PodFailurePolicy" => (
                JOB_FAILURE_POLICY,
                format!("Job was ended by its podFailurePolicy: {}", c.message),
                "ended by its failure policy",
            ),
            "FailedIndexes" | "MaxFailedIndexesExceeded" if job.failed_indexes.is_empty() => {
                (JOB_INDEXES, format!("indexes of the Job failed: {}", c.message), "indexes failed")
            }
            "FailedIndexes" | "MaxFailedIndexesExceeded" => (
                JOB_INDEXES,
                format!(
                    "indexes {} of the Job's {} failed",
                    bounded(&job.failed_indexes, 60),
                    job.completions
                ),
                "indexes failed",
            ),
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
        out.push(workload::refusal_of(ctx, ctx.root(object), event.first, &event.note).event(event));
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
    let enough = condition(&job.conditions, "SuccessCriteriaMet").is_some_and(|c| c.status == Status::True);
    if job.completed.is_some() || job.suspended || enough {
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

/// What the CronJob's schedule and its controller's events say, as long as nothing ran since.
pub fn cron(ctx: &Ctx, cron: &CronJob, object: &ObjectRef, out: &mut Out) {
    if cron.suspended || cron.meta.deleting.is_some() {
        return;
    }
    let fresh = ctx.now.minus(seconds(3600));
    let unanswered = |e: &&Event| e.last >= fresh && cron.last_schedule.is_none_or(|s| s < e.last);
    let events = ctx.world.events_of(object);
    let event =
        |reasons: &[&str]| events.iter().copied().filter(unanswered).find(|e| reasons.contains(&&*e.reason));
    let unreadable = event(&["UnparseableSchedule", "InvalidSchedule", "UnknownTimeZone"]);
    if never(&cron.schedule) || unreadable.is_some() {
        let since = cron.meta.created.unwrap_or(ctx.now);
        let zone =
            if cron.time_zone.is_empty() { String::new() } else { format!(", time zone {}", cron.time_zone) };
        let says = if never(&cron.schedule) { "names a day that no month has" } else { "cannot be read" };
        let found = Diagnosis::new(CRONJOB_SCHEDULE, object.clone(), since)
            .title(format!("schedule {:?} {says}: the CronJob never runs", &*cron.schedule))
            .row("never runs")
            .evidence("cronjob spec", format!("schedule: {:?}{zone}", &*cron.schedule), object, None);
        return out.push(match unreadable {
            Some(event) => found.event(event),
            None => found,
        });
    }
    if let Some(event) = event(&["FailedCreate"]) {
        return out.push(workload::refusal_of(ctx, object.clone(), event.first, &event.note).event(event));
    }
    // A single run left out is what Forbid is for.
    if let Some(event) = event(&["JobAlreadyActive"]).filter(|e| e.count > 1 && cron.active > 0) {
        let mut found = Diagnosis::new(CRONJOB_BLOCKED, object.clone(), event.first)
            .title(format!("{} runs were left out: the run before has not ended", event.count))
            .row("blocked by a run")
            .event(event);
        let jobs = ctx.world.jobs.values();
        let active =
            jobs.filter(|j| j.active > 0 && j.meta.owner.as_ref().is_some_and(|o| o.uid == cron.meta.uid));
        if let Some(job) = active.min_by_key(|j| j.started) {
            let run = ObjectRef::new(Kind::Job, job.meta.namespace.clone(), job.meta.name.clone());
            let quote = format!("Job {} is active", job.meta.name);
            // What keeps the run from ending keeps the others from starting.
            let sick = ctx.world.pods_of(&job.meta.uid).map(|(_, p)| super::pod::reference(p));
            let sick = sick.into_iter().find(|p| !ctx.diagnosed.of(p).is_empty());
            found = found.evidence("job status", quote, &run, job.started).waits_for(sick);
        }
        out.again(event.last.plus(seconds(3600)));
        return out.push(found);
    }
    let Some(event) = event(&["MissSchedule", "FailedNeedsStart", "TooManyMissedTimes"]) else { return };
    out.push(
        Diagnosis::new(CRONJOB_MISSED, object.clone(), event.first)
            .title(format!("a run scheduled by {:?} was missed", &*cron.schedule))
            .row("run missed")
            .event(event),
    );
    out.again(event.last.plus(seconds(3600)));
}

/// Whether a schedule names only days that no month has, such as 30 February. Days of the week are another way in, so
/// a schedule that restricts them as well does match.
fn never(schedule: &str) -> bool {
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [_, _, days, months, weekdays] = fields[..] else { return false };
    if !matches!(weekdays, "*" | "?") {
        return false;
    }
    let (Some(days), Some(months)) = (field(days, 1, 31), field(months, 1, 12)) else { return false };
    let longest = |month: u8| match month {
        2 => 29,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    };
    !months.iter().any(|m| days.iter().any(|d| *d <= longest(*m)))
}

/// The numbers of one field of a schedule: `*`, `?`, lists, ranges, steps, names of months. `None` where it is none.
fn field(text: &str, from: u8, to: u8) -> Option<Vec<u8>> {
    const MONTHS: [&str; 12] =
        ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
    let number = |s: &str| -> Option<u8> {
        let named =
            MONTHS.iter().position(|m| m.eq_ignore_ascii_case(s)).and_then(|i| u8::try_from(i + 1).ok());
        s.parse().ok().or(named)
    };
    let mut out = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u8>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (a, b) = match range.split_once('-') {
            Some((a, b)) => (number(a)?, number(b)?),
            None if matches!(range, "*" | "?") => (from, to),
            None => {
                let n = number(range)?;
                (n, if part.contains('/') { to } else { n })
            }
        };
        out.extend((a..=b.min(to)).step_by(usize::from(step)));
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::never;

    #[test]
    fn a_schedule_that_no_day_meets_is_told_from_rare_ones() {
        for schedule in ["0 0 31 2 *", "0 0 30 feb *", "*/5 * 31 4,6,9,11 *", "0 0 30-31 2 ?"] {
            assert!(never(schedule), "{schedule}");
        }
        for schedule in [
            "0 0 29 2 *",
            "0 0 31 * *",
            "0 0 31 2 1",
            "0 0 31 2,3 *",
            "*/5 * * * *",
            "@daily",
            "0 0 */10 2 *",
        ] {
            assert!(!never(schedule), "{schedule}");
        }
    }
}
