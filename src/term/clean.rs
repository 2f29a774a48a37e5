//! Makes any text safe for a terminal cell: no control characters, no reordering, a countable width.

use std::borrow::Cow;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The most combining marks on one base character. Larger stacks paint over other rows.
const MARKS: usize = 2;

/// `clean` for several lines: the line ends stay.
pub fn clean_lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let body = line.strip_suffix('\n').unwrap_or(line);
        out.push_str(&clean(body));
        out.push_str(&line[body.len()..]);
    }
    out
}

/// Replaces or drops everything a terminal could interpret as a command, and everything that hides or
/// reorders text. Control characters become their pictures (`␛`), line ends and tabs one space, bidirectional
/// controls and other invisible characters `�`. Joiners and variation selectors are dropped, because
/// terminals disagree on their width.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| (0x20..0x7f).contains(&b)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut marks = 0;
    for c in text.chars() {
        match c {
            '\t' | '\n' | '\r' | '\u{2028}' | '\u{2029}' | '\u{85}' => out.push(' '),
            '\0'..='\u{1f}' => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            '\u{200d}' | '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => continue,
            _ if deceives(c) => out.push('\u{fffd}'),
            _ => {
                if unicode_width::UnicodeWidthChar::width(c) == Some(0) {
                    // A mark needs a base, and the number of marks is limited.
                    if out.is_empty() || marks == MARKS {
                        continue;
                    }
                    marks += 1;
                    out.push(c);
                    continue;
                }
                out.push(c);
            }
        }
        marks = 0;
    }
    Cow::Owned(out)
}

/// C1 controls, bidirectional marks and overrides, invisible operators and fillers, tags, private use.
fn deceives(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}' | '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}' | '\u{200c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{fffe}' | '\u{ffff}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e00ff}' | '\u{e01f0}'..='\u{10ffff}')
}

/// The width of cleaned text, in columns.
pub fn width(cleaned: &str) -> usize {
    if cleaned.is_ascii() { cleaned.len() } else { UnicodeWidthStr::width(cleaned) }
}

/// The start of cleaned text that fits into `columns`, with `…` for the cut end.
pub fn fit(cleaned: &str, columns: usize) -> Cow<'_, str> {
    if width(cleaned) <= columns {
        return Cow::Borrowed(cleaned);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let (mut used, mut out) = (0, String::new());
    for g in cleaned.graphemes(true) {
        let w = width(g);
        if used + w > columns - 1 {
            break;
        }
        used += w;
        out.push_str(g);
    }
    out.push('…');
    Cow::Owned(out)
}

/// The end of cleaned text that fits into `columns`, with `…` for the cut start; for input lines.
pub fn fit_end(cleaned: &str, columns: usize) -> Cow<'_, str> {
    if width(cleaned) <= columns {
        return Cow::Borrowed(cleaned);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    Cow::Owned(format!("…{}", last(cleaned, columns - 1)))
}

/// The longest end of cleaned text that fits into `columns`.
fn last(cleaned: &str, columns: usize) -> &str {
    let (mut used, mut from) = (0, cleaned.len());
    for (i, g) in cleaned.grapheme_indices(true).rev() {
        let w = width(g);
        if used + w > columns {
            break;
        }
        used += w;
        from = i;
    }
    &cleaned[from..]
}

/// Both ends of cleaned text in `columns`, with `…` for the cut middle. A generated name starts with its
/// workload and ends with its own suffix.
pub fn fit_middle(cleaned: &str, columns: usize) -> Cow<'_, str> {
    /// The length of the suffix that Kubernetes appends to a generated name, with its dash.
    const SUFFIX: usize = 6;
    if width(cleaned) <= columns {
        return Cow::Borrowed(cleaned);
    }
    if columns == 0 {
        return Cow::Borrowed("");
    }
    let end = last(cleaned, SUFFIX.min(columns - 1));
    let room = columns - width(end);
    let mut head = String::new();
    let mut taken = 1;
    for g in cleaned[..cleaned.len() - end.len()].graphemes(true) {
        let w = width(g);
        if taken + w > room {
            break;
        }
        taken += w;
        head.push_str(g);
    }
    Cow::Owned(format!("{head}…{end}"))
}

