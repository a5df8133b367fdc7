//! Drives the dialog engine: calls the scripts that a step asks for, within their budgets, and answers with what came of it.
//!
//! What is stopped by its budget is the failing instruction: the event goes on in a fresh realm, and the step machine,
//! which is plain data, goes with it.

use std::sync::Arc;
use std::time::Instant;

use rquickjs::Value;
use serde_json::{Map, Value as Json};

use super::drive::Task;
use super::stages::Persist;
use super::{Run, Stop};
use crate::engine::LoadedProgram;
use crate::engine::dialog::place::Place;
use crate::engine::dialog::{Answer, Command, Dialog, Flows, Note, Why, timeout};
use crate::program::{BotProgram, HookKind};
use crate::protocol::LogLine;
use crate::script::Overrun;
use crate::script::realm::Thrown;

/// A dialog under way, with what it is to be told next.
#[derive(Debug, Clone)]
pub struct Conversation {
    dialog: Dialog,
    /// The place as the realm has it.
    written: Place,
    answer: Answer,
    /// The hooks before the end are at work, for that reason.
    ending: Option<Why>,
}

/// How a dialog's part of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It waits, or it is over.
    Fine,
    /// It could not go on, and has apologised.
    Failed,
}

/// What is said where a bot has no error element of its own.
const APOLOGY: (&str, &str) =
    ("#builtin_text", r#"{"text":"Sorry, something went wrong here. Please try again later.","typing":true}"#);

impl<'js> Run<'_, 'js> {
    /// The dialog engine's part of an event.
    pub(super) fn dialog(&mut self) -> Result<Ended, Stop> {
        let Some(loaded) = self.realm.host.program.borrow().clone() else { return Ok(Ended::Fine) };
        let Some(bot) = bot_of(&loaded, &self.job.head.bot) else { return Ok(Ended::Fine) };
        if bot.flows.is_empty() {
            return self.without_flows();
        }
        let conversation = match self.conversation.take() {
            Some(conversation) => *conversation,
            None => {
                let place = self.place()?;
                self.conversation(place.clone(), place, Answer::Begin)
            }
        };
        self.converse(bot, conversation)
    }

    /// A bot need not have flows; but then a script that leads somewhere leads nowhere, and must not leave it there.
    fn without_flows(&mut self) -> Result<Ended, Stop> {
        self.texts("dialog", &[("r", "no flows")]);
        let place = self.place()?;
        if let Some(flow) = place.flow.filter(|_| place.has_jumped) {
            let message = format!("there is no flow {flow:?} to go to: this bot has no flows");
            self.realm.host.log(LogLine { level: "warn".into(), message, ..LogLine::default() });
            let nowhere = Place::default().write();
            self.engine(|run| run.realm.dialog.set_place.call::<_, ()>((nowhere,)))?;
        }
        Ok(Ended::Fine)
    }

    /// The user did not come back in time: the dialog goes on where that leads to, and is over afterwards.
    pub(super) fn time_out(&mut self) -> Result<(), Stop> {
        let Some(loaded) = self.realm.host.program.borrow().clone() else { return Ok(()) };
        let Some(bot) = bot_of(&loaded, &self.job.head.bot) else { return Ok(()) };
        let conversation = match self.conversation.take() {
            Some(conversation) => Some(*conversation),
            None => {
                let place = self.place()?;
                let target = timeout::target(&bot.flows, &place);
                for warning in target.warnings {
                    self.warn(bot, &place, warning);
                }
                // A hook that has led it elsewhere knows better.
                let target = if place.has_jumped { Some(place.clone()) } else { target.place };
                target.map(|target| self.conversation(target, place, Answer::Begin))
            }
        };
        if let Some(conversation) = conversation {
            self.converse(bot, conversation)?;
        }
        self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
        self.texts("end", &[("why", Why::Timeout.text())]);
        Ok(())
    }

    fn conversation(&self, place: Place, written: Place, answer: Answer) -> Conversation {
        let dialog = Dialog::new(place, self.realm.host.hello.max_transitions);
        Conversation { dialog, written, answer, ending: None }
    }

    /// Goes through a dialog until it waits or ends.
    fn converse(&mut self, bot: &BotProgram, mut conversation: Conversation) -> Result<Ended, Stop> {
        let flows = &bot.flows;
        if let Some(why) = conversation.ending.take() {
            conversation.answer = self.before_end(&mut conversation, why)?;
        }
        loop {
            let answer = std::mem::replace(&mut conversation.answer, Answer::Done);
            let command = conversation.dialog.next(flows, answer);
            self.tell(bot, &mut conversation.dialog);
            conversation.answer = match command {
                Command::Wait => {
                    self.texts("wait", &[]);
                    self.put_place(&mut conversation, true)?;
                    return Ok(Ended::Fine);
                }
                Command::Over(why) => {
                    self.texts("end", &[("why", why.text())]);
                    self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
                    return Ok(Ended::Fine);
                }
                Command::Missing(missing) => {
                    self.report_at(bot, &conversation.dialog, 0, thrown("Error", missing), u32::MAX);
                    self.put_place(&mut conversation, true)?;
                    self.apologise(bot)?;
                    return Ok(Ended::Failed);
                }
                Command::Loop(message) => {
                    self.report_at(bot, &conversation.dialog, 0, thrown("Error", message), u32::MAX);
                    self.texts("end", &[("why", Why::Loop.text())]);
                    self.engine(|run| run.realm.dialog.clear.call::<_, ()>(()))?;
                    self.apologise(bot)?;
                    return Ok(Ended::Failed);
                }
                Command::End(why) => self.before_end(&mut conversation, why)?,
                Command::Fail(message) => {
                    self.report_at(bot, &conversation.dialog, 0, thrown("Error", message), u32::MAX);
                    Answer::Failed(0)
                }
                Command::Test(conditions) => self.test(bot, &mut conversation, &conditions)?,
                Command::Say { content, args } => {
                    let args = text_of(args);
                    self.say(bot, &mut conversation, |run| run.realm.dialog.say.call((content, args)))?
                }
                Command::Speak(content) => {
                    let (kind, data) = (content.content_type.as_str(), content.form_data.get());
                    self.say(bot, &mut conversation, |run| run.realm.dialog.speak.call((kind, data)))?
                }
                Command::Run { name, args } => self.action(bot, &mut conversation, name, text_of(args))?,
            };
        }
    }

    /// Evaluates conditions.
    fn test(&mut self, bot: &BotProgram, conversation: &mut Conversation, conditions: &[&str]) -> Result<Answer, Stop> {
        self.put_place(conversation, false)?;
        let mut matched = -1;
        self.realm.host.turn_of(u32::MAX);
        self.realm.realm.meter.begin_hook();
        let called = self.call(Task::HOOK, |run| {
            matched = run.realm.dialog.test.call((conditions.to_vec(),))?;
            Ok(Value::new_undefined(run.realm.realm.ctx.clone()))
        });
        if matches!(called, Ok(None)) {
            return Ok(Answer::Matched(usize::try_from(matched).ok()));
        }
        let tested = self.pardoned(|run| run.realm.dialog.tested.call::<_, u32>(())).unwrap_or(0) as usize;
        self.failed(bot, conversation, called, tested, Answer::Failed(tested))
    }

    /// Says something: the turn of the session, content, replies.
    fn say(
        &mut self,
        bot: &BotProgram,
        conversation: &mut Conversation,
        call: impl FnOnce(&Self) -> rquickjs::Result<Value<'js>>,
    ) -> Result<Answer, Stop> {
        self.put_place(conversation, false)?;
        if self.realm.host.hello.trace {
            self.texts("say", &[("i", &conversation.dialog.instruction(&bot.flows, 0))]);
        }
        self.realm.host.turn_of(u32::MAX);
        self.realm.realm.meter.begin_hook();
        match self.call(Task::CONTENT, call) {
            Ok(None) => Ok(Answer::Done),
            called => self.failed(bot, conversation, called, 0, Answer::Failed(0)),
        }
    }

    /// Runs an action.
    fn action(
        &mut self,
        bot: &BotProgram,
        conversation: &mut Conversation,
        name: &str,
        args: String,
    ) -> Result<Answer, Stop> {
        let Some((name, script)) = action_named(bot, name) else {
            let message =
                format!("there is no action {name:?}: neither this bot nor the workspace has actions/{name}.js");
            self.report_at(bot, &conversation.dialog, 0, thrown("Error", message), u32::MAX);
            return Ok(Answer::Failed(0));
        };
        self.put_place(conversation, false)?;
        let host = &self.realm.host;
        let before = host.enter(script);
        self.realm.realm.meter.begin_action();
        let begun = Instant::now();
        let called = self.call(Task::ACTION, |run| run.realm.dialog.run.call((run.realm.file(script)?, args)));
        self.realm.realm.meter.begin_hook();
        let error = match &called {
            Ok(None) => None,
            Ok(Some(thrown)) => Some(thrown.message.clone()),
            Err(stop) => Some(stop.overrun().to_string()),
        };
        if host.hello.trace {
            let path = host.path_of(script).unwrap_or_default();
            host.trace.borrow_mut().action(name, &path, begun.elapsed(), error.as_deref());
        }
        if error.is_some() {
            let target = self.pardoned(|run| run.realm.dialog.error_target.call::<_, String>(())).unwrap_or_default();
            let target = (!target.is_empty()).then_some(target);
            let answer = self.failed_as(bot, conversation, called, 0, Answer::Threw(target), script)?;
            self.realm.host.script.set(before);
            return Ok(answer);
        }
        host.script.set(before);
        let place = self.place()?;
        Ok(if same_node(&place, &conversation.written) { Answer::Done } else { Answer::Moved(place) })
    }

    fn failed(
        &mut self,
        bot: &BotProgram,
        conversation: &mut Conversation,
        called: Result<Option<Thrown>, Stop>,
        condition: usize,
        answer: Answer,
    ) -> Result<Answer, Stop> {
        self.failed_as(bot, conversation, called, condition, answer, u32::MAX)
    }

    /// An instruction failed: it is reported, and the answer given; where a limit ended it, that waits for a fresh realm.
    fn failed_as(
        &mut self,
        bot: &BotProgram,
        conversation: &mut Conversation,
        called: Result<Option<Thrown>, Stop>,
        condition: usize,
        answer: Answer,
        script: u32,
    ) -> Result<Answer, Stop> {
        let stop = match called {
            Ok(None) => return Ok(answer),
            Ok(Some(thrown)) => {
                self.report_at(bot, &conversation.dialog, condition, thrown, script);
                return Ok(answer);
            }
            Err(stop) => stop,
        };
        let overrun = stop.overrun();
        if matches!(overrun, Overrun::Memory(_)) {
            return Err(stop);
        }
        let error = Thrown {
            name: "TimeoutError".into(),
            message: overrun.to_string(),
            stack: self.realm.realm.take_stopped_at(),
        };
        self.report_at(bot, &conversation.dialog, condition, error, script);
        if let Stop::Interrupted(_) = stop {
            let waiting = Conversation { answer, ..conversation.clone() };
            self.conversation = Some(Box::new(waiting));
        } else if !matches!(overrun, Overrun::Cancelled) {
            // No more scripts for this event; but where its dialog stands is known.
            conversation.dialog.next(&bot.flows, Answer::Failed(condition));
            let place = conversation.dialog.place().write();
            if self.pardoned(|run| run.realm.dialog.set_place.call::<_, ()>((place,))).is_some() {
                self.kept = Some(Persist::All);
            }
        }
        Err(stop)
    }

    /// The hooks before the end, from where an earlier realm left off.
    fn before_end(&mut self, conversation: &mut Conversation, why: Why) -> Result<Answer, Stop> {
        if self.realm.hooks(HookKind::BeforeConversationEnd).is_empty() {
            return Ok(Answer::Ended(why));
        }
        self.put_place(conversation, false)?;
        if let Err(stop) = self.hooks(HookKind::BeforeConversationEnd) {
            self.conversation = Some(Box::new(Conversation { ending: Some(why), ..conversation.clone() }));
            return Err(stop);
        }
        self.next_hook = 0;
        let place = self.place()?;
        Ok(if same_node(&place, &conversation.written) { Answer::Ended(why) } else { Answer::Moved(place) })
    }

    /// Says the bot's error element.
    fn apologise(&mut self, bot: &BotProgram) -> Result<(), Stop> {
        let (content, args) =
            bot.error_element.as_ref().map_or(APOLOGY, |element| (element.content_type.as_str(), element.args.get()));
        self.realm.realm.meter.begin_hook();
        let called = self.call(Task::CONTENT, |run| run.realm.dialog.apologise.call((content, args)));
        if let Some(mut thrown) = called? {
            thrown.message = format!("{} (in the error element, dialog.error)", thrown.message);
            self.realm.host.report(u32::MAX, &thrown);
        }
        Ok(())
    }

    fn place(&self) -> Result<Place, Stop> {
        Ok(Place::read(&self.engine(|run| run.realm.dialog.place.call::<_, String>(()))?))
    }

    /// Lets the realm know where the conversation stands, if it does not; `whole` also what comes next in the node.
    fn put_place(&self, conversation: &mut Conversation, whole: bool) -> Result<(), Stop> {
        let place = conversation.dialog.place();
        if if whole { *place == conversation.written } else { same_node(place, &conversation.written) } {
            return Ok(());
        }
        let text = place.write();
        self.engine(|run| run.realm.dialog.set_place.call::<_, ()>((text,)))?;
        conversation.written = place.clone();
        Ok(())
    }

    /// Calls into the realm although a script was stopped in it.
    fn pardoned<R>(&self, call: impl FnOnce(&Self) -> rquickjs::Result<R>) -> Option<R> {
        let allowance = std::time::Duration::from_millis(100);
        let called = self.realm.realm.meter.pardon(allowance, || call(self));
        if called.is_err() {
            self.realm.realm.drop_exception();
        }
        called.ok()
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

    fn texts(&self, step: &str, texts: &[(&str, &str)]) {
        if self.realm.host.hello.trace {
            self.realm.host.trace.borrow_mut().texts(step, texts);
        }
    }

    fn warn(&self, bot: &BotProgram, place: &Place, message: String) {
        let line = LogLine { level: "warn".into(), message, file: file_of(&bot.flows, place), ..LogLine::default() };
        self.realm.host.log(line);
    }

    /// Reports what went wrong with an instruction, with its flow and node.
    fn report_at(&self, bot: &BotProgram, dialog: &Dialog, condition: usize, mut thrown: Thrown, script: u32) {
        let host = &self.realm.host;
        let place = dialog.place();
        let instruction = dialog.instruction(&bot.flows, condition);
        let (flow, node) = (place.flow.as_deref().unwrap_or_default(), place.node.as_deref().unwrap_or_default());
        if !flow.is_empty() {
            thrown.message = format!("{} ({flow}, node {node:?}", thrown.message);
            if !instruction.is_empty() {
                thrown.message = format!("{}: {instruction}", thrown.message);
            }
            thrown.message.push(')');
        }
        let mut line = host.error_line(script, &thrown);
        line.file = line.file.or_else(|| file_of(&bot.flows, place));
        host.report_line(line);
    }
}

fn bot_of<'a>(loaded: &'a Arc<LoadedProgram>, id: &str) -> Option<&'a BotProgram> {
    loaded.bot(id)
}

