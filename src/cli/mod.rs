//! The command line: what was asked for, who carries it out, and the exit code.

pub mod args;
