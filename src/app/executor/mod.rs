//! Carries effects out: requests, what remedies need, state files. What comes back is a message.

pub mod commands;
pub mod foreground;
pub mod jobs;
pub mod known;
pub mod meter;
pub mod needs;
pub mod probe;
pub mod programs;
pub mod regions;
pub mod state_files;
