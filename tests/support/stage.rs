//! The cockpit's model with a clock of its own, fed the captured cluster and driven by keys; what it draws is text.
#![allow(dead_code, reason = "each test binary uses its part")]

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use khud::app::update::layout;
use khud::app::{Effect, Model, Msg, update};
use khud::cluster::slim::Decoder;
use khud::config::files::Loaded;
use khud::config::{Config, Keymap, Theme};
use khud::ui::{self, Memory};
use khud::world::{Clock, Delta, StreamId, StreamState, Text, Time};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::captures;

/// The cockpit and the means to work it.
pub struct Stage {
    pub model: Model,
    clock: Clock,
}

/// A cockpit that has just been told of the captured cluster.
pub fn captured(width: u16, height: u16) -> Stage {
    let mut stage = Stage::empty(width, height);
    let now = stage.model.data.now;
    for (name, kind) in captures::LISTS {
        let capture = captures::capture(&format!("list/{name}.json"));
        let body = capture["response"]["json"].to_string();
        let page = Decoder::new(kind.clone()).page(body.as_bytes()).unwrap();
        let all = || (kind.clone(), Text::from(""));
        let mut deltas = vec![Delta::ListStart { kind: all().0, namespace: all().1 }];
        deltas.extend(page.items.into_iter().map(Delta::Apply));
        deltas.push(Delta::ListEnd { kind: all().0, namespace: all().1 });
        let id = StreamId::Watch { kind: all().0, namespace: all().1 };
        deltas.push(Delta::Stream { id, state: StreamState::Live, at: now });
        stage.tell(deltas);
    }
    stage
}

impl Stage {
    /// A cockpit that was told nothing yet, at the moment of the captures.
    pub fn empty(width: u16, height: u16) -> Stage {
        let clock = Clock::manual(Time::parse("2026-11-21T02:40:00Z").unwrap());
        let mut model = Model::new(clock.clone(), Keymap::default(), Theme::default());
        model.cluster.context = "captured".into();
        update(&mut model, Msg::Resize(width, height));
        Stage { model, clock }
    }

    /// config.toml says this now.
    pub fn configure(&mut self, config: &str) {
        let config = Some(Config::from_toml("config.toml", config).unwrap());
        update(&mut self.model, Msg::Configured(Box::new(Loaded { config, ..Loaded::default() })));
    }

    pub fn tell(&mut self, deltas: Vec<Delta>) -> Vec<Effect> {
        update(&mut self.model, Msg::Deltas(deltas))
    }

    /// It is that time, which is later than it was.
    pub fn at(&mut self, time: Time) {
        self.clock.advance(self.clock.now().age(time));
    }

    fn key(&mut self, code: KeyCode, modifiers: KeyModifiers) -> Vec<Effect> {
        // As the main task does before each frame.
        layout::fit(&mut self.model);
        update(&mut self.model, Msg::Key(KeyEvent::new(code, modifiers)))
    }

    /// Presses keys one after the other; what the cockpit asked of the outside on the way.
    pub fn press(&mut self, keys: &str) -> Vec<Effect> {
        let mut effects = Vec::new();
        for c in keys.chars() {
            let (code, modifiers) = match c {
                '\r' => (KeyCode::Enter, KeyModifiers::NONE),
                '\t' => (KeyCode::Tab, KeyModifiers::NONE),
                '\x1b' => (KeyCode::Esc, KeyModifiers::NONE),
                c if c.is_uppercase() => (KeyCode::Char(c), KeyModifiers::SHIFT),
                c => (KeyCode::Char(c), KeyModifiers::NONE),
            };
            effects.extend(self.key(code, modifiers));
        }
        effects
    }

    pub fn ctrl(&mut self, c: char) -> Vec<Effect> {
        self.key(KeyCode::Char(c), KeyModifiers::CONTROL)
    }

    pub fn alt(&mut self, code: KeyCode) -> Vec<Effect> {
        self.key(code, KeyModifiers::ALT)
    }

    pub fn down(&mut self) {
        self.key(KeyCode::Down, KeyModifiers::NONE);
    }

    pub fn left(&mut self) {
        self.key(KeyCode::Left, KeyModifiers::NONE);
    }

    pub fn right(&mut self) {
        self.key(KeyCode::Right, KeyModifiers::NONE);
    }

    /// Sorts by the column of that name, moving to it as an operator would.
    pub fn sort(&mut self, name: &str) {
        for _ in 0..20 {
            self.key(KeyCode::Right, KeyModifiers::SHIFT);
            let table = self.model.table().unwrap();
            if table.sorted_by().is_some_and(|(c, _)| table.columns()[c].is(name)) {
                return;
            }
        }
        panic!("there is no column {name}");
    }

    pub fn draw(&mut self) -> Buffer {
        self.draw_with(&mut Memory::default())
    }

    fn draw_with(&mut self, memory: &mut Memory) -> Buffer {
        let (width, height) = self.model.size;
        layout::fit(&mut self.model);
        let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
        ui::draw(&self.model, memory, &mut buffer);
        buffer
    }

    /// The screen as it is drawn by one who remembers earlier ones.
    pub fn screen_with(&mut self, memory: &mut Memory) -> String {
        ui::to_text(&self.draw_with(memory))
    }

    pub fn screen(&mut self) -> String {
        ui::to_text(&self.draw())
    }

    /// The first line of the screen that says it.
    #[track_caller]
    pub fn line(&mut self, word: &str) -> String {
        let screen = self.screen();
        let line = screen.lines().skip(2).find(|l| l.contains(word));
        line.unwrap_or_else(|| panic!("{word} is not on\n{screen}")).to_owned()
    }

    /// The names of all rows of the table that keys act on, as listed.
    pub fn names(&self) -> Vec<String> {
        let table = self.model.table().expect("a table");
        let (names, rows) = table.written(&self.model.data.cx());
        let column = names.iter().position(|n| n == "NAME");
        column.map_or(Vec::new(), |c| {
            rows.iter().map(|r| r[c].value.show(self.model.data.now).into_owned()).collect()
        })
    }

    /// The name of the object under the cursor.
    #[track_caller]
    pub fn selected(&self) -> String {
        self.model.selected().expect("something under the cursor").name.to_string()
    }
}

/// Each line's runs of one style, by a letter, and what the letters stand for.
pub fn styles(buffer: &Buffer) -> String {
    let mut styles: Vec<String> = Vec::new();
    let mut out = String::new();
    for y in 0..buffer.area.height {
        let mut line: Vec<(char, u16)> = Vec::new();
        for x in 0..buffer.area.width {
            let cell = buffer.cell((x, y)).unwrap();
            let style = format!("{} on {} {:?}", cell.fg, cell.bg, cell.modifier);
            let index = styles.iter().position(|s| *s == style).unwrap_or_else(|| {
                styles.push(style);
                styles.len() - 1
            });
            let letter = char::from_u32('A' as u32 + index as u32).unwrap();
            match line.last_mut() {
                Some((last, count)) if *last == letter => *count += 1,
                _ => line.push((letter, 1)),
            }
        }
        let line: Vec<String> = line.iter().map(|(letter, count)| format!("{letter}{count}")).collect();
        out.push_str(&(line.join(" ") + "\n"));
    }
    for (i, style) in styles.iter().enumerate() {
        out.push_str(&format!("{} {}\n", char::from_u32('A' as u32 + i as u32).unwrap(), style.trim()));
    }
    out
}
