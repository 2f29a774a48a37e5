//! Maps keys to commands: one trie for each scope, sequences, and the user's bindings with their conflicts.

use std::collections::HashMap;
use std::ops::Range;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use toml::de::DeTable;

use super::commands::{COMMANDS, Command, Id, Scope, by_name};
use super::document::{Document, Problem, hint, quote, refused};
use super::key::Key;

/// The result of a key.
#[derive(Debug, PartialEq)]
pub enum KeymapResult {
    Matched(&'static Command),
    /// The keys so far start longer sequences. The next keys, for a which-key box.
    Pending(Vec<Choice>),
    /// The sequence leads nowhere, or `esc` left it. Nothing happened.
    Cancelled,
    /// No command in this scope has the key.
    NotFound,
}

/// A key that may follow, and its command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub key: Key,
    /// The command's description, or `…` before a longer sequence.
    pub description: &'static str,
}

/// A key sequence and its position in the user's file; `None` for defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Binding {
    keys: Vec<Key>,
    at: Option<Range<usize>>,
}

#[derive(Debug, Clone)]
enum Node {
    Leaf(Id),
    /// In the order of the registry.
    Branch(Vec<(Key, Node)>),
}

/// The active bindings and the keys typed so far.
#[derive(Debug, Clone)]
pub struct Keymap {
    layers: HashMap<Scope, Vec<(Key, Node)>>,
    bound: HashMap<Id, Vec<Vec<Key>>>,
    pending: Vec<Key>,
    scope: Scope,
}

/// Commands that need a key: without one the user could not leave.
const ESSENTIAL: [Id; 5] = [Id::Quit, Id::DialogPress, Id::DialogCancel, Id::PromptAccept, Id::PromptCancel];

/// Scopes in which letters are typed, so that no command may use one.
const TYPING: [Scope; 3] = [Scope::Always, Scope::Dialog, Scope::Prompt];

impl Default for Keymap {
    /// The defaults of the registry; a test keeps them free of conflicts.
    fn default() -> Keymap {
        build(HashMap::new(), &mut Document::new("defaults", ""))
    }
}

impl Keymap {
    /// The defaults with the user's file on top: `"command" = "key"` or a list of keys; an empty list
    /// unbinds. A rebound command loses its default keys. A default key that the user gave to another command
    /// of the same scope is removed with a warning.
    ///
    /// # Errors
    /// All problems and warnings, if a problem rejects the file.
    pub fn from_toml(file: &str, text: &str) -> Result<(Keymap, Vec<Problem>), Vec<Problem>> {
        let mut document = Document::new(file, text);
        let mut remaps = HashMap::new();
        if let Some(table) = document.parse() {
            read(&mut document, "", &table, &mut remaps);
        }
        let keymap = build(remaps, &mut document);
        document.problems.sort_by_key(|p| p.line);
        if refused(&document.problems) { Err(document.problems) } else { Ok((keymap, document.problems)) }
    }

    /// Handles one key in the focused scope. A sequence that was started in another scope is dropped.
    pub fn push(&mut self, scope: Scope, key: impl Into<Key>) -> KeymapResult {
        if self.scope != scope {
            self.pending.clear();
            self.scope = scope;
        }
        let key = key.into();
        let begun = !self.pending.is_empty();
        if begun && key == Key::new(KeyCode::Esc, KeyModifiers::NONE) {
            self.pending.clear();
            return KeymapResult::Cancelled;
        }
        self.pending.push(key);
        match self.look_up(scope, &self.pending) {
            KeymapResult::Pending(choices) => KeymapResult::Pending(choices),
            KeymapResult::NotFound if begun => {
                self.pending.clear();
                KeymapResult::Cancelled
            }
            decided => {
                self.pending.clear();
                decided
            }
        }
    }

    /// `push` for a key event; key releases do nothing.
    pub fn push_event(&mut self, scope: Scope, event: KeyEvent) -> KeymapResult {
        if event.is_release() { KeymapResult::NotFound } else { self.push(scope, event) }
    }

