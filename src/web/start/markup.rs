//! What the start and example pages are made of: their head, their headers, and texts that never become markup.

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, Response};

use crate::telemetry::escape::one_line;
use crate::web::error::escape;

/// A page's beginning; `style` is where its style sheet is, from there.
pub(super) fn head(title: &str, style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>{}</title>\n\
         <link rel=\"icon\" href=\"data:,\">\n<link rel=\"stylesheet\" href=\"{style}\">\n</head>\n<body>\n",
        escape(title)
    )
}

/// Headers of pages of ours; `sources` is what they may load.
pub(super) fn secured(mut response: Response<Body>, sources: &str) -> Response<Body> {
    let policy = format!("{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    let headers = response.headers_mut();
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(CONTENT_SECURITY_POLICY, policy);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    response
}

/// A text of a file, a script or a visitor, in one line, as HTML. Also within quotes.
pub(super) fn shown(text: &str) -> String {
    escape(&one_line(text)).replace('"', "&quot;")
}

/// A text of several lines as HTML.
pub(super) fn block(text: &str) -> String {
    escape(text).into_owned()
}
