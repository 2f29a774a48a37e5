//! What each command runs and when it can, expanded from the rows of the registry.

use tui_input::InputRequest;

use crate::app::core::available::Here;
use crate::app::core::line::accept;
use crate::app::core::model::{Dialog, Dirty, Model, Pane, PromptKind, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::core::navigate;
use crate::app::core::preferences;
use crate::app::core::served;
use crate::app::dialogs;
use crate::app::dialogs::menu;
use crate::app::dialogs::prompt;
use crate::app::dialogs::runs;
use crate::app::dialogs::silence;
use crate::app::table::Table;
use crate::app::table::cx::Cx;
use crate::app::views::arrange;
use crate::app::views::describe;
use crate::app::views::document;
use crate::app::views::evidence;
use crate::app::views::help;
use crate::app::views::incidents;
use crate::app::views::list::What;
use crate::app::views::logs;
use crate::app::views::report;
use crate::app::views::save;
use crate::app::views::timeline;
use crate::app::views::why;
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

macro_rules! functions {
    ($(
        $id:ident $name:literal $description:literal
        [$($scope:ident)*] [$($key:literal)*] [$($word:literal)*] $({ $whole:ident })?
        $(if $when:ident $(($($with:expr),*))?)? => $($run:ident)::+ $(($($argument:expr),*))?;
    )*) => {
        /// In the order of [`Id`].
        static ROWS: &[Row] = &[$(Row {
            refusal: |_here| None$(.or_else(|| _here.$when($($($with),*)?)))?,
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
        return dialogs::key(model, id);
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
    if matches!(model.dialog, Some(Dialog::Plan(_) | Dialog::Batch(_))) && runs::under_way(model) {
        return runs::stop(model);
    }
    runs::leave(model)
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
    Effect::Bug(preferences::capabilities(model))
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
    preferences::favourite(model, number);
    Vec::new()
}

/// Only this row's namespace.
fn warp(model: &mut Model) {
    if let Some(o) = model.selected() {
        navigate::namespaces(model, vec![o.namespace]);
    }
}

fn warnings(model: &mut Model) {
    let Model { data, overview, views, .. } = model;
    // The events in front, else those of the overview.
    let table = match views.last_mut() {
        Some(View::Table(t)) if t.source.kind == Kind::Event => &mut **t,
        _ => &mut overview.events,
    };
    table.faults = !table.faults;
    table.rebuild(&data.cx());
    let only = table.faults;
    model.say(Tone::Info, if only { "Of the events, warnings only." } else { "All events." });
}

fn copy_text(model: &mut Model) -> Effect {
    let text = match model.view() {
        View::Text(t) => t.lines.iter().map(|l| l.text() + "\n").collect(),
        _ => String::new(),
    };
    model.say(Tone::Info, "Copied the text.");
    Effect::Copy(text)
}

fn find(model: &mut Model, forward: bool) {
    if let Some(t) = model.text_mut()
        && !t.find(forward)
    {
        model.say(Tone::Info, "Nothing here matches. `/` searches.");
    }
}

fn wide(model: &mut Model) {
    let wide = model.table_mut().is_some_and(|(table, cx)| table.toggle_wide(&cx));
    let text = if wide { "All columns; left and right scroll them." } else { "The columns that matter." };
    model.say(Tone::Info, text);
}

fn sick(model: &mut Model) {
    with_table(model, |t, cx| {
        t.faults = !t.faults;
        t.rebuild(cx);
    });
}

fn mark(model: &mut Model) {
    with_table(model, |t, cx| t.mark(cx));
}

fn mark_range(model: &mut Model) {
    with_table(model, |t, cx| t.mark_range(cx));
}

fn clear_marks(model: &mut Model) {
    with_table(model, |t, _| t.marks.clear());
}

/// Turns the order of the column that is sorted by.
fn sort_again(model: &mut Model) {
    with_table(model, |t, cx| {
        if let Some((column, _)) = t.sorted_by() {
            t.sort(cx, Some(column));
        }
    });
}

fn copy_names(model: &mut Model) -> Vec<Effect> {
    copy(model, |o| o.name.to_string())
}

fn copy_namespaces(model: &mut Model) -> Vec<Effect> {
    copy(model, |o| o.namespace.to_string())
}

fn with_table(model: &mut Model, f: impl FnOnce(&mut Table, &Cx<'_>)) {
    if let Some((table, cx)) = model.table_mut() {
        f(table, &cx);
    }
}

fn sort_by(model: &mut Model, name: &str) {
    with_table(model, |t, cx| {
        let column = t.columns().iter().position(|c| c.is(name));
        t.sort(cx, column);
    });
}

/// Sorts by the column beside the one sorted by.
fn sort_step(model: &mut Model, by: isize) {
    with_table(model, |t, cx| {
        let n = t.columns().len() as isize;
        let next = match t.sorted_by() {
            None if by > 0 => 0,
            None => n - 1,
            Some((c, _)) => (c as isize + by).rem_euclid(n),
        };
        t.sort(cx, usize::try_from(next).ok());
    });
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
