//! Bodies of `multipart/form-data` (RFC 7578): the one part that is a file of some name.
//!
//! `multer`, which axum uses, was tried (3.1). It copies what is there of a body into a buffer of its own, which
//! `httpServer.bodies` would not count, has no bounds of parts and heads, swallows the part after one without a head, finds
//! `name=` inside of file names, and knows neither `filename*` nor how browsers write quotation marks: what reads names would
//! stay, and that is most of this file.

use std::ops::Range;

use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use memchr::memmem;

use super::error::HttpError;

/// Most parts of one body.
const PARTS: usize = 100;
/// Longest head of one part, in bytes.
const HEAD: usize = 8 << 10;
/// What a body may have beside its file, in bytes: boundaries, heads, small fields.
pub(crate) const BESIDE: usize = 64 << 10;

/// A file that a form brings.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Part {
    /// What the caller calls it; anything.
    pub(crate) file_name: String,
    /// The type that the caller says it has; anything.
    pub(crate) content_type: String,
    /// Where its bytes stand in the body.
    pub(crate) at: Range<usize>,
}

/// The file in the field `field`.
///
/// # Errors
/// The body is no such form, or has no such file.
pub(crate) fn file(headers: &HeaderMap, body: &[u8], field: &str) -> Result<Part, HttpError> {
    let none = || {
        HttpError::BadRequest(format!(
            "a file must be sent as the field `{field}` of a multipart/form-data body, with a file name"
        ))
    };
    let boundary = headers.get(CONTENT_TYPE).and_then(|value| boundary(value.to_str().ok()?)).ok_or_else(none)?;
    let broken = || HttpError::BadRequest("the multipart body breaks off or is malformed".into());
    let delimiter = format!("\r\n--{boundary}");
    let finder = memmem::Finder::new(&delimiter);
    // What stands before the first boundary says nothing; that one may be at the very beginning.
    let mut rest = match body.strip_prefix(&delimiter.as_bytes()[2..]) {
        Some(rest) => rest,
        None => &body[finder.find(body).ok_or_else(broken)? + delimiter.len()..],
    };
    for _ in 0..PARTS {
        if rest.starts_with(b"--") {
            return Err(none());
        }
        let line = memmem::find(rest, b"\r\n").ok_or_else(broken)?;
        if !rest[..line].iter().all(|byte| matches!(byte, b' ' | b'\t')) {
            return Err(broken());
        }
        // The line's end belongs to the head: a part may have none.
        let part = &rest[line..];
        let end = memmem::find(&part[..part.len().min(HEAD)], b"\r\n\r\n").ok_or_else(broken)?;
        let (head, content) = (&part[..end], &part[end + 4..]);
        // An empty content's boundary shares its line's end with the head.
        let length = match part[end + 2..].starts_with(delimiter.as_bytes()) {
            true => 0,
            false => finder.find(content).ok_or_else(broken)?,
        };
        rest = if part[end + 2..].starts_with(delimiter.as_bytes()) {
            &part[end + 2 + delimiter.len()..]
        } else {
            &content[length + delimiter.len()..]
        };
        let from = body.len() - content.len();
        let at = from..from + length;
        let head = String::from_utf8_lossy(head);
        if let Some(file_name) = name_of_file(&head, field) {
            let content_type = header(&head, "content-type").unwrap_or_default().to_owned();
            return Ok(Part { file_name, content_type, at });
        }
    }
    Err(HttpError::BadRequest(format!("the multipart body has more than {PARTS} parts")))
}

/// The boundary that a content type names.
fn boundary(content_type: &str) -> Option<String> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    let boundary = parameter(parameters, "boundary")?;
    let fine = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
    ((1..=70).contains(&boundary.len()) && boundary.bytes().all(fine)).then_some(boundary)
}

