//! What the field's texts mean: message in, cause id and a few words out. Pure; every pattern is scoped by its source.
//!
//! Texts and their wording: Kubernetes 1.36 sources, containerd, and the runtimes people run. Each function is for
//! one source only ("connection refused" means one thing in a pull error and another in a probe), and says nothing
//! where nothing is proved. Causes are those the subjects declare.

pub mod log;
mod pod;
mod policy;
mod probe;
mod proxy;
mod schedule;

pub use pod::{admission, claim, create, evicted, mount, pull, pulled, sandbox, security, start};
pub use policy::{BudgetRefusal, budget_refusal, created};
pub use probe::{ProbeFailure, ProbeKind, ProbeOutcome, killed_for, probe};
pub use proxy::proxy_log;
pub use schedule::{DEVICES, Rejection, Scheduling, resource_claim, scheduler};

use super::Cause;

/// What a text proves.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    pub cause: Cause,
    /// A few words for a row, e.g. `tag v2.0.1 not found`.
    pub words: String,
    /// What the text names: the tag, ConfigMap, host, module, resource…; empty where it names nothing.
    pub subject: String,
}

impl Match {
    fn new(cause: Cause, words: impl Into<String>, subject: impl Into<String>) -> Match {
        Match { cause, words: words.into(), subject: subject.into() }
    }
}

/// A pattern compiled on first use.
macro_rules! re {
    ($name:ident, $pattern:expr) => {
        static $name: std::sync::LazyLock<regex::Regex> = std::sync::LazyLock::new(|| {
            // The patterns are literals, and a test compiles every one of them.
            #[allow(clippy::expect_used)]
            regex::Regex::new($pattern).expect("a literal pattern compiles")
        });
    };
}
use re;

/// The first group that took part in the match.
fn group<'a>(captures: &regex::Captures<'a>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|n| captures.name(n)).map(|m| m.as_str())
}

/// At most `n` characters, with `…` where something was cut.
fn short(text: &str, n: usize) -> String {
    let text = text.trim();
    if text.chars().count() <= n {
        return text.to_owned();
    }
    text.chars().take(n.saturating_sub(1)).chain(['…']).collect()
}
