//! What an operator must not miss, whatever the terminal's size: which part of the cluster this is, what a filter hides,
//! what went wrong, and which pod of many.

use crossterm::event::KeyCode;
use khud::app::core::model::Pane;
use khud::app::views::log::SourceId;
use khud::app::{Effect, Msg, update};
use khud::world::ask::Answer;
use khud::world::{Delta, Kind, Object, Record, StreamId, StreamState};
use std::time::Duration;

use crate::support::stage::{Stage, captured};
use khud::ui::Memory;

fn header(s: &mut Stage) -> String {
    s.screen().lines().next().unwrap().to_owned()
}

#[test]
fn the_header_tells_all_its_figures_in_80_columns_and_the_namespaces_first() {
    let mut s = captured(160, 24);
    let wide = header(&mut s);
    for figure in ["captured", "live", "nodes ", "pods ", "gpu ", "kube-proxy ↻", "/min"] {
        assert!(wide.contains(figure), "{figure} in {wide}");
    }
    update(&mut s.model, Msg::Resize(80, 24));
    let narrow = header(&mut s);
    for figure in ["captured", "live", "no ", "po ", "gpu ", "kp ↻", "/m"] {
        assert!(narrow.contains(figure), "{figure} in {narrow}");
    }
    // Where even that is too much the least important figures go, never the cluster or what is shown of it.
    s.model.cluster.context = "arn:aws:eks:eu-west-1:123456789012:cluster/production-blue".into();
    s.model.cluster.read_only = true;
    s.press(":ns default,kube-system\r");
    let narrow = header(&mut s);
    for figure in ["…cluster/production-blue", "ro", "live", "2 ns", "✖", "no 1/1", "po "] {
        assert!(narrow.contains(figure), "{figure} in {narrow}");
    }
    assert!(!narrow.contains("kp ↻") && !narrow.ends_with('…'), "whole or not at all: {narrow}");
}

#[test]
fn what_was_never_listed_is_unknown_and_not_none() {
    let mut s = Stage::empty(120, 30);
    let now = s.model.data.now;
    for kind in [Kind::Pod, Kind::Node] {
        let id = StreamId::Watch { kind, namespace: "".into() };
        let why = "pods is forbidden: User \"jane\" cannot list resource \"pods\"".into();
        s.tell(vec![Delta::Stream { id, state: StreamState::Forbidden { why }, at: now }]);
    }
    let line = header(&mut s);
    assert!(line.contains("✖? ⚠?") && line.contains("nodes ?") && line.contains("pods ?"), "{line}");
    let findings = s.screen();
    assert!(!findings.contains("Looking…") && findings.contains("may not"), "nobody looks: {findings}");
}

#[test]
fn a_title_gives_way_to_what_narrows_its_rows() {
    let mut s = captured(80, 24);
    s.press(":pods\r/a-pattern-that-is-really-quite-long|and-goes-on-for-a-while|and-on\r");
    let title = s.screen().lines().nth(1).unwrap().to_owned();
    assert!(
        title.starts_with("─ pods ")
            && title.contains("/a-pattern")
            && title.trim_end_matches(' ').contains("0/"),
        "{title}"
    );
}

#[test]
fn an_error_is_shown_whole_and_stays_until_somebody_is_there() {
    let mut s = captured(80, 24);
    let why = "the API server refused the connection: x509: certificate has expired or is not yet valid: current \
               time 2026-11-21T02:40:00Z is after 2026-11-20T00:00:00Z; renew it, then press ctrl-r";
    update(&mut s.model, Msg::Failed(why.into()));
    let screen = s.screen();
    assert!(screen.contains("x509") && screen.contains("then press ctrl-r"), "{screen}");
    let later = s.model.data.now.plus(Duration::from_secs(3600));
    s.at(later);
    update(&mut s.model, Msg::Tick);
    assert!(s.screen().contains("then press ctrl-r"), "an hour later it is still there");
    s.press("j");
    assert!(!s.screen().contains("ctrl-r"), "read");
}

#[test]
fn a_key_that_means_nothing_here_says_where_the_keys_are() {
    let mut s = captured(80, 24);
    s.press(":pods\r");
    s.ctrl('t');
    let screen = s.screen();
    assert!(screen.contains("ctrl-t does nothing here: a lists what can be done, ? every key."), "{screen}");
}

