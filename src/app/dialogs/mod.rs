//! What takes the keys over a view: the prompt and its pickers, the menu of actions, plans and questions.

pub mod batch;
pub mod complete;
pub mod jump;
pub mod meaning;
pub mod menu;
pub mod prompt;
pub mod runs;
pub mod silence;
pub mod standing;
pub mod targets;
