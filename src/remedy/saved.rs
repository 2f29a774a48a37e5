//! Objects as YAML in a local file: written, read back, and taken apart again.

use std::path::{Path, PathBuf};

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cx::Cx;
use super::files::{FileOp, safe_name};
use super::plan::LocalFile;
use super::run::Stop;
use super::{diff, transfer};
use crate::world::ObjectRef;

/// Where an object is saved: a new name for each second.
pub(super) fn path(cx: &Cx, dir: &str, target: &ObjectRef) -> PathBuf {
    let space = if target.namespace.is_empty() { String::new() } else { format!("{}-", target.namespace) };
    let name = format!("{}-{space}{}-{}.yaml", target.kind.plural(), target.name, cx.now().seconds());
    PathBuf::from(dir).join(safe_name(&name))
}

/// Writes the objects behind a comment, reads the file back and compares. Nothing else counts as a backup.
pub(super) async fn save(cx: &Cx, path: &Path, comment: &str, objects: &[Value]) -> Result<(), Stop> {
    let mut text = comment.to_owned();
    for object in objects {
        text.push_str("---\n");
        text.push_str(&diff::yaml(object));
    }
    let bytes = text.into_bytes();
    let sha256 = transfer::hex(&Sha256::digest(&bytes));
    let length = bytes.len() as u64;
    cx.local(FileOp::Save { path: path.to_owned(), bytes }).await?;
    cx.file(LocalFile { path: path.display().to_string(), bytes: length, sha256 });
    let again = read(cx, path).await?;
    if again != objects {
        let (has, all) = (again.len(), objects.len());
        return Err(Stop::Failed(format!(
            "{} was read back and does not hold what was saved ({has} of {all} objects)",
            path.display()
        )));
    }
    Ok(())
}

/// The objects of a YAML file, those of lists one by one.
///
/// # Errors
/// There is no such file, or the sentence of [`parse`].
pub(super) async fn read(cx: &Cx, path: &Path) -> Result<Vec<Value>, Stop> {
    let done = cx.local(FileOp::Read { path: path.to_owned() }).await?;
    let Some(bytes) = done.read else {
        return Err(Stop::Refused(format!("there is no file {}; nothing was changed", path.display())));
    };
    let text = String::from_utf8(bytes);
    let text = text.map_err(|_| Stop::Refused(format!("{} is not a text file", path.display())))?;
    parse(&text).map_err(|why| Stop::Refused(format!("{}: {why}; nothing was changed", path.display())))
}

/// # Errors
/// A sentence: which document is no object of Kubernetes, or is no YAML.
fn parse(text: &str) -> Result<Vec<Value>, String> {
    let mut documents = vec![String::new()];
    for line in text.lines() {
        // A marker stands at the first column, where no text of a value can be.
        match (line.strip_prefix("---"), documents.last_mut()) {
            (Some(rest), _) if rest.is_empty() || rest.starts_with(' ') => documents.push(rest.to_owned()),
            (_, Some(document)) => {
                document.push_str(line);
                document.push('\n');
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    for (at, document) in documents.iter().enumerate() {
        let empty = |line: &str| line.trim().is_empty() || line.trim_start().starts_with('#');
        if document.lines().all(empty) {
            continue;
        }
        let value: Value = serde_saphyr::from_str(document).map_err(|e| format!("document {at}: {e}"))?;
        let list = value["kind"].as_str().is_some_and(|kind| kind.ends_with("List"));
        match value["items"].as_array() {
            Some(items) if list => out.extend(items.iter().cloned()),
            _ => out.push(value),
        }
    }
    let lacks = |o: &Value| {
        ["/apiVersion", "/kind", "/metadata/name"].iter().find(|p| o.pointer(p).is_none()).copied()
    };
    match out.iter().enumerate().find_map(|(at, o)| Some((at + 1, lacks(o)?))) {
        Some((at, what)) => Err(format!("object {at} has no {}", what[1..].replace('/', "."))),
        None => Ok(out),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn what_was_written_is_read_whatever_its_texts_are() {
        let odd = [
            "yes",
            "1.0",
            "0x1F",
            "---",
            "a\n--- b\n",
            "# no comment",
            "'",
            "\"",
            " x ",
            "",
            "null",
            "~",
            "\u{1b}[31m",
            "a: b",
        ];
        let objects: Vec<Value> = odd
            .iter()
            .map(|text| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": text}}))
            .collect();
        let text: String = objects.iter().map(|o| format!("---\n{}", diff::yaml(o))).collect();
        assert_eq!(parse(&text).unwrap(), objects);
    }

    proptest! {
        #[test]
        fn any_text_survives(text in any::<String>()) {
            let object = json!({"apiVersion": "v1", "kind": "C", "metadata": {"name": "m"}, "data": {"k": text}});
            let read = parse(&format!("---\n{}", diff::yaml(&object)));
            prop_assert_eq!(read, Ok(vec![object]));
        }

        #[test]
        fn no_file_makes_it_panic(text in "(---|a: b|- x|\\{\\}|kind: List|items:| |\n|#|\t){0,12}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn a_list_is_its_items_and_what_is_no_object_is_told() {
        let list = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod, metadata: {name: a}}\n";
        assert_eq!(parse(list).unwrap()[0]["metadata"]["name"], "a");
        assert_eq!(parse("# nothing\n---\n").unwrap(), Vec::<Value>::new());
        assert_eq!(parse("--- {a: 1}").unwrap_err(), "object 1 has no apiVersion");
        assert!(parse("---\na: [").unwrap_err().starts_with("document 1: "));
    }
}
