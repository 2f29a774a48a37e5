//! The event loop: input first, then frames, then what came in. Nobody else touches the model.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crossterm::event::{Event, EventStream, KeyEventKind, MouseButton, MouseEventKind};
use futures::StreamExt;
use ratatui::buffer::Buffer;
use tokio::io::AsyncWriteExt;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::app::core::model::Model;
use crate::app::core::msg::Program;
use crate::app::core::notice::Dirty;
use crate::app::core::panes;
use crate::app::core::runs::control;
use crate::app::executor::jobs::Jobs;
use crate::app::executor::programs;
use crate::app::update::layout;
use crate::app::{Effect, Msg, next_timer, update};
use crate::config::settings::Notifications;
use crate::remedy::run::{Need, NeedId, Terminal};
use crate::term::{Entered, Frames, Screen, Writer, clean};
use crate::ui::{self, Memory};

/// Rows a notch of the mouse wheel moves.
const WHEEL: isize = 3;

/// How the cockpit ended.
#[derive(Debug, PartialEq, Eq)]
pub enum End {
    Quit,
    /// A signal asked for it.
    Signal(&'static str),
    /// The operator chose another context.
    Switch {
        from: String,
        to: String,
    },
    /// Nobody is at the terminal any more.
    TerminalGone,
    /// The credential plugin wants the terminal; the cockpit goes on afterwards.
    Login,
    /// A run wants the terminal for an editor or a session; the cockpit goes on afterwards.
    Foreground,
}

struct Signals {
    term: Signal,
    hup: Signal,
    int: Signal,
    stop: Signal,
}

impl Signals {
    fn listen() -> io::Result<Signals> {
        Ok(Signals {
            term: signal(SignalKind::terminate())?,
            hup: signal(SignalKind::hangup())?,
            int: signal(SignalKind::interrupt())?,
            stop: signal(SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw()))?,
        })
    }
}

/// What is given the terminal until it ends.
enum Wanted {
    /// An editor or a session of a run.
    Run(u64, NeedId, Terminal),
    /// A program of the user's own.
    Program(Program),
}

struct Cockpit {
    model: Model,
    jobs: Jobs,
    memory: Memory,
    screen: Screen,
    frames: Frames,
    writer: Writer,
    /// The terminal reports the mouse.
    mouse: bool,
    /// What waits for the terminal.
    wanted: VecDeque<Wanted>,
}

/// Runs the cockpit until the operator leaves it. The terminal is as it was when this returns.
///
/// # Errors
/// The terminal refused its mode, or signals cannot be heard.
pub async fn run(model: Model, jobs: Jobs, mut inbox: mpsc::Receiver<Msg>) -> io::Result<End> {
    let mut signals = Signals::listen()?;
    let entered = Entered::enter()?;
    let (width, height) = crossterm::terminal::size()?;
    let mut input = EventStream::new();
    let mut c = Cockpit {
        model,
        jobs,
        memory: Memory::default(),
        screen: Screen::new(width, height),
        frames: Frames::default(),
        writer: Writer::start(io::stdout()),
        mouse: false,
        wanted: VecDeque::new(),
    };
    c.take(Msg::Resize(width, height), &entered)?;
    loop {
        let due = c.frames.due().filter(|_| c.writer.ready());
        let wake = c.wake();
        let end = tokio::select! {
            biased;
            _ = signals.term.recv() => Some(End::Signal("SIGTERM")),
            _ = signals.hup.recv() => Some(End::Signal("SIGHUP")),
            _ = signals.int.recv() => Some(End::Signal("SIGINT")),
            _ = signals.stop.recv() => {
                c.suspend(&entered)?;
                None
            }
            event = input.next() => match event {
                Some(Ok(event)) => c.event(event, &entered)?,
                Some(Err(_)) | None => Some(End::TerminalGone),
            },
            () = at(due) => {
                c.draw();
                None
            }
            () = c.writer.written(), if !c.writer.ready() => None,
            // Work that was put off goes on between keys and frames, before what the cluster sends.
            () = std::future::ready(()), if c.model.at_work() => c.take(Msg::Work, &entered)?,
            msg = inbox.recv() => match msg {
                Some(msg) => c.take(msg, &entered)?,
                // The jobs live as long as the cockpit, so the channel does not end before it.
                None => Some(End::Quit),
            },
            () = at(wake) => c.take(Msg::Tick, &entered)?,
        };
        if end == Some(End::Login) {
            // Its thread must not read what is typed for the plugin.
            drop(input);
            c.login(&entered, &mut signals.int).await?;
            input = EventStream::new();
            continue;
        }
        // Also after a login, or where another run had the terminal.
        if end == Some(End::Foreground) || end.is_none() && !c.wanted.is_empty() {
            // Its thread must not read what is typed there.
            drop(input);
            c.foreground(&entered, &mut signals.int).await?;
            input = EventStream::new();
            continue;
        }
        if let Some(end) = end {
            if let Some(unsaved) = panes::leave(&mut c.model) {
                c.jobs.carry_out(unsaved);
            }
            if control::under_way(&c.model) {
                drop((input, entered));
                c.finish(&end, &mut signals, &mut inbox).await;
            }
            // Nobody listens any more: what is still to be written must not wait for a full inbox.
            inbox.close();
            return Ok(end);
        }
    }
}

