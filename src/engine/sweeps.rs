//! Something goes wrong at every step of typical events: memory is refused, the stack is full, the script is told to stop. Each run
//! is in a copy of a warm process, as in the server, so that a crash is counted and ends nothing else. A realm may run out of
//! memory, fall or die; what it says until then is always what the server can read, and a realm that goes on is as good as new.
//!
//! `SWEEP=20000 cargo test --lib engine::sweeps -- --nocapture` runs so many of each and says what came of them.

mod cases;

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};

use super::run::Run;
use super::tests::hello;
use super::{BotRealm, Host, Inbox, Outcome, RealmJob};
use crate::config::ScriptLimits;
use crate::model::StateSnapshot;
use crate::protocol::board::Place;
use crate::protocol::{
    DispatchKind, Effect, Frame, FrameKind, FrameReader, LogLine, Outbox, Processed, Settled, Unfit, event_work,
};
use crate::script::heap::Fails;
use crate::script::{Meter, with_realm};
use cases::Case;

/// Runs of each kind in an ordinary test run; `SWEEP` says how many otherwise.
const RUNS: u64 = 120;
/// How long a run may take until it hangs.
const PATIENCE: Duration = Duration::from_secs(30);
/// The dispatch in which something goes wrong, and the one after it.
const WRONG: u64 = 7;
const AFTER: u64 = 8;
/// Bytecode asks whether it may go on once in so many steps.
const STEPS: u64 = 10_000;

/// So many places are tried at first where that may be.
const LOOKS: u64 = 25;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Fault {
    Nothing,
    /// Memory is refused.
    Memory(Fails),
    /// So many frames of the stack are taken already, and so many smaller ones.
    Stack(u64, u64),
    /// It is told to stop when it asks first, after so many steps of bytecode that are none of its.
    Stop(u64),
}

/// What a copy leaves in memory that it shares: how often memory was asked for in a run, and whether anything went wrong.
const ASKED: usize = 0;
const MET: usize = 1;

/// A process that is warm, as a zygote is.
struct Warm<'a, 'js> {
    realm: &'a BotRealm<'js>,
    json: Bytes,
    seen: &'static [AtomicU32],
}

/// What came of a run.
#[derive(Debug)]
struct Came {
    /// In a word.
    what: String,
    /// It went wrong where it was to.
    met: bool,
    /// Effects of the second event.
    after: usize,
}

/// What came of all, by what it was.
type Tally = BTreeMap<String, u64>;

/// Uses so many frames of the stack, and a part of one, and goes on.
#[inline(never)]
fn deeper(frames: u64, parts: u64, run: &mut dyn FnMut() -> u8) -> u8 {
    let held = std::hint::black_box([frames; 8]);
    let code = match (frames, parts) {
        (0, 0) => run(),
        (0, _) => part(parts - 1, run),
        _ => deeper(frames - 1, parts, run),
    };
    std::hint::black_box(&held);
    code
}

/// Bytes that each frame of [`deeper`] takes.
fn bytes_of_a_frame() -> u64 {
    let at = |frames| {
        let mut place = 0;
        deeper(frames, 0, &mut || {
            let here = std::hint::black_box(0_u8);
            place = std::ptr::from_ref(&here).addr();
            0
        });
        place
    };
    ((at(0) - at(1_000)) / 1_000) as u64
}

/// Uses smaller frames.
#[inline(never)]
fn part(parts: u64, run: &mut dyn FnMut() -> u8) -> u8 {
    let code = if parts == 0 { run() } else { part(parts - 1, run) };
    std::hint::black_box(code)
}

impl Warm<'_, '_> {
    /// Runs the event in a copy in which that goes wrong, then the same event again if the copy says that it may go on.
    fn run(&self, fault: Fault) -> Came {
        self.seen.iter().for_each(|word| word.store(0, Ordering::Relaxed));
        let (server, socket) = UnixStream::pair().unwrap();
        let copy = crate::os::in_a_copy(|| self.copy(&socket, fault)).unwrap();
        drop(socket);
        let frames = listen(server, copy);
        let status = crate::os::bury(copy).unwrap().status;
        let met = self.seen[MET].load(Ordering::Relaxed) > 0;
        let after = |frame: &&Frame| frame.kind == FrameKind::Effect && frame.dispatch == AFTER;
        let after = frames.iter().flatten().filter(after).count();
        let what = match (frames, status.code(), status.signal()) {
            (None, ..) => "hung".to_owned(),
            (_, None, signal) => format!("died of signal {}", signal.unwrap_or_default()),
            (Some(frames), Some(code), _) => outcome(&frames, code),
        };
        Came { what, met, after }
    }

