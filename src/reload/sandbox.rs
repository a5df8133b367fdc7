//! Has files read by a process that may die of one. It is started when there is something to read, is asked for one file after the
//! other and ends when there was nothing for a while. The file that it dies of, or is at for too long, is said, and not tried again
//! until it changes; another process goes on with the next.

mod process;
mod verdict;

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indexmap::IndexMap;

use super::places::Stamp;
#[cfg(test)]
use crate::config::ReadLimits;
use crate::config::{LockIn, Problem, Settings};
use crate::fleet::WorkerCommand;
use crate::model::BotId;
use crate::reading::{FileRole, ReadHello, Reading};
use process::{Process, Step};
use verdict::Verdict;

/// How long a process without work is kept: saves come in bursts.
const IDLE: Duration = Duration::from_secs(5);
/// How long to wait for another try where the system grants no process.
const NO_PROCESS: Duration = Duration::from_millis(100);
/// Bytes of files that the process has, or that are on their way to it. It never waits for more, and nothing of it is waited for.
const AHEAD: usize = 1 << 20;
/// Files that are known not to be readable, at most; those found first are forgotten first.
const REMEMBERED: usize = 1_000;
/// Once the files of one bot have had `workspace.readTime` in vain so often in one look, the others have a
/// [`SHORT`]th of it each.
const IN_VAIN: u32 = 4;
const SHORT: u32 = 20;

/// A file to be read.
#[derive(Debug)]
pub(super) struct ReadJob {
    pub(super) path: String,
    pub(super) role: FileRole,
    pub(super) text: String,
    pub(super) stamp: Stamp,
    /// Of the text.
    pub(super) hash: u64,
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Outcome {
    Read(Reading),
    /// The same, but it had less time than it may have.
    Hurried(Reading),
    /// Another file of the same bot took its time: this one is to be read when those of others are.
    Postponed,
}

/// Who reads.
#[derive(Debug)]
pub(super) enum Readers {
    /// A process of this command.
    Process(WorkerCommand),
    /// Tests of what is made of files read in their own process: theirs is not the server's executable.
    #[cfg(test)]
    Here(fn(&str, &FileRole, &str, &ReadLimits) -> Reading),
}

impl Readers {
    fn command(&self) -> Option<&WorkerCommand> {
        match self {
            Self::Process(command) => Some(command),
            #[cfg(test)]
            Self::Here(_) => None,
        }
    }
}

/// Has files read.
#[derive(Debug)]
pub(super) struct Sandbox {
    readers: Readers,
    hello: ReadHello,
    process: Option<Process>,
    /// Why no process that starts can be used: found out anew with each look.
    unusable: Option<String>,
    /// Not answered yet, in order; the first `sent` of them are with the process.
    waiting: VecDeque<ReadJob>,
    sent: usize,
    /// How often the first of them was tried.
    tries: u32,
    answered: VecDeque<(ReadJob, Outcome)>,
    /// What killed a process or took too long, by what it was for and its text.
    given_up: IndexMap<(FileRole, u64), Verdict>,
    /// Time that files of each bot had in vain in this look.
    in_vain: HashMap<Option<BotId>, Duration>,
    /// What is postponed is asked for again.
    may_postpone: bool,
    used: Instant,
    /// Nobody waits for what is read any more: the server stops.
    over: Arc<AtomicBool>,
}

impl Sandbox {
    pub(super) fn new(readers: Readers) -> Self {
        let build = readers.command().map(WorkerCommand::build).unwrap_or_default();
        Self {
            readers,
            hello: ReadHello { build, lock_in: true, limits: Default::default() },
            process: None,
            unusable: None,
            waiting: VecDeque::new(),
            sent: 0,
            tries: 0,
            answered: VecDeque::new(),
            given_up: IndexMap::new(),
            in_vain: HashMap::new(),
            may_postpone: false,
            used: Instant::now(),
            over: Arc::default(),
        }
    }

    /// To be set when nobody waits any more: what is being read, or waits for a process, is given up.
    pub(super) fn over(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.over)
    }

    /// A look at the files begins. With `may_postpone` files of a bot that has one which takes too long may be left for the next.
    pub(super) fn begin(&mut self, settings: &Settings, may_postpone: bool) {
        self.hello.lock_in = settings.dispatch.lock_in == LockIn::On;
        self.hello.limits.clone_from(&settings.reading);
        (self.may_postpone, self.unusable) = (may_postpone, None);
        if !self.waiting.is_empty() || !self.answered.is_empty() {
            // The last look was not brought to its end: nobody waits for these answers.
            (self.process, self.sent, self.tries) = (None, 0, 0);
            self.waiting.clear();
            self.answered.clear();
        }
        self.in_vain.clear();
    }

    /// Has a file read; what comes of it is given by [`Sandbox::next`].
    pub(super) fn submit(&mut self, job: ReadJob) {
        let known = self.given_up.get(&(job.role.clone(), job.hash));
        if let Some(verdict) = known {
            let reading = vec![verdict.problem(&job.path, &self.hello.limits)].into();
            return self.answered.push_back((job, Outcome::Read(reading)));
        }
        #[cfg(test)]
        if let Readers::Here(read) = self.readers {
            let reading = read(&job.path, &job.role, &job.text, &self.hello.limits);
            return self.answered.push_back((job, Outcome::Read(reading)));
        }
        self.waiting.push_back(job);
        self.advance(false);
    }

