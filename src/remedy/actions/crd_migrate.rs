//! CRD migrate: a definition replaced in place, its objects written anew in the stored version, and the old versions
//! struck off, with a backup that was read back before anything changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::restore::FROM;
use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::guard::Asked;
use crate::remedy::plan::Severity;
use crate::remedy::rollout::{self, Baseline};
use crate::remedy::run::{Done, Job, MERGE, Params, Progress, STRATEGIC, Stop, patch};
use crate::remedy::{change, definitions, diff, jvm, kubectl, saved};
use crate::world::ask::{Call, Verb};
use crate::world::{Kind, ObjectRef, Time};

const OPERATOR: Spec =
    Spec::value("operator", "NAMESPACE/NAME", "the Deployment of its operator, restarted at the end");
const DROP: Spec = Spec::flag("drop-fields", "go on though the new schema drops fields of objects");

pub(super) static ACTION: Action = Action {
    title: "Migrate",
    about: "replace a definition in place and write its objects in the stored version",
    kinds: &[Kind::CustomResourceDefinition],
    options: &[
        Spec {
            required: false,
            about: "the new definition, v1 or v1beta1; without it the versions are tidied up",
            ..FROM
        },
        jvm::OUT,
        OPERATOR,
        DROP,
    ],
    rights: &[Right::on_target("update"), Right::on_target("patch").sub("status")],
    causes: &[("crd.stored-version", 1)],
    dangerous: true,
    sequential: true,
    kubectl,
    ..Action::new("crd-migrate", start)
};

fn kubectl(_: &ObjectRef, params: &Params) -> String {
    match params.get("from") {
        Some(from) => format!("kubectl replace -f {}", kubectl::quoted(from)),
        None => String::new(),
    }
}

/// Objects between two entries of the journal.
const STEP: usize = 100;

/// How often an object is read again that somebody else writes at the same time.
const TRIES: usize = 5;

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let operator = match params.get("operator").map(|text| (text, text.split_once('/'))) {
        None => None,
        Some((_, Some((space, name)))) if !space.is_empty() && !name.is_empty() => {
            Some(ObjectRef::new(Kind::Deployment, space, name))
        }
        Some((text, _)) => return Err(format!("--operator {text:?} is not NAMESPACE/NAME")),
    };
    Ok(Box::pin(async move {
        let old = cx.target(&target).await?;
        let new = match params.get("from") {
            Some(from) => from_file(&cx, &target, &old, from).await?,
            None => old.clone(),
        };
        let Some(storage) = definitions::storage(&new).map(str::to_owned) else {
            return Err(Stop::Refused(
                "the new definition stores no version; nothing was changed".to_owned(),
            ));
        };
        let stale = stale_versions(&old, &storage);
        let replaces = diff::essence(&new) != diff::essence(&old);
        if !replaces && stale.is_empty() && definitions::storage(&old) == Some(&storage) {
            return Ok(Done::Verified(format!(
                "{target} is so already and stores only {storage}; nothing was sent"
            )));
        }
        let objects = definitions::instances(&cx, &old).await?;
        let backup = saved::path(&cx, params.get("out").map_or(".", String::as_str), &target);
        tell(&cx, &objects, &storage, &stale, &backup);
        if let Some(operator) = &operator {
            let there = cx.call(Call::get(operator.path())).await?;
            let why = if there.ok() { format!("{operator} is there") } else { there.message().to_owned() };
            cx.guard("its operator can be restarted", there.ok(), why);
        } else {
            let detail =
                "an operator that watched the old definition may need a restart: --operator NAMESPACE/NAME";
            cx.impact("no operator is restarted", Severity::Info, detail);
        }
        let lost = definitions::dropped(&new, &objects);
        for (path, n) in lost.iter().take(20) {
            let detail = format!("in {n} of {} objects: the new schema has no such field", objects.len());
            cx.impact(format!("{path} is dropped"), Severity::Critical, detail);
        }
        let why = match lost.len() {
            0 => "the new schema knows every field of every object".to_owned(),
            n => format!("the new schema drops {n} fields that objects have; --drop-fields goes on"),
        };
        cx.guard("no field is lost", lost.is_empty() || params.contains_key("drop-fields"), why);
        cx.guards().await?;
        let spec = &new["spec"];
        let asked = Asked {
            verb: "update",
            group: spec["group"].as_str().unwrap_or(""),
            resource: spec["names"]["plural"].as_str().unwrap_or(""),
            subresource: "",
        };
        if !cx.options().read_only {
            cx.permitted(&asked, "", "").await?;
        }
        cx.cleared()?;
        let mut body = new.clone();
        body["metadata"] = old["metadata"].clone();
        body["status"] = old["status"].clone();
        let replace = Call {
            verb: Verb::Put,
            path: target.path(),
            content_type: "application/json".into(),
            body: Some(body),
        };
        let after = if replaces { cx.dry_run(&replace).await? } else { old.clone() };
        cx.change(target.clone(), diff::unified(&diff::essence(&old), &diff::essence(&after)));
        cx.confirm(
            format!("Migrate {target} with its {} objects?", objects.len()),
            Some(target.name.clone()),
        )
        .await?;

        let all: Vec<Value> = std::iter::once(&old).chain(&objects).map(diff::restorable).collect();
        saved::save(&cx, &backup, "", &all).await.map_err(|stop| match stop {
            Stop::Failed(why) => {
                Stop::Refused(format!("no backup, no migration: {why}; nothing was changed"))
            }
            other => other,
        })?;
        cx.step(format!("{} objects are saved in {}", all.len(), backup.display())).await;
        let back = Back { target: &target, backup: &backup };
        let now = if replaces { cx.apply(replace).await.map_err(|e| back.told(e))? } else { old };
        cx.step("the definition is replaced".to_owned()).await;
        let written = rewrite(&cx, &now).await.map_err(|e| back.told(e))?;
        let left = definitions::instances(&cx, &now).await.map_err(|e| back.told(e))?;
        counted(&objects, &left).map_err(|why| back.told(Stop::Failed(why)))?;
        cx.step(format!("{written} objects are written anew")).await;
        let strike =
            patch(&target, MERGE, cx.pinned(json!({"status": {"storedVersions": [storage.clone()]}})));
        let strike = Call { path: format!("{}/status", target.path()), ..strike };
        let struck = cx.apply(strike).await.map_err(|e| back.told(e))?;
        if struck["status"]["storedVersions"] != json!([storage]) {
            let why = format!(
                "{written} objects were written anew, and the server still lists the stored versions {}",
                struck["status"]["storedVersions"]
            );
            return Ok(Done::Applied(why));
        }
        let done = format!(
            "{target} stores only {storage}; all {} objects are there; the backup is {}",
            left.len(),
            backup.display()
        );
        match operator {
            None => Ok(Done::Verified(done)),
            Some(operator) => restarted(&cx, &operator, done).await,
        }
    }))
}

