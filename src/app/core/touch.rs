//! A record changed: every table that may list it looks at it again.

use crate::app::core::model::Model;
use crate::app::core::notice::Dirty;
use crate::app::table::Table;
use crate::world::{Kind, Slot};

/// A row changed: every table that may list it looks at it again.
pub fn touch(model: &mut Model, kind: &Kind, slot: Slot) {
    let Model { data, overview, views, forward, dirty, .. } = model;
    let cx = data.cx();
    let mut look = |table: &mut Table, on_screen: bool| {
        if let Some(row) = table.source.row(kind, slot)
            && table.touch(&cx, row)
            && on_screen
        {
            *dirty = (*dirty).max(Dirty::Data);
        }
    };
    let overview_on_screen = views.is_empty();
    for table in overview.views_mut().filter_map(|v| v.table_mut()) {
        look(table, overview_on_screen);
    }
    let top = views.len().saturating_sub(1);
    for (i, view) in views.iter_mut().enumerate() {
        if let Some(table) = view.table_mut() {
            look(table, i == top);
        }
    }
    for table in forward.iter_mut().filter_map(|v| v.table_mut()) {
        look(table, false);
    }
}
