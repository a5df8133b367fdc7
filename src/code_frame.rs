//! The few lines around a place in a source, as errors show them: line numbers, a mark at the line, a caret at the column.
//!
//! ```text
//!   1 | if (event.type === 'x') {
//! > 2 |   event.setFlag(
//!     |                ^
//!   3 | }
//! ```
//! Both sides of the wall use it; it knows nothing but text.

use crate::telemetry::escape::{is_unsafe, push_escaped};

/// Lines shown before and after the line in question.
const AROUND: usize = 2;
/// Longest piece of a line that is shown, in terminal cells.
const WIDTH: usize = 160;
/// Cells of a tab.
const TAB: usize = 4;

/// The lines around `line` and `column` (both from 1, columns in characters; what lies outside is moved to the nearest place).
///
/// Lines end where JavaScript says (`\n`, `\r\n`, `\r`, U+2028, U+2029). Control characters are shown escaped, so that a
/// source cannot drive the terminal it is shown on; very long lines are cut to the part around the column. Empty for an
/// empty source. No line end at the end.
pub fn code_frame(source: &str, line: u32, column: u32) -> String {
    frame(source, line, column, 0)
}

/// The same of a source before which there are so many lines.
fn frame(source: &str, line: u32, column: u32, before: u32) -> String {
    let before = before as usize;
    if source.is_empty() {
        return String::new();
    }
    let wanted = (line.max(1) - 1) as usize;
    let first = wanted.saturating_sub(AROUND);
    // Only the lines that may be shown are kept: sources can be large.
    let mut shown: Vec<(usize, &str)> = Vec::new();
    let mut last: (usize, &str) = (0, "");
    for (index, text) in lines(source).enumerate() {
        if index > wanted.saturating_add(AROUND) {
            break;
        }
        last = (index, text);
        if index >= first {
            shown.push(last);
        }
    }
    let wanted = if shown.iter().any(|(index, _)| *index == wanted) {
        wanted
    } else {
        shown = vec![last];
        last.0
    };
    let marked = shown.iter().find(|(index, _)| *index == wanted).map_or("", |(_, text)| *text);
    let (from, caret) = window(marked, (column.max(1) - 1) as usize);
    let digits = shown.last().map_or(1, |(index, _)| (before + index + 1).to_string().len());
    let mut out = String::new();
    for (index, text) in shown {
        let mark = if index == wanted { '>' } else { ' ' };
        push_line(&mut out, format!("{mark} {:>digits$} | {}", before + index + 1, cut(text, from)));
        if index == wanted {
            push_line(&mut out, format!("  {:digits$} | {:caret$}^", "", ""));
        }
    }
    out
}

/// The line and column (both from 1, columns in characters) of a byte offset into `source`.
pub fn place(source: &str, offset: usize) -> (u32, u32) {
    let bytes = source.as_bytes();
    let offset = offset.min(bytes.len());
    let (mut line, mut begin, mut stop) = (1u32, 0, offset);
    // U+2028 and U+2029 are E2 80 A8 and E2 80 A9.
    for at in memchr::memchr3_iter(b'\n', b'\r', 0xe2, &bytes[..offset]) {
        let end = match bytes[at..] {
            [b'\r', b'\n', ..] => at + 2,
            [b'\n', ..] if bytes[..at].ends_with(b"\r") => continue,
            [b'\n' | b'\r', ..] => at + 1,
            [_, 0x80, 0xa8 | 0xa9, ..] => at + 3,
            _ => continue,
        };
        if end <= offset {
            (line, begin) = (line.saturating_add(1), end);
        } else {
            // Within the end of a line there are no columns.
            stop = at;
        }
    }
    let whole = source.floor_char_boundary(stop);
    let column = source.get(begin..whole).map_or(0, |text| text.chars().count()) + usize::from(whole < stop);
    (line, u32::try_from(column).unwrap_or(u32::MAX - 1) + 1)
}

/// Bytes on either side of a place that are looked at for the lines around it.
const NEAR: usize = 16 << 10;

/// Line and column of a byte offset as [`place`] gives them, and the lines around it as [`code_frame`] does. Of a large source
/// only what is near is looked at: there may be many places.
pub fn frame_at(source: &str, offset: usize) -> (u32, u32, String) {
    let (line, column) = place(source, offset);
    let offset = offset.min(source.len());
    let from = source.floor_char_boundary(offset.saturating_sub(NEAR));
    let to = source.ceil_char_boundary(offset.saturating_add(NEAR).min(source.len()));
    let part = &source[from..to];
    let (near, column_here) = place(part, offset - from);
    (line, column, frame(part, near, column_here, line - near))
}

