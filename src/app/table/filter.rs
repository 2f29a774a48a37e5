//! What an operator types after `/`: a pattern, its inverse, labels, a fuzzy word, or a column compared.

use std::time::Duration;

use regex::{Regex, RegexBuilder};

use crate::app::table::cell::{Cell, Value};
use crate::app::table::columns::Column;
use crate::app::table::cx::Cx;
use crate::world::{Labels, Selector, Slot, Time};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Less,
    AtMost,
    Equal,
    Not,
    AtLeast,
    More,
}

#[derive(Clone, Debug)]
enum Test {
    /// Matches anywhere in the row, whatever the case.
    Pattern(Regex),
    /// Labels as `-l` has them, or the same text in the row.
    Either(Selector, Regex),
    /// All words, anywhere in the row: what a pattern that is not a regular expression still means.
    Words(Vec<String>),
    Fuzzy(Vec<char>),
    Labels(Selector),
    Column {
        name: String,
        compare: Compare,
        value: String,
    },
}

/// A filter with the text it was made from. The empty filter keeps every row.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub text: String,
    inverse: bool,
    test: Option<Test>,
    /// Why the text does not mean what it looks like, for the prompt to say.
    pub note: Option<String>,
}

impl Filter {
    /// A filter of a table's rows.
    pub fn of_table(text: &str, columns: &[Column]) -> Filter {
        Filter::parse(text, |name| columns.iter().any(|c| c.is(name)))
    }

    /// Never fails: what cannot be read as a pattern is looked for as words, and `note` says so.
    pub fn parse(text: &str, is_column: impl Fn(&str) -> bool) -> Filter {
        let mut filter = Filter { text: text.to_owned(), ..Filter::default() };
        let mut rest = text.trim();
        if rest.is_empty() {
            return filter;
        }
        if let Some(labels) = rest.strip_prefix("-l ") {
            match Selector::parse(labels) {
                Ok(s) => filter.test = Some(Test::Labels(s)),
                Err(why) => {
                    filter.note = Some(why);
                    filter.test = Some(Test::Words(Vec::new()));
                }
            }
            return filter;
        }
        if let Some(word) = rest.strip_prefix("-f ") {
            filter.test = Some(Test::Fuzzy(word.to_lowercase().chars().filter(|c| *c != ' ').collect()));
            return filter;
        }
        if let Some(after) = rest.strip_prefix('!') {
            filter.inverse = true;
            rest = after.trim();
        }
        if let Some(test) = comparison(rest, is_column) {
            filter.test = Some(test);
            return filter;
        }
        let strange = rest.split_once(['<', '>', '=']).map(|(name, _)| name.trim_end_matches('!').trim());
        let strange =
            strange.filter(|n| !n.is_empty() && !n.contains(|c: char| "(){}[]?*+|\\^$ ".contains(c)));
        filter.test =
            Some(match RegexBuilder::new(rest).case_insensitive(true).size_limit(1 << 20).build() {
                Ok(r) => match (Selector::parse(rest), strange) {
                    (Ok(labels), Some(name)) if rest.contains('=') && !rest.contains(['<', '>']) => {
                        filter.note = Some(format!("no column {name} here: labels, or that text"));
                        Test::Either(labels, r)
                    }
                    (_, Some(name)) => {
                        filter.note = Some(format!("no column {name} here: looked for as it stands"));
                        Test::Pattern(r)
                    }
                    _ => Test::Pattern(r),
                },
                Err(_) => {
                    filter.note = Some("not a regular expression: looked for as it stands".into());
                    Test::Words(rest.to_lowercase().split_whitespace().map(str::to_owned).collect())
                }
            });
        filter
    }

    pub fn is_empty(&self) -> bool {
        self.test.is_none()
    }

