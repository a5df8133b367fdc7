//! Drives the dialog engine: does what a step asks for and answers with what came of it.
//!
//! What is stopped by its budget is the failing instruction: the event goes on in a fresh realm, and the step machine,
//! which is plain data, goes with it.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

use super::Run;
use super::instruct::thrown;
use super::state::{DialogRun, Ended, Persist, Stage, Stop, file_of, same_node};
use crate::engine::LoadedProgram;
use crate::engine::dialog::cursor::DialogCursor;
use crate::engine::dialog::{Answer, Command, Dialog, Note, Why, timeout};
use crate::program::{BotProgram, HookKind};
use crate::protocol::LogLine;

/// So many dialogs may be at work, one within an action of the other: each has its frames on the thread's stack.
const DEEPEST: u32 = 5;

impl Run<'_, '_> {
    /// The dialog engine's part of an event.
    pub(super) fn dialog(&self) -> Result<Ended, Stop> {
        // An event is interpreted once.
        if let Some(ended) = self.dialogs.processed.get() {
            return Ok(ended);
        }
        let loaded = self.program();
        let Some(bot) = loaded.bot(&self.realm.host.bot.borrow()) else { return Ok(Ended::Over) };
        if bot.flows.is_empty() {
            return self.without_flows();
        }
        let left = self.dialogs.left.take();
        match left {
            Some(conversation) => self.converse(bot, *conversation),
            None => {
                let place = self.place()?;
                self.converse(bot, self.conversation(place.clone(), place))
            }
        }
    }

    /// Whether there is a dialog. A user who wrote just before it timed out may have ended it.
    pub(super) fn in_dialog(&self) -> Result<bool, Stop> {
        Ok(self.place()?.flow.is_some())
    }

    /// The user did not come back in time: the dialog goes on where that leads to, and is over afterwards.
    pub(super) fn time_out(&self) -> Result<(), Stop> {
        let loaded = self.program();
        let Some(bot) = loaded.bot(&self.realm.host.bot.borrow()) else { return Ok(()) };
        let left = self.dialogs.left.take();
        let ended = match (left, self.dialogs.processed.get()) {
            (Some(conversation), _) => self.converse(bot, *conversation)?,
            (None, Some(ended)) => ended,
            (None, None) => {
                let place = self.place()?;
                let target = timeout::target(&bot.flows, &place);
                for warning in target.warnings {
                    self.warn(bot, &place, warning);
                }
                // A hook that has led it elsewhere knows better.
                let target = if place.has_jumped { Some(place.clone()) } else { target.place };
                match target {
                    Some(target) => self.converse(bot, self.conversation(target, place))?,
                    None => Ended::Waits,
                }
            }
        };
        if ended != Ended::Over {
            self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
            self.texts("end", &[("why", Why::Timeout.text())]);
        }
        Ok(())
    }

    /// A script has asked for the dialog engine, and waits for it outside of its slice.
    pub(super) fn asked_for(&self) -> Result<(), Stop> {
        let host = &self.realm.host;
        while host.asked.get() > 0 {
            host.asked.set(host.asked.get() - 1);
            let script = host.script.get();
            let budget = self.realm.realm.meter.budget();
            self.engine(|run| run.realm.core.serve.call::<_, ()>(()))?;
            let refused = self.process()?;
            self.realm.realm.meter.set_budget(budget);
            self.turn(script, || self.realm.core.processed.call::<_, ()>((refused.unwrap_or_default(),)))?;
        }
        Ok(())
    }

