//! What HTTP/1.1 demands of the bytes of a request's head and the library lets pass: lines that end in a bare line feed, and two
//! ways at once to say how long a body is. A proxy before this server may read those otherwise, and take one request for two.
//!
//! Bytes are looked at as they arrive, once, without a copy. Where one is against the rules it is overwritten with a NUL, which no head
//! may hold: the library then answers 400 and closes. Bodies are passed over by their length; after one that has none of its own
//! (chunks, a websocket) nothing more is read as a head, because the connection ends with it (`ends_connection`).

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::HeaderMap;
use axum::http::header::{TRANSFER_ENCODING, UPGRADE};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::slow_clients::Client;

/// So much of a line is kept while the rest of it is on its way: names and values that matter are shorter.
const KEPT: usize = 64;

/// A connection whose heads are looked at.
pub(super) struct StrictHead<S> {
    stream: S,
    state: State,
    /// Who is told what is taken of answers.
    client: Arc<Client>,
}

/// Where in the connection's bytes it stands.
#[derive(Debug)]
struct State {
    part: Part,
    line: Line,
    length: Option<u64>,
    chunked: bool,
    websocket: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    /// Before the first line of a request.
    Between,
    Head,
    /// So many bytes of a body are still to come.
    Body(u64),
    /// Whatever comes now is no head.
    Rest,
}

/// The beginning of a line that has not ended.
#[derive(Debug)]
struct Line {
    start: [u8; KEPT],
    /// Bytes of it so far; more than are kept.
    length: usize,
    /// Its last byte is a carriage return.
    returned: bool,
}

impl Line {
    const EMPTY: Self = Self { start: [0; KEPT], length: 0, returned: false };

    fn push(&mut self, bytes: &[u8]) {
        let Some(last) = bytes.last() else { return };
        let kept = self.length.min(KEPT);
        let more = bytes.len().min(KEPT - kept);
        self.start[kept..kept + more].copy_from_slice(&bytes[..more]);
        self.length += bytes.len();
        self.returned = *last == b'\r';
    }
}

impl State {
    const NEW: Self = Self { part: Part::Between, line: Line::EMPTY, length: None, chunked: false, websocket: false };

    /// Looks at what has come.
    fn look(&mut self, mut bytes: &mut [u8]) {
        while !bytes.is_empty() {
            match self.part {
                Part::Rest => return,
                Part::Body(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(bytes.len());
                    self.part = if here as u64 == left { Part::Between } else { Part::Body(left - here as u64) };
                    bytes = &mut bytes[here..];
                }
                Part::Between | Part::Head => {
                    let Some(end) = memchr::memchr(b'\n', bytes) else {
                        self.line.push(bytes);
                        return;
                    };
                    let (line, rest) = bytes.split_at_mut(end + 1);
                    if !self.line_ends(&line[..end]) {
                        line[end] = 0;
                        self.part = Part::Rest;
                        return;
                    }
                    bytes = rest;
                }
            }
        }
    }

    /// A line has come to its end, of which this is the last piece. False where that is against the rules.
    fn line_ends(&mut self, piece: &[u8]) -> bool {
        let long = self.line.length > 0;
        if long {
            self.line.push(piece);
        }
        let (length, returned) = match piece.last() {
            Some(last) if !long => (piece.len(), *last == b'\r'),
            _ => (self.line.length, self.line.returned),
        };
        if !returned {
            return false;
        }
        let length = length - 1;
        let fine = if length == 0 {
            self.head_ends();
            true
        } else {
            let first = std::mem::replace(&mut self.part, Part::Head) == Part::Between;
            let start = if long { &self.line.start[..length.min(KEPT)] } else { &piece[..length] };
            // The first line is the library's to judge.
            first || header(start, length).is_some_and(|header| self.takes(header))
        };
        (self.line.length, self.line.returned) = (0, false);
        fine
    }

    fn takes(&mut self, header: Framing) -> bool {
        match header {
            Framing::Length(length) => self.length.replace(length).is_none() && !self.chunked,
            Framing::Chunked => !std::mem::replace(&mut self.chunked, true) && self.length.is_none(),
            Framing::Websocket => {
                self.websocket = true;
                true
            }
            Framing::None => true,
        }
    }

