//! Actions: plan, guard, apply, verify, and the journal of what was done.
