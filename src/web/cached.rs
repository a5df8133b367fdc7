//! Answers that clients keep: their validators, for how long, and in which encoding they are sent.

use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use http_body_util::BodyExt as _;
use sha2::{Digest as _, Sha256};
use tower_http::services::ServeDir;

use crate::beneath::Opened;

use super::error::HttpError;
use super::one_file::OneFile;
use super::state::Web;

/// What holds it may change at any time: ask each time.
pub(super) const ASK: HeaderValue = HeaderValue::from_static("no-cache");
/// It changes with the next release.
pub(super) const SHORTLY: HeaderValue = HeaderValue::from_static("public, max-age=300");
/// The name has a hash of what it holds, or is given once only.
pub(super) const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// Bytes that a file takes while it is read and written: two pieces of those that are read, and what is read ahead.
const PIECES: usize = 192 << 10;

/// Pages of any origin may load it, also those that are isolated from other origins.
const FOR_ANYBODY: (HeaderName, HeaderValue) =
    (HeaderName::from_static("cross-origin-resource-policy"), HeaderValue::from_static("cross-origin"));

/// An answer that does not say for how long it may be kept is nobody else's: a cache before the server does not know that the secret
/// of a visitor stands in a header of ours, and would give one visitor's conversation to whoever knows its address.
pub(super) async fn private(mut response: Response<Body>) -> Response<Body> {
    response.headers_mut().entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An answer that clients may keep; 304 without a body for a client that has it. The tag is a weak one: it is the same in
/// every encoding.
pub(super) fn cached(
    asked: &HeaderMap,
    tag: &str,
    keep: HeaderValue,
    content_type: HeaderValue,
    body: impl Into<Body>,
) -> Response<Body> {
    let tag = format!("W/\"{tag}\"");
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let known = known.flat_map(|value| value.split(',')).map(str::trim);
    // Proxies that compress make a tag a weak one, or drop the mark: what counts is the text in quotes.
    let same = |one: &str| one == "*" || one.trim_start_matches("W/") == &tag[2..];
    let mut response = if known.into_iter().any(same) {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        response
    } else {
        let mut response = Response::new(body.into());
        response.headers_mut().insert(CONTENT_TYPE, content_type);
        response
    };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, keep);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(FOR_ANYBODY.0, FOR_ANYBODY.1);
    // A tag is made of hexadecimal digits.
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        headers.insert(ETAG, tag);
    }
    response
}

/// The same for a text that is made for each request.
pub(super) fn cached_text(asked: &HeaderMap, content_type: HeaderValue, text: String) -> Response<Body> {
    let digest = Sha256::digest(text.as_bytes());
    let tag: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    cached(asked, &tag, ASK, content_type, Bytes::from(text))
}

