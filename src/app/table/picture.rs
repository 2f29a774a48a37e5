//! Small pictures in cells of text: bars in eighths of a column, and lines of levels.

/// A bar of so many columns that is so many thousandths full. What is not nothing is seen.
///
/// `eighths` are the theme's signs, from the lowest to the full one; `empty` is what stands where nothing is.
pub fn bar(eighths: [&str; 9], empty: &str, thousandths: u16, columns: usize) -> String {
    let filled = (usize::from(thousandths) * columns * 8).div_ceil(1000).min(columns * 8);
    let (full, rest) = (filled / 8, filled % 8);
    let mut out = eighths[7].repeat(full);
    if rest > 0 {
        out.push_str(eighths[rest.min(6)]);
    }
    out.push_str(&empty.repeat(columns - full - usize::from(rest > 0)));
    out
}

/// A line of levels from 1 (lowest) to 8; 0 is a gap: nothing is known there.
pub fn line(eighths: [&str; 9], levels: &[u8]) -> String {
    let sign = |level: &u8| usize::from(*level).checked_sub(1).map_or(" ", |i| eighths[i.min(7)]);
    levels.iter().map(sign).collect()
}

/// The level of a number among others up to `most`.
pub fn level(number: u32, most: u32) -> u8 {
    let eighths = u64::from(number.min(most)) * 7 / u64::from(most.max(1));
    1 + u8::try_from(eighths).unwrap_or(7)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNS: [&str; 9] = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

    #[test]
    fn a_bar_is_as_long_as_asked_and_shows_the_least_there_is() {
        assert_eq!(bar(SIGNS, ".", 0, 4), "....");
        assert_eq!(bar(SIGNS, ".", 1, 4), "2...");
        assert_eq!(bar(SIGNS, ".", 500, 4), "88..");
        assert_eq!(bar(SIGNS, ".", 1000, 4), "8888");
        assert_eq!(bar(SIGNS, ".", 2000, 4), "8888", "never longer");
    }

    #[test]
    fn a_line_has_gaps_where_nothing_is_known() {
        assert_eq!(line(SIGNS, &[0, 1, 8]), " 18");
        assert_eq!((level(0, 4), level(4, 4), level(9, 4), level(0, 0)), (1, 8, 8, 1));
    }
}
