//! Evidence of an object for whoever has to look at it later: what belongs to it, without secrets, in one file.

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

/// The name of the page that tells what is in a bundle; it comes first.
pub const INDEX: &str = "index.md";

/// How a bundle's file ends.
pub const ENDING: &str = ".tar.zst";
