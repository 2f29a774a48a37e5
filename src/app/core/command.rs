//! What each command does, and what a line typed after `:` means.

use crate::app::core::available::Here;
use crate::app::core::model::{Dialog, Dirty, Model, Pane, PromptKind, Tone, View};
use crate::app::core::msg::Effect;
use crate::app::core::navigate;
use crate::app::core::preferences;
use crate::app::core::served;
use crate::app::dialogs::batch;
use crate::app::dialogs::complete;
use crate::app::dialogs::meaning::{self, Meaning, Reading};
use crate::app::dialogs::menu;
use crate::app::dialogs::prompt;
use crate::app::dialogs::runs;
use crate::app::dialogs::silence;
use crate::app::dialogs::standing;
use crate::app::table::{Fence, Source, Table};
use crate::app::views::arrange;
use crate::app::views::describe;
use crate::app::views::document;
use crate::app::views::evidence;
use crate::app::views::help;
use crate::app::views::list::{self, List};
use crate::app::views::logs;
use crate::app::views::save;
use crate::app::views::timeline;
use crate::app::views::why;
use crate::config::commands::Id;
use crate::detect::How;
use crate::world::Kind;

pub fn run(model: &mut Model, id: Id) -> Vec<Effect> {
    model.dirty = Dirty::Input;
    match &model.dialog {
        _ if model.prompt.is_some() || matches!(id, Id::Quit | Id::Redraw | Id::Suspend) => {}
        Some(Dialog::Menu(_)) => return menu::keys(model, id),
        Some(Dialog::Plan(_)) => return runs::in_plan(model, id),
        Some(Dialog::Batch(_)) => return batch::keys(model, id),
        Some(Dialog::OtherCluster(_)) => return standing::keys(model, id),
        None => {}
    }
    if model.prompt.is_none()
        && let Some(effects) = why::run(model, id).or_else(|| logs::run(model, id))
    {
        return effects;
    }
    if model.prompt.is_none()
        && let Some(why) = Here::of(model).refusal(id)
    {
        model.say(Tone::Info, why);
        return Vec::new();
    }
    match id {
        // While a capture runs, ctrl-c stops that first: leaving would cut it off.
        Id::Quit
            if matches!(model.dialog, Some(Dialog::Plan(_) | Dialog::Batch(_))) && runs::under_way(model) =>
        {
            return runs::stop(model);
        }
        Id::Quit => {
            model.quitting = true;
            return vec![Effect::Quit];
        }
        Id::Redraw => return vec![Effect::Redraw],
        Id::Suspend => return vec![Effect::Suspend],
        Id::Palette => {
            prompt::open(model, PromptKind::Command);
            return served::ask(model).into_iter().collect();
        }
        Id::Filter => prompt::open(model, PromptKind::Filter),
        Id::FilterClear => prompt::filter(model, ""),
        Id::PromptAccept
        | Id::PromptCancel
        | Id::PromptComplete
        | Id::PromptNext
        | Id::PromptPrevious
        | Id::PromptErase
        | Id::PromptEraseWord
        | Id::PromptEraseAll => return prompt::run(model, id),
        Id::Help => help::open(model),
        Id::Header => model.header = !model.header,
        Id::Back => navigate::back(model),
        Id::HistoryBack => navigate::pop(model),
        Id::HistoryForward => navigate::forward(model),
        Id::HistoryLast => navigate::last(model),
        Id::FocusNext => navigate::focus(model, 1),
        Id::FocusPrevious => navigate::focus(model, -1),
        Id::Focus1 => navigate::focus_number(model, 0),
        Id::Focus2 => navigate::focus_number(model, 1),
        Id::Focus3 => navigate::focus_number(model, 2),
        Id::Focus4 => navigate::focus_number(model, 3),
        Id::Focus5 => navigate::focus_number(model, 4),
        Id::Focus6 => navigate::focus_number(model, 5),
        Id::PaneWider
        | Id::PaneNarrower
        | Id::PaneTaller
        | Id::PaneShorter
        | Id::PaneHide
        | Id::PaneLater
        | Id::PaneAll => arrange::run(model, id),
        Id::Zoom => model.overview.zoom = !model.overview.zoom,
        Id::MoveDown => navigate::step(model, 1),
        Id::MoveUp => navigate::step(model, -1),
        Id::PageDown => navigate::page(model, 1),
        Id::PageUp => navigate::page(model, -1),
        Id::MoveTop => navigate::top(model),
        Id::MoveBottom => navigate::bottom(model),
        Id::ScrollLeft => navigate::sideways(model, -1),
        Id::ScrollRight => navigate::sideways(model, 1),
        Id::Drill => return navigate::drill(model),
        Id::Owner => navigate::owner(model),
        Id::ShowNode => navigate::node(model),
        Id::Act => menu::here(model),
        Id::Describe => {
            if let Some(object) = model.selected() {
                return describe::open(model, object);
            }
        }
        Id::Yaml => {
            if let Some(object) = model.selected() {
                return document::open(model, object);
            }
        }
        Id::Logs | Id::LogsPrevious => {
            if let Some(object) = model.selected() {
                return logs::open(model, object, navigate::container(model), id == Id::LogsPrevious);
            }
        }
        Id::ManagedFields => document::managed(model),
        Id::Reveal => document::reveal(model),
        Id::CopyText => {
            let text = match model.view() {
                View::Text(t) => t.lines.iter().map(|l| l.text() + "\n").collect(),
                _ => String::new(),
            };
            model.say(Tone::Info, "Copied the text.");
            return vec![Effect::Copy(text)];
        }
        Id::Evidence => evidence::open(model),
        Id::Acknowledge => return silence::ask(model, How::Acknowledged),
        Id::Mute => return silence::ask(model, How::Muted),
        Id::Note => timeline::ask(model),
        Id::TimelineObject => timeline::only_object(model),
        Id::TimelineAll => timeline::only_since(model, ""),
        Id::Timeline5m => timeline::only_since(model, "5m"),
        Id::Timeline15m => timeline::only_since(model, "15m"),
        Id::Timeline30m => timeline::only_since(model, "30m"),
        Id::Timeline1h => timeline::only_since(model, "1h"),
        Id::Timeline6h => timeline::only_since(model, "6h"),
        Id::TimelineSave => return timeline::save(model),
        Id::Why => {
            if let Some(object) = model.selected() {
                return why::open(model, object);
            }
        }
        Id::UsedBy => navigate::used_by(model),
        Id::Jump => prompt::open(model, PromptKind::Jump),
        Id::Save => return save::view(model),
        Id::SaveScreen => return save::screen(model),
        Id::FullScreen => model.full = !model.full,
        Id::TextRefresh => return document::again(model),
        Id::Warnings => {
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
        Id::Wide => {
            let wide = model.table_mut().is_some_and(|(table, cx)| table.toggle_wide(&cx));
            let text =
                if wide { "All columns; left and right scroll them." } else { "The columns that matter." };
            model.say(Tone::Info, text);
        }
        Id::Sick => with_table(model, |t, cx| {
            t.faults = !t.faults;
            t.rebuild(cx);
        }),
        Id::SortName => sort_by(model, "NAME"),
        Id::SortAge => sort_by(model, "AGE"),
        Id::SortStatus => sort_by(model, "STATUS"),
        Id::SortNamespace => sort_by(model, "NAMESPACE"),
        Id::SortLeft => sort_step(model, -1),
        Id::SortRight => sort_step(model, 1),
        Id::SortColumn => with_table(model, |t, cx| {
            if let Some((column, _)) = t.sorted_by() {
                t.sort(cx, Some(column));
            }
        }),
        Id::NamespaceAll => navigate::namespaces(model, Vec::new()),
        Id::Warp => {
            if let Some(o) = model.selected().filter(|o| !o.namespace.is_empty()) {
                navigate::namespaces(model, vec![o.namespace]);
            }
        }
        Id::Mark => with_table(model, |t, cx| t.mark(cx)),
        Id::MarkRange => with_table(model, |t, cx| t.mark_range(cx)),
        Id::MarkClear => with_table(model, |t, _| t.marks.clear()),
        Id::CopyName => return copy(model, |o| o.name.to_string()),
        Id::CopyNamespace => return copy(model, |o| o.namespace.to_string()),
        Id::MatchNext | Id::MatchPrevious => {
            if let Some(t) = model.text_mut()
                && !t.find(id == Id::MatchNext)
            {
                model.say(Tone::Info, "Nothing here matches. `/` searches.");
            }
        }
        Id::ViewOverview => {
            model.views.clear();
            model.overview.zoom = false;
        }
        Id::ViewFindings => navigate::zoom_on(model, Pane::Findings),
        Id::ViewGpu => navigate::zoom_on(model, Pane::Gpus),
        Id::ViewKubeProxy => navigate::zoom_on(model, Pane::KubeProxy),
        Id::ViewPods => table(model, Kind::Pod),
        Id::ViewNodes => table(model, Kind::Node),
        Id::ViewEvents => table(model, Kind::Event),
        Id::ViewWorkloads => {
            open_table(model, Source { kind: Kind::Deployment, fence: Fence::Workloads });
        }
        Id::Bug => return vec![Effect::Bug(preferences::capabilities(model))],
        Id::Theme => prompt::open(model, PromptKind::Theme),
        Id::ReadOnly => return preferences::toggle_read_only(model),
        Id::Presentation => preferences::toggle_presentation(model),
        Id::Times => preferences::toggle_times(model),
        Id::Context => navigate::push(model, View::List(Box::new(List::new(list::What::Contexts)))),
        Id::ViewJournal => navigate::push(model, View::List(Box::new(List::new(list::What::Journal)))),
        Id::Timeline => navigate::push(model, View::List(Box::new(List::new(list::What::Timeline)))),
        Id::Namespace => navigate::push(model, View::List(Box::new(List::new(list::What::Namespaces)))),
        Id::Refresh => {
            model.say(Tone::Info, "Connecting anew; every watch goes on from where it was, or lists again.");
            return vec![Effect::Reconnect];
        }
        _ => match preferences::favourite_number(id) {
            Some(number) => preferences::favourite(model, number),
            None => model.say(Tone::Info, format!("`{}` does nothing here.", id.command().name)),
        },
    }
    Vec::new()
}

fn with_table(model: &mut Model, f: impl FnOnce(&mut Table, &crate::app::table::cx::Cx<'_>)) {
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
fn copy(model: &mut Model, what: impl Fn(&crate::world::ObjectRef) -> String) -> Vec<Effect> {
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

/// Opens the full view of a kind.
pub fn table(model: &mut Model, kind: Kind) {
    open_table(model, Source { kind, fence: Fence::All });
}

pub fn open_table(model: &mut Model, source: Source) {
    let mut table = Table::new(source);
    table.relearn(&model.data.cx());
    table.within_namespaces(&model.data.cx(), &model.namespaces);
    navigate::push(model, View::Table(Box::new(table)));
}

/// The kind whose name or short name this is: one that is watched, or any other the server serves.
pub fn kind(model: &Model, word: &str) -> Option<Kind> {
    Kind::parse(word).filter(Kind::watched).or_else(|| model.served.kind(word)).or_else(|| Kind::parse(word))
}

/// A line after `:`: a kind with a namespace or filter, or a command's word. A line that may not run as it stands is
/// typed again, with what could be meant.
pub fn line(model: &mut Model, line: &str) -> Vec<Effect> {
    model.dirty = Dirty::Input;
    let line = line.trim().trim_start_matches(':');
    let mut words = line.split_whitespace();
    let Some(first) = words.next() else { return Vec::new() };
    let rest: Vec<&str> = words.collect();
    let (word, name) = first.split_once('/').map_or((first, None), |(word, name)| (word, Some(name)));
    match (meaning::read(model, word), name) {
        (Reading::Is(Meaning::Kind(kind)), Some(name)) => {
            navigate::open_object(model, &kind, rest.first().copied().unwrap_or(""), name);
            Vec::new()
        }
        (Reading::Is(Meaning::Kind(kind)), None) => kind_line(model, kind, line, &rest),
        (Reading::Is(Meaning::Command(id)), None) => command_line(model, id, line, &rest),
        (Reading::Several(names), _) => {
            /// Names in the sentence; the suggestions above it have more.
            const NAMED: usize = 4;
            let more = if names.len() > NAMED { ", …" } else { "" };
            let names: Vec<String> = names.iter().take(NAMED).map(|n| format!("`{n}`")).collect();
            let text = format!("`:{word}` begins {}{more}: type more, or choose.", names.join(", "));
            prompt::propose(model, line, text)
        }
        (Reading::Guarded(name), None) => {
            prompt::propose(model, line, format!("`:{name}` runs only when its whole name is typed."))
        }
        _ if served::wait(model, line) => Vec::new(),
        (Reading::Elsewhere(sentence), None) => prompt::propose(model, line, sentence),
        (Reading::Is(_) | Reading::Elsewhere(_) | Reading::Guarded(_) | Reading::Unknown, _) => {
            let words = complete::words(model);
            let near = crate::config::document::nearest(word, words.iter().map(|s| s.word.as_str()))
                .map(|w| format!(" Did you mean `{w}`?"))
                .unwrap_or_default();
            let trouble =
                model.served.trouble().map(|why| format!(" The server did not say what it serves: {why}"));
            let text = format!("`:{word}` is no command and no kind.{near}{}", trouble.unwrap_or_default());
            prompt::propose(model, line, text)
        }
    }
}

/// A kind's word with what follows it: another context, namespaces, a filter.
fn kind_line(model: &mut Model, kind: Kind, line: &str, rest: &[&str]) -> Vec<Effect> {
    // As k9s has it: a kind in another context.
    if let Some(context) = rest.iter().find_map(|word| word.strip_prefix('@')) {
        return navigate::switch(model, context);
    }
    if let (Kind::Namespace, [names]) = (&kind, rest) {
        namespace_line(model, names);
        return Vec::new();
    }
    table(model, kind);
    narrow(model, line, rest);
    Vec::new()
}

/// A command's word with what follows it.
fn command_line(model: &mut Model, id: Id, line: &str, rest: &[&str]) -> Vec<Effect> {
    let said = line.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
    match id {
        Id::Theme if !said.is_empty() => preferences::choose_theme(model, said),
        Id::Context if !said.is_empty() => return navigate::switch(model, said),
        Id::Note if !said.is_empty() => {
            let object = model.selected();
            timeline::noted(model, object, said);
        }
        Id::Acknowledge if !said.is_empty() => return silence::line(model, How::Acknowledged, said),
        Id::Mute if !said.is_empty() => return silence::line(model, How::Muted, said),
        Id::ViewWorkloads => {
            let effects = run(model, id);
            narrow(model, line, rest);
            return effects;
        }
        _ => return run(model, id),
    }
    Vec::new()
}

/// The words after a table's: a filter, or namespaces.
fn narrow(model: &mut Model, line: &str, words: &[&str]) {
    for word in words {
        if let Some((_, pattern)) = line.split_once(" /").filter(|_| word.starts_with('/')) {
            prompt::filter(model, pattern);
            break;
        }
        if let Some((_, rest)) = line.split_once(&format!(" {word}")).filter(|_| matches!(*word, "-f" | "-l"))
        {
            prompt::filter(model, &format!("{word}{rest}"));
            break;
        }
        if word.contains('=') {
            prompt::filter(model, &format!("-l {word}"));
        } else {
            namespace_line(model, word);
        }
    }
}

fn namespace_line(model: &mut Model, names: &str) {
    let names: Vec<_> = match names {
        "all" | "*" | "-A" => Vec::new(),
        names => names.split(',').filter(|n| !n.is_empty()).map(Into::into).collect(),
    };
    navigate::namespaces(model, names);
}
