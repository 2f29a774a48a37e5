//! One source that does not answer makes an answer less sure. It never makes it another one that claims to be proved.

use std::collections::BTreeSet;

use crate::support::fault_cases::{Case, Fault, Missing, cases, now, reference};
use khud::detect::report::Scan;
use khud::judge::{Severity, Sure};
use khud::world::{Kind, ObjectRef};

/// All files of faults, except those of healthy objects: nothing can be lost there.
const FILES: &[&str] = &[
    "around",
    "cascades",
    "chains",
    "control",
    "endings",
    "formats",
    "incidents",
    "logs",
    "machines",
    "models",
    "more",
    "node_texts",
    "ongoing",
    "outages",
    "owners",
    "placement",
    "pods",
    "programs",
    "runtimes",
    "seldom",
    "shells",
    "starts",
    "storms",
    "toppled",
    "traffic",
    "unseen",
    "variants",
    "waiting",
    "workbench",
];

/// Kinds that the healthy cluster around each case has.
const GROUND: &[Kind] = &[Kind::Pod, Kind::Node, Kind::Namespace, Kind::Deployment, Kind::ReplicaSet];

/// The sources whose absence can matter to a case.
fn sources(fault: &Fault) -> Vec<Missing> {
    let mut kinds: BTreeSet<Kind> = GROUND.iter().cloned().collect();
    for object in &fault.objects {
        let of_app = object["app"]["kind"].as_str().unwrap_or("Deployment");
        kinds.insert(Kind::of(object["kind"].as_str().unwrap_or(of_app)));
        if object["app"].is_object() {
            kinds.extend([Kind::Service, Kind::EndpointSlice]);
        }
    }
    kinds.insert(Kind::Event);
    let followed = Kind::followed();
    kinds.retain(|k| followed.contains(k));
    let halves = [Kind::Pod, Kind::Event, Kind::EndpointSlice].map(Missing::Half);
    kinds.into_iter().map(Missing::Kind).chain(halves).chain([Missing::Logs]).collect()
}

/// Facts that stay true where what is behind them is not known: a pod was evicted, a namespace does not go.
const FACTS: &[&str] = &["evicted.memory", "evicted.disk", "namespace.terminating"];

/// Every proved cause of a case, with the object that shows it: those that scan lists, and those that somebody who asks
/// is told.
fn proved(case: &mut Case, asked: &[ObjectRef]) -> BTreeSet<(String, ObjectRef)> {
    let scan = Scan::new("test", now(), &case.world, &case.detector);
    let listed = scan.findings.iter().filter(|f| f.sure == Sure::Proved && f.severity > Severity::Info);
    let mut out: BTreeSet<_> = listed.map(|f| (f.cause.to_string(), f.object.clone())).collect();
    for object in asked {
        let told = case.answer(object).causes;
        let sure = told.iter().filter(|f| f.sure == Sure::Proved && f.severity > Severity::Info);
        out.extend(sure.map(|f| (f.cause.to_string(), f.shown_by.clone())));
    }
    out
}

fn check(fault: &Fault, wrong: &mut Vec<String>) {
    let asked: Vec<ObjectRef> = fault.diagnose.keys().map(|n| reference(fault, n)).collect();
    let mut whole = Case::of(fault);
    let mut right: BTreeSet<String> = fault.diagnose.values().cloned().collect();
    right.insert("unknown".to_owned());
    for object in &asked {
        let told = whole.answer(object).causes;
        right.extend(told.iter().flat_map(|f| [f.cause.to_string(), f.rule.to_string()]));
    }
    let scan = Scan::new("test", now(), &whole.world, &whole.detector);
    right.extend(scan.findings.iter().flat_map(|f| [f.cause.to_string(), f.rule.to_string()]));
    for missing in sources(fault) {
        let mut case = Case::without(fault, &missing);
        let there: Vec<ObjectRef> = asked.iter().filter(|o| case.world.meta(o).is_some()).cloned().collect();
        for (cause, object) in proved(&mut case, &there) {
            // A Service whose pods are in trouble has no endpoints, whether or not that trouble is known.
            let follows = cause == "service.no-endpoints" && whole.detector.of(&object).is_some();
            if right.contains(&cause) || FACTS.contains(&&*cause) || follows {
                continue;
            }
            wrong.push(format!(
                "{}: without {missing:?} it is proved to be {cause}, not {right:?}",
                fault.name
            ));
        }
        for object in &there {
            let (before, after) = (whole.answer(object), case.answer(object));
            let claims_health = after.causes.is_empty() && after.unseen.is_empty() && after.ruled;
            if !before.causes.is_empty() && claims_health {
                wrong.push(format!("{}: without {missing:?} nothing is wrong with {object}", fault.name));
            }
        }
    }
}

/// Every fourth case; all of them where `KHUD_FAULTS` is set.
#[test]
fn a_source_that_is_missing_proves_nothing_else() {
    let every = if std::env::var_os("KHUD_FAULTS").is_some() { 1 } else { 4 };
    let mut wrong = Vec::new();
    let all: Vec<Fault> = FILES.iter().flat_map(|f| cases(f)).collect();
    all.iter().step_by(every).for_each(|f| check(f, &mut wrong));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
