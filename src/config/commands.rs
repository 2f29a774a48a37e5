//! The one registry of commands: it feeds the keymap, the key bar, `?`, the `:` palette and docs/keys.md.

use super::Key;

/// Where keys are listened to. A key is looked up along [`Scope::chain`], the most particular first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere, dialogs and prompts included.
    Always,
    /// Everywhere but in dialogs, menus and prompts.
    Global,
    /// Any list of rows.
    Rows,
    Findings,
    Pods,
    Containers,
    Workloads,
    Nodes,
    Events,
    Timeline,
    /// Scrolled text: YAML, describe, help.
    Text,
    Logs,
    /// The decision tree.
    Tree,
    /// The menu of actions on an object, or on all that is marked.
    Actions,
    /// A plan or a question with buttons, perhaps with a field to type in.
    Dialog,
    /// A line being typed: `:`, `/` and the pickers.
    Prompt,
}

impl Scope {
    pub const ALL: [Scope; 16] = [
        Scope::Always,
        Scope::Global,
        Scope::Rows,
        Scope::Findings,
        Scope::Pods,
        Scope::Containers,
        Scope::Workloads,
        Scope::Nodes,
        Scope::Events,
        Scope::Timeline,
        Scope::Text,
        Scope::Logs,
        Scope::Tree,
        Scope::Actions,
        Scope::Dialog,
        Scope::Prompt,
    ];

    /// The scopes a key is looked up in, the most particular first.
    pub fn chain(self) -> &'static [Scope] {
        use Scope::*;
        match self {
            Always => &[Always],
            Global => &[Global, Always],
            Rows => &[Rows, Global, Always],
            Findings => &[Findings, Rows, Global, Always],
            Pods => &[Pods, Rows, Global, Always],
            Containers => &[Containers, Rows, Global, Always],
            Workloads => &[Workloads, Rows, Global, Always],
            Nodes => &[Nodes, Rows, Global, Always],
            Events => &[Events, Rows, Global, Always],
            Timeline => &[Timeline, Rows, Global, Always],
            Text => &[Text, Global, Always],
            Logs => &[Logs, Text, Global, Always],
            Tree => &[Tree, Global, Always],
            Actions => &[Actions, Always],
            Dialog => &[Dialog, Always],
            Prompt => &[Prompt, Always],
        }
    }

    /// The heading in help and docs.
    pub fn title(self) -> &'static str {
        match self {
            Scope::Always => "Always",
            Scope::Global => "Everywhere",
            Scope::Rows => "Lists",
            Scope::Findings => "Findings",
            Scope::Pods => "Pods",
            Scope::Containers => "Containers",
            Scope::Workloads => "Workloads",
            Scope::Nodes => "Nodes",
            Scope::Events => "Events",
            Scope::Timeline => "Timeline",
            Scope::Text => "Text",
            Scope::Logs => "Logs",
            Scope::Tree => "Why (decision tree)",
            Scope::Actions => "Actions",
            Scope::Dialog => "Dialogs",
            Scope::Prompt => "Prompt",
        }
    }
}

impl Scope {
    /// Where it is, in a sentence.
    pub fn about(self) -> &'static str {
        match self {
            Scope::Always => "Even while a line is typed or a dialog waits.",
            Scope::Global => {
                "But not in dialogs, menus and prompts, and only where nothing below has the key."
            }
            Scope::Rows => "In every pane and table.",
            Scope::Findings => "On a finding.",
            Scope::Pods => "On a pod.",
            Scope::Containers => "On a container.",
            Scope::Workloads => "On a workload.",
            Scope::Nodes => "On a node.",
            Scope::Events => "On an event.",
            Scope::Timeline => "In the timeline.",
            Scope::Text => "In YAML, describe, help and logs.",
            Scope::Logs => "In logs.",
            Scope::Tree => "In the tree that `w` opens.",
            Scope::Actions => {
                "In the menu that `a` opens, on the object or on all that is marked. Each leads to a plan, never at once to a change."
            }
            Scope::Dialog => {
                "In plans and questions. Cancel is the default; letters go to the field, where there is one."
            }
            Scope::Prompt => {
                "While a line is typed after `:` or `/`, or in a picker. Suggestions stand above the line: commands and \
                 kinds, then the namespaces (`a,b`), contexts, themes or names (`pod/NAME`) they take. `:` runs a name, \
                 an alias or a short name, or the beginning of one; what quits, writes a file or unlocks changes runs \
                 by its whole name only."
            }
        }
    }
}

