//! A bot's configuration as the server holds it.

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::workspace::BotInfo;
use crate::config::Problem;
use crate::config::jsonc::parse_object;
use crate::config::redact::redact;
use crate::config::values::duration_of;
use crate::model::BotId;
use crate::reading::BotFacts;

/// A bot's configuration, checked.
#[derive(Debug)]
pub(super) struct BotFile {
    pub(super) info: Arc<BotInfo>,
    /// The configuration as scripts may see it, as JSON text.
    pub(super) redacted: Option<Box<RawValue>>,
    pub(super) warnings: Vec<Problem>,
}

/// The language of a bot that names none.
const LANGUAGE: &str = "en";

impl BotFile {
    /// What the file comes to.
    ///
    /// # Errors
    /// What was read of it is no object.
    pub(super) fn of(path: &str, bot: &BotId, facts: BotFacts) -> Result<Self, Vec<Problem>> {
        // It was read once already: it is no deeper than that allows.
        let config = parse_object(path, facts.config.get()).map_err(|problem| vec![*problem])?;
        let info = info(bot, config);
        let redacted = to_raw_value(&redact(&info.config)).ok();
        Ok(Self { info: Arc::new(info), redacted, warnings: facts.warnings })
    }
}

fn info(bot: &BotId, mut config: Map<String, Value>) -> BotInfo {
    // Scripts look for it there, whether or not the file names it.
    config.entry("id").or_insert_with(|| bot.as_str().into());
    let text =
        |key: &str| config.get(key).and_then(Value::as_str).filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    let flag = |key: &str| config.get(key).and_then(Value::as_bool).unwrap_or(false);
    let dialog = |key: &str| config.get("dialog").and_then(|dialog| duration_of(dialog.get(key)?));
    let default_language = text("defaultLanguage").unwrap_or_else(|| LANGUAGE.to_owned());
    let languages = config.get("languages").and_then(Value::as_array);
    let mut languages: Vec<String> =
        languages.into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect();
    if !languages.contains(&default_language) {
        languages.insert(0, default_language.clone());
    }
    BotInfo {
        id: bot.clone(),
        name: text("name").unwrap_or_else(|| bot.to_string()),
        description: text("description").unwrap_or_default(),
        details: config
            .get("details")
            .filter(|details| details.is_object())
            .cloned()
            .unwrap_or_else(|| Map::new().into()),
        disabled: flag("disabled"),
        private: flag("private"),
        default_language,
        languages,
        timeout_interval: dialog("timeoutInterval"),
        session_timeout_interval: dialog("sessionTimeoutInterval"),
        config: Arc::new(config),
    }
}

#[cfg(test)]
mod tests {
    use crate::reload::testing::bot_file;
    use serde_json::json;

    #[test]
    fn every_key_is_kept_and_the_known_ones_are_read() {
        let file = bot_file(
            "Shop",
            r#"{ "id": "shop", "name": "The Shop", "details": { "website": "x" }, "private": true, "defaultLanguage": "fr",
                 "languages": ["en"], "dialog": { "timeoutInterval": "5m" }, "mine": { "a": [1] } /* ours */ }"#,
        );
        assert!(file.warnings.is_empty());
        let info = file.info;
        assert_eq!((info.name.as_str(), info.private, info.disabled), ("The Shop", true, false));
        assert_eq!(info.languages, ["fr", "en"]);
        assert_eq!((info.timeout_interval, info.session_timeout_interval), (Some(300_000), None));
        assert_eq!(info.details, json!({ "website": "x" }));
        assert_eq!(info.config["mine"], json!({ "a": [1] }));
    }

    #[test]
    fn a_bot_needs_no_key_at_all() {
        let info = bot_file("shop", "{}").info;
        assert_eq!((info.name.as_str(), info.default_language.as_str()), ("shop", "en"));
        assert_eq!(info.languages, ["en"]);
    }
}