    fn head_ends(&mut self) {
        // Empty lines before a request are passed over, by the library as well.
        if self.part == Part::Between {
            return;
        }
        let part = match (self.chunked || self.websocket, self.length) {
            (true, _) => Part::Rest,
            (false, Some(length)) if length > 0 => Part::Body(length),
            _ => Part::Between,
        };
        *self = Self { part, ..Self::NEW };
    }
}

/// What a header says of the bytes after the head.
#[derive(Debug, PartialEq, Eq)]
enum Framing {
    Length(u64),
    Chunked,
    Websocket,
    None,
}

/// What the header in a line of `length` bytes says that begins so; `None` where it is against the rules.
fn header(start: &[u8], length: usize) -> Option<Framing> {
    let name = memchr::memchr(b':', start).map(|colon| &start[..colon]);
    let is = |known: &str| name.is_some_and(|name| name.eq_ignore_ascii_case(known.as_bytes()));
    let value = || {
        let value = start[name.map_or(0, <[u8]>::len) + 1..].trim_ascii();
        (length <= KEPT).then_some(value)
    };
    if is("content-length") {
        let digits = value().filter(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit))?;
        return std::str::from_utf8(digits).ok()?.parse().ok().map(Framing::Length);
    }
    if is("transfer-encoding") {
        return value().filter(|value| value.eq_ignore_ascii_case(b"chunked")).map(|_| Framing::Chunked);
    }
    if is("upgrade") {
        return value().map(|value| if is_websocket(value) { Framing::Websocket } else { Framing::None });
    }
    Some(Framing::None)
}

/// Whether nothing may follow a request on its connection, because from here on heads are not told from other bytes.
pub(super) fn ends_connection(headers: &HeaderMap) -> bool {
    headers.contains_key(TRANSFER_ENCODING)
        || headers.get_all(UPGRADE).iter().any(|value| is_websocket(value.as_bytes()))
}

/// Whether the value of an `Upgrade` header asks for a websocket and for nothing else.
pub(super) fn is_websocket(value: &[u8]) -> bool {
    value.trim_ascii().eq_ignore_ascii_case(b"websocket")
}

impl<S> StrictHead<S> {
    pub(super) fn new(stream: S, client: Arc<Client>) -> Self {
        Self { stream, state: State::NEW, client }
    }
}

impl<S> StrictHead<S> {
    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if let Poll::Ready(Ok(bytes)) = written {
            self.client.takes(bytes);
        }
        written
    }
}

impl<S> Drop for StrictHead<S> {
    fn drop(&mut self) {
        self.client.leave();
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for StrictHead<S> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, into);
        if self.state.part != Part::Rest
            && let Some(new) = into.filled_mut().get_mut(before..)
        {
            self.state.look(new);
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for StrictHead<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        pieces: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, pieces);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether bytes pass, in pieces of every size.
    fn passes(text: &str) -> bool {
        let outcomes: Vec<bool> = (1..=text.len())
            .map(|size| {
                let (mut state, mut bytes) = (State::NEW, text.as_bytes().to_vec());
                bytes.chunks_mut(size).for_each(|piece| state.look(piece));
                bytes == text.as_bytes()
            })
            .collect();
        assert!(outcomes.iter().all(|one| *one == outcomes[0]), "{text:?}: it depends on how the bytes arrive");
        outcomes[0]
    }

    #[test]
    fn requests_whose_lines_end_as_they_must_pass() {
        for text in [
            "GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            "\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\n\r\na\nb\n\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\ncontent-LENGTH:\t 0 \r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\na\nb\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nUpgrade: WebSocket\r\n\r\n\n\n\n",
            "GET / HTTP/1.1\r\nX-Long: 0123456789012345678901234567890123456789012345678901234567890123456789\r\n\r\n",
        ] {
            assert!(passes(text), "{text:?}");
        }
    }

    #[test]
    fn bare_line_feeds_and_two_lengths_do_not() {
        for text in [
            "\nGET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nHost: x\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\n\n",
            "GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\n\n",
            "POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\na\nGET / HTTP/1.1\n\n",
            "GET / HTTP/1.1\r\nUpgrade: h2c\r\n\r\nGET / HTTP/1.1\n\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: identity\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: xchunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5, 5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 0x5\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length:                                                            5\r\n\r\n",
        ] {
            assert!(!passes(text), "{text:?}");
        }
    }
}
