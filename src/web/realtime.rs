//! `/socket.io`: what happens is told to visitors and administrators as it happens, over websockets or long polls.
//!
//! Clients of Socket.IO 1 to 4 are served. See [`desk`] for what is ours of it and what is `engineioxide`'s.

mod addresses;
mod delivery;
mod desk;
mod outbox;
mod packet;
mod rooms;
mod told;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, VARY,
};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use engineioxide::DisconnectReason;
use engineioxide::config::EngineIoConfig;
use engineioxide::service::EngineIoService;
use http_body_util::BodyExt as _;
use tokio::sync::watch;
use tower::Service;

use crate::clock::Clock;
use crate::config::Settings;
use crate::dispatch::Dispatcher;
use crate::services::{Audience, Pages, Services};
use crate::store::{Store, StoreError};

use super::error::HttpError;
use super::serve::Place;
use super::{Web, caller};
use addresses::{Addresses, Counted};
use desk::Desk;

/// As recorded.
const PING_INTERVAL: Duration = Duration::from_secs(25);
/// As recorded.
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes that are read of a websocket at once. Clients say little.
const READ_BUFFER: usize = 1 << 10;
/// Seconds after which a client that found no place may come again.
const RETRY: u32 = 5;

/// The realtime server. Cheap to clone.
#[derive(Clone)]
pub struct Realtime(Arc<Shared>);

struct Shared {
    desk: Arc<Desk>,
    engine: EngineIoService<Desk>,
    /// Connections at once.
    sockets: usize,
    /// Connections of each address.
    addresses: Addresses,
    /// `httpServer.trustedProxies`.
    proxies: usize,
    /// It was said that a proxy seems to be there.
    proxy_said: AtomicBool,
    /// How long a client may take to send a packet by POST.
    body_timeout: Duration,
    stopping: watch::Sender<bool>,
}

impl std::fmt::Debug for Realtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Realtime").field(&self.0.desk).finish()
    }
}

impl Realtime {
    /// Begins to listen to the dispatcher. Must be called before events run: what an earlier run of the server left to be
    /// delivered is read here, and nothing may be told twice.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn start(
        dispatcher: &Dispatcher,
        store: &Store,
        services: &Services,
        settings: &Settings,
        clock: &Clock,
    ) -> Result<Self, StoreError> {
        let limits = settings.realtime.clone();
        let config = EngineIoConfig::builder()
            .req_path("/socket.io")
            .ping_interval(PING_INTERVAL)
            .ping_timeout(PING_TIMEOUT)
            .max_buffer_size(outbox::IN_TRANSPORT)
            .max_payload(limits.max_packet as u64)
            .ws_read_buffer_size(READ_BUFFER)
            .ws_max_message_size(limits.max_packet)
            .ws_max_frame_size(limits.max_packet)
            .build();
        let (most, waiting, places) = (limits.ahead, limits.waiting, settings.http.connections);
        let sockets = limits.sockets.min(places - places / 5).max(1);
        let addresses = Addresses::new(limits.sockets_per_address);
        let desk = Arc::new(Desk::new(services.clone(), limits, clock.clone()));
        services.serve_pages(pages(&desk));
        let ahead = store.ahead(clock.now(), most)?;
        let listening = Arc::downgrade(&desk);
        let notices = dispatcher
            .subscribe(waiting, move |key| listening.upgrade().is_some_and(|desk| delivery::hears(&desk, key)));
        tokio::spawn(delivery::run(notices, ahead, most, Arc::clone(&desk), clock.clone()));
        Ok(Self(Arc::new(Shared {
            engine: EngineIoService::with_config(Arc::clone(&desk), config),
            desk,
            sockets,
            addresses,
            proxies: settings.http.trusted_proxies,
            proxy_said: AtomicBool::new(false),
            body_timeout: Duration::from_millis(settings.http.body_timeout),
            stopping: watch::channel(false).0,
        })))
    }

    /// How many connections and how many visitors there are.
    pub fn count(&self) -> (usize, usize) {
        (self.0.desk.connections(), self.0.desk.rooms.visitors())
    }

    /// Answers those who poll, so that they hold nothing up, takes nobody new, and closes the connections of visitors.
    pub fn stop(&self) {
        self.0.stopping.send_replace(true);
        for connection in self.0.desk.rooms.guests() {
            connection.close(DisconnectReason::ClosingServer);
        }
    }
}

/// The way by which scripts reach those who are connected. It must not keep the services alive, which keep it.
fn pages(desk: &Arc<Desk>) -> Pages {
    let (telling, finding) = (Arc::downgrade(desk), Arc::downgrade(desk));
    Pages {
        tell: Box::new(move |audience, name, data| {
            let Some(desk) = telling.upgrade() else { return };
            match audience {
                Audience::Visitor(visitor) => desk.rooms.send(visitor, told::data(visitor, name, data)),
                Audience::Admins(bot) => desk.rooms.send_admins(bot, told::admin(name, data)),
            }
        }),
        visitor_of: Box::new(move |socket| finding.upgrade()?.rooms.visitor_of(socket)),
    }
}

/// `/socket.io`, whatever the method.
pub(crate) async fn serve(State(web): State<Web>, request: Request<Body>) -> Response<Body> {
    let Realtime(shared) = &web.realtime;
    let origin = request.headers().get(ORIGIN).cloned();
    // A page must be able to read why it was refused, too.
    let answer = exchange(shared, request).await.unwrap_or_else(HttpError::into_response);
    if web.settings.http.cors { with_origin(answer, origin) } else { answer }
}

