//! `/assets`: the chat widget, embedded in the binary and already compressed, and what the workspace has in `assets/`.

use std::collections::BTreeMap;
use std::path::Path as FilePath;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE, VARY};
use axum::http::{HeaderMap, HeaderValue, Method, Response, Uri};
use serde::Deserialize;
use tokio::task::spawn_blocking;

use crate::beneath::Links;
use crate::services::media::{MediaKind, kind_of};
use crate::services::served;

use super::cached::{ASK, FOREVER, Packing, SHORTLY, cached, file, packing};
use super::error::HttpError;
use super::state::Web;

/// What `webchat/build.mjs` made.
pub(super) struct Widget {
    /// Every file.
    files: &'static [WidgetFile],
    /// Vite's manifest: which of them the frame's page loads.
    manifest: &'static str,
}

struct WidgetFile {
    name: &'static str,
    /// A hash of what it holds.
    tag: &'static str,
    plain: &'static [u8],
    brotli: &'static [u8],
    gzip: &'static [u8],
}

/// The widget of this build.
pub(super) const WIDGET: Widget = include!(concat!(env!("OUT_DIR"), "/webchat.rs"));

/// Folders of a workspace whose files are served: ours, and the original's.
const FOLDERS: [&str; 2] = ["assets", "data/assets"];

/// What may be served of a workspace besides pictures, sounds and films ([`kind_of`]), by extension: what pages and chats show.
/// No scripts and no pages: they would run with the server's origin.
const TYPES: [(&str, &str); 9] = [
    ("css", "text/css; charset=utf-8"),
    ("json", "application/json; charset=utf-8"),
    ("otf", "font/otf"),
    ("pdf", "application/pdf"),
    ("svg", "image/svg+xml"),
    ("ttf", "font/ttf"),
    ("txt", "text/plain; charset=utf-8"),
    ("woff", "font/woff"),
    ("woff2", "font/woff2"),
];

/// What the frame's page loads.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Entry {
    /// The module that runs.
    pub(super) script: String,
    /// Modules that it imports.
    pub(super) imports: Vec<String>,
    /// Style sheets of all these.
    pub(super) styles: Vec<String>,
}

/// A row of Vite's manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Chunk {
    file: String,
    #[serde(default)]
    is_entry: bool,
    #[serde(default)]
    css: Vec<String>,
    /// Keys of the manifest.
    #[serde(default)]
    imports: Vec<String>,
}

impl Widget {
    /// The script and the styles of the frame's page.
    pub(super) fn entry(&self) -> Entry {
        let chunks: BTreeMap<String, Chunk> = serde_json::from_str(self.manifest).unwrap_or_default();
        let Some(first) = chunks.values().find(|chunk| chunk.is_entry) else { return Entry::default() };
        let mut entry = Entry { script: first.file.clone(), imports: Vec::new(), styles: first.css.clone() };
        let mut next: Vec<&String> = first.imports.iter().collect();
        while let Some(chunk) = next.pop().and_then(|key| chunks.get(key)) {
            if !entry.imports.contains(&chunk.file) {
                entry.imports.push(chunk.file.clone());
                entry.styles.extend(chunk.css.iter().cloned());
                next.extend(&chunk.imports);
            }
        }
        entry
    }
}

