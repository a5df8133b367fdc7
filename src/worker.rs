//! The processes of scripts: they own every line of JavaScript and nothing else.
//!
//! `nudge worker` becomes the root zygote. It locks itself in, loads all that is ours and every bundled package, and from
//! then on only makes copies of itself: zygotes that load what a bot runs, and of those, realms that run its events. A copy
//! costs a fraction of a millisecond, begins warm, and dies alone.

mod compiler;
pub mod lock_in;
mod realm;
mod zygote;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::protocol::control::receive;
use crate::protocol::{Board, Frame, FrameError, FrameKind, FrameReader, Hello, Ready, build_id};

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
    LockIn(#[from] lock_in::LockInError),
    /// The engine could not be made ready.
    #[error("the JavaScript engine does not start: {0}")]
    Engine(String),
}

/// A connection on which descriptors come with frames.
#[derive(Debug)]
struct Control {
    socket: UnixStream,
    reader: FrameReader,
    descriptors: VecDeque<OwnedFd>,
}

impl Control {
    fn new(socket: UnixStream) -> Self {
        // The server is trusted, and says itself how long its frames may be.
        Self { socket, reader: FrameReader::new(usize::MAX >> 1), descriptors: VecDeque::new() }
    }

    /// The next frame; nothing at the end.
    fn next(&mut self) -> Result<Option<Frame>, WorkerError> {
        loop {
            if let Some(frame) = self.reader.next_frame()? {
                return Ok(Some(frame));
            }
            let mut chunk = [0u8; 64 * 1024];
            let read = receive(&self.socket, &mut chunk, &mut self.descriptors)?;
            if read == 0 {
                return Ok(None);
            }
            self.reader.buffer.extend_from_slice(&chunk[..read]);
        }
    }

    /// The descriptor that came with a frame.
    fn descriptor(&mut self) -> Result<OwnedFd, WorkerError> {
        self.descriptors.pop_front().ok_or_else(|| WorkerError::Message("a descriptor is missing".into()))
    }
}

/// Runs as the root zygote until the server closes the connection.
///
/// # Errors
/// The server says what cannot be, or this process cannot be made ready.
pub fn run() -> Result<(), WorkerError> {
    let socket = rustix::io::dup(rustix::stdio::stdin()).map_err(io::Error::from)?;
    // Copies of this process keep standard input, and none may speak for another: it is a pipe from which nothing comes.
    rustix::stdio::dup2_stdin(rustix::stdio::stdout()).map_err(io::Error::from)?;
    let mut control = Control::new(UnixStream::from(socket));
    let first = control.next()?.ok_or_else(|| WorkerError::Message("the connection ended before Hello".into()))?;
    let hello: Hello = match first.kind {
        FrameKind::Hello => read_json(&first)?,
        kind => return Err(WorkerError::Message(format!("{kind:?} came before Hello"))),
    };
    let own = build_id();
    if hello.build != own {
        return Err(WorkerError::Build { own, server: hello.build });
    }
    let board = Board::map(control.descriptor()?)?;
    // Where standard output would be, there is a pipe of which nobody but the server has the other end.
    crate::os::end_with_writer(rustix::stdio::stdout().as_fd())?;
    crate::os::settle_memory();
    // The C library reads the time zone's file once; afterwards there is no opening files.
    local_time_once();
    let lock_in = lock_in::lock_in(hello.lock_in)?;
    zygote::run(hello, control, board, Ready { build: own, lock_in: lock_in.how.clone() }, &lock_in)
}

fn read_json<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, WorkerError> {
    serde_json::from_slice(&frame.body).map_err(|error| WorkerError::Message(format!("{:?}: {error}", frame.kind)))
}

fn local_time_once() {
    let meter = std::rc::Rc::new(crate::script::Meter::new(crate::config::ScriptLimits::default()));
    // What it evaluates to does not matter, and neither does it if it fails: dates would then be in UTC.
    let _ = crate::script::with_realm(&meter, |realm| {
        realm.part("time", "(function(){ return new Date().getTimezoneOffset(); })").and_then(|f| f.call::<_, f64>(()))
    });
}
