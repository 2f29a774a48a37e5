//! Renders the report as lines of text, for the command line and for text views.

use std::fmt::Write;

use super::Report;
use super::report::grouped;
use crate::capture::size;

const CLASSES: usize = 25;
const ROWS: usize = 10;
/// The most steps of a path that are printed.
const STEPS: usize = 16;

/// The report as lines of text. Names and texts from the dump are not escaped for a terminal.
pub fn table(r: &Report) -> String {
    let mut out = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}: {} in {} objects ({} unreachable: {})\n",
        r.file,
        size(r.bytes),
        grouped(r.objects),
        grouped(r.unreachable_objects),
        size(r.unreachable_bytes)
    );
    if r.suspects.is_empty() {
        out.push_str("No object and no class holds 10 % of the heap.\n");
    }
    for suspect in &r.suspects {
        let _ = writeln!(out, "- {}", suspect.sentence);
        steps(&mut out, &suspect.path);
    }
    for unknown in &r.unknown {
        let _ = writeln!(out, "? {unknown}");
    }
    let _ = writeln!(out, "\n{:>10} {:>10} {:>13}  CLASS", "RETAINED", "SHALLOW", "INSTANCES");
    for c in r.classes.iter().take(CLASSES) {
        let _ = writeln!(
            out,
            "{:>10} {:>10} {:>13}  {}",
            size(c.retained),
            size(c.shallow),
            grouped(c.instances),
            c.class
        );
    }
    more(&mut out, r.classes.len(), CLASSES, "classes");
    if !r.collections.is_empty() {
        let _ = writeln!(out, "\n{:>10} {:>13}  COLLECTION", "RETAINED", "ELEMENTS");
        for c in r.collections.iter().take(ROWS) {
            let owner = c.owner.as_deref().map(|o| format!("  of {o}")).unwrap_or_default();
            let _ = writeln!(out, "{:>10} {:>13}  {}{owner}", size(c.retained), grouped(c.elements), c.class);
        }
        more(&mut out, r.collections.len(), ROWS, "collections");
    }
    let strings = &r.duplicate_strings;
    let _ = writeln!(
        out,
        "\nStrings: {} with {} different texts; duplicates waste {}",
        grouped(strings.compared),
        grouped(strings.different),
        size(strings.wasted)
    );
    for s in strings.top.iter().take(ROWS) {
        let text =
            s.text.as_deref().map_or("(hidden: looks like a secret)".to_owned(), |t| format!("\"{t}\""));
        let _ = writeln!(out, "{:>10} {:>13}  {text}", size(s.wasted), grouped(s.count));
    }
    let _ = writeln!(out, "\n{:>10} {:>8} {:>13}  CLASS LOADER", "RETAINED", "CLASSES", "INSTANCES");
    for l in r.class_loaders.iter().take(ROWS) {
        let retained = l.retained.map_or("-".to_owned(), size);
        let _ = writeln!(
            out,
            "{retained:>10} {:>8} {:>13}  {}",
            grouped(l.classes),
            grouped(l.instances),
            l.loader
        );
    }
    more(&mut out, r.class_loaders.len(), ROWS, "class loaders");
    out
}

fn steps(out: &mut String, path: &[String]) {
    let hidden = path.len().saturating_sub(STEPS);
    for (i, step) in path.iter().enumerate() {
        if hidden > 0 && i == STEPS / 2 {
            let _ = writeln!(out, "      … {hidden} more steps; `-o json` lists them");
        }
        if i < STEPS / 2 || i >= STEPS / 2 + hidden {
            let _ = writeln!(out, "      {step}");
        }
    }
}

fn more(out: &mut String, all: usize, shown: usize, what: &str) {
    if all > shown {
        let _ = writeln!(out, "{} more {what}; `-o json` lists them", grouped((all - shown) as u64));
    }
}