/// `GET /assets/modules/channel-web/…`.
pub(crate) async fn widget(
    Path(path): Path<String>,
    method: Method,
    uri: Uri,
    asked: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let file = WIDGET.files.iter().find(|file| file.name == path).ok_or_else(|| nothing(&method, &uri))?;
    let (encoding, bytes) = match packing(&asked) {
        Packing::Brotli => (Some("br"), file.brotli),
        Packing::Gzip => (Some("gzip"), file.gzip),
        Packing::Plain => (None, file.plain),
    };
    let keep = if file.name.starts_with("frame") { FOREVER } else { SHORTLY };
    let mut response = cached(&asked, file.tag, keep, content_type(file.name), bytes);
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Some(encoding) = encoding.filter(|_| headers.contains_key(CONTENT_TYPE)) {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    Ok(response)
}

/// `GET /assets/…`: style sheets and pictures of the workspace.
pub(crate) async fn of_workspace(
    State(web): State<Web>,
    Path(path): Path<String>,
    method: Method,
    uri: Uri,
    asked: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let content_type = servable(&path).ok_or_else(|| nothing(&method, &uri))?;
    let (root, outside) = (web.workspace.borrow().root.clone(), web.settings.links.outside);
    let opening = spawn_blocking(move || {
        let open = |folder| served::open((&root, outside), (folder, &path), Links::Follow, leads_to_servable).ok();
        FOLDERS.into_iter().find_map(open)
    });
    let opened = opening.await.ok().flatten().ok_or_else(|| nothing(&method, &uri))?;
    // A picture may hold scripts if it is opened by itself.
    let policy = HeaderValue::from_static("default-src 'none'; style-src 'unsafe-inline'; sandbox");
    let response = self::file(&web, opened, (&method, &asked), (content_type, ASK, policy)).await?;
    response.ok_or_else(|| nothing(&method, &uri))
}

/// Whether what a link leads to may be served: by its own name, too, and not from a hidden folder.
fn leads_to_servable(place: &FilePath) -> bool {
    let name = if place.is_absolute() { place.file_name().map(FilePath::new) } else { Some(place) };
    name.and_then(FilePath::to_str).and_then(servable).is_some()
}

/// The content type of a path that may be served: no hidden file or folder on the way, no way out, and a known type.
fn servable(path: &str) -> Option<&'static str> {
    let plain = |part: &str| !part.is_empty() && !part.starts_with('.') && !part.contains(['\\', '\0', ':']);
    if !path.split('/').all(plain) {
        return None;
    }
    type_of(path)
}

/// The content type of a name; `None` for what is neither shown by browsers nor in the table.
fn type_of(name: &str) -> Option<&'static str> {
    let (mime, kind) = kind_of(name);
    let (_, extension) = name.rsplit_once('.')?;
    let known = || TYPES.iter().find(|(known, _)| extension.eq_ignore_ascii_case(known)).map(|(_, mime)| *mime);
    if kind == MediaKind::Other { known() } else { Some(mime) }
}

/// As recorded for an asset that there is not.
fn nothing(method: &Method, uri: &Uri) -> HttpError {
    HttpError::Page(format!("{method} {}", uri.path()))
}

/// The content type of one of the widget's own files.
fn content_type(name: &str) -> HeaderValue {
    HeaderValue::from_static(match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        Some((_, "html")) => "text/html; charset=utf-8",
        _ => type_of(name).unwrap_or("application/octet-stream"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_pictures_and_the_like_are_served_of_a_workspace_and_nothing_hidden_or_outside() {
        assert_eq!(servable("shop/logo.PNG"), Some("image/png"));
        assert_eq!(servable("style.css"), Some("text/css; charset=utf-8"));
        assert_eq!((servable("a.flac"), servable("a.svg")), (Some("audio/flac"), Some("image/svg+xml")));
        let refused = [
            "",
            ".env",
            "a/.git/x.png",
            "../data.db",
            "a/../x.png",
            "..\\x.png",
            "x.js",
            "x.html",
            "x",
            "a//x.png",
            "/etc/x.png",
            "x.png\0.css",
            "c:/x.png",
        ];
        for path in refused {
            assert_eq!(servable(path), None, "{path:?}");
        }
    }

    #[test]
    fn the_frames_page_loads_what_the_build_made() {
        let entry = WIDGET.entry();
        assert!(WIDGET.files.iter().any(|file| file.name == entry.script), "{entry:?}");
        for name in ["inject.js", "inject.css", "default.css", "examples/embedded-webchat.html"] {
            assert!(WIDGET.files.iter().any(|file| file.name == name), "{name}");
        }
    }

    #[test]
    fn imports_of_imports_are_loaded_at_once() {
        let manifest = r#"{ "m": { "file": "m.js", "isEntry": true, "imports": ["a"], "css": ["m.css"] },
            "a": { "file": "a.js", "imports": ["b", "a"], "css": ["a.css"] }, "b": { "file": "b.js" }, "later": { "file": "l.js" } }"#;
        let entry = Widget { files: &[], manifest }.entry();
        let texts = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            entry,
            Entry { script: "m.js".into(), imports: texts(&["a.js", "b.js"]), styles: texts(&["m.css", "a.css"]) }
        );
    }
}
