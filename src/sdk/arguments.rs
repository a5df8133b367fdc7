//! What hooks and actions have in scope, for the types.

/// TypeScript types of the arguments that hooks have in scope, by name.
pub const ARGUMENTS: &[(&str, &str)] = &[
    ("bp", "Bp"),
    ("event", "IncomingEvent"),
    ("botId", "string"),
    ("sessionId", "string"),
    ("suggestions", "Suggestion[]"),
    ("incident", "object"),
    ("tmpFolder", "string"),
    ("hookResult", "{ [key: string]: any }"),
    ("events", "object[]"),
    ("bot", "BotConfig"),
    ("users", "object[]"),
    ("pipeline", "object[]"),
    ("previousBotConfig", "BotConfig"),
];

/// TypeScript types of what actions have in scope, by name.
pub const ACTION_ARGUMENTS: &[(&str, &str)] = &[
    ("bp", "Bp"),
    ("event", "IncomingEvent"),
    ("user", "EventState['user']"),
    ("temp", "EventState['temp']"),
    ("session", "EventState['session']"),
    ("args", "{ [name: string]: any }"),
    ("bot", "EventState['bot']"),
    ("workflow", "any"),
];
