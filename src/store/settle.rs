//! What a batch of an event does to the store, as one operation: its replies, the events that it sends, and its end.

use super::batch::{BatchEffect, EffectOutcome, EventBatch, EventEnd, Settlement};
use super::error::StoreError;
use super::follow_ups::FollowUp;
use super::handle::Store;
use super::messages::OutgoingMessage;
use super::replies::Reply;
use super::sessions::Lifetimes;
use super::settling::Settling;
use crate::model::{EventDraft, EventId, SessionKey, StateChange};

impl Store {
    /// Stores what a batch of an event does, in one transaction. `then` runs on the writer's thread.
    pub fn settle(&self, batch: EventBatch, then: impl FnOnce(Settlement) + Send + 'static) {
        let unstored = self.0.unstored.clone();
        self.0.writer.submit(self.job(Settling::new(batch, unstored, then)));
    }

    /// Stores a reply, once for each (event, number).
    pub fn reply(
        &self,
        event: EventId,
        number: u32,
        message: OutgoingMessage,
        then: impl FnOnce(Result<Reply, StoreError>) + Send + 'static,
    ) {
        let effects = vec![BatchEffect::Reply { number, message }];
        self.settle(EventBatch { event, effects, end: None }, move |mut settlement| {
            then(match settlement.effects.pop() {
                Some(Ok(EffectOutcome::Reply(reply))) => Ok(reply),
                Some(Err(error)) => Err(error),
                _ => Err(StoreError::Closed),
            });
        });
    }

    /// Queues an event that a script of `event` sent, once for each (event, number).
    pub fn follow_up(
        &self,
        event: EventId,
        number: u32,
        draft: EventDraft,
        then: impl FnOnce(Result<FollowUp, StoreError>) + Send + 'static,
    ) {
        let effects = vec![BatchEffect::FollowUp { number, draft }];
        self.settle(EventBatch { event, effects, end: None }, move |mut settlement| {
            then(match settlement.effects.pop() {
                Some(Ok(EffectOutcome::FollowUp(sent))) => Ok(sent),
                Some(Err(error)) => Err(error),
                _ => Err(StoreError::Closed),
            });
        });
    }