    /// The keys typed so far of a longer sequence.
    pub fn pending(&self) -> &[Key] {
        &self.pending
    }

    /// The most specific scope that binds the keys decides.
    fn look_up(&self, scope: Scope, keys: &[Key]) -> KeymapResult {
        let mut choices: Vec<Choice> = Vec::new();
        for layer in scope.chain() {
            match self.layers.get(layer).and_then(|nodes| walk(nodes, keys)) {
                Some(Node::Leaf(id)) if choices.is_empty() => return KeymapResult::Matched(id.command()),
                Some(Node::Branch(next)) => {
                    for (key, node) in next {
                        if choices.iter().all(|c| c.key != *key) {
                            choices.push(Choice { key: *key, description: describe(node) });
                        }
                    }
                }
                _ => {}
            }
        }
        if choices.is_empty() { KeymapResult::NotFound } else { KeymapResult::Pending(choices) }
    }

    /// Every sequence of a command.
    pub fn keys_of(&self, id: Id) -> &[Vec<Key>] {
        self.bound.get(&id).map_or(&[], Vec::as_slice)
    }

    /// The key to show for a command: its shortest sequence that works in this scope, the first one of those.
    pub fn shown(&self, scope: Scope, id: Id) -> Option<String> {
        self.keys_of(id)
            .iter()
            .filter(|keys| self.look_up(scope, keys) == KeymapResult::Matched(id.command()))
            .min_by_key(|keys| keys.len())
            .map(|keys| Key::print_sequence(keys))
    }

    /// The commands of a scope for `?`: one heading for each scope of the chain, and each command with its
    /// keys.
    pub fn help(&self, scope: Scope) -> Vec<(Scope, Vec<(&'static Command, String)>)> {
        let mut seen = Vec::new();
        let mut parts = Vec::new();
        for layer in scope.chain() {
            let mut rows = Vec::new();
            for command in COMMANDS.iter().filter(|c| c.scopes.contains(layer)) {
                let keys: Vec<String> = self
                    .keys_of(command.id)
                    .iter()
                    .filter(|keys| self.look_up(scope, keys) == KeymapResult::Matched(command))
                    .map(|keys| Key::print_sequence(keys))
                    .collect();
                if !keys.is_empty() && !seen.contains(&command.id) {
                    seen.push(command.id);
                    rows.push((command, keys.join(", ")));
                }
            }
            if !rows.is_empty() {
                parts.push((*layer, rows));
            }
        }
        parts
    }
}

fn describe(node: &Node) -> &'static str {
    match node {
        Node::Leaf(id) => id.command().description,
        Node::Branch(_) => "…",
    }
}

fn walk<'n>(nodes: &'n [(Key, Node)], keys: &[Key]) -> Option<&'n Node> {
    let (first, rest) = keys.split_first()?;
    let (_, node) = nodes.iter().find(|(key, _)| key == first)?;
    match node {
        _ if rest.is_empty() => Some(node),
        Node::Branch(next) => walk(next, rest),
        Node::Leaf(_) => None,
    }
}

