//! What stands on `bp` beside its members, and what scripts may know from the original and do not find here.

/// What stands on `bp` beside the namespaces.
pub const OBJECTS: [&str; 6] = ["version", "IO", "LoggerLevel", "LogLevel", "NodeActionType", "RealTimePayload"];
/// What the original has and this server does not: namespaces, and members of namespaces that are there.
pub const ELSEWHERE: &[&str] = &[
    "ButtonAction",
    "bots.createBotRevision",
    "bots.exportBot",
    "bots.getBotTemplate",
    "bots.importBot",
    "bots.listBotRevisions",
    "bots.rollbackBotToRevision",
    "cms.createOrUpdateContentElement",
    "cms.deleteContentElements",
    "config.mergeBotConfig",
    "database",
    "distributed",
    "events.findEvents",
    "events.isIncomingQueueEmpty",
    "events.registerMiddleware",
    "events.removeMiddleware",
    "events.saveUserFeedback",
    "events.updateEvent",
    "experimental.render",
    "ghost",
    "http.createRouterForBot",
    "http.deleteRouterForBot",
    "http.extractExternalToken",
    "messaging",
    "notifications",
    "workspaces",
];
