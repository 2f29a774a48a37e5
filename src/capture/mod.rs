//! Readers of fetched dumps: thread dumps, class histograms and heap dumps. They use neither the cluster nor
//! the terminal.

#![warn(missing_docs)]

pub mod bundle;
pub mod heap;
pub mod histogram;
pub mod threads;

/// Formats bytes for a sentence: `1.2 GB`, `340 KB`, `12 B`. Units are decimal, with one decimal below ten.
pub(crate) fn size(bytes: u64) -> String {
    for (unit, one) in [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1000u64)]
    {
        if bytes >= one {
            let tenths = (u128::from(bytes) * 10 + u128::from(one / 2)) / u128::from(one);
            return if tenths < 100 {
                format!("{}.{} {unit}", tenths / 10, tenths % 10)
            } else {
                format!("{} {unit}", (tenths + 5) / 10)
            };
        }
    }
    format!("{bytes} B")
}
