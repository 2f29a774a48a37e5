//! How a walk comes by the evidence of a question: from the World, by reads, by commands, or from a recording.

use std::collections::BTreeMap;

use serde_json::Value;

use super::expr::Expr;
use super::path::Intrusive;
use super::problem::Problem;
use super::recording::Fetched;
use super::tree::{Cost, Need, Node};
use super::walk::Walk;
use super::{around, edges, evidence, facts, intrusive, platform, rights, stake, workloads};
use crate::judge;
use crate::world::{ObjectRef, Time, World};

impl Walk {
    /// Fetches a node's needs, one after another; `false` while a read is outstanding.
    pub(super) fn gather(&mut self, world: &World, now: Time, node: &Node) -> bool {
        for need in &node.needs {
            let key = (self.at.object.clone(), need.clone());
            if self.have.contains_key(&key) {
                continue;
            }
            if self.replayed.is_some() {
                let result = self.bind(world, now, need);
                self.have.insert(key, result.err());
                continue;
            }
            if self.pending.as_ref() != Some(need) {
                if let Err(why) = self.begin(world, &key) {
                    self.recording.keep(&key.0, need, Fetched::Missing(why.clone()));
                    self.have.insert(key, Some(why));
                    continue;
                }
                self.pending = Some(need.clone());
            } else if need.cost() == Cost::Intrusive {
                self.wanted = intrusive::wanted(&self.runs, &self.readings);
            }
            if !self.wanted.is_empty() {
                return false;
            }
            self.pending = None;
            let result = self.bind(world, now, need);
            self.have.insert(key, result.err());
        }
        true
    }

    /// Asks for the reads of a need.
    ///
    /// # Errors
    /// A sentence: there is nothing to read, or a command is not allowed.
    fn begin(&mut self, world: &World, key: &(ObjectRef, Need)) -> Result<(), String> {
        let (object, need) = key;
        self.readings.clear();
        let blamed = self.blamed().map(str::to_owned);
        let blamed = blamed.as_deref();
        if need.cost() != Cost::Intrusive {
            self.wanted = evidence::reads(need, world, object, blamed, &self.bindings)?;
            return Ok(());
        }
        self.runs = intrusive::plan(need, world, object, blamed, &self.bindings)?;
        let what = intrusive::describe(&self.runs);
        match self.options.intrusive {
            Intrusive::Allowed => {}
            Intrusive::Ask if self.consented.contains(key) => {}
            Intrusive::Ask => {
                self.asks.insert(key.clone(), what.clone());
                return Err(format!("needs your yes: {what}"));
            }
            Intrusive::NotAllowed => return Err(format!("needs --allow intrusive: {what}")),
            Intrusive::ReadOnly => return Err(format!("khud runs read-only, so no command is run ({what})")),
        }
        self.wanted = intrusive::wanted(&self.runs, &self.readings);
        Ok(())
    }

    /// Binds the variables of a need, from the World and what was read, or from the recording.
    ///
    /// # Errors
    /// A sentence: why there is no such evidence.
    pub(super) fn bind(&mut self, world: &World, now: Time, need: &Need) -> Result<(), String> {
        let object = self.at.object.clone();
        let result = match &self.replayed {
            None => self.fetch(world, now, need).map(|found| {
                found.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<BTreeMap<_, _>>()
            }),
            Some(recording) => match recording.find(&object, need) {
                Some(Fetched::Found(found)) => Ok(found.clone()),
                Some(Fetched::Missing(why)) => Err(why.clone()),
                None => {
                    let why = format!("it has no evidence {:?} of {object}; record it again", need.key());
                    self.lacking.push(why.clone());
                    Err(why)
                }
            },
        };
        let fetched = match &result {
            Ok(found) => Fetched::Found(found.clone()),
            Err(why) => Fetched::Missing(why.clone()),
        };
        self.recording.keep(&object, need, fetched);
        self.bindings.extend(result?);
        Ok(())
    }

    fn fetch(&self, world: &World, now: Time, need: &Need) -> Result<Vec<(&'static str, Value)>, String> {
        let o = &self.at.object;
        let container = self.blamed();
        let shown_by = self.judged.causes.first().map(|f| &f.shown_by);
        let value = match need {
            Need::Pod => return facts::pod(world, o, container, now),
            Need::Events => return Ok(facts::events(world, o, container, now)),
            Need::Owner => facts::owner(world, o, now),
            Need::Node => around::node(world, &facts::node_of(world, o).unwrap_or_default(), now),
            Need::Services => around::services(world, o),
            Need::Claims => around::claims(world, o),
            Need::Object => judge::fields::of(world, o, now).ok_or_else(|| format!("there is no {o}"))?,
            Need::Cordoned => around::cordoned(world, o),
            Need::Service => around::service(world, o)?,
            Need::Claim => around::claim(world, o, now)?,
            Need::Plugin => evidence::plugin(&self.readings, around::plugin(world, &o.name, now)),
            Need::Rollout => facts::rollout(world, o, shown_by, now)?,
            Need::Logs => evidence::logs(&self.readings, world, o)?,
            Need::Classes => evidence::classes(&self.readings)?,
            Need::Usage => platform::usage(world, o, now)?,
            Need::Dns => platform::dns(world, now)?,
            Need::Proxy => {
                let node = facts::node_of(world, o).ok_or("it has no node")?;
                platform::proxy(world, &node, now)?
            }
            Need::NodeLog => evidence::node_log(&self.readings)?,
            Need::Replicas => workloads::replicas(world, o, now)?,
            Need::Reach => workloads::reach(world, o)?,
            Need::Ingress => edges::ingress(world, o)?,
            Need::Quotas => edges::quotas(world, o)?,
            Need::Provisioner => edges::provisioner(world, o, now)?,
            Need::Backend => {
                let blamed = self.judged.causes.first().map_or(o, |f| &f.blamed);
                edges::backend(world, blamed, o, now)?
            }
            Need::Peers => workloads::peers(world, o, now)?,
            Need::Stake => stake::stake(world, &facts::node_of(world, o).ok_or("it has no node")?, now)?,
            Need::Right => rights::right(&self.readings, &self.bindings)?,
            Need::Exec(_) | Need::Lookup(_) | Need::Lookups(_) | Need::Connect(_) => {
                return Ok(vec![intrusive::result(need, &self.runs, &self.readings)?]);
            }
        };
        Ok(vec![(need.variables()[0], value)])
    }

    /// Notes an expression that fails on evidence that is there. Another tree has cases of its own.
    pub(super) fn failed(&mut self, book: &str, e: &Expr, why: &str) {
        if *book != *self.playbook {
            return;
        }
        let problem = Problem { at: e.at, message: format!("{:?} fails: {why}", e.source) };
        if !self.failures.contains(&problem) {
            self.failures.push(problem);
        }
    }

    /// The container that the judge blames, where the walk is at the pod that shows it.
    fn blamed(&self) -> Option<&str> {
        let first = self.judged.causes.first()?;
        first.container.as_deref().filter(|_| first.shown_by == self.at.object)
    }
}
