//! Pages: what khud must not do itself, as lines to copy with the object's names filled in.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::tree::LoadError;

/// Built in: file name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("cluster-recovery.yaml", include_str!("../../assets/pages/cluster-recovery.yaml")),
    ("core-dump.yaml", include_str!("../../assets/pages/core-dump.yaml")),
    ("etcd-restore.yaml", include_str!("../../assets/pages/etcd-restore.yaml")),
    ("etcd-snapshot.yaml", include_str!("../../assets/pages/etcd-snapshot.yaml")),
    ("fsck.yaml", include_str!("../../assets/pages/fsck.yaml")),
    ("host-firewall.yaml", include_str!("../../assets/pages/host-firewall.yaml")),
    ("runtime-db.yaml", include_str!("../../assets/pages/runtime-db.yaml")),
    ("static-manifests.yaml", include_str!("../../assets/pages/static-manifests.yaml")),
];

/// The names that lines may hold, and what stands there where the name is not known.
const NAMES: &[(&str, &str)] = &[
    ("node", "NODE"),
    ("namespace", "NAMESPACE"),
    ("pod", "POD"),
    ("container", "CONTAINER"),
    ("kubectl", "kubectl"),
];

/// One page.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    pub id: String,
    pub title: String,
    /// When the page fits.
    pub when: String,
    /// Why khud leaves it to people.
    pub why: String,
    /// How many people it takes, each named before the first line.
    pub people: u8,
    pub steps: Vec<Step>,
    /// How to see that it is over.
    pub done: String,
}

/// One step of a page.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    #[serde(rename = "do")]
    pub what: String,
    /// The machine to type the lines on.
    #[serde(rename = "where")]
    pub place: String,
    #[serde(default)]
    pub lines: Vec<String>,
    /// The answer to expect.
    #[serde(default)]
    pub expect: String,
    /// When to stop.
    #[serde(default)]
    pub stop: String,
}

/// The names to fill in, raw: each is quoted for a shell where it stands in a line.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Names {
    pub node: Option<String>,
    pub namespace: Option<String>,
    pub pod: Option<String>,
    pub container: Option<String>,
    /// The flags that lead kubectl to the cluster.
    pub kubectl: Vec<String>,
    /// The people who do it.
    pub by: Vec<String>,
}

impl Page {
    /// Reads a page. `file` names it in messages.
    ///
    /// # Errors
    /// A sentence: what could not be read, or a name that no page has.
    pub fn parse(text: &str, file: &str) -> Result<Page, LoadError> {
        let fail = |message: String| LoadError { file: file.to_owned(), message };
        let page: Page = serde_saphyr::from_str(text)
            .map_err(|e| fail(e.to_string().lines().next().unwrap_or("no page").to_owned()))?;
        for step in &page.steps {
            for text in step.lines.iter().chain([&step.place]) {
                if let Some(name) = holes(text).find(|name| !NAMES.iter().any(|(n, _)| n == name)) {
                    let names: Vec<&str> = NAMES.iter().map(|(n, _)| *n).collect();
                    return Err(fail(format!(
                        "{text:?}: there is no name {name:?}; there is {}",
                        names.join(", ")
                    )));
                }
            }
        }
        Ok(page)
    }

    /// The built-in page of that name.
    pub fn find(id: &str) -> Option<Page> {
        let (file, text) = EMBEDDED.iter().find(|(file, _)| file.strip_suffix(".yaml") == Some(id))?;
        Page::parse(text, file).ok()
    }

    /// The names of the built-in pages.
    pub fn ids() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().filter_map(|(file, _)| file.strip_suffix(".yaml"))
    }

    /// The page to read, as Markdown: lines to copy stand indented on lines of their own.
    pub fn render(&self, names: &Names) -> String {
        let mut out = format!("# {}\n\n{}\nWhy khud does not do it: {}\n", self.title, self.when, self.why);
        if self.people > 1 {
            let of = |n: usize| names.by.get(n).map_or("____________", String::as_str);
            out.push_str(&format!(
                "\nTwo people. Types: {}. Reads each line first and says go: {}.\nWrite both names on the timeline (:note) before the first line.\n",
                of(0),
                of(1)
            ));
        }
        for (n, step) in self.steps.iter().enumerate() {
            out.push_str(&format!("\n{}. {}\n", n + 1, step.what));
            if !step.lines.is_empty() || step.place != "here" {
                out.push_str(&format!("   Where: {}\n", fill(&step.place, names, false)));
            }
            if !step.lines.is_empty() {
                out.push('\n');
                step.lines.iter().for_each(|l| out.push_str(&format!("       {}\n", fill(l, names, true))));
                out.push('\n');
            }
            if !step.expect.is_empty() {
                out.push_str(&format!("   Expect: {}\n", step.expect));
            }
            if !step.stop.is_empty() {
                out.push_str(&format!("   Stop when: {}\n", step.stop));
            }
        }
        out.push_str(&format!("\nOver when: {}\n", self.done));
        out
    }
}

