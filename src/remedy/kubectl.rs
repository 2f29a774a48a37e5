//! The kubectl command that does the same as an action, aimed at the same cluster whatever kubectl's own context is.

use std::borrow::Cow;

use super::run::Params;
use crate::world::{Kind, ObjectRef};

/// The command with the flags (see `Connection::kubectl`) before its verb, where nothing of the command hides them.
/// Empty stays empty: kubectl has no such command.
pub fn aimed(command: &str, flags: &[String]) -> String {
    let Some(rest) = command.strip_prefix("kubectl") else { return command.to_owned() };
    let flags: String = flags.iter().map(|flag| format!(" {}", quoted(flag))).collect();
    format!("kubectl{flags}{rest}")
}

/// The object as kubectl takes it: `deployment/api -n prod`, `widgets.example.com/w`.
pub(super) fn object(target: &ObjectRef) -> String {
    let kind = match &target.kind {
        Kind::Served(r) if !r.group.is_empty() => format!("{}.{}", r.plural, r.group),
        known => known.name().to_ascii_lowercase(),
    };
    match &*target.namespace {
        "" => format!("{kind}/{}", target.name),
        namespace => format!("{kind}/{} -n {namespace}", target.name),
    }
}

/// The options that kubectl's command has under the same names, as they were given.
pub(super) fn options(params: &Params, names: &[&str]) -> String {
    let given = names.iter().filter_map(|name| Some((name, params.get(*name)?)));
    let word = |(name, value): (&&str, &String)| match value.as_str() {
        "" => format!(" --{name}"),
        value => format!(" --{name}={}", quoted(value)),
    };
    given.map(word).collect()
}

/// A word for a POSIX shell. A NUL, which no shell takes, is left out.
pub(super) fn quoted(word: &str) -> Cow<'_, str> {
    shlex::try_quote(word).unwrap_or_else(|_| {
        let plain = word.replace('\0', "");
        Cow::Owned(shlex::try_quote(&plain).map(Cow::into_owned).unwrap_or_default())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_names_its_cluster_and_no_name_leaves_its_quotes() {
        let flags = |words: &[&str]| words.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let prod = flags(&["--context", "prod"]);
        assert_eq!(aimed("kubectl cordon n1", &prod), "kubectl --context prod cordon n1");
        let exec = "kubectl exec -n a p -c c -- jcmd 1 Thread.print";
        assert_eq!(
            aimed(exec, &prod),
            "kubectl --context prod exec -n a p -c c -- jcmd 1 Thread.print",
            "not among the words of the command in the container"
        );
        let odd = flags(&["--context", "a b;rm -rf ~", "--kubeconfig", "/h/it's"]);
        let line = aimed("kubectl cordon n1", &odd);
        assert_eq!(
            shlex::split(&line).unwrap(),
            ["kubectl", "--context", "a b;rm -rf ~", "--kubeconfig", "/h/it's", "cordon", "n1"]
        );
        assert_eq!(aimed("", &prod), "");
        assert_eq!(aimed("kubectl cordon n1", &[]), "kubectl cordon n1");
    }
}
