//! A new model, with the views of the overview's panes.

use crate::app::core::model::Model;
use crate::app::core::overview::Overview;
use crate::app::table::{Fence, Source, Table};
use crate::app::views::objects::Objects;
use crate::app::views::{gpus, incidents};
use crate::config::{Keymap, Theme};
use crate::world::{Clock, Kind};

impl Model {
    pub fn new(clock: Clock, keymap: Keymap, theme: Theme) -> Model {
        let table = |table| Box::new(Objects::new(table));
        let of = |kind| Table::new(Source::all(kind));
        let overview = Overview::of([
            Box::new(incidents::all()),
            table(of(Kind::Pod)),
            table(of(Kind::Node)),
            Box::new(gpus::all()),
            table(of(Kind::Event).with_faults_only()),
            table(Table::new(Source { kind: Kind::Pod, fence: Fence::KubeProxy })),
        ]);
        Model::with_overview(clock, keymap, theme, overview)
    }
}
