//! A request's body as JSON text, checked once: size, encoding, nesting, syntax. Handlers never see anything else.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use super::error::HttpError;
use super::form;
use super::memory_budget::{Held, MemoryBudget};
use super::state::Web;

/// Deepest nesting of a body: what scripts and the store can still parse when it is wrapped into larger JSON.
const DEEPEST: usize = 100;

/// A body that was read.
#[derive(Debug)]
pub(crate) struct Taken {
    /// JSON of an object or an array.
    pub(crate) json: Box<RawValue>,
    /// Its share of the memory for bodies, until the request is answered.
    pub(crate) held: Held,
}

/// What a body may take.
#[derive(Debug, Clone, Copy)]
struct Limits<'a> {
    /// Bytes.
    size: usize,
    /// The key that says so.
    size_key: &'static str,
    /// Time until all of it is there.
    time: Duration,
    /// The key that says so.
    time_key: &'static str,
    /// Memory for it and all others.
    budget: &'a MemoryBudget,
}

/// Reads the body of `request`: JSON of an object or an array, a form as an object, and `{}` where there is no body or it is of
/// another content type. `limit` is in bytes.
pub(crate) async fn read(web: &Web, request: Request<Body>, limit: usize) -> Result<Taken, HttpError> {
    let http = &web.settings.http;
    let limits = Limits {
        size: limit,
        size_key: "httpServer.bodyLimit",
        time: Duration::from_millis(http.body_timeout),
        time_key: "httpServer.bodyTimeout",
        budget: &web.bodies,
    };
    take(request, limits).await
}

/// A body as it is.
#[derive(Debug)]
pub(crate) struct Bytes {
    /// All of it.
    pub(crate) bytes: Vec<u8>,
    /// Its share of the memory for bodies.
    pub(crate) _held: Held,
}

/// Reads a body that brings a file, of any content type. `limit` is in bytes, `key` sets it.
pub(crate) async fn upload(web: &Web, body: Body, limit: usize, key: &'static str) -> Result<Bytes, HttpError> {
    let limits = Limits {
        size: limit,
        size_key: key,
        time: Duration::from_millis(web.settings.http.upload_timeout),
        time_key: "httpServer.uploadTimeout",
        budget: &web.bodies,
    };
    let mut held = Held::default();
    let bytes = in_time(body, limits, &mut held).await?;
    Ok(Bytes { bytes, _held: held })
}

async fn take(request: Request<Body>, limits: Limits<'_>) -> Result<Taken, HttpError> {
    let (parts, body) = request.into_parts();
    let mut held = Held::default();
    let Some(format) = format(&parts.headers)? else { return Ok(Taken { json: empty(), held }) };
    let bytes = in_time(body, limits, &mut held).await?;
    if bytes.is_empty() {
        return Ok(Taken { json: empty(), held });
    }
    let text = utf8(bytes)?;
    let json = match format {
        Format::Json => json(text)?,
        Format::Form => form::to_json(&text)?,
    };
    Ok(Taken { json, held })
}

/// Collects a body within the time of its limits.
async fn in_time(body: Body, limits: Limits<'_>, held: &mut Held) -> Result<Vec<u8>, HttpError> {
    let collecting = collect(body, limits, held);
    // Of the whole body, not of its pieces: one byte now and then would hold a connection for ever.
    tokio::time::timeout(limits.time, collecting).await.map_err(|_| HttpError::Unexpected {
        status: StatusCode::REQUEST_TIMEOUT,
        kind: "request.timeout",
        detail: format!("the body took longer than {} ms (`{}`)", limits.time.as_millis(), limits.time_key),
    })?
}

/// An object without members.
fn empty() -> Box<RawValue> {
    RawValue::from_string("{}".into()).unwrap_or_default()
}

#[derive(Debug, PartialEq)]
enum Format {
    Json,
    Form,
}

