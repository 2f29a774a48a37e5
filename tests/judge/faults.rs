//! What `scan` and `diagnose` must say of the faults in `faults/*.yaml`, and of what looks like one and is none.

use std::sync::Arc;

use khud::detect::report::Scan;
use khud::playbook::Library;
use khud::world::ObjectRef;

use crate::support::fault_cases::{Case, Fault, cases, now, reference};

fn check(fault: &Fault, library: &Arc<Library>, wrong: &mut Vec<String>) {
    let mut case = Case::of(fault);
    let scan = Scan::new("test", now(), &case.world, &case.detector);
    let listed: Vec<String> = scan
        .findings
        .iter()
        .map(|f| format!("{} {} {}: {}", f.severity, f.cause, f.fix(), f.title))
        .collect();
    let about = |object: &ObjectRef| {
        let own = |f: &&Arc<khud::detect::Finding>| f.fix() == object || f.object == *object;
        scan.findings.iter().filter(own).cloned().collect::<Vec<_>>()
    };
    for (name, wanted) in &fault.scan {
        let found = about(&reference(fault, name));
        let (cause, words) = wanted.split_first().unwrap();
        let hit = found.iter().find(|f| *f.cause == **cause || *f.rule == **cause);
        match hit {
            None => {
                wrong.push(format!("{}: scan has no {cause} for {name}; it lists {listed:#?}", fault.name))
            }
            Some(f) => wrong.extend(
                words
                    .iter()
                    .filter(|w| {
                        !f.title.contains(&***w) && !f.evidence.iter().any(|e| e.quote.contains(&***w))
                    })
                    .map(|w| {
                        format!("{}: {name} does not say {w:?}: {} {:#?}", fault.name, f.title, f.evidence)
                    }),
            ),
        }
    }
    for name in &fault.silent {
        let found = about(&reference(fault, name));
        if !found.is_empty() {
            wrong.push(format!("{}: {name} is not silent: {listed:#?}", fault.name));
        }
    }
    let silent = fault.scan.is_empty() && fault.silent.is_empty();
    if silent && fault.incidents.is_none() && fault.incident_count.is_none() && !listed.is_empty() {
        wrong.push(format!("{}: not silent: {listed:#?}", fault.name));
    }
    if let Some(roots) = &fault.incidents {
        let mut wanted: Vec<String> = roots.iter().map(|r| reference(fault, r).to_string()).collect();
        let mut found: Vec<String> = scan.incidents.iter().map(|i| i.root.to_string()).collect();
        wanted.sort();
        found.sort();
        if wanted != found {
            wrong.push(format!("{}: incidents {found:?}, not {wanted:?}: {listed:#?}", fault.name));
        }
    }
    if let Some(count) = fault.incident_count
        && scan.incidents.len() != count
    {
        let roots: Vec<String> = scan.incidents.iter().map(|i| i.root.to_string()).collect();
        wrong.push(format!("{}: {} incidents {roots:?}, not {count}: {listed:#?}", fault.name, roots.len()));
    }
    for (name, cause) in &fault.diagnose {
        let (said, title) = case.diagnose(library, &reference(fault, name));
        if said != *cause {
            wrong.push(format!("{}: diagnose {name} says {said} ({title}), not {cause}", fault.name));
        }
    }
    if std::env::var_os("KHUD_FAULTS").is_some() {
        println!("{}:\n  {}", fault.name, listed.join("\n  "));
    }
}

/// All cases of a file.
fn run(file: &str) {
    let faults = cases(file);
    assert!(faults.len() > 3, "{file} holds {} cases", faults.len());
    let library = Arc::new(Library::embedded().unwrap());
    let mut wrong = Vec::new();
    faults.iter().for_each(|f| check(f, &library, &mut wrong));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n\n"));
}

#[test]
fn what_pods_wait_for_is_named() {
    run("waiting");
}

#[test]
fn pods_that_do_not_start_say_why() {
    run("pods");
}

#[test]
fn logs_of_running_pods_are_judged() {
    run("logs");
}

#[test]
fn what_stands_around_pods_is_judged() {
    run("around");
}

#[test]
fn several_victims_of_one_cause_are_one_incident() {
    run("incidents");
}

#[test]
fn programs_that_end_or_repeat_an_error_are_read() {
    run("programs");
}

#[test]
fn pods_that_cannot_start_or_stay_are_explained() {
    run("starts");
}

#[test]
fn pods_without_a_place_or_a_permit_are_explained() {
    run("placement");
}

#[test]
fn traffic_jobs_and_extensions_are_judged() {
    run("traffic");
}

#[test]
fn one_root_is_named_once_and_its_victims_wait() {
    run("chains");
}

#[test]
fn the_last_words_of_programs_decide() {
    run("endings");
}

#[test]
fn nodes_claims_and_finalizers_are_explained() {
    run("more");
}

#[test]
fn sound_objects_stay_silent() {
    run("sound");
}

#[test]
fn what_looks_like_a_fault_and_is_none_stays_silent() {
    run("healthy");
}

#[test]
fn the_decisive_line_is_found_among_those_that_mislead() {
    run("runtimes");
}

#[test]
fn model_servers_and_containers_that_do_not_start_say_why() {
    run("models");
}

#[test]
fn a_ready_pod_that_repeats_an_error_is_seen() {
    run("ongoing");
}

#[test]
fn texts_of_kubelets_runtimes_and_schedulers_are_read() {
    run("node_texts");
}

#[test]
fn refusals_of_controllers_and_admission_are_read() {
    run("control");
}

#[test]
fn everyday_noise_stays_silent() {
    run("calm");
}

#[test]
fn one_root_among_healthy_noise_and_a_second_fault() {
    run("outages");
}

/// Lists arrive in any order: each log keeps its cause. The bench `judge` starts a hundred times.
#[test]
fn the_order_of_lists_changes_no_cause() {
    let library = Arc::new(Library::embedded().unwrap());
    let mut wrong = Vec::new();
    for fault in cases("runtimes").iter().chain(&cases("outages")) {
        for seed in 1..=10 {
            for (name, cause) in &fault.diagnose {
                let (said, title) = Case::in_order(fault, seed).diagnose(&library, &reference(fault, name));
                if said != *cause {
                    wrong.push(format!("{} in order {seed}: {name} says {said} ({title})", fault.name));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn kinds_that_the_rules_were_not_written_for_are_explained() {
    run("unseen");
}

#[test]
fn every_owner_and_every_moment_between_runs_is_judged() {
    run("owners");
}

#[test]
fn every_form_of_a_log_is_read() {
    run("formats");
}

#[test]
fn one_fault_in_the_words_of_many_versions_is_one_cause() {
    run("variants");
}

#[test]
fn storms_have_one_root_and_leave_bystanders_alone() {
    run("storms");
}

#[test]
fn healthy_objects_that_smell_stay_silent() {
    run("smells");
}

#[test]
fn scripts_owners_and_refusals_are_judged() {
    run("shells");
}

#[test]
fn what_depends_on_a_root_through_other_kinds_is_named_with_it() {
    run("cascades");
}

#[test]
fn causes_that_are_seldom_met_are_named_in_every_shape() {
    run("seldom");
}

#[test]
fn machines_and_what_runs_on_each_of_them_are_judged() {
    run("machines");
}

#[test]
fn programs_of_small_public_images_are_read() {
    run("workbench");
}

#[test]
fn a_chain_has_one_root_beside_a_second_fault() {
    run("toppled");
}

#[test]
fn healthy_objects_that_somebody_in_a_hurry_would_blame_stay_silent() {
    run("lookalikes");
}
