//! Rules of the user's own: YAML, with a CEL expression over an object's fields. Cluster text is only ever a value.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use cel::{Context, Program};
use regex::Regex;
use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Spanned;

use crate::world::cel::as_cel;
use crate::world::{Kind, ObjectRef, Text, Time, World};

use crate::judge::Severity;
use crate::judge::fields::{self, KINDS};
use crate::judge::limits::seconds;
use crate::judge::text::QUOTE;
use crate::judge::{Diagnosis, Out};

/// Longest expression or template.
const LONGEST: usize = 4096;
/// A text in an expression: what stands in it reads nothing.
#[allow(clippy::expect_used)] // A literal pattern compiles.
static LITERAL: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#""(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'"#).expect("a literal pattern"));
/// A field that is read: `pod.restarts`.
#[allow(clippy::expect_used)] // A literal pattern compiles.
static READ: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"(?:^|[^.\w])(\w+)\.([A-Za-z_]\w*)").expect("a literal pattern"));
/// A macro over a list: `pod.containers.exists(c, …)`; its variable stands for each member.
#[allow(clippy::expect_used)] // A literal pattern compiles.
static MACRO: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"(?:^|[^.\w])(\w+)\.(\w+)\.(?:exists|exists_one|all|filter|map)\(\s*(\w+)\s*,")
        .expect("a literal pattern")
});
/// Most rules of a file.
const MOST: usize = 500;

/// One rule of a file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    /// Its own name; a dot in it keeps it apart from words (`team.too-many-restarts`).
    id: String,
    /// A kind of `fields::KINDS`.
    kind: String,
    /// CEL over the object, under the name of its kind and as `object`.
    when: String,
    /// Text with `{expression}` holes.
    title: String,
    #[serde(default)]
    row: Option<String>,
    #[serde(default)]
    severity: Option<Severity>,
    /// Seconds it must be true before it fires.
    #[serde(default, rename = "for")]
    lasting: u64,
    /// A cause id; the rule's own id where none is named.
    #[serde(default)]
    cause: Option<String>,
    #[serde(default)]
    playbook: Option<String>,
    /// Why it matters, for `khud print rules`.
    #[serde(default)]
    reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    rules: Vec<Spanned<Written>>,
}

/// A rule, checked and compiled.
#[derive(Clone)]
pub struct UserRule {
    pub id: Text,
    pub kind: Kind,
    pub severity: Severity,
    pub when: String,
    pub reason: String,
    name: &'static str,
    test: Arc<Program>,
    title: Arc<Vec<Part>>,
    row: Option<Arc<Vec<Part>>>,
    lasting: u64,
    cause: Text,
    playbook: Text,
}

impl std::fmt::Debug for UserRule {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UserRule({} when {:?})", self.id, self.when)
    }
}

enum Part {
    Text(String),
    Hole(Program),
}

/// Reads a file of rules; none where it is empty.
///
/// # Errors
/// A sentence for each fault, naming the rule.
pub fn load(yaml: &str) -> Result<Vec<UserRule>, Vec<String>> {
    if yaml.trim().is_empty() {
        return Ok(Vec::new());
    }
    let file: File =
        serde_saphyr::from_str(yaml).map_err(|e| vec![format!("the rules cannot be read: {e}")])?;
    if file.rules.len() > MOST {
        return Err(vec![format!("{} rules are more than the {MOST} that khud takes", file.rules.len())]);
    }
    let (mut rules, mut faults): (Vec<UserRule>, Vec<String>) = (Vec::new(), Vec::new());
    for written in file.rules {
        let line = written.referenced.line();
        let written = written.value;
        let id = written.id.clone();
        if crate::judge::rule(&id).is_some() || rules.iter().any(|r| *r.id == *id) {
            faults.push(format!("line {line}, rule {id:?}: the id is taken; choose another"));
            continue;
        }
        match check(written) {
            Ok(rule) => rules.push(rule),
            Err(why) => faults.push(format!("line {line}, rule {id:?}: {why}")),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults) }
}

fn check(w: Written) -> Result<UserRule, String> {
    let named = !w.id.is_empty() && w.id.len() <= 100;
    if !named || !w.id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
        return Err("an id is made of letters, digits, dots and dashes".into());
    }
    let (kind, name) = known(&w.kind)?;
    Ok(UserRule {
        id: w.id.as_str().into(),
        kind: kind.clone(),
        severity: w.severity.unwrap_or(Severity::Warning),
        test: Arc::new(program(&w.when, &kind, name)?),
        title: Arc::new(template(&w.title, &kind, name)?),
        row: w.row.map(|r| template(&r, &kind, name)).transpose()?.map(Arc::new),
        lasting: w.lasting,
        cause: w.cause.unwrap_or_else(|| w.id.clone()).into(),
        playbook: w.playbook.unwrap_or_else(|| "pod".into()).into(),
        when: w.when,
        reason: w.reason,
        name,
    })
}

