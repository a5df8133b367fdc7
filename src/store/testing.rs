//! What the store's tests share: a store in a folder of its own, at a time that stands still.

use std::path::PathBuf;

use crossbeam_channel::Receiver;
use rusqlite::Connection;
use rusqlite::trace::{TraceEvent, TraceEventCodes};
use serde_json::value::RawValue;

use super::accept::{Accepted, ConversationTarget};
use super::checkpoint::LogLimits;
use super::handle::Store;
use super::messages::{OutgoingMessage, UserMessage};
use super::replies::Reply;
use super::rules::Rules;
use super::sessions::Lifetimes;
use crate::clock::Clock;
use crate::model::channel::WEB;
use crate::model::{BotId, ConversationKey, EventDraft, QueuedEvent, StateChange, UserId};

/// 2026-11-22T06:48:19.736Z, as in the recorded exchanges.
pub(crate) const NOW: u64 = 1_795_330_099_736;

/// A completion.
pub(crate) type Then<T> = Box<dyn FnOnce(T) + Send>;

/// A store in a folder of its own.
pub(crate) struct Fixture {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    folder: tempfile::TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with_clock(Clock::manual(NOW))
    }

    pub(crate) fn with_clock(clock: Clock) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
        Self { store, clock, folder }
    }

    pub(in crate::store) fn limited(limits: LogLimits) -> Self {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
        let path = folder.path().join("data.db");
        let store = Store::open_limited(&path, clock.clone(), Rules::default(), limits).unwrap();
        Self { store, clock, folder }
    }

    /// A store, and the statements that its writer runs.
    pub(crate) fn traced() -> (Self, Receiver<String>) {
        let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::manual(NOW));
        let path = folder.path().join("data.db");
        let (sender, statements) = crossbeam_channel::unbounded();
        let mut connection = Connection::open(&path).unwrap();
        let note = move |event: TraceEvent<'_>| {
            if let TraceEvent::Stmt(_, sql) = event {
                let _ = sender.send(sql.to_owned());
            }
        };
        connection.trace_v2(TraceEventCodes::SQLITE_TRACE_STMT, Some(note)).unwrap();
        let store = Store::start(connection, None, &path, clock.clone(), Rules::default(), LogLimits::default());
        (Self { store: store.unwrap(), clock, folder }, statements)
    }

    pub(crate) fn with_rules(rules: Rules) -> Self {
        Self::new().reopen_with_rules(rules)
    }

    /// Closes the store and opens the same file again, by other rules.
    pub(crate) fn reopen_with_rules(self, rules: Rules) -> Self {
        let Self { store, folder, clock } = self;
        drop(store);
        let store = Store::open_with(&folder.path().join("data.db"), clock.clone(), rules).unwrap();
        Self { store, clock, folder }
    }

    /// Asserts how SQLite goes about a query: each step as `EXPLAIN QUERY PLAN` has it, but for those that touch no table.
    pub(crate) fn plan(&self, sql: &str, steps: &[&str]) {
        let found = self.store.read(|connection| {
            let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
            let count = statement.parameter_count();
            let rows =
                statement.query_map(rusqlite::params_from_iter(vec![1; count]), |row| row.get::<_, String>(3))?;
            Ok(rows.collect::<Result<Vec<_>, _>>()?)
        });
        let mut found = found.unwrap();
        let no_table = ["CO-ROUTINE", "SCALAR SUBQUERY", "SCAN CONSTANT ROW", "SCAN (subquery"];
        found.retain(|step| !no_table.iter().any(|start| step.starts_with(start)));
        assert_eq!(found, steps, "{sql}");
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("data.db")
    }

    /// Closes the store and opens the same file again.
    pub(crate) fn reopen(self) -> Self {
        let clock = self.clock.clone();
        self.reopen_with(clock)
    }

    pub(crate) fn reopen_with(self, clock: Clock) -> Self {
        let Self { store, folder, .. } = self;
        drop(store);
        let store = Store::open(&folder.path().join("data.db"), clock.clone()).unwrap();
        Self { store, clock, folder }
    }

    pub(crate) fn accept(&self, user: &str, place: ConversationTarget) -> Accepted {
        wait(|then| self.store.accept(draft(user), place, None, then)).unwrap()
    }

    pub(crate) fn finish(&self, event: &QueuedEvent, state: Option<StateChange>) {
        self.finish_with(event, state, Lifetimes::default());
    }

    pub(crate) fn finish_with(&self, event: &QueuedEvent, state: Option<StateChange>, lifetimes: Lifetimes) {
        wait(|then| self.store.finish(event.id, event.session(), state, lifetimes, then)).unwrap();
    }

    /// How many sessions are stored.
    pub(crate) fn sessions(&self) -> u64 {
        let sql = "SELECT count(*) FROM sessions";
        self.store.read(|connection| Ok(connection.query_row(sql, [], |row| row.get(0))?)).unwrap()
    }
}

/// Starts something and waits for its completion.
pub(crate) fn wait<T: Send + 'static>(start: impl FnOnce(Then<T>)) -> T {
    let (sender, receiver) = crossbeam_channel::bounded(1);
    start(Box::new(move |outcome| {
        let _ = sender.send(outcome);
    }));
    receiver.recv().unwrap()
}

/// Runs a future to its end.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

pub(crate) fn names(user: &str) -> (BotId, UserId) {
    (BotId::parse("my-bot").unwrap(), UserId::parse(user).unwrap())
}

/// The user on the web chat.
pub(crate) fn whose(user: &str) -> ConversationKey {
    let (bot, target) = names(user);
    ConversationKey { bot, channel: WEB.into(), target }
}

pub(crate) fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

pub(crate) fn draft(user: &str) -> EventDraft {
    EventDraft {
        key: whose(user),
        thread: None,
        kind: "proactive-trigger".into(),
        payload: raw(r#"{"text":"fake message"}"#),
        preview: None,
        nlu: None,
        credentials: None,
        suggestions: None,
        depth: 0,
    }
}

pub(crate) fn message(text: &str) -> UserMessage {
    UserMessage {
        message_type: "text".into(),
        message_text: Some(text.to_owned()),
        payload: raw(&format!(r#"{{"type":"text","text":"{text}"}}"#)),
        raw: None,
        data: None,
    }
}

pub(crate) fn outgoing(event: &QueuedEvent, text: &str, at: u64) -> OutgoingMessage {
    OutgoingMessage {
        known_only: false,
        session: event.session(),
        payload: raw(&format!(r#"{{"type":"text","text":"{text}"}}"#)),
        message_type: "text".into(),
        message_text: Some(text.to_owned()),
        deliver_at: at,
        sent_on: at,
    }
}

/// Stores a reply now.
pub(crate) fn replied(fixture: &Fixture, event: &QueuedEvent, sequence: u32, text: &str) -> Reply {
    let out = outgoing(event, text, fixture.clock.now());
    wait(|then| fixture.store.reply(event.id, sequence, out, then)).unwrap()
}

/// What the last messages of the event's conversation say.
pub(crate) fn texts(fixture: &Fixture, event: &QueuedEvent, limit: usize) -> Vec<String> {
    let id = event.thread.as_ref().unwrap().parse().unwrap();
    let found = fixture.store.conversation(&event.key, id, limit, 1 << 20).unwrap().unwrap();
    found.messages.into_iter().map(|message| message.message_text.unwrap()).collect()
}
