//! `:can-i`: what the operator may do in a namespace, as the API server answers it; with words after it, one question.

use serde_json::{Value as Json, json};

use crate::app::core::content::Line;
use crate::app::core::model::{Model, of_type};
use crate::app::core::msg::Effect;
use crate::app::core::notice::{Dirty, Tone};
use crate::app::core::served;
use crate::app::core::stack;
use crate::app::table::cell::{Cell, Value};
use crate::app::table::shape::{Shape, shape};
use crate::app::views::list::{ListView, Row, Rows};
use crate::world::Text;
use crate::world::ask::{Answer, Call, Verb};

static SHAPES: &[Shape] = &[
    shape("RESOURCES", 12, 70, 100),
    shape("GROUP", 6, 40, 85),
    shape("VERBS", 10, 80, 95),
    shape("ONLY", 6, 60, 80),
];

/// The namespace asked about where none is chosen.
const DEFAULT: &str = "default";

/// The rights in a namespace.
#[derive(Debug)]
struct Rights {
    namespace: Text,
    token: u64,
    /// The review's rules, or why there are none.
    answer: Option<Result<Json, String>>,
}

/// One question: may the operator do this?
#[derive(Debug)]
struct Question {
    words: String,
    namespace: Text,
    token: u64,
    answer: Option<Result<Json, String>>,
}

fn namespace(model: &Model) -> Text {
    model.namespaces.first().cloned().unwrap_or_else(|| DEFAULT.into())
}

fn review(kind: &str, spec: Json) -> Call {
    Call {
        verb: Verb::Post,
        path: format!("/apis/authorization.k8s.io/v1/{}s", kind.to_ascii_lowercase()),
        content_type: "application/json".into(),
        body: Some(json!({"apiVersion": "authorization.k8s.io/v1", "kind": kind, "spec": spec})),
    }
}

/// Lists the rights in the chosen namespace.
pub fn open(model: &mut Model) -> Effect {
    let (token, namespace) = (model.token(), namespace(model));
    let call = review("SelfSubjectRulesReview", json!({"namespace": &*namespace}));
    stack::push(model, ListView::new(Rights { namespace, token, answer: None }));
    Effect::Call { token, call }
}

/// Asks one thing, as `kubectl auth can-i` does: a verb, a kind with or without a name, and `-n NAMESPACE`.
pub fn ask(model: &mut Model, words: &str) -> Vec<Effect> {
    let mut namespace = namespace(model);
    let mut plain: Vec<&str> = Vec::new();
    let mut rest = words.split_whitespace();
    while let Some(word) = rest.next() {
        match word {
            "-n" | "--namespace" => namespace = rest.next().unwrap_or_default().into(),
            "-A" | "--all-namespaces" => namespace = "".into(),
            word => plain.push(word),
        }
    }
    let [verb, what] = plain[..] else {
        model.say(Tone::Info, "Say it as kubectl does: `:can-i delete pods`, `:can-i get secrets -n prod`.");
        return Vec::new();
    };
    let (kind, name) = what.split_once('/').unwrap_or((what, ""));
    // A subresource is part of the resource: `pods/exec`, `deployments/scale`.
    let Some(kind) = served::kind(model, kind) else {
        model.say(Tone::Bad, format!("`{kind}` is no kind that the server is known to serve."));
        return Vec::new();
    };
    const PARTS: [&str; 6] = ["exec", "log", "scale", "status", "portforward", "eviction"];
    let (part, name) = if PARTS.contains(&name) { (name, "") } else { ("", name) };
    let attributes = json!({"resourceAttributes": {
        "verb": verb, "group": kind.group(), "resource": kind.plural(), "subresource": part, "name": name,
        "namespace": if kind.namespaced() { &*namespace } else { "" },
    }});
    let token = model.token();
    let call = review("SelfSubjectAccessReview", attributes);
    stack::push(model, ListView::new(Question { words: words.to_owned(), namespace, token, answer: None }));
    vec![Effect::Call { token, call }]
}