/// Compiles an expression that reads nothing but the object.
fn program(source: &str, kind: &Kind, name: &str) -> Result<Program, String> {
    if source.len() > LONGEST {
        return Err(format!("an expression of {} bytes is longer than {LONGEST}", source.len()));
    }
    let program = Program::compile(source).map_err(|errors| {
        let text = errors.errors.first().map_or("not an expression", |e| e.msg.as_str());
        format!("cannot read {source:?} as CEL: {text}")
    })?;
    // Macros bring their own names (`list.exists(c, …)`); a misspelt object is told by what it starts with.
    let uses_object = {
        let references = program.references();
        let variables = references.variables();
        variables.is_empty() || variables.iter().any(|v| *v == name || *v == "object")
    };
    if let Some(Unknown { read, of, known }) = unknown_field(source, kind, name) {
        let field = read.rsplit('.').next().unwrap_or(&read);
        let near = known
            .iter()
            .max_by(|a, b| strsim::jaro_winkler(a, field).total_cmp(&strsim::jaro_winkler(b, field)));
        let near = near.map_or_else(String::new, |n| format!("; the nearest is {n}"));
        return Err(format!(
            "{source:?} reads {read}: {of} has no such field{near}; docs/findings.md lists them"
        ));
    }
    if uses_object { Ok(program) } else { Err(format!("{source:?} does not look at {name}, its object")) }
}

/// Compiles an expression over objects of a kind; with the kind and the object's name in it.
///
/// # Errors
/// A sentence about the kind or the expression.
pub fn expression(kind: &str, source: &str) -> Result<(Kind, &'static str, Program), String> {
    let (kind, name) = known(kind)?;
    let program = program(source, &kind, name)?;
    Ok((kind, name, program))
}

/// The kind of this word, and its objects' name in expressions.
fn known(word: &str) -> Result<(Kind, &'static str), String> {
    let kind = Kind::parse(word);
    let known = KINDS.iter().find(|(k, _)| Some(k) == kind.as_ref());
    known.map(|(kind, name)| (kind.clone(), *name)).ok_or_else(|| {
        let names: Vec<&str> = KINDS.iter().map(|(k, _)| k.name()).collect();
        format!("there is nothing known of kind {word:?}; one of {}", names.join(", "))
    })
}

/// A field that is read and does not exist.
struct Unknown {
    /// As the expression reads it: `pod.restart`, `c.restart`.
    read: String,
    /// The owner of the unknown field: `Pod`, `a member of pod.containers`.
    of: String,
    known: Vec<&'static str>,
}

/// The first field that an expression reads of its object, or of a member of a list of it, and that is not there.
fn unknown_field(source: &str, kind: &Kind, name: &str) -> Option<Unknown> {
    let bare = LITERAL.replace_all(source, "''");
    let own = |word: &str| word == name || word == "object";
    let first = |var: &dyn Fn(&str) -> bool, of: &str, known: &[&'static str]| {
        let mut reads = READ.captures_iter(&bare).filter(|c| var(&c[1]));
        let found = reads.find(|c| !known.contains(&&c[2]))?;
        Some(Unknown {
            read: format!("{}.{}", &found[1], &found[2]),
            of: of.to_owned(),
            known: known.to_vec(),
        })
    };
    first(&own, kind.name(), &fields::names(kind)).or_else(|| {
        MACRO.captures_iter(&bare).filter(|m| own(&m[1])).find_map(|m| {
            let known = fields::members(kind, &m[2])?;
            first(&|word| word == &m[3], &format!("a member of {name}.{}", &m[2]), known)
        })
    })
}

