//! The last thousand events: what each one did, as JSON text made once and never parsed again.

use std::collections::VecDeque;
use std::fmt::{self, Write as _};
use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::value::RawValue;

use crate::config::secrets::Secrets;
use crate::model::{BotId, EventId, UserId};
use crate::telemetry;

/// How many events are kept.
const KEPT: usize = 1_000;

/// A ring of traces; clones share it.
#[derive(Debug, Clone)]
pub struct Traces {
    ring: Arc<Mutex<Ring>>,
    /// What is not told of them.
    secrets: Secrets,
}

#[derive(Debug)]
struct Ring {
    traces: VecDeque<Trace>,
    /// Of all their steps.
    bytes: u64,
    most: u64,
}

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
    /// The event's payload as it came, unless it is large.
    pub(super) payload: Option<Box<RawValue>>,
    pub(super) errors: u32,
    /// Why it ended early: a kill, poison.
    pub(super) ended: Option<String>,
    /// A JSON array, as the worker wrote it.
    pub(super) steps: Option<Box<RawValue>>,
    /// The same of what came after `Processed`.
    pub(super) late: Option<Box<RawValue>>,
}

impl Ring {
    fn drop_oldest(&mut self) {
        if let Some(trace) = self.traces.pop_front() {
            self.bytes -= trace.bytes();
        }
    }

    fn fit(&mut self) {
        while self.bytes > self.most {
            self.drop_oldest();
        }
    }
}

impl Traces {
    /// A ring of so many bytes.
    pub(super) fn new(most: u64, secrets: Secrets) -> Self {
        let ring = Arc::new(Mutex::new(Ring { traces: VecDeque::new(), bytes: 0, most }));
        Self { ring, secrets }
    }

    /// Keeps a trace, and logs it if anybody reads it there.
    pub(super) fn push(&self, trace: Trace) {
        if tracing::enabled!(target: "trace", tracing::Level::INFO) {
            // It becomes text only if it is written.
            telemetry::event_trace(trace.bot.as_str(), fmt::from_fn(|f| f.write_str(&trace.to_json())));
        }
        let mut ring = self.ring.lock();
        if ring.traces.len() >= KEPT {
            ring.drop_oldest();
        }
        ring.bytes += trace.bytes();
        ring.traces.push_back(trace);
        ring.fit();
    }

    pub(super) fn late(&self, event: EventId, steps: Box<RawValue>) {
        // What settles late was processed shortly before: it is found near the end.
        let mut ring = self.ring.lock();
        let ring = &mut *ring;
        if let Some(trace) = ring.traces.iter_mut().rev().find(|trace| trace.event == event) {
            let before = trace.bytes();
            trace.late = Some(steps);
            ring.bytes = ring.bytes + trace.bytes() - before;
            ring.fit();
        }
    }

    /// The trace of an event as JSON: `{ eventId, botId, type, channel, target, waitedMs, tookMs, errors, ended?, payload?, steps, late }`;
    /// `None` once 1,000 later ones are done, or as many as hold `traces.bytes`, or before it is processed.
    pub fn get(&self, event: EventId) -> Option<String> {
        self.ring.lock().traces.iter().rev().find(|trace| trace.event == event).map(|trace| self.told(trace))
    }

    /// The traces of a user's events after that one, oldest first, each as [`Traces::get`] gives it.
    pub fn of_user(&self, bot: &BotId, user: &UserId, after: EventId) -> Vec<String> {
        let ring = self.ring.lock();
        let theirs = |trace: &&Trace| trace.event > after && trace.bot == *bot && trace.target == *user;
        let mut found: Vec<&Trace> = ring.traces.iter().filter(theirs).collect();
        found.sort_by_key(|trace| trace.event);
        found.into_iter().map(|trace| self.told(trace)).collect()
    }

    /// The traces of the last events, newest first, each as [`Traces::get`] gives it.
    pub fn last(&self, count: usize) -> Vec<String> {
        self.ring.lock().traces.iter().rev().take(count).map(|trace| self.told(trace)).collect()
    }

    fn told(&self, trace: &Trace) -> String {
        self.secrets.hide_json(&trace.to_json()).into_owned()
    }

    /// The ids of the last events, newest first.
    pub fn recent(&self, count: usize) -> Vec<EventId> {
        self.ring.lock().traces.iter().rev().take(count).map(|trace| trace.event).collect()
    }
}

impl Trace {
    fn bytes(&self) -> u64 {
        let steps = [&self.payload, &self.steps, &self.late].into_iter().flatten().map(|raw| raw.get().len() as u64);
        steps.sum::<u64>() + size_of::<Self>() as u64
    }

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
        if let Some(payload) = &self.payload {
            let _ = write!(out, r#","payload":{payload}"#);
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
            payload: None,
            errors: 0,
            ended: None,
            steps: RawValue::from_string("[{\"hook\":\"x\"}]".into()).ok(),
            late: None,
        }
    }

    #[test]
    fn a_trace_is_json_with_its_late_steps() {
        let traces = Traces::new(1 << 20, Secrets::default());
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
    fn a_users_events_are_found_in_their_order() {
        let traces = Traces::new(1 << 20, Secrets::default());
        let user = |text: &str| UserId::parse(text).unwrap();
        for (id, target) in [(3, "u"), (2, "u"), (4, "v"), (1, "u")] {
            traces.push(Trace { target: user(target), ..trace(id) });
        }
        let found = |bot: &str, after| {
            let found = traces.of_user(&BotId::parse(bot).unwrap(), &user("u"), EventId(after));
            let id = |json: &String| serde_json::from_str::<serde_json::Value>(json).unwrap()["eventId"].to_string();
            found.iter().map(id).collect::<String>()
        };
        assert_eq!(found("a", 1), "\"2\"\"3\"");
        assert_eq!(found("b", 0), "");
    }

    #[test]
    fn huge_traces_drive_out_older_ones_before_they_fill_the_memory() {
        let traces = Traces::new(10_000, Secrets::default());
        let huge = |bytes: usize| RawValue::from_string(format!("[{}]", "1".repeat(bytes))).unwrap();
        for id in 0..5 {
            traces.push(Trace { steps: Some(huge(3_000)), ..trace(id) });
        }
        assert_eq!(traces.recent(10).len(), 3);
        traces.late(EventId(4), huge(5_000));
        assert_eq!(traces.recent(10), [EventId(4)]);
        traces.late(EventId(4), huge(50_000));
        assert!(traces.recent(10).is_empty());
        assert_eq!(traces.ring.lock().bytes, 0);
    }

    #[test]
    fn only_the_last_thousand_are_kept() {
        let traces = Traces::new(1 << 20, Secrets::default());
        for id in 0..=1_000 {
            traces.push(trace(id));
        }
        assert!(traces.get(EventId(0)).is_none());
        assert!(traces.get(EventId(1)).is_some());
        assert_eq!(traces.recent(2), [EventId(1_000), EventId(999)]);
    }
}
