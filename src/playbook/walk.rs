//! A walk down a tree for one object: answers from the cluster, from the operator where only they know, and a verdict.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::expr::Bindings;
use super::library::Library;
use super::tree::{Decide, Leaf, Need, Node, Playbook};
use super::{around, evidence, facts};
use crate::world::ask::{Answer, Call, Exec, ExecOutput, LogTail};
use crate::world::{Kind, ObjectRef, Text, Time, World};

/// Something a walk wants read.
#[derive(Clone, PartialEq, Debug)]
pub enum Read {
    Log(LogTail),
    Call(Call),
    /// Only ever wanted with [`WalkOptions::intrusive`].
    Exec(Exec),
}

/// What a read brought.
#[derive(Clone, PartialEq, Debug)]
pub enum Reading {
    Text(String),
    Answer(Answer),
    Output(ExecOutput),
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WalkOptions {
    /// Commands may be run in containers.
    pub intrusive: bool,
    /// Somebody is there to answer what the cluster cannot; else such answers are `unknown`.
    pub operator: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum By {
    Cluster,
    Operator,
}

/// What an answer rests on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Evidence {
    pub source: String,
    pub quote: String,
    pub object: ObjectRef,
    pub at: Option<Time>,
}

/// One question answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// The node's id; `PLAYBOOK/NODE` after a walk went on in another playbook.
    pub id: String,
    pub question: String,
    /// yes, no, a case's name, or unknown.
    pub answer: String,
    pub by: By,
    pub evidence: Vec<Evidence>,
    /// Milliseconds spent fetching evidence for it.
    pub took_ms: u64,
    /// Other answers the operator could give.
    pub choices: Vec<String>,
    /// The operator put their answer in place of this one of the cluster's.
    pub overruled: Option<String>,
}

/// What could not be found out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unknown {
    pub what: String,
    pub why: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub cause: String,
    pub title: String,
    pub explanation: String,
    /// How to see that it is over; empty where the playbook says nothing.
    pub verify: String,
}

/// An action the verdict suggests.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proposal {
    pub action: String,
    pub target: ObjectRef,
    pub params: BTreeMap<String, String>,
}

impl Proposal {
    /// The command that does it.
    pub fn command(&self) -> String {
        let kind = self.target.kind.name().to_ascii_lowercase();
        let mut out = format!("khud do {} {kind}/{}", self.action, self.target.name);
        if !self.target.namespace.is_empty() {
            out.push_str(&format!(" -n {}", self.target.namespace));
        }
        for (name, value) in &self.params {
            if value.is_empty() {
                out.push_str(&format!(" --{name}"));
            } else {
                out.push_str(&format!(" --{name} {value}"));
            }
        }
        out
    }
}

/// Where a walk stands.
#[derive(Clone, PartialEq, Debug)]
pub enum State {
    /// Reads are outstanding: see [`Walk::wants`].
    Reading,
    /// The operator is asked; answer with [`Walk::tell`].
    Asking {
        id: String,
        question: String,
        why: String,
        choices: Vec<String>,
    },
    Done,
}

/// What a step started from, so that an overruled walk can go on from there.
#[derive(Clone)]
struct Mark {
    playbook: Arc<Playbook>,
    node: String,
    object: ObjectRef,
}

