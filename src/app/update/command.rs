//! What each command runs and when it can, expanded from the rows of the registry.

use tui_input::InputRequest;

use crate::app::core::available::Here;
use crate::app::core::configure;
use crate::app::core::dialog::Dialog;
use crate::app::core::model::Model;
use crate::app::core::msg::Effect;
use crate::app::core::namespaces;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::pane::Pane;
use crate::app::core::runs::control;
use crate::app::core::served;
use crate::app::core::stack;
use crate::app::core::typed::PromptKind;
use crate::app::core::view::Motion;
use crate::app::dialogs::{action_line, keys, leave, menu, plan, prompt, silence};
use crate::app::update::line::accept;
use crate::app::views::{
    arrange, audit, checklists, contexts, describe, document, evidence, find, forwards, help, incidents,
    journal, logs, namespace_list, objects, pulses, regions, report, rights, rollout, save, streams,
    timeline, who, why, xray,
};
use crate::config::Scope;
use crate::config::commands::Id;
use crate::config::registry::commands;
use crate::detect::How;
use crate::world::{Kind, ObjectRef};

/// What the outside must do after a command's function: nothing, one thing or several.
trait Outcome {
    fn effects(self) -> Vec<Effect>;
}

impl Outcome for () {
    fn effects(self) -> Vec<Effect> {
        Vec::new()
    }
}

impl Outcome for Effect {
    fn effects(self) -> Vec<Effect> {
        vec![self]
    }
}

impl Outcome for Vec<Effect> {
    fn effects(self) -> Vec<Effect> {
        self
    }
}

/// What a row says beyond keys and words.
struct Row {
    /// Why the command can do nothing here and now; `None` where it can.
    refusal: fn(&Here<'_>) -> Option<String>,
    run: fn(&mut Model) -> Vec<Effect>,
}

/// A check of the row: a method of `Here`, or a function of the view that alone can be checked so.
macro_rules! check {
    ($here:ident, $method:ident ($($with:expr),*)) => { $here.$method($($with),*) };
    ($here:ident, $view:ident :: $check:ident ($($with:expr),*)) => { $view::$check($here $(, $with)*) };
}

macro_rules! functions {
    ($(
        $id:ident $name:literal $description:literal
        [$($scope:ident)*] [$($key:literal)*] [$($word:literal)*] $({ $whole:ident })?
        $(if $when:ident $(:: $check:ident)? $(($($with:expr),*))?)? => $($run:ident)::+ $(($($argument:expr),*))?;
    )*) => {
        /// In the order of [`Id`].
        static ROWS: &[Row] = &[$(Row {
            refusal: |_here| None$(.or_else(|| check!(_here, $when $(:: $check)? ($($($with),*)?))))?,
            run: |model| Outcome::effects($($run)::+(model $($(, $argument)*)?)),
        },)*];
    };
}

commands!(functions);

impl Here<'_> {
    /// Why the command can do nothing here and now, as a sentence; `None` where it can.
    pub fn refusal(&self, id: Id) -> Option<String> {
        (ROWS[id as usize].refusal)(self)
    }
}

/// Runs a command, where it can do something here.
pub fn run(model: &mut Model, id: Id) -> Vec<Effect> {
    model.dirty = Dirty::Input;
    let command = id.command();
    let (everywhere, typing) = (command.scopes.contains(&Scope::Always), model.prompt.is_some());
    if model.dialog.is_some() && !typing && !everywhere {
        return keys::pressed(model, id);
    }
    if !typing {
        let refusal = match out_of_place(model, id) {
            true => Some(format!("`{}` does nothing here.", command.name)),
            false => Here::of(model).refusal(id),
        };
        if let Some(why) = refusal {
            model.say(Tone::Info, why);
            return Vec::new();
        }
    }
    (ROWS[id as usize].run)(model)
}

