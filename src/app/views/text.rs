//! Scrolled text with search: [`Reader`] makes a view of it for help, descriptions, YAML and reports.

use std::fmt::Debug;

use crate::app::core::content::{Body, Content, Highlight, Line, TextLine, Title};
use crate::app::core::model::Model;
use crate::app::core::view::{FAR, Motion, Room, Saved, View};
use crate::config::Scope;
use crate::term::clean::clean;
use crate::world::{ObjectRef, Text};

/// A view of a text; `of` says which, and holds what the text is made from.
#[derive(Debug)]
pub struct Reader<K> {
    pub of: K,
    pub title: Text,
    pub object: Option<ObjectRef>,
    pub text: Scrolled,
}

impl<K> Reader<K> {
    pub fn new(of: K, title: impl Into<Text>, object: Option<ObjectRef>, lines: Vec<Line>) -> Reader<K> {
        Reader { of, title: title.into(), object, text: Scrolled::new(lines) }
    }
}

/// Lines with a window on them and a search in them.
#[derive(Debug)]
pub struct Scrolled {
    pub lines: Vec<Line>,
    /// First line shown.
    offset: usize,
    /// Columns scrolled to the right.
    left: usize,
    height: usize,
    search: String,
    /// The line last found.
    found: Option<usize>,
}

impl<K: Debug + 'static> View for Reader<K> {
    fn title(&self) -> String {
        self.title.to_string()
    }

    fn scope(&self) -> Scope {
        Scope::Text
    }

    fn object(&self, _: &Model) -> Option<ObjectRef> {
        self.object.clone()
    }

    fn content(&self, _: &Model, _: bool) -> Content {
        let Scrolled { lines, offset, left, height, .. } = &self.text;
        let last = (offset + height).min(lines.len());
        let notes = vec![format!("{}-{last} of {}", (offset + 1).min(last), lines.len())];
        let line = |line: &Line| TextLine {
            pieces: skip(line, *left),
            highlight: if self.text.hit(line) { Highlight::Match } else { Highlight::None },
            ..TextLine::default()
        };
        Content {
            title: Title { name: self.title(), filter: String::new(), notes },
            body: Body::Lines(lines.iter().skip(*offset).take(*height).map(line).collect()),
            ages: Vec::new(),
        }
    }

    fn saved(&self, _: &Model) -> Saved {
        let lines = &self.text.lines;
        let text = lines.iter().map(|l| clean(&l.text()).into_owned() + "\n").collect();
        Saved::File { title: self.title(), ending: "txt", text, count: lines.len() }
    }

    fn go(&mut self, _: &Model, motion: Motion) {
        let text = &mut self.text;
        match motion {
            Motion::Step(by) => text.scroll(by),
            Motion::Page(by) => text.scroll(by * text.height.saturating_sub(1).max(1) as isize),
            Motion::Top => text.offset = 0,
            Motion::Bottom => text.scroll(FAR),
            Motion::Sideways(by) => text.left = text.left.saturating_add_signed(by * 8),
            Motion::Line(_) => {}
        }
    }

    fn fit(&mut self, _: &Model, room: Room) {
        self.text.height = room.lines();
        self.text.stay_inside();
    }

    fn filter(&self) -> &str {
        &self.text.search
    }

    fn set_filter(&mut self, _: &Model, text: &str) -> Option<String> {
        self.text.search(text);
        None
    }

    fn find(&mut self, forward: bool) -> bool {
        self.text.find(forward)
    }

    fn reads(&self) -> bool {
        true
    }

    fn text(&self) -> String {
        self.text.lines.iter().map(|l| l.text() + "\n").collect()
    }
}

/// A line without its first so many characters.
fn skip(line: &Line, mut left: usize) -> Vec<(String, &'static str)> {
    let mut out = Vec::new();
    for (text, scope) in &line.0 {
        let count = text.chars().count();
        if left >= count {
            left -= count;
            continue;
        }
        out.push((text.chars().skip(left).collect(), *scope));
        left = 0;
    }
    out
}

impl Scrolled {
    fn new(lines: Vec<Line>) -> Scrolled {
        Scrolled { lines, offset: 0, left: 0, height: 1, search: String::new(), found: None }
    }

    fn scroll(&mut self, by: isize) {
        self.offset = self.offset.saturating_add_signed(by);
        self.stay_inside();
    }

    /// Keeps the window on lines that exist.
    pub fn stay_inside(&mut self) {
        self.offset = self.offset.min(self.lines.len().saturating_sub(self.height));
    }

    /// Whether the line holds what is searched for.
    fn hit(&self, line: &Line) -> bool {
        !self.search.is_empty() && line.text().to_lowercase().contains(&self.search.to_lowercase())
    }

    /// Looks for a text as it is typed: the line last found stays while it still matches.
    fn search(&mut self, text: &str) {
        self.search = text.to_owned();
        if !self.search.is_empty() {
            self.look(0, true);
        }
    }

    /// Scrolls to the next line that matches, or the one before; false where none does.
    fn find(&mut self, forward: bool) -> bool {
        self.look(1, forward)
    }

    fn look(&mut self, first: usize, forward: bool) -> bool {
        let n = self.lines.len();
        // From the line last found, where that is in sight: several may stand on the last page.
        let page = self.offset..self.offset + self.height.max(1);
        let from = self.found.filter(|i| page.contains(i) && *i < n).unwrap_or(self.offset);
        let found = (first..first + n)
            .map(|d| if forward { (from + d) % n } else { (from + n - d) % n })
            .find(|i| self.hit(&self.lines[*i]));
        self.found = found;
        if let Some(i) = found {
            self.offset = i;
            self.stay_inside();
        }
        found.is_some()
    }
}
