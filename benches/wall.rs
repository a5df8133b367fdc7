//! One event over the wall and back: a dispatch written to a real, locked-in worker process until its `Processed` is read.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use criterion::{Criterion, criterion_group, criterion_main};
use nudge::config::ScriptLimits;
use nudge::model::StateSnapshot;
use nudge::program::{BotProgram, HookKind, Program, Role, Script, Shape};
use nudge::protocol::{DispatchHead, DispatchKind, Frame, FrameKind, FrameReader, Hello, build_id_of, event_work};

const WORKER: &str = env!("CARGO_BIN_EXE_nudge");
const SNIPPET: &str = include_str!("../tests/snippets/3.js");

fn program() -> Program {
    let mut program = Program { version: 1, ..Program::default() };
    let mut bot = BotProgram { default_language: "en".into(), ..BotProgram::default() };
    for (path, source, role) in [
        ("content-types/text.js", include_str!("../content-types/text.js"), Role::ContentType),
        ("content-types/_helper.js", include_str!("../content-types/_helper.js"), Role::Module),
        ("hooks/before_incoming_middleware/p.js", SNIPPET, Role::Hook(HookKind::BeforeIncomingMiddleware)),
    ] {
        let script = Script { path: path.into(), source: source.into(), role, shape: Shape::default() };
        program.scripts.push(Arc::new(script));
    }
    bot.content_types.insert("builtin_text".into(), 0);
    bot.hooks.insert(HookKind::BeforeIncomingMiddleware, vec![2]);
    program.bots.insert("welcome-bot".into(), bot);
    program
}

fn hello() -> Hello {
    Hello {
        build: build_id_of(std::path::Path::new(WORKER)),
        limits: ScriptLimits::default(),
        lock_in: true,
        suspect: false,
        env: Default::default(),
        process: Default::default(),
        external_url: "http://localhost:3000".into(),
        version: "bench".into(),
        slot: 0,
        trace: false,
        minimum_confidence: 0.3,
        repeat_window_ms: 20_000,
        max_transitions: 100,
    }
}

/// A worker and the bytes that came from it.
struct Worker {
    socket: UnixStream,
    reader: FrameReader,
}

impl Worker {
    fn send(&mut self, frame: &Frame) {
        let mut out = BytesMut::new();
        frame.write(&mut out);
        self.socket.write_all(&out).expect("the worker reads");
    }

    fn until(&mut self, kind: FrameKind, dispatch: u64) {
        let mut chunk = [0; 16 * 1024];
        loop {
            while let Some(frame) = self.reader.next_frame().expect("frames") {
                if frame.kind == kind && frame.dispatch == dispatch {
                    return;
                }
            }
            let read = self.socket.read(&mut chunk).expect("the worker answers");
            assert!(read > 0, "the worker ended");
            self.reader.buffer.extend_from_slice(&chunk[..read]);
        }
    }
}

fn wall(criterion: &mut Criterion) {
    let (ours, theirs) = UnixStream::pair().expect("a socket pair");
    let mut child =
        Command::new(WORKER).arg("worker").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().expect("a worker");
    let mut worker = Worker { socket: ours, reader: FrameReader::new(1 << 24) };
    worker.send(&Frame::new(FrameKind::Hello, serde_json::to_vec(&hello()).expect("JSON")));
    worker.until(FrameKind::Ready, 0);
    worker.send(&Frame::new(FrameKind::Program, serde_json::to_vec(&program()).expect("JSON")));
    let event = r#"{"id":"179533009130405440","type":"proactive-trigger","channel":"web","target":"visitor-1","botId":"welcome-bot","threadId":"1","direction":"incoming","payload":{"type":"proactive-trigger","channel":"web","payload":{"text":"fake message"}},"createdOn":1795330091304}"#;
    let mut body = BytesMut::new();
    DispatchHead::write(1, DispatchKind::Event, "welcome-bot", &mut body);
    event_work(event, &StateSnapshot::default(), &mut body);
    let body = body.freeze();
    let mut dispatch = 0;
    criterion.bench_function("round trip over the wall, one event at a time", |bencher| {
        bencher.iter(|| {
            dispatch += 1;
            worker.send(&Frame { kind: FrameKind::Dispatch, dispatch, number: 0, body: body.clone() });
            worker.until(FrameKind::Processed, dispatch);
        });
    });
    criterion.bench_function("64 events over the wall, pipelined", |bencher| {
        bencher.iter(|| {
            let mut out = BytesMut::new();
            let first = dispatch + 1;
            for _ in 0..64 {
                dispatch += 1;
                Frame { kind: FrameKind::Dispatch, dispatch, number: 0, body: body.clone() }.write(&mut out);
            }
            worker.socket.write_all(&out).expect("the worker reads");
            let mut left = 64;
            let mut chunk = [0; 64 * 1024];
            while left > 0 {
                while let Some(frame) = worker.reader.next_frame().expect("frames") {
                    if frame.kind == FrameKind::Processed && frame.dispatch >= first {
                        left -= 1;
                    }
                }
                if left > 0 {
                    let read = worker.socket.read(&mut chunk).expect("the worker answers");
                    worker.reader.buffer.put_slice(&chunk[..read]);
                }
            }
        });
    });
    drop(worker);
    child.wait().expect("the worker ends with its connection");
}

criterion_group!(benches, wall);
criterion_main!(benches);
