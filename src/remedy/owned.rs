//! The consequences of a deletion: the objects it owns, the data it holds, and the objects that depend on it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::cx::Cx;
use super::plan::Severity;
use super::run::Stop;
use crate::world::ask::Call;
use crate::world::{Kind, ObjectRef, Uid, World};

/// `2 replicasets, 6 pods`.
fn counted(counts: &BTreeMap<String, usize>) -> String {
    counts.iter().map(|(kind, n)| format!("{n} {kind}")).collect::<Vec<_>>().join(", ")
}

/// The objects whose controller is this one, and theirs, by plural.
pub(super) fn dependents(world: &World, uid: &Uid) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    let mut owners = vec![uid.clone()];
    // Owner references make a tree; a cycle, which the API does not forbid, ends with the depth.
    for _ in 0..4 {
        let mut next = Vec::new();
        for kind in Kind::WATCHED {
            let its = world.metas(kind).filter(|m| m.owner.as_ref().is_some_and(|o| owners.contains(&o.uid)));
            for meta in its {
                *out.entry(kind.plural().to_owned()).or_default() += 1;
                next.push(meta.uid.clone());
            }
        }
        owners = next;
    }
    out
}

/// The objects of a namespace, by plural; without events.
fn contents(world: &World, namespace: &str) -> BTreeMap<String, usize> {
    let mut out = BTreeMap::new();
    for kind in Kind::WATCHED.iter().filter(|k| k.namespaced() && **k != Kind::Event) {
        let n = world.metas(kind).filter(|m| *m.namespace == *namespace).count();
        if n > 0 {
            out.insert(kind.plural().to_owned(), n);
        }
    }
    out
}

/// Namespaces that a cluster cannot do without.
const OF_THE_CLUSTER: &[&str] = &["kube-system", "kube-public", "kube-node-lease", "default"];

