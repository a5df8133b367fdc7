//! Realm threads and the work they take.
//!
//! A thread that finishes takes the next job itself, without anybody waking it: under load a few threads run hot and the
//! rest sleep. Another thread is started for a job only while fewer than `COMPUTING` compute, or when the job has waited
//! for `PATIENCE` and no thread became free meanwhile: scripts that compute for long do not hold back short ones.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};
use parking_lot::Mutex;

use super::{beat, realm_thread};
use crate::engine::{IdSource, Job, LoadedProgram, Occupancy, ToRealm};
use crate::program::Program;
use crate::protocol::{DispatchHead, Frame, Hello, Outbox};
use crate::script::Status;

/// Threads that compute at once before a job has to wait.
const COMPUTING: usize = 2;
/// How long a job waits before it gets a thread of its own nevertheless.
const PATIENCE: Duration = Duration::from_millis(3);
/// Blank realms kept ready.
const BLANK: usize = 1;
/// Realms without work that are kept; the longest idle goes first.
const MOST_IDLE: usize = 32;

/// Which bot and version a realm has loaded; none while it is blank.
pub(super) type Loaded = Option<(String, u64)>;

/// One realm thread as others see it.
#[derive(Debug)]
pub(super) struct Seat {
    pub(super) status: Arc<Status>,
    pub(super) program: Mutex<Option<Arc<LoadedProgram>>>,
}

impl Seat {
    pub(super) fn new(program: Option<Arc<LoadedProgram>>) -> Arc<Self> {
        Arc::new(Self { status: Arc::default(), program: Mutex::new(program) })
    }
}

#[derive(Debug)]
struct Idle {
    loaded: Loaded,
    wake: Sender<Option<Job>>,
}

#[derive(Debug, Default)]
struct Inner {
    pending: VecDeque<Job>,
    /// The one that became idle last is at the end.
    idle: Vec<Idle>,
    seats: Vec<Arc<Seat>>,
    threads: usize,
    /// The newest program, and older ones as long as work names them.
    programs: BTreeMap<u64, Arc<LoadedProgram>>,
    /// Work that is not through, with the version it names.
    versions: HashMap<u64, u64>,
    routes: HashMap<u64, Sender<ToRealm>>,
    /// Counts the jobs that threads have taken: while it rises, the queue moves.
    taken: u64,
    /// Work that has no `Settled` yet.
    open: usize,
    draining: bool,
}

/// All realm threads of a worker.
#[derive(Debug)]
pub struct Pool {
    inner: Mutex<Inner>,
    pub(super) hello: Arc<Hello>,
    pub(super) outbox: Arc<Outbox>,
    pub(super) ids: Arc<IdSource>,
    pub(super) occupancy: Arc<Occupancy>,
}

impl Pool {
    /// Starts the threads.
    pub(super) fn start(hello: Arc<Hello>, outbox: Arc<Outbox>) -> Arc<Self> {
        let (freed, on_freed) = crossbeam_channel::bounded(1);
        let ids = Arc::new(IdSource::new(hello.slot));
        let pool = Arc::new(Self { inner: Mutex::default(), hello, outbox, ids, occupancy: Occupancy::new(freed) });
        let beating = Arc::clone(&pool);
        spawn("beat", 128 << 10, move || beat::run(&beating));
        let handing = Arc::clone(&pool);
        spawn("work", 128 << 10, move || handing.hand_out(&on_freed));
        let mut inner = pool.inner.lock();
        for _ in 0..BLANK {
            pool.add_thread(&mut inner, None);
        }
        drop(inner);
        pool
    }

    /// A new version of the workspace.
    pub(super) fn add_program(self: &Arc<Self>, program: Program) {
        let version = program.version;
        let loaded = Arc::new(LoadedProgram::new(program));
        let mut inner = self.inner.lock();
        inner.programs.insert(version, loaded);
        // Work names the newest version when it comes, so one that nothing names any more is never asked for again.
        let Inner { programs, versions, .. } = &mut *inner;
        programs.retain(|known, _| *known == version || versions.values().any(|named| named == known));
        // Realms of older versions are of no more use.
        inner.idle.retain(|idle| {
            let keep = idle.loaded.as_ref().is_none_or(|(_, loaded)| *loaded == version);
            if !keep {
                let _ = idle.wake.send(None);
            }
            keep
        });
    }

