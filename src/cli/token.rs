//! `nudge token`: a bearer token for scripts and for routes that ask for one.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::{output, workspace};
use crate::clock::Clock;
use crate::config::values::parse_duration;
use crate::config::{self, Overrides};
use crate::model::BotId;
use crate::services::Tokens;
use crate::store::{Peek, Store, Timestamp};

/// Print a bearer token for `/secured`, private bots and the other routes that ask for one.
#[derive(Debug, Args)]
pub(super) struct TokenArgs {
    /// The workspace.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// How long it is good: `12h`, `30d`.
    #[arg(long, default_value = "30d", value_parser = lifetime)]
    expires: u64,
    /// Whose it is: a name for people.
    #[arg(long)]
    user: Option<String>,
    /// The only bot that it is good for [default: all].
    #[arg(long, value_parser = BotId::parse)]
    bot: Option<BotId>,
}

/// Prints the token alone to stdout, so that a script can take it as it is.
pub(super) fn run(args: &TokenArgs) -> anyhow::Result<()> {
    let root = workspace::root(&args.dir)?;
    let clock = Clock::system();
    let tokens = Tokens::new(&secret(&root, &clock)?, clock.clone());
    let token = tokens.make(args.user.as_deref(), args.bot.as_ref(), args.expires)?;
    output::hint(format_args!("{}", explanation(args, clock.now())));
    output::line(format_args!("{token}"));
    Ok(())
}

/// The secret that a server of this folder has, or will have: the one that is configured, else the stored one, which is
/// made here if no server has made it yet.
fn secret(root: &Path, clock: &Clock) -> anyhow::Result<String> {
    let (settings, _) = config::load(root, &Overrides::default(), &workspace::environment())?;
    if let Some(secret) = settings.app_secret {
        return Ok(secret);
    }
    let database = root.join("data.db");
    match Peek::open(&database)?.map(|peek| peek.app_secret()).transpose()?.flatten() {
        Some(secret) => Ok(secret),
        None => Ok(Store::open(&database, clock.clone())?.app_secret()?),
    }
}

/// What is said beside the token.
fn explanation(args: &TokenArgs, now: u64) -> String {
    let until = Timestamp(now.saturating_add(args.expires)).to_string();
    let bots =
        args.bot.as_ref().map_or_else(|| "all bots of this workspace".to_owned(), |bot| format!("the bot {bot}"));
    format!(
        "Good until {} UTC for {bots}. Send it as the header `Authorization: Bearer <token>`.\n\
         Whoever has it may do all that it allows; it cannot be taken back but by another app secret.",
        until[..16].replace('T', " ")
    )
}

/// A lifetime of a second or more. Digits alone would count milliseconds, which nobody means here.
fn lifetime(text: &str) -> Result<u64, String> {
    let digits = text.trim().bytes().all(|byte| byte.is_ascii_digit());
    let parsed = parse_duration(text).filter(|milliseconds| !digits && *milliseconds >= 1_000);
    parsed.ok_or_else(|| "it must be a time such as \"12h\", \"30d\" or \"6 months\", at least a second".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lifetime_has_a_unit() {
        assert_eq!(lifetime("30d"), Ok(2_592_000_000));
        assert_eq!(lifetime("1 hour"), Ok(3_600_000));
        for bad in ["30", "5000", "500ms", "0s", "-1d", "soon", ""] {
            assert!(lifetime(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_explanation_says_until_when_and_for_whom() {
        let bot = BotId::parse("x").ok();
        let args = TokenArgs { dir: ".".into(), expires: 86_400_000, user: None, bot };
        let text = explanation(&args, 1_795_330_099_736);
        assert!(text.starts_with("Good until 2026-11-23 06:48 UTC for the bot x."), "{text}");
    }
}
