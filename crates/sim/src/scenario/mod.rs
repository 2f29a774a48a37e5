//! Scenarios: files that state causes and what users write, played on a clock.
pub mod check;
pub mod format;
pub mod load;
pub mod reference;
pub mod units;

pub use load::{Loaded, ScenarioError, built_in, built_in_names, load};
