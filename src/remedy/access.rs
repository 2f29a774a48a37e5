//! The right each action needs first, so that a menu can say beforehand what the operator may not do.

/// Verb and subresource of an action's first write to `target`'s kind.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Right {
    pub verb: &'static str,
    /// Empty for the object itself.
    pub subresource: &'static str,
}

/// The first of possibly several: a plan checks all of them.
pub fn needed(action: &str) -> Right {
    let right = |verb, subresource| Right { verb, subresource };
    match action {
        "heap-dump" | "thread-dump" | "class-histogram" => right("create", "exec"),
        "evict" => right("create", "eviction"),
        "delete" | "force-delete" => right("delete", ""),
        "scale" => right("patch", "scale"),
        _ => right("patch", ""),
    }
}
