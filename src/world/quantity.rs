//! Parses Kubernetes quantities (`500m`, `1.5Gi`, `1e3`) into whole numbers.

/// Nanos per unit. The nano (`n`) is the API's smallest unit.
const NANO: i128 = 1_000_000_000;

/// The quantity in whole units, rounded up like the API's `Quantity.Value()`. `None` if the text is not a
/// quantity or is negative.
pub fn value(text: &str) -> Option<u64> {
    u64::try_from(ceil(nanos(text)?, NANO)).ok()
}

/// The quantity in thousandths, rounded up: the millicores of a CPU quantity.
pub fn milli(text: &str) -> Option<u64> {
    u64::try_from(ceil(nanos(text)?, NANO / 1000)).ok()
}

/// Whether an extended resource counts whole GPUs: NVIDIA's (including shared GPUs and MIG slices), AMD's or
/// Intel's.
pub fn is_gpu(resource: &str) -> bool {
    matches!(
        resource,
        "nvidia.com/gpu"
            | "nvidia.com/gpu.shared"
            | "amd.com/gpu"
            | "gpu.intel.com/i915"
            | "gpu.intel.com/xe"
    ) || resource.starts_with("nvidia.com/mig-")
}

fn ceil(n: i128, unit: i128) -> i128 {
    n.div_euclid(unit) + i128::from(n.rem_euclid(unit) != 0)
}

fn nanos(text: &str) -> Option<i128> {
    let (negative, text) = match text.as_bytes().first()? {
        b'-' => (true, &text[1..]),
        b'+' => (false, &text[1..]),
        _ => (false, text),
    };
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
        return None;
    }
    // value = digits / 10^decimals × multiplier
    let mut digits: i128 = 0;
    for c in whole.bytes().chain(fraction.bytes()) {
        digits = digits.checked_mul(10)?.checked_add(i128::from(c - b'0'))?;
    }
    let decimals = u32::try_from(fraction.len()).ok()?;
    let binary = |power: u32| Some((1i128 << (10 * power)) * NANO);
    let decimal = |power: i32| {
        let power = 9 + power;
        if power < 0 { Some(0) } else { 10i128.checked_pow(u32::try_from(power).ok()?) }
    };
    let multiplier = match suffix {
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "" => decimal(0),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        _ => decimal(suffix.strip_prefix(['e', 'E'])?.parse::<i32>().ok().filter(|p| p.abs() <= 30)?),
    }?;
    let scaled = digits.checked_mul(multiplier)?;
    let n = ceil(scaled, 10i128.checked_pow(decimals)?);
    Some(if negative { -n } else { n })
}

/// Formats bytes: `2Gi`, `512Mi`, `1500Ki`. It uses the largest binary unit that divides `n`, else one
/// decimal.
pub fn bytes(n: u64) -> String {
    for (unit, size) in [("Ti", 1u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)] {
        if n >= size {
            if n.is_multiple_of(size) {
                return format!("{}{unit}", n / size);
            }
            if n >= 10 * size || unit == "Ki" {
                return format!("{}{unit}", (n + size / 2) / size);
            }
            #[allow(clippy::cast_precision_loss)] // one decimal is all that is shown
            return format!("{:.1}{unit}", n as f64 / size as f64);
        }
    }
    format!("{n}B")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values worked out by hand from the definition in `apimachinery/pkg/api/resource`.
    #[test]
    fn quantities_read_as_the_api_means_them() {
        let whole: &[(&str, Option<u64>)] = &[
            ("0", Some(0)),
            ("2Gi", Some(2 << 30)),
            ("1.5Gi", Some(3 << 29)),
            ("128974848", Some(128_974_848)),
            ("129e6", Some(129_000_000)),
            ("129M", Some(129_000_000)),
            ("128974848000m", Some(128_974_848)),
            ("123Mi", Some(123 << 20)),
            ("0.5", Some(1)),
            ("1E", Some(1_000_000_000_000_000_000)),
            ("7Ei", Some(7 << 60)),
            ("1E3", Some(1000)),
            (".5Ki", Some(512)),
            ("5.", Some(5)),
            ("1n", Some(1)),
            ("-1", None),
            ("", None),
            ("Gi", None),
            ("1.2.3", None),
            ("1Xi", None),
            ("1e99", None),
            ("99999999999999999999999999999999999999999999", None),
        ];
        for (text, want) in whole {
            assert_eq!(value(text), *want, "{text}");
        }
        for (text, want) in [("100m", 100), ("2", 2000), ("0.1", 100), ("1500u", 2), ("250000000n", 250)] {
            assert_eq!(milli(text), Some(want), "{text}");
        }
    }

    #[test]
    fn gpus_of_every_vendor_count_and_monitors_do_not() {
        for yes in ["nvidia.com/gpu", "nvidia.com/mig-1g.5gb", "amd.com/gpu", "gpu.intel.com/i915"] {
            assert!(is_gpu(yes), "{yes}");
        }
        for no in ["gpu.intel.com/i915_monitoring", "nvidia.com/gpumem", "hugepages-2Mi", "rdma/ib"] {
            assert!(!is_gpu(no), "{no}");
        }
    }
}
