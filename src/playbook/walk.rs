//! A walk down a tree for one object: answers from the cluster, from the operator where only they know, and a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::expr::Bindings;
use super::facts;
use super::intrusive::Run;
use super::library::Library;
use super::path::{By, Evidence, Proposal, Read, Reading, State, Step, Unknown, Verdict, WalkOptions};
use super::problem::Problem;
use super::recording::Recording;
use super::tree::{Cost, Decide, JUDGE, JUDGED, Need, Node, Playbook};
use crate::judge::{Answer as Judged, Found};
use crate::world::{ObjectRef, Text, Time, World};

/// What a step started from, so that an overruled walk can go on from there.
#[derive(Clone)]
pub(super) struct Mark {
    pub(super) playbook: Arc<Playbook>,
    pub(super) node: String,
    pub(super) object: ObjectRef,
}

/// A walk under way.
pub struct Walk {
    pub(super) library: Arc<Library>,
    pub(super) options: WalkOptions,
    /// What was asked about, and the playbook it began with.
    pub object: ObjectRef,
    pub playbook: Text,
    pub(super) at: Mark,
    pub(super) marks: Vec<Mark>,
    pub(super) steps: Vec<Step>,
    pub(super) bindings: Bindings,
    /// Needs answered, and those that could not be, with why.
    pub(super) have: BTreeMap<(ObjectRef, Need), Option<String>>,
    pub(super) wanted: Vec<Read>,
    pub(super) readings: Vec<(Read, Result<Reading, String>)>,
    pub(super) pending: Option<Need>,
    /// The commands of the pending need.
    pub(super) runs: Vec<Run>,
    /// Needs whose commands the operator allowed, and those that wait for it with what they would run.
    pub(super) consented: Vec<(ObjectRef, Need)>,
    pub(super) asks: BTreeMap<(ObjectRef, Need), String>,
    pub(super) spent_ms: u64,
    pub(super) told: BTreeMap<String, String>,
    /// What the judge says of the object that was asked about.
    pub(super) judged: Judged,
    pub(super) verdict: Option<Verdict>,
    /// The verdict is a leaf's that says more than the judge, by what a command brought.
    pub(super) refined: bool,
    pub(super) proposals: Vec<Proposal>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) state: State,
    /// The evidence to walk with in place of the World's.
    pub(super) replayed: Option<Recording>,
    /// What the walk was given so far.
    pub(super) recording: Recording,
    /// Evidence that a replayed walk asked for and the recording lacks.
    pub(super) lacking: Vec<String>,
    /// Expressions that failed although their evidence was there.
    pub(super) failures: Vec<Problem>,
    /// The leaf that the walk ended in; `PLAYBOOK/LEAF` for that of another tree than the first.
    pub(super) leaf: String,
}

impl Walk {
    /// Begins at the start of `playbook` for `object`. Call [`Walk::step`] to move.
    pub fn start(
        library: Arc<Library>,
        playbook: Arc<Playbook>,
        object: ObjectRef,
        options: WalkOptions,
    ) -> Walk {
        let at = Mark { node: playbook.start.clone(), object: object.clone(), playbook: playbook.clone() };
        Walk {
            library,
            options,
            object,
            playbook: playbook.id.as_str().into(),
            at,
            marks: Vec::new(),
            steps: Vec::new(),
            bindings: Bindings::new(),
            have: BTreeMap::new(),
            wanted: Vec::new(),
            readings: Vec::new(),
            pending: None,
            runs: Vec::new(),
            consented: Vec::new(),
            asks: BTreeMap::new(),
            refined: false,
            spent_ms: 0,
            told: BTreeMap::new(),
            judged: Judged::default(),
            verdict: None,
            proposals: Vec::new(),
            unknown: Vec::new(),
            state: State::Reading,
            replayed: None,
            recording: Recording::default(),
            lacking: Vec::new(),
            failures: Vec::new(),
            leaf: String::new(),
        }
    }

    /// The same over recorded evidence: the World that [`Walk::step`] is given plays no part.
    pub fn replay(
        library: Arc<Library>,
        playbook: Arc<Playbook>,
        object: ObjectRef,
        options: WalkOptions,
        recording: Recording,
    ) -> Walk {
        Walk { replayed: Some(recording), ..Walk::start(library, playbook, object, options) }
    }

