//! Operations on their way to the writer: run, then told the outcome after the commit.

use super::error::StoreError;
use super::tx::Tx;

/// What most operations cost, in bytes that are written and statements that are run.
pub(super) const COST: u64 = 1 << 10;

/// One operation.
pub(super) trait Submitted: Send {
    /// About what it costs.
    fn cost(&self) -> u64 {
        COST
    }
    /// Runs the operation, after which its transaction may be undone as a whole and it run once more; whether it was done. Who
    /// cannot run twice is not asked.
    fn attempt(&mut self, _tx: &Tx<'_>) -> bool {
        false
    }
    /// Whether it can be attempted.
    fn repeats(&self) -> bool {
        false
    }
    /// Runs the operation for good, in a savepoint of its own; whether its changes are to be kept.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Makes the outcome an error, unless it is one already.
    fn fail(&mut self, error: StoreError);
    /// Why it, or the first part of it that failed, is not stored.
    fn error(&self) -> Option<&StoreError>;
    /// Tells the outcome.
    fn tell(self: Box<Self>);
}

/// What came of an operation, and who is told.
struct Outcome<T, Then> {
    result: Option<Result<T, StoreError>>,
    then: Then,
}

impl<T, Then: FnOnce(Result<T, StoreError>)> Outcome<T, Then> {
    fn new(then: Then) -> Self {
        Self { result: None, then }
    }

    /// Keeps it; whether it is none to undo.
    fn keep(&mut self, result: Result<T, StoreError>) -> bool {
        self.result.insert(result).is_ok()
    }

    fn fail(&mut self, error: StoreError) {
        if !matches!(self.result, Some(Err(_))) {
            self.result = Some(Err(error));
        }
    }

    fn error(&self) -> Option<&StoreError> {
        self.result.as_ref()?.as_ref().err()
    }

    fn tell(self) {
        (self.then)(self.result.unwrap_or(Err(StoreError::Closed)));
    }
}

/// An operation that runs once: what it does, its outcome and its completion in one allocation.
pub(super) struct Once<T, Op, Then> {
    op: Option<Op>,
    outcome: Outcome<T, Then>,
}

impl<T, Op, Then: FnOnce(Result<T, StoreError>)> Once<T, Op, Then> {
    pub(super) fn new(op: Op, then: Then) -> Self {
        Self { op: Some(op), outcome: Outcome::new(then) }
    }
}

impl<T, Op, Then> Submitted for Once<T, Op, Then>
where
    T: Send,
    Op: FnOnce(&Tx<'_>) -> Result<T, StoreError> + Send,
    Then: FnOnce(Result<T, StoreError>) + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = self.op.take().map_or(Err(StoreError::Closed), |op| op(tx));
        self.outcome.keep(result)
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome.fail(error);
    }

    fn error(&self) -> Option<&StoreError> {
        self.outcome.error()
    }

    fn tell(self: Box<Self>) {
        self.outcome.tell();
    }
}

/// The same for one that can run more than once.
pub(super) struct Repeated<T, Op, Then> {
    op: Op,
    outcome: Outcome<T, Then>,
}

impl<T, Op, Then: FnOnce(Result<T, StoreError>)> Repeated<T, Op, Then> {
    pub(super) fn new(op: Op, then: Then) -> Self {
        Self { op, outcome: Outcome::new(then) }
    }
}

impl<T, Op, Then> Submitted for Repeated<T, Op, Then>
where
    T: Send,
    Op: FnMut(&Tx<'_>) -> Result<T, StoreError> + Send,
    Then: FnOnce(Result<T, StoreError>) + Send,
{
    fn attempt(&mut self, tx: &Tx<'_>) -> bool {
        self.run(tx)
    }

    fn repeats(&self) -> bool {
        true
    }

    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let result = (self.op)(tx);
        self.outcome.keep(result)
    }

    fn fail(&mut self, error: StoreError) {
        self.outcome.fail(error);
    }

    fn error(&self) -> Option<&StoreError> {
        self.outcome.error()
    }

    fn tell(self: Box<Self>) {
        self.outcome.tell();
    }
}
