//! The one door to the screen: text is cleaned and cut here, whatever it is and wherever it comes from.

use std::borrow::Cow;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use regex::Regex;

use crate::config::Theme;
use crate::config::settings::Times;
use crate::config::theme::Glyphs;
use crate::term::clean::{clean, fit, fit_end, fit_middle, width};
use crate::world::redact::{MASK, present};

/// Text for a terminal that shows ASCII only, as wide as it was.
fn ascii(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            c if c.is_ascii() => out.push(c),
            '…' => out.push('~'),
            '×' => out.push('x'),
            '→' => out.push('>'),
            '‘' | '’' => out.push('\''),
            '“' | '”' => out.push('"'),
            '–' | '—' | '─' => out.push('-'),
            '·' | '•' => out.push('*'),
            c => (0..width(c.encode_utf8(&mut [0; 4]))).for_each(|_| out.push('?')),
        }
    }
    Cow::Owned(out)
}

/// A buffer with the theme it is painted in.
pub struct Painter<'a> {
    pub buffer: &'a mut Buffer,
    pub theme: &'a Theme,
    /// How times of day are shown.
    pub times: Times,
    /// Strangers look on: secrets are masked, rows stand apart.
    pub presenting: bool,
    /// Names that they must not see.
    pub masks: Option<&'a Regex>,
}

impl Painter<'_> {
    /// Writes text within `columns` of `x`, cut with `…`; returns the columns used.
    pub fn put(&mut self, x: u16, y: u16, columns: u16, text: &str, scope: &str) -> u16 {
        let style = self.theme.style(scope);
        self.put_styled(x, y, columns, text, style)
    }

    pub fn put_styled(&mut self, x: u16, y: u16, columns: u16, text: &str, style: Style) -> u16 {
        let safe = clean(text);
        let masked = self.mask(&safe);
        let cut = fit(&masked, columns.into());
        self.raw(x, y, &cut, style)
    }

    /// What strangers may see of a text.
    fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if !self.presenting {
            return Cow::Borrowed(text);
        }
        let shown = present(text);
        match self.masks {
            Some(names) if names.is_match(&shown) => Cow::Owned(names.replace_all(&shown, MASK).into_owned()),
            _ => shown,
        }
    }

    /// Like `put`, but keeps the end of text that is too long.
    pub fn put_end(&mut self, x: u16, y: u16, columns: u16, text: &str, scope: &str) -> u16 {
        let style = self.theme.style(scope);
        let safe = clean(text);
        let masked = self.mask(&safe);
        let cut = fit_end(&masked, columns.into());
        self.raw(x, y, &cut, style)
    }

    /// Like `put`, but keeps both ends of text that is too long.
    pub fn put_middle(&mut self, x: u16, y: u16, columns: u16, text: &str, scope: &str) -> u16 {
        let style = self.theme.style(scope);
        let safe = clean(text);
        let masked = self.mask(&safe);
        let cut = fit_middle(&masked, columns.into());
        self.raw(x, y, &cut, style)
    }

    /// Writes text so that it ends at the last of `columns`.
    pub fn put_right(&mut self, x: u16, y: u16, columns: u16, text: &str, scope: &str) {
        let style = self.theme.style(scope);
        let safe = clean(text);
        let masked = self.mask(&safe);
        let cut = fit(&masked, columns.into());
        // Cut to `columns`, so the width fits a u16.
        let pad = columns - width(&cut) as u16;
        self.raw(x + pad, y, &cut, style);
    }

    /// Text that is clean and fits.
    fn raw(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if y >= area.bottom() || x >= area.right() {
            return 0;
        }
        let text = if self.theme.glyphs == Glyphs::Ascii { ascii(text) } else { Cow::Borrowed(text) };
        let (end, _) = self.buffer.set_stringn(x, y, &text, (area.right() - x).into(), style);
        end - x
    }

    /// Fills a line with one sign.
    pub fn line(&mut self, x: u16, y: u16, columns: u16, sign: &str, scope: &str) {
        let style = self.theme.style(scope);
        for i in x..x.saturating_add(columns).min(self.buffer.area.right()) {
            if let Some(cell) = self.buffer.cell_mut((i, y)) {
                cell.set_symbol(sign).set_style(style);
            }
        }
    }

    pub fn vertical(&mut self, x: u16, y: u16, rows: u16, sign: &str, scope: &str) {
        for i in y..y.saturating_add(rows) {
            self.line(x, i, 1, sign, scope);
        }
    }

    /// Lays a style over what is there.
    pub fn tint(&mut self, area: Rect, scope: &str) {
        let style = self.theme.style(scope);
        self.buffer.set_style(area.intersection(self.buffer.area), style);
    }

    /// Empties an area to a scope's ground.
    pub fn clear(&mut self, area: Rect, scope: &str) {
        let area = area.intersection(self.buffer.area);
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
        let style = self.theme.style("text").patch(self.theme.style(scope));
        self.buffer.set_style(area, style);
    }

    pub fn glyph(&self, name: &str) -> &'static str {
        self.theme.glyph(name)
    }
}
