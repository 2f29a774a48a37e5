//! `khud playbook`: checks decision trees, walks their cases and writes them as Markdown. It also loads the user's trees for
//! other commands.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::act::target;
use super::args::{Common, Playbook as Asked};
use super::{checklist, exit, out};
use crate::config::files::Places;
use crate::playbook::cases::{self, Cases};
use crate::playbook::checklist::Checklist;
use crate::playbook::library::Library;
use crate::playbook::pages::{Names, Page};
use crate::playbook::tree::Playbook;
use crate::playbook::{docs, lint, lint_cases};
use crate::remedy;
use crate::term::{clean, clean_lines};
use crate::world::Kind;

pub fn run(common: &Common, asked: &Asked) -> u8 {
    match asked {
        Asked::Show { name, object, by } => show(common, name.as_deref(), object.as_deref(), by),
        Asked::Lint { files } => check(files, faults),
        Asked::Test { files } => check(files, wrong_cases),
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

/// What a check of one playbook says: a line that it is well, or its problems with their file.
type Said = Result<String, Vec<String>>;

fn check(files: &[PathBuf], ask: fn(&Path, &Arc<Playbook>, &Arc<Library>) -> Said) -> u8 {
    let (mut library, _) = library();
    // A pattern such as `*.yaml` takes cases along.
    let files = files.iter().filter(|f| !cases::is(f));
    // Load all files first: one tree may lead to another.
    let books: Vec<_> = files.map(|file| (file, library.add_file(file))).collect();
    let library = Arc::new(library);
    let (mut text, mut bad) = (String::new(), false);
    for (file, book) in books {
        let said = match book {
            Ok(book) => ask(file, &book, &library),
            Err(e) => Err(vec![e.to_string()]),
        };
        bad |= said.is_err();
        let lines = said.map_or_else(|problems| problems, |well| vec![well]);
        lines.iter().for_each(|l| text.push_str(&format!("{}\n", clean(l))));
    }
    match (out::result(&text), bad) {
        (exit::DONE, false) => exit::DONE,
        (exit::DONE, true) => exit::FAILED,
        (code, _) => code,
    }
}

/// The actions there are, each with its options.
pub fn actions() -> BTreeMap<&'static str, Vec<&'static str>> {
    remedy::catalogue().iter().map(|a| (a.name, a.options.iter().map(|o| o.name).collect())).collect()
}

fn faults(file: &Path, book: &Arc<Playbook>, library: &Arc<Library>) -> Said {
    let at = |p: &crate::playbook::Problem| format!("{}: {p}", file.display());
    let mut problems: Vec<String> = lint(book, &actions(), library).iter().map(at).collect();
    match Cases::of(file) {
        Ok(cases) => problems.extend(lint_cases(book, &cases, library).iter().map(at)),
        Err(e) => problems.push(e.to_string()),
    }
    if problems.is_empty() { Ok(format!("{}: no faults", file.display())) } else { Err(problems) }
}

fn wrong_cases(file: &Path, book: &Arc<Playbook>, library: &Arc<Library>) -> Said {
    let cases = Cases::of(file).map_err(|e| vec![e.to_string()])?;
    let problems = cases.test(book, library);
    if problems.is_empty() {
        return Ok(format!("{}: {} cases, all as written", file.display(), cases.cases.len()));
    }
    Err(problems.iter().map(|p| format!("{}: {p}", cases.file)).collect())
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

/// Prints a page, or lists them.
fn show(common: &Common, name: Option<&str>, object: Option<&str>, by: &[String]) -> u8 {
    let Some(name) = name else {
        let line = |id: &str| Page::find(id).map_or_else(String::new, |p| format!("{id:25} {}\n", p.title));
        let lists = Checklist::all().map(|l| format!("{:25} {}\n", l.name(), l.title));
        return out::result(&Page::ids().map(line).chain(lists).collect::<String>());
    };
    let list = Checklist::find(name).filter(|l| l.name() == name);
    let page = Page::find(name);
    if page.is_none() && list.is_none() {
        let lists = Checklist::all().map(|l| l.name());
        let ids: Vec<String> = Page::ids().map(str::to_owned).chain(lists).collect();
        out::complain(&format!("there is no page {:?}; there is {}", clean(name), ids.join(", ")));
        return exit::USAGE;
    }
    let namespace = common.namespace.first().map_or("default", String::as_str);
    let object = match object.map(|o| target(o, namespace)).transpose() {
        Ok(object) => object,
        Err(why) => {
            out::complain(&clean_lines(&why));
            return exit::USAGE;
        }
    };
    let Some(page) = page else {
        return list.map_or(exit::USAGE, |list| checklist::show(common, &list, object.as_ref()));
    };
    let kubectl = match &common.context {
        Some(context) => vec!["--context".to_owned(), context.clone()],
        None => Vec::new(),
    };
    let mut names = Names { kubectl, by: by.to_vec(), ..Names::default() };
    if let Some(o) = object {
        names.namespace = Some(o.namespace.to_string()).filter(|n| !n.is_empty());
        match o.kind {
            Kind::Node => names.node = Some(o.name.to_string()),
            Kind::Pod => names.pod = Some(o.name.to_string()),
            _ => {}
        }
    }
    out::result(&clean_lines(&page.render(&names)))
}
