//! The names a theme can style, and the glyphs that say the same without colour.

/// What a scope colours, and so what its contrast is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Text: readable on its background, and on a dialog's where it has none of its own.
    Text,
    /// Text inside rows: readable on the selected and the marked row as well.
    Row,
    /// Lines and fillings that carry no text.
    Line,
}

/// One name a theme can style.
#[derive(Debug, Clone, Copy)]
pub struct StyleScope {
    pub name: &'static str,
    pub usage: Use,
    pub about: &'static str,
}

const fn text(name: &'static str, about: &'static str) -> StyleScope {
    StyleScope { name, usage: Use::Text, about }
}

const fn row(name: &'static str, about: &'static str) -> StyleScope {
    StyleScope { name, usage: Use::Row, about }
}

const fn line(name: &'static str, about: &'static str) -> StyleScope {
    StyleScope { name, usage: Use::Line, about }
}

/// Every scope. `a.b` takes what it does not say itself from `a`, and all from `text`, but for the background.
pub const SCOPES: &[StyleScope] = &[
    row("text", "plain text, and the ground everything stands on"),
    row("text.dim", "what matters less: ages, units, hints"),
    row("text.strong", "what matters more"),
    line("frame", "borders"),
    line("frame.focus", "the border of the focused pane"),
    line("frame.production", "the border in a production context"),
    line("frame.read-only", "the border while every change is refused"),
    text("title", "titles of panes"),
    text("title.focus", "the title of the focused pane"),
    text("header", "the top line"),
    text("header.ok", "connected, nothing wrong"),
    text("header.warn", "something to look at"),
    text("header.bad", "something broken"),
    text("header.stale", "old data: the cluster does not answer"),
    text("header.production", "the context's name, in production"),
    text("header.read-only", "the read-only badge"),
    text("row.header", "column titles"),
    text("row.selected", "the row under the cursor"),
    text("row.marked", "marked rows"),
    row("row.tombstone", "objects that are gone"),
    row("row.changed", "a cell that just changed"),
    row("row.match", "what a filter or search found"),
    row("stale", "a pane's age when it is old"),
    row("finding.critical", "findings that need hands now"),
    row("finding.warning", "findings that need eyes"),
    row("finding.info", "findings worth knowing"),
    row("finding.pending", "not yet sure"),
    row("finding.resolving", "going away"),
    row("finding.acknowledged", "someone has it"),
    row("status.ok", "as it should be"),
    row("status.pending", "on its way"),
    row("status.bad", "broken"),
    row("status.done", "finished"),
    row("status.unknown", "nobody can tell"),
    row("event.normal", "events of type Normal"),
    row("event.warning", "events of type Warning"),
    row("gauge.low", "bars and numbers: plenty left"),
    row("gauge.mid", "bars and numbers: filling"),
    row("gauge.high", "bars and numbers: nearly full"),
    line("gauge.empty", "the empty part of a bar"),
    text("diff.add", "added lines"),
    text("diff.remove", "removed lines"),
    text("diff.context", "unchanged lines"),
    text("diff.header", "what the diff is of"),
    row("tree.yes", "answered yes"),
    row("tree.no", "answered no"),
    row("tree.unknown", "not answered"),
    row("tree.current", "being asked now"),
    row("tree.skipped", "branches not taken"),
    row("tree.verdict", "what it came to"),
    row("tree.evidence", "quoted evidence"),
    line("tree.line", "the lines between questions"),
    text("key", "keys in the key bar"),
    text("key.description", "what they do"),
    text("key.disabled", "keys that do nothing now"),
    text("prompt", "the line being typed"),
    text("prompt.suggestion", "what it could become"),
    text("prompt.error", "why it cannot be"),
    text("error", "what went wrong"),
    text("notice", "what khud did"),
    text("success", "done and verified"),
    text("dialog", "dialogs, menus and boxes"),
    text("dialog.title", "their titles"),
    text("dialog.danger", "what cannot be undone"),
    text("dialog.button", "buttons"),
    text("dialog.button.focus", "the button enter presses"),
    text("dialog.selected", "the entry under the cursor"),
    text("dialog.disabled", "entries that cannot be chosen"),
    line("dialog.frame", "the border of dialogs"),
    text("log.error", "log lines of level error and worse"),
    text("log.warn", "of level warning"),
    text("log.info", "of level info"),
    text("log.debug", "of level debug and trace"),
    text("log.time", "times"),
    text("log.field", "names of JSON fields"),
    text("log.source", "which pod and container"),
    text("log.skipped", "lines that were dropped, and marks"),
    text("yaml.key", "keys"),
    text("yaml.value", "plain values"),
    text("yaml.string", "strings"),
    text("yaml.number", "numbers, true, false, null"),
    text("yaml.comment", "comments"),
    text("yaml.secret", "masked values"),
    row("timeline.change", "what changed"),
    row("timeline.finding", "findings beginning and ending"),
    row("timeline.action", "what was done"),
    row("timeline.note", "notes"),
    line("scrollbar", "scroll bars"),
];

