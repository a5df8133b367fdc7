//! The command line: one file per command, one variant each.

mod bench;
mod chat;
mod check;
mod http;
mod invoke;
mod output;
mod poisoned;
mod run_server;
mod scratch;
mod token;
mod types;
mod worker;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::ConfigError;

/// A scriptable bot server: drop a JavaScript file into hooks/, and it acts on real events.
#[derive(Debug, Parser)]
#[command(name = "nudge", version, about)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    RunServer(run_server::ServerArgs),
    Check(check::CheckArgs),
    Invoke(invoke::InvokeArgs),
    Chat(chat::ChatArgs),
    Bench(bench::BenchArgs),
    Types(types::TypesArgs),
    Token(token::TokenArgs),
    Poisoned(poisoned::PoisonedArgs),
    /// A script worker of a running server; not for use by hand.
    #[command(hide = true)]
    Worker,
}

/// Reads the command line and runs the command. The exit code is 0, or 1 after an error, 2 for a wrong command line.
pub fn main() -> ExitCode {
    crate::os::let_files_end();
    let outcome = match CommandLine::parse().command {
        Command::RunServer(args) => run_server::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Check(args) => check::run(&args),
        Command::Invoke(args) => invoke::run(&args),
        Command::Chat(args) => chat::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Bench(args) => bench::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Types(args) => types::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Token(args) => token::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Poisoned(args) => poisoned::run(&args),
        Command::Worker => worker::run().map(|()| ExitCode::SUCCESS),
    };
    outcome.unwrap_or_else(|error| {
        match error.downcast_ref::<ConfigError>() {
            // Each problem says itself how bad it is.
            Some(problems) => output::complaint(format_args!("{problems}")),
            None => output::complaint(format_args!("error: {error:#}")),
        }
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent_and_hides_the_worker() {
        CommandLine::command().debug_assert();
        let help = CommandLine::command().render_long_help().to_string();
        assert!(
            ["run-server", "check", "invoke", "chat", "bench", "types", "token", "poisoned"]
                .iter()
                .all(|name| help.contains(name))
                && !help.contains("worker"),
            "{help}"
        );
    }
}
