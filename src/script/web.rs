//! Globals that browsers have and the engine has not: `fetch`, `URL`, `TextEncoder` and what belongs to them. Each part is
//! JavaScript in `js/web/`, evaluated when a script first touches one of its globals, over the functions made here.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rquickjs::{Array, ArrayBuffer, Ctx, Function, Object};
use url::Url;
use url::quirks;

use super::realm::{Realm, evaluate};

/// One file.
struct Part {
    name: &'static str,
    source: &'static str,
    /// The globals that are made by it.
    globals: &'static [&'static str],
}

/// All of them.
const PARTS: [Part; 5] = [
    Part { name: "text", source: include_str!("js/web/text.js"), globals: &["TextEncoder", "TextDecoder"] },
    Part { name: "url", source: include_str!("js/web/url.js"), globals: &["URL", "URLSearchParams"] },
    Part { name: "abort", source: include_str!("js/web/abort.js"), globals: &["AbortController", "AbortSignal"] },
    Part { name: "form", source: include_str!("js/web/form.js"), globals: &["Blob", "File", "FormData"] },
    Part {
        name: "fetch",
        source: include_str!("js/web/fetch.js"),
        globals: &["fetch", "Headers", "Request", "Response"],
    },
];

/// The names of all of them.
pub fn names() -> impl Iterator<Item = &'static str> {
    PARTS.iter().map(|part| part.name)
}

/// Gives `js/base.js` what it needs for them; `load` is told of each part that is evaluated.
pub fn install<'js>(realm: &Realm<'js>, object: &Object<'js>, load: impl Fn() + 'js) -> rquickjs::Result<()> {
    let names = Array::new(realm.ctx.clone())?;
    let all = PARTS.iter().flat_map(|part| part.globals.iter().map(|global| [*global, part.name]));
    for (index, pair) in all.enumerate() {
        names.set(index, pair.to_vec())?;
    }
    object.set("webGlobals", names)?;
    let part = move |ctx: Ctx<'js>, name: String| -> rquickjs::Result<Function<'js>> {
        load();
        let source = PARTS.iter().find(|part| part.name == name).map_or("undefined", |part| part.source);
        evaluate(&ctx, &format!("nudge:web/{name}"), source.trim_end())
    };
    object.set("webPart", realm.function("webPart", part)?)?;
    text_functions(realm, object)?;
    address_functions(realm, object)
}

fn text_functions<'js>(realm: &Realm<'js>, object: &Object<'js>) -> rquickjs::Result<()> {
    let encode = |ctx: Ctx<'js>, text: String| ArrayBuffer::new_copy(ctx, text.as_bytes());
    object.set("encode", realm.function("encode", encode)?)?;
    // What reads a buffer in place may find it gone or moved meanwhile: bytes come as base64, which the engine writes fast.
    let decode = |encoding: String, base64: String, fatal: bool| decode(&encoding, &from_base64(&base64), fatal);
    object.set("decode", realm.function("decode", decode)?)
}

/// Bytes as the engine's `toBase64` writes them; none where it did not.
pub fn from_base64(text: &str) -> Vec<u8> {
    STANDARD.decode(text).unwrap_or_default()
}

