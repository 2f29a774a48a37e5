//! A key as people write it (`ctrl-d`, `alt-1`, `T`, `space`) and as terminals send it.

use std::fmt;
use std::str::FromStr;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::document::{hint, quote};

/// A key in normal form.
///
/// A letter carries its case in the character and has no shift. `ctrl` letters are lower case, because
/// terminals send no case with them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Key {
    pub code: KeyCode,
    pub modifiers: KeyModifiers,
}

const NAMED: &[(&str, KeyCode)] = &[
    ("backspace", KeyCode::Backspace),
    ("enter", KeyCode::Enter),
    ("left", KeyCode::Left),
    ("right", KeyCode::Right),
    ("up", KeyCode::Up),
    ("down", KeyCode::Down),
    ("home", KeyCode::Home),
    ("end", KeyCode::End),
    ("pageup", KeyCode::PageUp),
    ("pagedown", KeyCode::PageDown),
    ("tab", KeyCode::Tab),
    ("delete", KeyCode::Delete),
    ("insert", KeyCode::Insert),
    ("esc", KeyCode::Esc),
    ("space", KeyCode::Char(' ')),
    ("minus", KeyCode::Char('-')),
];

/// Other names of the same keys.
const ALIASES: &[(&str, &str)] = &[
    ("return", "enter"),
    ("escape", "esc"),
    ("del", "delete"),
    ("ins", "insert"),
    ("pgup", "pageup"),
    ("pgdn", "pagedown"),
    ("page-up", "pageup"),
    ("page-down", "pagedown"),
];

/// `ctrl` keys that terminals send as another key, so that a binding would never work.
const SENT_AS: &[(char, &str)] = &[('i', "tab"), ('m', "enter"), ('[', "esc")];

impl Key {
    pub const fn new(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key { code, modifiers }
    }

    /// Parses a key sequence, written with spaces: `g g`.
    ///
    /// # Errors
    /// A sentence about the key that cannot be parsed.
    pub fn sequence(text: &str) -> Result<Vec<Key>, String> {
        let keys: Vec<Key> = text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
        if keys.is_empty() {
            return Err("a key is missing; write \"space\" for the space bar".to_owned());
        }
        Ok(keys)
    }

    /// The text of a sequence, as [`Key::sequence`] reads it.
    pub fn print_sequence(keys: &[Key]) -> String {
        keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
    }

    fn normal(code: KeyCode, mut modifiers: KeyModifiers) -> Key {
        modifiers &= KeyModifiers::CONTROL | KeyModifiers::ALT | KeyModifiers::SHIFT;
        let code = match code {
            KeyCode::BackTab => {
                modifiers |= KeyModifiers::SHIFT;
                KeyCode::Tab
            }
            KeyCode::Char(c) => {
                let shifted = modifiers.contains(KeyModifiers::SHIFT);
                modifiers -= KeyModifiers::SHIFT;
                KeyCode::Char(match modifiers.contains(KeyModifiers::CONTROL) {
                    true => legacy_control(c),
                    false if shifted => upper(c),
                    false => c,
                })
            }
            other => other,
        };
        Key { code, modifiers }
    }
}

fn upper(c: char) -> char {
    let mut letters = c.to_uppercase();
    match (letters.next(), letters.next()) {
        (Some(one), None) => one,
        // A letter like ß has no single capital.
        _ => c,
    }
}

/// Bytes 0x1c to 0x1f are `ctrl-\ ] ^ _`; crossterm names them `ctrl-4` to `ctrl-7`.
fn legacy_control(c: char) -> char {
    match c {
        '4' => '\\',
        '5' => ']',
        '6' => '^',
        '7' => '_',
        _ => c.to_ascii_lowercase(),
    }
}