#[test]
fn a_namespace_that_is_not_there_is_told_and_nothing_changes() {
    let mut s = captured(100, 24);
    s.press(":pods defualt\r");
    let screen = s.screen();
    assert!(screen.contains("There is no namespace defualt here. Did you mean default?"), "{screen}");
    assert!(s.model.namespaces.is_empty() && !s.names().is_empty());
    // One without rows says that it is the namespace that has none.
    s.press(":jobs default\r");
    let screen = s.screen();
    assert!(screen.contains("No jobs in default. 0 shows all namespaces."), "{screen}");
}

#[test]
fn k9s_habits_lead_where_they_lead_there() {
    let mut s = captured(100, 24);
    s.model.contexts = vec![("captured".into(), String::new()), ("other".into(), String::new())];
    assert_eq!(s.press(":pods @other\r"), [Effect::Discover, Effect::Switch("other".into())]);
    s.press(":pods\r/app=api-server\r");
    let names = s.names();
    assert!(!names.is_empty() && names.iter().all(|n| n.starts_with("api-server")), "labels: {names:?}");
    // What looks like a comparison and is none is told.
    s.press("\x1b/cpu%>5");
    assert!(s.screen().contains("no column cpu% here"), "{}", s.screen());
    s.press("\r");
    assert!(s.screen().contains("matches (no column cpu% here"), "{}", s.screen());
}

/// The log of the first pod of that name, and the source its lines come from.
fn log(s: &mut Stage, pod: &str) -> (u64, SourceId) {
    let effects = s.press(&format!(":pod/{pod} production\rl"));
    let followed = effects.iter().find_map(|e| match e {
        Effect::Follow { view, source, .. } => Some((*view, *source)),
        _ => None,
    });
    followed.unwrap_or_else(|| panic!("{effects:?}\n{}", s.screen()))
}

fn lines(s: &mut Stage, (view, source): (u64, SourceId), texts: impl Iterator<Item = String>) {
    let text: String = texts.map(|t| format!("2026-11-21T02:39:00.000000000Z {t}\n")).collect();
    update(&mut s.model, Msg::Chunk { view, source, bytes: text.into() });
}

#[test]
fn a_filter_that_finds_nothing_in_a_log_says_how_little_was_read() {
    let mut s = captured(80, 24);
    let from = log(&mut s, "api-server-6f896684f7-7svxb");
    s.press("/error\r");
    // A server that is silent has not said that there is nothing.
    assert!(s.screen().contains("The server has not answered yet."), "{}", s.screen());
    update(&mut s.model, Msg::LogBegin { view: from.0, source: from.1 });
    assert!(s.screen().contains("Nothing logged yet."), "{}", s.screen());
    s.press("\x1b");
    lines(&mut s, from, (0..30).map(|i| format!("GET /health {i}")));
    s.press("/error\r");
    let screen = s.screen();
    assert!(screen.lines().nth(1).unwrap().contains("/error  1/1 open  0/30 lines  following"), "{screen}");
    assert!(screen.contains("None of the 30 lines read so far matches."), "{screen}");
    assert!(screen.contains("6 reads the last hour."), "{screen}");
    let asked = s.press("1");
    assert!(
        asked.iter().any(|e| matches!(e, Effect::Follow { tail, .. } if tail.tail == u32::MAX)),
        "{asked:?}"
    );
}

#[test]
fn the_beginning_of_a_long_log_is_its_beginning() {
    let mut s = captured(100, 24);
    s.model.prefs.settings.log_lines = 100;
    log(&mut s, "api-server-6f896684f7-7svxb");
    let asked = s.press("1");
    let Some(Effect::Follow { view, source, .. }) = asked.iter().find(|e| matches!(e, Effect::Follow { .. }))
    else {
        panic!("{asked:?}")
    };
    let from = (*view, *source);
    lines(&mut s, from, (0..250).map(|i| format!("line {i}")));
    let screen = s.screen();
    assert!(screen.contains("line 0") && screen.contains("skipped 150"), "{screen}");
    // Nobody listens to what there is no room for.
    assert!(
        update(&mut s.model, Msg::Chunk { view: from.0, source: from.1, bytes: "x\n".into() })
            .contains(&Effect::StopLogs(from.0))
    );
    assert!(update(&mut s.model, Msg::Tick).is_empty(), "nor is it read again");
    s.press("G");
    assert!(s.screen().contains("line 99"), "{}", s.screen());
}