async fn exchange(shared: &Shared, request: Request<Body>) -> Result<Response<Body>, HttpError> {
    let (mut parts, body) = request.into_parts();
    let query = parts.uri.query().unwrap_or_default();
    let has = |pair: &str| query.split('&').any(|part| part == pair);
    let new = !query.split('&').any(|part| part.starts_with("sid="));
    if new && shared.desk.connections() >= shared.sockets {
        let detail = format!("{} connections are open (`realtime.sockets`)", shared.sockets);
        return Err(HttpError::Unavailable { retry_after: RETRY, detail });
    }
    if caller::unknown_proxy(&parts.extensions, &parts.headers, shared.proxies)
        && !shared.proxy_said.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "requests come through a proxy: no limit counts their addresses until `httpServer.trustedProxies` says how many there are"
        );
    }
    if let Some(address) = caller::address(&parts.extensions, &parts.headers, shared.proxies).filter(|_| new) {
        parts.extensions.insert(shared.addresses.enter(address).map_err(too_many)?);
    }
    let greeted = new && has("EIO=3") && has("transport=polling") && parts.method == Method::GET;
    let posted = parts.method == Method::POST;
    let mut engine = shared.engine.clone();
    let answering = engine.call(Request::from_parts(bare(parts), body));
    let mut stopping = shared.stopping.subscribe();
    let stopped = async {
        // The sender lives as long as the server.
        let _ = stopping.wait_for(|stopping| *stopping).await;
    };
    let late = async {
        // A poll waits for the server, a packet that is sent does not.
        if posted { tokio::time::sleep(shared.body_timeout).await } else { std::future::pending().await }
    };
    let answer = tokio::select! {
        Ok(answer) = answering => answer,
        () = stopped => {
            let detail = "the server is stopping; try again in a few seconds".to_owned();
            return Err(HttpError::Unavailable { retry_after: RETRY, detail });
        }
        () = late => return Err(HttpError::plain("the packet did not arrive in time (`httpServer.bodyTimeout`)")),
    };
    let (head, body) = answer.into_parts();
    let answer = Response::from_parts(head, Body::new(body));
    if greeted && answer.status() == StatusCode::OK {
        return rewritten(answer, |text| format!("{text}2:40")).await;
    }
    if answer.status() == StatusCode::BAD_REQUEST {
        return rewritten(answer, with_number).await;
    }
    if posted && answer.status() == StatusCode::OK {
        let mut answer = answer;
        answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
        return Ok(answer);
    }
    Ok(answer)
}

/// Refused for the address alone: others still get in.
fn too_many(most: usize) -> HttpError {
    let said = format!("{most} connections of your address are open (`realtime.socketsPerAddress`)");
    HttpError::Plain(StatusCode::TOO_MANY_REQUESTS, said.into())
}

/// What a connection needs of its first request, which it keeps for as long as it lives: the rest of it would be most of
/// the memory of a visitor who only listens.
fn bare(mut parts: Parts) -> Parts {
    const KEPT: [HeaderName; 7] =
        [AUTHORIZATION, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE];
    let mut headers = HeaderMap::with_capacity(4);
    for name in KEPT {
        if let Some(value) = parts.headers.remove(&name) {
            // A value may be a piece of the whole head: copied, so that it does not hold all of it.
            let copy = HeaderValue::from_bytes(value.as_bytes()).unwrap_or(value);
            headers.insert(name, copy);
        }
    }
    let mut extensions = Extensions::new();
    if let Some(upgrade) = parts.extensions.remove::<hyper::upgrade::OnUpgrade>() {
        extensions.insert(upgrade);
    }
    // A websocket is a connection for as long as it lives: it keeps the place that it took.
    if let Some(place) = parts.extensions.remove::<Place>() {
        extensions.insert(place);
    }
    if let Some(counted) = parts.extensions.remove::<Counted>() {
        extensions.insert(counted);
    }
    if let Ok(uri) = parts.uri.to_string().parse() {
        parts.uri = uri;
    }
    parts.headers = headers;
    parts.extensions = extensions;
    parts
}

/// The answer with another text.
async fn rewritten(answer: Response<Body>, change: impl FnOnce(String) -> String) -> Result<Response<Body>, HttpError> {
    let (mut head, body) = answer.into_parts();
    let body = body.collect().await.map_err(|error| HttpError::internal("Error", error))?.to_bytes();
    let text = change(String::from_utf8_lossy(&body).into_owned());
    head.headers.insert(CONTENT_LENGTH, HeaderValue::from(text.len()));
    Ok(Response::from_parts(head, Body::from(text)))
}

/// A mistake is told as `{"code":1,"message":"…"}`; the library writes its number as text.
fn with_number(text: String) -> String {
    let Some((code, rest)) = text.strip_prefix("{\"code\":\"").and_then(|rest| rest.split_once('"')) else {
        return text;
    };
    format!("{{\"code\":{code}{rest}")
}

/// Any origin, as recorded: with credentials where it is said which.
fn with_origin(mut answer: Response<Body>, origin: Option<HeaderValue>) -> Response<Body> {
    let headers = answer.headers_mut();
    if let Some(origin) = origin {
        headers.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    } else {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    answer
}
