//! What the line after `:` completes: kinds and commands, and what they take, from what is watched anyway.

use crate::support::captures::capture;
use crate::support::stage::{self, Stage};
use khud::app::core::view::Saved;
use khud::app::{Effect, Msg, update};
use khud::world::{Delta, Kind, Meta, Namespace, Node, Offer, Pod, Record, Resource};
use serde_json::Value;

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
    s.model.prompt.as_ref().unwrap().text()
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
    // The beginning of a kind's name completes the same.
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

/// The server says what it serves, as the captured one did.
fn discovered(s: &mut Stage, more: &[(&str, &str, &[&str])]) {
    let mut offers = Vec::new();
    for file in ["api-aggregated", "apis-aggregated"] {
        let capture = capture(&format!("discovery/{file}.json"));
        for group in capture["response"]["json"]["items"].as_array().unwrap() {
            let version = &group["versions"][0];
            for r in version["resources"].as_array().unwrap() {
                let text = |v: &Value| v.as_str().unwrap_or_default().into();
                if !r["verbs"].as_array().unwrap().iter().any(|v| v == "list") {
                    continue;
                }
                let resource = Resource {
                    group: text(&group["metadata"]["name"]),
                    version: text(&version["version"]),
                    plural: text(&r["resource"]),
                    kind: text(&r["responseKind"]["kind"]),
                    namespaced: r["scope"] == "Namespaced",
                };
                let short = r["shortNames"].as_array().into_iter().flatten().map(text).collect();
                offers.push(Offer { kind: Kind::served(resource), short });
            }
        }
    }
    for (plural, kind, short) in more {
        let resource = Resource {
            group: "acme.example".into(),
            version: "v1".into(),
            plural: (*plural).into(),
            kind: (*kind).into(),
            namespaced: true,
        };
        let short = short.iter().map(|s| (*s).into()).collect();
        offers.push(Offer { kind: Kind::served(resource), short });
    }
    update(&mut s.model, Msg::Discovered(Ok(offers)));
}

/// The plural of the table that a line opened.
fn opened(s: &mut Stage, line: &str) -> String {
    let before = s.model.views.len();
    s.press(&format!(":{line}\r"));
    assert!(s.model.prompt.is_none(), "{line}: {}", s.screen());
    assert_eq!(s.model.views.len(), before + 1, "{line}: {}", s.screen());
    s.model.table().unwrap().source.kind.plural().to_owned()
}

/// What is said about a line that ran nothing: it stands there still, to be mended.
#[track_caller]
fn refused(s: &mut Stage, line: &str) -> String {
    let before = s.model.views.len();
    assert_eq!(s.press(&format!(":{line}\r")), [], "{line} does nothing");
    assert!(!s.model.quitting);
    assert_eq!(s.model.views.len(), before, "{line} opens nothing");
    assert_eq!(typed(s), line);
    let note = s.model.prompt.as_ref().unwrap().note.clone().unwrap();
    assert!(s.screen().contains(&note), "{note}\n{}", s.screen());
    s.press("\x1b");
    note
}

#[test]
fn a_line_runs_a_name_an_alias_or_the_beginning_of_one_thing() {
    let mut s = cluster();
    assert_eq!(s.press(":"), [Effect::Discover]);
    s.press("\x1b");
    discovered(&mut s, &[("widgets", "Widget", &["wd"])]);
    for (line, plural) in [
        // kubectl's names and short names, the server's own too.
        ("po", "pods"),
        ("Pod", "pods"),
        ("netpol", "networkpolicies"),
        ("ing", "ingresses"),
        ("sa", "serviceaccounts"),
        ("widgets.acme.example", "widgets"),
        ("wd", "widgets"),
        // k9s's aliases.
        ("dp", "deployments"),
        ("np", "networkpolicies"),
        ("cr", "clusterroles"),
        ("crb", "clusterrolebindings"),
        ("ro", "roles"),
        ("rb", "rolebindings"),
        ("jo", "jobs"),
        ("sec", "secrets"),
        // The beginning of one name, or of several of one thing.
        ("deplo", "deployments"),
        ("clusterroleb", "clusterrolebindings"),
        ("wid", "widgets"),
    ] {
        assert_eq!(opened(&mut s, line), plural, "{line}");
    }
    s.press(":incid\r");
    assert!(s.model.prompt.is_none() && s.model.views.is_empty() && s.model.overview.zoom, "incidents");
    s.press(":themes\r");
    assert!(offered(&s).contains(&"light"), "a command by its other word: {}", s.screen());
    s.press("\x1b");
    // Only the beginning, never a word with the same letters somewhere in it.
    assert!(refused(&mut s, "ploy").contains("is no command and no kind"));
}

