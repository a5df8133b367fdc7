//! From "accepted" to "done": the durable queue's turns, what realms are given to do, and what scripts send back.
//!
//! `machine` decides, a state machine without I/O, together with that of the fleet; `driver` hands it what comes and does
//! what it wants done. What must be durable goes to the store first, and its completion is what is told: so the order in
//! memory is the order of the commits, and nobody is told of anything that a crash could still take back.

mod accept;
mod action;
mod admission;
mod attempt;
mod collect;
mod content;
mod driver;
mod errors;
mod faults;
mod fetches;
mod janitor;
mod line;
mod machine;
mod notices;
mod outcome;
mod patience;
#[cfg(test)]
mod process_tests;
mod rate;
mod requests;
mod shared;
#[cfg(test)]
mod sim;
pub mod solo;
mod standing;
mod stats;
mod tally;
mod timeouts;
mod traces;
mod turns;
mod typing;
mod waiting;
mod work;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::RwLock;
use serde_json::value::RawValue;
use tokio::sync::{mpsc, oneshot};

use crate::clock::Clock;
use crate::config::Settings;
use crate::fleet::{self, FleetLimits};
use crate::model::{BotId, ConversationKey};
use crate::program::{CompileRequest, HookKind, Images, Program};
use crate::protocol::Compiled;
use crate::services::Services;
use crate::store::{Lifetimes, Store};

pub use crate::fleet::{LockedIn, WorkerCommand};
pub use admission::FullQueue;
pub use errors::{AcceptError, ConverseError, Conversed, DispatchError};
pub use faults::Fault;
pub use notices::{Notice, NoticeReceiver, Notices, Received};
pub use stats::Stats;
pub use traces::Traces;

use action::Control;
use admission::Admission;
use attempt::Attempt;
use faults::Faults;
use machine::Machine;
use shared::Shared;
use stats::Counters;
use tally::Tally;
use timeouts::Timeouts;
use work::HookRun;

/// Takes events and has them run. Cheap to clone.
#[derive(Clone)]
pub struct Dispatcher(Arc<Shared>);

impl Dispatcher {
    /// Starts the workers and takes up what an earlier run left in the queue. Must be called within a tokio runtime.
    /// Events wait until a program is published.
    pub fn start(
        settings: Arc<Settings>,
        clock: Clock,
        store: Store,
        services: Services,
        command: WorkerCommand,
    ) -> Result<Self, DispatchError> {
        let (control, messages) = mpsc::unbounded_channel();
        let tally = Arc::new(Tally {
            admission: Admission::new(&settings.dispatch),
            timeouts: Timeouts::new(&settings),
            counters: Counters::default(),
            build: command.build(),
            settings,
        });
        let machine = Machine::new(Arc::clone(&tally), fleet::Machine::new(FleetLimits::of(&tally.settings)));
        let shared = Arc::new(Shared {
            traces: Traces::new(tally.settings.dispatch.trace_bytes, tally.settings.secrets.clone()),
            faults: Faults::new(tally.settings.secrets.clone()),
            tally,
            clock,
            store,
            services,
            command,
            runtime: tokio::runtime::Handle::current(),
            control,
            notices: Notices::default(),
            images: RwLock::default(),
            stopping: AtomicBool::new(false),
        });
        driver::start(Arc::clone(&shared), machine, messages)?;
        Ok(Self(shared))
    }

    /// Waits until the first workers stand ready, or says why they do not.
    pub async fn ready(&self) -> Result<LockedIn, DispatchError> {
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::WhenReady(answer));
        receiver.await.unwrap_or(Err(DispatchError::Stopping))
    }

    /// Puts a program into service: events dispatched from now on run on it, those of its bots that waited begin. What is
    /// stored from now on lives as long as `lifetimes` say; of a bot that is not named there, as long as the settings do.
    /// What is given is answered when every bot runs it: until then a bot's events run on what it had.
    pub fn publish(&self, program: &Arc<Program>, lifetimes: &HashMap<BotId, Lifetimes>) -> oneshot::Receiver<()> {
        let bots: Vec<BotId> = program.bots.keys().filter_map(|id| BotId::parse(id).ok()).collect();
        self.0.tally.timeouts.serve(&bots, lifetimes);
        let sources = standing::sources(program);
        self.0.tell(Control::Publish { images: Arc::new(Images::of(program)), sources });
        let (answer, in_service) = oneshot::channel();
        self.0.tell(Control::WhenInService(answer));
        in_service
    }

    /// Has a candidate compiled: 2 s a file, at most 30 s, then the compiler is killed. A file that hangs it becomes a
    /// failure like any other, and the rest is compiled without it.
    ///
    /// # Errors
    /// The compiler overran or died, and no single file is to blame.
    pub async fn compile(&self, request: &CompileRequest) -> Result<Compiled, DispatchError> {
        let mut attempt = Attempt::new(request);
        loop {
            let (answer, receiver) = oneshot::channel();
            self.0.tell(Control::Compile { request: attempt.request(), answer });
            if let Some(outcome) = attempt.outcome(receiver.await.unwrap_or(Err(DispatchError::Stopping))) {
                return outcome;
            }
        }
    }

    /// Runs the hooks of one kind that have no event, and waits until they are done. What they leave behind (timers,
    /// listeners) lives on in their realm. `args` are the kind's arguments besides `bp`.
    pub async fn run_hooks(
        &self,
        kind: HookKind,
        bot: Option<&BotId>,
        args: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Box<RawValue>, DispatchError> {
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::RunHooks(HookRun { answer: Some(answer), ..HookRun::of(&(kind, bot.cloned()), args) }));
        receiver.await.unwrap_or(Err(DispatchError::Stopping))
    }

    /// What is told after each commit, for realtime: `room` bytes of it may wait; a visitor for whom more would have to
    /// wait finds it in the store. `hears` says whether anybody would hear of a conversation now; it is asked for each
    /// commit, on the store's writer, and must not wait. There is one receiver: one that was there before ends.
    pub fn subscribe(
        &self,
        room: usize,
        hears: impl Fn(&ConversationKey) -> bool + Send + Sync + 'static,
    ) -> NoticeReceiver {
        self.0.notices.subscribe(room, hears)
    }

    /// The last errors of scripts, newest first; empty in production.
    pub fn faults(&self) -> Vec<Fault> {
        self.0.faults.recent()
    }

    /// The last events' traces; empty in production.
    pub fn traces(&self) -> Traces {
        self.0.traces.clone()
    }

    /// The counters.
    pub fn stats(&self) -> Stats {
        self.0.tally.counters.read()
    }

    /// Refuses new events, lets what runs finish for at most `limit`, and ends the workers. What still waits is in the
    /// store and runs after the next start.
    pub async fn stop(&self, limit: Duration) {
        self.0.stopping.store(true, Ordering::SeqCst);
        let (answer, receiver) = oneshot::channel();
        self.0.tell(Control::Stop { limit, answer });
        // The task is gone already if nobody answers.
        let _ = receiver.await;
    }
}

impl std::fmt::Debug for Dispatcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dispatcher").field("stats", &self.stats()).finish_non_exhaustive()
    }
}
