//! The worker processes: how many of which role, who is ready, who takes the next event.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::process::Child;
use tokio::sync::{mpsc, oneshot};

use super::core::{Control, Core, Published};
use super::credit::Credit;
use super::hello::hello;
use super::process::{self, FromWorker, Out, Process};
use super::stats::gauge;
use super::verdict::Cause;
use super::{DispatchError, LockedIn, Shared};
use crate::config::LockIn;
use crate::protocol::{Compiled, Frame, FrameKind, Ready, Running};
use crate::telemetry::escape::one_line;

/// Suspects that run at once, each in a worker of its own.
const ALONE_AT_ONCE: usize = 8;
/// Starts that may fail before the server gives up, as long as none has worked.
const FIRST_TRIES: u32 = 3;
const COMPILE_FILE: Duration = Duration::from_secs(2);
const COMPILE_ALL: Duration = Duration::from_secs(30);
/// Log lines of a worker itself, between two ticks.
const LINES_A_TICK: u32 = 300;
/// Beats between two ticks: one is expected.
const BEATS_A_TICK: u32 = 100;

/// What a worker is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Runs events.
    Event,
    /// Compiles, and takes the place of an event worker that is gone.
    Spare,
    /// Runs hooks without an event and what they leave behind.
    Resident,
    /// Runs one suspect at a time.
    Alone,
}

/// One worker.
#[derive(Debug)]
pub(super) struct Worker {
    pub(super) role: Role,
    slot: u8,
    /// Until it is handed to the task that waits for its end.
    pub(super) child: Option<Child>,
    pub(super) pid: u32,
    pub(super) out: Out,
    /// What it sent and the server is not done with: while there is no room, it is not listened to.
    pub(super) inward: std::sync::Arc<Credit>,
    /// Its silence counts from here on: until then nobody listened.
    pub(super) excused: Instant,
    pub(super) heard: std::sync::Arc<std::sync::atomic::AtomicU64>,
    pub(super) spawned: Instant,
    pub(super) ready: bool,
    pub(super) flights: usize,
    /// When the last beat came, and who ran JavaScript then.
    pub(super) beat_at: Option<Instant>,
    pub(super) running: Vec<Running>,
    /// Set once it is killed or has broken the protocol.
    pub(super) dying: Option<Cause>,
    /// Nothing it says counts any more.
    distrusted: bool,
    pub(super) compiling: Option<Compiling>,
    lines: u32,
    beats: u32,
    /// It was told to finish and go, since it holds much memory: until when.
    pub(super) retiring: Option<Instant>,
    /// It was found silent at the last look.
    pub(super) silent: bool,
}

#[derive(Debug)]
pub(super) struct Compiling {
    pub(super) deadline: Instant,
    pub(super) answer: oneshot::Sender<Result<Compiled, DispatchError>>,
    /// The candidate's scripts.
    files: Vec<Arc<str>>,
    /// The one it has begun with.
    at: Option<usize>,
}

impl Compiling {
    /// The file it is at, as far as the worker said.
    pub(super) fn file(&self) -> Option<String> {
        self.at.and_then(|at| self.files.get(at)).map(ToString::to_string)
    }
}

type CompileRequest = (Bytes, Vec<Arc<str>>, oneshot::Sender<Result<Compiled, DispatchError>>);

/// All workers.
#[derive(Debug)]
pub(super) struct Pool {
    pub(super) workers: HashMap<u32, Worker>,
    events: usize,
    next_worker: u32,
    next_slot: u8,
    sink: mpsc::Sender<FromWorker>,
    pub(super) compiles: VecDeque<CompileRequest>,
    /// Starts that failed in a row, and when the next may be tried.
    failures: u32,
    not_before: Instant,
    ever_ready: bool,
    /// Why no worker can be started, if that is known for good.
    pub(super) broken: Option<DispatchError>,
    /// How the last one said it is locked in.
    lock_in: String,
}