/// Reads `"move.down" = …`, quoted or as nested tables, because TOML nests a bare `move.down`.
fn read<'t>(
    document: &mut Document<'t>,
    prefix: &str,
    table: &DeTable<'t>,
    remaps: &mut HashMap<Id, Vec<Binding>>,
) {
    for (name, node) in table.iter() {
        let full = match prefix {
            "" => name.get_ref().to_string(),
            _ => format!("{prefix}.{}", name.get_ref()),
        };
        if let Some(inner) = node.get_ref().as_table() {
            read(document, &full, inner, remaps);
            continue;
        }
        let Some(command) = by_name(&full) else {
            let hint = hint(&full, COMMANDS.iter().map(|c| c.name));
            document.warn(&name.span(), format!("unknown command {}{hint}", quote(&full)));
            continue;
        };
        let Some(texts) = document.strings(&full, node) else { continue };
        if texts.is_empty() && ESSENTIAL.contains(&command.id) {
            document.error(
                &name.span(),
                format!("{} needs a key; without one you could not leave", quote(&full)),
            );
        }
        let mut bindings = Vec::new();
        for (at, text) in texts {
            match Key::sequence(text) {
                Err(reason) => document.error(&at, reason),
                Ok(keys) if keys.iter().any(typed) && command.scopes.iter().any(|s| TYPING.contains(s)) => {
                    let text = format!(
                        "{} cannot use {}: it types a character where {} works",
                        quote(&full),
                        quote(text),
                        quote(&full)
                    );
                    document.error(&at, text);
                }
                Ok(keys) => bindings.push(Binding { keys, at: Some(at) }),
            }
        }
        if remaps.insert(command.id, bindings).is_some() {
            document.error(&name.span(), format!("{} is set twice", quote(&full)));
        }
    }
}

/// Whether the key types a character into a field.
fn typed(key: &Key) -> bool {
    matches!(key.code, KeyCode::Char(_))
        && !key.modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT)
}

