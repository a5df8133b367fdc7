//! One request and its answer: what may be sent, what becomes of it at a redirect, and how much may come back.

use std::str::FromStr;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::ServiceExt as _;
use tower_http::decompression::Decompression;
use url::Url;

use super::problem::FetchError;

/// What scripts ask for, as it comes over the wall.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Head {
    pub(super) url: String,
    pub(super) method: String,
    /// Values are text of which each character is a byte.
    pub(super) headers: Vec<(String, String)>,
    pub(super) redirect: Redirect,
}

/// What becomes of a redirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Redirect {
    Follow,
    Error,
    Manual,
}

/// Headers that say how a message is sent, not what it is: these are the server's own matter, as they are a browser's.
const OWN: [HeaderName; 10] = [
    header::ACCEPT_ENCODING,
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Headers that are for one host's eyes.
const SECRET: [HeaderName; 3] = [header::AUTHORIZATION, header::COOKIE, header::PROXY_AUTHORIZATION];

/// Headers that belong to a body.
const OF_BODY: [HeaderName; 4] =
    [header::CONTENT_ENCODING, header::CONTENT_LANGUAGE, header::CONTENT_LOCATION, header::CONTENT_TYPE];

/// Bytes of an answer that are counted at once.
const BLOCK: usize = 64 << 10;
/// The beginning of an answer that is not: short ones are read whatever others hold.
const SHORT: usize = 16 << 10;

/// A request that can be sent, and sent again elsewhere.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) url: Url,
    pub(super) method: Method,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    /// Reads a request as it came over the wall.
    pub(super) fn read(head: &Head, body: Bytes) -> Result<Self, FetchError> {
        let mut url = address(&head.url)?;
        let malformed = |what: &str, name: &str| FetchError::Malformed(format!("{what} {name:?}"));
        let method = Method::from_str(&head.method).map_err(|_| malformed("the method", &head.method))?;
        if [Method::CONNECT, Method::TRACE].contains(&method) {
            return Err(malformed("the method", &head.method));
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &head.headers {
            let read = HeaderName::from_str(name).map_err(|_| malformed("the header", name))?;
            let value = latin1(value).and_then(|bytes| HeaderValue::from_bytes(&bytes).ok());
            let value = value.ok_or_else(|| malformed("the value of the header", name))?;
            if !OWN.contains(&read) {
                headers.append(read, value);
            }
        }
        headers.entry(header::ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        headers
            .entry(header::USER_AGENT)
            .or_insert(HeaderValue::from_static(concat!("nudge/", env!("CARGO_PKG_VERSION"))));
        if let Some(basic) = credentials(&mut url) {
            headers.entry(header::AUTHORIZATION).or_insert(basic);
        }
        Ok(Self { url, method, headers, body })
    }

    /// What goes over the wire.
    pub(super) fn request(&self) -> Result<Request<Full<Bytes>>, FetchError> {
        let target = &self.url[url::Position::BeforePath..url::Position::AfterQuery];
        let uri = hyper::Uri::from_str(target)
            .map_err(|_| FetchError::Address(format!("the path of {} cannot be sent", shown(&self.url))))?;
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri;
        let host = &self.url[url::Position::BeforeHost..url::Position::AfterPort];
        let host = HeaderValue::from_str(host)
            .map_err(|_| FetchError::Address(format!("the host of {} cannot be sent", shown(&self.url))))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, host);
        headers.extend(self.headers.clone());
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        if !self.body.is_empty() || [Method::POST, Method::PUT, Method::PATCH].contains(&self.method) {
            headers.insert(header::CONTENT_LENGTH, self.body.len().into());
        }
        Ok(request)
    }

    /// Where an answer sends the call to next, if it does.
    pub(super) fn redirect(&self, response: &Response<Incoming>) -> Result<Option<Self>, FetchError> {
        let status = response.status();
        if ![301, 302, 303, 307, 308].contains(&status.as_u16()) {
            return Ok(None);
        }
        let Some(location) = response.headers().get(header::LOCATION) else { return Ok(None) };
        let location = String::from_utf8_lossy(location.as_bytes());
        let url = self
            .url
            .join(&location)
            .map_err(|_| FetchError::Address(format!("the server redirects to {location:?}, which is no address")))?;
        let mut next = Self { url: web(url)?, ..self.clone() };
        let turns_to_get = (status == StatusCode::SEE_OTHER && ![Method::GET, Method::HEAD].contains(&self.method))
            || ([301, 302].contains(&status.as_u16()) && self.method == Method::POST);
        if turns_to_get {
            next.method = Method::GET;
            next.body = Bytes::new();
            remove(&mut next.headers, &OF_BODY);
        }
        if next.url.origin() != self.url.origin() {
            remove(&mut next.headers, &SECRET);
        }
        if let Some(basic) = credentials(&mut next.url) {
            next.headers.insert(header::AUTHORIZATION, basic);
        }
        Ok(Some(next))
    }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

/// Reads an address; it must be one of the web.
pub(super) fn address(text: &str) -> Result<Url, FetchError> {
    let short: String = text.chars().take(100).collect();
    web(Url::parse(text).map_err(|error| FetchError::Address(format!("{short:?} is no address ({error})")))?)
}

fn web(url: Url) -> Result<Url, FetchError> {
    match url.scheme() {
        "http" | "https" => Ok(url),
        other => Err(FetchError::Address(format!("only http and https can be called, not {other}"))),
    }
}

/// An address for people: without what may be secret in it.
pub(super) fn shown(url: &Url) -> String {
    let mut text = url[url::Position::BeforeScheme..url::Position::AfterScheme].to_owned() + "://";
    text.push_str(&url[url::Position::BeforeHost..url::Position::AfterPort]);
    text.extend(url.path().chars().take(100));
    text
}

/// Takes `user:password@` out of an address; gives the header that says the same.
fn credentials(url: &mut Url) -> Option<HeaderValue> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let plain = |text: &str| percent_encoding::percent_decode_str(text).collect::<Vec<u8>>();
    let pair = [plain(url.username()), plain(url.password().unwrap_or_default())].join(&b':');
    // An address with a host can have neither.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    let mut value = HeaderValue::try_from(format!("Basic {}", STANDARD.encode(pair))).ok()?;
    value.set_sensitive(true);
    Some(value)
}

/// Text of which each character is a byte.
fn latin1(text: &str) -> Option<Vec<u8>> {
    text.chars().map(|c| u8::try_from(u32::from(c)).ok()).collect()
}

/// What a script is told of an answer, and the bytes of its body.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) status_text: String,
    /// Values as text of which each character is a byte.
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
    /// The body's place among the bytes that are held.
    pub(super) held: Option<[OwnedSemaphorePermit; 2]>,
}

