//! Retry: a finished job once more, as a new job with the same template.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::jobs;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params, Stop};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Retry",
    about: "run a finished job once more, as a new job",
    kinds: &[Kind::Job],
    rights: &[Right { verb: "create", kind: Some(&Kind::Job), subresource: "" }],
    causes: &[("job.", 1)],
    kubectl,
    ..Action::new("retry", start)
};

/// kubectl has no such command.
fn kubectl(_: &ObjectRef, _: &Params) -> String {
    String::new()
}

/// Labels that the job controller makes of the job's own name and uid.
const OWN: &[&str] =
    &["controller-uid", "job-name", "batch.kubernetes.io/controller-uid", "batch.kubernetes.io/job-name"];

fn without(labels: &Value) -> Value {
    let mut left = labels.clone();
    if let Some(map) = left.as_object_mut() {
        map.retain(|key, _| !OWN.contains(&key.as_str()));
    }
    left
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let ended = conditions
            .filter(|c| c["status"] == "True")
            .find(|c| matches!(c["type"].as_str(), Some("Failed" | "Complete")));
        let Some(ended) = ended else {
            return Err(Stop::Refused(format!("{target} has not ended; a second one would run beside it")));
        };
        let why = ended["message"].as_str().or(ended["reason"].as_str()).unwrap_or("");
        let how = if ended["type"] == "Failed" { "failed" } else { "succeeded" };
        cx.impact(format!("{target} {how} and stays as it is"), Severity::Info, why.to_owned());
        let same = "the new job runs the same template: what made this one fail may do so again";
        cx.impact("nothing of the job is changed", Severity::Warning, same);
        let mut spec = object["spec"].clone();
        if let Some(fields) = spec.as_object_mut() {
            // They are of the old job's uid; the server makes them anew.
            fields.retain(|key, _| !["selector", "manualSelector", "suspend"].contains(&key.as_str()));
        }
        spec["template"]["metadata"]["labels"] = without(&spec["template"]["metadata"]["labels"]);
        let metadata = json!({"labels": without(&object["metadata"]["labels"])});
        jobs::create(&cx, &target, "retry", metadata, spec).await
    }))
}
