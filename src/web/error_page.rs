//! `/docs/http-errors`: what the errors of this server mean, where the `docs` of an error's JSON points. It is the table of
//! `docs/http.md`.

use std::fmt::Write as _;

use axum::body::Body;
use axum::http::header::{CONTENT_SECURITY_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderMap, HeaderValue, Response};

use super::cached::cached_text;
use super::error::{HTML, escape};

const PAGE: &str = include_str!("../../docs/http.md");
const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
);

/// `GET /docs/http-errors`.
pub(crate) async fn page(asked: HeaderMap) -> Response<Body> {
    let mut response = cached_text(&asked, HTML, html());
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, POLICY);
    response.headers_mut().insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

fn html() -> String {
    let mut out = "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
                   <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Errors</title>\n\
                   <style>body{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}\
                   td,th{text-align:left;vertical-align:top;padding:.3rem 1rem .3rem 0}</style>\n</head>\n<body>\n\
                   <h1>Errors</h1>\n<table>\n<tr><th>status</th><th>errorCode</th><th>when</th></tr>\n"
        .to_owned();
    for row in rows() {
        // Writing to a string cannot fail.
        let _ = writeln!(out, "<tr><td>{}</td></tr>", row.join("</td><td>"));
    }
    out.push_str(
        "</table>\n<p>Where the message is just \"Unexpected error\", <code>full</code> says more in development, and the \
         server's log does. Nothing of a refused request is stored.</p>\n</body>\n</html>\n",
    );
    out
}

/// The rows of the table, as HTML.
fn rows() -> impl Iterator<Item = Vec<String>> {
    let section = PAGE.split_once("\n## Errors\n").map_or("", |(_, rest)| rest);
    let section = section.split_once("\n## ").map_or(section, |(section, _)| section);
    let table = section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| status"));
    table.map(|line| line.trim_matches('|').split('|').map(|cell| code(&escape(cell.trim()))).collect())
}

/// What stands between back ticks becomes code.
fn code(text: &str) -> String {
    let parts = text.split('`').enumerate();
    parts.map(|(at, part)| if at % 2 == 1 { format!("<code>{part}</code>") } else { part.to_owned() }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_row_of_the_table() {
        let rows: Vec<_> = rows().collect();
        assert!(rows.len() >= 10 && rows.iter().all(|row| row.len() == 3), "{rows:?}");
        let page = html();
        assert!(page.contains("<td>503</td><td><code>BP_0053</code></td>"), "{page}");
        assert!(!page.contains('`') && !page.contains("---"), "{page}");
    }
}
