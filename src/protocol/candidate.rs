//! Texts of scripts and what is to be compiled of them, as they cross the wall.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use crate::program::BlobId;
use crate::program::image::ScriptRef;

/// A workspace whose scripts are to be compiled without serving it. The texts come before, as `Blobs`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Candidate {
    /// All scripts that may be required, and those to compile.
    pub scripts: Vec<ScriptRef>,
    /// Indices of those to compile.
    pub only: Vec<u32>,
}

/// The body of a `Blobs` frame: `id (16 bytes) | length u32 | text`, again and again.
pub fn write_blobs<'t>(blobs: impl IntoIterator<Item = (BlobId, &'t str)>) -> BytesMut {
    let mut body = BytesMut::new();
    for (id, text) in blobs {
        body.put_slice(id.bytes());
        // A text is part of a frame, and those are capped far below 4 GiB.
        body.put_u32_le(u32::try_from(text.len()).unwrap_or(u32::MAX));
        body.put_slice(text.as_bytes());
    }
    body
}

/// Reads what [`write_blobs`] wrote; nothing where it is something else.
pub fn read_blobs(mut body: Bytes) -> Option<Vec<(BlobId, String)>> {
    let mut blobs = Vec::new();
    while !body.is_empty() {
        if body.len() < 20 {
            return None;
        }
        let id = BlobId::from_bytes(body.split_to(16).as_ref().try_into().ok()?);
        let length = body.get_u32_le() as usize;
        if body.len() < length {
            return None;
        }
        blobs.push((id, String::from_utf8(body.split_to(length).to_vec()).ok()?));
    }
    Some(blobs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_read_back_as_written_and_anything_else_is_refused() {
        let (first, second) = (BlobId::of("a"), BlobId::of("é"));
        let body = write_blobs([(first, "a"), (second, "é")]).freeze();
        assert_eq!(read_blobs(body.clone()), Some(vec![(first, "a".to_owned()), (second, "é".to_owned())]));
        assert_eq!(read_blobs(body.slice(..body.len() - 1)), None);
        assert_eq!(read_blobs(body.slice(..7)), None);
    }
}