impl From<KeyEvent> for Key {
    fn from(event: KeyEvent) -> Key {
        Key::normal(event.code, event.modifiers)
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Key, String> {
        let mut modifiers = KeyModifiers::NONE;
        let mut rest = text;
        // The last character may itself be the separator: `ctrl--` and `-`.
        while let Some((head, tail)) =
            rest.split_once(['-', '+']).filter(|(h, t)| !h.is_empty() && !t.is_empty())
        {
            modifiers |= match head.to_ascii_lowercase().as_str() {
                "ctrl" | "control" | "c" => KeyModifiers::CONTROL,
                "alt" | "meta" | "a" | "m" => KeyModifiers::ALT,
                "shift" | "s" => KeyModifiers::SHIFT,
                "page" => break,
                other => {
                    let hint = hint(other, ["ctrl", "alt", "shift"]);
                    return Err(format!(
                        "{} does not start with a modifier (ctrl, alt, shift){hint}",
                        quote(text)
                    ));
                }
            };
            rest = tail;
        }
        let code = code(text, rest)?;
        if let KeyCode::Char(c) = code {
            if modifiers.contains(KeyModifiers::CONTROL | KeyModifiers::SHIFT) && c != ' ' {
                return Err(format!("terminals cannot tell {} from the same key without shift", quote(text)));
            }
            if modifiers.contains(KeyModifiers::CONTROL) {
                if let Some((_, same)) = SENT_AS.iter().find(|(sent, _)| *sent == c.to_ascii_lowercase()) {
                    return Err(format!("terminals send {} as {same}; bind {same} instead", quote(text)));
                }
                if !c.is_ascii() {
                    return Err(format!("terminals cannot send {}", quote(text)));
                }
            }
        }
        Ok(Key::normal(code, modifiers))
    }
}

fn code(whole: &str, text: &str) -> Result<KeyCode, String> {
    let mut characters = text.chars();
    if let (Some(c), None) = (characters.next(), characters.next()) {
        if c.is_control() || c.is_whitespace() {
            return Err(format!("{} is not a key that can be bound", quote(whole)));
        }
        return Ok(KeyCode::Char(c));
    }
    let word = text.to_ascii_lowercase();
    let word = ALIASES.iter().find(|(alias, _)| *alias == word).map_or(word.as_str(), |(_, name)| name);
    if let Some((_, code)) = NAMED.iter().find(|(name, _)| *name == word) {
        return Ok(*code);
    }
    if let Some(number) =
        word.strip_prefix('f').and_then(|n| n.parse::<u8>().ok()).filter(|n| (1..=24).contains(n))
    {
        return Ok(KeyCode::F(number));
    }
    let hint = hint(word, NAMED.iter().map(|(name, _)| *name));
    Err(format!("{} is not a key{hint}", quote(whole)))
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (modifier, name) in
            [(KeyModifiers::CONTROL, "ctrl-"), (KeyModifiers::ALT, "alt-"), (KeyModifiers::SHIFT, "shift-")]
        {
            if self.modifiers.contains(modifier) {
                f.write_str(name)?;
            }
        }
        if let Some((name, _)) = NAMED.iter().find(|(_, code)| *code == self.code) {
            // A single minus is clear as `-`; after a modifier, its name is clearer.
            return f.write_str(if *name == "minus" && self.modifiers.is_empty() { "-" } else { name });
        }
        match self.code {
            KeyCode::Char(c) => write!(f, "{c}"),
            KeyCode::F(n) => write!(f, "f{n}"),
            // Only keyboards with extra protocols send these keys; they have no name for bindings.
            other => write!(f, "{}", other.to_string().to_lowercase().replace(' ', "")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(code: KeyCode, modifiers: KeyModifiers) -> Key {
        Key::from(KeyEvent::new(code, modifiers))
    }

    #[test]
    fn what_is_written_is_what_terminals_send() {
        let ctrl = KeyModifiers::CONTROL;
        for (text, sent) in [
            ("ctrl-d", event(KeyCode::Char('d'), ctrl)),
            ("T", event(KeyCode::Char('T'), KeyModifiers::SHIFT)),
            ("shift-t", event(KeyCode::Char('T'), KeyModifiers::SHIFT)),
            ("shift-tab", event(KeyCode::BackTab, KeyModifiers::SHIFT)),
            ("alt-1", event(KeyCode::Char('1'), KeyModifiers::ALT)),
            ("space", event(KeyCode::Char(' '), KeyModifiers::NONE)),
            ("ctrl-space", event(KeyCode::Char(' '), ctrl)),
            ("ctrl-\\", event(KeyCode::Char('4'), ctrl)),
            ("-", event(KeyCode::Char('-'), KeyModifiers::NONE)),
            ("ctrl--", event(KeyCode::Char('-'), ctrl)),
            ("page-down", event(KeyCode::PageDown, KeyModifiers::NONE)),
            ("F5", event(KeyCode::F(5), KeyModifiers::NONE)),
            ("shift-left", event(KeyCode::Left, KeyModifiers::SHIFT)),
            ("?", event(KeyCode::Char('?'), KeyModifiers::SHIFT)),
        ] {
            assert_eq!(text.parse::<Key>().as_ref(), Ok(&sent), "{text}");
            assert_eq!(sent.to_string().parse::<Key>(), Ok(sent), "{sent}");
        }
    }

    #[test]
    fn keys_that_cannot_work_are_refused_with_the_reason() {
        for (text, part) in [
            ("ctrl-i", "send \"ctrl-i\" as tab"),
            ("ctrl-m", "as enter"),
            ("ctrl-shift-d", "without shift"),
            ("hyper-x", "not start with a modifier"),
            ("entr", "did you mean \"enter\"?"),
            ("f99", "is not a key"),
        ] {
            let said = text.parse::<Key>().unwrap_err();
            assert!(said.contains(part), "{text}: {said}");
        }
        assert!(Key::sequence("  ").unwrap_err().contains("space"));
        assert_eq!(Key::sequence("g g").unwrap().len(), 2);
    }
}
