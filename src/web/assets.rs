//! `/assets`: the chat widget, embedded in the binary, already compressed.

use axum::body::Body;
use axum::extract::{Path, Request};
use axum::http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Response};
use serde::Deserialize;

use super::error::HttpError;

/// What `webchat/build.mjs` made.
pub(super) struct Widget {
    /// Every file.
    files: &'static [WidgetFile],
    /// Vite's manifest: which of them the frame's page loads.
    manifest: &'static str,
}

struct WidgetFile {
    name: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

/// The widget of this build.
pub(super) const WIDGET: Widget = include!(concat!(env!("OUT_DIR"), "/webchat.rs"));

/// Names with a hash never change what they hold.
const FOREVER: &str = "public, max-age=31536000, immutable";
/// Fixed names change with the next release.
const SHORTLY: &str = "public, max-age=300";

/// What the frame's page loads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) script: String,
    pub(super) styles: Vec<String>,
}

impl Widget {
    /// The script and the styles of the frame's page.
    pub(super) fn entry(&self) -> Entry {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Chunk {
            file: String,
            #[serde(default)]
            is_entry: bool,
            #[serde(default)]
            css: Vec<String>,
        }
        let chunks: std::collections::BTreeMap<String, Chunk> = serde_json::from_str(self.manifest).unwrap_or_default();
        let entry = chunks.into_values().find(|chunk| chunk.is_entry);
        entry.map_or_else(Entry::default, |chunk| Entry { script: chunk.file, styles: chunk.css })
    }
}

/// `GET /assets/modules/channel-web/…`.
pub(crate) async fn widget(Path(path): Path<String>, request: Request) -> Result<Response<Body>, HttpError> {
    let file = WIDGET.files.iter().find(|file| file.name == path);
    let file = file.ok_or_else(|| HttpError::Page(format!("GET {}", request.uri().path())))?;
    let (encoding, bytes) = file.fitting(request.headers());
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type(file.name)));
    let cached = if file.name.starts_with("frame") { FOREVER } else { SHORTLY };
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(cached));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}

impl WidgetFile {
    /// The smallest form that the client takes.
    fn fitting(&self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        let accepted = headers.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let takes =
            |name: &str| accepted.split(',').any(|one| one.split(';').next().is_some_and(|one| one.trim() == name));
        if takes("br") {
            (Some("br"), self.brotli)
        } else if takes("gzip") {
            (Some("gzip"), self.gzip)
        } else {
            (None, self.plain)
        }
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    }
}
