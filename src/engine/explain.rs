//! Says what the engine leaves out: which function there was none of. QuickJS only says "not a function", at a column that
//! may be that of the last argument, so the call is looked for in the source around it.

use crate::sdk::{ELSEWHERE, MEMBERS, OBJECTS};

/// Most lines that a call's name is looked for above the error: `bp.users` and below it `.getAttributes(…)`.
const LINES_ABOVE: usize = 5;

/// A better message for an error of that message at that place (line and column from 1), if there is one.
pub fn explain(message: &str, source: &str, line: u32, column: u32) -> Option<String> {
    let property = message.strip_prefix("cannot read property '").and_then(|rest| rest.strip_suffix("' of undefined"));
    if message != "not a function" && property.is_none() {
        return None;
    }
    let lines: Vec<&str> = source.lines().collect();
    let at = usize::try_from(line).ok()?.checked_sub(1)?;
    let here = *lines.get(at)?;
    let mut first = at;
    while first > 0 && at - first < LINES_ABOVE && lines[first].trim_start().starts_with(['.', '?']) {
        first -= 1;
    }
    let above: String = lines[first..at].join("\n");
    let text = format!("{above}\n{here}");
    for chain in chains_of_bp(&text) {
        if let Some(length) = unknown_part(&chain)
            && property.is_none_or(|property| chain.get(length) == Some(&property))
        {
            return Some(missing(&chain, length));
        }
    }
    if property.is_some() {
        return None;
    }
    let column = usize::try_from(column).ok()?.checked_sub(1)?;
    let offset = here.char_indices().nth(column).map(|(offset, _)| offset)?;
    callee(here, offset).map(|name| format!("{name} is not a function"))
}

/// What is said of a member that does not exist. `length` parts of the chain lead to nothing.
fn missing(chain: &[&str], length: usize) -> String {
    let wanted = chain[..length].join(".");
    let whole = chain.join(".");
    if ELSEWHERE.iter().any(|name| *name == wanted || wanted.split_once('.').is_some_and(|(space, _)| *name == space)) {
        return format!("bp.{whole} is not supported by this server; see docs/differences.md");
    }
    let text = format!("bp.{whole} is not a function");
    match near(&whole, &wanted) {
        Some(name) => format!("{text}; did you mean bp.{name}?"),
        None => text,
    }
}

/// The member most likely meant: the nearest by name, or else one of that very name in another namespace.
fn near(whole: &str, wanted: &str) -> Option<String> {
    let names: Vec<String> = MEMBERS.iter().map(|member| format!("{}.{}", member.namespace, member.name)).collect();
    let all = || names.iter().map(String::as_str);
    if let Some(near) = crate::config::nearest::nearest(whole, all()) {
        return Some(near.to_owned());
    }
    let last = wanted.rsplit('.').next()?;
    all().find(|name| name.rsplit('.').next() == Some(last)).map(ToOwned::to_owned)
}

/// How many parts of `bp.a.b.c` it takes to get to something that does not exist.
fn unknown_part(chain: &[&str]) -> Option<usize> {
    let first = *chain.first()?;
    if OBJECTS.contains(&first) {
        return None;
    }
    if !MEMBERS.iter().any(|member| member.namespace == first) {
        return Some(1);
    }
    let second = *chain.get(1)?;
    let known = MEMBERS.iter().any(|member| member.namespace == first && member.name == second);
    // What every function has: `bp.kvs.get.bind(…)` is further on.
    if known { None } else { Some(2) }
}

/// The names behind every `bp` that is a variable: `["kvs", "get"]`.
fn chains_of_bp(text: &str) -> Vec<Vec<&str>> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("bp") {
        let before = text[..at].chars().next_back();
        let mut rest = &text[at + 2..];
        if before.is_some_and(|c| is_part(c) || c == '.') || rest.starts_with(is_part) {
            continue;
        }
        let mut chain = Vec::new();
        while let Some(after) = rest.trim_start().strip_prefix("?.").or_else(|| rest.trim_start().strip_prefix('.')) {
            let after = after.trim_start();
            let length = after.find(|c| !is_part(c)).unwrap_or(after.len());
            if length == 0 {
                break;
            }
            chain.push(&after[..length]);
            rest = &after[length..];
        }
        if !chain.is_empty() {
            found.push(chain);
        }
    }
    found
}

/// The name of what is called at an offset, `own.thing` of `own.thing()`, where that is plain to see.
fn callee(line: &str, offset: usize) -> Option<&str> {
    // On a file's first line the engine counts members from the dot, elsewhere from the name.
    let start = offset + line[offset..].len() - line[offset..].trim_start_matches(['.', '?']).len();
    let length = line[start..].find(|c| !is_part(c)).unwrap_or(line.len() - start);
    let end = start + length;
    if length == 0 || !line[end..].trim_start().starts_with('(') {
        return None;
    }
    let from = line[..start].rfind(|c| !is_part(c) && c != '.').map_or(0, |at| at + 1);
    let from = line.char_indices().map(|(at, _)| at).find(|at| *at >= from)?;
    let name = line[from..end].trim_start_matches('.');
    name.starts_with(|c: char| is_part(c) && !c.is_ascii_digit()).then_some(name)
}

fn is_part(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(source: &str, line: u32, column: u32) -> Option<String> {
        explain("not a function", source, line, column)
    }

    #[test]
    fn a_member_that_does_not_exist_is_named_with_the_one_that_does() {
        let said = |text: &str| Some(text.to_owned());
        assert_eq!(of("bp.kvs.gett('a')", 1, 7), said("bp.kvs.gett is not a function; did you mean bp.kvs.get?"));
        assert_eq!(
            of("await bp.cms.renderElements('builtin_text', {}, event)", 1, 49),
            said("bp.cms.renderElements is not a function; did you mean bp.cms.renderElement?")
        );
        assert_eq!(
            of("bp.users\n  .getAttribute('web', 'x')", 2, 4),
            said("bp.users.getAttribute is not a function; did you mean bp.users.getAttributes?")
        );
        assert_eq!(of("const b = bp?.foo()", 1, 15), said("bp.foo is not a function"));
        assert_eq!(
            of("bp.replyToEvent(event, [])", 1, 3),
            said("bp.replyToEvent is not a function; did you mean bp.events.replyToEvent?")
        );
        let read = |name: &str, source| explain(&format!("cannot read property '{name}' of undefined"), source, 1, 1);
        assert_eq!(
            read("replyToEvent", "bp.event.replyToEvent(event, [])"),
            said("bp.event.replyToEvent is not a function; did you mean bp.events.replyToEvent?")
        );
        assert_eq!(
            read("forBot", "bp.ghost.forBot('x')"),
            said("bp.ghost.forBot is not supported by this server; see docs/differences.md")
        );
        assert_eq!(read("other", "bp.event.replyToEvent(event.nothing.other)"), None);
    }

    #[test]
    fn any_other_function_is_named_where_it_is_plain_to_see() {
        assert_eq!(of("\nown.thing.more()", 2, 11).as_deref(), Some("own.thing.more is not a function"));
        assert_eq!(of("event.setFlags('x')", 1, 6).as_deref(), Some("event.setFlags is not a function"));
        assert_eq!(of("[1].mapp(x => x)", 1, 9), None);
        assert_eq!(of("\n(x => x)()()", 2, 3), None);
        assert_eq!(of("\nä.ö()", 2, 3).as_deref(), Some("ä.ö is not a function"));
        assert_eq!(of("x", 7, 3), None);
        assert_eq!(of("x", 1, 300), None);
        assert_eq!(explain("x is not defined", "x", 1, 1), None);
    }
}
