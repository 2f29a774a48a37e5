//! `y`: the whole object as YAML, fetched when asked for; Secrets stay masked until one key is revealed by name.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::app::core::available::{Here, unless};
use crate::app::core::content::Line;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::stack;
use crate::app::core::typed::{Prompt, PromptKind, Suggestion};
use crate::app::views::describe;
use crate::app::views::text::Reader;
use crate::app::views::yaml::{self, Part};
use crate::world::ObjectRef;
use crate::world::ask::{Answer, Call};

/// An object and how it is shown.
#[derive(Debug)]
pub struct Document {
    /// The call that fetches the object.
    token: u64,
    object: Option<Value>,
    managed: bool,
    revealed: BTreeSet<String>,
}

type YamlView = Reader<Document>;

/// The same of what is under the cursor.
pub fn here(model: &mut Model) -> Vec<Effect> {
    model.selected().map_or(Vec::new(), |object| open(model, object))
}

pub fn open(model: &mut Model, object: ObjectRef) -> Vec<Effect> {
    if object.kind.plural().is_empty() {
        model.say(Tone::Info, format!("khud cannot fetch a {} yet.", object.kind));
        return Vec::new();
    }
    let token = model.token();
    let call = Call::get(object.path());
    let of = Document { token, object: None, managed: false, revealed: BTreeSet::new() };
    let title = object.to_string();
    stack::push(model, Reader::new(of, title, Some(object), vec![Line::of("Fetching…", "text.dim")]));
    vec![Effect::Call { token, call }]
}

/// The object came, or why it did not.
pub fn called(model: &mut Model, token: u64, result: &Result<Answer, String>) {
    let Some(view) = model.all_mut::<YamlView>().find(|v| v.of.token == token) else { return };
    match result {
        Ok(a) if a.ok() => {
            view.of.object = Some(a.body.clone());
            write(view);
        }
        Ok(a) => view.text.lines = vec![Line::of(a.message(), "error")],
        Err(why) => view.text.lines = vec![Line::of(why, "error")],
    }
    model.dirty = Dirty::Input;
}

/// Fetches the object of a view again; what was revealed stays so.
pub fn again(model: &mut Model) -> Vec<Effect> {
    if let Some(effect) = describe::again(model) {
        return vec![effect];
    }
    let token = model.token();
    let Some(view) = model.top_mut::<YamlView>() else { return Vec::new() };
    let Some(object) = &view.object else { return Vec::new() };
    view.of.token = token;
    vec![Effect::Call { token, call: Call::get(object.path()) }]
}

/// A check: the text in front is an object of the server.
pub fn fetched(here: &Here<'_>) -> Option<String> {
    let fetched = describe::fetched(here.model) || here.model.top::<YamlView>().is_some();
    unless(fetched, "This text is not an object of the server.")
}

/// A check: the text in front is an object's YAML.
pub fn yaml(here: &Here<'_>) -> Option<String> {
    unless(here.model.top::<YamlView>().is_some(), "That is for an object's YAML.")
}

/// A check: the YAML in front hides values of a Secret.
pub fn hides(here: &Here<'_>) -> Option<String> {
    unless(!masked(here.model).is_empty(), "Nothing here is masked.")
}

fn write(view: &mut YamlView) {
    let Some(object) = &view.of.object else { return };
    view.text.lines = match yaml::write(object, view.of.managed, &view.of.revealed) {
        Ok(y) => (0..y.len())
            .map(|i| {
                let secret = y.secret(i).is_some();
                let parts = yaml::parts(y.line(i)).into_iter();
                Line(parts.map(|(part, text)| (text.to_owned(), scope(part, text, secret))).collect())
            })
            .collect(),
        Err(why) => vec![Line::of(why, "error")],
    };
    view.text.stay_inside();
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
    if let Some(view) = model.top_mut::<YamlView>() {
        view.of.managed = !view.of.managed;
        write(view);
    }
}

/// The names of the Secret's values that the text hides.
fn masked(model: &Model) -> Vec<String> {
    let object = model.top::<YamlView>().and_then(|v| v.of.object.as_ref());
    object
        .filter(|o| o["kind"] == "Secret")
        .map(|o| o["data"].as_object().into_iter().flat_map(|d| d.keys().cloned()).collect())
        .unwrap_or_default()
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
    if let Some(view) = model.top_mut::<YamlView>() {
        view.of.revealed.insert(key);
        write(view);
    }
}
