//! For `crate::fuzzing`: names of files, which callers give.

use super::kind::{MediaKind, kind_of, mime_of, with_ending};
use super::name::{in_address, is_one_file, shown, stored};

/// What is made of a name is one file, one line, one part of an address.
pub(in crate::services) fn name(name: &str) {
    let file = stored(name);
    assert!(is_one_file(&file) && file.len() <= 120, "{file:?}");
    let line = shown(name);
    assert!(!line.is_empty() && !line.contains(char::is_control) && line.chars().count() <= 255, "{line:?}");
    assert_eq!(shown(&line), line, "not the same shown again");
    let part = in_address(name);
    assert!(part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.~%".contains(&byte)), "{part:?}");
    assert_eq!(percent_encoding::percent_decode_str(&part).decode_utf8_lossy(), name);
    // The name says as well what it is said to be.
    let mime = mime_of(name, name);
    assert!(mime.len() <= 100 && mime.bytes().all(|byte| byte.is_ascii_graphic()), "{mime:?}");
    if kind_of(name).1 == MediaKind::Other {
        assert!(!["image/", "audio/", "video/"].iter().any(|group| mime.starts_with(group)), "{mime:?}");
    }
    assert!(with_ending(name, &mime).starts_with(name));
}
