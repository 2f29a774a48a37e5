//! The style scopes of a theme, and the glyphs that carry the same meaning without colour.

/// The kind of thing a scope styles. It decides which contrast is required.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Text: readable on its own background or on a dialog's.
    Text,
    /// Text inside rows: readable also on the selected and the marked row.
    Row,
    /// Lines and fills without text.
    Line,
}

/// One scope that a theme can style.
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

/// Every scope. `a.b` inherits from `a` and then from `text`, except for the background.
pub const SCOPES: &[StyleScope] = &[
    row("text", "plain text, and the background of the screen"),
    row("text.dim", "secondary text: ages, units, hints"),
    row("text.strong", "emphasised text"),
    line("frame", "borders"),
    line("frame.focus", "the border of the focused pane"),
    line("frame.production", "the border in a production context"),
    line("frame.read-only", "the border while every change is refused"),
    text("title", "titles of panes"),
    text("title.focus", "the title of the focused pane"),
    text("header", "the top line"),
    text("header.ok", "connected, nothing wrong"),
    text("header.warn", "connected, with warnings"),
    text("header.bad", "something broken"),
    text("header.stale", "stale data: the cluster does not answer"),
    text("header.production", "the context's name, in production"),
    text("header.read-only", "the read-only badge"),
    text("row.header", "column titles"),
    text("row.selected", "the row under the cursor"),
    text("row.marked", "marked rows"),
    row("row.tombstone", "deleted objects"),
    row("row.changed", "a cell that just changed"),
    row("row.match", "matches of a filter or search"),
    row("stale", "the age of stale data in a pane"),
    row("finding.critical", "findings that need action now"),
    row("finding.warning", "findings to watch"),
    row("finding.info", "findings for information"),
    row("finding.pending", "findings that are not confirmed yet"),
    row("finding.resolving", "going away"),
    row("finding.acknowledged", "acknowledged findings"),
    row("status.ok", "healthy"),
    row("status.pending", "pending"),
    row("status.bad", "broken"),
    row("status.done", "finished"),
    row("status.unknown", "unknown"),
    row("event.normal", "events of type Normal"),
    row("event.warning", "events of type Warning"),
    row("gauge.low", "bars and numbers: plenty left"),
    row("gauge.mid", "bars and numbers: filling"),
    row("gauge.high", "bars and numbers: nearly full"),
    line("gauge.empty", "the empty part of a bar"),
    text("diff.add", "added lines"),
    text("diff.remove", "removed lines"),
    text("diff.context", "unchanged lines"),
    text("diff.header", "the headers of a diff"),
    row("tree.yes", "answered yes"),
    row("tree.no", "answered no"),
    row("tree.unknown", "not answered"),
    row("tree.current", "the current question"),
    row("tree.skipped", "branches not taken"),
    row("tree.verdict", "the verdict"),
    row("tree.evidence", "quoted evidence"),
    line("tree.line", "the lines between questions"),
    text("key", "keys in the key bar"),
    text("key.description", "descriptions of keys"),
    text("key.disabled", "keys without effect here"),
    text("prompt", "the input line"),
    text("prompt.suggestion", "suggestions"),
    text("prompt.error", "the error of the input"),
    text("error", "error messages"),
    text("notice", "notices"),
    text("success", "success messages"),
    text("dialog", "dialogs, menus and boxes"),
    text("dialog.title", "their titles"),
    text("dialog.danger", "warnings about actions that cannot be undone"),
    text("dialog.button", "buttons"),
    text("dialog.button.focus", "the focused button"),
    text("dialog.selected", "the entry under the cursor"),
    text("dialog.disabled", "entries that cannot be chosen"),
    line("dialog.frame", "the border of dialogs"),
    text("log.error", "log lines of level error and worse"),
    text("log.warn", "log lines of level warning"),
    text("log.info", "log lines of level info"),
    text("log.debug", "log lines of level debug and trace"),
    text("log.time", "times"),
    text("log.field", "names of JSON fields"),
    text("log.source", "pod and container of a log line"),
    text("log.skipped", "dropped lines and marks"),
    text("yaml.key", "keys"),
    text("yaml.value", "plain values"),
    text("yaml.string", "strings"),
    text("yaml.number", "numbers, true, false, null"),
    text("yaml.comment", "comments"),
    text("yaml.secret", "masked values"),
    row("timeline.change", "what changed"),
    row("timeline.finding", "findings that started and ended"),
    row("timeline.action", "actions"),
    row("timeline.note", "notes"),
    line("scrollbar", "scroll bars"),
];

/// A sign with the meaning of a colour, for people and terminals that see none. It is one cell wide.
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

/// The steps of a sparkline, from empty to full.
pub const SPARK: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
/// The sparkline in ASCII.
pub const SPARK_ASCII: [&str; 9] = [" ", ".", ".", ":", "-", "=", "+", "*", "#"];
