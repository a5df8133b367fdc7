//! `nudge check`: every problem of a workspace, found as the server would find it.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::cli::run_server::greeting::problem_count;
use crate::cli::{output, workspace};
use crate::program::{Program, Role};
use crate::telemetry::trace::counted;

/// Read and compile everything, and print every problem; exit code 1 if one is an error.
#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// The workspace.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
}

/// Prints the problems and a summary.
pub(super) fn run(args: &CheckArgs) -> anyhow::Result<ExitCode> {
    let root = workspace::root(&args.dir)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let checked = runtime.block_on(workspace::compile(&root))?;
    let workspace = &checked.workspace;
    let mut problems: Vec<_> = checked.problems.iter().chain(&workspace.problems).chain(&workspace.hints).collect();
    // Errors last: they are what is looked for, and the end of the output is what is seen.
    problems.sort_by_key(|problem| (problem.fatal, &problem.path, problem.line, problem.column));
    for problem in &problems {
        output::line(format_args!("{}\n", problem.without(&checked.settings.secrets)));
    }
    let errors = problems.iter().filter(|problem| problem.fatal).count();
    let summary = summary(&workspace.program, workspace.bots.len());
    output::line(format_args!("{summary}: {}", problem_count(errors, problems.len() - errors)));
    Ok(if errors == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// `checked 9 hooks, 11 content types, 2 bots, 5 flows with 40 nodes`, built-in ones included.
fn summary(program: &Program, bots: usize) -> String {
    let count = |fits: fn(Role) -> bool| program.scripts.iter().filter(|script| fits(script.role)).count();
    let parts = [
        (count(|role| matches!(role, Role::Hook(_))), "hook", "hooks"),
        (count(|role| role == Role::Action), "action", "actions"),
        (count(|role| role == Role::ContentType), "content type", "content types"),
        (count(|role| matches!(role, Role::Module | Role::Json)), "module", "modules"),
        (bots, "bot", "bots"),
    ];
    let mut parts: Vec<String> = parts
        .into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(count, one, many)| counted(count, one, many))
        .collect();
    let flows = || program.bots.values().flat_map(|bot| bot.flows.values());
    if flows().next().is_some() {
        let nodes = flows().map(|flow| flow.nodes.len()).sum();
        parts.push(format!("{} with {}", counted(flows().count(), "flow", "flows"), counted(nodes, "node", "nodes")));
    }
    format!("checked {}", if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use super::*;
    use crate::program::flow::{Flow, Node};
    use crate::program::{BotProgram, HookKind, Script, Shape};

    #[test]
    fn the_summary_counts_what_was_checked() {
        let script = |role| Arc::new(Script { path: "x".into(), source: "".into(), role, shape: Shape::default() });
        let hook = Role::Hook(HookKind::OnBotError);
        let program =
            Program { scripts: vec![script(hook), script(hook), script(Role::ContentType)], ..Program::default() };
        assert_eq!(summary(&program, 1), "checked 2 hooks, 1 content type, 1 bot");
        let nodes = [("a", Node::default()), ("b", Node::default())].map(|(name, node)| (name.to_owned(), node)).into();
        let flows = BTreeMap::from([("main.flow.json".to_owned(), Flow { nodes, ..Flow::default() })]).into();
        let bot = BotProgram { flows, ..BotProgram::default() };
        let program = Program { bots: [("b".to_owned(), bot)].into(), ..Program::default() };
        assert_eq!(summary(&program, 1), "checked 1 bot, 1 flow with 2 nodes");
        assert_eq!(summary(&Program::default(), 0), "checked nothing");
    }
}
