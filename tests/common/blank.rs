//! Takes out of a text what differs from run to run.

/// What precedes the time that a reload took, in milliseconds.
const RELOADED: &str = "reloaded in ";

/// Ids of events become `ID`, uuids `UUID`, dates `DATE`, milliseconds since the epoch `MS`, the server's port `PORT`, the
/// time of a reload `N`.
pub(crate) fn blank(text: &str, port: u16) -> String {
    let text = text.replace(&format!(":{port}"), ":PORT");
    let bytes = text.as_bytes();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &text[at..];
        if let Some((length, name)) = blanked(rest) {
            out.push_str(name);
            at += length;
        } else if bytes[at].is_ascii_digit() {
            let length = digits(rest);
            out.push_str(&rest[..length]);
            at += length;
        } else {
            let c = rest.chars().next().unwrap();
            out.push(c);
            at += c.len_utf8();
        }
    }
    out
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn blanked(text: &str) -> Option<(usize, &'static str)> {
    if fits(text, "0000-00-00T00:00:00.000Z") {
        return Some((24, "DATE"));
    }
    if text.get(..36).is_some_and(|text| uuid::Uuid::parse_str(text).is_ok()) {
        return Some((36, "UUID"));
    }
    if let Some(took) = text.strip_prefix(RELOADED) {
        return Some((RELOADED.len() + digits(took), "reloaded in N"));
    }
    let length = digits(text);
    match length {
        17..=19 => Some((length, "ID")),
        13 => Some((length, "MS")),
        _ => None,
    }
}

/// Whether a text begins as `form` does, any digit standing for any other.
fn fits(text: &str, form: &str) -> bool {
    text.len() >= form.len()
        && text.bytes().zip(form.bytes()).all(|(a, b)| if b.is_ascii_digit() { a.is_ascii_digit() } else { a == b })
}
