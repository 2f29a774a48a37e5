//! The Job and CronJob controllers: completions, back-off limits and schedules.
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::store::{DeleteOptions, Object};

use super::cron;
use crate::cluster::controllers::{Controller, replicaset};
use crate::cluster::engine::{Engine, Timer, Work};
use crate::cluster::events::Source;
use crate::cluster::object::{self, Key, entry, flag, int, put_count, stamp, text};

const WHO: Source<'static> = Source::Controller("job-controller");
const CRON: Source<'static> = Source::Controller("cronjob-controller");

pub(in crate::cluster) struct JobController;

impl Controller for JobController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(job) = engine.cached("jobs.batch", key).filter(|j| !object::deleting(j)) else { return };
        own_selector(engine, key, &job);
        let pods = engine.cache.owned("pods", object::uid(&job));
        let phase = |p: &Object, is: &str| text(p, "/status/phase") == is;
        let succeeded = pods.iter().filter(|p| phase(p, "Succeeded")).count() as i64;
        let failed = pods.iter().filter(|p| phase(p, "Failed")).count() as i64;
        let active: Vec<Object> =
            pods.iter().filter(|p| !object::finished(p) && !object::deleting(p)).cloned().collect();
        let over = ["Complete", "Failed"].iter().any(|c| object::condition_is(&job, c, "True"));
        let mut verdict: Option<(&str, &str, String)> = None;
        if !over {
            let completions = int(&job, "/spec/completions").unwrap_or(1);
            let limit = int(&job, "/spec/backoffLimit").unwrap_or(6);
            let restarts: i64 = active
                .iter()
                .flat_map(|p| object::list(p, "/status/containerStatuses"))
                .filter_map(|c| int(c, "/restartCount"))
                .sum();
            let deadline = int(&job, "/spec/activeDeadlineSeconds").and_then(|d| {
                let start = object::time(&job, "/status/startTime")?;
                start.checked_add(Duration::from_secs(d.max(0).unsigned_abs())).ok()
            });
            if succeeded >= completions {
                verdict = Some((
                    "Complete",
                    "CompletionsReached",
                    "Reached expected number of succeeded pods".into(),
                ));
            } else if failed > limit
                || restarts > limit && text(&job, "/spec/template/spec/restartPolicy") == "OnFailure"
            {
                verdict = Some((
                    "Failed",
                    "BackoffLimitExceeded",
                    "Job has reached the specified backoff limit".into(),
                ));
            } else if deadline.is_some_and(|d| d <= engine.now()) {
                verdict = Some((
                    "Failed",
                    "DeadlineExceeded",
                    "Job was active longer than specified deadline".into(),
                ));
            } else if flag(&job, "/spec/suspend") {
                for pod in &active {
                    drop_worker(engine, &job, pod);
                }
            } else {
                if let Some(at) = deadline {
                    engine.at(at, Timer::Work(Work::Job(key.clone())));
                }
                add_workers(engine, key, &job, &pods, active.len() as i64, succeeded, failed);
            }
        }
        if let Some((kind, reason, message)) = &verdict {
            if *kind == "Failed" {
                for pod in &active {
                    drop_worker(engine, &job, pod);
                }
                engine.event(WHO, &job, "Warning", reason, message);
            } else {
                engine.event(WHO, &job, "Normal", "Completed", "Job completed");
            }
        }
        job_status(engine, key, verdict, succeeded, failed);
    }
}

