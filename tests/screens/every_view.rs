//! What the cockpit draws for a known cluster at three sizes: the captured one, at the moment it was captured.

use std::collections::VecDeque;

use crate::support::stage::{self, Stage, captured};
use crossterm::event::KeyCode;
use khud::app::views::log::SourceId;
use khud::app::views::logs;
use khud::app::{Effect, Msg, update};
use khud::cluster::slim::Decoder;
use khud::remedy::{Need, Reply};
use khud::world::ask::{Answer, Call, Verb};
use khud::world::{Delta, Kind};
use ratatui::layout::Rect;
use serde_json::json;

const SIZES: [(u16, u16); 3] = [(80, 24), (120, 40), (200, 60)];

/// Every view, and the keys that lead there from the overview.
const VIEWS: &[(&str, &str)] = &[
    ("overview", ""),
    ("incident", ":incidents\r\r"),
    ("findings", ":findings\r"),
    ("evidence", ":findings\rv"),
    ("pods", ":pods\r"),
    ("pods-filtered", ":pods\r/restarts>20\r"),
    ("nodes", ":nodes\r"),
    ("workloads", ":wk\r"),
    ("deployments", ":deploy\r"),
    ("events", ":events\r"),
    ("services", ":svc\r"),
    ("quotas", ":quota\r"),
    ("gpu", ":gpu\r"),
    ("kube-proxy", ":kube-proxy\r"),
    ("rollout", ":deploy prod\r\r"),
    ("xray", ":xray\r"),
    ("pulses", ":pulses\r"),
    ("audit", ":audit\r"),
    ("streams", ":streams\r"),
    ("containers", ":pods\r/init-fails\r\r"),
    ("describe", ":pods\r/tag-absent\rd"),
    ("yaml", ":pods\r/tag-absent\ry"),
    ("logs", ":pods\r/^prod shell\rl"),
    ("why", ":pods\r/tag-absent\rw"),
    ("actions", ":deploy prod\ra"),
    ("actions-on-marks", ":pods production\r/api-server|bad-\r     a"),
    ("plan-for-marks", ":pods production\r/api-server|bad-\r     ax"),
    ("timeline", "T"),
    ("journal", ":journal\r"),
    ("contexts", ":ctx\r"),
    ("namespaces", ":ns\r"),
    ("help", "?"),
    ("prompt", ":po"),
    ("filter-that-fits-nothing", ":pods\r/no such pod"),
];

/// The view, with what the outside answers to it.
fn shown(keys: &str, width: u16, height: u16) -> Stage {
    let mut s = captured(width, height);
    s.model.contexts = vec![
        ("captured".into(), "https://10.0.0.1:6443".into()),
        ("prod-eu".into(), "https://prod.example:6443".into()),
    ];
    let mut effects = VecDeque::from(s.press(keys));
    while let Some(effect) = effects.pop_front() {
        match effect {
            Effect::Call { token, .. } => {
                let body = json!({
                    "apiVersion": "v1", "kind": "Pod",
                    "metadata": {"name": "tag-absent", "namespace": "prod", "labels": {"app": "x"}},
                    "spec": {"containers": [{"name": "app", "image": "registry.example/app:absent",
                        "command": ["sh", "-c", "echo a: b # no comment\nexec app\n"]}], "replicas": 3},
                });
                update(&mut s.model, Msg::Called { token, result: Ok(Answer { status: 200, body }) });
            }
            Effect::Follow { view, source, .. } => log(&mut s, view, source),
            Effect::Need { run, id, need } => {
                let reply = match *need {
                    Need::Call(call) => Reply::Call(Ok(server(&call))),
                    Need::Journal(_) => Reply::Journal(Ok(())),
                    need => panic!("nothing was confirmed: {need:?}"),
                };
                effects.extend(update(&mut s.model, Msg::Replied { run, id, reply }));
            }
            _ => {}
        }
    }
    s
}

/// Allows everything and tries it without effect; the pod whose image is bad is gone.
fn server(call: &Call) -> Answer {
    if call.path.contains("/bad-image") {
        let body = json!({"kind": "Status", "message": "pods \"bad-image\" not found", "reason": "NotFound"});
        return Answer { status: 404, body };
    }
    let body = match call.verb {
        Verb::Post => json!({"status": {"allowed": true}}),
        _ => served(&call.path),
    };
    Answer { status: 200, body }
}