impl Pool {
    pub(super) fn new(events: Option<u32>, sink: mpsc::Sender<FromWorker>) -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let events = events.map_or_else(|| cores.min(4), |count| count.clamp(1, 64) as usize);
        Self {
            workers: HashMap::new(),
            events,
            next_worker: 1,
            next_slot: 0,
            sink,
            compiles: VecDeque::new(),
            failures: 0,
            not_before: Instant::now(),
            ever_ready: false,
            broken: None,
            lock_in: String::new(),
        }
    }

    pub(super) fn out(&self, worker: u32) -> Option<Out> {
        self.workers.get(&worker).filter(|worker| worker.dying.is_none()).map(|worker| worker.out.clone())
    }

    pub(super) fn distrusted(&self, worker: u32) -> bool {
        self.workers.get(&worker).is_none_or(|worker| worker.distrusted)
    }

    pub(super) fn launched(&mut self, worker: u32) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.flights += 1;
        }
    }

    pub(super) fn landed(&mut self, worker: u32) {
        if let Some(worker) = self.workers.get_mut(&worker) {
            worker.flights = worker.flights.saturating_sub(1);
        }
    }

    /// The event worker with the fewest dispatches, if one has a realm left.
    pub(super) fn pick(&self, realms: u32) -> Option<u32> {
        let free = |worker: &Worker| {
            worker.is_serving(Role::Event) && worker.flights < realms as usize && worker.out.unwritten.has_room()
        };
        let least = self.workers.iter().filter(|(_, worker)| free(worker));
        least.min_by_key(|(id, worker)| (worker.flights, **id)).map(|(id, _)| *id)
    }

    /// A ready worker of that role.
    pub(super) fn ready_as(&self, role: Role) -> Option<u32> {
        self.workers.iter().find(|(_, worker)| worker.is_serving(role)).map(|(id, _)| *id)
    }

    pub(super) fn send_program(&self, program: &Published) {
        for worker in self.workers.values().filter(|worker| worker.ready) {
            worker.out.send(Frame::new(FrameKind::Program, program.frame.clone()));
        }
    }

    pub(super) fn count_line(&mut self, worker: u32) -> Result<(), String> {
        let Some(worker) = self.workers.get_mut(&worker) else { return Ok(()) };
        worker.lines += 1;
        if worker.lines > LINES_A_TICK { Err("a flood of log lines".to_owned()) } else { Ok(()) }
    }

    pub(super) fn count_beat(&mut self, worker: u32) -> Result<(), String> {
        let Some(worker) = self.workers.get_mut(&worker) else { return Ok(()) };
        worker.beats += 1;
        // A suspect's worker also beats whenever a script begins.
        let most = if worker.role == Role::Alone { BEATS_A_TICK * 100 } else { BEATS_A_TICK };
        if worker.beats > most { Err("a flood of beats".to_owned()) } else { Ok(()) }
    }

    /// Tells all workers to finish and go.
    pub(super) fn drain(&mut self) {
        for worker in self.workers.values_mut() {
            worker.out.send(Frame::new(FrameKind::Drain, Bytes::new()));
        }
    }

    /// A new tick: floods are counted from here on.
    pub(super) fn new_tick(&mut self) {
        for worker in self.workers.values_mut() {
            worker.lines = 0;
            worker.beats = 0;
        }
    }

    fn count(&self, role: Role) -> usize {
        let stays = |worker: &Worker| worker.dying.is_none() && worker.retiring.is_none();
        self.workers.values().filter(|worker| worker.role == role && stays(worker)).count()
    }

    /// A slot that no living worker has; they come round, so that one that died keeps its slot to itself for a while.
    fn free_slot(&mut self) -> u8 {
        loop {
            let slot = self.next_slot;
            self.next_slot = (slot + 1) % 250;
            if !self.workers.values().any(|worker| worker.slot == slot) {
                return slot;
            }
        }
    }

    fn spawn(&mut self, role: Role, shared: &Shared) -> Result<(), DispatchError> {
        let settings = &shared.settings;
        let id = self.next_worker;
        self.next_worker += 1;
        let slot = self.free_slot();
        let limit = usize::try_from(settings.scripts.frame).unwrap_or(usize::MAX);
        let sink = self.sink.clone();
        let process = process::spawn(id, &shared.command, limit, settings.dispatch.buffered, shared.started, sink);
        let Process { child, pid, out, inward, heard } = process.map_err(|error| {
            DispatchError::Worker(format!("{} cannot be run: {error}", shared.command.program.display()))
        })?;
        // Plain data into memory: it cannot fail.
        let text = serde_json::to_vec(&hello(settings, slot, &shared.build, role == Role::Alone)).unwrap_or_default();
        out.send(Frame::new(FrameKind::Hello, text));
        tracing::debug!("worker {id} started as {role:?}, process {pid}");
        let worker = Worker {
            role,
            slot,
            child: Some(child),
            pid,
            out,
            inward,
            excused: Instant::now(),
            heard,
            spawned: Instant::now(),
            ready: false,
            flights: 0,
            beat_at: None,
            running: Vec::new(),
            dying: None,
            distrusted: false,
            compiling: None,
            lines: 0,
            beats: 0,
            retiring: None,
            silent: false,
        };
        self.workers.insert(id, worker);
        Ok(())
    }

    /// A start failed, or a worker died as soon as it stood: the next start waits, longer each time.
    pub(super) fn start_failed(&mut self, why: DispatchError) {
        self.failures += 1;
        self.not_before = Instant::now() + Duration::from_millis(50 << self.failures.min(7));
        tracing::error!("{why}");
        if !self.ever_ready && self.failures >= FIRST_TRIES {
            self.broken = Some(why);
        }
    }

    /// Long after the last failure the next one is a first one.
    pub(super) fn forgive(&mut self, now: Instant) {
        if self.failures > 0 && now > self.not_before + Duration::from_secs(10) {
            self.failures = 0;
        }
    }
}

