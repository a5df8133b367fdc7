//! Files of a workspace, as the process that reads them reads them: flows, elements, configurations of bots, JSON, scripts.

use crate::config::{MOST_PROBLEMS, Problem, ReadLimits};
use crate::model::BotId;
use crate::parsing::read;
use crate::program::HookKind;
use crate::reading::{Facts, FileRole, Reading};

/// The first line says what file it is.
pub(super) fn files(line: &str, text: &[u8]) {
    let Ok(bot) = BotId::parse("bot") else { return };
    let (path, role) = match line {
        "elements" => ("bots/bot/content-elements/t.json", FileRole::Elements { bot, content_type: "t".into() }),
        "bot" => ("bots/bot/bot.config.json", FileRole::Bot { bot }),
        "json" => ("data.json", FileRole::Module),
        _ => ("bots/bot/flows/main.flow.json", FileRole::Flow { bot, name: "main.flow.json".into() }),
    };
    check(path, &role, &String::from_utf8_lossy(text), &ReadLimits::default());
}

/// The first line says what kind of script it is. It is read on a stack of the size that the server gives to the process that reads:
/// inputs are so short (`make fuzz`) that nothing of theirs may need more.
pub(super) fn script(line: &str, text: &[u8]) {
    let role = match line {
        "action" => FileRole::Action { name: "a".into(), bot: None },
        "content-type" => FileRole::ContentType,
        "module" => FileRole::Module,
        _ => FileRole::Hook { kind: HookKind::BeforeIncomingMiddleware, bot: None },
    };
    let (text, limits) = (String::from_utf8_lossy(text), ReadLimits::default());
    std::thread::scope(|scope| {
        let reader = std::thread::Builder::new().stack_size(limits.stack());
        let reader = reader.spawn_scoped(scope, || check("hooks/x/y.js", &role, &text, &limits));
        if let Err(panic) = reader.expect("a thread").join() {
            std::panic::resume_unwind(panic);
        }
    });
}

/// Bytes that problems may take, whatever the text: so many of them have the lines around their places.
const OF_PROBLEMS: usize = 3 * (MOST_PROBLEMS + 1) * 4_000;

fn check(path: &str, role: &FileRole, text: &str, limits: &ReadLimits) {
    let reading = read(path, role, text, limits);
    // What the server is told is what was read.
    let told = serde_json::to_string(&reading).expect("plain data");
    let heard: Reading = serde_json::from_str(&told).unwrap_or_else(|error| panic!("it is not understood: {error}"));
    let again = |reading: &Reading| serde_json::to_string(reading).expect("plain data");
    assert_eq!(again(&heard), told, "it is not the same on the other side");
    assert_eq!(again(&read(path, role, text, limits)), told, "it is not the same a second time");
    assert!(told.len() <= OF_PROBLEMS + 100 * text.len(), "{} bytes of {}", told.len(), text.len());
    assert!(reading.facts.is_some() || !reading.problems.is_empty(), "refused without a word");
    problems(text, &reading.problems);
    match &reading.facts {
        Some(Facts::Flow(flow)) => {
            problems(text, &flow.sense.problems);
            problems(text, &flow.sense.hints);
            assert!(flow.sense.uses.iter().all(|used| text.is_char_boundary(used.at)), "a use has no place");
        }
        Some(Facts::Script(script)) => {
            problems(text, &script.warnings);
            // The text that is run has its lines and columns where the file has them.
            let lines = |text: &str| text.matches('\n').count();
            let json = path.ends_with(".json");
            assert!(json || script.text.as_ref().is_none_or(|run| lines(run) == lines(text)));
            assert!(script.sites.iter().all(|site| text.is_char_boundary(site.offset)), "a require has no place");
            assert_eq!(script.sites.len(), script.shape.requires.len());
        }
        Some(Facts::Bot(bot)) => problems(text, &bot.warnings),
        Some(Facts::Elements(_)) | None => {}
    }
}

/// There are not very many, and each says something, of a place that is there.
pub(super) fn problems(text: &str, problems: &[Problem]) {
    assert!(problems.len() <= MOST_PROBLEMS + 1, "{} problems", problems.len());
    let lines = 1 + text.matches(['\n', '\r', '\u{2028}', '\u{2029}']).count();
    for problem in problems {
        assert!(!problem.message.is_empty() && problem.message != "cannot be read: the parser failed", "{problem}");
        assert!(problem.line.is_none_or(|line| (1..=lines).contains(&(line as usize))), "{problem}");
        let shown = problem.to_string();
        assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    }
}
