//! JSON text as a value of a realm, faster than the engine reads it. What needs care (fractions, half letters, keys that every
//! object has already, deep nesting) is left to the engine, and so is what is no JSON.

use std::borrow::Cow;
use std::fmt;

use rquickjs::{Array, Ctx, IntoJs, Object, Value};
use serde::de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor};

/// Reads a text.
pub fn read<'js>(ctx: &Ctx<'js>, json: &[u8]) -> rquickjs::Result<Value<'js>> {
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let value = Reader(ctx).deserialize(&mut deserializer).ok().filter(|_| deserializer.end().is_ok());
    match value {
        Some(value) => Ok(value),
        None => {
            // Where there was no memory, for instance.
            ctx.catch();
            ctx.json_parse(json)
        }
    }
}

/// Reads one value.
#[derive(Clone, Copy)]
struct Reader<'a, 'js>(&'a Ctx<'js>);

impl<'js> Reader<'_, 'js> {
    fn made<E: Error>(self, value: impl IntoJs<'js>) -> Result<Value<'js>, E> {
        value.into_js(self.0).map_err(E::custom)
    }
}

impl<'de, 'js> DeserializeSeed<'de> for Reader<'_, 'js> {
    type Value = Value<'js>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Value<'js>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, 'js> Visitor<'de> for Reader<'_, 'js> {
    type Value = Value<'js>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value<'js>, E> {
        Ok(Value::new_null(self.0.clone()))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Value<'js>, E> {
        Ok(Value::new_bool(self.0.clone(), truth))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Value<'js>, E> {
        Ok(Value::new_number(self.0.clone(), number as f64))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Value<'js>, E> {
        Ok(Value::new_number(self.0.clone(), number as f64))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Value<'js>, E> {
        // The last digit may be another one than the engine's.
        Err(E::custom("a fraction"))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value<'js>, E> {
        self.made(text)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Value<'js>, A::Error> {
        let array = Array::new(self.0.clone()).map_err(A::Error::custom)?;
        let mut length = 0;
        while let Some(entry) = entries.next_element_seed(self)? {
            array.set(length, entry).map_err(A::Error::custom)?;
            length += 1;
        }
        Ok(array.into_value())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value<'js>, A::Error> {
        let object = Object::new(self.0.clone()).map_err(A::Error::custom)?;
        while let Some(key) = members.next_key_seed(Key)? {
            if is_inherited(&key) {
                return Err(A::Error::custom("a key that every object has"));
            }
            object.set(&*key, members.next_value_seed(self)?).map_err(A::Error::custom)?;
        }
        Ok(object.into_value())
    }
}

/// A key, borrowed from the text where it holds no escapes.
struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Cow<'de, str>;

    fn deserialize<D: serde::Deserializer<'de>>(self, deserializer: D) -> Result<Cow<'de, str>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Cow<'de, str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E: Error>(self, key: &'de str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Borrowed(key))
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Cow<'de, str>, E> {
        Ok(Cow::Owned(key.to_owned()))
    }
}

/// Whether assigning to it would not make a property, or not only that.
fn is_inherited(key: &str) -> bool {
    key.starts_with("__")
        || matches!(
            key,
            "constructor"
                | "hasOwnProperty"
                | "isPrototypeOf"
                | "propertyIsEnumerable"
                | "toLocaleString"
                | "toString"
                | "valueOf"
        )
}

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Runtime};

    use super::*;

    /// What a text is read as, written again; and whether the engine had to read it.
    fn check(json: &str) {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            let text = |value| ctx.json_stringify(value).unwrap().unwrap().to_string().unwrap();
            let value = read(&ctx, json.as_bytes()).unwrap();
            assert_eq!(text(value), text(ctx.json_parse(json).unwrap()), "{json}");
        });
    }

    #[test]
    fn a_text_is_read_as_the_engine_reads_it() {
        for json in [
            r#"{"a":1,"b":[true,false,null,-0,{"c":{}}],"text":"é \u00e9 \n \ud83d\ude00","a":2}"#,
            r#"[0,-1,2147483648,-2147483649,9007199254740993,18446744073709551615,123456789012345678901234567890]"#,
            r#"[1.5,1e3,0.1,5e-324,1E400]"#,
            r#"{"__proto__":{"x":1},"constructor":1,"toString":2,"hasOwnProperty":3}"#,
            r#"{"2":"b","1":"a","z":1}"#,
            r#"["\ud800",{"\ud800":1}]"#,
            "\"text\"",
            " {} ",
        ] {
            check(json);
        }
        check(&format!("{}1{}", "[".repeat(500), "]".repeat(500)));
    }

    #[test]
    fn every_key_that_objects_inherit_is_known() {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            let names: Vec<String> = ctx.eval("Object.getOwnPropertyNames(Object.prototype)").unwrap();
            assert!(!names.is_empty());
            assert!(names.iter().all(|name| is_inherited(name)), "{names:?}");
        });
    }

    #[test]
    fn what_is_no_json_is_an_error_of_the_engine() {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            for text in ["", "{", "{} x", "[1,]", "nope"] {
                assert!(read(&ctx, text.as_bytes()).is_err(), "{text}");
                ctx.catch();
            }
        });
    }
}
