//! The last thousand events: what each one did, as JSON text made once and never parsed again.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::model::{BotId, EventId, UserId};
use crate::telemetry;

/// How many events are kept.
const KEPT: usize = 1_000;

/// A ring of traces; clones share it.
#[derive(Debug, Clone, Default)]
pub struct Traces(Arc<Mutex<VecDeque<Trace>>>);

/// What one event did.
#[derive(Debug)]
pub(super) struct Trace {
    pub(super) event: EventId,
    pub(super) bot: BotId,
    pub(super) kind: Arc<str>,
    pub(super) channel: Arc<str>,
    pub(super) target: UserId,
    /// Milliseconds from acceptance to dispatch.
    pub(super) waited_ms: f64,
    /// Milliseconds from dispatch to processed.
    pub(super) took_ms: f64,
    pub(super) errors: u32,
    /// Why it ended early: a kill, poison.
    pub(super) ended: Option<String>,
    /// A JSON array, as the worker wrote it.
    pub(super) steps: Option<Box<RawValue>>,
    /// The same of what came after `Processed`.
    pub(super) late: Option<Box<RawValue>>,
}

impl Traces {
    /// Keeps a trace, and logs it if anybody reads it there.
    pub(super) fn push(&self, trace: Trace) {
        if tracing::enabled!(target: "trace", tracing::Level::INFO) {
            telemetry::event_trace(&trace.to_json());
        }
        let mut ring = self.0.lock();
        if ring.len() >= KEPT {
            ring.pop_front();
        }
        ring.push_back(trace);
    }

    pub(super) fn late(&self, event: EventId, steps: Box<RawValue>) {
        // What settles late was processed shortly before: it is found near the end.
        if let Some(trace) = self.0.lock().iter_mut().rev().find(|trace| trace.event == event) {
            trace.late = Some(steps);
        }
    }

    /// The trace of an event as JSON: `{ eventId, botId, type, channel, target, waitedMs, tookMs, errors, ended?, steps, late }`;
    /// `None` once 1,000 later ones are done, or before it is processed.
    pub fn get(&self, event: EventId) -> Option<String> {
        self.0.lock().iter().rev().find(|trace| trace.event == event).map(Trace::to_json)
    }

    /// The ids of the last events, newest first.
    pub fn recent(&self, count: usize) -> Vec<EventId> {
        self.0.lock().iter().rev().take(count).map(|trace| trace.event).collect()
    }
}

impl Trace {
    fn to_json(&self) -> String {
        let text = |text: &str| serde_json::to_string(text).unwrap_or_default();
        let steps = |steps: &Option<Box<RawValue>>| steps.as_deref().map_or("[]", RawValue::get).to_owned();
        let mut out = format!(
            r#"{{"eventId":"{}","botId":"{}","type":{},"channel":{},"target":{},"waitedMs":{:.3},"tookMs":{:.3},"errors":{}"#,
            self.event,
            self.bot,
            text(&self.kind),
            text(&self.channel),
            text(self.target.as_str()),
            self.waited_ms,
            self.took_ms,
            self.errors,
        );
        if let Some(ended) = &self.ended {
            // Writing into a String cannot fail.
            let _ = write!(out, r#","ended":{}"#, text(ended));
        }
        let _ = write!(out, r#","steps":{},"late":{}}}"#, steps(&self.steps), steps(&self.late));
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(id: u64) -> Trace {
        Trace {
            event: EventId(id),
            bot: BotId::parse("a").unwrap(),
            kind: "te\"xt".into(),
            channel: "web".into(),
            target: UserId::parse("u").unwrap(),
            waited_ms: 0.25,
            took_ms: 1.5,
            errors: 0,
            ended: None,
            steps: RawValue::from_string("[{\"hook\":\"x\"}]".into()).ok(),
            late: None,
        }
    }

    #[test]
    fn a_trace_is_json_with_its_late_steps() {
        let traces = Traces::default();
        traces.push(trace(1));
        traces.late(EventId(1), RawValue::from_string("[1]".into()).unwrap());
        let json: serde_json::Value = serde_json::from_str(&traces.get(EventId(1)).unwrap()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "eventId": "1", "botId": "a", "type": "te\"xt", "channel": "web", "target": "u", "waitedMs": 0.25, "tookMs": 1.5,
                "errors": 0, "steps": [{ "hook": "x" }], "late": [1]
            })
        );
    }

    #[test]
    fn only_the_last_thousand_are_kept() {
        let traces = Traces::default();
        for id in 0..=1_000 {
            traces.push(trace(id));
        }
        assert!(traces.get(EventId(0)).is_none());
        assert!(traces.get(EventId(1)).is_some());
        assert_eq!(traces.recent(2), [EventId(1_000), EventId(999)]);
    }
}