/// A file that was opened, read a piece at a time: to be looked at by itself it has that policy. `None` where it cannot be read:
/// what that is about is not for the outside.
pub(super) async fn file(
    web: &Web,
    opened: Opened,
    (method, headers): (&Method, &HeaderMap),
    (content_type, keep, policy): (&'static str, HeaderValue, HeaderValue),
) -> Result<Option<Response<Body>>, HttpError> {
    // However long the file is, so much of it is on its way at once.
    let held = web.bodies.hold(usize::try_from(opened.metadata.len()).unwrap_or(PIECES).min(PIECES)).await?;
    let (mut head, ()) = Request::new(()).into_parts();
    (head.method, head.headers) = (method.clone(), headers.clone());
    // Ranges (for films), dates and sizes are what this is for; file and type are ours.
    let mut serving = ServeDir::with_backend("", OneFile::new(opened));
    let served = serving.try_call(Request::from_parts(head, Body::empty())).await.ok();
    let Some(served) = served.filter(|served| served.status() != StatusCode::NOT_FOUND) else { return Ok(None) };
    let mut response = served.map(|body| {
        Body::new(body.map_frame(move |frame| {
            let _ = &held;
            frame
        }))
    });
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    headers.insert(CACHE_CONTROL, keep);
    headers.insert(FOR_ANYBODY.0, FOR_ANYBODY.1);
    Ok(Some(response))
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packing {
    /// `br`.
    Brotli,
    /// `gzip`.
    Gzip,
    /// As it is.
    Plain,
}

/// The smallest packing among those that the client likes best, by its `Accept-Encoding`.
pub(super) fn packing(asked: &HeaderMap) -> Packing {
    let texts = asked.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let offers: Vec<(String, f32)> = texts.flat_map(|text| text.split(',')).filter_map(offer).collect();
    let named = |name: &str| offers.iter().find(|(one, _)| one == name).map(|(_, weight)| *weight);
    let any = named("*");
    let weight = |name| named(name).or(any).unwrap_or(0.0);
    let best = [(Packing::Brotli, weight("br")), (Packing::Gzip, weight("gzip"))];
    // Without a word on it, a client takes what is not packed, but rather what it named.
    let plain = named("identity").or(any.filter(|any| *any == 0.0)).unwrap_or(f32::MIN_POSITIVE);
    let mut chosen = (Packing::Plain, plain);
    for (packing, weight) in best.into_iter().rev() {
        if weight > 0.0 && weight >= chosen.1 {
            chosen = (packing, weight);
        }
    }
    chosen.0
}

/// `br;q=0.5` as a name and a weight.
fn offer(text: &str) -> Option<(String, f32)> {
    let mut parts = text.split(';').map(str::trim);
    let name = parts.next().filter(|name| !name.is_empty())?.to_ascii_lowercase();
    let weight = parts.find_map(|part| part.strip_prefix("q=").or_else(|| part.strip_prefix("Q=")));
    Some((name, weight.map_or(1.0, |weight| weight.parse().unwrap_or(0.0))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(name: HeaderName, value: &str) -> HeaderMap {
        [(name, HeaderValue::from_str(value).unwrap())].into_iter().collect()
    }

    #[test]
    fn the_client_decides_how_a_body_is_packed() {
        for (accepts, expected) in [
            ("", Packing::Plain),
            ("gzip, deflate, br, zstd", Packing::Brotli),
            ("gzip", Packing::Gzip),
            ("GZIP;Q=0.3", Packing::Gzip),
            ("br;q=0, gzip;q=0.1", Packing::Gzip),
            ("br;q=0.2, gzip;q=0.9", Packing::Gzip),
            ("*", Packing::Brotli),
            ("*;q=0", Packing::Plain),
            ("br;q=0, *", Packing::Gzip),
            ("gzip;q=0.5, identity", Packing::Plain),
            ("identity;q=0.5, gzip;q=0.5", Packing::Gzip),
            ("identity;q=0, br;q=0.1", Packing::Brotli),
            ("br;q=nonsense, deflate, ;;,", Packing::Plain),
        ] {
            assert_eq!(packing(&asked(ACCEPT_ENCODING, accepts)), expected, "{accepts:?}");
        }
        assert_eq!(packing(&HeaderMap::new()), Packing::Plain);
    }

    #[test]
    fn who_has_it_is_not_sent_it_again() {
        let answer =
            |tags: &str| cached(&asked(IF_NONE_MATCH, tags), "a1", ASK, HeaderValue::from_static("x/y"), "text");
        for known in ["W/\"a1\"", "\"a1\"", "\"b2\", W/\"a1\"", "*"] {
            let answer = answer(known);
            assert_eq!(
                (answer.status(), &answer.headers()[ETAG]),
                (StatusCode::NOT_MODIFIED, &HeaderValue::from_static("W/\"a1\"")),
                "{known}"
            );
        }
        for other in ["W/\"a\"", "a1", "", "W/a1"] {
            assert_eq!(answer(other).status(), StatusCode::OK, "{other}");
        }
    }
}
