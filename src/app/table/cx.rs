//! What cells are made from: the model's data, read only.

use std::collections::HashMap;

use crate::app::table::computed::Computed;
use crate::app::table::events::Aggregates;
use crate::app::table::vitals::Vitals;
use crate::detect::Severity;
use crate::world::{Kind, ObjectRef, Text, Time, World};

/// What is known of why an object is sick, in the few words that fit on its row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    pub text: Text,
    pub severity: Severity,
}

/// The style of a severity.
pub fn scope(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "finding.critical",
        Severity::Warning => "finding.warning",
        Severity::Info => "finding.info",
    }
}

#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub world: &'a World,
    pub causes: &'a HashMap<ObjectRef, Cause>,
    pub events: &'a Aggregates,
    pub vitals: &'a Vitals,
    /// The columns that the user added, by kind.
    pub own: &'a HashMap<Kind, Vec<Computed>>,
    pub now: Time,
}

impl Cx<'_> {
    pub fn cause(&self, object: &ObjectRef) -> Option<&Cause> {
        self.causes.get(object)
    }

    /// The style of an object's name: its finding's severity, plain without one.
    pub fn row_scope(&self, object: &ObjectRef) -> &'static str {
        self.cause(object).map_or("text", |c| scope(c.severity))
    }
}
