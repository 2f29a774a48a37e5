//! Words that look like a fault and are none: counts of zero, names, things that were caught, documentation.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::bytes::Regex;

use super::pattern;

static ZERO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r#"(?xi)
          \b(?:0|no|zero|without(?:\ any)?)\ (?:[\w-]+\ )?(?:errors?|failures?|failed|rejected|refused|denied|dropped|warnings?|problems?|timeouts?)\b
        | \b[\w.-]*(?:errors?|err|failures?|failed|denied|refused|timeouts?|exceptions?|oom\w*|panics?|violations?)[\w.-]*["']?\s*[=:]\s*["']?(?:(?:0(?:\.0+)?|nil|null|none|false)\b|<nil>|\[\]|\{\})["']?
        | \b(?:errors?|failures?|failed|denied|refused|rejected|timeouts?|exceptions?)\ count\s*[=:]\s*0\b
        | \b(?:error|err)=""
        "#,
    )
});

/// Words that say the fault was dealt with.
static HANDLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?xi)
          \((?:ignored|ignoring|harmless|non-?fatal|expected|handled|recovered|retrying\ is\ fine)\)
        | \b(?:ignoring|will\ be\ ignored|was\ ignored|safely\ ignored|can\ be\ ignored|as\ expected|harmless)\b
        | \bnon-?fatal\b
        | \b(?:falling\ back|fell\ back|fall(?:s|ing)?\ back\ to|using\ (?:the\ )?(?:cached|default|fallback|stale)|served?\ from\ cache|serving\ stale)\b
        | \b(?:was|been|successfully|gracefully)\ (?:handled|recovered|retried)\b | \bhandled\ (?:exception|error)\b | ^recovered\b | \brecovered\ (?:from|after|in)\b
        | \b(?:retr(?:y|ies|ied|ying)|attempts?)\b[^\n]{0,80}\b(?:connected|succeeded|success(?:ful|fully)?|ok)\b
        | \bsucceeded\ (?:after|on)\b
        | \bskipp(?:ed|ing)\b
        | \bdeprecat(?:ed|ion)\b
        ",
    )
});

/// Words that take the sentence above back.
static NOT_HANDLED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:not|never|cannot|can't|couldn't|failed|unsuccessful\w*)\b[^\n]{0,12}\b(?:connected|succeeded|success\w*|handled|recovered|ignored|ok|fall)\b",
    )
});

/// Words right before a phrase that make it a thing that is talked about.
static SPOKEN_OF: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r#"(?xi)
        (?:\b(?:in\ case\ of|avoids?|avoid(?:ing)?|prevents?|protects?\ (?:from|against)|handles?|ignores?|when|if|until|unless|retry(?:ing)?\ on|retries\ on|on|alert(?:s|ing)?\ (?:on|for)|test(?:s|ing)?|simulat\w+|catch(?:es|ing)?|treats?|as\ long\ as|instead\ of|such\ as|like|e\.g\.|policy|configured\ for|watch(?:es|ing)?\ for|looking\ for|searching\ for|matching|matches|pattern|regex|rule|metric|label|called|named)
        (?:\ (?:an?|the|any|all|for|with|errors?|exceptions?))*|/)\s*["'`(]?$"#,
    )
});

static RECOVERED: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:re-?connected|re-?established|connection (?:is )?(?:restored|established|ok|successful|recovered)|successfully (?:connected|re-?connected|resolved|established|recovered|renewed)|connected (?:to|successfully)|recovered|back online|now healthy|is healthy again|became healthy|retry succeeded|succeeded after|resolved successfully|lease renewed|subscribed to)\b",
    )
});

static FAREWELL: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?i)\b(?:shut(?:ting)? ?down|stopp(?:ed|ing)|clos(?:ed|ing)|exit(?:ed|ing)?|terminat\w+|destroy\w+|bye|signal|draining|giving up|abort\w*|cancell?\w*)\b",
    )
});

/// A client that left, or a write that another one outran: the program retries, or has nothing to do.
static EVERYDAY: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r"(?xi)
          \bcontext\ canceled\b
        | \bclient\ (?:disconnected|closed\ (?:the\ )?connection|went\ away|aborted|gave\ up)\b
        | \bwrit(?:e|ing)\b[^\n]{0,120}\b(?:broken\ pipe|connection\ reset\ by\ peer)\b
        | \bthe\ object\ has\ been\ modified;\ please\ apply\ your\ changes\b
        ",
    )
});

fn found(words: &LazyLock<Option<Regex>>, text: &str) -> bool {
    words.as_ref().is_some_and(|p| p.is_match(text.as_bytes()))
}

/// The text without counts and fields that say "none".
pub fn without_zeros(text: &str) -> Cow<'_, str> {
    match ZERO.as_ref() {
        Some(p) if p.is_match(text.as_bytes()) => {
            Cow::Owned(String::from_utf8_lossy(&p.replace_all(text.as_bytes(), &b" "[..])).into_owned())
        }
        _ => Cow::Borrowed(text),
    }
}

/// Whether the text says that the fault was dealt with.
pub fn handled(text: &str) -> bool {
    found(&HANDLED, text) && !found(&NOT_HANDLED, text)
}

/// Whether the phrase that begins at `at` is only talked about.
pub fn spoken_of(text: &str, at: usize) -> bool {
    let mut from = at.saturating_sub(60);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    found(&SPOKEN_OF, &text[from..at])
}

/// Whether an error that no table knows is everyday life of a server or controller.
pub fn everyday(text: &str) -> bool {
    found(&EVERYDAY, text)
}

/// Whether the text says that what failed works again.
pub fn recovered(text: &str) -> bool {
    found(&RECOVERED, text) && !found(&NOT_HANDLED, text)
}

/// Whether a program says this while it ends: such lines do not show that it went on.
pub fn farewell(text: &str) -> bool {
    found(&FAREWELL, text)
}
