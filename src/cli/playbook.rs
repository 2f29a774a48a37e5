//! `khud playbook`: checks decision trees and writes them as Markdown. It also loads the user's trees for
//! other commands.

use std::path::PathBuf;

use super::args::Playbook as Asked;
use super::{exit, out};
use crate::config::files::Places;
use crate::playbook::library::Library;
use crate::playbook::{docs, lint};
use crate::remedy;
use crate::term::clean;

pub fn run(asked: &Asked) -> u8 {
    match asked {
        Asked::Lint { files } => check(files),
        Asked::Docs { files } => write(files),
    }
}

/// The built-in trees and the user's own (`playbooks/` in khud's configuration directory), which win by id.
/// Each unreadable file becomes a sentence; the others still load.
pub fn library() -> (Library, Vec<String>) {
    let mut problems = Vec::new();
    let mut library = Library::embedded().unwrap_or_else(|e| {
        problems.push(e.to_string());
        Library::default()
    });
    if let Some(places) = Places::find() {
        problems
            .extend(library.add_directory(&places.config.join("playbooks")).iter().map(ToString::to_string));
    }
    (library, problems)
}

fn check(files: &[PathBuf]) -> u8 {
    let (mut library, _) = library();
    let actions: Vec<&str> = remedy::catalogue().iter().map(|a| a.name).collect();
    // Load all files first: one tree may lead to another.
    let books: Vec<_> = files.iter().map(|file| (file, library.add_file(file))).collect();
    let (mut text, mut faults) = (String::new(), 0);
    for (file, book) in books {
        let problems: Vec<String> = match book {
            Ok(book) => {
                lint(&book, &actions, &library).iter().map(|p| format!("{}: {p}", file.display())).collect()
            }
            Err(e) => vec![e.to_string()],
        };
        faults += problems.len();
        if problems.is_empty() {
            text.push_str(&format!("{}: no faults\n", file.display()));
        }
        problems.iter().for_each(|p| text.push_str(&format!("{}\n", clean(p))));
    }
    match (out::result(&text), faults) {
        (exit::DONE, 0) => exit::DONE,
        (exit::DONE, _) => exit::FAILED,
        (code, _) => code,
    }
}

fn write(files: &[PathBuf]) -> u8 {
    let mut library = Library::default();
    let mut text = String::new();
    for file in files {
        match library.add_file(file) {
            Ok(book) => text.push_str(&docs::markdown(&book)),
            Err(e) => {
                out::complain(&clean(&e.to_string()));
                return exit::FAILED;
            }
        }
    }
    out::result(&text)
}
