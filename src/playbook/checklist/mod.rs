//! Checklists: items that the cluster ticks with its evidence, and items for a person.

mod facts;

use std::fmt::Write as _;

use serde::Deserialize;

use super::expr::{Expr, Template};
use super::problem::Position;
use super::tree::LoadError;

pub use facts::Facts;

/// Built in: file name and text.
pub const EMBEDDED: &[(&str, &str)] = &[
    ("prevention.yaml", include_str!("../../../assets/checklists/prevention.yaml")),
    ("pre-deployment.yaml", include_str!("../../../assets/checklists/pre-deployment.yaml")),
    ("pre-upgrade.yaml", include_str!("../../../assets/checklists/pre-upgrade.yaml")),
    ("after-incident.yaml", include_str!("../../../assets/checklists/after-incident.yaml")),
];

/// Begins the name of a checklist where pages are named too.
const PREFIX: &str = "checklist-";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Source {
    id: String,
    title: String,
    when: String,
    items: Vec<SourceItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceItem {
    ask: String,
    #[serde(default)]
    test: Option<String>,
    #[serde(default)]
    show: Option<String>,
}

/// One checklist.
#[derive(Debug)]
pub struct Checklist {
    pub id: String,
    pub title: String,
    /// When to go through it.
    pub when: String,
    items: Vec<Item>,
}

#[derive(Debug)]
struct Item {
    ask: String,
    /// What the cluster is asked, and how its answer reads; `None`: a person answers.
    asked: Option<(Expr, Template)>,
}

/// The answer to an item.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// The cluster says yes, and why.
    Ticked(String),
    /// The cluster says no, and why.
    Open(String),
    /// What was not read.
    Unknown(String),
    /// A person has to know.
    Yours,
}

impl Answer {
    fn mark(&self) -> &'static str {
        match self {
            Answer::Ticked(_) => "[x]",
            Answer::Open(_) => "[!]",
            Answer::Unknown(_) => "[?]",
            Answer::Yours => "[ ]",
        }
    }
}

impl Checklist {
    /// Reads a checklist. `file` names it in messages.
    ///
    /// # Errors
    /// A sentence: what is no checklist, or which expression is none.
    pub fn parse(text: &str, file: &str) -> Result<Checklist, LoadError> {
        let fail = |message: String| LoadError { file: file.to_owned(), message };
        let source: Source = serde_saphyr::from_str(text)
            .map_err(|e| fail(e.to_string().lines().next().unwrap_or("no checklist").to_owned()))?;
        let mut items = Vec::with_capacity(source.items.len());
        for (n, item) in source.items.into_iter().enumerate() {
            // The reader keeps no lines: an item is named by its number.
            let at = Position { line: u64::try_from(n + 1).unwrap_or(0), column: 1 };
            let wrong = |e: String| fail(format!("item {}, {:?}: {e}", n + 1, item.ask));
            let asked = match (&item.test, &item.show) {
                (None, None) => None,
                (Some(test), Some(show)) => Some((
                    Expr::compile(test, at).map_err(wrong)?,
                    Template::compile(show, at).map_err(wrong)?,
                )),
                _ => return Err(wrong("test and show come together".to_owned())),
            };
            items.push(Item { ask: item.ask, asked });
        }
        Ok(Checklist { id: source.id, title: source.title, when: source.when, items })
    }

    /// The built-in checklist of that name, with or without `checklist-` before it.
    pub fn find(name: &str) -> Option<Checklist> {
        let id = name.strip_prefix(PREFIX).unwrap_or(name);
        let (file, text) = EMBEDDED.iter().find(|(file, _)| file.strip_suffix(".yaml") == Some(id))?;
        Checklist::parse(text, file).ok()
    }

    /// The built-in checklists.
    pub fn all() -> impl Iterator<Item = Checklist> {
        EMBEDDED.iter().filter_map(|(file, text)| Checklist::parse(text, file).ok())
    }

    /// Its name among pages: `checklist-prevention`.
    pub fn name(&self) -> String {
        format!("{PREFIX}{}", self.id)
    }

    /// Each item with its answer.
    pub fn answers(&self, facts: &Facts) -> Vec<(&str, Answer)> {
        self.items.iter().map(|item| (item.ask.as_str(), item.answer(facts))).collect()
    }

    /// The checklist as text, with what the cluster answers.
    pub fn render(&self, facts: &Facts) -> String {
        let answers = self.answers(facts);
        let count = |mark: &str| answers.iter().filter(|(_, a)| a.mark() == mark).count();
        let mut out = format!("# {}\n\n{}\n\n", self.title, self.when);
        for (ask, answer) in &answers {
            let _ = writeln!(out, "{} {ask}", answer.mark());
            if let Answer::Ticked(why) | Answer::Open(why) | Answer::Unknown(why) = answer {
                let _ = writeln!(out, "    {why}");
            }
        }
        let _ = writeln!(
            out,
            "\n[x] {} ticked by the cluster, [!] {} open, [?] {} not known, [ ] {} for you",
            count("[x]"),
            count("[!]"),
            count("[?]"),
            count("[ ]")
        );
        out
    }

    /// The checklist as a page without a cluster: which items the cluster answers.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\n{}\n\n", self.title, self.when);
        for item in &self.items {
            let who = if item.asked.is_some() { " *(the cluster answers)*" } else { "" };
            let _ = writeln!(out, "- [ ] {}{who}", item.ask);
        }
        out
    }
}

impl Item {
    fn answer(&self, facts: &Facts) -> Answer {
        let Some((test, show)) = &self.asked else { return Answer::Yours };
        if let Some(why) = facts.missing(&test.source) {
            return Answer::Unknown(why);
        }
        match test.eval(facts.bindings()) {
            Ok(serde_json::Value::Bool(true)) => Answer::Ticked(show.render(facts.bindings())),
            Ok(serde_json::Value::Bool(false)) => Answer::Open(show.render(facts.bindings())),
            Ok(other) => Answer::Unknown(format!("{} is {other}, which is no answer", test.source)),
            Err(e) => Answer::Unknown(e),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Time, World};

    #[test]
    fn every_checklist_reads_and_asks_the_cluster_and_people() {
        assert_eq!(Checklist::all().count(), EMBEDDED.len());
        for (file, text) in EMBEDDED {
            let list = Checklist::parse(text, file).unwrap();
            assert_eq!(format!("{}.yaml", list.id), *file);
            let asked = list.items.iter().filter(|i| i.asked.is_some()).count();
            assert!(asked >= 5 && asked < list.items.len(), "{file}: the cluster answers {asked}");
            assert!(Checklist::find(&list.name()).is_some());
        }
        let broken = "id: x\ntitle: t\nwhen: w\nitems: [{ask: a, test: 'cluster.'}]\n";
        assert!(Checklist::parse(broken, "x.yaml").is_err());
    }

    /// What was not read is not known: an empty World ticks nothing and opens nothing.
    #[test]
    fn what_was_not_read_is_unknown_and_never_ticked() {
        let facts = Facts::of(&World::default(), None, &[], Time(0));
        for list in Checklist::all() {
            for (ask, answer) in list.answers(&facts) {
                assert!(
                    matches!(answer, Answer::Unknown(_) | Answer::Yours),
                    "{}: {ask}: {answer:?}",
                    list.id
                );
            }
        }
    }
}
