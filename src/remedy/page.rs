//! The page of the documentation that lists the actions, made from what each declares.

use super::action::{Action, Spec, catalogue, cluster_wide};
use super::run::Params;
use crate::world::{Kind, ObjectRef};

const HEAD: &str = "# Actions\n\n\
Each action is a plan first: what changes, whom it hurts, what speaks against it, the server's dry run. Then it asks, acts, \
watches, verifies and writes the journal. In the cockpit `a` lists those that fit the object; `khud do ACTION KIND/NAME` runs \
one from the command line, with `--dry-run` for the plan alone. This page is made from the actions themselves.\n\n\
| action | what it does | kinds | rights | fits | takes back |\n|---|---|---|---|---|---|\n";

/// How an action is undone, where it can be.
fn back(action: &Action) -> &'static str {
    let undoes = |o: &Spec| o.name == "undo";
    match action.name {
        "pause" => "resume",
        "resume" => "pause",
        "cordon" | "drain" => "uncordon",
        "uncordon" => "cordon",
        "taint" => "untaint",
        "untaint" => "taint",
        _ if action.options.iter().any(undoes) => "`--undo`",
        "set-image" | "set-env" | "set-resources" | "set-probe" | "restart" => "rollback",
        "rollback" => "rollback to the revision left",
        "scale" | "guards" | "set-config" | "set-quota" | "switch-selector" | "label" | "annotate"
        | "edit" => "the same with the old value",
        "waves" | "upgrade" => "an abort uncordons what is safe to",
        "failover" => "failover with the weights of before, which the plan names",
        "restore" => "delete",
        "crd-migrate" => "crd-migrate and restore, both from its backup",
        "port-forward" => "`:port-forwards` closes it",
        "debug" => "ends with the session; the entry goes with the pod",
        "node-shell" => "the pod goes with the session",
        "heap-dump" | "thread-dump" | "class-histogram" | "shell" | "attach" | "copy" | "backup"
        | "bundle" | "trigger" | "retry" => "changes no object",
        _ => "nothing brings it back",
    }
}

/// All of the page, as Markdown.
pub fn page() -> String {
    let mut out = HEAD.to_owned();
    let all = || catalogue().iter().chain(cluster_wide());
    for a in all() {
        let kind = a.kinds.first().cloned().unwrap_or(Kind::ConfigMap);
        let rights: Vec<String> = a
            .rights
            .iter()
            .map(|r| match (a.kinds, r.kind) {
                ([], None) => format!("{} it", r.verb),
                _ => r.of(r.kind.unwrap_or(&kind)),
            })
            .collect();
        let causes: Vec<String> = a
            .causes
            .iter()
            .map(|(c, _)| format!("`{c}{}`", if c.ends_with('.') { "*" } else { "" }))
            .collect();
        let name = if a.dangerous { format!("**`{}`**", a.name) } else { format!("`{}`", a.name) };
        out.push_str(&format!(
            "| {name} | {} | {} | {} | {} | {} |\n",
            a.about,
            a.kinds_in_words(),
            rights.join(", "),
            causes.join(" "),
            back(a)
        ));
    }
    out.push_str("\nA bold action asks for the object's name.\n");
    for a in all() {
        out.push_str(&format!("\n## {}\n\n`khud do {}`: {}.\n", a.title, a.name, a.about));
        for o in a.options {
            let short = o.short.map_or_else(String::new, |c| format!(", `-{c}`"));
            let must = if o.required { " (needed)" } else { "" };
            out.push_str(&format!("- `{}`{short}: {}{must}\n", o.usage().replace('|', "\\|"), o.about));
        }
        let kind = a.kinds.first().cloned().unwrap_or(Kind::ConfigMap);
        let namespace = if kind.namespaced() { "NAMESPACE" } else { "" };
        let command = (a.kubectl)(&ObjectRef::new(kind, namespace, "NAME"), &Params::new());
        if !command.is_empty() {
            out.push_str(&format!("\nkubectl: `{}`\n", command.trim_end().replace("  ", " ")));
        }
    }
    out
}
