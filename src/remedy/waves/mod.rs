//! Waves: change many nodes a few at a time, with gates between the waves and a state file that survives the process.
//!
//! `select` looks at the nodes, `order` puts them into waves, `plan` says what is at stake. `run` carries the waves out in
//! `steps`, with `replace` and `waits` among them, and writes `state` before every step; `stagger` keeps Services answering; `gates` and `probe` decide whether a wave is
//! done, `hold` keeps other runs off, `report` says afterwards what was done. `upgrade` is the waves' use for another
//! Kubernetes version.

mod checkpoint;
mod gates;
mod hold;
mod options;
mod order;
mod plan;
mod probe;
mod replace;
mod report;
mod run;
mod select;
mod side_by_side;
mod stagger;
mod state;
mod steps;
mod terraform;
mod upgrade;
mod waits;

pub use hold::{LABEL, LEASES};
pub(super) use options::{Asked, SPECS};
pub use plan::WavePlan;
pub(super) use run::waves;
pub use state::{NodeState, Phase, State};
pub(super) use upgrade::SPECS as UPGRADE;

use crate::world::{Time, World};

/// The plan for options as typed after `khud do waves`, from what the World shows now.
///
/// # Errors
/// A sentence about an option, or that no node is selected.
pub fn plan(world: &World, now: Time, params: &super::Params) -> Result<WavePlan, String> {
    let asked = Asked::parse(params)?;
    let found = select::select(world, now, &asked, None)?;
    Ok(WavePlan::new(world, &asked, found))
}
