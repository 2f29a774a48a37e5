//! Which cluster the cockpit shows, and whether it can be relied on to be reached.

use std::path::PathBuf;

use crate::cluster::{Identity, Standing};

/// Which cluster this is, as the header says it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cluster {
    pub context: String,
    pub server: String,
    pub version: String,
    pub user: String,
    pub read_only: bool,
    /// The flags that lead kubectl to the same cluster.
    pub kubectl: Vec<String>,
    /// Where runs that can be resumed are written down; `None` where no such place is known.
    pub runs: Option<PathBuf>,
    pub standing: Standing,
}

impl Cluster {
    /// Why nobody can say which cluster this is, where that is so.
    pub fn unverified(&self) -> Option<&str> {
        match &self.standing.identity {
            Identity::Unverified(why) => Some(why),
            _ => None,
        }
    }

    /// The UIDs of the cluster khud knows and of the other one that answers in its place.
    pub fn other(&self) -> Option<(&str, &str)> {
        match &self.standing.identity {
            Identity::Other { known, found } => Some((known, found)),
            _ => None,
        }
    }

    /// In a few words, why the cluster cannot be relied on to be reached; `None` where all is as it was at the start.
    pub fn astray(&self) -> Option<&'static str> {
        match &self.standing {
            Standing { identity: Identity::Other { .. }, .. } => Some("another cluster answers"),
            Standing { moved: Some(_), .. } => Some("context changed, no changes sent"),
            Standing { plugin: Some(_), .. } => Some("login needed"),
            _ => None,
        }
    }
}
