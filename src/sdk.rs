//! The members of `bp`: one table, from which the realm builds `bp`, the types and the reference page are made.

/// Where a member runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Runs {
    /// In the realm (`engine/js/`).
    Realm,
    /// On the server (`services/`), by a request over the wall.
    Request,
}

/// One member of a namespace of `bp`.
#[derive(Debug)]
pub struct Member {
    /// The namespace: `bp.<namespace>`.
    pub namespace: &'static str,
    /// The member: `bp.<namespace>.<name>`.
    pub name: &'static str,
    /// Its TypeScript signature, without the name.
    pub signature: &'static str,
    /// What it does, in a sentence.
    pub doc: &'static str,
    /// Where it runs.
    pub runs: Runs,
}

const fn realm(namespace: &'static str, name: &'static str, signature: &'static str, doc: &'static str) -> Member {
    Member { namespace, name, signature, doc, runs: Runs::Realm }
}

const fn request(namespace: &'static str, name: &'static str, signature: &'static str, doc: &'static str) -> Member {
    Member { namespace, name, signature, doc, runs: Runs::Request }
}

/// All members, namespace by namespace. `bp.version`, `bp.IO`, `bp.LoggerLevel`, `bp.LogLevel` and `bp.NodeActionType` stand beside them.
pub const MEMBERS: &[Member] = &[
    realm(
        "events",
        "replyToEvent",
        "(destination: Destination, payloads: object[], incomingEventId?: string): Promise<void>",
        "Sends payloads to the user, in order, through the outgoing hooks.",
    ),
    realm(
        "events",
        "sendEvent",
        "(event: Event): Promise<void>",
        "Sends an event: an incoming one is queued, an outgoing one delivered.",
    ),
    realm(
        "cms",
        "renderElement",
        "(contentId: string, args: object, destination: Destination | string): Promise<object[]>",
        "Renders a content element (`!id`) or a content type into payloads.",
    ),
    realm(
        "cms",
        "renderTemplate",
        "<T>(item: T, context: object): T",
        "Renders every string of a value as a mustache template.",
    ),
    realm(
        "cms",
        "getContentElement",
        "(botId: string, id: string, language?: string): Promise<object | undefined>",
        "One content element.",
    ),
    realm(
        "cms",
        "getContentElements",
        "(botId: string, ids: string[], language?: string): Promise<object[]>",
        "Several content elements.",
    ),
    realm(
        "cms",
        "listContentElements",
        "(botId: string, contentTypeId?: string, params?: object, language?: string): Promise<object[]>",
        "The bot's content elements, 50 by default.",
    ),
    realm("cms", "getAllContentTypes", "(botId?: string): Promise<object[]>", "The content types there are."),
    realm("dialog", "createId", "(destination: Destination): string", "The session id of a destination."),
    request(
        "dialog",
        "deleteSession",
        "(sessionId: string, botId?: string): Promise<void>",
        "Forgets a dialog session.",
    ),
    request("kvs", "get", "(botId: string, key: string, path?: string): Promise<any>", "A stored value, or undefined."),
    request(
        "kvs",
        "set",
        "(botId: string, key: string, value: any, path?: string, expiry?: string | number): Promise<void>",
        "Stores a value, or a part of one.",
    ),
    request("kvs", "delete", "(botId: string, key: string): Promise<void>", "Removes a value."),
    request("kvs", "exists", "(botId: string, key: string): Promise<boolean>", "Whether a value is stored."),
    request(
        "kvs",
        "setStorageWithExpiry",
        "(botId: string, key: string, value: any, expiry?: string | number): Promise<void>",
        "Stores a value that expires.",
    ),
    request(
        "kvs",
        "getStorageWithExpiry",
        "(botId: string, key: string): Promise<any>",
        "A value that has not expired.",
    ),
    request(
        "kvs",
        "removeStorageKeysStartingWith",
        "(prefix: string): Promise<void>",
        "Removes all values whose key begins so, of all bots.",
    ),
    realm(
        "kvs",
        "getConversationStorageKey",
        "(sessionId: string, name: string): string",
        "The key of a conversation's value.",
    ),
    realm("kvs", "getUserStorageKey", "(userId: string, name: string): string", "The key of a user's value."),
    realm("kvs", "getGlobalStorageKey", "(name: string): string", "The key of a global value."),
    realm("kvs", "forBot", "(botId: string): object", "The same members for one bot."),
    realm("kvs", "global", "(): object", "The same members for no bot."),
    request(
        "users",
        "getOrCreateUser",
        "(channel: string, userId: string): Promise<{ created: boolean, result: User }>",
        "A user, made if there is none.",
    ),
    request("users", "getAttributes", "(channel: string, userId: string): Promise<object>", "A user's attributes."),
    request(
        "users",
        "setAttributes",
        "(channel: string, userId: string, attributes: object): Promise<void>",
        "Replaces a user's attributes.",
    ),
    request(
        "users",
        "updateAttributes",
        "(channel: string, userId: string, attributes: object): Promise<void>",
        "Merges into a user's attributes.",
    ),
    request(
        "users",
        "getAllUsers",
        "(paging?: { start: number, count: number }): Promise<object[]>",
        "All users, oldest first.",
    ),
    request("users", "getUserCount", "(): Promise<number>", "How many users there are."),
    request("bots", "getAllBots", "(): Promise<Map<string, object>>", "The mounted bots and their configurations."),
    request("bots", "getBotById", "(botId: string): Promise<object | undefined>", "One bot's configuration."),
    request("config", "getBotpressConfig", "(): Promise<object>", "The server's configuration, without its secrets."),
    request(
        "http",
        "createShortLink",
        "(name: string, destination: string, params?: object): Promise<void>",
        "Makes `/s/<name>` lead somewhere.",
    ),
    request("http", "deleteShortLink", "(name: string): Promise<void>", "Removes `/s/<name>`."),
    request(
        "security",
        "getMessageSignature",
        "(message: string): Promise<string>",
        "The HMAC-SHA256 of a message by the app secret, in hexadecimal.",
    ),
    realm("logger", "info", "(message: string, ...meta: any[]): void", "Writes to the log."),
    realm("logger", "warn", "(message: string, ...meta: any[]): void", "Writes a warning to the log."),
    realm("logger", "error", "(message: string, ...meta: any[]): void", "Writes an error to the log."),
    realm("logger", "debug", "(message: string, ...meta: any[]): void", "Writes to the log where debugging is on."),
    realm("logger", "forBot", "(botId: string): Logger", "A logger of another bot."),
    realm("logger", "attachError", "(error: Error): Logger", "A logger that adds an error to what it writes."),
    realm("logger", "persist", "(keep: boolean): Logger", "Accepted for compatibility; lines are kept as the log is."),
    realm("logger", "level", "(level: number): Logger", "Accepted for compatibility; the log's own level decides."),
];

