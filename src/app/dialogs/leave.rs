//! The question what becomes of the actions under way when the cockpit is left.

/// What may become of them, in the order of the list. Staying is the default.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Choice {
    Stay,
    StopAfterStep,
    GoOn,
}

impl Choice {
    pub const ALL: [Choice; 3] = [Choice::Stay, Choice::StopAfterStep, Choice::GoOn];

    /// What it does, as one line of the dialog.
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
