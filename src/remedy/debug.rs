//! Tools beside what is broken: the image that has them, what they may do, and the session in them.

use std::time::Duration;

use serde_json::{Value, json};

use super::action::Spec;
use super::cx::Cx;
use super::kubectl;
use super::plan::{Severity, Stage};
use super::run::{Done, Ended, Params, Progress, Stop, Terminal};
use super::words;
use crate::world::ask::{Call, Interactive};
use crate::world::{ContainerState, ObjectRef};

pub(super) const COMMAND: Spec = Spec::words("command", "COMMAND", "run this instead of a shell (behind --)");
pub(super) const IMAGE: Spec =
    Spec::value("image", "IMAGE", "what has the tools (default: one that the node has already)");
pub(super) const PROFILE: Spec = Spec::value(
    "profile",
    "PROFILE",
    "what it may do, as with kubectl debug: general, netadmin, restricted or sysadmin",
);

/// Pulled where the node has no image with tools.
const FALLBACK: &str = "busybox:stable";

/// Repositories whose images have a shell and tools, the best first.
const TOOLS: &[&str] =
    &["netshoot", "toolbox", "debug-tools", "nettools", "busybox", "alpine", "debian", "ubuntu"];

/// The waiting reasons that do not pass by themselves.
pub(super) const STUCK: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "ErrImageNeverPull",
    "InvalidImageName",
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
];

/// How long a debug container may take to start: mostly its image.
const START: Duration = Duration::from_secs(120);

/// The rights of a debug container, as `kubectl debug --profile`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Profile {
    General,
    NetAdmin,
    Restricted,
    SysAdmin,
}

impl Profile {
    /// # Errors
    /// A sentence with the names there are.
    pub fn parse(params: &Params) -> Result<Profile, String> {
        match params.get("profile").map_or("general", String::as_str) {
            "general" => Ok(Profile::General),
            "netadmin" => Ok(Profile::NetAdmin),
            "restricted" => Ok(Profile::Restricted),
            "sysadmin" => Ok(Profile::SysAdmin),
            other => Err(format!(
                "there is no profile {other:?}; there are general, netadmin, restricted and sysadmin"
            )),
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Profile::General => "general",
            Profile::NetAdmin => "netadmin",
            Profile::Restricted => "restricted",
            Profile::SysAdmin => "sysadmin",
        }
    }

    /// The security context of an ephemeral container, as captured of kubectl 1.36.
    pub fn in_pod(self) -> Value {
        match self {
            Profile::General => json!({"capabilities": {"add": ["SYS_PTRACE"]}}),
            Profile::NetAdmin => json!({"capabilities": {"add": ["NET_ADMIN", "NET_RAW"]}}),
            Profile::Restricted => json!({
                "capabilities": {"drop": ["ALL"]}, "runAsNonRoot": true, "allowPrivilegeEscalation": false,
                "seccompProfile": {"type": "RuntimeDefault"},
            }),
            Profile::SysAdmin => json!({"privileged": true}),
        }
    }

    /// Its rights beyond those of other containers, in words; empty where it has none.
    pub fn allowed(self) -> &'static str {
        match self {
            Profile::General => "it may trace the pod's processes (SYS_PTRACE)",
            Profile::NetAdmin => "it may change the pod's network (NET_ADMIN, NET_RAW)",
            Profile::Restricted => "",
            Profile::SysAdmin => "it is privileged: it may do on the node whatever root may",
        }
    }
}

/// The words of a command as typed behind `--`; empty for a shell.
///
/// # Errors
/// A sentence: quotes that do not close.
pub(super) fn command(params: &Params) -> Result<Vec<String>, String> {
    params.get("command").map_or(Ok(Vec::new()), |line| words::split(line))
}

/// Refuses a shell where nobody can type.
pub(super) fn needs_terminal(cx: &Cx, command: &[String]) {
    if command.is_empty() && !cx.options().terminal {
        let why = "a shell needs a terminal; without one give a command behind --";
        cx.guard("there is a terminal", false, why);
    }
}

