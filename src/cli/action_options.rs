//! The options of actions on the command line: declared by the actions, given to clap once each.

use clap::{Arg, ArgAction, Args, ValueHint};

use crate::remedy::{self, Action, Params, Spec};

/// The words behind an action's target.
const WORDS: &str = "words";

/// The options that the actions declare. An option of several actions appears once; words behind the target have no
/// name there, so that an option may be called as they are.
#[derive(Debug, Clone, Default)]
pub struct ActionOptions {
    named: Params,
    /// The words after the target.
    words: Vec<String>,
}

impl ActionOptions {
    /// The options for one action: words belong to the option of it that takes them.
    ///
    /// # Errors
    /// A sentence where the action takes none.
    pub fn of(&self, action: &Action) -> Result<Params, String> {
        if self.words.is_empty() { Ok(self.named.clone()) } else { self.with(action, &self.words) }
    }

    /// The same for an action without a target: what stands in its place is the first word.
    ///
    /// # Errors
    /// As [`ActionOptions::of`].
    pub fn beginning(&self, action: &Action, first: &str) -> Result<Params, String> {
        let words: Vec<String> =
            std::iter::once(first.to_owned()).chain(self.words.iter().cloned()).collect();
        self.with(action, &words)
    }

    fn with(&self, action: &Action, words: &[String]) -> Result<Params, String> {
        let mut params = self.named.clone();
        let Some(first) = words.first() else { return Ok(params) };
        let option = action.options.iter().find(|o| o.words);
        let option = option
            .ok_or_else(|| format!("{} takes nothing behind its target, not {first:?}", action.name))?;
        params.insert(option.name.to_owned(), remedy::joined(words.iter().map(String::as_str)));
        Ok(params)
    }

    /// The options, each with the actions that take it.
    fn declared() -> Vec<Vec<(&'static Spec, &'static str)>> {
        let mut out: Vec<Vec<(&'static Spec, &'static str)>> = Vec::new();
        for action in remedy::catalogue().iter().chain(remedy::cluster_wide()) {
            for option in action.options {
                let same = |o: &Spec| (o.name, o.words) == (option.name, option.words);
                match out.iter_mut().find(|all| all.iter().any(|(o, _)| same(o))) {
                    Some(all) => all.push((option, action.name)),
                    None => out.push(vec![(option, action.name)]),
                }
            }
        }
        out
    }

    /// The actions by what the option is to them: `drain: …; waves, upgrade: …`.
    fn about(all: &[(&'static Spec, &'static str)]) -> String {
        let mut out: Vec<(&str, Vec<&str>)> = Vec::new();
        for (option, action) in all {
            match out.iter_mut().find(|(about, _)| *about == option.about) {
                Some((_, actions)) => actions.push(action),
                None => out.push((option.about, vec![action])),
            }
        }
        let parts = out.iter().map(|(about, actions)| format!("{}: {about}", actions.join(", ")));
        parts.collect::<Vec<_>>().join("; ")
    }
}

/// The name of an option's value; one for all where the actions that take it call it differently.
fn value_name(all: &[(&'static Spec, &'static str)]) -> &'static str {
    match all {
        [(first, _), rest @ ..] if rest.iter().all(|(o, _)| o.value == first.value) => first.value,
        _ => "VALUE",
    }
}

impl clap::FromArgMatches for ActionOptions {
    fn from_arg_matches(matches: &clap::ArgMatches) -> Result<ActionOptions, clap::Error> {
        let mut params = Params::new();
        let words = matches.get_many(WORDS).into_iter().flatten().cloned().collect();
        for all in ActionOptions::declared() {
            let Some((option, _)) = all.first() else { continue };
            if option.words {
                continue;
            }
            if option.value.is_empty() {
                if matches.get_flag(option.name) {
                    params.insert(option.name.to_owned(), String::new());
                }
            } else if let Some(values) = matches.get_many::<String>(option.name) {
                params.insert(option.name.to_owned(), values.cloned().collect::<Vec<_>>().join("\n"));
            }
        }
        Ok(ActionOptions { named: params, words })
    }

    fn update_from_arg_matches(&mut self, matches: &clap::ArgMatches) -> Result<(), clap::Error> {
        *self = ActionOptions::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for ActionOptions {
    fn augment_args(mut command: clap::Command) -> clap::Command {
        let mut usages = Vec::new();
        for all in ActionOptions::declared() {
            let Some((option, _)) = all.first() else { continue };
            if option.words {
                usages.push(format!("{} ({})", option.value, ActionOptions::about(&all)));
                continue;
            }
            let mut arg = Arg::new(option.name).help(ActionOptions::about(&all));
            arg = arg.long(option.name);
            if let Some(short) = option.short {
                arg = arg.short(short);
            }
            command = command.arg(match option.value {
                "" => arg.action(ArgAction::SetTrue),
                value => arg
                    .action(if option.many { ArgAction::Append } else { ArgAction::Set })
                    .value_name(value_name(&all))
                    .value_hint(match value {
                        "DIR" => ValueHint::DirPath,
                        "FILE" => ValueHint::FilePath,
                        _ => ValueHint::Unknown,
                    }),
            });
        }
        let about = format!("What follows the target: {}", usages.join(", "));
        command.arg(Arg::new(WORDS).value_name("WORDS").num_args(0..).help(about))
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        ActionOptions::augment_args(command)
    }
}
