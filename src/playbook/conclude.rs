//! How a walk ends: the judge's verdict explained by a leaf, the leaf's remedies, and what could not be found out.

use serde_json::Value;

use super::expr::{Expr, Template};
use super::facts;
use super::path::{Choice, Proposal, State, Unknown, Verdict};
use super::tree::{Cost, JUDGED, Leaf, Need, Playbook};
use super::verify::HOLD;
use super::walk::Walk;
use crate::judge::{self, Found, Sure};
use crate::world::{Time, World};

impl Walk {
    /// The verdict. Where the judge names a cause, it is that cause, explained by the leaf of it; only an operator who
    /// overruled an answer goes another way.
    pub(super) fn conclude(&mut self, world: &World, now: Time, reached: Option<(&str, &Leaf)>) {
        self.state = State::Done;
        let first = self.judged.causes.first().cloned();
        if self.overruled() {
            match (reached, first) {
                (Some((id, leaf)), _) => self.of_leaf(id, leaf),
                (None, Some(first)) => self.unknown.push(Unknown {
                    what: "nothing else is proved".to_owned(),
                    why: format!("you overruled an answer; the judge says {}: {}", first.cause, first.title),
                }),
                (None, None) => {}
            }
            return;
        }
        if let (Some((id, leaf)), Some(first)) = (reached, &first)
            && self.probed()
            && leaf.refines.iter().any(|cause| **cause == *first.cause)
        {
            // A command brought what the judge, who runs none, cannot know.
            self.refined = true;
            self.of_leaf(id, leaf);
            if let Some(v) = &mut self.verdict {
                v.object = first.blamed.clone();
            }
            return;
        }
        let Some(first) = first else {
            match reached {
                Some((id, leaf)) => self.of_leaf(id, leaf),
                None => {
                    self.unseen();
                    if self.unknown.is_empty() {
                        let why = "the questions end here, and no rule names a cause";
                        self.unknown
                            .push(Unknown { what: "nothing is proved".to_owned(), why: why.to_owned() });
                    }
                }
            }
            return;
        };
        if &*first.cause == "unknown" {
            let quote = first.evidence.first().map_or("", |e| e.quote.as_str());
            self.unknown.push(Unknown { what: first.title.clone(), why: quote.to_owned() });
            return;
        }
        let book = self.at.playbook.id.clone();
        // A leaf whose cause is `verdict` explains whatever the judge found.
        let own = reached.filter(|(_, l)| l.cause == *first.cause || l.cause == JUDGED);
        let own = own.map(|(id, l)| (book, id.to_owned(), l.clone()));
        match own.or_else(|| self.leaf_of(&first.cause)) {
            Some((book, id, leaf)) => {
                self.at.object = first.shown_by.clone();
                self.bind_for(world, now, &leaf);
                self.ended_in(&book, &id, &leaf);
                let (pages, options) = (self.pages(&leaf), self.options(&leaf));
                self.verdict = Some(verdict(&first, leaf.explain.render(&self.bindings)));
                if let Some(v) = &mut self.verdict {
                    v.verify = leaf.verify.as_ref().map_or_else(String::new, |t| t.render(&self.bindings));
                    v.hold = leaf.hold;
                    v.pages = pages;
                    v.options = options;
                }
                self.propose(&leaf);
            }
            None => {
                let why = judge::rule(&first.rule)
                    .map_or_else(String::new, |r| format!("\nWhy it matters: {}.", r.why));
                let quote = first.evidence.first().map_or("", |e| e.quote.as_str());
                self.verdict = Some(verdict(&first, format!("{quote}{why}")));
            }
        }
    }

    /// The tree's own verdict, where the judge has no cause.
    fn of_leaf(&mut self, id: &str, leaf: &Leaf) {
        let book = self.at.playbook.id.clone();
        self.ended_in(&book, id, leaf);
        if ["unknown", JUDGED].contains(&leaf.cause.as_str()) {
            let why = leaf.explain.render(&self.bindings);
            self.unknown.push(Unknown { what: leaf.title.render(&self.bindings), why });
        } else {
            if leaf.cause == "none" {
                self.unseen();
                if !self.unknown.is_empty() {
                    // Nothing speaks against it in what could be seen; that proves nothing of the rest.
                    return;
                }
            }
            self.verdict = Some(Verdict {
                cause: leaf.cause.clone(),
                title: leaf.title.render(&self.bindings),
                explanation: leaf.explain.render(&self.bindings),
                sure: Sure::Proved,
                object: self.object.clone(),
                container: None,
                verify: leaf.verify.as_ref().map_or_else(String::new, |t| t.render(&self.bindings)),
                hold: leaf.hold,
                pages: self.pages(leaf),
                options: self.options(leaf),
            });
        }
        self.propose(leaf);
    }