    fn copy(&self, socket: &UnixStream, fault: Fault) -> u8 {
        let (host, heap) = (&self.realm.host, &self.realm.realm.heap);
        self.realm.renew();
        host.renew(socket.try_clone().unwrap(), Place::private(), 0);
        heap.take_refused();
        heap.set_limit(heap.used() + host.meter.limits().heap);
        let inbox = Inbox::new(socket.try_clone().unwrap());
        let first = match fault {
            Fault::Stack(frames, parts) => deeper(frames, parts, &mut || self.event(&inbox, WRONG, fault)),
            _ => self.event(&inbox, WRONG, fault),
        };
        if first == 0 { self.event(&inbox, AFTER, Fault::Nothing) } else { first }
    }

    /// Runs one event. Gives 0 where the realm may go on, otherwise why not.
    fn event(&self, inbox: &Inbox, dispatch: u64, fault: Fault) -> u8 {
        let (meter, heap) = (&self.realm.host.meter, &self.realm.realm.heap);
        let job = RealmJob {
            dispatch,
            kind: DispatchKind::Event,
            json: self.json.clone(),
            begun: Instant::now(),
            resume: None,
        };
        let run = Run::new(self.realm, inbox, job);
        if let Fault::Stop(steps) = fault {
            self.step(steps);
        }
        heap.refuse(if let Fault::Memory(fails) = fault { Some(fails) } else { None });
        meter.stop_next(matches!(fault, Fault::Stop(_)));
        let outcome = run.run();
        let (asked, polled) = (heap.refuse(None), meter.stop_next(false));
        if dispatch == WRONG {
            let met = match fault {
                Fault::Memory(fails) => asked > fails.at,
                Fault::Stop(_) => polled,
                Fault::Nothing | Fault::Stack(..) => false,
            };
            self.seen[ASKED].store(u32::try_from(asked).unwrap(), Ordering::Relaxed);
            self.seen[MET].store(met.into(), Ordering::Relaxed);
        }
        match outcome {
            Outcome::Done { unfit: None } => 0,
            Outcome::Done { unfit: Some(unfit) } => unfit as u8,
            Outcome::Again(_) => 100,
        }
    }

    /// Has bytecode take so many steps.
    fn step(&self, steps: u64) {
        let steps = i32::try_from(steps).unwrap();
        let count: rquickjs::Function<'_> =
            self.realm.realm.part("step", "(n => { for (let i = 0; i < n; i++); })").unwrap();
        self.realm.host.meter.own(|| count.call::<_, ()>((steps,))).unwrap();
    }
}

