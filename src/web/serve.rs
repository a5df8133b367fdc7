//! Connections: accepted, given to the router, and let finish when the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, HOST};
use axum::http::{HeaderValue, Request, Response, StatusCode, Uri, Version};
use axum::response::IntoResponse as _;
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tower::Service;

use crate::config::{HttpSettings, Settings};

use super::client_address::PeerAddress;
use super::error::{EndsConnection, HttpError};
use super::memory_budget::{MemoryBudget, SMALL};
use super::own_host::LocalAddress;
use super::slow_clients::Client;
use super::strict_head::{StrictHead, ends_connection};
use super::unread_body;

/// How long requests in flight may take once the server is asked to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How long to wait when the system gives no more descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Descriptors that connections leave to the database, the workers and the files of the workspace.
const RESERVED: u64 = 200;

/// A connection's place among those that may be open. Requests carry it: one that becomes a websocket keeps it.
#[derive(Clone)]
pub(super) struct ConnectionPermit(
    #[allow(dead_code, reason = "it is held, never looked at")] Arc<OwnedSemaphorePermit>,
);

/// What every connection is served with.
struct Server {
    router: Router,
    bodies: MemoryBudget,
    builder: http1::Builder,
    /// How long what is left of a body is read while the answer goes out.
    body_timeout: Duration,
    write_timeout: u32,
    /// In development requests carry where their connection arrived.
    development: bool,
    /// Told once when the server stops; each connection holds a receiver, so it is closed when all of them are gone.
    stopping: watch::Sender<()>,
}

/// Serves `router` on `listener` until `shutdown` completes, then lets requests in flight finish (10 s at most).
pub async fn serve(
    listener: TcpListener,
    router: Router,
    bodies: MemoryBudget,
    settings: &Settings,
    shutdown: impl Future<Output = ()>,
) {
    // A call of another server has one connection, and may look up a name meanwhile.
    // A realm has a socket and a handle.
    let realms = settings.dispatch.most_realms as u64;
    let reserved = RESERVED + 2 * settings.fetch.connections as u64 + 2 * realms;
    let (settings, development) = (&settings.http, !settings.production);
    let most = settings.connections.min(descriptors(reserved));
    if most < settings.connections {
        tracing::warn!("{most} connections at once, not {}: the system grants no more files", settings.connections);
    }
    let server = Server::new(router, bodies, settings, development);
    let permits = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
    let mut shutdown = pin!(shutdown);
    let mut full = false;
    loop {
        // Who comes while every place is taken waits in the system's queue. Places become free by themselves: heads, bodies
        // and answers have their time.
        if permits.available_permits() == 0 && !std::mem::replace(&mut full, true) {
            tracing::warn!("{most} connections are open: more must wait (`httpServer.connections`)");
        }
        let entering = async {
            let permit = Arc::clone(&permits).acquire_owned().await;
            (permit, listener.accept().await)
        };
        let (permit, accepted) = tokio::select! {
            entered = entering => entered,
            () = &mut shutdown => break,
        };
        full &= permits.available_permits() == 0;
        let Ok(permit) = permit else { break };
        match accepted {
            Ok((stream, peer)) => server.take(stream, ConnectionPermit(Arc::new(permit)), PeerAddress(peer.ip())),
            Err(error) if of_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!("cannot accept connections: {error}");
                tokio::time::sleep(OUT_OF_DESCRIPTORS).await;
            }
        }
    }
    drop(listener);
    server.stopping.send_replace(());
    if tokio::time::timeout(LAST_ANSWERS, server.stopping.closed()).await.is_err() {
        tracing::warn!("requests still open after {} s are dropped", LAST_ANSWERS.as_secs());
    }
}

impl Server {
    fn new(router: Router, bodies: MemoryBudget, settings: &HttpSettings, development: bool) -> Self {
        let mut builder = http1::Builder::new();
        builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_millis(settings.header_timeout));
        // The buffer's limit alone is noticed one read too late.
        builder.max_buf_size(settings.head_limit).max_header_size(settings.head_limit);
        Self {
            router,
            bodies,
            builder,
            body_timeout: Duration::from_millis(settings.body_timeout),
            write_timeout: settings.write_timeout,
            development,
            stopping: watch::channel(()).0,
        }
    }

    /// Serves a connection in a task of its own, until it ends or the server stops.
    fn take(&self, stream: TcpStream, permit: ConnectionPermit, peer: PeerAddress) {
        // Answers are small and whole: waiting to fill a packet only delays them.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set TCP_NODELAY: {error}");
        }
        #[cfg(target_os = "linux")]
        if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(&stream, self.write_timeout) {
            tracing::debug!("cannot set TCP_USER_TIMEOUT: {error}");
        }
        let (router, body_timeout) = (self.router.clone(), self.body_timeout);
        let local = stream.local_addr().ok().filter(|_| self.development);
        let carried = (permit.clone(), peer, local.map(|local| LocalAddress(local.ip())));
        let client = self.bodies.enter(carried.1.0);
        let taking = Arc::clone(&client);
        let service = service_fn(move |request| {
            let routed = route(router.clone(), carried.clone(), body_timeout, request);
            let client = Arc::clone(&taking);
            async move { routed.await.inspect(|answer| is_sent(&client, answer)) }
        });
        let stream = TokioIo::new(StrictHead::new(stream, Arc::clone(&client)));
        let connection = self.builder.serve_connection(stream, service).with_upgrades();
        let mut stopping = self.stopping.subscribe();
        tokio::spawn(async move {
            let _permit = permit;
            let mut connection = pin!(connection);
            let mut asked = pin!(stopping.changed());
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = client.is_dropped() => return,
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
    (permit, peer, local): (ConnectionPermit, PeerAddress, Option<LocalAddress>),
    body_timeout: Duration,
    request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let ends = ends_connection(request.headers());
    let (mut request, unread) = unread_body::lend(request);
    if hosts_are_wrong(&request) {
        let refused = HttpError::plain("a request needs one `Host` header, and no more than one").into_response();
        return Ok(closing(refused));
    }
    request.extensions_mut().insert(permit);
    request.extensions_mut().insert(peer);
    if let Some(local) = local {
        request.extensions_mut().insert(local);
    }
    if let Some(uri) = without_trailing_slash(request.uri()) {
        *request.uri_mut() = uri;
        request.extensions_mut().insert(TrailingSlash);
    }
    let mut answer = router.call(request).await?;
    let ends = ends || answer.extensions_mut().remove::<EndsConnection>().is_some();
    if ends && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer = closing(answer);
    }
    // Whoever was too slow already is not waited for.
    if let Some(unread) = unread.filter(|_| answer.status() != StatusCode::REQUEST_TIMEOUT) {
        unread.drain(body_timeout);
    }
    Ok(answer)
}

/// Counts what the client is to take.
fn is_sent(client: &Arc<Client>, answer: &Response<Body>) {
    let bytes = answer.body().size_hint().lower();
    let said = || answer.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    let bytes = if bytes == 0 && !answer.body().is_end_stream() { said().unwrap_or(0) } else { bytes };
    if bytes > SMALL as u64 {
        client.is_sent(bytes);
    }
}

/// The answer, after which the connection is closed.
fn closing(mut answer: Response<Body>) -> Response<Body> {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// Whether a request says more than once, or in HTTP/1.1 not at all, which host it is for: a proxy may have read another one.
fn hosts_are_wrong(request: &Request<Body>) -> bool {
    let hosts = request.headers().get_all(HOST).iter().count();
    hosts > 1 || (hosts == 0 && request.version() == Version::HTTP_11)
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
