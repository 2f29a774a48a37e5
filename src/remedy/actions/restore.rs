//! Restore: what a backup holds and the cluster lacks is made again; what is there stays as it is.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::remedy::action::{Action, Right, Spec};
use crate::remedy::cx::Cx;
use crate::remedy::guard::Asked;
use crate::remedy::plan::{Severity, Stage};
use crate::remedy::run::{Done, Job, Params, Progress, Stop};
use crate::remedy::{definitions, diff, kubectl, saved};
use crate::world::ask::{Answer, Call, Verb};
use crate::world::{Kind, ObjectRef};

/// The file that objects are read from.
pub(super) const FROM: Spec = Spec::value("from", "FILE", "the file that `khud do backup` wrote");

pub(super) static ACTION: Action = Action {
    title: "Restore",
    about: "make again what a backup holds and the cluster lacks",
    options: &[FROM.required().asked()],
    // What it creates is asked for when the file was read.
    rights: &[Right::on_target("get")],
    typed_only: true,
    kubectl,
    ..Action::new("restore", start)
};

fn kubectl(_: &ObjectRef, params: &Params) -> String {
    format!("kubectl create -f {}", kubectl::quoted(params.get("from").map_or("", String::as_str)))
}

/// How long a new definition may take until its objects are served.
const SERVED: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(500);

/// Objects between two entries of the journal.
const STEP: usize = 100;

fn place(object: &Value) -> (String, String) {
    let text = |key: &str| object["metadata"][key].as_str().unwrap_or("").to_owned();
    (text("namespace"), text("name"))
}

fn start(cx: Cx, target: ObjectRef, params: Params) -> Result<Job, String> {
    let from = params.get("from").cloned().unwrap_or_default();
    Ok(Box::pin(async move {
        let all = saved::read(&cx, Path::new(&from)).await?;
        let now = cx.call(Call::get(target.path())).await?;
        if !now.ok() && now.status != 404 {
            return Err(Stop::Failed(format!(
                "GET {} was answered {}: {}",
                target.path(),
                now.status,
                now.message()
            )));
        }
        let wanted = Wanted::of(&target, all, &from)?;
        let mut there: HashMap<(String, String), Value> = HashMap::new();
        if now.ok() && wanted.definition.is_some() {
            let items = definitions::instances(&cx, &now.body).await?;
            there.extend(items.into_iter().map(|o| (place(&o), o)));
        }
        let (missing, same, other) = wanted.sort(&there, &now);
        if now.ok() && missing.is_empty() {
            let n = same + other + usize::from(wanted.definition.is_some());
            return Ok(Done::Verified(format!(
                "all {n} objects of {from} are in the cluster; nothing was sent"
            )));
        }
        tell(&cx, &target, &wanted, &missing, (same, other), now.ok());
        namespaces(&cx, &missing).await?;
        cx.guards().await?;
        if !cx.options().read_only {
            rights(&cx, &target, &wanted, &missing, now.ok()).await?;
        }
        cx.cleared()?;
        let calls: Vec<Call> = missing.iter().map(|o| wanted.post(&target, o)).collect();
        let first = wanted.definition.as_ref().filter(|_| !now.ok());
        if let Some(definition) = first {
            cx.dry_run(&create(target.kind.collection_path(""), definition)).await?;
        } else {
            // Objects of a definition that is not there yet cannot be tried.
            for call in &calls {
                cx.dry_run(call).await?;
            }
        }
        let n = missing.len() + usize::from(first.is_some());
        cx.confirm(format!("Make {n} objects again from {from}?"), None).await?;
        if let Some(definition) = first {
            cx.apply(create(target.kind.collection_path(""), definition)).await?;
            cx.step(format!("{target} was made")).await;
            served(&cx, &target).await?;
        }
        let mut found_there = 0;
        for (i, call) in calls.into_iter().enumerate() {
            cx.progress(Progress {
                line: format!("{i} of {} objects are made", missing.len()),
                done: i as u64,
                total: missing.len() as u64,
                ..Progress::default()
            });
            let answer = made(&cx, call).await?;
            match answer.status {
                409 => found_there += 1,
                _ if answer.ok() => {}
                status => {
                    let what = words(&missing[i]);
                    return Err(Stop::Failed(format!(
                        "{what} was answered {status}: {}; {i} of {} objects were made before it: mend that and \
                         restore again, it goes on where it stopped",
                        answer.message(),
                        missing.len()
                    )));
                }
            }
            if (i + 1) % STEP == 0 {
                cx.step(format!("{} of {} objects are made", i + 1, missing.len())).await;
            }
        }
        cx.stage(Stage::Watching);
        verify(&cx, &target, &wanted, &from, found_there).await
    }))
}

/// The objects of the file that belong to the target.
struct Wanted {
    /// A definition, in the form v1, where the target is one.
    definition: Option<Value>,
    /// The target itself, where it is no definition.
    own: Option<Value>,
    /// The objects of the definition.
    instances: Vec<Value>,
    owners: usize,
}

