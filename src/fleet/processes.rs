//! Carries out what the fleet orders: starts the root zygote, hands sockets to copies, sends what they are to load, reads
//! clocks and memory, kills and buries.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use super::buffers::Buffers;
use super::hello::hello;
use super::orders::ProcessId;
pub use super::process::FromProcess;
use super::process::Out;
use super::stderr::log_stderr;
use crate::config::Settings;
use crate::program::image::{Image, Images, ScriptRef};
use crate::program::{BlobId, BotProgram, CompileRequest};
use crate::protocol::{Board, Candidate, ForkAs, Frame, FrameKind, Glimpse, build_id_of, own_executable, write_blobs};

/// How the root zygote is started.
#[derive(Debug, Clone)]
pub struct WorkerCommand {
    /// The executable, as a rule the server's own.
    pub program: PathBuf,
    /// Its arguments: `worker`.
    pub args: Vec<OsString>,
}

impl WorkerCommand {
    /// `<this executable> worker`.
    ///
    /// # Errors
    /// The system does not tell the executable's path.
    pub fn current() -> io::Result<Self> {
        Ok(Self::of(own_executable()?))
    }

    /// `<program> worker`, for tests, whose own executable is not the server's.
    pub fn of(program: impl Into<PathBuf>) -> Self {
        Self { program: program.into(), args: vec!["worker".into()] }
    }

    /// The build that such a process must say it is.
    pub fn build(&self) -> String {
        build_id_of(&self.program)
    }
}

/// How processes of scripts are locked in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LockedIn {
    /// `seccomp+landlock`, `seccomp`, `limits`, `off`.
    pub how: String,
}