    /// Runs the dialog engine for a script; gives why not, where it does not.
    fn process(&self) -> Result<Option<&'static str>, Stop> {
        let loaded = self.program();
        let Some(bot) = loaded.bot(&self.realm.host.bot.borrow()) else { return Ok(Some("there is no bot")) };
        if self.handed_over {
            return Ok(Some("the event is processed already"));
        }
        let place = self.place()?;
        if self.dialogs.depth.get() > 0 && !place.has_jumped {
            return Ok(Some(
                "the dialog engine is at work on this event already; lead it elsewhere with bp.dialog.jumpTo first",
            ));
        }
        if self.dialogs.depth.get() >= DEEPEST {
            return Ok(Some("actions have asked for the dialog engine, one within the other, too many times"));
        }
        self.dialogs.asked.set(self.dialogs.asked.get() + 1);
        self.dialogs.processed.set(Some(Ended::Over));
        let ended = if bot.flows.is_empty() {
            self.without_flows()?
        } else {
            self.converse(bot, self.conversation(place.clone(), place))?
        };
        self.dialogs.processed.set(Some(ended));
        Ok(None)
    }

    /// A bot need not have flows; but then a script that leads somewhere leads nowhere, and must not leave it there.
    fn without_flows(&self) -> Result<Ended, Stop> {
        self.texts("dialog", &[("r", "no flows")]);
        let place = self.place()?;
        if let Some(flow) = place.flow.filter(|_| place.has_jumped) {
            let message = format!("there is no flow {flow:?} to go to: this bot has no flows");
            self.realm.host.log(LogLine { level: "warn".into(), message, ..LogLine::default() });
            let nowhere = DialogCursor::default().write();
            self.engine(|run| run.realm.dialog.set_place.call::<_, ()>((nowhere,)))?;
        }
        Ok(Ended::Over)
    }

    fn conversation(&self, place: DialogCursor, written: DialogCursor) -> DialogRun {
        let dialog = Dialog::new(place, self.realm.host.hello.max_transitions);
        DialogRun { dialog, written, answer: Answer::Begin, ending: None }
    }

    fn converse(&self, bot: &BotProgram, conversation: DialogRun) -> Result<Ended, Stop> {
        self.dialogs.depth.set(self.dialogs.depth.get() + 1);
        let ended = self.steps_of(bot, conversation);
        self.dialogs.depth.set(self.dialogs.depth.get() - 1);
        ended
    }

    /// Goes through a dialog until it waits or ends.
    fn steps_of(&self, bot: &BotProgram, mut conversation: DialogRun) -> Result<Ended, Stop> {
        let flows = &bot.flows;
        let mut ending = conversation.ending.take();
        loop {
            let answer = std::mem::replace(&mut conversation.answer, Answer::Done);
            let command = match ending.take() {
                Some(why) => Command::End(why),
                None => conversation.dialog.next(flows, answer),
            };
            self.tell(bot, &mut conversation.dialog);
            let asked = self.dialogs.asked.get();
            let answer = match command {
                Command::Wait => {
                    self.texts("wait", &[]);
                    self.put_place(&mut conversation, true)?;
                    return Ok(Ended::Waits);
                }
                Command::Over(why) => {
                    self.texts("end", &[("why", why.text())]);
                    self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
                    return Ok(Ended::Over);
                }
                Command::Missing(missing) => {
                    self.report_at(bot, &conversation.dialog, 0, thrown("Error", missing), u32::MAX);
                    self.put_place(&mut conversation, true)?;
                    self.apologise(bot)?;
                    return Ok(Ended::Failed);
                }
                Command::Lost(message) => {
                    return self.gives_up(bot, conversation.dialog.place(), message, Why::Gone);
                }
                Command::Loop(message) => {
                    return self.gives_up(bot, conversation.dialog.place(), message, Why::Loop);
                }
                Command::End(why) => self.before_end(&mut conversation, why),
                Command::Fail(message) => {
                    self.report_at(bot, &conversation.dialog, 0, thrown("Error", message), u32::MAX);
                    Ok(Answer::Failed(0))
                }
                Command::Test(conditions) => self.test(bot, &mut conversation, &conditions),
                Command::Say { content, args } => {
                    let args = text_of(args);
                    self.say(bot, &mut conversation, |run| run.realm.dialog.say.call((content, args)))
                }
                Command::Speak(content) => {
                    let (kind, data) = (content.content_type.as_str(), content.form_data.get());
                    self.say(bot, &mut conversation, |run| run.realm.dialog.speak.call((kind, data)))
                }
                Command::Run { name, args } => self.action(bot, &mut conversation, name, text_of(args)),
            };
            if let Some(ended) = self.dialogs.processed.get().filter(|_| self.dialogs.asked.get() != asked) {
                // An action, or a hook before the end, has had the event processed from where it led it to.
                if answer.is_err() {
                    self.dialogs.left.take();
                    self.resume_at.set(Some(Stage::AfterProcessed(Persist::All)));
                }
                return answer.map(|_| ended);
            }
            conversation.answer = answer?;
        }
    }

    /// A dialog that cannot go on ends with an apology.
    fn gives_up(&self, bot: &BotProgram, place: &DialogCursor, message: String, why: Why) -> Result<Ended, Stop> {
        self.report_in(bot, place, "", thrown("Error", message), u32::MAX);
        self.texts("end", &[("why", why.text())]);
        self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
        self.apologise(bot)?;
        Ok(Ended::Failed)
    }

    /// The hooks before the end, from where an earlier realm left off.
    fn before_end(&self, conversation: &mut DialogRun, why: Why) -> Result<Answer, Stop> {
        if self.realm.hooks(HookKind::BeforeConversationEnd).is_empty() {
            return Ok(Answer::Ended(why));
        }
        self.put_place(conversation, false)?;
        if let Err(stop) = self.hooks(HookKind::BeforeConversationEnd) {
            *self.dialogs.left.borrow_mut() = Some(Box::new(DialogRun { ending: Some(why), ..conversation.clone() }));
            return Err(stop);
        }
        self.next_hook.set(0);
        let place = self.place()?;
        Ok(if same_node(&place, &conversation.written) { Answer::Ended(why) } else { Answer::Moved(place) })
    }

    pub(super) fn place(&self) -> Result<DialogCursor, Stop> {
        Ok(DialogCursor::read(&self.engine(|run| run.realm.dialog.place.call::<_, String>(()))?))
    }

    /// Lets the realm know where the conversation stands, if it does not; `whole` also what comes next in the node.
    pub(super) fn put_place(&self, conversation: &mut DialogRun, whole: bool) -> Result<(), Stop> {
        let place = conversation.dialog.place();
        let known = if whole { *place == conversation.written } else { same_node(place, &conversation.written) };
        if known {
            return Ok(());
        }
        let text = place.write();
        self.engine(|run| run.realm.dialog.set_place.call::<_, ()>((text,)))?;
        conversation.written = place.clone();
        Ok(())
    }

    fn program(&self) -> Arc<LoadedProgram> {
        self.realm.host.program.borrow().clone().unwrap_or_default()
    }

    fn tell(&self, bot: &BotProgram, dialog: &mut Dialog) {
        for note in dialog.take_notes() {
            match note {
                Note::Node(point) => self.texts("node", &[("flow", &point.flow), ("node", &point.node)]),
                Note::Jump(point) => self.texts("jump", &[("flow", &point.flow), ("node", &point.node)]),
                Note::Return(point) => self.texts("return", &[("flow", &point.flow), ("node", &point.node)]),
                Note::Transition { condition, to } => self.texts("transition", &[("if", &condition), ("to", &to)]),
                Note::Warning(message) => self.warn(bot, dialog.place(), message),
            }
        }
    }

    pub(super) fn texts(&self, step: &str, texts: &[(&str, &str)]) {
        if self.realm.host.hello.trace {
            self.realm.host.trace.borrow_mut().texts(step, texts);
        }
    }

    fn warn(&self, bot: &BotProgram, place: &DialogCursor, message: String) {
        let line = LogLine { level: "warn".into(), message, file: file_of(&bot.flows, place), ..LogLine::default() };
        self.realm.host.log(line);
    }
}

fn text_of(args: Option<Map<String, Json>>) -> String {
    args.map_or_else(|| "{}".to_owned(), |args| Json::Object(args).to_string())
}
