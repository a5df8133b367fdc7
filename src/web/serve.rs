//! Connections: accepted, given to the router, and let finish when the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use crate::config::Settings;

use super::caller::Peer;
use super::linger;

/// How long requests in flight may take once the server is asked to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How long to wait when the system gives no more descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Descriptors that connections leave to the database, the workers and the files of the workspace.
const RESERVED: u64 = 200;

/// A connection's place among those that may be open. Requests carry it: one that becomes a websocket keeps it.
#[derive(Clone)]
pub(super) struct Place(#[allow(dead_code, reason = "it is held, never looked at")] Arc<OwnedSemaphorePermit>);

/// Serves `router` on `listener` until `shutdown` completes, then lets requests in flight finish (10 s at most).
pub async fn serve(listener: TcpListener, router: Router, settings: &Settings, shutdown: impl Future<Output = ()>) {
    // A call of another server has one connection, and may look up a name meanwhile.
    let reserved = RESERVED + 2 * settings.fetch.connections as u64;
    let settings = &settings.http;
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_millis(settings.header_timeout));
    // The buffer's limit alone is noticed one read too late.
    builder.max_buf_size(settings.head_limit).max_header_size(settings.head_limit);
    let lingering = Duration::from_millis(settings.body_timeout);
    let most = settings.connections.min(descriptors(reserved));
    if most < settings.connections {
        tracing::warn!("{most} connections at once, not {}: the system grants no more files", settings.connections);
    }
    let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    // Told once when the server stops; each connection holds a receiver, so it is closed when all of them are gone.
    let (stopping, _) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    let mut full = false;
    loop {
        // Who comes while every place is taken waits in the system's queue. Places become free by themselves: heads, bodies
        // and answers have their time.
        if places.available_permits() == 0 && !std::mem::replace(&mut full, true) {
            tracing::warn!("{most} connections are open: more must wait (`httpServer.connections`)");
        }
        let entering = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            entered = entering => entered,
            () = &mut shutdown => break,
        };
        full &= places.available_permits() == 0;
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                if !of_one_connection(&error) {
                    tracing::warn!("cannot accept connections: {error}");
                    tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
                }
                continue;
            }
        };
        // Answers are small and whole: waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, settings.write_timeout) {
            tracing::debug!("cannot set TCP_USER_TIMEOUT: {error}");
        }
        let router = router.clone();
        let Ok(place) = place.map(|place| Place(Arc::new(place))) else { break };
        let carried = (place.clone(), Peer(peer.ip()));
        let service = service_fn(move |request| route(router.clone(), carried.clone(), lingering, request));
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopping = stopping.subscribe();
        tokio::spawn(async move {
            let _place = place;
            let mut connection = pin!(connection);
            let mut asked = pin!(stopping.changed());
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                _ = asked.as_mut() => {
                    connection.as_mut().graceful_shutdown();
                    connection.await
                }
            };
            if let Err(error) = ended {
                tracing::debug!("connection ended: {error}");
            }
        });
    }
    drop(listener);
    stopping.send_replace(());
    if tokio::time::timeout(LAST_ANSWERS, stopping.closed()).await.is_err() {
        tracing::warn!("requests still open after {} s are dropped", LAST_ANSWERS.as_secs());
    }
}

/// How many descriptors connections may have, where so many are left to other uses. Raises this process's own limit as far as it may.
fn descriptors(reserved: u64) -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: before.maximum, maximum: before.maximum };
    let granted = if setrlimit(Resource::Nofile, raised).is_ok() { before.maximum } else { before.current };
    // None is no limit. Half, where there are fewer than are reserved.
    let granted = granted.unwrap_or(u64::MAX);
    usize::try_from(granted.saturating_sub(reserved).max(granted / 2)).unwrap_or(usize::MAX).max(1)
}

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

/// Marks a request whose path ended in a slash: where relative addresses of a page begin depends on it.
#[derive(Debug, Clone, Copy)]
pub(super) struct TrailingSlash;

async fn route(
    mut router: Router,
    (place, peer): (Place, Peer),
    lingering: Duration,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let (mut request, kept) = linger::lend(request);
    request.extensions_mut().insert(place);
    request.extensions_mut().insert(peer);
    if let Some(uri) = without_trailing_slash(request.uri()) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(TrailingSlash);
    }
    let answer = router.call(request).await?;
    // Whoever was too slow already is not waited for.
    if let Some(kept) = kept.filter(|_| answer.status() != StatusCode::REQUEST_TIMEOUT) {
        kept.drain(lingering);
    }
    Ok(answer)
}

/// `/a/b/?x` is `/a/b?x`: clients of the original may write either.
fn without_trailing_slash(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let shorter = path.strip_suffix('/').filter(|rest| !rest.is_empty() && !rest.ends_with('/'))?;
    let target = match uri.query() {
        Some(query) => format!("{shorter}?{query}"),
        None => shorter.to_owned(),
    };
    target.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slash_at_the_end_of_a_path_does_not_count() {
        let of = |text: &str| without_trailing_slash(&text.parse().unwrap()).map(|uri| uri.to_string());
        assert_eq!(of("/a/b/?x=1").as_deref(), Some("/a/b?x=1"));
        assert_eq!(of("/a/").as_deref(), Some("/a"));
        for kept in ["/", "/a", "/a//", "/a?x=/"] {
            assert_eq!(of(kept), None, "{kept}");
        }
    }
}
