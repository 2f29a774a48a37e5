//! Class histogram: what fills a JVM's heap, by class, as a file.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::jvm;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Class histogram",
    about: "what fills a JVM's heap, by class, as a file",
    kinds: &[Kind::Pod],
    options: &[jvm::CONTAINER, jvm::OUT, jvm::PID, jvm::ALL],
    rights: &[Right::on_target("create").sub("exec")],
    causes: &[
        ("crash.oom-limit", 1),
        ("crash.oom-heap", 1),
        ("memory.leak", 1),
        ("memory.near-limit", 1),
        ("jvm.unbounded-cache", 1),
    ],
    sequential: true,
    kubectl,
    ..Action::new("class-histogram", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    jvm::kubectl(target, params, "jcmd 1 GC.class_histogram")
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let words: &'static [&'static str] = if params.get("all").is_some_and(|v| v != "false") {
        &["GC.class_histogram", "-all"]
    } else {
        &["GC.class_histogram"]
    };
    Ok(Box::pin(async move {
        jvm::text(cx, target, params, words, "histogram.txt", "the time of one full GC").await
    }))
}
