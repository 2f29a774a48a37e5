//! Acknowledging and muting findings: the line typed for it, what it does, and its way to the state directory.

use std::sync::Arc;
use std::time::Duration;

use crate::app::core::causes;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::record;
use crate::app::core::typed::{Prompt, PromptKind};
use crate::app::views::incidents;
use crate::detect::quiet::{How, Quiet, SHIFT};
use crate::detect::timeline::{Entry, What, lasting};
use crate::detect::{Finding, Key};
use crate::world::time::human;

/// How long a mute lasts where nothing else is typed.
const MUTED: Duration = Duration::from_secs(3600);
/// The longest a mute from the screen lasts; what is to be quiet for ever belongs in the configuration.
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

/// The keys: asks for the reason; on a finding that is acknowledged or muted already, takes that back.
pub fn ask(model: &mut Model, how: How) -> Vec<Effect> {
    let Some(finding) = model.finding().cloned() else { return Vec::new() };
    let keys = keys(model);
    if finding.is(how) {
        return take_back(model, &finding, &keys);
    }
    let (kind, what) = match how {
        How::Acknowledged => (PromptKind::Acknowledge, format!("acknowledge {}, why", finding.cause)),
        How::Muted => (PromptKind::Mute, format!("mute {} for how long (1h) and why", finding.cause)),
    };
    model.prompt = Some(Prompt { kind, findings: keys, what, ..Prompt::default() });
    Vec::new()
}

/// The same with the reason typed after the command's word.
pub fn line(model: &mut Model, how: How, text: &str) -> Vec<Effect> {
    let keys = keys(model);
    if keys.is_empty() {
        model.say(Tone::Info, "There is no finding under the cursor.");
        return Vec::new();
    }
    said(model, how, &keys, text)
}

/// The keys of all findings that the line under the cursor stands for: of an incident, of each in it.
fn keys(model: &Model) -> Vec<Key> {
    match (incidents::here(model), model.finding()) {
        (Some(entry), _) => entry.keys(model),
        (None, Some(f)) => std::iter::once(&f.key).chain(&f.with).cloned().collect(),
        (None, None) => Vec::new(),
    }
}

/// The reason was given; for a mute after the time, where that is not an hour.
pub fn said(model: &mut Model, how: How, keys: &[Key], text: &str) -> Vec<Effect> {
    let (lasting, reason) = match how {
        How::Acknowledged => (SHIFT, text.trim()),
        How::Muted => timed(text.trim()),
    };
    if reason.is_empty() {
        model.say(Tone::Bad, "Not done: it wants a reason, for whoever reads it next.");
        return Vec::new();
    }
    let now = model.data.now;
    let findings: Vec<Arc<Finding>> =
        keys.iter().filter_map(|key| model.data.detector.finding(key)).cloned().collect();
    let Some(first) = findings.first().cloned() else {
        model.say(Tone::Info, "That finding is over.");
        return Vec::new();
    };
    let quiet = findings.iter().map(|f| Quiet {
        root: f.key.root.clone(),
        family: f.key.family.clone(),
        how,
        reason: reason.to_owned(),
        who: model.cluster.user.clone(),
        at: now,
        until: now.plus(lasting),
        severity: f.severity,
    });
    let quiet: Vec<Quiet> = quiet.collect();
    let data = &mut model.data;
    let found = data.detector.quiet(quiet, &data.world, now);
    causes::follow(model, found);
    let lasting = human(lasting);
    let (done, told) = match how {
        How::Acknowledged => {
            ("acknowledged".to_owned(), "Acknowledged until it ends or gets worse.".to_owned())
        }
        How::Muted => (format!("muted for {lasting}"), format!("Muted for {lasting}.")),
    };
    let entry = match how {
        How::Acknowledged => What::Acknowledged,
        How::Muted => What::Note,
    };
    note(model, entry, &first, &format!("{done}: {reason}"));
    model.say(Tone::Good, format!("{told} The same key takes it back."));
    vec![Effect::SaveSilences(model.data.detector.quieted(now))]
}

/// Nobody has it any more, or it is told of again.
fn take_back(model: &mut Model, finding: &Finding, keys: &[Key]) -> Vec<Effect> {
    let now = model.data.now;
    let data = &mut model.data;
    let found = data.detector.unquiet(keys, &data.world, now);
    if found.is_empty() {
        let text =
            "config.toml mutes it ([[findings.mute]]): it is told of again when that is taken out there.";
        model.say(Tone::Info, text);
        return Vec::new();
    }
    causes::follow(model, found);
    let (done, told) = if finding.is(How::Muted) {
        ("no longer muted", "It is told of again.")
    } else {
        ("no longer acknowledged", "Nobody has it any more.")
    };
    note(model, What::Note, finding, done);
    model.say(Tone::Good, told);
    vec![Effect::SaveSilences(model.data.detector.quieted(now))]
}

fn note(model: &mut Model, as_what: What, finding: &Finding, what: &str) {
    let more = match finding.with.len() {
        0 => String::new(),
        n => format!(" (and {n} more of the same trouble)"),
    };
    let text = format!("{what} — {}{more}", finding.title);
    let entry = Entry::new(model.data.now, as_what, Some(finding.fix().clone()), text);
    record::entry(model, entry.by(model.cluster.user.clone()));
}

/// `2h the registry is moving`: how long, and the rest. Without a time an hour.
fn timed(text: &str) -> (Duration, &str) {
    let (first, rest) = text.split_once(' ').unwrap_or((text, ""));
    match lasting(first) {
        Some(d) => (d.min(LONGEST), rest.trim()),
        None => (MUTED, text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_mute_is_its_first_word_where_that_is_one() {
        let hours = |n: u64| Duration::from_secs(n * 3600);
        let cases = [
            ("2h the registry moves", hours(2), "the registry moves"),
            ("1d12h known", hours(36), "known"),
            ("the registry moves", hours(1), "the registry moves"),
            ("30 minutes", hours(1), "30 minutes"),
            ("h known", hours(1), "h known"),
            ("2h", hours(2), ""),
            ("99999d known", LONGEST, "known"),
            ("99999999999999999999d known", hours(1), "99999999999999999999d known"),
        ];
        for (text, lasting, reason) in cases {
            assert_eq!(timed(text), (lasting, reason), "{text}");
        }
    }
}
