//! What the cockpit draws for a known cluster at three sizes: the captured one, at the moment it was captured.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use khud::app::{Effect, Model, Msg, update};
use khud::cluster::slim::Decoder;
use khud::config::{Keymap, Theme};
use khud::ui::{self, Memory, layout};
use khud::world::{Clock, Delta, Kind, StreamId, StreamState, Text, Time};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::json;

/// Lists of the captures and the kinds they hold.
const LISTS: &[(&str, Kind)] = &[
    ("pods", Kind::Pod),
    ("nodes", Kind::Node),
    ("events", Kind::Event),
    ("namespaces", Kind::Namespace),
    ("deployments", Kind::Deployment),
    ("replicasets", Kind::ReplicaSet),
    ("services", Kind::Service),
    ("endpointslices", Kind::EndpointSlice),
    ("pvcs", Kind::PersistentVolumeClaim),
    ("resourcequotas", Kind::ResourceQuota),
    ("pdbs", Kind::PodDisruptionBudget),
    ("jobs", Kind::Job),
    ("daemonsets", Kind::DaemonSet),
];

/// A cockpit that has just been told of the captured cluster.
fn captured(width: u16, height: u16) -> Model {
    let now = Time::parse("2026-11-21T02:40:00Z").unwrap();
    let mut model = Model::new(Clock::manual(now), Keymap::default(), Theme::default());
    model.cluster.context = "captured".into();
    update(&mut model, Msg::Resize(width, height));
    for (name, kind) in LISTS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/captures/list/{name}.json"));
        let text = std::fs::read_to_string(&path).unwrap();
        let capture: serde_json::Value = serde_json::from_str(&text).unwrap();
        let body = capture["response"]["json"].to_string();
        let page = Decoder::new(kind.clone()).page(body.as_bytes()).unwrap();
        let all = || (kind.clone(), Text::from(""));
        let mut deltas = vec![Delta::ListStart { kind: all().0, namespace: all().1 }];
        deltas.extend(page.items.into_iter().map(Delta::Apply));
        deltas.push(Delta::ListEnd { kind: all().0, namespace: all().1 });
        let id = StreamId::Watch { kind: all().0, namespace: all().1 };
        deltas.push(Delta::Stream { id, state: StreamState::Live, at: now });
        update(&mut model, Msg::Deltas(deltas));
    }
    model
}

fn press(model: &mut Model, keys: &str) {
    for c in keys.chars() {
        let (code, modifiers) = match c {
            '\r' => (KeyCode::Enter, KeyModifiers::NONE),
            '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
            c if c.is_uppercase() => (KeyCode::Char(c), KeyModifiers::SHIFT),
            c => (KeyCode::Char(c), KeyModifiers::NONE),
        };
        update(model, Msg::Key(KeyEvent::new(code, modifiers)));
    }
}

fn drawn(model: &mut Model) -> Buffer {
    let (width, height) = model.size;
    layout::fit(model);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    ui::draw(model, &mut Memory::default(), &mut buffer);
    buffer
}

fn screen(model: &mut Model) -> String {
    ui::to_text(&drawn(model))
}

#[test]
fn the_overview_at_three_sizes() {
    for (width, height) in [(80, 24), (120, 40), (200, 60)] {
        let mut model = captured(width, height);
        insta::assert_snapshot!(format!("overview-{width}x{height}"), screen(&mut model));
    }
}

#[test]
fn styles_of_the_overview() {
    // Runs of one style, so that a change of theme or scope shows.
    let buffer = drawn(&mut captured(80, 24));
    insta::assert_debug_snapshot!("overview-styles", buffer);
}

#[test]
fn views_reached_by_keys() {
    for (name, keys) in [
        ("pods", ":pods\r"),
        ("pods-filtered", ":pods\r/restarts>20\r"),
        ("nodes", ":nodes\r"),
        ("deployments", ":deploy\r"),
        ("rollout", ":deploy prod\r\r"),
        ("describe", ":pods\r/tag-absent\rd"),
        ("containers", ":pods\r/init-fails\r\r"),
        ("why", ":pods\r/tag-absent\rw"),
        ("actions", ":deploy prod\ra"),
        ("timeline", "T"),
    ] {
        let mut model = captured(120, 40);
        press(&mut model, keys);
        insta::assert_snapshot!(name, screen(&mut model));
    }
}

