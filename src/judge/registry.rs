//! Causes and rules: each is declared once, in the file that judges it, and collected here by name.

use std::fmt;
use std::ops::Deref;

use super::evidence::Severity;

/// What a rule reads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Needs {
    /// Watched objects and their events.
    Watch(&'static str),
    /// The same, and the tail of a log refines the answer.
    Log(&'static str),
}

/// A rule: when it fires, what that means, and how khud knows.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// The cause id, except for rules that carry another object's cause (`rollout.stuck`) or found no proof (`*.unknown`).
    pub id: &'static str,
    pub severity: Severity,
    /// When it is true, in one sentence.
    pub finds: &'static str,
    /// What happens to users or to the next change if nobody acts.
    pub why: &'static str,
    pub needs: Needs,
    /// Where the pattern or the number comes from.
    pub source: &'static str,
    /// The decision tree to open.
    pub playbook: &'static str,
}

/// A cause that a rule of this room declares. Only `causes!` makes one, so every cause has its rule.
///
/// It reads as its id: `cause == "image.not-found"`, `cause.starts_with("image.")`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Cause(&'static str);

impl Cause {
    /// For `causes!` alone.
    #[doc(hidden)]
    pub const fn declare(id: &'static str) -> Cause {
        Cause(id)
    }

    pub const fn id(self) -> &'static str {
        self.0
    }
}

impl Deref for Cause {
    type Target = str;

    fn deref(&self) -> &str {
        self.0
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.0)
    }
}

impl fmt::Debug for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.0, f)
    }
}

impl PartialEq<str> for Cause {
    fn eq(&self, other: &str) -> bool {
        self.0 == other
    }
}

impl PartialEq<Cause> for str {
    fn eq(&self, other: &Cause) -> bool {
        self == other.0
    }
}

impl PartialEq<&str> for Cause {
    fn eq(&self, other: &&str) -> bool {
        self.0 == *other
    }
}

/// Declares the causes that a file judges, each with its rule, and collects them as the file's `RULES`.
macro_rules! causes {
    ($($name:ident = $id:literal $severity:ident $needs:ident($what:expr) tree $playbook:literal:
        $finds:literal, why $why:expr, source $source:expr;)*) => {
        $(pub const $name: $crate::judge::Cause = $crate::judge::Cause::declare($id);)*

        /// The rules of this file.
        pub const RULES: &[$crate::judge::Rule] = &[$($crate::judge::Rule {
            id: $id,
            severity: $crate::judge::Severity::$severity,
            finds: $finds,
            why: $why,
            needs: $crate::judge::Needs::$needs($what),
            source: $source,
            playbook: $playbook,
        }),*];
    };
}
pub(super) use causes;

/// Every rule, in the order in which `khud print rules` lists them.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    super::SUBJECTS.iter().copied().flatten()
}

/// The rule with that id.
pub fn rule(id: &str) -> Option<&'static Rule> {
    rules().find(|r| r.id == id)
}

/// Whether a playbook or a rule of the user's own may name this cause.
pub fn known(cause: &str) -> bool {
    rule(cause).is_some() || super::reserved::IDS.contains(&cause)
}

/// The documentation of every rule, as `khud print rules` prints it (Markdown).
pub fn document() -> String {
    use fmt::Write;
    let mut families: Vec<&str> = rules().map(|r| family(r.id)).collect();
    families.sort_unstable();
    families.dedup();
    let mut out = String::from(
        "# Rules\n\nEach rule says when it fires, why that matters, what proves it, and where its pattern or number comes from.\n",
    );
    for name in families {
        let _ = write!(out, "\n## {name}\n");
        for r in rules().filter(|r| family(r.id) == name) {
            let needs = match r.needs {
                Needs::Watch(n) => format!("Proved from {n}."),
                Needs::Log(n) => format!("Proved from {n}; one tail of the log refines it."),
            };
            let _ = write!(
                out,
                "\n### {}\n{}: {}. Why it matters: {}. {needs} Source: {}. Decision tree: {}.\n",
                r.id, r.severity, r.finds, r.why, r.source, r.playbook
            );
        }
    }
    out
}

/// The first word of a rule's id.
fn family(rule: &str) -> &str {
    rule.split_once('.').map_or(rule, |(family, _)| family)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn every_rule_is_named_once_and_documented() {
        let mut ids: Vec<_> = rules().map(|r| r.id).collect();
        ids.sort_unstable();
        assert!(ids.windows(2).all(|w| w[0] != w[1]), "an id twice");
        let doc = document();
        for r in rules() {
            let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".-".contains(c);
            assert!(r.id.chars().all(word), "{} is no id", r.id);
            let part = doc.split(&format!("### {}\n", r.id)).nth(1).unwrap_or_default();
            let part = part.split("\n#").next().unwrap_or_default();
            for said in [r.finds, r.why, r.source] {
                assert!(!said.is_empty() && part.contains(said), "{} is not documented: {part}", r.id);
            }
        }
        assert!(known("image.not-found") && known("none") && known("unknown") && !known("image.nothing"));
    }

    /// A file that declares causes and is not in `SUBJECTS` would judge with rules nobody can list.
    #[test]
    fn every_file_that_declares_causes_is_collected() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/judge");
        let mut declared = 0;
        for entry in std::fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            let Some(block) = text.split("\ncauses! {").nth(1) else { continue };
            let block = block.split("\n}").next().unwrap();
            for line in block.lines().filter(|l| l.contains(" = \"")) {
                let id = line.split('"').nth(1).unwrap();
                declared += 1;
                assert!(rule(id).is_some(), "{id} of {} is not collected", path.display());
            }
        }
        assert_eq!(declared, rules().count());
    }
}
