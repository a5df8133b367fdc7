//! What the store costs: events a second, each accepted, answered with one message and finished, 64 at a time.
//!
//! `cargo bench --bench store`. The files lie in the temporary folder: set `TMPDIR` to the disk you want to know about.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first error")]
#![allow(missing_docs, reason = "criterion's macros make public functions")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, EventDraft, SessionKey, UserId};
use nudge::store::{Lifetimes, OutgoingMessage, Place, Store};
use serde_json::value::RawValue;

/// Events under way at a time.
const BATCH: u64 = 64;

/// As many users take turns.
const USERS: u64 = 1_000;

struct World {
    store: Store,
    next: AtomicU64,
    payload: Box<RawValue>,
    answer: Box<RawValue>,
}

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

impl World {
    fn draft(&self) -> EventDraft {
        let user = self.next.fetch_add(1, Ordering::Relaxed) % USERS;
        EventDraft {
            key: ConversationKey {
                bot: BotId::parse("welcome-bot").unwrap(),
                channel: "web".into(),
                target: UserId::parse(&format!("visitor-{user}")).unwrap(),
            },
            thread: None,
            kind: "proactive-trigger".into(),
            payload: self.payload.clone(),
            preview: None,
            nlu: None,
            credentials: None,
            suggestions: None,
        }
    }
}

/// Sends 64 events on their way and waits until all are finished; each step begins when the one before is committed, as
/// in the server.
fn events(world: &Arc<World>) {
    let (sender, receiver) = crossbeam_channel::bounded::<()>(BATCH as usize);
    for _ in 0..BATCH {
        let (world_then, sender) = (world.clone(), sender.clone());
        world.store.accept(world.draft(), Place::Recent, None, move |accepted| {
            let event = accepted.unwrap().event;
            let session: SessionKey = event.session();
            let out = OutgoingMessage {
                session: session.clone(),
                payload: world_then.answer.clone(),
                message_type: "text".into(),
                message_text: Some("I'm so proactive!".into()),
                deliver_at: 0,
                sent_on: 0,
            };
            let store = world_then.store.clone();
            world_then.store.reply(event.id, 0, out, move |reply| {
                black_box(reply.unwrap());
                store.finish(event.id, session, None, Lifetimes::default(), move |finished| {
                    finished.unwrap();
                    let _ = sender.send(());
                });
            });
        });
    }
    for _ in 0..BATCH {
        receiver.recv().unwrap();
    }
}

/// The same for accepting alone: what stands between a request and its 200.
fn accepts(world: &Arc<World>) {
    let (sender, receiver) = crossbeam_channel::bounded::<()>(BATCH as usize);
    for _ in 0..BATCH {
        let sender = sender.clone();
        world.store.accept(world.draft(), Place::Recent, None, move |accepted| {
            black_box(accepted.unwrap());
            let _ = sender.send(());
        });
    }
    for _ in 0..BATCH {
        receiver.recv().unwrap();
    }
}

fn benches(criterion: &mut Criterion) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data.db"), Clock::system()).unwrap();
    let world = Arc::new(World {
        store,
        next: AtomicU64::new(0),
        payload: raw(r#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}}"#),
        answer: raw(r#"{"type":"text","markdown":true,"text":"I'm so proactive!"}"#),
    });
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("64 events: accept, reply, finish", |bencher| bencher.iter(|| events(&world)));
    group.bench_function("64 events: accept", |bencher| bencher.iter(|| accepts(&world)));
    let key = world.draft().key;
    let session = SessionKey { conversation: key, thread: Some("1".into()) };
    group.throughput(Throughput::Elements(1));
    group.bench_function("restore", |bencher| bencher.iter(|| black_box(world.store.restore(&session).unwrap())));
    group.finish();
}

criterion_group!(store, benches);
criterion_main!(store);
