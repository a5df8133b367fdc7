//! Durations and sizes as people write them.

use serde_json::Value;

/// Longest duration: what a JavaScript number holds exactly.
const LONGEST: f64 = 9_007_199_254_740_991.0;

/// A unit's names and its milliseconds.
const DURATIONS: [(&[&str], f64); 8] = [
    (&["ms", "msec", "msecs", "millisecond", "milliseconds"], 1.0),
    (&["s", "sec", "secs", "second", "seconds"], 1_000.0),
    (&["m", "min", "mins", "minute", "minutes"], 60_000.0),
    (&["h", "hr", "hrs", "hour", "hours"], 3_600_000.0),
    (&["d", "day", "days"], 86_400_000.0),
    (&["w", "week", "weeks"], 604_800_000.0),
    (&["month", "months"], 2_592_000_000.0),
    (&["y", "yr", "yrs", "year", "years"], 31_557_600_000.0),
];

/// A unit's names and its bytes.
const SIZES: [(&[&str], f64); 5] = [
    (&["b", "byte", "bytes"], 1.0),
    (&["k", "kb", "kib"], 1_024.0),
    (&["m", "mb", "mib"], 1_048_576.0),
    (&["g", "gb", "gib"], 1_073_741_824.0),
    (&["t", "tb", "tib"], 1_099_511_627_776.0),
];

/// A duration in milliseconds: `'2m'`, `'10s'`, `'6 hours'`, `'1d'`, `'1.5h'`, or digits alone for milliseconds.
/// `None` for anything else, negative ones too.
pub fn parse_duration(text: &str) -> Option<u64> {
    quantity(text, &DURATIONS)
}

/// A size in bytes: `'10mb'`, `'512 KB'`, or digits alone for bytes.
pub fn parse_size(text: &str) -> Option<u64> {
    quantity(text, &SIZES)
}

/// A duration in JSON: text as for [`parse_duration`], or a number of milliseconds.
pub fn duration_of(value: &Value) -> Option<u64> {
    of(value, parse_duration)
}

/// A size in JSON: text as for [`parse_size`], or a number of bytes.
pub fn size_of(value: &Value) -> Option<u64> {
    of(value, parse_size)
}

fn of(value: &Value, parse: fn(&str) -> Option<u64>) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64().or_else(|| whole(number.as_f64()?)),
        Value::String(text) => parse(text),
        _ => None,
    }
}

fn quantity(text: &str, units: &[(&[&str], f64)]) -> Option<u64> {
    let text = text.trim();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    let factor = if unit.is_empty() {
        1.0
    } else {
        units.iter().find(|(names, _)| names.contains(&unit.as_str())).map(|(_, factor)| *factor)?
    };
    whole(number * factor)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the range is checked")]
fn whole(number: f64) -> Option<u64> {
    (0.0..=LONGEST).contains(&number).then(|| number.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, milliseconds) in [
            ("2m", 120_000),
            ("10s", 10_000),
            ("6 hours", 21_600_000),
            ("1d", 86_400_000),
            ("1.5h", 5_400_000),
            (" 3 Weeks ", 1_814_400_000),
            ("1 month", 2_592_000_000),
            ("250ms", 250),
            ("250", 250),
            ("0", 0),
        ] {
            assert_eq!(parse_duration(text), Some(milliseconds), "{text}");
        }
        for bad in ["", "m", "-1s", "1 fortnight", "1s 2m", "1e3", "1.2.3s", "∞", "99999999999999y"] {
            assert_eq!(parse_duration(bad), None, "{bad}");
        }
        assert_eq!(duration_of(&json!(1500)), Some(1500));
        assert_eq!(duration_of(&json!(-1)), None);
        assert_eq!(duration_of(&json!(true)), None);
    }

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [("10mb", 10 << 20), ("512 KB", 512 << 10), ("1g", 1 << 30), ("100", 100)] {
            assert_eq!(parse_size(text), Some(bytes), "{text}");
        }
        assert_eq!(parse_size("10 minutes"), None);
    }
}
