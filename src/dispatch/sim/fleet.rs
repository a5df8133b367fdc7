//! Processes that there are not: zygotes that load, copy themselves and bury, compilers, and realms, as far as the server
//! can tell.

use std::collections::VecDeque;
use std::time::Duration;

use rand::RngExt as _;

use super::realm::Work;
use super::world::{Happening, World};
use crate::fleet::{Broken, Message, ProcessId};
use crate::model::EventId;
use crate::program::CompileRequest;
use crate::protocol::{Compiled, ForkAs, Glimpse, Ready, is_before};

/// What lives of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Life {
    Unborn,
    Alive,
    /// It is dead, and how it died.
    Dead(&'static str),
    Buried,
}

/// What a process is sent.
pub(super) enum Input {
    Load,
    Fork(ProcessId),
    Bury(ProcessId),
    Compile(Vec<u32>),
    Work(Box<Work>, u16),
    Answer(u64, u32),
    Cancel(u64),
    End,
}

/// What a process says.
pub(super) enum Output {
    Message(Message),
    /// What is no frame.
    Garbage,
}

/// A process.
pub(super) struct Process {
    pub(super) become_: Option<ForkAs>,
    pub(super) parent: ProcessId,
    pub(super) life: Life,
    inbox: VecDeque<Input>,
    reading: bool,
    outbox: VecDeque<Output>,
    delivering: bool,
    /// Its end of the socket is closed, or the server has cut the connection.
    pub(super) closed: bool,
    ended: bool,
    /// The server knows its number; it is to be killed as soon as that is so.
    pub(super) known: bool,
    doomed: bool,
    /// It does nothing any more until it is killed.
    pub(super) stuck: bool,
    /// Since somebody has stopped it.
    pub(super) stopped: bool,
    /// The event for which it holds too much memory.
    pub(super) fat_of: Option<EventId>,
    /// It has said what nobody may, or is beside itself.
    pub(super) tainted: bool,
    pub(super) work: Option<Box<Work>>,
    /// Work that came while it had some; the number of the last that it has begun with, and of the first that it may.
    ahead: VecDeque<(Box<Work>, u16)>,
    begun: u16,
    floor: u16,
    pub(super) begins_no_more: bool,
    pub(super) epoch: u64,
    pub(super) used: Duration,
    pub(super) computing: Option<Duration>,
    pub(super) slice: u32,
    pub(super) memory: u64,
}

impl Process {
    fn new(become_: Option<ForkAs>, parent: ProcessId) -> Self {
        Self {
            become_,
            parent,
            life: Life::Unborn,
            inbox: VecDeque::new(),
            reading: false,
            outbox: VecDeque::new(),
            delivering: false,
            closed: false,
            ended: false,
            known: false,
            doomed: false,
            stuck: false,
            stopped: false,
            fat_of: None,
            tainted: false,
            work: None,
            ahead: VecDeque::new(),
            begun: 0,
            floor: 0,
            begins_no_more: false,
            epoch: 0,
            used: Duration::ZERO,
            computing: None,
            slice: 0,
            memory: 1 << 20,
        }
    }

    pub(super) fn lives(&self) -> bool {
        self.life == Life::Alive
    }

    /// Whether it should have been killed for long.
    pub(super) fn hangs(&self, time: Duration) -> bool {
        let computes = self.computing.is_some_and(|since| time > since + Duration::from_secs(5));
        computes && self.known && self.lives()
    }

    /// Whether it computes on what it was answered, and all it said before has arrived.
    pub(super) fn computes_on_an_answer(&self) -> bool {
        let woken = self.work.as_ref().is_some_and(|work| work.woken);
        woken && self.computing.is_some() && self.outbox.is_empty() && self.lives()
    }

    /// Whether what it is sent may arrive.
    pub(super) fn hears(&self) -> bool {
        !self.closed && matches!(self.life, Life::Alive | Life::Unborn)
    }

    fn is_zygote(&self) -> bool {
        matches!(self.become_, None | Some(ForkAs::Zygote))
    }
}

