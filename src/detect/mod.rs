//! Rules that turn changes of the world into findings, grouped by root cause.
