//! Guards: how carefully a Deployment rolls out; an audit of it, and the patch.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::change::{Change, merged};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, STRATEGIC, patch};
use crate::remedy::{kubectl, seen};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Rollout guards",
    about: "how many pods may be missing, and when a rollout fails",
    kinds: &[Kind::Deployment],
    options: &[
        Spec::value("max-unavailable", "N|%", "pods that may be missing during a rollout").asked(),
        Spec::value("min-ready", "SECONDS", "how long a new pod has to be ready").asked(),
        Spec::value("progress-deadline", "SECONDS", "after which a rollout counts as failed").asked(),
    ],
    rights: &[Right::on_target("patch")],
    kubectl,
    ..Action::new("guards", start)
};

fn body(params: &Params) -> Result<Value, String> {
    let mut spec = json!({});
    if let Some(text) = params.get("max-unavailable") {
        let number = text.strip_suffix('%').unwrap_or(text);
        let n: u32 = number
            .parse()
            .map_err(|_| format!("--max-unavailable {text:?} is neither a number nor a percentage"))?;
        let value = if text.ends_with('%') { json!(text) } else { json!(n) };
        spec["strategy"] = json!({"rollingUpdate": {"maxUnavailable": value}});
    }
    for (option, field) in
        [("min-ready", "minReadySeconds"), ("progress-deadline", "progressDeadlineSeconds")]
    {
        if let Some(text) = params.get(option) {
            let n: u32 =
                text.parse().map_err(|_| format!("--{option} {text:?} is not a number of seconds"))?;
            spec[field] = json!(n);
        }
    }
    if spec == json!({}) {
        return Err("guards needs --max-unavailable, --min-ready or --progress-deadline".to_owned());
    }
    Ok(json!({"spec": spec}))
}

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let body = body(params).map(|b| b.to_string()).unwrap_or_default();
    format!("kubectl patch {} -p {}", kubectl::object(target), kubectl::quoted(&body))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let body = body(&params)?;
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let after = merged(&object, &body);
        if after["spec"] == object["spec"] {
            return Ok(Done::Verified(format!("{target} is so already; nothing was sent")));
        }
        let spec = &after["spec"];
        let rolling = &spec["strategy"]["rollingUpdate"];
        if spec["strategy"]["type"] == "Recreate" {
            cx.impact(
                "all pods go at once",
                Severity::Critical,
                "its strategy is Recreate: maxUnavailable does not apply",
            );
        } else {
            let replicas = spec["replicas"].as_u64().unwrap_or(1);
            let missing = match &rolling["maxUnavailable"] {
                // Percentages of maxUnavailable are rounded down (deploymentutil.ResolveFenceposts).
                Value::String(text) => {
                    text.trim_end_matches('%').parse::<u64>().map_or(0, |p| replicas * p / 100)
                }
                n => n.as_u64().unwrap_or(0),
            };
            let severity =
                if missing >= replicas && replicas > 0 { Severity::Critical } else { Severity::Info };
            cx.impact(
                format!("during a rollout {} of {replicas} pods may be missing", missing.min(replicas)),
                severity,
                format!("maxUnavailable {}", rolling["maxUnavailable"]),
            );
        }
        let n = |field: &str, default: u64| spec[field].as_u64().unwrap_or(default);
        let (ready, deadline) = (n("minReadySeconds", 0), n("progressDeadlineSeconds", 600));
        if ready == 0 {
            let detail =
                "a pod that dies a second after its first answer lets the rollout go on: set --min-ready";
            cx.impact("minReadySeconds 0", Severity::Warning, detail);
        }
        cx.guard(
            "deadline above minReadySeconds",
            deadline > ready,
            format!("progressDeadlineSeconds {deadline}, minReadySeconds {ready}"),
        );
        let wanted = spec.clone();
        let change = Change {
            target: &target,
            object: &object,
            after: after.clone(),
            call: patch(&target, STRATEGIC, cx.pinned(body)),
            question: format!("Change the rollout guards of {target}?"),
            typed: None,
        };
        change.carry_out(&cx).await?;
        let fields = ["strategy", "minReadySeconds", "progressDeadlineSeconds"];
        seen::read_back(&cx, &target, format!("{target} has the new guards"), move |o| {
            fields.iter().all(|f| o["spec"][*f] == wanted[*f])
        })
        .await
    }))
}
