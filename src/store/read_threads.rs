//! Threads that read, for those who must not wait for the disk.

use std::thread::JoinHandle;

use crossbeam_channel::{Sender, unbounded};
use rusqlite::Connection;

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
            let work = move || receiver.iter().for_each(|read| read(Some(&connection)));
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
