//! Label selectors of workloads, Services and budgets, and those that a user types.

use serde::{Deserialize, Serialize};

use super::{Labels, Text};

/// One requirement of a selector: a label key and its allowed values.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Requirement {
    /// The label exists with one of these values.
    In(Text, Box<[Text]>),
    /// The label is missing or has none of these values.
    NotIn(Text, Box<[Text]>),
    /// The label exists.
    Exists(Text),
    /// The label is missing.
    DoesNotExist(Text),
}

/// A list of requirements that must all hold. As in the API, the empty selector matches everything.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Selector(pub Box<[Requirement]>);

impl Selector {
    /// Whether the labels meet all requirements.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.0.iter().all(|r| match r {
            Requirement::In(k, vs) => labels.get(k).is_some_and(|v| vs.iter().any(|x| &**x == v)),
            Requirement::NotIn(k, vs) => labels.get(k).is_none_or(|v| vs.iter().all(|x| &**x != v)),
            Requirement::Exists(k) => labels.get(k).is_some(),
            Requirement::DoesNotExist(k) => labels.get(k).is_none(),
        })
    }

    /// Whether there are no requirements.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Parses kubectl's notation: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    /// A sentence that names the part that could not be parsed.
    pub fn parse(text: &str) -> Result<Selector, String> {
        let mut out = Vec::new();
        for part in split(text) {
            let part = part.trim();
            if part.is_empty() {
                continue;
            }
            out.push(requirement(part).ok_or_else(|| {
                format!("cannot read {part:?} as a label selector; write a=b, a!=b, a in (b,c), a or !a")
            })?);
        }
        Ok(Selector(out.into()))
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut depth, mut from, mut out) = (0usize, 0, Vec::new());
    for (i, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                out.push(&text[from..i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    out.push(&text[from..]);
    out
}

fn requirement(part: &str) -> Option<Requirement> {
    let key = |k: &str| {
        let k = k.trim();
        let fine = !k.is_empty() && k.chars().all(|c| c.is_ascii_alphanumeric() || "-_./".contains(c));
        fine.then(|| Text::from(k))
    };
    let list = |s: &str| -> Option<Box<[Text]>> {
        let inner = s.trim().strip_prefix('(')?.strip_suffix(')')?;
        Some(inner.split(',').map(|v| Text::from(v.trim())).collect())
    };
    let word = |s: &str, op: &str| s.find(op).map(|i| (s[..i].to_owned(), s[i + op.len()..].to_owned()));
    if let Some((k, v)) =
        word(part, " notin ").or_else(|| word(part, " notin(").map(|(k, v)| (k, format!("({v}"))))
    {
        return Some(Requirement::NotIn(key(&k)?, list(&v)?));
    }
    if let Some((k, v)) = word(part, " in ").or_else(|| word(part, " in(").map(|(k, v)| (k, format!("({v}"))))
    {
        return Some(Requirement::In(key(&k)?, list(&v)?));
    }
    if let Some((k, v)) = part.split_once("!=") {
        return Some(Requirement::NotIn(key(k)?, Box::new([v.trim().into()])));
    }
    if let Some((k, v)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement::In(key(k)?, Box::new([v.trim().into()])));
    }
    if let Some(k) = part.strip_prefix('!') {
        return Some(Requirement::DoesNotExist(key(k)?));
    }
    Some(Requirement::Exists(key(part)?))
}

/// kubectl's notation, so that it can be pasted.
impl std::fmt::Display for Selector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, r) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match r {
                Requirement::In(k, v) if v.len() == 1 => write!(f, "{k}={}", v[0])?,
                Requirement::NotIn(k, v) if v.len() == 1 => write!(f, "{k}!={}", v[0])?,
                Requirement::In(k, v) => write!(f, "{k} in ({})", v.join(","))?,
                Requirement::NotIn(k, v) => write!(f, "{k} notin ({})", v.join(","))?,
                Requirement::Exists(k) => f.write_str(k)?,
                Requirement::DoesNotExist(k) => write!(f, "!{k}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let mut v: Vec<(Text, Text)> = pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect();
        v.sort();
        Labels(v.into())
    }

    #[test]
    fn selectors_mean_what_kubectl_says() {
        let web = labels(&[("app", "web"), ("env", "prod")]);
        for (text, want) in [
            ("app=web", true),
            ("app==web,env=prod", true),
            ("app!=web", false),
            ("tier!=db", true),
            ("env in (dev, prod)", true),
            ("env notin (dev,prod)", false),
            ("env,!tier", true),
            ("!env", false),
            ("", true),
        ] {
            let s = Selector::parse(text).unwrap();
            assert_eq!(s.matches(&web), want, "{text}");
            assert_eq!(Selector::parse(&s.to_string()).unwrap(), s, "{text}");
        }
        assert!(Selector::parse("a b c").is_err());
        assert!(Selector::parse("=x").is_err());
    }
}