    /// What the walk was given so far; [`Walk::replay`] repeats it.
    pub fn recording(&self) -> &Recording {
        &self.recording
    }

    /// Evidence that a replayed walk asked for and its recording does not have, a sentence each.
    pub fn lacking(&self) -> &[String] {
        &self.lacking
    }

    /// Expressions that failed although their evidence was there.
    pub fn failures(&self) -> &[Problem] {
        &self.failures
    }

    /// The leaf that the walk ended in, `PLAYBOOK/LEAF` for that of another tree; empty where there is none.
    pub fn leaf(&self) -> &str {
        &self.leaf
    }

    /// Reads not answered yet.
    pub fn wants(&self) -> &[Read] {
        &self.wanted
    }

    /// Answers a read. Answers nobody waits for are dropped.
    pub fn give(&mut self, read: &Read, result: Result<Reading, String>, took_ms: u64) {
        if let Some(i) = self.wanted.iter().position(|r| r == read) {
            let read = self.wanted.remove(i);
            self.readings.push((read, result));
            self.spent_ms += took_ms;
        }
    }

    /// The operator answers the question that is asked.
    pub fn tell(&mut self, answer: &str) {
        if let State::Asking { choices, .. } = &self.state
            && (choices.iter().any(|c| c == answer) || answer == "unknown")
        {
            let id = self.id(&self.at);
            self.told.insert(id, answer.to_owned());
            self.state = State::Reading;
        }
    }

    /// The operator puts their answer in place of a step's; the walk goes on from there with the evidence it has.
    ///
    /// # Errors
    /// A sentence where there is no such step or answer.
    pub fn overrule(&mut self, id: &str, answer: &str) -> Result<(), String> {
        let i = self.steps.iter().position(|s| s.id == id).ok_or_else(|| format!("{id} was not asked"))?;
        let step = &self.steps[i];
        if !step.choices.iter().any(|c| c == answer) {
            return Err(format!(
                "{answer:?} is no answer to {:?}; there is {}",
                step.question,
                step.choices.join(", ")
            ));
        }
        let id = step.id.clone();
        self.rewind(i);
        self.told.insert(id, answer.to_owned());
        Ok(())
    }

    /// The operator allows the commands that a step's answer needs; the walk goes on from there.
    ///
    /// # Errors
    /// A sentence where there is no such step, or its answer needs no command.
    pub fn consent(&mut self, id: &str) -> Result<(), String> {
        let i = self.steps.iter().position(|s| s.id == id).ok_or_else(|| format!("{id} was not asked"))?;
        let mark = self.marks[i].clone();
        let waiting: Vec<_> = self
            .asks
            .keys()
            .filter(|(o, need)| {
                *o == mark.object
                    && mark.playbook.nodes.get(&mark.node).is_some_and(|n| n.needs.contains(need))
            })
            .cloned()
            .collect();
        if waiting.is_empty() {
            return Err(format!("{:?} needs no command", self.steps[i].question));
        }
        self.rewind(i);
        for key in waiting {
            self.asks.remove(&key);
            self.have.remove(&key);
            self.consented.push(key);
        }
        Ok(())
    }

    /// Whether commands were run in containers on the way.
    pub fn probed(&self) -> bool {
        !self.consented.is_empty()
            || self
                .have
                .iter()
                .any(|((_, need), missing)| need.cost() == Cost::Intrusive && missing.is_none())
    }

    /// Goes back to before a step, with the evidence there is.
    fn rewind(&mut self, i: usize) {
        if self.marks[i..].iter().any(|m| m.object != self.marks[i].object) {
            // Evidence of the other object stands under the same names; World facts are read again, cheaply.
            self.have.clear();
            self.bindings.clear();
        }
        self.at = self.marks[i].clone();
        let gone: Vec<String> = self.steps[i..].iter().map(|s| s.id.clone()).collect();
        self.told.retain(|k, _| !gone.contains(k));
        self.steps.truncate(i);
        self.marks.truncate(i);
        self.verdict = None;
        self.refined = false;
        self.leaf.clear();
        self.proposals.clear();
        self.unknown.clear();
        self.state = State::Reading;
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// The judge's first cause that the walk was given.
    pub fn judged(&self) -> Option<&str> {
        self.judged.causes.first().map(|f| &*f.cause)
    }

    /// What was proved; `None` while under way and where nothing was.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
    }