/// A sign that says what a colour says, for eyes and terminals that see none. Each is one cell wide.
#[derive(Debug, Clone, Copy)]
pub struct Glyph {
    pub name: &'static str,
    pub unicode: &'static str,
    pub ascii: &'static str,
}

const fn glyph(name: &'static str, unicode: &'static str, ascii: &'static str) -> Glyph {
    Glyph { name, unicode, ascii }
}

pub const GLYPHS: &[Glyph] = &[
    glyph("critical", "✖", "X"),
    glyph("warning", "⚠", "!"),
    glyph("info", "•", "i"),
    glyph("pending", "…", "~"),
    glyph("resolving", "↘", "\\"),
    glyph("acknowledged", "✔", "+"),
    glyph("muted", "∅", "0"),
    glyph("ok", "✔", "+"),
    glyph("bad", "✖", "X"),
    glyph("done", "■", "="),
    glyph("unknown", "?", "?"),
    glyph("live", "●", "*"),
    glyph("stale", "○", "o"),
    glyph("lost", "✖", "X"),
    glyph("up", "▲", "^"),
    glyph("down", "▼", "v"),
    glyph("same", "─", "-"),
    glyph("restart", "↻", "@"),
    glyph("age", "◷", "t"),
    glyph("selected", "▌", ">"),
    glyph("marked", "◆", "#"),
    glyph("tombstone", "†", "%"),
    glyph("changed", "Δ", "'"),
    glyph("sort.up", "↑", "^"),
    glyph("sort.down", "↓", "v"),
    glyph("left", "‹", "<"),
    glyph("right", "›", ">"),
    glyph("open", "▾", "v"),
    glyph("closed", "▸", ">"),
    glyph("branch", "├", "|"),
    glyph("branch.last", "└", "`"),
    glyph("branch.through", "│", "|"),
    glyph("branch.arm", "─", "-"),
    glyph("yes", "✔", "+"),
    glyph("no", "✘", "x"),
    glyph("current", "▶", ">"),
    glyph("verdict", "★", "*"),
    glyph("skipped", "·", "."),
    glyph("separator", "│", "|"),
    glyph("ellipsis", "…", "~"),
    glyph("newline", "⏎", "$"),
    glyph("masked", "•", "*"),
    glyph("read-only", "■", "R"),
    glyph("production", "▲", "P"),
    glyph("add", "+", "+"),
    glyph("remove", "-", "-"),
    glyph("arrow", "→", ">"),
    glyph("bar.full", "█", "#"),
    glyph("bar.empty", "░", "."),
    glyph("cursor", "▏", "_"),
];

/// Heights of a sparkline, from nothing to full.
pub const SPARK: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The same in ASCII.
pub const SPARK_ASCII: [&str; 9] = [" ", ".", ".", ":", "-", "=", "+", "*", "#"];
