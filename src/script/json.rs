//! Plain values as JSON text, several times as fast as the engine's own `JSON.stringify`, which makes a dozen objects for each
//! call. What is not plain (classes, `toJSON`, half letters, very deep or very large values) is left to that.

use rquickjs::object::Filter;
use rquickjs::{Atom, Coerced, FromJs, Object, Value};

/// How deep values may be nested; what goes in a circle is deeper.
const DEEPEST: u32 = 64;
/// How many bytes may be written.
const MOST: usize = 1 << 20;

/// Writes plain values.
#[derive(Debug)]
pub struct Writer<'js> {
    /// `Object.prototype`: what is a child of another is not plain. It is given each time, since functions of the host must
    /// not keep anything of the engine's.
    pub plain: Object<'js>,
}

/// The value is to be written by `JSON.stringify`, which also knows what is wrong with it.
#[derive(Debug)]
pub struct NotPlain;

impl From<rquickjs::Error> for NotPlain {
    fn from(_: rquickjs::Error) -> Self {
        Self
    }
}

impl From<serde_json::Error> for NotPlain {
    fn from(_: serde_json::Error) -> Self {
        Self
    }
}

impl<'js> Writer<'js> {
    /// Appends a value; whatever was appended of one that is not plain stays there.
    pub fn write(&self, value: &Value<'js>, out: &mut Vec<u8>) -> Result<(), NotPlain> {
        if self.value(value, out, 0)? { Ok(()) } else { Err(NotPlain) }
    }

    /// False where there is nothing to write, as for a function.
    fn value(&self, value: &Value<'js>, out: &mut Vec<u8>, depth: u32) -> Result<bool, NotPlain> {
        // What is written here is memory that no limit of the realm counts.
        if out.len() > MOST {
            return Err(NotPlain);
        }
        if let Some(text) = value.as_string() {
            serde_json::to_writer(&mut *out, &text.to_string()?)?;
        } else if let Some(number) = value.as_int() {
            serde_json::to_writer(&mut *out, &number)?;
        } else if let Some(truth) = value.as_bool() {
            out.extend_from_slice(if truth { b"true" } else { b"false" });
        } else if value.is_null() {
            out.extend_from_slice(b"null");
        } else if let Some(number) = value.as_float() {
            self.number(value, number, out)?;
        } else if value.is_undefined() || value.is_symbol() || value.is_function() {
            return Ok(false);
        } else if depth >= DEEPEST || value.is_proxy() {
            return Err(NotPlain);
        } else if let Some(array) = value.as_array() {
            if array.as_object().contains_key("toJSON")? {
                return Err(NotPlain);
            }
            out.push(b'[');
            for index in 0..array.len() {
                if index > 0 {
                    out.push(b',');
                }
                if !self.value(&array.get(index)?, out, depth + 1)? {
                    out.extend_from_slice(b"null");
                }
            }
            out.push(b']');
        } else {
            self.members(value.as_object().ok_or(NotPlain)?, out, depth)?;
        }
        Ok(true)
    }

    fn members(&self, object: &Object<'js>, out: &mut Vec<u8>, depth: u32) -> Result<(), NotPlain> {
        if object.get_prototype().is_some_and(|prototype| prototype != self.plain) || object.contains_key("toJSON")? {
            return Err(NotPlain);
        }
        out.push(b'{');
        let mut first = true;
        for member in object.own_props::<Atom<'js>, Value<'js>>(Filter::default()) {
            let (key, value) = member?;
            let before = out.len();
            if !first {
                out.push(b',');
            }
            serde_json::to_writer(&mut *out, &key.to_js_string()?.to_string()?)?;
            out.push(b':');
            if self.value(&value, out, depth + 1)? {
                first = false;
            } else {
                out.truncate(before);
            }
        }
        out.push(b'}');
        Ok(())
    }

    fn number(&self, value: &Value<'js>, number: f64, out: &mut Vec<u8>) -> Result<(), NotPlain> {
        if !number.is_finite() {
            out.extend_from_slice(b"null");
        } else if number.fract() == 0.0 && number.abs() < 9e15 {
            serde_json::to_writer(&mut *out, &(number as i64))?;
        } else {
            let text = Coerced::<String>::from_js(value.ctx(), value.clone())?;
            out.extend_from_slice(text.0.as_bytes());
        }
        Ok(())
    }
}

mod read;

pub use read::read;

#[cfg(test)]
mod tests {
    use rquickjs::{Context, Runtime};

    use super::*;

    /// What is written of the value of an expression; nothing where it is not plain. Compared with `JSON.stringify`.
    fn written(expression: &str) -> Option<String> {
        let context = Context::full(&Runtime::new().unwrap()).unwrap();
        context.with(|ctx| {
            let value: Value<'_> = ctx.eval(format!("({expression})")).unwrap();
            let mut out = Vec::new();
            let plain = ctx.eval("Object.prototype").unwrap();
            Writer { plain }.write(&value, &mut out).ok()?;
            let text = String::from_utf8(out).unwrap();
            let expected = ctx.json_stringify(value).unwrap().unwrap().to_string().unwrap();
            assert!(text == expected, "{expression}");
            Some(text)
        })
    }

    #[test]
    fn plain_values_are_written_as_the_engine_writes_them() {
        for expression in [
            "{}",
            "[]",
            "{ a: 1, b: [true, null, 'x'], c: { d: {} } }",
            "{ 2: 'b', 1: 'a', z: 'c', 'with \"quotes\"': '\\u0000\\u001f\\u007f\\b\\f\\n\\r\\t\\\\ \\u2028 é 😀' }",
            "[0, -0, 1.5, -1e21, 1e300, 123456789012345, 9007199254740993, NaN, Infinity, 0.1 + 0.2, 5e-324]",
            "[undefined, () => 1, Symbol('x'), , 1]",
            "{ a: undefined, b: () => 1, c: Symbol('x'), d: 1, [Symbol('y')]: 2 }",
            "{ get a() { return 1 } }",
            "Object.defineProperty({ b: 2 }, 'hidden', { value: 1, enumerable: false })",
            "Object.assign(Object.create(null), { a: 1 })",
            "{ ['__proto__']: 1, constructor: 2 }",
            "'text'",
            "7",
        ] {
            assert!(written(expression).is_some(), "{expression}");
        }
    }

    #[test]
    fn what_is_not_plain_is_left_to_the_engine() {
        for expression in [
            "new Date(0)",
            "{ a: new (class { x = 1 })() }",
            "{ toJSON: () => 1 }",
            "Object.assign([1], { toJSON: () => 2 })",
            "Object.defineProperty({}, 'toJSON', { value: () => 1 })",
            "new String('x')",
            "[new Number(1)]",
            "new Proxy({}, {})",
            "1n",
            "'\\ud800'",
            "{ '\\ud800': 1 }",
            "(() => { const a = {}; a.a = a; return a })()",
            "undefined",
            "() => 1",
            "Array(1e6)",
            "Array(5e5).fill({})",
            "{ get a() { throw new Error('no') } }",
        ] {
            assert!(written(expression).is_none(), "{expression}");
        }
    }
}
