//! One request of `/socket.io`: who may come in, and the answer as clients of the original know it.

use std::sync::atomic::Ordering;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_ORIGIN, AUTHORIZATION, CONNECTION, CONTENT_LENGTH,
    CONTENT_TYPE, ORIGIN, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, VARY,
};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode};
use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use tower::Service;

use super::addresses::Counted;
use super::{Realtime, Shared, websocket_request};
use crate::web::client_address;
use crate::web::error::HttpError;
use crate::web::serve::ConnectionPermit;
use crate::web::state::Web;

/// Seconds after which a client that found no place may come again.
const RETRY: u32 = 5;

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
    if new && shared.handler.connections() >= shared.sockets {
        let detail = format!("{} connections are open (`realtime.sockets`)", shared.sockets);
        return Err(HttpError::Unavailable { retry_after: RETRY, detail });
    }
    if has("transport=websocket")
        && let Some(answer) = websocket_request::refusal(&parts)
    {
        return Ok(answer);
    }
    if client_address::unknown_proxy(&parts.extensions, &parts.headers, shared.proxies)
        && !shared.proxy_said.swap(true, Ordering::Relaxed)
    {
        tracing::warn!(
            "requests come through a proxy: no limit counts their addresses until `httpServer.trustedProxies` says how many there are"
        );
    }
    if let Some(address) = client_address::address(&parts.extensions, &parts.headers, shared.proxies).filter(|_| new) {
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
    if let Some(place) = parts.extensions.remove::<ConnectionPermit>() {
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