/// Adds to the plan what goes with the object, and refuses what must not be deleted so.
pub(super) async fn explain(cx: &Cx, target: &ObjectRef, object: &Value) -> Result<(), Stop> {
    let uid = Uid::from(object["metadata"]["uid"].as_str().unwrap_or(""));
    let owned = cx.look(move |world, _| dependents(world, &uid)).await?;
    if !owned.is_empty() {
        cx.impact(format!("{} go with it", counted(&owned)), Severity::Critical, "it owns them");
    }
    let finalizers: Vec<&str> =
        object["metadata"]["finalizers"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if !finalizers.is_empty() {
        let detail =
            format!("{}; where that controller is gone it stays, terminating", finalizers.join(", "));
        cx.impact("it waits for its finalizers", Severity::Warning, detail);
    }
    let owner = object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .find(|o| o["controller"] == true);
    if let Some(owner) = owner {
        let text = |key: &str| owner[key].as_str().unwrap_or("?").to_owned();
        let detail = "its controller makes another one in its place";
        cx.impact(format!("{} {} owns it", text("kind"), text("name")), Severity::Warning, detail);
    }
    match target.kind {
        Kind::Namespace => namespace(cx, target).await,
        Kind::Node => node(cx, target).await,
        Kind::PersistentVolumeClaim => claim(cx, target, object).await,
        Kind::PersistentVolume => {
            volume(cx, object);
            Ok(())
        }
        Kind::CustomResourceDefinition => definition(cx, object).await,
        Kind::Service => {
            let detail = "its name no longer resolves; clients that ask for it fail";
            cx.impact("connections through it end", Severity::Critical, detail);
            Ok(())
        }
        Kind::ConfigMap | Kind::Secret => configuration(cx, target).await,
        _ => match &target.kind {
            Kind::Served(r) if &*r.plural == "customresourcedefinitions" => definition(cx, object).await,
            Kind::Served(r) if r.group.is_empty() && &*r.plural == "persistentvolumes" => {
                volume(cx, object);
                Ok(())
            }
            _ => Ok(()),
        },
    }
}

async fn namespace(cx: &Cx, target: &ObjectRef) -> Result<(), Stop> {
    let own = OF_THE_CLUSTER.contains(&&*target.name);
    let why = if own { "the cluster does not work without it" } else { "it is not one of the cluster's own" };
    cx.guard("not the cluster's own", !own, why);
    let name = target.name.clone();
    let inside = cx.look(move |world, _| contents(world, &name)).await?;
    match inside.is_empty() {
        true => cx.impact("khud sees nothing in it", Severity::Info, "of the kinds it watches"),
        false => {
            let detail = "and everything of kinds that khud does not watch";
            cx.impact(format!("{} go with it", counted(&inside)), Severity::Critical, detail);
        }
    }
    Ok(())
}

async fn node(cx: &Cx, target: &ObjectRef) -> Result<(), Stop> {
    let name = target.name.clone();
    let pods = cx.look(move |world, _| world.pods_on(&name).count()).await?;
    let detail =
        "a machine that still runs registers again; its pods are deleted from the API without a grace period";
    let severity = if pods > 0 { Severity::Critical } else { Severity::Warning };
    cx.impact(format!("{pods} pods are on it"), severity, detail);
    Ok(())
}

/// The fate of the data behind a claim.
async fn claim(cx: &Cx, target: &ObjectRef, object: &Value) -> Result<(), Stop> {
    let of = target.clone();
    let users = cx
        .look(move |world, _| {
            let its = world.pods.values().filter(|p| p.meta.namespace == of.namespace);
            let its = its.filter(|p| p.spec.claims.contains(&of.name));
            its.map(|p| p.meta.name.to_string()).collect::<Vec<_>>()
        })
        .await?;
    if !users.is_empty() {
        let detail = format!("{}; the claim stays, terminating, until they are gone", users.join(", "));
        cx.impact(format!("{} pods use it", users.len()), Severity::Critical, detail);
    }
    let Some(name) = object["spec"]["volumeName"].as_str().filter(|n| !n.is_empty()) else {
        cx.impact("no volume is bound to it", Severity::Info, "no data is lost");
        return Ok(());
    };
    let path = ObjectRef::new(Kind::PersistentVolume, "", name).path();
    let answer = cx.call(Call::get(path)).await?;
    match answer.ok() {
        true => volume(cx, &answer.body),
        false => {
            let detail = format!("persistentvolume {name} cannot be read: {}", answer.message());
            cx.impact("what becomes of the data: not evaluated", Severity::Critical, detail);
        }
    }
    Ok(())
}

fn volume(cx: &Cx, object: &Value) {
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    let policy = object["spec"]["persistentVolumeReclaimPolicy"].as_str().unwrap_or("Retain");
    match policy {
        "Delete" => {
            let detail =
                format!("persistentvolume {name} has the reclaim policy Delete: the storage is removed");
            cx.impact("its data is lost", Severity::Critical, detail);
        }
        other => {
            let detail = format!(
                "persistentvolume {name} has the reclaim policy {other}: it is Released, not removed"
            );
            cx.impact("the storage stays", Severity::Info, detail);
        }
    }
}

/// How many objects die with their definition.
async fn definition(cx: &Cx, object: &Value) -> Result<(), Stop> {
    let spec = &object["spec"];
    let versions = spec["versions"].as_array();
    let served =
        versions.into_iter().flatten().find(|v| v["served"] == true).and_then(|v| v["name"].as_str());
    let (group, plural) =
        (spec["group"].as_str().unwrap_or(""), spec["names"]["plural"].as_str().unwrap_or(""));
    let forced = cx.params().contains_key("without-backup");
    let Some(version) = served else {
        cx.guard("objects die with it", forced, "no version of it is served: its objects cannot be counted");
        return Ok(());
    };
    let answer = cx.call(Call::get(format!("/apis/{group}/{version}/{plural}?limit=500"))).await?;
    let Some(items) = answer.body["items"].as_array().filter(|_| answer.ok()) else {
        let why = format!("its objects cannot be counted: {}", answer.message());
        cx.guard("objects die with it", forced, why);
        return Ok(());
    };
    let rest = answer.body["metadata"]["remainingItemCount"].as_u64().unwrap_or(0);
    let all = items.len() as u64 + rest;
    let name = object["metadata"]["name"].as_str().unwrap_or("?");
    if all > 0 {
        cx.impact(format!("{all} {plural} die with it"), Severity::Critical, "and what they own");
    }
    let why = match all {
        0 => "it has no objects".to_owned(),
        n if forced => format!("{n} objects, as --without-backup says"),
        n => format!("{n} objects: `khud do backup crd/{name}` first, then --without-backup"),
    };
    cx.guard("objects die with it", all == 0 || forced, why);
    Ok(())
}

async fn configuration(cx: &Cx, target: &ObjectRef) -> Result<(), Stop> {
    let of = target.clone();
    let users = cx
        .look(move |world, _| {
            let its = world.pods.values().filter(|p| p.meta.namespace == of.namespace);
            let reads = |p: &&crate::world::Pod| match of.kind {
                Kind::ConfigMap => p.spec.config_maps.contains(&of.name),
                _ => p.spec.secrets.contains(&of.name),
            };
            its.filter(reads).count()
        })
        .await?;
    if users > 0 {
        let detail = "they run on; a pod that starts anew stays in CreateContainerConfigError";
        cx.impact(format!("{users} pods read it"), Severity::Critical, detail);
    }
    Ok(())
}
