//! Results go to stdout, messages to stderr. A closed pipe is no error.

use std::io::{self, Write};

use super::exit;

/// Writes a result. A closed pipe (`khud … | head`) ends without a message; a full disk is reported.
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

/// Prints one sentence to stderr. The caller has cleaned text from the cluster.
pub fn complain(sentence: &str) {
    // There is no other place to report a closed stderr.
    let _ = writeln!(io::stderr().lock(), "khud: {sentence}");
}
