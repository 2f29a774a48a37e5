//! A playbook as Markdown: the tree to read, with what each question looks at and what each verdict means.

use crate::world::time::human;

use super::tree::{Cost, Decide, JUDGED, Need, Node, Playbook};

/// The tree as Markdown. A node with several ways to it is written out once and named after that.
pub fn markdown(book: &Playbook) -> String {
    let title = if book.title.is_empty() { &book.id } else { &book.title };
    let mut out = format!("# {title}\n\n");
    let kinds: Vec<&str> = book.about.iter().map(|k| k.name()).collect();
    out.push_str(&format!("Playbook `{}`, for {}.\n\n## Tree\n\n", book.id, kinds.join(", ")));
    let mut seen = Vec::new();
    branch(book, &book.start, "", 0, &mut seen, &mut out);
    out.push_str("\n## Verdicts\n");
    for leaf in book.verdicts.values() {
        out.push_str(&format!(
            "\n### `{}`: {}\n\n{}\n",
            leaf.cause,
            escape(&leaf.title.source),
            escape(&leaf.explain.source)
        ));
        if !leaf.remedies.is_empty() {
            out.push_str("\nWhat to do:\n\n");
            for r in &leaf.remedies {
                let when = r.when.as_ref().map_or_else(String::new, |w| format!(" where `{}`", w.source));
                out.push_str(&format!("- `{}` on `{}`{when}\n", r.action, r.target.source));
            }
        }
        if !leaf.options.is_empty() {
            out.push_str(
                "\nWays to go on:\n\n| way | for | against | when | cost |\n|---|---|---|---|---|\n",
            );
        }
        for texts in &leaf.options {
            let cells: Vec<String> = texts.iter().map(|t| escape(&t.source)).collect();
            out.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
        for (id, when) in &leaf.pages {
            let when = when.as_ref().map_or_else(String::new, |w| format!(" where `{}`", w.source));
            out.push_str(&format!("\nLines for people: [`{id}`](../pages/{id}.md){when}\n"));
        }
        if let Some(v) = &leaf.verify {
            let hold = human(leaf.hold);
            out.push_str(&format!("\nOver when: {} (for {hold})\n", escape(&v.source)));
        }
    }
    out
}

fn branch(book: &Playbook, id: &str, answer: &str, depth: usize, seen: &mut Vec<String>, out: &mut String) {
    let pad = "  ".repeat(depth);
    let lead = if answer.is_empty() { String::new() } else { format!("**{}** → ", escape(answer)) };
    if id == JUDGED {
        out.push_str(&format!("{pad}- {lead}the judge's cause\n"));
        return;
    }
    if let Some(leaf) = book.verdicts.get(id) {
        out.push_str(&format!("{pad}- {lead}`{}` {}\n", leaf.cause, escape(&leaf.title.source)));
        return;
    }
    let Some(node) = book.nodes.get(id) else { return };
    if seen.iter().any(|s| s == id) {
        out.push_str(&format!("{pad}- {lead}{} (above)\n", escape(&node.ask)));
        return;
    }
    seen.push(id.to_owned());
    out.push_str(&format!("{pad}- {lead}{}{}\n", escape(&node.ask), looks_at(node)));
    let order = |a: &str| match a {
        "yes" => 0,
        "no" => 1,
        "else" => 3,
        "unknown" => 4,
        _ => 2,
    };
    let mut branches: Vec<(&String, &String)> = node.branches.iter().collect();
    branches.sort_by_key(|(a, _)| (order(a), a.as_str()));
    for (answer, to) in branches {
        branch(book, to, answer, depth + 1, seen, out);
    }
}

fn looks_at(node: &Node) -> String {
    let needs: Vec<String> = node
        .needs
        .iter()
        .map(|n| match n {
            Need::Exec(words) => format!("runs `{}`, intrusive", words.join(" ")),
            Need::Lookup(e) => format!("looks up `{}` in the container, intrusive", e.source),
            Need::Lookups(e) => format!("looks up `{}` in a pod per node, intrusive", e.source),
            Need::Connect(e) => format!("connects to `{}` from the container, intrusive", e.source),
            other if other.cost() == Cost::Read => format!("{} (read)", other.variables()[0]),
            other => other.variables()[0].to_owned(),
        })
        .collect();
    match &node.decide {
        Decide::Test(e) | Decide::Case(e) => format!(" `{}` (looks at {})", e.source, needs.join(", ")),
        Decide::Operator(_) => " (asks you)".to_owned(),
        Decide::Follow { playbook, .. } => format!("goes on in playbook `{playbook}`"),
    }
}

/// Keeps text from being Markdown of its own.
fn escape(text: &str) -> String {
    text.trim().replace('<', "&lt;").replace('\n', " ")
}
