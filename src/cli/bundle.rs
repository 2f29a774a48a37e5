//! `khud FILE`: opens a bundle of evidence.

use std::path::Path;

use super::{exit, out};
use crate::capture::bundle::Bundle;
use crate::term::{clean, clean_lines};

/// Prints the index, or the text of that name.
pub fn run(file: &Path, show: Option<&str>) -> u8 {
    let bundle = match Bundle::open(file) {
        Ok(bundle) => bundle,
        Err(why) => {
            out::complain(&clean(&why));
            return exit::USAGE;
        }
    };
    if let Some(why) = &bundle.damaged {
        out::complain(&clean(&format!("{}: {why}", file.display())));
    }
    // The index comes first.
    let text = match show {
        Some(name) => bundle.text(name),
        None => bundle.texts.first().map(|(_, text)| text.as_str()).ok_or_else(String::new),
    };
    match text {
        Ok(text) => out::result(&clean_lines(text)),
        Err(why) => {
            out::complain(&clean(&why));
            exit::USAGE
        }
    }
}
