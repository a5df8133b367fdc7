//! Whether a request asks for a websocket as RFC 6455 has it. The library looks at its key alone, and at that not closely.

use axum::body::Body;
use axum::http::header::{CONNECTION, HeaderMap, HeaderName, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE};
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, Response, StatusCode, Version};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::web::error::{TEXT, answer};
use crate::web::strict_head::is_websocket;

/// The only version there is.
const VERSION: &str = "13";
/// Bytes of a key.
const KEY: usize = 16;

/// The answer to a request whose address says that it is for a websocket, where it is not well-formed.
pub(super) fn refusal(parts: &Parts) -> Option<Response<Body>> {
    let refused = |said: &'static str| Some(answer(StatusCode::BAD_REQUEST, TEXT, said));
    let headers = &parts.headers;
    if parts.method != Method::GET || parts.version < Version::HTTP_11 {
        return refused("a websocket begins with GET in HTTP/1.1");
    }
    if !only(headers, &UPGRADE).is_some_and(|value| is_websocket(value.as_bytes())) {
        return refused("a websocket needs the header `Upgrade: websocket`, once");
    }
    if !says_upgrade(headers) {
        return refused("a websocket needs the header `Connection: Upgrade`");
    }
    if only(headers, &SEC_WEBSOCKET_VERSION).is_none_or(|version| version.as_bytes() != VERSION.as_bytes()) {
        let said = "this version of websockets is not spoken here, only 13 (`Sec-WebSocket-Version: 13`)";
        let mut answer = answer(StatusCode::UPGRADE_REQUIRED, TEXT, said);
        answer.headers_mut().insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static(VERSION));
        answer.headers_mut().insert(UPGRADE, HeaderValue::from_static("websocket"));
        return Some(answer);
    }
    let key = only(headers, &SEC_WEBSOCKET_KEY).and_then(|key| STANDARD.decode(key.as_bytes()).ok());
    if key.is_none_or(|key| key.len() != KEY) {
        return refused("a websocket needs the header `Sec-WebSocket-Key` with 16 bytes as base64, once");
    }
    None
}

/// The value of a header that is there once.
fn only<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

fn says_upgrade(headers: &HeaderMap) -> bool {
    let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|token| token.trim().eq_ignore_ascii_case("upgrade"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(change: &[(HeaderName, Option<&str>)]) -> u16 {
        let mut request = axum::http::Request::get("/socket.io/?transport=websocket").body(()).unwrap();
        let headers = request.headers_mut();
        for (name, value) in [
            (UPGRADE, "websocket"),
            (CONNECTION, "Upgrade"),
            (SEC_WEBSOCKET_VERSION, "13"),
            (SEC_WEBSOCKET_KEY, "dGhlIHNhbXBsZSBub25jZQ=="),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        for (name, value) in change {
            match value {
                Some(value) => drop(headers.insert(name, value.parse().unwrap())),
                None => drop(headers.remove(name)),
            }
        }
        refusal(&request.into_parts().0).map_or(101, |answer| answer.status().as_u16())
    }

    #[test]
    fn a_websocket_is_asked_for_by_the_rules_or_not_at_all() {
        assert_eq!(status(&[]), 101);
        for (name, value) in [(UPGRADE, "WebSocket"), (CONNECTION, "keep-alive, Upgrade"), (CONNECTION, "UPGRADE")] {
            assert_eq!(status(&[(name, Some(value))]), 101, "{value}");
        }
        for (name, value) in [
            (UPGRADE, None),
            (UPGRADE, Some("h2c")),
            (UPGRADE, Some("websocket, h2c")),
            (CONNECTION, None),
            (CONNECTION, Some("keep-alive")),
            (CONNECTION, Some("upgraded")),
            (SEC_WEBSOCKET_KEY, None),
            (SEC_WEBSOCKET_KEY, Some("")),
            (SEC_WEBSOCKET_KEY, Some("dGhlIHNhbXBsZSBub25j")),
            (SEC_WEBSOCKET_KEY, Some("dGhlIHNhbXBsZSBub25jZQ")),
            (SEC_WEBSOCKET_KEY, Some("dGhlIHNhbXBsZSBub25jZSE=")),
        ] {
            assert_eq!(status(&[(name.clone(), value)]), 400, "{name} {value:?}");
        }
        for version in [None, Some("99"), Some("12"), Some("8"), Some("13, 8"), Some(""), Some("013")] {
            assert_eq!(status(&[(SEC_WEBSOCKET_VERSION, version)]), 426, "{version:?}");
        }
    }
}
