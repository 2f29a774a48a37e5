//! `khud print`: what the program knows about itself, as text.

use clap::CommandFactory;

use super::args::{Cli, Print};
use super::{exit, out};

pub fn run(what: &Print) -> u8 {
    match what {
        Print::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut Cli::command(), "khud", &mut script);
            out::result(&String::from_utf8_lossy(&script))
        }
        Print::Man => {
            let mut page = Vec::new();
            match clap_mangen::Man::new(Cli::command()).render(&mut page) {
                Ok(()) => out::result(&String::from_utf8_lossy(&page)),
                Err(e) => {
                    out::complain(&format!("could not write the man page: {e}"));
                    exit::FAILED
                }
            }
        }
        Print::Config | Print::Keys | Print::Theme { .. } | Print::Rules => {
            out::complain("this is not built into this version of khud");
            exit::USAGE
        }
    }
}
