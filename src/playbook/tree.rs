//! A playbook's file and what it compiles to.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::expr::{Expr, Template};
pub use super::need::{Cost, Need};
use super::pages::Page;
use super::problem::Position;
use super::verify::HOLD;
use crate::world::Kind;

/// Where a branch leads that ends with the judge's verdict: its cause, explained by the leaf of that cause.
pub const JUDGED: &str = "verdict";
/// The judge's answer, bound for every node and leaf.
pub const JUDGE: &str = "judge";

/// A playbook that could not be loaded: where and why.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}: {message}")]
pub struct LoadError {
    pub file: String,
    pub message: String,
}

/// A decision tree.
#[derive(Clone, Debug)]
pub struct Playbook {
    pub id: String,
    pub title: String,
    /// The kinds it is for.
    pub about: Vec<Kind>,
    pub start: String,
    pub nodes: BTreeMap<String, Node>,
    pub verdicts: BTreeMap<String, Leaf>,
    /// What it was read from, for messages.
    pub file: String,
}

/// One question.
#[derive(Clone, Debug)]
pub struct Node {
    pub ask: String,
    /// Why it is asked, for the documentation and the operator.
    pub why: String,
    pub needs: Vec<Need>,
    pub decide: Decide,
    /// Expressions that give the evidence to show.
    pub show: Vec<Expr>,
    /// Where the answer leads: `yes`, `no`, a case's name, `else`, `unknown`.
    pub branches: BTreeMap<String, String>,
    pub at: Position,
}

#[derive(Clone, Debug)]
pub enum Decide {
    /// A bool: yes or no.
    Test(Expr),
    /// A string: one of the cases, else `else`.
    Case(Expr),
    /// Only the operator knows; the choices.
    Operator(Vec<String>),
    /// Goes on in another playbook with another object.
    Follow { playbook: String, object: Expr },
}

/// A verdict with what to do about it.
#[derive(Clone, Debug)]
pub struct Leaf {
    pub cause: String,
    /// Causes of the judge that this leaf says more about, where a command on the way proved it.
    pub refines: Vec<String>,
    pub title: Template,
    pub explain: Template,
    pub remedies: Vec<Remedy>,
    pub verify: Option<Template>,
    /// How long nothing may speak against the object before the trouble counts as over.
    pub hold: Duration,
    /// The ways to go on that people choose between.
    pub options: Vec<[Template; 5]>,
    /// Pages with lines for people, each offered only where its expression holds.
    pub pages: Vec<(String, Option<Expr>)>,
    pub at: Position,
}

