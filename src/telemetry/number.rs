//! Numbers as exporters write them, and what they write where they have none.

/// Bytes of a mebibyte.
pub const MIB: u64 = 1 << 20;

/// A number that was measured. DCGM writes its blanks as numbers just above 2⁴⁷ (`DCGM_FP64_BLANK`), 2³¹ - 16
/// (`DCGM_INT32_BLANK`) and 2⁶³ - 16 (`DCGM_INT64_BLANK`).
pub fn real(value: f64) -> Option<f64> {
    let blank = value.abs() >= 1.4e14 || (2_147_483_632.0..=2_147_483_647.0).contains(&value);
    (value.is_finite() && !blank).then_some(value)
}

/// A count: measured and not below zero.
pub fn whole(value: f64) -> Option<u64> {
    real(value).filter(|v| *v >= 0.0).map(|v| v as u64)
}

/// Mebibytes, as bytes.
pub fn mebibytes(value: f64) -> Option<u64> {
    // No device has an exbibyte; what says so is no measurement.
    real(value).filter(|v| (0.0..1e12).contains(v)).map(|v| (v * MIB as f64) as u64)
}

/// Bytes. Their blanks are those of 64 bits only: a small GPU uses 2 GiB.
pub fn bytes(value: f64) -> Option<u64> {
    (value.is_finite() && (0.0..1e15).contains(&value)).then_some(value as u64)
}

/// Per cent: what lies outside is no measurement.
pub fn percent(value: f64) -> Option<f64> {
    // Counters taken over a slightly longer time than stated reach a little more than all of it.
    real(value).filter(|v| (0.0..=110.0).contains(v)).map(|v| v.min(100.0))
}

/// Degrees Celsius.
pub fn celsius(value: f64) -> Option<f64> {
    real(value).filter(|v| (-60.0..=250.0).contains(v))
}

/// Watt.
pub fn watts(value: f64) -> Option<f64> {
    real(value).filter(|v| (0.0..=100_000.0).contains(v))
}