/// The captured object at a path, as the server that the views show would answer with it.
fn served(path: &str) -> serde_json::Value {
    let path = path.split('?').next().unwrap();
    let mut parts = path.rsplit('/');
    let (name, plural) = (parts.next().unwrap(), parts.next().unwrap());
    let list = crate::support::captures::capture(&format!("list/{plural}.json"));
    let items = list["response"]["json"]["items"].as_array().unwrap();
    items.iter().find(|i| i["metadata"]["name"] == name).unwrap_or_else(|| panic!("{path}")).clone()
}

fn log(s: &mut Stage, view: u64, source: SourceId) {
    let lines = [
        "2026-11-21T02:39:01.000000000Z plain text that goes on for a while, longer than eighty columns can show at a time",
        "2026-11-21T02:39:02.000000000Z {\"ts\":\"2026-11-21T02:39:02Z\",\"level\":\"warn\",\"msg\":\"queue is full\",\"queue\":17}",
        "2026-11-21T02:39:03.000000000Z E1121 02:39:03.123456       1 proxier.go:733] \"Failed to execute iptables-restore\"",
    ];
    for line in lines {
        logs::chunk(&mut s.model, view, source, format!("{line}\n").as_bytes());
    }
}

#[test]
fn every_view_at_three_sizes() {
    for (name, keys) in VIEWS {
        for (width, height) in SIZES {
            let screen = shown(keys, width, height).screen();
            insta::assert_snapshot!(format!("{name}-{width}x{height}"), screen);
        }
    }
}

#[test]
fn every_view_has_its_styles() {
    // Runs of one style, so that a change of theme or scope shows.
    for (name, keys) in VIEWS {
        let buffer = shown(keys, 80, 24).draw();
        insta::assert_snapshot!(format!("{name}-styles"), stage::styles(&buffer));
    }
}

/// What is requested of allocatable GPUs is known without an exporter; that nobody measures them is said.
#[test]
fn gpus_that_nobody_measures_show_by_node() {
    let mut s = captured(120, 40);
    let apply = |kind: Kind, object: serde_json::Value| {
        Delta::Apply(Decoder::new(kind).object(object.to_string().as_bytes()).unwrap().record)
    };
    let node = |name: &str, allocatable: &str| {
        let status =
            json!({"capacity": {"nvidia.com/gpu": "8"}, "allocatable": {"nvidia.com/gpu": allocatable}});
        apply(Kind::Node, json!({"metadata": {"name": name, "uid": name}, "status": status}))
    };
    let asks = json!({"limits": {"nvidia.com/gpu": "3"}, "requests": {"nvidia.com/gpu": "3"}});
    let pod = json!({"metadata": {"name": "train-0", "namespace": "ml", "uid": "t"},
        "spec": {"nodeName": "gpu-1", "containers": [{"name": "c", "image": "i", "resources": asks}]},
        "status": {"phase": "Running"}});
    let deltas = vec![node("gpu-2", "0"), node("gpu-1", "8"), apply(Kind::Pod, pod)];
    s.tell(deltas);
    s.press(":gpu\r");
    let screen = s.screen();
    let line = |name: &str| screen.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{screen}"));
    assert!(line("gpu-1").contains("3/8 req") && line("gpu-1").contains("no metrics"), "{screen}");
    assert!(line("gpu-2").contains("0/0 req"), "its device plugin reports none: {screen}");
}