    /// What came of one of the files; waits for it. Nothing if there is none left.
    pub(super) fn next(&mut self) -> Option<(ReadJob, Outcome)> {
        loop {
            if let Some(answered) = self.answered.pop_front() {
                return Some(answered);
            }
            if self.waiting.is_empty() {
                return None;
            }
            self.advance(true);
        }
    }

    /// A process that has had nothing to do for a while, to be ended where that may take a moment.
    pub(super) fn rest(&mut self) -> Option<impl Send + 'static + use<>> {
        let idle = self.process.is_some() && self.waiting.is_empty() && self.used.elapsed() >= IDLE;
        if idle { self.process.take() } else { None }
    }

    /// There will be nothing to read for long.
    pub(super) fn end(&mut self) {
        self.process = None;
    }

    /// Sends what there is room for, and takes what has come; with `wait`, waits a moment for something to come.
    fn advance(&mut self, wait: bool) {
        if self.over.load(Ordering::Relaxed) {
            self.process = None;
        }
        if !self.start() {
            return;
        }
        let limit = self.limit();
        let Some(process) = &mut self.process else { return };
        while let Some(job) = self.waiting.get(self.sent).filter(|_| process.on_the_way < AHEAD) {
            process.send(&job.path, &job.role, &job.text);
            self.sent += 1;
        }
        self.used = Instant::now();
        match process.step(wait, limit) {
            Step::Nothing => {}
            Step::Answer(reading) => {
                let Some(job) = self.waiting.pop_front() else { return self.lose(Verdict::Nonsense) };
                process.on_the_way = process.on_the_way.saturating_sub(job.text.len());
                (self.sent, self.tries) = (self.sent - 1, 0);
                self.answered.push_back((job, Outcome::Read(*reading)));
            }
            Step::Gone(verdict) => self.lose(verdict),
        }
    }

    /// The time that the next file has.
    fn limit(&self) -> Duration {
        let limit = Duration::from_millis(self.hello.limits.read_time);
        let owner = self.waiting.front().map(|job| job.role.bot().cloned());
        let in_vain = owner.and_then(|owner| self.in_vain.get(&owner)).copied().unwrap_or_default();
        if in_vain < limit * IN_VAIN { limit } else { limit / SHORT }
    }

    /// Whether there is a process.
    fn start(&mut self) -> bool {
        let mut told = false;
        while self.process.is_none() && !self.waiting.is_empty() {
            if self.over.load(Ordering::Relaxed) {
                self.unusable = Some("is not started any more: the server stops".to_owned());
            }
            if let Some(why) = &self.unusable {
                let message = format!("cannot be read: the process that reads files {why}");
                for job in self.waiting.drain(..) {
                    let reading = vec![Problem::error(&job.path, &message)].into();
                    self.answered.push_back((job, Outcome::Read(reading)));
                }
                return false;
            }
            let Some(command) = self.readers.command() else { return false };
            match Process::start(command, &self.hello) {
                Ok(process) => (self.process, self.sent) = (Some(process), 0),
                // Where scripts have all the processes that there may be, one of them may go.
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::error!(
                            "no process can be started that reads the workspace: {error}; it is tried again. Raise the limits \
                             on processes (ulimit -u, the container's pids limit), or lower `scripts.mostRealms`"
                        );
                    }
                    std::thread::sleep(NO_PROCESS);
                }
                Err(error) => self.unusable = Some(format!("does not start: {error}")),
            }
        }
        self.process.is_some()
    }

    /// The process is gone.
    fn lose(&mut self, verdict: Verdict) {
        let served = self.process.take().is_some_and(|process| process.served > 0);
        self.sent = 0;
        if let Verdict::Unusable(why) = verdict {
            self.unusable = Some(why);
            return;
        }
        // What it had read before may have to do with it, and somebody else may have killed it.
        let certain = matches!(verdict, Verdict::Time(_) | Verdict::Stack);
        self.tries += 1;
        if !certain && (self.tries == 1 && (served || verdict == Verdict::Killed)) {
            return;
        }
        self.tries = 0;
        let Some(job) = self.waiting.pop_front() else { return };
        let owner = job.role.bot().cloned();
        if let Verdict::Time(limit) = verdict {
            *self.in_vain.entry(owner.clone()).or_default() += limit;
            if self.may_postpone {
                let (postponed, rest) = self.waiting.drain(..).partition(|other| other.role.bot() == owner.as_ref());
                self.waiting = rest;
                let postponed: VecDeque<ReadJob> = postponed;
                self.answered.extend(postponed.into_iter().map(|job| (job, Outcome::Postponed)));
            }
        }
        let reading = vec![verdict.problem(&job.path, &self.hello.limits)].into();
        if matches!(verdict, Verdict::Time(limit) if limit.as_millis() < u128::from(self.hello.limits.read_time)) {
            return self.answered.push_back((job, Outcome::Hurried(reading)));
        }
        if self.given_up.len() >= REMEMBERED {
            self.given_up.shift_remove_index(0);
        }
        self.given_up.insert((job.role.clone(), job.hash), verdict);
        self.answered.push_back((job, Outcome::Read(reading)));
    }
}
