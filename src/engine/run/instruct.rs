//! What instructions and conditions ask of scripts: calls within their budgets, and what is said of those that fail.

use std::time::{Duration, Instant};

use rquickjs::Value;

use super::Run;
use super::drive::Task;
use super::state::{DialogRun, Persist, Stop, file_of, same_node};
use crate::engine::dialog::cursor::DialogCursor;
use crate::engine::dialog::{Answer, Dialog};
use crate::program::BotProgram;
use crate::protocol::FrameKind;
use crate::script::Overrun;
use crate::script::realm::Thrown;

/// What is said where a bot has no error element of its own.
const APOLOGY: (&str, &str) =
    ("#builtin_text", r#"{"text":"Sorry, something went wrong here. Please try again later.","typing":true}"#);

/// How long plain reads may take in a realm in which a script was stopped.
const READING: Duration = Duration::from_millis(100);

/// No script of a file: conditions and templates.
const NO_FILE: u32 = u32::MAX;

impl<'js> Run<'_, 'js> {
    /// Evaluates conditions.
    pub(super) fn test(
        &self,
        bot: &BotProgram,
        conversation: &mut DialogRun,
        conditions: &[&str],
    ) -> Result<Answer, Stop> {
        self.put_place(conversation, false)?;
        let mut matched = -1;
        self.realm.host.turn_of(NO_FILE);
        self.realm.realm.meter.begin_hook();
        let called = self.call(Task::HOOK, |run| {
            matched = run.realm.dialog.test.call((conditions.to_vec(),))?;
            Ok(Value::new_undefined(run.realm.realm.ctx.clone()))
        });
        if matches!(called, Ok(None)) {
            return Ok(Answer::Matched(usize::try_from(matched).ok()));
        }
        let tested = self.read(|run| run.realm.dialog.tested.call::<_, u32>(())).unwrap_or(0) as usize;
        self.failed(bot, conversation, called, tested, Answer::Failed(tested), NO_FILE)
    }

    /// Says something: the turn of the session, content, replies.
    pub(super) fn say(
        &self,
        bot: &BotProgram,
        conversation: &mut DialogRun,
        call: impl FnOnce(&Self) -> rquickjs::Result<Value<'js>>,
    ) -> Result<Answer, Stop> {
        self.put_place(conversation, false)?;
        if self.realm.host.hello.trace {
            self.texts("say", &[("i", &conversation.dialog.instruction(&bot.flows, 0))]);
        }
        self.realm.host.turn_of(NO_FILE);
        self.realm.realm.meter.begin_hook();
        let called = self.call(Task::CONTENT, call);
        self.failed(bot, conversation, called, 0, Answer::Failed(0), NO_FILE)
    }

    /// Runs an action.
    pub(super) fn action(
        &self,
        bot: &BotProgram,
        conversation: &mut DialogRun,
        name: &str,
        args: String,
    ) -> Result<Answer, Stop> {
        let Some((name, script)) = bot.action(name) else {
            let message =
                format!("there is no action {name:?}: neither the bot nor the workspace has a file actions/{name}.js");
            self.report_at(bot, &conversation.dialog, 0, thrown("Error", message), NO_FILE);
            return Ok(Answer::Failed(0));
        };
        self.put_place(conversation, false)?;
        let host = &self.realm.host;
        let before = host.enter(script);
        self.realm.realm.meter.begin_action();
        let begun = Instant::now();
        // An action may run others, by `processEvent`: the outermost one counts.
        let tells = self.waited && !self.acting.replace(true);
        if tells {
            // At once: it may wait for long, or compute.
            host.frame(FrameKind::Acting, 1, &[]);
            host.flush();
        }
        let called = self.call(Task::ACTION, |run| run.realm.dialog.run.call((run.realm.file(script)?, args)));
        if tells {
            self.acting.set(false);
            host.frame(FrameKind::Acting, 0, &[]);
        }
        self.realm.realm.meter.begin_hook();
        if host.hello.trace {
            let error = match &called {
                Ok(thrown) => thrown.as_ref().map(|thrown| format!("{}: {}", thrown.name, thrown.message)),
                Err(stop) => Some(stop.overrun().to_string()),
            };
            let path = host.path_of(script).unwrap_or_default();
            host.trace.borrow_mut().action(name, &path, begun.elapsed(), error.as_deref());
        }
        if !matches!(called, Ok(None)) {
            let target = self.read(|run| run.realm.dialog.error_target.call::<_, String>(())).unwrap_or_default();
            let threw = Answer::Threw((!target.is_empty()).then_some(target));
            let answer = self.failed(bot, conversation, called, 0, threw, script)?;
            host.script.set(before);
            return Ok(answer);
        }
        host.script.set(before);
        let place = self.place()?;
        Ok(if same_node(&place, &conversation.written) { Answer::Done } else { Answer::Moved(place) })
    }

    /// What became of an instruction: `answer` where it failed, which is reported. Where a limit ended it, the answer is
    /// for a fresh realm.
    fn failed(
        &self,
        bot: &BotProgram,
        conversation: &mut DialogRun,
        called: Result<Option<Thrown>, Stop>,
        condition: usize,
        answer: Answer,
        script: u32,
    ) -> Result<Answer, Stop> {
        if !matches!(called, Ok(None)) {
            // It may have led the conversation elsewhere before it failed: that does not count, and is written over.
            conversation.written = DialogCursor::default();
        }
        let stop = match called {
            Ok(None) => return Ok(Answer::Done),
            Ok(Some(thrown)) => {
                self.report_at(bot, &conversation.dialog, condition, thrown, script);
                return Ok(answer);
            }
            Err(stop) => stop,
        };
        let overrun = stop.overrun();
        if self.dialogs.said.get() || matches!(overrun, Overrun::Memory(_) | Overrun::Cancelled) {
            return Err(stop);
        }
        let message = overrun.to_string();
        let error = Thrown { name: "TimeoutError".into(), message, stack: self.realm.realm.take_stopped_at() };
        self.report_at(bot, &conversation.dialog, condition, error, script);
        let nested = self.dialogs.depth.get() > 1 || self.dialogs.processed.get().is_some();
        if matches!(stop, Stop::Interrupted(_)) && !nested {
            *self.dialogs.left.borrow_mut() = Some(conversation.answered(answer));
            return Err(stop);
        }
        // Whoever asked for the dialog is stopped with it, or no scripts run any more: but where it stands is known.
        self.dialogs.said.set(nested);
        conversation.dialog.next(&bot.flows, Answer::Failed(condition));
        let place = conversation.dialog.place().write();
        let put = self.read(|run| run.realm.dialog.set_place.call::<_, ()>((place,)));
        if put.is_some() && matches!(stop, Stop::Ended(_)) {
            self.dialogs.kept.set(Some(Persist::All));
        }
        Err(stop)
    }

    /// Says the bot's error element.
    pub(super) fn apologise(&self, bot: &BotProgram) -> Result<(), Stop> {
        let (content, args) =
            bot.error_element.as_ref().map_or(APOLOGY, |element| (element.content_type.as_str(), element.args.get()));
        self.realm.host.turn_of(NO_FILE);
        self.realm.realm.meter.begin_hook();
        match self.call(Task::CONTENT, |run| run.realm.dialog.apologise.call((content, args))) {
            Ok(None) => Ok(()),
            Ok(Some(mut thrown)) => {
                thrown.message = format!("{} (in the error element, dialog.error)", thrown.message);
                self.realm.host.report(NO_FILE, &thrown);
                Ok(())
            }
            Err(stop) => {
                self.report_unless_said(stop);
                Err(stop)
            }
        }
    }

    /// Calls into the realm although a script was stopped in it.
    fn read<R>(&self, call: impl FnOnce(&Self) -> rquickjs::Result<R>) -> Option<R> {
        let called = self.realm.realm.meter.pardon(READING, || call(self));
        if called.is_err() {
            self.realm.realm.drop_exception();
        }
        called.ok()
    }

    /// Reports what went wrong with an instruction or a transition, with its flow and node.
    pub(super) fn report_at(&self, bot: &BotProgram, dialog: &Dialog, condition: usize, thrown: Thrown, script: u32) {
        self.report_in(bot, dialog.place(), &dialog.described(&bot.flows, condition), thrown, script);
    }

    /// The same for a node.
    pub(super) fn report_in(
        &self,
        bot: &BotProgram,
        place: &DialogCursor,
        what: &str,
        mut thrown: Thrown,
        script: u32,
    ) {
        let host = &self.realm.host;
        if let (Some(flow), Some(node)) = (&place.flow, &place.node) {
            let colon = if what.is_empty() { "" } else { ": " };
            thrown.message = format!("{} ({flow}, node {node:?}{colon}{what})", thrown.message);
        }
        let mut line = host.error_line(script, &thrown);
        line.file = line.file.or_else(|| file_of(&bot.flows, place));
        host.report_line(line);
    }
}

/// An error of ours.
pub(super) fn thrown(name: &str, message: String) -> Thrown {
    Thrown { name: name.into(), message, stack: String::new() }
}
