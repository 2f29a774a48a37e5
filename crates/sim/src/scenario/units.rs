//! The scalars of scenarios: time spans, amounts, curves over time, glob patterns.
use std::time::Duration;

use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};

use crate::api::meta::quantity::number;

/// A signed span of time in milliseconds, written `90s`, `2m30s`, `-1h`, `250ms`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span(pub i64);

impl Span {
    pub fn duration(self) -> Duration {
        Duration::from_millis(self.0.max(0).unsigned_abs())
    }

    pub fn signed(self) -> jiff::SignedDuration {
        jiff::SignedDuration::from_millis(self.0)
    }

    pub fn seconds(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// Parses the written form. The error is a sentence for the author of the file.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is not a span of time; write it like 90s, 2m30s, -1h or 250ms");
        let (sign, rest) = match text.trim().strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, text.trim()),
        };
        if rest == "0" {
            return Ok(Self(0));
        }
        let mut total = 0.0;
        let mut rest = rest;
        while !rest.is_empty() {
            let digits = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).ok_or_else(wrong)?;
            let number: f64 = rest[..digits].parse().map_err(|_| wrong())?;
            let unit_end =
                rest[digits..].find(|c: char| c.is_ascii_digit()).map_or(rest.len(), |i| digits + i);
            let unit = match rest[digits..unit_end].trim() {
                "ms" => 1.0,
                "s" => 1e3,
                "m" => 6e4,
                "h" => 3.6e6,
                "d" => 8.64e7,
                "w" => 6.048e8,
                _ => return Err(wrong()),
            };
            total += number * unit;
            rest = &rest[unit_end..];
        }
        if text.trim().trim_start_matches('-').is_empty() || total > 1e14 {
            return Err(wrong());
        }
        Ok(Self(sign * total.round() as i64))
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Self::parse(&String::deserialize(d)?).map_err(de::Error::custom)
    }
}

/// A number or a Kubernetes quantity: `0.5`, `250m`, `2Gi`.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Amount(pub f64);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Amount;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a number or a quantity like 250m or 2Gi")
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Amount, E> {
                Ok(Amount(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Amount, E> {
                Ok(Amount(v as f64))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Amount, E> {
                Ok(Amount(v as f64))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Amount, E> {
                number(v)
                    .map(Amount)
                    .ok_or_else(|| E::custom(format!("`{v}` is not a quantity like 250m or 2Gi")))
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// An amount over time: constant, or linear between points. The last value holds.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve(Vec<(Duration, f64)>);

impl Default for Curve {
    fn default() -> Self {
        Self::flat(0.0)
    }
}

impl Curve {
    pub fn flat(value: f64) -> Self {
        Self(vec![(Duration::ZERO, value)])
    }

    pub fn at(&self, t: Duration) -> f64 {
        let after = self.0.partition_point(|(at, _)| *at <= t);
        let Some(&(t0, v0)) = after.checked_sub(1).and_then(|i| self.0.get(i)) else {
            return self.0.first().map_or(0.0, |p| p.1);
        };
        let Some(&(t1, v1)) = self.0.get(after) else { return v0 };
        let share = (t - t0).as_secs_f64() / (t1 - t0).as_secs_f64();
        v0 + (v1 - v0) * share
    }

    /// The first time at which the curve reaches a level.
    pub fn reaches(&self, level: f64) -> Option<Duration> {
        let first = self.0.first()?;
        if first.1 >= level {
            return Some(Duration::ZERO);
        }
        self.0.windows(2).find(|w| w[1].1 >= level).map(|w| {
            let share = (level - w[0].1) / (w[1].1 - w[0].1);
            w[0].0 + (w[1].0 - w[0].0).mul_f64(share.clamp(0.0, 1.0))
        })
    }

    pub fn max(&self) -> f64 {
        self.0.iter().map(|p| p.1).fold(0.0, f64::max)
    }

    /// The times after `t` at which the slope changes.
    pub fn bends_after(&self, t: Duration) -> impl Iterator<Item = Duration> {
        self.0.iter().map(|p| p.0).filter(move |at| *at > t)
    }
}

impl<'de> Deserialize<'de> for Curve {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Curve;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an amount (2Gi) or points over time ([[0s, 1Gi], [5m, 2Gi]])")
            }
            fn visit_f64<E: de::Error>(self, v: f64) -> Result<Curve, E> {
                Ok(Curve::flat(v))
            }
            fn visit_i64<E: de::Error>(self, v: i64) -> Result<Curve, E> {
                Ok(Curve::flat(v as f64))
            }
            fn visit_u64<E: de::Error>(self, v: u64) -> Result<Curve, E> {
                Ok(Curve::flat(v as f64))
            }
            fn visit_str<E: de::Error>(self, v: &str) -> Result<Curve, E> {
                number(v)
                    .map(Curve::flat)
                    .ok_or_else(|| E::custom(format!("`{v}` is not a quantity like 250m or 2Gi")))
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<Curve, A::Error> {
                let mut points: Vec<(Duration, f64)> = Vec::new();
                while let Some((at, value)) = seq.next_element::<(Span, Amount)>()? {
                    if points.last().is_some_and(|p| p.0 >= at.duration()) || at.0 < 0 {
                        return Err(de::Error::custom(
                            "the points of a curve must go forward in time from 0s",
                        ));
                    }
                    points.push((at.duration(), value.0));
                }
                if points.is_empty() {
                    return Err(de::Error::custom("a curve needs at least one point"));
                }
                Ok(Curve(points))
            }
        }
        d.deserialize_any(Visitor)
    }
}

/// Whether a pattern with `*` (any text) matches.
pub fn glob(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        match rest.find(part) {
            Some(i) => rest = &rest[i + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_read_or_refused_with_a_sentence() {
        for (text, want) in
            [("90s", 90_000), ("2m30s", 150_000), ("-1h", -3_600_000), ("250ms", 250), ("0", 0)]
        {
            assert_eq!(Span::parse(text), Ok(Span(want)), "{text}");
        }
        for text in ["", "-", "soon", "5", "3 fortnights", "9999999999999w"] {
            assert!(Span::parse(text).is_err_and(|e| e.contains("90s")), "{text}");
        }
    }

    #[test]
    fn curves_run_in_straight_lines_and_hold_their_last_value() {
        let curve: Curve = serde_saphyr::from_str("[[0s, 1Gi], [60s, 3Gi]]").unwrap();
        let gi = 1024.0 * 1024.0 * 1024.0;
        assert_eq!(curve.at(Duration::from_secs(30)), 2.0 * gi);
        assert_eq!(curve.at(Duration::from_secs(600)), 3.0 * gi);
        assert_eq!(curve.reaches(2.0 * gi), Some(Duration::from_secs(30)));
        assert_eq!(curve.reaches(4.0 * gi), None);
        assert!(serde_saphyr::from_str::<Curve>("[[60s, 1], [0s, 2]]").is_err());
    }

    #[test]
    fn globs() {
        assert!(glob("a*c", "abc") && glob("*", "") && glob("x", "x") && glob("*/api:*", "reg/api:v1"));
        assert!(!glob("a*c", "abd") && !glob("x", "xy") && !glob("", "x"));
    }
}
