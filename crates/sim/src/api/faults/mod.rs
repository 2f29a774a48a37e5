//! Faults between a client and the API server, by name, switched at run time.

pub(in crate::api) mod inject;
pub mod proxy;

use crate::api::meta::ids::Ids;
use crate::clock::SimClock;
use jiff::SignedDuration;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// One kind of fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// Breaks every open watch, once.
    DropWatches,
    /// Sends no bookmarks, except the one that ends the initial events.
    NoBookmarks,
    /// Drops the history: watches and continued lists get 410, open watches too.
    Gone,
    TooManyRequests,
    InternalError,
    Unavailable,
    /// Answers with a load balancer's page and this status.
    Html(u16),
    /// Resets connections, open ones too.
    Reset,
    /// Keeps connections open but sends nothing.
    Hang,
    /// Cuts bodies in the middle of an object.
    Truncate,
    /// Wall time added to every answer and to every piece of a watch.
    Slow(Duration),
    /// Invalidates the token: 401.
    ExpireToken,
    /// RBAC forbids one resource (`pods`, `deployments.apps`) and its subresources to everybody. Access
    /// reviews agree.
    Forbid(String),
    /// Restarts the server, once: connections are reset, and older watches get 410.
    Restart,
    /// Shifts the cluster's clock by this much.
    ClockSkew(SignedDuration),
}

/// The error in a `--faults` text.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error(
    "{0:?} is no fault: use drop-watches, no-bookmarks, gone, 429, 500, 503, html[=STATUS], reset, hang, truncate, slow[=DURATION], expire-token, forbid=RESOURCE, restart, clock-skew=DURATION or random, each with @TIME or @TIME..TIME if it is not for always"
)]
pub struct FaultError(String);

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Fault, FaultError> {
        let wrong = || FaultError(text.to_string());
        let (name, value) = text.split_once('=').unwrap_or((text, ""));
        let fault = match name {
            "drop-watches" => Fault::DropWatches,
            "no-bookmarks" => Fault::NoBookmarks,
            "gone" | "410" => Fault::Gone,
            "429" => Fault::TooManyRequests,
            "500" => Fault::InternalError,
            "503" => Fault::Unavailable,
            "html" if value.is_empty() => Fault::Html(502),
            "html" => {
                let status = value.parse().ok().filter(|s| (200..600).contains(s));
                return Ok(Fault::Html(status.ok_or_else(wrong)?));
            }
            "reset" => Fault::Reset,
            "hang" => Fault::Hang,
            "truncate" => Fault::Truncate,
            "slow" if value.is_empty() => Fault::Slow(Duration::from_millis(500)),
            "slow" => return Ok(Fault::Slow(duration(value).ok_or_else(wrong)?)),
            "expire-token" | "401" => Fault::ExpireToken,
            "forbid" if !value.is_empty() => return Ok(Fault::Forbid(value.into())),
            "restart" => Fault::Restart,
            "clock-skew" => return Ok(Fault::ClockSkew(value.parse().map_err(|_| wrong())?)),
            _ => return Err(wrong()),
        };
        if value.is_empty() { Ok(fault) } else { Err(wrong()) }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Fault::DropWatches => f.write_str("drop-watches"),
            Fault::NoBookmarks => f.write_str("no-bookmarks"),
            Fault::Gone => f.write_str("gone"),
            Fault::TooManyRequests => f.write_str("429"),
            Fault::InternalError => f.write_str("500"),
            Fault::Unavailable => f.write_str("503"),
            Fault::Html(status) => write!(f, "html={status}"),
            Fault::Reset => f.write_str("reset"),
            Fault::Hang => f.write_str("hang"),
            Fault::Truncate => f.write_str("truncate"),
            Fault::Slow(by) => write!(f, "slow={}ms", by.as_millis()),
            Fault::ExpireToken => f.write_str("expire-token"),
            Fault::Forbid(resource) => write!(f, "forbid={resource}"),
            Fault::Restart => f.write_str("restart"),
            Fault::ClockSkew(by) => write!(f, "clock-skew={by:#}"),
        }
    }
}

/// Parses `200ms`, `1m30s`; not negative.
fn duration(text: &str) -> Option<Duration> {
    let parsed: SignedDuration = text.parse().ok()?;
    Duration::try_from(parsed).ok()
}

/// The active faults. The counters count the faults that happen once.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct State {
    pub active: Vec<Fault>,
    /// How often all watches have been dropped.
    pub drops: u64,
    /// How often the server has been restarted.
    pub restarts: u64,
}

