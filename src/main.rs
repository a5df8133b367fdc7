//! The `nudge` binary: everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    nudge::cli::main()
}
