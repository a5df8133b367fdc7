//! `nudge invoke`: one hook on one event, in a real worker, without a server and without leaving anything behind.

mod difference;
mod input;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use clap::Args;
use tokio::sync::watch;

use crate::cli::output;
use crate::cli::scratch::Scratch;
use crate::cli::workspace as on_disk;
use crate::clock::Clock;
use crate::dispatch::WorkerCommand;
use crate::dispatch::solo::{Seen, Solo};
use crate::model::BotId;
use crate::program::{HookKind, Program, Role};
use crate::protocol::InvokeWork;
use crate::services::Services;
use crate::store::{Rules, Store};

use report::Run;

/// Run one hook on one event, without a server: prints flags, replies, changes, log lines, errors and the time.
#[derive(Debug, Args)]
pub(super) struct InvokeArgs {
    /// The hook's file, in a folder of hooks of the workspace.
    hook: PathBuf,
    /// A JSON file with the event; `-` reads it from stdin. Only `type` is needed.
    #[arg(long)]
    event: PathBuf,
    /// The workspace.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// A JSON file with the state: `{ "user", "session", "temp", "context", "bot" }`, each part optional.
    #[arg(long)]
    state: Option<PathBuf>,
    /// The bot that gets the event; by default the event's own `botId`, else the first bot.
    #[arg(long, value_parser = |text: &str| BotId::parse(text))]
    bot: Option<BotId>,
}

