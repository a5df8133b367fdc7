//! Frames: the bytes of a process of scripts, and the bodies that both sides read by hand.

use bytes::{Bytes, BytesMut};

use crate::fleet;
use crate::protocol::frame::{split_head, write_head};
use crate::protocol::messages::{ForkAs, WorkHead};
use crate::protocol::{Frame, FrameError, FrameReader, HEADER_BYTES, read_blobs, write_blobs};

/// Bytes of the longest body.
const LIMIT: usize = 4 << 10;

/// The first byte says in pieces of which size the others arrive.
pub(super) fn frames(bytes: &[u8]) {
    let Some((size, wire)) = bytes.split_first() else { return };
    let (frames, error) = read(wire, wire.len().max(1));
    let (pieces, other) = read(wire, usize::from(*size) + 1);
    let shown = |frames: &[Frame]| frames.iter().map(|frame| format!("{frame:?}")).collect::<Vec<_>>();
    assert_eq!(shown(&frames), shown(&pieces), "it depends on how the bytes arrive");
    assert_eq!(error, other, "it depends on how the bytes arrive");
    let mut written = BytesMut::new();
    frames.iter().for_each(|frame| frame.write(&mut written));
    assert_eq!(written, wire[..written.len()], "a frame is not written as it was read");
    for frame in frames {
        body(&frame.body);
        fleet::fuzzing::message(frame);
    }
}

fn read(wire: &[u8], size: usize) -> (Vec<Frame>, Option<FrameError>) {
    let (mut reader, mut frames) = (FrameReader::new(LIMIT), Vec::new());
    for piece in wire.chunks(size) {
        reader.buffer.extend_from_slice(piece);
        loop {
            match reader.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        // What is announced costs no more than what may be announced.
        let most = 2 * (LIMIT + HEADER_BYTES + size).max(4 << 10);
        assert!(reader.buffer.capacity() <= most, "{} bytes are held", reader.buffer.capacity());
    }
    (frames, None)
}

/// Each form that a body has which is no JSON: what was read is written as it was.
fn body(body: &Bytes) {
    if let Some((head, rest)) = split_head(body.clone())
        && let Ok(text) = std::str::from_utf8(&head)
    {
        assert_eq!(write_head(text, &rest), body);
    }
    if let Some((head, json)) = WorkHead::read(body.clone()) {
        let mut written = BytesMut::new();
        WorkHead::write(head.kind, &head.resume, &mut written);
        written.extend_from_slice(&json);
        assert_eq!(written, body);
    }
    if let Some(what) = ForkAs::from_bytes(body) {
        assert_eq!(ForkAs::from_bytes(&what.to_bytes()), Some(what));
    }
    if let Some(blobs) = read_blobs(body.clone()) {
        assert_eq!(write_blobs(blobs.iter().map(|(id, text)| (*id, text.as_str()))), body);
    }
}
