//! `w`: a decision tree walked by the cluster, step by step before the operator's eyes, who may overrule it.

use std::sync::Arc;
use std::time::Duration;

use crate::app::core::content::{Body, Content, Title};
use crate::app::core::data::Data;
use crate::app::core::model::{Model, of_type};
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::runs::control;
use crate::app::core::stack;
use crate::app::core::view::{FAR, Motion, Room, View};
use crate::app::core::{causes, record};
use crate::app::views::{lines_for_people, walked};

use crate::config::Scope;
use crate::detect::timeline::{Entry, What};
use crate::playbook::library::ANY;
use crate::playbook::tree::Playbook;
use crate::playbook::verify::{Acted, Standing, Verification};
use crate::playbook::{By, Intrusive, Proposal, Read, Reading, State, Walk, WalkOptions};
use crate::remedy::plan::Outcome;
use crate::remedy::{self, Params};
use crate::world::time::human;
use crate::world::{Kind, ObjectRef, Time};

/// Items a page moves.
const PAGE: isize = 10;
/// How long a verdict stands before it is compared with the cluster again.
const RENEW: Duration = Duration::from_secs(3);

/// How long a walk that proved nothing stands before it is repeated.
const RETRY: Duration = Duration::from_secs(10);
/// How often an open tree looks whether what it proved is over.
const LOOK: Duration = Duration::from_secs(1);

/// A walk on the screen.
pub struct WhyView {
    pub id: u64,
    pub walk: Walk,
    /// What the operator asked about; the walk may be about one of its pods.
    pub asked: ObjectRef,
    /// Reads that are out.
    in_flight: Vec<Read>,
    pub cursor: usize,
    /// Whether the cursor follows the walk down.
    pub follow: bool,
    pub quotes: Quotes,
    /// When the walk began, and when it came to its end.
    pub began: Time,
    pub checked: Option<Time>,
    /// The verdict of the walk before this one, where the cluster changed since.
    pub before: Option<String>,
    /// It was walked again because something was not found out: the lists may not have been complete.
    repeated: bool,
    /// When the judge was last asked to look closer at the object.
    asked_at: Time,
    /// The timeline's last entry about it.
    recorded: Option<String>,
    /// Whether what was proved lasts, from live facts.
    pub verification: Option<Verification>,
    /// Columns and lines below the title.
    pub room: (usize, usize),
}

/// Which questions show what their answers rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quotes {
    /// All, where there is room; else the one under the cursor and the last.
    Fitting,
    All,
    None,
}

impl WhyView {
    /// Whether something was not found out, and another walk may find it.
    fn incomplete(&self) -> bool {
        !self.repeated && *self.walk.state() == State::Done && !self.walk.unknown().is_empty()
    }
}

impl std::fmt::Debug for WhyView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WhyView").field("id", &self.id).field("asked", &self.asked).finish_non_exhaustive()
    }
}

/// What the cursor can stand on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    Step(usize),
    /// The question the operator is asked.
    Question,
    Verdict,
    Proposal(usize),
    /// A page with lines for people.
    Page(usize),
}

impl WhyView {
    /// Moves the cursor, which no longer follows the walk.
    fn step(&mut self, by: isize) {
        let last = self.items().len().saturating_sub(1);
        self.follow = false;
        self.cursor = self.cursor.min(last).saturating_add_signed(by).min(last);
    }

    pub fn items(&self) -> Vec<Item> {
        let mut out = match self.walk.state() {
            State::Asking { .. } => vec![Item::Question],
            State::Done => {
                let proposals = (0..self.proposals().len()).map(Item::Proposal);
                let pages = (0..self.pages().len()).map(Item::Page);
                std::iter::once(Item::Verdict).chain(proposals).chain(pages).collect()
            }
            State::Reading => Vec::new(),
        };
        out.extend((0..self.walk.steps().len()).map(Item::Step));
        out
    }

    /// Whether the trouble that was proved is over.
    pub fn over(&self) -> bool {
        self.verification.as_ref().is_some_and(|v| matches!(v.standing, Standing::Over(_)))
    }

