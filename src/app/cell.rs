//! One cell of a table: a typed value to sort and compare by, and the scope of its style. Text is made when drawn.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::time::Duration;

use crate::world::time::human;
use crate::world::{Text, Time};

#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Text(Text),
    Word(&'static str),
    /// A sign of the theme, and the word it stands for.
    Sign(&'static str, &'static str),
    Num(i64),
    /// A point in time, shown as the age it has.
    Age(Time),
    /// A point in time, shown as the time of day.
    Clock(Time),
    /// So many of so many; sorts by what is missing, then by how many there should be.
    Of(u32, u32),
    Bytes(u64),
    Millicores(u64),
    /// A bar that is so many thousandths full.
    Bar(u16),
    /// Text with a number to sort by.
    Ranked(i64, Text),
}

impl Value {
    pub fn text(text: &Text) -> Value {
        if text.is_empty() { Value::None } else { Value::Text(text.clone()) }
    }

    pub fn age(time: Option<Time>) -> Value {
        time.map_or(Value::None, Value::Age)
    }

    fn rank(&self) -> u8 {
        match self {
            Value::Num(_) | Value::Bytes(_) | Value::Millicores(_) | Value::Bar(_) => 0,
            Value::Age(_) | Value::Clock(_) => 1,
            Value::Of(..) => 2,
            Value::Ranked(..) => 3,
            Value::Text(_) | Value::Word(_) | Value::Sign(..) => 4,
            Value::None => 5,
        }
    }

    fn number(&self) -> i64 {
        match self {
            Value::Num(n) | Value::Ranked(n, _) => *n,
            Value::Bytes(n) | Value::Millicores(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Value::Bar(n) => i64::from(*n),
            // The younger, the smaller its age.
            Value::Age(t) | Value::Clock(t) => -t.0,
            Value::Of(have, want) => i64::from(*have) - i64::from(*want),
            Value::Text(_) | Value::Word(_) | Value::Sign(..) | Value::None => 0,
        }
    }

    fn word(&self) -> &str {
        match self {
            Value::Text(t) | Value::Ranked(_, t) => t,
            Value::Word(w) | Value::Sign(_, w) => w,
            _ => "",
        }
    }

    /// A number that never contradicts the order of values: of two with different ones, the smaller comes first. Most
    /// values that differ have different ones.
    pub fn prefix(&self) -> u128 {
        let rest = match self {
            Value::Text(_) | Value::Word(_) | Value::Sign(..) => {
                u128::from_be_bytes(natural_prefix(self.word()))
            }
            // Shifted above the negative numbers.
            _ => self.number().abs_diff(i64::MIN).into(),
        };
        (u128::from(self.rank()) << 120) | rest
    }

    /// What is shown for it at `now`. Raw: the cluster's text is cleaned where it is drawn.
    pub fn show(&self, now: Time) -> Cow<'_, str> {
        match self {
            Value::None => Cow::Borrowed(""),
            Value::Text(t) | Value::Ranked(_, t) => Cow::Borrowed(t),
            Value::Word(w) | Value::Sign(_, w) => Cow::Borrowed(w),
            Value::Num(n) => Cow::Owned(n.to_string()),
            Value::Age(t) => Cow::Owned(human(t.age(now))),
            Value::Clock(t) => Cow::Owned(clock(*t)),
            Value::Of(a, b) => Cow::Owned(format!("{a}/{b}")),
            Value::Bytes(n) => Cow::Owned(bytes(*n)),
            Value::Millicores(n) => Cow::Owned(format!("{n}m")),
            Value::Bar(n) => Cow::Owned(format!("{}%", n / 10)),
        }
    }

    /// When its text will next read differently, for values that change by themselves.
    pub fn changes_after(&self, now: Time) -> Option<Time> {
        let Value::Age(t) = self else { return None };
        let age = t.age(now).as_secs();
        let step = if age < 600 {
            1
        } else if age < 8 * 3600 {
            60
        } else {
            3600
        };
        Some(t.plus(Duration::from_secs((age / step + 1) * step)))
    }
}

impl Eq for Value {}

impl PartialOrd for Value {
    fn partial_cmp(&self, other: &Value) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Value {
    fn cmp(&self, other: &Value) -> Ordering {
        self.rank()
            .cmp(&other.rank())
            .then_with(|| self.number().cmp(&other.number()))
            .then_with(|| natural(self.word(), other.word()))
    }
}

/// Text order in which `node-9` comes before `node-10`.
fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    loop {
        match (a.first(), b.first()) {
            (None, None) => return Ordering::Equal,
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(x), Some(y)) if x.is_ascii_digit() && y.is_ascii_digit() => {
                let digits = |s: &[u8]| s.iter().take_while(|c| c.is_ascii_digit()).count();
                let (n, m) = (digits(a), digits(b));
                let trim = |s: &[u8]| s.iter().take_while(|c| **c == b'0').count();
                let (x, y) = (&a[trim(&a[..n])..n], &b[trim(&b[..m])..m]);
                let order = x.len().cmp(&y.len()).then_with(|| x.cmp(y)).then_with(|| n.cmp(&m));
                if order != Ordering::Equal {
                    return order;
                }
                (a, b) = (&a[n..], &b[m..]);
            }
            (Some(x), Some(y)) => {
                if x != y {
                    return x.cmp(y);
                }
                (a, b) = (&a[1..], &b[1..]);
            }
        }
    }
}