/// Runs the hook and prints what it did. The exit code is 1 if it failed.
pub(super) fn run(args: &InvokeArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let run = runtime.block_on(invoke(args))?;
    output::line(format_args!("{}", run.render().trim_end()));
    Ok(if run.succeeded() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn invoke(args: &InvokeArgs) -> anyhow::Result<Run> {
    let root = on_disk::root(&args.dir)?;
    let compiled = on_disk::compile(&root).await?;
    let (settings, workspace) = (compiled.settings, compiled.workspace);
    let path = hook_path(&root, &args.hook)?;
    let about = |path: &str| workspace.problems.iter().find(|problem| problem.fatal && problem.path == path);
    if let Some(problem) = about(&path) {
        bail!("{problem}");
    }
    let program = &workspace.program;
    let kind = find_hook(program, &path, &root)?;

    let event = input::read(&args.event).context("cannot read the event")?;
    let bot = match input::bot_of(&event, args.bot.as_ref())? {
        Some(bot) => bot,
        None => workspace.bots.keys().next().cloned().context("the workspace has no bot; say which with --bot")?,
    };
    if !program.bots.contains_key(bot.as_str()) {
        let known: Vec<&str> = program.bots.keys().map(String::as_str).collect();
        bail!("there is no bot {bot} in the workspace (there are: {})", known.join(", "));
    }
    let clock = Clock::system();
    let event = input::complete_event(event, &bot, clock.now())?;
    let state = match &args.state {
        Some(path) => input::read(path).context("cannot read the state")?,
        None => serde_json::Value::Null,
    };
    let state = input::complete_state(state)?;

    let scratch = Scratch::new()?;
    let rules = Rules { limits: settings.stored.clone(), ..Rules::default() };
    let store = Store::open_with(&scratch.path().join("data.db"), clock, rules)?;
    let settings = Arc::new(settings);
    let (_keep, bots) = watch::channel(Arc::new(on_disk::directory(&workspace)));
    let services = Services::new(store, bots, Arc::clone(&settings))?;
    let work = InvokeWork {
        script: path.clone(),
        hook: kind.folder().to_owned(),
        event: serde_json::value::to_raw_value(&event)?,
        state: serde_json::value::to_raw_value(&state)?,
    };
    let solo = Solo::start(&settings, &WorkerCommand::current()?).await?;
    let (mut effects, mut log) = (Vec::new(), Vec::new());
    let result = solo
        .invoke(program, &bot, &work, &services, |seen| match seen {
            Seen::Effect(effect) => effects.push(*effect),
            Seen::Log(line) => log.push(*line),
        })
        .await;
    let result = match result {
        Ok(text) => Ok(serde_json::from_str(text.get()).context("the worker's result is no JSON")?),
        Err(error) => Err(error.to_string()),
    };
    Ok(Run { hook: path, event, state, effects, log, result })
}

/// The path of a hook relative to the workspace, with `/`: given relative to the current folder or to the workspace, or
/// as the path of a built-in.
fn hook_path(root: &Path, hook: &Path) -> anyhow::Result<String> {
    let text = hook.to_str().context("the path of the hook is not UTF-8")?;
    if text.starts_with("builtin:") {
        return Ok(text.to_owned());
    }
    let found = [hook.to_owned(), root.join(hook)].into_iter().filter_map(|path| path.canonicalize().ok());
    for path in found {
        if let Ok(relative) = path.strip_prefix(root) {
            let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy()).collect();
            return Ok(parts.join("/"));
        }
    }
    if !hook.exists() && !root.join(hook).exists() {
        bail!("there is no file {text}, neither here nor in the workspace {}", root.display());
    }
    bail!("{text} is not a file of the workspace {}; name the workspace with --dir", root.display())
}

/// The kind of the hook with that path.
fn find_hook(program: &Program, path: &str, root: &Path) -> anyhow::Result<HookKind> {
    let found = program.scripts.iter().position(|script| &*script.path == path);
    let Some(index) = found else {
        bail!(
            "{path} is not a hook in service of the workspace {}: it must lie below hooks/<kind>/ there, end with .js, and its name \
             must not begin with a dot; if its workspace is another folder, name that with --dir",
            root.display()
        );
    };
    let Role::Hook(kind) = program.scripts[index].role else {
        bail!("{path} is not a hook; only hooks can be invoked");
    };
    if !kind.row().args.contains(&"event") {
        bail!("{path}: hooks of the kind {} run without an event and cannot be invoked", kind.folder());
    }
    Ok(kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::program::{Script, Shape};

    #[test]
    fn a_hook_is_found_from_the_current_folder_and_from_the_workspace() {
        let scratch = Scratch::new().unwrap();
        let root = scratch.path().canonicalize().unwrap();
        let folder = root.join("hooks/on_bot_error");
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("x.js"), "").unwrap();
        let expected = "hooks/on_bot_error/x.js";
        assert_eq!(hook_path(&root, &folder.join("x.js")).unwrap(), expected);
        assert_eq!(hook_path(&root, Path::new("hooks/on_bot_error/x.js")).unwrap(), expected);
        assert_eq!(hook_path(&root, Path::new("builtin:hooks/a.js")).unwrap(), "builtin:hooks/a.js");
        assert!(hook_path(&root, Path::new("/etc/passwd")).unwrap_err().to_string().contains("--dir"));
        let missing = hook_path(&root, Path::new("hooks/nope.js")).unwrap_err().to_string();
        assert!(missing.starts_with("there is no file hooks/nope.js"), "{missing}");
    }

    #[test]
    fn only_hooks_with_an_event_can_be_invoked() {
        let script =
            |path: &str, role| Arc::new(Script { path: path.into(), source: "".into(), role, shape: Shape::default() });
        let program = Program {
            scripts: vec![
                script("a.js", Role::Action),
                script("b.js", Role::Hook(HookKind::AfterServerStart)),
                script("c.js", Role::Hook(HookKind::BeforeIncomingMiddleware)),
            ],
            ..Program::default()
        };
        let root = Path::new("/srv/bots");
        assert_eq!(find_hook(&program, "c.js", root).unwrap(), HookKind::BeforeIncomingMiddleware);
        for (path, why) in [("a.js", "not a hook"), ("b.js", "without an event"), ("d.js", "not a hook in service")] {
            assert!(find_hook(&program, path, root).unwrap_err().to_string().contains(why), "{path}");
        }
        let said = find_hook(&program, "d.js", root).unwrap_err().to_string();
        assert!(said.contains("of the workspace /srv/bots:") && said.contains("--dir"), "{said}");
    }
}