/// The `kubectl debug` command; an image that is not chosen yet is `IMAGE`.
pub(super) fn kubectl(
    object: &str,
    image: Option<&str>,
    params: &Params,
    flags: &str,
    command: &[&str],
) -> String {
    let image = image.or_else(|| params.get("image").map(String::as_str)).unwrap_or("IMAGE");
    let profile = params.get("profile").map_or("general", String::as_str);
    let words: Vec<_> = command.iter().map(|word| kubectl::quoted(word)).collect();
    let words = if words.is_empty() { String::new() } else { format!(" -- {}", words.join(" ")) };
    let (image, profile) = (kubectl::quoted(image), kubectl::quoted(profile));
    format!("kubectl debug -it {object} --image={image} --profile={profile}{flags}{words}")
}

/// The image with the tools, and says in the plan whether the node has it.
///
/// `node`: the Node object; null where it could not be read.
pub(super) fn image(cx: &Cx, node: &Value, params: &Params) -> String {
    let there = images(node);
    let image = match params.get("image") {
        Some(image) => image.clone(),
        None => with_tools(&there).unwrap_or(FALLBACK).to_owned(),
    };
    let at = node["metadata"]["name"].as_str().unwrap_or("the node");
    // A node lists its 50 largest images only.
    match there.iter().any(|name| same_image(name, &image)) {
        true => cx.impact(format!("{at} has image {image} already"), Severity::Info, "nothing is pulled"),
        false => cx.impact(
            format!("{at} may have to pull image {image}"),
            Severity::Warning,
            "where its registry cannot be reached the container does not start; choose another with --image",
        ),
    }
    image
}

fn images(node: &Value) -> Vec<&str> {
    let all = node["status"]["images"].as_array().into_iter().flatten();
    all.flat_map(|i| i["names"].as_array().into_iter().flatten()).filter_map(Value::as_str).collect()
}

/// An image with tools that the node has already, else one that has to be pulled.
pub(super) fn image_of(node: &Value) -> &str {
    with_tools(&images(node)).unwrap_or(FALLBACK)
}

/// The best of a node's images that is known to have tools. One without a tag is known by its digest only.
fn with_tools<'i>(there: &[&'i str]) -> Option<&'i str> {
    let repository = |name: &str| {
        let last = name.rsplit('/').next().unwrap_or(name);
        last.split([':', '@']).next().unwrap_or(last).to_owned()
    };
    TOOLS
        .iter()
        .find_map(|tool| there.iter().copied().find(|name| !name.contains('@') && repository(name) == *tool))
}

/// Whether a node's name of an image is the one asked for, where Docker Hub's prefix may be left out.
fn same_image(name: &str, asked: &str) -> bool {
    let plain = |s: &str| {
        let s = s.strip_prefix("docker.io/").unwrap_or(s);
        s.strip_prefix("library/").unwrap_or(s).to_owned()
    };
    plain(name) == plain(asked)
}

/// Where a debug container runs.
pub(super) struct Place {
    pub pod: ObjectRef,
    pub container: String,
}

impl Place {
    /// Waits until the container runs, gives it the terminal, and says how it ended. A command that was over before
    /// is read from its log.
    pub async fn session(&self, cx: &Cx, command: &[String]) -> Result<Done, Stop> {
        // A short command may be over before it is seen to run, or before the terminal gets to it.
        let attached = match self.started(cx).await? {
            true => self.attach(cx).await.map(|()| true),
            false => Ok(false),
        };
        let soon = Some(cx.now().plus(Duration::from_secs(10)));
        let code = self.until(cx, soon, ended).await?;
        match (attached, code) {
            (Ok(true), _) | (Ok(false), None) => {}
            (Ok(false) | Err(Stop::Failed(_)), Some(_)) => self.log(cx).await?,
            (Err(stop), _) => return Err(stop),
        }
        let what = if command.is_empty() { "the session" } else { "the command" };
        // Attach has no exit status: the container has.
        Ok(match code {
            Some(code) => {
                cx.exited(code);
                Done::Verified(format!("{what} ended with exit status {code}"))
            }
            None => Done::Applied(format!("the terminal was left; container {} still runs", self.container)),
        })
    }

