//! How much the judge leaves unknown, and whether a cause depends on the order in which lists arrive: over all cases of
//! `tests/judge/faults`, each started a hundred times where it has a log.
//!
//! `cargo bench --bench judge [-- STARTS]` prints; it judges nothing.
#![allow(clippy::unwrap_used, clippy::expect_used)]

// The tests read more of a case than this.
#[allow(dead_code)]
#[path = "../tests/support/fault_cases.rs"]
mod fault_cases;

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use fault_cases::{Case, cases, reference};
use khud::playbook::Library;

/// Starts of each case that has a log.
const STARTS: u64 = 100;

#[derive(Default)]
struct Sum {
    answers: usize,
    unknown: usize,
    starts: usize,
    lost: usize,
}

fn main() {
    let words: Vec<String> = std::env::args().collect();
    let starts = words.iter().skip(1).find_map(|w| w.parse().ok()).unwrap_or(STARTS);
    let library = Arc::new(Library::embedded().unwrap());
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/judge/faults");
    let mut files: Vec<String> = std::fs::read_dir(dir)
        .unwrap()
        .filter_map(|e| Some(e.unwrap().path().file_stem()?.to_str()?.to_owned()))
        .collect();
    files.sort();
    let begin = Instant::now();
    let mut all = Sum::default();
    for file in files {
        let mut sum = Sum::default();
        for fault in cases(&file) {
            let objects = fault.diagnose.iter().filter(|(_, cause)| *cause != "none");
            for (name, cause) in objects {
                let object = reference(&fault, name);
                let said = Case::of(&fault).diagnose(&library, &object).0;
                sum.answers += 1;
                sum.unknown += usize::from(said == "unknown" && cause != "unknown");
                for seed in (1..=starts).filter(|_| !fault.logs.is_empty()) {
                    let again = Case::in_order(&fault, seed).diagnose(&library, &object).0;
                    sum.starts += 1;
                    sum.lost += usize::from(again != said);
                }
            }
        }
        print(&file, &sum);
        all.answers += sum.answers;
        all.unknown += sum.unknown;
        all.starts += sum.starts;
        all.lost += sum.lost;
    }
    print("all", &all);
    println!("{:.1} s", begin.elapsed().as_secs_f64());
}

fn print(name: &str, sum: &Sum) {
    let share = 100.0 * sum.unknown as f64 / sum.answers.max(1) as f64;
    println!(
        "{name:12} {:4} answers, {:3} unknown ({share:.1} %); {:6} starts, {:3} with another cause",
        sum.answers, sum.unknown, sum.starts, sum.lost
    );
}
