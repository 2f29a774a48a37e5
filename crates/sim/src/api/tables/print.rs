//! Formats values like kubectl's tables: ages, lists, labels and selectors.
use crate::api::meta::{items, text};
use jiff::Timestamp;
use serde_json::{Value, json};

/// An age as kubectl prints it: `92m`, `4m16s`, `5d3h`; `<unknown>` without a time.
pub fn age(since: &Value, now: Timestamp) -> String {
    match since.as_str().and_then(|s| s.parse::<Timestamp>().ok()) {
        Some(at) => human(now.duration_since(at).as_secs()),
        None => "<unknown>".into(),
    }
}

/// `duration.HumanDuration` of apimachinery, for whole seconds.
pub fn human(seconds: i64) -> String {
    let two = |big: i64, big_unit: &str, small: i64, small_unit: &str| {
        if small == 0 { format!("{big}{big_unit}") } else { format!("{big}{big_unit}{small}{small_unit}") }
    };
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    match seconds {
        s if s < -1 => "<invalid>".into(),
        s if s < 0 => "0s".into(),
        s if s < 60 * 2 => format!("{s}s"),
        s if minutes < 10 => two(minutes, "m", s % 60, "s"),
        _ if minutes < 60 * 3 => format!("{minutes}m"),
        _ if hours < 8 => two(hours, "h", minutes % 60, "m"),
        _ if hours < 48 => format!("{hours}h"),
        _ if hours < 24 * 8 => two(hours / 24, "d", hours % 24, "h"),
        _ if hours < 24 * 365 * 2 => format!("{}d", hours / 24),
        _ if hours < 24 * 365 * 8 => two(hours / 24 / 365, "y", (hours / 24) % 365, "d"),
        _ => format!("{}y", hours / 24 / 365),
    }
}

/// A scalar as text, strings without quotes.
pub fn plain(value: &Value) -> String {
    match value {
        Value::String(s) => s.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

pub fn or(value: &Value, without: &str) -> Value {
    match plain(value) {
        text if text.is_empty() => json!(without),
        text => json!(text),
    }
}

pub fn join(parts: impl Iterator<Item = impl AsRef<str>>) -> String {
    parts.fold(String::new(), |mut all, part| {
        if !all.is_empty() {
            all.push(',');
        }
        all + part.as_ref()
    })
}

pub fn names(pod: &Value) -> Value {
    json!(join(items(pod, "containers").map(|c| text(c, &["name"]))))
}

pub fn images(pod: &Value) -> Value {
    json!(join(items(pod, "containers").map(|c| text(c, &["image"]))))
}

/// `a=b,c=d`, or `<none>`.
pub fn pairs(labels: &Value) -> Value {
    let all = labels.as_object().into_iter().flatten();
    match join(all.map(|(k, v)| format!("{k}={}", plain(v)))) {
        none if none.is_empty() => json!("<none>"),
        some => json!(some),
    }
}

/// A `metav1.LabelSelector` as text.
pub fn selector(selector: &Value) -> Value {
    let mut terms: Vec<String> = selector["matchLabels"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(k, v)| format!("{k}={}", plain(v)))
        .collect();
    for e in items(selector, "matchExpressions") {
        let (key, values) = (text(e, &["key"]), join(items(e, "values").map(plain)));
        terms.push(match text(e, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_string(),
            _ => format!("!{key}"),
        });
    }
    json!(if terms.is_empty() { "<none>".to_string() } else { terms.join(",") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_kubectl_prints_them() {
        let cases = [
            (0, "0s"),
            (119, "119s"),
            (120, "2m"),
            (256, "4m16s"),
            (600, "10m"),
            (5580, "93m"),
            (3 * 3600, "3h"),
            (3 * 3600 + 120, "3h2m"),
            (8 * 3600, "8h"),
            (49 * 3600, "2d1h"),
            (9 * 86400, "9d"),
            (-5, "<invalid>"),
        ];
        for (seconds, text) in cases {
            assert_eq!(human(seconds), text, "{seconds}");
        }
    }
}
