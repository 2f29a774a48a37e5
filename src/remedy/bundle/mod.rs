//! Evidence of an object for whoever has to look at it later: what belongs to it, without secrets, in one file.

use crate::world::ObjectRef;

pub(super) mod archive;
pub(super) mod around;
pub(super) mod hidden;
pub(super) mod words;

/// One file of a bundle.
#[derive(Clone, PartialEq, Debug)]
pub struct File {
    /// Its name in the archive, with `/` between the parts.
    pub name: String,
    pub text: String,
}

/// Findings, report, tree walk and timeline of an object, from outside this room.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Known {
    /// The other objects of its incident.
    pub objects: Vec<ObjectRef>,
    /// The texts, each with its words for the index.
    pub files: Vec<(File, &'static str)>,
}

/// The name of the page that tells what is in a bundle; it comes first.
pub const INDEX: &str = "index.md";

/// How a bundle's file ends.
pub const ENDING: &str = ".tar.zst";