impl Worker {
    /// Tells it to finish what it has and go; another takes its place. What it has not finished by then runs elsewhere.
    pub(super) fn retire(&mut self, until: Instant) {
        self.retiring = Some(until);
        self.out.send(Frame::new(FrameKind::Drain, Bytes::new()));
    }

    fn is_serving(&self, role: Role) -> bool {
        self.role == role && self.ready && self.dying.is_none() && self.retiring.is_none()
    }
}

impl Core {
    /// Starts the workers that are missing.
    pub(super) fn replenish(&mut self) {
        if self.stop.is_some() || self.pool.broken.is_some() || Instant::now() < self.pool.not_before {
            return;
        }
        let busy = |worker: &&Worker| worker.role == Role::Alone && worker.flights > 0 && worker.dying.is_none();
        let busy = self.pool.workers.values().filter(busy).count();
        let alone = (busy + self.alone.len()).min(ALONE_AT_ONCE);
        for (role, wanted) in
            [(Role::Event, self.pool.events), (Role::Resident, 1), (Role::Spare, 1), (Role::Alone, alone)]
        {
            while self.pool.count(role) < wanted {
                if let Err(error) = self.pool.spawn(role, &self.shared) {
                    self.pool.start_failed(error);
                    self.tell_ready();
                    return;
                }
            }
        }
    }

    /// An event worker is gone: the spare takes its place at once, and a new spare is started.
    pub(super) fn promote_spare(&mut self) {
        while self.pool.count(Role::Event) < self.pool.events {
            let idle = |worker: &Worker| worker.is_serving(Role::Spare) && worker.compiling.is_none();
            let Some(spare) = self.pool.workers.values_mut().find(|worker| idle(worker)) else { break };
            spare.role = Role::Event;
        }
        self.replenish();
    }

    pub(super) fn worker_ready(&mut self, id: u32, ready: Ready) -> Result<(), String> {
        let Some(worker) = self.pool.workers.get_mut(&id) else { return Ok(()) };
        if worker.ready {
            return Err("it said twice that it is ready".to_owned());
        }
        if ready.build != self.shared.build {
            self.pool.broken = Some(DispatchError::Worker(
                "the executable was replaced while the server runs; restart the server".to_owned(),
            ));
            self.tell_ready();
            return Err("it is of another build".to_owned());
        }
        let locked = ready.lock_in.contains("seccomp");
        if cfg!(target_os = "linux") && self.shared.settings.dispatch.lock_in == LockIn::On && !locked {
            self.pool.broken = Some(DispatchError::Worker(format!(
                "they cannot lock themselves in on this system (`{}`); set `scripts.lockIn` to \"off\" to run without",
                one_line(&ready.lock_in)
            )));
            self.tell_ready();
            return Err("it is not locked in".to_owned());
        }
        worker.ready = true;
        if let Some(program) = &self.program {
            worker.out.send(Frame::new(FrameKind::Program, program.frame.clone()));
        }
        self.pool.ever_ready = true;
        self.pool.lock_in = ready.lock_in;
        self.tell_ready();
        Ok(())
    }

    /// Answers who waits for the workers to stand ready.
    pub(super) fn tell_ready(&mut self) {
        let ready = self.pool.workers.values().filter(|worker| worker.ready && worker.dying.is_none());
        let serving = ready.clone().filter(|worker| worker.role == Role::Event).count();
        gauge(&self.shared.counters.workers, ready.count());
        let result = match &self.pool.broken {
            Some(error) => Err(error.clone()),
            None if serving >= self.pool.events && self.pool.ready_as(Role::Spare).is_some() => {
                Ok(LockedIn { workers: self.pool.events, how: self.pool.lock_in.clone() })
            }
            None => return,
        };
        for waiting in self.when_ready.drain(..) {
            // Who asked may have gone.
            let _ = waiting.send(result.clone());
        }
    }