/// A header of a part.
fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = head.split("\r\n").filter_map(|line| line.split_once(':'));
    lines.find(|(known, _)| known.trim().eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// The file's name, if the part is a file in that field.
fn name_of_file(head: &str, field: &str) -> Option<String> {
    let (kind, parameters) = header(head, "content-disposition")?.split_once(';')?;
    if !kind.trim().eq_ignore_ascii_case("form-data") || parameter(parameters, "name")? != field {
        return None;
    }
    let extended = parameter(parameters, "filename*").and_then(|value| {
        let encoded = value.get(..7).filter(|start| start.eq_ignore_ascii_case("utf-8''")).map(|_| &value[7..])?;
        Some(percent_encoding::percent_decode_str(encoded).decode_utf8_lossy().into_owned())
    });
    extended.or_else(|| parameter(parameters, "filename"))
}

/// A parameter: `name=value` or `name="value"`, where browsers write `"` as `%22`.
fn parameter(text: &str, name: &str) -> Option<String> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([';', ' ', '\t']);
        let (key, after) = rest.split_once('=')?;
        let (value, next) = match after.strip_prefix('"') {
            Some(quoted) => {
                let end = quoted.find('"')?;
                (&quoted[..end], &quoted[end + 1..])
            }
            None => {
                let end = after.find(';').unwrap_or(after.len());
                (after[..end].trim(), &after[end..])
            }
        };
        if key.trim().eq_ignore_ascii_case(name) {
            return Some(value.replace("%22", "\"").replace("%0D", "\r").replace("%0A", "\n"));
        }
        rest = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(content_type: &str, body: &[u8]) -> Result<(String, String, Vec<u8>), String> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let part = file(&headers, body, "file").map_err(|error| error.to_string())?;
        Ok((part.file_name, part.content_type, body[part.at].to_vec()))
    }

    const TYPE: &str = "multipart/form-data; boundary=X";

    fn form(head: &str, content: &str) -> String {
        format!("--X\r\n{head}\r\n\r\n{content}\r\n--X--\r\n")
    }

    #[test]
    fn a_file_is_found_among_the_parts_with_every_byte() {
        let content = b"\0\r\n\r\n--\r\n--Y\xff--X";
        let mut body = b"preamble\r\n--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--X  \r\n".to_vec();
        body.extend(b"content-TYPE: image/png\r\nContent-Disposition: form-data; filename=\"a;b=%22c\xc3\xa9.png\"; name=file\r\n\r\n");
        body.extend(content);
        body.extend(b"\r\n--X--");
        for content_type in [TYPE, "Multipart/Form-Data; charset=utf-8; boundary=\"X\""] {
            let found = of(content_type, &body).unwrap();
            assert_eq!(found, ("a;b=\"cé.png".into(), "image/png".into(), content.to_vec()));
        }
        let empty = of(TYPE, b"--X\r\nContent-Disposition: form-data; name=file; filename=\"\"\r\n\r\n--X--").unwrap();
        assert_eq!(empty, (String::new(), String::new(), Vec::new()));
        let extended =
            form("Content-Disposition: form-data; name=\"file\"; filename=\"x\"; filename*=UTF-8''%E7%8C%AB.png", "");
        assert_eq!(of(TYPE, extended.as_bytes()).unwrap().0, "猫.png");
    }

    #[test]
    fn what_has_no_such_file_or_is_no_form_is_refused() {
        let other = form("Content-Disposition: form-data; name=\"other\"; filename=\"a.txt\"", "hello");
        let field = form("Content-Disposition: form-data; name=\"file\"", "hello");
        let headless = form("", "hello");
        for body in [&other, &field, &headless] {
            assert!(of(TYPE, body.as_bytes()).unwrap_err().contains("the field `file`"), "{body}");
        }
        assert!(of("application/json", b"{}").unwrap_err().contains("the field `file`"));
        assert!(of("multipart/form-data", other.as_bytes()).unwrap_err().contains("the field `file`"));
        let file = form("Content-Disposition: form-data; name=\"file\"; filename=\"a\"", "hello");
        for cut in 0..file.len() - 5 {
            assert!(of(TYPE, &file.as_bytes()[..cut]).is_err(), "{cut}");
        }
        let long = form(&format!("X: {}", "x".repeat(HEAD)), "");
        let many = "--X\r\nA: b\r\n\r\n\r\n".repeat(PARTS + 1);
        for body in [long.as_str(), &many, "", "--X", "--Xa\r\n\r\n\r\n--X--"] {
            assert!(of(TYPE, body.as_bytes()).unwrap_err().contains("multipart body"), "{body:.40}");
        }
    }
}