/// The definition of that name in a file, in the form v1.
async fn from_file(cx: &Cx, target: &ObjectRef, old: &Value, from: &str) -> Result<Value, Stop> {
    let refuse = |why: String| Stop::Refused(format!("{from}: {why}; nothing was changed"));
    let all = saved::read(cx, Path::new(from)).await?;
    let its = |o: &&Value| o["kind"] == "CustomResourceDefinition" && o["metadata"]["name"] == *target.name;
    let found = all.iter().find(its).ok_or_else(|| refuse(format!("it does not hold {target}")))?;
    let new = definitions::to_v1(found).map_err(refuse)?;
    for (what, field) in [("group", "/spec/group"), ("scope", "/spec/scope"), ("kind", "/spec/names/kind")] {
        let (a, b) = (old.pointer(field), new.pointer(field));
        if a != b {
            let text = |v: Option<&Value>| v.and_then(Value::as_str).unwrap_or("none").to_owned();
            return Err(refuse(format!("the {what} cannot change from {} to {}", text(a), text(b))));
        }
    }
    let declared = new["spec"]["versions"].as_array();
    let named: Vec<&str> = declared.into_iter().flatten().filter_map(|v| v["name"].as_str()).collect();
    let stored = old["status"]["storedVersions"].as_array();
    if let Some(gone) = stored.into_iter().flatten().filter_map(Value::as_str).find(|v| !named.contains(v)) {
        return Err(refuse(format!(
            "it does not declare {gone}, in which objects may be stored: keep {gone} with served: false until the \
             migration is through, then take it out"
        )));
    }
    Ok(new)
}

/// The versions that objects may still be stored in, beside the one that is stored now.
fn stale_versions(definition: &Value, storage: &str) -> Vec<String> {
    let all = definition["status"]["storedVersions"].as_array().into_iter().flatten();
    all.filter_map(Value::as_str).filter(|v| *v != storage).map(str::to_owned).collect()
}