    /// The judge's other causes, in its order.
    pub fn also(&self) -> &[Found] {
        match &self.verdict {
            Some(_) if self.refined => &self.judged.causes,
            Some(_) if !self.overruled() => self.judged.causes.get(1..).unwrap_or_default(),
            _ => &[],
        }
    }

    pub fn proposals(&self) -> &[Proposal] {
        &self.proposals
    }

    pub fn unknown(&self) -> &[Unknown] {
        &self.unknown
    }

    pub fn state(&self) -> &State {
        &self.state
    }

    fn id(&self, mark: &Mark) -> String {
        if *mark.playbook.id == *self.playbook {
            mark.node.clone()
        } else {
            format!("{}/{}", mark.playbook.id, mark.node)
        }
    }

    /// Goes on as far as the World, the judge, the readings and the operator's answers allow.
    pub fn step(&mut self, world: &World, now: Time, judged: &Judged) -> &State {
        if self.state != State::Reading {
            return &self.state;
        }
        self.judged = judged.clone();
        self.recording.judged(judged);
        if judged.waiting {
            // A log is on its way that may change what the judge says.
            return &self.state;
        }
        self.bindings.insert(JUDGE.to_owned(), facts::judge(judged, &self.object));
        while self.state == State::Reading && self.wanted.is_empty() {
            let mark = self.at.clone();
            if mark.node == JUDGED {
                self.conclude(world, now, None);
                break;
            }
            if let Some(leaf) = mark.playbook.verdicts.get(&mark.node) {
                let name = mark.node.clone();
                self.conclude(world, now, Some((&name, leaf)));
                break;
            }
            let Some(node) = mark.playbook.nodes.get(&mark.node) else {
                self.nothing(world, now, &format!("there is no node {}", mark.node));
                break;
            };
            if !self.gather(world, now, node) {
                break;
            }
            self.ask(world, now, &mark, node);
        }
        &self.state
    }

    /// Whether the operator put an answer in place of the cluster's: then the judge's verdict does not hold.
    pub(super) fn overruled(&self) -> bool {
        self.steps.iter().any(|s| s.overruled.as_ref().is_some_and(|was| *was != s.answer))
    }

    fn ask(&mut self, world: &World, now: Time, mark: &Mark, node: &Node) {
        let id = self.id(mark);
        if let Decide::Follow { playbook, object } = &node.decide {
            self.check(node);
            return self.follow(world, now, playbook, object.eval(&self.bindings));
        }
        let missing = node.needs.iter().find_map(|n| {
            let why = self.have.get(&(mark.object.clone(), n.clone()))?.clone()?;
            Some(why)
        });
        if missing.is_none() {
            self.check(node);
        }
        let found = match (&node.decide, missing) {
            (_, Some(why)) => Err(why),
            (Decide::Test(e), None) => match e.eval(&self.bindings) {
                Ok(Value::Bool(b)) => Ok(if b { "yes" } else { "no" }.to_owned()),
                Ok(other) => Err(format!("{} gave {other}, not yes or no", e.source)),
                Err(why) => Err(format!("{}: {why}", e.source)),
            },
            (Decide::Case(e), None) => match e.eval(&self.bindings) {
                Ok(Value::String(s)) => Ok(s),
                Ok(other) => Err(format!("{} gave {other}, not a case", e.source)),
                Err(why) => Err(format!("{}: {why}", e.source)),
            },
            (Decide::Operator(_) | Decide::Follow { .. }, None) => {
                Err("only the operator can tell".to_owned())
            }
        };
        let choices = choices(node);
        let told = self.told.get(&id).cloned();
        let (answer, by) = match (&told, &found) {
            (Some(t), _) => (t.clone(), By::Operator),
            (None, Ok(a)) => (a.clone(), By::Cluster),
            (None, Err(_)) if matches!(node.decide, Decide::Operator(_)) && self.options.operator => {
                self.state = State::Asking { id, question: node.ask.clone(), why: node.why.clone(), choices };
                return;
            }
            // Nobody is there to ask: what only an operator can tell is no gap in what was looked at.
            (None, Err(_)) if matches!(node.decide, Decide::Operator(_)) => {
                ("unknown".to_owned(), By::Cluster)
            }
            (None, Err(why)) => {
                self.unknown.push(Unknown { what: node.ask.clone(), why: why.clone() });
                ("unknown".to_owned(), By::Cluster)
            }
        };
        let to = match node.branches.get(&answer) {
            Some(to) => Some(to.clone()),
            None if answer == "unknown" => None,
            None => node.branches.get("else").cloned(),
        };
        let step = Step {
            id,
            question: node.ask.clone(),
            answer,
            by,
            evidence: self.cite(node, to.as_deref()),
            took_ms: std::mem::take(&mut self.spent_ms),
            choices,
            overruled: told.and(found.ok()),
            consent: node
                .needs
                .iter()
                .find_map(|n| self.asks.get(&(mark.object.clone(), n.clone())).cloned()),
        };
        self.marks.push(mark.clone());
        self.steps.push(step);
        match to {
            Some(to) => self.at.node = to,
            None => self.nothing(world, now, ""),
        }
    }

