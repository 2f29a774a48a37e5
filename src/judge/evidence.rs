//! What every answer is made of: how bad it is, what proves it, and which object is to be fixed.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};

use crate::world::{ObjectRef, Text, Time};

/// How bad it is. Ordered: `Critical` is the greatest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    Warning,
    Critical,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How sure a diagnosis is. Ordered: proved comes before likely.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sure {
    /// A quote says it.
    Proved,
    /// The evidence fits this cause best; another one is possible.
    Likely,
}

impl Sure {
    pub fn as_str(self) -> &'static str {
        match self {
            Sure::Proved => "proved",
            Sure::Likely => "likely",
        }
    }
}

/// One piece of proof: where it was read, the text or number itself, on which object, and when it was written.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Evidence {
    /// `pod status`, `event Failed`, `log`, `condition Ready`, …
    pub source: Text,
    /// The cluster's own words, cut to `text::QUOTE` characters; not sanitised for a terminal.
    pub quote: String,
    #[serde(serialize_with = "object_json")]
    pub object: ObjectRef,
    pub at: Option<Time>,
}

/// What makes two diagnoses the same trouble: the object to fix and the family of causes that fold together on it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Key {
    pub root: ObjectRef,
    pub family: Text,
}

/// `{kind, namespace, name}` with the API's word for the kind, known to khud or not.
///
/// # Errors
/// Those of the serializer.
pub fn object_json<S: Serializer>(object: &ObjectRef, s: S) -> Result<S::Ok, S::Error> {
    let mut out = s.serialize_struct("object", 3)?;
    out.serialize_field("kind", object.kind.name())?;
    out.serialize_field("namespace", &*object.namespace)?;
    out.serialize_field("name", &*object.name)?;
    out.end()
}
