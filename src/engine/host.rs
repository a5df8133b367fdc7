//! What a realm's JavaScript can ask of its own process: frames, timers, files of the program, the log.
//!
//! The functions themselves are made in `bot_realm`. None of them panics; arguments are plain strings and numbers that our
//! own JavaScript made.

mod requests;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use serde::{Deserialize, Serialize};

use super::event_ids::IdSource;
use super::explain::explain;
use super::loaded::LoadedProgram;
use super::timers::Timers;
use super::trace::Trace;
use crate::code_frame::code_frame;
use crate::config::refusal;
use crate::model::{BotId, UserId};
use crate::program::Role;
use crate::protocol::board::Place;
use crate::protocol::frame::write_frame;
use crate::protocol::{FrameKind, Hello, LogLine, Outbox};
use crate::script::realm::Thrown;
use crate::script::{Meter, ScriptError, wrap};

/// Bytes that are kept back to be sent together.
const MOST_KEPT: usize = 256 << 10;

/// Errors of one event that are written to the log; the rest is counted.
const MOST_REPORTS: u32 = 50;

/// Longest type, channel and conversation of an event, in bytes.
const LONGEST_NAME: usize = 200;

/// What a realm that lives on does is counted by that time.
const SECOND: Duration = Duration::from_secs(1);

/// What is counted of an event, through all the realms it goes through.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub struct Counts {
    /// Effects.
    pub sequence: u32,
    /// Requests.
    pub request: u32,
    /// Errors that were reported.
    pub errors: u32,
    /// Lines in the log.
    pub log_lines: u32,
    /// Bytes of effects and requests.
    pub sent: u64,
}

/// Shared between the functions of a realm and the driver of its events.
#[derive(Debug)]
pub struct Host {
    /// Budgets.
    pub meter: Rc<Meter>,
    /// What the server told the worker at its start.
    pub hello: Arc<Hello>,
    /// Ids for events.
    pub ids: IdSource,
    outbox: Outbox,
    buffer: RefCell<BytesMut>,
    /// The program this realm runs.
    pub program: RefCell<Option<Arc<LoadedProgram>>>,
    /// The bots that are mounted.
    bots: RefCell<BTreeSet<String>>,
    /// The bot of the present work.
    pub bot: RefCell<String>,
    /// The dispatch.
    pub dispatch: Cell<u64>,
    /// Next effect's number.
    pub sequence: Cell<u32>,
    /// Next request's number.
    pub request: Cell<u32>,
    /// Requests without an answer, each with the script that made it.
    pub outstanding: RefCell<HashMap<u32, u32>>,
    /// Timers.
    pub timers: RefCell<Timers>,
    /// Steps.
    pub trace: RefCell<Trace>,
    /// Errors reported for the present event.
    pub errors: Cell<u32>,
    log_lines: Cell<u32>,
    /// Bytes of effects and requests of the present event, and how many it may send.
    sent: Cell<u64>,
    most_sent: Cell<u64>,
    /// Index of the script that runs.
    pub script: Cell<u32>,
    entered: Cell<Option<Instant>>,
    failed: Cell<bool>,
    /// Number of the first effect of the event, or of the second of a realm that lives on.
    turn_from: Cell<u32>,
    /// When that second began, in a realm that lives on.
    second: Cell<Option<Instant>>,
    /// How often scripts have asked for the dialog engine and not had it yet.
    pub asked: Cell<u32>,
    /// Files that were compiled or packages that were loaded since the event began.
    pub loaded: Cell<u32>,
    /// Nothing of this realm's scripts may leave it any more.
    pub closed: Cell<bool>,
    /// Events that this process has begun.
    pub events: Cell<u32>,
}

impl Host {
    /// A host of a realm.
    pub fn new(meter: Rc<Meter>, hello: Arc<Hello>, outbox: Outbox) -> Self {
        Self {
            meter,
            hello,
            ids: IdSource::new(0),
            outbox,
            buffer: RefCell::default(),
            program: RefCell::default(),
            bots: RefCell::default(),
            bot: RefCell::default(),
            dispatch: Cell::new(0),
            sequence: Cell::new(0),
            request: Cell::new(0),
            outstanding: RefCell::default(),
            timers: RefCell::default(),
            trace: RefCell::default(),
            errors: Cell::new(0),
            log_lines: Cell::new(0),
            sent: Cell::new(0),
            most_sent: Cell::new(u64::MAX),
            script: Cell::new(u32::MAX),
            entered: Cell::new(None),
            failed: Cell::new(false),
            turn_from: Cell::new(0),
            second: Cell::new(None),
            asked: Cell::new(0),
            loaded: Cell::new(0),
            closed: Cell::new(false),
            events: Cell::new(0),
        }
    }