    /// The actions to propose: none once the trouble is over, because a second rollback leads back to the fault.
    pub fn proposals(&self) -> &[Proposal] {
        if self.over() { &[] } else { self.walk.proposals() }
    }

    /// The pages to offer: none once the trouble is over.
    pub fn pages(&self) -> &[String] {
        self.walk.verdict().filter(|_| !self.over()).map_or(&[], |v| &v.pages)
    }

    pub fn item(&self) -> Option<Item> {
        let items = self.items();
        items.get(self.cursor.min(items.len().saturating_sub(1))).copied()
    }
}

/// The times whose age the verification's sentence names.
fn times(v: &Verification) -> impl Iterator<Item = Time> {
    let since = match v.standing {
        Standing::Over(since) | Standing::Settling { since, .. } => Some(since),
        _ => None,
    };
    since.into_iter().chain(v.acted.as_ref().map(|a| a.at))
}

impl View for WhyView {
    fn title(&self) -> String {
        match self.asked == self.walk.object {
            true => format!("WHY {}", self.asked),
            false => format!("WHY {}: {}", self.asked, self.walk.object),
        }
    }

    fn scope(&self) -> Scope {
        Scope::Tree
    }

    fn object(&self, _: &Model) -> Option<ObjectRef> {
        Some(self.walk.object.clone())
    }

    fn content(&self, model: &Model, _: bool) -> Content {
        let mut notes = vec![format!("playbook {}", self.walk.playbook)];
        if let Some(at) = self.checked {
            notes.insert(0, format!("checked {} ago", human(at.age(model.data.now))));
        }
        Content {
            title: Title { name: self.title(), filter: String::new(), notes },
            body: Body::Lines(walked::lines(model, self)),
            ages: self.checked.into_iter().chain(self.verification.iter().flat_map(times)).collect(),
        }
    }

    fn go(&mut self, _: &Model, motion: Motion) {
        match motion {
            Motion::Step(by) => self.step(by),
            Motion::Page(by) => self.step(by * PAGE),
            Motion::Top => self.step(-FAR),
            Motion::Bottom => self.step(FAR),
            Motion::Sideways(_) | Motion::Line(_) => {}
        }
    }

    fn fit(&mut self, _: &Model, room: Room) {
        self.room = (room.width.into(), room.lines());
    }

    fn next_timer(&self, _: &Data) -> Option<Time> {
        let sound = self.walk.verdict().is_none_or(|v| v.cause == "none");
        let retry =
            self.checked.filter(|_| sound || self.incomplete()).map(|at| at.max(self.asked_at).plus(RETRY));
        self.verification.as_ref().map(|v| v.looked().plus(RENEW)).or(retry)
    }

    fn filter(&self) -> &str {
        ""
    }

    fn set_filter(&mut self, _: &Model, _: &str) -> Option<String> {
        None
    }
}

/// Opens the decision tree for an object: its finding's, where that is about it or one of the sick; else that of its
/// kind; else its worst pod's.
pub fn open(model: &mut Model, asked: ObjectRef) -> Vec<Effect> {
    let asked = asked.judged();
    let finding = match model.front().scope() {
        Scope::Findings => model.finding(),
        _ => model.data.detector.of(&asked),
    };
    let mut affected: Vec<ObjectRef> =
        finding.iter().flat_map(|f| model.data.detector.affected(&f.key)).collect();
    affected.sort();
    let named = finding.and_then(|f| model.library.get(&f.playbook));
    let own = model.library.about(&asked.kind).filter(|b| b.about.contains(&asked.kind));
    let books = [named, own, model.library.about(&Kind::Pod), model.library.about(&asked.kind)];
    let fitting = |book: &Arc<Playbook>| {
        let any = book.id == ANY;
        let about = |o: &ObjectRef| any && *o == asked || book.about.contains(&o.kind);
        let sick = || affected.iter().find(|o| about(o)).cloned();
        // Workloads are understood through their pods.
        let pod = || first_pod(model, &asked).filter(&about);
        if about(&asked) { Some(asked.clone()) } else { sick().or_else(pod) }
    };
    let found = books.into_iter().flatten().find_map(|book| Some((book.clone(), fitting(book)?)));
    let Some((book, object)) = found else {
        model.say(Tone::Info, format!("No decision tree is about {asked}, and it has no pod to look at."));
        return Vec::new();
    };
    let intrusive = if model.cluster.read_only { Intrusive::ReadOnly } else { Intrusive::Ask };
    let options = WalkOptions { intrusive, operator: true };
    let data = &mut model.data;
    data.detector.ask(&data.world, &object, data.now);
    let id = model.token();
    let view = WhyView {
        id,
        walk: Walk::start(Arc::clone(&model.library), book, object, options),
        asked,
        in_flight: Vec::new(),
        cursor: 0,
        follow: true,
        quotes: Quotes::Fitting,
        began: model.data.now,
        checked: None,
        before: None,
        repeated: false,
        recorded: None,
        asked_at: model.data.now,
        verification: None,
        room: (80, 1),
    };
    stack::push(model, view);
    walk_on(model)
}