fn format(headers: &HeaderMap) -> Result<Option<Format>, HttpError> {
    let Some(value) = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()) else { return Ok(None) };
    let (essence, parameters) = value.split_once(';').unwrap_or((value, ""));
    let essence = essence.trim();
    let is = |name: &str| essence.eq_ignore_ascii_case(name);
    let format = if is("application/json") || essence.to_ascii_lowercase().ends_with("+json") {
        Format::Json
    } else if is("application/x-www-form-urlencoded") {
        Format::Form
    } else {
        return Ok(None);
    };
    let unsupported =
        |kind, detail: String| HttpError::Unexpected { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, kind, detail };
    for parameter in parameters.split(';') {
        if let Some((name, charset)) = parameter.split_once('=')
            && name.trim().eq_ignore_ascii_case("charset")
        {
            let charset = charset.trim().trim_matches('"');
            if !["utf-8", "utf8", "us-ascii"].iter().any(|known| charset.eq_ignore_ascii_case(known)) {
                return Err(unsupported("charset.unsupported", format!("charset {charset:?}: send UTF-8")));
            }
        }
    }
    if let Some(encoding) = headers.get(CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        return Err(unsupported("encoding.unsupported", format!("content-encoding {encoding:?}: send it as it is")));
    }
    Ok(Some(format))
}

async fn collect(mut body: Body, limits: Limits<'_>, held: &mut Held) -> Result<Vec<u8>, HttpError> {
    use axum::body::HttpBody as _;
    let limit = limits.size;
    let mut whole = Vec::new();
    let announced = body.size_hint().lower();
    if announced > limit as u64 {
        return Err(oversize(limit, limits.size_key));
    }
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| HttpError::Unexpected {
            status: StatusCode::BAD_REQUEST,
            kind: "request.aborted",
            detail: format!("body: {error}"),
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if whole.len() + data.len() > limit {
            return Err(oversize(limit, limits.size_key));
        }
        gather(&mut whole, &data, usize::try_from(announced).unwrap_or(0), limits.budget, held).await?;
    }
    Ok(whole)
}

/// Adds a piece. Room is made for what has come and no more than is announced: a promise alone costs nothing.
async fn gather(
    whole: &mut Vec<u8>,
    data: &[u8],
    announced: usize,
    budget: &MemoryBudget,
    held: &mut Held,
) -> Result<(), HttpError> {
    let needed = whole.len() + data.len();
    if needed > whole.capacity() {
        let room = (whole.capacity() * 2).min(announced).max(needed);
        budget.grow(held, room).await?;
        whole.reserve_exact(room - whole.len());
    }
    whole.extend_from_slice(data);
    Ok(())
}

/// A body, or the file in it, that is larger than `key` allows.
pub(crate) fn oversize(limit: usize, key: &str) -> HttpError {
    HttpError::Unexpected {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "entity.too.large",
        detail: format!("the body is larger than {limit} bytes (`{key}`)"),
    }
}

fn utf8(mut bytes: Vec<u8>) -> Result<String, HttpError> {
    if bytes.starts_with(b"\xEF\xBB\xBF") {
        bytes.drain(..3);
    }
    String::from_utf8(bytes).map_err(|error| {
        let place = error.utf8_error().valid_up_to();
        HttpError::BadRequest(format!("the body is not valid UTF-8 (byte {place})"))
    })
}

fn json(text: String) -> Result<Box<RawValue>, HttpError> {
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return Err(HttpError::parse_failed("the body must be a JSON object"));
    }
    check_depth(text.as_bytes())?;
    RawValue::from_string(text).map_err(HttpError::parse_failed)
}