/// Wraps cleaned text into lines of at most `columns`, between words, so that names and images stay whole if
/// they fit.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    for paragraph in text.lines() {
        let (mut line, mut used) = (String::new(), 0);
        let clean = clean(paragraph);
        let whole = |word: &&str| width(word.trim_end()) <= columns;
        // A word longer than a line is cut at a separator, else at any character.
        let pieces = clean.split_inclusive(' ').flat_map(|word| match whole(&word) {
            true => vec![word],
            false => word.split_word_bounds().collect(),
        });
        let pieces = pieces.flat_map(|piece| match whole(&piece) {
            true => vec![piece],
            false => piece.graphemes(true).collect(),
        });
        for piece in pieces {
            if used + width(piece.trim_end()) > columns && used > 0 {
                lines.push(std::mem::take(&mut line).trim_end().to_owned());
                used = 0;
                if piece.trim().is_empty() {
                    continue;
                }
            }
            line.push_str(piece);
            used += width(piece);
        }
        lines.push(line.trim_end().to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_attackers_write_becomes_visible_or_goes() {
        for (raw, want) in [
            ("plain", "plain"),
            ("\x1b[2J\x1b]52;c;aGk=\x07", "␛[2J␛]52;c;aGk=␇"),
            ("a\u{202e}txt.exe", "a\u{fffd}txt.exe"),
            ("\u{9b}31m", "\u{fffd}31m"),
            ("line\r\nnext\tcol", "line  next col"),
            ("zero\u{200b}width", "zero\u{fffd}width"),
            ("e\u{301}\u{301}\u{301}\u{301}", "e\u{301}\u{301}"),
            ("日本", "日本"),
        ] {
            assert_eq!(clean(raw), want, "{raw:?}");
        }
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit_end("api-server-7c9d-x2x4", 6), "…-x2x4");
        assert_eq!(fit_middle("api-server-7c9d4f-x2x4z", 6), "…x2x4z");
        assert_eq!(fit_middle("api-server-7c9d4f-x2x4z", 18), "api-server-…-x2x4z");
        assert_eq!(fit_middle("api-server", 10), "api-server");
        assert_eq!(wrap("a tag that does not exist", 10), ["a tag that", "does not", "exist"]);
        assert_eq!(wrap("pull \"acme.io/api:v2\" now", 18), ["pull", "\"acme.io/api:v2\"", "now"]);
    }

    proptest! {
        /// Whatever the bytes are, the screen gets no control character, and a cut text fits its width.
        #[test]
        fn nothing_raw_gets_through(bytes in prop::collection::vec(any::<u8>(), 0..200), columns in 0usize..30) {
            let raw = String::from_utf8_lossy(&bytes);
            let safe = clean(&raw);
            prop_assert!(!safe.chars().any(|c| c.is_control() || deceives(c)));
            prop_assert_eq!(clean(&safe), safe.as_ref());
            prop_assert!(width(&fit(&safe, columns)) <= columns);
            prop_assert!(width(&fit_end(&safe, columns)) <= columns);
            prop_assert!(width(&fit_middle(&safe, columns)) <= columns);
            for line in wrap(&raw, columns) {
                prop_assert!(width(&line) <= columns.max(2));
            }
        }

        #[test]
        fn no_character_gets_through_raw(raw in "\\PC*|[\\u{0}-\\u{a0}\\u{2000}-\\u{206f}\\u{e0000}-\\u{e00ff}]*") {
            let safe = clean(&raw);
            prop_assert!(!safe.chars().any(|c| c.is_control() || deceives(c)));
        }
    }
}
