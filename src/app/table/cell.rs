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
    /// A line of eight cells, each 1 (lowest) to 8, or 0 where nothing is known.
    Spark([u8; 8]),
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
            Value::Num(_) | Value::Bytes(_) | Value::Millicores(_) | Value::Bar(_) | Value::Spark(_) => 0,
            Value::Age(_) | Value::Clock(_) => 1,
            Value::Of(..) => 2,
            Value::Ranked(..) => 3,
            Value::Text(_) | Value::Word(_) | Value::Sign(..) => TEXT,
            Value::None => 5,
        }
    }

    fn number(&self) -> i64 {
        match self {
            Value::Num(n) | Value::Ranked(n, _) => *n,
            Value::Bytes(n) | Value::Millicores(n) => i64::try_from(*n).unwrap_or(i64::MAX),
            Value::Bar(n) => i64::from(*n),
            Value::Spark(cells) => i64::from(cells[7]) - i64::from(cells[0]),
            // The younger, the smaller its age.
            Value::Age(t) | Value::Clock(t) => -t.0,
            Value::Of(have, want) => {
                let missing = i64::from(*have) - i64::from(*want);
                missing.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) << 32 | i64::from(*want)
            }
            Value::Text(_) | Value::Word(_) | Value::Sign(..) | Value::None => 0,
        }
    }

    /// The text, of a value that is nothing else.
    pub fn as_text(&self) -> Option<&str> {
        matches!(self, Value::Text(_) | Value::Word(_) | Value::Sign(..)).then(|| self.word())
    }

    fn word(&self) -> &str {
        match self {
            Value::Text(t) | Value::Ranked(_, t) => t,
            Value::Word(w) | Value::Sign(_, w) => w,
            _ => "",
        }
    }

    /// The beginning of the value, to compare many by without looking at their texts.
    pub fn prefix(&self) -> Prefix {
        let mut to = Writer { bytes: [0; PREFIX], len: 0, whole: true };
        // Zero is free, so that nothing reversed is as large as what has no value.
        to.put(&[self.rank() + 1]);
        match self {
            Value::None => return Prefix::LAST,
            Value::Text(_) | Value::Word(_) | Value::Sign(..) => to.natural(self.word()),
            _ => {
                // Shifted above the negative numbers.
                to.put(&self.number().abs_diff(i64::MIN).to_be_bytes());
                to.natural(self.word());
            }
        }
        to.bytes[PREFIX - 1] = u8::from(!to.whole);
        let (words, _) = to.bytes.as_chunks();
        Prefix(std::array::from_fn(|i| u64::from_be_bytes(words[i])))
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
            // As digits: who saves or copies the row has no glyphs of a theme.
            Value::Spark(cells) => Cow::Owned(cells.iter().map(u8::to_string).collect()),
        }
    }

    /// When its text will next read differently, for values that change by themselves.
    pub fn changes_after(&self, now: Time) -> Option<Time> {
        let Value::Age(t) = self else { return None };
        let age = t.age(now).as_secs();
        // The text's own step, and how late it may be redrawn. All ages of a screen wait for the same moments, so that
        // a table of young pods costs one small frame every few seconds and not one for each row.
        let (step, pass) = match age {
            0..60 => (1, 5),
            60..600 => (1, 15),
            600..28_800 => (60, 15),
            _ => (3600, 60),
        };
        let changes = t.plus(Duration::from_secs((age / step + 1) * step)).0;
        let pass = pass * 1000;
        Some(Time(changes.div_euclid(pass) * pass + pass))
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
        self.rank().cmp(&other.rank()).then_with(|| self.number().cmp(&other.number())).then_with(|| {
            match (self, other) {
                // Records share their texts.
                (Value::Text(a), Value::Text(b)) if Text::ptr_eq(a, b) => Ordering::Equal,
                _ => natural(self.word(), other.word()),
            }
        })
    }
}

