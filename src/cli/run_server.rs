//! `nudge run-server`: serves a workspace until it is told to stop.

pub(super) mod greeting;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, ValueEnum};

use crate::app::{App, Options};
use crate::cli::{output, workspace};
use crate::config::{self, Overrides, Problem, hook_folder};
use crate::reload::is_built_in;
use crate::shutdown::{self, StopSignals};
use crate::telemetry::{self, LogFormat, LogRules};

use greeting::{Greeting, HookCount};

/// Serve a workspace: hooks, content types and bots over HTTP.
#[derive(Debug, Args)]
pub(super) struct ServerArgs {
    /// The workspace.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Where to listen [default: localhost; BP_HOST, httpServer.host].
    #[arg(long)]
    host: Option<String>,
    /// Port to listen on, 0 for any free one [default: 3000, or the next free one; BP_PORT, PORT, httpServer.port].
    #[arg(long)]
    port: Option<u16>,
    /// For the public: no stack traces, no traces of events, no hints (`BP_PRODUCTION`).
    #[arg(long)]
    production: bool,
    /// Do not pick up changes of files.
    #[arg(long)]
    no_watch: bool,
    /// How log entries look.
    #[arg(long, value_enum, default_value = "pretty")]
    log: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One readable line each, for people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// Serves until a signal stops it.
pub(super) fn run(args: &ServerArgs) -> anyhow::Result<()> {
    let root = workspace::root(&args.dir)?;
    let environment = workspace::environment();
    let overrides = Overrides { host: args.host.clone(), port: args.port, production: args.production };
    // Read here for what the log needs; the server reads it again and says what is wrong with it.
    let production = config::load(&root, &overrides, &environment).map_or(args.production, |(s, _)| s.production);
    let format = match args.log {
        Format::Pretty => LogFormat::Pretty { colour: output::colour_on_stderr() },
        Format::Json => LogFormat::Json,
    };
    let log = telemetry::init(format, environment.get("NUDGE_LOG").map(String::as_str), production)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let outcome = runtime.block_on(serve(args, &root, log.rules()));
    shutdown::end(runtime);
    // The last entries are written before the error is printed.
    drop(log);
    outcome
}

async fn serve(args: &ServerArgs, root: &Path, log: LogRules) -> anyhow::Result<()> {
    let mut signals = StopSignals::listen().context("cannot listen for signals")?;
    let mut options = Options::new(root);
    options.host.clone_from(&args.host);
    options.port = args.port;
    options.production = args.production;
    options.watch = !args.no_watch;
    options.log = Some(log);
    let app = tokio::select! {
        app = App::build(options) => app?,
        // Nothing was accepted yet: there is nothing to finish.
        _ = signals.next() => return Ok(()),
    };
    announce(args, &app);
    let stopped = async move {
        signals.next().await;
        tracing::info!(
            "stopping: what runs is finished, the rest is done after the next start; a second signal ends it at once"
        );
        tokio::spawn(async move {
            let code = signals.next().await;
            std::process::exit(code.into());
        });
    };
    app.run_until_stopped(stopped).await?;
    tracing::info!("stopped");
    Ok(())
}

/// Says what is served, and what is wrong with it.
fn announce(args: &ServerArgs, app: &App) {
    let workspace = app.workspace();
    let settings = app.settings();
    let hooks = HookCount::of(&workspace.program, is_built_in);
    let mut greeting = Greeting {
        root: workspace.root.clone(),
        url: app.url(),
        other_port: app.taken_port(),
        bots: Vec::new(),
        open_bot: None,
        disabled: Vec::new(),
        hooks,
        lock_in: app.locked_in().how.clone(),
        hook_folder: hook_folder(&workspace.root).to_owned(),
        watching: !args.no_watch,
        production: settings.production,
        problems: counts(&workspace.problems),
    };
    for (id, bot) in &workspace.bots {
        if bot.disabled {
            greeting.disabled.push(id.to_string());
        } else {
            if !bot.private && greeting.open_bot.is_none() {
                greeting.open_bot = Some(id.to_string());
            }
            greeting.bots.push((id.to_string(), bot.name.clone()));
        }
    }
    match args.log {
        Format::Pretty => output::line(format_args!("\n{}", greeting.render())),
        Format::Json => greeting.log(),
    }
}

fn counts(problems: &[Problem]) -> (usize, usize) {
    let errors = problems.iter().filter(|problem| problem.fatal).count();
    (errors, problems.len() - errors)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::scratch::Scratch;
    use crate::reload::{BUILTIN_PREFIX, BUILTINS};

    #[test]
    fn the_first_hook_goes_where_the_layout_has_hooks() {
        let scratch = Scratch::new().unwrap();
        assert_eq!(hook_folder(scratch.path()), "hooks");
        std::fs::create_dir_all(scratch.path().join("data/global")).unwrap();
        assert_eq!(hook_folder(scratch.path()), "data/global/hooks");
    }

    #[test]
    fn a_built_in_is_one_in_a_checkout_too_until_it_is_edited() {
        let hook = BUILTINS.iter().find(|file| file.path.starts_with("hooks/")).unwrap();
        assert!(is_built_in(&format!("{BUILTIN_PREFIX}{}", hook.path), hook.source));
        assert!(is_built_in(hook.path, hook.source));
        assert!(!is_built_in(hook.path, "edited"));
    }

    #[test]
    fn problems_are_counted_by_weight() {
        let problems = [Problem::error("a", "x"), Problem::warning("b", "y"), Problem::warning("c", "z")];
        assert_eq!(counts(&problems), (1, 2));
    }
}
