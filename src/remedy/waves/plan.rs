//! The plan of a run: the waves, what is left out, what is at stake, how long it takes, and what else could be done.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::time::Duration;

use serde::Serialize;

use super::options::{Asked, Gate, Mode};
use super::order;
use super::select::{Candidate, Found};
use crate::remedy::forecast::homeless;
use crate::world::World;
use crate::world::time::human;

/// Seconds a machine needs at least to come back.
const BOOT: u64 = 60;
/// Seconds that a drain may take: as `khud do drain` without `--timeout`.
pub(super) const DRAIN: u64 = 900;
/// Waves times nodes up to which free capacity is simulated for every wave; beyond it, for the last.
const SIMULATED: usize = 20_000;
/// The assumptions of the choice page, as its text says: one replacement of ten fails, and its repair takes three hours.
const FAILURE_RATE: f64 = 0.1;
const REPAIR_HOURS: f64 = 3.0;
/// Names in one line of text.
const NAMED: usize = 5;

/// A plan as `khud do waves --dry-run -o json` prints it.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct WavePlan {
    pub nodes: usize,
    pub gpus: u64,
    pub waves: Vec<Wave>,
    pub skipped: Vec<Skipped>,
    pub stake: Stake,
    pub estimate: Estimate,
    /// The blockers of the run, certain and possible.
    pub blockers: Vec<String>,
    pub choices: Vec<Choice>,
    /// Nodes that an upgrade leaves alone, because they run the version.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub already: Vec<String>,
    #[serde(skip)]
    pub(super) candidates: Vec<Candidate>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Wave {
    /// From 1.
    pub n: usize,
    pub nodes: Vec<InWave>,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct InWave {
    pub name: String,
    /// Why it stands where it does.
    pub reason: String,
}

#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Skipped {
    pub name: String,
    pub why: String,
}

/// The work on the nodes of the waves. Skipped nodes do not count.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct Stake {
    pub jobs: usize,
    pub gpu_hours: f64,
    /// GPU hours times `--gpu-price`.
    pub cost: f64,
    /// The largest wave alone.
    pub wave_gpus: u64,
    pub wave_jobs: usize,
    pub wave_gpu_hours: f64,
}

/// Seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Estimate {
    pub min_s: u64,
    pub max_s: u64,
}

/// One way to deal with the nodes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Choice {
    pub name: &'static str,
    pub pro: &'static str,
    pub con: &'static str,
    pub when: &'static str,
    /// The consequence for these nodes.
    pub numbers: String,
}

impl WavePlan {
    pub(super) fn new(world: &World, asked: &Asked, found: Found) -> WavePlan {
        let Found { nodes: candidates, skipped, already } = found;
        let waves = match &asked.upgrade {
            None => order::waves(&candidates, asked.size),
            Some(_) => order::upgrade(&candidates, asked.size),
        };
        let jobs_of = |which: &[usize]| {
            which.iter().flat_map(|i| &candidates[*i].jobs).map(|j| &*j.name).collect::<BTreeSet<_>>().len()
        };
        let gpus_of = |which: &[usize]| which.iter().map(|i| candidates[*i].gpus).sum::<u64>();
        // The sum of none is -0.
        let hours_of =
            |which: &[usize]| round(which.iter().fold(0.0, |sum, i| sum + candidates[*i].gpu_hours));
        let all: Vec<usize> = (0..candidates.len()).collect();
        let gpu_hours = hours_of(&all);
        let stake = Stake {
            jobs: jobs_of(&all),
            gpu_hours,
            cost: round(gpu_hours * asked.price),
            wave_gpus: waves.iter().map(|w| gpus_of(w)).max().unwrap_or(0),
            wave_jobs: waves.iter().map(|w| jobs_of(w)).max().unwrap_or(0),
            wave_gpu_hours: waves.iter().map(|w| hours_of(w)).fold(0.0, f64::max),
        };
        let estimate = estimate(asked, &candidates, &waves);
        let named = waves
            .iter()
            .enumerate()
            .map(|(n, wave)| Wave {
                n: n + 1,
                nodes: wave
                    .iter()
                    .map(|i| InWave {
                        name: candidates[*i].name.to_string(),
                        reason: candidates[*i].reason(),
                    })
                    .collect(),
            })
            .collect();
        let mut plan = WavePlan {
            nodes: candidates.len(),
            gpus: gpus_of(&all),
            waves: named,
            skipped: skipped.into_iter().map(|(name, why)| Skipped { name, why }).collect(),
            stake,
            estimate,
            blockers: blockers(world, &candidates, &waves),
            choices: Vec::new(),
            already,
            candidates,
        };
        // Which way to deal with drift is no question of an upgrade.
        if asked.upgrade.is_none() {
            plan.choices = plan.choices(asked);
        }
        plan
    }