#[test]
fn wrapped_lines_are_paged_through_without_a_gap() {
    let mut s = captured(80, 12);
    let from = log(&mut s, "api-server-6f896684f7-7svxb");
    s.press("w");
    // Lines of one to four rows: a page holds another number of them each time.
    lines(&mut s, from, (0..60).map(|i| format!("<{i}> {}", "word ".repeat(1 + (i * 17) % 60))));
    s.press("g");
    let mut seen = std::collections::BTreeSet::new();
    let mut read = |s: &mut Stage| {
        let screen = s.screen();
        let numbers = screen.split('<').skip(1).filter_map(|t| t.split('>').next()?.parse::<usize>().ok());
        seen.extend(numbers);
        seen.len()
    };
    for _ in 0..60 {
        read(&mut s);
        s.ctrl('f');
    }
    assert_eq!(read(&mut s), 60, "paging down shows every line");
    assert!(s.screen().contains("following"), "{}", s.screen());
    // A step up from the end is a step, not a jump.
    s.press("k");
    assert!(s.screen().contains("<58>"), "{}", s.screen());
    // And back up: none is left out either.
    let mut upwards = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let screen = s.screen();
        upwards.extend(screen.split('<').skip(1).filter_map(|t| t.split('>').next()?.parse::<usize>().ok()));
        s.ctrl('b');
    }
    assert!((0..59).all(|i| upwards.contains(&i)), "{upwards:?}");
}

#[test]
fn json_lines_keep_the_time_they_say_of_themselves() {
    let mut s = captured(100, 24);
    let from = log(&mut s, "api-server-6f896684f7-7svxb");
    lines(
        &mut s,
        from,
        [
            r#"{"ts":"2026-11-21T01:05:53Z","level":"warn","msg":"queue is full","queue":17}"#,
            r#"{"level":"error","ts":1795223154.25,"msg":"gave up"}"#,
        ]
        .map(str::to_owned)
        .into_iter(),
    );
    assert!(s.line("queue is full").contains("01:05:53 WARN  queue is full"), "{}", s.screen());
    assert!(s.line("gave up").contains("01:05:54 ERROR gave up"), "{}", s.screen());
}

#[test]
fn the_pods_of_a_rollout_and_the_tag_of_an_image_can_be_told_apart_in_80_columns() {
    let mut s = captured(80, 24);
    s.press(":dep\r/production.*api-server\r\r");
    let screen = s.screen();
    let pods: Vec<&str> =
        screen.lines().filter_map(|l| l.split("pod ").nth(1)?.split_whitespace().next()).collect();
    let distinct: std::collections::BTreeSet<&&str> = pods.iter().collect();
    assert!(pods.len() == 3 && distinct.len() == pods.len(), "{screen}");
}

/// The answer to the last request for an object: as it was captured.
fn fetched(s: &mut Stage, effects: &[Effect], name: &str) {
    let token = effects.iter().find_map(|e| match e {
        Effect::Call { token, .. } => Some(*token),
        _ => None,
    });
    let text = std::fs::read_to_string("tests/captures/list/pods.json").unwrap();
    let list: serde_json::Value = serde_json::from_str(&text).unwrap();
    let items = list["response"]["json"]["items"].as_array().unwrap();
    let body = items.iter().find(|i| i["metadata"]["name"] == name).unwrap().clone();
    update(&mut s.model, Msg::Called { token: token.unwrap(), result: Ok(Answer { status: 200, body }) });
}

