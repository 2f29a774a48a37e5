//! The model, the messages that change it, and the commands that a key or a word runs.

pub mod available;
pub mod causes;
pub mod cluster;
pub mod command;
pub mod line;
pub mod measure;
pub mod model;
pub mod msg;
pub mod navigate;
pub mod overview;
pub mod preferences;
pub mod served;
pub mod typed;
pub mod update;
