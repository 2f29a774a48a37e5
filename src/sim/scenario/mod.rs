//! Scenarios: files that state causes and what users write, played on a clock.
