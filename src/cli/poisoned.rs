//! `nudge poisoned`: events that were set aside because workers died on them.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::{output, workspace};
use crate::clock::Clock;
use crate::model::EventId;
use crate::store::{Peek, Poisoned, Store, Timestamp};
use crate::telemetry::escape::one_line;
use crate::telemetry::trace::counted;

/// List the events that were set aside because scripts crashed on them twice; run them again, or forget them.
#[derive(Debug, Args)]
pub(super) struct PoisonedArgs {
    /// The workspace.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Put this event back into the queue: it runs when the server starts. The server must be stopped.
    #[arg(long, value_name = "ID", conflicts_with = "forget")]
    retry: Option<EventId>,
    /// Remove this event. The server must be stopped.
    #[arg(long, value_name = "ID")]
    forget: Option<EventId>,
}

/// Lists, which a running server does not mind; or changes one event. The exit code is 1 where there is no such event.
pub(super) fn run(args: &PoisonedArgs) -> anyhow::Result<ExitCode> {
    let database = workspace::root(&args.dir)?.join("data.db");
    let Some(peek) = Peek::open(&database)? else {
        output::line(format_args!("There is no database yet: nothing was set aside."));
        return Ok(if args.retry.or(args.forget).is_some() { ExitCode::FAILURE } else { ExitCode::SUCCESS });
    };
    let Some(event) = args.retry.or(args.forget) else {
        output::line(format_args!("{}", list(&peek.poisoned()?)));
        return Ok(ExitCode::SUCCESS);
    };
    drop(peek);
    let store = Store::open(&database, Clock::system())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    let (found, done) = match args.retry {
        Some(_) => (runtime.block_on(store.retry_poisoned(event))?, "runs again when the server starts"),
        None => (runtime.block_on(store.forget_poisoned(event))?, "is removed"),
    };
    if found {
        output::line(format_args!("Event {event} {done}."));
        return Ok(ExitCode::SUCCESS);
    }
    output::complaint(format_args!("error: no event {event} was set aside; `nudge poisoned` lists those that were"));
    Ok(ExitCode::FAILURE)
}

/// Two lines for each event: which it is, and why.
fn list(poisoned: &[Poisoned]) -> String {
    if poisoned.is_empty() {
        return "No event was set aside.".to_owned();
    }
    let mut text = format!("{} set aside, oldest first:\n", counted(poisoned.len(), "event", "events"));
    for Poisoned { event, reason } in poisoned {
        // The id begins with the time.
        let at = Timestamp(event.id.0 / 100_000).to_string();
        let (kind, key) = (one_line(&event.kind), &event.key);
        let (channel, user) = (one_line(&key.channel), one_line(key.target.as_str()));
        // Writing to a string cannot fail.
        let _ = write!(text, "\n{}  {at}  {kind} {channel}/{user} → {}\n  {}\n", event.id, key.bot, one_line(reason));
    }
    text.push_str("\nWith the server stopped: --retry <id> runs one again, --forget <id> removes it.");
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;
    use crate::model::{BotId, ConversationKey, QueuedEvent, UserId};

    #[test]
    fn an_event_that_was_set_aside_is_shown_with_its_time_and_its_reason() {
        let key = ConversationKey {
            bot: BotId::parse("my-bot").unwrap(),
            channel: "web".into(),
            target: UserId::parse("ada").unwrap(),
        };
        let id = EventId(179_533_009_973_612_345);
        let event = QueuedEvent {
            id,
            key,
            thread: None,
            kind: "te\u{1b}xt".into(),
            body: "".into(),
            deaths: 1,
            timeout: false,
            reset: false,
            depth: 0,
        };
        let poisoned = Poisoned { event, reason: "its worker died (signal 11), in hooks/x.js".into() };
        expect![[r"
            1 event set aside, oldest first:

            179533009973612345  2026-11-22T06:48:19.736Z  te\x1bxt web/ada → my-bot
              its worker died (signal 11), in hooks/x.js

            With the server stopped: --retry <id> runs one again, --forget <id> removes it."]]
        .assert_eq(&list(&[poisoned]));
        assert_eq!(list(&[]), "No event was set aside.");
    }
}
