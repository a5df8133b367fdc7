//! Whether a text is a JavaScript expression, as conditions of transitions are. Semicolons at its end are left away, here and
//! where it is run.

use oxc_allocator::Allocator;
use oxc_parser::Parser;
use oxc_span::SourceType;

use super::refused_by;
use crate::parsing::depth::too_deep;

/// Refuses what is no expression, with the byte offset and the reason.
pub(in crate::parsing) fn refuse_expression(source: &str, nesting: usize) -> Result<(), (usize, String)> {
    let source = source.trim_end_matches(|c: char| c == ';' || c.is_whitespace());
    if let Some(offset) = too_deep(source, nesting) {
        return Err((
            offset,
            format!("nested too deeply to be read: more than {nesting} levels (`workspace.nesting`)"),
        ));
    }
    let allocator = Allocator::default();
    let Err(errors) = Parser::new(&allocator, source, SourceType::script()).parse_expression() else { return Ok(()) };
    let refused = refused_by(errors.errors(), |offset| offset.min(source.len()));
    let (offset, message) = refused.into_iter().next().unwrap_or((0, "it cannot be read".to_owned()));
    let message = match super::in_words(&message, "its end") {
        message if message == "unexpected token" && offset >= source.len() => {
            "it ends where more is expected".to_owned()
        }
        message => message,
    };
    Err((offset, message))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    fn refuse_expression(source: &str) -> Result<(), (usize, String)> {
        super::refuse_expression(source, 2_000)
    }

    #[test]
    fn expressions_are_read_and_everything_else_is_refused_with_its_place() {
        for fine in [
            "temp['skill-choice-ret'] == \"a\"",
            "event.nlu.intent.name === 'x' && !session.done",
            "temp.x <= undefined",
            "(() => { return user.a })()",
            "a, b",
            "{ a: 1 }",
            "/x/.test(event.preview) // why",
            "await",
            "x = 1",
            "user.a;",
        ] {
            assert_eq!(refuse_expression(fine), Ok(()), "{fine}");
        }
        let bad =
            ["a b", "a; b", "if (a) b", "return a", "a ==", "(a", "a)", "'a", "a === ", "", "const a = 1", "a //\n b"];
        let said: Vec<String> = bad
            .iter()
            .map(|text| {
                let (offset, reason) = refuse_expression(text).unwrap_err();
                format!("{text:?} {offset}: {reason}")
            })
            .collect();
        expect![[r#"
            "a b" 2: unexpected token
            "a; b" 1: unexpected token
            "if (a) b" 0: unexpected token
            "return a" 0: unexpected token
            "a ==" 4: it ends where more is expected
            "(a" 2: expected `)` but found its end
            "a)" 1: unexpected token
            "'a" 0: unterminated string
            "a === " 5: it ends where more is expected
            "" 0: it ends where more is expected
            "const a = 1" 0: unexpected token
            "a //\n b" 6: unexpected token"#]]
        .assert_eq(&said.join("\n"));
        assert!(refuse_expression(&"(".repeat(100_000)).is_err());
    }
}