async fn at(then: Option<Instant>) {
    match then {
        Some(t) => tokio::time::sleep_until(t.into()).await,
        None => std::future::pending().await,
    }
}

impl Cockpit {
    /// Carries what the operator said yes to on to its end, without a screen: the terminal is given back or gone.
    ///
    /// SIGTERM and SIGINT stop it after the step under way, and without waiting for that the second time. A closed
    /// terminal does not stop it; but nothing more is begun, because nobody is there to see it.
    async fn finish(&mut self, end: &End, signals: &mut Signals, inbox: &mut mpsc::Receiver<Msg>) {
        let effects = match end {
            End::Signal("SIGTERM" | "SIGINT") => control::stop_all(&mut self.model),
            _ => control::begin_no_more(&mut self.model),
        };
        self.carry_out(effects);
        let titles: Vec<String> =
            self.model.runs.iter().filter(|r| r.acts()).map(|r| r.title.clone()).collect();
        if !titles.is_empty() {
            complain(&format!(
                "still under way: {}; ctrl-c stops after the step, the journal says how it ended",
                clean(&titles.join(", "))
            ));
        }
        let mut said = String::new();
        while control::under_way(&self.model) {
            let wake = self.wake();
            let msg = tokio::select! {
                biased;
                _ = signals.term.recv() => None,
                _ = signals.int.recv() => None,
                _ = signals.hup.recv() => continue,
                msg = inbox.recv() => match msg {
                    Some(msg) => Some(msg),
                    None => break,
                },
                () = at(wake) => Some(Msg::Tick),
            };
            let effects = match msg {
                Some(msg) => update(&mut self.model, msg),
                None => {
                    complain("stopping after the step under way");
                    control::stop_all(&mut self.model)
                }
            };
            self.carry_out(effects);
            let ended = self.model.message.as_ref().map_or("", |m| &m.text);
            if ended != said {
                said = ended.to_owned();
                complain(&clean(&said));
            }
        }
    }

    /// Carries out what needs no terminal.
    fn carry_out(&mut self, effects: Vec<Effect>) {
        for effect in effects {
            self.jobs.carry_out(effect);
        }
    }

    /// When time alone changes something: an age on the screen, a message that goes, a rule's timer.
    fn wake(&self) -> Option<Instant> {
        let next = [self.memory.next_age, next_timer(&self.model)].into_iter().flatten().min()?;
        let wait = self.model.clock.now().0;
        let wait = Duration::from_millis(u64::try_from(next.0 - wait).unwrap_or(0));
        // A timer that is already due must not turn the loop into a busy one.
        Some(Instant::now() + wait.max(Duration::from_millis(20)))
    }

