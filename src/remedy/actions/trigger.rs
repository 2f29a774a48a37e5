//! Trigger: one job of a CronJob now, as `kubectl create job --from`.

use serde_json::json;

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::jobs;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Trigger",
    about: "start one job of a CronJob now",
    kinds: &[Kind::CronJob],
    rights: &[Right { verb: "create", kind: Some(&Kind::Job), subresource: "" }],
    causes: &[("cronjob.", 1)],
    kubectl,
    ..Action::new("trigger", start)
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    let (name, namespace) = (&target.name, &target.namespace);
    format!("kubectl create job {name}-manual --from=cronjob/{name} -n {namespace}")
}

fn start(cx: Cx, target: ObjectRef, _: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let running = object["status"]["active"].as_array().map_or(0, Vec::len);
        if running > 0 {
            let policy = object["spec"]["concurrencyPolicy"].as_str().unwrap_or("Allow");
            let detail = format!("concurrencyPolicy {policy} does not hold for a job started by hand");
            cx.impact(format!("{running} of its jobs run already"), Severity::Warning, detail);
        }
        if object["spec"]["suspend"] == true {
            cx.impact("the CronJob is suspended", Severity::Info, "this job runs nevertheless");
        }
        let template = &object["spec"]["jobTemplate"];
        let mut metadata = json!({
            "annotations": template["metadata"]["annotations"],
            "labels": template["metadata"]["labels"],
            // As kubectl writes it: the CronJob's history limits remove the job.
            "ownerReferences": [{"apiVersion": "batch/v1", "kind": "CronJob", "name": &*target.name,
                "uid": object["metadata"]["uid"], "controller": true}],
        });
        if !metadata["annotations"].is_object() {
            metadata["annotations"] = json!({});
        }
        metadata["annotations"]["cronjob.kubernetes.io/instantiate"] = json!("manual");
        jobs::create(&cx, &target, "manual", metadata, template["spec"].clone()).await
    }))
}
