//! Bodies that nobody read to their end, because the answer was clear before: they are read and thrown away.
//!
//! A connection that is closed with something unread in it is reset, and what was just written to it is lost: the caller would
//! see a broken connection where he was told that he has sent too many files.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use axum::http::header::EXPECT;
use http_body_util::BodyExt as _;
use hyper::body::{Body as _, Bytes, Frame, Incoming, SizeHint};
use parking_lot::Mutex;

/// How much of a body is thrown away at most, in bytes.
const MOST: u64 = 64 << 20;

/// A body that a handler reads, or does not.
struct Lent {
    rest: Option<Rest>,
    back: Arc<Mutex<Option<Rest>>>,
}

/// What a handler left of a body.
struct Rest {
    body: Incoming,
    /// Whether the caller waits to be told that he may send it.
    asks: bool,
}

/// Where what is left of a body comes back to.
pub(super) struct Unread(Arc<Mutex<Option<Rest>>>);

/// Lends a request's body to those who handle it. `None` where there is none.
pub(super) fn lend(request: Request<Incoming>) -> (Request<Body>, Option<Unread>) {
    if request.body().is_end_stream() {
        return (request.map(Body::new), None);
    }
    let asks = request.headers().contains_key(EXPECT);
    let back = Arc::new(Mutex::new(None));
    let unread = Unread(Arc::clone(&back));
    (request.map(|body| Body::new(Lent { rest: Some(Rest { body, asks }), back })), Some(unread))
}

impl Unread {
    /// Reads in the background what is left, for that long at most, while the answer goes out.
    pub(super) fn drain(self, time: Duration) {
        let Some(mut rest) = self.0.lock().take() else { return };
        // Who asked beforehand, or means to send very much, has not begun to, or stops when he sees the answer.
        if rest.asks || rest.body.is_end_stream() || rest.body.size_hint().lower() > MOST {
            return;
        }
        tokio::spawn(tokio::time::timeout(time, async move {
            let mut left = MOST;
            while let Some(Ok(frame)) = rest.body.frame().await {
                let seen = frame.data_ref().map_or(0, |data| data.len() as u64);
                let Some(less) = left.checked_sub(seen) else { break };
                left = less;
            }
        }));
    }
}

impl hyper::body::Body for Lent {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let Some(rest) = &mut self.rest else { return Poll::Ready(None) };
        // Whoever reads tells the caller to go on.
        rest.asks = false;
        Pin::new(&mut rest.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.rest.as_ref().is_none_or(|rest| rest.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.rest.as_ref().map_or_else(SizeHint::default, |rest| rest.body.size_hint())
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        *self.back.lock() = self.rest.take();
    }
}
