//! The type of a command. Its rows are in [`registry`](super::registry); `app` runs them.

use super::Key;
use super::registry::commands;

/// Where a key works. [`Scope::chain`] gives the lookup order, the most specific scope first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// Everywhere, including dialogs and prompts.
    Always,
    /// Everywhere except in dialogs, menus and prompts.
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
    Forwards,
    /// Scrolled text: YAML, describe, help.
    Text,
    Logs,
    /// The decision tree.
    Tree,
    /// The menu of actions on an object or on all marked rows.
    Actions,
    /// A plan or a question with buttons, with an input field for some.
    Dialog,
    /// A line of input: `:`, `/` and the pickers.
    Prompt,
}

impl Scope {
    pub const ALL: [Scope; 17] = [
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
        Scope::Forwards,
        Scope::Text,
        Scope::Logs,
        Scope::Tree,
        Scope::Actions,
        Scope::Dialog,
        Scope::Prompt,
    ];

    /// The scopes in which a key is looked up, the most specific first.
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
            Forwards => &[Forwards, Rows, Global, Always],
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
            Scope::Forwards => "Port-forwards",
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
    /// The scope as a sentence for the docs.
    pub fn about(self) -> &'static str {
        match self {
            Scope::Always => "Everywhere, including prompts and dialogs.",
            Scope::Global => {
                "Everywhere except in dialogs, menus and prompts. A scope below that binds the same key wins."
            }
            Scope::Rows => "In every pane and table.",
            Scope::Findings => "On a finding.",
            Scope::Pods => "On a pod.",
            Scope::Containers => "On a container.",
            Scope::Workloads => "On a workload.",
            Scope::Nodes => "On a node.",
            Scope::Events => "On an event.",
            Scope::Timeline => "In the timeline.",
            Scope::Forwards => "On a local port that leads to a pod. `enter` copies its address.",
            Scope::Text => "In YAML, describe, help and logs.",
            Scope::Logs => "In logs.",
            Scope::Tree => "In the tree that `w` opens.",
            Scope::Actions => {
                "In the menu that `a` opens for the object or for all marked rows. Each action shows a plan before it changes anything."
            }
            Scope::Dialog => {
                "In plans and questions. Cancel is the default. Letters go to the input field if there is one."
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

/// A command of the user. `app::available` says whether it can run now, and if not, why.
#[derive(Debug)]
pub struct Command {
    pub id: Id,
    /// The name in keymap files and the palette, such as `move.down`.
    pub name: &'static str,
    /// A short text for the key bar and help.
    pub description: &'static str,
    pub scopes: &'static [Scope],
    /// Default key sequences. The first one is shown.
    pub keys: &'static [&'static str],
    /// Other words for the palette, including those of k9s.
    pub words: &'static [&'static str],
    /// The palette runs this command only by its whole name, because it leaves khud or a cluster, writes a
    /// file or allows changes.
    pub whole_name_only: bool,
}

impl PartialEq for Command {
    fn eq(&self, other: &Command) -> bool {
        self.id == other.id
    }
}

impl Eq for Command {}

impl Command {
    /// Whether the command changes the cluster or runs something in it. Such a command has a single key only
    /// in the actions menu, and always shows a plan first.
    pub fn dangerous(&self) -> bool {
        self.name.starts_with("action.")
    }

    /// Whether `:` runs the command by name from everywhere.
    pub fn typed(&self) -> bool {
        self.scopes.contains(&Scope::Global) || self.id == Id::Quit
    }

    /// The default keys, parsed.
    ///
    /// # Errors
    /// A sentence about a key that cannot be parsed; a test keeps the registry free of them.
    pub fn default_keys(&self) -> Result<Vec<Vec<Key>>, String> {
        self.keys.iter().map(|text| Key::sequence(text)).collect()
    }
}

/// The command with this name.
pub fn by_name(name: &str) -> Option<&'static Command> {
    COMMANDS.iter().find(|c| c.name == name)
}

/// The command with this name or palette word.
pub fn by_word(word: &str) -> Option<&'static Command> {
    by_name(word).or_else(|| COMMANDS.iter().find(|c| c.words.contains(&word)))
}

impl Id {
    pub fn command(self) -> &'static Command {
        // One macro makes the table and the enum, in the same order.
        &COMMANDS[self as usize]
    }
}

macro_rules! described {
    ($(
        $id:ident $name:literal $description:literal
        [$($scope:ident)*] [$($key:literal)*] [$($word:literal)*] $({ $whole:ident })?
        $(if $when:ident $(:: $check:ident)? $(($($with:expr),*))?)? => $($run:ident)::+ $(($($argument:expr),*))?;
    )*) => {
        /// Every command.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Id { $($id,)* }

        /// The registry, in the order of help.
        pub static COMMANDS: &[Command] = &[$(Command {
            id: Id::$id,
            name: $name,
            description: $description,
            scopes: &[$(Scope::$scope,)*],
            keys: &[$($key,)*],
            words: &[$($word,)*],
            whole_name_only: !concat!("" $(, stringify!($whole))?).is_empty(),
        },)*];
    };
}

commands!(described);

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
        // A key that changes the cluster in k9s leads to a plan here, or does nothing. A shell or a port changes nothing by itself.
        const PLANS: [&str; 7] =
            ["delete", "force-delete", "edit", "shell", "node-shell", "port-forward", "forward.close"];
        for scope in [Scope::Pods, Scope::Workloads, Scope::Nodes] {
            for key in ["ctrl-d", "ctrl-k", "r", "s", "e", "i", "t"] {
                let name = bound(scope, key);
                let plans = |name: &str| name.starts_with("plan.") || PLANS.contains(&name);
                assert!(name.is_none_or(plans), "{key}: {name:?}");
            }
        }
        assert_eq!(bound(Scope::Pods, "ctrl-d"), Some("delete"));
        assert_eq!(bound(Scope::Workloads, "s"), Some("plan.scale"));
    }
}