    /// Appends a frame of the present dispatch; it goes out with the next [`Self::flush`].
    pub fn frame(&self, kind: FrameKind, number: u32, body: &[u8]) {
        if self.closed.get() {
            return;
        }
        write_frame(&mut self.buffer.borrow_mut(), kind, self.dispatch.get(), number, body);
    }

    /// This process is another one now: it speaks through that socket, from that place.
    pub fn renew(&self, out: impl std::io::Write + Send + 'static, place: Place, slot: u16) {
        self.outbox.connect(out);
        self.buffer.borrow_mut().clear();
        self.events.set(0);
        self.meter.renew(place);
        self.ids.renew(slot);
    }

    /// The bots that are mounted: a JSON array of their ids.
    pub fn set_bots(&self, ids: &[u8]) {
        if let Ok(bots) = serde_json::from_slice(ids) {
            *self.bots.borrow_mut() = bots;
        }
    }

    /// Whether that bot is mounted.
    fn is_mounted(&self, bot: &str) -> bool {
        let program = self.program.borrow();
        bot == *self.bot.borrow()
            || self.bots.borrow().contains(bot)
            || program.as_ref().is_some_and(|loaded| loaded.program.bots.contains_key(bot))
    }

    /// A frame that belongs to no dispatch, at once.
    pub fn tell(&self, kind: FrameKind, number: u32, body: &[u8]) {
        self.outbox.send_bytes(kind, 0, number, body);
    }

    /// Sends what was appended.
    pub fn flush(&self) {
        self.outbox.flush(&mut self.buffer.borrow_mut());
    }

    /// Whether an answer or a timer is still to come.
    pub fn awaits_something(&self) -> bool {
        !self.outstanding.borrow().is_empty() || !self.timers.borrow().is_empty()
    }

    /// Forgets everything of the last event.
    pub fn clear(&self) {
        self.outstanding.borrow_mut().clear();
        self.timers.borrow_mut().clear();
        self.trace.borrow_mut().take();
        self.errors.set(0);
        self.count_anew();
        self.asked.set(0);
        self.loaded.set(0);
        self.sequence.set(0);
        self.script.set(u32::MAX);
        self.entered.set(None);
        self.failed.set(false);
    }

    /// Counts anew what is limited by event: in a realm that lives on, by the second.
    pub fn begin_turn(&self, now: Instant) {
        let same = |since: Instant| now.saturating_duration_since(since) < SECOND;
        if !self.second.get().is_some_and(same) {
            self.count_anew();
            self.second.set(Some(now));
        }
    }

    fn count_anew(&self) {
        self.log_lines.set(0);
        self.sent.set(0);
        self.turn_from.set(self.sequence.get());
        self.second.set(None);
    }

    /// Begins an event or what there is of it: what an earlier realm has counted of it goes on. Of bytes an event may send
    /// `most_sent` in all.
    pub fn begin(&self, counts: Counts, most_sent: u64) {
        self.sequence.set(counts.sequence);
        self.turn_from.set(0);
        self.second.set(None);
        self.request.set(counts.request);
        self.errors.set(counts.errors);
        self.log_lines.set(counts.log_lines);
        self.sent.set(counts.sent);
        self.most_sent.set(most_sent);
        self.closed.set(false);
        self.events.set(self.events.get() + 1);
        self.meter.place().set_script(u32::MAX);
    }

    /// What was counted of the present event.
    pub fn counts(&self) -> Counts {
        Counts {
            sequence: self.sequence.get(),
            request: self.request.get(),
            errors: self.errors.get(),
            log_lines: self.log_lines.get(),
            sent: self.sent.get(),
        }
    }

    /// A script begins; gives the one that ran before.
    pub fn enter(&self, script: u32) -> u32 {
        self.failed.set(false);
        if self.hello.trace {
            self.entered.set(Some(Instant::now()));
        }
        self.turn_of(script)
    }

    /// A script goes on; gives the one that ran before.
    pub fn turn_of(&self, script: u32) -> u32 {
        self.meter.place().set_script(script);
        self.script.replace(script)
    }

    /// The script that runs or, between two, the one that ran last: what it left floating goes on in its name.
    pub fn blamed(&self) -> u32 {
        match self.script.get() {
            u32::MAX => self.meter.place().script(),
            script => script,
        }
    }