/// Reads an answer to its end, unpacked: `limit` counts what came out. What is held of it counts to what its bot may hold, and
/// to what all may.
pub(super) async fn read(
    response: Response<Incoming>,
    asked: &Method,
    limit: usize,
    buffered: [&Arc<Semaphore>; 2],
) -> Result<Answer, FetchError> {
    let status = response.status();
    let reason = response.extensions().get::<hyper::ext::ReasonPhrase>();
    let reason = reason.map(|reason| String::from_utf8_lossy(reason.as_bytes()).into_owned());
    let mut answer = Answer {
        status: status.as_u16(),
        status_text: reason.unwrap_or_else(|| status.canonical_reason().unwrap_or_default().to_owned()),
        headers: Vec::new(),
        body: Bytes::new(),
        held: None,
    };
    let bodiless = *asked == Method::HEAD || [204, 304].contains(&answer.status);
    if bodiless {
        answer.headers = pairs(response.headers());
        return Ok(answer);
    }
    let mut given = Some(response);
    let unpacking = Decompression::new(tower::service_fn(move |_: Request<()>| {
        std::future::ready(given.take().ok_or_else(|| FetchError::Broken("the answer is gone".into())))
    }));
    let response = unpacking.oneshot(Request::new(())).await?;
    answer.headers = pairs(response.headers());
    let mut body = std::pin::pin!(response.into_body());
    if body.size_hint().lower() > limit as u64 {
        return Err(FetchError::ResponseTooLarge(limit));
    }
    let (mut bytes, mut held) = (BytesMut::new(), SHORT);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Broken(innermost(&*error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(FetchError::ResponseTooLarge(limit));
        }
        if bytes.len() + data.len() > held {
            // Many at once: a server may send its answer byte by byte.
            let more = data.len().max(BLOCK);
            let count = u32::try_from(more).unwrap_or(u32::MAX);
            let [of_bot, of_all] = buffered.map(|part| Arc::clone(part).acquire_many_owned(count));
            // They are never closed.
            if let (Ok(of_bot), Ok(of_all)) = (of_bot.await, of_all.await) {
                match &mut answer.held {
                    Some([held_of_bot, held_of_all]) => {
                        held_of_bot.merge(of_bot);
                        held_of_all.merge(of_all);
                    }
                    None => answer.held = Some([of_bot, of_all]),
                }
            }
            held += more;
        }
        bytes.extend_from_slice(&data);
    }
    answer.body = bytes.freeze();
    Ok(answer)
}

fn innermost(error: &(dyn std::error::Error + 'static)) -> String {
    let mut reason = error;
    while let Some(source) = reason.source() {
        reason = source;
    }
    reason.to_string()
}

fn pairs(headers: &HeaderMap) -> Vec<(String, String)> {
    let text = |value: &HeaderValue| value.as_bytes().iter().map(|byte| char::from(*byte)).collect();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}
