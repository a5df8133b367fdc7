//! A process that reads files: the text of one in, what it comes to out, until nobody asks any more. It has no files, no network and
//! no children, and so much memory and stack as it was told; the server looks at its clock.

use std::io::Write as _;

use bytes::BytesMut;

use super::control::{Control, WorkerError};
use super::lock_in;
use crate::parsing::read;
use crate::protocol::frame::{split_head, write_frame};
use crate::protocol::{FrameKind, Ready, build_id};
use crate::reading::{ReadHello, ReadRequest};

/// Reads what it is sent.
pub(super) fn run(hello: ReadHello, control: Control) -> Result<(), WorkerError> {
    let lock = lock_in::before_reading(hello.lock_in, hello.limits.read_memory)?;
    // What the parsers descend into. The main thread waits for this one, and has nothing of what is read.
    let thread = std::thread::Builder::new().name("reader".into()).stack_size(hello.limits.stack());
    let reader = thread.spawn(move || {
        let how = lock.apply()?;
        serve(&hello, control, how)
    })?;
    reader.join().unwrap_or_else(|_| Err(WorkerError::Message("the reader failed".into())))
}

fn serve(hello: &ReadHello, mut control: Control, lock_in: String) -> Result<(), WorkerError> {
    let ready = Ready { build: build_id(), lock_in };
    // Plain data into memory: it cannot fail.
    answer(&control, FrameKind::Ready, &serde_json::to_vec(&ready).unwrap_or_default())?;
    while let Some(frame) = control.next()? {
        if frame.kind != FrameKind::Read {
            return Err(WorkerError::Message(format!("{:?} is not for readers", frame.kind)));
        }
        let unreadable = || WorkerError::Message("a file cannot be told from what is asked of it".into());
        let (head, text) = split_head(frame.body).ok_or_else(unreadable)?;
        let ReadRequest { path, role } = serde_json::from_slice(&head).map_err(|_| unreadable())?;
        let text = std::str::from_utf8(&text).map_err(|_| unreadable())?;
        let reading = read(&path, &role, text, &hello.limits);
        answer(&control, FrameKind::Facts, &serde_json::to_vec(&reading).unwrap_or_default())?;
    }
    Ok(())
}

fn answer(control: &Control, kind: FrameKind, body: &[u8]) -> Result<(), WorkerError> {
    let mut bytes = BytesMut::new();
    write_frame(&mut bytes, kind, 0, 0, body);
    Ok((&control.socket).write_all(&bytes)?)
}
