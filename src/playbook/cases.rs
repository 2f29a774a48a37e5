//! The cases of a playbook: recorded evidence, and the way and the verdict that the tree must come to with it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use serde_saphyr::Spanned;

use super::facts;
use super::library::Library;
use super::path::{By, Intrusive, State, WalkOptions};
use super::problem::{Position, Problem};
use super::recording::Recording;
use super::tree::{LoadError, Playbook};
use super::walk::Walk;
use crate::world::{ObjectRef, Time, World};

/// The verdict of a case in which nothing is proved.
pub const UNPROVED: &str = "unknown";
/// Steps that a walk may take. A tree has no circles, so this is never reached by one that loads.
const STEPS: usize = 1000;

/// One case.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    /// Where the evidence was recorded.
    #[serde(default)]
    pub from: String,
    /// `{kind, namespace, name}`.
    pub object: Value,
    /// What the operator answers, by question. Where there is any, an operator is there to be asked.
    #[serde(default)]
    pub answers: BTreeMap<String, String>,
    /// Each question with its answer (`ready=no`), in order.
    pub path: Vec<String>,
    /// The cause, or `unknown` where nothing is proved.
    pub verdict: String,
    /// The leaf that explains it, `PLAYBOOK/LEAF` for that of another tree; empty where there is none.
    #[serde(default)]
    pub leaf: String,
    #[serde(default)]
    pub recording: Recording,
}

/// The cases of one file.
#[derive(Clone, Debug, Default)]
pub struct Cases {
    pub file: String,
    pub cases: Vec<(Position, Case)>,
}

/// What a walk over a case came to.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Outcome {
    pub path: Vec<String>,
    pub verdict: String,
    pub leaf: String,
    /// Expressions of the tree that failed on the evidence.
    pub failures: Vec<Problem>,
    /// Evidence that the tree asked for and the case does not have.
    pub lacking: Vec<String>,
}

impl Case {
    /// The case that a walk makes: what it was given, and what it came to.
    pub fn of(walk: &Walk, name: &str, from: &str) -> Case {
        let told = |s: &&super::path::Step| s.by == By::Operator;
        let answers = walk.steps().iter().filter(told).map(|s| (s.id.clone(), s.answer.clone())).collect();
        let outcome = outcome(walk);
        Case {
            name: name.to_owned(),
            from: from.to_owned(),
            object: facts::object(&walk.object),
            answers,
            path: outcome.path,
            verdict: outcome.verdict,
            leaf: outcome.leaf,
            recording: walk.recording().clone(),
        }
    }

    /// The object that it is about.
    pub fn about(&self) -> Option<ObjectRef> {
        facts::reference(&self.object)
    }

    /// Walks the tree with the recorded evidence.
    ///
    /// # Errors
    /// A sentence: the case names no object, or what the judge said cannot be read.
    pub fn walk(&self, book: &Arc<Playbook>, library: &Arc<Library>) -> Result<Outcome, String> {
        let object =
            self.about().ok_or_else(|| format!("{} is no {{kind, namespace, name}}", self.object))?;
        let answer = self.recording.answer()?;
        let options = WalkOptions { intrusive: Intrusive::Allowed, operator: !self.answers.is_empty() };
        let mut walk = Walk::replay(library.clone(), book.clone(), object, options, self.recording.clone());
        let world = World::new();
        for _ in 0..STEPS {
            match walk.step(&world, Time(0), &answer).clone() {
                State::Asking { id, .. } => {
                    walk.tell(self.answers.get(&id).map_or("unknown", String::as_str));
                }
                State::Reading | State::Done => break,
            }
        }
        Ok(outcome(&walk))
    }

    /// As a document of YAML. Evidence stands on one line a need: it is for machines, the rest for people.
    pub fn yaml(&self) -> String {
        // JSON is YAML, and a line of it quotes whatever a cluster wrote.
        let mut out = String::new();
        let fields: [(&str, Value); 7] = [
            ("name", json!(self.name)),
            ("from", json!(self.from)),
            ("object", self.object.clone()),
            ("answers", json!(self.answers)),
            ("path", json!(self.path)),
            ("verdict", json!(self.verdict)),
            ("leaf", json!(self.leaf)),
        ];
        let said = |v: &Value| *v != json!("") && *v != json!({});
        for (i, (name, value)) in fields.iter().filter(|(_, v)| said(v)).enumerate() {
            let lead = if i == 0 { "- " } else { "  " };
            let _ = writeln!(out, "{lead}{name}: {value}");
        }
        let recording = json!(self.recording);
        let _ = writeln!(out, "  recording:\n    judge: {}\n    evidence:", recording["judge"]);
        for (object, needs) in recording["evidence"].as_object().into_iter().flatten() {
            let _ = writeln!(out, "      {}:", json!(object));
            for (need, found) in needs.as_object().into_iter().flatten() {
                let _ = writeln!(out, "        {}: {found}", json!(need));
            }
        }
        out
    }
}

