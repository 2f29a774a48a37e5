//! The kinds that the server serves, as far as discovery has answered.

use crate::world::{Kind, Offer, Time};

/// The kinds that the server serves, as far as discovery has answered.
#[derive(Debug, Default)]
pub struct Catalogue {
    pub offers: Vec<Offer>,
    /// When it was last asked, and what came of that.
    pub(super) asked: Option<Time>,
    pub(super) known: bool,
    pub(super) trouble: Option<String>,
    /// A line that waits for the server to say what its word means.
    pub(super) waiting: Option<String>,
}

impl Catalogue {
    /// The kind that a word names: its plural, kind, short name, or plural and group.
    pub fn kind(&self, word: &str) -> Option<Kind> {
        let of = |offers: &mut dyn Iterator<Item = &Offer>| offers.next().map(|o| o.kind.clone());
        // Where several groups have a kind of one name, the first wins, as in kubectl.
        of(&mut self.offers.iter().filter(|o| o.answers_to(word)))
    }

    /// The word a kind is listed under: with its group where another kind has the same.
    pub fn word(&self, kind: &Kind) -> String {
        let alike = self.offers.iter().filter(|o| o.kind.plural() == kind.plural()).count();
        if alike > 1 && !kind.group().is_empty() {
            format!("{}.{}", kind.plural(), kind.group())
        } else {
            kind.plural().to_owned()
        }
    }

    /// Whether the server has said what it serves.
    pub fn known(&self) -> bool {
        self.known
    }

    /// Why a word is not known, where that may be for lack of the server's answer.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }
}
