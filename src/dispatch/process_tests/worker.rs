//! The processes of these tests: a root zygote, zygotes, compilers and realms that speak the protocol and run no JavaScript.
//! Where a real one forks, this one starts itself again with the copy's socket as its standard input.

mod realm;

use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::program::BlobId;
use crate::protocol::{Board, Candidate, ForkAs, Frame, FrameKind, FrameReader, control, read_blobs};

/// What a copy is told in its environment: what it becomes, and which of its descriptors the board is.
const ROLE: &str = "NUDGE_TEST_ROLE";
const BOARD: &str = "NUDGE_TEST_BOARD";

#[test]
#[ignore = "it is no test but the processes that the others start"]
fn a_process_of_scripts() {
    let link = Link::new(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    // It goes with the server, like a real one.
    let _ = crate::os::end_with_writer(std::io::stdout().as_fd());
    let become_ =
        std::env::var(ROLE).map(|role| role.split(' ').map(|byte| byte.parse().unwrap()).collect::<Vec<u8>>());
    match become_.ok().map(|bytes| ForkAs::from_bytes(&bytes).unwrap()) {
        None | Some(ForkAs::Zygote) => Zygote { link, board: inherited(), children: HashMap::new() }.serve(),
        Some(ForkAs::Compiler { .. }) => compile(link),
        Some(ForkAs::Realm { slot }) => {
            realm::serve(link, &Board::place(inherited().unwrap(), slot).unwrap());
        }
    }
    std::process::exit(0);
}

/// The board, where this process is a copy.
fn inherited() -> Option<OwnedFd> {
    let number = std::env::var(BOARD).ok()?;
    let file = File::options().read(true).write(true).open(format!("/dev/fd/{number}"));
    file.ok().map(OwnedFd::from)
}

/// The connection to the server.
struct Link {
    socket: UnixStream,
    out: Out,
    reader: FrameReader,
    descriptors: VecDeque<OwnedFd>,
}

/// The way to the server; threads may share it.
#[derive(Clone)]
struct Out(Arc<Mutex<UnixStream>>);

impl Out {
    fn raw(&self, kind: FrameKind, dispatch: u64, number: u32, body: impl Into<bytes::Bytes>) {
        let mut wire = bytes::BytesMut::new();
        Frame { kind, dispatch, number, body: body.into() }.write(&mut wire);
        // The server may have gone.
        let _ = self.0.lock().unwrap().write_all(&wire);
    }

    fn send(&self, kind: FrameKind, dispatch: u64, number: u32, body: &Value) {
        self.raw(kind, dispatch, number, body.to_string().into_bytes());
    }
}

impl Link {
    fn new(socket: OwnedFd) -> Self {
        let socket = UnixStream::from(socket);
        let out = Out(Arc::new(Mutex::new(socket.try_clone().unwrap())));
        Self { socket, out, reader: FrameReader::new(64 << 20), descriptors: VecDeque::new() }
    }

    fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = self.reader.next_frame().unwrap() {
                return Some(frame);
            }
            let mut chunk = [0; 65536];
            let read = control::receive(&self.socket, &mut chunk, &mut self.descriptors).unwrap_or(0);
            if read == 0 {
                return None;
            }
            self.reader.buffer.extend_from_slice(&chunk[..read]);
        }
    }
}

struct Zygote {
    link: Link,
    board: Option<OwnedFd>,
    children: HashMap<u32, Child>,
}

impl Zygote {
    fn serve(mut self) {
        while let Some(frame) = self.link.next() {
            match frame.kind {
                FrameKind::Hello => {
                    let hello: Value = serde_json::from_slice(&frame.body).unwrap();
                    self.board = self.link.descriptors.pop_front();
                    let ready = json!({ "build": hello["build"], "lock_in": "off" });
                    self.link.out.send(FrameKind::Ready, 0, 0, &ready);
                }
                FrameKind::Packages | FrameKind::Load => self.link.out.raw(FrameKind::Loaded, 0, 0, ""),
                FrameKind::Fork => self.fork(&frame),
                FrameKind::Reap => {
                    let status = self.children.remove(&frame.number).map(|mut child| child.wait().unwrap());
                    // As a real one says it: without the signal's name.
                    let how = |status: std::process::ExitStatus| match status.signal() {
                        Some(signal) => format!("signal: {signal}"),
                        None => status.to_string(),
                    };
                    let how = status.map_or_else(|| "it is gone".to_owned(), how);
                    let body = [&0_u64.to_le_bytes()[..], how.as_bytes()].concat();
                    self.link.out.raw(FrameKind::Reaped, 0, frame.number, body);
                }
                _ => {}
            }
        }
    }

    fn fork(&mut self, frame: &Frame) {
        let socket = self.link.descriptors.pop_front().unwrap();
        let board = self.board.as_ref().unwrap();
        rustix::io::fcntl_setfd(board, rustix::io::FdFlags::empty()).unwrap();
        let role: Vec<String> = frame.body.iter().map(u8::to_string).collect();
        let copy = Command::new(std::env::current_exe().unwrap())
            .args(super::ARGUMENTS)
            .env(ROLE, role.join(" "))
            .env(BOARD, board.as_raw_fd().to_string())
            .stdin(Stdio::from(socket))
            .stdout(Stdio::inherit())
            .spawn();
        match copy {
            Ok(child) => {
                self.link.out.raw(FrameKind::Forked, 0, frame.number, child.id().to_le_bytes().to_vec());
                self.children.insert(frame.number, child);
            }
            Err(error) => self.link.out.raw(FrameKind::Forked, 0, frame.number, error.to_string().into_bytes()),
        }
    }
}

/// Compiles: a text `hang` hangs it, `crash` ends it at once.
fn compile(mut link: Link) {
    let mut texts: HashMap<BlobId, String> = HashMap::new();
    while let Some(frame) = link.next() {
        match frame.kind {
            FrameKind::Blobs => texts.extend(read_blobs(frame.body).unwrap()),
            FrameKind::Compile => {
                let Candidate { scripts, only } = serde_json::from_slice(&frame.body).unwrap();
                for index in only {
                    link.out.raw(FrameKind::Compiling, 0, index, "");
                    match texts[&scripts[index as usize].blob].as_str() {
                        "crash" => std::process::abort(),
                        "hang" => loop {
                            std::thread::park();
                        },
                        _ => {}
                    }
                }
                link.out.send(FrameKind::Compiled, 0, 0, &json!({ "failures": [], "content_types": [] }));
            }
            _ => {}
        }
    }
}
