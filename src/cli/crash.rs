//! Reports what no sentence was written for: a panic, or an error that cannot happen on a terminal that works.

use std::backtrace::Backtrace;
use std::fs;
use std::panic;
use std::path::Path;

use color_eyre::config::{HookBuilder, Theme};
use color_eyre::eyre::Report;

use super::out;
use crate::config::files::Places;
use crate::config::{bug, log};
use crate::world::redact::redact;

/// From here on a panic prints one report and keeps it for `khud bug`. `doing` is what khud was asked to do.
///
/// The cockpit's own hook runs before this one and gives the terminal back.
pub fn install(doing: &str) {
    let state = Places::find().map(|p| p.state);
    let section = about(doing, state.as_deref());
    let (panics, errors) = HookBuilder::blank()
        // Colours would stand in the kept report as escape sequences.
        .theme(Theme::new())
        .panic_section(section)
        .display_env_section(false)
        .into_hooks();
    // Refused only where a hook is installed already, and then that one reports.
    let _ = errors.install();
    panic::set_hook(Box::new(move |info| {
        let report = redact(&panics.panic_report(info).to_string()).into_owned();
        if let Some(state) = &state {
            keep(state, &format!("{report}\n\n{}\n", Backtrace::force_capture()));
        }
        out::complain(&report);
    }));
}

/// Prints an error that khud has no sentence for, as a panic is printed.
pub fn unexpected(doing: &str, error: impl std::error::Error + Send + Sync + 'static) {
    let state = Places::find().map(|p| p.state);
    let report = Report::new(error).wrap_err(doing.to_owned());
    let report = redact(&format!("{report:?}\n\n{}", about(doing, state.as_deref()))).into_owned();
    if let Some(state) = &state {
        keep(state, &report);
    }
    out::complain(&report);
}

/// The version, what was going on, and where to read on.
fn about(doing: &str, state: Option<&Path>) -> String {
    let place = |dir: &Path| format!("\nThe log is in {}.", dir.display());
    format!(
        "khud {} was asked for: {doing}.{}\n`khud bug` gathers this report and the log in one file, without secrets.",
        env!("CARGO_PKG_VERSION"),
        state.map(place).unwrap_or_default()
    )
}

/// Where a full disk or a directory of somebody else refuses the file, the report still is on the screen.
fn keep(state: &Path, report: &str) {
    if log::private_dir(state).is_ok() {
        let _ = fs::write(state.join(bug::CRASH), report);
    }
}
