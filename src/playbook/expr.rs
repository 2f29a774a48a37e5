//! CEL expressions and text templates over evidence. Cluster text is only ever a value, never part of an expression.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Program};
use serde_json::Value;

use super::problem::Position;
use crate::world::cel::as_cel;

static MACRO: LazyLock<regex::Regex> = LazyLock::new(|| {
    // A literal pattern; a test compiles it.
    #[allow(clippy::expect_used)]
    regex::Regex::new(r"\.(?:all|exists|exists_one|map|filter)\(\s*(\w+)\s*,").expect("compiles")
});

/// Evidence by variable name.
pub type Bindings = BTreeMap<String, Value>;

/// A compiled CEL expression, with its place in the file.
#[derive(Clone)]
pub struct Expr {
    pub source: String,
    pub at: Position,
    program: Arc<Program>,
}

/// Two expressions with the same text are the same.
impl PartialEq for Expr {
    fn eq(&self, other: &Expr) -> bool {
        self.source == other.source
    }
}

impl Eq for Expr {}

impl PartialOrd for Expr {
    fn partial_cmp(&self, other: &Expr) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Expr {
    fn cmp(&self, other: &Expr) -> std::cmp::Ordering {
        self.source.cmp(&other.source)
    }
}

impl std::fmt::Debug for Expr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Expr({:?} {})", self.source, self.at)
    }
}

impl Expr {
    /// # Errors
    /// The parser's message with the line and column in the file.
    pub fn compile(source: &str, at: Position) -> Result<Expr, String> {
        match Program::compile(source) {
            Ok(program) => Ok(Expr { source: source.to_owned(), at, program: Arc::new(program) }),
            Err(errors) => {
                let first = errors.errors.first();
                let (row, column) = first.map_or((1, 1), |e| e.pos);
                let text = first.map_or("not an expression", |e| e.msg.as_str());
                let down = u64::try_from(row.saturating_sub(1)).unwrap_or(0);
                let at = Position { line: at.line + down, ..at };
                Err(format!("{at}: cannot read {source:?} as CEL at its character {column}: {text}"))
            }
        }
    }

    /// The variables it reads, without those its own macros introduce (`list.exists(x, …)`).
    pub fn variables(&self) -> Vec<String> {
        let own: Vec<&str> =
            MACRO.captures_iter(&self.source).filter_map(|c| c.get(1)).map(|m| m.as_str()).collect();
        let references = self.program.references();
        let names = references.variables().into_iter().filter(|n| !own.contains(n) && !n.starts_with('@'));
        let mut names: Vec<String> = names.map(str::to_owned).collect();
        names.sort();
        names
    }

    /// # Errors
    /// CEL's own words where a field is missing or types do not fit.
    pub fn eval(&self, bindings: &Bindings) -> Result<Value, String> {
        let mut context = Context::default();
        for (name, value) in bindings {
            context.add_variable_from_value(name.clone(), as_cel(value));
        }
        let value = self.program.execute(&context).map_err(|e| e.to_string())?;
        value.json().map_err(|e| e.to_string())
    }
}

/// Whether each line break of a text stays: one beside a line that is one hole (a quote, lines to copy), beside an empty
/// line, beside a line that is indented, before an item of a list, and after a quote that ends a line. Any other only
/// wraps the source, and the reader's terminal wraps anew.
fn kept_breaks(source: &str) -> Vec<bool> {
    let own = |line: &str| {
        let words = line.trim();
        let hole = words.starts_with('{') && words.ends_with('}') && words.matches('{').count() == 1;
        words.is_empty() || hole || line.starts_with(' ')
    };
    let item = |line: &str| {
        line.trim_start_matches(|c: char| c.is_ascii_digit()).starts_with(". ") || line.starts_with("- ")
    };
    let lines: Vec<&str> = source.lines().collect();
    // A quote brings no full stop of its own.
    let quoted = |line: &str| line.trim_end().ends_with('}');
    let kept = |pair: &[&str]| own(pair[0]) || own(pair[1]) || item(pair[1]) || quoted(pair[0]);
    lines.windows(2).map(kept).collect()
}

/// Text with `{expression}` holes; `{{` and `}}` are braces.
#[derive(Clone, Debug)]
pub struct Template {
    pub source: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Hole(Expr),
}