/// Text order in which `node-9` comes before `node-10`.
pub fn natural(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (a.as_bytes(), b.as_bytes());
    // Names of one cluster are alike for long. Where they part within a number, the number begins before that.
    let alike = a.iter().zip(b).take_while(|(x, y)| x == y).count();
    let number = a[..alike].iter().rev().take_while(|c| c.is_ascii_digit()).count();
    (a, b) = (&a[alike - number..], &b[alike - number..]);
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

/// Where texts stand among the sorts of values.
const TEXT: u8 = 4;

/// Bytes of a prefix. Names of pods and nodes as they come mostly fit.
const PREFIX: usize = 40;

/// The beginning of a value, in bytes that never contradict the order of values: of two with different ones, the
/// smaller comes first. Two values of one prefix are equal where it is `whole`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Prefix([u64; PREFIX / 8]);

impl Prefix {
    /// After all others, in either direction: what has no value stands last.
    pub const LAST: Prefix = Prefix([u64::MAX; PREFIX / 8]);

    /// Of a text whose rank among all texts that are compared is known.
    pub fn ranked(rank: u32) -> Prefix {
        let mut words = [0; PREFIX / 8];
        words[0] = u64::from(TEXT + 1) << 56 | u64::from(rank);
        Prefix(words)
    }

    /// For the other direction.
    pub fn reversed(self) -> Prefix {
        if self == Prefix::LAST { self } else { Prefix(self.0.map(|w| !w)) }
    }

    /// Whether it is all of the value.
    pub fn whole(&self) -> bool {
        matches!(self.0[PREFIX / 8 - 1] & 0xff, 0 | 0xff)
    }
}

/// Writes a prefix; the last byte stays free for whether all of the value is in it.
struct Writer {
    bytes: [u8; PREFIX],
    len: usize,
    whole: bool,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) {
        let n = bytes.len().min(PREFIX - 1 - self.len);
        self.bytes[self.len..self.len + n].copy_from_slice(&bytes[..n]);
        self.len += n;
        self.whole &= n == bytes.len();
    }

    /// A text in bytes that compare as `natural` does: a number in it as a mark, its length without leading zeros,
    /// its digits, and its length with them.
    fn natural(&mut self, text: &str) {
        let mut rest = text.as_bytes();
        while let Some(first) = rest.first()
            && self.whole
        {
            let digits = rest.iter().take_while(|c| c.is_ascii_digit()).count();
            if digits == 0 {
                self.put(&[*first]);
                // It reads as what comes after the end.
                self.whole &= *first != 0;
                rest = &rest[1..];
                continue;
            }
            let zeros = rest[..digits].iter().take_while(|c| **c == b'0').count();
            // A number this long has no room; that it is long decides.
            let (long, all) = ((digits - zeros).min(PREFIX) as u8, digits.min(255) as u8);
            self.put(&[b'0', long]);
            if usize::from(long) < PREFIX {
                self.put(&rest[zeros..digits]);
                self.put(&[all]);
            }
            self.whole &= usize::from(long) < PREFIX && all < 255;
            rest = &rest[digits..];
        }
    }
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
        assert!(
            Value::Of(1, 1) < Value::Of(3, 3) && Value::Of(2, 3) < Value::Of(1, 1),
            "what is missing first"
        );
        assert_eq!(bytes(2 << 30), "2Gi");
        assert_eq!(bytes(188_743_680), "180Mi");
        assert_eq!(bytes(1_610_612_736), "1.5Gi");
    }

    proptest::proptest! {
        #[test]
        fn a_prefix_never_contradicts_the_order(
            a in "[a-c0-2.\\x00-]{0,12}", b in "[a-c0-2.-]{0,60}", cut in 0usize..60, n: i64, m: i64, bytes: u64,
        ) {
            let text = |s: &str| Value::Text(s.into());
            let long = format!("{a}{}", "1".repeat(n.unsigned_abs() as usize % 300));
            let zeros = format!("{a}{}7", "0".repeat(m.unsigned_abs() as usize % 300));
            let cut = &b[..cut.min(b.len())];
            let values = [text(&a), text(&b), text(cut), text(&format!("{cut}\0")), text(&long), text(&zeros),
                Value::Num(n), Value::Num(m), Value::Num(n % 9), Value::Num(i64::MIN), Value::Bytes(bytes),
                Value::Age(Time(m / 4)), Value::Of(3, 4), Value::Of(3, 5), Value::Ranked(n, "x".into()),
                Value::Ranked(n, b.as_str().into()), Value::None];
            for x in &values {
                for y in &values {
                    let (p, q) = (x.prefix(), y.prefix());
                    match p.cmp(&q) {
                        Ordering::Equal if !p.whole() => continue,
                        order => proptest::prop_assert_eq!(x.cmp(y), order, "{:?} {:?}", x, y),
                    }
                    // Reversed, but for what has no value.
                    let order = match (x, y) {
                        (Value::None, Value::None) => Ordering::Equal,
                        (Value::None, _) => Ordering::Greater,
                        (_, Value::None) => Ordering::Less,
                        _ => p.cmp(&q).reverse(),
                    };
                    proptest::prop_assert_eq!(p.reversed().cmp(&q.reversed()), order, "{:?} {:?}", x, y);
                }
            }
        }
    }

    #[test]
    fn an_age_is_redrawn_soon_after_it_reads_differently_and_together_with_the_others() {
        for (age, late) in [
            (0u64, 5),
            (59, 5),
            (60, 15),
            (599, 15),
            (600, 15),
            (659, 15),
            (3 * 3600 - 1, 15),
            (8 * 3600, 60),
            (50 * 3600, 60),
        ] {
            let now = Time(1_000_000_000);
            let v = Value::Age(now.minus(Duration::from_secs(age)));
            let then = v.changes_after(now).unwrap();
            assert_ne!(v.show(now), v.show(then), "{age}");
            let before = then.minus(Duration::from_secs(late + 1));
            assert_eq!(v.show(now), v.show(before.max(now)), "{age}");
            assert_eq!(then.0 % 5000, 0, "a moment that all ages share");
        }
    }
}
