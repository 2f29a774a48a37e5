//! The model, the messages that change it, and what every view and dialog may use.

pub mod available;
pub mod catalogue;
pub mod causes;
pub mod cluster;
pub mod configure;
pub mod content;
pub mod data;
pub mod dialog;
pub mod measure;
pub mod model;
pub mod msg;
pub mod namespaces;
pub mod notice;
pub mod overview;
pub mod pane;
pub mod panes;
pub mod preferences;
pub mod record;
pub mod runs;
pub mod saved_panes;
pub mod served;
pub mod stack;
pub mod standing;
pub mod touch;
pub mod typed;
pub mod view;
