//! Reads a file as a whole: its size and time are the same before and after.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use super::places::Stamp;

/// When to look again at a file that changed while it was read.
pub(super) const AGAIN: Duration = Duration::from_millis(20);

/// What came of reading a file.
pub(super) enum Read {
    Text(String, Stamp),
    /// Why it cannot be used.
    Refused(String),
    /// It changed while it was read.
    Unsettled,
}

/// Reads a file whose size and time are the same before and after.
pub(super) fn read_stable(path: &Path, most: u64, attempts: usize) -> Read {
    for attempt in 0..attempts {
        if attempt > 0 {
            std::thread::sleep(AGAIN);
        }
        match read_once(path, most) {
            Ok(Some(read)) => return read,
            Ok(None) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Read::Refused(format!("cannot be read: {error}")),
        }
    }
    Read::Unsettled
}

fn read_once(path: &Path, most: u64) -> std::io::Result<Option<Read>> {
    let mut file = File::open(path)?;
    let before = Stamp::of(&file.metadata()?);
    if before.size > most {
        return Ok(Some(Read::Refused(format!(
            "too large: {} bytes, at most {most} (a quarter of `scripts.frame`)",
            before.size
        ))));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(before.size).unwrap_or(0) + 1);
    (&mut file).take(most + 1).read_to_end(&mut bytes)?;
    // By name, since the name may stand for another file by now.
    let after = Stamp::of(&fs::metadata(path)?);
    let same = (before.size, before.modified, before.identity) == (after.size, after.modified, after.identity);
    if !same || bytes.len() as u64 != after.size {
        return Ok(None);
    }
    Ok(Some(match String::from_utf8(bytes) {
        Ok(text) => Read::Text(text.strip_prefix('\u{feff}').map(ToOwned::to_owned).unwrap_or(text), after),
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let line = error.as_bytes()[..valid].iter().filter(|byte| **byte == b'\n').count() + 1;
            Read::Refused(format!("not UTF-8: line {line} holds a byte that is no character; save the file as UTF-8"))
        }
    }))
}
