//! A bot's configuration: `bots/<id>/bot.config.json`.

use std::sync::Arc;

use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};

use super::workspace::BotInfo;
use crate::config::Problem;
use crate::config::jsonc::{Step, offset, parse_object};
use crate::config::keys::BOT;
use crate::config::redact::redact;
use crate::config::schema::apply;
use crate::config::values::duration_of;
use crate::model::BotId;

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

/// Reads a bot's configuration.
///
/// # Errors
/// A text that is not a JSON object, and known keys of the wrong type.
pub(super) fn read_bot(path: &str, bot: &BotId, text: &str) -> Result<BotFile, Vec<Problem>> {
    let config = parse_object(path, text).map_err(|problem| vec![*problem])?;
    let problems = apply(path, text, &config, BOT, false, &mut ());
    if !problems.is_empty() {
        return Err(problems);
    }
    let mut warnings = Vec::new();
    if let Some(Value::String(id)) = config.get("id")
        && !id.eq_ignore_ascii_case(bot.as_str())
    {
        warnings.push(
            Problem::warning(
                path,
                format!("\"id\" is {id:?}, but the bot's id is {:?}, the name of its folder", bot.as_str()),
            )
            .at(text, offset(text, &[Step::Key("id")])),
        );
    }
    let info = info(bot, config);
    Ok(BotFile { redacted: to_raw_value(&redact(&info.config)).ok(), info: Arc::new(info), warnings })
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
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    fn bot() -> BotId {
        BotId::parse("Shop").unwrap()
    }

    #[test]
    fn every_key_is_kept_and_the_known_ones_are_read() {
        let file = read_bot(
            "bots/Shop/bot.config.json",
            &bot(),
            r#"{ "id": "shop", "name": "The Shop", "details": { "website": "x" }, "private": true, "defaultLanguage": "fr",
                 "languages": ["en"], "dialog": { "timeoutInterval": "5m" }, "mine": { "a": [1] } /* ours */ }"#,
        )
        .unwrap();
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
        let info = read_bot("x", &bot(), "{}").unwrap().info;
        assert_eq!((info.name.as_str(), info.default_language.as_str()), ("shop", "en"));
        assert_eq!(info.languages, ["en"]);
    }

    #[test]
    fn every_documented_key_is_checked_and_null_is_as_good_as_nothing() {
        for key in BOT.iter().filter(|key| key.kind != crate::config::schema::ValueKind::Any) {
            let of = |value: &str| {
                let (open, close): (String, String) =
                    key.path.split('.').map(|name| (format!("{{{name:?}:"), "}")).unzip();
                read_bot("x", &bot(), &format!("{open}{value}{close}"))
            };
            // No key may hold an array of numbers.
            let problems = of("[7]").unwrap_err();
            assert!(problems[0].message.starts_with(&format!("{:?} must be ", key.path)), "{}", problems[0]);
            assert!(of("null").is_ok(), "{}", key.path);
        }
    }

    #[test]
    fn wrong_types_and_another_id_are_named_with_their_place() {
        let problems = read_bot(
            "bots/Shop/bot.config.json",
            &bot(),
            "{\n  \"disabled\": \"yes\",\n  \"details\": { \"website\": 1 },\n  \"languages\": [1]\n}",
        )
        .unwrap_err();
        let shown: Vec<String> = problems.into_iter().map(|problem| problem.without_frame().to_string()).collect();
        expect![[r#"
            bots/Shop/bot.config.json:2:15: error: "disabled" must be true or false, got the text "yes"
            bots/Shop/bot.config.json:3:27: error: "details.website" must be a text, got the number 1
            bots/Shop/bot.config.json:4:16: error: "languages" must be an array of texts, got an array"#]]
        .assert_eq(&shown.join("\n"));
        let file = read_bot("bots/Shop/bot.config.json", &bot(), "{ \"id\": \"store\" }").unwrap();
        expect![[r#"
            bots/Shop/bot.config.json:1:9: warning: "id" is "store", but the bot's id is "shop", the name of its folder
            > 1 | { "id": "store" }
                |         ^"#]]
        .assert_eq(&file.warnings[0].to_string());
    }
}