#[test]
fn a_line_that_could_mean_more_than_one_thing_or_harm_runs_nothing() {
    let mut s = cluster();
    s.press(":\x1b");
    discovered(&mut s, &[]);
    for (line, says) in [
        ("e", "`:e` begins `ep`, `ev`"),
        ("b", "`:b` begins `bug`, `back`: type more"),
        ("clusterr", "`:clusterr` begins `clusterrole`, `clusterrolebinding`: type"),
        ("p", "…: type more, or choose."),
        ("quit!", "is no command and no kind"),
        // Beginnings of what quits, leaves for another cluster, writes a file or unlocks changes.
        ("qui", "`:quit` runs only when its whole name is typed"),
        ("exi", "`:exit` runs only when its whole name is typed"),
        ("bu", "`:bug` runs only"),
        ("screens", "`:screenshot` runs only"),
        ("read", "`:readonly` runs only"),
        ("conte", "`:context` runs only"),
        // Actions begin on an object, with a plan.
        ("drain", "Drain is an action: put the cursor on it (node) and press a."),
        ("rollback", "Roll back is an action"),
        // k9s's views that khud has not.
        ("pop", "khud has no popeye"),
        ("hm", "use helm list -A"),
        ("usr", "`:crb` and `:rb` list who"),
    ] {
        let note = refused(&mut s, line);
        assert!(note.contains(says), "{line}: {note}");
    }
    // The line can be mended, and what was said of it goes.
    s.press(":qui\rt");
    assert_eq!(s.model.prompt.as_ref().unwrap().note, None);
    assert_eq!(s.press("\r"), [Effect::Quit]);

    // A kind of the server goes before a sentence, and a name of two kinds is not one.
    let mut s = cluster();
    s.press(":\x1b");
    discovered(&mut s, &[("users", "User", &[]), ("nodepools", "NodePool", &["npl"])]);
    assert_eq!(opened(&mut s, "users"), "users");
    assert_eq!(opened(&mut s, "np"), "networkpolicies", "as in k9s, though it begins npl");
    assert!(refused(&mut s, "nod").contains("`node`, `nodepool`"));
}

#[test]
fn a_word_only_the_server_can_know_waits_for_its_answer() {
    let mut s = cluster();
    s.press(":crb\r");
    assert!(s.screen().contains("Asking the server what it serves"), "{}", s.screen());
    // Something else was begun meanwhile: a line that comes to nothing does not take its keys.
    s.press("/llama");
    discovered(&mut s, &[]);
    assert_eq!(s.model.table().unwrap().source.kind.plural(), "clusterrolebindings");
    assert_eq!(typed(&s), "llama");

    let mut s = cluster();
    s.press(":frob\r/llama");
    discovered(&mut s, &[]);
    assert_eq!(typed(&s), "llama");
    s.press("\r");
    assert!(s.screen().contains("`:frob` is no command and no kind."), "{}", s.screen());
}

#[test]
fn a_filter_by_a_field_that_is_not_there_or_has_no_data_says_so() {
    let mut s = stage::captured(120, 40);
    for (view, filter, says) in [
        (":pods\r", "gpus>4", "None of 33 pods matches (no column gpus here"),
        (":deploy\r", "status=Down", "(no column status here"),
        (":findings\r", "sevrity=critical", "findings matches (no column sevrity here"),
        (":findings\r", "object=nowhere", "findings matches. esc clears the filter."),
    ] {
        s.press(&format!("{view}/{filter}\r"));
        let screen = s.screen();
        assert!(screen.contains(says), "{filter}: {says}\n{screen}");
        assert!(!screen.contains("No incident"), "{screen}");
        s.press("\x1b\x1b");
    }
    // A column that is there and in which nothing stands.
    let pod = Pod { meta: meta("p", "bare"), ..Pod::default() };
    let mut bare = Stage::empty(120, 40);
    bare.tell(vec![Delta::Apply(Record::Pod(Box::new(pod)))]);
    bare.press(":pods\r/node=gpu-worker-007\r");
    let says = "None of 1 pods matches (NODE has no value in any row)";
    assert!(bare.screen().contains(says), "{}", bare.screen());
    // Findings compare like tables: by column, not by any text.
    s.press(":findings\r/severity=critical\r");
    let Saved::File { text, count, .. } = s.model.front().saved(&s.model) else { panic!("no rows") };
    assert!(count > 0);
    assert!(text.lines().skip(1).all(|row| row.starts_with("critical,")), "{text}");
}

#[test]
fn a_line_is_mended_where_the_cursor_stands() {
    let mut s = cluster();
    s.press(":pods prodution");
    for _ in "tion".chars() {
        s.left();
    }
    s.press("c");
    assert_eq!(typed(&s), "pods production", "typed where the cursor stands");
    s.left();
    s.ctrl('d');
    assert_eq!(typed(&s), "pods prodution", "deleted there");
    s.right();
    s.press("y");
    assert_eq!(typed(&s), "pods produtyion", "one to the right");
    // Words and both ends, as in a shell.
    s.ctrl('a');
    s.press("e");
    s.ctrl('k');
    assert_eq!(typed(&s), "e");
    s.ctrl('u');
    // Characters of two columns are one step each.
    s.press("名前空間");
    s.left();
    s.left();
    s.ctrl('h');
    assert_eq!(typed(&s), "名空間");
    s.ctrl('e');
    s.ctrl('w');
    s.ctrl('u');
    // At the end, right takes the suggestion.
    s.press("po");
    s.right();
    assert_eq!(typed(&s), "pods ");
    // A paste goes in where the cursor stands, too.
    s.ctrl('a');
    update(&mut s.model, Msg::Paste("x\ny".into()));
    assert_eq!(typed(&s), "xpods ");
}
