//! The content of one bot for the scripts of another: a realm knows only its own.

use serde_json::value::RawValue;

use crate::program::Program;

/// The method by which a realm asks for it. It is none of `bp`.
pub(super) const METHOD: &str = "content.of";

/// The answer to such a request, whose arguments are `[botId, member]`, the member of `bp.cms` that asks: `{ config, defaultLanguage, elements: { id: element } }`, or
/// `null` where there is no such bot.
pub(super) fn content_of(program: &Program, arguments: &RawValue) -> String {
    let bot = serde_json::from_str::<(String, String)>(arguments.get()).ok();
    let bot = bot.and_then(|(bot, _)| program.bots.get(&bot.to_ascii_lowercase()));
    bot.map_or_else(|| "null".into(), |bot| bot.content())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{BotProgram, Element};

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.into()).unwrap()
    }

    #[test]
    fn a_bots_content_is_its_configuration_its_language_and_its_elements_and_that_of_nobody_is_null() {
        let element = Element { content_type: "builtin_text".into(), json: raw("{\"id\":\"hi\"}") };
        let bot = BotProgram {
            config: Some(raw("{\"name\":\"B\"}")),
            default_language: "fr".into(),
            elements: std::collections::BTreeMap::from([("hi".into(), element)]).into(),
            ..BotProgram::default()
        };
        let mut program = Program::default();
        program.bots.insert("b".into(), bot);
        assert_eq!(
            content_of(&program, &raw("[\"B\",\"getContentElement\"]")),
            r#"{"config":{"name":"B"},"defaultLanguage":"fr","elements":{"hi":{"id":"hi"}}}"#
        );
        for none in ["[\"c\"]", "[\"\"]", "[]", "[1]", "{}"] {
            assert_eq!(content_of(&program, &raw(none)), "null");
        }
    }
}
