//! One worker process: started with one end of a socket pair as its standard input, read and written by two tasks.
//!
//! Nothing here knows what a frame is about beyond parsing it. What cannot be parsed ends the worker.

use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use bytes::{Buf, Bytes, BytesMut};
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, ChildStderr, Command};
use tokio::sync::{Semaphore, mpsc};

use super::credit::{Credit, Loan};
use crate::protocol::frame::split_head;
use crate::protocol::{Beat, Compiled, Effect, Frame, FrameKind, FrameReader, LogLine, Processed, Ready, Settled};
use crate::protocol::{build_id_of, own_executable};
use crate::telemetry::escape::one_line;

/// Frames handed over at once at most; a flood waits in the socket.
const BATCH: usize = 512;
/// Reads of one worker's scripts that may be on their way to the store and back at once.
const READS: usize = 8;
/// Lines of standard error that are logged of one worker; the rest is read and dropped.
const STDERR_LINES: u32 = 500;
const STDERR_LINE: usize = 4 << 10;

/// How a worker is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The executable, as a rule the server's own.
    pub program: PathBuf,
    /// Its arguments: `worker`.
    pub args: Vec<OsString>,
}

impl WorkerCommand {
    /// `<this executable> worker`. Fails where the system does not tell the executable's path.
    pub fn current() -> io::Result<Self> {
        Ok(Self::of(own_executable()?))
    }

    /// `<program> worker`, for tests, whose own executable is not the server's.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: vec!["worker".into()] }
    }

    /// The build that such a worker must say it is.
    pub(super) fn build(&self) -> String {
        build_id_of(&self.program)
    }
}

/// A running worker.
#[derive(Debug)]
pub(super) struct Process {
    pub(super) child: Child,
    pub(super) pid: u32,
    /// Frames to it.
    pub(super) out: Out,
    /// What it sent and is not done with.
    pub(super) inward: Arc<Credit>,
    /// When bytes last came, in milliseconds since the dispatcher's start.
    pub(super) heard: Arc<AtomicU64>,
}

/// The way to a worker. Sending never waits; who can wait does so for room before.
#[derive(Debug, Clone)]
pub(super) struct Out {
    frames: mpsc::UnboundedSender<Frame>,
    /// What is sent and not written to the socket yet.
    pub(super) unwritten: Arc<Credit>,
    /// Reads of scripts whose answers are on their way: each may be as large as a frame.
    pub(super) reads: Arc<Semaphore>,
}

impl Out {
    /// Sends a frame. A worker that is gone is noticed by its reader.
    pub(super) fn send(&self, frame: Frame) {
        self.unwritten.take(frame.body.len());
        let _ = self.frames.send(frame);
    }
}

/// A call of another server that a script makes.
#[derive(Debug)]
pub(super) struct Fetch {
    pub(super) dispatch: u64,
    pub(super) number: u32,
    pub(super) head: Box<RawValue>,
    pub(super) body: Bytes,
    /// Their bytes, until the call has begun: its own limits count them from then on.
    pub(super) loan: Loan,
}

/// What a worker says, parsed.
#[derive(Debug)]
pub(super) enum Message {
    Ready(Ready),
    Compiling(u32),
    Compiled(Compiled),
    Beat(Beat),
    /// An action of an event begins, or has ended.
    Acting {
        dispatch: u64,
        begins: bool,
    },
    Request {
        dispatch: u64,
        number: u32,
        method: String,
        args: Box<RawValue>,
        loan: Loan,
    },
    Fetch(Fetch),
    Abandon {
        dispatch: u64,
        number: u32,
    },
    /// What a script did; or why it cannot be done, though it is JSON.
    Effect {
        dispatch: u64,
        number: u32,
        effect: Result<Box<Effect>, String>,
        loan: Loan,
    },
    Log {
        dispatch: u64,
        line: Box<LogLine>,
    },
    Processed {
        dispatch: u64,
        body: Bytes,
        processed: Box<Processed>,
        loan: Loan,
    },
    Settled {
        dispatch: u64,
        settled: Settled,
    },
}

