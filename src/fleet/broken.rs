//! Rules that a test breaks on purpose, one at a time, to show that the simulator of `dispatch` finds it. Outside of tests
//! none is ever broken, and asking costs nothing.

/// A rule, and how it is broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// The turn of a conversation is given back when its event is processed, not when that is stored.
    TurnAfterCommit,
    /// Each third effect is dropped.
    EveryEffect,
    /// What a script sends to a bot is dropped.
    EveryFollowUp,
    /// An event sends another, however many have led to it.
    FollowUpsEnd,
    /// An event's end is stored before what it did.
    EffectsFirst,
    /// The place on the board of a realm that is gone is not given back.
    SlotsComeBack,
    /// An event whose realm died runs in two realms.
    RunAgainOnce,
    /// A realm counts as free when its event is processed, though it has not said that it is free.
    IdleRealmsOnly,
    /// A death is counted for an event whose realm was not to blame.
    InnocentsAreNotCounted,
    /// A realm that waits still counts among those that run.
    WaitingRealmsDoNotRun,
    /// An event that runs again goes behind the others of its conversation.
    TurnIsKept,
    /// An event that goes on in another realm is lost.
    ResumedGoOn,
    /// What one realm left is lost, and the event begins anew.
    ResumeKeepsWhatWasLeft,
    /// Who waits for replies is never answered.
    CallersAreAnswered,
    /// Who waits for replies is answered before they are stored.
    CallersAreAnsweredLast,
    /// An idle realm of a bot whose program has changed stays in use.
    OldRealmsGo,
    /// An event is set aside at its first death.
    TwoDeaths,
    /// More realms compute at once than may.
    RunningIsLimited,
    /// A realm past its budget is not killed.
    BudgetsAreKept,
    /// A realm's end is not told of: its event never ends.
    DeathsAreTold,
    /// What waits to be stored counts forever among what waits.
    AdmissionIsLeft,
    /// A kill ends the event of a neighbour.
    KillsEndOneEvent,
    /// Start and mount hooks that fell do not run again.
    HooksStandAgain,
    /// Who has a candidate compiled is not told that the compiler is gone.
    CompilersAnswer,
    /// A realm that must not go on, and does, is let be.
    EndingRealmsEnd,
    /// An event that was taken back before its realm began with it is lost.
    TakenBackRunElsewhere,
    /// A realm that waited when its answer was sent counts as waiting while it computes on it.
    AnswersOnTheirWayCount,
    /// A realm that somebody else killed counts as a death of its event.
    OthersKillsAreNotCounted,
    /// What an event has lived until somebody else killed its realm counts towards how long it may.
    WhoIsKilledHasItsTimeAgain,
    /// An event whose realm somebody else has stopped is over, as if it had taken too long.
    WhoIsStoppedIsNotToBlame,
    /// An event whose realm has grown larger than it may runs again where the system kills it before the server does.
    WhatGrowsTooLargeIsOver,
}

impl Rule {
    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 31] = [
        Self::TurnAfterCommit,
        Self::EveryEffect,
        Self::EveryFollowUp,
        Self::FollowUpsEnd,
        Self::EffectsFirst,
        Self::SlotsComeBack,
        Self::RunAgainOnce,
        Self::IdleRealmsOnly,
        Self::InnocentsAreNotCounted,
        Self::WaitingRealmsDoNotRun,
        Self::TurnIsKept,
        Self::ResumedGoOn,
        Self::ResumeKeepsWhatWasLeft,
        Self::CallersAreAnswered,
        Self::CallersAreAnsweredLast,
        Self::OldRealmsGo,
        Self::TwoDeaths,
        Self::RunningIsLimited,
        Self::BudgetsAreKept,
        Self::DeathsAreTold,
        Self::AdmissionIsLeft,
        Self::KillsEndOneEvent,
        Self::HooksStandAgain,
        Self::CompilersAnswer,
        Self::EndingRealmsEnd,
        Self::TakenBackRunElsewhere,
        Self::AnswersOnTheirWayCount,
        Self::OthersKillsAreNotCounted,
        Self::WhoIsKilledHasItsTimeAgain,
        Self::WhoIsStoppedIsNotToBlame,
        Self::WhatGrowsTooLargeIsOver,
    ];
}

#[cfg(test)]
std::thread_local! {
    static BROKEN: std::cell::Cell<Option<Rule>> = const { std::cell::Cell::new(None) };
}

/// Breaks a rule on this thread.
#[cfg(test)]
pub(crate) fn break_rule(rule: Option<Rule>) {
    BROKEN.set(rule);
}

/// Whether a test has broken that rule.
#[cfg(test)]
pub(crate) fn is_broken(rule: Rule) -> bool {
    BROKEN.get() == Some(rule)
}

/// Never.
#[cfg(not(test))]
pub(crate) const fn is_broken(_: Rule) -> bool {
    false
}
