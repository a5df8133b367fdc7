//! Framing: `length u32 | kind u8 | dispatch u64 | number u32 | body`, all little endian.

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Bytes before the body.
pub const HEADER_BYTES: usize = 17;

/// What a frame says. The first group goes to processes of scripts, the second to the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum FrameKind {
    /// Limits, environment, clock: [`super::Hello`] as JSON, with the board as a descriptor. The first frame of all.
    Hello = 1,
    /// Texts of scripts, for a zygote or a compiler: see [`super::write_blobs`].
    Blobs = 2,
    /// What all bots share is to be loaded and its packages evaluated: [`crate::program::Image`] as JSON. Answered by `Loaded`.
    Packages = 3,
    /// What a bot runs is to be loaded: [`crate::program::Image`] as JSON. Answered by `Loaded`.
    Load = 4,
    /// A zygote is to make a copy of itself: number = the new process, body = a [`super::ForkAs`]; the copy's socket comes with it
    /// as a descriptor. Answered by `Forked`.
    Fork = 5,
    /// A child of this zygote is gone, and is to be buried: number = the process, body = its system number. Answered by `Reaped`.
    Reap = 6,
    /// The bots that are mounted: a JSON array of their ids.
    Bots = 7,
    /// A candidate to compile: [`super::Candidate`] as JSON, answered by `Compiled`.
    Compile = 8,
    /// Work: see [`super::WorkHead`].
    Dispatch = 9,
    /// The answer to a `Request`: number = request number; one byte (1 resolves, 0 rejects) and JSON.
    Result = 10,
    /// Stop that dispatch; empty body.
    Cancel = 11,
    /// The answer to a `Fetch`: number = request number; a [`split_head`] of what the answer says of itself as JSON, and its
    /// body. One that failed is a `Result` that rejects, with `{ message, code }`.
    Fetched = 12,
    /// The first frame to a process that reads files: [`crate::reading::ReadHello`] as JSON, answered by `Ready`.
    ReadHello = 13,
    /// A file to read: a [`split_head`] of a [`crate::reading::ReadRequest`] as JSON, and its text. Answered by `Facts`, in order.
    Read = 14,

    /// The root zygote is locked in and ready: [`super::Ready`] as JSON.
    Ready = 32,
    /// A zygote has loaded what it was told to; empty body.
    Loaded = 33,
    /// A zygote has made a copy of itself: number = the process; its system number as four bytes, or nothing where the system
    /// refused, with the reason as text in place of it.
    Forked = 34,
    /// A child is buried: number = the process; bytes by which it had grown beyond its zygote, as eight bytes, and how it ended,
    /// as text.
    Reaped = 35,
    /// A compiler begins with a file of the candidate, so that it is known which one it was at if it dies: number = the
    /// script's index.
    Compiling = 36,
    /// The outcome of `Compile`: [`super::Compiled`] as JSON.
    Compiled = 37,
    /// A script asks for a service: number = request number; one byte (length of the method's name), the name, a JSON array of arguments.
    Request = 38,
    /// A script did something that is stored: number = sequence within the event, from 0; [`super::Effect`] as JSON.
    Effect = 39,
    /// A line for the log: [`super::LogLine`] as JSON.
    Log = 40,
    /// Hooks and dialog are done: [`super::Processed`] as JSON.
    Processed = 41,
    /// Nothing of the dispatch is left: [`super::Settled`] as JSON.
    Settled = 42,
    /// An action of the event begins (number 1) or has ended (number 0): said only where a caller waits for its replies.
    Acting = 43,
    /// A script calls another server: number = request number; a [`split_head`] of what it asks for as JSON, and a body.
    Fetch = 44,
    /// A script does not wait for its `Fetch` any more: number = request number; empty body.
    Abandon = 45,
    /// The realm computes no more until it is answered or a timer is due: number = answers that it has taken in for the
    /// dispatch, so that one on its way is not taken for one that is over; empty body.
    Waiting = 46,
    /// The event is to go on in another realm: opaque, it comes back with the next `Dispatch`. `Free` follows.
    Resume = 47,
    /// The realm is done with the dispatch: number = 0 where it may have another one, else why it must not
    /// ([`super::Unfit`]) and that it ends now.
    Free = 48,
    /// What was read off a file: [`crate::reading::Reading`] as JSON.
    Facts = 49,
}

impl FrameKind {
    const ALL: [Self; 32] = [
        Self::Hello,
        Self::Blobs,
        Self::Packages,
        Self::Load,
        Self::Fork,
        Self::Reap,
        Self::Bots,
        Self::Compile,
        Self::Dispatch,
        Self::Result,
        Self::Cancel,
        Self::Fetched,
        Self::ReadHello,
        Self::Read,
        Self::Ready,
        Self::Loaded,
        Self::Forked,
        Self::Reaped,
        Self::Compiling,
        Self::Compiled,
        Self::Request,
        Self::Effect,
        Self::Log,
        Self::Processed,
        Self::Settled,
        Self::Acting,
        Self::Fetch,
        Self::Abandon,
        Self::Waiting,
        Self::Resume,
        Self::Free,
        Self::Facts,
    ];

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }
}

/// One frame.
#[derive(Clone, Debug)]
pub struct Frame {
    /// What it says.
    pub kind: FrameKind,
    /// The dispatch it belongs to; 0 where it belongs to none.
    pub dispatch: u64,
    /// Request or sequence number.
    pub number: u32,
    /// Opaque.
    pub body: Bytes,
}

