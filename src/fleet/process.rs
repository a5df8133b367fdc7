//! The sockets of processes: frames out, at once where there is room, and messages in, a task for each.

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{Notify, mpsc};

use super::buffers::Buffer;
use super::credit::Credit;
use super::messages::{Broken, Message, parse};
use super::orders::ProcessId;
use crate::protocol::control;
use crate::protocol::{Frame, FrameReader};

/// Frames handed over at once at most; a flood waits in the socket.
const BATCH: usize = 512;

/// The way to a process. Sending never waits; who can wait does so for room before.
#[derive(Debug, Clone)]
pub struct Out {
    inner: Arc<Inner>,
    /// What is sent and not written to the socket yet.
    pub unwritten: Arc<Credit>,
}

#[derive(Debug)]
struct Inner {
    socket: UnixStream,
    queue: Mutex<Queue>,
    more: Notify,
}

/// What could not be written at once, in order, each with the descriptor that goes with its first byte.
#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<(Bytes, Option<OwnedFd>)>,
    closing: bool,
}

impl Out {
    /// The way to a process over that socket; must be called within a runtime. What it says comes through `sink`.
    pub(super) fn connect(
        id: ProcessId,
        socket: std::os::unix::net::UnixStream,
        frame_limit: usize,
        buffer: Buffer,
        sink: mpsc::Sender<FromProcess>,
    ) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        let socket = UnixStream::from_std(socket)?;
        let inner = Arc::new(Inner { socket, queue: Mutex::default(), more: Notify::new() });
        let Buffer { inward, outward: unwritten } = buffer;
        tokio::spawn(write_rest(Arc::downgrade(&inner), Arc::clone(&unwritten)));
        tokio::spawn(read_frames(id, Arc::clone(&inner), FrameReader::new(frame_limit), inward, sink));
        Ok(Self { inner, unwritten })
    }

    /// Sends a frame. A process that is gone is noticed by its reader.
    pub fn send(&self, frame: &Frame) {
        self.send_with(frame, None);
    }

    /// Sends a frame with a descriptor.
    pub(super) fn send_with(&self, frame: &Frame, mut descriptor: Option<OwnedFd>) {
        let mut bytes = BytesMut::new();
        frame.write(&mut bytes);
        let mut queue = self.inner.queue.lock();
        if queue.closing {
            return;
        }
        let mut written = 0;
        if queue.waiting.is_empty() {
            // Whatever goes wrong, the reader notices.
            let Ok(count) = self.inner.write(&bytes, &mut descriptor) else { return };
            written = count;
        }
        if written < bytes.len() {
            let rest = bytes.split_off(written).freeze();
            self.unwritten.take(rest.len());
            queue.waiting.push_back((rest, descriptor));
            self.inner.more.notify_one();
        }
    }

    /// Whether there is room for more; who can wait waits for it.
    pub fn has_room(&self) -> bool {
        self.unwritten.has_room()
    }

    /// Nothing more is sent. When all is written, the process finds the end of the connection.
    pub(super) fn close(&self) {
        self.inner.queue.lock().closing = true;
        self.inner.more.notify_one();
    }

    /// The connection ends at once, both ways.
    pub(super) fn cut(&self) {
        let _ = rustix::net::shutdown(self.inner.socket.as_fd(), rustix::net::Shutdown::Both);
    }
}

impl Inner {
    /// Whether something waits to be written, or the end to be made.
    fn has_more(&self) -> bool {
        let queue = self.queue.lock();
        !queue.waiting.is_empty() || queue.closing
    }

    /// Writes what waits, as far as there is room; `false` at the end of it all.
    fn write_queue(&self, unwritten: &Credit) -> io::Result<bool> {
        let mut queue = self.queue.lock();
        while let Some((bytes, mut descriptor)) = queue.waiting.pop_front() {
            // The other end is gone: whatever waits goes with it.
            let Ok(written) = self.write(&bytes, &mut descriptor) else { return Ok(false) };
            unwritten.give(written);
            if written < bytes.len() {
                queue.waiting.push_front((bytes.slice(written..), descriptor));
                return Err(io::ErrorKind::WouldBlock.into());
            }
        }
        if queue.closing {
            let _ = rustix::net::shutdown(self.socket.as_fd(), rustix::net::Shutdown::Write);
        }
        Ok(!queue.closing)
    }

