//! Making text of scripts and strangers harmless for a terminal and for a log of lines. All that is printed comes this way:
//! log entries, errors of scripts, problems of files and the lines of source around them.

use std::fmt::Write as _;

/// Whether a character could move the cursor, recolour, reorder, hide or break a line. The joiners of scripts and of emoji
/// (U+200C, U+200D) are none of these.
pub fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}')
}

/// Writes the escape of a character.
pub fn push_escaped(c: char, out: &mut String) {
    match c {
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        _ if (c as u32) < 0x100 => {
            let _ = write!(out, "\\x{:02x}", c as u32);
        }
        _ => {
            let _ = write!(out, "\\u{{{:x}}}", c as u32);
        }
    }
}

/// The text on one line: every control character, line break and direction mark is written as an escape.
pub fn one_line(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { push_escaped(c, &mut out) } else { out.push(c) }
    }
    out
}

/// The text with its line breaks; tabs become four spaces, `\r` before a line break goes, all else as [`one_line`].
pub fn lines(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\n' => out.push('\n'),
            '\r' if chars.peek() == Some(&'\n') => {}
            '\t' => out.push_str("    "),
            c if is_unsafe(c) => push_escaped(c, &mut out),
            c => out.push(c),
        }
    }
    out
}

/// JSON text in which nothing but ASCII control characters was escaped, with the other unsafe ones escaped too.
/// They can stand only inside strings, so the value stays the same.
pub fn json(text: &str) -> String {
    if !text.chars().any(is_unsafe) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        // All of them lie in the basic plane. White space between tokens may go.
        if !is_unsafe(c) {
            out.push(c);
        } else if !matches!(c, '\n' | '\r' | '\t') {
            let _ = write!(out, "\\u{:04x}", c as u32);
        }
    }
    out
}

/// At most `limit` characters, with `…` where something was cut.
pub fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn nothing_that_moves_a_terminal_gets_through() {
        let evil = "a\x1b[2Jb\r\nc\td\u{9b}31m\u{202e}e\u{7f}日本";
        expect![[r"a\x1b[2Jb\r\nc\td\x9b31m\u{202e}e\x7f日本"]].assert_eq(&one_line(evil));
        expect![[r"
            a\x1b[2Jb
            c    d\x9b31m\u{202e}e\x7f日本"]]
        .assert_eq(&lines(evil));
    }

    #[test]
    fn the_arabic_mark_of_direction_is_escaped_like_the_others() {
        for mark in ['\u{61c}', '\u{180e}', '\u{200e}', '\u{202a}', '\u{2066}', '\u{206a}'] {
            assert_eq!(one_line(&format!("a{mark}b")), format!("a\\u{{{:x}}}b", mark as u32));
        }
    }

    #[test]
    fn escaped_json_is_the_same_value() {
        let evil = serde_json::json!({ "m": "a\u{9b}\u{2028}\u{7f}\n日" });
        let text = json(&evil.to_string());
        expect![[r#"{"m":"a\u009b\u2028\u007f\n日"}"#]].assert_eq(&text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&text).unwrap(), evil);
    }

    #[test]
    fn shortening_counts_characters() {
        assert_eq!(shortened("日本語", 2), "日本…");
        assert_eq!(shortened("ab", 2), "ab");
    }
}