impl Frame {
    /// A frame that belongs to no dispatch.
    pub fn new(kind: FrameKind, body: impl Into<Bytes>) -> Self {
        Self { kind, dispatch: 0, number: 0, body: body.into() }
    }

    /// Appends the frame to a buffer.
    pub fn write(&self, out: &mut BytesMut) {
        write_frame(out, self.kind, self.dispatch, self.number, &self.body);
    }
}

/// Appends a frame to a buffer without owning its body.
pub fn write_frame(out: &mut BytesMut, kind: FrameKind, dispatch: u64, number: u32, body: &[u8]) {
    out.reserve(HEADER_BYTES + body.len());
    // Bodies are capped far below 4 GiB by the sender (limits.frame_bytes).
    out.put_u32_le(u32::try_from(body.len()).unwrap_or(u32::MAX));
    out.put_u8(kind as u8);
    out.put_u64_le(dispatch);
    out.put_u32_le(number);
    out.put_slice(body);
}

/// A body of two parts, `length of head u32 | head | rest`: JSON, and bytes that need none.
pub fn write_head(head: &str, rest: &[u8]) -> BytesMut {
    let mut body = BytesMut::with_capacity(4 + head.len() + rest.len());
    // Bodies are capped far below 4 GiB.
    body.put_u32_le(u32::try_from(head.len()).unwrap_or(u32::MAX));
    body.put_slice(head.as_bytes());
    body.put_slice(rest);
    body
}

/// The two parts of such a body; `None` where it has not two.
pub fn split_head(mut body: Bytes) -> Option<(Bytes, Bytes)> {
    if body.len() < 4 {
        return None;
    }
    let length = body.get_u32_le() as usize;
    (length <= body.len()).then(|| {
        let head = body.split_to(length);
        (head, body)
    })
}

/// Why bytes are no frame. The other end is broken or hostile; the connection ends.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    /// The body is longer than allowed.
    #[error("frame of {length} bytes, at most {limit} are allowed")]
    TooLong {
        /// Announced length.
        length: usize,
        /// Allowed length.
        limit: usize,
    },
    /// No such kind.
    #[error("unknown frame kind {0}")]
    UnknownKind(u8),
}

/// Takes frames out of a growing buffer.
#[derive(Debug)]
pub struct FrameReader {
    /// Read into this.
    pub buffer: BytesMut,
    limit: usize,
}

impl FrameReader {
    /// A reader that refuses bodies over `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self { buffer: BytesMut::with_capacity(4 << 10), limit }
    }

    /// The next whole frame, or `None` until more bytes are in the buffer.
    pub fn next_frame(&mut self) -> Result<Option<Frame>, FrameError> {
        if self.buffer.len() < HEADER_BYTES {
            return Ok(None);
        }
        let mut header = &self.buffer[..HEADER_BYTES];
        let length = header.get_u32_le() as usize;
        let kind = header.get_u8();
        let dispatch = header.get_u64_le();
        let number = header.get_u32_le();
        if length > self.limit {
            return Err(FrameError::TooLong { length, limit: self.limit });
        }
        let kind = FrameKind::from_byte(kind).ok_or(FrameError::UnknownKind(kind))?;
        if self.buffer.len() < HEADER_BYTES + length {
            self.buffer.reserve(HEADER_BYTES + length - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(HEADER_BYTES);
        Ok(Some(Frame { kind, dispatch, number, body: self.buffer.split_to(length).freeze() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut_of_the_stream() {
        let mut wire = BytesMut::new();
        for number in 0..5u32 {
            Frame { kind: FrameKind::Effect, dispatch: 7, number, body: vec![b'x'; number as usize * 3].into() }
                .write(&mut wire);
        }
        for cut in 1..40 {
            let mut reader = FrameReader::new(1024);
            let mut seen = Vec::new();
            for chunk in wire.chunks(cut) {
                reader.buffer.extend_from_slice(chunk);
                while let Some(frame) = reader.next_frame().unwrap() {
                    assert_eq!((frame.kind, frame.dispatch), (FrameKind::Effect, 7));
                    seen.push((frame.number, frame.body.len()));
                }
            }
            assert_eq!(seen, [(0, 0), (1, 3), (2, 6), (3, 9), (4, 12)]);
        }
    }

    #[test]
    fn a_body_with_a_head_is_split_where_it_was_joined() {
        let body = write_head("{}", b"\0rest").freeze();
        assert_eq!(split_head(body), Some((Bytes::from_static(b"{}"), Bytes::from_static(b"\0rest"))));
        for bad in [&b""[..], b"\x01\0\0", b"\x02\0\0\0{", b"\xff\xff\xff\xff{}"] {
            assert_eq!(split_head(Bytes::from_static(bad)), None);
        }
    }

    #[test]
    fn an_oversized_frame_and_an_unknown_kind_are_refused() {
        let mut reader = FrameReader::new(10);
        write_frame(&mut reader.buffer, FrameKind::Log, 0, 0, &[0; 11]);
        assert_eq!(reader.next_frame().unwrap_err(), FrameError::TooLong { length: 11, limit: 10 });
        let mut reader = FrameReader::new(10);
        write_frame(&mut reader.buffer, FrameKind::Log, 0, 0, &[]);
        reader.buffer[4] = 200;
        assert_eq!(reader.next_frame().unwrap_err(), FrameError::UnknownKind(200));
    }
}