    /// Ends an event, in one transaction: its state is written, if there is any to write, and it leaves the queue. For an
    /// event that is no longer queued (finished before, or set aside) nothing happens. The session lives from now on as
    /// long as `lifetimes` say. After a time-out nothing is left of the dialog, and after a reset nothing of the session, unless
    /// the state says otherwise.
    ///
    /// [`StoreError::Unstored`]: it is not over, since a reply or an event that it sent could not be stored.
    pub fn finish(
        &self,
        event: EventId,
        session: SessionKey,
        state: Option<StateChange>,
        lifetimes: Lifetimes,
        then: impl FnOnce(Result<(), StoreError>) + Send + 'static,
    ) {
        let end = Some(EventEnd { session, state, lifetimes });
        self.settle(EventBatch { event, effects: Vec::new(), end }, move |settlement| {
            then(settlement.end.unwrap_or(Err(StoreError::Closed)));
        });
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{RngExt as _, SeedableRng as _};

    use super::super::ConversationTarget;
    use super::super::testing::*;
    use super::*;
    use crate::model::QueuedEvent;

    /// A message with this text cannot be stored, as if the disk were full.
    const FULL: &str = "full";

    fn breaking() -> Fixture {
        let fixture = Fixture::new();
        let sql = format!(
            "CREATE TRIGGER full BEFORE INSERT ON messages WHEN NEW.message_text = '{FULL}' \
             BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        );
        wait(|then| fixture.store.write_then(move |tx| Ok(tx.connection.execute_batch(&sql)?), then)).unwrap();
        fixture
    }

    fn reply(event: &QueuedEvent, number: u32, text: &str) -> BatchEffect {
        BatchEffect::Reply { number, message: outgoing(event, text, 0) }
    }

    fn end(event: &QueuedEvent, state: &str) -> Option<EventEnd> {
        let state = serde_json::from_str(state).unwrap();
        Some(EventEnd { session: event.session(), state, lifetimes: Lifetimes::default() })
    }

    fn settle(fixture: &Fixture, event: &QueuedEvent, effects: Vec<BatchEffect>, end: Option<EventEnd>) -> Settlement {
        wait(|then| fixture.store.settle(EventBatch { event: event.id, effects, end }, then))
    }

    /// What became of everything, in words.
    fn told(settlement: &Settlement) -> Vec<String> {
        let effects = settlement.effects.iter().map(|effect| match effect {
            Ok(EffectOutcome::Reply(Reply::Stored(message))) => format!("stored in {}", message.conversation_id),
            Ok(EffectOutcome::Reply(Reply::Noted)) => "noted".to_owned(),
            Ok(EffectOutcome::Reply(Reply::AlreadyStored)) => "already stored".to_owned(),
            Ok(EffectOutcome::FollowUp(FollowUp::Queued(_))) => "queued".to_owned(),
            Ok(EffectOutcome::FollowUp(FollowUp::AlreadyQueued)) => "already queued".to_owned(),
            Err(error) => error.to_string(),
        });
        let end = settlement.end.as_ref().map(|end| match end {
            Ok(()) => "ended".to_owned(),
            Err(StoreError::Unstored { .. }) => "unstored".to_owned(),
            Err(error) => error.to_string(),
        });
        effects.chain(end).collect()
    }

    #[test]
    fn two_replies_and_the_end_of_an_event_take_few_statements() {
        let (fixture, statements) = Fixture::traced();
        let state = r#"{"session":{"lastMessages":[1]},"temp":{},"context":{},"user":{"lang":"en"}}"#;
        let mut counts = Vec::new();
        for _ in 0..2 {
            statements.try_iter().for_each(drop);
            let event = fixture.accept("ann", ConversationTarget::Recent).event;
            let accepted = statements.try_iter().collect::<Vec<_>>();
            let effects = vec![reply(&event, 0, "one"), reply(&event, 1, "two")];
            let settlement = settle(&fixture, &event, effects, end(&event, state));
            assert_eq!(told(&settlement), ["stored in 1", "stored in 1", "ended"]);
            let settled = statements.try_iter().collect::<Vec<_>>();
            counts.push((accepted, settled));
        }
        let (accepted, settled) = &counts[1];
        // BEGIN and COMMIT are two of them, shared by all that wait.
        assert_eq!((accepted.len(), settled.len()), (3, 7), "{accepted:#?} {settled:#?}");
    }

    #[test]
    fn an_effect_that_fails_alone_undoes_nothing_else_and_the_event_ends_unless_it_can_be_tried_again() {
        let fixture = breaking();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let mut gone = outgoing(&event, "gone", 0);
        gone.session.thread = Some("99".into());
        let gone = BatchEffect::Reply { number: 1, message: gone };
        let settlement = settle(&fixture, &event, vec![reply(&event, 0, "one"), gone, reply(&event, 2, "two")], None);
        let not_found = "conversation \"99\" not found - BP_CONV_NOT_FOUND";
        assert_eq!(told(&settlement), ["stored in 1", not_found, "stored in 1"]);
        let effects = vec![reply(&event, 3, FULL), reply(&event, 4, "three")];
        let settlement = told(&settle(&fixture, &event, effects, end(&event, r#"{"session":{"s":1}}"#)));
        assert!(settlement[0].contains("the disk is full"), "{settlement:?}");
        assert_eq!(settlement[1..], ["stored in 1", "unstored"]);
        assert_eq!(texts(&fixture, &event, 20), ["one", "two", "three"]);
        // It runs again: what is stored is not repeated, and now it ends.
        let again = (0..5).filter(|number| *number != 1).map(|number| reply(&event, number, "again")).collect();
        let settlement = told(&settle(&fixture, &event, again, end(&event, r#"{"session":{"s":1}}"#)));
        assert_eq!(settlement[..2], ["already stored", "already stored"]);
        assert_eq!(settlement[2..], ["stored in 1", "already stored", "ended"]);
        assert!(fixture.store.pending().unwrap().is_empty());
        assert_eq!(fixture.store.restore(&event.session()).unwrap().session, r#"{"s":1}"#);
    }

    #[test]
    fn an_event_whose_effect_could_not_be_stored_does_not_end_later_either() {
        let fixture = breaking();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        settle(&fixture, &event, vec![reply(&event, 0, FULL)], None);
        settle(&fixture, &event, vec![reply(&event, 1, "fine")], None);
        assert_eq!(told(&settle(&fixture, &event, Vec::new(), end(&event, "null"))), ["unstored"]);
        assert_eq!(told(&settle(&fixture, &event, Vec::new(), end(&event, "null"))), ["ended"]);
    }

    #[test]
    fn what_could_not_be_committed_is_told_to_every_part_and_the_event_runs_again() {
        let fixture = Fixture::new();
        let event = fixture.accept("ann", ConversationTarget::Recent).event;
        let tables = "CREATE TABLE parents (id INTEGER PRIMARY KEY); \
                      CREATE TABLE children (p REFERENCES parents DEFERRABLE INITIALLY DEFERRED); \
                      CREATE TRIGGER orphan AFTER INSERT ON messages BEGIN INSERT INTO children (p) VALUES (7); END; \
                      PRAGMA foreign_keys = ON";
        wait(|then| fixture.store.write_then(|tx| Ok(tx.connection.execute_batch(tables)?), then)).unwrap();
        let settlement = settle(&fixture, &event, vec![reply(&event, 0, "one")], end(&event, "null"));
        assert!(matches!(settlement.effects[..], [Err(StoreError::Commit(_))]));
        assert!(matches!(settlement.end, Some(Err(StoreError::Commit(_)))));
        assert_eq!(told(&settle(&fixture, &event, Vec::new(), end(&event, "null"))), ["unstored"]);
        let drop_it = "DROP TRIGGER orphan";
        wait(|then| fixture.store.write_then(|tx| Ok(tx.connection.execute_batch(drop_it)?), then)).unwrap();
        let settlement = settle(&fixture, &event, vec![reply(&event, 0, "one")], end(&event, "null"));
        assert_eq!(told(&settlement), ["stored in 1", "ended"]);
    }

    /// One way to store some effects and an end: all at once, or one after the other.
    type Way = fn(&Fixture, &QueuedEvent, Vec<BatchEffect>, Option<EventEnd>) -> Vec<String>;

    fn at_once(
        fixture: &Fixture,
        event: &QueuedEvent,
        effects: Vec<BatchEffect>,
        end: Option<EventEnd>,
    ) -> Vec<String> {
        told(&settle(fixture, event, effects, end))
    }

    fn apart(fixture: &Fixture, event: &QueuedEvent, effects: Vec<BatchEffect>, end: Option<EventEnd>) -> Vec<String> {
        let mut all: Vec<String> = Vec::new();
        for effect in effects {
            all.extend(told(&settle(fixture, event, vec![effect], None)));
        }
        let end = end.map(|end| settle(fixture, event, Vec::new(), Some(end)));
        all.extend(end.iter().flat_map(told));
        all
    }

    /// Random batches of a few events, with effects that fail in both ways, numbers that come again, and restarts.
    fn story(seed: u64, way: Way) -> (Vec<Vec<String>>, Vec<String>) {
        let (mut fixture, mut random) = (breaking(), StdRng::seed_from_u64(seed));
        let mut all = Vec::new();
        let mut events: Vec<QueuedEvent> = Vec::new();
        for step in 0..80 {
            if events.len() < 3 {
                let user = ["ann", "bob"][random.random_range(0..2)];
                let target = [ConversationTarget::Recent, ConversationTarget::Nowhere][random.random_range(0..2)];
                events.push(fixture.accept(user, target).event);
            }
            let at = random.random_range(0..events.len());
            let event = events[at].clone();
            let effects = (0..random.random_range(0..4)).map(|_| {
                let number = random.random_range(0..8);
                let mut message = outgoing(&event, &format!("text {step}"), 0);
                match random.random_range(0..12) {
                    0 => message.message_text = Some(FULL.into()),
                    1 => message.session.thread = Some("77".into()),
                    2 => message.session.thread = None,
                    3 => message.session.conversation.channel = "api".into(),
                    4 => message.message_type = "typing".into(),
                    5..7 => return BatchEffect::FollowUp { number, draft: draft("eve") },
                    _ => {}
                }
                BatchEffect::Reply { number, message }
            });
            let effects = effects.collect();
            let ends = random.random_range(0..4) == 0;
            let end = ends.then(|| end(&event, r#"{"session":{"s":1},"user":{"u":2}}"#)).flatten();
            let became = way(&fixture, &event, effects, end);
            if became.last().is_some_and(|last| last == "ended") {
                events.remove(at);
            }
            all.push(became);
            if random.random_range(0..20) == 0 {
                fixture = fixture.reopen();
            }
        }
        let rows = fixture.store.read(|connection| {
            let sql = "SELECT sequence || ' ' || conversation || ' ' || message_text FROM messages \
                       UNION ALL SELECT 'queue ' || count(*) FROM queue UNION ALL SELECT 'effects ' || count(*) FROM effects \
                       UNION ALL SELECT id || user_id || channel FROM conversations \
                       UNION ALL SELECT target || session FROM sessions UNION ALL SELECT user_id || attributes FROM users \
                       ORDER BY 1";
            let mut statement = connection.prepare(sql)?;
            let rows = statement.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<Result<Vec<String>, _>>()?)
        });
        (all, rows.unwrap())
    }

    #[test]
    fn a_batch_does_what_its_parts_do_one_after_the_other() {
        for seed in 0..4 {
            assert_eq!(story(seed, at_once), story(seed, apart), "seed {seed}");
        }
    }
}