#[test]
fn a_description_is_whole_and_about_this_object() {
    let mut s = captured(80, 100);
    let asked = s.press(":pod/missing-config production\rd");
    let quick = s.screen();
    assert!(quick.contains("Events"), "what is known is there at once: {quick}");
    fetched(&mut s, &asked, "missing-config");
    let screen = s.screen();
    assert!(screen.contains("environment    all of config map api-server-config"), "{screen}");
    assert!(screen.contains("command        sleep 1000") && screen.contains("qos            "), "{screen}");
    assert!(screen.contains("tolerates      node.kubernetes.io/not-ready:NoExecute for 300s"), "{screen}");
    // A message goes on below, and its end is there.
    assert!(screen.contains("not found") && !screen.contains('…'), "{screen}");
    // It is described, not turned into its YAML.
    s.press("m");
    assert!(s.screen().contains("environment  "), "{}", s.screen());

    let asked = s.press("\x1b:pod/evicted-by-its-limit production\rd");
    fetched(&mut s, &asked, "evicted-by-its-limit");
    let screen = s.screen();
    assert!(
        screen.contains("volumes        d  emptyDir") && screen.contains("mounts         /d from d"),
        "{screen}"
    );

    // Of a finding about several pods, the proof of this one.
    s.press("\x1b:pod/payment-service-66ff9fc75c-xjg2x prod\rd");
    let screen = s.screen();
    let proof = screen.split("pod prod/payment-service-66ff9fc75c-xjg2x\n").next().unwrap();
    assert!(proof.contains("OOMKilled") && !proof.contains("vwzws"), "{screen}");
}

/// The first line of the text that is shown, from 0, as the title counts it.
fn top(s: &mut Stage) -> usize {
    let screen = s.screen();
    let title = screen.lines().nth(1).unwrap();
    let range =
        title.split_whitespace().find(|word| word.contains('-') && word.as_bytes()[0].is_ascii_digit());
    range.and_then(|r| r.split('-').next()?.parse::<usize>().ok()).unwrap_or_else(|| panic!("{title}")) - 1
}

/// Whether the overview's events are warnings only.
fn warnings_only(s: &Stage) -> bool {
    s.model.overview.pane(Pane::Events).table().unwrap().faults
}

#[test]
fn the_next_match_is_found_on_the_last_page_too_and_typing_does_not_run_away() {
    let mut s = captured(80, 12);
    s.press("?");
    s.press("/namespace");
    let first = s.screen();
    assert!(first.lines().nth(2).unwrap().contains("namespace"), "the first match: {first}");
    s.press("\r");
    let first = top(&mut s);
    let tops: Vec<usize> = (0..40)
        .map(|_| {
            s.press("n");
            top(&mut s)
        })
        .collect();
    assert!(
        tops.iter().any(|t| *t != first) && tops[1..].contains(&first),
        "it goes round: {first} {tops:?}"
    );
}

#[test]
fn help_is_one_screen_with_the_keys_of_the_view_first_and_what_the_symbols_say() {
    let mut s = captured(120, 40);
    for (keys, first) in [("", "Findings"), (":pods\r", "Pods")] {
        s.press(&format!("\x1b\x1b{keys}?"));
        let screen = s.screen();
        let title = screen.lines().nth(1).unwrap();
        let (shown, all) = title.split_once("1-").unwrap().1.split_once(" of ").unwrap();
        assert_eq!(shown, all.split(' ').next().unwrap(), "all of it: {screen}");
        assert!(screen.lines().nth(2).unwrap().trim_start().starts_with(first), "{screen}");
        for says in ["Symbols", "somebody has it", "why is it broken", "pane of this number"] {
            assert!(screen.contains(says), "{says}: {screen}");
        }
    }
}

#[test]
fn a_namespace_that_was_chosen_has_a_key() {
    let mut s = captured(100, 24);
    s.press(":ns production\r");
    assert!(s.screen().contains("Namespace production; 1 leads back here."), "{}", s.screen());
    s.press("0");
    assert!(s.model.namespaces.is_empty());
    s.press("1");
    assert!(s.model.namespaces.contains("production"));
}

#[test]
fn a_column_that_is_sorted_by_or_compared_is_on_the_screen() {
    let mut s = captured(80, 24);
    s.press(":pods\r");
    s.sort("AGE");
    assert!(s.line("NAME").contains("AGE↑"), "{}", s.screen());
    s.press("/node=x");
    assert!(!s.screen().contains("no column"), "{}", s.screen());
    s.press("\x1b/restarts>0\r");
    assert!(s.line("NAME").contains('↻'), "{}", s.screen());
}