    /// The candidate of that name.
    pub(super) fn candidate(&self, name: &str) -> Option<&Candidate> {
        self.candidates.iter().find(|c| *c.name == *name)
    }

    fn choices(&self, asked: &Asked) -> Vec<Choice> {
        let s = &self.stake;
        #[allow(clippy::cast_precision_loss, reason = "counts of nodes and GPUs")]
        let lost = |nodes: usize, gpus: u64| {
            let repair = gpus as f64 * FAILURE_RATE * REPAIR_HOURS;
            let stuck = (nodes as f64 * FAILURE_RATE).ceil();
            format!(
                "if 1 of 10 fails for 3 h: {stuck} nodes and {repair:.0} GPU hours ({:.0})",
                repair * asked.price
            )
        };
        let largest = self.waves.iter().map(|w| w.nodes.len()).max().unwrap_or(0);
        let jobs: Vec<&Candidate> = self.candidates.iter().filter(|c| !c.jobs.is_empty()).collect();
        vec![
            Choice {
                name: "ignore the drift",
                pro: "no risk now",
                con: "the drift grows, and the next change is larger",
                when: "the difference is cosmetic, or the nodes are replaced soon anyway",
                numbers: format!(
                    "{} nodes stay as they are: lifecycle {{ ignore_changes = [{}] }}",
                    self.nodes + self.skipped.len(),
                    if asked.terraform.is_some() { "the attributes below" } else { "ami" }
                ),
            },
            Choice {
                name: "all at once",
                pro: "the fastest way to a clean state",
                con: "everything is at risk at once, and nothing can be stopped in between",
                when: "the cluster is empty or not in production",
                numbers: format!(
                    "{} nodes, {} GPUs, {} jobs with {:.0} GPU hours; {}",
                    self.nodes,
                    self.gpus,
                    s.jobs,
                    s.gpu_hours,
                    lost(self.nodes, self.gpus)
                ),
            },
            Choice {
                name: "waves",
                pro: "the risk is one wave, and the run stops at the first that fails",
                con: "jobs on the nodes are interrupted, and it takes longer",
                when: "production that tolerates an interruption",
                numbers: format!(
                    "{} waves of at most {largest}: {} GPUs, {} jobs with {:.0} GPU hours in one; {}; {}",
                    self.waves.len(),
                    s.wave_gpus,
                    s.wave_jobs,
                    s.wave_gpu_hours,
                    lost(largest, s.wave_gpus),
                    self.estimate.text()
                ),
            },
            Choice {
                name: "cordon and wait",
                pro: "no job is interrupted",
                con: "it takes as long as the longest job, and cordoned nodes take no new work",
                when: "work that must not be interrupted at all",
                numbers: format!(
                    "{} nodes run {} jobs; each node waits up to {}, then it is uncordoned and skipped",
                    jobs.len(),
                    s.jobs,
                    human(asked.wait)
                ),
            },
        ]
    }

    /// The plan as text.
    pub(super) fn text(&self, asked: &Asked) -> String {
        let mut out = String::new();
        let s = &self.stake;
        let _ = writeln!(
            out,
            "\nAt stake\n  {} nodes, {} GPUs, {} jobs with {:.1} GPU hours ({:.0} at {} a GPU hour)\n  one wave at most: {} GPUs, {} jobs with {:.1} GPU hours\n  {}",
            self.nodes,
            self.gpus,
            s.jobs,
            s.gpu_hours,
            s.cost,
            asked.price,
            s.wave_gpus,
            s.wave_jobs,
            s.wave_gpu_hours,
            self.estimate.text()
        );
        for wave in &self.waves {
            let _ = writeln!(out, "\nWave {} of {}", wave.n, self.waves.len());
            for node in &wave.nodes {
                let _ = writeln!(out, "  {:<28} {}", node.name, node.reason);
            }
        }
        let gates: Vec<String> = asked.gates.iter().map(Gate::name).collect();
        let after = if gates.is_empty() {
            "none: each wave follows the one before at once".to_owned()
        } else {
            gates.join(", ")
        };
        let _ = writeln!(out, "\nGates after each wave\n  {after}");
        if !self.skipped.is_empty() {
            let _ = writeln!(out, "\nSkipped: {} nodes", self.skipped.len());
            for node in &self.skipped {
                let _ = writeln!(out, "  {:<28} {}", node.name, node.why);
            }
        }
        if !self.already.is_empty() {
            let _ = writeln!(out, "\nThey run the version already\n  {}", listed(&self.already));
        }
        if !self.blockers.is_empty() {
            out.push_str("\nIn the way\n");
            for blocker in &self.blockers {
                let _ = writeln!(out, "  {blocker}");
            }
        }
        if !self.choices.is_empty() {
            out.push_str("\nThe choice\n");
        }
        for c in &self.choices {
            let _ = writeln!(
                out,
                "  {}\n    for: {}\n    against: {}\n    when: {}\n    here: {}",
                c.name, c.pro, c.con, c.when, c.numbers
            );
        }
        out
    }