/// Sets the selector that the API server generates, if it is missing.
fn own_selector(engine: &Engine, key: &Key, job: &Object) {
    let uid = object::uid(job).to_owned();
    let name = key.name.to_string();
    if job.pointer("/spec/selector/matchLabels").is_some() {
        return;
    }
    engine.write("jobs.batch", key, |o| {
        let spec = entry(o, "spec");
        spec.insert("selector".into(), json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
        let template = spec.entry("template").or_insert_with(|| json!({}));
        let labels = entry(&mut template["metadata"], "labels");
        for (k, v) in [
            ("batch.kubernetes.io/controller-uid", &uid),
            ("batch.kubernetes.io/job-name", &name),
            ("controller-uid", &uid),
            ("job-name", &name),
        ] {
            labels.insert(k.into(), json!(v));
        }
    });
}

fn add_workers(
    engine: &mut Engine,
    key: &Key,
    job: &Object,
    pods: &[Object],
    active: i64,
    succeeded: i64,
    failed: i64,
) {
    let parallel = int(job, "/spec/parallelism").unwrap_or(1);
    let completions = int(job, "/spec/completions").unwrap_or(parallel);
    let want = parallel.min(completions - succeeded).max(0);
    if active >= want {
        return;
    }
    if failed > 0 {
        // 10 s after the first failure, doubling to six minutes.
        let wait = Duration::from_secs((10_u64 << (failed - 1).clamp(0, 6)).min(360));
        let last = pods
            .iter()
            .filter(|p| text(p, "/status/phase") == "Failed")
            .filter_map(|p| object::time(p, "/status/containerStatuses/0/state/terminated/finishedAt"))
            .max();
        if let Some(at) = last.and_then(|l| l.checked_add(wait).ok()).filter(|at| *at > engine.now()) {
            engine.at(at, Timer::Work(Work::Job(key.clone())));
            return;
        }
    }
    // The selector's labels may have been written just now.
    let fresh = engine.store.get("jobs.batch", &key.ns, &key.name).unwrap_or_else(|| job.clone());
    for _ in active..want {
        let owner = object::owner_reference(&fresh, "batch/v1", "Job");
        let template = fresh.pointer("/spec/template").cloned().unwrap_or_default();
        match replicaset::create_pod(engine, &fresh, &template, owner, None) {
            Ok(pod) => {
                let said = format!("Created pod: {}", object::name(&pod));
                engine.event(WHO, &fresh, "Normal", "SuccessfulCreate", &said);
            }
            Err(why) => {
                engine.event(WHO, &fresh, "Warning", "FailedCreate", &format!("Error creating: {why}"));
                engine.after(Duration::from_secs(15), Timer::Work(Work::Job(key.clone())));
                return;
            }
        }
    }
}

fn drop_worker(engine: &mut Engine, job: &Object, pod: &Object) {
    let key = Key::of(pod);
    if engine.store.delete("pods", &key.ns, &key.name, DeleteOptions::default()).is_ok() {
        let said = format!("Deleted pod: {}", key.name);
        engine.event(WHO, job, "Normal", "SuccessfulDelete", &said);
    }
}

fn job_status(
    engine: &mut Engine,
    key: &Key,
    verdict: Option<(&str, &str, String)>,
    succeeded: i64,
    failed: i64,
) {
    engine.absorb();
    let Some(job) = engine.cached("jobs.batch", key) else { return };
    let pods = engine.cache.owned("pods", object::uid(&job));
    let active = pods.iter().filter(|p| !object::finished(p) && !object::deleting(p)).count() as i64;
    let ready = pods.iter().filter(|p| object::ready(p) && !object::deleting(p)).count() as i64;
    let terminating = pods.iter().filter(|p| !object::finished(p) && object::deleting(p)).count() as i64;
    let now = engine.stamp();
    let suspended = flag(&job, "/spec/suspend");
    engine.write_status("jobs.batch", key, |o| {
        let status = entry(o, "status");
        if !suspended {
            status.entry("startTime").or_insert_with(|| json!(now));
        }
        put_count(status, "active", active);
        put_count(status, "succeeded", succeeded);
        put_count(status, "failed", failed);
        status.insert("ready".into(), json!(ready));
        status.insert("terminating".into(), json!(terminating));
        status.entry("uncountedTerminatedPods").or_insert_with(|| json!({}));
        if let Some((kind, reason, message)) = verdict {
            let one = |t: &str| json!({"type": t, "status": "True", "lastProbeTime": now, "lastTransitionTime": now, "reason": reason, "message": message});
            let before = if kind == "Complete" { "SuccessCriteriaMet" } else { "FailureTarget" };
            status.insert("conditions".into(), json!([one(before), one(kind)]));
            if kind == "Complete" {
                status.insert("completionTime".into(), json!(now));
            }
        }
    });
}

/// Starts due Jobs and schedules the next time.
pub(in crate::cluster) struct CronJobController;

impl Controller for CronJobController {
    type Key = Key;

    fn sync(engine: &mut Engine, key: &Key) {
        let Some(cron_job) = engine.cached("cronjobs.batch", key).filter(|j| !object::deleting(j)) else {
            return;
        };
        let now = engine.now();
        let last = object::time(&cron_job, "/status/lastScheduleTime")
            .or_else(|| object::created(&cron_job))
            .unwrap_or(now);
        let schedule = text(&cron_job, "/spec/schedule");
        let Some(next) = cron::next(schedule, last) else {
            let said = format!("unparseable schedule: {schedule:?}");
            engine.event(CRON, &cron_job, "Warning", "UnparseableSchedule", &said);
            return;
        };
        let jobs = engine.cache.owned("jobs.batch", object::uid(&cron_job));
        if next > now {
            engine.at(next, Timer::Work(Work::CronJob(key.clone())));
        } else if !flag(&cron_job, "/spec/suspend") {
            // Only the latest of several missed times counts.
            let mut due = next;
            while let Some(later) = cron::next(schedule, due).filter(|t| *t <= now) {
                due = later;
            }
            start_cron_job(engine, key, &cron_job, &jobs, due);
        }
        prune_jobs(engine, &cron_job, &jobs);
        engine.absorb();
        let active: Vec<Value> = engine
            .cache
            .owned("jobs.batch", object::uid(&cron_job))
            .iter()
            .filter(|j| j.pointer("/status/conditions").is_none())
            .map(|j| json!({"kind": "Job", "namespace": &*key.ns, "name": object::name(j), "uid": object::uid(j), "apiVersion": "batch/v1"}))
            .collect();
        let success = jobs.iter().filter_map(|j| object::time(j, "/status/completionTime")).max();
        engine.write_status("cronjobs.batch", key, |o| {
            let status = entry(o, "status");
            if active.is_empty() {
                status.remove("active");
            } else {
                status.insert("active".into(), json!(active));
            }
            if let Some(at) = success {
                status.insert("lastSuccessfulTime".into(), json!(stamp(at)));
            }
        });
    }
}

fn start_cron_job(engine: &mut Engine, key: &Key, cron_job: &Object, jobs: &[Object], due: jiff::Timestamp) {
    let busy: Vec<&Object> = jobs.iter().filter(|j| j.pointer("/status/conditions").is_none()).collect();
    match text(cron_job, "/spec/concurrencyPolicy") {
        "Forbid" if !busy.is_empty() => {
            engine.event(
                CRON,
                cron_job,
                "Normal",
                "JobAlreadyActive",
                "Not starting job because prior execution is running and concurrency policy is Forbid",
            );
            // A run that is left out is no last schedule: the status stays as it is.
            if let Some(next) = cron::next(text(cron_job, "/spec/schedule"), engine.now()) {
                engine.at(next, Timer::Work(Work::CronJob(key.clone())));
            }
            return;
        }
        policy => {
            if policy == "Replace" {
                for job in busy {
                    let _ = engine.store.delete(
                        "jobs.batch",
                        &key.ns,
                        object::name(job),
                        DeleteOptions::default(),
                    );
                }
            }
            let name = format!("{}-{}", key.name, due.as_second() / 60);
            let template = cron_job.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
            let mut job = json!({"metadata": template.get("metadata").cloned().unwrap_or_else(|| json!({})),
                "spec": template.get("spec").cloned().unwrap_or_else(|| json!({}))});
            job["metadata"]["name"] = json!(name);
            job["metadata"]["ownerReferences"] =
                json!([object::owner_reference(cron_job, "batch/v1", "CronJob")]);
            match engine.store.create("jobs.batch", &key.ns, job) {
                Ok(_) => {
                    engine.event(CRON, cron_job, "Normal", "SuccessfulCreate", &format!("Created job {name}"))
                }
                Err(status) => {
                    let said = format!("Error creating job: {}", status.message);
                    engine.event(CRON, cron_job, "Warning", "FailedCreate", &said);
                }
            }
        }
    }
    engine.write_status("cronjobs.batch", key, |o| {
        entry(o, "status").insert("lastScheduleTime".into(), json!(stamp(due)));
    });
}

fn prune_jobs(engine: &mut Engine, cron_job: &Object, jobs: &[Object]) {
    for (condition, limit) in [
        ("Complete", int(cron_job, "/spec/successfulJobsHistoryLimit").unwrap_or(3)),
        ("Failed", int(cron_job, "/spec/failedJobsHistoryLimit").unwrap_or(1)),
    ] {
        let mut over: Vec<&Object> =
            jobs.iter().filter(|j| object::condition_is(j, condition, "True")).collect();
        over.sort_by_key(|j| text(j, "/metadata/creationTimestamp").to_owned());
        let extra = over.len().saturating_sub(limit.max(0).unsigned_abs() as usize);
        for job in &over[..extra] {
            let _ = engine.store.delete(
                "jobs.batch",
                object::namespace(job),
                object::name(job),
                DeleteOptions::default(),
            );
        }
    }
}
