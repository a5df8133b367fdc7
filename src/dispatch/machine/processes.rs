//! What processes say, and what the fleet makes of it.

use std::sync::Arc;

use super::super::action::Action;
use super::super::errors::DispatchError;
use super::super::line::Line;
use super::super::stats::{count, gauge};
use super::super::work::{Ask, Flight, Work};
use super::effects::of_dispatch;
use super::{Compiling, Machine, Now, Served};
use crate::config::LockIn;
use crate::fleet::LockedIn;
use crate::fleet::broken::{Rule, is_broken};
use crate::fleet::{Cause, Message, Note, ProcessId, Published};
use crate::model::{BotId, EventId};
use crate::program::{CompileRequest, Images};
use crate::protocol::{Compiled, HEADER_BYTES, LogLine, Ready};
use crate::telemetry::escape::one_line;

/// Starts of the root zygote that may fail before the server gives up, as long as none has worked.
const FIRST_TRIES: u32 = 3;

impl Machine {
    /// One message. An error is a breach of the protocol.
    pub(super) fn message(&mut self, now: Now, process: ProcessId, message: Message) -> Result<(), String> {
        match message {
            Message::Ready(_) | Message::Loaded | Message::Forked { .. } | Message::Reaped { .. } => {
                self.zygote_says(now, process, message)
            }
            Message::Compiling(script) => self.compiling(now, process, script),
            Message::Compiled(compiled) => self.compiled(process, compiled),
            Message::Request { dispatch, number, method, args, loan } => {
                let (bot, event) = self.asks(process, dispatch, args.get().len())?;
                let ask = Ask { number, method, args, loan };
                self.actions.push(Action::Ask { dispatch, realm: process, bot, event, ask });
                Ok(())
            }
            Message::Fetch(fetch) => {
                let bytes = fetch.head.get().len() + fetch.body.len();
                let (bot, event) = self.asks(process, fetch.dispatch, bytes)?;
                self.actions.push(Action::Fetch { realm: process, bot, event, fetch });
                Ok(())
            }
            Message::Abandon { dispatch, number } => {
                self.flight(process, dispatch)?;
                self.actions.push(Action::Abandon { dispatch, number });
                Ok(())
            }
            Message::Effect { dispatch, number, effect, loan } => {
                let bytes = effect.as_ref().map_or(0, |effect| effect.payload.get().len());
                self.counted(process, dispatch, bytes)?;
                self.effect(now, dispatch, number, effect, loan)
            }
            Message::Acting { dispatch, begins } => {
                if let Some(event) = self.counted(process, dispatch, HEADER_BYTES)?.event() {
                    self.collectors.acts(event, begins);
                }
                Ok(())
            }
            // Of what zygotes and compilers load, which is no event's.
            Message::Log { dispatch: 0, line } if self.fleet.place(process).is_none() => {
                self.actions.push(Action::Log(*line, None));
                Ok(())
            }
            Message::Log { dispatch, line } => self.logs(process, dispatch, *line),
            Message::Processed { dispatch, body, processed, loan } => {
                self.flight(process, dispatch)?;
                self.processed(now, dispatch, body, *processed, loan)
            }
            Message::Settled { dispatch, settled } => {
                self.flight(process, dispatch)?;
                self.settled(now, dispatch, settled)
            }
            Message::Waiting { dispatch, answers } => {
                // Where an answer is on its way, the realm does not wait any more when it has it.
                let all = self.flight(process, dispatch)?.answers == answers;
                if all || is_broken(Rule::AnswersOnTheirWayCount) {
                    self.fleet.waiting(now.at, process);
                }
                Ok(())
            }
            Message::Resume { dispatch, left } => {
                self.flight(process, dispatch)?;
                self.resume(dispatch, left)
            }
            Message::Free { dispatch, unfit } => match self.lines.get(&process).and_then(Line::head) {
                Some(own) if own == dispatch => self.free(now, process, dispatch, unfit),
                _ => Err(format!("it says that dispatch {dispatch} is over, which it does not run")),
            },
        }
    }

    /// One message of those that only zygotes may send.
    fn zygote_says(&mut self, now: Now, zygote: ProcessId, message: Message) -> Result<(), String> {
        match message {
            Message::Ready(ready) if self.fleet.is_root(zygote) => return self.root_ready(now, zygote, ready),
            Message::Loaded if self.fleet.is_zygote(zygote) => self.fleet.loaded(now.at, zygote),
            // Its own children alone: whoever spoke of others could have any process killed or given up.
            Message::Forked { child, .. } | Message::Reaped { child, .. }
                if !self.fleet.may_speak_of(zygote, child) =>
            {
                return Err(format!("it spoke of process {child}, which is none of its copies"));
            }
            Message::Forked { child, result } => self.forked(now, zygote, child, result),
            Message::Reaped { child, how, grew } => {
                self.fleet.had_grown(child, grew);
                self.fleet.buried(child, Some(&one_line(&how)));
            }
            _ => return Err("it spoke like a zygote, which it is not".to_owned()),
        }
        Ok(())
    }

