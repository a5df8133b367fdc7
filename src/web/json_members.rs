//! Members of a JSON object and items of an array as they were written, one at a time: no tree is built of what a caller
//! sends, which would take many times its size. Names may be given twice and text may hold anything JSON can write.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer as _, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::error::HttpError;

/// Calls `visit` with the name, the name as it was written and the value of each member of `object`, in order.
pub(crate) fn each<'a>(
    object: &'a RawValue,
    visit: impl FnMut(Cow<'a, str>, &'a RawValue, &'a RawValue),
) -> Result<(), HttpError> {
    struct Each<F>(F);
    impl<'de, F: FnMut(Cow<'de, str>, &'de RawValue, &'de RawValue)> Visitor<'de> for Each<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<(), A::Error> {
            while let Some((name, value)) = members.next_entry::<&RawValue, &RawValue>()? {
                let text = text(name).ok_or_else(|| A::Error::custom("a name that is no text"))?;
                (self.0)(text, name, value);
            }
            Ok(())
        }
    }
    if !object.get().starts_with('{') {
        return Err(HttpError::plain("\"value\" must be an object"));
    }
    let mut reader = serde_json::Deserializer::from_str(object.get());
    reader.deserialize_map(Each(visit)).map_err(HttpError::parse_failed)
}

/// Calls `visit` with each item of `array` until it returns false.
pub(crate) fn items<'a>(array: &'a RawValue, visit: impl FnMut(&'a RawValue) -> bool) -> Result<(), HttpError> {
    struct Items<F>(F);
    impl<'de, F: FnMut(&'de RawValue) -> bool> Visitor<'de> for Items<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an array")
        }

        fn visit_seq<A: SeqAccess<'de>>(mut self, mut items: A) -> Result<(), A::Error> {
            while let Some(item) = items.next_element::<&RawValue>()? {
                if !(self.0)(item) {
                    while items.next_element::<IgnoredAny>()?.is_some() {}
                    break;
                }
            }
            Ok(())
        }
    }
    let mut reader = serde_json::Deserializer::from_str(array.get());
    reader.deserialize_seq(Items(visit)).map_err(HttpError::parse_failed)
}

/// The text of a JSON string, or `None` for any other value. Half of a surrogate pair, which JSON can write and UTF-8
/// cannot, becomes U+FFFD.
pub(crate) fn text(value: &RawValue) -> Option<Cow<'_, str>> {
    let inside = value.get().strip_prefix('"')?.strip_suffix('"')?;
    if !inside.contains('\\') {
        return Some(Cow::Borrowed(inside));
    }
    let mut reader = serde_json::Deserializer::from_str(value.get());
    Lossy.deserialize(&mut reader).ok().map(Cow::Owned)
}

/// The same, but `None` also for text that UTF-8 cannot say: for names that must mean the same to everybody.
pub(crate) fn exact_text(value: &RawValue) -> Option<Cow<'_, str>> {
    text(value).filter(|text| !text.contains('\u{fffd}') || serde_json::from_str::<Cow<'_, str>>(value.get()).is_ok())
}

/// Reads a string of JSON by its bytes: serde_json gives half surrogates as their three bytes then.
struct Lossy;

impl<'de> DeserializeSeed<'de> for Lossy {
    type Value = String;

    fn deserialize<D: serde::Deserializer<'de>>(self, reader: D) -> Result<String, D::Error> {
        reader.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Lossy {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<String, E> {
        let mut text = String::with_capacity(bytes.len());
        for chunk in bytes.utf8_chunks() {
            text.push_str(chunk.valid());
            // Of the three bytes of a half surrogate, each alone invalid, the first stands for all.
            if chunk.invalid().first() == Some(&0xED) {
                text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(text: &str) -> Box<RawValue> {
        RawValue::from_string(text.to_owned()).unwrap()
    }

    #[test]
    fn members_come_in_order_as_written_and_may_be_named_twice() {
        let object = raw(r#"{"a": [1, 2],"\u0061":1e999,"\ud800":null,"__proto__":"x"}"#);
        let mut seen = Vec::new();
        each(&object, |name, written, value| seen.push(format!("{name}|{written}|{value}"))).unwrap();
        let expected =
            [r#"a|"a"|[1, 2]"#, r#"a|"\u0061"|1e999"#, "\u{fffd}|\"\\ud800\"|null", r#"__proto__|"__proto__"|"x""#];
        assert_eq!(seen, expected);
        assert_eq!(each(&raw("[1]"), |_, _, _| {}).unwrap_err().to_string(), "\"value\" must be an object");
    }

    #[test]
    fn half_a_surrogate_pair_is_one_replacement_character_and_no_exact_text() {
        for (written, read) in [
            (r#""a\ud800b""#, "a\u{fffd}b"),
            (r#""\udc00\ud800""#, "\u{fffd}\u{fffd}"),
            (r#""\ud83d\ude00\u0000""#, "😀\0"),
            (r#""\ufffd\n""#, "\u{fffd}\n"),
        ] {
            assert_eq!(text(&raw(written)).unwrap(), read, "{written}");
        }
        assert!(exact_text(&raw(r#""a\ud800""#)).is_none());
        assert_eq!(exact_text(&raw(r#""\ufffd""#)).unwrap(), "\u{fffd}");
        assert!(text(&raw("12")).is_none());
    }

    #[test]
    fn items_are_looked_at_until_it_is_enough() {
        let mut seen = 0;
        items(&raw("[1, [2], 3, 4]"), |_| {
            seen += 1;
            seen < 3
        })
        .unwrap();
        assert_eq!(seen, 3);
    }
}