    /// Writes as much as there is room for; gives how much that was.
    fn write(&self, bytes: &[u8], descriptor: &mut Option<OwnedFd>) -> io::Result<usize> {
        let mut written = 0;
        while written < bytes.len() {
            let fd = descriptor.as_ref().map(|fd| fd.as_fd());
            match control::send(self.socket.as_fd(), &bytes[written..], fd) {
                Ok(0) => break,
                Ok(count) => {
                    written += count;
                    *descriptor = None;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }
}

/// Writes what could not be written at once, as soon as there is room.
async fn write_rest(inner: std::sync::Weak<Inner>, unwritten: Arc<Credit>) {
    while let Some(inner) = inner.upgrade() {
        if !inner.has_more() {
            inner.more.notified().await;
            continue;
        }
        if inner.socket.ready(Interest::WRITABLE).await.is_err() {
            break;
        }
        // Under `try_io`, so that "no room" is what the runtime waits after.
        let written = inner.socket.try_io(Interest::WRITABLE, || inner.write_queue(&unwritten));
        match written {
            Ok(true) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Ok(false) | Err(_) => break,
        }
    }
    unwritten.close();
}

/// What comes from a process's reader: batches, and at last an end.
#[derive(Debug)]
pub enum FromProcess {
    /// What it said.
    Messages(ProcessId, Vec<Message>),
    /// The socket is at its end, everything before it was handed over; or what came is no protocol, with the reason.
    End(ProcessId, Option<Broken>),
}

async fn read_frames(
    id: ProcessId,
    inner: Arc<Inner>,
    mut reader: FrameReader,
    credit: Arc<Credit>,
    sink: mpsc::Sender<FromProcess>,
) {
    let end = loop {
        if inner.socket.readable().await.is_err() {
            break None;
        }
        if reader.buffer.capacity() - reader.buffer.len() < 4 << 10 {
            reader.buffer.reserve(16 << 10);
        }
        match inner.socket.try_read_buf(&mut reader.buffer) {
            Ok(0) => break None,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            // A reset is how the end of a killed process may look.
            Err(_) => break None,
        }
        match take_messages(&mut reader, id, &credit, &sink).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(broken) => break Some(broken),
        }
    };
    // The dispatcher is gone when nobody listens.
    let _ = sink.send(FromProcess::End(id, end)).await;
}

async fn take_messages(
    reader: &mut FrameReader,
    id: ProcessId,
    credit: &Arc<Credit>,
    sink: &mpsc::Sender<FromProcess>,
) -> Result<bool, Broken> {
    let mut batch = Vec::new();
    let mut broken = None;
    loop {
        match reader.next_frame() {
            Ok(None) => break,
            Ok(Some(frame)) => match parse(frame, credit) {
                Ok(message) => batch.push(message),
                Err(why) => {
                    broken = Some(why);
                    break;
                }
            },
            Err(error) => {
                broken = Some(Broken { dispatch: None, why: error.to_string() });
                break;
            }
        }
        // What waits for room must not hold the room itself.
        let full = batch.len() >= BATCH || !credit.has_room();
        if full && sink.send(FromProcess::Messages(id, std::mem::take(&mut batch))).await.is_err() {
            return Ok(false);
        }
        credit.room().await;
    }
    if !batch.is_empty() && sink.send(FromProcess::Messages(id, batch)).await.is_err() {
        return Ok(false);
    }
    broken.map_or(Ok(true), Err)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use super::*;
    use crate::protocol::FrameKind;

    fn buffer(bytes: u64) -> Buffer {
        Buffer { inward: Credit::new(bytes), outward: Credit::new(bytes) }
    }

    #[tokio::test]
    async fn a_process_that_sends_faster_than_the_store_commits_waits_in_its_socket() {
        const FRAME: usize = 10_000;
        let (theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let (sink, mut batches) = mpsc::channel(1);
        let _out = Out::connect(1, ours, 1 << 20, buffer(50_000), sink).unwrap();
        std::thread::spawn(move || {
            let mut theirs = theirs;
            for number in 0..200 {
                let body = format!("\x07kvs.set[\"{}\"]", "x".repeat(FRAME - 12)).into_bytes();
                let mut wire = BytesMut::new();
                Frame { kind: FrameKind::Request, dispatch: 1, number, body: body.into() }.write(&mut wire);
                theirs.write_all(&wire).unwrap();
            }
        });
        let (mut held, mut seen) = (Vec::new(), 0);
        while let Some(FromProcess::Messages(_, messages)) = batches.recv().await {
            seen += messages.len();
            held.extend(messages);
            assert!(held.len() <= 7, "{} frames of 10 kB at once", held.len());
            if held.len() >= 5 {
                held.clear();
            }
        }
        assert_eq!(seen, 200);
    }

    #[tokio::test]
    async fn what_finds_no_room_is_written_later_and_in_order_and_the_end_comes_after_it() {
        let (mut theirs, ours) = std::os::unix::net::UnixStream::pair().unwrap();
        let (sink, _batches) = mpsc::channel(1);
        let out = Out::connect(1, ours, 1 << 20, buffer(1_000), sink).unwrap();
        for number in 0..100 {
            let body = Bytes::from(vec![b'x'; 20_000]);
            out.send(&Frame { kind: FrameKind::Result, dispatch: 1, number, body });
        }
        assert!(!out.has_room());
        out.close();
        let reading = tokio::task::spawn_blocking(move || {
            let (mut reader, mut all) = (FrameReader::new(1 << 20), Vec::new());
            theirs.read_to_end(&mut all).unwrap();
            reader.buffer.extend_from_slice(&all);
            std::iter::from_fn(|| reader.next_frame().unwrap()).map(|frame| frame.number).collect::<Vec<_>>()
        });
        assert_eq!(reading.await.unwrap(), (0..100).collect::<Vec<_>>());
        out.unwritten.room().await;
    }
}
