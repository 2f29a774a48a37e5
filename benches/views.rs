//! 150,000 pods in one table: every frame while scrolling, typing a filter and sorting, and how soon a new order stands.
//!
//! `cargo bench --bench views` prints the figures; it judges nothing. `ROWS=N` takes another number of pods. In one
//! process on the model and the buffer of a 180x50 terminal, portion by portion as the main task gives them.
#![allow(clippy::expect_used)]

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use khud::app::update::layout;
use khud::app::{Model, Msg, update};
use khud::config::{Keymap, Theme};
use khud::term::Screen;
use khud::ui::{self, Memory};
use khud::world::{
    Clock, Container, ContainerSpec, ContainerState, Delta, Meta, Phase, Pod, Record, Resources, Role, Time,
    Uid,
};

const NOW: i64 = 1_800_000_000_000;

/// A pod as a large cluster has them: one in fifty does not run, names that differ only at their end.
fn pod(i: u32) -> Pod {
    // A multiplicative hash: no two runs differ, and no column is sorted as another is.
    let chance = i.wrapping_mul(2_654_435_761) >> 8;
    let spec = ContainerSpec {
        name: "app".into(),
        image: format!("registry.example/team/service-{}:v1.{}", i % 300, chance % 7).into(),
        role: Role::App,
        requests: Resources::default(),
        limits: Resources::default(),
        ports: Box::default(),
        liveness: None,
        readiness: None,
        startup: None,
        ..ContainerSpec::default()
    };
    let sick = chance.is_multiple_of(50);
    let state = if sick {
        ContainerState::Waiting { reason: "CrashLoopBackOff".into(), message: "".into() }
    } else {
        ContainerState::Running { since: Some(Time(NOW - 60_000)) }
    };
    Pod {
        meta: Meta {
            namespace: format!("team-{:02}", i % 40).into(),
            name: format!("inference-gateway-service-{:03}-{:08x}-{:05}", i % 300, (i / 300) % 11, i).into(),
            uid: Uid::Uuid(u128::from(i) + 1),
            created: Some(Time(NOW - i64::from(chance % 2_000_000) * 1000)),
            ..Meta::default()
        },
        node: format!("gke-inference-prod-europe-west4-a100-pool-{:05}", chance % 3000).into(),
        phase: Phase::Running,
        ip: format!("10.{}.{}.{}", i >> 16, (i >> 8) & 255, i & 255).into(),
        ready: !sick,
        containers: Box::from([Container {
            spec: spec.into(),
            ready: !sick,
            started: Some(true),
            restarts: if sick { chance % 90 } else { chance % 3 },
            state,
            last: None,
        }]),
        ..Pod::default()
    }
}

/// The cockpit's turn of the wheel: a message in, then portions of work and frames as the main task has them.
struct Wheel {
    model: Model,
    memory: Memory,
    screen: Screen,
    frames: Vec<Duration>,
    /// The longest the main task did not listen.
    deaf: Duration,
}

impl Wheel {
    fn frame(&mut self) {
        let began = Instant::now();
        layout::fit(&mut self.model);
        let (model, memory) = (&self.model, &mut self.memory);
        let bytes = self.screen.draw(|buffer| ui::draw(model, memory, buffer));
        std::hint::black_box(bytes);
        self.frames.push(began.elapsed());
    }

    fn press(&mut self, code: KeyCode, modifiers: KeyModifiers) {
        let began = Instant::now();
        update(&mut self.model, Msg::Key(KeyEvent::new(code, modifiers)));
        self.deaf = self.deaf.max(began.elapsed());
        self.frame();
    }

    fn portion(&mut self) {
        let began = Instant::now();
        update(&mut self.model, Msg::Work);
        self.deaf = self.deaf.max(began.elapsed());
    }

    /// Works until every table stands; how long that took since `began`.
    fn settle(&mut self, began: Instant) -> Duration {
        while self.model.at_work() {
            self.portion();
        }
        let took = began.elapsed();
        self.frame();
        took
    }

    fn tell(&mut self, what: &str) {
        self.frames.sort();
        let at = |p: f64| {
            let i = ((self.frames.len() as f64 * p) as usize).min(self.frames.len() - 1);
            self.frames[i].as_secs_f64() * 1000.0
        };
        println!(
            "{what:28} {:4} frames  p50 {:6.2} ms  p99 {:6.2} ms  most {:6.2} ms   longest deaf {:6.2} ms",
            self.frames.len(),
            at(0.5),
            at(0.99),
            at(1.0),
            self.deaf.as_secs_f64() * 1000.0
        );
        self.frames.clear();
        self.deaf = Duration::ZERO;
    }
}

