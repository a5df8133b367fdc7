//! Hears what the server logs: script lines, traces of events, and its own words from `info` on.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

/// One log entry.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heard {
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) level: String,
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) target: String,
    pub(crate) message: String,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u64>,
    pub(crate) column: Option<u64>,
    pub(crate) hook: Option<String>,
    pub(crate) frame: Option<String>,
    /// The event whose script said it.
    pub(crate) event: Option<String>,
    /// The trace of an event, as JSON.
    pub(crate) trace: Option<String>,
}

/// What was heard since the last [`Hearing::take`].
#[derive(Debug, Clone, Default)]
pub(crate) struct Hearing(Arc<Mutex<Vec<Heard>>>);

impl Hearing {
    /// Listens from now on, to everything in this process. May be done once.
    pub(crate) fn start() -> Self {
        let hearing = Self::default();
        let registry = tracing_subscriber::registry().with(hearing.clone());
        tracing::subscriber::set_global_default(registry).unwrap();
        hearing
    }

    /// What was heard, event by event: those of different users run side by side.
    pub(crate) fn take(&self) -> Vec<Heard> {
        let mut heard = std::mem::take(&mut *self.0.lock().unwrap());
        heard.sort_by_key(Heard::event_id);
        heard
    }

    /// How many traces were heard and not taken yet.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) fn traces(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|heard| heard.trace.is_some()).count()
    }
}

impl Heard {
    /// The number of the event it belongs to; 0 is none.
    fn event_id(&self) -> u64 {
        let trace: Option<serde_json::Value> = self.trace.as_deref().and_then(|trace| serde_json::from_str(trace).ok());
        let id = trace.as_ref().map_or(self.event.as_deref(), |trace| trace["eventId"].as_str());
        id.and_then(|id| id.parse().ok()).unwrap_or(0)
    }
}

impl<S: Subscriber> Layer<S> for Hearing {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        let ours = matches!(metadata.target().split("::").next(), Some("script" | "trace" | "nudge"));
        ours && (metadata.target() == "script" || *metadata.level() <= tracing::Level::INFO)
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut heard = Heard {
            level: event.metadata().level().to_string().to_lowercase(),
            target: event.metadata().target().to_owned(),
            ..Heard::default()
        };
        event.record(&mut heard);
        self.0.lock().unwrap().push(heard);
    }
}

impl Visit for Heard {
    fn record_u64(&mut self, field: &Field, value: u64) {
        match field.name() {
            "line" => self.line = Some(value),
            "column" => self.column = Some(value),
            _ => {}
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "message" => self.message = value,
            "file" => self.file = Some(value),
            "hook" => self.hook = Some(value),
            "frame" => self.frame = Some(value),
            "event" => self.event = Some(value),
            "trace" => self.trace = Some(value),
            _ => {}
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        match field.name() {
            "message" => {
                self.message.clear();
                write!(self.message, "{value:?}").unwrap();
            }
            "trace" => self.trace = Some(format!("{value:?}")),
            _ => {}
        }
    }
}
