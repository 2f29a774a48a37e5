//! An object as YAML to read: managed fields folded away, Secrets masked until one key is deliberately revealed.

use std::collections::BTreeSet;

use base64::Engine;
use serde_json::Value;

/// What a part of a line is, for its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    Key,
    Text,
    Value,
    Mark,
}

#[derive(Debug, Default)]
pub struct Yaml {
    lines: Vec<String>,
    /// For lines that show a value of a Secret: its key.
    secrets: Vec<Option<String>>,
}

/// What stands for a value that is not shown. The length helps to see an empty or truncated one.
fn mask(bytes: usize) -> String {
    format!("******** ({bytes} bytes, masked)")
}

/// Writes the object down. `revealed` names the keys of a Secret whose values are shown, decoded.
///
/// # Errors
/// A sentence where the object cannot be written as YAML.
pub fn write(object: &Value, managed_fields: bool, revealed: &BTreeSet<String>) -> Result<Yaml, String> {
    let mut object = object.clone();
    if !managed_fields && let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.remove("managedFields");
    }
    let secret = object.get("kind").and_then(Value::as_str) == Some("Secret");
    if secret {
        hide(&mut object, revealed);
    }
    let text = serde_saphyr::to_string(&object)
        .map_err(|e| format!("the object could not be written as YAML: {e}"))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let mut secrets = vec![None; lines.len()];
    if secret {
        let mut inside = false;
        for (line, secret) in lines.iter().zip(&mut secrets) {
            let indent = line.len() - line.trim_start().len();
            match line.trim_end() {
                "data:" | "stringData:" => inside = true,
                _ if indent == 0 => inside = false,
                text if inside && indent == 2 => {
                    *secret =
                        text.trim().split_once(':').map(|(key, _)| key.trim_matches(['"', '\'']).to_owned());
                }
                _ => {}
            }
        }
    }
    Ok(Yaml { lines, secrets })
}

/// Masks what a Secret holds, also the copy that `kubectl apply` keeps in an annotation.
fn hide(object: &mut Value, revealed: &BTreeSet<String>) {
    if let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        for (key, value) in annotations.iter_mut() {
            if key.ends_with("last-applied-configuration") {
                *value = mask(value.as_str().map_or(0, str::len)).into();
            }
        }
    }
    for (field, encoded) in [("data", true), ("stringData", false)] {
        let Some(data) = object.get_mut(field).and_then(Value::as_object_mut) else { continue };
        for (key, value) in data.iter_mut() {
            let text = value.as_str().unwrap_or_default();
            let bytes = match encoded {
                true => base64::engine::general_purpose::STANDARD.decode(text).unwrap_or_default(),
                false => text.as_bytes().to_vec(),
            };
            *value = if revealed.contains(key) {
                match String::from_utf8(bytes) {
                    Ok(text) => text.into(),
                    Err(_) => format!("(not text) {text}").into(),
                }
            } else {
                mask(bytes.len()).into()
            };
        }
    }
}

impl Yaml {
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    pub fn line(&self, i: usize) -> &str {
        self.lines.get(i).map_or("", String::as_str)
    }

    /// The Secret's key whose value stands on the line.
    pub fn secret(&self, i: usize) -> Option<&str> {
        self.secrets.get(i)?.as_deref()
    }

    /// The whole text, for saving and copying; masked values stay masked.
    pub fn text(&self) -> String {
        let mut text = self.lines.join("\n");
        text.push('\n');
        text
    }

    /// The next line from `from` on (or backwards) that matches, going round at the end.
    pub fn find(&self, pattern: &regex::Regex, from: usize, backwards: bool) -> Option<usize> {
        let n = self.lines.len();
        (0..n)
            .map(|step| if backwards { (from + n - step % n) % n } else { (from + step) % n })
            .find(|i| pattern.is_match(&self.lines[*i]))
    }
}

/// Cuts a line into parts for colouring: indentation and list marks, key, value.
pub fn parts(line: &str) -> Vec<(Part, &str)> {
    let body = line.trim_start_matches([' ', '-']);
    let (lead, _) = line.split_at(line.len() - body.len());
    let mut out = Vec::with_capacity(3);
    if !lead.is_empty() {
        out.push((Part::Mark, lead));
    }
    let end = match body.find(": ") {
        Some(i) => Some(i + 1),
        None => body.ends_with(':').then_some(body.len()),
    };
    match end {
        // A key never holds a space unless it is quoted; text in a block scalar may hold ": ".
        Some(end) if !body[..end].contains(' ') || body.starts_with(['"', '\'']) => {
            out.push((Part::Key, &body[..end]));
            let value = &body[end..];
            if !value.is_empty() {
                let text = value.trim_start().starts_with(['"', '\'']);
                out.push((if text { Part::Text } else { Part::Value }, value));
            }
        }
        _ if !body.is_empty() => out.push((Part::Text, body)),
        _ => {}
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn secret() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Secret",
            "metadata": {
                "name": "db", "managedFields": [{"manager": "kubectl"}],
                "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{\"data\":{\"password\":\"aHVudGVyMg==\"}}"}
            },
            "data": {"password": "aHVudGVyMg==", "user": "YWRtaW4="}
        })
    }

    #[test]
    fn a_secret_shows_one_key_only_when_asked_for_by_name() {
        let hidden = write(&secret(), false, &BTreeSet::new()).unwrap();
        for told in ["hunter2", "aHVudGVyMg", "admin", "YWRtaW4", "managedFields"] {
            assert!(!hidden.text().contains(told), "{told} in\n{}", hidden.text());
        }
        let at = (0..hidden.len()).find(|i| hidden.secret(*i) == Some("password")).unwrap();
        assert!(hidden.line(at).contains("7 bytes"), "{}", hidden.line(at));

        let shown = write(&secret(), false, &BTreeSet::from(["password".to_owned()])).unwrap();
        assert!(shown.text().contains("hunter2"));
        assert!(!shown.text().contains("admin") && !shown.text().contains("YWRtaW4"));
    }

    #[test]
    fn search_goes_round_both_ways() {
        let yaml = write(&json!({"a": "x", "b": "y", "c": "x"}), false, &BTreeSet::new()).unwrap();
        let x = regex::Regex::new("x").unwrap();
        assert_eq!(yaml.find(&x, 1, false), Some(2));
        assert_eq!(yaml.find(&x, 3 % yaml.len(), false), Some(0));
        assert_eq!(yaml.find(&x, 1, true), Some(0));
        assert_eq!(yaml.find(&regex::Regex::new("q").unwrap(), 0, false), None);
    }

    #[test]
    fn lines_cut_into_key_and_value() {
        use Part::*;
        assert_eq!(parts("  - name: app"), [(Mark, "  - "), (Key, "name:"), (Value, " app")]);
        assert_eq!(parts("spec:"), [(Key, "spec:")]);
        assert_eq!(parts("    echo done: all of it"), [(Mark, "    "), (Text, "echo done: all of it")]);
        assert_eq!(parts(""), []);
    }
}
