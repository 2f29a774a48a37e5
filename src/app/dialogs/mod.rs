//! What takes the keys over a view: the prompt and its pickers, the menu of actions, plans and questions.

pub mod action_line;
pub mod batch;
pub mod complete;
pub mod jump;
pub mod keys;
pub mod leave;
pub mod meaning;
pub mod menu;
pub mod plan;
pub mod prompt;
pub mod silence;
pub mod standing;
