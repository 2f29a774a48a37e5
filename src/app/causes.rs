//! Keeps the detector fed and the causes on the rows in step with what it found.

use super::model::Model;
use crate::world::Change;

pub fn on_changes(_model: &mut Model, _changes: &[Change]) {}

pub fn timers(_model: &mut Model) {}
