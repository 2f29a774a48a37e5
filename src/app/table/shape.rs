//! How a column looks: its name, its widths, where its text is cut.

use std::borrow::Cow;

/// How a column looks. Widths are in terminal columns; a table that is too narrow drops the columns with the
/// lowest `keep` first.
#[derive(Debug, Clone, PartialEq)]
pub struct Shape {
    pub name: Cow<'static, str>,
    pub min: u16,
    pub max: u16,
    pub right: bool,
    pub keep: u8,
    pub cut: Cut,
}

/// Where text that is too long for its column is cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    End,
    /// Both ends stay: generated names differ at theirs.
    Middle,
    /// The end stays: an image is told by its tag.
    Start,
}

pub const fn shape(name: &'static str, min: u16, max: u16, keep: u8) -> Shape {
    Shape { name: Cow::Borrowed(name), min, max, right: false, keep, cut: Cut::End }
}

pub const fn number(name: &'static str, min: u16, max: u16, keep: u8) -> Shape {
    Shape { name: Cow::Borrowed(name), min, max, right: true, keep, cut: Cut::End }
}

/// A column that keeps the end of its text too when cut.
pub const fn tail(name: &'static str, min: u16, max: u16, keep: u8) -> Shape {
    Shape { name: Cow::Borrowed(name), min, max, right: false, keep, cut: Cut::Middle }
}

/// A column of images: when cut, the end stays.
pub const fn image(name: &'static str, min: u16, max: u16, keep: u8) -> Shape {
    Shape { name: Cow::Borrowed(name), min, max, right: false, keep, cut: Cut::Start }
}

/// The columns that are left where so many are scrolled out: the one that matters most stays.
pub fn unscrolled<'s>(shapes: impl Iterator<Item = &'s Shape> + Clone, mut skip: usize) -> Vec<usize> {
    let most = shapes.clone().map(|s| s.keep).max();
    let seen = shapes.enumerate().filter(|(_, s)| {
        let scrolled = skip > 0 && Some(s.keep) != most;
        skip -= usize::from(scrolled);
        !scrolled
    });
    seen.map(|(i, _)| i).collect()
}
