//! Heads of requests: what `strict_head` lets pass is one request after the other, and the library takes it for the same ones.

use std::cell::RefCell;
use std::convert::Infallible;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::http::header::CONNECTION;
use axum::http::{HeaderValue, Request, Response, Uri};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::runtime::block_on;
use crate::clock::Clock;
use crate::web::slow_clients::SlowClients;
use crate::web::strict_head::{StrictHead, ends_connection};

/// A request: method, target and body.
type Seen = (String, String, Vec<u8>);

/// The first byte says in pieces of which size the others arrive.
pub fn http_head(bytes: &[u8]) {
    let Some((size, wire)) = bytes.split_first() else { return };
    let whole = served(wire, wire.len().max(1));
    let pieces = served(wire, usize::from(*size) + 1);
    assert_eq!(whole, pieces, "it depends on how the bytes arrive");
    let model = model(wire);
    // The library refuses more than the model, and then nothing of the connection is read any more.
    assert!(model.starts_with(&whole), "taken for other requests than they are:\n{whole:?}\n{model:?}");
}

/// What the server sees of a connection with these bytes.
fn served(wire: &[u8], size: usize) -> Vec<Seen> {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&seen);
    let service = service_fn(move |request: Request<Incoming>| {
        let noted = Rc::clone(&noted);
        async move {
            // As `serve::route` has it.
            let ends = ends_connection(request.headers());
            let (head, body) = request.into_parts();
            let body = body.collect().await.map(|body| body.to_bytes());
            if let Ok(body) = &body {
                let body = if ends { Vec::new() } else { body.to_vec() };
                noted.borrow_mut().push((head.method.to_string(), head.uri.to_string(), body));
            }
            let mut answer = Response::new(Body::from(Bytes::new()));
            if ends || body.is_err() {
                answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let clients = Arc::new(SlowClients::new(Clock::manual(0), 1));
    let wire = Wire { bytes: wire.to_vec(), at: 0, size };
    let stream = TokioIo::new(StrictHead::new(wire, clients.enter([127, 0, 0, 1].into())));
    let mut builder = http1::Builder::new();
    // A date would differ between two looks.
    builder.timer(TokioTimer::new()).auto_date_header(false).max_buf_size(16 << 10);
    // How it ends is the library's matter.
    drop(block_on(builder.serve_connection(stream, service)));
    seen.take()
}

/// Requests as whoever stands before this server may read them: lines end in CRLF, a body is as long as its head says, and after one
/// that has no length there are none.
fn model(mut wire: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    loop {
        while let Some(rest) = wire.strip_prefix(b"\r\n") {
            wire = rest;
        }
        let Some(end) = memchr::memmem::find(wire, b"\r\n\r\n") else { return seen };
        let head = String::from_utf8_lossy(&wire[..end]).into_owned();
        wire = &wire[end + 4..];
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (method, target) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        let target = target.parse::<Uri>().map_or_else(|_| target.to_owned(), |uri| uri.to_string());
        let header = |name: &str| {
            let found = head.split("\r\n").skip(1).filter_map(|line| line.split_once(':'));
            found.filter(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim()).next()
        };
        let length = header("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
        let last = header("transfer-encoding").is_some() || header("upgrade").is_some_and(is_websocket);
        if last {
            // What its body is, the library says.
            seen.push((method.to_owned(), target, Vec::new()));
            return seen;
        }
        let Some(body) = wire.get(..length) else { return seen };
        seen.push((method.to_owned(), target, body.to_vec()));
        wire = &wire[length..];
    }
}

fn is_websocket(value: &str) -> bool {
    value.eq_ignore_ascii_case("websocket")
}

/// Bytes that arrive in pieces; what is written is lost.
struct Wire {
    bytes: Vec<u8>,
    at: usize,
    size: usize,
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let end = (self.at + self.size.min(into.remaining())).min(self.bytes.len());
        into.put_slice(&self.bytes[self.at..end]);
        self.at = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