    /// A zygote has made a copy, or could not.
    fn forked(&mut self, now: Now, zygote: ProcessId, child: ProcessId, result: Result<u32, String>) {
        match result {
            Ok(pid) => {
                self.actions.push(Action::Forked(child, pid));
                self.fleet.forked(now.at, zygote, child, pid);
            }
            Err(why) => {
                self.fleet.not_forked(now.at, &one_line(&why));
                self.fleet.never_made(now.at, child);
            }
        }
    }

    fn logs(&mut self, realm: ProcessId, dispatch: u64, mut line: LogLine) -> Result<(), String> {
        let limit = self.tally.settings.scripts.log_lines.saturating_add(100);
        let flight = self.flight(realm, dispatch)?;
        flight.log_lines += 1;
        if flight.log_lines > limit {
            // What start and mount hooks left behind has no end: the realm counts its lines by turn, this by the second.
            if !matches!(flight.work, Work::Hooks(_)) {
                return Err(format!("more than {limit} log lines"));
            }
            if flight.log_lines > limit + 1 {
                return Ok(());
            }
            let message = format!("more than {limit} log lines in a second: the rest of them is not written");
            line = LogLine { level: "warn".into(), message, ..LogLine::default() };
        }
        let (line, event) = of_dispatch(flight, line);
        self.actions.push(Action::Log(line, event));
        Ok(())
    }

    /// A request or a call of another server; gives for which bot and event.
    fn asks(
        &mut self,
        realm: ProcessId,
        dispatch: u64,
        bytes: usize,
    ) -> Result<(Option<BotId>, Option<EventId>), String> {
        let flight = self.counted(realm, dispatch, bytes)?;
        flight.asks()?;
        Ok((flight.bot().cloned(), flight.event()))
    }

    fn flight(&mut self, realm: ProcessId, dispatch: u64) -> Result<&mut Flight, String> {
        match self.flights.get_mut(&dispatch) {
            // What was sent ahead is not the realm's before it is done with the others.
            Some(flight) if flight.realm == realm && flight.sent.is_some() => Ok(flight),
            _ => Err(format!("it spoke for dispatch {dispatch}, which it does not run")),
        }
    }

    fn counted(&mut self, realm: ProcessId, dispatch: u64, bytes: usize) -> Result<&mut Flight, String> {
        let frame = self.tally.settings.scripts.frame;
        let flight = self.flight(realm, dispatch)?;
        flight.count_bytes(bytes, frame)?;
        Ok(flight)
    }

    /// What this process says no longer counts, and it is killed: its event is over.
    pub(super) fn distrust(&mut self, now: Now, process: ProcessId, why: &str) {
        let what = format!("its realm broke the protocol: {}", one_line(why));
        tracing::warn!("process {process} of scripts is killed: {what}");
        self.distrusted.insert(process);
        self.fleet.kill(now.at, process, Cause::Overran { what, script: None });
    }

    fn root_ready(&mut self, now: Now, process: ProcessId, ready: Ready) -> Result<(), String> {
        if ready.build != self.tally.build {
            self.broken = Some(DispatchError::Worker(
                "the executable was replaced while the server runs; restart the server".to_owned(),
            ));
            self.tell_ready();
            return Err("it is of another build".to_owned());
        }
        let locked = ready.lock_in.contains("seccomp");
        if cfg!(target_os = "linux") && self.tally.settings.dispatch.lock_in == LockIn::On && !locked {
            self.broken = Some(DispatchError::Worker(format!(
                "they cannot lock themselves in on this system (`{}`); set `scripts.lockIn` to \"off\" to run without",
                one_line(&ready.lock_in)
            )));
            self.tell_ready();
            return Err("it is not locked in".to_owned());
        }
        self.fleet.loaded(now.at, process);
        self.locked_in = Some(LockedIn { how: ready.lock_in });
        self.tell_ready();
        Ok(())
    }

    /// Answers who waits for the processes of scripts to stand ready.
    pub(super) fn tell_ready(&mut self) {
        let result = match (&self.broken, &self.locked_in) {
            (Some(error), _) => Err(error.clone()),
            (None, Some(locked_in)) => Ok(locked_in.clone()),
            (None, None) => return,
        };
        for waiting in self.when_ready.drain(..) {
            // Who asked may have gone.
            let _ = waiting.send(result.clone());
        }
    }

    /// The system refused a process.
    pub(super) fn refused(&mut self, now: Now, process: ProcessId, why: &str) {
        self.last_refusal = Some(why.to_owned());
        self.fleet.not_forked(now.at, why);
        self.fleet.never_made(now.at, process);
        self.heed(now);
    }

