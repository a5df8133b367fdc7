//! Logs: one line per entry for people, or one JSON object per line for machines.
//!
//! Everything goes through `tracing`. What scripts say arrives by [`script_line`] and has the target `script`, the
//! trace of an event by [`event_trace`] with the target `trace`. Whatever text they carry, control characters are
//! escaped before it reaches a terminal. Lines are written by a thread of their own, so a slow terminal never holds up the
//! server.

pub mod escape;
pub mod folding;
mod line;
pub mod once;
pub mod seldom;
pub mod spell;
pub mod trace;
mod writer;

use std::fmt::Display;
use std::io::Write;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;

pub use line::LogFormat;
pub use writer::{LogGuard, LogRules};

use folding::Folding;
use line::{SCRIPT, TRACE, millis};

use crate::model::EventId;
use crate::protocol::LogLine;

/// Why logging cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// `NUDGE_LOG` is no list of filters.
    #[error(
        "NUDGE_LOG={text:?} is no log filter ({reason}); write for example NUDGE_LOG=debug or NUDGE_LOG=warn,script=info"
    )]
    Filter {
        /// What it holds.
        text: String,
        /// What is wrong.
        reason: String,
    },
    /// Logging was set up before in this process.
    #[error("logging is already set up in this process")]
    Twice,
    /// The thread that writes could not be started.
    #[error("cannot start the thread that writes the log: {0}")]
    Thread(std::io::Error),
}

/// Sends log entries to stderr from here on. `filter` is the content of `NUDGE_LOG`, if any; without it the server's
/// own entries from `info` on are shown, what scripts log (with `debug` unless `production`), and traces of events.
/// Hold the guard to the end of the process: dropping it writes what is left.
///
/// # Errors
/// The filter cannot be read, or logging was set up before.
pub fn init(format: LogFormat, filter: Option<&str>, production: bool) -> Result<LogGuard, TelemetryError> {
    let usual =
        if production { "warn,nudge=info,script=info,trace=info" } else { "warn,nudge=info,script=debug,trace=info" };
    init_to(std::io::stderr(), format, filter, usual)
}

/// The same with another place for the entries, and another filter that is usual.
///
/// # Errors
/// As of [`init`].
pub fn init_to(
    out: impl Write + Send + 'static,
    format: LogFormat,
    filter: Option<&str>,
    usual: &str,
) -> Result<LogGuard, TelemetryError> {
    let text = filter.map(str::trim).filter(|text| !text.is_empty()).unwrap_or(usual);
    let filter = EnvFilter::from_str(text)
        .map_err(|error| TelemetryError::Filter { text: text.to_owned(), reason: error.to_string() })?;
    let dropped = match format {
        LogFormat::Pretty { .. } => |lost: u64| format!("{lost} log entries were dropped: the output is too slow\n"),
        LogFormat::Json => |lost: u64| {
            format!(
                "{{\"level\":\"warn\",\"module\":\"nudge::telemetry\",\"message\":\"log entries were dropped: the output is too slow\",\"dropped\":{lost}}}\n"
            )
        },
    };
    let folding = Arc::new(Mutex::new(Folding::default()));
    let notes = notes(format, dropped, &folding);
    let (writer, guard) = writer::start(out, notes, Arc::clone(&folding)).map_err(TelemetryError::Thread)?;
    let layer = line::LineLayer { format, writer, folding };
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(filter).with(layer))
        .map_err(|_| TelemetryError::Twice)?;
    Ok(guard)
}

/// What the thread that writes says of entries that were not written.
fn notes(format: LogFormat, dropped: fn(u64) -> String, folding: &Arc<Mutex<Folding>>) -> writer::Notes {
    let (asked, ended) = (Arc::clone(folding), Arc::clone(folding));
    let due = move || asked.lock().due(millis(SystemTime::now())).map(Duration::from_millis);
    let left_out = move |all| {
        let now = SystemTime::now();
        let mut folding = ended.lock();
        let left_out = if all { folding.end() } else { folding.over(millis(now)) };
        drop(folding);
        left_out.into_iter().map(|left_out| line::written(left_out, now, format)).collect()
    };
    writer::Notes { dropped, due: Box::new(due), left_out: Box::new(left_out) }
}

/// Logs what a script or its engine said, with its place and its code frame.
pub fn script_line(entry: &LogLine, event: Option<EventId>) {
    let event = event.map(|id| id.to_string());
    macro_rules! log {
        ($level:ident) => {
            tracing::event!(
                target: SCRIPT,
                tracing::Level::$level,
                bot = entry.bot.as_deref(),
                hook = entry.hook.as_deref(),
                file = entry.file.as_deref(),
                line = entry.line,
                column = entry.column,
                event = event.as_deref(),
                frame = entry.frame.as_deref(),
                message = entry.message.as_str()
            )
        };
    }
    match entry.level.as_str() {
        "error" => log!(ERROR),
        "warn" => log!(WARN),
        "debug" => log!(DEBUG),
        _ => log!(INFO),
    }
}

/// Logs the trace of one event of a bot, which shows as JSON text that [`trace::render_trace`] reads. The readable log has one
/// line of it, the JSON log the whole.
pub fn event_trace(bot: &str, trace: impl Display) {
    tracing::info!(target: TRACE, bot, %trace, "event");
}
