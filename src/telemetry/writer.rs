//! The thread that writes the log. A full buffer drops lines and counts them: a blocked terminal must not block events.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Entries that may wait to be written.
const WAITING: usize = 4_096;

enum LogCommand {
    Line(String),
    Stop,
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
}

impl LineWriter {
    /// Hands over an entry that ends with a line break.
    pub(super) fn write(&self, entry: String) {
        if let Err(TrySendError::Full(_)) = self.sender.try_send(LogCommand::Line(entry)) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Starts the thread. `note` is the entry that says how many were dropped.
pub(super) fn start(
    out: impl Write + Send + 'static,
    note: fn(u64) -> String,
) -> std::io::Result<(LineWriter, LogGuard)> {
    let (sender, receiver) = bounded(WAITING);
    let dropped = Arc::new(AtomicU64::new(0));
    let counter = Arc::clone(&dropped);
    let thread = std::thread::Builder::new().name("log".into()).spawn(move || run(out, &receiver, &counter, note))?;
    Ok((LineWriter { sender: sender.clone(), dropped }, LogGuard { sender, thread: Some(thread) }))
}

fn run(mut out: impl Write, receiver: &Receiver<LogCommand>, dropped: &AtomicU64, note: fn(u64) -> String) {
    // A closed stderr is no reason to stop the server: what cannot be written is lost.
    while let Ok(LogCommand::Line(first)) = receiver.recv() {
        let mut batch = first.into_bytes();
        let mut last = false;
        while batch.len() < 64 * 1024 {
            match receiver.try_recv() {
                Ok(LogCommand::Line(next)) => batch.extend_from_slice(next.as_bytes()),
                Ok(LogCommand::Stop) => {
                    last = true;
                    break;
                }
                Err(_) => break,
            }
        }
        let lost = dropped.swap(0, Ordering::Relaxed);
        if lost > 0 {
            batch.extend_from_slice(note(lost).as_bytes());
        }
        drop(out.write_all(&batch));
        drop(out.flush());
        if last {
            return;
        }
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
    struct Shared(Arc<parking_lot::Mutex<Vec<u8>>>);
    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn dropping_the_guard_writes_everything_in_order() {
        let out = Shared::default();
        let (writer, guard) = start(out.clone(), |lost| format!("{lost} dropped\n")).unwrap();
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
        let (writer, guard) = start(Gate(gate, out.clone()), |lost| format!("{lost} dropped\n")).unwrap();
        for _ in 0..(2 * WAITING) {
            writer.write("x\n".into());
        }
        drop(open);
        drop(guard);
        let text = String::from_utf8(out.0.lock().clone()).unwrap();
        assert!(text.contains("dropped"), "{text}");
    }
}
