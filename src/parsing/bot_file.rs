//! A bot's configuration: `bots/<id>/bot.config.json`.

use serde_json::Value;
use serde_json::value::to_raw_value;

use crate::config::Problem;
use crate::config::jsonc::{Step, offset, parse_object};
use crate::config::keys::BOT;
use crate::config::schema::apply;
use crate::model::BotId;
use crate::reading::BotFacts;

/// Reads a bot's configuration.
///
/// # Errors
/// A text that is not a JSON object, and known keys of the wrong type.
pub(super) fn read_bot(path: &str, bot: &BotId, text: &str) -> Result<BotFacts, Vec<Problem>> {
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
    let config = to_raw_value(&config).map_err(|error| vec![Problem::error(path, format!("is no JSON: {error}"))])?;
    Ok(BotFacts { config, warnings })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn bot() -> BotId {
        BotId::parse("Shop").unwrap()
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