impl Wanted {
    fn of(target: &ObjectRef, all: Vec<Value>, from: &str) -> Result<Wanted, Stop> {
        let refuse = |why: String| Err(Stop::Refused(format!("{why}; nothing was changed")));
        let mut wanted = Wanted { definition: None, own: None, instances: Vec::new(), owners: 0 };
        let is_target = |o: &Value| {
            let kind = o["kind"].as_str() == Some(target.kind.name());
            kind && place(o) == (target.namespace.to_string(), target.name.to_string())
        };
        let mut rest = Vec::new();
        for mut object in all {
            object = diff::restorable(&object);
            if let Some(meta) = object["metadata"].as_object_mut() {
                wanted.owners += usize::from(meta.remove("ownerReferences").is_some());
            }
            match is_target(&object) {
                true if target.kind == Kind::CustomResourceDefinition => {
                    let new =
                        definitions::to_v1(&object).map_err(|why| Stop::Refused(format!("{from}: {why}")))?;
                    wanted.definition = Some(new);
                }
                true => wanted.own = Some(object),
                false => rest.push(object),
            }
        }
        let Some(definition) = &wanted.definition else {
            return match (&wanted.own, rest.first()) {
                (None, _) => refuse(format!("{from} does not hold {target}")),
                (Some(own), _)
                    if own["kind"] == "Secret" && own["data"].is_null() && own["stringData"].is_null() =>
                {
                    refuse(format!("{from} was saved without what the Secret holds"))
                }
                (Some(_), Some(other)) => {
                    refuse(format!("{from} holds {}, too: name it instead", words(other)))
                }
                (Some(_), None) => Ok(wanted),
            };
        };
        let spec = &definition["spec"];
        let of_it = |o: &Value| {
            let group = o["apiVersion"].as_str().and_then(|v| v.split_once('/')).map(|(group, _)| group);
            o["kind"] == spec["names"]["kind"] && group == spec["group"].as_str()
        };
        if let Some(other) = rest.iter().find(|o| !of_it(o)) {
            return refuse(format!("{from} holds {}, which is no object of {target}", words(other)));
        }
        wanted.instances = rest;
        Ok(wanted)
    }

    /// The objects that the cluster lacks; how many are there as they were saved, and how many are there and differ.
    fn sort(&self, there: &HashMap<(String, String), Value>, now: &Answer) -> (Vec<Value>, usize, usize) {
        let (mut missing, mut same, mut other) = (Vec::new(), 0, 0);
        let mut take = |object: &Value, found: Option<&Value>| match found {
            None => missing.push(object.clone()),
            Some(found) if diff::essence(found) == diff::essence(object) => same += 1,
            Some(_) => other += 1,
        };
        for object in &self.instances {
            take(object, there.get(&place(object)));
        }
        if let Some(own) = &self.own {
            take(own, now.ok().then_some(&now.body));
        }
        (missing, same, other)
    }

    fn post(&self, target: &ObjectRef, object: &Value) -> Call {
        let plural = self.definition.as_ref().and_then(|d| d["spec"]["names"]["plural"].as_str());
        create(definitions::collection_of(object, plural.unwrap_or(target.kind.plural())), object)
    }
}

fn create(path: String, object: &Value) -> Call {
    Call { verb: Verb::Post, path, content_type: "application/json".into(), body: Some(object.clone()) }
}

/// Kind and place of an object, for sentences.
fn words(object: &Value) -> String {
    let kind = object["kind"].as_str().unwrap_or("object").to_ascii_lowercase();
    match place(object) {
        (space, name) if space.is_empty() => format!("{kind} {name}"),
        (space, name) => format!("{kind} {space}/{name}"),
    }
}

fn tell(
    cx: &Cx,
    target: &ObjectRef,
    wanted: &Wanted,
    missing: &[Value],
    (same, other): (usize, usize),
    there: bool,
) {
    if let Some(definition) = wanted.definition.as_ref().filter(|_| !there) {
        cx.change(target.clone(), diff::unified(&Value::Null, &diff::essence(definition)));
        let detail = "its objects follow once the server serves them";
        cx.impact(format!("{target} is made again"), Severity::Warning, detail);
    }
    if let Some(own) = wanted.own.as_ref().filter(|_| !there) {
        cx.change(target.clone(), diff::unified(&Value::Null, &diff::essence(own)));
    }
    if !missing.is_empty() {
        let some: Vec<String> = missing.iter().take(5).map(words).collect();
        let more = if missing.len() > 5 { ", …" } else { "" };
        let what = format!("{} objects are made again", missing.len());
        cx.impact(what, Severity::Info, format!("{}{more}", some.join(", ")));
        let detail = "with new UIDs and without their status, which their controllers write";
        cx.impact("they begin anew", Severity::Info, detail);
    }
    if same > 0 {
        cx.impact(format!("{same} objects are there as they were saved"), Severity::Info, "they stay");
    }
    if other > 0 {
        let detail = "they stay as they are in the cluster: delete one first to have it as it was saved";
        cx.impact(format!("{other} objects are there and differ"), Severity::Warning, detail);
    }
    if wanted.owners > 0 {
        let detail = "they name owners by UIDs of before: the server would remove the objects at once";
        cx.impact(
            format!("the owner references of {} objects are left out", wanted.owners),
            Severity::Warning,
            detail,
        );
    }
    if let Some(definition) = &wanted.definition {
        for (path, n) in definitions::dropped(definition, missing) {
            let detail = format!("in {n} of the objects: the schema has no such field");
            cx.impact(format!("{path} is dropped by the server"), Severity::Critical, detail);
        }
    }
}