/// What is requested of allocatable GPUs is known without an exporter; that nobody measures them is said.
#[test]
fn gpus_that_nobody_measures_show_by_node() {
    let mut model = captured(120, 40);
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
    update(&mut model, Msg::Deltas(deltas));
    press(&mut model, ":gpu\r");
    let screen = screen(&mut model);
    let line = |name: &str| screen.lines().find(|l| l.contains(name)).unwrap_or_else(|| panic!("{screen}"));
    assert!(line("gpu-1").contains("3/8 req") && line("gpu-1").contains("no metrics"), "{screen}");
    assert!(line("gpu-2").contains("0/0 req"), "its device plugin reports none: {screen}");
}

/// A key that can do nothing says why, `?` and the palette say it before it is pressed.
#[test]
fn what_does_nothing_here_says_why() {
    let mut model = captured(120, 40);
    press(&mut model, ":nodes\rl");
    let said = |m: &Model| m.message.as_ref().map(|m| m.text.clone()).unwrap_or_default();
    assert_eq!(said(&model), "There are no logs of node gpu-worker-042: it has no pods.");
    press(&mut model, "J");
    assert_eq!(said(&model), "Nothing owns node gpu-worker-042.");
    press(&mut model, "?");
    let help = screen(&mut model);
    let line = |screen: &str, what: &str| {
        screen.lines().find(|l| l.contains(what)).unwrap_or_else(|| panic!("{what}: {screen}")).to_owned()
    };
    assert!(line(&help, "to its owner").contains("not now: Nothing owns node gpu-worker-042."), "{help}");
    assert!(!line(&help, "the whole object as YAML").contains("not now"), "{help}");
    press(&mut model, "\x1b\x1b:findings\r\x1b:why");
    let palette = screen(&mut model);
    assert!(!palette.contains("not now"), "there is a finding to ask about: {palette}");
    let mut empty = Model::new(Clock::manual(Time(0)), Keymap::default(), Theme::default());
    update(&mut empty, Msg::Resize(120, 40));
    press(&mut empty, ":why");
    assert!(line(&screen(&mut empty), "not now").contains("not now: There is no object under the cursor."));
}

fn alt(model: &mut Model, c: char) {
    update(model, Msg::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT)));
}

#[test]
fn an_audience_sees_the_last_keys() {
    let mut model = captured(120, 40);
    press(&mut model, "jj");
    let foot = |m: &mut Model| screen(m).lines().last().unwrap().trim_end().to_owned();
    assert!(!foot(&mut model).ends_with("j j"));
    alt(&mut model, 'p');
    press(&mut model, "jjd");
    assert!(foot(&mut model).ends_with("j j d"), "{}", foot(&mut model));
    // What is typed into a line is seen there, and may be a secret's name.
    press(&mut model, "/hidden\r");
    assert!(!foot(&mut model).contains("h i d"), "{}", foot(&mut model));
    alt(&mut model, 'p');
    assert!(!foot(&mut model).contains("j j d"), "{}", foot(&mut model));
}

#[test]
fn times_are_in_utc_or_local_by_key() {
    let mut model = captured(120, 40);
    let times = |m: &Model| m.prefs.times();
    let before = times(&model);
    alt(&mut model, 'u');
    assert_ne!(times(&model), before);
    alt(&mut model, 'u');
    assert_eq!(times(&model), before);
}

#[test]
fn reconnecting_is_asked_for_by_key() {
    let mut model = captured(120, 40);
    let effects = update(&mut model, Msg::Key(KeyEvent::new(KeyCode::Char('r'), KeyModifiers::CONTROL)));
    assert!(effects.contains(&Effect::Reconnect), "{effects:?}");
}

#[test]
fn no_size_and_no_view_panics() {
    let views = ["", ":pods\r", ":events\r", "w", "?", "T", "a", ":ctx\r", "/x"];
    for keys in views {
        let mut model = captured(120, 40);
        press(&mut model, keys);
        for (width, height) in
            [(0, 0), (1, 1), (2, 60), (39, 9), (40, 10), (41, 300), (99, 23), (100, 24), (300, 11)]
        {
            update(&mut model, Msg::Resize(width, height));
            let buffer = drawn(&mut model);
            assert_eq!(buffer.area, Rect::new(0, 0, width, height));
        }
    }
}
