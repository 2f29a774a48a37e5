//! Thread dump: what a JVM's threads are doing, as a file.

use crate::remedy::action::{Action, Right};
use crate::remedy::cx::Cx;
use crate::remedy::jvm;
use crate::remedy::run::{Job, Params};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Thread dump",
    about: "what a JVM's threads are doing, as a file",
    kinds: &[Kind::Pod],
    options: &[jvm::CONTAINER, jvm::OUT, jvm::PID],
    rights: &[Right::on_target("create").sub("exec")],
    causes: &[
        ("crash.oom-limit", 3),
        ("crash.oom-heap", 3),
        ("memory.leak", 3),
        ("memory.near-limit", 3),
        ("jvm.unbounded-cache", 3),
        ("jvm.lock-contention", 1),
        ("pool.exhausted", 1),
        ("ready.probe", 3),
        ("ready.unknown", 2),
    ],
    kubectl,
    ..Action::new("thread-dump", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    jvm::kubectl(target, params, "jcmd 1 Thread.print")
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        jvm::text(cx, target, params, &["Thread.print"], "threads.txt", "a fraction of a second").await
    }))
}
