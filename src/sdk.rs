//! The members of `bp`: one table, from which the realm builds `bp`, the types and the reference page are made.

mod arguments;
mod concerns;
mod elsewhere;

pub use arguments::{ACTION_ARGUMENTS, ARGUMENTS};
pub use concerns::Concerns;
pub use elsewhere::{ELSEWHERE, OBJECTS};

use concerns::Concerns::{Bot, Destination, Everybody, Namespace, Nobody, Own, User, Visitor};

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
    /// Whose things it reaches.
    pub concerns: Concerns,
}

impl Member {
    /// `namespace.name`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.namespace, self.name)
    }

    /// The member of that name, as `namespace.name`.
    pub fn of(name: &str) -> Option<&'static Self> {
        let (namespace, name) = name.split_once('.')?;
        MEMBERS.iter().find(|member| member.namespace == namespace && member.name == name)
    }

    const fn in_realm(self) -> Self {
        Self { runs: Runs::Realm, ..self }
    }
}

/// A member that runs on the server.
const fn member(
    namespace: &'static str,
    name: &'static str,
    concerns: Concerns,
    signature: &'static str,
    doc: &'static str,
) -> Member {
    Member { namespace, name, signature, doc, runs: Runs::Request, concerns }
}

/// The types that signatures name, and the globals that every script sees, in TypeScript.
pub const TYPES: &str = include_str!("sdk/types.d.ts");

