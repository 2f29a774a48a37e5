//! Suspend: a CronJob starts no more jobs, a Job's pods go until it is resumed.

use serde_json::json;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::{Change, merged};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, STRATEGIC, patch};
use crate::remedy::{kubectl, seen};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Suspend",
    about: "hold a CronJob or Job; --undo lets it go on",
    kinds: &[Kind::CronJob, Kind::Job],
    options: &[Spec::flag("undo", "back to how it was before")],
    rights: &[Right::on_target("patch")],
    causes: &[("cronjob.", 2)],
    kubectl,
    ..Action::new("suspend", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let body = format!("{{\"spec\":{{\"suspend\":{}}}}}", !params.contains_key("undo"));
    format!("kubectl patch {} -p '{body}'", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let wanted = !params.contains_key("undo");
    Ok(Box::pin(async move {
        let word = if wanted { "suspended" } else { "resumed" };
        let object = cx.target(&target).await?;
        if (object["spec"]["suspend"].as_bool() == Some(true)) == wanted {
            return Ok(Done::Verified(format!("{target} is already {word}; nothing was sent")));
        }
        let active = match &object["status"]["active"] {
            serde_json::Value::Array(jobs) => jobs.len() as u64,
            n => n.as_u64().unwrap_or(0),
        };
        let mut typed = None;
        match (&target.kind, wanted) {
            (Kind::CronJob, true) => {
                cx.impact("no job is started any more", Severity::Warning, "until it is resumed");
                if active > 0 {
                    let detail = "suspend the job itself to stop it";
                    cx.impact(format!("{active} running jobs go on"), Severity::Info, detail);
                }
            }
            (Kind::CronJob, false) => {
                // Without a deadline the controller makes up for the newest missed time (captured: resume-cronjob-missed).
                let deadline = object["spec"]["startingDeadlineSeconds"].as_u64();
                let detail = match deadline {
                    None => "a time that was missed meanwhile is made up for at once, by one job".to_owned(),
                    Some(s) => {
                        format!("a time missed less than {s} s ago is made up for at once, by one job")
                    }
                };
                cx.impact("jobs are started again", Severity::Info, detail);
            }
            (_, true) if active > 0 => {
                typed = Some(target.name.clone());
                let detail =
                    "they lose their work since the last checkpoint; the job starts new ones when resumed";
                cx.impact(format!("{active} running pods are deleted"), Severity::Critical, detail);
            }
            (_, true) => cx.impact("the job starts no pods", Severity::Info, "until it is resumed"),
            (_, false) => cx.impact("the job starts its pods", Severity::Info, "its deadline counts anew"),
        }
        let body = json!({"spec": {"suspend": wanted}});
        let change = Change {
            target: &target,
            object: &object,
            after: merged(&object, &body),
            call: patch(&target, STRATEGIC, cx.pinned(body)),
            question: format!("{} {target}?", if wanted { "Suspend" } else { "Resume" }),
            typed,
        };
        change.carry_out(&cx).await?;
        seen::read_back(&cx, &target, format!("{target} is {word}"), move |o| {
            (o["spec"]["suspend"].as_bool() == Some(true)) == wanted
        })
        .await
    }))
}
