//! Attach: the terminal of a container's main process.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params};
use crate::remedy::{access, kubectl, template};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Attach",
    about: "the terminal of a container's main process",
    kinds: &[Kind::Pod],
    options: &[template::CONTAINER],
    rights: &[Right::on_target("create").sub("attach")],
    sequential: true,
    kubectl,
    ..Action::new("attach", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let container =
        params.get("container").map_or_else(String::new, |c| format!(" -c {}", kubectl::quoted(c)));
    format!("kubectl attach -it {}{container}", kubectl::object(target))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        cx.impact(
            "keys go to the program itself",
            Severity::Warning,
            "ctrl-c ends it where it listens to its terminal",
        );
        access::open(&cx, &target, &params, Vec::new()).await
    }))
}
