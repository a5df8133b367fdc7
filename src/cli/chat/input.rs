//! What is typed: a text for the bot, the number of a choice, or a command.

use serde_json::{Value, json};

use crate::model::{BotId, UserId};

/// One line, understood.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Input {
    /// An empty line.
    Nothing,
    /// Something for the bot; whether it is the number of a choice is for its reader to know.
    Say(String),
    /// `/event <type> [json]`: what a page sends.
    Event(Value),
    /// `/state`
    State,
    /// `/trace`
    Trace,
    /// `/reset`
    Reset,
    /// `/bots`
    Bots,
    /// `/bot <id>`
    Bot(BotId),
    /// `/user <id>`
    User(UserId),
    /// `/help`
    Help,
    /// `/quit`
    Quit,
    /// A command that cannot be followed: what is wrong with it.
    Wrong(String),
}

/// A command: how it is written, and what it does.
const COMMANDS: [(&str, &str); 9] = [
    ("/event <type> [json]", "send an event, as a page does"),
    ("/state", "show the memory: user, session, temp, context"),
    ("/trace", "show the last event's steps"),
    ("/reset", "forget the session"),
    ("/bots", "list the bots"),
    ("/bot <id>", "talk to another bot"),
    ("/user <id>", "be another user"),
    ("/help", "this list"),
    ("/quit", "end; so does Ctrl-D"),
];

/// What `/help` says.
pub(super) fn help() -> String {
    let mut text = String::new();
    for (command, does) in COMMANDS {
        text.push_str(&format!("  {command:<22} {does}\n"));
    }
    text + "  A number takes one of the choices on offer. Write //text to say a text that begins with a slash."
}

/// Understands a line.
pub(super) fn parse(line: &str) -> Input {
    let line = line.trim();
    if line.is_empty() {
        return Input::Nothing;
    }
    let Some(command) = line.strip_prefix('/') else { return Input::Say(line.to_owned()) };
    if command.starts_with('/') {
        return Input::Say(command.to_owned());
    }
    let (name, rest) = command.split_once(char::is_whitespace).unwrap_or((command, ""));
    let rest = rest.trim();
    let plain =
        |input: Input| if rest.is_empty() { input } else { Input::Wrong(format!("/{name} takes nothing else")) };
    match name {
        "event" => event(rest),
        "state" => plain(Input::State),
        "trace" => plain(Input::Trace),
        "reset" => plain(Input::Reset),
        "bots" => plain(Input::Bots),
        "help" => plain(Input::Help),
        "quit" | "exit" => plain(Input::Quit),
        "bot" => BotId::parse(rest).map_or_else(|error| Input::Wrong(format!("/bot <id>: {error}")), Input::Bot),
        "user" => UserId::parse(rest).map_or_else(|error| Input::Wrong(format!("/user <id>: {error}")), Input::User),
        _ => Input::Wrong(format!("there is no command /{name}; /help lists them, //{name} says it to the bot")),
    }
}

/// The body that a page sends: type, channel, and what it has to say.
fn event(rest: &str) -> Input {
    let (kind, json) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
    if kind.is_empty() {
        return Input::Wrong("/event needs a type, as in /event proactive-trigger {\"page\": \"prices\"}".to_owned());
    }
    let payload = match json.trim() {
        "" => Ok(json!({})),
        json => serde_json::from_str(json),
    };
    match payload {
        Ok(payload) => Input::Event(json!({ "type": kind, "channel": "web", "payload": payload })),
        Err(error) => Input::Wrong(format!("/event {kind}: what follows the type must be JSON: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_command_is_said() {
        assert_eq!(parse("  Hello there "), Input::Say("Hello there".into()));
        assert_eq!(parse("1"), Input::Say("1".into()));
        assert_eq!(parse("//help"), Input::Say("/help".into()));
        assert_eq!(parse("   "), Input::Nothing);
    }

    #[test]
    fn every_command_of_the_list_is_one() {
        for (command, _) in COMMANDS {
            let line = command.replace("<type> [json]", "visit").replace("<id>", "x");
            assert!(!matches!(parse(&line), Input::Wrong(_) | Input::Say(_)), "{line}");
            assert!(help().contains(command));
        }
    }

    #[test]
    fn an_event_is_the_body_that_a_page_sends() {
        assert_eq!(
            parse("/event proactive-trigger { \"page\": 1 }"),
            Input::Event(json!({ "type": "proactive-trigger", "channel": "web", "payload": { "page": 1 } }))
        );
        assert_eq!(parse("/event visit"), Input::Event(json!({ "type": "visit", "channel": "web", "payload": {} })));
    }

    #[test]
    fn what_cannot_be_followed_says_why() {
        for (line, why) in [
            ("/event", "needs a type"),
            ("/event x {a}", "must be JSON"),
            ("/state now", "takes nothing else"),
            ("/bot a b", "may hold only letters"),
            ("/user", "user id must have"),
            ("/dance", "there is no command /dance"),
        ] {
            let Input::Wrong(said) = parse(line) else { panic!("{line}") };
            assert!(said.contains(why), "{said}");
        }
    }
}