    fn event(&mut self, event: Event, entered: &Entered) -> io::Result<Option<End>> {
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.take(Msg::Key(key), entered),
            Event::Mouse(mouse) => match mouse.kind {
                MouseEventKind::ScrollUp => self.take(Msg::Scroll(-WHEEL), entered),
                MouseEventKind::ScrollDown => self.take(Msg::Scroll(WHEEL), entered),
                MouseEventKind::Down(MouseButton::Left) => {
                    match layout::at(&self.model, mouse.column, mouse.row) {
                        Some((pane, row)) => self.take(Msg::Click { pane, row }, entered),
                        None => Ok(None),
                    }
                }
                _ => Ok(None),
            },
            Event::Paste(text) => self.take(Msg::Paste(text), entered),
            Event::Resize(w, h) => {
                self.screen.resize(w, h);
                self.take(Msg::Resize(w, h), entered)
            }
            _ => Ok(None),
        }
    }

    /// Takes one message in, carries out what follows, and asks for a frame where one is wanted.
    fn take(&mut self, msg: Msg, entered: &Entered) -> io::Result<Option<End>> {
        let ticked = matches!(msg, Msg::Tick);
        let mut end = None;
        for effect in update(&mut self.model, msg) {
            match effect {
                // What else follows is still done.
                Effect::Quit => end = Some(End::Quit),
                Effect::Switch(to) => {
                    end = Some(End::Switch { from: self.model.cluster.context.clone(), to });
                }
                Effect::Suspend => self.suspend(entered)?,
                Effect::Login => end = Some(End::Login),
                Effect::AtTerminal(program) => {
                    self.wanted.push_back(Wanted::Program(program));
                    end = end.or(Some(End::Foreground));
                }
                Effect::Need { run, id, need } => match *need {
                    Need::Terminal(work) => {
                        self.wanted.push_back(Wanted::Run(run, id, work));
                        end = end.or(Some(End::Foreground));
                    }
                    need => self.jobs.carry_out(Effect::Need { run, id, need: Box::new(need) }),
                },
                Effect::Redraw => self.redraw(),
                Effect::SaveScreen(name) => {
                    let text = self.screen_text();
                    self.jobs.carry_out(Effect::Save { name, text, what: "the screen".to_owned() });
                }
                Effect::Copy(text) => self.copy(&text),
                Effect::Announce(how, title) => self.announce(how, &title),
                other => self.jobs.carry_out(other),
            }
        }
        let now = Instant::now();
        match std::mem::take(&mut self.model.dirty) {
            Dirty::Input => self.frames.request(now),
            Dirty::Data => self.frames.request_data(now),
            Dirty::No if ticked && self.memory.next_age.is_some_and(|t| t <= self.model.data.now) => {
                self.frames.request_data(now);
            }
            Dirty::No => {}
        }
        Ok(end)
    }

    fn draw(&mut self) {
        self.model.data.now = self.model.clock.now();
        layout::fit(&mut self.model);
        let (model, memory) = (&self.model, &mut self.memory);
        let mut bytes = self.screen.draw(|buffer| ui::draw(model, memory, buffer)).unwrap_or_default();
        let mouse = self.model.prefs.settings.mouse;
        if mouse != self.mouse {
            self.mouse = mouse;
            bytes.extend(crate::term::mouse(mouse));
        }
        if !bytes.is_empty() {
            self.writer.send(bytes);
        }
        self.frames.drawn(Instant::now());
    }

    /// The screen as text. It is drawn anew: the message that says it was saved is not on it yet.
    fn screen_text(&mut self) -> String {
        let mut buffer = Buffer::empty(self.screen.area());
        ui::draw(&self.model, &mut self.memory, &mut buffer);
        ui::to_text(&buffer)
    }

    fn redraw(&mut self) {
        let area = self.screen.area();
        self.screen.resize(area.width, area.height);
        self.frames.request(Instant::now());
    }

    /// Puts text on the clipboard of whoever looks at this terminal (OSC 52). As it comes, tmux lets that through from
    /// nobody, so it is asked to do it, too; there the text is in its own buffer as well.
    fn copy(&mut self, text: &str) {
        let tmux = std::env::var_os("TMUX").is_some();
        if self.writer.ready() {
            self.writer.send(crate::term::clipboard(text, tmux));
        }
        if tmux {
            tokio::spawn(to_tmux(text.to_owned()));
        }
    }

    /// Rings, or hands the terminal a notification.
    fn announce(&mut self, how: Notifications, title: &str) {
        let title: String = crate::term::clean(title).chars().filter(|c| *c != ';').take(120).collect();
        let bytes = match how {
            Notifications::Off => return,
            Notifications::Bell => "\u{7}".to_owned(),
            Notifications::Osc9 => format!("\u{1b}]9;khud: {title}\u{7}"),
            Notifications::Osc777 => format!("\u{1b}]777;notify;khud;{title}\u{7}"),
        };
        if self.writer.ready() {
            self.writer.send(bytes.into_bytes());
        }
    }

    /// Gives the terminal back and stops, until `fg`.
    fn suspend(&mut self, entered: &Entered) -> io::Result<()> {
        entered.suspend();
        // Stops this process right here; it goes on when it is continued.
        let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::STOP);
        self.resume(entered)
    }

    /// Leaves the screen to the credential plugin until it ends, or ctrl-c ends it.
    async fn login(&mut self, entered: &Entered, interrupt: &mut Signal) -> io::Result<()> {
        entered.suspend();
        let context = crate::term::clean(&self.model.cluster.context).into_owned();
        // Nobody can be told where stderr is closed, too.
        let _ = writeln!(io::stderr(), "khud: logging in to {context}; ctrl-c gives up");
        let msg = tokio::select! {
            done = self.jobs.login() => match done {
                Ok(()) => Msg::Notice("Logged in.".to_owned()),
                Err(why) => Msg::Failed(why),
            },
            _ = interrupt.recv() => Msg::Failed("The login was given up.".to_owned()),
        };
        self.resume(entered)?;
        self.take(msg, entered).map(|_| ())
    }

    /// Leaves the screen to an editor, a session in a container or a program of the user until it ends.
    async fn foreground(&mut self, entered: &Entered, interrupt: &mut Signal) -> io::Result<()> {
        let Some(wanted) = self.wanted.pop_front() else { return Ok(()) };
        entered.suspend();
        let msg = {
            let jobs = &self.jobs;
            let mut there = std::pin::pin!(async {
                match wanted {
                    Wanted::Run(run, id, work) => {
                        Msg::Replied { run, id, reply: jobs.at_terminal(work).await }
                    }
                    Wanted::Program(program) => programs::at_terminal(&program).await,
                }
            });
            loop {
                tokio::select! {
                    msg = &mut there => break msg,
                    // ctrl-c is meant for the program that has the terminal.
                    _ = interrupt.recv() => {}
                }
            }
        };
        self.resume(entered)?;
        self.take(msg, entered).map(|_| ())
    }

    fn resume(&mut self, entered: &Entered) -> io::Result<()> {
        entered.resume()?;
        // Left off while away; the next frame switches it on where it is wanted.
        self.mouse = false;
        let (w, h) = crossterm::terminal::size()?;
        self.screen.resize(w, h);
        update(&mut self.model, Msg::Resize(w, h));
        self.frames.request(Instant::now());
        Ok(())
    }
}

/// Has tmux take the text and hand it to its terminal. One older than 3.2 only takes it.
async fn to_tmux(text: String) {
    for args in [&["load-buffer", "-w", "-"][..], &["load-buffer", "-"]] {
        let mut command = tokio::process::Command::new("tmux");
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let Ok(mut tmux) = command.kill_on_drop(true).spawn() else { return };
        // Dropped with the block: that ends the text.
        if let Some(mut stdin) = tmux.stdin.take() {
            let _ = stdin.write_all(text.as_bytes()).await;
        }
        match tokio::time::timeout(Duration::from_secs(5), tmux.wait()).await {
            Ok(Ok(status)) if !status.success() => {}
            _ => return,
        }
    }
}

/// One sentence on stderr, for whoever still looks at the terminal that was given back.
fn complain(sentence: &str) {
    // Nobody is left to tell when it is closed.
    let _ = writeln!(io::stderr().lock(), "khud: {sentence}");
}
