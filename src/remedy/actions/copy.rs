//! Copy: a file out of a container, the same here as there.

use std::path::{Path, PathBuf};

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::jvm;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Job, Params, Stop};
use crate::remedy::transfer::{self, Home, part_of};
use crate::remedy::{access, kubectl, template};
use crate::world::quantity::bytes;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Copy",
    about: "a file out of a container, checked against it",
    kinds: &[Kind::Pod],
    options: &[
        Spec::words("path", "PATH", "the file in the container, from the root on").required().asked(),
        template::CONTAINER,
        jvm::OUT,
    ],
    rights: &[Right::on_target("create").sub("exec")],
    sequential: true,
    kubectl,
    ..Action::new("copy", start)
};

fn kubectl(target: &ObjectRef, params: &Params) -> String {
    let path = params.get("path").map_or("PATH", String::as_str);
    let name = path.rsplit('/').next().unwrap_or(path);
    let container =
        params.get("container").map_or_else(String::new, |c| format!(" -c {}", kubectl::quoted(c)));
    let from = format!("{}/{}:{path}", target.namespace, target.name);
    format!("kubectl cp{container} {} {}", kubectl::quoted(&from), kubectl::quoted(name))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let remote = params.get("path").cloned().unwrap_or_default();
    if !remote.starts_with('/') || remote.ends_with('/') || remote.chars().any(char::is_control) {
        return Err(format!("{remote:?} is not the path of a file from the root on"));
    }
    Ok(Box::pin(async move {
        let pod = cx.target(&target).await?;
        cx.guards().await?;
        // Asking for the file's size is exec already.
        cx.cleared()?;
        let container = access::container(&target, &pod, &params)?;
        let size = size(&cx, &target, &container, &remote).await?;
        let then = transfer::place(&cx, &target, &container).await?;
        let then = then.ok_or_else(|| Stop::Refused(format!("there is no {target} any more")))?;
        let home = Home { pod: &target, container: &container, remote: remote.clone(), then };
        let path = file(&target, &remote, params.get("out").map_or(".", String::as_str));
        transfer::local_disk(&cx, &path, size, false).await?;
        cx.impact("file", Severity::Info, format!("{} of {remote} into {}", bytes(size), path.display()));
        cx.confirm_as_it_is(format!("Copy {} of {remote} from {target}?", bytes(size)), None).await?;
        cx.local(FileOp::Create { part: part_of(&path), final_path: path.clone() }).await?;
        transfer::copy(&cx, &home, size, &path).await
    }))
}

/// The file's length there, in bytes.
async fn size(cx: &Cx, pod: &ObjectRef, container: &str, remote: &str) -> Result<u64, Stop> {
    let printed = jvm::command(cx, pod, container, &["wc", "-c", remote]).await?;
    let size = printed.out.split_whitespace().next().and_then(|n| n.parse().ok());
    size.filter(|_| printed.code == 0).ok_or_else(|| {
        Stop::Refused(format!("{remote} in container {container} cannot be read: {}", printed.first_line()))
    })
}

/// Where it goes: a name that also tells the pod, so that the same file of several pods can lie side by side.
fn file(pod: &ObjectRef, remote: &str, out: &str) -> PathBuf {
    let name = remote.rsplit('/').next().unwrap_or(remote);
    Path::new(out).join(safe_name(&format!("{}-{name}", pod.name)))
}