    /// The path of a script.
    pub fn path_of(&self, script: u32) -> Option<Arc<str>> {
        let program = self.program.borrow();
        program.as_ref()?.program.scripts.get(script as usize).map(|file| Arc::clone(&file.path))
    }

    /// A hook of the outgoing line ends (or begins to wait).
    pub fn leave(&self, script: u32, before: u32) {
        if let (Some(entered), Some(program)) = (self.entered.take(), &*self.program.borrow())
            && let Some(file) = program.program.scripts.get(script as usize)
            && let Role::Hook(kind) = file.role
        {
            let error = self.failed.get().then_some("failed");
            self.trace.borrow_mut().hook(script, kind.folder(), &file.path, entered.elapsed(), error);
        }
        self.meter.place().set_script(before);
        self.script.set(before);
    }

    /// Writes a log line of the present event, up to the limits on their number and length.
    pub fn log(&self, line: LogLine) {
        let limits = &self.hello.limits;
        let count = self.log_lines.get() + 1;
        self.log_lines.set(count);
        if count > limits.log_lines {
            if count == limits.log_lines + 1 {
                self.write_log(&LogLine {
                    level: "warn".into(),
                    message: format!(
                        "this event has written {} lines already; the rest is dropped (scripts.logLines)",
                        limits.log_lines
                    ),
                    ..LogLine::default()
                });
            }
            return;
        }
        self.log_whole(line);
    }

    fn log_whole(&self, mut line: LogLine) {
        let limits = &self.hello.limits;
        let longest = usize::try_from(limits.log_line).unwrap_or(usize::MAX);
        if line.message.len() > longest {
            let mut end = longest;
            while !line.message.is_char_boundary(end) {
                end -= 1;
            }
            line.message.truncate(end);
            line.message.push('…');
        }
        self.write_log(&line);
    }

    fn write_log(&self, line: &LogLine) {
        let mut line = line.clone();
        if line.bot.is_none() && !self.bot.borrow().is_empty() {
            line.bot = Some(self.bot.borrow().clone());
        }
        if self.hello.trace && line.level != "error" {
            self.trace.borrow_mut().note("log", "l", &line.level);
        }
        self.frame(FrameKind::Log, 0, &serde_json::to_vec(&line).unwrap_or_default());
        // At once: what a script says before it hangs, where nothing stops it, explains why it was killed.
        self.meter.outside(|| self.flush());
    }

    /// Sends what was appended, if it is much or if the script has been computing for a while: it may never come to an end.
    fn flush_if_slow(&self) {
        if self.buffer.borrow().len() > MOST_KEPT || self.meter.is_slow() {
            self.meter.outside(|| self.flush());
        }
    }

    /// Reports what a script threw.
    pub fn report(&self, script: u32, thrown: &Thrown) -> String {
        self.report_line(self.error_line(script, thrown))
    }

    /// Reports an error.
    pub fn report_line(&self, line: LogLine) -> String {
        let message = line.message.clone();
        self.errors.set(self.errors.get() + 1);
        self.failed.set(true);
        if self.hello.trace {
            self.trace.borrow_mut().note("error", "err", &message);
        }
        // A script that has said too much does not silence what is said of it.
        if self.errors.get() <= MOST_REPORTS {
            self.log_whole(line);
        }
        message
    }

    /// The log line of what a script threw: place, message, code frame, hook kind, bot.
    pub fn error_line(&self, script: u32, thrown: &Thrown) -> LogLine {
        let program = self.program.borrow();
        let file = program.as_ref().and_then(|loaded| loaded.program.scripts.get(script as usize));
        let fallback = file.map_or("", |file| &file.path);
        let error = thrown.locate(fallback, |path| {
            program.as_ref().and_then(|loaded| loaded.script(path)).map_or(0, wrap::head_columns)
        });
        let source = program.as_ref().and_then(|loaded| loaded.script(&error.file));
        let frame = match (source, error.line) {
            (Some(source), Some(line)) => Some(code_frame(&source.source, line, error.column.unwrap_or(1))),
            _ => None,
        };
        let better = match (source, error.line) {
            (Some(source), Some(line)) if error.name == "TypeError" => {
                explain(&error.message, &source.source, line, error.column.unwrap_or(1))
            }
            _ => None,
        };
        LogLine {
            level: "error".into(),
            message: format!("{}: {}", error.name, better.as_ref().unwrap_or(&error.message)),
            file: (!error.file.is_empty()).then(|| error.file.clone()),
            line: error.line,
            column: error.column,
            frame,
            hook: file.map(|file| &**file).or(source).and_then(|file| match file.role {
                Role::Hook(kind) => Some(kind.folder().to_owned()),
                _ => None,
            }),
            bot: None,
        }
    }

