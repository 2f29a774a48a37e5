//! Rows whose objects are gone: they stay a while where they stood, greyed.

use std::time::Duration;

use super::Table;
use super::order::Key;
use crate::app::table::cell::Cell;
use crate::app::table::cx::Cx;
use crate::world::{Kind, ObjectRef, Slot, Time};

/// How long a row that vanished is still shown, and how many of them at most.
pub const TOMBSTONE: Duration = Duration::from_secs(5);
const TOMBSTONES: usize = 40;

/// A row whose object is gone, as it last looked.
#[derive(Clone, Debug)]
pub struct Tombstone {
    pub object: ObjectRef,
    pub cells: Vec<Cell>,
    pub(super) key: Key,
    pub(super) slot: Slot,
    pub until: Time,
}

impl Table {
    /// The row's object is about to go: where it is in sight it stays a while, greyed.
    pub fn bury(&mut self, cx: &Cx<'_>, slot: Slot) {
        // Events end by the hundred and were never there to stay.
        if self.source.kind == Kind::Event || self.window_place(slot).is_none() {
            return;
        }
        let (Some(object), Some(key)) = (self.object(cx, slot), self.order.key_of(slot)) else { return };
        if self.tombstones.len() == TOMBSTONES {
            self.tombstones.remove(0);
        }
        let cells = self.columns.iter().map(|c| c.cell(cx, slot)).collect();
        self.tombstones.push(Tombstone {
            object,
            cells,
            key: key.unranked(),
            slot,
            until: cx.now.plus(TOMBSTONE),
        });
    }

    /// When the first tombstone goes.
    pub fn next_expiry(&self) -> Option<Time> {
        self.tombstones.iter().map(|g| g.until).min()
    }

    /// Lets go of what vanished a while ago; true where there was any.
    pub fn expire(&mut self, now: Time) -> bool {
        let before = self.tombstones.len();
        self.tombstones.retain(|g| g.until > now);
        self.tombstones.len() != before
    }
}
