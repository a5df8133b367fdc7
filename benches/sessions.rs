//! What it costs that many sessions are stored: an event of one of them, and a look of the janitor, with 1,000 sessions and
//! with 100,000.
//!
//! `cargo bench --bench sessions`. The files lie in the temporary folder: set `TMPDIR` to the disk you want to know about.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first error")]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, EventDraft, UserId};
use nudge::store::{ConversationTarget, Lifetimes, Store};
use rusqlite::Connection;
use serde_json::value::RawValue;

/// Events under way at a time, and dialogs that time out in one transaction.
const BATCH: u64 = 50;

/// What an event leaves: five messages remembered, a dialog that waits.
const STATE: &str = r#"{"session":{"lastMessages":[1,2,3,4,5],"extractedSlots":{}},"temp":{"form":{"name":"Ann"}},
  "context":{"currentFlow":"main.flow.json","currentNode":"ask","jumpPoints":[]}}"#;

struct World {
    store: Store,
    path: PathBuf,
    sessions: u64,
    next: AtomicU64,
    _folder: tempfile::TempDir,
}

impl World {
    /// So many users with a dialog each, none of which has expired.
    fn with(sessions: u64) -> Arc<Self> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("data.db");
        drop(Store::open(&path, Clock::system()).unwrap());
        let database = Connection::open(&path).unwrap();
        let turn = r#"{"eventId":"179533009973600001","incomingPreview":"something that somebody said","replySource":"dialogManager ","replyPreview":"builtin_text-a1b2c3","replyConfidence":1,"replyDate":"2026-11-22T06:48:19.736Z"}"#;
        let session = format!(r#"{{"lastMessages":[{}],"extractedSlots":{{}}}}"#, [turn; 5].join(","));
        let context = r#"{"currentFlow":"main.flow.json","currentNode":"ask","jumpPoints":[],"queue":{"at":"main.flow.json#ask","stage":"wait","done":0}}"#;
        let later = Clock::system().now() + 1_000_000_000;
        database
            .execute_batch(&format!(
                "BEGIN;
                 CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT {sessions}) SELECT i FROM n;
                 INSERT INTO users (channel, user_id, attributes, created_at, updated_at)
                   SELECT 'api', 'visitor-' || i, '{{\"language\":\"en\"}}', 1, 1 FROM n;
                 INSERT INTO sessions (bot, channel, target, thread, session, temp, context, expires_on, times_out_on)
                   SELECT 'bot', 'api', 'visitor-' || i, x'', '{session}', '{{\"form\":{{\"name\":\"Ann\"}}}}', '{context}',
                     {later} + i * 7919 % 1800000, {later} + i * 7919 % 1500000 FROM n;
                 COMMIT; ANALYZE; PRAGMA wal_checkpoint(TRUNCATE);"
            ))
            .unwrap();
        drop(database);
        let store = Store::open(&path, Clock::system()).unwrap();
        Arc::new(Self { store, path, sessions, next: AtomicU64::new(0), _folder: folder })
    }

    /// An event of one user after the other, in no order in which they lie.
    fn draft(&self) -> EventDraft {
        let user = self.next.fetch_add(1, Ordering::Relaxed) * 7_919 % self.sessions;
        EventDraft {
            key: ConversationKey {
                bot: BotId::parse("bot").unwrap(),
                channel: "api".into(),
                target: UserId::parse(&format!("visitor-{user}")).unwrap(),
            },
            thread: None,
            kind: "text".into(),
            payload: RawValue::from_string(r#"{"type":"text","text":"hello"}"#.into()).unwrap(),
            preview: None,
            nlu: None,
            credentials: None,
            suggestions: None,
            depth: 0,
        }
    }

    /// Some dialogs have expired now, and nothing is queued for them.
    fn expire(&self) {
        let database = Connection::open(&self.path).unwrap();
        database.busy_timeout(std::time::Duration::from_secs(10)).unwrap();
        let first = self.next.fetch_add(BATCH, Ordering::Relaxed) % (self.sessions - BATCH);
        database
            .execute_batch(&format!(
                "BEGIN; DELETE FROM queue; UPDATE sessions SET timeout = NULL, times_out_on = expires_on WHERE timeout IS NOT NULL;
                 UPDATE sessions SET times_out_on = 1 WHERE id > {first} AND id <= {first} + {BATCH}; COMMIT;"
            ))
            .unwrap();
    }
}

/// Takes events, restores the state of each, and stores what it leaves.
fn events(world: &Arc<World>) {
    let (sender, receiver) = crossbeam_channel::bounded::<()>(BATCH as usize);
    for _ in 0..BATCH {
        let (world_then, sender) = (world.clone(), sender.clone());
        world.store.accept(world.draft(), ConversationTarget::Nowhere, None, move |accepted| {
            let event = accepted.unwrap().event;
            let session = event.session();
            black_box(world_then.store.restore(&session).unwrap());
            let state = serde_json::from_str(STATE).unwrap();
            world_then.store.finish(event.id, session, Some(state), Lifetimes::default(), move |finished| {
                finished.unwrap();
                let _ = sender.send(());
            });
        });
    }
    for _ in 0..BATCH {
        receiver.recv().unwrap();
    }
}

/// The janitor's look where nothing has expired: what it costs each ten seconds.
fn look(world: &Arc<World>) {
    assert!(black_box(world.store.due(200).unwrap()).is_empty());
    world.store.forget_expired().unwrap();
}

/// Finds dialogs that have expired and queues their time-outs.
fn time_out(world: &Arc<World>) {
    let (_, sessions) = world.store.due(200).unwrap().remove(0);
    let (sender, receiver) = crossbeam_channel::bounded(1);
    world.store.time_out(sessions, BATCH as usize, move |outcome| {
        let _ = sender.send(outcome.unwrap().queued.len());
    });
    assert_eq!(receiver.recv().unwrap() as u64, BATCH);
}

fn benches(criterion: &mut Criterion) {
    for sessions in [1_000, 100_000] {
        let world = World::with(sessions);
        let mut group = criterion.benchmark_group(format!("{sessions} sessions"));
        group.bench_function("janitor, nothing has expired", |bencher| bencher.iter(|| look(&world)));
        group.throughput(Throughput::Elements(BATCH));
        group.bench_function("50 events: accept, restore, finish", |bencher| bencher.iter(|| events(&world)));
        group.bench_function("janitor, 50 dialogs have expired", |bencher| {
            bencher.iter_batched(|| world.expire(), |()| time_out(&world), BatchSize::PerIteration);
        });
        group.finish();
    }
}

criterion_group!(sessions, benches);
criterion_main!(sessions);