#[test]
fn lists_are_filtered_as_tables_are() {
    let mut s = captured(100, 24);
    s.press(":dep\r/production.*api-server\r\r");
    let all = s.screen().lines().count();
    s.press("/^pod .*Running\r");
    let screen = s.screen();
    assert!(screen.contains("pod api-server") && !screen.contains(" replicaset "), "{all} {screen}");
    s.press("\x1b/!^pod\r");
    let screen = s.screen();
    assert!(!screen.contains(" pod api-server"), "{screen}");
}

#[test]
fn a_quote_and_a_note_are_read_to_their_ends_in_80_columns() {
    let mut s = captured(80, 40);
    s.press(":pod/tag-absent production\rv");
    let screen = s.screen();
    let quote: String = screen.lines().skip(3).map(str::trim).collect::<Vec<_>>().join(" ");
    assert!(quote.contains("failed to resolve image:") && quote.contains("not found"), "{screen}");
    // Lists scroll sideways as tables do; what says when it was stays.
    let note =
        "the build of v2.0.1 never left the pipeline, Ana is pushing it again, do not roll back before 03:00";
    s.press(&format!("\x1b:note {note}\rT"));
    assert!(!s.screen().contains("before 03:00"), "{}", s.screen());
    for _ in 0..3 {
        s.right();
    }
    let screen = s.screen();
    assert!(screen.contains("‹ 3 columns") && screen.contains("02:40:00 the build"), "{screen}");
}

#[test]
fn an_alert_about_a_pod_that_was_replaced_shows_those_that_took_its_place() {
    let whole = captured(100, 24);
    let mut s = Stage::empty(100, 24);
    s.press(":pod/api-server-6f896684f7-zzzzz production\r");
    assert!(!s.screen().contains("There is no"), "nobody can know yet: {}", s.screen());
    let pods = whole.model.data.world.pods.values().cloned();
    let (kind, namespace) = (Kind::Pod, "".into());
    let mut deltas = vec![Delta::ListStart { kind: kind.clone(), namespace }];
    deltas.extend(pods.map(|p| Delta::Apply(Record::Pod(Box::new(p)))));
    deltas.push(Delta::ListEnd { kind, namespace: "".into() });
    s.tell(deltas);
    let screen = s.screen();
    assert!(
        screen.contains(
            "There is no pod api-server-6f896684f7-zzzzz in production (any more). These are named like it."
        ),
        "{screen}"
    );
    assert!(screen.contains("/production api-server-6f896684f7-") && screen.contains("3/33"), "{screen}");
    assert!(s.names().iter().all(|n| n.starts_with("api-server-6f896684f7-")), "{:?}", s.names());
    // Asked for later, once all is known: the same. What is like nothing is only told.
    s.press("\x1b:pod/api-server-0-1 production\r");
    assert_eq!(s.names().len(), 3, "its Deployment's: {}", s.screen());
    s.press("\x1b:pod/nothing-like-it production\r");
    assert!(
        s.screen().contains("There is no pod nothing-like-it in production (any more)."),
        "{}",
        s.screen()
    );
    assert!(s.names().len() > 3, "{:?}", s.names());
}

#[test]
fn gpus_that_are_lost_stay_a_figure_of_the_header() {
    let mut s = captured(80, 24);
    assert!(header(&mut s).contains("gpu 4/8"), "{}", header(&mut s));
    let mut node = s.model.data.world.nodes.values().next().unwrap().clone();
    (node.capacity.gpu, node.allocatable.gpu) = (None, None);
    s.tell(vec![Delta::Apply(Record::Node(Box::new(node)))]);
    assert!(header(&mut s).contains("gpu 4/0 ▼8"), "{}", header(&mut s));
}

#[test]
fn the_events_in_front_are_those_that_show_warnings_only() {
    let mut s = captured(80, 24);
    s.press(":events\r");
    let all = s.names().len().max(s.model.table().unwrap().len());
    let before = warnings_only(&s);
    s.alt(KeyCode::Char('w'));
    assert!(s.model.table().unwrap().len() < all);
    assert!(s.screen().lines().nth(1).unwrap().contains("warnings only"), "{}", s.screen());
    assert_eq!(warnings_only(&s), before, "the overview's are as they were");
}