    /// A log line of a script, with the place it was written at.
    pub fn script_log(&self, level: &str, message: String, stack: &str, bot: Option<String>) {
        let program = self.program.borrow();
        let place = ScriptError::new("", "", stack, "").without_wrappers(|path| {
            program.as_ref().and_then(|loaded| loaded.script(path)).map_or(0, wrap::head_columns)
        });
        let file = (!place.file.is_empty()).then_some(place.file);
        let (line, column) = (place.line, place.column);
        drop(program);
        self.log(LogLine { level: level.to_owned(), message, file, line, column, frame: None, hook: None, bot });
    }

    /// Adds a timer, or refuses where there are too many.
    pub fn add_timer(&self, delay: f64, id: i32) -> Option<u32> {
        let mut timers = self.timers.borrow_mut();
        if timers.len() >= self.hello.limits.timers as usize {
            return None;
        }
        let delay = Duration::from_millis(delay.clamp(0.0, 2_147_483_647.0) as u64);
        Some(timers.add(delay, u32::try_from(id).ok(), self.blamed()))
    }

    /// Counts bytes on their way to the server; an error says that they are too many.
    fn send_bytes(&self, bytes: usize) -> Result<(), String> {
        let sent = self.sent.get().saturating_add(bytes as u64);
        if sent > self.most_sent.get() {
            let most = self.most_sent.get() >> 20;
            return Err(format!("an event may send at most {most} MB in all (scripts.frame)"));
        }
        self.sent.set(sent);
        Ok(())
    }

    /// Sends an event, an object as JSON; gives the number of the request that is answered when it is stored.
    pub fn send_event(&self, json: &str, kind: &str) -> Result<u32, String> {
        let number = self.ask("bp.events.sendEvent", "event", json.len(), 0)?;
        let json = format!("{},\"ask\":{number}}}", json.strip_suffix('}').unwrap_or(json));
        let sent = self.append(&json, kind, "event");
        if sent.is_err() {
            self.outstanding.borrow_mut().remove(&number);
        }
        sent.map(|()| number)
    }

    /// Appends a reply; an error says which limit it is over.
    pub fn effect(&self, json: &str, kind: &str) -> Result<(), String> {
        self.append(json, kind, "reply")
    }

    fn append(&self, json: &str, kind: &str, what: &'static str) -> Result<(), String> {
        let limits = &self.hello.limits;
        let number = self.sequence.get();
        if number.saturating_sub(self.turn_from.get()) >= limits.effects {
            let (who, when) = match self.second.get() {
                Some(_) => ("what hooks leave running", " in a second"),
                None => ("an event", ""),
            };
            let most = limits.effects;
            return Err(format!("{who} may make at most {most} replies and events{when} (scripts.effects)"));
        }
        if kind.len() > LONGEST_NAME {
            return Err(format!("the type of an event may have at most {LONGEST_NAME} bytes"));
        }
        if json.len() as u64 > limits.frame {
            return Err(format!(
                "a payload may be at most {} bytes (scripts.frame), this one has {}",
                limits.frame,
                json.len()
            ));
        }
        self.send_bytes(json.len())?;
        self.sequence.set(number + 1);
        if self.hello.trace {
            self.trace.borrow_mut().note(what, "t", kind);
        }
        self.frame(FrameKind::Effect, number, json.as_bytes());
        self.flush_if_slow();
        Ok(())
    }

    /// What keeps the server from taking an event of this address, in words.
    pub fn refuses(&self, channel: &str, target: &str, bot: &str, thread: &str) -> Option<String> {
        for (name, text) in [("channel", channel), ("threadId", thread)] {
            if text.len() > LONGEST_NAME || text.chars().any(char::is_control) {
                return Some(format!("the {name} may have at most {LONGEST_NAME} bytes and no control characters"));
            }
        }
        let own = self.bot.borrow();
        if self.hello.per_bot && !own.is_empty() && BotId::parse(bot).is_ok_and(|bot| bot.as_str() != *own) {
            return Some(refusal(&own, bot));
        }
        match BotId::parse(bot) {
            Ok(id) if self.is_mounted(id.as_str()) => {
                UserId::parse(target).err().map(|error| format!("the target {target:?} is nobody: a {error}"))
            }
            _ => Some(format!("there is no bot {bot:?}")),
        }
    }
}
