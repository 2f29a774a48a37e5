//! What users add in config.toml: aliases, hotkeys, plugins, columns, masks; and the views that k9s users look for.

use khud::app::core::msg::Program;
use khud::app::{Effect, Msg, update};
use khud::world::ask::{Answer, Verb};

use crate::support::captures;
use crate::support::stage::{Stage, captured};

const CONFIG: &str = r#"
[aliases]
ill = "pods production /Error"

[hotkeys]
"f5" = "ill"
"$" = "pulses"

[plugins.count]
key = "Z"
scopes = ["pods"]
command = "wc"
args = ["-c", "$NAME", "$NAMESPACE", "$COL-READY"]
reads-only = true

[plugins.remove]
key = "X"
command = "kubectl"
args = ["delete", "$RESOURCE_NAME", "$NAME"]
confirm = true

[columns.pods]
APP = "pod.labels.app"
RUNS = "pod.restarts * 2"
BROKEN = "pod.nothing.here"
"#;

fn mine(width: u16) -> Stage {
    let mut s = captured(width, 40);
    s.configure(CONFIG);
    s
}

fn started(effects: &[Effect]) -> Option<(u64, &Program)> {
    effects.iter().find_map(|e| match e {
        Effect::Start { token, program } => Some((*token, program)),
        _ => None,
    })
}

#[test]
fn words_and_keys_of_ones_own_run_lines() {
    let mut s = mine(120);
    s.press(":ill\r");
    let screen = s.screen();
    assert!(screen.contains("─ pods in production ") && screen.contains("/Error"), "{screen}");
    s.press(":overview\r$");
    assert!(s.screen().contains("─ pulses "), "{}", s.screen());
    // They are offered and listed like khud's own, and gone when the file says so.
    s.press(":il");
    assert!(s.screen().contains("your alias of pods production /Error"), "{}", s.screen());
    s.press("\x1b?");
    s.press("G");
    assert!(s.screen().contains("Your own") && s.screen().contains(":pulses"), "{}", s.screen());
    s.configure("");
    s.press("\x1b:ill\r");
    assert!(s.screen().contains("─ pulses "), "the word means nothing any more: {}", s.screen());
}

#[test]
fn a_column_is_what_its_expression_says_and_empty_where_it_says_nothing() {
    let mut s = mine(200);
    s.press(":pods\r/app-error\r");
    let row = s.line("app-error");
    assert!(s.line("NAME").contains("APP") && row.contains("46"), "23 restarts: {}", s.screen());
    s.press("\x1b/app=payment-service\r");
    assert!(!s.names().is_empty() && s.names().iter().all(|n| n.starts_with("payment-service")));
    // A column that cannot be computed is told of, and the others hold.
    s.configure(
        "[columns.pods]\nODD = 'pod.('\nAPP = 'pod.labels.app'\n[columns.leases]\nX = 'object.name'\n",
    );
    assert!(s.screen().contains("[columns.pods] ODD"), "{}", s.screen());
    assert!(s.line("NAME").contains("APP"));
}

