//! Diff: what changed in meaning between two snapshots. It needs no cluster.

use std::path::PathBuf;

use crate::remedy::action::{Action, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::files::FileOp;
use crate::remedy::plan::Severity;
use crate::remedy::run::{Done, Job, Params, Stop};
use crate::remedy::snapshot::{Snapshot, difference};
use crate::remedy::words;
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Diff",
    about: "compare two snapshots: what changed, without ages and other bookkeeping",
    kinds: &[Kind::Namespace],
    options: &[Spec::words("files", "BEFORE AFTER", "two files of khud do snapshot").required()],
    rights: &[],
    sequential: true,
    ..Action::new("diff", start)
};

fn start(cx: Cx, _: ObjectRef, params: Params) -> Result<Job, String> {
    let files = words::split(params.get("files").map_or("", String::as_str))?;
    let [before, after] = <[String; 2]>::try_from(files)
        .map_err(|files| format!("diff compares two snapshots; {} files were named", files.len()))?;
    Ok(Box::pin(async move {
        let (before, after) = (read(&cx, before).await?, read(&cx, after).await?);
        let (changed, unknown) = difference(&before, &after);
        for line in &unknown {
            cx.impact("not compared", Severity::Warning, line);
        }
        let all = changed.len();
        for object in changed {
            cx.change(object.object, object.lines.join("\n"));
        }
        let between = format!("between {} and {}", before.at, after.at);
        Ok(Done::Verified(match (all, unknown.is_empty()) {
            (0, true) => format!("nothing changed {between}"),
            (0, false) => format!("nothing changed {between} in what both snapshots hold"),
            (n, _) => format!("{n} objects changed {between}"),
        }))
    }))
}

async fn read(cx: &Cx, file: String) -> Result<Snapshot, Stop> {
    let path = PathBuf::from(&file);
    let Some(bytes) = cx.local(FileOp::Read { path }).await?.read else {
        return Err(Stop::Refused(format!("there is no file {file}")));
    };
    Snapshot::read(&bytes).map_err(|why| Stop::Refused(format!("cannot compare {file}: {why}")))
}
