//! Namespaces that do not go: what still holds them.

use crate::world::{Kind, Namespace, ObjectRef, Status, condition};

use super::diagnosis::{Ctx, Diagnosis, Out, Part};
use super::extension;
use super::limits::seconds;
use super::registry::causes;

causes! {
    TERMINATING = "namespace.terminating" Warning Watch("namespaces, apiservices") tree "namespace":
        "a namespace has been going for minutes: its conditions say what holds it",
        why "its name cannot be used again, and whatever waits for its end waits for ever",
        source "conditions NamespaceDeletion… and NamespaceContentRemaining";
}

/// How long an ordinary namespace takes to go: the grace periods of its pods, and the controller's rounds.
const GOING: u64 = 180;

/// The conditions, the one that explains most first.
const HOLDS: &[&str] = &[
    "NamespaceDeletionDiscoveryFailure",
    "NamespaceDeletionGroupVersionParsingFailure",
    "NamespaceDeletionContentFailure",
    "NamespaceFinalizersRemaining",
    "NamespaceContentRemaining",
];

pub fn judge(ctx: &Ctx, namespace: &Namespace, object: &ObjectRef, out: &mut Out) {
    let Some(since) = namespace.meta.deleting else { return };
    let fires = since.plus(seconds(GOING));
    if ctx.now < fires {
        out.again(fires);
    }
    let name = &namespace.meta.name;
    let held: Vec<_> = HOLDS
        .iter()
        .filter_map(|kind| condition(&namespace.conditions, kind).filter(|c| c.status == Status::True))
        .collect();
    let Some(first) = held.first() else { return };
    let says = match &*first.kind {
        "NamespaceDeletionDiscoveryFailure" => "the server cannot list all kinds of objects",
        "NamespaceDeletionGroupVersionParsingFailure" => "the name of an API cannot be read",
        "NamespaceDeletionContentFailure" => "objects in it cannot be deleted",
        "NamespaceFinalizersRemaining" => "objects in it wait for their finalizers",
        _ => "objects are still in it",
    };
    let mut found = Diagnosis::new(TERMINATING, object.clone(), since)
        .fires_at(fires)
        .title(format!("namespace {name} does not go: {says}: {}", first.message))
        .row("does not go");
    for c in held.iter().take(3) {
        found = found.evidence(
            format!("condition {}", c.kind),
            format!("{}: {}", c.reason, c.message),
            object,
            c.since,
        );
    }
    // A dead API or converter that the condition names is the root.
    if let Some(key) = extension_at_fault(ctx, &first.message) {
        found.key = key;
        found = found.part(Part::Consequence);
    }
    out.push(found);
}

fn extension_at_fault(ctx: &Ctx, message: &str) -> Option<super::Key> {
    let api = ctx.world.api_services.values().find_map(|a| {
        let named = format!("{}/{}", a.group, a.version);
        (a.service.is_some() && message.contains(&named))
            .then(|| ObjectRef::new(Kind::APIService, "", a.meta.name.clone()))
    });
    let crd = ctx.world.custom_resources.values().find_map(|c| {
        let service = c.converter.as_ref()?;
        let named = format!("{}.{}.svc", service.name, service.namespace);
        message
            .contains(&named)
            .then(|| ObjectRef::new(Kind::CustomResourceDefinition, "", c.meta.name.clone()))
    });
    [(api, extension::APISERVICE_UNAVAILABLE), (crd, extension::CRD_CONVERSION)].into_iter().find_map(
        |(object, cause)| {
            let object = object?;
            ctx.diagnosed.of(&object).iter().find(|k| *k.family == *cause).cloned()
        },
    )
}