#[test]
fn a_plugin_gets_the_fields_of_the_row_and_its_output_is_a_view() {
    let mut s = mine(120);
    s.press(":pods\r/tag-absent\r");
    let effects = s.press("Z");
    let (token, program) = started(&effects).expect("it starts");
    assert_eq!(program.argv, ["wc", "-c", "tag-absent", "production", "0/1"]);
    for part in ["17 chars\nand half a ", "line\x1b]0;title\x07\n", "the end"] {
        update(&mut s.model, Msg::Printed { token, bytes: part.as_bytes().to_vec().into() });
    }
    update(&mut s.model, Msg::Ended { token, result: Ok(2) });
    let screen = s.screen();
    for part in ["$ wc -c tag-absent", "17 chars", "and half a line", "the end", "exit code 2"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    assert!(!screen.contains('\x1b'), "nothing it prints reaches the terminal as it is");
    // Its view is left: what still prints is ended.
    s.press("\x1b\x1b\x1b:overview\r");
    let more = update(&mut s.model, Msg::Printed { token, bytes: b"more"[..].into() });
    assert_eq!(more, [Effect::End(token)]);
    // It is for pods.
    assert!(started(&s.press(":nodes\rZ")).is_none());
    assert!(s.screen().contains("Z does nothing here"), "{}", s.screen());
}

#[test]
fn a_plugin_that_may_change_things_asks_and_is_refused_read_only() {
    let mut s = mine(120);
    s.press(":pods\r/tag-absent\r");
    assert!(started(&s.press("X")).is_none(), "not before the yes");
    assert!(s.screen().contains("run kubectl delete pods tag-absent?"), "{}", s.screen());
    assert!(started(&s.press("no\r")).is_none());
    s.press("X");
    let effects = s.press("y\r");
    assert_eq!(started(&effects).expect("said yes").1.argv, ["kubectl", "delete", "pods", "tag-absent"]);
    s.press("\x1b:read-only\r");
    assert!(started(&s.press("X")).is_none());
    assert!(s.screen().contains("khud runs read-only"), "{}", s.screen());
    assert!(started(&s.press("Z")).is_some(), "one that only reads runs");
}

#[test]
fn strangers_see_no_names_of_ones_choice_and_change_nothing_by_a_slip() {
    let mut s = captured(120, 40);
    s.configure("masks = ['tag-*', 'payment']\n");
    s.press(":pods production\r");
    assert!(s.screen().contains("tag-absent"));
    let effects = s.press(":presentation\r");
    assert!(effects.contains(&Effect::ReadOnly(true)), "{effects:?}");
    let screen = s.screen();
    assert!(!screen.contains("tag-absent") && screen.contains("[redacted]"), "{screen}");
    s.press("\x1b");
    assert!(!s.screen().contains("payment"), "in sentences, too: {}", s.screen());
    let effects = s.press(":presentation\r");
    assert!(effects.contains(&Effect::ReadOnly(false)), "it came with it and goes with it: {effects:?}");
    assert!(s.screen().contains("payment"));
    // Who had chosen read-only keeps it.
    s.press(":read-only\r:presentation\r");
    let effects = s.press(":presentation\r");
    assert!(!effects.contains(&Effect::ReadOnly(false)), "{effects:?}");
}

#[test]
fn rights_are_listed_as_the_server_tells_them_and_one_question_has_one_answer() {
    let answered = |s: &mut Stage, effects: &[Effect], name: &str| {
        let Some(Effect::Call { token, call }) = effects.iter().find(|e| matches!(e, Effect::Call { .. }))
        else {
            panic!("{effects:?}")
        };
        let body = captures::capture(&format!("authz/{name}.json"))["response"]["json"].clone();
        update(&mut s.model, Msg::Called { token: *token, result: Ok(Answer { status: 201, body }) });
        call.clone()
    };
    let mut s = captured(120, 40);
    let effects = s.press(":ns production\r:can-i\r");
    let call = answered(&mut s, &effects, "ssrr");
    assert_eq!(
        (call.verb, &*call.path),
        (Verb::Post, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews")
    );
    assert_eq!(call.body.unwrap()["spec"]["namespace"], "production");
    assert!(s.line("selfsubjectaccessreviews").contains("create"), "{}", s.screen());
    assert!(s.line("/healthz").contains("get"), "{}", s.screen());
    for (name, word) in [("ssar-allowed", "yes"), ("ssar-denied", "no")] {
        let effects = s.press(":can-i delete pods -n prod\r");
        let call = answered(&mut s, &effects, name);
        let attributes = call.body.unwrap()["spec"]["resourceAttributes"].clone();
        assert_eq!(
            (&attributes["verb"], &attributes["resource"], &attributes["namespace"]),
            (&"delete".into(), &"pods".into(), &"prod".into())
        );
        assert!(s.line("delete pods").contains(word), "{}", s.screen());
        s.press("\x1b");
    }
    s.press(":can-i fly\r");
    assert!(s.screen().contains("Say it as kubectl does"), "{}", s.screen());
}

#[test]
fn who_may_do_it_is_read_from_bindings_and_what_was_forbidden_is_named() {
    use serde_json::json;
    let rule = |verbs: &[&str], more: serde_json::Value| {
        let mut rule = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": verbs});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        rule
    };
    let role = |name: &str, rules: serde_json::Value| json!({"metadata": {"name": name, "namespace": "prod"}, "rules": rules});
    let binding = |name: &str, kind: &str, role: &str, subject: serde_json::Value, namespace: &str| json!({"metadata": {"name": name, "namespace": namespace}, "roleRef": {"kind": kind, "name": role}, "subjects": [subject]});
    let everything = json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]);
    let lists = [
        json!([role("admin", everything), role("reader", json!([rule(&["get", "list"], json!({}))]))]),
        json!([binding("admins", "ClusterRole", "admin", json!({"kind": "Group", "name": "ops"}), "")]),
        json!([
            role("one", json!([rule(&["delete"], json!({"resourceNames": ["db-password"]}))])),
            role("other", json!([{"apiGroups": ["apps"], "resources": ["secrets"], "verbs": ["delete"]}]))
        ]),
        json!([
            binding(
                "b1",
                "Role",
                "one",
                json!({"kind": "ServiceAccount", "name": "db", "namespace": "prod"}),
                "prod"
            ),
            binding("b2", "Role", "other", json!({"kind": "User", "name": "wrong-group"}), "prod"),
            binding("b3", "ClusterRole", "reader", json!({"kind": "User", "name": "only-reads"}), "prod")
        ]),
    ];
    let asks = |s: &mut Stage, keys: &str| {
        let calls = s.press(keys).into_iter().filter_map(|e| match e {
            Effect::Call { token, call } => Some((token, call.path)),
            _ => None,
        });
        calls.collect::<Vec<_>>()
    };
    let mut s = captured(140, 40);
    let calls = asks(&mut s, ":who delete secrets -n prod\r");
    let paths: Vec<&str> = calls.iter().map(|(_, p)| p.rsplit("/v1/").next().unwrap()).collect();
    assert_eq!(
        paths,
        ["clusterroles", "clusterrolebindings", "namespaces/prod/roles", "namespaces/prod/rolebindings"]
    );
    for ((token, _), items) in calls.iter().zip(&lists) {
        assert!(s.screen().contains("Asking the server…"), "{}", s.screen());
        let body = json!({"items": items});
        update(&mut s.model, Msg::Called { token: *token, result: Ok(Answer { status: 200, body }) });
    }
    let screen = s.screen();
    assert!(
        s.line("ops").contains("admins → ClusterRole admin") && s.line("ops").contains("whole cluster"),
        "{screen}"
    );
    assert!(s.line("prod/db").contains("db-password"), "{screen}");
    assert!(!screen.contains("wrong-group") && !screen.contains("only-reads"), "{screen}");
    assert!(screen.contains("system:masters may do everything"), "{screen}");
    // A list that may not be read is no "nobody".
    let calls = asks(&mut s, ":who drain nodes\r");
    assert_eq!(calls.len(), 2, "a Role gives nothing for nodes: {calls:?}");
    for (token, _) in calls {
        update(&mut s.model, Msg::Called { token, result: Err("clusterroles is forbidden".into()) });
    }
    let screen = s.screen();
    assert!(screen.contains("not known"), "{screen}");
    assert!(screen.contains("Not looked at: clusterroles: clusterroles is forbidden"), "{screen}");
    assert!(!screen.contains("No binding gives it"), "{screen}");
    s.press(":who\r");
    assert!(s.screen().contains("Say who may do what"), "{}", s.screen());
}

#[test]
fn streams_say_what_is_read_and_the_audit_what_will_hurt() {
    let mut s = captured(120, 40);
    s.press(":streams\r");
    assert!(
        s.line("deployments").contains("live") && s.line("deployments").ends_with(" 3"),
        "{}",
        s.screen()
    );
    s.press(":audit\r");
    let screen = s.screen();
    assert!(screen.contains("no disruption budget") || screen.contains("has no memory limit"), "{screen}");
    // What it says leads to the workload.
    s.press("\r");
    assert!(s.screen().contains("rollout of "), "{}", s.screen());
}
