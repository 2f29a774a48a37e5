//! The entry point: see `cli`.

use std::process::ExitCode;

fn main() -> ExitCode {
    khud::cli::main()
}