impl State {
    pub fn has(&self, fault: &Fault) -> bool {
        self.active.contains(fault)
    }

    /// Wall time added to everything.
    pub fn delay(&self) -> Duration {
        let slow = |f: &Fault| if let Fault::Slow(by) = f { Some(*by) } else { None };
        self.active.iter().filter_map(slow).sum()
    }

    pub fn skew(&self) -> SignedDuration {
        let skew = |f: &Fault| if let Fault::ClockSkew(by) = f { Some(*by) } else { None };
        self.active.iter().find_map(skew).unwrap_or(SignedDuration::ZERO)
    }

    /// Whether a resource is forbidden, by its plural or `plural.group`.
    pub fn forbids(&self, plural: &str, group: &str) -> bool {
        self.active.iter().any(|fault| match fault {
            Fault::Forbid(name) => match name.split_once('.') {
                None => name == plural,
                Some((p, g)) => p == plural && g == group,
            },
            _ => false,
        })
    }
}

/// Called with the new state before a switch returns.
type Listener = Box<dyn Fn(&State) + Send + Sync>;

/// The switchboard. Clones share it.
#[derive(Clone)]
pub struct Faults {
    state: Arc<watch::Sender<State>>,
    listeners: Arc<Mutex<Vec<Listener>>>,
}

impl Default for Faults {
    fn default() -> Self {
        Faults { state: Arc::new(watch::Sender::new(State::default())), listeners: Arc::default() }
    }
}

impl Faults {
    /// Replaces the active faults at once. Faults that happen once happen now.
    pub fn set(&self, faults: impl IntoIterator<Item = Fault>) {
        let faults: Vec<Fault> = faults.into_iter().collect();
        self.change(|state| {
            state.active.clear();
            faults.into_iter().for_each(|fault| state.start(fault));
        });
    }

    /// Adds a fault.
    pub fn start(&self, fault: Fault) {
        self.change(|state| state.start(fault));
    }

    /// Removes a fault.
    pub fn end(&self, fault: &Fault) {
        self.change(|state| state.active.retain(|f| f != fault));
    }

    /// Removes all faults.
    pub fn clear(&self) {
        self.set([]);
    }

    pub fn now(&self) -> State {
        self.state.borrow().clone()
    }

