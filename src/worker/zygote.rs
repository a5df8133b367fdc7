//! A zygote: a process that is warm and makes copies of itself.
//!
//! It has one thread and runs scripts only while it loads: packages and content types are evaluated once, for all realms.
//! It does what it is told in the order in which it is told, so the server never waits for it: it sends what is to be
//! loaded, the copies to make, and at once to each copy what that one is to do.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt as _;
use std::rc::Rc;
use std::sync::Arc;

use super::control::{Control, Texts, WorkerError, add_texts, read_json};
use super::lock_in::{LockedIn, RealmLock};
use super::{compiler, realm};
use crate::engine::{BotRealm, Host, LoadedProgram};
use crate::os::{Burial, Forked, fork};
use crate::program::Image;
use crate::protocol::board::Place;
use crate::protocol::{Board, ForkAs, FrameKind, Hello, LogLine, Outbox, Ready};
use crate::script::{Meter, with_realm};

/// What a process of scripts is made of, through all copies.
struct Zygote<'js> {
    realm: BotRealm<'js>,
    host: Rc<Host>,
    blobs: Texts,
    /// The board. A copy that runs scripts maps its own place and gives the rest up.
    board: Option<OwnedFd>,
    lock: RealmLock,
}

/// Becomes the root zygote.
pub(super) fn run(
    hello: Hello,
    control: Control,
    board: OwnedFd,
    ready: Ready,
    locked_in: &LockedIn,
) -> Result<(), WorkerError> {
    let _guard = AbortOnPanic;
    let meter = Rc::new(Meter::new(hello.limits.clone()));
    let outbox = Outbox::new(control.socket.try_clone()?);
    let host = Rc::new(Host::new(Rc::clone(&meter), Arc::new(hello), outbox));
    let lock = locked_in.of_realms()?;
    let ran = with_realm(&meter, |realm| {
        realm.heap.set_limit(u64::MAX);
        let realm = meter.own(|| BotRealm::new(realm, Rc::clone(&host)));
        let realm = realm.map_err(|error| WorkerError::Engine(error.to_string()))?;
        realm.warm().map_err(|error| WorkerError::Engine(error.to_string()))?;
        let mut zygote = Zygote { realm, host: Rc::clone(&host), blobs: Texts::new(), board: Some(board), lock };
        crate::os::settle_memory();
        host.tell(FrameKind::Ready, 0, &serde_json::to_vec(&ready).unwrap_or_default());
        zygote.serve(control)
    });
    ran.unwrap_or_else(|error| Err(WorkerError::Engine(error.to_string())))
}

/// What is evaluated before anybody needs it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Warm {
    Nothing,
    Packages,
    /// Packages, and what the bot runs.
    Bot,
}

impl Warm {
    fn and_bot(self) -> Self {
        if self == Self::Packages { Self::Bot } else { self }
    }
}

/// A panic in here is a fault of ours that may have left anything half done.
struct AbortOnPanic;

impl Drop for AbortOnPanic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            std::process::abort();
        }
    }
}