fn push_line(out: &mut String, line: String) {
    if !out.is_empty() {
        out.push('\n');
    }
    out.push_str(line.trim_end());
}

/// The lines of a source, without their ends.
fn lines(source: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(source);
    std::iter::from_fn(move || {
        let text = rest?;
        match text.find(['\n', '\r', '\u{2028}', '\u{2029}']) {
            None => {
                rest = None;
                Some(text)
            }
            Some(at) => {
                let (line, tail) = text.split_at(at);
                let end = if tail.starts_with("\r\n") { 2 } else { tail.chars().next().map_or(0, char::len_utf8) };
                rest = Some(&tail[end..]);
                Some(line)
            }
        }
    })
}

/// Which cell the shown part begins at, and the cell of the caret in what is shown.
fn window(line: &str, column: usize) -> (usize, usize) {
    let mut cells = 0;
    let mut caret = None;
    for (index, c) in line.chars().enumerate() {
        if index == column {
            caret = Some(cells);
        }
        cells += width(c);
        if caret.is_some() && cells > caret.unwrap_or(0) + WIDTH {
            break;
        }
    }
    let caret = caret.unwrap_or(cells);
    if caret < WIDTH && cells <= WIDTH || caret < WIDTH / 2 {
        return (0, caret);
    }
    let from = caret - WIDTH / 2;
    // One cell for the ellipsis; and a wide character at the edge may push the text right.
    (from, caret - edge(line, from) + 1)
}

/// The first character boundary at or after a cell.
fn edge(line: &str, from: usize) -> usize {
    let mut cells = 0;
    for c in line.chars() {
        if cells >= from {
            break;
        }
        cells += width(c);
    }
    cells
}

/// The part of a line from a cell on, at most [`WIDTH`] cells, with `…` where something was left out.
fn cut(line: &str, from: usize) -> String {
    let mut out = String::new();
    let (mut cells, mut used) = (0, 0);
    if from > 0 && !line.is_empty() {
        out.push('…');
    }
    for c in line.chars() {
        if cells < from {
            cells += width(c);
            continue;
        }
        if used + width(c) > WIDTH {
            out.push('…');
            break;
        }
        used += width(c);
        show(c, &mut out);
    }
    out
}

fn show(c: char, out: &mut String) {
    match c {
        '\t' => out.extend(std::iter::repeat_n(' ', TAB)),
        c if is_unsafe(c) => push_escaped(c, out),
        c => out.push(c),
    }
}

