//! Compares two buffers and returns the bytes of a frame, inside a synchronised update.

use ratatui::backend::{Backend, CrosstermBackend};
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

const SYNC_BEGIN: &[u8] = b"\x1b[?2026h";
const SYNC_END: &[u8] = b"\x1b[?2026l";

/// The current and the next content of the terminal.
#[derive(Debug)]
pub struct Screen {
    shown: Buffer,
    next: Buffer,
    cursor: Option<Position>,
    /// The terminal's content is unknown (start, resize, resume), so the next frame clears and draws
    /// everything.
    unknown: bool,
    pub frames: u64,
    pub bytes: u64,
}

impl Screen {
    pub fn new(width: u16, height: u16) -> Screen {
        let area = Rect::new(0, 0, width, height);
        Screen {
            shown: Buffer::empty(area),
            next: Buffer::empty(area),
            cursor: None,
            unknown: true,
            frames: 0,
            bytes: 0,
        }
    }

    pub fn area(&self) -> Rect {
        self.shown.area
    }

    /// Call it after a resize, or after another program wrote to the terminal.
    pub fn resize(&mut self, width: u16, height: u16) {
        let area = Rect::new(0, 0, width, height);
        self.shown = Buffer::empty(area);
        self.next = Buffer::empty(area);
        self.unknown = true;
    }

    /// Draws a frame with `paint`, which returns the position of a visible cursor. Returns the bytes that
    /// update the terminal; `None` if nothing differs.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Buffer) -> Option<Position>) -> Option<Vec<u8>> {
        self.next.reset();
        let cursor = paint(&mut self.next);
        let changed = self.shown.diff(&self.next);
        if changed.is_empty() && cursor == self.cursor && !self.unknown {
            return None;
        }
        let mut bytes = SYNC_BEGIN.to_vec();
        let mut backend = CrosstermBackend::new(&mut bytes);
        // Writing to a Vec cannot fail.
        if self.unknown {
            let _ = backend.clear();
        }
        let _ = backend.hide_cursor();
        if !changed.is_empty() {
            let _ = backend.draw(changed.into_iter());
        }
        if let Some(at) = cursor {
            let _ = backend.set_cursor_position(at);
            let _ = backend.show_cursor();
        }
        bytes.extend_from_slice(SYNC_END);
        std::mem::swap(&mut self.shown, &mut self.next);
        self.cursor = cursor;
        self.unknown = false;
        self.frames += 1;
        self.bytes += bytes.len() as u64;
        Some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Style;

    use super::*;

    #[test]
    fn a_frame_with_nothing_new_is_no_frame_and_each_is_one_synchronised_write() {
        let mut s = Screen::new(10, 2);
        let paint = |b: &mut Buffer| {
            b.set_string(0, 0, "hello", Style::new());
            None
        };
        let first = String::from_utf8(s.draw(paint).unwrap()).unwrap();
        assert!(first.starts_with("\x1b[?2026h") && first.ends_with("\x1b[?2026l"));
        assert!(first.contains("hello"));
        assert_eq!(s.draw(paint), None);
        s.resize(12, 3);
        assert!(s.draw(paint).is_some(), "after a resize all is drawn again");
        assert_eq!(s.frames, 2);
    }
}
