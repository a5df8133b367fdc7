//! Events that scripts send: let in by depth, rate and room, stored like all else that an event does; the script hears when it
//! is stored, or why it is not.

use std::sync::Arc;

use super::super::action::{Asked, Effect as Change};
use super::super::requests::result_body;
use super::{Machine, Now};
use crate::fleet::Loan;
use crate::fleet::broken::{Rule, is_broken};
use crate::model::{ConversationKey, EventDraft, EventId};
use crate::protocol::{Effect, Frame, FrameKind};

/// What scripts call to send one.
pub(in crate::dispatch) const MEMBER: &str = "events.sendEvent";

/// The answer to who sent an event: that it is stored, or why it is not.
pub(in crate::dispatch) fn sent(asked: Asked, result: Result<(), String>) -> Frame {
    let Asked { dispatch, number } = asked;
    let result = result.map(|()| String::new()).map_err(|why| format!("bp.{MEMBER}: {why}"));
    Frame { kind: FrameKind::Result, dispatch, number, body: result_body(MEMBER, result, u64::MAX) }
}

impl Machine {
    /// An event that a script sends. Where it may not be, nothing of it is stored, and the script hears why.
    pub(super) fn incoming(
        &mut self,
        now: Now,
        (dispatch, asked): (u64, Option<Asked>),
        (event, number): (EventId, u32),
        key: ConversationKey,
        effect: Effect,
        loan: Loan,
    ) {
        let depth = match self.may_send(now, dispatch, &effect) {
            Ok(depth) => depth,
            Err(why) => return self.not_sent(now, asked, why),
        };
        let draft = EventDraft {
            key: key.clone(),
            thread: effect.thread_id.map(Arc::from),
            kind: effect.kind.into(),
            payload: effect.payload,
            preview: effect.preview,
            nlu: effect.nlu,
            credentials: None,
            suggestions: effect.suggestions,
            depth,
        };
        let bytes = draft.bytes();
        if let Err(full) = self.tally.enter(&key, bytes) {
            return self.not_sent(now, asked, full.to_string());
        }
        if is_broken(Rule::EveryFollowUp) {
            self.tally.admission.leave(&key, bytes);
            return self.not_sent(now, asked, String::new());
        }
        self.batch_of(event).effects.push(Change::FollowUp { number, key, draft, bytes, asked, loan });
    }

    /// How deep the event would be, if it may be sent.
    fn may_send(&mut self, now: Now, dispatch: u64, effect: &Effect) -> Result<u32, String> {
        let Some(flight) = self.flights.get(&dispatch) else { return Err("its event is over".to_owned()) };
        let most = self.tally.settings.dispatch.follow_up_depth;
        if flight.depth() >= most && !is_broken(Rule::FollowUpsEnd) {
            return Err(format!(
                "{most} events in a row have led to this one, each sent by a script of the one before: it can send no other \
                 (scripts.followUpDepth). Does an event of type '{:.80}' send itself?",
                effect.kind
            ));
        }
        self.send_rate.take(now.at, flight.bot())?;
        Ok(flight.depth() + 1)
    }

    /// An event that a script sends is not stored.
    pub(super) fn not_sent(&mut self, now: Now, asked: Option<Asked>, why: String) {
        if let Some(asked) = asked {
            self.answered(now, sent(asked, Err(why)));
        }
    }
}
