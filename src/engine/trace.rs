//! What happened to an event, step by step, as a JSON array that is written while it happens.
//!
//! Steps: `{"s":"hook","k":kind,"f":file,"us":microseconds,"flags":[…],"err":"…"}`, `{"s":"reply","t":type}`,
//! `{"s":"event","t":type}`, `{"s":"decision","r":reason}`, `{"s":"dialog","r":…}`, `{"s":"log","l":level}`,
//! `{"s":"error","err":"…"}`, `{"s":"realm","r":reason}`; of a dialog `{"s":"node","flow":…,"node":…}`,
//! `{"s":"say","i":instruction}`, `{"s":"action","n":name,"f":file,"us":…,"err":…}`, `{"s":"transition","if":…,"to":…}`,
//! `{"s":"jump","flow":…,"node":…}`, `{"s":"return","flow":…,"node":…}`, `{"s":"wait"}`, `{"s":"end","why":…}`.

use std::fmt::Write;
use std::time::Duration;

use serde_json::value::RawValue;

/// The steps so far.
#[derive(Debug, Default)]
pub struct Trace {
    text: String,
    /// Flags with the script that set them: a reply's hooks run within the hook that replies.
    flags: Vec<(u32, String)>,
    steps: u32,
}

/// Most steps of one event; a script that replies in a loop would otherwise fill memory.
const MOST_STEPS: u32 = 500;
/// Most bytes of one event's steps: errors may be long.
const MOST_BYTES: usize = 64 << 10;

impl Trace {
    /// A flag was set (`!name`: cleared) by that script.
    pub fn flag(&mut self, script: u32, name: String) {
        if self.flags.len() < 16 {
            self.flags.push((script, name));
        }
    }

    /// A hook ended.
    pub fn hook(&mut self, script: u32, kind: &str, file: &str, took: Duration, error: Option<&str>) {
        let flags: Vec<String> = self.flags.extract_if(.., |(by, _)| *by == script).map(|(_, name)| name).collect();
        self.step(|text| {
            let _ =
                write!(text, "{{\"s\":\"hook\",\"k\":{},\"f\":{},\"us\":{}", json(kind), json(file), took.as_micros());
            if !flags.is_empty() {
                let _ = write!(text, ",\"flags\":{}", serde_json::to_string(&flags).unwrap_or_default());
            }
            if let Some(error) = error {
                let _ = write!(text, ",\"err\":{}", json(error));
            }
            text.push('}');
        });
    }

    /// Any step with one text.
    pub fn note(&mut self, step: &str, key: &str, value: &str) {
        self.step(|text| {
            let _ = write!(text, "{{\"s\":\"{step}\",\"{key}\":{}}}", json(value));
        });
    }

    /// Any step with some texts.
    pub fn texts(&mut self, step: &str, texts: &[(&str, &str)]) {
        self.step(|text| {
            let _ = write!(text, "{{\"s\":\"{step}\"");
            for (key, value) in texts {
                let _ = write!(text, ",\"{key}\":{}", json(value));
            }
            text.push('}');
        });
    }

    /// An action ended.
    pub fn action(&mut self, name: &str, file: &str, took: Duration, error: Option<&str>) {
        self.step(|text| {
            let _ = write!(
                text,
                "{{\"s\":\"action\",\"n\":{},\"f\":{},\"us\":{}",
                json(name),
                json(file),
                took.as_micros()
            );
            if let Some(error) = error {
                let _ = write!(text, ",\"err\":{}", json(error));
            }
            text.push('}');
        });
    }

    fn step(&mut self, write: impl FnOnce(&mut String)) {
        self.steps += 1;
        if self.steps > MOST_STEPS || self.text.len() > MOST_BYTES {
            return;
        }
        self.text.push(if self.text.is_empty() { '[' } else { ',' });
        write(&mut self.text);
    }

    /// Takes the steps, if there are any, and begins anew.
    pub fn take(&mut self) -> Option<Box<RawValue>> {
        self.flags.clear();
        self.steps = 0;
        if self.text.is_empty() {
            return None;
        }
        let mut text = std::mem::take(&mut self.text);
        text.push(']');
        RawValue::from_string(text).ok()
    }
}

fn json(text: &str) -> String {
    serde_json::to_string(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_are_json_and_flags_belong_to_the_hook_that_set_them() {
        let mut trace = Trace::default();
        trace.flag(7, "skipDialogEngine".into());
        trace.hook(8, "before_outgoing_middleware", "hooks/y.js", Duration::from_micros(1), None);
        trace.hook(7, "before_incoming_middleware", "hooks/x.js", Duration::from_micros(7), None);
        trace.note("reply", "t", "te\"xt");
        assert_eq!(
            trace.take().unwrap().get(),
            r#"[{"s":"hook","k":"before_outgoing_middleware","f":"hooks/y.js","us":1},{"s":"hook","k":"before_incoming_middleware","f":"hooks/x.js","us":7,"flags":["skipDialogEngine"]},{"s":"reply","t":"te\"xt"}]"#
        );
        assert!(trace.take().is_none());
    }
}