    /// Compiles a candidate on a thread of its own.
    pub(super) fn compile(self: &Arc<Self>, dispatch: u64, program: Program) {
        let pool = Arc::clone(self);
        spawn("compile", STACK, move || realm_thread::compile(&pool, dispatch, program));
    }

    /// Takes work.
    pub(super) fn submit(self: &Arc<Self>, dispatch: u64, head: DispatchHead, json: Bytes) {
        let job = Job { dispatch, head, json, begun: Instant::now(), resume: None };
        let mut inner = self.inner.lock();
        inner.open += 1;
        inner.versions.insert(dispatch, job.head.version);
        if inner.pending.is_empty() && self.occupancy.computing() < COMPUTING {
            self.start_job(&mut inner, job);
        } else {
            inner.pending.push_back(job);
            drop(inner);
            self.occupancy.nudge();
        }
    }

    /// Gives a job to an idle thread or a new one; queues it where there are too many.
    fn start_job(self: &Arc<Self>, inner: &mut Inner, job: Job) {
        let wanted = Some((job.head.bot.clone(), job.head.version));
        let fits = inner.idle.iter().rposition(|idle| idle.loaded == wanted);
        let fits = fits.or_else(|| inner.idle.iter().rposition(|idle| idle.loaded.is_none()));
        if let Some(index) = fits {
            let idle = inner.idle.remove(index);
            self.occupancy.take();
            let blank = idle.loaded.is_none();
            let _ = idle.wake.send(Some(job));
            if blank && !inner.idle.iter().any(|idle| idle.loaded.is_none()) {
                self.add_thread(inner, None);
            }
        } else if inner.threads < self.hello.limits.realms as usize {
            self.occupancy.take();
            self.add_thread(inner, Some(job));
        } else if !inner.idle.is_empty() {
            let idle = inner.idle.remove(0);
            self.occupancy.take();
            let _ = idle.wake.send(Some(job));
        } else {
            inner.pending.push_front(job);
        }
    }

    fn add_thread(self: &Arc<Self>, inner: &mut Inner, first: Option<Job>) {
        if inner.threads >= self.hello.limits.realms as usize {
            if let Some(job) = first {
                inner.pending.push_front(job);
            }
            return;
        }
        inner.threads += 1;
        let seat = Seat::new(None);
        inner.seats.push(Arc::clone(&seat));
        let pool = Arc::clone(self);
        spawn("realm", STACK, move || realm_thread::run(&pool, &seat, first));
    }

    /// The next job for a thread whose realm has that loaded; waits for one. `None`: the thread ends.
    pub(super) fn next(self: &Arc<Self>, loaded: &Loaded) -> Option<Job> {
        let wake = {
            let mut inner = self.inner.lock();
            let fits = |job: &Job| match loaded {
                Some((bot, version)) => *bot == job.head.bot && *version == job.head.version,
                None => true,
            };
            // A job of the same bot is taken from a little way down the queue; an old one is never passed over.
            let patient = |job: &Job| job.begun.elapsed() < PATIENCE;
            let position = match inner.pending.front() {
                Some(front) if fits(front) || !patient(front) => Some(0),
                Some(_) => inner.pending.iter().take(8).position(fits),
                None => None,
            };
            if let Some(job) = position.and_then(|position| inner.pending.remove(position)) {
                inner.taken += 1;
                return Some(job);
            }
            self.occupancy.give_quietly();
            if let Some((_, version)) = loaded
                && inner.programs.last_key_value().is_some_and(|(newest, _)| newest != version)
            {
                self.occupancy.take();
                return None;
            }
            let (wake, woken) = crossbeam_channel::bounded(1);
            inner.idle.push(Idle { loaded: loaded.clone(), wake });
            if inner.idle.len() > MOST_IDLE {
                let longest = inner.idle.remove(0);
                let _ = longest.wake.send(None);
            }
            woken
        };
        match wake.recv() {
            Ok(Some(job)) => Some(job),
            _ => {
                // The one who woke us takes nothing: count as the others do, for `leave` below.
                self.occupancy.take();
                None
            }
        }
    }

