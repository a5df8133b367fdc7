//! Another server, for scripts to call.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::any;
use hyper::body::Frame;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::watch;

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// It runs until the test ends.
pub(crate) struct Far {
    pub(crate) address: SocketAddr,
    dropped: watch::Receiver<u32>,
    gate: Arc<watch::Sender<Gate>>,
}

/// Calls of `/gate` are answered when it is open.
#[derive(Debug, Default)]
struct Gate {
    arrived: u32,
    open: bool,
}

impl Far {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, dropped) = watch::channel(0);
        let gate = Arc::new(watch::channel(Gate::default()).0);
        let closed = Arc::clone(&gate);
        let wait = async move || {
            closed.send_modify(|gate| gate.arrived += 1);
            // It is only over before that when the test is.
            let _ = closed.subscribe().wait_for(|gate| gate.open).await;
            "open"
        };
        let router = Router::new()
            .route("/status/{code}", any(status))
            .route("/redirect/{left}", any(redirect))
            .route("/big/{bytes}", any(|Path(bytes): Path<usize>| async move { "x".repeat(bytes) }))
            .route("/bytes", any(|| async { Bytes::from_static(&[0, 255, 254, 128]) }))
            .route("/html", any(|| async { axum::response::Html("<h1>hi</h1>") }))
            .route("/empty", any(|| async { StatusCode::NO_CONTENT }))
            .route("/hang", any(hang))
            .route("/gate", any(wait))
            .route("/drip", any(drip))
            .fallback(echo)
            .with_state(Arc::new(sender));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, dropped, gate }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until so many calls stand at the gate.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn arrived(&self, calls: u32) {
        let mut gate = self.gate.subscribe();
        let enough = gate.wait_for(|gate| gate.arrived >= calls);
        tokio::time::timeout(PATIENCE, enough).await.expect("they do not come all at once").unwrap();
    }

    /// How many calls have come to the gate.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn calls(&self) -> u32 {
        self.gate.borrow().arrived
    }

    /// Answers all who stand at the gate.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn open(&self) {
        self.gate.send_modify(|gate| gate.open = true);
    }

    /// Waits until so many calls that hang have been given up.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) async fn given_up(&self, calls: u32) {
        let mut dropped = self.dropped.clone();
        let enough = dropped.wait_for(|dropped| *dropped >= calls);
        tokio::time::timeout(PATIENCE, enough).await.expect("the call is not given up").unwrap();
    }
}

/// What was asked, as JSON.
async fn echo(method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let shown = |name: &&str| headers.contains_key(*name);
    let names = ["accept", "authorization", "content-type", "content-length", "cookie", "x-own"];
    let headers: serde_json::Map<_, _> = names
        .into_iter()
        .filter(shown)
        .map(|name| (name.to_owned(), json!(headers[name].to_str().unwrap_or("not text"))))
        .collect();
    let body = String::from_utf8(body.to_vec()).map_or_else(|error| json!(error.into_bytes()), |text| json!(text));
    axum::Json(json!({ "method": method.as_str(), "uri": uri.to_string(), "headers": headers, "body": body }))
        .into_response()
}

async fn status(Path(code): Path<u16>) -> Response {
    let headers = [(header::SET_COOKIE, "a=1"), (header::RETRY_AFTER, "7")];
    (StatusCode::from_u16(code).unwrap(), headers, axum::Json(json!({ "code": code }))).into_response()
}

async fn redirect(Path(left): Path<u32>) -> Redirect {
    if left == 0 { Redirect::to("/end") } else { Redirect::temporary(&format!("/redirect/{}", left - 1)) }
}

/// Tells when a call is given up.
struct GivenUp(Arc<watch::Sender<u32>>);

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.0.send_modify(|dropped| *dropped += 1);
    }
}

async fn hang(State(dropped): State<Arc<watch::Sender<u32>>>) {
    let _waiting = GivenUp(dropped);
    std::future::pending::<()>().await;
}

/// A body that never ends: a little at once, then nothing.
struct Drip(Option<Bytes>, #[allow(dead_code, reason = "it tells when it is dropped")] GivenUp);

impl hyper::body::Body for Drip {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.take().map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

async fn drip(State(dropped): State<Arc<watch::Sender<u32>>>) -> Response {
    Response::new(Body::new(Drip(Some(Bytes::from_static(b"drop")), GivenUp(dropped))))
}
