//! A workspace as data: everything a realm needs to run a bot's events, immutable, made whole on each change.
//!
//! The server builds a [`Program`] from files (see `reload`), realms get what concerns them (see `image`). It holds sources and what was
//! read off them, never compiled code.

pub mod closure;
pub mod flow;
pub mod hook_kind;
pub mod identity;
pub mod image;
mod manifest;
pub mod packages;
pub mod resolve;
pub mod workspace;

pub use flow::Flow;
pub use hook_kind::{HOOK_KINDS, HookKind, HookKindRow};
pub use identity::{BlobId, ImageKey, LayerKey, Shared, Source};
pub use image::{Image, Images};
pub use workspace::{
    ACTION_FOLDERS, ACTION_PARAMETERS, BotProgram, CompileRequest, Element, ErrorElement, MODULE_PARAMETERS, Program,
    Require, Role, Script, Shape,
};
