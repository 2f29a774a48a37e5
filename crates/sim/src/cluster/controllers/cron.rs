//! Cron schedules of five fields: minute, hour, day of month, month, day of week, in UTC.
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

/// The next time of a schedule after a moment; None if the schedule is invalid or has no time in the next
/// four years.
pub fn next(schedule: &str, after: Timestamp) -> Option<Timestamp> {
    let schedule = match schedule.trim() {
        "@hourly" => "0 * * * *",
        "@daily" | "@midnight" => "0 0 * * *",
        "@weekly" => "0 0 * * 0",
        "@monthly" => "0 0 1 * *",
        "@yearly" | "@annually" => "0 0 1 1 *",
        other => other,
    };
    let fields: Vec<&str> = schedule.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else { return None };
    let minutes = field(minute, 0, 59)?;
    let hours = field(hour, 0, 23)?;
    let days = field(day, 1, 31)?;
    let months = field(month, 1, 12)?;
    let weekdays = field(weekday, 0, 7)?;
    let is_weekday = |w: u32| weekdays.contains(&w) || w == 0 && weekdays.contains(&7);
    let start = after.to_zoned(TimeZone::UTC).checked_add(1.minute()).ok()?;
    let mut date = start.date();
    for ahead in 0..1462 {
        let (d, m, w) =
            (date.day() as u32, date.month() as u32, date.weekday().to_sunday_zero_offset() as u32);
        let day_ok = match (*day == "*", *weekday == "*") {
            (true, _) => is_weekday(w),
            (false, true) => days.contains(&d),
            (false, false) => days.contains(&d) || is_weekday(w),
        };
        if months.contains(&m) && day_ok {
            for h in &hours {
                for min in &minutes {
                    let early = ahead == 0 && (*h, *min) < (start.hour() as u32, start.minute() as u32);
                    if !early {
                        let at = date.at(*h as i8, *min as i8, 0, 0).to_zoned(TimeZone::UTC).ok()?;
                        return Some(at.timestamp());
                    }
                }
            }
        }
        date = date.tomorrow().ok()?;
    }
    None
}

fn field(text: &str, low: u32, high: u32) -> Option<Vec<u32>> {
    let mut out = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse::<u32>().ok().filter(|s| *s > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (low, high),
            Some((a, b)) => (a.parse().ok()?, b.parse().ok()?),
            None => {
                let one: u32 = range.parse().ok()?;
                (one, if part.contains('/') { high } else { one })
            }
        };
        if from < low || to > high || from > to {
            return None;
        }
        out.extend((from..=to).step_by(step as usize));
    }
    out.sort_unstable();
    out.dedup();
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_time_of_a_schedule() {
        let at = |s: &str| s.parse::<Timestamp>().unwrap();
        for (schedule, after, want) in [
            ("*/5 * * * *", "2026-11-21T01:02:03Z", "2026-11-21T01:05:00Z"),
            ("0 3 * * *", "2026-11-21T03:00:00Z", "2026-11-22T03:00:00Z"),
            ("0 0 * * 1", "2026-11-21T00:00:00Z", "2026-11-23T00:00:00Z"),
            ("30 2 29 2 *", "2026-11-21T00:00:00Z", "2028-02-29T02:30:00Z"),
        ] {
            assert_eq!(next(schedule, at(after)), Some(at(want)), "{schedule}");
        }
        assert_eq!(next("whenever", at("2026-11-21T00:00:00Z")), None);
        assert_eq!(next("99 * * * *", at("2026-11-21T00:00:00Z")), None);
    }
}
