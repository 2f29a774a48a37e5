//! What a word typed after `:` means: a whole name or alias, the beginning of one, or nothing that may run.

use crate::app::core::model::Model;
use crate::app::core::served;
use crate::config::commands::{self, COMMANDS, Id, Scope};
use crate::remedy;
use crate::world::Kind;

/// What a word stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Meaning {
    /// The table of a kind.
    Kind(Kind),
    Command(Id),
}

/// How a typed word reads.
#[derive(Clone, Debug, PartialEq)]
pub enum Reading {
    /// The word is a name or an alias, or begins the names of one thing only that may run so.
    Is(Meaning),
    /// The word begins these names, and they mean different things.
    Several(Vec<String>),
    /// The word begins this name of a command that runs by its whole name only.
    Guarded(String),
    /// khud runs nothing by this word: a sentence that says what to use.
    Elsewhere(String),
    /// No name begins with the word.
    Unknown,
}

/// k9s's own aliases of kinds, and the resource each names there.
const KINDS: &[(&str, &str)] = &[
    ("sec", "secrets"),
    ("jo", "jobs"),
    ("cr", "clusterroles.rbac.authorization.k8s.io"),
    ("crb", "clusterrolebindings.rbac.authorization.k8s.io"),
    ("ro", "roles.rbac.authorization.k8s.io"),
    ("rb", "rolebindings.rbac.authorization.k8s.io"),
    ("np", "networkpolicies.networking.k8s.io"),
];

/// k9s's words for views that khud has not, and what to use.
const ELSEWHERE: &[(&[&str], &str)] = &[
    (&["pop", "popeye"], "khud has no popeye: `:audit` lists what is missing, `:findings` what is wrong."),
    (&["be", "bench", "benchmark", "benchmarks"], "khud runs no benchmarks: use hey, as k9s does."),
    (
        &["sd", "screendump", "screendumps"],
        "khud lists no saved screens: `:save` writes the view to a file and says where.",
    ),
    (&["dir", "d", "ls"], "khud applies no files: use kubectl apply -f FILE."),
    (&["hm", "helm", "chart", "charts"], "khud reads no Helm releases: use helm list -A."),
    (&["usr", "user", "users"], "khud lists no users: `:crb` and `:rb` list who is bound to which role."),
    (&["grp", "group", "groups"], "khud lists no groups: `:crb` and `:rb` list who is bound to which role."),
];

/// How the word reads, as far as the server has said what it serves.
pub fn read(model: &Model, word: &str) -> Reading {
    if word.is_empty() {
        return Reading::Unknown;
    }
    if let Some(meaning) = exact(model, word) {
        return Reading::Is(meaning);
    }
    if let Some(sentence) = elsewhere(model, word) {
        return Reading::Elsewhere(sentence);
    }
    let mut begun: Vec<(String, Meaning)> = Vec::new();
    for name in names(model, word) {
        if let Some(meaning) = exact(model, &name)
            && begun.iter().all(|(_, m)| *m != meaning)
        {
            begun.push((name, meaning));
        }
    }
    match begun.as_slice() {
        [] => Reading::Unknown,
        [(name, Meaning::Command(id))] if id.command().whole_name_only => Reading::Guarded(name.clone()),
        [(_, meaning)] => Reading::Is(meaning.clone()),
        _ => Reading::Several(begun.into_iter().map(|(name, _)| name).collect()),
    }
}

/// What the word means, where it reads as one thing.
pub fn of(model: &Model, word: &str) -> Option<Meaning> {
    match read(model, word) {
        Reading::Is(meaning) => Some(meaning),
        _ => None,
    }
}

/// The kind the word means: `po`, `pods`, the beginning of such a name.
pub fn kind(model: &Model, word: &str) -> Option<Kind> {
    match of(model, word)? {
        Meaning::Kind(kind) => Some(kind),
        Meaning::Command(_) => served::kind(model, word),
    }
}

/// What a whole name or alias means. khud's kinds come first, then k9s's aliases and the commands, then what the
/// server serves: a name must not change its meaning with the cluster.
fn exact(model: &Model, word: &str) -> Option<Meaning> {
    if Kind::parse(word).is_some() {
        return served::kind(model, word).map(Meaning::Kind);
    }
    if let Some(resource) = of_k9s(word) {
        return served::kind(model, resource).map(Meaning::Kind);
    }
    if let Some(command) = commands::by_word(word) {
        return Some(Meaning::Command(command.id));
    }
    served::kind(model, word).map(Meaning::Kind)
}

fn of_k9s(word: &str) -> Option<&'static str> {
    KINDS.iter().find(|(alias, _)| *alias == word).map(|(_, resource)| *resource)
}

/// What to do instead, for a word that runs nothing here.
fn elsewhere(model: &Model, word: &str) -> Option<String> {
    if let Some(resource) = of_k9s(word).filter(|_| model.served.known()) {
        return Some(format!("The server serves no {resource}."));
    }
    if let Some((_, sentence)) = ELSEWHERE.iter().find(|(words, _)| words.contains(&word)) {
        return Some((*sentence).to_owned());
    }
    let action = remedy::action(word)?;
    let key =
        model.keymap.shown(Scope::Rows, Id::Act).unwrap_or_else(|| format!(":{}", Id::Act.command().name));
    let what: Vec<String> = action.kinds.iter().map(|k| k.name().to_lowercase()).collect();
    let what = if what.is_empty() { "an object".to_owned() } else { what.join(", ") };
    Some(format!("{} is an action: put the cursor on it ({what}) and press {key}.", action.title))
}

/// Every name and alias that begins with the word, shortest first, so that the name shown is the one to type.
fn names(model: &Model, word: &str) -> Vec<String> {
    let known = Kind::ALL.iter().flat_map(|kind| {
        let words = kind.short().iter().map(|s| (*s).to_owned());
        words.chain([kind.plural().to_owned(), kind.name().to_ascii_lowercase()])
    });
    let served = model.served.offers.iter().flat_map(|offer| {
        let kind = &offer.kind;
        let full = format!("{}.{}", kind.plural(), kind.group());
        let short = offer.short.iter().map(|s| s.to_string());
        short.chain([kind.plural().to_owned(), kind.name().to_ascii_lowercase(), full])
    });
    let commands = COMMANDS
        .iter()
        .filter(|c| c.typed())
        .flat_map(|c| std::iter::once(c.name).chain(c.words.iter().copied()).map(str::to_owned));
    let word = word.to_ascii_lowercase();
    // A name with a dot is meant only by somebody who types one.
    let meant = |name: &String| name.starts_with(&word) && (word.contains('.') || !name.contains('.'));
    let mut names: Vec<String> = known.chain(served).chain(commands).filter(meant).collect();
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_k9s_is_said_to_be_elsewhere_only_where_khud_has_none_of_it() {
        for (words, sentence) in ELSEWHERE {
            assert!(sentence.len() < 100 && sentence.ends_with('.'), "{sentence}");
            for word in *words {
                assert!(commands::by_word(word).is_none(), "{word} is a command: its sentence must go");
                assert!(Kind::parse(word).is_none(), "{word} is a kind");
            }
        }
    }
}
