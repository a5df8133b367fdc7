//! What a process of scripts is told, and why it ends with an error.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use crate::program::BlobId;
use crate::protocol::control::receive;
use crate::protocol::{Frame, FrameError, FrameReader, read_blobs};

/// Why a process of scripts ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The socket failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] io::Error),
    /// The server sent something that is no frame.
    #[error("the server sent a bad frame: {0}")]
    Frame(#[from] FrameError),
    /// The first frame was not Hello, or one could not be read.
    #[error("the server sent an unreadable message: {0}")]
    Message(String),
    /// The server is another build.
    #[error("this worker is build {own}, the server {server}")]
    Build {
        /// Ours.
        own: String,
        /// The server's.
        server: String,
    },
    /// The process could not lock itself in.
    #[error("the worker could not lock itself in: {0}; `scripts.lockIn: \"off\"` runs without it")]
    LockIn(#[from] super::lock_in::LockInError),
    /// The engine could not be made ready.
    #[error("the JavaScript engine does not start: {0}")]
    Engine(String),
}

/// A connection on which descriptors come with frames.
#[derive(Debug)]
pub(super) struct Control {
    pub(super) socket: UnixStream,
    reader: FrameReader,
    /// What is read into. Not on the stack, which every copy of this process would have to itself.
    chunk: Vec<u8>,
    descriptors: VecDeque<OwnedFd>,
}

/// Bytes that are read at once.
const CHUNK: usize = 16 << 10;

impl Control {
    pub(super) fn new(socket: UnixStream) -> Self {
        // The server is trusted, and says itself how long its frames may be.
        let reader = FrameReader::new(usize::MAX >> 1);
        Self { socket, reader, chunk: vec![0; CHUNK], descriptors: VecDeque::new() }
    }

    /// The next frame; nothing at the end.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, WorkerError> {
        loop {
            if let Some(frame) = self.reader.next_frame()? {
                return Ok(Some(frame));
            }
            let read = receive(&self.socket, &mut self.chunk, &mut self.descriptors)?;
            if read == 0 {
                return Ok(None);
            }
            self.reader.buffer.extend_from_slice(&self.chunk[..read]);
        }
    }

    /// The descriptor that came with a frame.
    pub(super) fn descriptor(&mut self) -> Result<OwnedFd, WorkerError> {
        self.descriptors.pop_front().ok_or_else(|| WorkerError::Message("a descriptor is missing".into()))
    }
}

/// The JSON of a frame.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, WorkerError> {
    serde_json::from_slice(&frame.body).map_err(|error| WorkerError::Message(format!("{:?}: {error}", frame.kind)))
}

/// Texts of scripts by their identity.
pub(super) type Texts = HashMap<BlobId, Arc<str>>;

/// Adds what came in a frame.
pub(super) fn add_texts(texts: &mut Texts, frame: Frame) -> Result<(), WorkerError> {
    let blobs = read_blobs(frame.body).ok_or_else(|| WorkerError::Message("bad blobs".into()))?;
    texts.extend(blobs.into_iter().map(|(id, text)| (id, Arc::from(text))));
    Ok(())
}
