//! Decision trees: load, check, walk, explain.