    /// Takes what the fleet has to say.
    pub(super) fn heed(&mut self, now: Now) {
        for note in self.fleet.take_notes() {
            match note {
                Note::Died(death) => self.died(now, death),
                Note::InService { version } => {
                    gauge(&self.tally.counters.program, usize::try_from(version).unwrap_or(usize::MAX));
                    self.renew_standing();
                    self.tell_in_service();
                }
                Note::RootGone { was_ready, how } => self.root_gone(was_ready, &how),
                Note::Scarce { what, over: true } => tracing::info!("{what}"),
                Note::Scarce { what, over: false } => tracing::error!("{what}"),
                Note::NotWarm { bot, why } => tracing::warn!(
                    bot = %bot,
                    "the bot's packages and content types are evaluated by each realm for itself: as they were evaluated for \
                     all, {why}"
                ),
                Note::TakeBack { realm } => self.take_back(realm),
                Note::CompilerGone { process, why } => self.compiler_gone(process, why),
            }
        }
    }

    fn root_gone(&mut self, was_ready: bool, how: &str) {
        if self.stop.is_some() {
            return;
        }
        if was_ready {
            count(&self.tally.counters.zygotes_died);
            tracing::warn!(
                "the root zygote of scripts is gone ({how}); another one is started, realms go on meanwhile"
            );
            return;
        }
        let why = self.last_refusal.take().unwrap_or_else(|| how.to_owned());
        self.starts_failed += 1;
        tracing::error!("script processes do not start: {why}");
        if self.locked_in.is_none() && self.starts_failed >= FIRST_TRIES && self.broken.is_none() {
            self.broken = Some(DispatchError::Worker(why));
            self.tell_ready();
        }
    }

    /// A program is in service from here on.
    pub(super) fn publish(&mut self, now: Now, images: &Arc<Images>, sources: super::Sources) {
        let program = Arc::clone(images.program());
        let bots: Vec<BotId> = program.bots.keys().filter_map(|id| BotId::parse(id).ok()).collect();
        self.turns.mount(bots.iter().cloned());
        let mut keys: std::collections::BTreeMap<Arc<str>, _> =
            images.keys().map(|(bot, key)| (Arc::from(bot), key)).collect();
        let Some(global) = keys.remove("") else { return };
        let layer = (!images.layer().scripts.is_empty()).then(|| images.layer_key());
        let published = Published { version: program.version, layer, global, bots: keys };
        self.served = Some(Served { bots: bots.into_iter().collect(), sources, images: Arc::clone(images) });
        self.actions.push(Action::Publish(Arc::clone(images)));
        self.fleet.publish(now.at, published);
        self.heed(now);
    }

    /// Answers who waits for what was published, once it is in service.
    pub(super) fn tell_in_service(&mut self) {
        if self.fleet.is_in_service() {
            for answer in self.when_in_service.drain(..) {
                // Who asked may have gone.
                let _ = answer.send(());
            }
        }
    }

    /// Gives candidates compilers.
    pub(super) fn pump_compiler(&mut self, now: Now) {
        while let Some((request, answer)) = self.candidates.pop_front() {
            if answer.is_closed() {
                continue;
            }
            match self.fleet.start_compiler(now.at, request.only.len()) {
                Some(process) => {
                    self.actions.push(Action::Compile(process, request.clone()));
                    self.compiling.insert(process, Compiling { request, answer, at: None });
                }
                None => {
                    self.candidates.push_front((request, answer));
                    return;
                }
            }
        }
    }

    fn compiling(&mut self, now: Now, process: ProcessId, script: u32) -> Result<(), String> {
        let compiling = self.compiling.get_mut(&process);
        let Some(compiling) = compiling.filter(|one| one.request.only.contains(&script)) else {
            return Err("it compiles what nobody asked for".to_owned());
        };
        compiling.at = Some(script);
        self.fleet.compiles(now.at, process);
        Ok(())
    }

    fn compiled(&mut self, process: ProcessId, compiled: Compiled) -> Result<(), String> {
        let Some(compiling) = self.compiling.remove(&process) else {
            return Err("it compiled what nobody asked for".to_owned());
        };
        self.fleet.compiled(process);
        // Who asked may have gone.
        let _ = compiling.answer.send(Ok(compiled));
        Ok(())
    }

    /// A compiler is gone that had not answered: the file that it was at is to blame, or nobody, and it is tried again.
    fn compiler_gone(&mut self, process: ProcessId, why: Option<String>) {
        if is_broken(Rule::CompilersAnswer) {
            return;
        }
        let Some(Compiling { request, answer, at }) = self.compiling.remove(&process) else { return };
        let Some(why) = why else {
            let CompileRequest { program, only } = request;
            return self.candidates.push_front((CompileRequest { program, only }, answer));
        };
        let file = at.and_then(|at| request.program.scripts.get(at as usize)).map(|script| script.path.to_string());
        // Who asked may have gone.
        let _ = answer.send(Err(DispatchError::Compiler { why, file }));
    }

    /// Whether an event is at work.
    pub(super) fn is_busy(&self) -> bool {
        self.flights.values().any(|flight| matches!(flight.work, Work::Event(_)))
    }
}