#[test]
fn the_way_to_all_keys_is_on_every_foot() {
    let mut s = captured(80, 24);
    for line in ["", ":pods\r", ":wk\r", ":pod/unready production\rl", "\x1by", "\x1b\x1bT", "\x1b?"] {
        s.press(line);
        let screen = s.screen();
        assert!(screen.lines().last().unwrap().contains("? help"), "{line:?}: {screen}");
    }
}

#[test]
fn one_namespace_needs_no_column_and_columns_keep_their_widths() {
    let mut s = captured(80, 24);
    s.press(":pods\r");
    let all = s.line("NAME");
    assert!(all.contains("NAMESPACE"), "{all}");
    s.press(":ns production\r:pods\r");
    let one = s.line("NAME");
    assert!(
        !one.contains("NAMESPACE") && one.contains("NAME ") && s.screen().contains("pods in production"),
        "{one}"
    );
    s.press("P");
    assert!(s.line("NAME").contains("NAMESPACE"), "unless it is sorted by: {}", s.screen());
    // What was learned of a column while others were scrolled out is not another's.
    let (mut memory, mut s) = (Memory::default(), captured(80, 24));
    s.press(":pods\r");
    let before = s.screen_with(&mut memory);
    s.right();
    s.screen_with(&mut memory);
    s.left();
    assert_eq!(s.screen_with(&mut memory), before);
}

#[test]
fn a_service_leads_to_the_pods_it_picks() {
    let mut s = captured(120, 24);
    s.press(":services\r/name=api-server-service\r\r");
    let title = s.screen().lines().nth(1).unwrap().to_owned();
    assert!(title.contains("pods in production") && title.contains("/-l app=api-server  3/"), "{title}");
    s.press("\x1b\x1b");
    assert!(s.screen().contains("services"), "{}", s.screen());
    // And to their logs.
    let followed = s.press("l");
    assert_eq!(followed.iter().filter(|e| matches!(e, Effect::Follow { .. })).count(), 3, "{followed:?}");
}

#[test]
fn nothing_wrong_is_not_said_of_a_cluster_that_does_not_answer() {
    let mut s = Stage::empty(80, 24);
    let (now, all) = (s.model.data.now, || "".into());
    let id = StreamId::Watch { kind: Kind::Pod, namespace: all() };
    s.tell(vec![
        Delta::ListStart { kind: Kind::Pod, namespace: all() },
        Delta::ListEnd { kind: Kind::Pod, namespace: all() },
        Delta::Stream { id: id.clone(), state: StreamState::Live, at: now },
    ]);
    assert!(s.screen().contains("No incident."), "{}", s.screen());
    s.at(now.plus(Duration::from_secs(40)));
    s.tell(vec![Delta::Stream { id, state: StreamState::Stale { since: now }, at: now }]);
    let screen = s.screen();
    assert!(!screen.contains("No incident.") && screen.contains("It does not now"), "{screen}");
    assert!(screen.lines().nth(2).unwrap().contains("stale 40s"), "the pane is old: {screen}");
}

#[test]
fn a_pod_that_a_rollout_takes_away_is_seen_to_go() {
    let mut s = captured(100, 24);
    s.press(":dep\r/production.*api-server\r\r");
    let pod = s.model.data.world.pods.find("production", "api-server-6f896684f7-7svxb").unwrap();
    let (object, uid) = (pod.reference(), pod.meta.uid.clone());
    assert!(s.line("7svxb").contains("1/1"), "{}", s.screen());
    s.tell(vec![Delta::Delete { object, uid }]);
    let line = s.line("7svxb");
    assert!(line.starts_with('†'), "{}", s.screen());
    // Never under the cursor, and gone for good when its time is over.
    s.press("jjjjjjj");
    assert!(!s.selected().contains("7svxb"), "{}", s.screen());
    let later = khud::app::next_timer(&s.model).unwrap().max(s.model.data.now.plus(Duration::from_secs(6)));
    s.at(later);
    update(&mut s.model, Msg::Tick);
    assert!(!s.screen().contains("7svxb"), "{}", s.screen());
}