fn file_of(flows: &Flows, place: &Place) -> Option<String> {
    flows.get(place.flow.as_deref()?).map(|flow| flow.path.to_string())
}

fn thrown(name: &str, message: String) -> Thrown {
    Thrown { name: name.into(), message, stack: String::new() }
}

fn text_of(args: Option<Map<String, Json>>) -> String {
    args.map_or_else(|| "{}".to_owned(), |args| Json::Object(args).to_string())
}

/// Whether two places are the same but for what comes next in the node.
fn same_node(a: &Place, b: &Place) -> bool {
    (&a.flow, &a.node, &a.previous, &a.jump_points, a.has_jumped)
        == (&b.flow, &b.node, &b.previous, &b.jump_points, b.has_jumped)
}

/// An action by its name: that of its path below `actions/`, or else of its file alone, where one of `builtin/` comes
/// before others, and these in the order of their paths.
fn action_named<'b>(bot: &'b BotProgram, name: &str) -> Option<(&'b str, u32)> {
    if let Some((name, script)) = bot.actions.get_key_value(name) {
        return Some((name, *script));
    }
    let same = |(path, _): &(&String, &u32)| path.rsplit_once('/').is_some_and(|(_, file)| file == name);
    let mut found: Vec<_> = bot.actions.iter().filter(same).collect();
    found.sort_by_key(|(path, _)| !path.starts_with("builtin/"));
    found.first().map(|(path, script)| (path.as_str(), **script))
}
