//! The step machine alone: each rule of the dialog.

mod destinations;
mod failures;
mod nodes;

use expect_test::Expect;
use serde_json::{Value, json};

use super::cursor::DialogCursor;
use super::testing::flows;
use super::{Answer, Command, Dialog, Flows, Note};

/// A conversation whose scripts do what each test says.
struct Talk {
    flows: Flows,
    place: DialogCursor,
    most: u32,
    out: String,
}

impl Talk {
    fn new(files: &Value) -> Self {
        Self { flows: flows(files), place: DialogCursor::default(), most: 100, out: String::new() }
    }

    fn at(files: &Value, place: &Value) -> Self {
        Self { place: DialogCursor::read(&place.to_string()), ..Self::new(files) }
    }

    fn line(&mut self, text: &str) {
        self.out.push_str(text);
        self.out.push('\n');
    }

    /// A message. `what` says of instructions and conditions what comes of them: `true`, `fails`, `throws`,
    /// `throws <destination>`, `to <flow>#<node>`, `jump <flow>#<node>`, `clear`; an instruction that is not named is
    /// done, a condition does not hold. `END` names the hooks before the end.
    fn message(&mut self, what: &[(&str, &str)]) -> &mut Self {
        self.line(">");
        let mut dialog = Dialog::new(std::mem::take(&mut self.place), self.most);
        let mut answer = Answer::Begin;
        loop {
            let flows = self.flows.clone();
            let command = dialog.next(&flows, answer);
            for note in dialog.take_notes() {
                match note {
                    Note::Node(point) => self.line(&format!("node {point}")),
                    Note::Jump(point) => self.line(&format!("jump {point}")),
                    Note::Return(point) => self.line(&format!("return {point}")),
                    Note::Transition { condition, to } => self.line(&format!("{condition} → {to}")),
                    Note::Warning(text) => self.line(&format!("warning: {text}")),
                }
            }
            let outcome = |text: &str| what.iter().find(|(name, _)| *name == text).map(|(_, outcome)| *outcome);
            let text = dialog.instruction(&flows, 0);
            answer = match command {
                Command::Say { .. } | Command::Run { .. } | Command::Speak(_) => {
                    self.line(&format!("  {text}"));
                    done(outcome(&text), dialog.place())
                }
                Command::Test(conditions) => {
                    self.line(&format!("  if {}", conditions.join(" | ")));
                    match conditions.iter().position(|text| outcome(text).is_some()) {
                        Some(index) if outcome(conditions[index]) == Some("fails") => Answer::Failed(index),
                        index => Answer::Matched(index),
                    }
                }
                Command::Fail(why) => {
                    self.line(&format!("  {text}: {why}"));
                    Answer::Failed(0)
                }
                Command::End(why) => {
                    self.line(&format!("end? {}", why.text()));
                    match outcome("END") {
                        None => Answer::Ended(why),
                        outcome => done(outcome, dialog.place()),
                    }
                }
                Command::Wait => {
                    self.line("wait");
                    break self.place = dialog.place().clone();
                }
                Command::Over(why) => {
                    self.line(&format!("over: {}", why.text()));
                    break self.place = DialogCursor::default();
                }
                Command::Missing(text) => {
                    self.line(&format!("missing: {text}"));
                    break self.place = dialog.place().clone();
                }
                Command::Lost(text) => {
                    self.line(&format!("lost: {text}"));
                    break self.place = DialogCursor::default();
                }
                Command::Loop(text) => {
                    self.line(&format!("loop: {text}"));
                    break self.place = DialogCursor::default();
                }
            };
        }
        // What is kept is text.
        self.place = DialogCursor::read(&self.place.write());
        self
    }

    /// The flows are edited while the user waits.
    fn edit(&mut self, files: &Value) -> &mut Self {
        self.flows = flows(files);
        self
    }

    fn check(&self, expected: &Expect) {
        expected.assert_eq(&self.out);
    }
}

fn done(outcome: Option<&str>, place: &DialogCursor) -> Answer {
    let Some(outcome) = outcome else { return Answer::Done };
    let (what, to) = outcome.split_once(' ').unwrap_or((outcome, ""));
    let (flow, node) = to.split_once('#').map_or((to, None), |(flow, node)| (flow, Some(node.to_owned())));
    let moved = |has_jumped| Answer::Moved(DialogCursor { flow: Some(flow.into()), node, has_jumped, ..place.clone() });
    match what {
        "fails" => Answer::Failed(0),
        "throws" => Answer::Threw((!to.is_empty()).then(|| to.to_owned())),
        "to" => moved(false),
        "jump" => moved(true),
        "clear" => Answer::Moved(DialogCursor::default()),
        other => panic!("{other}"),
    }
}

fn next(condition: &str, node: &str) -> Value {
    json!({ "condition": condition, "node": node })
}
