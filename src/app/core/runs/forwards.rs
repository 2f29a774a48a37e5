//! Local ports that lead to pods: they outlive the run that opened them.

use crate::world::ask::ForwardState;
use crate::world::{ObjectRef, Time};

/// A local port that is open.
#[derive(Clone, Debug)]
pub struct Forwarded {
    /// The run that opened it.
    pub run: u64,
    /// The object it was opened for.
    pub target: ObjectRef,
    pub since: Time,
    pub state: ForwardState,
}