/// A key that can do nothing says why, `?` and the palette say it before it is pressed.
#[test]
fn what_does_nothing_here_says_why() {
    let mut s = captured(120, 40);
    s.press(":nodes\rl");
    let said = |s: &Stage| s.model.message.as_ref().map(|m| m.text.clone()).unwrap_or_default();
    assert_eq!(said(&s), "There are no logs of node gpu-worker-042: it has no pods.");
    s.press("J");
    assert_eq!(said(&s), "Nothing owns node gpu-worker-042.");
    s.press("?");
    let help = s.screen();
    let line = |screen: &str, what: &str| {
        screen.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {screen}")).to_owned()
    };
    // What does nothing now is grey, what works is not: their styles differ.
    let (owner, yaml) = (style_of(&mut s, "to its owner"), style_of(&mut s, "the whole object as YAML"));
    assert_ne!(owner, yaml, "{help}");
    s.press("\x1b\x1b:findings\r\x1b:why");
    let palette = s.screen();
    assert!(!palette.contains("not now"), "there is a finding to ask about: {palette}");
    let mut empty = Stage::empty(120, 40);
    empty.press(":why");
    assert!(line(&empty.screen(), "not now").contains("not now: There is no object under the cursor."));
}

/// The menu asks the server what the operator may do, greys the rest with the right that is missing, and does not plan it.
#[test]
fn what_may_not_be_done_is_grey_and_names_the_missing_right() {
    let mut s = captured(120, 40);
    let asked = s.press(":nodes\ra");
    let (menu, actions) = asked
        .into_iter()
        .find_map(|e| match e {
            Effect::AskRights { menu, actions } => Some((menu, actions)),
            _ => None,
        })
        .expect("the menu asks for rights");
    let (drain, node) = actions.into_iter().find(|(a, _)| a.name == "drain").unwrap();
    let why = "not allowed: create pods/eviction".to_owned();
    let before = style_of(&mut s, "Drain");
    update(&mut s.model, Msg::RightsAnswered { menu, denied: vec![(drain.name, node, why)] });
    assert!(s.screen().contains("not allowed: create pods/eviction"), "{}", s.screen());
    assert_ne!(style_of(&mut s, "Drain"), before, "it is grey");
    let effects = s.press("d");
    assert!(effects.is_empty() && s.model.runs.is_empty(), "nothing is planned");
    let said = s.model.message.as_ref().map(|m| m.text.clone()).unwrap_or_default();
    assert_eq!(said, "Drain is refused: not allowed: create pods/eviction.");
}

/// The style of the first place where a text stands.
fn style_of(s: &mut Stage, what: &str) -> ratatui::style::Style {
    let screen = s.screen();
    let (y, line) = screen.lines().enumerate().find(|(_, l)| l.contains(what)).unwrap();
    let x = line.split(what).next().unwrap().chars().count();
    s.draw().cell((x as u16, y as u16)).unwrap().style()
}

#[test]
fn an_audience_sees_the_last_keys() {
    let mut s = captured(120, 40);
    s.press("jj");
    let foot = |s: &mut Stage| s.screen().lines().last().unwrap().trim_end().to_owned();
    assert!(!foot(&mut s).ends_with("j j"));
    s.alt(KeyCode::Char('p'));
    s.press("jjd");
    assert!(foot(&mut s).ends_with("j j d"), "{}", foot(&mut s));
    // What is typed into a line is seen there, and may be a secret's name.
    s.press("/hidden\r");
    assert!(!foot(&mut s).contains("h i d"), "{}", foot(&mut s));
    s.alt(KeyCode::Char('p'));
    assert!(!foot(&mut s).contains("j j d"), "{}", foot(&mut s));
}

#[test]
fn times_are_in_utc_or_local_by_key() {
    let mut s = captured(120, 40);
    let times = |s: &Stage| s.model.prefs.times();
    let before = times(&s);
    s.alt(KeyCode::Char('u'));
    assert_ne!(times(&s), before);
    s.alt(KeyCode::Char('u'));
    assert_eq!(times(&s), before);
}

#[test]
fn reconnecting_is_asked_for_by_key() {
    let mut s = captured(120, 40);
    let effects = s.ctrl('r');
    assert!(effects.contains(&Effect::Reconnect), "{effects:?}");
}

#[test]
fn no_size_and_no_view_panics() {
    for (_, keys) in VIEWS {
        let mut s = shown(keys, 120, 40);
        for (width, height) in
            [(0, 0), (1, 1), (2, 60), (39, 9), (40, 10), (41, 300), (99, 23), (100, 24), (300, 11)]
        {
            update(&mut s.model, Msg::Resize(width, height));
            assert_eq!(s.draw().area, Rect::new(0, 0, width, height));
        }
    }
}
