//! The processes of scripts: they own every line of JavaScript and nothing else.
//!
//! `nudge worker` becomes the root zygote. It locks itself in, loads all that is ours and every bundled package, and from
//! then on only makes copies of itself: zygotes that load what a bot runs, and of those, realms that run its events. A copy
//! costs a fraction of a millisecond, begins warm, and dies alone. Or it becomes the process that reads files, which makes none.

mod compiler;
mod control;
pub mod lock_in;
mod reader;
mod realm;
mod zygote;

use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use crate::protocol::{FrameKind, Hello, Ready, build_id};
use crate::reading::ReadHello;
use control::{Control, read_json};

pub use control::WorkerError;

/// Runs as the root zygote, or as the process that reads files, until the server closes the connection.
///
/// # Errors
/// The server says what cannot be, or this process cannot be made ready.
pub fn run() -> Result<(), WorkerError> {
    let socket = rustix::io::dup(rustix::stdio::stdin()).map_err(io::Error::from)?;
    // Copies of this process keep standard input, and none may speak for another: it is a pipe from which nothing comes.
    rustix::stdio::dup2_stdin(rustix::stdio::stdout()).map_err(io::Error::from)?;
    let mut control = Control::new(UnixStream::from(socket));
    let first = control.next()?.ok_or_else(|| WorkerError::Message("the connection ended before Hello".into()))?;
    // Where standard output would be, there is a pipe of which nobody but the server has the other end.
    crate::os::end_with_writer(rustix::stdio::stdout().as_fd())?;
    let hello: Hello = match first.kind {
        FrameKind::Hello => read_json(&first)?,
        FrameKind::ReadHello => {
            let hello: ReadHello = read_json(&first)?;
            same_build(&hello.build)?;
            return reader::run(hello, control);
        }
        kind => return Err(WorkerError::Message(format!("{kind:?} came before Hello"))),
    };
    let own = same_build(&hello.build)?;
    let board = control.descriptor()?;
    crate::os::settle_memory();
    // The C library reads the time zone's file once; afterwards there is no opening files.
    local_time_once();
    let lock_in = lock_in::lock_in(hello.lock_in)?;
    zygote::run(hello, control, board, Ready { build: own, lock_in: lock_in.how.clone() }, &lock_in)
}

/// The identity of this build, if the server is the same.
fn same_build(server: &str) -> Result<String, WorkerError> {
    let own = build_id();
    if server == own { Ok(own) } else { Err(WorkerError::Build { own, server: server.to_owned() }) }
}

fn local_time_once() {
    let meter = std::rc::Rc::new(crate::script::Meter::new(crate::config::ScriptLimits::default()));
    // What it evaluates to does not matter, and neither does it if it fails: dates would then be in UTC.
    let _ = crate::script::with_realm(&meter, |realm| {
        realm.part("time", "(function(){ return new Date().getTimezoneOffset(); })").and_then(|f| f.call::<_, f64>(()))
    });
}