/// The worst pod of a workload: the one that is not ready, else any.
fn first_pod(model: &Model, object: &ObjectRef) -> Option<ObjectRef> {
    let world = &model.data.world;
    let uid = world.meta(object).map(|m| m.uid.clone())?;
    let mut owners = vec![uid.clone()];
    owners.extend(world.replica_sets_of(&uid).map(|(_, r)| r.meta.uid.clone()));
    let pods = owners.iter().flat_map(|u| world.pods_of(u)).map(|(_, p)| p);
    let worst = pods.min_by_key(|p| (p.ready, p.meta.name.clone()))?;
    Some(ObjectRef::new(Kind::Pod, worst.meta.namespace.clone(), worst.meta.name.clone()))
}

/// Walks again where the judge says something else by now than the walk in front was given, once where something was
/// not found out, and, where nothing was proved, every few seconds: a tree that stays open shows what is true. Never where the operator answered a question.
fn renew(model: &mut Model) -> Vec<Effect> {
    let now = model.data.now;
    let Some(why) = model.top::<WhyView>() else { return Vec::new() };
    let told = why.walk.steps().iter().any(|s| s.by == By::Operator);
    let rested = |time: Duration| why.checked.is_some_and(|at| at.plus(time) <= now);
    // A command runs once for each yes: a walk that ran one stays as it is.
    if *why.walk.state() != State::Done || told || why.walk.probed() || !rested(RENEW) {
        return Vec::new();
    }
    let object = &why.walk.object;
    let gone = why.verification.as_ref().is_some_and(|v| v.subject != *object)
        && model.data.world.meta(object).is_none();
    let sound = why.walk.verdict().is_none_or(|v| v.cause == "none");
    if sound && why.asked_at.plus(RETRY) <= now {
        // The pods may be others by now, and their logs were never read.
        let object = object.clone();
        let data = &mut model.data;
        data.detector.ask(&data.world, &object, now);
        if let Some(why) = model.top_mut::<WhyView>() {
            why.asked_at = now;
        }
        return causes::timers(model);
    }
    let answer = model.data.detector.answer(&model.data.world, object, now);
    if answer.waiting || gone {
        // The verification tells of the object that the remedy made in place of this one.
        return Vec::new();
    }
    let cause = answer.causes.first().map(|f| &*f.cause);
    let differs = cause != why.walk.judged();
    let unproved = why.walk.verdict().is_none() || why.incomplete();
    // Where nothing speaks against it any more the verification says so, beside what was proved.
    if !(unproved && (differs || rested(RETRY)) || differs && cause.is_some()) {
        return Vec::new();
    }
    let ago = why.checked.map_or_else(String::new, |at| format!(" ({} ago)", human(at.age(now))));
    let before = why.walk.verdict().map(|v| format!("{}{ago}", v.title));
    let kept = (why.cursor, why.follow, why.quotes, why.recorded.clone());
    let repeated = why.repeated || why.incomplete();
    // Walked again for what was not found out, it is no other verdict.
    let before = before.filter(|_| differs).or_else(|| why.before.clone());
    let effects = again(model);
    if let Some(why) = model.top_mut::<WhyView>() {
        why.before = before;
        why.repeated = repeated;
        (why.cursor, why.follow, why.quotes, why.recorded) = kept;
    }
    effects
}

