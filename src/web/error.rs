//! What a caller is told when a request is refused: the two shapes that clients of the reference know.
//!
//! Mistakes that a module checks itself are a plain message (`text/html`), everything else is JSON
//! `{ statusCode, errorCode, type, message, docs }`.

use std::borrow::Cow;
use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderValue, Response, StatusCode};
use axum::response::IntoResponse;
use serde::Serialize;

use crate::dispatch::AcceptError;
use crate::services::{TokenError, VisitorError};
use crate::store::StoreError;

/// Where errors are explained: a path of the server that answered (see `error_page`); clients print it.
pub(crate) const DOCS: &str = "/docs/http-errors";

/// The content type of plain messages, as the reference has it.
pub(crate) const HTML: HeaderValue = HeaderValue::from_static("text/html; charset=utf-8");
/// The content type of `OK` and of redirects.
pub(crate) const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
/// The content type of JSON.
pub(crate) const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");

/// Seconds after which to try again what could not be stored.
const RETRY_STORING: u32 = 10;

/// A request that is not served, and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// A module's own check failed: the message alone.
    #[error("{1}")]
    Plain(StatusCode, Cow<'static, str>),
    /// The same as JSON: `{ message }`.
    #[error("{1}")]
    Message(StatusCode, &'static str),
    /// What the framework itself refuses: `BP_000`, "Unexpected error", the kind tells what it was.
    #[error("{detail}")]
    Unexpected {
        /// The status.
        status: StatusCode,
        /// `type` in the answer, `entity.parse.failed` for instance.
        kind: &'static str,
        /// What really happened; callers see it in development only.
        detail: String,
    },
    /// The caller's mistake, explained. 400 `BP_0040`.
    #[error("Bad Request: {0}")]
    BadRequest(String),
    /// No token or a wrong one. 401 `BP_0041`.
    #[error("Unauthorized: {0}")]
    Unauthorized(Cow<'static, str>),
    /// A token that is not good. 401 `BP_0041`; why, callers see in development only.
    #[error("Unauthorized: Invalid authentication token")]
    InvalidToken(TokenError),
    /// The visitor's secret is missing or wrong. 401 `BP_0041`; `type` is [`VisitorError::code`].
    #[error(
        "Unauthorized: {0}: send it in the header X-Visitor-Secret, or set `visitorSecret: \"off\"` in config/channel-web.json for \
         old clients"
    )]
    Visitor(VisitorError),
    /// A token of another system that is not good. 401 `BP_0401`.
    #[error("Invalid external token: {0}")]
    ExternalToken(Cow<'static, str>),
    /// There is no such thing. 404 `BP_0044`.
    #[error("Not Found: {0}")]
    NotFound(String),
    /// Too much is waiting, or the server is going down. 503 with `Retry-After`.
    #[error("Service Unavailable: {detail}")]
    Unavailable {
        /// Seconds after which to try again.
        retry_after: u32,
        /// What is full.
        detail: String,
    },
    /// There is no memory left for what it brings or asks for. 503 with `Retry-After`, and the connection ends: whatever else was asked on it
    /// would be made ready in vain, too.
    #[error("Service Unavailable: too many large bodies at once (`httpServer.bodies`)")]
    NoRoom,
    /// The disk or the database is full or ill. 503 with `Retry-After`; why, callers see in development only. Who cannot store it says so.
    #[error("Service Unavailable: nothing can be stored at present, nor was this; try again in {RETRY_STORING} s")]
    NotStored(String),
    /// A path that nobody serves, as a page (under `/api/` it is a [`HttpError::NotFound`]).
    #[error("Cannot {0}")]
    Page(String),
}

/// Why a request without a token is refused. What to do is said beside it, in development.
pub(crate) const NO_TOKEN: &str = "Authorization header is missing";

/// Seconds after which to try again what found no memory.
const RETRY_ROOM: u32 = 1;

/// Marks an answer after which nothing more is read of its connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndsConnection;

/// What the caller of a production server is not told. `web::router` adds it in development.
#[derive(Clone)]
pub(crate) struct Detail(pub(crate) String);

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    status_code: u16,
    error_code: &'a str,
    #[serde(rename = "type")]
    kind: &'a str,
    message: &'a str,
    docs: &'a str,
}

