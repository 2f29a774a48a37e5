//! Container logs, made from the scenario's lines when they are read, so that a long log costs nothing.
use std::time::Duration;

use jiff::Timestamp;

use super::kubelet::{PodRun, Run};
use crate::scenario::format::LogLine;

/// The most lines of one read. A real node also keeps only some megabytes.
const KEPT: u64 = 20_000;

/// One line and its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    pub at: Timestamp,
    pub text: String,
}

/// The values of the words in braces.
pub struct Words<'a> {
    pub run: &'a PodRun,
    pub memory: &'a dyn Fn(Duration) -> f64,
}

/// The lines of a run after `from` and up to `to`, in order.
pub fn lines(run: &Run, words: &Words<'_>, from: Option<Timestamp>, to: Timestamp) -> Vec<Line> {
    let end = run.ended.map_or(to, |e| e.min(to));
    let mut out = Vec::new();
    for (order, line) in run.behaviour.logs.iter().enumerate() {
        for (n, after) in moments(line, run.elapsed(end), from.map(|f| run.elapsed(f))) {
            let at = run.since.checked_add(after).unwrap_or(run.since);
            if at <= end && from.is_none_or(|f| at > f) {
                out.push((at, order, Line { at, text: fill(&line.line, n, after, words, at) }));
            }
        }
    }
    out.sort_by_key(|o| (o.0, o.1));
    out.into_iter().map(|o| o.2).collect()
}

/// The times of a line within the elapsed time: (count, time since the start).
fn moments(line: &LogLine, elapsed: Duration, after: Option<Duration>) -> Vec<(u64, Duration)> {
    let first = line.at.or(line.from).map_or(Duration::ZERO, |a| a.duration());
    let Some(every) = line.every.map(|e| e.duration()).filter(|e| !e.is_zero()) else {
        return if first <= elapsed { vec![(1, first)] } else { Vec::new() };
    };
    let end = line.until.map_or(elapsed, |u| u.duration().min(elapsed));
    let Some(span) = end.checked_sub(first) else { return Vec::new() };
    let last = (span.as_micros() / every.as_micros()) as u64;
    let skip =
        after.and_then(|a| a.checked_sub(first)).map_or(0, |a| (a.as_micros() / every.as_micros()) as u64);
    let start = skip.max(last.saturating_sub(KEPT));
    (start..=last).map(|n| (n + 1, first + every.mul_f64(n as f64))).collect()
}

/// The next time of a line after an elapsed time.
pub fn next_moment(run: &Run, elapsed: Duration) -> Option<Duration> {
    let next = |line: &LogLine| {
        let first = line.at.or(line.from).map_or(Duration::ZERO, |a| a.duration());
        if first > elapsed {
            return Some(first);
        }
        let every = line.every.map(|e| e.duration()).filter(|e| !e.is_zero())?;
        let n = ((elapsed - first).as_micros() / every.as_micros()) as u64 + 1;
        let at = first + every.mul_f64(n as f64);
        line.until.is_none_or(|u| at <= u.duration()).then_some(at)
    };
    run.behaviour.logs.iter().filter_map(next).min()
}

fn fill(text: &str, n: u64, after: Duration, words: &Words<'_>, at: Timestamp) -> String {
    if !text.contains('{') {
        return text.to_owned();
    }
    let memory = (words.memory)(after);
    let mut out = text.to_owned();
    for (word, value) in [
        ("{n}", n.to_string()),
        ("{memory.mb}", format!("{}", (memory / 1_048_576.0) as u64)),
        ("{memory}", format!("{}", memory as u64)),
        ("{seconds}", format!("{}", after.as_secs())),
        ("{time}", at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()),
        ("{klog}", at.strftime("%m%d %H:%M:%S%.6f").to_string()),
        ("{pod}", words.run.key.name.to_string()),
        ("{namespace}", words.run.key.ns.to_string()),
        ("{node}", words.run.node.to_string()),
        ("{ip}", words.run.ip.clone().unwrap_or_default()),
    ] {
        if out.contains(word) {
            out = out.replace(word, &value);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repeated_lines_come_at_their_times_and_not_for_ever() {
        let line: LogLine = serde_saphyr::from_str("{every: 10s, from: 5s, until: 26s, line: x}").unwrap();
        let secs = Duration::from_secs;
        let at = |elapsed, after| {
            moments(&line, secs(elapsed), after).iter().map(|m| m.1.as_secs()).collect::<Vec<_>>()
        };
        assert_eq!(at(100, None), [5, 15, 25]);
        assert_eq!(at(16, None), [5, 15]);
        assert_eq!(at(100, Some(secs(20))), [15, 25]);
        assert_eq!(at(4, None), Vec::<u64>::new());
        let endless: LogLine = serde_saphyr::from_str("{every: 1s, line: x}").unwrap();
        assert_eq!(moments(&endless, secs(1_000_000), None).len() as u64, KEPT + 1);
    }
}