    /// The column it compares.
    pub fn column(&self) -> Option<&str> {
        match &self.test {
            Some(Test::Column { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// Whether a row of a short list stays: its cells, and the names of their columns. Such rows have no labels.
    pub fn passes(&self, names: &[&str], cells: &[Cell], now: Time) -> bool {
        let Some(test) = &self.test else { return true };
        let row = || {
            let texts: Vec<_> = cells.iter().map(|c| c.value.show(now)).collect();
            texts.join(" ")
        };
        let hit = match test {
            Test::Pattern(r) | Test::Either(_, r) => r.is_match(&row()),
            Test::Words(words) => {
                let row = row().to_lowercase();
                words.iter().all(|w| row.contains(w))
            }
            Test::Fuzzy(letters) => fuzzy(letters, &row().to_lowercase()),
            Test::Labels(_) => false,
            Test::Column { name, compare, value } => names
                .iter()
                .position(|n| n.eq_ignore_ascii_case(name))
                .and_then(|i| cells.get(i))
                .is_some_and(|cell| compares(&cell.value, *compare, value, now)),
        };
        hit != self.inverse
    }

    /// Whether the row stays. `labels` are the object's, where it has any.
    /// `text` is room to write the row down in, whatever is in it.
    pub fn keeps(
        &self,
        cx: &Cx<'_>,
        columns: &[Column],
        slot: Slot,
        labels: Option<&Labels>,
        text: &mut String,
    ) -> bool {
        let Some(test) = &self.test else { return true };
        let hit = match test {
            Test::Labels(s) => labels.is_some_and(|l| s.matches(l)),
            Test::Column { name, compare, value } => columns
                .iter()
                .find(|c| c.is(name))
                .is_some_and(|c| compares(&c.value(cx, slot), *compare, value, cx.now)),
            Test::Pattern(r) => {
                row_text(cx, columns, slot, text);
                r.is_match(text)
            }
            Test::Either(s, r) => {
                labels.is_some_and(|l| s.matches(l)) || {
                    row_text(cx, columns, slot, text);
                    r.is_match(text)
                }
            }
            Test::Words(words) => {
                row_text(cx, columns, slot, text);
                let row = text.to_lowercase();
                words.iter().all(|w| row.contains(w))
            }
            Test::Fuzzy(letters) => {
                row_text(cx, columns, slot, text);
                fuzzy(letters, &text.to_lowercase())
            }
        };
        hit != self.inverse
    }
}

/// The letters in this order, with others in between.
fn fuzzy(letters: &[char], row: &str) -> bool {
    let mut chars = row.chars();
    letters.iter().all(|l| chars.any(|c| c == *l))
}

/// What the row says, in one line; ages are left out, they would match by accident.
fn row_text(cx: &Cx<'_>, columns: &[Column], slot: Slot, out: &mut String) {
    out.clear();
    for c in columns {
        let value = c.value(cx, slot);
        if !matches!(value, Value::None | Value::Age(_)) {
            out.push_str(&value.show(cx.now));
            out.push(' ');
        }
    }
}

/// `restarts>5`, `status=CrashLoopBackOff`, `age<10m`, where the word before the sign names a column.
fn comparison(text: &str, is_column: impl Fn(&str) -> bool) -> Option<Test> {
    let at = text.find(['<', '>', '=', '!'])?;
    let (name, rest) = (text[..at].trim(), &text[at..]);
    let name = if name.eq_ignore_ascii_case("restarts") { "↻" } else { name };
    if !is_column(name) {
        return None;
    }
    let signs = [
        ("<=", Compare::AtMost),
        (">=", Compare::AtLeast),
        ("!=", Compare::Not),
        ("==", Compare::Equal),
        ("<", Compare::Less),
        (">", Compare::More),
        ("=", Compare::Equal),
    ];
    let (sign, compare) = signs.into_iter().find(|(s, _)| rest.starts_with(s))?;
    Some(Test::Column { name: name.into(), compare, value: rest[sign.len()..].trim().into() })
}

fn compares(have: &Value, compare: Compare, want: &str, now: Time) -> bool {
    use std::cmp::Ordering;
    let number = |n: f64| want_number(want).and_then(|w| n.partial_cmp(&w));
    let order = match have {
        Value::Num(n) => number(*n as f64),
        Value::Millicores(n) => number(*n as f64),
        Value::Bytes(n) => want_bytes(want).map(|w| n.cmp(&w)),
        Value::Age(t) => want_duration(want).map(|w| t.age(now).cmp(&w)),
        Value::Of(a, _) => number(f64::from(*a)),
        Value::None => return compare == Compare::Not && !want.is_empty(),
        other => Some(other.show(now).to_lowercase().as_str().cmp(want.to_lowercase().as_str())),
    };
    order.is_some_and(|o| match compare {
        Compare::Less => o == Ordering::Less,
        Compare::AtMost => o != Ordering::Greater,
        Compare::Equal => o == Ordering::Equal,
        Compare::Not => o != Ordering::Equal,
        Compare::AtLeast => o != Ordering::Less,
        Compare::More => o == Ordering::Greater,
    })
}

fn want_number(text: &str) -> Option<f64> {
    text.trim_end_matches(['%', 'm']).parse().ok()
}

fn want_bytes(text: &str) -> Option<u64> {
    let split = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let number: f64 = text[..split].parse().ok()?;
    let unit = match text[split..].to_ascii_lowercase().trim_end_matches(['i', 'b']) {
        "" => 1.0,
        "k" => 1024.0,
        "m" => 1024.0 * 1024.0,
        "g" => 1024.0 * 1024.0 * 1024.0,
        "t" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * unit) as u64)
}

/// `90s`, `10m`, `3h`, `2d`, `1h30m`.
pub fn want_duration(text: &str) -> Option<Duration> {
    let (mut total, mut number) = (0u64, String::new());
    for c in text.chars() {
        if c.is_ascii_digit() {
            number.push(c);
            continue;
        }
        let n: u64 = number.parse().ok()?;
        number.clear();
        total = total.checked_add(n.checked_mul(match c {
            's' => 1,
            'm' => 60,
            'h' => 3600,
            'd' => 86400,
            'w' => 604_800,
            _ => return None,
        })?)?;
    }
    if number.is_empty() && !text.is_empty() { Some(Duration::from_secs(total)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_operators_write_them() {
        assert_eq!(want_duration("1h30m"), Some(Duration::from_secs(5400)));
        assert_eq!(want_duration("10"), None);
        assert_eq!(want_duration("x"), None);
        assert_eq!(want_bytes("2Gi"), Some(2 << 30));
    }

    #[test]
    fn values_compare_by_what_they_are() {
        let now = Time(1_000_000);
        assert!(compares(&Value::Num(6), Compare::More, "5", now));
        assert!(compares(&Value::Num(12), Compare::More, "5", now), "not as text");
        assert!(compares(&Value::Age(Time(1_000_000 - 60_000)), Compare::Less, "10m", now));
        assert!(compares(&Value::Text("CrashLoopBackOff".into()), Compare::Equal, "crashloopbackoff", now));
        assert!(!compares(&Value::Num(6), Compare::More, "many", now));
    }
}
