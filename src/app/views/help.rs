//! `?`: every key that works where the operator is, as it is bound.

use crate::app::core::available::Here;
use crate::app::core::model::{Model, View};
use crate::app::core::navigate;
use crate::app::views::text::{Line, Of, TextView};
use crate::term::clean::{width, wrap};

/// Columns of the keys, and of what they do.
const KEYS: usize = 16;
const WHAT: usize = 42;

pub fn open(model: &mut Model) {
    let here = Here::of(model);
    let below = usize::from(model.size.0).saturating_sub(KEYS + 4);
    let beside = below.saturating_sub(WHAT);
    let mut lines = Vec::new();
    for (scope, commands) in model.keymap.help(model.scope()) {
        lines.push(Line::of(scope.title(), "title"));
        for (command, keys) in commands {
            let refused = here.refusal(command.id);
            let (key, text) = if refused.is_some() { ("text.dim", "text.dim") } else { ("key", "text") };
            let mut why =
                refused.map_or(Vec::new(), |why| wrap(&format!("not now: {why}"), beside.max(below)));
            let note = match why.as_slice() {
                [one] if width(one) <= beside => why.remove(0),
                _ => command.name.to_owned(),
            };
            lines.push(Line(vec![
                (format!("  {keys:<KEYS$} "), key),
                (format!("{:<WHAT$}", command.description), text),
                (note, "text.dim"),
            ]));
            // What does not fit beside the command stands below it.
            lines.extend(why.into_iter().map(|why| Line::of(format!("  {:KEYS$} {why}", ""), "text.dim")));
        }
        lines.push(Line::default());
    }
    for text in [
        "Any command also runs by its name after `:`, and any kind opens by its name.",
        "tab completes it: `ns a,b`, `pods a,b`, `pod/NAME`, `ctx NAME`, `theme NAME`.",
    ] {
        lines.push(Line::of(text, "text.dim"));
    }
    navigate::push(model, View::Text(Box::new(TextView::new(Of::Help, "help", None, lines))));
}
