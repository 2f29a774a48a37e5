//! What an operator may set: thresholds, severities, mutes and rules of their own. The config room reads the file.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::judge::{Severity, Thresholds};
use crate::world::Time;

use super::finding::Finding;
use super::quiet::{How, Quieted};

/// `[findings]` of the configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DetectConfig {
    pub thresholds: Thresholds,
    /// Severity by rule id.
    pub severity: BTreeMap<String, Severity>,
    pub mute: Vec<Mute>,
    /// Rules of the user's own, from `user::load`.
    #[serde(skip)]
    pub rules: Vec<super::user::UserRule>,
}

/// Silences findings that match all that is given.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Mute {
    /// Rule or cause id; a trailing `*` matches a prefix (`image.*`).
    pub rule: Option<String>,
    pub namespace: Option<String>,
    /// Name of the object or of the object to fix.
    pub name: Option<String>,
    pub reason: String,
    /// RFC 3339. Without it the mute holds for ever.
    pub until: Option<Time>,
}

impl Mute {
    pub(super) fn quieted(&self) -> Quieted {
        Quieted { how: How::Muted, reason: self.reason.clone(), who: String::new(), until: self.until }
    }

    pub fn holds(&self, finding: &Finding, now: Time) -> bool {
        let fix = finding.fix();
        self.until.is_none_or(|u| now < u)
            && (self.rule.is_some() || self.namespace.is_some() || self.name.is_some())
            && self.rule.as_ref().is_none_or(|r| glob(r, &finding.rule) || glob(r, &finding.cause))
            && self.namespace.as_ref().is_none_or(|n| **n == *fix.namespace)
            && self.name.as_ref().is_none_or(|n| **n == *fix.name || **n == *finding.object.name)
    }
}

fn glob(pattern: &str, text: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(prefix) => text.starts_with(prefix),
        None => text == pattern,
    }
}
