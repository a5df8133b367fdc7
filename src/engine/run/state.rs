//! What an event's run is made of, and what goes with it from one realm to the next.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::engine::dialog::cursor::DialogCursor;
use crate::engine::dialog::{Answer, Dialog, Flows, Why};
use crate::engine::host::Counts;
use crate::protocol::{DispatchKind, Unfit, WorkHead};
use crate::script::{Overrun, Used};

/// Work as it came from the server.
#[derive(Debug, Clone)]
pub struct RealmJob {
    /// The dispatch's number.
    pub dispatch: u64,
    /// What kind of work.
    pub kind: DispatchKind,
    /// The work's JSON.
    pub json: Bytes,
    /// When it began, perhaps in another realm.
    pub begun: Instant,
    /// Where to go on, after a realm was given up.
    pub resume: Option<Box<Resume>>,
}

impl RealmJob {
    /// Reads the body of a `Dispatch` frame; nothing where it is none.
    pub fn read(dispatch: u64, body: Bytes) -> Option<Self> {
        let now = Instant::now();
        let (WorkHead { kind, resume }, json) = WorkHead::read(body)?;
        let resume: Option<Box<Resume>> =
            if resume.is_empty() { None } else { Some(serde_json::from_slice(&resume).ok()?) };
        let spent = resume.as_ref().map_or(0, |resume| resume.spent_ms);
        let begun = now.checked_sub(Duration::from_millis(spent)).unwrap_or(now);
        Some(Self { dispatch, kind, json, begun, resume })
    }
}

/// Where an event goes on in a fresh realm.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Resume {
    /// How long ago the event began, in milliseconds.
    pub(super) spent_ms: u64,
    pub(super) stage: Stage,
    pub(super) next_hook: usize,
    pub(super) copy: String,
    pub(super) counts: Counts,
    pub(super) used: Used,
    pub(super) steps: Option<Box<RawValue>>,
    /// A dialog that was interrupted.
    pub(super) conversation: Option<Box<DialogRun>>,
    /// How the dialog that a script asked for ended.
    pub(super) processed: Option<Ended>,
}

/// What became of a job.
#[derive(Debug)]
pub enum Outcome {
    /// It is over.
    Done {
        /// Why the realm must not be used for another one, if so.
        unfit: Option<Unfit>,
    },
    /// It goes on in a fresh realm.
    Again(Box<Resume>),
}

/// Why scripts stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// Out of computing time in this realm.
    Interrupted(Overrun),
    /// No further scripts for this event.
    Ended(Overrun),
}

impl Stop {
    /// Why the realm is of no more use.
    pub fn unfit(self) -> Unfit {
        match self.overrun() {
            Overrun::Memory(_) => Unfit::Memory,
            Overrun::Cancelled => Unfit::Single,
            _ => Unfit::Limit,
        }
    }

    /// The limit that was hit.
    pub fn overrun(self) -> Overrun {
        let (Self::Interrupted(overrun) | Self::Ended(overrun)) = self;
        overrun
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Stage {
    /// Hooks before the incoming middleware.
    BeforeIncoming,
    /// The incoming middleware chain.
    Middleware,
    /// Hooks after it.
    AfterIncoming,
    /// Ranking of the suggestions.
    Decision,
    /// Hooks before one is elected.
    BeforeElection,
    /// The elected one is sent.
    Election,
    /// The dialog engine.
    Dialog,
    /// Hooks after everything.
    AfterProcessed(Persist),
    /// The dialog was skipped: nothing follows.
    Skipped(Persist),
    /// Hooks before a time-out leads anywhere.
    BeforeTimeout,
    /// Where the time-out leads.
    Timeout,
}

/// What of the state goes into the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Persist {
    /// Nothing: the dialog was skipped.
    Nothing,
    /// Session and user: a suggestion was sent.
    Session,
    /// All of it, temp and context included.
    All,
}

/// How driving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Driven {
    /// The promise is settled.
    Settled,
    /// Nothing is outstanding any more.
    Idle,
    /// Time is over.
    TimedOut,
}

/// A dialog under way, with what it is to be told next.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DialogRun {
    pub(super) dialog: Dialog,
    /// The place as the realm has it.
    pub(super) written: DialogCursor,
    pub(super) answer: Answer,
    /// The hooks before the end are at work, for that reason.
    pub(super) ending: Option<Why>,
}

impl DialogRun {
    /// The same, to go on with that answer.
    pub(super) fn answered(&self, answer: Answer) -> Box<Self> {
        Box::new(Self { answer, ..self.clone() })
    }
}

/// How a dialog's part of an event ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Ended {
    /// It waits for the user.
    Waits,
    /// It is over.
    Over,
    /// It could not go on, and has apologised.
    Failed,
}

/// What an event's run keeps of its dialogs.
#[derive(Debug, Default)]
pub(super) struct Dialogs {
    /// What an earlier realm left, or this one leaves to the next.
    pub(super) left: RefCell<Option<Box<DialogRun>>>,
    /// What of the state is stored although the event's scripts were ended.
    pub(super) kept: Cell<Option<Persist>>,
    /// How the last one that a script asked for ended (`bp.dialog.processEvent`).
    pub(super) processed: Cell<Option<Ended>>,
    /// How many a script has asked for.
    pub(super) asked: Cell<u32>,
    /// How many are at work, one within an action of the other.
    pub(super) depth: Cell<u32>,
    /// A stop was reported with its flow and node: whoever asked for the dialog need not be named.
    pub(super) said: Cell<bool>,
}

/// The file of the flow that a place is in.
pub(super) fn file_of(flows: &Flows, place: &DialogCursor) -> Option<String> {
    flows.get(place.flow.as_deref()?).map(|flow| flow.path.to_string())
}

/// Whether two places are the same but for what comes next in the node.
pub(super) fn same_node(a: &DialogCursor, b: &DialogCursor) -> bool {
    (&a.flow, &a.node, &a.previous, &a.jump_points, a.has_jumped)
        == (&b.flow, &b.node, &b.previous, &b.jump_points, b.has_jumped)
}
