//! `y`: the whole object as YAML, fetched when asked for; Secrets stay masked until one key is revealed by name.

use crate::app::core::model::{Model, Prompt, PromptKind, Suggestion, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::core::navigate;
use crate::app::views::describe;
use crate::app::views::text::{Line, Of, Source, TextView};
use crate::app::views::yaml::{self, Part};
use crate::world::ObjectRef;
use crate::world::ask::{Answer, Call};

/// The same of what is under the cursor.
pub fn here(model: &mut Model) -> Vec<Effect> {
    model.selected().map_or(Vec::new(), |object| open(model, object))
}

pub fn open(model: &mut Model, object: ObjectRef) -> Vec<Effect> {
    if object.kind.plural().is_empty() {
        model.say(Tone::Info, format!("khud cannot fetch a {} yet.", object.kind));
        return Vec::new();
    }
    model.next_id += 1;
    let token = model.next_id;
    let call = Call::get(object.path());
    let mut view =
        TextView::new(Of::Yaml, object.to_string(), Some(object), vec![Line::of("Fetching…", "text.dim")]);
    view.source = Some(Source { token, ..Source::default() });
    navigate::push(model, View::Text(Box::new(view)));
    vec![Effect::Call { token, call }]
}

/// The object came, or why it did not.
pub fn called(model: &mut Model, token: u64, result: Result<Answer, String>) {
    let texts = model.views.iter_mut().filter_map(|v| match v {
        View::Text(text) => Some(text),
        _ => None,
    });
    let mut asked = texts.filter(|t| t.source.as_ref().is_some_and(|s| s.token == token));
    let Some(text) = asked.next() else { return };
    let trouble = match result {
        Ok(a) if a.ok() => {
            if let Some(source) = &mut text.source {
                source.object = Some(a.body);
            }
            None
        }
        Ok(a) => Some(a.message()),
        Err(why) => Some(why),
    };
    match (text.of, trouble) {
        (Of::Describe, None) => drop(describe::refresh(model)),
        (Of::Describe, Some(why)) => text.lines.push(Line::of(why, "error")),
        (_, None) => write(text),
        (_, Some(why)) => text.lines = vec![Line::of(why, "error")],
    }
    model.dirty = crate::app::core::model::Dirty::Input;
}

/// Fetches the object of a view again; what was revealed stays so.
pub fn again(model: &mut Model) -> Vec<Effect> {
    model.next_id += 1;
    let token = model.next_id;
    let Some(view) = model.text_mut() else { return Vec::new() };
    match (&mut view.source, &view.object) {
        (Some(source), Some(object)) => {
            source.token = token;
            vec![Effect::Call { token, call: Call::get(object.path()) }]
        }
        _ => {
            model.say(Tone::Info, "This follows the cluster by itself.");
            Vec::new()
        }
    }
}

fn write(view: &mut TextView) {
    let Some(source) = &view.source else { return };
    let Some(object) = &source.object else { return };
    view.lines = match yaml::write(object, source.managed, &source.revealed) {
        Ok(y) => (0..y.len())
            .map(|i| {
                let secret = y.secret(i).is_some();
                let parts = yaml::parts(y.line(i)).into_iter();
                Line(parts.map(|(part, text)| (text.to_owned(), scope(part, text, secret))).collect())
            })
            .collect(),
        Err(why) => vec![Line::of(why, "error")],
    };
    view.settle();
}

fn scope(part: Part, text: &str, secret: bool) -> &'static str {
    let value = text.trim();
    match part {
        Part::Key => "yaml.key",
        Part::Mark => "yaml.comment",
        _ if secret => "yaml.secret",
        Part::Value if value.parse::<f64>().is_ok() || matches!(value, "true" | "false" | "null") => {
            "yaml.number"
        }
        Part::Value => "yaml.string",
        Part::Text => "yaml.value",
    }
}

/// Shows managed fields, or hides them.
pub fn managed(model: &mut Model) {
    if let Some(view) = model.text_mut()
        && let Some(source) = &mut view.source
    {
        source.managed = !source.managed;
        write(view);
    }
}

/// The names of the Secret's values that the text hides.
pub fn masked(model: &Model) -> Vec<String> {
    match model.view() {
        View::Text(t) if t.of == Of::Yaml => t
            .source
            .as_ref()
            .and_then(|s| s.object.as_ref())
            .filter(|o| o["kind"] == "Secret")
            .map(|o| o["data"].as_object().into_iter().flat_map(|d| d.keys().cloned()).collect())
            .unwrap_or_default(),
        _ => Vec::new(),
    }
}

/// Asks which of a Secret's values to show: one, by its name.
pub fn reveal(model: &mut Model) {
    let suggestions = masked(model).into_iter().map(|word| Suggestion {
        word,
        description: "show this value until the view is left".into(),
        ..Suggestion::default()
    });
    model.prompt =
        Some(Prompt { kind: PromptKind::Reveal, suggestions: suggestions.collect(), ..Prompt::default() });
}

pub fn revealed(model: &mut Model, key: String) {
    if let Some(view) = model.text_mut()
        && let Some(source) = &mut view.source
    {
        source.revealed.insert(key);
        write(view);
    }
}
