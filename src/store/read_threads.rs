//! Threads that read, for those who must not wait for the disk.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use rusqlite::Connection;

use super::tx::panic_text;

/// As many of them.
pub(super) const THREADS: usize = 2;

/// A read on its way; without a connection it cannot be done.
pub(super) type Read = Box<dyn FnOnce(Option<&Connection>) + Send>;

/// The threads that read, each on a connection of its own. Dropping them ends the threads.
pub(super) struct ReadThreads {
    reads: Option<Sender<Read>>,
    threads: Vec<JoinHandle<()>>,
}

impl ReadThreads {
    /// Starts a thread for each connection.
    pub(super) fn start(connections: Vec<Connection>) -> std::io::Result<Self> {
        let (reads, receiver) = unbounded::<Read>();
        let mut threads = Vec::new();
        for connection in connections {
            let receiver = receiver.clone();
            let work = move || {
                for read in &receiver {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(Some(&connection)))) {
                        tracing::error!("a read of the store panicked: {}", panic_text(panic.as_ref()));
                    }
                }
            };
            threads.push(std::thread::Builder::new().name("store-reader".into()).spawn(work)?);
        }
        Ok(Self { reads: Some(reads), threads })
    }

    /// Runs a read on one of the threads.
    pub(super) fn run(&self, read: Read) {
        match &self.reads {
            Some(reads) => {
                if let Err(unsent) = reads.send(read) {
                    unsent.0(None);
                }
            }
            None => read(None),
        }
    }
}

impl Drop for ReadThreads {
    fn drop(&mut self) {
        self.reads = None;
        for thread in self.threads.drain(..) {
            // The last handle of the store may be dropped by a completion, on such a thread.
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_completion_that_panics_ends_no_thread_and_all_reads_are_done_before_the_threads_end() {
        let connections = (0..THREADS).map(|_| Connection::open_in_memory().unwrap()).collect();
        let threads = ReadThreads::start(connections).unwrap();
        let (sender, receiver) = unbounded();
        for number in 0..20 {
            let sender = sender.clone();
            threads.run(Box::new(move |connection| {
                sender.send(connection.is_some()).unwrap();
                assert!(number % 2 == 0, "in a completion");
            }));
        }
        drop((threads, sender));
        assert_eq!(receiver.iter().collect::<Vec<_>>(), [true; 20]);
    }
}
