//! Debug: a container with tools beside those of a pod, for an image without a shell or one that crashes.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::debug::{self, COMMAND, IMAGE, PROFILE, Place, Profile};
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params, STRATEGIC, Stop, patch};
use crate::remedy::{access, diff, kubectl};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Debug",
    about: "a container with tools beside a pod's containers",
    kinds: &[Kind::Pod],
    options: &[
        COMMAND,
        Spec::value("container", "NAME", "whose processes it sees (default: the first that runs)").short('c'),
        IMAGE,
        PROFILE,
        Spec::value("user", "UID", "the user that it runs as: a JVM answers only its own"),
    ],
    rights: &[Right::on_target("patch").sub("ephemeralcontainers"), Right::on_target("create").sub("attach")],
    sequential: true,
    kubectl,
    ..Action::new("debug", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    same(target, params, None, params.get("container").map(String::as_str))
}

/// The kubectl command that does the same; `beside`: the container whose processes it sees.
fn same(target: &ObjectRef, params: &Params, image: Option<&str>, beside: Option<&str>) -> String {
    let beside = beside.map_or_else(String::new, |name| format!(" --target={}", kubectl::quoted(name)));
    let command = debug::command(params).unwrap_or_default();
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    debug::kubectl(&kubectl::object(target), image, params, &beside, &command)
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let command = debug::command(&params)?;
    let profile = Profile::parse(&params)?;
    let user = params.get("user").map(|uid| match uid.parse::<u32>() {
        Ok(uid) => Ok(uid),
        Err(_) => Err(format!("{uid:?} is not a user's number; write --user 1000")),
    });
    let user = user.transpose()?;
    Ok(Box::pin(async move {
        let pod = cx.target(&target).await?;
        debug::needs_terminal(&cx, &command);
        let node = pod["spec"]["nodeName"].as_str().unwrap_or("");
        if let Some(why) = closed(&pod) {
            cx.guard("a container can be added", false, why);
        }
        access::silent(&cx, node, &target).await?;
        let image = debug::image(&cx, &debug::node(&cx, node).await?, &params);
        let beside = beside(&cx, &target, &pod, &params)?;
        cx.kubectl(same(&target, &params, Some(&image), beside.as_deref()));
        if !profile.allowed().is_empty() {
            cx.impact(profile.allowed(), Severity::Warning, format!("profile {}", profile.name()));
        }
        cx.impact(
            "it stays in the pod's list of containers",
            Severity::Warning,
            "it ends with the session and is not started again; the entry goes when the pod is replaced",
        );
        let name = free_name(&pod);
        let mut context = profile.in_pod();
        if let Some(uid) = user {
            context["runAsUser"] = json!(uid);
        }
        let mut container = json!({
            "name": name, "image": image, "stdin": true, "stdinOnce": true, "tty": cx.options().terminal,
            "securityContext": context, "terminationMessagePolicy": "File",
        });
        if !command.is_empty() {
            container["command"] = json!(command);
        }
        if let Some(beside) = beside {
            container["targetContainerName"] = json!(beside);
        }
        cx.change(
            target.clone(),
            diff::unified(&Value::Null, &json!({"spec": {"ephemeralContainers": [container]}})),
        );
        cx.guards().await?;
        cx.cleared()?;
        let mut call =
            patch(&target, STRATEGIC, cx.pinned(json!({"spec": {"ephemeralContainers": [container]}})));
        call.path.push_str("/ephemeralcontainers");
        cx.dry_run(&call).await?;
        cx.confirm(format!("Start a debug container in {target}?"), None).await?;
        cx.apply(call).await?;
        Place { pod: target, container: name }.session(&cx, &command).await
    }))
}

/// Why nothing can be added to the pod, where that is so.
fn closed(pod: &Value) -> Option<&'static str> {
    if !pod["metadata"]["annotations"]["kubernetes.io/config.mirror"].is_null() {
        return Some("the node's kubelet runs this pod from a file: open a shell on the node instead");
    }
    if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
        return Some("the pod has no node yet: nothing of it can run");
    }
    let over = matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    over.then_some("the pod has ended: nothing starts in it any more")
}

/// The container whose processes it shares: only one that runs can be joined.
fn beside(cx: &Cx, target: &ObjectRef, pod: &Value, params: &Params) -> Result<Option<String>, Stop> {
    let statuses = ["containerStatuses", "initContainerStatuses"];
    let all = statuses.iter().flat_map(|list| pod["status"][*list].as_array().into_iter().flatten());
    let running: Vec<&str> =
        all.filter(|s| s["state"]["running"].is_object()).filter_map(|s| s["name"].as_str()).collect();
    let wanted = match params.contains_key("container") {
        true => Some(access::container(target, pod, params)?),
        false => running.first().map(|name| (*name).to_owned()),
    };
    match wanted {
        Some(name) if running.contains(&name.as_str()) => {
            let detail = format!("it joins the process namespace of container {name}");
            cx.impact("it sees the program's processes and the pod's network", Severity::Info, detail);
            Ok(Some(name))
        }
        Some(name) => {
            cx.guard(
                "the container runs",
                false,
                format!("{name} does not run: leave -c away to go beside it"),
            );
            Ok(None)
        }
        None => {
            let detail = "no container of the pod runs now; ps shows only its own";
            cx.impact("it sees the pod's network and no processes", Severity::Info, detail);
            Ok(None)
        }
    }
}

/// `debugger-1`, or the next number that no container of the pod has.
fn free_name(pod: &Value) -> String {
    let lists = ["containers", "initContainers", "ephemeralContainers"];
    let taken = |name: &str| {
        lists.iter().flat_map(|l| pod["spec"][*l].as_array().into_iter().flatten()).any(|c| c["name"] == name)
    };
    let mut n = 1;
    loop {
        let name = format!("debugger-{n}");
        if !taken(&name) {
            return name;
        }
        n += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_debugger_has_a_name_of_its_own() {
        let pod = json!({"spec": {
            "containers": [{"name": "app"}],
            "ephemeralContainers": [{"name": "debugger-1"}, {"name": "debugger-3"}],
        }});
        assert_eq!(free_name(&pod), "debugger-2");
        assert_eq!(free_name(&json!({})), "debugger-1");
    }
}
