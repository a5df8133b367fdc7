//! What the store costs: events a second, each accepted, answered with one message and finished, 64 at a time; and how
//! long who waits for a commit waits under load, with the processor time of an event.
//!
//! `cargo bench --bench store`. The files lie in the temporary folder: set `TMPDIR` to the disk you want to know about.

#![allow(clippy::unwrap_used, reason = "a benchmark may stop at the first error")]
#![allow(missing_docs, reason = "criterion's macros make public functions")]
#![allow(clippy::print_stdout, reason = "figures are for whoever runs it")]

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group};
use crossbeam_channel::Sender;
use nudge::clock::Clock;
use nudge::model::{BotId, ConversationKey, EventDraft, EventId, QueuedEvent, SessionKey, UserId};
use nudge::store::{BatchEffect, ConversationTarget, EventBatch, EventEnd, Lifetimes, OutgoingMessage, Store};
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
            depth: 0,
        }
    }
}

/// Sends 64 events on their way and waits until all are finished; each step begins when the one before is committed, as
/// in the server.
fn events(world: &Arc<World>) {
    let (sender, receiver) = crossbeam_channel::bounded::<()>(BATCH as usize);
    for _ in 0..BATCH {
        let (world_then, sender) = (world.clone(), sender.clone());
        world.store.accept(world.draft(), ConversationTarget::Recent, None, move |accepted| {
            let event = accepted.unwrap().event;
            let session: SessionKey = event.session();
            let out = OutgoingMessage {
                session: session.clone(),
                payload: world_then.answer.clone(),
                message_type: "text".into(),
                message_text: Some("I'm so proactive!".into()),
                deliver_at: 0,
                sent_on: 0,
                known_only: false,
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
        world.store.accept(world.draft(), ConversationTarget::Recent, None, move |accepted| {
            black_box(accepted.unwrap());
            let _ = sender.send(());
        });
    }
    for _ in 0..BATCH {
        receiver.recv().unwrap();
    }
}

fn world() -> (tempfile::TempDir, Arc<World>) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("data.db"), Clock::system()).unwrap();
    let world = Arc::new(World {
        store,
        next: AtomicU64::new(0),
        payload: raw(r#"{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}}"#),
        answer: raw(r#"{"type":"text","markdown":true,"text":"I'm so proactive!"}"#),
    });
    (folder, world)
}

fn benches(criterion: &mut Criterion) {
    let (_folder, world) = world();
    let mut group = criterion.benchmark_group("store");
    group.throughput(Throughput::Elements(BATCH));
    group.bench_function("64 events: accept, reply, finish", |bencher| bencher.iter(|| events(&world)));
    group.bench_function("64 events: accept", |bencher| bencher.iter(|| accepts(&world)));
    let key = world.draft().key;
    let session = SessionKey { conversation: key, thread: Some("1".into()) };
    group.throughput(Throughput::Elements(1));
    group.bench_function("restore", |bencher| bencher.iter(|| black_box(world.store.restore(&session).unwrap())));
    let event = QueuedEvent {
        key: session.conversation.clone(),
        thread: session.thread.clone(),
        ..world.draft().queued(EventId(1), 1)
    };
    let (sender, receiver) = crossbeam_channel::bounded(1);
    group.bench_function("begin, from the disk", |bencher| {
        bencher.iter(|| {
            let sender = sender.clone();
            world.store.begin(&event, move |begun| sender.send(begun.unwrap()).unwrap());
            black_box(receiver.recv().unwrap())
        });
    });
    group.bench_function("state at hand", |bencher| {
        bencher.iter(|| black_box(world.store.cached_state(&session).unwrap()))
    });
    group.finish();
}

/// Events of the measurement under load, and how many are under way at a time.
const LOADED: u64 = 40_000;
const UNDER_WAY: u64 = 32;

/// What an event leaves.
const STATE: &str =
    r#"{"session":{"lastMessages":[1,2,3,4,5],"extractedSlots":{}},"temp":{"form":{"name":"Ann"}},"context":{}}"#;

/// One event: accepted; then two replies and its end, as one batch. How long both took goes
/// to `took`; `next` begins the next one.
fn event_under_load(world: &Arc<World>, took: &Sender<(Duration, Duration)>) {
    let (world_then, took, accepted_at) = (world.clone(), took.clone(), Instant::now());
    world.store.accept(world.draft(), ConversationTarget::Recent, None, move |accepted| {
        let event = accepted.unwrap().event;
        let (waited, ended_at) = (accepted_at.elapsed(), Instant::now());
        let session: SessionKey = event.session();
        let reply = |number| BatchEffect::Reply {
            number,
            message: OutgoingMessage {
                session: session.clone(),
                payload: world_then.answer.clone(),
                message_type: "text".into(),
                message_text: Some("I'm so proactive!".into()),
                deliver_at: 0,
                sent_on: 0,
                known_only: false,
            },
        };
        let effects = vec![reply(0), reply(1)];
        let state = serde_json::from_str(STATE).unwrap();
        let end = Some(EventEnd { session, state: Some(state), lifetimes: Lifetimes::default() });
        world_then.store.settle(EventBatch { event: event.id, effects, end }, move |settlement| {
            settlement.end.unwrap().unwrap();
            let _ = took.send((waited, ended_at.elapsed()));
        });
    });
}

/// Percentiles of commits under load, and what an event costs in processor time.
fn under_load() {
    let world = world();
    let world = &world.1;
    let (sender, receiver) = crossbeam_channel::unbounded();
    let (began, cpu) = (Instant::now(), processor_time());
    let (mut accepts, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..UNDER_WAY {
        event_under_load(world, &sender);
    }
    for done in 1..=LOADED {
        let (accept, end) = receiver.recv().unwrap();
        accepts.push(accept);
        ends.push(end);
        if done + UNDER_WAY <= LOADED {
            event_under_load(world, &sender);
        }
    }
    let (took, cpu) = (began.elapsed(), processor_time().saturating_sub(cpu));
    println!(
        "under load, {UNDER_WAY} events under way: {:.0} events/s, {:.1} us of processor time an event",
        LOADED as f64 / took.as_secs_f64(),
        cpu.as_secs_f64() * 1e6 / LOADED as f64,
    );
    for (what, mut times) in [("accepted", accepts), ("two replies and the end", ends)] {
        times.sort_unstable();
        let at = |part: f64| times[((times.len() - 1) as f64 * part) as usize];
        println!("  {what}: p50 {:?}, p99 {:?}, p99.9 {:?}, worst {:?}", at(0.5), at(0.99), at(0.999), at(1.0));
    }
}

/// Processor time of all threads of this process that still live; nothing where the system does not say.
fn processor_time() -> Duration {
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let of_task = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("schedstat")).ok();
    let nanos = tasks.filter_map(of_task).filter_map(|text| text.split(' ').next()?.parse::<u64>().ok());
    Duration::from_nanos(nanos.sum())
}

criterion_group!(store, benches);

fn main() {
    under_load();
    store();
}
