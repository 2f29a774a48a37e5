//! A box over the view that takes the keys: which one is open, and how far the operator is in it.

use crate::app::core::runs::active::Form;
use crate::app::core::runs::targets::Targets;
use crate::config::Id;
use crate::remedy::Action;

/// A box over the view that takes the keys.
#[derive(Clone, Debug)]
pub enum Dialog {
    Menu(Menu),
    /// The plan and progress of a run.
    Plan(u64),
    /// The same of one action on many objects.
    Batch(u64),
    /// Another cluster answers at this address: is that right?
    OtherCluster(Form),
    /// The fate of the actions under way when the operator leaves the cockpit.
    Leave(Leave),
}

impl PartialEq for Dialog {
    /// Two dialogs are the same where they show the same run, or the same many.
    fn eq(&self, other: &Dialog) -> bool {
        matches!(
            (self, other),
            (Dialog::Plan(a), Dialog::Plan(b)) | (Dialog::Batch(a), Dialog::Batch(b)) if a == b
        )
    }
}

/// One line of the menu of actions.
#[derive(Clone, Debug)]
pub struct Offer {
    pub action: &'static Action,
    pub targets: Targets,
    /// It works on what the menu is of, not on what is behind that.
    pub own: bool,
    /// It fits the cause that was found.
    pub fits: bool,
    pub command: Option<Id>,
    /// Why it cannot be chosen.
    pub refused: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Menu {
    /// The id of this menu. Answers name it, so that an older menu's are dropped.
    pub token: u64,
    /// The object, or the number of marked rows.
    pub of: String,
    pub offers: Vec<Offer>,
    pub index: usize,
    /// The server was asked which of the actions the operator may do.
    pub(in crate::app) asked: bool,
}

/// The choices, in the order of the list. Staying is the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    Stay,
    StopAfterStep,
    GoOn,
}

impl Choice {
    pub const ALL: [Choice; 3] = [Choice::Stay, Choice::StopAfterStep, Choice::GoOn];

    /// The choice as one line of the dialog.
    pub fn about(self) -> &'static str {
        match self {
            Choice::Stay => "Stay here",
            Choice::StopAfterStep => "Stop after the step under way, write it in the journal, then leave",
            Choice::GoOn => "Let them go on without the cockpit; this shell waits and says how they end",
        }
    }
}

/// The dialog: which line is chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Leave {
    pub index: usize,
}

/// The question when another cluster answers at the address: khud goes on with it only after a yes.
pub const START_OVER: &str = "Forget the cluster before and start over with this one?";

/// Columns of text in a dialog over a body of so many columns.
pub fn text_width(columns: u16) -> usize {
    usize::from(columns.saturating_sub(4).clamp(36, 110)) - 4
}
