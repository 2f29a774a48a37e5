//! Backup: an object as YAML in a local file; of a CustomResourceDefinition with all its objects.

use std::path::PathBuf;

use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::remedy::action::{Action, Right, Spec, each_alone};
use crate::remedy::cx::Cx;
use crate::remedy::files::{FileOp, safe_name};
use crate::remedy::plan::{LocalFile, Severity};
use crate::remedy::run::{Done, Job, Params, Progress, Stop};
use crate::remedy::{diff, jvm, kubectl, transfer};
use crate::world::ObjectRef;

pub(super) static ACTION: Action = Action {
    name: "backup",
    title: "Back up",
    about: "save it as YAML here; a CustomResourceDefinition with all its objects",
    kinds: &[],
    options: &[
        jvm::OUT,
        Spec::flag("with-secrets", "with what Secrets hold; without it their data are left out"),
    ],
    rights: &[Right::on_target("get")],
    causes: &[],
    dangerous: false,
    sequential: false,
    remedy_for: &[],
    kubectl,
    combined: each_alone,
    start,
};

fn kubectl(target: &ObjectRef, _: &Params) -> String {
    format!("kubectl get {} -o yaml", kubectl::object(target))
}

/// Objects asked for at once.
const PAGE: usize = 500;

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    Ok(Box::pin(async move {
        let object = cx.target(&target).await?;
        let mut all = vec![object.clone()];
        if target.kind.plural() == "customresourcedefinitions" {
            all.extend(instances(&cx, &object).await?);
        }
        let with_secrets = params.contains_key("with-secrets");
        let mut text = String::new();
        for object in &mut all {
            *object = diff::restorable(object);
            if object["kind"] == "Secret" && !with_secrets {
                for field in ["data", "stringData"] {
                    drop(object.as_object_mut().map(|o| o.remove(field)));
                }
                text.push_str("# What the Secret holds is left out; --with-secrets saves it, too.\n");
                cx.impact(
                    "what the Secret holds is left out",
                    Severity::Warning,
                    "--with-secrets saves it, too",
                );
            }
            text.push_str("---\n");
            text.push_str(&diff::yaml(object));
        }
        let dir = params.get("out").map_or(".", String::as_str);
        let space =
            if target.namespace.is_empty() { String::new() } else { format!("{}-", target.namespace) };
        let name = format!("{}-{space}{}-{}.yaml", target.kind.plural(), target.name, cx.now().seconds());
        let path = PathBuf::from(dir).join(safe_name(&name));
        cx.impact(
            format!("{} objects go into a file", all.len()),
            Severity::Info,
            path.display().to_string(),
        );
        cx.begin().await?;
        let bytes = text.into_bytes();
        let sha256 = transfer::hex(&Sha256::digest(&bytes));
        let length = bytes.len() as u64;
        let saved = cx.local(FileOp::Save { path: path.clone(), bytes }).await?;
        cx.file(LocalFile { path: path.display().to_string(), bytes: saved.length, sha256 });
        if saved.length != length {
            return Err(Stop::Failed(format!("{} holds {} of {length} bytes", path.display(), saved.length)));
        }
        Ok(Done::Verified(format!(
            "{} objects are in {}; `kubectl create -f` makes them again",
            all.len(),
            path.display()
        )))
    }))
}

/// Every object of a definition, page by page, in the version that is stored.
async fn instances(cx: &Cx, definition: &Value) -> Result<Vec<Value>, Stop> {
    let spec = &definition["spec"];
    let versions = || spec["versions"].as_array().into_iter().flatten().filter(|v| v["served"] == true);
    let version = versions().find(|v| v["storage"] == true).or_else(|| versions().next());
    let Some(version) = version.and_then(|v| v["name"].as_str()) else {
        return Err(Stop::Refused("no version of it is served: its objects cannot be read".to_owned()));
    };
    let (group, plural) =
        (spec["group"].as_str().unwrap_or(""), spec["names"]["plural"].as_str().unwrap_or(""));
    let (mut out, mut next) = (Vec::new(), String::new());
    loop {
        let after = if next.is_empty() { String::new() } else { format!("&continue={next}") };
        let page = cx.get(format!("/apis/{group}/{version}/{plural}?limit={PAGE}{after}")).await?;
        // Items of a list leave out what the list says for all of them.
        for item in page["items"].as_array().into_iter().flatten() {
            let mut item = item.clone();
            item["apiVersion"] = format!("{group}/{version}").into();
            item["kind"] = spec["names"]["kind"].clone();
            out.push(item);
        }
        cx.progress(Progress { line: format!("{} {plural} read", out.len()), ..Progress::default() });
        match page["metadata"]["continue"].as_str() {
            Some(token) if !token.is_empty() => next = token.to_owned(),
            _ => return Ok(out),
        }
    }
}