fn outcome(walk: &Walk) -> Outcome {
    Outcome {
        path: walk.steps().iter().map(|s| format!("{}={}", s.id, s.answer)).collect(),
        verdict: walk.verdict().map_or(UNPROVED, |v| &v.cause).to_owned(),
        leaf: walk.leaf().to_owned(),
        failures: walk.failures().to_vec(),
        lacking: walk.lacking().to_vec(),
    }
}

/// Where the cases of a playbook's file lie: `NAME.cases.yaml` beside `NAME.yaml`.
pub fn beside(playbook: &Path) -> PathBuf {
    playbook.with_extension("cases.yaml")
}

/// Whether a file holds cases, by its name.
pub fn is(file: &Path) -> bool {
    file.to_string_lossy().ends_with(".cases.yaml")
}

impl Cases {
    /// Reads cases. `file` names them in messages.
    ///
    /// # Errors
    /// A sentence with the line and column of what could not be read.
    pub fn parse(text: &str, file: &str) -> Result<Cases, LoadError> {
        let cases: Vec<Spanned<Case>> = serde_saphyr::from_str(text).map_err(|e| {
            let at = e.location().map_or_else(String::new, |l| format!("{}: ", Position::from(l)));
            let said = e.to_string();
            let message = format!("{at}{}", said.lines().next().unwrap_or("not a list of cases"));
            LoadError { file: file.to_owned(), message }
        })?;
        let cases = cases.into_iter().map(|c| (Position::from(c.referenced), c.value)).collect();
        Ok(Cases { file: file.to_owned(), cases })
    }

    /// Reads the cases that lie beside a playbook's file.
    ///
    /// # Errors
    /// A sentence: there are none, or they could not be read.
    pub fn of(playbook: &Path) -> Result<Cases, LoadError> {
        let path = beside(playbook);
        let file = path.display().to_string();
        let text = std::fs::read_to_string(&path).map_err(|e| LoadError {
            file: file.clone(),
            message: format!(
                "cannot be read: {e}; a playbook has its cases there, recorded with khud diagnose --record FILE"
            ),
        })?;
        Cases::parse(&text, &file)
    }

    /// Walks every case and compares way, verdict and leaf. Each difference is a problem at its case's place.
    pub fn test(&self, book: &Arc<Playbook>, library: &Arc<Library>) -> Vec<Problem> {
        let mut out = Vec::new();
        if self.cases.is_empty() {
            out.push(Problem { at: Position::default(), message: "has no case".to_owned() });
        }
        let mut walked = Vec::new();
        for (at, case) in &self.cases {
            let mut say = |what: String| {
                out.push(Problem { at: *at, message: format!("{}: {what}", case.name) });
            };
            match case.walk(book, library) {
                Err(why) => say(why),
                Ok(outcome) => {
                    outcome.lacking.iter().cloned().for_each(&mut say);
                    differences(case, &outcome).into_iter().for_each(&mut say);
                    walked.push(outcome);
                }
            }
        }
        for (id, at) in unreached(book, &walked) {
            let message = format!("no case reaches verdict {id} ({at} of the playbook)");
            out.push(Problem { at: Position::default(), message });
        }
        out
    }

    /// What each case came to; cases that cannot be walked are left out.
    pub fn walked(&self, book: &Arc<Playbook>, library: &Arc<Library>) -> Vec<Outcome> {
        self.cases.iter().filter_map(|(_, c)| c.walk(book, library).ok()).collect()
    }
}

/// The leaves of a tree that none of these walks ended in, with their places in its file.
pub fn unreached<'a>(book: &'a Playbook, walked: &[Outcome]) -> Vec<(&'a str, Position)> {
    let reached: BTreeSet<&str> = walked.iter().map(|o| o.leaf.as_str()).collect();
    let leaves = book.verdicts.iter().filter(|(id, _)| !reached.contains(id.as_str()));
    leaves.map(|(id, leaf)| (id.as_str(), leaf.at)).collect()
}

fn differences(case: &Case, outcome: &Outcome) -> Vec<String> {
    let mut out = Vec::new();
    if case.verdict != outcome.verdict {
        out.push(format!("the verdict is {}, not {}", outcome.verdict, case.verdict));
    }
    if case.path != outcome.path {
        let same = case.path.iter().zip(&outcome.path).take_while(|(a, b)| a == b).count();
        let at = |path: &[String]| path.get(same).map_or("the end", String::as_str).to_owned();
        out.push(format!(
            "after {same} questions the way goes on with {}, not {}",
            at(&outcome.path),
            at(&case.path)
        ));
    }
    if case.leaf != outcome.leaf {
        out.push(format!("it ends in the leaf {:?}, not {:?}", outcome.leaf, case.leaf));
    }
    out
}
