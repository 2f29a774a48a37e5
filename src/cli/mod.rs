//! The command line: parses it, runs the command, returns the exit code.

mod act;
mod action_options;
mod agent;
pub mod args;
mod bug;
mod bundle;
mod checklist;
pub mod crash;
mod diagnose;
mod dossier;
mod dumps;
mod gpu;
mod import;
mod look;
mod open;
mod out;
mod playbook;
mod print;
mod regions;
mod report;
mod scan;
mod settings;
#[cfg(feature = "demo")]
mod sim;
mod tell;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use args::{Cli, Import, Verb};

use crate::capture::bundle::is_bundle;

/// The exit codes of the contract.
pub mod exit {
    pub const DONE: u8 = 0;
    /// Findings, no proof, refused or failed.
    pub const FAILED: u8 = 1;
    /// Wrong usage, or the cluster could not be read.
    pub const USAGE: u8 = 2;
}

/// The bundle that the command line names, where it names one.
fn named_bundle(cli: &Cli) -> Option<PathBuf> {
    let file = PathBuf::from(cli.object.as_deref()?);
    (cli.show.is_some() || is_bundle(&file)).then_some(file)
}

/// Parses the command line and runs it.
pub fn main() -> ExitCode {
    let typed = Cli::command().get_matches();
    crash::install(typed.subcommand_name().unwrap_or("the cockpit"));
    let cli = Cli::from_arg_matches(&typed).unwrap_or_else(|e| e.exit());
    let _log = match &cli.verb {
        None | Some(Verb::Demo(_) | Verb::Do(_) | Verb::Scan(_) | Verb::Diagnose(_) | Verb::Report(_)) => {
            settings::log()
        }
        _ => None,
    };
    let code = match &cli.verb {
        None => match named_bundle(&cli) {
            Some(file) => bundle::run(&file, cli.show.as_deref()),
            None => open::run(&cli),
        },
        Some(Verb::Print(what)) => print::run(what),
        Some(Verb::Scan(args)) => scan::run(&cli.common, args),
        Some(Verb::Diagnose(args)) => diagnose::run(&cli.common, args),
        #[cfg(feature = "demo")]
        Some(Verb::Demo(args)) => sim::demo(&cli, args),
        #[cfg(feature = "demo")]
        Some(Verb::Sim(args)) => sim::serve(&cli.common, args),
        // The grammar is the same in every build, so that a script gets a reason instead of a usage error.
        #[cfg(not(feature = "demo"))]
        Some(Verb::Demo(_) | Verb::Sim(_)) => {
            out::complain(
                "this khud was built without the embedded cluster. Install one built with the feature `demo`, \
                 which is on by default: cargo build --release",
            );
            exit::FAILED
        }
        Some(Verb::Do(args)) => act::run(&cli.common, args),
        Some(Verb::Contexts { output }) => tell::contexts_of(&cli.common, *output),
        Some(Verb::Bug { out }) => bug::run(&cli.common, out.as_deref()),
        Some(Verb::Heap { file, output }) => dumps::heap(file, *output),
        Some(Verb::Threads { files, output }) => dumps::threads(files, *output),
        Some(Verb::Histogram { files, output }) => dumps::histogram(files, *output),
        Some(Verb::Import(Import::K9s { dir, write })) => import::run(dir.as_deref(), *write),
        Some(Verb::Playbook(asked)) => playbook::run(&cli.common, asked),
        Some(Verb::Gpu(args)) => gpu::run(args),
        Some(Verb::Agent(args)) => agent::run(args),
        Some(Verb::Journal { output }) => tell::journal(*output),
        Some(Verb::Regions(args)) => regions::run(&cli.common, args),
        Some(Verb::Report(args)) => report::run(&cli.common, args),
    };
    ExitCode::from(code)
}
