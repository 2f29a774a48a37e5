//! Points in time as the API writes them, and the clock that all code uses instead of the machine's.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC. It parses `metav1.Time` and `metav1.MicroTime` and prints RFC
/// 3339.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(pub i64);

impl Time {
    /// Parses RFC 3339, with or without fractions (`2026-11-21T01:05:53Z`); `None` if the text is not a time.
    pub fn parse(text: &str) -> Option<Time> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Time(t.as_millisecond()))
    }

    /// Whole seconds since the Unix epoch.
    pub fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// The time from `self` to `now`; zero if `self` lies in the future.
    pub fn age(self, now: Time) -> Duration {
        Duration::from_millis(u64::try_from(now.0 - self.0).unwrap_or(0))
    }

    /// The time `d` later.
    pub fn plus(self, d: Duration) -> Time {
        Time(self.0.saturating_add(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time `d` earlier.
    pub fn minus(self, d: Duration) -> Time {
        Time(self.0.saturating_sub(i64::try_from(d.as_millis()).unwrap_or(i64::MAX)))
    }

    /// The time as a [`jiff::Timestamp`].
    pub fn to_jiff(self) -> jiff::Timestamp {
        jiff::Timestamp::from_millisecond(self.0).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
    }
}

/// Prints RFC 3339 in UTC like the API: whole seconds, with a fraction only if there are milliseconds.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.to_jiff(), f)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Time, D::Error> {
        struct V;
        impl serde::de::Visitor<'_> for V {
            type Value = Time;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time")
            }
            fn visit_str<E: serde::de::Error>(self, v: &str) -> Result<Time, E> {
                Time::parse(v).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(v), &self))
            }
        }
        d.deserialize_str(V)
    }
}

/// Formats an age as kubectl prints it (`47s`, `5m12s`, `3h4m`, `2d5h`, `41d`).
/// Source: `k8s.io/apimachinery/pkg/util/duration.HumanDuration`.
pub fn human(d: Duration) -> String {
    let s = d.as_secs();
    let (m, h, days) = (s / 60, s / 3600, s / 86400);
    let two = |a: u64, ua: char, b: u64, ub: char| {
        if b == 0 { format!("{a}{ua}") } else { format!("{a}{ua}{b}{ub}") }
    };
    if s < 120 {
        format!("{s}s")
    } else if m < 10 {
        two(m, 'm', s % 60, 's')
    } else if m < 180 {
        format!("{m}m")
    } else if h < 8 {
        two(h, 'h', m % 60, 'm')
    } else if h < 48 {
        format!("{h}h")
    } else if days < 8 {
        two(days, 'd', h % 24, 'h')
    } else if days < 365 * 2 {
        format!("{days}d")
    } else if days < 365 * 8 {
        two(days / 365, 'y', days % 365, 'd')
    } else {
        format!("{}y", days / 365)
    }
}

/// The source of "now": the machine's clock, corrected by the server's `Date` header, or a manual clock for
/// tests and replays.
#[derive(Clone, Debug)]
pub struct Clock(Inner);

#[derive(Clone, Debug)]
enum Inner {
    /// The milliseconds that the server's clock is ahead of this machine's.
    Wall(Arc<AtomicI64>),
    Manual(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's clock, without an offset.
    pub fn wall() -> Clock {
        Clock(Inner::Wall(Arc::new(AtomicI64::new(0))))
    }

    /// A clock that stands at `at` until `advance`.
    pub fn manual(at: Time) -> Clock {
        Clock(Inner::Manual(Arc::new(AtomicI64::new(at.0))))
    }

    /// The current time.
    pub fn now(&self) -> Time {
        match &self.0 {
            Inner::Wall(offset) => {
                Time(jiff::Timestamp::now().as_millisecond() + offset.load(Ordering::Relaxed))
            }
            Inner::Manual(at) => Time(at.load(Ordering::Relaxed)),
        }
    }

    /// Sets how far the server's clock is ahead of this machine's, in milliseconds. A manual clock ignores
    /// it.
    pub fn set_offset_ms(&self, ms: i64) {
        if let Inner::Wall(offset) = &self.0 {
            offset.store(ms, Ordering::Relaxed);
        }
    }

    /// How far the server's clock is ahead of this machine's, in milliseconds; 0 for a manual clock.
    pub fn offset_ms(&self) -> i64 {
        match &self.0 {
            Inner::Wall(offset) => offset.load(Ordering::Relaxed),
            Inner::Manual(_) => 0,
        }
    }

    /// Moves a manual clock forward. It has no effect on the wall clock.
    pub fn advance(&self, d: Duration) {
        if let Inner::Manual(at) = &self.0 {
            at.fetch_add(i64::try_from(d.as_millis()).unwrap_or(0), Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The boundaries of `HumanDuration`.
    #[test]
    fn ages_read_as_kubectl_prints_them() {
        let cases: &[(u64, &str)] = &[
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (125, "2m5s"),
            (599, "9m59s"),
            (600, "10m"),
            (3 * 3600 - 1, "179m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 240, "3h4m"),
            (8 * 3600 + 60, "8h"),
            (48 * 3600, "2d"),
            (53 * 3600, "2d5h"),
            (8 * 86400, "8d"),
            (800 * 86400, "2y70d"),
        ];
        for (s, want) in cases {
            assert_eq!(human(Duration::from_secs(*s)), *want, "{s} s");
        }
    }

    #[test]
    fn times_round_trip() {
        for text in ["2026-11-21T01:05:53Z", "2026-11-21T01:05:53.123Z"] {
            assert_eq!(Time::parse(text).map(|t| t.to_string()).as_deref(), Some(text));
        }
        assert_eq!(Time::parse("2026-11-21T01:05:53.123456Z"), Time::parse("2026-11-21T01:05:53.123Z"));
        assert_eq!(Time::parse("yesterday"), None);
    }
}
