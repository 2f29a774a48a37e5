//! An arrangement of the panes as it is saved.

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};

use crate::app::core::pane::{Arrangement, Pane};

/// An arrangement as it is saved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedPanes {
    #[serde(deserialize_with = "known")]
    format: u32,
    /// The configuration at that time. An arrangement no longer counts once that changes.
    pub(super) configured: Configured,
    pub(super) arrangement: Arrangement,
}

/// The format this khud writes, and the only one it reads.
const FORMAT: u32 = 1;

fn known<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    match u32::deserialize(from)? {
        FORMAT => Ok(FORMAT),
        other => Err(D::Error::custom(format!("it is of format {other}, this khud reads {FORMAT}"))),
    }
}

/// The panes that config.toml sets for a context.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Configured {
    pub(super) panes: Vec<Pane>,
    /// Percent of the screen's width.
    pub(super) left: usize,
}

impl SavedPanes {
    pub(super) fn new(configured: Configured, arrangement: Arrangement) -> SavedPanes {
        SavedPanes { format: FORMAT, configured, arrangement }
    }
}