/// What the system refuses.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// No process can be started.
    #[error("{} cannot be run: {source}", .program.display())]
    Start {
        /// The executable.
        program: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// No socket, pipe or memory for a process.
    #[error("no connection to a process of scripts can be made: {0}")]
    Connect(#[from] io::Error),
}

/// One process.
#[derive(Debug)]
struct Process {
    out: Out,
    pid: Option<u32>,
    /// By which it is killed, whatever became of its number.
    #[cfg(target_os = "linux")]
    handle: Option<OwnedFd>,
    /// It is to be killed as soon as its number is known.
    doomed: bool,
    family: ProcessId,
    /// Whose scripts it runs: its copies run them, too. Empty for nobody's.
    bot: Arc<str>,
    /// Texts that it has.
    blobs: Arc<BTreeSet<BlobId>>,
    /// Of the root alone.
    child: Option<Child>,
}

/// A root zygote and all that come from it.
#[derive(Debug)]
struct Family {
    /// The pipe that ends them when this process is gone.
    _lifeline: OwnedFd,
    /// How many live.
    members: usize,
    /// The system's number of their group, which none can leave.
    group: Option<u32>,
}

/// All processes of scripts.
#[derive(Debug)]
pub struct Processes {
    settings: Arc<Settings>,
    command: WorkerCommand,
    board: Board,
    sink: mpsc::Sender<FromProcess>,
    all: BTreeMap<ProcessId, Process>,
    families: BTreeMap<ProcessId, Family>,
    /// Bytes on their way.
    buffers: Buffers,
    images: Option<Arc<Images>>,
    bots: Bytes,
}

impl Processes {
    /// None yet. What they say comes through `sink`.
    ///
    /// # Errors
    /// The system has no memory that can be shared.
    pub fn new(
        settings: Arc<Settings>,
        command: WorkerCommand,
        sink: mpsc::Sender<FromProcess>,
    ) -> Result<Self, FleetError> {
        crate::os::hand_nothing_on();
        Ok(Self {
            buffers: Buffers::new(&settings.dispatch),
            settings,
            command,
            board: Board::new()?,
            sink,
            all: BTreeMap::new(),
            families: BTreeMap::new(),
            images: None,
            bots: Bytes::from_static(b"[]"),
        })
    }

    /// The way to a process.
    pub fn out(&self, process: ProcessId) -> Option<&Out> {
        self.all.get(&process).map(|process| &process.out)
    }

    /// What zygotes load from now on, and which bots there are.
    pub fn publish(&mut self, images: Arc<Images>) {
        let ids: Vec<&str> = images.keys().map(|(bot, _)| bot).filter(|bot| !bot.is_empty()).collect();
        // Texts alone always have JSON.
        let bots = Bytes::from(serde_json::to_vec(&ids).unwrap_or_default());
        self.images = Some(images);
        if bots != self.bots {
            self.bots = bots;
            for process in self.all.values() {
                process.out.send(&Frame::new(FrameKind::Bots, self.bots.clone()));
            }
        }
    }

    /// Starts the root zygote.
    ///
    /// # Errors
    /// The system refuses.
    pub fn start_root(&mut self, root: ProcessId) -> Result<(), FleetError> {
        let (ours, theirs) = UnixStream::pair()?;
        let (lifeline, end) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).map_err(io::Error::from)?;
        let mut child = {
            let mut process = Command::new(&self.command.program);
            process
                // The program may be a link such as `/proc/self/exe`, which tells nobody anything in a list of processes.
                .arg0("nudge")
                .args(&self.command.args)
                .env_clear()
                .stdin(Stdio::from(OwnedFd::from(theirs)))
                .stdout(Stdio::from(lifeline))
                .stderr(Stdio::piped())
                // Ctrl-C in a terminal is sent to the whole group: the server decides when its processes end.
                .process_group(0)
                .kill_on_drop(true);
            if let Some(zone) = std::env::var_os("TZ") {
                process.env("TZ", zone);
            }
            // The command holds the other end of the socket: it must go, or there is never an end of file.
            let program = self.command.program.clone();
            process.spawn().map_err(|source| FleetError::Start { program, source })?
        };
        if let Some(stderr) = child.stderr.take() {
            tokio::spawn(log_stderr(stderr));
        }
        let pid = child.id();
        let out = self.connect(root, ours, &Arc::default())?;
        let board = self.board.descriptor().try_clone()?;
        // Plain data into memory: it cannot fail.
        let text = serde_json::to_vec(&hello(&self.settings, &self.command.build())).unwrap_or_default();
        out.send_with(&Frame::new(FrameKind::Hello, text), Some(board.into()));
        out.send(&Frame::new(FrameKind::Bots, self.bots.clone()));
        self.families.insert(root, Family { _lifeline: end, members: 0, group: pid });
        self.add(root, out, (root, Arc::default()), Arc::default());
        if let Some(process) = self.all.get_mut(&root) {
            process.child = Some(child);
        }
        self.forked(root, pid.unwrap_or(0));
        Ok(())
    }

    /// Has a zygote make a copy of itself. The copy can be sent frames at once.
    ///
    /// # Errors
    /// The system has no more sockets.
    pub fn fork(&mut self, zygote: ProcessId, child: ProcessId, become_: ForkAs) -> Result<(), FleetError> {
        let (ours, theirs) = UnixStream::pair()?;
        let bot = self.all.get(&zygote).map(|zygote| Arc::clone(&zygote.bot)).unwrap_or_default();
        let out = self.connect(child, ours, &bot)?;
        if let ForkAs::Realm { slot } | ForkAs::Compiler { slot } = become_ {
            self.board.renew(slot);
        }
        let Some(parent) = self.all.get(&zygote) else {
            // Its other end goes with this: the copy is found to be gone.
            self.add(child, out, (zygote, bot), Arc::default());
            return Ok(());
        };
        let body = Bytes::copy_from_slice(&become_.to_bytes());
        let frame = Frame { kind: FrameKind::Fork, dispatch: 0, number: child, body };
        parent.out.send_with(&frame, Some(theirs.into()));
        let (family, blobs) = (parent.family, Arc::clone(&parent.blobs));
        self.add(child, out, (family, bot), blobs);
        Ok(())
    }

    fn connect(&mut self, id: ProcessId, socket: UnixStream, bot: &Arc<str>) -> io::Result<Out> {
        let limit = usize::try_from(self.settings.scripts.frame).unwrap_or(usize::MAX);
        Out::connect(id, socket, limit, self.buffers.of(bot), self.sink.clone())
    }

    fn add(&mut self, id: ProcessId, out: Out, (family, bot): (ProcessId, Arc<str>), blobs: Arc<BTreeSet<BlobId>>) {
        if let Some(family) = self.families.get_mut(&family) {
            family.members += 1;
        }
        let process = Process {
            out,
            pid: None,
            #[cfg(target_os = "linux")]
            handle: None,
            doomed: false,
            family,
            bot,
            blobs,
            child: None,
        };
        self.all.insert(id, process);
    }

    /// The number that the system gave a process. It was not buried yet, so it is still that one's. That is its zygote's word:
    /// only a process of their group can be meant.
    pub fn forked(&mut self, child: ProcessId, pid: u32) {
        let Some(process) = self.all.get_mut(&child).filter(|process| process.pid.is_none()) else { return };
        let group = self.families.get(&process.family).and_then(|family| family.group);
        let Some(number) = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw) else { return };
        #[cfg(target_os = "linux")]
        let handle = rustix::process::pidfd_open(number, rustix::process::PidfdFlags::empty()).ok();
        let its_group = rustix::process::getpgid(Some(number)).ok();
        if its_group.and_then(|group| u32::try_from(group.as_raw_nonzero().get()).ok()) != group {
            tracing::error!("process {pid} of scripts is not where it was said to be: it is given up");
            process.out.cut();
            return;
        }
        process.pid = Some(pid);
        #[cfg(target_os = "linux")]
        {
            process.handle = handle;
        }
        if process.doomed {
            self.kill(child);
        }
    }

    /// Sends SIGKILL; at the latest when the process is known by its number.
    pub fn kill(&mut self, id: ProcessId) {
        let Some(process) = self.all.get_mut(&id) else { return };
        process.doomed = true;
        if process.pid.is_none() {
            process.out.cut();
            return;
        }
        #[cfg(target_os = "linux")]
        if let Some(handle) = &process.handle {
            // It fails only if the process is gone already.
            let _ = rustix::process::pidfd_send_signal(handle, rustix::process::Signal::KILL);
            return;
        }
        let pid = process.pid.and_then(|pid| i32::try_from(pid).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }

    /// Nothing more is sent to a process: it ends when it has done what it was told.
    pub fn close(&self, id: ProcessId) {
        if let Some(process) = self.all.get(&id) {
            process.out.close();
        }
    }

    /// Has a zygote bury a child of its.
    pub fn bury(&self, zygote: ProcessId, child: ProcessId, pid: u32) {
        if let Some(zygote) = self.all.get(&zygote) {
            let body = Bytes::copy_from_slice(&pid.to_le_bytes());
            zygote.out.send(&Frame { kind: FrameKind::Reap, dispatch: 0, number: child, body });
        }
    }

    /// Forgets a process that is gone.
    pub fn forget(&mut self, id: ProcessId) {
        let Some(process) = self.all.remove(&id) else { return };
        process.out.close();
        process.out.cut();
        #[cfg(target_os = "linux")]
        if let Some(handle) = process.handle {
            bury_own(handle);
        }
        if let Some(mut child) = process.child {
            tokio::spawn(async move {
                let _ = child.start_kill();
                // It is a child of this process, and must not stay as a zombie.
                let _ = child.wait().await;
            });
        }
        if let Some(family) = self.families.get_mut(&process.family) {
            family.members -= 1;
            if family.members == 0 {
                self.families.remove(&process.family);
            }
        }
    }

    /// Has a zygote evaluate the packages that all bots share.
    pub fn load_packages(&mut self, zygote: ProcessId) {
        let Some(images) = &self.images else { return };
        let layer = images.layer();
        let Some(key) = images.key("") else { return };
        let image = Image {
            bot: String::new(),
            key,
            layer: layer.key,
            shared: u32::try_from(layer.scripts.len()).unwrap_or(u32::MAX),
            scripts: layer.scripts,
            packages: layer.packages,
            program: BotProgram::default(),
        };
        self.send_image(zygote, FrameKind::Packages, 1, &image);
    }

    /// Has a zygote load what a bot runs.
    pub fn load(&mut self, zygote: ProcessId, bot: &str, warm: bool) {
        let Some(image) = self.images.as_ref().and_then(|images| images.image(bot)) else { return };
        if let Some(process) = self.all.get_mut(&zygote) {
            process.bot = bot.into();
        }
        self.send_image(zygote, FrameKind::Load, warm.into(), &image);
    }

    fn send_image(&mut self, zygote: ProcessId, kind: FrameKind, number: u32, image: &Image) {
        self.send_blobs(zygote, image.scripts.iter().map(|script| script.blob));
        if let Some(process) = self.all.get(&zygote) {
            // Plain data into memory: it cannot fail.
            let body = Bytes::from(serde_json::to_vec(image).unwrap_or_default());
            process.out.send(&Frame { kind, dispatch: 0, number, body });
        }
    }

    /// Sends a process the texts that it does not have.
    fn send_blobs(&mut self, id: ProcessId, wanted: impl Iterator<Item = BlobId>) {
        let (Some(images), Some(process)) = (&self.images, self.all.get_mut(&id)) else { return };
        let missing: BTreeSet<BlobId> = wanted.filter(|blob| !process.blobs.contains(blob)).collect();
        if missing.is_empty() {
            return;
        }
        let texts: Vec<(BlobId, Arc<str>)> =
            missing.iter().filter_map(|blob| Some((*blob, images.blob(*blob)?))).collect();
        let body = write_blobs(texts.iter().map(|(blob, text)| (*blob, &**text))).freeze();
        process.out.send(&Frame::new(FrameKind::Blobs, body));
        Arc::make_mut(&mut process.blobs).extend(missing);
    }

    /// Has a compiler compile a candidate.
    pub fn compile(&self, compiler: ProcessId, request: &CompileRequest) {
        let Some(process) = self.all.get(&compiler) else { return };
        let scripts = &request.program.scripts;
        let texts = scripts.iter().map(|script| (script.source.blob(), &**script.source.text()));
        process.out.send(&Frame::new(FrameKind::Blobs, write_blobs(texts).freeze()));
        let scripts = scripts.iter().map(|script| ScriptRef::of(script)).collect();
        // Plain data into memory: it cannot fail.
        let body = serde_json::to_vec(&Candidate { scripts, only: request.only.clone() }).unwrap_or_default();
        process.out.send(&Frame::new(FrameKind::Compile, body));
    }

    /// Processor time of a process, and its place on the board.
    pub fn clock(&self, process: ProcessId, slot: u16) -> Option<(Duration, Glimpse)> {
        let pid = self.all.get(&process)?.pid?;
        Some((crate::os::processor_time(pid)?, self.board.look(slot)))
    }

    /// A process gives way to others, for good, as one does by itself whose script lets itself be interrupted.
    pub fn give_way(&self, process: ProcessId) {
        let pid = self.all.get(&process).and_then(|process| process.pid).and_then(|pid| i32::try_from(pid).ok());
        if let Some(pid) = pid.and_then(rustix::process::Pid::from_raw) {
            // It fails where the process is gone.
            let _ = rustix::process::setpriority_process(Some(pid), crate::os::GIVES_WAY);
        }
    }

    /// Whether somebody has stopped a process.
    pub fn is_stopped(&self, process: ProcessId) -> bool {
        self.all.get(&process).and_then(|process| process.pid).is_some_and(crate::os::is_stopped)
    }

    /// Takes back what a process was sent and has not begun with, before that number. Gives the last that it has begun with.
    pub fn take_back(&self, slot: u16, below: u16) -> u16 {
        self.board.take_back(slot, below)
    }

    /// What stands on the place of a process that is at its end, for the last time.
    /// With it comes which of the work that it was sent it has begun with.
    pub fn last_look(&self, slot: u16) -> (Glimpse, u16) {
        let (seen, begun) = (self.board.look(slot), self.board.close(slot));
        self.board.clear(slot);
        (seen, begun)
    }

    /// Memory that a process has to itself, and its share of what it has together with others, in bytes; 0 where the system
    /// does not tell.
    pub fn memory(&self, process: ProcessId) -> u64 {
        let pid = self.all.get(&process).and_then(|process| process.pid);
        pid.map_or(0, proportional_bytes)
    }
}

fn proportional_bytes(pid: u32) -> u64 {
    let Ok(rollup) = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else { return 0 };
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    #[test]
    fn a_process_tells_its_memory() {
        assert!(super::proportional_bytes(std::process::id()) > 1 << 20);
        assert_eq!(super::proportional_bytes(u32::MAX), 0);
    }
}

/// Buries a process that became a child of this one, as it does in a container without an init where its zygote was gone
/// before it: it has closed its socket, and may end a moment later.
#[cfg(target_os = "linux")]
fn bury_own(handle: OwnedFd) {
    use std::os::fd::AsFd as _;
    let ended = |handle: &OwnedFd| {
        let options = rustix::process::WaitIdOptions::EXITED | rustix::process::WaitIdOptions::NOHANG;
        rustix::process::waitid(rustix::process::WaitId::PidFd(handle.as_fd()), options)
    };
    // No child of this process, or buried now.
    if !matches!(ended(&handle), Ok(None)) {
        return;
    }
    tokio::spawn(async move {
        let mut pause = Duration::from_millis(1);
        while matches!(ended(&handle), Ok(None)) {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    });
}
