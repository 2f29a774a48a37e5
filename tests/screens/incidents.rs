//! The overview as somebody meets it at night: incidents first, with what to do; what has no news takes one line; a clean
//! state says what it rests on.

use crossterm::event::KeyCode;
use khud::app::core::model::{Dialog, Pane};
use khud::app::update::layout;
use khud::world::{Delta, Kind, StreamId, StreamState};

use crate::support::stage::{Stage, captured};

fn height(s: &Stage, pane: Pane) -> u16 {
    layout::layout(&s.model).panes.iter().find(|(p, _)| *p == pane).unwrap().1.height
}

#[test]
fn an_incident_says_what_is_wrong_in_whole_words_and_one_key_plans_what_fits() {
    let mut s = captured(120, 40);
    let screen = s.screen();
    for says in [
        "deployment prod/payment-service",
        "container app is killed at its memory limit",
        "of 180Mi (OOMKilled, exit code 137)",
        "f Set resources",
    ] {
        assert!(screen.contains(says), "{says}: {screen}");
    }
    // Opened, it quotes its proof.
    s.press("\r");
    let opened = s.screen();
    assert!(opened.contains("incident of deployment prod/payment-service"), "{opened}");
    assert!(
        opened.contains("pod status, container app: “OOMKilled (exit code 137), 3 restarts”"),
        "{opened}"
    );
    s.press("\x1b");
    s.press("f");
    // It asks for the new limit before it plans.
    assert!(s.model.prompt.is_some(), "{}", s.screen());
    assert!(s.screen().contains("Set resources deployment prod/payment-service"), "{}", s.screen());
}

#[test]
fn panes_without_news_take_one_line_until_they_have_the_focus() {
    let mut s = captured(120, 40);
    assert_eq!(height(&s, Pane::KubeProxy), 1);
    assert!(s.screen().lines().any(|l| l.contains("KUBE-PROXY") && l.contains("none")), "{}", s.screen());
    s.alt(KeyCode::Char('6'));
    assert!(height(&s, Pane::KubeProxy) > 1);
    s.alt(KeyCode::Char('1'));
    // The pods show what is sick, and count the rest.
    assert!(s.screen().contains("more without a fault"), "{}", s.screen());
    s.alt(KeyCode::Char('2'));
    assert!(
        !s.screen().contains("more without a fault"),
        "with the focus all rows are there: {}",
        s.screen()
    );
    // The incidents have the rows they need, the events what is left.
    assert!(height(&s, Pane::Findings) > height(&s, Pane::Events));
}

#[test]
fn a_clean_state_says_what_was_looked_at_and_what_was_not() {
    let mut s = Stage::empty(120, 40);
    let now = s.model.data.now;
    let all = || "".into();
    for kind in [Kind::Pod, Kind::Event] {
        s.tell(vec![
            Delta::ListStart { kind: kind.clone(), namespace: all() },
            Delta::ListEnd { kind: kind.clone(), namespace: all() },
            Delta::Stream {
                id: StreamId::Watch { kind, namespace: all() },
                state: StreamState::Live,
                at: now,
            },
        ]);
    }
    let why = "nodes is forbidden: User \"jane\" cannot list resource \"nodes\"".into();
    let id = StreamId::Watch { kind: Kind::Node, namespace: all() };
    s.tell(vec![Delta::Stream { id, state: StreamState::Forbidden { why }, at: now }]);
    let id = StreamId::Watch { kind: Kind::Service, namespace: all() };
    s.tell(vec![Delta::Stream { id, state: StreamState::Connecting, at: now }]);
    let screen = s.screen();
    for says in [
        "No incident.",
        "Looked at: pods, events.",
        "Not yet listed: services.",
        "Not looked at: nodes (forbidden).",
    ] {
        assert!(screen.contains(says), "{says}: {screen}");
    }
    // The pane that may not be read is one line that says so.
    assert!(screen.lines().any(|l| l.contains("NODES") && l.contains("forbidden")), "{screen}");
}

#[test]
fn what_k9s_fingers_press_on_a_workload_leads_to_a_plan_and_changes_nothing() {
    for (key, title) in [("r", "Restart deployment"), ("b", "Roll back deployment")] {
        let mut s = captured(120, 40);
        s.press(":deploy prod\r");
        s.press(key);
        assert!(matches!(s.model.dialog, Some(Dialog::Plan(_))), "{key}: {}", s.screen());
        assert!(s.screen().contains(title), "{key}: {}", s.screen());
    }
    let mut s = captured(120, 40);
    s.press(":pods\r/bad-image\r");
    s.ctrl('d');
    assert!(matches!(s.model.dialog, Some(Dialog::Plan(_))), "{}", s.screen());
    assert!(s.screen().contains("Delete pod production/bad-image"), "{}", s.screen());
}