    async fn attach(&self, cx: &Cx) -> Result<(), Stop> {
        let ask = Interactive {
            namespace: self.pod.namespace.clone(),
            pod: self.pod.name.clone(),
            container: self.container.as_str().into(),
            command: Vec::new(),
            terminal: cx.options().terminal,
        };
        match cx.terminal(Terminal::Session(ask)).await? {
            Ended::Exit(_) => Ok(()),
            Ended::Text { .. } => Err(Stop::Failed("the session was answered with a text".to_owned())),
        }
    }

    /// Whether it runs; false where it is over already.
    async fn started(&self, cx: &Cx) -> Result<bool, Stop> {
        cx.stage(Stage::Watching);
        let wait = cx.options().timeout.unwrap_or(START);
        let line = format!("container {} starts", self.container);
        cx.progress(Progress { line, ..Progress::default() });
        let state = self
            .until(cx, Some(cx.now().plus(wait)), |state| match state {
                ContainerState::Running { .. } => Some(Ok(true)),
                ContainerState::Terminated(_) => Some(Ok(false)),
                ContainerState::Waiting { reason, message } if STUCK.contains(&&**reason) => {
                    Some(Err(format!("{reason}: {message}")))
                }
                ContainerState::Waiting { .. } | ContainerState::None => None,
            })
            .await?;
        match state {
            Some(Ok(runs)) => Ok(runs),
            Some(Err(why)) => {
                Err(Stop::Failed(format!("container {} does not start: {why}", self.container)))
            }
            None => Err(Stop::Failed(format!(
                "container {} has not started after {} s",
                self.container,
                wait.as_secs()
            ))),
        }
    }

    async fn until<T: Send + 'static>(
        &self,
        cx: &Cx,
        within: Option<crate::world::Time>,
        look: impl Fn(&ContainerState) -> Option<T> + Send + 'static,
    ) -> Result<Option<T>, Stop> {
        let (pod, name) = (self.pod.clone(), self.container.clone());
        cx.until(within, move |world, _| {
            let pod = world.pods.find(&pod.namespace, &pod.name)?;
            let container = pod.containers.iter().find(|c| *c.spec.name == *name)?;
            look(&container.state)
        })
        .await
    }

    /// Shows what the container printed.
    async fn log(&self, cx: &Cx) -> Result<(), Stop> {
        let path = format!("{}/log?container={}", self.pod.path(), self.container);
        let answer = cx.call(Call::get(path)).await?;
        let text = match (&answer.body, answer.ok()) {
            (Value::String(text), true) => text.clone(),
            (Value::Null, true) => String::new(),
            (other, true) => other.to_string(),
            (_, false) => {
                return Err(Stop::Failed(format!("its log could not be read: {}", answer.message())));
            }
        };
        cx.shown(text.clone(), json!({"log": text}));
        Ok(())
    }
}

fn ended(state: &ContainerState) -> Option<i32> {
    match state {
        ContainerState::Terminated(end) => Some(end.exit_code),
        _ => None,
    }
}

/// The Node object; null where it may not be read.
pub(super) async fn node(cx: &Cx, name: &str) -> Result<Value, Stop> {
    let path = ObjectRef::new(crate::world::Kind::Node, "", name).path();
    let answer = cx.call(Call::get(path)).await?;
    Ok(if answer.ok() { answer.body } else { Value::Null })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_image_that_the_node_has_is_chosen() {
        let there = [
            "docker.io/library/jvm:1",
            "docker.io/library/busybox@sha256:0f",
            "docker.io/library/busybox:1",
            "localhost/busybox:1",
        ];
        assert_eq!(with_tools(&there), Some("docker.io/library/busybox:1"));
        assert_eq!(
            with_tools(&[&there[..], &["docker.io/nicolaka/netshoot:v0.13"]].concat()),
            Some("docker.io/nicolaka/netshoot:v0.13")
        );
        assert_eq!(with_tools(&["registry.local/busybox-less:1", "registry.local/api:v2"]), None);
        assert!(same_image("docker.io/library/busybox:1", "busybox:1"));
        assert!(!same_image("docker.io/library/busybox:1", "busybox:2"));
    }
}
