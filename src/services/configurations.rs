//! Configurations as scripts see them: as text, less their secrets. They are made once and kept for as long as what they are made of
//! stays the same, since a script may ask for a large one hundreds of times.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use serde_json::{Map, Value};

use super::bot_directory::BotDirectory;
use crate::config::modules::Signature;
use crate::config::redact::redact;
use crate::model::BotId;

/// Most texts of modules that are kept, and their bytes together. Beyond that all are forgotten.
const MOST: usize = 256;
const MOST_BYTES: usize = 8 << 20;
/// A file that was changed just now may change once more without showing it: clocks of file systems tick some hundred times a
/// second.
const JUST_NOW: Duration = Duration::from_secs(2);

/// Whose: a module's name, and the bot's if it is asked for one.
type Which = (String, Option<BotId>);

/// The texts that are kept.
#[derive(Default)]
pub(super) struct Configurations {
    bots: Mutex<OfBots>,
    modules: Mutex<OfModules>,
    server: Mutex<Option<Arc<str>>>,
}

#[derive(Default)]
struct OfBots {
    /// What they were made from.
    directory: Option<Arc<BotDirectory>>,
    texts: HashMap<BotId, Arc<str>>,
}

#[derive(Default)]
struct OfModules {
    texts: HashMap<Which, (Signature, Arc<str>)>,
    bytes: usize,
}

impl Configurations {
    /// That of a bot, if there is one.
    pub(super) fn bot(&self, directory: &Arc<BotDirectory>, id: &BotId) -> Option<Arc<str>> {
        self.bots.lock().of(directory).text(id)
    }

    /// Those of these bots: an object by id.
    pub(super) fn bots<'b>(&self, directory: &Arc<BotDirectory>, ids: impl Iterator<Item = &'b BotId>) -> String {
        let mut kept = self.bots.lock();
        let kept = kept.of(directory);
        let mut all = String::from("{");
        for id in ids {
            let Some(text) = kept.text(id) else { continue };
            if all.len() > 1 {
                all.push(',');
            }
            // An id has nothing that must be escaped.
            all.push('"');
            all.push_str(id.as_str());
            all.push_str("\":");
            all.push_str(&text);
        }
        all.push('}');
        all
    }

    /// That of the server.
    pub(super) fn server(&self, config: &Map<String, Value>) -> Arc<str> {
        self.server.lock().get_or_insert_with(|| seen(config)).clone()
    }

    /// That of a module, if its files are as they were.
    pub(super) fn module(&self, module: &str, bot: Option<&BotId>, signature: &Signature) -> Option<Arc<str>> {
        let modules = self.modules.lock();
        let (of, text) = modules.texts.get(&(module.to_owned(), bot.cloned()))?;
        (of == signature).then(|| Arc::clone(text))
    }

    /// Makes that of a module, from files that had this signature before they were read.
    pub(super) fn keep_module(
        &self,
        module: &str,
        bot: Option<&BotId>,
        signature: Signature,
        config: &Map<String, Value>,
    ) -> Arc<str> {
        let text = seen(config);
        if text.len() > MOST_BYTES || !signature.is_older_than(JUST_NOW, SystemTime::now()) {
            return text;
        }
        let mut modules = self.modules.lock();
        if modules.texts.len() >= MOST || modules.bytes + text.len() > MOST_BYTES {
            *modules = OfModules::default();
        }
        modules.bytes += text.len();
        let before = modules.texts.insert((module.to_owned(), bot.cloned()), (signature, Arc::clone(&text)));
        modules.bytes -= before.map_or(0, |(_, text)| text.len());
        text
    }
}

impl OfBots {
    /// Texts of these bots only.
    fn of(&mut self, directory: &Arc<BotDirectory>) -> &mut Self {
        if !self.directory.as_ref().is_some_and(|known| Arc::ptr_eq(known, directory)) {
            *self = Self { directory: Some(Arc::clone(directory)), texts: HashMap::new() };
        }
        self
    }

    fn text(&mut self, id: &BotId) -> Option<Arc<str>> {
        if let Some(text) = self.texts.get(id) {
            return Some(Arc::clone(text));
        }
        let text = seen(&self.directory.as_ref()?.0.get(id)?.config);
        self.texts.insert(id.clone(), Arc::clone(&text));
        Some(text)
    }
}