/// Something the user can do. Whether it can be done here and now, and if not why, `app::available` says.
#[derive(Debug)]
pub struct Command {
    pub id: Id,
    /// The name in keymap files and the palette, such as `move.down`.
    pub name: &'static str,
    /// A few words, as the key bar's tooltip and help show them.
    pub description: &'static str,
    pub scopes: &'static [Scope],
    /// Default keys, each a sequence; the first is the one shown.
    pub keys: &'static [&'static str],
    /// Other words the palette takes, k9s's among them.
    pub words: &'static [&'static str],
}

impl PartialEq for Command {
    fn eq(&self, other: &Command) -> bool {
        self.id == other.id
    }
}

impl Eq for Command {}

impl Command {
    /// True for what changes the cluster or intrudes on it: never bound to a single key outside the actions menu,
    /// and always behind a plan.
    pub fn dangerous(&self) -> bool {
        self.name.starts_with("action.")
    }

    /// Whether it is run by its name after `:` from anywhere.
    pub fn typed(&self) -> bool {
        self.scopes.contains(&Scope::Global) || self.id == Id::Quit
    }

    /// True for what leaves khud or a cluster, writes a file, or lifts a protection: the beginning of a word must not
    /// do that.
    pub fn whole_name_only(&self) -> bool {
        self.dangerous()
            || matches!(
                self.id,
                Id::Quit
                    | Id::Suspend
                    | Id::Context
                    | Id::Save
                    | Id::SaveScreen
                    | Id::Bug
                    | Id::Note
                    | Id::ReadOnly
                    | Id::Presentation
                    | Id::PaneWider
                    | Id::PaneNarrower
                    | Id::PaneTaller
                    | Id::PaneShorter
                    | Id::PaneHide
                    | Id::PaneLater
                    | Id::PaneAll
                    | Id::TimelineSave
            )
    }

    /// The default keys, parsed.
    ///
    /// # Errors
    /// A sentence on the key that cannot be read; a test keeps the registry free of such.
    pub fn default_keys(&self) -> Result<Vec<Vec<Key>>, String> {
        self.keys.iter().map(|text| Key::sequence(text)).collect()
    }
}

/// The command of this name.
pub fn by_name(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.name == name)
}

/// The command the palette means by a word: its name, or one of its other words.
pub fn by_word(word: &str) -> Option<&'static Command> {
    by_name(word).or_else(|| COMMANDS.iter().find(|c| c.words.contains(&word)))
}

impl Id {
    pub fn command(self) -> &'static Command {
        // The table is made in the order of the enum, by one macro.
        &COMMANDS[self as usize]
    }
}

macro_rules! commands {
    ($( $id:ident $name:literal $description:literal [$($scope:ident)*] [$($key:literal)*] [$($word:literal)*]; )*) => {
        /// Every command, to match on.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Id { $($id,)* }

        /// The registry, in the order in which help shows it.
        pub static COMMANDS: &[Command] = &[$(Command {
            id: Id::$id,
            name: $name,
            description: $description,
            scopes: &[$(Scope::$scope,)*],
            keys: &[$($key,)*],
            words: &[$($word,)*],
        },)*];
    };
}