impl Zygote<'_> {
    /// Does what it is told until the server closes the connection: the process ends then. What is left needs no tidying,
    /// which would touch, and so copy, all that it shares with others.
    fn serve(&mut self, mut control: Control) -> Result<(), WorkerError> {
        while let Some(frame) = control.next()? {
            match frame.kind {
                FrameKind::Blobs => add_texts(&mut self.blobs, frame)?,
                FrameKind::Packages | FrameKind::Load => {
                    let warm = if frame.number == 0 { Warm::Nothing } else { Warm::Packages };
                    let warm = if frame.kind == FrameKind::Load { warm.and_bot() } else { warm };
                    self.load(read_json(&frame)?, warm)?;
                    self.host.tell(FrameKind::Loaded, 0, &[]);
                }
                FrameKind::Bots => self.host.set_bots(&frame.body),
                FrameKind::Fork => {
                    let socket = control.descriptor()?;
                    let become_ = ForkAs::from_bytes(&frame.body)
                        .ok_or_else(|| WorkerError::Message("a fork into nothing".into()))?;
                    match fork() {
                        Ok(Forked::Parent { child }) => {
                            self.host.tell(FrameKind::Forked, frame.number, &child.to_le_bytes());
                        }
                        Ok(Forked::Child) => {
                            drop(control);
                            return self.become_copy(UnixStream::from(socket), become_);
                        }
                        Err(error) => {
                            self.host.tell(FrameKind::Forked, frame.number, error.to_string().as_bytes());
                        }
                    }
                }
                FrameKind::Reap => {
                    let pid = <[u8; 4]>::try_from(&*frame.body).map(u32::from_le_bytes).unwrap_or(0);
                    self.host.tell(FrameKind::Reaped, frame.number, &bury(pid));
                }
                kind => return Err(WorkerError::Message(format!("{kind:?} is not for zygotes"))),
            }
        }
        std::process::exit(0)
    }

    /// Loads what a bot runs, or only the packages that all bots share.
    fn load(&mut self, image: Image, warm: Warm) -> Result<(), WorkerError> {
        let (bot, packages) = (image.bot.clone(), image.packages.clone());
        let program = image.into_program(|id| self.blobs.get(&id).cloned());
        let program = program.map_err(|error| WorkerError::Message(error.to_string()))?;
        self.realm.load(Arc::new(LoadedProgram::new(program)), &bot);
        let mut left = Vec::new();
        for package in packages.into_iter().filter(|_| warm != Warm::Nothing) {
            if let Err(why) = self.realm.preload(package) {
                if why.unfit() {
                    std::process::abort();
                }
                left.push((package, why));
            }
        }
        if warm == Warm::Bot {
            left.extend(self.realm.warm_bot());
        }
        self.realm.collect_loaded();
        for (index, why) in left {
            let line = LogLine {
                level: "warn".into(),
                message: format!("this file is evaluated by each realm for itself: {why}"),
                file: self.host.path_of(index).map(|path| path.to_string()),
                bot: (!bot.is_empty()).then(|| bot.clone()),
                ..LogLine::default()
            };
            self.host.tell(FrameKind::Log, 0, &serde_json::to_vec(&line).unwrap_or_default());
        }
        crate::os::settle_memory();
        Ok(())
    }

    /// This process is a copy now: everything that must differ between copies is made anew.
    fn become_copy(&mut self, socket: UnixStream, become_: ForkAs) -> Result<(), WorkerError> {
        let out = socket.try_clone()?;
        self.realm.renew();
        match become_ {
            ForkAs::Zygote => {
                self.host.renew(out, Place::private(), 0);
                self.serve(Control::new(socket))
            }
            ForkAs::Realm { slot } => {
                let place = self.take_place(slot)?;
                self.host.renew(out, place, slot);
                self.confine()?;
                realm::serve(&self.realm, socket)
            }
            ForkAs::Compiler { slot } => {
                let place = self.take_place(slot)?;
                self.host.renew(out, place, slot);
                self.confine()?;
                compiler::serve(&self.realm, &mut self.blobs, socket)
            }
        }
    }

    /// Its place on the board, beside which it has nothing of it any more.
    fn take_place(&mut self, slot: u16) -> Result<Place, WorkerError> {
        let board = self.board.take().ok_or_else(|| WorkerError::Message("it has no board".into()))?;
        Ok(Board::place(board, slot)?)
    }

    /// Gives up what only zygotes may do, and how much memory there is for more than what is here already.
    fn confine(&self) -> Result<(), WorkerError> {
        let heap = &self.realm.realm.heap;
        heap.take_refused();
        heap.set_limit(heap.used().saturating_add(self.host.meter.limits().heap));
        crate::script::limits::lower_priority(5);
        Ok(self.lock.apply()?)
    }
}

/// Waits for a child that is gone, or about to be; says how it ended, and by how much it had grown.
fn bury(pid: u32) -> Vec<u8> {
    let (how, grew) = match crate::os::bury(pid) {
        Ok(Burial { status, grew }) => match (status.code(), status.signal()) {
            (Some(code), _) => (format!("exit status: {code}"), grew),
            (_, Some(signal)) => (format!("signal: {signal}"), grew),
            _ => ("it is gone".to_owned(), grew),
        },
        Err(_) => ("it is gone".to_owned(), 0),
    };
    [&grew.to_le_bytes()[..], how.as_bytes()].concat()
}