/// Bytes as text; with `fatal` only where they are valid.
fn decode(encoding: &str, bytes: &[u8], fatal: bool) -> Option<String> {
    match encoding {
        "utf-16le" => {
            let units = bytes.chunks(2).map(|pair| match pair {
                [low, high] => u16::from_le_bytes([*low, *high]),
                // Half a unit is none.
                _ => 0xd800,
            });
            let letters = char::decode_utf16(units);
            if fatal {
                letters.collect::<Result<_, _>>().ok()
            } else {
                Some(letters.map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
            }
        }
        "windows-1252" => Some(bytes.iter().map(|byte| windows_1252(*byte)).collect()),
        _ if fatal => std::str::from_utf8(bytes).ok().map(ToOwned::to_owned),
        _ => Some(String::from_utf8_lossy(bytes).into_owned()),
    }
}

fn windows_1252(byte: u8) -> char {
    const HIGH: [u16; 32] = [
        0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d, 0x17d,
        0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0x9d,
        0x17e, 0x178,
    ];
    match byte {
        0x80..=0x9f => char::from_u32(HIGH[usize::from(byte - 0x80)].into()).unwrap_or(char::REPLACEMENT_CHARACTER),
        other => char::from(other),
    }
}

fn address_functions<'js>(realm: &Realm<'js>, object: &Object<'js>) -> rquickjs::Result<()> {
    let url = |text: String, base: Option<String>| {
        let base = match base {
            Some(base) => Some(Url::parse(&base).ok()?),
            None => None,
        };
        Url::options().base_url(base.as_ref()).parse(&text).ok().map(|url| parts(&url))
    };
    object.set("url", realm.function("url", url)?)?;
    let set = |href: String, part: u32, value: String| {
        let mut url = Url::parse(&href).ok()?;
        let url_mut = &mut url;
        let done = match part {
            0 => quirks::set_href(url_mut, &value).is_ok(),
            2 => quirks::set_protocol(url_mut, &value).is_ok(),
            3 => quirks::set_username(url_mut, &value).is_ok(),
            4 => quirks::set_password(url_mut, &value).is_ok(),
            5 => quirks::set_host(url_mut, &value).is_ok(),
            6 => quirks::set_hostname(url_mut, &value).is_ok(),
            7 => quirks::set_port(url_mut, &value).is_ok(),
            8 => {
                quirks::set_pathname(url_mut, &value);
                true
            }
            9 => {
                quirks::set_search(url_mut, &value);
                true
            }
            10 => {
                quirks::set_hash(url_mut, &value);
                true
            }
            _ => false,
        };
        done.then(|| parts(&url))
    };
    object.set("urlSet", realm.function("urlSet", set)?)?;
    let read = |text: String| {
        let pairs = url::form_urlencoded::parse(text.as_bytes());
        pairs.map(|(name, value)| vec![name.into_owned(), value.into_owned()]).collect::<Vec<_>>()
    };
    object.set("formRead", realm.function("formRead", read)?)?;
    let write = |flat: Vec<String>| {
        let mut out = url::form_urlencoded::Serializer::new(String::new());
        for pair in flat.chunks_exact(2) {
            out.append_pair(&pair[0], &pair[1]);
        }
        out.finish()
    };
    object.set("formWrite", realm.function("formWrite", write)?)
}

/// What `js/web/url.js` counts on, in its order.
fn parts(url: &Url) -> Vec<String> {
    let origin = quirks::origin(url);
    [
        quirks::href(url),
        &origin,
        quirks::protocol(url),
        quirks::username(url),
        quirks::password(url),
        quirks::host(url),
        quirks::hostname(url),
        quirks::port(url),
        quirks::pathname(url),
        quirks::search(url),
        quirks::hash(url),
    ]
    .map(ToOwned::to_owned)
    .to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_of_the_engine_is_read() {
        let texts = ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "/+8="].map(from_base64);
        assert_eq!(texts, [&b""[..], b"f", b"fo", b"foo", b"foob", b"fooba", b"\xff\xef"]);
    }

    #[test]
    fn bytes_are_read_by_their_encoding() {
        assert_eq!(decode("utf-8", b"a\xffb", false).as_deref(), Some("a\u{fffd}b"));
        assert_eq!(decode("utf-8", b"a\xffb", true), None);
        assert_eq!(decode("utf-16le", b"\x3d\xd8\0\xde", true).as_deref(), Some("\u{1f600}"));
        assert_eq!(decode("utf-16le", b"\x3d\xd8a", true), None);
        assert_eq!(decode("windows-1252", b"\x80\xe9", true).as_deref(), Some("\u{20ac}\u{e9}"));
    }
}
