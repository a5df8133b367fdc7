//! The worker process: it owns every line of JavaScript and nothing else.
//!
//! Standard input is a socket to the server. The first frame says how to live ([`Hello`]); then the process locks itself
//! in and starts its threads: this one reads frames, one sends beats, one hands out work, and every realm has its own.

pub mod beat;
pub mod lock_in;
pub mod pool;
pub mod realm_thread;

use std::fs::File;
use std::io::Read;
use std::sync::Arc;

use crate::protocol::{DispatchHead, Frame, FrameError, FrameKind, FrameReader, Hello, Outbox, Ready, build_id};
use pool::Pool;

/// Why a worker ends with an error.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The socket failed.
    #[error("the connection to the server failed: {0}")]
    Io(#[from] std::io::Error),
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
}

/// Frames from the server may be this long before Hello has said how long they may be.
const FIRST_FRAME: usize = 1 << 20;

/// Runs as a worker until the server closes the connection.
pub fn run() -> Result<(), WorkerError> {
    let socket = rustix::io::dup(rustix::stdio::stdin()).map_err(std::io::Error::from)?;
    let mut input = File::from(socket.try_clone()?);
    let output = File::from(socket);
    let mut reader = FrameReader::new(FIRST_FRAME);
    let first = next_frame(&mut input, &mut reader)?
        .ok_or_else(|| WorkerError::Message("the connection ended before Hello".into()))?;
    let hello: Hello = match first.kind {
        FrameKind::Hello => read_json(&first)?,
        kind => return Err(WorkerError::Message(format!("{kind:?} came before Hello"))),
    };
    let own = build_id();
    if hello.build != own {
        return Err(WorkerError::Build { own, server: hello.build });
    }
    // The C library reads the time zone's file once; afterwards there is no opening files.
    local_time_once();
    let lock_in = lock_in::lock_in(hello.lock_in)?;
    reader = reader.with_limit(usize::MAX >> 1);
    let outbox = Arc::new(Outbox::new(output));
    let pool = Pool::start(Arc::new(hello), Arc::clone(&outbox));
    outbox.send(FrameKind::Ready, 0, 0, &Ready { build: own, lock_in });
    while let Some(frame) = next_frame(&mut input, &mut reader)? {
        match frame.kind {
            FrameKind::Program => pool.add_program(read_json(&frame)?),
            FrameKind::Compile => pool.compile(frame.dispatch, read_json(&frame)?),
            FrameKind::Dispatch => {
                let dispatch = frame.dispatch;
                let (head, json) = DispatchHead::read(frame.body)
                    .ok_or_else(|| WorkerError::Message("a dispatch without a head".into()))?;
                pool.submit(dispatch, head, json);
            }
            FrameKind::Result => pool.answer(&frame),
            FrameKind::Fetched => pool.fetched(frame),
            FrameKind::Cancel => pool.cancel(frame.dispatch),
            FrameKind::Drain => pool.drain(),
            kind => return Err(WorkerError::Message(format!("{kind:?} is not for workers"))),
        }
    }
    Ok(())
}

fn next_frame(input: &mut File, reader: &mut FrameReader) -> Result<Option<Frame>, WorkerError> {
    loop {
        if let Some(frame) = reader.next_frame()? {
            return Ok(Some(frame));
        }
        let mut chunk = [0u8; 64 * 1024];
        let read = input.read(&mut chunk)?;
        if read == 0 {
            return Ok(None);
        }
        reader.buffer.extend_from_slice(&chunk[..read]);
    }
}

fn read_json<T: serde::de::DeserializeOwned>(frame: &Frame) -> Result<T, WorkerError> {
    serde_json::from_slice(&frame.body).map_err(|error| WorkerError::Message(format!("{:?}: {error}", frame.kind)))
}

fn local_time_once() {
    let limits = crate::config::ScriptLimits::default();
    let meter = std::rc::Rc::new(crate::script::Meter::new(limits, Arc::default()));
    // What it evaluates to does not matter, and neither does it if it fails: dates would then be in UTC.
    let _ = crate::script::with_realm(&meter, |realm| {
        realm.part("time", "(function(){ return new Date().getTimezoneOffset(); })").and_then(|f| f.call::<_, f64>(()))
    });
}