    /// Notes the expressions of a node that fail, all of whose evidence is there.
    fn check(&mut self, node: &Node) {
        let decides = match &node.decide {
            Decide::Test(e) | Decide::Case(e) | Decide::Follow { object: e, .. } => Some(e),
            Decide::Operator(_) => None,
        };
        for e in node.show.iter().chain(decides) {
            if let Err(why) = e.eval(&self.bindings) {
                let book = self.at.playbook.id.clone();
                self.failed(&book, e, &why);
            }
        }
    }

    fn follow(&mut self, world: &World, now: Time, playbook: &str, object: Result<Value, String>) {
        let next = object.ok().and_then(|v| facts::reference(&v));
        let Some(next) = next else { return self.nothing(world, now, "the next object is not there") };
        let Some(book) = self.library.get(playbook).cloned() else {
            return self.nothing(world, now, &format!("there is no playbook {playbook}"));
        };
        // Two playbooks that lead into each other must end too.
        if self.marks.iter().any(|m| m.playbook.id == book.id && m.object == next) {
            return self.nothing(world, now, &format!("{playbook} led back to itself"));
        }
        self.at = Mark { node: book.start.clone(), object: next, playbook: book };
    }

    /// The evidence a node shows: texts, or proofs with their own source and time; before the verdict also the judge's.
    fn cite(&self, node: &Node, to: Option<&str>) -> Vec<Evidence> {
        let mut out = Vec::new();
        let source = node.needs.first().map_or("", |n| n.variables()[0]);
        for e in &node.show {
            if let Ok(value) = e.eval(&self.bindings) {
                self.citation(&value, source, &mut out);
            }
        }
        if to == Some(JUDGED)
            && let Some(judge) = self.bindings.get(JUDGE)
        {
            self.citation(&judge["evidence"], JUDGE, &mut out);
        }
        let mut seen = Vec::new();
        out.retain(|e| {
            let new = !seen.contains(&e.quote);
            seen.push(e.quote.clone());
            new
        });
        out
    }

    fn citation(&self, value: &Value, source: &str, out: &mut Vec<Evidence>) {
        match value {
            Value::String(quote) if !quote.is_empty() => out.push(Evidence {
                source: source.to_owned(),
                quote: quote.clone(),
                object: self.at.object.clone(),
                at: None,
            }),
            Value::Array(items) => items.iter().for_each(|v| self.citation(v, source, out)),
            Value::Object(_) => {
                let text = |k: &str| value[k].as_str().unwrap_or("");
                if !text("quote").is_empty() {
                    let own = text("source");
                    out.push(Evidence {
                        source: if own.is_empty() { source } else { own }.to_owned(),
                        quote: text("quote").to_owned(),
                        object: facts::reference(&value["object"]).unwrap_or_else(|| self.at.object.clone()),
                        at: Time::parse(text("at")),
                    });
                }
            }
            _ => {}
        }
    }
}

/// What may be answered to a node.
fn choices(node: &Node) -> Vec<String> {
    match &node.decide {
        Decide::Test(_) => vec!["yes".to_owned(), "no".to_owned()],
        Decide::Operator(choices) => choices.clone(),
        Decide::Case(_) | Decide::Follow { .. } => {
            node.branches.keys().filter(|k| *k != "unknown" && *k != "else").cloned().collect()
        }
    }
}
