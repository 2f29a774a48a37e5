//! Kubernetes quantities (`100m`, `1.5Gi`, `2e3`) as numbers, and back.
use serde_json::Value;

/// The number of a quantity in an object: a string or a bare number; `None` if it is not a quantity.
pub fn parse(value: &Value) -> Option<f64> {
    match value {
        Value::Number(n) => n.as_f64(),
        Value::String(s) => number(s),
        _ => None,
    }
}

/// The number of a quantity's text (`250m` is 0.25, `2Gi` is 2147483648); `None` if it is not a quantity.
pub fn number(text: &str) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && !matches!(c, '.' | '+' | '-')).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let factor = match unit {
        "" => 1.0,
        "n" => 1e-9,
        "u" => 1e-6,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "T" => 1e12,
        "P" => 1e15,
        "E" => 1e18,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024f64.powi(3),
        "Ti" => 1024f64.powi(4),
        "Pi" => 1024f64.powi(5),
        "Ei" => 1024f64.powi(6),
        _ => 10f64.powi(unit.strip_prefix(['e', 'E'])?.parse().ok()?),
    };
    Some(number * factor)
}

/// Formats a number like the quantity `like` (binary, milli or plain).
pub fn format(number: f64, like: &str) -> String {
    const BINARY: [(&str, f64); 4] =
        [("Ti", 1_099_511_627_776.0), ("Gi", 1_073_741_824.0), ("Mi", 1_048_576.0), ("Ki", 1024.0)];
    const DECIMAL: [(&str, f64); 4] = [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)];
    if number.fract() != 0.0 {
        return format!("{}m", (number * 1e3).round() as i64);
    }
    let units = if like.ends_with('i') { BINARY } else { DECIMAL };
    let unit = units.iter().find(|(_, size)| number >= *size && number % size == 0.0);
    unit.map_or(format!("{}", number as i64), |(unit, size)| format!("{}{unit}", (number / size) as i64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quantities_are_numbers() {
        for (text, number) in [
            ("100m", 0.1),
            ("2", 2.0),
            ("256Mi", 268_435_456.0),
            ("1.5Gi", 1_610_612_736.0),
            ("2e3", 2000.0),
            ("1E3", 1000.0),
            ("0.5", 0.5),
            ("5G", 5e9),
        ] {
            assert_eq!(parse(&json!(text)), Some(number), "{text}");
        }
        for bad in ["", "x", "1Zi", "Mi", "1.2.3", "e5"] {
            assert_eq!(parse(&json!(bad)), None, "{bad}");
        }
        assert_eq!(parse(&json!(3)), Some(3.0));
        assert_eq!(format(209_715_200.0, "256Mi"), "200Mi");
        assert_eq!(format(0.25, "1"), "250m");
        assert_eq!(format(10.0, "10"), "10");
    }
}
