//! Findings that somebody has taken note of from the screen: acknowledged, or muted for a while, each with a reason.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::world::{ObjectRef, Text, Time};

use super::finding::Finding;
use crate::judge::{Key, Severity};

/// An acknowledgement that outlives its cockpit is good for a shift: nobody can tell whether the same trouble ended
/// and began again meanwhile.
pub const SHIFT: Duration = Duration::from_secs(12 * 3600);

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// Somebody has it: shown below what nobody has, and not announced. Holds until the finding ends or gets worse.
    Acknowledged,
    /// Not to be told of: out of the counts, last in the list. Holds until its time, whatever becomes of the finding.
    Muted,
}

/// What stands on a finding that was acknowledged or muted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Quieted {
    pub how: How,
    pub reason: String,
    /// Who said so; empty where the configuration did.
    pub who: String,
    pub until: Option<Time>,
}

/// One finding that was acknowledged or muted, as the state directory keeps it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Quiet {
    pub root: ObjectRef,
    pub family: Text,
    pub how: How,
    pub reason: String,
    pub who: String,
    pub at: Time,
    pub until: Time,
    /// How bad it was then.
    pub severity: Severity,
}

impl Quiet {
    pub fn key(&self) -> Key {
        Key { root: self.root.clone(), family: self.family.clone() }
    }

    pub fn holds(&self, finding: &Finding, now: Time) -> bool {
        now < self.until && (self.how == How::Muted || finding.severity <= self.severity)
    }

    pub fn quieted(&self) -> Quieted {
        let Quiet { how, reason, who, until, .. } = self.clone();
        Quieted { how, reason, who, until: Some(until) }
    }
}
