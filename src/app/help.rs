//! `?`: every key that works where the operator is, as it is bound.

use super::available::Here;
use super::model::{Model, View};
use super::navigate;
use super::text::{Line, Of, TextView};

pub fn open(model: &mut Model) {
    let here = Here::of(model);
    let mut lines = Vec::new();
    for (scope, commands) in model.keymap.help(model.scope()) {
        lines.push(Line::of(scope.title(), "title"));
        for (command, keys) in commands {
            let refused = here.refusal(command.id);
            let (key, text) = if refused.is_some() { ("text.dim", "text.dim") } else { ("key", "text") };
            let note = refused.map_or_else(|| command.name.to_owned(), |why| format!("not now: {why}"));
            lines.push(Line(vec![
                (format!("  {keys:<16} "), key),
                (format!("{:<42}", command.description), text),
                (note, "text.dim"),
            ]));
        }
        lines.push(Line::default());
    }
    for text in [
        "Any command also runs by its name after `:`, and any kind opens by its name.",
        "tab completes what is typed there: `ns a,b`, `pods a,b`, `pod/NAME`, `ctx NAME`, `theme NAME`.",
    ] {
        lines.push(Line::of(text, "text.dim"));
    }
    navigate::push(model, View::Text(Box::new(TextView::new(Of::Help, "help", None, lines))));
}