fn main() {
    let rows: u32 = std::env::var("ROWS").ok().and_then(|r| r.parse().ok()).unwrap_or(150_000);
    let mut model = Model::new(Clock::manual(Time(NOW)), Keymap::default(), Theme::default());
    update(&mut model, Msg::Resize(180, 50));
    let began = Instant::now();
    for first in (0..rows).step_by(512) {
        let deltas = (first..rows.min(first + 512)).map(|i| Delta::Apply(Record::Pod(Box::new(pod(i)))));
        update(&mut model, Msg::Deltas(deltas.collect()));
    }
    println!("{rows} pods taken in in {:.0} ms", began.elapsed().as_secs_f64() * 1000.0);
    let mut w = Wheel {
        model,
        memory: Memory::default(),
        screen: Screen::new(180, 50),
        frames: Vec::new(),
        deaf: Duration::ZERO,
    };
    let none = KeyModifiers::NONE;
    let open = |w: &mut Wheel, line: &str| {
        for c in line.chars() {
            w.press(KeyCode::Char(c), KeyModifiers::NONE);
        }
        let began = Instant::now();
        w.press(KeyCode::Enter, KeyModifiers::NONE);
        w.settle(began)
    };
    let took = open(&mut w, ":pods");
    println!("the table stands and its names are ranked after {:.0} ms", took.as_secs_f64() * 1000.0);
    w.tell("opening");

    for _ in 0..400 {
        w.press(KeyCode::Char('j'), none);
    }
    for _ in 0..200 {
        w.press(KeyCode::PageDown, none);
    }
    w.press(KeyCode::Char('G'), none);
    for _ in 0..200 {
        w.press(KeyCode::PageUp, none);
    }
    w.tell("scrolling");

    w.press(KeyCode::Char('/'), none);
    let mut worst = Duration::ZERO;
    for c in "crashloop.*team-1".chars().chain("-service".chars()) {
        let began = Instant::now();
        w.press(KeyCode::Char(c), none);
        // A fast typist: 80 ms to the next key; frames and portions in between.
        while w.model.at_work() && began.elapsed() < Duration::from_millis(80) {
            w.portion();
        }
        w.frame();
    }
    let began = Instant::now();
    worst = worst.max(w.settle(began));
    println!("after the last letter the filter stands within {:.0} ms", worst.as_secs_f64() * 1000.0);
    w.tell("typing a filter");
    w.press(KeyCode::Esc, none);
    let began = Instant::now();
    w.settle(began);
    w.frames.clear();

    for column in 0..w.model.table().map_or(0, |t| t.columns().len()) {
        let began = Instant::now();
        w.press(KeyCode::Right, KeyModifiers::SHIFT);
        let took = w.settle(began);
        let name = w.model.table().map_or(String::new(), |t| t.columns()[column].shape.name.to_string());
        let began = Instant::now();
        w.press(KeyCode::Char('O'), none);
        let back = w.settle(began);
        let ms = |d: Duration| d.as_secs_f64() * 1000.0;
        println!("sorted by {name:10} in {:5.0} ms, the other way in {:5.0} ms", ms(took), ms(back));
    }
    w.tell("sorting");

    // A storm: a thousand changes in batches while the cursor moves.
    for n in 0..200u32 {
        let deltas = (0..64).map(|i| {
            let mut pod = pod((n * 7919 + i * 127) % rows);
            pod.phase = if i % 2 == 0 { Phase::Pending } else { Phase::Running };
            Delta::Apply(Record::Pod(Box::new(pod)))
        });
        let began = Instant::now();
        update(&mut w.model, Msg::Deltas(deltas.collect()));
        w.deaf = w.deaf.max(began.elapsed());
        w.press(KeyCode::Char('j'), none);
    }
    w.tell("a storm of changes");

    w.press(KeyCode::Char('p'), KeyModifiers::CONTROL);
    for c in "service-123-0000000a".chars() {
        w.press(KeyCode::Char(c), none);
    }
    w.tell("jumping by a name");
}
