//! Snapshot: the cluster's objects in a local file, to be compared with a later one.

use std::path::PathBuf;

use sha2::{Digest, Sha256};

use crate::remedy::action::{Action, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::plan::{LocalFile, Severity};
use crate::remedy::run::{Done, Job, Params, Stop};
use crate::remedy::{snapshot, transfer};
use crate::world::{Kind, ObjectRef};

pub(super) static ACTION: Action = Action {
    title: "Snapshot",
    about: "save what the cluster's objects say now, to compare it later (khud do diff)",
    kinds: &[Kind::Namespace],
    options: &[Spec::value("out", "DIR", "where the file goes, or its name (.json)")],
    rights: &[],
    sequential: true,
    ..Action::new("snapshot", start)
};

fn start(cx: Cx, _: ObjectRef, params: Params) -> Result<Job, String> {
    let out = PathBuf::from(params.get("out").map_or(".", String::as_str));
    Ok(Box::pin(async move {
        let taken = snapshot::take(&cx).await?;
        let path = match out.extension().is_some_and(|e| e == "json") {
            true => out,
            false => out.join(safe_name(&format!("snapshot-{}-{}.json", taken.context, taken.at.seconds()))),
        };
        cx.impact(
            format!("{} objects go into a file", taken.objects.len()),
            Severity::Info,
            format!("{}; Secrets are left out, values of ConfigMaps are kept as checksums", path.display()),
        );
        for (kind, why) in &taken.missing {
            cx.impact(format!("{kind}s are not in it"), Severity::Warning, why);
        }
        cx.begin().await?;
        let bytes = taken.write().map_err(Stop::Failed)?;
        let sha256 = transfer::hex(&Sha256::digest(&bytes));
        let saved = cx.local(FileOp::Save { path: path.clone(), bytes }).await?;
        cx.file(LocalFile { path: path.display().to_string(), bytes: saved.length, sha256 });
        let text = format!("{} objects of {} are in {}", taken.objects.len(), taken.server, path.display());
        Ok(match taken.missing.is_empty() {
            true => Done::Verified(text),
            false => Done::Applied(format!("{text}; {} kinds could not be read", taken.missing.len())),
        })
    }))
}
