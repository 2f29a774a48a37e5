//! Scenarios: files that describe causes and users' objects, played on a clock.
pub(crate) mod check;
pub mod format;
mod load;
pub(crate) mod reference;
pub mod units;

pub use check::Mistake;
pub use load::{Loaded, ScenarioError, built_in_names, load};
