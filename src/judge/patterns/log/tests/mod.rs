//! Wordings of real programs, lines that look like them and mean something else, and whole logs.

mod more_wordings;
mod running;
mod traces;
mod wordings;

use super::ended;

/// What one line says as the end of a log: cause and what it names.
fn one(text: &str) -> Option<(&'static str, String)> {
    ended(text).found.filter(|p| p.known).map(|p| (p.cause.id(), p.named.text()))
}

fn all_say(cases: &[(&'static str, &str, &str)]) {
    let wrong: Vec<String> = cases
        .iter()
        .filter(|(cause, named, line)| one(line) != Some((*cause, (*named).to_owned())))
        .map(|(cause, named, line)| format!("{line}\n    want {cause} {named:?}, got {:?}", one(line)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} are wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}