/// The names of a text's holes. Braces of a shell, of Go templates and of JSONPath hold other characters than a name's.
fn holes(text: &str) -> impl Iterator<Item = &str> {
    let inside = |part: &str| part.split_once('}').map_or(0, |(name, _)| name.len());
    let parts = text.split('{').skip(1);
    parts
        .filter_map(move |part| part.get(..inside(part)))
        .filter(|name| !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase()))
}

/// The text with its names. In a line each is one word of a POSIX shell, whatever it holds.
fn fill(text: &str, names: &Names, line: bool) -> String {
    let quoted = |word: &str| {
        // Nothing from the cluster may end the line or hide what it says.
        let plain: String = word.chars().filter(|c| !c.is_control()).collect();
        if !line {
            return plain;
        }
        shlex::try_quote(&plain).map_or_else(|_| String::new(), std::borrow::Cow::into_owned)
    };
    let kubectl = || {
        let flags: String = names.kubectl.iter().map(|f| format!(" {}", quoted(f))).collect();
        format!("kubectl{flags}")
    };
    let known: BTreeMap<&str, Option<String>> = BTreeMap::from([
        ("node", names.node.as_deref().map(quoted)),
        ("namespace", names.namespace.as_deref().map(quoted)),
        ("pod", names.pod.as_deref().map(quoted)),
        ("container", names.container.as_deref().map(quoted)),
        ("kubectl", Some(kubectl())),
    ]);
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        out.push_str(before);
        let hole = after.split_once('}').and_then(|(name, tail)| {
            let (_, unknown) = NAMES.iter().find(|(n, _)| *n == name)?;
            Some((known.get(name).cloned().flatten().unwrap_or_else(|| (*unknown).to_owned()), tail))
        });
        match hole {
            Some((value, tail)) => {
                out.push_str(&value);
                rest = tail;
            }
            None => {
                out.push('{');
                rest = after;
            }
        }
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_reads_and_says_when_to_stop() {
        for (file, text) in EMBEDDED {
            let page = Page::parse(text, file).unwrap();
            assert_eq!(format!("{}.yaml", page.id), *file);
            assert!(page.steps.iter().any(|s| !s.stop.is_empty()), "{file} never says when to stop");
            let bare: Vec<&str> = page
                .steps
                .iter()
                .filter(|s| !s.lines.is_empty() && s.expect.is_empty())
                .map(|s| &*s.what)
                .collect();
            assert!(bare.is_empty(), "{file}: lines without an expected answer: {bare:?}");
        }
    }

    #[test]
    fn a_name_from_the_cluster_stays_one_word_of_its_line() {
        let evil = "n1;reboot $(id) 'x'\n\u{1b}[2J{pod}";
        let names = Names {
            node: Some(evil.to_owned()),
            kubectl: vec!["--context".into(), "a b".into()],
            ..Names::default()
        };
        let line = fill(
            "{kubectl} get pods --field-selector spec.nodeName={node} -n {namespace} -o jsonpath={.x}",
            &names,
            true,
        );
        let words = shlex::split(&line).unwrap();
        let want = [
            "kubectl",
            "--context",
            "a b",
            "get",
            "pods",
            "--field-selector",
            "spec.nodeName=n1;reboot $(id) 'x'[2J{pod}",
            "-n",
            "NAMESPACE",
            "-o",
            "jsonpath={.x}",
        ];
        assert_eq!(words, want);
    }

    #[test]
    fn two_people_are_named_where_a_page_needs_two() {
        let page = Page::find("runtime-db").unwrap();
        assert!(page.render(&Names::default()).contains("Types: ____________."));
        let text = page.render(&Names {
            by: vec!["ana".into(), "ben".into()],
            node: Some("gpu-1".into()),
            ..Names::default()
        });
        assert!(text.contains("Types: ana. Reads each line first and says go: ben."), "{text}");
        assert!(text.contains("kubectl cordon gpu-1"), "{text}");
        assert!(Page::parse("id: x", "x.yaml").is_err());
    }
}
