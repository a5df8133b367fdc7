//! Connections: accepted, given to the router, and let finish when the server stops.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tower::Service;

use crate::config::HttpSettings;

/// How long requests in flight may take once the server is asked to stop.
const LAST_ANSWERS: Duration = Duration::from_secs(10);
/// How long to wait when the system gives no more descriptors.
const OUT_OF_DESCRIPTORS: Duration = Duration::from_millis(50);

/// Serves `router` on `listener` until `shutdown` completes, then lets requests in flight finish (10 s at most).
pub async fn serve(listener: TcpListener, router: Router, settings: &HttpSettings, shutdown: impl Future<Output = ()>) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(Duration::from_millis(settings.header_timeout));
    // Told once when the server stops; each connection holds a receiver, so it is closed when all of them are gone.
    let (stopping, _) = watch::channel(());
    let mut shutdown = pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
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
        let router = router.clone();
        let service = service_fn(move |request| route(router.clone(), request));
        let connection = builder.serve_connection(TokioIo::new(stream), service).with_upgrades();
        let mut stopping = stopping.subscribe();
        tokio::spawn(async move {
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

fn of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}

async fn route(mut router: Router, request: Request<Incoming>) -> Result<Response<Body>, Infallible> {
    let mut request = request.map(Body::new);
    if let Some(uri) = without_trailing_slash(request.uri()) {
        *request.uri_mut() = uri;
    }
    router.call(request).await
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