/// What stands on `bp` beside the namespaces.
pub const OBJECTS: [&str; 5] = ["version", "IO", "LoggerLevel", "LogLevel", "NodeActionType"];

/// What the original has and this server does not: namespaces, and members of namespaces that are there.
pub const ELSEWHERE: &[&str] = &[
    "ButtonAction",
    "RealTimePayload",
    "bots.createBotRevision",
    "bots.exportBot",
    "bots.getBotTemplate",
    "bots.importBot",
    "bots.listBotRevisions",
    "bots.rollbackBotToRevision",
    "cms.createOrUpdateContentElement",
    "cms.deleteContentElements",
    "cms.getFilePath",
    "cms.readFile",
    "cms.saveFile",
    "config.getModuleConfig",
    "config.getModuleConfigForBot",
    "config.mergeBotConfig",
    "database",
    "dialog.jumpTo",
    "dialog.processEvent",
    "distributed",
    "events.findEvents",
    "events.isIncomingQueueEmpty",
    "events.registerMiddleware",
    "events.removeMiddleware",
    "events.saveUserFeedback",
    "events.updateEvent",
    "experimental",
    "ghost",
    "http.createRouterForBot",
    "http.decodeExternalToken",
    "http.deleteRouterForBot",
    "http.extractExternalToken",
    "http.getAxiosConfigForBot",
    "messaging",
    "notifications",
    "realtime",
    "workspaces",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_missing_is_missing() {
        for name in ELSEWHERE {
            let offered = |member: &Member| {
                member.namespace == *name || format!("{}.{}", member.namespace, member.name) == *name
            };
            assert!(!MEMBERS.iter().any(offered) && !OBJECTS.contains(name), "{name} is offered: take it off the list");
        }
    }

    #[test]
    fn no_member_stands_twice_in_the_table() {
        for (index, member) in MEMBERS.iter().enumerate() {
            for other in &MEMBERS[index + 1..] {
                assert!(
                    member.namespace != other.namespace || member.name != other.name,
                    "{}.{}",
                    member.namespace,
                    member.name
                );
            }
        }
    }
}
