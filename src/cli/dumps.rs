//! `khud heap`, `khud threads` and `khud histogram`: analyse a local dump, without a cluster.

use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::args::TableOrJson;
use super::{exit, out};
use crate::capture::{heap, histogram, threads};
use crate::term::{clean, clean_lines};

pub fn heap(file: &Path, output: TableOrJson) -> u8 {
    let length = std::fs::metadata(file).map_or(0, |m| m.len());
    let mut bar = Bar::new(length);
    let read = heap::read(file, &mut |step, at| bar.show(step, at));
    bar.clear();
    answer(read, output, heap::table)
}

/// A progress line on stderr, if stderr is a terminal.
struct Bar {
    length: u64,
    last: Option<Instant>,
    shown: bool,
}

impl Bar {
    fn new(length: u64) -> Bar {
        // A short file is read faster than the line could be.
        let shown = length > 32 << 20 && io::stderr().is_terminal();
        Bar { length, last: shown.then(Instant::now), shown: false }
    }

    fn show(&mut self, step: heap::Step, at: u64) {
        let Some(last) = &mut self.last else { return };
        if last.elapsed() < Duration::from_millis(100) {
            return;
        }
        *last = Instant::now();
        let (number, what, percent) = match step {
            heap::Step::Index => (1, "reading objects", at * 100 / self.length.max(1)),
            heap::Step::Graph => (2, "reading references", at * 100 / self.length.max(1)),
            heap::Step::Tree => (3, "retained sizes", at / 10),
        };
        self.shown = true;
        // A closed stderr is no reason to stop.
        let _ = write!(io::stderr(), "\r{number}/3 {what}: {:>3} %\x1b[K", percent.min(100));
        let _ = io::stderr().flush();
    }

    fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            let _ = io::stderr().flush();
        }
    }
}

pub fn threads(files: &[PathBuf], output: TableOrJson) -> u8 {
    let read = || {
        let mut dumps = Vec::new();
        for file in files {
            dumps.extend(threads::read(file)?);
        }
        threads::analyse(dumps)
    };
    answer(read(), output, threads::table)
}

pub fn histogram(files: &[PathBuf], output: TableOrJson) -> u8 {
    let read = || {
        let mut read = Vec::new();
        for file in files {
            read.push(histogram::read(file)?);
        }
        match read.as_slice() {
            [older, newest] => Ok(histogram::report(Some(older), newest)),
            [only] => Ok(histogram::report(None, only)),
            _ => Err("name one histogram, or an older and a newer one".to_owned()),
        }
    };
    answer(read(), output, histogram::table)
}

/// Prints the report or the error.
fn answer<T: Serialize>(read: Result<T, String>, output: TableOrJson, table: fn(&T) -> String) -> u8 {
    let report = match read {
        Ok(report) => report,
        Err(why) => {
            out::complain(&clean(&why));
            return exit::FAILED;
        }
    };
    match output {
        TableOrJson::Table => out::result(&clean_lines(&table(&report))),
        TableOrJson::Json => match serde_json::to_string_pretty(&report) {
            Ok(text) => out::result(&format!("{text}\n")),
            Err(e) => {
                out::complain(&format!("the report could not be written as JSON: {e}"));
                exit::FAILED
            }
        },
    }
}