/// An answer came, or why there is none.
pub fn called(model: &mut Model, token: u64, result: &Result<Answer, String>) {
    let answer = match result {
        Ok(a) if a.ok() => Ok(a.body["status"].clone()),
        Ok(a) => Err(a.message()),
        Err(why) => Err(why.clone()),
    };
    if let Some(view) = of_type::<ListView<Rights>>(&mut model.views).find(|v| v.of().token == token) {
        view.of_mut().answer = Some(answer);
    } else if let Some(view) = of_type::<ListView<Question>>(&mut model.views).find(|v| v.of().token == token)
    {
        view.of_mut().answer = Some(answer);
    } else {
        return;
    }
    model.dirty = Dirty::Input;
}

fn words(list: &Json) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(|v| v.as_str().map(str::to_owned)).collect()
}

impl Rows for Rights {
    fn title(&self) -> String {
        format!("what you may do in {}", self.namespace)
    }

    fn shapes(&self) -> &'static [Shape] {
        SHAPES
    }

    fn above(&self, _: &Model, _: usize) -> Vec<Line> {
        let Some(Ok(status)) = &self.answer else { return Vec::new() };
        let incomplete = status["incomplete"].as_bool() == Some(true);
        let why = status["evaluationError"].as_str().unwrap_or("an authoriser does not list its rules");
        let said = || Line::of(format!("The list is not complete: {why}."), "status.pending");
        incomplete.then(said).into_iter().collect()
    }

    fn rows(&self, _: &Model) -> Vec<Row> {
        let Some(Ok(status)) = &self.answer else { return Vec::new() };
        let rules = status["resourceRules"].as_array().into_iter().flatten().map(|rule| {
            let groups =
                words(&rule["apiGroups"]).into_iter().map(|g| if g.is_empty() { "core".into() } else { g });
            let groups = groups.collect::<Vec<_>>().join(",");
            (
                words(&rule["resources"]).join(","),
                groups,
                words(&rule["verbs"]).join(","),
                words(&rule["resourceNames"]),
            )
        });
        let paths = status["nonResourceRules"].as_array().into_iter().flatten().map(|rule| {
            (
                words(&rule["nonResourceURLs"]).join(","),
                "path".into(),
                words(&rule["verbs"]).join(","),
                Vec::new(),
            )
        });
        let mut all: Vec<_> = rules.chain(paths).collect();
        all.sort();
        all.dedup();
        let text = |t: &str| Value::text(&t.into());
        let row = |(what, group, verbs, only): (String, String, String, Vec<String>)| Row {
            id: format!("{what} {group} {verbs} {}", only.join(",")).into(),
            object: None,
            cells: vec![
                Cell::plain(text(&what)),
                Cell::dim(text(&group)),
                Cell::plain(text(&verbs)),
                Cell::dim(text(&only.join(","))),
            ],
            indent: 0,
        };
        all.into_iter().map(row).collect()
    }

    fn noun(&self) -> &'static str {
        "rules"
    }

    fn empty(&self, _: &Model) -> &'static str {
        match &self.answer {
            None => "Asking the server…",
            Some(Ok(_)) => "The server lists nothing that you may do here.",
            Some(Err(_)) => "The server does not say what you may do; `:can-i VERB KIND` asks one thing.",
        }
    }
}

static ANSWER: &[Shape] =
    &[shape("ANSWER", 3, 8, 100), shape("QUESTION", 20, 80, 95), shape("WHY", 10, 200, 90)];

impl Rows for Question {
    fn title(&self) -> String {
        format!(
            "may you {} in {}",
            self.words,
            if self.namespace.is_empty() { "all namespaces" } else { &self.namespace }
        )
    }

    fn shapes(&self) -> &'static [Shape] {
        ANSWER
    }

    fn rows(&self, _: &Model) -> Vec<Row> {
        let Some(answer) = &self.answer else { return Vec::new() };
        let (word, scope, why) = match answer {
            Ok(status) => {
                let said = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
                let why = [said("reason"), said("evaluationError")].join(" ").trim().to_owned();
                match status["allowed"].as_bool() {
                    Some(true) => ("yes", "status.ok", why),
                    _ => ("no", "status.bad", why),
                }
            }
            Err(why) => ("unknown", "status.pending", why.clone()),
        };
        vec![Row {
            id: "answer".into(),
            object: None,
            cells: vec![
                Cell::new(Value::Word(word), scope),
                Cell::plain(Value::Text(self.words.as_str().into())),
                Cell::dim(Value::text(&why.into())),
            ],
            indent: 0,
        }]
    }

    fn empty(&self, _: &Model) -> &'static str {
        "Asking the server…"
    }
}
