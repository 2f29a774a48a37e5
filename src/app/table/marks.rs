//! Marked rows: what the next action or copy is meant for.

use super::Table;
use crate::app::table::cx::Cx;
use crate::world::{ObjectRef, Uid};

/// The incarnation of an object; the default where no record of it is held.
fn uid(cx: &Cx<'_>, object: &ObjectRef) -> Uid {
    cx.world.meta(object).map_or_else(Uid::default, |m| m.uid.clone())
}

/// Whether what was marked is there no more, though another object may have its name.
pub fn vanished(cx: &Cx<'_>, object: &ObjectRef, marked: &Uid) -> bool {
    *marked != Uid::default() && uid(cx, object) != *marked
}

impl Table {
    /// Marks the row under the cursor, or takes its mark away; the next row is under the cursor then.
    pub fn mark(&mut self, cx: &Cx<'_>) {
        self.anchor = self.cursor_slot();
        if let Some(object) = self.selected(cx)
            && self.marks.remove(&object).is_none()
        {
            let uid = uid(cx, &object);
            self.marks.insert(object, uid);
        }
        self.step(1);
    }

    /// Marks every row from where the last mark was set to the cursor.
    pub fn mark_range(&mut self, cx: &Cx<'_>) {
        let here = self.cursor_index();
        let from = self.anchor.and_then(|a| self.order.index(a)).unwrap_or(here);
        let (first, last) = (from.min(here), from.max(here));
        let objects = self.order.range(first).take(last - first + 1).filter_map(|s| self.object(cx, s));
        let marks: Vec<(ObjectRef, Uid)> = objects.map(|o| (o.clone(), uid(cx, &o))).collect();
        self.marks.extend(marks);
        self.anchor = self.cursor_slot();
    }

    /// Marked objects that are here but not among the rows, and those that are gone.
    pub fn unseen_marks(&self, cx: &Cx<'_>) -> (usize, usize) {
        let (mut hidden, mut gone) = (0, 0);
        for (object, uid) in &self.marks {
            match cx.world.slot(object).and_then(|slot| self.source.row(&object.kind, slot)) {
                _ if vanished(cx, object, uid) => gone += 1,
                Some(slot) if !self.order.contains(slot) => hidden += 1,
                _ => {}
            }
        }
        (hidden, gone)
    }
}
