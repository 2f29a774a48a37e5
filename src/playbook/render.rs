//! `khud diagnose` as text and as JSON. Pure; cluster text is made harmless.

use serde_json::{Value, json};

use super::facts;
use super::path::{By, Proposal};
use super::walk::Walk;
use crate::judge::Sure;

/// What the caller knows of a proposal: it has the catalogue and asked for permission.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Standing {
    /// The kubectl command that does the same; empty where there is none.
    pub kubectl: String,
    pub enabled: bool,
    /// Why it is not enabled.
    pub reason: String,
}

/// `khud diagnose -o json`.
pub fn json(walk: &Walk, standing: &dyn Fn(&Proposal) -> Standing) -> Value {
    let steps: Vec<Value> = walk
        .steps()
        .iter()
        .map(|s| {
            let evidence: Vec<Value> = s
                .evidence
                .iter()
                .map(|e| {
                    json!({"source": e.source, "quote": e.quote, "object": facts::object(&e.object),
                           "at": e.at.map(|t| t.to_string())})
                })
                .collect();
            json!({
                "id": s.id, "question": s.question, "answer": s.answer,
                "by": match s.by { By::Cluster => "cluster", By::Operator => "operator" },
                "evidence": evidence, "took_ms": s.took_ms,
            })
        })
        .collect();
    let remedies: Vec<Value> = walk
        .proposals()
        .iter()
        .map(|p| {
            let s = standing(p);
            json!({
                "action": p.action, "target": facts::object(&p.target), "params": p.params, "command": p.command(),
                "kubectl": s.kubectl, "enabled": s.enabled, "reason": s.reason,
            })
        })
        .collect();
    json!({
        "object": facts::object(&walk.object),
        "playbook": &*walk.playbook,
        "steps": steps,
        "verdict": walk.verdict().map(|v| json!({
            "cause": v.cause, "title": v.title, "explanation": v.explanation, "sure": v.sure,
            "object": facts::object(&v.object), "container": v.container.as_deref(), "pages": v.pages, "options": v.options,
        })),
        "also": walk.also().iter().map(|f| json!({"cause": &*f.cause, "title": f.title, "sure": f.sure})).collect::<Vec<_>>(),
        "remedies": remedies,
        "unknown": walk.unknown().iter().map(|u| json!({"what": u.what, "why": u.why})).collect::<Vec<_>>(),
    })
}

/// `khud diagnose`: the walk as a tree of answers, then the verdict and what to do.
pub fn text(walk: &Walk, standing: &dyn Fn(&Proposal) -> Standing) -> String {
    let mut out = format!("{}   playbook {}\n\n", plain(&walk.object.to_string()), walk.playbook);
    for s in walk.steps() {
        let by = if s.by == By::Operator { "  (you)" } else { "" };
        out.push_str(&format!("  {} → {}{by}\n", plain(&s.question), plain(&s.answer)));
        for e in &s.evidence {
            let at = e.at.map_or_else(String::new, |t| format!("  {t}"));
            out.push_str(&format!("      {}: {}{at}\n", plain(&e.source), plain(&e.quote)));
        }
    }
    out.push('\n');
    match walk.verdict() {
        Some(v) => {
            let likely = if v.sure == Sure::Likely { "likely " } else { "" };
            out.push_str(&format!("{likely}{}  {}\n", v.cause, plain(&v.title)));
            let container = v.container.as_ref().map_or_else(String::new, |c| format!(", container {c}"));
            if v.cause != "none" {
                out.push_str(&format!("  to fix: {}{}\n", plain(&v.object.to_string()), plain(&container)));
            }
            for line in v.explanation.lines() {
                out.push_str(&format!("  {}\n", plain(line)));
            }
        }
        None => out.push_str("nothing proved\n"),
    }
    if !walk.also().is_empty() {
        out.push_str("\nAlso\n");
        for f in walk.also() {
            let likely = if f.sure == Sure::Likely { "likely " } else { "" };
            out.push_str(&format!("  {likely}{}  {}\n", f.cause, plain(&f.title)));
        }
    }
    if !walk.proposals().is_empty() {
        out.push_str("\nWhat to do\n");
        for p in walk.proposals() {
            let s = standing(p);
            let off = if s.enabled { String::new() } else { format!("   not now: {}", plain(&s.reason)) };
            out.push_str(&format!("  {}{off}\n", plain(&p.command())));
        }
    }
    for (n, o) in walk.verdict().iter().flat_map(|v| &v.options).enumerate() {
        let lead = if n == 0 { "\nWays to go on\n" } else { "" };
        out.push_str(&format!("{lead}  {}. {}\n", n + 1, plain(&o.name)));
        for (word, text) in o.parts() {
            out.push_str(&format!("       {word}: {}\n", plain(text)));
        }
    }
    for id in walk.verdict().iter().flat_map(|v| &v.pages) {
        let target = walk.verdict().map_or_else(String::new, |v| {
            let (kind, ns) = (v.object.kind.name().to_ascii_lowercase(), &v.object.namespace);
            let ns = if ns.is_empty() { String::new() } else { format!(" -n {ns}") };
            format!("{kind}/{}{ns}", v.object.name)
        });
        out.push_str(&format!(
            "\nLines for people, which khud does not run\n  khud playbook show {id} {}\n",
            plain(&target)
        ));
    }
    if let Some(v) = walk.verdict().filter(|v| !v.verify.is_empty()) {
        out.push_str(&format!("\nOver when\n  {}\n", plain(&v.verify)));
    }
    if !walk.unknown().is_empty() {
        out.push_str("\nNot found out\n");
        for u in walk.unknown() {
            out.push_str(&format!("  {} {}\n", plain(&u.what), plain(&u.why)));
        }
    }
    out
}

/// Cluster text for a terminal: no control characters, nothing that turns the direction of writing.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '\t' | '\n' => ' ',
            c if c.is_control()
                || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}') =>
            {
                '·'
            }
            c => c,
        })
        .collect()
}
