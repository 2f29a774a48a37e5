//! Shell: a terminal in a container, or one command in it.

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::run::{Job, Params};
use crate::remedy::{access, kubectl, template, words};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Shell",
    about: "a terminal in a container, or one command there",
    kinds: &[Kind::Pod],
    options: &[
        Spec::words("command", "COMMAND", "run this instead of a shell (behind --)"),
        template::CONTAINER,
    ],
    rights: &[Right::on_target("create").sub("exec")],
    sequential: true,
    kubectl,
    ..Action::new("shell", start)
};

/// bash where the image has it, else sh.
const SHELL: &[&str] = &["sh", "-c", "command -v bash >/dev/null 2>&1 && exec bash; exec sh"];

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let command = params.get("command").map_or("sh", String::as_str);
    let container =
        params.get("container").map_or_else(String::new, |c| format!(" -c {}", kubectl::quoted(c)));
    format!("kubectl exec -it {}{container} -- {command}", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let command = match params.get("command") {
        Some(line) => words::split(line)?,
        None => SHELL.iter().map(|w| (*w).to_owned()).collect(),
    };
    Ok(Box::pin(async move { access::open(&cx, &target, &params, command).await }))
}
