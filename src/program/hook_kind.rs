//! The kinds of hooks: one variant and one row each.

use serde::{Deserialize, Serialize};

/// A kind of hook; its folder's name in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs, reason = "HOOK_KINDS says what each one is")]
pub enum HookKind {
    AfterServerStart,
    AfterBotMount,
    AfterBotUnmount,
    BeforeIncomingMiddleware,
    AfterIncomingMiddleware,
    BeforeSuggestionsElection,
    BeforeOutgoingMiddleware,
    AfterEventProcessed,
    BeforeSessionTimeout,
    BeforeConversationEnd,
    OnIncidentStatusChanged,
    BeforeBotImport,
    OnBotError,
    OnStageRequest,
    AfterStageChanged,
}

/// What there is to know of a kind.
#[derive(Debug)]
pub struct HookKindRow {
    /// The kind.
    pub kind: HookKind,
    /// Folder under `hooks/`.
    pub folder: &'static str,
    /// Arguments in scope, in order.
    pub args: &'static [&'static str],
    /// Whether an error reaches the caller instead of only the log.
    pub errors_reach_caller: bool,
    /// When it runs, for help and docs.
    pub when: &'static str,
    /// Whether this version calls such hooks; those of features that are not built yet wait for them.
    pub called: bool,
}

use HookKind as K;

/// All kinds, in the order of the reference.
pub const HOOK_KINDS: [HookKindRow; 15] = [
    row(K::AfterServerStart, "after_server_start", &["bp"], "once, when bots are loaded and the port is open"),
    row(K::AfterBotMount, "after_bot_mount", &["bp", "botId"], "a bot is mounted"),
    row(K::AfterBotUnmount, "after_bot_unmount", &["bp", "botId"], "a bot is unmounted"),
    row(
        K::BeforeIncomingMiddleware,
        "before_incoming_middleware",
        &["bp", "event"],
        "state is restored; before any incoming middleware",
    ),
    row(
        K::AfterIncomingMiddleware,
        "after_incoming_middleware",
        &["bp", "event"],
        "after all incoming middleware, before decision and dialog engine",
    ),
    row(
        K::BeforeSuggestionsElection,
        "before_suggestions_election",
        &["bp", "sessionId", "event", "suggestions"],
        "after ranking, before one suggestion is elected",
    ),
    row(
        K::BeforeOutgoingMiddleware,
        "before_outgoing_middleware",
        &["bp", "event"],
        "for every outgoing event, before outgoing middleware",
    ),
    row(K::AfterEventProcessed, "after_event_processed", &["bp", "event"], "the incoming event is fully processed"),
    row(K::BeforeSessionTimeout, "before_session_timeout", &["bp", "event"], "the context of a session expired"),
    row(K::BeforeConversationEnd, "before_conversation_end", &["bp", "event"], "the dialog is about to end"),
    later(
        K::OnIncidentStatusChanged,
        "on_incident_status_changed",
        &["bp", "incident"],
        "an alerting incident opens or closes",
    ),
    later(
        K::BeforeBotImport,
        "before_bot_import",
        &["bp", "botId", "tmpFolder", "hookResult"],
        "a bot's archive was unpacked",
    ),
    later(K::OnBotError, "on_bot_error", &["bp", "botId", "events"], "error-level log entries of a bot, batched"),
    HookKindRow {
        errors_reach_caller: true,
        ..later(
            K::OnStageRequest,
            "on_stage_request",
            &["bp", "bot", "users", "pipeline", "hookResult"],
            "promotion of a bot to the next stage was asked for",
        )
    },
    later(
        K::AfterStageChanged,
        "after_stage_changed",
        &["bp", "previousBotConfig", "bot", "users", "pipeline"],
        "promotion happened",
    ),
];

/// A kind whose feature is not built yet.
const fn later(kind: HookKind, folder: &'static str, args: &'static [&'static str], when: &'static str) -> HookKindRow {
    HookKindRow { called: false, ..row(kind, folder, args, when) }
}

const fn row(kind: HookKind, folder: &'static str, args: &'static [&'static str], when: &'static str) -> HookKindRow {
    HookKindRow { kind, folder, args, errors_reach_caller: false, when, called: true }
}

impl HookKind {
    /// The row of this kind.
    pub fn row(self) -> &'static HookKindRow {
        // The test below holds the table in the order of the variants.
        &HOOK_KINDS[self as usize]
    }

    /// Its folder under `hooks/`.
    pub fn folder(self) -> &'static str {
        self.row().folder
    }

    /// The kind of a folder under `hooks/`.
    pub fn from_folder(folder: &str) -> Option<Self> {
        HOOK_KINDS.iter().find(|row| row.folder == folder).map(|row| row.kind)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_variants_and_json_names_are_folders() {
        for (index, row) in HOOK_KINDS.iter().enumerate() {
            assert_eq!(row.kind as usize, index);
            assert_eq!(serde_json::to_string(&row.kind).unwrap(), format!("{:?}", row.folder));
            assert_eq!(HookKind::from_folder(row.folder), Some(row.kind));
        }
    }
}
