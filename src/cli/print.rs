//! `khud print`: prints khud's configuration, keys, themes, rules, completions and man page.

use clap::CommandFactory;

use super::args::{Cli, Print};
use super::{exit, out, settings};
use crate::config::files::{self, Places};
use crate::config::print;
use crate::detect::user::UserRules;
use crate::judge::registry;

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
        Print::Config | Print::Keys => {
            let loaded = Places::find().map(|places| files::load(&places)).unwrap_or_default();
            for problem in &loaded.problems {
                out::complain(&problem.to_string());
            }
            out::result(&match what {
                Print::Config => print::config(&loaded.config.unwrap_or_default()),
                _ => print::keymap(&loaded.keymap.unwrap_or_default()),
            })
        }
        Print::Theme { name } => match files::theme(Places::find().as_ref(), name) {
            Ok((sheet, warnings)) => {
                warnings.iter().for_each(|warning| out::complain(&warning.to_string()));
                out::result(&sheet.to_toml())
            }
            Err(problems) => {
                problems.iter().for_each(|problem| out::complain(&problem.to_string()));
                exit::FAILED
            }
        },
        Print::Rules => {
            let own = UserRules::new(settings::detect(&settings::loaded_with_complaints()).rules);
            out::result(&format!("{}{}", registry::document(), own.document()))
        }
    }
}
