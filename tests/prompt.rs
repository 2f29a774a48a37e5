//! What the line after `:` completes: kinds and commands, and what they take, from what is watched anyway.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod stage;

use khud::app::Effect;
use khud::world::{Delta, Kind, Meta, Namespace, Node, Pod, Record};
use stage::Stage;

fn meta(namespace: &str, name: &str) -> Meta {
    let uid = format!("{namespace}/{name}");
    Meta { namespace: namespace.into(), name: name.into(), uid: uid.as_str().into(), ..Meta::default() }
}

/// Four namespaces, three pods, a node; two clusters to choose from.
fn cluster() -> Stage {
    let mut s = Stage::empty(120, 40);
    let mut records: Vec<Record> = ["production", "inference", "ml-training", "kube-system"]
        .map(|n| Record::Namespace(Box::new(Namespace { meta: meta("", n), ..Namespace::default() })))
        .into();
    for (namespace, name) in [("production", "api-0"), ("inference", "api-0"), ("inference", "llama-0")] {
        records.push(Record::Pod(Box::new(Pod { meta: meta(namespace, name), ..Pod::default() })));
    }
    records.push(Record::Node(Box::new(Node { meta: meta("", "gpu-worker-007"), ..Node::default() })));
    s.tell(records.into_iter().map(Delta::Apply).collect());
    s.model.contexts = [("captured", "https://a"), ("prod eu", "https://b")]
        .map(|(name, server)| (name.to_owned(), server.to_owned()))
        .into();
    s
}

fn offered(s: &Stage) -> Vec<&str> {
    s.model.prompt.as_ref().unwrap().suggestions.iter().map(|p| p.word.as_str()).collect()
}

fn typed(s: &Stage) -> &str {
    &s.model.prompt.as_ref().unwrap().text
}

fn shown(s: &Stage) -> Vec<&str> {
    s.model.namespaces.iter().map(|n| &**n).collect()
}

#[test]
fn namespaces_follow_a_kind_one_or_several() {
    let mut s = cluster();
    s.configure("namespaces = ['production']\n");
    s.press(":po\t");
    assert_eq!(typed(&s), "pods ", "a kind takes more");
    // Favourites first; nothing was asked for by the names.
    assert_eq!(offered(&s), ["production", "inference", "kube-system", "ml-training", "all"]);
    // By any letters, as the first word is; another after a comma, and none twice.
    s.press("mtr\t");
    assert_eq!(typed(&s), "pods ml-training");
    s.press(",");
    assert_eq!(offered(&s), ["production", "inference", "kube-system"]);
    s.press("inf\t");
    assert_eq!(typed(&s), "pods ml-training,inference");
    s.press("\r");
    assert_eq!(shown(&s), ["inference", "ml-training"]);
    assert!(s.screen().contains("─ pods in inference, ml-training ─"), "{}", s.screen());
    // All workloads in one table take the same words.
    s.press(":wk production\r");
    assert_eq!(shown(&s), ["production"]);
    assert!(s.screen().contains("─ workloads in production ─"), "{}", s.screen());
    // What is highlighted is taken by enter; what is typed stands where nothing is.
    s.press(":ns p");
    s.down();
    s.press("\r");
    assert_eq!(shown(&s), ["production"]);
    s.press(":ns prod\r");
    assert_eq!(shown(&s), ["prod"]);
    s.press(":ns al\t\r");
    assert!(shown(&s).is_empty());
    // A kind that is only guessed from how it begins completes the same.
    s.press(":deplo inf\t");
    assert_eq!(typed(&s), "deplo inference");
    s.press("\r");
    assert_eq!(
        (s.model.table().unwrap().source.kind.clone(), shown(&s)),
        (Kind::Deployment, vec!["inference"])
    );
}

#[test]
fn names_contexts_and_themes_follow_what_takes_them() {
    let mut s = cluster();
    // Of two pods of one name each says where it is.
    s.press(":pod/ap");
    assert_eq!(offered(&s), ["api-0 inference", "api-0 production"]);
    s.down();
    s.down();
    s.press("\r");
    let pod = s.model.selected().unwrap();
    assert_eq!((&*pod.namespace, &*pod.name), ("production", "api-0"));
    s.press(":pod/api-0 ");
    assert_eq!(offered(&s), ["inference", "production"]);
    s.press("\x1b:no/007\t");
    assert_eq!(typed(&s), "no/gpu-worker-007");
    s.press("\r");
    assert_eq!(s.selected(), "gpu-worker-007");

    s.press(":ctx ");
    assert_eq!(offered(&s), ["captured", "prod eu"]);
    assert!(s.line("captured  ").contains("not now: it is where you are"), "{}", s.screen());
    s.press("pr\t");
    assert_eq!(typed(&s), "ctx prod eu");
    assert_eq!(s.press("\r"), [Effect::Switch("prod eu".into())]);

    s.press(":skin grv\t\r");
    assert_eq!(s.model.theme.name, "gruvbox");

    // Nothing is offered where nothing is taken, or anything can stand.
    for line in
        ["nodes ", "zoom ", "note a", "pods /a", "pods app=a", "pods -f a", "pods production ", "frob/"]
    {
        s.press(&format!(":{line}"));
        assert_eq!(offered(&s), [] as [&str; 0], "{line}");
        assert_eq!(s.press("\t"), []);
        assert_eq!(typed(&s), line, "tab has nothing to take");
        s.press("\x1b");
    }
    // k9s's fuzzy filter after a kind.
    s.press(":pods -f lm0\r");
    assert_eq!(s.names(), ["llama-0"]);
}

#[test]
fn a_name_from_the_cluster_goes_into_the_line_clean() {
    let mut s = Stage::empty(100, 30);
    let pod = Pod { meta: meta("\u{1b}[2Jns", "evil\u{202e}\n"), ..Pod::default() };
    s.tell(vec![Delta::Apply(Record::Pod(Box::new(pod)))]);
    // Namespaces are not listed here: those of the pods are offered.
    for line in [":pods \t", ":pod/\t"] {
        s.press(line);
        let line = typed(&s).to_owned();
        assert!(line.len() > 6 && line.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{line:?}");
        s.press("\x1b");
    }
}

#[test]
fn a_hundred_thousand_names_are_offered_in_order() {
    let mut s = Stage::empty(100, 30);
    let pod =
        |i: usize| Record::Pod(Box::new(Pod { meta: meta("p", &format!("pod-{i:06}")), ..Pod::default() }));
    s.tell((0..100_000).rev().map(pod).map(Delta::Apply).collect());
    s.press(":pod/");
    let first: Vec<String> = (0..8).map(|i| format!("pod-{i:06} p")).collect();
    assert_eq!(offered(&s), first);
    s.press("99999");
    assert_eq!(offered(&s), ["pod-099999 p"]);
}
