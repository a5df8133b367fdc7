//! A process that reads files: started, asked, listened to, its clock looked at, killed and buried.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStderr, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use bytes::{Buf as _, BytesMut};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::verdict::Verdict;
use crate::fleet::WorkerCommand;
use crate::protocol::frame::{FrameKind, FrameReader, write_frame, write_head};
use crate::reading::{FileRole, ReadHello, ReadRequest, Reading};

/// How long something is waited for before the clock of the process is looked at.
const MOMENT: Timespec = Timespec { tv_sec: 0, tv_nsec: 20_000_000 };
/// How long a process may compute nothing and say nothing.
const STUCK: Duration = Duration::from_secs(30);
/// How long a process may take to end.
const ENDING: Duration = Duration::from_secs(5);
/// The largest answer: what is read off a file is longer than its text, but not by that much.
const LARGEST: usize = 256 << 20;
/// What it may say on standard error that is looked at.
const SAID: u64 = 16 << 10;

/// A process.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    socket: UnixStream,
    frames: FrameReader,
    unwritten: BytesMut,
    stderr: Option<ChildStderr>,
    /// While this is open, the process lives.
    _lifeline: OwnedFd,
    ready: bool,
    /// Files that it has read.
    pub(super) served: u32,
    /// Bytes of files that it was sent and has not answered for.
    pub(super) on_the_way: usize,
    clock: Clock,
}

/// What is known of the time that it takes for what it is at.
#[derive(Debug)]
struct Clock {
    /// Its processor time when it was found to be at it.
    begun: Option<Duration>,
    /// Its processor time when that had last moved, and when that was.
    moved: (Duration, Instant),
}

impl Clock {
    fn new() -> Self {
        Self { begun: None, moved: (Duration::ZERO, Instant::now()) }
    }
}

/// What came of listening.
pub(super) enum Step {
    Nothing,
    Answer(Box<Reading>),
    Gone(Verdict),
}

impl Process {
    pub(super) fn start(command: &WorkerCommand, hello: &ReadHello) -> io::Result<Self> {
        crate::os::hand_nothing_on();
        let (socket, theirs) = UnixStream::pair()?;
        let (lifeline, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
        let mut child = Command::new(&command.program)
            // In a list of processes it is told from those of scripts.
            .arg0("nudge-reader")
            .args(&command.args)
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(lifeline))
            .stderr(Stdio::piped())
            // Ctrl-C in a terminal is sent to the whole group: the server decides when it ends.
            .process_group(0)
            .spawn()?;
        let stderr = child.stderr.take();
        let mut process = Self {
            child,
            socket,
            frames: FrameReader::new(LARGEST),
            unwritten: BytesMut::new(),
            stderr,
            _lifeline: end,
            ready: false,
            served: 0,
            on_the_way: 0,
            clock: Clock::new(),
        };
        process.socket.set_nonblocking(true)?;
        let hello = serde_json::to_vec(hello).unwrap_or_default();
        write_frame(&mut process.unwritten, FrameKind::ReadHello, 0, 0, &hello);
        Ok(process)
    }

    /// Has it read a file, after those that it was sent before.
    pub(super) fn send(&mut self, path: &str, role: &FileRole, text: &str) {
        let request = ReadRequest { path: path.to_owned(), role: role.clone() };
        // Texts alone always have JSON.
        let head = serde_json::to_string(&request).unwrap_or_default();
        write_frame(&mut self.unwritten, FrameKind::Read, 0, 0, &write_head(&head, text.as_bytes()));
        self.on_the_way += text.len();
    }

    /// Writes what there is room for and takes the next answer; with `wait`, waits a moment for one. What it is at may take
    /// `limit` of computing.
    pub(super) fn step(&mut self, wait: bool, limit: Duration) -> Step {
        self.write();
        match self.read() {
            Err(verdict) => return Step::Gone(verdict),
            Ok(Some(reading)) => return Step::Answer(Box::new(reading)),
            Ok(None) if !wait => return Step::Nothing,
            Ok(None) => {}
        }
        let mut wanted = PollFlags::IN;
        if !self.unwritten.is_empty() {
            wanted |= PollFlags::OUT;
        }
        let mut socket = [PollFd::new(&self.socket, wanted)];
        if poll(&mut socket, Some(&MOMENT)).is_ok_and(|ready| ready > 0) {
            return Step::Nothing;
        }
        match self.overdue(limit) {
            Some(verdict) => Step::Gone(verdict),
            None => Step::Nothing,
        }
    }

    fn write(&mut self) {
        while !self.unwritten.is_empty() {
            match self.socket.write(&self.unwritten) {
                Ok(written) if written > 0 => self.unwritten.advance(written),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // There is no room; or it is gone, which reading tells.
                _ => return,
            }
        }
    }

    /// The next answer, if one has come; or what the process ended of.
    fn read(&mut self) -> Result<Option<Reading>, Verdict> {
        let mut chunk = [0; 16 << 10];
        loop {
            while let Some(frame) = self.frames.next_frame().map_err(|_| Verdict::Nonsense)? {
                match (frame.kind, self.ready) {
                    (FrameKind::Ready, false) => (self.ready, self.clock) = (true, Clock::new()),
                    (FrameKind::Facts, true) => {
                        self.clock = Clock::new();
                        self.served += 1;
                        return serde_json::from_slice(&frame.body).map(Some).map_err(|_| Verdict::Nonsense);
                    }
                    _ => return Err(Verdict::Nonsense),
                }
            }
            match self.socket.read(&mut chunk) {
                Ok(0) => return Err(self.verdict()),
                Ok(read) => self.frames.buffer.extend_from_slice(&chunk[..read]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(self.verdict()),
            }
        }
    }

    /// Whether it has computed for too long, or does nothing at all.
    fn overdue(&mut self, limit: Duration) -> Option<Verdict> {
        let now = crate::os::processor_time(self.child.id()).unwrap_or_default();
        if now > self.clock.moved.0 {
            self.clock.moved = (now, Instant::now());
        }
        let begun = *self.clock.begun.get_or_insert(now);
        if self.ready && now.saturating_sub(begun) > limit {
            return Some(Verdict::Time(limit));
        }
        (self.clock.moved.1.elapsed() > STUCK).then_some(Verdict::Killed)
    }

    /// What it ended of.
    fn verdict(&mut self) -> Verdict {
        let status = self.wait();
        let said = self.said();
        match status {
            Ok(_) if !self.ready => {
                Verdict::Unusable(format!("does not start: {}", said.lines().next().unwrap_or("it says nothing")))
            }
            Ok(status) => Verdict::of(status, &said),
            Err(error) => Verdict::Failed(error.to_string()),
        }
    }

    /// How it ended. It has closed its socket, and does so only when it ends: it is given a moment, and no more.
    fn wait(&mut self) -> io::Result<ExitStatus> {
        let since = Instant::now();
        while since.elapsed() < ENDING {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        self.child.kill()?;
        self.child.wait()
    }

    /// What it wrote to standard error; it is gone, so nothing is waited for.
    fn said(&mut self) -> String {
        let Some(stderr) = self.stderr.take() else { return String::new() };
        if let Ok(flags) = fcntl_getfl(stderr.as_fd()) {
            let _ = fcntl_setfl(stderr.as_fd(), flags | OFlags::NONBLOCK);
        }
        let mut said = Vec::new();
        // What was read before an error is kept.
        let _ = stderr.take(SAID).read_to_end(&mut said);
        String::from_utf8_lossy(&said).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It fails only if the process is gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