impl World {
    pub(super) fn start_root(&mut self, root: ProcessId) {
        if self.chance(self.weather.faults) {
            return self.refused(root);
        }
        let mut process = Process::new(None, root);
        (process.life, process.known) = (Life::Alive, true);
        self.processes.insert(root, process);
        self.say(root, Message::Ready(Ready { build: "sim".into(), lock_in: "seccomp".into() }));
    }

    fn refused(&mut self, process: ProcessId) {
        let now = self.now();
        let control = super::super::action::Control::Refused { process, why: "no more descriptors".into() };
        self.machine.control(now, control);
    }

    pub(super) fn ask_fork(&mut self, zygote: ProcessId, child: ProcessId, become_: ForkAs) {
        if self.chance(self.weather.faults / 2.0) {
            return self.refused(child);
        }
        self.processes.insert(child, Process::new(Some(become_), zygote));
        let hears = |parent: &Process| !parent.ended && matches!(parent.life, Life::Alive | Life::Unborn);
        if self.processes.get(&zygote).is_some_and(hears) {
            self.input(zygote, Input::Fork(child));
        } else {
            self.drop_socket(child);
        }
    }

    pub(super) fn ask_load(&mut self, zygote: ProcessId) {
        self.input(zygote, Input::Load);
    }

    pub(super) fn ask_compile(&mut self, process: ProcessId, request: &CompileRequest) {
        self.input(process, Input::Compile(request.only.clone()));
    }

