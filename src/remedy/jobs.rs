//! New jobs: made from a CronJob or from a job that ended, and followed to their end.

use serde_json::{Value, json};

use super::cx::Cx;
use super::diff;
use super::plan::Stage;
use super::run::{Done, Progress, Stop, post};
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef, Status, condition};

/// Longest name of a job: its pods carry it as a label.
const LONGEST: usize = 63;

/// How long a new job is followed, seconds. A job that runs on is no failure.
const FOLLOWED: u64 = 300;

/// `report-manual-28fk3a`: the name of the origin, why it was made, and when in base 36.
pub(super) fn name(origin: &str, why: &str, seconds: i64) -> String {
    let mut at = String::new();
    let mut n = u64::try_from(seconds).unwrap_or(0);
    while n > 0 {
        at.insert(0, char::from_digit((n % 36) as u32, 36).unwrap_or('0'));
        n /= 36;
    }
    let tail = format!("-{why}-{at}");
    let head: String = origin.chars().take(LONGEST - tail.len()).collect();
    format!("{}{tail}", head.trim_end_matches(['-', '.']))
}

/// Plans, asks for and makes a job, and follows it until it ended.
pub(super) async fn create(
    cx: &Cx,
    origin: &ObjectRef,
    why: &str,
    mut metadata: Value,
    spec: Value,
) -> Result<Done, Stop> {
    let job =
        ObjectRef::new(Kind::Job, origin.namespace.clone(), name(&origin.name, why, cx.now().seconds()));
    metadata["name"] = json!(&*job.name);
    metadata["namespace"] = json!(&*job.namespace);
    if let Some(fields) = metadata.as_object_mut() {
        fields.retain(|_, value| !value.is_null());
    }
    let object = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec});
    if why == "manual" {
        let (from, namespace) = (&origin.name, &job.namespace);
        cx.kubectl(format!("kubectl create job {} --from=cronjob/{from} -n {namespace}", job.name));
    }
    cx.change(job.clone(), diff::unified(&Value::Null, &diff::essence(&object)));
    cx.guards().await?;
    cx.cleared()?;
    let call = post(&Kind::Job, &job.namespace, object);
    cx.dry_run(&call).await?;
    cx.confirm(format!("Start {job}?"), None).await?;
    cx.apply(call).await?;
    follow(cx, &job).await
}

async fn follow(cx: &Cx, job: &ObjectRef) -> Result<Done, Stop> {
    cx.stage(Stage::Watching);
    let wait = cx.options().timeout.unwrap_or(std::time::Duration::from_secs(FOLLOWED));
    let until = cx.now().plus(wait);
    let (of, run) = (job.clone(), cx.clone());
    let ended = cx
        .until(Some(until), move |world, _| {
            let j = world.jobs.find(&of.namespace, &of.name)?;
            let line = format!(
                "{} of {} done, {} running, {} failed",
                j.succeeded, j.completions, j.active, j.failed
            );
            run.progress(Progress { line, ..Progress::default() });
            let is = |kind: &str| condition(&j.conditions, kind).filter(|c| c.status == Status::True);
            if is("Complete").is_some() {
                return Some(Ok(()));
            }
            is("Failed").map(|c| Err(c.message.to_string()))
        })
        .await?;
    match ended {
        Some(Ok(())) => Ok(Done::Verified(format!("{job} completed"))),
        Some(Err(why)) => Ok(Done::Applied(format!("{job} was started and failed: {why}"))),
        None => {
            let now = cx.call(Call::get(job.path())).await?;
            let active = now.body["status"]["active"].as_u64().unwrap_or(0);
            Ok(match active {
                0 => Done::Applied(format!("{job} was made, and runs no pod after {} s", wait.as_secs())),
                n => Done::Applied(format!("{job} still runs after {} s: {n} pods", wait.as_secs())),
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_is_named_after_its_origin_and_stays_short_enough() {
        assert_eq!(name("report", "manual", 1_700_000_000), "report-manual-s44we8");
        let long = name(&"x".repeat(90), "manual", 1_700_000_000);
        assert_eq!(long.len(), LONGEST);
        assert!(long.ends_with("-manual-s44we8"), "{long}");
    }
}