    /// Notes the leaf, and those of its expressions that fail on the evidence.
    fn ended_in(&mut self, book: &str, id: &str, leaf: &Leaf) {
        self.leaf = if *book == *self.playbook { id.to_owned() } else { format!("{book}/{id}") };
        let texts = [Some(&leaf.title), Some(&leaf.explain), leaf.verify.as_ref()].into_iter().flatten();
        let texts = texts.chain(leaf.options.iter().flatten());
        let params = leaf.remedies.iter().flat_map(|r| r.params.values());
        let failures: Vec<_> = texts.chain(params).flat_map(|t| t.failures(&self.bindings)).collect();
        for (e, why) in failures {
            self.failed(book, &e, &why);
        }
    }

    fn options(&self, leaf: &Leaf) -> Vec<Choice> {
        let choice = |texts: &[Template; 5]| {
            let [name, pro, against, when, cost] = texts.each_ref().map(|t| t.render(&self.bindings));
            Choice { name, pro, against, when, cost }
        };
        leaf.options.iter().map(choice).collect()
    }

    /// The pages of a leaf that fit.
    fn pages(&self, leaf: &Leaf) -> Vec<String> {
        let fits = |when: &Option<Expr>| {
            when.as_ref().is_none_or(|w| w.eval(&self.bindings) == Ok(Value::Bool(true)))
        };
        leaf.pages.iter().filter(|(_, when)| fits(when)).map(|(id, _)| id.clone()).collect()
    }

    fn propose(&mut self, leaf: &Leaf) {
        for r in &leaf.remedies {
            let wanted = r.when.as_ref().is_none_or(|w| w.eval(&self.bindings) == Ok(Value::Bool(true)));
            let target = r.target.eval(&self.bindings).ok().and_then(|v| facts::reference(&v));
            if let (true, Some(target)) = (wanted, target) {
                let params = r.params.iter().map(|(k, v)| (k.clone(), v.render(&self.bindings))).collect();
                self.proposals.push(Proposal { action: r.action.clone(), target, params });
            }
        }
    }

    /// The leaf that explains a cause: of this tree, else of another.
    fn leaf_of(&self, cause: &str) -> Option<(String, String, Leaf)> {
        let of = |book: &Playbook| {
            let (id, leaf) = book.verdicts.iter().find(|(_, l)| l.cause == cause)?;
            Some((book.id.clone(), id.clone(), leaf.clone()))
        };
        of(&self.at.playbook).or_else(|| self.library.books().find_map(|b| of(b)))
    }

    /// Binds what a leaf reads and no question on the way needed, as far as the World answers it.
    fn bind_for(&mut self, world: &World, now: Time, leaf: &Leaf) {
        let templates = [Some(&leaf.title), Some(&leaf.explain), leaf.verify.as_ref()];
        let options = leaf.options.iter().flatten();
        let holes = templates.into_iter().flatten().chain(options).flat_map(|t| t.holes());
        let remedies = leaf
            .remedies
            .iter()
            .flat_map(|r| r.when.iter().chain([&r.target]).chain(r.params.values().flat_map(|t| t.holes())));
        let pages = leaf.pages.iter().filter_map(|(_, when)| when.as_ref());
        let mut needs: Vec<&Need> = holes
            .chain(remedies)
            .chain(pages)
            .flat_map(|e| e.variables())
            .filter_map(|v| Need::of_variable(&v))
            .collect();
        needs.sort();
        needs.dedup();
        for need in needs {
            let bound = self.have.get(&(self.at.object.clone(), need.clone())).is_some_and(Option::is_none);
            if need.cost() == Cost::Free && !bound {
                // A missing value renders as `?`, as in every template.
                let _ = self.bind(world, now, need);
            }
        }
    }

    fn unseen(&mut self) {
        for (what, why) in &self.judged.unseen {
            self.unknown.push(Unknown { what: format!("could not look at {what}"), why: why.clone() });
        }
    }

    /// The tree has no more to say: what the judge proved still holds.
    pub(super) fn nothing(&mut self, world: &World, now: Time, why: &str) {
        if !why.is_empty() {
            self.unknown.push(Unknown {
                what: "the playbook ended without a verdict".to_owned(),
                why: why.to_owned(),
            });
        }
        self.conclude(world, now, None);
    }
}

fn verdict(found: &Found, explanation: String) -> Verdict {
    Verdict {
        cause: found.cause.to_string(),
        title: found.title.clone(),
        explanation,
        sure: found.sure,
        object: found.blamed.clone(),
        container: found.container.clone(),
        verify: String::new(),
        hold: HOLD,
        pages: Vec::new(),
        options: Vec::new(),
    }
}