/// The beginning of a text in bytes that compare as `natural` does: a number in it as a mark, its length without
/// leading zeros, its digits, and its length with them. The first byte stays free.
fn natural_prefix(text: &str) -> [u8; 16] {
    let mut out = [0; 16];
    let (mut at, mut rest) = (1, text.as_bytes());
    let mut put = |bytes: &[u8]| {
        let n = bytes.len().min(16 - at);
        out[at..at + n].copy_from_slice(&bytes[..n]);
        at += n;
        at < 16
    };
    while let Some(first) = rest.first() {
        if !first.is_ascii_digit() {
            if !put(&[*first]) {
                break;
            }
            rest = &rest[1..];
            continue;
        }
        let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
        let zeros = rest[..digits].iter().take_while(|c| **c == b'0').count();
        // Beyond this a number fills what room there is; its length is compared capped, its digits then decide
        // nothing.
        let (long, whole) = ((digits - zeros).min(200) as u8, digits.min(200) as u8);
        if !put(&[b'0', long]) || long == 200 || !put(&rest[zeros..digits]) || !put(&[whole]) || whole == 200
        {
            break;
        }
        rest = &rest[digits..];
    }
    out
}

/// Time of day in UTC.
pub fn clock(t: Time) -> String {
    let s = t.seconds().rem_euclid(86400);
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

/// Bytes with a binary unit, as Kubernetes writes them: `2Gi`, `1.5Gi`, `180Mi`.
pub fn bytes(n: u64) -> String {
    const UNITS: [&str; 6] = ["B", "Ki", "Mi", "Gi", "Ti", "Pi"];
    let (mut value, mut unit) = (n as f64, 0);
    while value >= 1024.0 && unit < UNITS.len() - 1 {
        value /= 1024.0;
        unit += 1;
    }
    let tenths = (value * 10.0).round() / 10.0;
    if tenths.fract() == 0.0 || tenths >= 100.0 {
        format!("{tenths:.0}{}", UNITS[unit])
    } else {
        format!("{tenths:.1}{}", UNITS[unit])
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub value: Value,
    /// The style's scope, e.g. `status.bad`.
    pub scope: &'static str,
}

impl Cell {
    pub fn new(value: Value, scope: &'static str) -> Cell {
        Cell { value, scope }
    }

    pub fn plain(value: Value) -> Cell {
        Cell { value, scope: "text" }
    }

    pub fn dim(value: Value) -> Cell {
        Cell { value, scope: "text.dim" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_sort_by_what_they_mean() {
        let t = |s: &str| Value::Text(s.into());
        assert!(t("node-9") < t("node-10"));
        assert!(t("node-09") > t("node-9"));
        assert!(Value::Num(9) < Value::Num(10));
        assert!(Value::Age(Time(5_000)) < Value::Age(Time(1_000)), "the younger first");
        assert!(Value::Of(0, 3) < Value::Of(2, 3));
        assert_eq!(bytes(2 << 30), "2Gi");
        assert_eq!(bytes(188_743_680), "180Mi");
        assert_eq!(bytes(1_610_612_736), "1.5Gi");
    }

    proptest::proptest! {
        #[test]
        fn a_prefix_never_contradicts_the_order(
            a in "[a-c0-2.-]{0,12}", b in "[a-c0-2.-]{0,12}", n: i64, m: i64, bytes: u64,
        ) {
            let text = |s: &str| Value::Text(s.into());
            let long = format!("{a}{}", "1".repeat(n.unsigned_abs() as usize % 300));
            let values = [text(&a), text(&b), text(&long), Value::Num(n), Value::Num(m), Value::Num(n % 9), Value::Bytes(bytes),
                Value::Age(Time(m / 4)), Value::Of(3, 4), Value::Ranked(n, "x".into()), Value::None];
            for x in &values {
                for y in &values {
                    if x.prefix() < y.prefix() {
                        proptest::prop_assert_eq!(x.cmp(y), Ordering::Less, "{:?} {:?}", x, y);
                    }
                }
            }
        }
    }

    #[test]
    fn an_age_says_when_it_will_read_differently() {
        for age in [0u64, 59, 119, 120, 599, 600, 659, 3 * 3600 - 1, 3 * 3600, 8 * 3600, 50 * 3600] {
            let now = Time(1_000_000_000);
            let v = Value::Age(now.minus(Duration::from_secs(age)));
            let then = v.changes_after(now).unwrap();
            assert!(then > now);
            let just_before = then.minus(Duration::from_millis(1));
            assert_eq!(v.show(now), v.show(just_before), "{age}");
        }
    }
}