/// What a worker sent is no protocol.
#[derive(Debug)]
pub(super) struct Broken {
    /// The dispatch it came in the name of, as far as known.
    pub(super) dispatch: Option<u64>,
    /// What is wrong with it.
    pub(super) why: String,
}

/// What comes from a worker's reader: batches, and at last an end.
#[derive(Debug)]
pub(super) enum FromWorker {
    Messages(u32, Vec<Message>),
    /// The socket is at its end, everything before it was handed over; or what came is no protocol, with the reason.
    End(u32, Option<Broken>),
}

/// Starts a worker. `started` is the zero of `heard`.
pub(super) fn spawn(
    id: u32,
    command: &WorkerCommand,
    frame_limit: usize,
    buffered: u64,
    started: Instant,
    sink: mpsc::Sender<FromWorker>,
) -> io::Result<Process> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let mut child = {
        let mut process = Command::new(&command.program);
        process
            // The program may be a link such as `/proc/self/exe`, which tells nobody anything in a list of processes.
            .arg0("nudge")
            .args(&command.args)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is sent to the whole group: the server decides when its workers end.
            .process_group(0)
            .kill_on_drop(true);
        if let Some(zone) = std::env::var_os("TZ") {
            process.env("TZ", zone);
        }
        // The command holds the worker's end of the socket: it must go, or there is never an end of file.
        process.spawn()?
    };
    let pid = child.id().unwrap_or(0);
    let (read, write) = tokio::net::UnixStream::from_std(ours)?.into_split();
    let heard = Arc::new(AtomicU64::new(millis(started)));
    let (sender, frames) = mpsc::unbounded_channel();
    let (inward, unwritten) = (Credit::new(buffered), Credit::new(buffered));
    let reads = Arc::new(Semaphore::new(READS));
    let out = Out { frames: sender, unwritten: Arc::clone(&unwritten), reads };
    if let Some(stderr) = child.stderr.take() {
        tokio::spawn(log_stderr(id, stderr));
    }
    tokio::spawn(write_frames(write, frames, unwritten));
    let reader = FrameReader::new(frame_limit);
    tokio::spawn(read_frames(id, read, reader, Arc::clone(&inward), started, Arc::clone(&heard), sink));
    Ok(Process { child, pid, out, inward, heard })
}

