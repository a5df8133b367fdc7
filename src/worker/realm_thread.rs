//! A thread that makes realms and runs jobs in them, one realm at a time.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::pool::{Loaded, Pool, Seat};
use crate::engine::run::Run;
use crate::engine::{BotRealm, Host, Job, LoadedProgram, Outcome};
use crate::program::Program;
use crate::protocol::{Compiled, FrameKind, LogLine, Processed};
use crate::script::{Meter, with_realm};

/// Why a realm's loop ended.
enum End {
    /// The thread makes a fresh realm.
    Renew,
    /// The thread ends.
    Leave,
}

/// A panic in here is a fault of ours that may have left anything half done: the process ends and the server starts
/// another, running again what was under way.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

/// A realm that has run this many events is replaced: what modules keep in their own variables would grow for ever.
const MOST_EVENTS: u32 = 50_000;

/// How often in a row making a realm may fail.
const MOST_FAILURES: u32 = 3;

pub(super) fn run(pool: &Arc<Pool>, seat: &Arc<Seat>, first: Option<Job>) {
    let _guard = AbortOnPanic;
    crate::script::limits::lower_priority(5);
    if first.is_none() {
        pool.occupancy.take();
    }
    let meter = Rc::new(Meter::new(pool.hello.limits.clone(), Arc::clone(&seat.status)));
    let (route, inbox) = crossbeam_channel::unbounded();
    let mut next = first;
    let mut failures = 0;
    loop {
        let host = Rc::new(Host::new(
            Rc::clone(&meter),
            Arc::clone(&pool.hello),
            Arc::clone(&pool.ids),
            Arc::clone(&pool.outbox),
        ));
        let end = with_realm(&meter, |realm| {
            let Ok(realm) = meter.own(|| BotRealm::new(realm, Rc::clone(&host))) else {
                failures += 1;
                return End::Renew;
            };
            failures = 0;
            let mut loaded: Loaded = None;
            for _ in 0..MOST_EVENTS {
                let Some(job) = next.take().or_else(|| pool.next(&loaded)) else {
                    return End::Leave;
                };
                let dispatch = job.dispatch;
                let wanted = (job.head.bot.clone(), job.head.version);
                if loaded.as_ref().is_some_and(|loaded| *loaded != wanted) {
                    next = Some(job);
                    return End::Renew;
                }
                let Some(program) = pool.begin(seat, dispatch, job.head.version, &route) else {
                    unknown_version(pool, &job);
                    pool.done(dispatch);
                    continue;
                };
                if loaded.is_none() {
                    realm.load(program, &wanted.0);
                    loaded = Some(wanted);
                }
                match Run::new(&realm, &inbox, &pool.occupancy, job).run() {
                    Outcome::Done { reusable } => {
                        pool.done(dispatch);
                        // A priority that was lowered cannot be raised again.
                        if seat.status.slow.load(Ordering::Relaxed) {
                            return End::Leave;
                        }
                        if !reusable {
                            return End::Renew;
                        }
                    }
                    Outcome::Again(job) => {
                        next = Some(*job);
                        return End::Renew;
                    }
                }
            }
            End::Renew
        });
        match end {
            // Without a realm a worker is of no use, and its work must not be lost with it: the server starts another.
            Ok(End::Renew) if failures > MOST_FAILURES => std::process::abort(),
            Ok(End::Renew) => {}
            Ok(End::Leave) => break,
            Err(_) => failures += 1,
        }
    }
    pool.leave(seat);
}

/// The program's version that a job names is not here: the server sent them in the wrong order. It is over, and said.
fn unknown_version(pool: &Pool, job: &Job) {
    let line = LogLine {
        level: "error".into(),
        message: format!("version {} of the workspace is not loaded in this worker", job.head.version),
        bot: Some(job.head.bot.clone()),
        ..LogLine::default()
    };
    pool.outbox.send(FrameKind::Log, job.dispatch, 0, &line);
    let processed = Processed { settled: true, errors: 1, ..Processed::default() };
    pool.outbox.send(FrameKind::Processed, job.dispatch, 0, &processed);
}

/// Compiles a candidate and answers.
pub(super) fn compile(pool: &Arc<Pool>, dispatch: u64, program: Program) {
    let _guard = AbortOnPanic;
    let loaded = Arc::new(LoadedProgram::new(program));
    let seat = Seat::new(Some(Arc::clone(&loaded)));
    seat.status.dispatch.store(dispatch, Ordering::Relaxed);
    pool.add_seat(Arc::clone(&seat));
    pool.occupancy.take();
    let meter = Rc::new(Meter::new(pool.hello.limits.clone(), Arc::clone(&seat.status)));
    let host =
        Rc::new(Host::new(Rc::clone(&meter), Arc::clone(&pool.hello), Arc::clone(&pool.ids), Arc::clone(&pool.outbox)));
    let compiled = with_realm(&meter, |realm| {
        let realm = meter.own(|| BotRealm::new(realm, host)).ok()?;
        meter.begin_event(crate::script::Used::default());
        let begin = |script| pool.outbox.send(FrameKind::Compiling, dispatch, script, &());
        Some(crate::engine::compile(&realm, &loaded, begin))
    });
    let compiled =
        compiled.ok().flatten().unwrap_or_else(|| Compiled { version: loaded.program.version, ..Compiled::default() });
    pool.outbox.send(FrameKind::Compiled, dispatch, 0, &compiled);
    pool.leave(&seat);
}
