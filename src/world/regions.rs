//! Regions: clusters beside the one that is looked at, how their probes were answered and what they have.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use serde::Serialize;

use super::{Text, Time};

/// Probes that are remembered of each region: ten minutes of one every thirty seconds.
const KEPT: usize = 20;

/// A region is down once no probe was answered for this long; one missed probe is none.
const DOWN: Duration = Duration::from_secs(60);

/// The window of the latency.
const WINDOW: Duration = Duration::from_secs(300);
/// The part of the window that has to be covered before it tells anything.
const COVERED: Duration = Duration::from_secs(240);
/// Milliseconds: where half of the answers take longer, it is slow.
const SLOW: u32 = 2000;

/// One probe.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Probe {
    /// When it was sent.
    pub at: Time,
    /// Milliseconds until the answer; `None` without one.
    pub ms: Option<u32>,
    /// Why no answer came, or none that counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<Text>,
}

/// The capacity and the models of a region.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Holds {
    /// Nodes that are ready, and all.
    pub nodes: (usize, usize),
    /// GPUs that no pod asked for on nodes that take pods, and all on ready nodes.
    pub gpus: (u64, u64),
    /// The GPU quota that has least left: namespace, used, hard.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<(Text, u64, u64)>,
    /// Pods that are not well, and all.
    pub pods: (usize, usize),
    /// Workloads that ask for GPUs, as `NAMESPACE/NAME`: ready replicas, and wanted.
    pub models: BTreeMap<Text, (u32, u32)>,
}

/// One look at a region.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Sight {
    /// The context's name.
    pub context: Text,
    /// The API server's address.
    pub server: Text,
    /// Its API server.
    pub api: Probe,
    /// Its health URL, where one is configured.
    pub health: Option<Probe>,
    /// `None` where it could not be read this time.
    pub holds: Option<Holds>,
}

/// A region as it is known.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Region {
    /// The API server's address.
    pub server: Text,
    /// Probes of the API server, the oldest first.
    pub api: VecDeque<Probe>,
    /// Probes of the health URL, the oldest first.
    pub health: VecDeque<Probe>,
    /// Capacity and models when they were last read, and when that was.
    pub holds: Option<(Time, Holds)>,
}

/// One of a region's two addresses.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Door {
    /// The API server.
    Api,
    /// The health URL.
    Health,
}

/// A door that does not answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Silence {
    /// The address.
    pub door: Door,
    /// The first probe without an answer.
    pub since: Time,
    /// Probes without an answer since then.
    pub missed: usize,
    /// The reason of the last one.
    pub why: Text,
}

/// A door that answers slowly.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Slowness {
    /// The address.
    pub door: Door,
    /// The median, milliseconds.
    pub median: u32,
    /// Answers that it was made from.
    pub samples: usize,
}

impl Region {
    fn doors(&self) -> [(Door, &VecDeque<Probe>); 2] {
        [(Door::Api, &self.api), (Door::Health, &self.health)]
    }

    /// The door that has been silent for a minute or longer, the API server's first.
    pub fn silent(&self) -> Option<Silence> {
        self.doors().into_iter().find_map(|(door, probes)| {
            let missed = probes.iter().rev().take_while(|p| p.ms.is_none()).count();
            let first = probes.get(probes.len() - missed)?;
            let last = probes.back().filter(|_| missed > 1)?;
            let why = last.why.clone().unwrap_or_default();
            (first.at.age(last.at) >= DOWN).then_some(Silence { door, since: first.at, missed, why })
        })
    }

    /// The door whose answers of the last five minutes are slow.
    pub fn slow(&self) -> Option<Slowness> {
        self.doors().into_iter().find_map(|(door, probes)| {
            let last = probes.back()?;
            let recent: Vec<&Probe> = probes.iter().filter(|p| p.at.age(last.at) <= WINDOW).collect();
            let covered = recent.first().is_some_and(|p| p.at.age(last.at) >= COVERED);
            let mut ms: Vec<u32> = recent.iter().filter_map(|p| p.ms).collect();
            ms.sort_unstable();
            // One slow answer is none.
            let median = *ms.get(ms.len() / 2)?;
            (covered && median > SLOW).then_some(Slowness { door, median, samples: ms.len() })
        })
    }

    /// Whether the last probe of every door was answered.
    pub fn answers(&self) -> bool {
        let good = |probes: &VecDeque<Probe>| probes.back().is_none_or(|p| p.ms.is_some());
        !self.api.is_empty() && good(&self.api) && good(&self.health)
    }
}

/// The regions by context.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Regions(BTreeMap<Text, Region>);

impl Regions {
    /// Takes a look in.
    pub fn take(&mut self, sight: Sight) {
        let region = self.0.entry(sight.context).or_default();
        region.server = sight.server;
        if let Some(holds) = sight.holds {
            region.holds = Some((sight.api.at, holds));
        }
        let keep = |probes: &mut VecDeque<Probe>, probe: Probe| {
            probes.push_back(probe);
            while probes.len() > KEPT {
                probes.pop_front();
            }
        };
        keep(&mut region.api, sight.api);
        if let Some(health) = sight.health {
            keep(&mut region.health, health);
        }
    }

    /// The region of a context.
    pub fn get(&self, context: &str) -> Option<&Region> {
        self.0.get(context)
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Text, &Region)> {
        self.0.iter()
    }

    /// Whether there are several and all of them are silent.
    pub fn none_left(&self) -> bool {
        self.0.len() > 1 && self.0.values().all(|r| r.silent().is_some())
    }

    /// Keeps only these.
    pub fn retain(&mut self, contexts: &[Text]) {
        self.0.retain(|name, _| contexts.contains(name));
    }

    /// Whether none is watched.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn region(answers: &[Option<u32>]) -> Region {
        let probe = |(i, ms): (usize, &Option<u32>)| Probe {
            at: Time(i as i64 * 30_000),
            ms: *ms,
            why: ms.is_none().then(|| "no answer within 5 s".into()),
        };
        Region { api: answers.iter().enumerate().map(probe).collect(), ..Region::default() }
    }

    #[test]
    fn one_missed_probe_is_no_outage_and_a_minute_without_an_answer_is() {
        assert_eq!(region(&[Some(12), None]).silent(), None);
        assert_eq!(region(&[Some(12), None, None]).silent(), None, "thirty seconds");
        let down = region(&[Some(12), None, None, None]).silent().unwrap();
        assert_eq!((down.door, down.since, down.missed), (Door::Api, Time(30_000), 3));
        assert_eq!(region(&[None, None, None, Some(12)]).silent(), None, "it is back");
        assert!(!region(&[None]).answers() && region(&[None, Some(3)]).answers());
    }

    #[test]
    fn slow_is_slow_for_five_minutes() {
        let of = |fast: usize, slow: usize| {
            let answers: Vec<_> = [vec![Some(40); fast], vec![Some(2400); slow]].concat();
            region(&answers).slow()
        };
        assert_eq!(of(0, 4), None, "two minutes tell nothing");
        // Eleven answers in five minutes.
        assert_eq!(of(6, 5), None);
        assert_eq!(of(5, 6).map(|s| (s.median, s.samples)), Some((2400, 11)));
    }

    #[test]
    fn no_region_is_left_only_where_there_are_several_and_all_are_silent() {
        let mut regions = Regions::default();
        regions.0.insert("a".into(), region(&[None, None, None]));
        assert!(!regions.none_left());
        regions.0.insert("b".into(), region(&[Some(9), None]));
        assert!(!regions.none_left());
        regions.0.insert("b".into(), region(&[None, None, None]));
        assert!(regions.none_left());
    }
}