/// Reads what a copy says, and answers it as the server would; nothing where it hangs.
fn listen(mut server: UnixStream, copy: u32) -> Option<Vec<Frame>> {
    server.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut reader, mut frames, mut chunk) = (FrameReader::new(1 << 24), Vec::new(), [0; 16 << 10]);
    loop {
        while let Some(frame) = reader.next_frame().unwrap() {
            let answer = match frame.kind {
                FrameKind::Request => Some(&b"\x0142"[..]),
                FrameKind::Fetch => Some(&b"\0{\"message\":\"nobody is there\"}"[..]),
                _ => None,
            };
            if let Some(answer) = answer {
                let body = Bytes::from_static(answer);
                let mut wire = BytesMut::new();
                Frame { kind: FrameKind::Result, dispatch: frame.dispatch, number: frame.number, body }
                    .write(&mut wire);
                // It may be gone.
                let _ = server.write_all(&wire);
            }
            frames.push(frame);
        }
        match server.read(&mut chunk) {
            Ok(0) => return Some(frames),
            Ok(read) => reader.buffer.extend_from_slice(&chunk[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return Some(frames),
            Err(_) => {
                let pid = rustix::process::Pid::from_raw(copy.cast_signed()).unwrap();
                rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
                return None;
            }
        }
    }
}

/// What a copy says of its end, which must be what the server can read.
fn outcome(frames: &[Frame], code: i32) -> String {
    if code == 101 {
        return "panicked".into();
    }
    for frame in frames {
        let read = match frame.kind {
            FrameKind::Effect => serde_json::from_slice::<Effect>(&frame.body).map(drop),
            FrameKind::Log => serde_json::from_slice::<LogLine>(&frame.body).map(drop),
            FrameKind::Processed => serde_json::from_slice::<Processed>(&frame.body).map(drop),
            FrameKind::Settled => serde_json::from_slice::<Settled>(&frame.body).map(drop),
            _ => Ok(()),
        };
        if let Err(error) = read {
            return format!("said what cannot be read, {:?}: {error}", frame.kind);
        }
    }
    let of = |kind, dispatch| frames.iter().any(|frame| frame.kind == kind && frame.dispatch == dispatch);
    let over = of(FrameKind::Processed, WRONG) || of(FrameKind::Resume, WRONG);
    if !over || frames.last().is_none_or(|frame| frame.kind != FrameKind::Free) {
        return format!("ended with code {code} before its event was over");
    }
    let fell = |frame: &Frame| {
        frame.kind == FrameKind::Log && String::from_utf8_lossy(&frame.body).contains("\"level\":\"error\"")
    };
    match code {
        0 if frames.iter().any(fell) => "a script fell, and the realm went on".into(),
        0 => "nothing was noticed".into(),
        100 => "stopped, and its event went on elsewhere".into(),
        code => {
            let unfit = u32::try_from(code).ok().and_then(Unfit::from_number);
            unfit.map_or_else(|| format!("ended with code {code}"), |unfit| format!("{GIVEN_UP}{}", unfit.name()))
        }
    }
}

/// Does something with each typical event in a process that is warm.
fn with_each(mut body: impl FnMut(&Case, &Warm<'_, '_>)) {
    let shared = tempfile::tempfile().unwrap();
    shared.set_len(crate::os::page_size()).unwrap();
    let seen = crate::os::share(&shared, 0, 2).unwrap();
    for case in cases::all() {
        let meter = Rc::new(Meter::new(ScriptLimits::default()));
        let host = Rc::new(Host::new(
            Rc::clone(&meter),
            Arc::new(hello(ScriptLimits::default())),
            Outbox::new(std::io::sink()),
        ));
        let mut json = BytesMut::new();
        event_work(&case.event, &StateSnapshot::default(), &mut json);
        with_realm(&meter, |realm| {
            realm.heap.set_limit(u64::MAX);
            let realm = meter.own(|| BotRealm::new(realm, host)).unwrap();
            realm.warm().unwrap();
            realm.load(Arc::clone(&case.loaded), "welcome-bot");
            assert!(realm.warm_bot().is_empty());
            realm.collect_loaded();
            body(&case, &Warm { realm: &realm, json: json.freeze(), seen });
        })
        .unwrap();
    }
}

/// Runs something with each typical event; `faults` says what goes wrong in which of them.
#[allow(clippy::print_stdout, reason = "what came of it is for who asks for many runs")]
fn sweep(what: &str, runs: u64, faults: impl Fn(&Warm<'_, '_>, u64) -> Vec<Fault>) {
    let (begun, mut all) = (Instant::now(), Tally::new());
    let (mut total, mut met) = (0, 0);
    let mut wrong = Vec::new();
    with_each(|case, warm| {
        let control = warm.run(Fault::Nothing);
        let fine = ["nothing was noticed", "a script fell, and the realm went on"];
        assert!(fine.contains(&&*control.what) && control.after > 0, "{}: {control:?}", case.name);
        for fault in faults(warm, runs.div_ceil(cases::COUNT)) {
            let came = warm.run(fault);
            (total, met) = (total + 1, met + u64::from(came.met));
            let fit = fine.contains(&&*came.what);
            let ends = ["died of signal", GIVEN_UP, "stopped"].iter().any(|how| came.what.starts_with(how));
            if (fit && came.after != control.after) || !(fit || ends) {
                wrong.push(format!("{}, {fault:?}: {came:?}", case.name));
            }
            *all.entry(came.what).or_default() += 1;
        }
    });
    let all: Vec<String> = all.iter().map(|(what, count)| format!("{count} {what}")).collect();
    let met = if met > 0 { format!(", of which {met} met it") } else { String::new() };
    println!("SWEEP {what}: {total} runs{met}, in {:.0} s: {}", begun.elapsed().as_secs_f64(), all.join("; "));
    let first = &wrong[..wrong.len().min(20)];
    assert!(wrong.is_empty(), "{} of {total}:\n{}", wrong.len(), first.join("\n"));
}

/// A realm that says itself that it must not go on.
const GIVEN_UP: &str = "its realm was given up: ";

fn memory(runs: u64) {
    sweep("memory refused", runs, |warm, runs| {
        warm.run(Fault::Nothing);
        let asked = u64::from(warm.seen[ASKED].load(Ordering::Relaxed));
        let at = (0..runs / 2).map(|run| run * asked / (runs / 2));
        let both = at.flat_map(|at| [false, true].map(|from_there_on| Fails { at, from_there_on }));
        both.map(Fault::Memory).collect()
    });
}

fn stack(runs: u64) {
    sweep("stack full", runs, |warm, runs| {
        // From where on the whole event finds room, and up to where nothing does.
        let control = warm.run(Fault::Nothing).what;
        let fits = |frames: &u64| warm.run(Fault::Stack(*frames, 0)).what == control;
        let (mut fine, mut full) = (0, 64);
        while full < 1 << 16 && fits(&full) {
            (fine, full) = (full, full * 2);
        }
        while full - fine > 1 {
            let middle = (fine + full) / 2;
            if fits(&middle) { fine = middle } else { full = middle }
        }
        let most = ScriptLimits::default().stack / bytes_of_a_frame();
        let (from, parts) = (fine.saturating_sub(4), 8);
        let frames = most.saturating_sub(from).max(1);
        // As many as are asked for, spread over all places.
        let place = |run| run * frames * parts / runs;
        (0..runs).map(place).map(|at| Fault::Stack(from + at / parts, at % parts)).collect()
    });
}

fn stops(runs: u64) {
    sweep("told to stop", runs, |warm, runs| {
        let coarse = STEPS / LOOKS;
        // Where the event begins so near to the next question that it is asked while it runs.
        let near: Vec<u64> = (0..LOOKS).map(|at| at * coarse).filter(|from| warm.run(Fault::Stop(*from)).met).collect();
        let steps = near.iter().flat_map(|from| *from..from + coarse);
        let all = near.len() as u64 * coarse;
        let each = all.div_ceil(runs).max(1);
        steps.step_by(each as usize).map(Fault::Stop).collect()
    });
}

/// Runs one kind alone, in a process of its own that has no other threads at work.
#[test]
#[ignore = "the others start it"]
fn one_kind() {
    let runs = variable("SWEEP").and_then(|runs| runs.parse().ok()).unwrap_or(RUNS);
    match variable("SWEEP_OF").as_deref() {
        Some("memory") => memory(runs),
        Some("stack") => stack(runs),
        Some("stops") => stops(runs),
        _ => {}
    }
}

fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

#[allow(clippy::print_stdout, reason = "what came of it is for who asks for many runs")]
fn alone(kind: &str) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "--nocapture", "engine::sweeps::one_kind"])
        .env("SWEEP_OF", kind)
        // As large as that of a process.
        .env("RUST_MIN_STACK", (8 << 20).to_string())
        .output()
        .unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && said.contains("SWEEP "), "{}\n{said}\n{failed}", output.status);
    let line = said.lines().find(|line| line.contains("SWEEP ")).unwrap_or_default();
    println!("{line}");
}

#[test]
fn memory_that_is_refused_at_any_step_of_an_event_concerns_its_realm_alone() {
    alone("memory");
}

#[test]
fn a_stack_that_is_full_at_any_step_of_an_event_concerns_its_realm_alone() {
    alone("stack");
}

#[test]
fn a_script_that_is_told_to_stop_at_any_step_leaves_a_realm_that_is_as_new_or_given_up() {
    alone("stops");
}
