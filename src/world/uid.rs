//! The uid of an object, which the API server assigns for the object's lifetime.

use serde::{Deserialize, Serialize};

use super::Text;

/// `metadata.uid`. A UUID takes 16 bytes; any other uid is stored as text.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Uid {
    /// A UUID, as the API server assigns it.
    Uuid(u128),
    /// Any other text.
    Other(Text),
}

impl From<&str> for Uid {
    fn from(text: &str) -> Uid {
        let b = text.as_bytes();
        let canonical = b.len() == 36
            && b.iter().enumerate().all(|(i, c)| match i {
                8 | 13 | 18 | 23 => *c == b'-',
                _ => c.is_ascii_digit() || (b'a'..=b'f').contains(c),
            });
        if canonical {
            let value =
                b.iter().filter_map(|c| (*c as char).to_digit(16)).fold(0u128, |a, d| a << 4 | u128::from(d));
            return Uid::Uuid(value);
        }
        Uid::Other(text.into())
    }
}

impl From<String> for Uid {
    fn from(text: String) -> Uid {
        Uid::from(text.as_str())
    }
}

impl From<Uid> for String {
    fn from(uid: Uid) -> String {
        uid.to_string()
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Uid::Other(t) => f.write_str(t),
            Uid::Uuid(v) => {
                let h = format!("{v:032x}");
                write!(f, "{}-{}-{}-{}-{}", &h[..8], &h[8..12], &h[12..16], &h[16..20], &h[20..])
            }
        }
    }
}

impl Default for Uid {
    fn default() -> Uid {
        Uid::Uuid(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uid_round_trips_whatever_it_is() {
        for text in
            ["86c329bb-fa84-4cbb-b956-cc032997174a", "0123", "86C329BB-FA84-4CBB-B956-CC032997174A", ""]
        {
            assert_eq!(Uid::from(text).to_string(), text);
        }
    }
}