/// All members, namespace by namespace. `bp.version`, `bp.IO`, `bp.LoggerLevel`, `bp.LogLevel`, `bp.NodeActionType` and `bp.RealTimePayload` stand beside them.
pub const MEMBERS: &[Member] = &[
    member(
        "events",
        "replyToEvent",
        Destination(0),
        "(destination: Destination, payloads: Payload[], incomingEventId?: string): Promise<void>",
        "Sends payloads to the user, in order, each through the hooks `before_outgoing_middleware`. Calls keep their order whether or not they are awaited.",
    )
    .in_realm(),
    member(
        "events",
        "sendEvent",
        Destination(0),
        "(event: BotEvent | EventDraft): Promise<void>",
        "Sends an event: an incoming one is stored and queued like one from outside, an outgoing one is delivered.",
    )
    .in_realm(),
    member(
        "cms",
        "renderElement",
        Destination(2),
        "(contentId: string, args: object, destination: Destination | string): Promise<Payload[]>",
        "Renders a content element (`!id`) or a content type into the payloads of a channel.",
    )
    .in_realm(),
    member(
        "cms",
        "renderTemplate",
        Nobody,
        "<T>(item: T, context: object): T",
        "Renders every string of a value as a mustache template. At once, without a promise.",
    )
    .in_realm(),
    member(
        "cms",
        "getContentElement",
        Bot(0),
        "(botId: string, id: string, language?: string): Promise<ContentElement | undefined>",
        "One of the bot's content elements; `undefined` if there is none of that id.",
    )
    .in_realm(),
    member(
        "cms",
        "getContentElements",
        Bot(0),
        "(botId: string, ids: string[], language?: string): Promise<ContentElement[]>",
        "Several content elements; those that are not there are left out.",
    )
    .in_realm(),
    member(
        "cms",
        "listContentElements",
        Bot(0),
        "(botId: string, contentTypeId?: string, params?: ElementQuery, language?: string): Promise<ContentElement[]>",
        "The bot's content elements, of one content type or of all; 50 unless `count` says otherwise.",
    )
    .in_realm(),
    member(
        "cms",
        "getAllContentTypes",
        Bot(0),
        "(botId?: string): Promise<ContentType[]>",
        "The content types there are; with a bot, those that its `imports.contentTypes` names.",
    )
    .in_realm(),
    member(
        "cms",
        "saveFile",
        Bot(0),
        "(botId: string, fileName: string, content: Buffer | Uint8Array | ArrayBuffer | string): Promise<string>",
        "Keeps a file among the bot's media and gives the name under which it is kept: another one each time, which nobody can guess.",
    ),
    member(
        "cms",
        "readFile",
        Bot(0),
        "(botId: string, fileName: string): Promise<Buffer>",
        "A file of the bot's media by the name under which it is kept; rejects if there is none.",
    ),
    member(
        "cms",
        "getFilePath",
        Nobody,
        "(botId: string, fileName: string): string",
        "The path by which everybody can fetch that file from this server; in a payload's `url` or `image` it becomes a whole address. At once.",
    )
    .in_realm(),
    member(
        "dialog",
        "createId",
        Nobody,
        "(destination: Destination): string",
        "The id of a session: `channel::target`, or `channel::target::threadId`. At once.",
    )
    .in_realm(),
    member(
        "dialog",
        "jumpTo",
        Own,
        "(sessionId: string, event: IncomingEvent, flow: string, node?: string): Promise<void>",
        "Leads the event's conversation to a flow, or to one of its nodes: there the dialog engine goes on. Inside an action that is at once.",
    )
    .in_realm(),
    member(
        "dialog",
        "processEvent",
        Own,
        "(sessionId: string, event: IncomingEvent): Promise<IncomingEvent>",
        "Runs the dialog engine on the event at work, from where its conversation stands; it is not interpreted a second time afterwards.",
    )
    .in_realm(),
    member(
        "dialog",
        "deleteSession",
        Bot(1),
        "(sessionId: string, botId?: string): Promise<void>",
        "Forgets a session. Without a bot it is the event's; outside an event it is every bot's.",
    ),
    member(
        "kvs",
        "get",
        Namespace(0),
        "(botId: string, key: string, path?: string | string[]): Promise<any>",
        "A stored value, or the part of it at a path such as `a.b[0]`; `undefined` if it is not there.",
    ),
    member(
        "kvs",
        "set",
        Namespace(0),
        "(botId: string, key: string, value: any, path?: string | string[] | null, expiry?: string | number): Promise<void>",
        "Stores a value, or a part of one. `botId` is any text: it keeps keys apart.",
    ),
    member(
        "kvs",
        "delete",
        Namespace(0),
        "(botId: string, key: string, path?: string | string[]): Promise<void>",
        "Removes a value, or the part of it at a path.",
    ),
    member(
        "kvs",
        "increment",
        Namespace(0),
        "(botId: string, key: string, by?: number, path?: string | string[]): Promise<number>",
        "Adds 1, or another number, to a stored number, or to the part of a value at a path, and gives the sum. One step: no count is lost. (Ours: Botpress has no such member.)",
    ),
    member(
        "kvs",
        "exists",
        Namespace(0),
        "(botId: string, key: string): Promise<boolean>",
        "Whether a value is stored.",
    ),
    member(
        "kvs",
        "setStorageWithExpiry",
        Namespace(0),
        "(botId: string, key: string, value: any, expiry?: string | number): Promise<void>",
        "Stores a value that expires: `'6 hours'`, `'10m'`, `'never'`, or a number of milliseconds.",
    ),
    member(
        "kvs",
        "getStorageWithExpiry",
        Namespace(0),
        "(botId: string, key: string): Promise<any>",
        "A value that has not expired, or `undefined`.",
    ),
    member(
        "kvs",
        "removeStorageKeysStartingWith",
        Own,
        "(prefix: string): Promise<void>",
        "Removes all values whose key begins so, of all bots.",
    ),
    member(
        "kvs",
        "getConversationStorageKey",
        Nobody,
        "(sessionId: string, name: string): string",
        "The key of a conversation's value. At once.",
    )
    .in_realm(),
    member(
        "kvs",
        "getUserStorageKey",
        Nobody,
        "(userId: string, name: string): string",
        "The key of a user's value. At once.",
    )
    .in_realm(),
    member(
        "kvs",
        "getGlobalStorageKey",
        Nobody,
        "(name: string): string",
        "The key of a value that belongs to nobody. At once.",
    )
    .in_realm(),
    member(
        "kvs",
        "forBot",
        Namespace(0),
        "(botId: string): ScopedKvs",
        "The same members for one bot, without the first argument. At once.",
    )
    .in_realm(),
    member("kvs", "global", Own, "(): ScopedKvs", "The same members for no bot. At once.").in_realm(),
    member(
        "users",
        "getOrCreateUser",
        User(0),
        "(channel: string, userId: string): Promise<{ created: boolean, result: User }>",
        "A user, made if there is none.",
    ),
    member(
        "users",
        "getAttributes",
        User(0),
        "(channel: string, userId: string): Promise<{ [key: string]: any }>",
        "A user's attributes, which all bots share. Rejects if there is no such user.",
    ),
    member(
        "users",
        "setAttributes",
        User(0),
        "(channel: string, userId: string, attributes: object): Promise<void>",
        "Replaces a user's attributes.",
    ),
    member(
        "users",
        "updateAttributes",
        User(0),
        "(channel: string, userId: string, attributes: object): Promise<void>",
        "Merges into a user's attributes, in one step.",
    ),
    member(
        "users",
        "getAllUsers",
        Own,
        "(paging?: { start?: number, count?: number }): Promise<UserRow[]>",
        "All users, oldest first; more than 10,000 at once are an error: ask for pages.",
    ),
    member("users", "getUserCount", Own, "(): Promise<number>", "How many users there are."),
    member(
        "bots",
        "getAllBots",
        Own,
        "(): Promise<Map<string, BotConfig>>",
        "All bots, mounted or not, and their configurations, without their secrets.",
    ),
    member(
        "bots",
        "getBotById",
        Bot(0),
        "(botId: string): Promise<BotConfig | undefined>",
        "One bot's configuration, without its secrets; `undefined` if there is no such bot.",
    ),
    member(
        "config",
        "getBotpressConfig",
        Nobody,
        "(): Promise<{ [key: string]: any }>",
        "`botpress.config.json` as it stands, without its secrets.",
    ),
    member(
        "config",
        "getModuleConfig",
        Nobody,
        "(moduleId: string): Promise<{ [key: string]: any }>",
        "A module's configuration, `config/<module>.json`, without its secrets; `{}` if there is none.",
    ),
    member(
        "config",
        "getModuleConfigForBot",
        Bot(1),
        "(moduleId: string, botId: string): Promise<{ [key: string]: any }>",
        "The same, with the keys of the bot's own `config/<module>.json` in place of the others'.",
    ),
    member(
        "http",
        "createShortLink",
        Own,
        "(name: string, destination: string, params?: { [name: string]: any }): Promise<void>",
        "Makes `/s/<name>` lead somewhere. It belongs to the bot; what an event makes is kept for 90 days.",
    ),
    member("http", "deleteShortLink", Own, "(name: string): Promise<void>", "Removes `/s/<name>`."),
    member(
        "http",
        "getAxiosConfigForBot",
        Bot(0),
        "(botId: string, options?: { localUrl?: boolean }): Promise<AxiosConfig>",
        "What axios needs to call a bot's routes on this server, with a token for five minutes.",
    ),
    member(
        "http",
        "decodeExternalToken",
        Nobody,
        "(token: string): Promise<{ [key: string]: any }>",
        "What a token of another system says, verified as `pro.externalAuth` asks. Rejects one that is not good.",
    ),
    member(
        "security",
        "getMessageSignature",
        Own,
        "(message: string): Promise<string>",
        "The HMAC-SHA256 of a message by the app secret, in hexadecimal.",
    ),
    member(
        "realtime",
        "sendPayload",
        Visitor,
        "(payload: RealTimePayload): void",
        "Tells the pages of a visitor, or administrators, of an event, if they are connected. At once, without a promise.",
    ),
    member(
        "realtime",
        "getVisitorIdFromGuestSocketId",
        Visitor,
        "(socketId: string): Promise<string | undefined>",
        "The visitor whose page has that socket; `undefined` if there is none.",
    ),
    member(
        "experimental",
        "disableHook",
        Everybody,
        "(hookName: string, hookType: string, moduleName?: string): Promise<boolean>",
        "Switches a hook of the workspace off by giving its file a leading dot; false if there is none to switch off.",
    ),
    member(
        "experimental",
        "enableHook",
        Everybody,
        "(hookName: string, hookType: string, moduleName?: string): Promise<boolean>",
        "Switches it on again; false if there is none to switch on.",
    ),
    member("logger", "info", Own, "(message: string, ...meta: any[]): void", "Writes to the log.").in_realm(),
    member("logger", "warn", Own, "(message: string, ...meta: any[]): void", "Writes a warning to the log.").in_realm(),
    member("logger", "error", Own, "(message: string, ...meta: any[]): void", "Writes an error to the log.").in_realm(),
    member(
        "logger",
        "debug",
        Own,
        "(message: string, ...meta: any[]): void",
        "Writes to the log where `NUDGE_LOG` asks for it.",
    )
    .in_realm(),
    member(
        "logger",
        "forBot",
        Own,
        "(botId: string): Logger",
        "A logger for another bot; its lines are logged under the bot of the script all the same.",
    )
    .in_realm(),
    member("logger", "attachError", Own, "(error: Error): Logger", "A logger that adds an error to what it writes.").in_realm(),
    member(
        "logger",
        "persist",
        Own,
        "(keep: boolean): Logger",
        "Accepted for compatibility; lines are kept as the log is.",
    )
    .in_realm(),
    member(
        "logger",
        "level",
        Own,
        "(level: number): Logger",
        "Accepted for compatibility; the log's own level decides.",
    )
    .in_realm(),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_be_missing_is_missing() {
        for name in ELSEWHERE {
            let offered =
                |member: &Member| member.namespace == *name || format!("{}.{}", member.namespace, member.name) == *name;
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

    #[test]
    fn every_argument_of_every_hook_has_a_type() {
        for row in &crate::program::HOOK_KINDS {
            for name in row.args {
                assert!(ARGUMENTS.iter().any(|(known, _)| known == name), "{}: {name}", row.folder);
            }
        }
    }

    #[test]
    fn every_argument_of_actions_has_a_type() {
        let names: Vec<&str> = ACTION_ARGUMENTS.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, crate::program::ACTION_PARAMETERS);
    }
}
