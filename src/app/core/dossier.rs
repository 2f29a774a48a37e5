//! The findings, report, tree walk and timeline of an object, as the texts of a bundle.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::app::core::model::Model;
use crate::detect::postmortem::{self, Done, Sources};
use crate::detect::report::{self, Scan};
use crate::detect::timeline::{Entry, Filter, Timeline};
use crate::detect::{Detector, Finding, Incident, written};
use crate::playbook::render::{self, Standing};
use crate::playbook::{Library, Playbook, State, Walk, WalkOptions};
use crate::remedy::bundle::{File, Known};
use crate::world::{ObjectRef, Time, World};

/// Steps of a walk without reads; a tree ends long before.
const STEPS: usize = 200;

/// The sources of a dossier.
pub struct Knowing<'a> {
    pub cluster: &'a str,
    pub world: &'a World,
    pub detector: &'a Detector,
    pub library: Arc<Library>,
    /// In the order of time.
    pub timeline: &'a [Entry],
    pub done: &'a [Done],
    pub now: Time,
}

/// The dossier of an object by what the cockpit has seen.
pub fn of_model(model: &Model, object: &ObjectRef) -> Known {
    let all = Filter::default();
    let timeline: Vec<Entry> = model.data.timeline.entries(&all).cloned().collect();
    let knowing = Knowing {
        cluster: &model.cluster.context,
        world: &model.data.world,
        detector: &model.data.detector,
        library: Arc::clone(&model.library),
        timeline: &timeline,
        done: &postmortem::done_of_timeline(&timeline),
        now: model.data.now,
    };
    knowing.of(object)
}

impl Knowing<'_> {
    pub fn of(&self, object: &ObjectRef) -> Known {
        let detector = self.detector;
        let about = |f: &Finding| f.object == *object || f.fix() == object;
        let own = detector.of(object).or_else(|| detector.findings().iter().find(|f| about(f)));
        let shares = |i: &&Incident| i.root == *object || postmortem::objects(detector, i).contains(object);
        let incident = own.and_then(|f| detector.incident_of(&f.key));
        let incident = incident.or_else(|| detector.incidents().iter().find(shares));
        let mut objects = incident.map(|i| postmortem::objects(detector, i)).unwrap_or_default();
        objects.insert(object.clone());
        let mut files = vec![self.findings(&objects, own.map(|f| &**f))];
        if let Some(incident) = incident {
            let sources =
                Sources { cluster: self.cluster, now: self.now, timeline: self.timeline, done: self.done };
            let report = postmortem::of_incident(incident, detector.findings(), &objects, &sources);
            files.push(file("incident.md", "the incident's report so far", written::markdown(&report)));
        }
        files.extend(self.walk(object, own.map(|f| &**f)));
        files.push(self.happened(&objects));
        objects.remove(object);
        Known { objects: objects.into_iter().collect(), files }
    }

    fn findings(&self, objects: &BTreeSet<ObjectRef>, own: Option<&Finding>) -> Text {
        let mut scan = Scan::new(self.cluster, self.now, self.world, self.detector);
        let own = own.map(|f| &f.key);
        scan.findings
            .retain(|f| Some(&f.key) == own || objects.contains(&f.object) || objects.contains(f.fix()));
        file("findings.md", "what is wrong, with its evidence", report::markdown(&scan))
    }

    /// The tree's way with what is known now: nothing is read for it.
    fn walk(&self, object: &ObjectRef, own: Option<&Finding>) -> Option<Text> {
        let fits = |book: &&Arc<Playbook>| book.about.contains(&object.kind);
        let named = own.and_then(|f| self.library.get(&f.playbook)).filter(fits);
        let book = named.or_else(|| self.library.about(&object.kind))?;
        let answer = self.detector.answer(self.world, object, self.now);
        let options = WalkOptions::default();
        let mut walk = Walk::start(self.library.clone(), book.clone(), object.clone(), options);
        for _ in 0..STEPS {
            match walk.step(self.world, self.now, &answer) {
                State::Done => break,
                State::Asking { .. } => walk.tell("unknown"),
                State::Reading => {
                    let wanted = walk.wants().to_vec();
                    if wanted.is_empty() {
                        break;
                    }
                    for read in wanted {
                        walk.give(&read, Err("it was not read for the bundle".to_owned()), 0);
                    }
                }
            }
        }
        Some(file(
            "walk.txt",
            "the decision tree's way to the cause",
            render::text(&walk, &|_| Standing::default()),
        ))
    }

    fn happened(&self, objects: &BTreeSet<ObjectRef>) -> Text {
        let mut timeline = Timeline::new();
        let its = |e: &&Entry| e.object.as_ref().is_none_or(|o| objects.contains(o));
        timeline.remember(self.timeline.iter().filter(its).cloned().collect());
        file(
            "timeline.md",
            "what happened, and what was done",
            timeline.markdown("What happened", &Filter::default()),
        )
    }
}

/// A text, and its words for the index.
type Text = (File, &'static str);

fn file(name: &str, about: &'static str, text: String) -> Text {
    (File { name: name.to_owned(), text }, about)
}
