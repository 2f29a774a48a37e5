//! A session in a container: which container, whether it runs, and how the session ended.

use serde_json::Value;

use super::cx::Cx;
use super::run::{Done, Ended, Params, Stop, Terminal};
use crate::world::ObjectRef;
use crate::world::ask::Interactive;

/// The annotation by which a pod names the container that is meant.
const DEFAULT: &str = "kubectl.kubernetes.io/default-container";

/// Opens a session; an empty command attaches to the main process.
pub(super) async fn open(
    cx: &Cx,
    target: &ObjectRef,
    params: &Params,
    command: Vec<String>,
) -> Result<Done, Stop> {
    let pod = cx.target(target).await?;
    let container = container(target, &pod, params)?;
    running(cx, target, &pod, &container).await?;
    cx.guards().await?;
    cx.cleared()?;
    cx.begin().await?;
    let attached = command.is_empty();
    let ask = Interactive {
        namespace: target.namespace.clone(),
        pod: target.name.clone(),
        container: container.as_str().into(),
        command,
        terminal: cx.options().terminal,
    };
    match cx.terminal(Terminal::Session(ask)).await? {
        Ended::Exit(code) => {
            cx.exited(code);
            let what = if attached { "the main process ended" } else { "the session ended" };
            Ok(Done::Verified(format!("{what} with exit status {code}")))
        }
        Ended::Text { .. } => Err(Stop::Failed("the session was answered with a text".to_owned())),
    }
}

/// As kubectl chooses: the named one, the annotated one, the first.
pub(super) fn container(target: &ObjectRef, pod: &Value, params: &Params) -> Result<String, Stop> {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let all: Vec<&str> = lists
        .iter()
        .flat_map(|list| pod["spec"][*list].as_array().into_iter().flatten())
        .filter_map(|c| c["name"].as_str())
        .collect();
    let annotated = pod["metadata"]["annotations"][DEFAULT].as_str().filter(|name| all.contains(name));
    match params.get("container").map(String::as_str) {
        Some(name) if all.contains(&name) => Ok(name.to_owned()),
        Some(name) => {
            Err(Stop::Refused(format!("{target} has no container {name}; it has {}", all.join(", "))))
        }
        None => match annotated.or(all.first().copied()) {
            Some(name) => Ok(name.to_owned()),
            None => Err(Stop::Refused(format!("{target} has no container"))),
        },
    }
}

/// Refuses where nothing can be opened: said at once, instead of after a time-out.
async fn running(cx: &Cx, target: &ObjectRef, pod: &Value, container: &str) -> Result<(), Stop> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let status = lists
        .iter()
        .flat_map(|list| pod["status"][*list].as_array().into_iter().flatten())
        .find(|s| s["name"] == container);
    let state = status.map(|s| &s["state"]).unwrap_or(&Value::Null);
    let (runs, why) = match (&state["running"], &state["waiting"], &state["terminated"]) {
        (Value::Object(_), ..) => (true, format!("{container} runs")),
        (_, Value::Object(w), _) => {
            let reason = w.get("reason").and_then(Value::as_str).unwrap_or("no reason");
            (false, format!("{container} does not run: {reason}; debug works beside it"))
        }
        (.., Value::Object(t)) => {
            let reason = t.get("reason").and_then(Value::as_str).unwrap_or("no reason");
            (false, format!("{container} ended: {reason}"))
        }
        _ => (false, format!("{container} has not been started")),
    };
    cx.guard("the container runs", runs, why);
    silent(cx, pod["spec"]["nodeName"].as_str().unwrap_or(""), target).await
}

/// Says where the node of the object does not answer.
pub(super) async fn silent(cx: &Cx, node: &str, target: &ObjectRef) -> Result<(), Stop> {
    let (node, of) = (node.to_owned(), target.clone());
    let silent = cx
        .look(move |world, _| {
            let ready =
                world.nodes.find("", &node).and_then(|n| crate::world::condition(&n.conditions, "Ready"));
            ready.filter(|c| c.status != crate::world::Status::True).map(|c| (node, c.reason.to_string()))
        })
        .await?;
    if let Some((node, reason)) = silent {
        let detail = format!("{of} is on it: a session goes through its kubelet and will likely not open");
        cx.impact(format!("node {node} is not ready ({reason})"), super::plan::Severity::Warning, detail);
    }
    Ok(())
}
