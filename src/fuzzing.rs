//! What the fuzz targets call (`fuzz/`, docs/fuzzing.md): a function for each, which is given any bytes and panics where what must
//! hold does not. It is compiled for tests, which run all committed inputs through it, and for fuzzing; never into the server.

mod folder;
mod frames;
mod served;
mod settings;
mod texts;
mod workspace;

use crate::{services, web};

/// A target: its name and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: [Target; 15] = [
    ("frames", frames::frames),
    ("http_head", web::fuzzing::http_head),
    ("http_body", |bytes| by_line(bytes, web::fuzzing::http_body)),
    ("multipart", |bytes| by_line(bytes, web::fuzzing::multipart)),
    ("headers", |bytes| by_line(bytes, web::fuzzing::headers)),
    ("packets", |bytes| by_line(bytes, web::fuzzing::packets)),
    ("files", |bytes| by_line(bytes, workspace::files)),
    ("script", |bytes| by_line(bytes, workspace::script)),
    ("settings", settings::settings),
    ("secrets", |bytes| by_line(bytes, settings::secrets)),
    ("tokens", |bytes| by_line(bytes, services::fuzzing::tokens)),
    ("fetch", |bytes| by_line(bytes, services::fuzzing::fetch)),
    ("names", |bytes| by_line(bytes, texts::names)),
    ("served", served::served),
    ("dialog", texts::dialog),
];

/// Runs one input through a target.
///
/// # Panics
/// Something does not hold; or there is no such target.
pub fn run(target: &str, bytes: &[u8]) {
    let known = TARGETS.iter().find(|(name, _)| *name == target);
    let (_, check) = known.unwrap_or_else(|| panic!("there is no target {target:?}"));
    check(bytes);
}

/// Runs an input whose first line says what the rest is.
fn by_line(bytes: &[u8], check: fn(&str, &[u8])) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let line = String::from_utf8_lossy(parts.next().unwrap_or_default());
    check(&line, parts.next().unwrap_or_default());
}

#[cfg(test)]
mod tests;