impl HttpError {
    /// A plain 400, as modules answer a wrong argument.
    pub(crate) fn plain(message: impl Into<Cow<'static, str>>) -> Self {
        Self::Plain(StatusCode::BAD_REQUEST, message.into())
    }

    /// The body is no JSON.
    pub(crate) fn parse_failed(detail: impl ToString) -> Self {
        Self::Unexpected { status: StatusCode::BAD_REQUEST, kind: "entity.parse.failed", detail: detail.to_string() }
    }

    /// Something of ours failed.
    pub(crate) fn internal(kind: &'static str, detail: impl ToString) -> Self {
        Self::Unexpected { status: StatusCode::INTERNAL_SERVER_ERROR, kind, detail: detail.to_string() }
    }

    /// A text that is missing or has more than so many units.
    pub(crate) fn too_long(longest: usize) -> Self {
        Self::plain(format!("Text must be a valid string of less than {longest} chars"))
    }

    /// A conversation that there is not, or not for this user.
    pub(crate) fn no_conversation(id: &str) -> Self {
        Self::Plain(StatusCode::NOT_FOUND, format!("Conversation \"{id}\" not found - BP_CONV_NOT_FOUND").into())
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Plain(status, _) | Self::Message(status, _) | Self::Unexpected { status, .. } => *status,
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) | Self::InvalidToken(_) | Self::Visitor(_) | Self::ExternalToken(_) => {
                StatusCode::UNAUTHORIZED
            }
            Self::NotFound(_) | Self::Page(_) => StatusCode::NOT_FOUND,
            Self::Unavailable { .. } | Self::NoRoom | Self::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

impl IntoResponse for HttpError {
    fn into_response(self) -> Response<Body> {
        let status = self.status();
        // What is full says so itself, once.
        let full = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::INSUFFICIENT_STORAGE];
        if status.is_server_error() && !full.contains(&status) {
            tracing::error!(status = status.as_u16(), "{self}");
        }
        let message = self.to_string();
        let mut response = match &self {
            Self::Plain(_, text) => answer(status, HTML, escape(text).into_owned()),
            Self::Message(_, text) => answer(status, JSON, body(&serde_json::json!({ "message": text }))),
            Self::Page(_) => answer(status, HTML, page(&message)),
            Self::Unexpected { kind, .. } => {
                let mut response = json(status, "BP_000", kind, "Unexpected error");
                response.extensions_mut().insert(Detail(message));
                response
            }
            Self::BadRequest(_) => json(status, "BP_0040", "BadRequestError", &message),
            Self::Unauthorized(why) => {
                let mut response = json(status, "BP_0041", "UnauthorizedError", &message);
                if why == NO_TOKEN {
                    let what_to_do = "make a token with `nudge token` and send it as `Authorization: Bearer <token>`";
                    response.extensions_mut().insert(Detail(format!("{why}: {what_to_do}")));
                }
                response
            }
            Self::InvalidToken(why) => {
                let mut response = json(status, "BP_0041", "UnauthorizedError", &message);
                response.extensions_mut().insert(Detail(why.to_string()));
                response
            }
            Self::Visitor(why) => json(status, "BP_0041", why.code(), &message),
            Self::ExternalToken(_) => json(status, "BP_0401", "InvalidExternalToken", &message),
            Self::NotFound(_) => json(status, "BP_0044", "NotFoundError", &message),
            Self::Unavailable { .. } => json(status, "BP_0053", "ServiceUnavailableError", &message),
            Self::NoRoom => {
                let mut response = json(status, "BP_0053", "ServiceUnavailableError", &message);
                response.extensions_mut().insert(EndsConnection);
                response
            }
            Self::NotStored(why) => {
                let mut response = json(status, "BP_0053", "ServiceUnavailableError", &message);
                response.extensions_mut().insert(Detail(why.clone()));
                response
            }
        };
        let retry_after = match self {
            Self::Unavailable { retry_after, .. } => Some(retry_after),
            Self::NoRoom => Some(RETRY_ROOM),
            Self::NotStored(_) => Some(RETRY_STORING),
            _ => None,
        };
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

/// An answer of one piece.
pub(crate) fn answer(status: StatusCode, content_type: HeaderValue, body: impl Into<Body>) -> Response<Body> {
    let mut response = Response::new(body.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

fn json(status: StatusCode, code: &str, kind: &str, message: &str) -> Response<Body> {
    answer(status, JSON, body(&Wire { status_code: status.as_u16(), error_code: code, kind, message, docs: DOCS }))
}

fn body(wire: &impl Serialize) -> String {
    // Strings and numbers into memory cannot fail.
    serde_json::to_string(wire).unwrap_or_default()
}

/// Adds `full`, what really happened, to an error's JSON: for development, where nobody but the author reads it.
pub(crate) async fn with_detail(response: Response<Body>) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let Some(Detail(detail)) = parts.extensions.remove() else { return Response::from_parts(parts, body) };
    let Ok(bytes) = axum::body::to_bytes(body, 1 << 20).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let mut text = String::from_utf8_lossy(&bytes).into_owned();
    if text.ends_with('}') {
        text.pop();
        // Writing to a string cannot fail.
        let _ = write!(text, ",\"full\":{}}}", serde_json::Value::String(detail));
    }
    parts.headers.remove(axum::http::header::CONTENT_LENGTH);
    Response::from_parts(parts, text.into())
}

/// Text that a browser shows as it is, also where it came from the caller.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    if !text.contains(['<', '>', '&']) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"))
}

fn page(message: &str) -> String {
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>Error</title>\n</head>\n<body>\n<pre>{}</pre>\n</body>\n</html>\n",
        escape(message)
    )
}

/// An event that was not accepted.
pub(super) fn refused(error: AcceptError) -> HttpError {
    match error {
        AcceptError::Store(error) => stored(error),
        AcceptError::Full { retry_after, .. } => HttpError::Unavailable { retry_after, detail: error.to_string() },
        AcceptError::Stopping => HttpError::Unavailable { retry_after: 5, detail: error.to_string() },
    }
}

/// A store call that did not work out.
pub(super) fn stored(error: StoreError) -> HttpError {
    match error {
        StoreError::ConversationNotFound(id) => HttpError::no_conversation(&id.to_string()),
        StoreError::TooManyConversations(most) => HttpError::Plain(
            StatusCode::TOO_MANY_REQUESTS,
            format!("A user can have {most} conversations at most (`maxConversations`)").into(),
        ),
        error if error.is_trouble() => HttpError::NotStored(error.to_string()),
        other => HttpError::internal("Error", other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn text(response: Response<Body>) -> String {
        String::from_utf8(axum::body::to_bytes(response.into_body(), 1 << 16).await.unwrap().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_error_of_the_framework_names_its_kind_and_keeps_the_detail_for_development() {
        let response = HttpError::parse_failed("expected value at line 1").into_response();
        assert_eq!(response.status(), 400);
        let production = text(response).await;
        assert_eq!(
            production,
            format!(
                r#"{{"statusCode":400,"errorCode":"BP_000","type":"entity.parse.failed","message":"Unexpected error","docs":"/docs/http-errors"}}"#
            )
        );
        let development = text(with_detail(HttpError::parse_failed("a \"b\"").into_response()).await).await;
        assert!(development.ends_with(r#","full":"a \"b\""}"#), "{development}");
    }

    #[tokio::test]
    async fn what_the_caller_wrote_never_becomes_markup() {
        let shown = text(HttpError::Page("GET /<script>".into()).into_response()).await;
        assert!(shown.contains("<pre>Cannot GET /&lt;script&gt;</pre>"), "{shown}");
        let shown = text(HttpError::no_conversation("<b>").into_response()).await;
        assert_eq!(shown, "Conversation \"&lt;b&gt;\" not found - BP_CONV_NOT_FOUND");
    }

    #[test]
    fn an_overfull_queue_says_when_to_come_back() {
        let response = HttpError::Unavailable { retry_after: 2, detail: "queue is full".into() }.into_response();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &HeaderValue::from(2)));
        let response = HttpError::NotStored("database or disk is full".into()).into_response();
        assert_eq!((response.status().as_u16(), &response.headers()["retry-after"]), (503, &HeaderValue::from(10)));
    }
}
