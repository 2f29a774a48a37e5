//! The views, one file each, and the parts that they share.

pub mod arrange;
pub mod cards;
pub mod containers;
pub mod contexts;
pub mod describe;
mod details;
pub mod document;
pub mod evidence;
pub mod find;
pub mod fold;
pub mod forwards;
pub mod freshness;
pub mod gpus;
pub mod help;
pub mod incidents;
pub mod inside;
pub mod journal;
pub mod list;
pub mod log;
pub mod logs;
pub mod namespace_list;
pub mod objects;
pub mod page;
pub mod pulses;
pub mod report;
pub mod rollout;
pub mod save;

pub mod text;
pub mod timeline;
pub mod walked;
pub mod why;
pub mod xray;
pub mod yaml;
