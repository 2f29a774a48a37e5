//! Renders the analysis as lines of text, for the command line and for text views.

use std::fmt::Write;

use super::{Analysis, Runtime};

/// The most groups whose stacks are printed, and the most frames of each. JSON has more.
const GROUPS: usize = 8;
const FRAMES: usize = 14;
const ROWS: usize = 20;

/// The analysis as lines of text. Names from the dump are not escaped for a terminal.
pub fn table(a: &Analysis) -> String {
    let mut out = String::new();
    let noun = a.runtime.noun();
    let program = match a.runtime {
        Runtime::Jvm => "JVM",
        Runtime::Python => "Python",
        Runtime::Go => "Go",
    };
    let taken = a.taken.as_deref().map(|t| format!(", taken {t}")).unwrap_or_default();
    let virtuals =
        if a.virtual_threads > 0 { format!(" ({} virtual)", a.virtual_threads) } else { String::new() };
    let newest = if a.dumps > 1 { format!(", {} dumps, the newest", a.dumps) } else { String::new() };
    line(&mut out, &format!("{program}{newest}: {} {noun}s{virtuals}{taken}", a.threads));
    out.push('\n');
    if a.summary.is_empty() {
        line(&mut out, "The dump shows no deadlock, no contended lock and no pool without a free worker.");
    }
    for sentence in &a.summary {
        line(&mut out, &format!("- {sentence}"));
    }
    for unknown in &a.unknown {
        line(&mut out, &format!("? {unknown}"));
    }

    head(&mut out, "STATES");
    let mut states: Vec<_> = a.states.iter().collect();
    states.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    for (state, n) in states {
        line(&mut out, &format!("{n:>7}  {state}"));
    }
    if !a.locks.is_empty() {
        head(&mut out, "LOCKS THAT ARE WAITED FOR");
        for lock in a.locks.iter().take(ROWS) {
            let owner = lock.owner.as_deref().unwrap_or("(not in the dump)");
            line(&mut out, &format!("{:>7}  wait for {}, held by {owner}", lock.waiters.len(), lock.lock));
            if let Some(top) = &lock.top {
                line(
                    &mut out,
                    &format!(
                        "         {} {top}",
                        if lock.owner.is_some() { "owner at" } else { "waiting at" }
                    ),
                );
            }
        }
        more(&mut out, a.locks.len(), ROWS);
    }
    if !a.pools.is_empty() {
        head(&mut out, "THREAD POOLS");
        for pool in a.pools.iter().take(ROWS) {
            let top = pool.top.as_deref().map(|t| format!(", {} at {t}", pool.top_count)).unwrap_or_default();
            line(&mut out, &format!("{:>7}  of {:<5} busy  {}{top}", pool.busy, pool.threads, pool.pool));
        }
        more(&mut out, a.pools.len(), ROWS);
    }
    if let Some(changes) = &a.changes {
        head(&mut out, "BETWEEN THE DUMPS");
        for (state, change) in &changes.states {
            line(&mut out, &format!("{change:>+7}  {state}"));
        }
        for busy in changes.busy.iter().take(ROWS) {
            line(&mut out, &format!("{:>5.0} %  of a processor: {}", busy.percent, busy.thread));
        }
        for stuck in changes.stuck.iter().take(ROWS) {
            line(
                &mut out,
                &format!(
                    "{:>7}  in the same place in every dump: {} ({})",
                    stuck.count, stuck.top, stuck.state
                ),
            );
        }
    }
    stacks(&mut out, a);
    out
}

fn stacks(out: &mut String, a: &Analysis) {
    let shown: Vec<_> = a.groups.iter().filter(|g| !g.idle).take(GROUPS).collect();
    if shown.is_empty() {
        return;
    }
    head(out, "EQUAL STACKS, IDLE ONES LEFT OUT");
    for group in shown {
        let some = group.threads.iter().take(3).map(String::as_str).collect::<Vec<_>>().join(", ");
        let etc = if group.count > 3 && !some.is_empty() { ", …" } else { "" };
        let waited = group.waited_min.map(|m| format!(", up to {m} minutes")).unwrap_or_default();
        line(out, &format!("{:>7}  {}{waited}  {some}{etc}", group.count, group.state));
        for frame in group.frames.iter().take(FRAMES) {
            line(out, &format!("           {frame}"));
        }
        if group.frames.len() > FRAMES {
            line(out, &format!("           … {} frames more", group.frames.len() - FRAMES));
        }
    }
    let rest = a.groups.iter().filter(|g| !g.idle).count().saturating_sub(GROUPS) + a.more_groups;
    if rest > 0 {
        line(out, &format!("         {rest} other stacks; `-o json` lists more"));
    }
}

fn more(out: &mut String, all: usize, shown: usize) {
    if all > shown {
        line(out, &format!("         {} more; `-o json` lists them", all - shown));
    }
}

fn head(out: &mut String, title: &str) {
    out.push('\n');
    line(out, title);
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}