// Columns: id, name, description, scopes, default keys, palette words.
// Reading keys are k9s's; `w`, `a` and `T` are not, nor is any key that leads to a change.
commands! {
    Quit            "quit"              "leave khud"                                [Always] ["ctrl-c"] ["q" "q!" "qa" "Q" "exit"];
    Redraw          "redraw"            "draw the whole screen again"               [Always] ["ctrl-l"] [];
    Suspend         "suspend"           "back to the shell; `fg` returns"           [Always] ["alt-z"] ["sh" "bg"];

    Why             "why"               "why is it broken: walk the decision tree"  [Global] ["w"] ["diagnose"];
    Act             "act"               "actions on it, or on all marked rows"      [Global] ["a"] ["actions" "do"];
    Timeline        "timeline"          "what happened, and when"                   [Global] ["T"] ["tl"];
    Help            "help"              "every key that works here"                 [Global] ["?"] ["h" "?"];
    Palette         "command"           "run a command or open a view by name"      [Global] [":"  "ctrl-a"] ["aliases" "alias" "a"];
    Filter          "filter"            "filter rows or search text"                [Global] ["/"] ["search"];
    Back            "back"              "clear the filter, then go back"            [Global] ["esc" "q"] [];
    FocusNext       "focus.next"        "next pane"                                 [Global] ["tab"] [];
    FocusPrevious   "focus.previous"    "previous pane"                             [Global] ["shift-tab"] [];
    Focus1          "focus.1"           "first pane"                                [Global] ["alt-1"] [];
    Focus2          "focus.2"           "second pane"                               [Global] ["alt-2"] [];
    Focus3          "focus.3"           "third pane"                                [Global] ["alt-3"] [];
    Focus4          "focus.4"           "fourth pane"                               [Global] ["alt-4"] [];
    Focus5          "focus.5"           "fifth pane"                                [Global] ["alt-5"] [];
    Focus6          "focus.6"           "sixth pane"                                [Global] ["alt-6"] [];
    PaneWider       "pane.wider"        "more room for the left side"               [Global] ["alt-right"] [];
    PaneNarrower    "pane.narrower"     "more room for the right side"              [Global] ["alt-left"] [];
    PaneTaller      "pane.taller"       "more rows for this pane"                   [Global] ["alt-down"] [];
    PaneShorter     "pane.shorter"      "fewer rows for this pane"                  [Global] ["alt-up"] [];
    PaneHide        "pane.hide"         "hide this pane"                            [Global] ["alt-x"] [];
    PaneLater       "pane.later"        "change places with the next pane"          [Global] ["alt-m"] [];
    PaneAll         "pane.all"          "all panes, as configured"                  [Global] ["alt-a"] ["panes"];
    Zoom            "zoom"              "this pane alone, and back"                 [Global] ["z"] [];
    FullScreen      "full-screen"       "nothing but the text, and back"            [Text] ["f"] [];
    HistoryBack     "history.back"      "the view before"                           [Global] ["["] [];
    HistoryForward  "history.forward"   "the view after"                            [Global] ["]"] [];
    HistoryLast     "history.last"      "the view before, and back again"           [Global] ["-"] [];
    Jump            "jump"              "to any object by a part of its name"       [Global] ["ctrl-p"] ["find"];
    Save            "save"              "save this table, text or log to a file"    [Global] ["ctrl-s"] [];
    SaveScreen      "save.screen"       "save the screen as it is drawn"            [Global] ["alt-s"] ["screenshot"];
    Warnings        "warnings"          "events: warnings only, or all"             [Global] ["alt-w"] [];
    Refresh         "refresh"           "reconnect and list again, now"             [Global] ["ctrl-r"] [];
    Header          "header"            "show or hide the header"                   [Global] ["ctrl-e"] [];
    NamespaceAll    "namespace.all"     "all namespaces"                            [Global] ["0"] [];
    Namespace1      "namespace.1"       "first favourite namespace"                 [Global] ["1"] [];
    Namespace2      "namespace.2"       "second favourite namespace"                [Global] ["2"] [];
    Namespace3      "namespace.3"       "third favourite namespace"                 [Global] ["3"] [];
    Namespace4      "namespace.4"       "fourth favourite namespace"                [Global] ["4"] [];
    Namespace5      "namespace.5"       "fifth favourite namespace"                 [Global] ["5"] [];
    Namespace6      "namespace.6"       "sixth favourite namespace"                 [Global] ["6"] [];
    Namespace7      "namespace.7"       "seventh favourite namespace"               [Global] ["7"] [];
    Namespace8      "namespace.8"       "eighth favourite namespace"                [Global] ["8"] [];
    Namespace9      "namespace.9"       "ninth favourite namespace"                 [Global] ["9"] [];
    Namespace       "namespace"         "choose namespaces"                         [Global] [] ["ns"];
    Context         "context"           "choose the cluster"                        [Global] [] ["ctx" "contexts"];
    Theme           "theme"             "choose a theme, with preview"              [Global] ["alt-t"] ["skin" "themes"];
    Presentation    "presentation"      "for shared screens: spacing, masks, keys"  [Global] ["alt-p"] ["present"];
    ReadOnly        "read-only"         "refuse every change; off only if allowed"  [Global] [] ["readonly" "ro"];
    Times           "times"             "times in UTC or local"                     [Global] ["alt-u"] ["utc"];
    Note            "note"              "put a note on the timeline"                [Global] ["alt-n"] [];
    Bug             "bug"               "gather versions, errors and log in a file" [Global] [] [];

    ViewOverview    "view.overview"     "the overview with its panes"               [Global] [] ["overview" "home"];
    ViewFindings    "view.findings"     "what is wrong, worst first"                [Global] [] ["findings" "f"];
    ViewPods        "view.pods"         "pods, sick first"                          [Global] [] ["pods" "pod" "po"];
    ViewNodes       "view.nodes"        "nodes, sick first"                         [Global] [] ["nodes" "node" "no"];
    ViewWorkloads   "view.workloads"    "deployments, stateful and daemon sets"     [Global] [] ["workloads" "workload" "wk"];
    ViewEvents      "view.events"       "events as they come"                       [Global] [] ["events" "event" "ev"];
    ViewGpu         "view.gpu"          "memory and load of every GPU"              [Global] [] ["gpu" "gpus"];
    ViewKubeProxy   "view.kube-proxy"   "kube-proxy on every node"                  [Global] [] ["kube-proxy" "kp"];
    ViewJournal     "view.journal"      "what was done, and how it ended"           [Global] [] ["journal"];

    MoveDown        "move.down"         "down"                      [Rows Text Tree Actions] ["j" "down"] [];
    MoveUp          "move.up"           "up"                        [Rows Text Tree Actions] ["k" "up"] [];
    PageDown        "page.down"         "a page down"               [Rows Text Tree] ["ctrl-f" "pagedown"] [];
    PageUp          "page.up"           "a page up"                 [Rows Text Tree] ["ctrl-b" "pageup"] [];
    MoveTop         "move.top"          "to the top"                [Rows Text Tree] ["g" "home"] [];
    MoveBottom      "move.bottom"       "to the bottom"             [Rows Text Tree] ["G" "end"] [];
    ScrollLeft      "scroll.left"       "columns to the left"       [Rows Text] ["left" "h"] [];
    ScrollRight     "scroll.right"      "columns to the right"      [Rows Text] ["right"] [];

    Drill           "drill"             "open what is inside"       [Rows] ["enter"] [];
    Describe        "describe"          "all about it, with events" [Rows] ["d"] [];
    Yaml            "yaml"              "the whole object as YAML"  [Rows] ["y"] [];
    Logs            "logs"              "logs"                      [Rows] ["l"] [];
    LogsPrevious    "logs.previous"     "logs of the run before"    [Rows] ["p"] [];
    Owner           "owner"             "to its owner"              [Rows] ["J"] [];
    UsedBy          "used-by"           "the pods that use it"      [Rows] ["u"] [];
    ShowNode        "show.node"         "to its node"               [Pods Containers] ["o"] [];
    CopyName        "copy.name"         "copy the name"             [Rows] ["c"] [];
    CopyNamespace   "copy.namespace"    "copy the namespace"        [Rows] ["n"] [];
    Warp            "namespace.warp"    "only this row's namespace" [Rows] ["W"] [];
    Sick            "sick"              "only what is sick"         [Rows] ["ctrl-z"] ["faults"];
    FilterClear     "filter.clear"      "clear the filter"          [Rows Text] ["ctrl-u"] [];
    Mark            "mark"              "mark it, to act on or copy" [Rows] ["space"] [];
    MarkRange       "mark.range"        "mark all from the last mark on" [Rows] ["ctrl-space"] [];
    MarkClear       "mark.clear"        "clear marks"               [Rows] ["ctrl-\\"] [];
    SortName        "sort.name"         "sort by name"              [Rows] ["N"] [];
    SortAge         "sort.age"          "sort by age"               [Rows] ["A"] [];
    SortStatus      "sort.status"       "sort by status"            [Rows] ["S"] [];
    SortNamespace   "sort.namespace"    "sort by namespace"         [Rows] ["P"] [];
    SortLeft        "sort.left"         "choose the column before"  [Rows] ["shift-left"] [];
    SortRight       "sort.right"        "choose the column after"   [Rows] ["shift-right"] [];
    SortColumn      "sort.column"       "sort by the chosen column" [Rows] ["O"] [];
    Evidence        "evidence"          "what proves what is wrong" [Rows] ["v"] ["proof"];
    Wide            "wide"              "more columns, or fewer"    [Rows] ["ctrl-w"] [];

    Acknowledge     "acknowledge"       "somebody has it; say why"  [Findings] ["!"] ["ack"];
    Mute            "mute"              "mute for a while; say why" [Findings] ["m"] [];

    TimelineAll     "timeline.all"      "all of the time"           [Timeline] ["0"] [];
    Timeline5m      "timeline.5m"       "the last 5 minutes"        [Timeline] ["3"] [];
    Timeline15m     "timeline.15m"      "the last 15 minutes"       [Timeline] ["4"] [];
    Timeline30m     "timeline.30m"      "the last 30 minutes"       [Timeline] ["5"] [];
    Timeline1h      "timeline.1h"       "the last hour"             [Timeline] ["6"] [];
    Timeline6h      "timeline.6h"       "the last 6 hours"          [Timeline] ["7"] [];
    TimelineObject  "timeline.object"   "only this object, or all"  [Timeline] ["o"] [];
    TimelineSave    "timeline.save"     "save it as Markdown"       [Timeline] ["ctrl-s"] ["report"];

    MatchNext       "match.next"        "next match"                [Text] ["n"] [];
    MatchPrevious   "match.previous"    "match before"              [Text] ["N"] [];
    CopyText        "copy.text"         "copy the text"             [Text] ["c"] [];
    TextRefresh     "text.refresh"      "fetch it again"            [Text] ["r"] [];
    Reveal          "reveal"            "show this one secret value" [Text] ["x"] [];
    ManagedFields   "managed-fields"    "show or hide managedFields" [Text] ["m"] [];

    LogsTail        "logs.tail"         "the newest lines"          [Logs] ["0"] [];
    LogsHead        "logs.head"         "from the beginning"        [Logs] ["1"] [];
    Logs1m          "logs.1m"           "the last minute"           [Logs] ["2"] [];
    Logs5m          "logs.5m"           "the last 5 minutes"        [Logs] ["3"] [];
    Logs15m         "logs.15m"          "the last 15 minutes"       [Logs] ["4"] [];
    Logs30m         "logs.30m"          "the last 30 minutes"       [Logs] ["5"] [];
    Logs1h          "logs.1h"           "the last hour"             [Logs] ["6"] [];
    LogsFollow      "logs.follow"       "follow, or stand still"    [Logs] ["s"] [];
    LogsWrap        "logs.wrap"         "wrap long lines"           [Logs] ["w"] [];
    LogsTimes       "logs.times"        "show or hide times"        [Logs] ["t"] [];
    LogsContainers  "logs.containers"   "one or all containers"     [Logs] ["a"] [];
    LogsRunBefore   "logs.run-before"   "the run before, or this"   [Logs] ["p"] [];
    LogsFields      "logs.fields"       "fields of JSON lines"      [Logs] ["x"] [];
    LogsMark        "logs.mark"         "put a mark"                [Logs] ["m"] [];
    LogsClear       "logs.clear"        "clear what is shown"       [Logs] ["C"] [];

    TreeOpen        "tree.open"         "open the question"         [Tree] ["right" "l" "enter"] [];
    TreeClose       "tree.close"        "close the question"        [Tree] ["left" "h"] [];
    AnswerYes       "answer.yes"        "overrule: yes"             [Tree] ["y"] [];
    AnswerNo        "answer.no"         "overrule: no"              [Tree] ["n"] [];
    AnswerCluster   "answer.cluster"    "let the cluster answer"    [Tree] ["u"] [];
    TreeAgain       "tree.again"        "ask the cluster again"     [Tree] ["r"] [];

    Choose          "choose"            "plan the chosen action"    [Actions] ["enter"] [];
    ActionsClose    "actions.close"     "close the menu"            [Actions] ["esc" "q"] [];
    Rollback        "action.rollback"   "back to an earlier revision" [Actions] ["b"] [];
    Restart         "action.restart"    "restart the rollout"       [Actions] ["r"] [];
    Pause           "action.pause"      "pause the rollout"         [Actions] ["p"] [];
    Resume          "action.resume"     "resume the rollout"        [Actions] ["P"] [];
    Scale           "action.scale"      "change the replicas"       [Actions] ["s"] [];
    SetImage        "action.set-image"  "change an image"           [Actions] ["i"] [];
    Cordon          "action.cordon"     "no new pods on the node"   [Actions] ["c"] [];
    Uncordon        "action.uncordon"   "new pods on the node again" [Actions] ["u"] [];
    Drain           "action.drain"      "evict all from the node"   [Actions] ["d"] [];
    Evict           "action.evict"      "evict, minding budgets"    [Actions] ["e"] [];
    Delete          "action.delete"     "delete"                    [Actions] ["x"] [];
    HeapDump        "action.heap-dump"  "take a heap dump"          [Actions] ["h"] [];
    ThreadDump      "action.thread-dump" "take a thread dump"       [Actions] ["H"] [];
    ClassHistogram  "action.class-histogram" "count objects by class" [Actions] ["y"] [];

    DialogPress     "dialog.press"      "press the button"          [Dialog] ["enter"] [];
    DialogCancel    "dialog.cancel"     "cancel"                    [Dialog] ["esc"] [];
    DialogNext      "dialog.next"       "next button or field"      [Dialog] ["tab" "right"] [];
    DialogPrevious  "dialog.previous"   "button or field before"    [Dialog] ["shift-tab" "left"] [];
    DialogDown      "dialog.down"       "scroll down"               [Dialog] ["down"] [];
    DialogUp        "dialog.up"         "scroll up"                 [Dialog] ["up"] [];
    DialogPageDown  "dialog.page-down"  "a page down"               [Dialog] ["pagedown"] [];
    DialogPageUp    "dialog.page-up"    "a page up"                 [Dialog] ["pageup"] [];
    CopyKubectl     "copy.kubectl"      "copy the kubectl command, or all of them" [Dialog] ["ctrl-y"] [];

    PromptAccept    "prompt.accept"     "take it"                   [Prompt] ["enter"] [];
    PromptCancel    "prompt.cancel"     "leave it"                  [Prompt] ["esc"] [];
    PromptComplete  "prompt.complete"   "complete the word"         [Prompt] ["tab" "right" "ctrl-f"] [];
    PromptNext      "prompt.next"       "next suggestion"           [Prompt] ["down" "ctrl-n"] [];
    PromptPrevious  "prompt.previous"   "suggestion before"         [Prompt] ["up" "ctrl-p"] [];
    PromptErase     "prompt.erase"      "erase a character"         [Prompt] ["backspace" "ctrl-h"] [];
    PromptEraseWord "prompt.erase-word" "erase a word"              [Prompt] ["ctrl-w"] [];
    PromptEraseAll  "prompt.erase-all"  "erase all"                 [Prompt] ["ctrl-u"] [];
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn the_registry_is_sound() {
        let mut names = HashMap::new();
        for (index, command) in COMMANDS.iter().enumerate() {
            assert_eq!(command.id as usize, index);
            assert_eq!(command.id.command(), command);
            for word in std::iter::once(&command.name).chain(command.words) {
                assert_eq!(names.insert(word, command.name), None, "{word} means two commands");
            }
            assert!(!command.scopes.is_empty(), "{}", command.name);
            assert!(command.description.len() <= 50, "{}: too long for help", command.name);
            let keys = command.default_keys().unwrap();
            for (sequence, text) in keys.iter().zip(command.keys) {
                assert_eq!(
                    Key::print_sequence(sequence),
                    *text,
                    "{}: keys are written as printed",
                    command.name
                );
            }
        }
    }

    #[test]
    fn nothing_that_changes_the_cluster_is_one_keystroke() {
        for command in COMMANDS.iter().filter(|c| c.dangerous()) {
            for keys in command.default_keys().unwrap() {
                assert!(keys.len() > 1 || command.scopes == [Scope::Actions], "{}", command.name);
            }
        }
    }

    #[test]
    fn the_reading_keys_are_k9s() {
        let bound = |scope: Scope, key: &str| {
            scope.chain().iter().find_map(|layer| {
                COMMANDS.iter().find(|c| c.scopes.contains(layer) && c.keys.contains(&key)).map(|c| c.name)
            })
        };
        // field/k9s.md 1.4, without those that change the cluster.
        for (key, name) in [
            (":", "command"),
            ("/", "filter"),
            ("?", "help"),
            ("esc", "back"),
            ("q", "back"),
            ("enter", "drill"),
            ("ctrl-a", "command"),
            ("ctrl-r", "refresh"),
            ("ctrl-e", "header"),
            ("ctrl-z", "sick"),
            ("ctrl-u", "filter.clear"),
            ("ctrl-c", "quit"),
            ("[", "history.back"),
            ("]", "history.forward"),
            ("-", "history.last"),
            ("space", "mark"),
            ("ctrl-\\", "mark.clear"),
            ("0", "namespace.all"),
            ("1", "namespace.1"),
            ("j", "move.down"),
            ("k", "move.up"),
            ("g", "move.top"),
            ("G", "move.bottom"),
            ("ctrl-f", "page.down"),
            ("ctrl-b", "page.up"),
            ("N", "sort.name"),
            ("A", "sort.age"),
            ("S", "sort.status"),
            ("P", "sort.namespace"),
            ("O", "sort.column"),
            ("d", "describe"),
            ("y", "yaml"),
            ("l", "logs"),
            ("p", "logs.previous"),
            ("c", "copy.name"),
            ("n", "copy.namespace"),
            ("J", "owner"),
            ("o", "show.node"),
            ("w", "why"),
            ("a", "act"),
            ("T", "timeline"),
            ("ctrl-s", "save"),
            ("ctrl-space", "mark.range"),
            ("ctrl-w", "wide"),
            ("u", "used-by"),
        ] {
            assert_eq!(bound(Scope::Pods, key), Some(name), "{key}");
        }
        for key in ["ctrl-d", "ctrl-k", "r", "s", "e", "i", "t"] {
            assert_eq!(bound(Scope::Pods, key), None, "{key} changes the cluster in k9s");
        }
    }
}