    /// As `-o json` prints it.
    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }
}

impl Estimate {
    fn text(self) -> String {
        let d = |s| human(Duration::from_secs(s));
        format!("it takes between {} and {}", d(self.min_s), d(self.max_s))
    }
}

/// One decimal: more is not known.
fn round(n: f64) -> f64 {
    (n * 10.0).round() / 10.0
}

/// From no waiting but the pauses, to every drain, replacement and gate taking all the time it may.
fn estimate(asked: &Asked, candidates: &[Candidate], waves: &[Vec<usize>]) -> Estimate {
    let pause: u64 = asked.gates.iter().map(|g| if let Gate::Pause(d) = g { d.as_secs() } else { 0 }).sum();
    let gates: u64 = asked.gates.iter().filter_map(Gate::limit).map(|d| d.as_secs()).sum();
    let (boot, replace) = match asked.replace {
        true => (BOOT, asked.replace_timeout.as_secs()),
        false => (0, 0),
    };
    let mut out = Estimate::default();
    for wave in waves {
        let of = || wave.iter().map(|i| &candidates[*i]);
        let grace = u64::from(of().map(|c| asked.grace.unwrap_or(c.grace)).max().unwrap_or(0));
        let held = of().any(|c| !c.held.is_empty());
        let drain = if held { DRAIN } else { grace };
        let jobs = asked.mode == Mode::Wait && of().any(|c| !c.jobs.is_empty());
        let wait = if jobs { asked.wait.as_secs() } else { 0 };
        let after =
            asked.upgrade.as_ref().map_or(0, |u| u.pause_after(of().any(|c| c.control_plane)).as_secs());
        out.min_s += boot + pause + after;
        out.max_s += wait + drain + replace + gates + after;
    }
    out
}

/// The blockers that are known.
fn blockers(world: &World, candidates: &[Candidate], waves: &[Vec<usize>]) -> Vec<String> {
    let mut out = Vec::new();
    let held: Vec<&String> = candidates.iter().flat_map(|c| &c.held).collect();
    if !held.is_empty() {
        out.push(format!("budgets that let no pod go now hold {}: {}", held.len(), listed(&held)));
    }
    let cordoned: Vec<&str> = candidates.iter().filter(|c| c.cordoned).map(|c| &*c.name).collect();
    if !cordoned.is_empty() {
        out.push(format!("cordoned already, and left so at the end: {}", listed(&cordoned)));
    }
    let every = waves.len() * candidates.len() <= SIMULATED;
    let looked: Vec<usize> = if every { (0..waves.len()).collect() } else { vec![waves.len() - 1] };
    for n in looked {
        let names: Vec<&str> = waves[n].iter().map(|i| &*candidates[*i].name).collect();
        match homeless(world, &names) {
            None => out.push(format!("wave {}: no other node takes its pods", n + 1)),
            Some(pods) if !pods.is_empty() => {
                out.push(format!("wave {}: no other node has room now for {}", n + 1, listed(&pods)));
            }
            Some(_) => {}
        }
    }
    if !every {
        out.push(format!("free capacity was simulated for the last of {} waves only", waves.len()));
    }
    out
}

fn listed<T: std::fmt::Display>(all: &[T]) -> String {
    let shown = all.iter().take(NAMED).map(T::to_string).collect::<Vec<_>>().join(", ");
    match all.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}