fn template(source: &str, kind: &Kind, name: &str) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = source;
    while let Some(open) = rest.find('{') {
        let Some(length) = rest[open..].find('}') else {
            return Err(format!("a {{ is not closed in {source:?}"));
        };
        if open > 0 {
            parts.push(Part::Text(rest[..open].to_owned()));
        }
        parts.push(Part::Hole(program(&rest[open + 1..open + length], kind, name)?));
        rest = &rest[open + length + 1..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    Ok(parts)
}

/// The rules by kind.
#[derive(Debug, Default)]
pub struct UserRules {
    by_kind: HashMap<Kind, Vec<UserRule>>,
}

impl UserRules {
    pub fn new(rules: Vec<UserRule>) -> UserRules {
        let mut by_kind: HashMap<Kind, Vec<UserRule>> = HashMap::new();
        for rule in rules {
            by_kind.entry(rule.kind.clone()).or_default().push(rule);
        }
        UserRules { by_kind }
    }

    /// Whether any rule is about the kind: then every change of it is judged, not only those of the sick.
    pub fn about(&self, kind: &Kind) -> bool {
        self.by_kind.contains_key(kind)
    }

    /// Judges an object. An expression that cannot be evaluated (a field that is not there) is not true.
    /// `began`: since when the rule has held for this object.
    pub fn judge(
        &self,
        world: &World,
        object: &ObjectRef,
        now: Time,
        began: impl Fn(&Text) -> Option<Time>,
        out: &mut Out,
    ) {
        let Some(rules) = self.by_kind.get(&object.kind) else { return };
        let Some(value) = fields::of(world, object, now) else { return };
        let value = as_cel(&value);
        for rule in rules {
            let mut context = Context::default();
            context.add_variable_from_value("object", value.clone());
            context.add_variable_from_value(rule.name, value.clone());
            if !matches!(rule.test.execute(&context), Ok(cel::Value::Bool(true))) {
                continue;
            }
            let since = began(&rule.id).unwrap_or(now);
            let fires = since.plus(seconds(rule.lasting));
            if now < fires {
                out.again(fires);
            }
            let title = render(&rule.title, &context);
            let row = rule.row.as_ref().map_or_else(|| rule.id.to_string(), |r| render(r, &context));
            let mut s = Diagnosis::named(rule.id.clone(), object.clone(), since)
                .title(title)
                .row(row)
                .severity(rule.severity)
                .fires_at(fires)
                .evidence("your rule", crate::judge::text::bounded(&rule.when, QUOTE), object, None);
            s.cause = rule.cause.clone();
            s.playbook = rule.playbook.clone();
            out.push(s);
        }
    }

    /// The rules as `khud print rules` lists them.
    pub fn document(&self) -> String {
        let mut rules: Vec<&UserRule> = self.by_kind.values().flatten().collect();
        rules.sort_by(|a, b| a.id.cmp(&b.id));
        let line = |r: &UserRule| {
            format!("\n### {}\n{}: {} where `{}`. {}\n", r.id, r.severity, r.kind, r.when, r.reason)
        };
        let body: String = rules.into_iter().map(line).collect();
        if body.is_empty() { body } else { format!("\n## Your own rules\n{body}") }
    }
}

fn render(parts: &[Part], context: &Context) -> String {
    let mut out = String::new();
    for part in parts {
        match part {
            Part::Text(t) => out.push_str(t),
            Part::Hole(p) => match p.execute(context) {
                Ok(cel::Value::String(s)) => out.push_str(&s),
                Ok(value) => match value.json() {
                    Ok(Value::Null) | Err(_) => out.push('?'),
                    Ok(value) => out.push_str(&value.to_string()),
                },
                Err(_) => out.push('?'),
            },
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::{DetectConfig, Detector, State};
    use crate::world::{Delta, Meta, Node, Record};

    const RULE: &str = "rules:
- id: team.cordoned
  kind: node
  when: node.unschedulable && node.labels['pool'] == 'web'
  for: 60
  severity: critical
  title: 'node {node.name} of pool {node.labels.pool} is cordoned'
";

    fn node(cordoned: bool, pool: &str) -> Delta {
        let labels = crate::world::Labels([("pool".into(), pool.into())].into());
        Delta::Apply(Record::Node(Box::new(Node {
            meta: Meta { name: "n1".into(), labels, ..Meta::default() },
            unschedulable: cordoned,
            ..Node::default()
        })))
    }

    #[test]
    fn a_users_rule_fires_after_its_time_and_goes_with_its_reason() {
        let config = DetectConfig { rules: load(RULE).unwrap(), ..DetectConfig::default() };
        let (mut detector, mut world) = (Detector::new(config), World::new());
        let start = Time::parse("2026-11-21T01:00:00Z").unwrap();
        let mut apply = |detector: &mut Detector, delta, now| {
            let mut changes = Vec::new();
            world.apply(delta, &mut changes);
            detector.on_changes(&world, &changes, now);
            let firing: Vec<_> = detector.findings().iter().map(|f| (f.state, f.title.clone())).collect();
            firing
        };
        assert!(apply(&mut detector, node(true, "batch"), start).is_empty(), "another pool");
        let seen = apply(&mut detector, node(true, "web"), start);
        assert_eq!(seen, [(State::Pending, "node n1 of pool web is cordoned".to_owned())]);
        let later = start.plus(seconds(61));
        assert_eq!(detector.next_timer(), Some(start.plus(seconds(60))));
        let mut other = World::new();
        other.apply(node(true, "web"), &mut Vec::new());
        detector.on_timer(&other, later);
        assert_eq!(detector.findings()[0].state, State::Firing);
        assert_eq!(&*detector.findings()[0].cause, "team.cordoned");
        let seen = apply(&mut detector, node(false, "web"), later);
        assert_eq!(seen[0].0, State::Resolving);
    }

    /// A threshold, a severity, a mute and a rule set while khud runs hold for what was found before, and go again.
    #[test]
    fn what_is_configured_while_khud_runs_holds_at_once() {
        let (mut detector, mut world) = (Detector::default(), World::new());
        let start = Time::parse("2026-11-21T01:00:00Z").unwrap();
        let mut changes = Vec::new();
        world.apply(node(true, "web"), &mut changes);
        detector.on_changes(&world, &changes, start);
        assert!(detector.findings().is_empty());
        let with = |more: &str| {
            let config: DetectConfig = toml::from_str(more).unwrap();
            DetectConfig { rules: load(RULE).unwrap(), ..config }
        };
        detector.configure(with(""), &world, start);
        assert_eq!(detector.findings()[0].state, State::Pending, "nothing changed but the rules");
        let later = start.plus(seconds(61));
        detector.on_timer(&world, later);
        let seen = |d: &Detector| d.findings().iter().map(|f| (f.severity, f.counts())).collect::<Vec<_>>();
        assert_eq!(seen(&detector), [(Severity::Critical, true)]);
        detector.configure(with("[severity]\n'team.cordoned' = 'info'\n"), &world, later);
        assert_eq!(seen(&detector), [(Severity::Info, true)]);
        detector.configure(with("[[mute]]\nrule = 'team.*'\nreason = 'known'\n"), &world, later);
        assert_eq!(seen(&detector), [(Severity::Critical, false)]);
        detector.configure(with("[thresholds]\nresolving = 5\n"), &world, later);
        detector.configure(DetectConfig::default(), &world, later);
        assert_eq!(detector.findings()[0].state, State::Resolving, "its rule is gone");
    }

    #[test]
    fn the_documented_example_is_read() {
        let page = include_str!("../../docs/findings.md");
        let example = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
        assert_eq!(&*load(example).unwrap()[0].id, "team.cordoned");
    }

    #[test]
    fn faults_name_the_rule_and_what_is_wrong() {
        let fault = |from: &str, to: &str| load(&RULE.replace(from, to)).unwrap_err().join("\n");
        assert!(
            fault("kind: node", "kind: llama").contains("rule \"team.cordoned\": there is nothing known")
        );
        assert!(fault("node.unschedulable &&", "node.unschedulable && &&").contains("as CEL"));
        assert!(fault("{node.name}", "{node.name").contains("team.cordoned"));
        assert!(fault("id: team.cordoned", "id: image.auth").contains("is taken"));
        assert!(fault("title:", "tytle:").contains("tytle"));
        let unknown = fault("node.unschedulable", "node.unscheduleable");
        assert!(unknown.contains("Node has no such field; the nearest is unschedulable"), "{unknown}");
        assert!(unknown.starts_with("line "), "{unknown}");
        let within = |when: &str| {
            load(
                &RULE
                    .replace("kind: node", "kind: pod")
                    .replace("node.unschedulable && node.labels['pool'] == 'web'", when)
                    .replace("node {node.name} of pool {node.labels.pool}", "{pod.name}"),
            )
        };
        let unknown = within("pod.containers.exists(c, c.restart > 3 && c.ready)").unwrap_err().join("");
        let says = "reads c.restart: a member of pod.containers has no such field; the nearest is restarts";
        assert!(unknown.contains(says), "{unknown}");
        assert!(within("pod.containers.filter(c, c.limits.memory == -1).size() > 0").is_ok());
        assert!(within("pod.containers.exists(c, c.reason == 'c.restart')").is_ok(), "a text reads nothing");
        let evil = RULE.replace("node.unschedulable && node.labels['pool'] == 'web'", "pod.ready");
        assert!(load(&evil).unwrap_err()[0].contains("does not look at node"));
    }
}
