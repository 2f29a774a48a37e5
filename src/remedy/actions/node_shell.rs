//! Node shell: a pod on the node that sees its processes, its network and its files, and goes with the session.

use serde_json::{Value, json};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::debug::{self, COMMAND, IMAGE, PROFILE, Place, Profile};
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, Stop, post};
use crate::remedy::{access, diff, jobs, kubectl};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Node shell",
    about: "a terminal on a node, in a pod that goes with it",
    kinds: &[Kind::Node],
    options: &[
        COMMAND,
        IMAGE,
        PROFILE,
        Spec::flag("chroot", "in the node's own file system, with the node's programs"),
        Spec::value("in", "NAMESPACE", "where its pod is made (default: default)"),
    ],
    rights: &[
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "" },
        Right { verb: "create", kind: Some(&Kind::Pod), subresource: "attach" },
        Right { verb: "delete", kind: Some(&Kind::Pod), subresource: "" },
    ],
    sequential: true,
    kubectl,
    ..Action::new("node-shell", start)
};

/// The kubelet ends the pod after this long, also where khud could not: seconds.
const DEADLINE: u32 = 4 * 3600;

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    same(target, params, None)
}

fn same(target: &ObjectRef, params: &Params, image: Option<&str>) -> String {
    let namespace = params.get("in").map_or_else(String::new, |n| format!(" -n {}", kubectl::quoted(n)));
    let words = words(params).unwrap_or_default();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    debug::kubectl(&format!("node/{}", target.name), image, params, &namespace, &words)
}

/// The container's command: as typed, in the node's file system where that is wanted; empty for a shell.
fn words(params: &Params) -> Result<Vec<String>, String> {
    let typed = debug::command(params)?;
    if !params.contains_key("chroot") {
        return Ok(typed);
    }
    let shell = typed.is_empty().then(|| "sh".to_owned());
    Ok(["chroot", "/host"].into_iter().map(str::to_owned).chain(typed).chain(shell).collect())
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let (typed, command) = (debug::command(&params)?, words(&params)?);
    let profile = Profile::parse(&params)?;
    Ok(Box::pin(async move {
        let node = cx.target(&target).await?;
        debug::needs_terminal(&cx, &typed);
        access::silent(&cx, &target.name, &target).await?;
        let image = debug::image(&cx, &node, &params);
        cx.kubectl(same(&target, &params, Some(&image)));
        cx.impact(
            "root on the node",
            Severity::Warning,
            "it sees all processes, the network and, in /host, every file of the node, and may write there",
        );
        if profile == Profile::SysAdmin {
            cx.impact(profile.allowed(), Severity::Warning, format!("profile {}", profile.name()));
        }
        let namespace = params.get("in").map_or("default", String::as_str);
        let pod = ObjectRef::new(Kind::Pod, namespace, jobs::name(&target.name, "shell", cx.now().seconds()));
        cx.impact(
            format!("{pod} is made and goes with the session"),
            Severity::Info,
            format!("where khud cannot remove it, its kubelet ends it after {} hours", DEADLINE / 3600),
        );
        let object = pod_on(&target, &pod, &image, profile, &command, cx.options().terminal);
        cx.change(pod.clone(), diff::unified(&Value::Null, &diff::essence(&object)));
        cx.guards().await?;
        cx.cleared()?;
        let call = post(&Kind::Pod, namespace, object);
        cx.dry_run(&call).await?;
        cx.confirm(format!("Open a shell on {target}?"), None).await?;
        let made = cx.apply(call).await?;
        let place = Place { pod: pod.clone(), container: "shell".to_owned() };
        let left = place.session(&cx, &typed).await;
        let removed = remove(&cx.stubborn(), &pod, made["metadata"]["uid"].as_str().unwrap_or("")).await;
        match (left, removed) {
            (result, Ok(())) => result,
            (Ok(Done::Verified(text) | Done::Applied(text)), Err(why)) => {
                Ok(Done::Applied(format!("{text}; {why}")))
            }
            (Err(Stop::Failed(text)), Err(why)) => Err(Stop::Failed(format!("{text}; {why}"))),
            (stopped, Err(_)) => stopped,
        }
    }))
}

/// As `kubectl debug node/` makes it, with a deadline, limits and a name for what it is.
fn pod_on(
    node: &ObjectRef,
    pod: &ObjectRef,
    image: &str,
    profile: Profile,
    command: &[String],
    terminal: bool,
) -> Value {
    let mut container = json!({
        "name": "shell", "image": image, "stdin": true, "stdinOnce": true, "tty": terminal,
        "terminationMessagePolicy": "File",
        "resources": {"limits": {"cpu": "500m", "memory": "256Mi"}, "requests": {"cpu": "0", "memory": "0"}},
        "volumeMounts": [{"name": "host-root", "mountPath": "/host"}],
    });
    // Beside a node only this one adds something: root sees the processes and the network anyway.
    let context = match profile {
        Profile::General => Value::Null,
        other => other.in_pod(),
    };
    if !context.is_null() {
        container["securityContext"] = context;
    }
    if !command.is_empty() {
        container["command"] = json!(command);
    }
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": &*pod.name, "namespace": &*pod.namespace,
            "labels": {"app.kubernetes.io/managed-by": "khud"},
        },
        "spec": {
            "nodeName": &*node.name, "hostNetwork": true, "hostPID": true, "hostIPC": true,
            "restartPolicy": "Never", "activeDeadlineSeconds": DEADLINE, "terminationGracePeriodSeconds": 1,
            "automountServiceAccountToken": false,
            "tolerations": [{"operator": "Exists"}],
            "volumes": [{"name": "host-root", "hostPath": {"path": "/"}}],
            "containers": [container],
        },
    })
}

/// Deletes the pod that was made, whatever became of the session.
async fn remove(cx: &Cx, pod: &ObjectRef, uid: &str) -> Result<(), String> {
    let call = Call {
        verb: Verb::Delete,
        path: pod.path(),
        content_type: "application/json".into(),
        body: Some(json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": uid}})),
    };
    let kept = |why: String| {
        format!("{pod} could not be removed ({why}); its kubelet ends it within {} hours", DEADLINE / 3600)
    };
    match cx.send(call, false).await {
        Ok(answer) if answer.ok() || answer.status == 404 => Ok(()),
        Ok(answer) => Err(kept(answer.message())),
        Err(Stop::Failed(why) | Stop::Refused(why)) => Err(kept(why)),
        Err(_) => Err(kept("khud was stopped".to_owned())),
    }
}