/// A walk under way.
pub struct Walk {
    library: Arc<Library>,
    options: WalkOptions,
    /// What was asked about, and the playbook it began with.
    pub object: ObjectRef,
    pub playbook: Text,
    at: Mark,
    marks: Vec<Mark>,
    steps: Vec<Step>,
    bindings: Bindings,
    /// Needs answered, and those that could not be, with why.
    have: BTreeMap<(ObjectRef, Need), Option<String>>,
    wanted: Vec<Read>,
    readings: Vec<(Read, Result<Reading, String>)>,
    pending: Option<(Need, usize)>,
    spent_ms: u64,
    told: BTreeMap<String, String>,
    verdict: Option<Verdict>,
    proposals: Vec<Proposal>,
    unknown: Vec<Unknown>,
    state: State,
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
            spent_ms: 0,
            told: BTreeMap::new(),
            verdict: None,
            proposals: Vec::new(),
            unknown: Vec::new(),
            state: State::Reading,
        }
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
        if self.marks[i..].iter().any(|m| m.object != self.marks[i].object) {
            // Evidence of the other object stands under the same names; World facts are read again, cheaply.
            self.have.clear();
            self.bindings.clear();
        }
        self.at = self.marks[i].clone();
        let gone: Vec<String> = self.steps[i..].iter().map(|s| s.id.clone()).collect();
        self.told.retain(|k, _| !gone.contains(k));
        self.told.insert(id, answer.to_owned());
        self.steps.truncate(i);
        self.marks.truncate(i);
        self.verdict = None;
        self.proposals.clear();
        self.unknown.clear();
        self.state = State::Reading;
        Ok(())
    }

    pub fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// What was proved; `None` while under way and where nothing was.
    pub fn verdict(&self) -> Option<&Verdict> {
        self.verdict.as_ref()
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

    /// Goes on as far as the World, the readings and the operator's answers allow.
    pub fn step(&mut self, world: &World, now: Time) -> &State {
        while self.state == State::Reading && self.wanted.is_empty() {
            let mark = self.at.clone();
            if let Some(leaf) = mark.playbook.verdicts.get(&mark.node) {
                self.conclude(leaf);
                break;
            }
            let Some(node) = mark.playbook.nodes.get(&mark.node) else {
                self.nothing(&format!("there is no node {}", mark.node));
                break;
            };
            if !self.gather(world, now, node) {
                break;
            }
            self.ask(&mark, node);
        }
        &self.state
    }

    /// Fetches a node's needs, one after another; `false` while a read is outstanding.
    fn gather(&mut self, world: &World, now: Time, node: &Node) -> bool {
        for need in &node.needs {
            let key = (self.at.object.clone(), need.clone());
            if self.have.contains_key(&key) {
                continue;
            }
            if self.pending.as_ref().is_none_or(|(n, _)| n != need) {
                if matches!(need, Need::Exec(_)) && !self.options.intrusive {
                    self.have.insert(
                        key,
                        Some("commands in containers are not allowed (--allow intrusive)".to_owned()),
                    );
                    continue;
                }
                self.wanted = evidence::reads(need, world, &self.at.object);
                self.readings.clear();
                self.pending = Some((need.clone(), self.wanted.len()));
                if !self.wanted.is_empty() {
                    return false;
                }
            }
            self.pending = None;
            let result = self.bind(world, now, need);
            self.have.insert(key, result.err());
        }
        true
    }

    fn bind(&mut self, world: &World, now: Time, need: &Need) -> Result<(), String> {
        let o = self.at.object.clone();
        let mut put = |name: &str, value: Value| {
            self.bindings.insert(name.to_owned(), value);
        };
        match need {
            Need::Pod => facts::pod(world, &o, now)?.into_iter().for_each(|(n, v)| put(n, v)),
            Need::Events => facts::events(world, &o, now).into_iter().for_each(|(n, v)| put(n, v)),
            Need::Owner => put("owner", facts::owner(world, &o, now)),
            Need::Node => {
                let name = world.pods.find(&o.namespace, &o.name).map_or_else(
                    || if o.kind == Kind::Node { o.name.clone() } else { Text::from("") },
                    |p| p.node.clone(),
                );
                put("node", around::node(world, &name, now));
            }
            Need::Services => put("services", around::services(world, &o)),
            Need::Claims => put("claims", around::claims(world, &o)),
            Need::Schedule => put("schedule", facts::schedule(world, &o)),
            Need::Service => put("service", around::service(world, &o)?),
            Need::Claim => put("claim", around::claim(world, &o, now)?),
            Need::Plugin => {
                put("plugin", evidence::plugin(&self.readings, around::plugin(world, &o.name, now)))
            }
            Need::Rollout => put("rollout", facts::rollout(world, &o, now)?),
            Need::Logs => put("log", evidence::logs(&self.readings, &o)?),
            Need::Classes => put("classes", evidence::classes(&self.readings)?),
            Need::Exec(_) => put("output", evidence::output(&self.readings)?),
            Need::Dependency => {
                let subject =
                    self.bindings.get("log").and_then(|l| l["subject"].as_str()).unwrap_or("").to_owned();
                self.bindings.insert("dependency".to_owned(), around::dependency(world, &o, &subject));
            }
        }
        Ok(())
    }

    fn ask(&mut self, mark: &Mark, node: &Node) {
        let id = self.id(mark);
        if let Decide::Follow { playbook, object } = &node.decide {
            return self.follow(playbook, object.eval(&self.bindings));
        }
        let missing = node.needs.iter().find_map(|n| {
            let why = self.have.get(&(mark.object.clone(), n.clone()))?.clone()?;
            Some(why)
        });
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
            evidence: self.cite(node),
            took_ms: std::mem::take(&mut self.spent_ms),
            choices,
            overruled: told.and(found.ok()),
        };
        self.marks.push(mark.clone());
        self.steps.push(step);
        match to {
            Some(to) => self.at.node = to,
            None => self.nothing(""),
        }
    }

    fn follow(&mut self, playbook: &str, object: Result<Value, String>) {
        let next = object.ok().and_then(|v| facts::reference(&v));
        let Some(next) = next else { return self.nothing("the next object is not there") };
        let Some(book) = self.library.get(playbook).cloned() else {
            return self.nothing(&format!("there is no playbook {playbook}"));
        };
        // Two playbooks that lead into each other must end too.
        if self.marks.iter().any(|m| m.playbook.id == book.id && m.object == next) {
            return self.nothing(&format!("{playbook} led back to itself"));
        }
        self.at = Mark { node: book.start.clone(), object: next, playbook: book };
    }

    /// The evidence a node shows: texts, or proofs with their own source and time.
    fn cite(&self, node: &Node) -> Vec<Evidence> {
        let mut out = Vec::new();
        let source = node.needs.first().map_or("", |n| n.variables()[0]);
        for e in &node.show {
            if let Ok(value) = e.eval(&self.bindings) {
                self.citation(&value, source, &mut out);
            }
        }
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

    fn conclude(&mut self, leaf: &Leaf) {
        self.state = State::Done;
        if leaf.cause == "unknown" {
            let why = leaf.explain.render(&self.bindings);
            self.unknown.push(Unknown { what: leaf.title.render(&self.bindings), why });
        } else {
            self.verdict = Some(Verdict {
                cause: leaf.cause.clone(),
                title: leaf.title.render(&self.bindings),
                explanation: leaf.explain.render(&self.bindings),
                verify: leaf.verify.as_ref().map_or_else(String::new, |t| t.render(&self.bindings)),
            });
        }
        for r in &leaf.remedies {
            let wanted = r.when.as_ref().is_none_or(|w| w.eval(&self.bindings) == Ok(Value::Bool(true)));
            let target = r.target.eval(&self.bindings).ok().and_then(|v| facts::reference(&v));
            if let (true, Some(target)) = (wanted, target) {
                let params = r.params.iter().map(|(k, v)| (k.clone(), v.render(&self.bindings))).collect();
                self.proposals.push(Proposal { action: r.action.clone(), target, params });
            }
        }
    }

    /// The tree has no more to say: nothing is proved.
    fn nothing(&mut self, why: &str) {
        self.state = State::Done;
        if !why.is_empty() {
            self.unknown.push(Unknown {
                what: "the playbook ended without a verdict".to_owned(),
                why: why.to_owned(),
            });
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