/// Whether the command is only for a view or a dialog that is not open. It may be run from elsewhere by its name.
fn out_of_place(model: &Model, id: Id) -> bool {
    const NARROW: [Scope; 5] = [Scope::Tree, Scope::Logs, Scope::Actions, Scope::Dialog, Scope::Prompt];
    let (scopes, here) = (id.command().scopes, model.scope().chain());
    scopes.iter().all(|s| NARROW.contains(s)) && !scopes.iter().any(|s| here.contains(s))
}

fn quit(model: &mut Model) -> Vec<Effect> {
    // While a capture runs, ctrl-c stops that first: leaving would cut it off.
    if matches!(model.dialog, Some(Dialog::Plan(_) | Dialog::Batch(_))) && control::under_way(model) {
        return plan::stop(model);
    }
    leave::leave(model)
}

fn redraw(_: &mut Model) -> Effect {
    Effect::Redraw
}

fn suspend(_: &mut Model) -> Effect {
    Effect::Suspend
}

fn login(_: &mut Model) -> Effect {
    Effect::Login
}

fn reconnect(model: &mut Model) -> Effect {
    model.say(Tone::Info, "Connecting anew; every watch goes on from where it was, or lists again.");
    Effect::Reconnect
}

fn bug(model: &mut Model) -> Effect {
    Effect::Bug(configure::capabilities(model))
}

fn palette(model: &mut Model) -> Vec<Effect> {
    prompt::open(model, PromptKind::Command);
    served::ask(model).into_iter().collect()
}

fn header(model: &mut Model) {
    model.header = !model.header;
}

fn zoom(model: &mut Model) {
    model.overview.zoom = !model.overview.zoom;
}

fn full_screen(model: &mut Model) {
    model.full = !model.full;
}

fn overview(model: &mut Model) {
    model.views.clear();
    model.overview.zoom = false;
}

/// Plans a rollback: in the view of a rollout to the revision under the cursor, else to the one that is known to run.
fn undo(model: &mut Model) -> Vec<Effect> {
    match rollout::chosen(model) {
        Some((workload, revision)) => {
            let params = [("to-revision".to_owned(), revision.to_string())].into();
            menu::begin(model, "rollback", workload, params)
        }
        None => menu::plan(model, "rollback"),
    }
}

/// The menu of actions; in a decision tree, on what was asked about.
fn act(model: &mut Model) {
    match why::asked(model) {
        Some(object) => menu::of(model, object),
        None => menu::here(model),
    }
}

/// The favourite namespace of this number, from 0; in a decision tree, the answer of this number.
fn favourite(model: &mut Model, number: usize) -> Vec<Effect> {
    if why::asked(model).is_some() {
        return why::answer_number(model, number);
    }
    namespaces::favourite(model, number);
    Vec::new()
}

/// Only this row's namespace.
fn warp(model: &mut Model) {
    if let Some(o) = model.selected() {
        namespaces::show(model, vec![o.namespace]);
    }
}

fn copy_text(model: &mut Model) -> Effect {
    let text = model.front().text();
    model.say(Tone::Info, "Copied the text.");
    Effect::Copy(text)
}

fn find(model: &mut Model, forward: bool) {
    if !model.front_mut().find(forward) {
        model.say(Tone::Info, "Nothing here matches. `/` searches.");
    }
}

fn copy_names(model: &mut Model) -> Vec<Effect> {
    copy(model, |o| o.name.to_string())
}

fn copy_namespaces(model: &mut Model) -> Vec<Effect> {
    copy(model, |o| o.namespace.to_string())
}

/// Copies a word of every marked row, or of the one under the cursor.
fn copy(model: &mut Model, what: impl Fn(&ObjectRef) -> String) -> Vec<Effect> {
    let objects = model.marked();
    let mut words: Vec<String> = objects.iter().map(what).collect();
    words.dedup();
    let text = words.join("\n");
    match words.as_slice() {
        [] => return Vec::new(),
        [one] => model.say(Tone::Info, format!("Copied {one}")),
        many => model.say(Tone::Info, format!("Copied {} lines", many.len())),
    }
    vec![Effect::Copy(text)]
}