/// Notes whether the user may create what is missing.
async fn rights(
    cx: &Cx,
    target: &ObjectRef,
    wanted: &Wanted,
    missing: &[Value],
    there: bool,
) -> Result<(), Stop> {
    let own =
        Asked { verb: "create", group: target.kind.group(), resource: target.kind.plural(), subresource: "" };
    if !there {
        cx.permitted(&own, &target.namespace, "").await?;
    }
    let Some(spec) = wanted.definition.as_ref().map(|d| &d["spec"]) else { return Ok(()) };
    let (group, plural) =
        (spec["group"].as_str().unwrap_or(""), spec["names"]["plural"].as_str().unwrap_or(""));
    let asked = Asked { verb: "create", group, resource: plural, subresource: "" };
    let spaces: BTreeSet<String> = missing.iter().map(|o| place(o).0).collect();
    for space in spaces {
        cx.permitted(&asked, &space, "").await?;
    }
    Ok(())
}

/// Notes whether the namespaces of the objects are there.
async fn namespaces(cx: &Cx, missing: &[Value]) -> Result<(), Stop> {
    let all: BTreeSet<String> = missing.iter().map(|o| place(o).0).filter(|n| !n.is_empty()).collect();
    for name in all {
        let answer = cx.call(Call::get(format!("/api/v1/namespaces/{name}"))).await?;
        if answer.status == 404 {
            cx.guard("namespaces are there", false, format!("there is no namespace {name}: make it first"));
        }
    }
    Ok(())
}

/// Waits until the server serves the objects of a new definition.
async fn served(cx: &Cx, target: &ObjectRef) -> Result<(), Stop> {
    let until = cx.now().plus(SERVED);
    loop {
        let now = cx.get(target.path()).await?;
        let conditions = now["status"]["conditions"].as_array();
        let of = |kind: &str| conditions.into_iter().flatten().find(|c| c["type"] == kind);
        if of("Established").is_some_and(|c| c["status"] == "True") {
            return Ok(());
        }
        if cx.now() >= until {
            let why = of("NamesAccepted").and_then(|c| c["message"].as_str()).unwrap_or("it gives no reason");
            return Err(Stop::Failed(format!(
                "{target} was made and is not served after {} s: {why}; its objects were not made",
                SERVED.as_secs()
            )));
        }
        cx.sleep(EVERY).await?;
    }
}

/// Makes an object. The path of a definition that is new is answered 404 for a moment.
async fn made(cx: &Cx, call: Call) -> Result<Answer, Stop> {
    let until = cx.now().plus(SERVED);
    loop {
        let answer = cx.send(call.clone(), false).await?;
        let unserved = answer.status == 404 && answer.body["details"]["name"].is_null();
        if !unserved || cx.now() >= until {
            return Ok(answer);
        }
        cx.sleep(EVERY).await?;
    }
}

/// Counts what the cluster has of the file now.
async fn verify(
    cx: &Cx,
    target: &ObjectRef,
    wanted: &Wanted,
    from: &str,
    found_there: usize,
) -> Result<Done, Stop> {
    let now = cx.get(target.path()).await?;
    let all = wanted.instances.len() + 1;
    let lost: Vec<String> = match &wanted.definition {
        None => Vec::new(),
        Some(_) => {
            let there: BTreeSet<(String, String)> =
                definitions::instances(cx, &now).await?.iter().map(place).collect();
            wanted.instances.iter().filter(|o| !there.contains(&place(o))).map(words).collect()
        }
    };
    let meanwhile = match found_there {
        0 => String::new(),
        n => format!("; {n} were made by somebody else meanwhile"),
    };
    match lost.as_slice() {
        [] => Ok(Done::Verified(format!("all {all} objects of {from} are in the cluster{meanwhile}"))),
        [first, ..] => Err(Stop::Failed(format!(
            "{} of {all} objects of {from} are gone again, first {first}: somebody deletes them{meanwhile}",
            lost.len()
        ))),
    }
}