/// Cells a character takes as [`show`] writes it.
fn width(c: char) -> usize {
    match c {
        '\t' => TAB,
        ' '..='~' => 1,
        c if is_unsafe(c) => {
            let mut escape = String::new();
            push_escaped(c, &mut escape);
            escape.len()
        }
        '\u{200c}'
        | '\u{200d}'
        | '\u{300}'..='\u{36f}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' => 0,
        '\u{1100}'..='\u{115f}'
        | '\u{2e80}'..='\u{303e}'
        | '\u{3041}'..='\u{a4cf}'
        | '\u{ac00}'..='\u{d7a3}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe6f}'
        | '\u{ff00}'..='\u{ff60}'
        | '\u{ffe0}'..='\u{ffe6}'
        | '\u{1f300}'..='\u{1f64f}'
        | '\u{1f680}'..='\u{1f6ff}'
        | '\u{1f900}'..='\u{1f9ff}'
        | '\u{20000}'..='\u{3fffd}' => 2,
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(source: &str, line: u32, column: u32, expected: Expect) {
        expected.assert_eq(&code_frame(source, line, column));
    }

    #[test]
    fn a_place_in_a_large_source_is_shown_as_in_a_small_one() {
        let lines: String = (1..=5_000).map(|number| format!("line ü {number}\n")).collect();
        for wanted in [1, 2, 3, 2_500, 4_999, 5_000] {
            let offset = lines.find(&format!("ü {wanted}\n")).unwrap();
            let (line, column, frame) = frame_at(&lines, offset);
            assert_eq!((line, column), (wanted, 6));
            assert_eq!(frame, code_frame(&lines, line, column));
        }
        let long = format!("{}here{}", "é".repeat(100_000), "x".repeat(100_000));
        let (line, column, frame) = frame_at(&long, 200_000);
        assert_eq!((line, column), (1, 100_001));
        assert_eq!(frame, code_frame(&long, line, column));
    }

    #[test]
    fn places_are_those_of_the_lines_of_javascript() {
        let source = "a\nbü\r\nc\rd\u{2028}e€f\u{2029}";
        let places: Vec<(u32, u32)> = (0..=source.len() + 1).map(|offset| place(source, offset)).collect();
        let expected = [
            (1, 1),
            (1, 2),
            (2, 1),
            (2, 2),
            (2, 3),
            (2, 3),
            (2, 3),
            (3, 1),
            (3, 2),
            (4, 1),
            (4, 2),
            (4, 2),
            (4, 2),
            (5, 1),
            (5, 2),
            (5, 3),
            (5, 3),
            (5, 3),
            (5, 4),
            (5, 4),
            (5, 4),
            (6, 1),
            (6, 1),
        ];
        assert_eq!(places, expected);
    }

    #[test]
    fn two_lines_before_and_after_are_shown_with_a_caret() {
        check(
            "a\nb\nc\nfoo(\ne\nf\ng",
            4,
            4,
            expect![[r#"
              2 | b
              3 | c
            > 4 | foo(
                |    ^
              5 | e
              6 | f"#]],
        );
    }

    #[test]
    fn line_numbers_are_aligned_and_the_first_line_works() {
        let source = (1..=12).map(|n| format!("line {n}")).collect::<Vec<_>>().join("\r\n");
        check(
            &source,
            9,
            1,
            expect![[r#"
               7 | line 7
               8 | line 8
            >  9 | line 9
                 | ^
              10 | line 10
              11 | line 11"#]],
        );
        check(
            &source,
            1,
            6,
            expect![[r#"
            > 1 | line 1
                |      ^
              2 | line 2
              3 | line 3"#]],
        );
    }

    #[test]
    fn tabs_and_wide_characters_move_the_caret() {
        check(
            "\t日本 x",
            1,
            5,
            expect![[r#"
            > 1 |     日本 x
                |          ^"#]],
        );
    }

    #[test]
    fn control_characters_are_escaped() {
        check(
            "a\u{1b}[31mb\u{202e}",
            1,
            7,
            expect![[r#"
            > 1 | a\x1b[31mb\u{202e}
                |          ^"#]],
        );
    }

    #[test]
    fn a_long_line_is_cut_around_the_column() {
        let source = format!("x\n{}!{}", "a".repeat(10_000), "b".repeat(10_000));
        let frame = code_frame(&source, 2, 10_001);
        let lines: Vec<&str> = frame.lines().collect();
        assert_eq!(lines[1].chars().count(), "> 2 | ".len() + WIDTH + 2);
        assert_eq!(lines[1].chars().position(|c| c == '!'), lines[2].chars().position(|c| c == '^'));
        let start = code_frame(&source, 2, 3);
        assert!(start.lines().nth(1).unwrap().starts_with("> 2 | aaaa"));
        assert_eq!(start.lines().nth(2).unwrap(), "    |   ^");
        let end = code_frame(&source, 2, 20_001);
        assert!(end.lines().nth(1).unwrap().ends_with('b'));
        let lines: Vec<&str> = end.lines().collect();
        assert_eq!(lines[1].chars().count(), lines[2].chars().count());
    }

    #[test]
    fn places_outside_are_moved_to_the_nearest_one() {
        check(
            "a\nb",
            0,
            0,
            expect![[r#"
            > 1 | a
                | ^
              2 | b"#]],
        );
        check(
            "a\nb",
            99,
            99,
            expect![[r#"
            > 2 | b
                |  ^"#]],
        );
        check(
            "a\nb",
            u32::MAX,
            u32::MAX,
            expect![[r#"
            > 2 | b
                |  ^"#]],
        );
        assert_eq!(code_frame("", 1, 1), "");
    }

    #[test]
    fn an_offset_has_a_line_and_a_column_in_characters() {
        let source = "ab\r\ncé\u{2028}日x\n";
        for (text, expected) in [("a", (1, 1)), ("b", (1, 2)), ("c", (2, 1)), ("é", (2, 2)), ("x", (3, 2))] {
            assert_eq!(place(source, source.find(text).unwrap()), expected, "{text}");
        }
        assert_eq!(place(source, source.len()), (4, 1));
        assert_eq!(place(source, 9_999), (4, 1));
        assert_eq!(place("", 0), (1, 1));
    }

    #[test]
    fn every_place_of_odd_sources_has_a_frame() {
        for source in ["\u{2028}a\u{2029}b\r\rc", "日".repeat(400).as_str(), "\n", "é\u{301}\u{fe0f}", "\0\0\0"] {
            for line in 0..6 {
                for column in 0..500 {
                    assert!(code_frame(source, line, column).contains('^'));
                }
            }
        }
    }
}