#[derive(Clone, Debug)]
pub struct Remedy {
    pub action: String,
    /// Gives `{kind, namespace, name}`: usually `pod`, `owner` or `node`.
    pub target: Expr,
    /// Offered only where this holds.
    pub when: Option<Expr>,
    pub params: BTreeMap<String, Template>,
    pub at: Position,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    id: String,
    #[serde(default)]
    title: String,
    about: Vec<Spanned<String>>,
    start: Spanned<String>,
    nodes: BTreeMap<String, Spanned<FileNode>>,
    #[serde(default)]
    verdicts: BTreeMap<String, Spanned<FileLeaf>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileNode {
    #[serde(default)]
    ask: String,
    #[serde(default)]
    why: String,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
    test: Option<Spanned<String>>,
    case: Option<Spanned<String>>,
    operator: Option<Vec<String>>,
    follow: Option<String>,
    object: Option<Spanned<String>>,
    exec: Option<Vec<String>>,
    lookup: Option<Spanned<String>>,
    lookups: Option<Spanned<String>>,
    connect: Option<Spanned<String>>,
    #[serde(default)]
    show: Vec<Spanned<String>>,
    yes: Option<Spanned<String>>,
    no: Option<Spanned<String>>,
    #[serde(default)]
    when: BTreeMap<String, Spanned<String>>,
    #[serde(rename = "else")]
    otherwise: Option<Spanned<String>>,
    unknown: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileLeaf {
    cause: String,
    #[serde(default)]
    refines: Vec<String>,
    /// The judge's sentence where none is written.
    title: Option<Spanned<String>>,
    explain: Spanned<String>,
    #[serde(default)]
    remedies: Vec<Spanned<FileRemedy>>,
    verify: Option<Spanned<String>>,
    hold: Option<Spanned<String>>,
    #[serde(default)]
    pages: Vec<Spanned<FilePage>>,
    #[serde(default)]
    options: Vec<FileOption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileOption {
    name: Spanned<String>,
    #[serde(rename = "for")]
    pro: Spanned<String>,
    against: Spanned<String>,
    when: Spanned<String>,
    cost: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FilePage {
    page: String,
    when: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FileRemedy {
    action: String,
    target: Spanned<String>,
    when: Option<Spanned<String>>,
    #[serde(default)]
    params: BTreeMap<String, Spanned<String>>,
}

impl Playbook {
    /// Reads a playbook. `file` names it in messages.
    ///
    /// # Errors
    /// A sentence with the line (and column) of what could not be read: YAML, a field, an expression, a branch that
    /// leads nowhere.
    pub fn parse(text: &str, file: &str) -> Result<Playbook, LoadError> {
        let fail = |message: String| LoadError { file: file.to_owned(), message };
        let raw: File = serde_saphyr::from_str(text).map_err(|e| {
            let at = e.location().map_or_else(String::new, |l| format!("{}: ", Position::from(l)));
            let said = e.to_string();
            let first = said.lines().next().unwrap_or("not a playbook").to_owned();
            fail(format!("{at}{first}"))
        })?;
        let mut about = Vec::new();
        for word in &raw.about {
            let at = position(word);
            let kind = Kind::parse(&word.value)
                .ok_or_else(|| fail(format!("{at}: about: {:?} is not a kind", word.value)))?;
            about.push(kind);
        }
        let mut targets = Vec::new();
        let mut nodes = BTreeMap::new();
        for (id, node) in raw.nodes {
            targets.extend(branches_of(&id, &node.value));
            let compiled = compile_node(&id, node).map_err(&fail)?;
            nodes.insert(id, compiled);
        }
        let mut verdicts = BTreeMap::new();
        for (id, leaf) in raw.verdicts {
            let at = position(&leaf);
            if id == JUDGED {
                return Err(fail(format!(
                    "{at}: {JUDGED:?} is the judge's verdict; a leaf of your own has another name"
                )));
            }
            if nodes.contains_key(&id) {
                return Err(fail(format!("{at}: {id:?} is a node and a verdict")));
            }
            let compiled = compile_leaf(leaf).map_err(&fail)?;
            verdicts.insert(id, compiled);
        }
        let playbook = Playbook {
            id: raw.id,
            title: raw.title,
            about,
            start: raw.start.value.clone(),
            nodes,
            verdicts,
            file: file.to_owned(),
        };
        if !playbook.nodes.contains_key(&playbook.start) {
            let at = position(&raw.start);
            return Err(fail(format!("{at}: start: there is no node {:?}", playbook.start)));
        }
        playbook.check(&targets).map_err(fail)?;
        Ok(playbook)
    }

    /// Every branch leads somewhere, and no walk can go in a circle.
    fn check(&self, branches: &[Branch]) -> Result<(), String> {
        let there = |id: &str| id == JUDGED || self.nodes.contains_key(id) || self.verdicts.contains_key(id);
        if let Some(b) = branches.iter().find(|b| !there(&b.to)) {
            return Err(format!(
                "{}: {} leads for {:?} to {:?}, which is not there",
                b.at, b.node, b.answer, b.to
            ));
        }
        // Depth first, with the path: a node met again on its own path is a circle.
        let mut done = std::collections::BTreeSet::new();
        for id in self.nodes.keys() {
            self.circle(id, &mut Vec::new(), &mut done)?;
        }
        Ok(())
    }

    fn circle<'a>(
        &'a self,
        id: &'a str,
        path: &mut Vec<&'a str>,
        done: &mut std::collections::BTreeSet<&'a str>,
    ) -> Result<(), String> {
        if path.contains(&id) {
            let at = self.nodes.get(id).map_or_else(Position::default, |n| n.at);
            return Err(format!("{at}: {} → {id} goes in a circle", path.join(" → ")));
        }
        let Some(node) = self.nodes.get(id) else { return Ok(()) };
        if !done.insert(id) {
            return Ok(());
        }
        path.push(id);
        for to in node.branches.values() {
            self.circle(to, path, done)?;
        }
        path.pop();
        // Only nodes without a circle below them stay marked; a circle has ended the check.
        Ok(())
    }
}

fn position<T>(s: &Spanned<T>) -> Position {
    Position::from(s.referenced)
}

fn expr(s: &Spanned<String>) -> Result<Expr, String> {
    Expr::compile(s.value.trim(), position(s))
}

fn template(s: &Spanned<String>) -> Result<Template, String> {
    Template::compile(s.value.trim_end(), position(s))
}

fn option(o: &FileOption) -> Result<[Template; 5], String> {
    Ok([template(&o.name)?, template(&o.pro)?, template(&o.against)?, template(&o.when)?, template(&o.cost)?])
}

fn page(p: &Spanned<FilePage>) -> Result<(String, Option<Expr>), String> {
    let FilePage { page, when } = &p.value;
    if !Page::ids().any(|id| id == page) {
        let ids: Vec<&str> = Page::ids().collect();
        return Err(format!("{}: there is no page {page:?}; there is {}", position(p), ids.join(", ")));
    }
    Ok((page.clone(), when.as_ref().map(expr).transpose()?))
}

/// Reads `30s`, `5m`, `1h`.
fn hold(text: &Spanned<String>) -> Result<Duration, String> {
    let say = || format!("{}: hold: {:?} is not a time; write 30s, 5m or 1h", position(text), text.value);
    let span: jiff::SignedDuration = text.value.parse().map_err(|_| say())?;
    span.try_into().map_err(|_| say())
}

/// One branch of a node, with its place in the file.
struct Branch {
    node: String,
    answer: String,
    to: String,
    at: Position,
}

/// The branches of a node as the file writes them.
fn branches_of(id: &str, node: &FileNode) -> Vec<Branch> {
    let plain = [
        ("yes", node.yes.clone()),
        ("no", node.no.clone()),
        ("else", node.otherwise.clone()),
        ("unknown", node.unknown.clone()),
    ];
    let plain = plain.into_iter().filter_map(|(answer, to)| Some((answer.to_owned(), to?)));
    let cases = node.when.clone().into_iter();
    let branch = |(answer, to): (String, Spanned<String>)| Branch {
        node: id.to_owned(),
        answer,
        at: position(&to),
        to: to.value,
    };
    cases.chain(plain).map(branch).collect()
}

fn compile_node(id: &str, node: Spanned<FileNode>) -> Result<Node, String> {
    let at = position(&node);
    let n = node.value;
    let branches: BTreeMap<String, String> =
        branches_of(id, &n).into_iter().map(|b| (b.answer, b.to)).collect();
    let mut needs = Vec::new();
    for word in &n.needs {
        let known = Need::ALL.iter().find(|(name, _)| *name == word.value);
        let (_, need) = known.ok_or_else(|| {
            let names: Vec<&str> = Need::ALL.iter().map(|(n, _)| *n).collect();
            format!(
                "{}: there is no evidence {:?}; there is {}",
                position(word),
                word.value,
                names.join(", ")
            )
        })?;
        needs.push(need.clone());
    }
    if let Some(words) = n.exec {
        if words.is_empty() || words.iter().any(|w| w.contains(['{', '}'])) {
            return Err(format!("{at}: exec of {id} must be plain words; nothing is filled into a command"));
        }
        needs.push(Need::Exec(words));
    }
    for (probe, need) in [
        (&n.lookup, Need::Lookup as fn(Expr) -> Need),
        (&n.lookups, Need::Lookups as fn(Expr) -> Need),
        (&n.connect, Need::Connect as fn(Expr) -> Need),
    ] {
        if let Some(source) = probe {
            needs.push(need(expr(source)?));
        }
    }
    let is_case = n.case.is_some();
    let decide = match (&n.test, &n.case, n.operator, n.follow) {
        (Some(test), None, None, None) => Decide::Test(expr(test)?),
        (None, Some(case), None, None) => Decide::Case(expr(case)?),
        (None, None, Some(choices), None) => Decide::Operator(if choices.is_empty() {
            vec!["yes".to_owned(), "no".to_owned()]
        } else {
            choices
        }),
        (None, None, None, Some(playbook)) => {
            let object = n.object.as_ref().ok_or_else(|| format!("{at}: follow of {id} needs an object"))?;
            Decide::Follow { playbook, object: expr(object)? }
        }
        _ => return Err(format!("{at}: {id} needs exactly one of test, case, operator and follow")),
    };
    let missing =
        |b: &BTreeMap<String, String>, answer: &str| !b.contains_key(answer) && !b.contains_key("else");
    match &decide {
        Decide::Test(_) => {
            for answer in ["yes", "no"] {
                if missing(&branches, answer) {
                    return Err(format!("{at}: {id} says nothing about {answer:?}"));
                }
            }
        }
        Decide::Operator(choices) => {
            for answer in choices {
                if missing(&branches, answer) {
                    return Err(format!("{at}: {id} says nothing about {answer:?}"));
                }
            }
        }
        Decide::Case(_) if is_case && !branches.contains_key("else") => {
            return Err(format!("{at}: {id} needs an else for answers that are no case"));
        }
        Decide::Case(_) | Decide::Follow { .. } => {}
    }
    let show = n.show.iter().map(expr).collect::<Result<_, _>>()?;
    Ok(Node { ask: n.ask, why: n.why, needs, decide, show, branches, at })
}

fn compile_leaf(leaf: Spanned<FileLeaf>) -> Result<Leaf, String> {
    let at = position(&leaf);
    let l = leaf.value;
    let mut remedies = Vec::new();
    for r in l.remedies {
        let at = position(&r);
        let r = r.value;
        let mut params = BTreeMap::new();
        for (name, value) in &r.params {
            params.insert(name.clone(), template(value)?);
        }
        remedies.push(Remedy {
            action: r.action,
            target: expr(&r.target)?,
            when: r.when.as_ref().map(expr).transpose()?,
            params,
            at,
        });
    }
    Ok(Leaf {
        cause: l.cause,
        refines: l.refines,
        title: match &l.title {
            Some(title) => template(title)?,
            None => Template::compile("{judge.title}", at)?,
        },
        explain: template(&l.explain)?,
        remedies,
        verify: l.verify.as_ref().map(template).transpose()?,
        hold: l.hold.as_ref().map_or(Ok(HOLD), hold)?,
        options: l.options.iter().map(option).collect::<Result<_, _>>()?,
        pages: l.pages.iter().map(page).collect::<Result<_, _>>()?,
        at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "id: t\nabout: [pod]\nstart: a\nnodes:\n  a:\n    ask: Up?\n    needs: [pod]\n    test: pod.ready\n    yes: fine\n    no: sick\nverdicts:\n  fine: {cause: none, title: fine, explain: all is well}\n  sick: {cause: unknown, title: sick, explain: 'phase {pod.phase}'}\n";

    #[test]
    fn a_tree_loads_and_its_mistakes_are_told_with_their_line() {
        let p = Playbook::parse(GOOD, "t.yaml").unwrap();
        assert_eq!((p.nodes.len(), p.verdicts.len(), p.about), (1, 2, vec![Kind::Pod]));
        for (from, to, want) in [
            (
                "test: pod.ready",
                "test: pod.ready ==",
                "t.yaml: line 8 column 11: cannot read \"pod.ready ==\" as CEL",
            ),
            (
                "yes: fine",
                "yes: nowhere",
                "t.yaml: line 9 column 10: a leads for \"yes\" to \"nowhere\", which is not there",
            ),
            ("needs: [pod]", "needs: [pods]", "t.yaml: line 7 column 13: there is no evidence \"pods\""),
            ("ask: Up?", "asks: Up?", "t.yaml: line 6 column"),
            ("no: sick\n", "no: a\n", "t.yaml: line 6 column 5: a → a goes in a circle"),
            ("    yes: fine\n", "", "t.yaml: line 6 column 5: a says nothing about \"yes\""),
            (
                "explain: 'phase {pod.phase}'",
                "explain: 'phase {pod.phase'",
                "t.yaml: line 13 column 48: a { is not closed",
            ),
            (
                "explain: all is well",
                "explain: all is well, hold: long",
                "t.yaml: line 12 column 64: hold: \"long\" is not a time; write 30s, 5m or 1h",
            ),
            ("about: [pod]", "about: [llama]", "t.yaml: line 2 column 9: about: \"llama\" is not a kind"),
            ("id: t", "id: [", "t.yaml: line"),
        ] {
            let broken = GOOD.replace(from, to);
            assert_ne!(broken, GOOD);
            let e = Playbook::parse(&broken, "t.yaml").unwrap_err().to_string();
            assert!(e.starts_with(want), "{e}\nwanted {want}");
        }
    }
}