    pub fn subscribe(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    pub(in crate::api) fn listen(&self, listener: impl Fn(&State) + Send + Sync + 'static) {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner).push(Box::new(listener));
    }

    fn change(&self, f: impl FnOnce(&mut State)) {
        // Listeners run first, so that their work is done before a request sees the new state.
        let listeners = self.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = self.now();
        f(&mut next);
        listeners.iter().for_each(|listener| listener(&next));
        self.state.send_replace(next);
    }
}

impl State {
    fn start(&mut self, fault: Fault) {
        match fault {
            Fault::DropWatches => self.drops += 1,
            Fault::Restart => self.restarts += 1,
            fault => self.active.push(fault),
        }
    }
}

/// A fault with its start and end, as time since the start.
#[derive(Clone, Debug, PartialEq)]
pub struct Timed {
    pub fault: Fault,
    pub from: Duration,
    /// None: until the end.
    pub until: Option<Duration>,
}

/// Parses `NAME[@TIME[..TIME]],…`. `random` is a new fault about every half minute, drawn by `seed`.
pub fn parse_schedule(text: &str, seed: u64) -> Result<Vec<Timed>, FaultError> {
    let mut all = Vec::new();
    for part in text.split(',').map(str::trim).filter(|p| !p.is_empty()) {
        let wrong = || FaultError(part.to_string());
        let (name, when) = part.split_once('@').map_or((part, None), |(n, w)| (n, Some(w)));
        let (from, until) = match when {
            None => (Duration::ZERO, None),
            Some(when) => match when.split_once("..") {
                Some((from, until)) => (
                    duration(from).ok_or_else(wrong)?,
                    Some(duration(until).filter(|u| Some(*u) > duration(from)).ok_or_else(wrong)?),
                ),
                None => (duration(when).ok_or_else(wrong)?, None),
            },
        };
        if name == "random" {
            all.extend(random(seed, from, until.unwrap_or(from + Duration::from_secs(24 * 3600))));
        } else {
            all.push(Timed { fault: name.parse().map_err(|_| wrong())?, from, until });
        }
    }
    Ok(all)
}

/// The resources that `random` may forbid: every client watches them.
const FORBIDDEN: [&str; 4] = ["pods", "nodes", "events", "deployments.apps"];

/// Draws successive faults between two times, each for some seconds.
fn random(seed: u64, from: Duration, until: Duration) -> Vec<Timed> {
    let mut ids = Ids::new(seed);
    let mut draw = |least: u64, most: u64| least + ids.next_u64() % (most - least + 1);
    let (mut all, mut at) = (Vec::new(), from);
    loop {
        at += Duration::from_secs(draw(10, 60));
        if at >= until {
            return all;
        }
        let fault = match draw(0, 14) {
            0 => Fault::DropWatches,
            1 => Fault::NoBookmarks,
            2 => Fault::Gone,
            3 => Fault::TooManyRequests,
            4 => Fault::InternalError,
            5 => Fault::Unavailable,
            6 => Fault::Html(502),
            7 => Fault::Reset,
            8 => Fault::Hang,
            9 => Fault::Truncate,
            10 => Fault::Slow(Duration::from_millis(draw(50, 2000))),
            11 => Fault::ClockSkew(SignedDuration::from_secs(300)),
            12 => Fault::ExpireToken,
            13 => Fault::Forbid(FORBIDDEN[draw(0, 3) as usize].into()),
            _ => Fault::Restart,
        };
        let end = at + Duration::from_secs(draw(3, 15));
        all.push(Timed { fault, from: at, until: Some(end) });
        at = end;
    }
}

/// Switches faults on and off at their times, from now on, by the true time of `clock`.
pub async fn play(schedule: Vec<Timed>, faults: Faults, clock: SimClock) {
    let start = clock.true_now();
    let mut steps: Vec<(Duration, Fault, bool)> = Vec::new();
    for timed in schedule {
        steps.push((timed.from, timed.fault.clone(), true));
        steps.extend(timed.until.map(|until| (until, timed.fault, false)));
    }
    steps.sort_by_key(|(at, ..)| *at);
    for (at, fault, on) in steps {
        clock.sleep_until_true(start.checked_add(at).unwrap_or(start)).await;
        if on { faults.start(fault) } else { faults.end(&fault) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_fault_has_a_name_that_reads_back() {
        let names = [
            "drop-watches",
            "no-bookmarks",
            "gone",
            "429",
            "500",
            "503",
            "html=502",
            "reset",
            "hang",
            "truncate",
            "slow=200ms",
            "expire-token",
            "forbid=pods",
            "restart",
        ];
        for name in names {
            assert_eq!(name.parse::<Fault>().unwrap().to_string(), name);
        }
        let skew = Fault::ClockSkew(SignedDuration::from_mins(-5));
        assert_eq!("clock-skew=-5m".parse(), Ok(skew.clone()));
        assert_eq!(skew.to_string().parse(), Ok(skew));
        for bad in ["", "slow=x", "slow=-1s", "forbid", "html=9", "reset=1", "nonsense"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }

    #[test]
    fn schedules_say_what_when() {
        let got = parse_schedule("reset@30s, slow=1s@1m..2m, gone", 0).unwrap();
        assert_eq!(got[0], Timed { fault: Fault::Reset, from: Duration::from_secs(30), until: None });
        assert_eq!(got[1].until, Some(Duration::from_secs(120)));
        assert_eq!(got[2].from, Duration::ZERO);
        assert_eq!(parse_schedule("random", 7), parse_schedule("random", 7));
        assert_ne!(parse_schedule("random", 7), parse_schedule("random", 8));
        // One day is long enough for every fault to come up.
        let names: HashSet<String> = parse_schedule("random", 7)
            .unwrap()
            .iter()
            .map(|t| t.fault.to_string().split('=').next().unwrap().to_string())
            .collect();
        assert_eq!(names.len(), 15, "{names:?}");
        for bad in ["reset@", "reset@2s..1s", "x@1s", "reset@1s..x"] {
            assert!(parse_schedule(bad, 0).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn a_schedule_is_played_by_the_clock() {
        let clock = SimClock::manual("2026-11-21T01:00:00Z".parse().unwrap());
        let faults = Faults::default();
        let mut state = faults.subscribe();
        let schedule = parse_schedule("503@10s..20s,drop-watches@15s", 0).unwrap();
        let player = tokio::spawn(play(schedule, faults.clone(), clock.clone()));
        tokio::task::yield_now().await;
        clock.advance(Duration::from_secs(10));
        state.changed().await.unwrap();
        assert_eq!(faults.now().active, [Fault::Unavailable]);
        clock.advance(Duration::from_secs(10));
        player.await.unwrap();
        assert_eq!(faults.now(), State { active: vec![], drops: 1, restarts: 0 });
    }
}
