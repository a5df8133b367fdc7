//! The way out of a process of scripts: whole frames, one write at a time.

use std::io::Write;

use bytes::BytesMut;
use parking_lot::Mutex;

use super::frame::{FrameKind, write_frame};

/// Where a process puts its frames. A copy of it has another socket.
pub struct Outbox {
    out: Mutex<Box<dyn Write + Send>>,
}

impl std::fmt::Debug for Outbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Outbox").finish_non_exhaustive()
    }
}

impl Outbox {
    /// Frames go to `out`.
    pub fn new(out: impl Write + Send + 'static) -> Self {
        Self { out: Mutex::new(Box::new(out)) }
    }

    /// From now on frames go to `out`.
    pub fn connect(&self, out: impl Write + Send + 'static) {
        *self.out.lock() = Box::new(out);
    }

    /// Writes whole frames and empties the buffer. A failed write means that the server is gone; who reads sees the same and
    /// ends the process, so there is nothing to do here.
    pub fn flush(&self, frames: &mut BytesMut) {
        if !frames.is_empty() {
            let _ = self.out.lock().write_all(frames);
            frames.clear();
        }
    }

    /// Writes one frame.
    pub fn send_bytes(&self, kind: FrameKind, dispatch: u64, number: u32, body: &[u8]) {
        let mut frame = BytesMut::new();
        write_frame(&mut frame, kind, dispatch, number, body);
        self.flush(&mut frame);
    }

    /// Writes one frame with a JSON body.
    pub fn send<T: serde::Serialize>(&self, kind: FrameKind, dispatch: u64, number: u32, body: &T) {
        // Bodies are plain structs of ours: serialising them into memory cannot fail.
        self.send_bytes(kind, dispatch, number, &serde_json::to_vec(body).unwrap_or_default());
    }
}
