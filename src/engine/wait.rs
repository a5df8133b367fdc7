//! A realm's ear: frames of the server, waited for until something else is due.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::Read as _;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::protocol::{Frame, FrameReader};

/// Bytes that are read at once. Each realm has as much to itself.
const CHUNK: usize = 16 << 10;

/// What came.
#[derive(Debug)]
pub enum Received {
    /// A frame.
    Frame(Frame),
    /// Nothing in time.
    Nothing,
    /// The server has closed the connection, or says what is no frame.
    Closed,
}

/// The frames that come to a process.
#[derive(Debug)]
pub struct Inbox {
    socket: UnixStream,
    reader: RefCell<FrameReader>,
    chunk: RefCell<Vec<u8>>,
    /// Work that came while other work was under way.
    ahead: RefCell<VecDeque<Frame>>,
}

impl Inbox {
    /// Frames of that socket.
    pub fn new(socket: UnixStream) -> Self {
        // The server is trusted, and says itself how long its frames may be.
        Self {
            socket,
            reader: RefCell::new(FrameReader::new(usize::MAX >> 1)),
            chunk: RefCell::new(vec![0; CHUNK]),
            ahead: RefCell::default(),
        }
    }

    /// Work for later.
    pub fn keep(&self, work: Frame) {
        self.ahead.borrow_mut().push_back(work);
    }

    /// The next frame, however long it takes, what was kept first; nothing at the end of the connection.
    pub fn wait(&self) -> Option<Frame> {
        if let Some(kept) = self.ahead.borrow_mut().pop_front() {
            return Some(kept);
        }
        loop {
            match self.reader.borrow_mut().next_frame() {
                Ok(Some(frame)) => return Some(frame),
                Ok(None) => {}
                Err(_) => return None,
            }
            if !self.read() {
                return None;
            }
        }
    }

    /// The next frame, if it comes before that.
    pub fn until(&self, deadline: Instant) -> Received {
        loop {
            match self.reader.borrow_mut().next_frame() {
                Ok(Some(frame)) => return Received::Frame(frame),
                Ok(None) => {}
                Err(_) => return Received::Closed,
            }
            match self.readable(deadline.saturating_duration_since(Instant::now())) {
                Ok(true) => {}
                Ok(false) => return Received::Nothing,
                // Without this a realm cannot wait, and had better not go on.
                Err(_) => return Received::Closed,
            }
            if !self.read() {
                return Received::Closed;
            }
        }
    }

    /// The next frame, if it is there already.
    pub fn at_once(&self) -> Received {
        self.until(Instant::now())
    }

    fn readable(&self, within: Duration) -> rustix::io::Result<bool> {
        let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
        // A wait that is cut short by a signal is none that is over; the caller looks at the clock again.
        let within = Timespec::try_from(within).unwrap_or(Timespec { tv_sec: 3_600, tv_nsec: 0 });
        rustix::io::retry_on_intr(|| poll(&mut sockets, Some(&within))).map(|ready| ready > 0)
    }

    fn read(&self) -> bool {
        let mut chunk = self.chunk.borrow_mut();
        match rustix::io::retry_on_intr(|| (&self.socket).read(&mut chunk).map_err(errno)) {
            Ok(0) | Err(_) => false,
            Ok(read) => {
                self.reader.borrow_mut().buffer.extend_from_slice(&chunk[..read]);
                true
            }
        }
    }
}

fn errno(error: std::io::Error) -> rustix::io::Errno {
    rustix::io::Errno::from_io_error(&error).unwrap_or(rustix::io::Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use bytes::BytesMut;

    use super::*;
    use crate::protocol::FrameKind;

    #[test]
    fn a_frame_is_taken_when_it_is_whole_and_the_end_is_noticed() {
        let (mut server, realm) = UnixStream::pair().unwrap();
        let inbox = Inbox::new(realm);
        assert!(matches!(inbox.at_once(), Received::Nothing));
        let mut wire = BytesMut::new();
        for number in [1, 2] {
            Frame { kind: FrameKind::Cancel, dispatch: 3, number, body: bytes::Bytes::new() }.write(&mut wire);
        }
        let (first, rest) = wire.split_at(20);
        server.write_all(first).unwrap();
        assert!(matches!(inbox.at_once(), Received::Frame(Frame { number: 1, .. })));
        assert!(matches!(inbox.at_once(), Received::Nothing));
        server.write_all(rest).unwrap();
        assert_eq!(inbox.wait().unwrap().number, 2);
        drop(server);
        assert!(matches!(inbox.until(Instant::now() + Duration::from_secs(60)), Received::Closed));
        assert!(inbox.wait().is_none());
    }
}