/// Milliseconds since `started`.
pub(super) fn millis(started: Instant) -> u64 {
    u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn read_frames(
    id: u32,
    mut socket: OwnedReadHalf,
    mut reader: FrameReader,
    credit: Arc<Credit>,
    started: Instant,
    heard: Arc<AtomicU64>,
    sink: mpsc::Sender<FromWorker>,
) {
    let end = loop {
        if reader.buffer.capacity() - reader.buffer.len() < 16 << 10 {
            reader.buffer.reserve(64 << 10);
        }
        match socket.read_buf(&mut reader.buffer).await {
            Ok(0) => break None,
            Ok(_) => heard.store(millis(started), Ordering::Relaxed),
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
    let _ = sink.send(FromWorker::End(id, end)).await;
}

async fn take_messages(
    reader: &mut FrameReader,
    id: u32,
    credit: &Arc<Credit>,
    sink: &mpsc::Sender<FromWorker>,
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
        if full && sink.send(FromWorker::Messages(id, std::mem::take(&mut batch))).await.is_err() {
            return Ok(false);
        }
        credit.room().await;
    }
    if !batch.is_empty() && sink.send(FromWorker::Messages(id, batch)).await.is_err() {
        return Ok(false);
    }
    broken.map_or(Ok(true), Err)
}

fn parse(frame: Frame, credit: &Arc<Credit>) -> Result<Message, Broken> {
    let dispatch = (frame.dispatch != 0).then_some(frame.dispatch);
    message(frame, credit).map_err(|why| Broken { dispatch, why })
}

fn message(frame: Frame, credit: &Arc<Credit>) -> Result<Message, String> {
    let Frame { kind, dispatch, number, body } = frame;
    Ok(match kind {
        FrameKind::Ready => Message::Ready(json(kind, &body)?),
        FrameKind::Compiling => Message::Compiling(number),
        FrameKind::Compiled => Message::Compiled(json(kind, &body)?),
        FrameKind::Beat => Message::Beat(json(kind, &body)?),
        FrameKind::Request => request(dispatch, number, body, credit)?,
        FrameKind::Fetch => {
            let loan = credit.lend(body.len());
            let (head, body) = split_head(body).ok_or("bad Fetch frame: no head")?;
            // What it was read into is larger, and would be held as long as the call.
            let body = Bytes::copy_from_slice(&body);
            Message::Fetch(Fetch { dispatch, number, head: json(kind, &head)?, body, loan })
        }
        FrameKind::Abandon => Message::Abandon { dispatch, number },
        FrameKind::Effect => {
            Message::Effect { dispatch, number, effect: effect(&body)?, loan: credit.lend(body.len()) }
        }
        FrameKind::Acting => Message::Acting { dispatch, begins: number != 0 },
        FrameKind::Log => Message::Log { dispatch, line: json(kind, &body)? },
        FrameKind::Processed => {
            let loan = credit.lend(body.len());
            Message::Processed { dispatch, processed: json(kind, &body)?, body, loan }
        }
        FrameKind::Settled => Message::Settled { dispatch, settled: json(kind, &body)? },
        FrameKind::Hello
        | FrameKind::Program
        | FrameKind::Compile
        | FrameKind::Dispatch
        | FrameKind::Result
        | FrameKind::Cancel
        | FrameKind::Drain
        | FrameKind::Fetched => return Err(format!("a worker must not send a {kind:?} frame")),
    })
}

fn json<T: DeserializeOwned>(kind: FrameKind, body: &[u8]) -> Result<T, String> {
    serde_json::from_slice(body).map_err(|error| format!("bad {kind:?} frame: {error}"))
}

/// An effect. Scripts have their hands on what it says, so a wrong value is theirs to hear of; what is no JSON is not.
fn effect(body: &[u8]) -> Result<Result<Box<Effect>, String>, String> {
    match serde_json::from_slice(body) {
        Ok(effect) => Ok(Ok(effect)),
        Err(error) if error.is_data() => Ok(Err(error.to_string())),
        Err(error) => Err(format!("bad Effect frame: {error}")),
    }
}

fn request(dispatch: u64, number: u32, mut body: Bytes, credit: &Arc<Credit>) -> Result<Message, String> {
    let loan = credit.lend(body.len());
    let length = if body.is_empty() { 0 } else { body.get_u8() as usize };
    if length == 0 || body.len() < length {
        return Err("bad Request frame: no method".to_owned());
    }
    let method =
        String::from_utf8(body.split_to(length).to_vec()).map_err(|_| "bad Request frame: method is no text")?;
    let args = json(FrameKind::Request, &body)?;
    Ok(Message::Request { dispatch, number, method, args, loan })
}

async fn write_frames(mut socket: OwnedWriteHalf, mut frames: mpsc::UnboundedReceiver<Frame>, unwritten: Arc<Credit>) {
    let mut waiting = Vec::new();
    let mut buffer = BytesMut::new();
    while frames.recv_many(&mut waiting, 256).await > 0 {
        let mut bytes = 0;
        for frame in waiting.drain(..) {
            bytes += frame.body.len();
            frame.write(&mut buffer);
        }
        // A worker that is gone is noticed by its reader.
        if socket.write_all(&buffer).await.is_err() {
            break;
        }
        unwritten.give(bytes);
        if buffer.capacity() > 4 << 20 {
            buffer = BytesMut::new();
        }
        buffer.clear();
    }
    unwritten.close();
}

async fn log_stderr(id: u32, mut stderr: ChildStderr) {
    let mut line: Vec<u8> = Vec::new();
    let mut lines = 0;
    let mut chunk = [0; 4096];
    loop {
        let read = match stderr.read(&mut chunk).await {
            Ok(0) | Err(_) => break,
            Ok(read) => read,
        };
        for &byte in &chunk[..read] {
            if byte == b'\n' {
                log_line(id, &mut line, &mut lines);
            } else if line.len() < STDERR_LINE {
                line.push(byte);
            }
        }
    }
    log_line(id, &mut line, &mut lines);
}

fn log_line(id: u32, line: &mut Vec<u8>, lines: &mut u32) {
    if !line.is_empty() && *lines <= STDERR_LINES {
        *lines += 1;
        if *lines > STDERR_LINES {
            tracing::warn!("worker {id}: more output on standard error is dropped");
        } else {
            tracing::warn!("worker {id}: {}", one_line(&String::from_utf8_lossy(line)));
        }
    }
    line.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: FrameKind, body: &'static [u8]) -> Frame {
        Frame { kind, dispatch: 3, number: 4, body: Bytes::from_static(body) }
    }

    #[test]
    fn a_request_is_a_method_and_its_arguments() {
        let parsed = parse(frame(FrameKind::Request, b"\x07kvs.get[\"a\",\"b\"]"), &Credit::new(1)).unwrap();
        let Message::Request { dispatch: 3, number: 4, method, args, .. } = parsed else { panic!("{parsed:?}") };
        assert_eq!((method.as_str(), args.get()), ("kvs.get", "[\"a\",\"b\"]"));
    }

    #[test]
    fn whatever_is_no_protocol_is_an_error_and_no_panic() {
        for (kind, body) in [
            (FrameKind::Request, &b""[..]),
            (FrameKind::Request, b"\xffkvs.get[]"),
            (FrameKind::Request, b"\x02\xff\xff[]"),
            (FrameKind::Request, b"\x07kvs.get["),
            (FrameKind::Fetch, b"\x02\0\0\0{"),
            (FrameKind::Fetch, b"\x01\0\0\0{body"),
            (FrameKind::Effect, b"\xff"),
            (FrameKind::Processed, b"[1"),
            (FrameKind::Beat, b"null"),
            (FrameKind::Dispatch, b"{}"),
        ] {
            let breach = parse(frame(kind, body), &Credit::new(1)).unwrap_err();
            assert_eq!(breach.dispatch, Some(3), "{kind:?} {body:?}: its dispatch is named");
        }
    }

    #[tokio::test]
    async fn a_worker_that_sends_faster_than_the_store_commits_waits_in_its_socket() {
        const FRAME: usize = 10_000;
        let (mut theirs, ours) = tokio::net::UnixStream::pair().unwrap();
        let credit = Credit::new(50_000);
        let (sink, mut batches) = mpsc::channel(100);
        let heard = Arc::new(AtomicU64::new(0));
        let reader = FrameReader::new(1 << 20);
        let reading = read_frames(1, ours.into_split().0, reader, Arc::clone(&credit), Instant::now(), heard, sink);
        tokio::spawn(reading);
        tokio::spawn(async move {
            for number in 0..200 {
                let body = format!("\x07kvs.set[\"{}\"]", "x".repeat(FRAME - 12)).into_bytes();
                let mut wire = BytesMut::new();
                Frame { kind: FrameKind::Request, dispatch: 1, number, body: body.into() }.write(&mut wire);
                theirs.write_all(&wire).await.unwrap();
            }
        });
        let (mut held, mut seen) = (Vec::new(), 0);
        while let Some(FromWorker::Messages(_, messages)) = batches.recv().await {
            seen += messages.len();
            held.extend(messages);
            assert!(held.len() <= 5, "{} frames of 10 kB at once", held.len());
            if !credit.has_room() {
                held.clear();
            }
        }
        assert_eq!(seen, 200);
    }

    #[test]
    fn an_effect_with_a_wrong_value_is_no_breach() {
        for body in [&br#"{"id":"x"}"#[..], b"{}", br#"{"id":"1","direction":7}"#] {
            let parsed = parse(frame(FrameKind::Effect, body), &Credit::new(1)).unwrap();
            assert!(matches!(parsed, Message::Effect { effect: Err(_), .. }), "{parsed:?}");
        }
    }
}