impl Template {
    /// # Errors
    /// An unclosed hole, or a hole that is no CEL, with its line.
    pub fn compile(source: &str, at: Position) -> Result<Template, String> {
        let (mut parts, mut text) = (Vec::new(), String::new());
        let mut at = at;
        let mut kept = kept_breaks(source).into_iter();
        let mut chars = source.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '{' if chars.peek() == Some(&'{') => {
                    chars.next();
                    text.push('{');
                }
                '}' if chars.peek() == Some(&'}') => {
                    chars.next();
                    text.push('}');
                }
                '{' => {
                    let mut hole = String::new();
                    let mut closed = false;
                    for c in chars.by_ref() {
                        if c == '}' {
                            closed = true;
                            break;
                        }
                        hole.push(c);
                    }
                    if !closed {
                        return Err(format!("{at}: a {{ is not closed in {source:?}"));
                    }
                    if !text.is_empty() {
                        parts.push(Part::Text(std::mem::take(&mut text)));
                    }
                    parts.push(Part::Hole(Expr::compile(hole.trim(), at)?));
                }
                '\n' => {
                    at.line += 1;
                    text.push(if kept.next().unwrap_or(true) { '\n' } else { ' ' });
                }
                c => text.push(c),
            }
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Template { source: source.to_owned(), parts })
    }

    pub fn holes(&self) -> impl Iterator<Item = &Expr> {
        self.parts.iter().filter_map(|p| match p {
            Part::Hole(e) => Some(e),
            Part::Text(_) => None,
        })
    }

    /// The holes that give no text though all their variables are bound, with why.
    pub fn failures(&self, bindings: &Bindings) -> Vec<(Expr, String)> {
        let bound = |e: &&Expr| e.variables().iter().all(|v| bindings.contains_key(v));
        let failed = |e: &Expr| match e.eval(bindings) {
            Ok(Value::Null) => Some((e.clone(), "it gives nothing".to_owned())),
            Ok(_) => None,
            Err(why) => Some((e.clone(), why)),
        };
        self.holes().filter(bound).filter_map(failed).collect()
    }

    /// The text; a hole whose evidence is not there shows as `?`.
    pub fn render(&self, bindings: &Bindings) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(t) => out.push_str(t),
                Part::Hole(e) => match e.eval(bindings) {
                    Ok(Value::String(s)) => out.push_str(&s),
                    Ok(Value::Null) | Err(_) => out.push('?'),
                    Ok(other) => out.push_str(&other.to_string()),
                },
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn line(line: u64) -> Position {
        Position { line, column: 5 }
    }

    fn bindings() -> Bindings {
        Bindings::from([
            ("pod".to_owned(), json!({"phase": "Running", "restarts": 4, "labels": {"a": "b"}})),
            ("log".to_owned(), json!({"lines": ["one", "1 == 1 || true"]})),
        ])
    }

    #[test]
    fn expressions_decide_over_values() {
        let eval = |s: &str| Expr::compile(s, line(1)).unwrap().eval(&bindings());
        assert_eq!(eval("pod.phase == 'Running' && pod.restarts > 3"), Ok(json!(true)));
        assert_eq!(eval("log.lines.exists(l, l.matches('^on'))"), Ok(json!(true)));
        assert_eq!(eval("log.lines[1] == 'x'"), Ok(json!(false)), "text that looks like CEL is text");
        assert_eq!(eval("has(pod.node) ? pod.node : 'none'"), Ok(json!("none")));
        assert!(eval("pod.nothing == 1").is_err());
        assert_eq!(eval("pod.restarts + 1"), Ok(json!(5)));
        let e = Expr::compile("log.lines.exists(l, l == pod.phase)", line(1)).unwrap();
        assert_eq!(e.variables(), ["log", "pod"]);
    }

    #[test]
    fn errors_name_the_line() {
        let e = Expr::compile("pod.phase == == 'x'", line(12)).unwrap_err();
        assert!(e.starts_with("line 12 column 5: cannot read"), "{e}");
        assert!(Template::compile("a {b", line(3)).unwrap_err().starts_with("line 3 column 5:"));
        assert!(Template::compile("a\n{b c}", line(3)).unwrap_err().starts_with("line 4 column 5:"));
    }

    #[test]
    fn templates_fill_their_holes() {
        let prose = Template::compile("{pod.phase}\nOne\nsentence: {pod.phase}\nkubectl get\n\nNew", line(1))
            .unwrap();
        assert_eq!(prose.render(&bindings()), "Running\nOne sentence: Running\nkubectl get\n\nNew");
        let t = Template::compile("{{x}} {pod.phase} {pod.restarts} {pod.gone}", line(1)).unwrap();
        assert_eq!(t.render(&bindings()), "{x} Running 4 ?");
        let failed: Vec<String> = t.failures(&bindings()).into_iter().map(|(e, _)| e.source).collect();
        assert_eq!(failed, ["pod.gone"]);
        assert_eq!(t.holes().flat_map(Expr::variables).collect::<Vec<_>>(), ["pod", "pod", "pod"]);
    }
}