/// Moves the walks that are open on as far as they go now.
pub fn drive(model: &mut Model) -> Vec<Effect> {
    let mut effects = renew(model);
    effects.extend(walk_on(model));
    verify(model);
    effects
}

/// Looks whether what the open trees proved is over, and puts the end on the timeline.
fn verify(model: &mut Model) {
    let Model { views, data, dirty, cluster, runs, .. } = model;
    let now = data.now;
    let mut entries = Vec::new();
    for why in of_type::<WhyView>(views) {
        if why.verification.is_none() && *why.walk.state() == State::Done {
            why.verification = Verification::begin(&why.walk, &data.world, now);
        }
        let Some(v) = &mut why.verification else { continue };
        if v.acted.is_none() {
            let targets = why.walk.proposals().iter().map(|p| &p.target);
            let about: Vec<&ObjectRef> = targets.chain([&v.subject, &why.walk.object]).collect();
            // Ids count up: a run with a lower one was planned before this tree was opened.
            let run = runs.iter().find(|r| {
                let report = r.run.report();
                let acts = r.acts() || matches!(report.outcome, Some(Outcome::Applied | Outcome::Verified));
                r.id > why.id && acts && about.contains(&&report.target)
            });
            v.acted = run.map(|r| Acted { title: r.title.clone(), at: now });
        } else if v.looked().plus(LOOK) > now {
            continue;
        }
        let late = v.failed(now);
        let answer = data.detector.answer(&data.world, &v.subject, now);
        let changed = v.look(&data.world, now, &answer);
        if changed || v.failed(now) != late {
            *dirty = (*dirty).max(Dirty::Data);
        }
        if (changed && matches!(v.standing, Standing::Over(_))) || (v.failed(now) && !late) {
            let entry = Entry::new(now, What::Walk, Some(v.subject.clone()), v.sentence(now));
            entries.push(entry.by(cluster.user.clone()));
        }
    }
    for entry in entries {
        record::entry(model, entry);
    }
}

fn walk_on(model: &mut Model) -> Vec<Effect> {
    let (mut effects, mut verdicts) = (Vec::new(), Vec::new());
    let Model { views, data, dirty, cluster, .. } = model;
    for why in of_type::<WhyView>(views) {
        if *why.walk.state() == State::Done {
            continue;
        }
        let before = why.walk.steps().len();
        let answer = data.detector.answer(&data.world, &why.walk.object, data.now);
        why.walk.step(&data.world, data.now, &answer);
        why.in_flight.retain(|r| why.walk.wants().contains(r));
        for read in why.walk.wants() {
            if !why.in_flight.contains(read) {
                effects.push(Effect::FetchEvidence { walk: why.id, read: Box::new(read.clone()) });
            }
        }
        why.in_flight = why.walk.wants().to_vec();
        if why.walk.steps().len() != before || *why.walk.state() != State::Reading {
            *dirty = (*dirty).max(Dirty::Data);
        }
        if *why.walk.state() == State::Done {
            why.checked = Some(data.now);
            let text = match why.walk.verdict() {
                Some(v) => format!("{}: {} ({} questions)", v.cause, v.title, why.walk.steps().len()),
                None => format!("nothing proved ({} questions)", why.walk.steps().len()),
            };
            // A walk that was repeated and says the same is no news.
            if why.recorded.as_ref() != Some(&text) {
                why.recorded = Some(text.clone());
                let entry = Entry::new(data.now, What::Walk, Some(why.walk.object.clone()), text);
                verdicts.push(entry.by(cluster.user.clone()));
            }
        }
        if why.follow {
            // The verdict, or the question to answer, is what one came for: both stand first.
            why.cursor = match why.walk.state() {
                State::Reading => why.items().len().saturating_sub(1),
                State::Asking { .. } | State::Done => 0,
            };
        }
    }
    for entry in verdicts {
        record::entry(model, entry);
    }
    effects
}

/// A read came back.
pub fn fetched(
    model: &mut Model,
    walk: u64,
    read: &Read,
    result: Result<Reading, String>,
    took_ms: u64,
) -> Vec<Effect> {
    if let Some(why) = model.all_mut::<WhyView>().find(|why| why.id == walk) {
        why.in_flight.retain(|r| r != read);
        why.walk.give(read, result, took_ms);
    }
    drive(model)
}

