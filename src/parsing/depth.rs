//! Guards before the parser: it descends with the text. What they do not see ends the process, and is said without a place; so
//! they see what people write by accident.

use crate::config::{Problem, ReadLimits};

/// Refuses a script whose brackets nest too deeply, or that chains too many prefix operators.
pub(super) fn refuse_nesting(path: &str, source: &str, limits: &ReadLimits) -> Result<(), Vec<Problem>> {
    let Some(offset) = too_deep(source, limits.nesting) else { return Ok(()) };
    let message = format!("nested too deeply to be read: more than {} levels (`workspace.nesting`)", limits.nesting);
    Err(vec![Problem::error(path, message).at(source, offset)])
}

/// Refuses more of something than there may be.
pub(super) fn too_large(path: &str, what: &str, count: usize, most: usize, key: &str) -> Result<(), Vec<Problem>> {
    if count <= most {
        return Ok(());
    }
    let message = format!("too many {what}: {count}, at most {most} (`{key}`)");
    Err(vec![Problem::error(path, message)])
}

/// The offset at which a source becomes nested too deeply, if it does. Text in strings and comments is not counted;
/// regular expressions are, which at worst moves the count by a few.
pub(super) fn too_deep(source: &str, deepest: usize) -> Option<usize> {
    let bytes = source.as_bytes();
    let (mut at, mut depth, mut prefixes) = (0, 0usize, 0usize);
    while at < bytes.len() {
        let byte = bytes[at];
        match byte {
            b'/' if bytes.get(at + 1) == Some(&b'/') => {
                at = source[at..].find('\n').map_or(bytes.len(), |end| at + end);
                continue;
            }
            b'/' if bytes.get(at + 1) == Some(&b'*') => {
                at = source[at + 2..].find("*/").map_or(bytes.len(), |end| at + end + 4);
                continue;
            }
            b'"' | b'\'' => {
                at = end_of_string(bytes, at);
                prefixes = 0;
                continue;
            }
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        match byte {
            b'!' | b'~' | b'+' | b'-' => prefixes += 1,
            b' ' | b'\t' | b'\n' | b'\r' => {}
            _ => prefixes = 0,
        }
        if depth > deepest || prefixes > deepest {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// Behind the closing quote, or at the end of the line if there is none.
fn end_of_string(bytes: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 1,
            b'\n' => return at,
            byte if byte == bytes[start] => return at + 1,
            _ => {}
        }
        at += 1;
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    const DEEPEST: usize = 2_000;

    fn too_deep(source: &str) -> Option<usize> {
        super::too_deep(source, DEEPEST)
    }

    #[test]
    fn brackets_and_prefixes_are_counted_and_text_is_not() {
        assert_eq!(too_deep(&"[".repeat(DEEPEST)), None);
        assert_eq!(too_deep(&"[".repeat(DEEPEST + 1)), Some(DEEPEST));
        assert_eq!(too_deep(&"! ".repeat(100_000)), Some(2 * DEEPEST));
        let text = "(".repeat(100_000);
        assert_eq!(too_deep(&format!("'{text}'; \"{text}\\\"{text}\" // {text}\n/* {text} */")), None);
        assert_eq!(too_deep(&"f({});".repeat(100_000)), None);
        assert_eq!(too_deep("'open\n/* open"), None);
        assert_eq!(too_deep("'\\"), None);
    }
}