    /// A thread begins with a job: answers go to it.
    pub(super) fn begin(
        &self,
        seat: &Seat,
        dispatch: u64,
        version: u64,
        route: &Sender<ToRealm>,
    ) -> Option<Arc<LoadedProgram>> {
        let mut inner = self.inner.lock();
        inner.routes.insert(dispatch, route.clone());
        let program = inner.programs.get(&version).cloned();
        drop(inner);
        seat.program.lock().clone_from(&program);
        program
    }

    /// A thread is through with a dispatch.
    pub(super) fn done(&self, dispatch: u64) {
        let mut inner = self.inner.lock();
        inner.routes.remove(&dispatch);
        inner.versions.remove(&dispatch);
        inner.open = inner.open.saturating_sub(1);
        let over = inner.draining && inner.open == 0;
        drop(inner);
        if over {
            std::process::exit(0);
        }
    }

    /// A thread ends.
    pub(super) fn leave(&self, seat: &Arc<Seat>) {
        self.occupancy.give();
        let mut inner = self.inner.lock();
        inner.threads -= 1;
        inner.seats.retain(|other| !Arc::ptr_eq(other, seat));
    }

    /// An answer of the server.
    pub(super) fn answer(&self, frame: &Frame) {
        let Some((fine, body)) = frame.body.split_first().map(|(fine, _)| (*fine == 1, frame.body.slice(1..))) else {
            return;
        };
        self.route(frame.dispatch, ToRealm::Result { dispatch: frame.dispatch, number: frame.number, fine, body });
    }

    /// What another server answered.
    pub(super) fn fetched(&self, frame: Frame) {
        let Frame { dispatch, number, body, .. } = frame;
        self.route(dispatch, ToRealm::Fetched { dispatch, number, body });
    }

    /// A dispatch is to stop.
    pub(super) fn cancel(&self, dispatch: u64) {
        self.route(dispatch, ToRealm::Cancel { dispatch });
    }

    fn route(&self, dispatch: u64, message: ToRealm) {
        if let Some(route) = self.inner.lock().routes.get(&dispatch) {
            let _ = route.send(message);
        }
    }

    /// Ends the process once nothing is left to do.
    pub(super) fn drain(&self) {
        let mut inner = self.inner.lock();
        inner.draining = true;
        let over = inner.open == 0;
        drop(inner);
        if over {
            std::process::exit(0);
        }
    }

    pub(super) fn seats(&self) -> Vec<Arc<Seat>> {
        self.inner.lock().seats.clone()
    }

    pub(super) fn add_seat(&self, seat: Arc<Seat>) {
        let mut inner = self.inner.lock();
        inner.threads += 1;
        inner.seats.push(seat);
    }

    /// Starts pending jobs when places become free, or when all places are taken by jobs that do not end.
    fn hand_out(self: &Arc<Self>, freed: &Receiver<()>) {
        let mut seen = (Instant::now(), 0);
        loop {
            let waiting = !self.inner.lock().pending.is_empty();
            let woken = if waiting {
                freed.recv_timeout(PATIENCE)
            } else {
                freed.recv().map_err(|_| RecvTimeoutError::Disconnected)
            };
            if woken == Err(RecvTimeoutError::Disconnected) {
                return;
            }
            let mut inner = self.inner.lock();
            if inner.taken != seen.1 || inner.pending.is_empty() {
                seen = (Instant::now(), inner.taken);
            }
            while !inner.pending.is_empty() {
                if self.occupancy.computing() >= COMPUTING {
                    if seen.0.elapsed() < PATIENCE {
                        break;
                    }
                    // One at a time: the thread that is added takes the jobs behind this one too.
                    seen.0 = Instant::now();
                }
                let before = inner.pending.len();
                if let Some(job) = inner.pending.pop_front() {
                    self.start_job(&mut inner, job);
                }
                if inner.pending.len() == before {
                    // No thread is to be had; the next one that finishes takes it.
                    break;
                }
            }
        }
    }
}

/// Stack of a realm's thread. The engine counts what JavaScript uses against its own limit, an eighth of this, but not what
/// its native functions use when they call each other. What is never touched costs no memory.
const STACK: usize = 4 << 20;

fn spawn(name: &str, stack: usize, body: impl FnOnce() + Send + 'static) {
    let spawned = std::thread::Builder::new().name(name.into()).stack_size(stack).spawn(body);
    if spawned.is_err() {
        // Without its threads a worker is of no use; the server starts another.
        std::process::exit(3);
    }
}
