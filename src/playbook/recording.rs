//! What a walk was given, kept so that the same walk can be repeated without a cluster.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::facts;
use super::tree::Need;
use crate::judge::{Answer, Evidence, Found, Severity, Sure};
use crate::world::{ObjectRef, Text, Time};

/// The judge's answer and the evidence of each object, as playbooks see it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recording {
    #[serde(default)]
    judge: Judged,
    /// By object (`pod prod/web`), then by need ([`Need::key`]).
    #[serde(default)]
    evidence: BTreeMap<String, BTreeMap<String, Fetched>>,
}

/// What a need brought: its variables, or the sentence that says why there is none.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Fetched {
    Missing(String),
    Found(BTreeMap<String, Value>),
}

#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Judged {
    causes: Vec<Cause>,
    /// What could not be looked at, with why.
    unseen: Vec<(String, String)>,
    ruled: bool,
}

/// One [`Found`], with its objects as `{kind, namespace, name}`.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cause {
    rule: Text,
    cause: Text,
    severity: Severity,
    sure: Sure,
    blamed: Value,
    shown_by: Value,
    container: Option<Text>,
    title: String,
    row: String,
    evidence: Vec<Quote>,
    since: Time,
    playbook: Text,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Quote {
    source: Text,
    quote: String,
    object: Value,
    at: Option<Time>,
}

impl Recording {
    pub(super) fn judged(&mut self, answer: &Answer) {
        let quote = |e: &Evidence| Quote {
            source: e.source.clone(),
            quote: e.quote.clone(),
            object: facts::object(&e.object),
            at: e.at,
        };
        let cause = |f: &Found| Cause {
            rule: f.rule.clone(),
            cause: f.cause.clone(),
            severity: f.severity,
            sure: f.sure,
            blamed: facts::object(&f.blamed),
            shown_by: facts::object(&f.shown_by),
            container: f.container.clone(),
            title: f.title.clone(),
            row: f.row.clone(),
            evidence: f.evidence.iter().map(quote).collect(),
            since: f.since,
            playbook: f.playbook.clone(),
        };
        self.judge = Judged {
            causes: answer.causes.iter().map(cause).collect(),
            unseen: answer.unseen.clone(),
            ruled: answer.ruled,
        };
    }

    /// The judge's answer as it was.
    ///
    /// # Errors
    /// A sentence: what stands in the place of an object is none.
    pub fn answer(&self) -> Result<Answer, String> {
        let object =
            |v: &Value| facts::reference(v).ok_or_else(|| format!("{v} is no {{kind, namespace, name}}"));
        let quote = |e: &Quote| {
            Ok::<_, String>(Evidence {
                source: e.source.clone(),
                quote: e.quote.clone(),
                object: object(&e.object)?,
                at: e.at,
            })
        };
        let found = |c: &Cause| {
            Ok::<_, String>(Found {
                rule: c.rule.clone(),
                cause: c.cause.clone(),
                severity: c.severity,
                sure: c.sure,
                blamed: object(&c.blamed)?,
                shown_by: object(&c.shown_by)?,
                container: c.container.clone(),
                title: c.title.clone(),
                row: c.row.clone(),
                evidence: c.evidence.iter().map(quote).collect::<Result<_, _>>()?,
                since: c.since,
                playbook: c.playbook.clone(),
            })
        };
        Ok(Answer {
            causes: self.judge.causes.iter().map(found).collect::<Result<_, _>>()?,
            waiting: false,
            unseen: self.judge.unseen.clone(),
            ruled: self.judge.ruled,
        })
    }

    pub(super) fn keep(&mut self, object: &ObjectRef, need: &Need, fetched: Fetched) {
        self.evidence.entry(object.to_string()).or_default().insert(need.key(), fetched);
    }

    /// What was brought for a need of an object; `None` where the walk that was recorded did not ask for it.
    pub(super) fn find(&self, object: &ObjectRef, need: &Need) -> Option<&Fetched> {
        self.evidence.get(&object.to_string())?.get(&need.key())
    }
}
