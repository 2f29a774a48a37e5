//! `:do ACTION [KIND/NAME] [OPTIONS]`: an action as the command line takes it, on the selected object where none is named.

use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::notice::Tone;
use crate::app::core::runs::control::begin;
use crate::app::core::runs::targets::Targets;
use crate::remedy::{self, Action};
use crate::world::{Kind, ObjectRef};

/// Says how it is written.
pub fn usage(model: &mut Model) -> Vec<Effect> {
    let wide: Vec<&str> = remedy::cluster_wide().iter().map(|a| a.name).collect();
    let text = format!(
        "`:do ACTION [KIND/NAME] [--OPTION VALUE]`, such as `:do scale --replicas 3` on the selected row. Without an object: {}.",
        wide.join(", ")
    );
    model.say(Tone::Info, text);
    Vec::new()
}

/// Plans what was typed.
pub fn run(model: &mut Model, said: &str) -> Vec<Effect> {
    match read(model, said) {
        Ok((action, target, line)) => match remedy::options(action, &line) {
            Ok(params) => return begin(model, action, Targets::from(target), params),
            Err(why) => model.say(Tone::Bad, why),
        },
        Err(why) => model.say(Tone::Bad, why),
    }
    Vec::new()
}

/// The action, its object and the rest of the line.
fn read(model: &Model, said: &str) -> Result<(&'static Action, ObjectRef, String), String> {
    let (name, rest) = said.split_once(char::is_whitespace).unwrap_or((said, ""));
    let rest = rest.trim();
    let action = remedy::action(name)
        .ok_or_else(|| format!("There is no action `{name}`; `a` on a row lists those that fit it."))?;
    if action.is_cluster_wide() {
        return Ok((action, remedy::the_cluster(), rest.to_owned()));
    }
    let (word, more) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if let Some((kind, name)) = word.split_once('/').filter(|(kind, _)| !kind.starts_with('-'))
        && let Some(kind) = Kind::parse(kind)
    {
        let mut shown = model.namespaces.iter();
        let namespace: &str = match (kind.namespaced(), shown.next(), shown.next()) {
            (false, ..) => "",
            (true, Some(one), None) => one,
            (true, ..) => return Err(format!("`{word}` is in one namespace: choose it first (`:ns NAME`).")),
        };
        return Ok((action, ObjectRef::new(kind, namespace, name), more.trim().to_owned()));
    }
    let object = model
        .selected()
        .ok_or_else(|| format!("{name} needs an object: select a row, or name KIND/NAME."))?;
    let fitting = remedy::for_object(&model.data.world, &object).into_iter();
    let target = fitting.filter(|(a, _)| *a == action).map(|(_, target)| target).next();
    let target =
        target.ok_or_else(|| format!("{name} works on {}, not on {object}.", action.kinds_in_words()))?;
    Ok((action, target, rest.to_owned()))
}
