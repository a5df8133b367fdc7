//! The thread that writes the log. A full buffer drops lines and counts them: a blocked terminal must not block events.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use parking_lot::Mutex;

use super::folding::{Folding, LogLimits};
use crate::config::secrets::Secrets;

/// Entries that may wait to be written.
const WAITING: usize = 4_096;
/// So many bytes are written at once, and what the last entry has beyond them.
const BATCH: usize = 64 << 10;

enum LogCommand {
    Line(String),
    /// Something was left out: it is to be said later.
    LeftOut,
    Stop,
}

/// What the thread is to write by itself.
pub(super) struct Notes {
    /// Says how many entries were dropped.
    pub(super) dropped: fn(u64) -> String,
    /// How long until there is something to be said of what was left out; nothing if nothing was.
    pub(super) due: Box<dyn FnMut() -> Option<Duration> + Send>,
    /// What is to be said of it by now; with `true` all.
    pub(super) left_out: Box<dyn FnMut(bool) -> String + Send>,
}

/// Where finished lines go.
#[derive(Debug, Clone)]
pub(super) struct LineWriter {
    sender: Sender<LogCommand>,
    dropped: Arc<AtomicU64>,
}

impl std::fmt::Debug for LogCommand {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LogCommand")
    }
}

/// Writes what is left when it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the log"]
pub struct LogGuard {
    sender: Sender<LogCommand>,
    thread: Option<JoinHandle<()>>,
    folding: Arc<Mutex<Folding>>,
}

impl LogGuard {
    /// A way to set what is written.
    pub fn rules(&self) -> LogRules {
        LogRules(Arc::clone(&self.folding))
    }
}

/// What is written of what is logged; clones are the same.
#[derive(Debug, Clone)]
pub struct LogRules(Arc<Mutex<Folding>>);

impl LogRules {
    /// From here on so much is written, and these are not.
    pub fn set(&self, limits: LogLimits, secrets: Secrets) {
        let mut folding = self.0.lock();
        folding.limit(limits);
        folding.secrets = secrets;
    }
}

impl LineWriter {
    /// Hands over an entry that ends with a line break.
    pub(super) fn write(&self, entry: String) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(LogCommand::Line(entry)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Something was left out.
    pub(super) fn left_out(&self) {
        // Where there is no room the thread is awake, and asks.
        drop(self.sender.try_send(LogCommand::LeftOut));
    }
}

/// Starts the thread.
pub(super) fn start(
    out: impl Write + Send + 'static,
    notes: Notes,
    folding: Arc<Mutex<Folding>>,
) -> std::io::Result<(LineWriter, LogGuard)> {
    let (sender, receiver) = bounded(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || run(out, &receiver, &counter, notes))?;
    Ok((LineWriter { sender: sender.clone(), dropped }, LogGuard { sender, thread: Some(thread), folding }))
}

fn run(mut out: impl Write, receiver: &Receiver<LogCommand>, dropped: &AtomicU64, mut notes: Notes) {
    let mut last = false;
    // A closed stderr is no reason to stop the server: what cannot be written is lost.
    while !last {
        let mut batch = Vec::new();
        let mut next = wait(receiver, (notes.due)());
        loop {
            match next {
                Some(LogCommand::Line(line)) => batch.extend_from_slice(line.as_bytes()),
                Some(LogCommand::LeftOut) => {}
                Some(LogCommand::Stop) => last = true,
                None => break,
            }
            if last || batch.len() >= BATCH {
                break;
            }
            next = receiver.try_recv().ok();
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.extend_from_slice((notes.dropped)(lost).as_bytes());
        }
        batch.extend_from_slice((notes.left_out)(last).as_bytes());
        drop(out.write_all(&batch));
        drop(out.flush());
    }
}

/// The next command, or nothing once it is time to say what was left out.
fn wait(receiver: &Receiver<LogCommand>, due: Option<Duration>) -> Option<LogCommand> {
    match due {
        None => Some(receiver.recv().unwrap_or(LogCommand::Stop)),
        Some(due) => match receiver.recv_timeout(due) {
            Ok(command) => Some(command),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(LogCommand::Stop),
        },
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        // The channel may be full for a moment, the thread drains it.
        drop(self.sender.send(LogCommand::Stop));
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn notes() -> Notes {
        let (due, left_out) = (Box::new(|| None), Box::new(|_| String::new()));
        Notes { dropped: |lost| format!("{lost} dropped\n"), due, left_out }
    }

    #[test]
    fn what_was_left_out_is_said_when_it_is_time_and_at_the_end() {
        let out = Shared::default();
        let (said, heard) = crossbeam_channel::unbounded();
        let mut times = 0;
        let left_out = Box::new(move |all| {
            times += 1;
            let _ = said.send(all);
            if all { "all\n".to_owned() } else { format!("{times}\n") }
        });
        let (writer, guard) =
            start(out.clone(), Notes { due: Box::new(|| Some(Duration::ZERO)), left_out, ..notes() }, Arc::default())
                .unwrap();
        writer.left_out();
        assert!(!heard.recv().unwrap());
        drop(guard);
        assert!(out.0.lock().starts_with(b"1\n") && out.0.lock().ends_with(b"all\n"));
    }

    #[test]
    fn dropping_the_guard_writes_everything_in_order() {
        let out = Shared::default();
        let (writer, guard) = start(out.clone(), notes(), Arc::default()).unwrap();
        for number in 0..1_000 {
            writer.write(format!("{number}\n"));
        }
        drop(guard);
        let expected: String = (0..1_000).map(|number| format!("{number}\n")).collect();
        assert_eq!(String::from_utf8(out.0.lock().clone()).unwrap(), expected);
    }

    #[test]
    fn a_blocked_output_drops_lines_and_says_how_many() {
        struct Gate(crossbeam_channel::Receiver<()>, Shared);
        impl Write for Gate {
            fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
                let _ = self.0.recv();
                self.1.write(bytes)
            }
            fn flush(&mut self) -> std::io::Result<()> {
                Ok(())
            }
        }
        let (open, gate) = crossbeam_channel::unbounded::<()>();
        let out = Shared::default();
        let (writer, guard) = start(Gate(gate, out.clone()), notes(), Arc::default()).unwrap();
        // More than are written at once, however soon they are taken.
        for _ in 0..(BATCH + 2 * WAITING) {
            writer.write("x\n".into());
        }
        drop(open);
        drop(guard);
        let text = String::from_utf8(out.0.lock().clone()).unwrap();
        assert!(text.contains("dropped"), "{text}");
    }
}
