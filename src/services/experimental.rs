//! `bp.experimental`: hooks switched off and on. A hook is off when its file's name begins with a dot, so that is what these
//! do; reload sees to the rest, as if somebody had renamed the file by hand.

use std::fs;
use std::path::{Component, Path, PathBuf};

use super::call::{Call, Outcome, json};
use super::error::ServiceError;
use crate::config::layout::{GLOBAL, join};
use crate::program::HookKind;

/// `disableHook(name, kind, sub?)`: whether there was one to switch off.
pub(super) fn disable_hook(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    rename(call, |name| (name.to_owned(), format!(".{name}")))
}

/// `enableHook(name, kind, sub?)`: whether there was one to switch on.
pub(super) fn enable_hook(call: &Call<'_>) -> Result<Outcome, ServiceError> {
    rename(call, |name| (format!(".{name}"), name.to_owned()))
}

fn rename(call: &Call<'_>, names: impl Fn(&str) -> (String, String)) -> Result<Outcome, ServiceError> {
    let name = call.args.text(0, "hookName")?;
    let kind = call.args.text(1, "hookType")?;
    let kind = HookKind::from_folder(&kind)
        .ok_or_else(|| call.args.wrong(1, "hookType", "a kind of hook such as \"before_incoming_middleware\""))?;
    let sub: Option<String> = call.args.optional(2, "moduleName", "the name of a folder")?;
    let plain = name.strip_suffix(".js").unwrap_or(&name);
    let plain = plain.strip_prefix('.').unwrap_or(plain);
    if !is_below(plain) || plain.contains('/') {
        return Err(call.args.wrong(0, "hookName", "the name of a file"));
    }
    if sub.as_deref().is_some_and(|sub| !is_below(sub)) {
        return Err(call.args.wrong(2, "moduleName", "the name of a folder"));
    }
    let Some(root) = call.services.root.get() else { return json(&false).map(Outcome::Now) };
    let (from, to) = names(&format!("{plain}.js"));
    for folder in GLOBAL {
        let mut place: PathBuf = root.join(join(folder, "hooks")).join(kind.folder());
        place.extend(sub.as_deref());
        let (from, to) = (place.join(&from), place.join(&to));
        // Nothing is written over: a file of the other name is another hook.
        if from.is_file() && !to.exists() {
            fs::rename(&from, &to).map_err(|error| call.refused(format!("{} stays: {error}", from.display())))?;
            return json(&true).map(Outcome::Now);
        }
    }
    json(&false).map(Outcome::Now)
}

/// Whether a path leads down from where it begins, and nowhere else.
fn is_below(path: &str) -> bool {
    let mut parts = Path::new(path).components().peekable();
    parts.peek().is_some() && parts.all(|part| matches!(part, Component::Normal(_))) && !path.contains(['\0', '\\'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_down_and_nowhere_else() {
        for fine in ["a", "a/b", ".a", "a b.c"] {
            assert!(is_below(fine), "{fine}");
        }
        for wrong in ["", "..", "a/../b", "/a", "a\0", "..\\a", "."] {
            assert!(!is_below(wrong), "{wrong:?}");
        }
    }
}