/// Refuses text whose brackets nest too deep. Syntax is checked elsewhere.
fn check_depth(text: &[u8]) -> Result<(), HttpError> {
    let mut depth = 0usize;
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > DEEPEST {
                    return Err(HttpError::BadRequest(format!("the body is nested deeper than {DEEPEST} levels")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => {
                while let Some(inside) = bytes.next() {
                    match inside {
                        b'"' => break,
                        b'\\' => drop(bytes.next()),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// For `fuzzing`: what is made of a body that came with these headers.
#[cfg(any(test, fuzzing))]
pub(super) async fn taken(headers: HeaderMap, bytes: Vec<u8>) -> Result<Box<RawValue>, HttpError> {
    let mut request = Request::new(Body::from(bytes));
    *request.headers_mut() = headers;
    let budget = &MemoryBudget::new(1 << 20, 1, crate::clock::Clock::manual(0));
    let limits = Limits { size: 1 << 20, size_key: "a", time: Duration::from_secs(60), time_key: "b", budget };
    take(request, limits).await.map(|taken| taken.json)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    async fn of(content_type: &str, body: impl Into<Body>) -> Result<String, HttpError> {
        let request = Request::post("/").header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        let limits = Limits {
            size: 1_000,
            size_key: "a",
            time: Duration::from_secs(10),
            time_key: "b",
            budget: &MemoryBudget::new(1_000, 1_000, Clock::manual(0)),
        };
        take(request, limits).await.map(|taken| taken.json.get().to_owned())
    }

    fn kind(result: Result<String, HttpError>) -> String {
        match result {
            Err(HttpError::Unexpected { status, kind, .. }) => format!("{} {kind}", status.as_u16()),
            other => format!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_json_body_is_passed_on_as_it_was_written() {
        let written = r#" {"a" : [1, "}"], "a":2, "__proto__": {"x":1}} "#;
        assert_eq!(of("application/json; charset=UTF-8", written).await.unwrap(), written.trim());
        assert_eq!(of("application/json", "\u{feff}{}").await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn no_body_and_other_content_types_are_an_empty_object() {
        assert_eq!(of("application/json", "").await.unwrap(), "{}");
        assert_eq!(of("text/plain", "hi").await.unwrap(), "{}");
        assert_eq!(of("multipart/form-data; boundary=x", "--x--").await.unwrap(), "{}");
    }

    #[tokio::test]
    async fn what_is_no_json_object_is_refused() {
        for bad in ["{", "{} x", "\"a\"", "null", "12", " ", "{'a':1}", "{\"a\":1,}"] {
            assert_eq!(kind(of("application/json", bad).await), "400 entity.parse.failed", "{bad}");
        }
    }

    #[tokio::test]
    async fn too_large_too_deep_and_badly_encoded_bodies_are_refused() {
        let large = format!("{{\"a\":\"{}\"}}", "x".repeat(1_000));
        assert_eq!(kind(of("application/json", large).await), "413 entity.too.large");
        let deep = "[".repeat(101) + &"]".repeat(101);
        assert!(
            matches!(of("application/json", deep).await, Err(HttpError::BadRequest(text)) if text.contains("nested"))
        );
        assert!(of("application/json", "[".repeat(100) + &"]".repeat(100)).await.is_ok());
        assert!(of("application/json", format!("{{\"a\":\"{}\\\"[\"}}", "[".repeat(200))).await.is_ok());
        let not_utf8 = of("application/json", &b"{\"a\":\"\xff\"}"[..]).await;
        assert!(matches!(not_utf8, Err(HttpError::BadRequest(text)) if text.contains("UTF-8 (byte 6)")));
        assert_eq!(kind(of("application/json; charset=latin1", "{}").await), "415 charset.unsupported");
    }

    #[tokio::test]
    async fn room_is_made_for_what_has_come_not_for_what_is_announced() {
        let (mut whole, mut held, budget) =
            (Vec::new(), Held::default(), MemoryBudget::new(1 << 20, 1_000, Clock::manual(0)));
        for _ in 0..10 {
            gather(&mut whole, &[b'x'; 20_000], 500_000, &budget, &mut held).await.unwrap();
        }
        assert_eq!(whole.len(), 200_000);
        assert!(whole.capacity() <= 400_000, "{}", whole.capacity());
        let refused = gather(&mut whole, &vec![b'x'; 1 << 20], 2 << 20, &budget, &mut held).await;
        assert!(matches!(refused, Err(HttpError::NoRoom)));
    }
}
