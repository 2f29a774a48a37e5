//! The trait of views: state, keys, selection, motion, filter, saving and content. A view is one
//! type in one file; nothing outside that file matches on which view is open.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use crate::app::core::content::Content;
use crate::app::core::data::Data;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::table::Table;
use crate::config::Scope;
use crate::detect::Finding;
use crate::world::{Delta, Kind, ObjectRef, Slot, Text, Time};

/// The effect on the model of a key pressed on a row.
pub type Then = Box<dyn FnOnce(&mut Model) -> Vec<Effect>>;

/// Rows that are below any list's end: half of the largest number, so that sums do not overflow.
pub const FAR: isize = isize::MAX / 2;

/// Where the cursor or the window goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Motion {
    /// So many rows down, or up.
    Step(isize),
    /// So many pages down, or up.
    Page(isize),
    Top,
    Bottom,
    /// So many columns to the right, or to the left.
    Sideways(isize),
    /// To the row of this line of the window, as the mouse points at it.
    Line(usize),
}

/// The room a view has on the screen, with its title line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    pub width: u16,
    pub height: u16,
    /// Lines that a row takes.
    pub row_height: u16,
    /// It stands among other panes.
    pub pane: bool,
}

impl Room {
    /// Lines below the title, at least one.
    pub fn lines(self) -> usize {
        usize::from(self.height.saturating_sub(1)).max(1)
    }

    /// Rows below the title and the columns' titles, at least one.
    pub fn rows(self) -> usize {
        usize::from(self.height.saturating_sub(2).div_ceil(self.row_height)).max(1)
    }
}

/// The output of `save`.
#[derive(Debug, PartialEq, Eq)]
pub enum Saved {
    /// The screen as it is drawn.
    Screen,
    File {
        /// The subject, for the file's name.
        title: String,
        /// The file's extension.
        ending: &'static str,
        text: String,
        /// Lines or rows in it.
        count: usize,
    },
}

/// A screen, or a pane of the overview.
///
/// Methods that take `&mut self` are called while the view is not in the model: they may read everything but the stack.
pub trait View: Any + Debug {
    /// The subject, for the title line and the names of files.
    fn title(&self) -> String;

    /// Where its keys are looked up.
    fn scope(&self) -> Scope;

    /// The object under the cursor.
    fn object(&self, model: &Model) -> Option<ObjectRef>;

    /// The finding under the cursor: that of the object there, unless the view knows better.
    fn finding<'m>(&self, model: &'m Model) -> Option<&'m Arc<Finding>> {
        model.data.detector.of(&self.object(model)?)
    }

    /// The id of the row under the cursor, in a short list.
    fn row_id(&self, _: &Model) -> Option<Text> {
        None
    }

    /// The content for its room.
    fn content(&self, model: &Model, focus: bool) -> Content;

    /// The output of `save`.
    fn saved(&self, _: &Model) -> Saved {
        Saved::Screen
    }

    /// The effect of `enter`; `None` where the row leads nowhere.
    fn enter(&self, _: &Model) -> Option<Then> {
        None
    }

    fn go(&mut self, model: &Model, motion: Motion);

    /// Takes the size in, and keeps the cursor in the window.
    fn fit(&mut self, model: &Model, room: Room);

    /// The filter or search in force.
    fn filter(&self) -> &str;

    /// Filters or searches; what is wrong with the text, where the model's foot line has to say so.
    fn set_filter(&mut self, model: &Model, text: &str) -> Option<String>;

    /// The fault of the filter, shown beside it while it is typed.
    fn filter_note(&self) -> Option<String> {
        None
    }

    /// The table, where the view is one of objects.
    fn table(&self) -> Option<&Table> {
        None
    }

    fn table_mut(&mut self) -> Option<&mut Table> {
        None
    }

    /// The container under the cursor.
    fn container(&self, _: &Model) -> Option<Text> {
        None
    }

    /// Why columns cannot be sorted here.
    fn unsorted(&self) -> &'static str {
        "This is not a table."
    }

    /// Goes to the next match of the search, or the one before; false where nothing matches.
    fn find(&mut self, _: bool) -> bool {
        false
    }

    /// A text that may have the whole screen.
    fn reads(&self) -> bool {
        false
    }

    /// Its text, for the clipboard.
    fn text(&self) -> String {
        String::new()
    }

    /// Lines of the title and above the first row.
    fn head(&self) -> u16 {
        2
    }

    /// Findings show in it: it is drawn anew when they change.
    fn shows_findings(&self) -> bool {
        false
    }

    /// Rows of these objects are about to be deleted: those in sight stay for a while as tombstones.
    fn bury(&mut self, _: &Model, _: &Leaving<'_>) {}

    /// Lets go of tombstones whose time is over; true where there was any.
    fn expire(&mut self, _: Time) -> bool {
        false
    }

    /// When time alone changes something it shows or does.
    fn next_timer(&self, _: &Data) -> Option<Time> {
        None
    }

    /// It is in front again after it was left.
    fn reopened(&mut self) {}
}

/// The object that a delta is about to delete.
pub struct Leaving<'d> {
    pub kind: &'d Kind,
    pub slots: &'d [Slot],
}

impl Leaving<'_> {
    /// The kind of objects that a delta may delete.
    pub fn kind_of(delta: &Delta) -> Option<&Kind> {
        match delta {
            Delta::Delete { object, .. } => Some(&object.kind),
            Delta::ListEnd { kind, .. } => Some(kind),
            _ => None,
        }
    }

    pub fn has(&self, data: &Data, object: &ObjectRef) -> bool {
        object.kind == *self.kind && data.world.slot(object).is_some_and(|s| self.slots.contains(&s))
    }
}
