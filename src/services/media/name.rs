//! Names of files: those that callers give are hostile.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rand::RngExt as _;

use crate::telemetry::escape::is_unsafe;

/// Longest part of a stored name that comes from the caller, in bytes.
const LONGEST: usize = 80;
/// Longest ending that is kept, in bytes, with its dot.
const ENDING: usize = 10;
/// Longest name that is shown, in characters.
const SHOWN: usize = 255;
/// Longest name of a file on the systems we run on, in bytes.
const SYSTEM: usize = 255;
/// Letters and digits before each stored name: about 119 bits.
const RANDOM: usize = 20;

/// Whether a name is that of one file in a folder, and not of a hidden one.
pub(super) fn is_one_file(name: &str) -> bool {
    let fine = |c: char| c != '/' && c != '\\' && !c.is_control();
    !name.is_empty() && name.len() <= SYSTEM && !name.starts_with('.') && name.chars().all(fine)
}

/// A name for a file, which nobody has and nobody can guess, with what it was called behind it.
pub(super) fn stored(name: &str) -> String {
    let mut random = rand::rng();
    let letters: String = (0..RANDOM).map(|_| char::from(random.sample(rand::distr::Alphanumeric))).collect();
    match plain(name) {
        plain if plain.is_empty() => letters,
        plain => format!("{letters}-{plain}"),
    }
}

/// The last part of a path in letters, digits, `-`, `_` and `.`, short, its ending kept.
fn plain(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let letter = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') { c } else { '_' };
    let plain: String = last.trim_start_matches('.').chars().map(letter).collect();
    // The ending says what it is, and stays where nothing else does.
    let ending = plain.rfind('.').filter(|at| (2..=ENDING).contains(&(plain.len() - at))).unwrap_or(plain.len());
    let (stem, ending) = plain.split_at(ending);
    let stem = stem.trim_matches(['.', '_']);
    let stem = &stem[..stem.len().min(LONGEST - ending.len())];
    match (stem, ending) {
        ("", "") => String::new(),
        ("", ending) => format!("file{ending}"),
        (stem, ending) => format!("{stem}{ending}"),
    }
}

/// What a file was called, to be shown to people: the last part of a path without what cannot be seen or turns the line around.
pub fn shown(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let text: String = last.chars().filter(|c| !is_invisible(*c)).take(SHOWN).collect();
    match text.trim() {
        text if text.trim_matches('.').is_empty() => "file".into(),
        text => text.to_owned(),
    }
}

/// What no line of text may hold, and characters of format which make a name look like another one.
fn is_invisible(c: char) -> bool {
    is_unsafe(c) || matches!(c, '\u{ad}' | '\u{200c}' | '\u{200d}' | '\u{e0000}'..='\u{e007f}')
}

/// A stored name as part of an address.
pub(super) fn in_address(name: &str) -> String {
    const SAFE: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
    utf8_percent_encode(name, SAFE).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_names_become_plain_ones() {
        let long = format!("{}.tar.gz", "x".repeat(5_000));
        for (name, left) in [
            ("cat.png", "cat.png"),
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\a\\..\\b.txt", "b.txt"),
            ("..", ""),
            (".htaccess", "htaccess"),
            ("a\r\nset-cookie: x.png", "a__set-cookie__x.png"),
            ("photo\u{202e}gnp.exe", "photo_gnp.exe"),
            ("<img src=x onerror=alert(1)>.png", "img_src_x_onerror_alert_1.png"),
            ("猫.png", "file.png"),
            ("__.tar.gz", "tar.gz"),
            ("con\0.png", "con.png"),
            (&long, &format!("{}.gz", "x".repeat(77))),
        ] {
            assert_eq!(plain(name), left, "{name:?}");
            let stored = stored(name);
            assert!(is_one_file(&stored) && stored.len() <= 101, "{stored}");
        }
    }

    #[test]
    fn what_is_shown_is_one_line_that_reads_as_it_is() {
        for (name, left) in [
            ("Mein Kätzchen 猫.png", "Mein Kätzchen 猫.png"),
            ("a/b\\c.txt", "c.txt"),
            ("photo\u{202e}gnp.exe", "photognp.exe"),
            ("a\u{2028}b\r\nc\u{0}.png", "abc.png"),
            (" ", "file"),
            ("..", "file"),
            (".profile", ".profile"),
        ] {
            assert_eq!(shown(name), left, "{name:?}");
        }
        assert_eq!(shown(&"x".repeat(5_000)).len(), SHOWN);
    }

    #[test]
    fn a_name_in_an_address_says_the_same() {
        assert_eq!(in_address("a b%2f#?é.png"), "a%20b%252f%23%3F%C3%A9.png");
    }
}
