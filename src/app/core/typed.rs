//! A line being typed: what it is for, its text, and what could be meant by it.

use tui_input::Input;

use crate::app::core::msg::Program;
use crate::app::core::runs::targets::Targets;
use crate::config::own::Plugin;
use crate::detect::Key;
use crate::remedy::Action;
use crate::remedy::run::Params;
use crate::world::ObjectRef;

/// A line being typed.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    pub kind: PromptKind,
    /// The typed text and the cursor in it.
    pub input: Input,
    /// Where in the text, in bytes, a suggestion goes.
    pub from: usize,
    /// The suggestions, best first.
    pub suggestions: Vec<Suggestion>,
    pub chosen: Option<usize>,
    /// Why the line did not run.
    pub note: Option<String>,
    /// The filter to go back to when the prompt is left.
    pub before: String,
    /// The objects suggested, where objects are.
    pub objects: Vec<ObjectRef>,
    /// The option of an action it asks for.
    pub asks: Option<Asks>,
    /// The subject of the question that the line answers.
    pub what: String,
    /// The findings that are acknowledged or muted by it.
    pub findings: Vec<Key>,
    /// The object that a note is about.
    pub object: Option<ObjectRef>,
    /// The program that the line says yes or no to.
    pub program: Option<(Box<Plugin>, Program)>,
}

impl Prompt {
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// The line with that suggestion in it.
    pub fn with(&self, suggestion: usize) -> Option<String> {
        Some(format!("{}{}", self.text().get(..self.from)?, self.suggestions.get(suggestion)?.word))
    }
}

/// Options that an action needs before it can be planned.
#[derive(Clone, Debug)]
pub struct Asks {
    pub action: &'static Action,
    pub targets: Targets,
    pub params: Params,
    /// The option that is asked for; `None` where the line may hold any, as on the command line.
    pub option: Option<&'static str>,
    /// The question.
    pub what: String,
    /// The answer that an empty line gives.
    pub proposed: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromptKind {
    #[default]
    Command,
    Filter,
    Option,
    Theme,
    /// An object by a part of its name.
    Jump,
    /// Which of a Secret's values to show.
    Reveal,
    /// Words for the timeline.
    Note,
    /// Why a finding is acknowledged.
    Acknowledge,
    /// For how long and why a finding is muted.
    Mute,
    /// Whether to start a plugin.
    Plugin,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Suggestion {
    pub word: String,
    /// Other words for the same, found too.
    pub also: &'static [&'static str],
    pub description: String,
    /// Why it would do nothing now.
    pub refused: Option<String>,
}