/// Adds the user's bindings first, then the defaults that do not conflict with them.
fn build(mut remaps: HashMap<Id, Vec<Binding>>, document: &mut Document<'_>) -> Keymap {
    let mut table: Vec<(&'static Command, Binding)> = Vec::new();
    let mut users: Vec<&Command> = COMMANDS.iter().filter(|c| remaps.contains_key(&c.id)).collect();
    users.sort_by_key(|c| remaps[&c.id].first().and_then(|b| b.at.as_ref().map(|at| at.start)));
    for command in users {
        for binding in remaps.remove(&command.id).unwrap_or_default() {
            add(&mut table, command.id.command(), binding, document);
        }
        table.push((command.id.command(), Binding { keys: Vec::new(), at: Some(0..0) }));
    }
    let remapped: Vec<Id> = table.iter().map(|(c, _)| c.id).collect();
    for command in COMMANDS.iter().filter(|c| !remapped.contains(&c.id)) {
        for keys in command.default_keys().unwrap_or_default() {
            add(&mut table, command, Binding { keys, at: None }, document);
        }
    }
    table.retain(|(_, binding)| !binding.keys.is_empty());
    warn_of_shadows(&table, document);
    table.sort_by_key(|(command, _)| command.id as usize);

    let mut keymap =
        Keymap { layers: HashMap::new(), bound: HashMap::new(), pending: Vec::new(), scope: Scope::Always };
    for (command, binding) in &table {
        for scope in command.scopes {
            plant(keymap.layers.entry(*scope).or_default(), &binding.keys, command.id);
        }
        keymap.bound.entry(command.id).or_default().push(binding.keys.clone());
    }
    keymap
}

fn plant(nodes: &mut Vec<(Key, Node)>, keys: &[Key], id: Id) {
    let Some((first, rest)) = keys.split_first() else { return };
    let index = nodes.iter().position(|(key, _)| key == first).unwrap_or_else(|| {
        nodes.push((*first, if rest.is_empty() { Node::Leaf(id) } else { Node::Branch(Vec::new()) }));
        nodes.len() - 1
    });
    // `add` rejects a sequence that starts with another whole sequence.
    if let Node::Branch(next) = &mut nodes[index].1 {
        plant(next, rest, id);
    }
}

fn collide(a: &[Key], b: &[Key]) -> bool {
    a.starts_with(b) || b.starts_with(a)
}

fn share_scope(a: &Command, b: &Command) -> bool {
    a.scopes.iter().any(|s| b.scopes.contains(s))
}

/// Adds a binding unless the same scope already has it, a prefix of it, or a longer sequence that starts with
/// it.
fn add(
    table: &mut Vec<(&'static Command, Binding)>,
    command: &'static Command,
    binding: Binding,
    document: &mut Document<'_>,
) {
    let clash = table.iter().find(|(other, theirs)| {
        !theirs.keys.is_empty() && share_scope(other, command) && collide(&theirs.keys, &binding.keys)
    });
    let Some((other, theirs)) = clash else {
        table.push((command, binding));
        return;
    };
    let ours = Key::print_sequence(&binding.keys);
    let their_keys = Key::print_sequence(&theirs.keys);
    match (&binding.at, theirs.at.clone()) {
        (Some(_), _) if *other == command && theirs.keys == binding.keys => {}
        (Some(at), Some(theirs_at)) => {
            let line = document.line(&theirs_at);
            let text = format!(
                "\"{ours}\" for \"{}\" conflicts with \"{their_keys}\" for \"{}\" on line {line}",
                command.name, other.name
            );
            document.error(at, text);
        }
        (None, Some(theirs_at)) if ESSENTIAL.contains(&command.id) => {
            let text = format!(
                "\"{their_keys}\" is the only key of \"{}\"; bind that to another key too",
                command.name
            );
            document.error(&theirs_at, text);
        }
        (None, Some(theirs_at)) => {
            let text = format!(
                "\"{their_keys}\" for \"{}\" takes \"{ours}\" from \"{}\"; give that another key, or none with []",
                other.name, command.name
            );
            document.warn(&theirs_at, text);
        }
        // Two defaults conflict; a test finds this.
        (_, None) => {
            document.error(&(0..0), format!("\"{ours}\" is bound to {} and {}", command.name, other.name))
        }
    }
}

/// Warns if a user's key for a wide scope has another meaning in a narrower scope, and names that scope.
fn warn_of_shadows(table: &[(&'static Command, Binding)], document: &mut Document<'_>) {
    let mut warnings = Vec::new();
    for (command, binding) in table {
        let Some(at) = &binding.at else { continue };
        for (other, theirs) in table {
            if other.id == command.id || theirs.at.is_some() || !collide(&theirs.keys, &binding.keys) {
                continue;
            }
            let hidden = Scope::ALL.iter().find(|scope| {
                let chain = scope.chain();
                other.scopes.contains(&chain[0])
                    && !command.scopes.contains(&chain[0])
                    && chain[1..].iter().any(|wide| command.scopes.contains(wide))
            });
            if let Some(scope) = hidden {
                let keys = Key::print_sequence(&binding.keys);
                let title = scope.title();
                warnings.push((at.clone(), format!("in {title}, \"{keys}\" remains \"{}\"", other.name)));
            }
        }
    }
    for (at, text) in warnings {
        document.warn(&at, text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::document::Level;

    fn key(text: &str) -> Key {
        text.parse().unwrap()
    }

    fn matched(map: &mut Keymap, scope: Scope, text: &str) -> Option<&'static str> {
        match map.push(scope, key(text)) {
            KeymapResult::Matched(command) => Some(command.name),
            _ => None,
        }
    }

    #[test]
    fn defaults_have_no_conflicts_and_every_bound_key_works_somewhere() {
        let mut document = Document::new("defaults", "");
        let map = build(HashMap::new(), &mut document);
        assert_eq!(document.problems, []);
        for command in COMMANDS {
            assert_eq!(map.keys_of(command.id).len(), command.keys.len(), "{}", command.name);
            for scope in command.scopes.iter().filter(|_| !command.keys.is_empty()) {
                assert!(map.shown(*scope, command.id).is_some(), "{} in {scope:?}", command.name);
            }
        }
    }

    #[test]
    fn the_narrower_scope_wins_and_typing_scopes_see_no_global_keys() {
        let mut map = Keymap::default();
        assert_eq!(matched(&mut map, Scope::Pods, "w"), Some("why"));
        assert_eq!(matched(&mut map, Scope::Logs, "w"), Some("logs.wrap"));
        assert_eq!(matched(&mut map, Scope::Prompt, "w"), None);
        assert_eq!(matched(&mut map, Scope::Dialog, "esc"), Some("dialog.cancel"));
        assert_eq!(matched(&mut map, Scope::Prompt, "ctrl-c"), Some("quit"));
    }

    #[test]
    fn sequences_wait_offer_choices_and_can_be_left() {
        let text = "\"move.top\" = ['g g', 'home']\n\"move.bottom\" = 'g e'\n";
        let (mut map, warnings) = Keymap::from_toml("keymap.toml", text).unwrap();
        assert_eq!(warnings, []);
        let KeymapResult::Pending(choices) = map.push(Scope::Pods, key("g")) else { panic!("not pending") };
        let shown: Vec<String> = choices.iter().map(|c| format!("{} {}", c.key, c.description)).collect();
        assert_eq!(shown, ["g to the top", "e to the bottom"]);
        assert_eq!(map.pending(), [key("g")]);
        assert_eq!(matched(&mut map, Scope::Pods, "e"), Some("move.bottom"));
        map.push(Scope::Pods, key("g"));
        assert_eq!(map.push(Scope::Pods, key("esc")), KeymapResult::Cancelled);
        map.push(Scope::Pods, key("g"));
        assert_eq!(map.push(Scope::Pods, key("x")), KeymapResult::Cancelled);
        map.push(Scope::Pods, key("g"));
        // The focus moved, so the sequence is dropped.
        assert_eq!(matched(&mut map, Scope::Logs, "w"), Some("logs.wrap"));
        assert_eq!(map.shown(Scope::Pods, Id::MoveTop).as_deref(), Some("home"));
        assert_eq!(map.shown(Scope::Pods, Id::MoveBottom).as_deref(), Some("g e"));
    }

    #[test]
    fn conflicts_are_told_with_file_and_line() {
        let text = "why = 'W'\nyaml = 'x'\ndescribe = ['x', 'ctrl-i']\nlgs = 'L'\n";
        let said: Vec<String> =
            Keymap::from_toml("keymap.toml", text).unwrap_err().iter().map(Problem::to_string).collect();
        assert_eq!(
            said,
            [
                "keymap.toml:1: warning: in Lists, \"W\" remains \"namespace.warp\"",
                "keymap.toml:2: warning: in Pods, \"x\" remains \"debug\"",
                "keymap.toml:3: error: terminals send \"ctrl-i\" as tab; bind tab instead",
                "keymap.toml:3: error: \"x\" for \"describe\" conflicts with \"x\" for \"yaml\" on line 2",
                "keymap.toml:4: warning: unknown command \"lgs\"; did you mean \"logs\"?",
            ]
        );
    }

    #[test]
    fn a_remap_takes_a_default_key_and_says_so() {
        let (mut map, warnings) = Keymap::from_toml("k", "describe = 'y'\nact = []\n").unwrap();
        assert_eq!(warnings.len(), 1);
        assert_eq!((warnings[0].line, warnings[0].level), (1, Level::Warning));
        assert!(warnings[0].text.contains("takes \"y\" from \"yaml\""), "{}", warnings[0]);
        assert_eq!(matched(&mut map, Scope::Pods, "y"), Some("describe"));
        assert_eq!(matched(&mut map, Scope::Pods, "d"), None);
        assert_eq!(matched(&mut map, Scope::Pods, "a"), None);
        assert_eq!(map.shown(Scope::Pods, Id::Yaml), None);
    }

    #[test]
    fn no_remap_may_trap_the_user() {
        for text in [
            "quit = []",
            "\"prompt.cancel\" = []",
            "quit = 'q'",
            "\"prompt.accept\" = 'y'",
            "\"dialog.up\" = 'esc'",
        ] {
            let problems = Keymap::from_toml("k", text).unwrap_err();
            assert_eq!(problems[0].line, 1, "{text}");
        }
    }
}
