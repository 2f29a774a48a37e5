//! Files, defaults, keymap and themes the user can change.
