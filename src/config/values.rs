//! Values of single settings that take more than a type to be sound.

use super::document::{Document, Node, hint, quote};
use super::settings::PANES;

/// A name that may become a file name: no path, no control characters.
pub(super) fn file_name<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<String> {
    let name = document.string(key, node)?;
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '_' | '.' | ' ');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let text = format!("{} must be a name of letters, digits, - and _, not {}", quote(key), quote(name));
        document.error(&node.span(), text);
        return None;
    }
    Some(name.to_owned())
}

/// Panes of the overview, each once.
pub(super) fn panes<'t>(
    document: &mut Document<'t>,
    key: &str,
    node: &Node<'t>,
) -> Option<Vec<&'static str>> {
    let mut panes: Vec<&'static str> = Vec::new();
    for (at, word) in document.strings(key, node)? {
        match PANES.iter().find(|p| **p == word) {
            Some(pane) if panes.contains(pane) => {
                document.error(&at, format!("{} names {} twice", quote(key), quote(word)));
                return None;
            }
            Some(pane) => panes.push(pane),
            None => {
                let hint = hint(word, PANES);
                let text =
                    format!("there is no pane {}; the panes are {}{hint}", quote(word), PANES.join(", "));
                document.error(&at, text);
                return None;
            }
        }
    }
    if panes.is_empty() {
        document.error(&node.span(), format!("{} needs at least one pane", quote(key)));
        return None;
    }
    Some(panes)
}

/// Namespaces as Kubernetes allows them (RFC 1123 labels), at most nine because there are nine keys.
pub(super) fn namespaces<'t>(document: &mut Document<'t>, key: &str, node: &Node<'t>) -> Option<Vec<String>> {
    let mut names = Vec::new();
    for (at, name) in document.strings(key, node)? {
        let label = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let sound = !name.is_empty()
            && name.len() <= 63
            && name.bytes().all(label)
            && !name.starts_with('-')
            && !name.ends_with('-');
        if !sound {
            document.error(&at, format!("{} is not a valid namespace name", quote(name)));
            return None;
        }
        names.push(name.to_owned());
    }
    if names.len() > 9 {
        document.error(&node.span(), format!("{} takes at most nine, for the keys 1 to 9", quote(key)));
        return None;
    }
    Some(names)
}
