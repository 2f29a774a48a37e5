//! The text format Prometheus exporters speak, read line by line. Lines that are none are passed over.

use std::borrow::Cow;

/// Labels in the order written.
type Labels<'a> = Vec<(&'a str, Cow<'a, str>)>;

/// One sample: `name{labels} value`.
#[derive(Clone, PartialEq, Debug)]
pub struct Sample<'a> {
    pub name: &'a str,
    pub labels: Labels<'a>,
    /// Not a number and the infinities included, as written.
    pub value: f64,
}

impl Sample<'_> {
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(k, _)| *k == name).map(|(_, v)| &**v)
    }

    /// The first of these labels that is there and not empty: exporters have renamed theirs over the years.
    pub fn any(&self, names: &[&str]) -> Option<&str> {
        names.iter().filter_map(|n| self.label(n)).find(|v| !v.is_empty())
    }
}

/// Every sample of a text, in order. Source: the text exposition format 0.0.4; OpenMetrics reads as well.
pub fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.lines().filter_map(sample)
}

fn sample(line: &str) -> Option<Sample<'_>> {
    let line = line.trim();
    let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))?;
    let (name, rest) = line.split_at(end);
    if name.is_empty() || name.as_bytes()[0].is_ascii_digit() {
        return None;
    }
    let (labels, rest) = match rest.trim_start().strip_prefix('{') {
        Some(rest) => labels(rest)?,
        None => (Vec::new(), rest),
    };
    // A timestamp or an exemplar may follow.
    let value = rest.split_whitespace().next()?.parse().ok()?;
    Some(Sample { name, labels, value })
}

/// Labels up to the closing brace, and what follows it.
fn labels(mut rest: &str) -> Option<(Labels<'_>, &str)> {
    let mut out = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', ',', '\t']);
        if let Some(rest) = rest.strip_prefix('}') {
            return Some((out, rest));
        }
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start().strip_prefix('"')?;
        let (value, after) = quoted(after)?;
        out.push((name.trim(), value));
        rest = after;
    }
}

/// A label's value up to its closing quote, `\\`, `\"` and `\n` undone.
fn quoted(text: &str) -> Option<(Cow<'_, str>, &str)> {
    let plain = text.find(['"', '\\'])?;
    if text.as_bytes()[plain] == b'"' {
        return Some((Cow::Borrowed(&text[..plain]), &text[plain + 1..]));
    }
    let (mut out, mut chars) = (String::new(), text.char_indices());
    while let Some((i, c)) = chars.next() {
        match c {
            '"' => return Some((Cow::Owned(out), &text[i + 1..])),
            '\\' => match chars.next()?.1 {
                'n' => out.push('\n'),
                other => out.push(other),
            },
            c => out.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_read_as_the_format_says() {
        let text = "# HELP x y\n# TYPE x gauge\nx 1\nx{a=\"b\",c=\"d \\\"q\\\" \\\\ \\n\"} 2.5 1700000000\n\
                    x_bucket{le=\"+Inf\",} +Inf\nx{a=\"\"}NaN\nbroken{a=\"b 1\n3x 4\nnovalue\nno{a=b} 1\n  y\t7e-2 \n";
        let got: Vec<Sample> = samples(text).collect();
        assert_eq!(got.len(), 5);
        assert_eq!((got[0].name, got[0].value), ("x", 1.0));
        assert_eq!(got[1].label("c"), Some("d \"q\" \\ \n"));
        assert_eq!(got[1].value, 2.5);
        assert_eq!(
            (got[2].name, got[2].value, got[2].label("le")),
            ("x_bucket", f64::INFINITY, Some("+Inf"))
        );
        assert!(got[3].value.is_nan() && got[3].any(&["a"]).is_none());
        assert_eq!((got[4].name, got[4].value), ("y", 0.07));
    }

    #[test]
    fn kube_proxys_own_metrics_read_whole() {
        let path = format!("{}/tests/captures/metrics/kube-proxy-iptables.prom", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(path).unwrap();
        let written = text.lines().filter(|l| !l.is_empty() && !l.starts_with('#')).count();
        assert_eq!(samples(&text).count(), written);
    }
}