/// What scripts see of it. (A JSON object can always be written.)
fn seen(config: &Map<String, Value>) -> Arc<str> {
    Value::Object(redact(config)).to_string().into()
}

/// The signature of a module's files.
pub(super) fn signature(root: Option<&Path>, module: &str, bot: Option<&BotId>) -> Signature {
    Signature::of(root, module, bot.map(BotId::as_str))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use serde_json::json;

    use super::*;
    use crate::config::modules::module_config;

    /// A module's configuration as a call asks for it, and whether a file was read for that.
    fn ask(kept: &Configurations, root: &Path) -> (Arc<str>, bool) {
        let signature = signature(Some(root), "nlu", None);
        if let Some(text) = kept.module("nlu", None, &signature) {
            return (text, false);
        }
        let config = module_config(Some(root), &Default::default(), "nlu", None).unwrap();
        (kept.keep_module("nlu", None, signature, &config), true)
    }

    fn write(root: &Path, text: &str, age: u64) {
        let path = root.join("config/nlu.json");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        let changed = SystemTime::now() - Duration::from_secs(age);
        File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
    }

    #[test]
    fn a_modules_file_is_read_once_and_again_when_it_was_changed_or_is_gone() {
        let (kept, root) = (Configurations::default(), tempfile::tempdir().unwrap());
        let root = root.path();
        write(root, r#"{ "a": 1, "apiKey": "k" }"#, 500);
        for reads in [true, false, false] {
            assert_eq!(ask(&kept, root), (r#"{"a":1}"#.into(), reads));
        }
        write(root, r#"{ "a": 2, "apiKey": "k" }"#, 400);
        for reads in [true, false] {
            assert_eq!(ask(&kept, root), (r#"{"a":2}"#.into(), reads));
        }
        fs::remove_file(root.join("config/nlu.json")).unwrap();
        for reads in [true, false] {
            assert_eq!(ask(&kept, root), ("{}".into(), reads));
        }
    }

    #[test]
    fn a_file_that_was_changed_just_now_or_lies_in_the_future_is_read_each_time() {
        let (kept, root) = (Configurations::default(), tempfile::tempdir().unwrap());
        write(root.path(), r#"{ "a": 1 }"#, 0);
        for _ in 0..2 {
            assert!(ask(&kept, root.path()).1);
        }
    }

    #[test]
    fn texts_beyond_the_most_that_are_kept_are_made_anew_and_not_kept_for_ever() {
        let (kept, signature) = (Configurations::default(), Signature::default());
        let large = json!({ "a": "x".repeat(MOST_BYTES / 2) });
        let keep = |name: &str, config: &Value| {
            kept.keep_module(name, None, signature.clone(), config.as_object().unwrap());
        };
        for number in 0..MOST + 1 {
            keep(&format!("m{number}"), &json!({ "a": number }));
        }
        assert!(kept.module("m0", None, &signature).is_none() && kept.modules.lock().texts.len() == 1);
        keep("large", &large);
        keep("large", &large);
        assert!(kept.modules.lock().bytes <= MOST_BYTES);
        keep("too large", &json!({ "a": "x".repeat(MOST_BYTES) }));
        assert!(kept.module("too large", None, &signature).is_none());
    }

    #[test]
    fn a_bots_text_is_made_once_for_a_directory() {
        let id = BotId::parse("bot").unwrap();
        let directory = |name: &str| {
            let config = json!({ "name": name, "token": "t" }).as_object().unwrap().clone();
            let entry = super::super::bot_directory::BotEntry { config: Arc::new(config) };
            Arc::new(BotDirectory([(id.clone(), entry)].into_iter().collect()))
        };
        let (kept, first, second) = (Configurations::default(), directory("a"), directory("b"));
        let text = kept.bot(&first, &id).unwrap();
        assert_eq!(&*text, r#"{"name":"a"}"#);
        assert!(Arc::ptr_eq(&text, &kept.bot(&first, &id).unwrap()));
        assert_eq!(kept.bots(&second, [&id].into_iter()), r#"{"bot":{"name":"b"}}"#);
        assert!(kept.bot(&first, &BotId::parse("other").unwrap()).is_none());
    }
}
