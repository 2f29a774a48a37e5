//! The world, and the state derived from it for the screen.

use std::collections::{BTreeSet, HashMap};

use crate::app::table::computed::Computed;
use crate::app::table::cx::{Cause, Cx};
use crate::app::table::events::Aggregates;
use crate::app::table::progress::Progress;
use crate::app::table::vitals::Vitals;
use crate::detect::timeline::Timeline;
use crate::detect::{Detector, Key};
use crate::telemetry::Schedule;
use crate::world::{Kind, ObjectRef, Time, World};

/// The world, and the state derived from it.
#[derive(Debug, Default)]
pub struct Data {
    pub world: World,
    pub detector: Detector,
    /// When each telemetry source is read.
    pub telemetry: Schedule,
    pub timeline: Timeline,
    /// The rows each finding put its cause on.
    pub carried: HashMap<Key, BTreeSet<ObjectRef>>,
    pub causes: HashMap<ObjectRef, Cause>,
    pub events: Aggregates,
    /// The columns that the user added, by kind.
    pub own_columns: HashMap<Kind, Vec<Computed>>,
    pub vitals: Vitals,
    pub progress: Progress,
    /// All lists that explain one another have answered: what is found now holds.
    pub settled: bool,
    pub now: Time,
}

impl Data {
    pub fn cx(&self) -> Cx<'_> {
        Cx {
            world: &self.world,
            causes: &self.causes,
            events: &self.events,
            vitals: &self.vitals,
            own: &self.own_columns,
            now: self.now,
        }
    }
}
