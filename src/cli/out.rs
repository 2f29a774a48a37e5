//! Results go to stdout, everything else to stderr; a reader that went away is no error.

use std::io::{self, Write};

use super::exit;

/// Writes a result. A closed pipe (`khud … | head`) ends quietly; a full disk is told.
pub fn result(text: &str) -> u8 {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Ok(()) => exit::DONE,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => exit::DONE,
        Err(e) => {
            complain(&format!("could not write the result to stdout: {e}"));
            exit::FAILED
        }
    }
}

/// One sentence on stderr. Text from the cluster in it has been cleaned by the caller.
pub fn complain(sentence: &str) {
    // Nobody is left to tell when stderr is closed too.
    let _ = writeln!(io::stderr().lock(), "khud: {sentence}");
}