fn tell(cx: &Cx, objects: &[Value], storage: &str, stale: &[String], backup: &Path) {
    let n = objects.len();
    let detail = "each is read and put back as it is; watches see a change of its resourceVersion";
    cx.impact(format!("{n} objects are written anew as {storage}"), Severity::Warning, detail);
    if !stale.is_empty() {
        let what = format!("{} is struck from the stored versions", stale.join(", "));
        cx.impact(what, Severity::Info, "after that its version may be taken out of the definition");
    }
    let detail = format!("written and read back before anything changes: {}", backup.display());
    cx.impact(format!("{} objects are backed up", n + 1), Severity::Info, detail);
}

/// The way back, for sentences about a migration that stopped.
struct Back<'a> {
    target: &'a ObjectRef,
    backup: &'a PathBuf,
}

impl Back<'_> {
    fn told(&self, stop: Stop) -> Stop {
        match stop {
            Stop::Failed(why) | Stop::Refused(why) => {
                let file = self.backup.display().to_string();
                let file = kubectl::quoted(&file);
                Stop::Failed(format!(
                    "{why}. It stopped there. What was is in {file}: `khud do crd-migrate {} --from {file}` puts the \
                     definition back, `khud do restore {} --from {file}` makes objects again that are gone",
                    kubectl::object(self.target),
                    kubectl::object(self.target),
                ))
            }
            other => other,
        }
    }
}

/// Puts every object back as it is, so that the server stores it in the version of now; how many.
async fn rewrite(cx: &Cx, definition: &Value) -> Result<usize, Stop> {
    let plural = definition["spec"]["names"]["plural"].as_str().unwrap_or("");
    let all = definitions::instances(cx, definition).await?;
    let mut written = 0;
    for (i, object) in all.iter().enumerate() {
        cx.progress(Progress {
            line: format!("{i} of {} {plural} are written anew", all.len()),
            done: i as u64,
            total: all.len() as u64,
            ..Progress::default()
        });
        let name = object["metadata"]["name"].as_str().unwrap_or("");
        let path = format!("{}/{name}", definitions::collection_of(object, plural));
        written += usize::from(put_back(cx, &path, object.clone()).await?);
        if (i + 1) % STEP == 0 {
            cx.step(format!("{} of {} {plural} are written anew", i + 1, all.len())).await;
        }
    }
    Ok(written)
}

/// Puts one object back; `false` where somebody deleted it meanwhile.
async fn put_back(cx: &Cx, path: &str, mut object: Value) -> Result<bool, Stop> {
    for _ in 0..TRIES {
        let body = Some(object);
        let put =
            Call { verb: Verb::Put, path: path.to_owned(), content_type: "application/json".into(), body };
        let answer = cx.send(put, false).await?;
        match answer.status {
            _ if answer.ok() => return Ok(true),
            404 => return Ok(false),
            // Somebody wrote it since it was read: that write stored it anew, but perhaps before the change.
            409 => {}
            status => {
                return Err(Stop::Failed(format!("PUT {path} was answered {status}: {}", answer.message())));
            }
        }
        let again = cx.call(Call::get(path)).await?;
        match again.status {
            404 => return Ok(false),
            _ if again.ok() => object = again.body,
            status => {
                return Err(Stop::Failed(format!("GET {path} was answered {status}: {}", again.message())));
            }
        }
    }
    Err(Stop::Failed(format!("{path} is changed by somebody all the time: {TRIES} writes were conflicts")))
}

/// Whether all objects of before are there; those that their UID names count.
fn counted(before: &[Value], after: &[Value]) -> Result<(), String> {
    let uid = |o: &Value| o["metadata"]["uid"].as_str().unwrap_or("").to_owned();
    let there: BTreeSet<String> = after.iter().map(uid).collect();
    let gone: Vec<&Value> = before
        .iter()
        .filter(|o| o["metadata"]["deletionTimestamp"].is_null() && !there.contains(&uid(o)))
        .collect();
    match gone.as_slice() {
        [] => Ok(()),
        [first, ..] => Err(format!(
            "{} of {} objects are not there any more, first {}",
            gone.len(),
            before.len(),
            first["metadata"]["name"]
        )),
    }
}

async fn restarted(cx: &Cx, operator: &ObjectRef, done: String) -> Result<Done, Stop> {
    let at = Time(cx.now().seconds() * 1000).to_string();
    let body = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": at}}}}});
    let baseline = Baseline::take(cx, operator).await?;
    let now = cx.apply(patch(operator, STRATEGIC, body)).await?;
    Ok(match rollout::watch(cx, operator, change::generation(&now), baseline).await? {
        Done::Verified(why) => Done::Verified(format!("{done}; its operator was restarted: {why}")),
        Done::Applied(why) => Done::Applied(format!("{done}; its operator was restarted, and {why}")),
    })
}
