//! A request's body as JSON text, checked once: size, encoding, nesting, syntax. Handlers never see anything else.

use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::{HeaderMap, Request, StatusCode};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use serde_json::value::RawValue;

use super::error::HttpError;
use super::form;

/// Deepest nesting of a body: what scripts and the store can still parse when it is wrapped into larger JSON.
const DEEPEST: usize = 100;
/// How long a body may pause.
const PAUSE: Duration = Duration::from_secs(30);
/// How much of an oversized body is read and thrown away so that the caller gets to see the answer.
const DRAIN: usize = 64 << 20;

/// Reads the body of `request`: JSON of an object or an array, a form as an object, and `{}` where there is no body or it is of
/// another content type. `limit` is in bytes.
pub(crate) async fn read(request: Request<Body>, limit: usize) -> Result<Box<RawValue>, HttpError> {
    let (parts, body) = request.into_parts();
    let Some(format) = format(&parts.headers)? else { return Ok(empty()) };
    let bytes = collect(body, limit).await?;
    if bytes.is_empty() {
        return Ok(empty());
    }
    let text = utf8(&bytes)?;
    match format {
        Format::Json => json(text),
        Format::Form => form::to_json(text),
    }
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

async fn collect(mut body: Body, limit: usize) -> Result<Bytes, HttpError> {
    use axum::body::HttpBody as _;
    let mut whole = Bytes::new();
    let mut joined = BytesMut::new();
    let mut seen = 0;
    let announced = body.size_hint().lower();
    let mut too_large = announced > limit as u64;
    if too_large && announced > DRAIN as u64 {
        return Err(oversize(limit));
    }
    while let Some(frame) = next(&mut body).await? {
        let Ok(data) = frame.into_data() else { continue };
        seen += data.len();
        if seen > limit {
            too_large = true;
            (whole, joined) = (Bytes::new(), BytesMut::new());
        }
        if too_large {
            if seen > DRAIN {
                break;
            }
        } else if whole.is_empty() && joined.is_empty() {
            whole = data;
        } else {
            if joined.is_empty() {
                joined.reserve(usize::try_from(announced).unwrap_or(0).clamp(whole.len() + data.len(), limit));
                joined.extend_from_slice(&std::mem::take(&mut whole));
            }
            joined.extend_from_slice(&data);
        }
    }
    if too_large {
        return Err(oversize(limit));
    }
    Ok(if joined.is_empty() { whole } else { joined.freeze() })
}

async fn next(body: &mut Body) -> Result<Option<hyper::body::Frame<Bytes>>, HttpError> {
    let refuse = |status, kind, detail: String| Err(HttpError::Unexpected { status, kind, detail });
    match tokio::time::timeout(PAUSE, body.frame()).await {
        Ok(None) => Ok(None),
        Ok(Some(Ok(frame))) => Ok(Some(frame)),
        Ok(Some(Err(error))) => refuse(StatusCode::BAD_REQUEST, "request.aborted", format!("body: {error}")),
        Err(_) => refuse(StatusCode::REQUEST_TIMEOUT, "request.timeout", "the body stopped arriving".into()),
    }
}

fn oversize(limit: usize) -> HttpError {
    HttpError::Unexpected {
        status: StatusCode::PAYLOAD_TOO_LARGE,
        kind: "entity.too.large",
        detail: format!("the body is larger than {limit} bytes (`httpServer.bodyLimit`)"),
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, HttpError> {
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(bytes);
    std::str::from_utf8(bytes)
        .map_err(|error| HttpError::BadRequest(format!("the body is not valid UTF-8 (byte {})", error.valid_up_to())))
}

fn json(text: &str) -> Result<Box<RawValue>, HttpError> {
    if !text.trim_ascii_start().starts_with(['{', '[']) {
        return Err(HttpError::parse_failed("the body must be a JSON object"));
    }
    check_depth(text.as_bytes())?;
    let raw: &RawValue = serde_json::from_str(text).map_err(HttpError::parse_failed)?;
    Ok(raw.to_owned())
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

#[cfg(test)]
mod tests {
    use super::*;

    async fn of(content_type: &str, body: impl Into<Body>) -> Result<String, HttpError> {
        let request = Request::post("/").header(CONTENT_TYPE, content_type).body(body.into()).unwrap();
        read(request, 1_000).await.map(|raw| raw.get().to_owned())
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
}