    /// What this worker says no longer counts, and it is killed. If it was at one of its own dispatches, that one is
    /// guilty.
    pub(super) fn distrust(&mut self, id: u32, dispatch: Option<u64>, why: String) {
        let why = one_line(&why);
        let what = format!("its worker broke the protocol: {why}");
        let cause = match dispatch.filter(|dispatch| self.flights.get(dispatch).is_some_and(|f| f.worker == id)) {
            Some(dispatch) => Cause::Guilty { dispatch, what, hook: None, file: None },
            None => Cause::Crashed { what },
        };
        self.kill(id, cause);
        if let Some(worker) = self.pool.workers.get_mut(&id) {
            worker.distrusted = true;
        }
    }

    /// Kills a worker. What it has sent so far is still read; then [`Core::bury`] decides over its events.
    pub(super) fn kill(&mut self, id: u32, cause: Cause) {
        let Some(worker) = self.pool.workers.get_mut(&id) else { return };
        if worker.dying.is_some() {
            return;
        }
        tracing::debug!("worker {id} is killed: {cause:?}");
        worker.dying = Some(cause);
        if let Some(child) = &mut worker.child {
            // It fails only if the process is gone already.
            let _ = child.start_kill();
        }
    }

    /// The worker's socket is at its end: the process must end too.
    pub(super) fn reap(&mut self, id: u32) {
        let Some(mut child) = self.pool.workers.get_mut(&id).and_then(|worker| worker.child.take()) else { return };
        let shared = std::sync::Arc::clone(&self.shared);
        tokio::spawn(async move {
            // A process that closed its socket and lives on does so no longer. One that died keeps its own status.
            let _ = child.start_kill();
            let status = match child.wait().await {
                Ok(status) => status.to_string(),
                Err(error) => error.to_string(),
            };
            shared.tell(Control::Reaped { worker: id, status });
        });
    }

    /// Gives the spare worker the next candidate.
    pub(super) fn pump_compiler(&mut self) {
        while !self.pool.compiles.is_empty() {
            let idle = |worker: &Worker| worker.is_serving(Role::Spare) && worker.compiling.is_none();
            let Some(spare) = self.pool.workers.values_mut().find(|worker| idle(worker)) else { return };
            let Some((frame, files, answer)) = self.pool.compiles.pop_front() else { return };
            if answer.is_closed() {
                continue;
            }
            let allowed = COMPILE_FILE.saturating_mul(u32::try_from(files.len()).unwrap_or(u32::MAX));
            let deadline = Instant::now() + allowed.clamp(COMPILE_FILE, COMPILE_ALL);
            spare.compiling = Some(Compiling { deadline, answer, files, at: None });
            spare.out.send(Frame::new(FrameKind::Compile, frame));
        }
    }

    pub(super) fn compiling(&mut self, id: u32, script: u32) -> Result<(), String> {
        let compiling = self.pool.workers.get_mut(&id).and_then(|worker| worker.compiling.as_mut());
        let Some(compiling) = compiling.filter(|compiling| (script as usize) < compiling.files.len()) else {
            return Err("it compiles what nobody asked for".to_owned());
        };
        compiling.at = Some(script as usize);
        Ok(())
    }

    pub(super) fn compiled(&mut self, id: u32, compiled: Compiled) -> Result<(), String> {
        let worker = self.pool.workers.get_mut(&id);
        let Some(compiling) = worker.and_then(|worker| worker.compiling.take()) else {
            return Err("it compiled what nobody asked for".to_owned());
        };
        // Who asked may have gone.
        let _ = compiling.answer.send(Ok(compiled));
        Ok(())
    }

    /// Gives suspects each a worker of their own.
    pub(super) fn pump_alone(&mut self) {
        while !self.alone.is_empty() {
            let idle = |worker: &Worker| worker.is_serving(Role::Alone) && worker.flights == 0;
            let Some(worker) = self.pool.workers.iter().find(|(_, worker)| idle(worker)).map(|(id, _)| *id) else {
                break;
            };
            if let Some(job) = self.alone.pop_front() {
                self.dispatch_event(job, worker);
            }
        }
        if !self.alone.is_empty() {
            self.replenish();
        }
    }
}