    pub(super) fn input(&mut self, id: ProcessId, input: Input) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.inbox.push_back(input);
        self.read_soon(id);
    }

    fn read_soon(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.life == Life::Alive && !process.reading && !process.inbox.is_empty() {
            process.reading = true;
            let pause = self.lag();
            self.later(pause, Happening::Inbox(id));
        }
    }

    pub(super) fn say(&mut self, id: ProcessId, message: Message) {
        self.utter(id, Output::Message(message));
    }

    pub(super) fn utter(&mut self, id: ProcessId, output: Output) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if !process.closed {
            process.outbox.push_back(output);
            self.deliver_soon(id);
        }
    }

    fn deliver_soon(&mut self, id: ProcessId) {
        let pause = self.lag();
        let Some(process) = self.processes.get_mut(&id) else { return };
        if !process.delivering && !process.ended {
            process.delivering = true;
            self.later(pause, Happening::Deliver(id));
        }
    }

    /// The other end of the socket is gone.
    pub(super) fn drop_socket(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.closed = true;
        let inbox = if process.life == Life::Unborn { std::mem::take(&mut process.inbox) } else { VecDeque::new() };
        for input in inbox {
            if let Input::Work(work, _) = input {
                self.never_begun(&work);
            }
        }
        self.deliver_soon(id);
    }

    /// Some of what a process said arrives, and at last its end.
    pub(super) fn deliver(&mut self, id: ProcessId) {
        let now = self.now();
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.delivering = false;
        let count = if process.outbox.is_empty() { 0 } else { self.rng.random_range(1..=process.outbox.len()) };
        let (mut messages, mut garbage) = (Vec::new(), false);
        for output in process.outbox.drain(..count) {
            match output {
                Output::Message(message) if !garbage => messages.push(message),
                Output::Message(_) => {}
                Output::Garbage => garbage = true,
            }
        }
        let more = !process.outbox.is_empty() && !garbage;
        let end = garbage || (!more && process.closed && !process.ended);
        process.ended |= end;
        if !messages.is_empty() {
            self.note(|| format!("process {id} says {}", messages.iter().map(brief).collect::<Vec<_>>().join(", ")));
            self.machine.said(now, id, messages);
        }
        if end {
            self.note(|| format!("process {id}: the connection ends"));
            if self.machine.fleet.place(id).is_some() {
                self.begin_no_more(id);
                let begun = self.processes.get(&id).map_or(0, |process| process.begun);
                self.machine.has_begun(id, begun);
            }
            let broken = garbage.then(|| Broken { dispatch: None, why: "what is no frame".into() });
            self.machine.ended(now, id, broken);
        } else if more {
            self.deliver_soon(id);
        }
    }

    /// A process takes in the next thing that it was sent.
    pub(super) fn take_in(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.reading = false;
        if process.life != Life::Alive || process.stuck {
            return;
        }
        let Some(input) = process.inbox.pop_front() else { return };
        if process.is_zygote() {
            self.zygote(id, input)
        } else {
            self.copy(id, input)
        }
        self.read_soon(id);
    }

    fn zygote(&mut self, id: ProcessId, input: Input) {
        if self.chance(self.weather.faults) {
            return self.die(id, "signal: 11");
        }
        match input {
            Input::Load if self.chance(self.weather.faults / 4.0) => {
                self.note(|| format!("zygote {id} hangs"));
                if let Some(process) = self.processes.get_mut(&id) {
                    process.stuck = true;
                }
            }
            Input::Load => self.say(id, Message::Loaded),
            Input::Fork(child) if self.chance(self.weather.faults) => {
                self.say(id, Message::Forked { child, result: Err("EAGAIN".into()) });
                self.drop_socket(child);
            }
            Input::Fork(child) => {
                if let Some(process) = self.processes.get_mut(&child) {
                    process.life = Life::Alive;
                    self.say(id, Message::Forked { child, result: Ok(child + 1_000) });
                    self.read_soon(child);
                }
            }
            Input::Bury(child) => match self.processes.get_mut(&child).map(|child| &mut child.life) {
                Some(Life::Alive) => {
                    // It waits for it.
                    if let Some(process) = self.processes.get_mut(&id) {
                        process.inbox.push_front(Input::Bury(child));
                    }
                }
                Some(life) => {
                    let how = if let Life::Dead(how) = life { how } else { "it is gone" };
                    *life = Life::Buried;
                    self.tell_of(id, child, how);
                }
                None => {}
            },
            Input::End => self.die(id, "exit status: 0"),
            _ => {}
        }
    }

    /// A zygote has buried a child of its.
    fn tell_of(&mut self, zygote: ProcessId, child: ProcessId, how: &str) {
        let Some(buried) = self.processes.get(&child) else { return };
        let (grew, event) = (buried.memory, buried.fat_of);
        self.say(zygote, Message::Reaped { child, how: how.to_owned(), grew });
        // From here on it is known whose doing it was.
        if let Some(truth) = event.and_then(|event| self.truths.get_mut(&event)) {
            truth.too_large = true;
        }
    }

    fn copy(&mut self, id: ProcessId, input: Input) {
        match input {
            Input::Compile(only) => {
                for script in only {
                    self.say(id, Message::Compiling(script));
                    match self.rng.random_range(0..10) {
                        0 if !self.calm => return self.die(id, "signal: 6"),
                        1 if !self.calm => {
                            if let Some(process) = self.processes.get_mut(&id) {
                                process.stuck = true;
                            }
                            return;
                        }
                        _ => {}
                    }
                }
                self.say(id, Message::Compiled(Compiled::default()));
            }
            Input::Work(work, number) => self.take_work(id, work, number),
            Input::Answer(dispatch, number) => self.answered(id, dispatch, number),
            Input::Cancel(dispatch) => self.cancelled(id, dispatch),
            Input::End => {
                let lingers = |process: &Process| process.work.as_ref().is_some_and(|work| work.plan.lingers);
                if !self.processes.get(&id).is_some_and(lingers) {
                    self.die(id, "exit status: 0");
                }
            }
            Input::Load | Input::Fork(_) | Input::Bury(_) => {}
        }
    }

    /// A realm reads what it is to do: now, if it is at nothing.
    fn take_work(&mut self, id: ProcessId, work: Box<Work>, number: u16) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.work.is_some() {
            process.ahead.push_back((work, number));
        } else if !is_before(number, process.floor) {
            process.begun = number;
            self.begin_work(id, work);
        }
    }

    /// It is of no more use, and begins with nothing any more.
    pub(super) fn begin_no_more(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.begins_no_more = true;
        let mut works: Vec<_> = process.ahead.drain(..).map(|(work, _)| work).collect();
        for input in std::mem::take(&mut process.inbox) {
            match input {
                Input::Work(work, _) => works.push(work),
                other => process.inbox.push_back(other),
            }
        }
        for event in works.iter().filter_map(|work| work.event) {
            self.unsend(event);
        }
    }

    fn never_begun(&mut self, work: &Work) {
        if let Some(event) = work.event {
            self.unsend(event);
        }
    }

    /// It is done with what it was at.
    pub(super) fn take_next(&mut self, id: ProcessId) {
        while let Some(process) =
            self.processes.get_mut(&id).filter(|process| process.work.is_none() && process.lives())
            && let Some((work, number)) = process.ahead.pop_front()
        {
            self.take_work(id, work, number);
        }
    }

    /// What a realm was sent and has not begun with is taken back.
    pub(super) fn take_back(&mut self, id: ProcessId, below: u16) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.floor = below;
        let begun = process.begun;
        self.note(|| format!("what realm {id} has after {begun} is taken back"));
        let void = |number: u16| is_before(begun, number) && is_before(number, below);
        let Some(process) = self.processes.get_mut(&id) else { return };
        let mut events = Vec::new();
        process.inbox.retain(|input| match input {
            Input::Work(work, number) if void(*number) => {
                events.extend(work.event);
                false
            }
            _ => true,
        });
        process.ahead.retain(|(work, number)| {
            events.extend(work.event.filter(|_| void(*number)));
            !void(*number)
        });
        for event in events {
            self.unsend(event);
        }
        let now = self.now();
        self.machine.taken_back(now, id, begun, below);
    }

    /// A process dies; what it has said still arrives.
    pub(super) fn die(&mut self, id: ProcessId, how: &'static str) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        if process.life != Life::Alive {
            return;
        }
        process.life = Life::Dead(how);
        process.epoch += 1;
        process.closed = true;
        let mut inbox = std::mem::take(&mut process.inbox);
        inbox.extend(process.ahead.drain(..).map(|(work, number)| Input::Work(work, number)));
        let event = process.work.take().and_then(|work| work.event);
        self.note(|| format!("process {id} dies: {how}"));
        if let Some(truth) = event.and_then(|event| self.truths.get_mut(&event))
            && truth.realm == Some(id)
        {
            (truth.realm, truth.again) = (None, true);
        }
        for input in inbox {
            match input {
                Input::Fork(child) => self.drop_socket(child),
                Input::Work(work, _) => self.never_begun(&work),
                _ => {}
            }
        }
        self.deliver_soon(id);
    }

    pub(super) fn kill(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.doomed = true;
        if process.known {
            self.die(id, "signal: 9");
        } else {
            self.drop_socket(id);
        }
    }

    pub(super) fn known(&mut self, id: ProcessId) {
        let Some(process) = self.processes.get_mut(&id) else { return };
        process.known = true;
        if process.doomed {
            self.die(id, "signal: 9");
        }
    }

    pub(super) fn close(&mut self, id: ProcessId) {
        self.input(id, Input::End);
    }

    /// The server lets go of it.
    pub(super) fn forget(&mut self, id: ProcessId) {
        if let Some(process) = self.processes.get_mut(&id) {
            (process.known, process.ended) = (false, true);
        }
        self.drop_socket(id);
        self.input(id, Input::End);
    }

    pub(super) fn clock(&self, id: ProcessId) -> Option<(Duration, Glimpse)> {
        let process = self.processes.get(&id).filter(|process| process.known && process.life == Life::Alive)?;
        let running = process.computing.map_or(Duration::ZERO, |since| self.time.saturating_sub(since));
        let allowed_ms = if process.computing.is_some() { 1_000 } else { 0 };
        Some((process.used + running, Glimpse { script: 0, allowed_ms, slice: process.slice }))
    }
}

fn brief(message: &Message) -> String {
    let text = format!("{message:?}");
    text.chars().take(70).collect()
}
