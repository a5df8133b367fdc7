//! Asking the server to stop: the first signal stops it gracefully, a second one at once.

use std::io;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{self, SignalKind, signal};

/// How long threads are waited for that are at something when all is stored and closed.
const LAST_THREADS: Duration = Duration::from_secs(2);

/// Ends what has run everything, when the server has stopped or never came to serve. Nothing of what still blocks a thread matters
/// any more: a file that is being read, a process that the system does not grant.
pub fn end(runtime: Runtime) {
    runtime.shutdown_timeout(LAST_THREADS);
}

/// Listens for signals that ask the process to stop: `SIGINT` (Ctrl-C), `SIGTERM` and `SIGHUP`.
#[derive(Debug)]
pub struct StopSignals {
    interrupt: unix::Signal,
    terminate: unix::Signal,
    hang_up: unix::Signal,
    /// What would end a process that does not listen to it, and means nothing to this one.
    others: [(unix::Signal, &'static str); 3],
}

impl StopSignals {
    /// Begins to listen; from here on these signals no longer end the process by themselves.
    ///
    /// # Errors
    /// The handlers cannot be installed. Must be called within a tokio runtime.
    pub fn listen() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: signal(SignalKind::hangup())?,
            others: [
                (signal(SignalKind::user_defined1())?, "SIGUSR1"),
                (signal(SignalKind::user_defined2())?, "SIGUSR2"),
                (signal(SignalKind::alarm())?, "SIGALRM"),
            ],
        })
    }

    /// Waits for the next signal and gives the exit code that belongs to it (128 and its number).
    pub async fn next(&mut self) -> u8 {
        loop {
            let [(first, _), (second, _), (alarm, _)] = &mut self.others;
            let other = tokio::select! {
                _ = self.interrupt.recv() => return 130,
                _ = self.terminate.recv() => return 143,
                _ = self.hang_up.recv() => return 129,
                _ = first.recv() => 0,
                _ = second.recv() => 1,
                _ = alarm.recv() => 2,
            };
            let name = self.others[other].1;
            tracing::warn!(
                "{name} means nothing to this server; SIGTERM stops it, and edited files are noticed by themselves"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::Signal;

    use super::*;

    #[tokio::test]
    async fn a_signal_that_stops_is_noticed_one_that_means_nothing_is_passed_over_and_none_ends_the_process() {
        let mut signals = StopSignals::listen().unwrap();
        let own = rustix::process::getpid();
        for (signal, code) in [(Signal::HUP, 129), (Signal::TERM, 143), (Signal::INT, 130)] {
            for nothing in [Signal::USR1, Signal::USR2, Signal::ALARM] {
                rustix::process::kill_process(own, nothing).unwrap();
            }
            rustix::process::kill_process(own, signal).unwrap();
            assert_eq!(signals.next().await, code);
        }
    }
}