/// What the tree in front was asked about.
pub fn asked(model: &Model) -> Option<ObjectRef> {
    model.top::<WhyView>().map(|why| why.asked.clone())
}

/// Opens the tree of what is under the cursor.
pub fn here(model: &mut Model) -> Vec<Effect> {
    model.selected().map_or(Vec::new(), |object| open(model, object))
}

/// Shows the evidence behind the question, or plans the action under the cursor.
pub fn open_item(model: &mut Model) -> Vec<Effect> {
    let Some(why) = model.top_mut::<WhyView>() else { return Vec::new() };
    match why.item() {
        Some(Item::Proposal(i)) => propose(model, i),
        Some(Item::Page(i)) => {
            lines_for_people::open(model, i);
            Vec::new()
        }
        // Who has read the verdict and presses enter wants what it proposes first.
        Some(Item::Verdict) if !why.proposals().is_empty() => propose(model, 0),
        _ => {
            why.quotes = Quotes::All;
            Vec::new()
        }
    }
}

pub fn close_item(model: &mut Model) {
    if let Some(why) = model.top_mut::<WhyView>() {
        why.quotes = Quotes::None;
    }
}

/// Asks the cluster everything again.
pub fn again(model: &mut Model) -> Vec<Effect> {
    let Some(asked) = asked(model) else { return Vec::new() };
    model.views.pop();
    open(model, asked)
}

/// Answers the question under the cursor with this word.
pub fn answer_word(model: &mut Model, word: &'static str) -> Vec<Effect> {
    answer(model, Choice::Word(word))
}

/// Answers it with the choice of this number, from 0.
pub fn answer_number(model: &mut Model, number: usize) -> Vec<Effect> {
    answer(model, Choice::Nth(number))
}

enum Choice {
    Word(&'static str),
    Nth(usize),
}

/// The operator answers the question asked, or puts an answer in place of the cluster's.
fn answer(model: &mut Model, choice: Choice) -> Vec<Effect> {
    let Some(why) = model.top_mut::<WhyView>() else { return Vec::new() };
    let word = |choices: &[String]| match choice {
        Choice::Word(w) => Some(w.to_owned()),
        Choice::Nth(n) => choices.get(n).cloned(),
    };
    let mut allowed = None;
    let problem = match (why.item(), why.walk.state()) {
        (Some(Item::Question), State::Asking { choices, .. }) => {
            if let Some(w) = word(choices) {
                why.walk.tell(&w);
                why.follow = true;
            }
            None
        }
        (Some(Item::Step(i)), _) => {
            let step = &why.walk.steps()[i];
            let (id, w) = (step.id.clone(), word(&step.choices));
            let says = step.consent.clone().filter(|_| w.as_deref() == Some("yes"));
            why.follow = true;
            match says {
                Some(says) => {
                    let refused = why.walk.consent(&id).err();
                    allowed = refused.is_none().then(|| (why.walk.object.clone(), says));
                    refused
                }
                None => w.and_then(|w| why.walk.overrule(&id, &w).err()),
            }
        }
        _ => Some("Put the cursor on a question to answer it.".into()),
    };
    if let Some(problem) = problem {
        model.say(Tone::Info, problem);
    }
    if let Some((object, says)) = allowed {
        // The report names the commands that ran, and in which containers.
        let entry = Entry::new(model.data.now, What::Walk, Some(object), format!("allowed: {says}"));
        record::entry(model, entry.by(model.cluster.user.clone()));
    }
    drive(model)
}

/// Plans the action a verdict proposes.
fn propose(model: &mut Model, i: usize) -> Vec<Effect> {
    let Some(why) = model.top::<WhyView>() else { return Vec::new() };
    let Some(proposal) = why.proposals().get(i).cloned() else { return Vec::new() };
    match remedy::action(&proposal.action) {
        Some(action) => control::begin(model, action, proposal.target.into(), proposal.params as Params),
        None => {
            model.say(Tone::Bad, format!("khud has no action {:?}; the playbook names it.", proposal.action));
            Vec::new()
        }
    }
}
