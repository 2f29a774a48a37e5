//! Workloads that read one ConfigMap or Secret and complain of the same value: the configuration is their root.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::finding::Finding;
use crate::judge::create::ROOT_CA;
use crate::world::{Kind, ObjectRef, Pod, Text, World};

/// The namespace, what a finding says in a few words, and a value that its log names.
type Complaint = (Text, String, String);

/// ConfigMaps and Secrets, each with the findings of two workloads or more that refuse what it holds.
pub(super) fn of_one_configuration<'w>(
    world: &World,
    findings: &[Arc<Finding>],
    pod: impl Fn(usize) -> Option<&'w Pod>,
) -> BTreeMap<ObjectRef, BTreeSet<usize>> {
    let mut alike: BTreeMap<Complaint, Vec<(usize, &Pod)>> = BTreeMap::new();
    for (i, f) in findings.iter().enumerate() {
        if !matches!(&*f.cause, "crash.config" | "log.permission") || f.waits_for.is_some() {
            continue;
        }
        let Some(pod) = pod(i) else { continue };
        let quotes = f.evidence.iter().filter(|e| matches!(&*e.source, "log" | "termination message"));
        let named: BTreeSet<String> = quotes.flat_map(|e| values(&e.quote)).collect();
        for value in named {
            let key = (pod.meta.namespace.clone(), f.row.clone(), value);
            alike.entry(key).or_default().push((i, pod));
        }
    }
    let mut out: BTreeMap<ObjectRef, BTreeSet<usize>> = BTreeMap::new();
    for all in alike.into_values() {
        let roots: BTreeSet<&ObjectRef> = all.iter().map(|(i, _)| findings[*i].fix()).collect();
        if roots.len() < 2 {
            continue;
        }
        let pods: Vec<&Pod> = all.iter().map(|(_, p)| *p).collect();
        if let Some(object) = shared(world, &pods) {
            out.entry(object).or_default().extend(all.iter().map(|(i, _)| *i));
        }
    }
    out
}

/// The one ConfigMap or Secret that all the pods read; of several, the one that no ready pod reads as well.
fn shared(world: &World, pods: &[&Pod]) -> Option<ObjectRef> {
    let (first, rest) = pods.split_first()?;
    let namespace = &first.meta.namespace;
    let common = |kind: Kind, of: fn(&Pod) -> &[Text]| {
        let own = of(first).iter().filter(|n| &***n != ROOT_CA);
        let all = own.filter(|n| rest.iter().all(|p| of(p).contains(n)));
        all.map(|n| ObjectRef::new(kind.clone(), namespace.clone(), n.clone())).collect::<Vec<_>>()
    };
    let mut found = common(Kind::ConfigMap, |p| &p.spec.config_maps);
    found.extend(common(Kind::Secret, |p| &p.spec.secrets));
    if found.len() > 1 {
        let well = |p: &&Pod| p.ready && p.meta.namespace == *namespace;
        let healthy: Vec<&Pod> = world
            .pods
            .values()
            .filter(well)
            .filter(|p| pods.iter().all(|q| q.meta.uid != p.meta.uid))
            .collect();
        found.retain(|o| {
            let reads = |p: &Pod| {
                if o.kind == Kind::Secret {
                    p.spec.secrets.contains(&o.name)
                } else {
                    p.spec.config_maps.contains(&o.name)
                }
            };
            !healthy.iter().any(|p| reads(p))
        });
    }
    match &found[..] {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// The values that a line names: words in quotation marks, and settings in capitals such as `LOG_LEVEL`.
fn values(line: &str) -> BTreeSet<String> {
    let quoted = |mark: char| line.split(mark).skip(1).step_by(2).filter(|w| w.len() > 1 && !w.contains(' '));
    let setting = |w: &&str| {
        w.contains('_')
            && w.len() > 3
            && w.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
    };
    let words = line.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).filter(setting);
    quoted('"').chain(quoted('\'')).chain(words).map(str::to_owned).collect()
}
