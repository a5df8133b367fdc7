//! What one bot runs, as it crosses the wall: the files of all and the bot's own, by identity, and nothing of other bots.
//!
//! A [`Program`] stays the server's whole. Its [`Images`] say which bots a change concerns (their keys differ), and make an
//! [`Image`] when somebody asks for one; where its texts are known, a program with that one bot is made of it again.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, OnceLock};

use serde::{Deserialize, Serialize};

use super::identity::{BlobId, ImageKey, LayerKey, PartId, Source, Summing};
use super::resolve::{bot_of, is_of_package, is_path};
use super::workspace::{BotProgram, Program, Role, Script, Shape};

/// A script without its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScriptRef {
    /// As in [`Script`].
    pub path: Arc<str>,
    /// The text's identity.
    pub blob: BlobId,
    /// As in [`Script`].
    pub role: Role,
    /// As in [`Script`].
    pub shape: Shape,
}

impl ScriptRef {
    /// A script without its text.
    pub fn of(script: &Script) -> Self {
        Self {
            path: Arc::clone(&script.path),
            blob: script.source.blob(),
            role: script.role,
            shape: script.shape.clone(),
        }
    }
}

/// The modules that all bots share: what lies in `node_modules` of the workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layer {
    /// Its identity.
    pub key: LayerKey,
    /// The first scripts of every image, in the same order.
    pub scripts: Vec<ScriptRef>,
    /// Those that a script of any bot, or of none, names in a plain `require('…')`.
    pub packages: Vec<u32>,
}

/// All that one bot runs.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Image {
    /// The bot's id; empty for what there is without a bot.
    pub bot: String,
    /// Identity of all of it.
    pub key: ImageKey,
    /// Identity of the shared modules.
    pub layer: LayerKey,
    /// The shared modules (see [`Layer`]), then the other files of all bots, then the bot's own.
    pub scripts: Vec<ScriptRef>,
    /// How many of them are shared.
    pub shared: u32,
    /// Modules of packages that scripts of this image name in a plain `require('…')`: of shared packages and of the bot's own.
    pub packages: Vec<u32>,
    /// Its indices point into `scripts`.
    pub program: BotProgram,
}

/// A text that an image needs is not there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the text {blob} of {path} is not there; send it before the image")]
pub struct MissingBlob {
    /// Whose text it is.
    pub path: Arc<str>,
    /// Its identity.
    pub blob: BlobId,
}

impl Image {
    /// A program with this bot alone, or with none if it is the image of no bot.
    ///
    /// # Errors
    /// `blob` does not know a text.
    pub fn into_program(self, blob: impl Fn(BlobId) -> Option<Arc<str>>) -> Result<Program, MissingBlob> {
        let script = |one: ScriptRef| {
            let Some(text) = blob(one.blob) else { return Err(MissingBlob { path: one.path, blob: one.blob }) };
            let source = Source::known(text, one.blob);
            Ok(Arc::new(Script { path: one.path, source, role: one.role, shape: one.shape }))
        };
        let scripts = self.scripts.into_iter().map(script).collect::<Result<_, _>>()?;
        let mut program = Program { scripts, ..Program::default() };
        if self.bot.is_empty() {
            program.global = self.program;
        } else {
            program.bots.insert(self.bot, self.program);
        }
        Ok(program)
    }
}

/// The images of all bots of a program.
#[derive(Debug)]
pub struct Images {
    program: Arc<Program>,
    order: Order,
    layer: LayerKey,
    keys: BTreeMap<String, ImageKey>,
    texts: OnceLock<HashMap<BlobId, u32>>,
}

impl Images {
    /// Makes out the keys of all bots of a program, and of what there is without one.
    pub fn of(program: &Arc<Program>) -> Self {
        let order = Order::of(program);
        let scripts = |indices: &[u32]| {
            let mut sum = Summing::default();
            for index in indices {
                add_script(&mut sum, &program.scripts[*index as usize]);
            }
            PartId::from(sum)
        };
        let layer: LayerKey = {
            let mut sum = Summing::default();
            sum.identity(scripts(&order.shared).bytes());
            sum.positions(order.layer_packages.iter().copied());
            sum.into()
        };
        let global = scripts(&order.global);
        // Most bots have the very same hooks and actions.
        let mut maps: HashMap<usize, PartId> = HashMap::new();
        let mut key = |id: &str, bot: &BotProgram| {
            let mut sum = Summing::default();
            sum.text(id).identity(layer.bytes()).identity(global.bytes());
            for index in order.own(id) {
                add_script(&mut sum, &program.scripts[*index as usize]);
            }
            add_bot(&mut sum, bot, &order.places, &mut maps);
            ImageKey::from(sum)
        };
        let mut keys: BTreeMap<String, ImageKey> =
            program.bots.iter().map(|(id, bot)| (id.clone(), key(id, bot))).collect();
        keys.insert(String::new(), key("", &program.global));
        Self { program: Arc::clone(program), order, layer, keys, texts: OnceLock::new() }
    }

    /// Path and role of a script of a bot's image.
    pub fn script(&self, bot: &str, index: u32) -> Option<(Arc<str>, Role)> {
        let image = self.image(bot)?;
        image.scripts.get(index as usize).map(|script| (Arc::clone(&script.path), script.role))
    }

    /// The program they are of.
    pub fn program(&self) -> &Arc<Program> {
        &self.program
    }

    /// The key of a bot's image; the empty name is no bot.
    pub fn key(&self, bot: &str) -> Option<ImageKey> {
        self.keys.get(bot).copied()
    }

    /// All keys by bot, that of no bot first.
    pub fn keys(&self) -> impl ExactSizeIterator<Item = (&str, ImageKey)> {
        self.keys.iter().map(|(bot, key)| (bot.as_str(), *key))
    }

    /// The shared modules.
    pub fn layer(&self) -> Layer {
        let scripts = self.order.shared.iter().map(|index| self.reference(*index)).collect();
        Layer { key: self.layer, scripts, packages: self.order.layer_packages.clone() }
    }

    /// The identity of the shared modules.
    pub fn layer_key(&self) -> LayerKey {
        self.layer
    }

    /// What a bot runs; the empty name is no bot.
    pub fn image(&self, bot: &str) -> Option<Image> {
        let key = self.key(bot)?;
        let program = if bot.is_empty() { &self.program.global } else { self.program.bots.get(bot)? };
        let order = &self.order;
        let indices = || order.shared.iter().chain(&order.global).chain(order.own(bot)).copied();
        let mut packages = BTreeSet::new();
        for index in order.global.iter().chain(order.own(bot)) {
            packages.extend(order.packages_of(&self.program, *index).filter(|package| order.holds(bot, *package)));
        }
        let mut program = program.clone();
        let place = |index: u32| order.places.get(index as usize).copied().unwrap_or(u32::MAX);
        for index in program.hooks.values_mut().flatten() {
            *index = place(*index);
        }
        for index in program.actions.values_mut().chain(program.content_types.values_mut()) {
            *index = place(*index);
        }
        Some(Image {
            bot: bot.to_owned(),
            key,
            layer: self.layer,
            scripts: indices().map(|index| self.reference(index)).collect(),
            shared: length(&order.shared),
            packages: packages.into_iter().map(place).collect::<BTreeSet<u32>>().into_iter().collect(),
            program,
        })
    }

    /// A text of the program.
    pub fn blob(&self, blob: BlobId) -> Option<Arc<str>> {
        let texts = self.texts.get_or_init(|| {
            self.program.scripts.iter().zip(0..).map(|(script, index)| (script.source.blob(), index)).collect()
        });
        let script = self.program.scripts.get(*texts.get(&blob)? as usize)?;
        Some(Arc::clone(script.source.text()))
    }

    fn reference(&self, index: u32) -> ScriptRef {
        ScriptRef::of(&self.program.scripts[index as usize])
    }
}

/// Which scripts of a program go into which image, and where. By path, so that the order in which files were found, which
/// any script can change, changes no image.
#[derive(Debug, Default)]
struct Order {
    shared: Vec<u32>,
    /// What is no bot's and not shared.
    global: Vec<u32>,
    own: HashMap<String, Vec<u32>>,
    /// Of each script of the program, its position in the images that hold it.
    places: Vec<u32>,
    /// Modules of packages by path.
    packages: HashMap<Arc<str>, u32>,
    /// Positions in `shared`.
    layer_packages: Vec<u32>,
}

impl Order {
    fn of(program: &Program) -> Self {
        let mut order = Self::default();
        for (script, index) in program.scripts.iter().zip(0..) {
            let is_module = matches!(script.role, Role::Module | Role::Json);
            let of_package = is_module && is_of_package(&script.path);
            if of_package {
                order.packages.insert(Arc::clone(&script.path), index);
            }
            match bot_of(&script.path) {
                Some(bot) => match order.own.get_mut(&*bot) {
                    Some(own) => own.push(index),
                    None => drop(order.own.insert(bot.into_owned(), vec![index])),
                },
                None if of_package => order.shared.push(index),
                None => order.global.push(index),
            }
        }
        order.keep_shared_closed(program);
        let by_path = |a: &u32, b: &u32| program.scripts[*a as usize].path.cmp(&program.scripts[*b as usize].path);
        for part in order.own.values_mut().chain([&mut order.shared, &mut order.global]) {
            part.sort_unstable_by(by_path);
        }
        order.places = vec![u32::MAX; program.scripts.len()];
        let all = length(&order.shared) + length(&order.global);
        let parts = [(&order.shared, 0), (&order.global, length(&order.shared))];
        for (part, first) in parts.into_iter().chain(order.own.values().map(|own| (own, all))) {
            for (index, place) in part.iter().zip(first..) {
                order.places[*index as usize] = place;
            }
        }
        let mut named = BTreeSet::new();
        for index in order.global.iter().chain(order.own.values().flatten()) {
            named.extend(order.packages_of(program, *index).map(|package| order.places[package as usize]));
        }
        order.layer_packages = named.into_iter().filter(|place| *place < length(&order.shared)).collect();
        order
    }

    /// A package that requires a file which is not shared is not shared itself, nor is what requires it: a layer can be
    /// evaluated without anything else.
    fn keep_shared_closed(&mut self, program: &Program) {
        let global: BTreeSet<&str> = self.global.iter().map(|index| &*program.scripts[*index as usize].path).collect();
        let leads_out = |index: u32, out: &BTreeSet<&str>| {
            let requires = &program.scripts[index as usize].shape.requires;
            requires.iter().any(|require| require.file.as_deref().is_some_and(|file| out.contains(file)))
        };
        let mut out = global;
        loop {
            let (leaving, staying): (Vec<u32>, Vec<u32>) =
                self.shared.iter().partition(|index| leads_out(**index, &out));
            if leaving.is_empty() {
                return;
            }
            out = leaving.iter().map(|index| &*program.scripts[*index as usize].path).collect();
            self.global.extend(leaving);
            self.shared = staying;
        }
    }

    fn own(&self, bot: &str) -> &[u32] {
        self.own.get(bot).map_or(&[], Vec::as_slice)
    }

    /// The modules of packages that a script names in a plain `require('…')`, by their index in the program.
    fn packages_of<'a>(&'a self, program: &'a Program, index: u32) -> impl Iterator<Item = u32> + 'a {
        let requires = &program.scripts[index as usize].shape.requires;
        let files = requires.iter().filter(|require| !is_path(&require.name)).filter_map(|one| one.file.as_deref());
        files.filter_map(|file| self.packages.get(file).copied())
    }

    /// Whether the image of a bot holds a script of the program.
    fn holds(&self, bot: &str, index: u32) -> bool {
        let place = self.places[index as usize];
        let all = length(&self.shared) + length(&self.global);
        place < all || self.own(bot).get((place - all) as usize) == Some(&index)
    }
}

fn length(part: &[u32]) -> u32 {
    u32::try_from(part.len()).unwrap_or(u32::MAX)
}

fn add_script(sum: &mut Summing, script: &Script) {
    let Script { path, source, role, shape } = script;
    let Shape { is_async, strict, implicit, redeclared, no_globals, reads_bp, requires, computed } = shape;
    let role = match role {
        Role::Hook(kind) => kind.folder(),
        Role::Action => "action",
        Role::ContentType => "content type",
        Role::Module => "module",
        Role::Json => "json",
    };
    let flags = [*is_async, *strict, *no_globals, *reads_bp, *computed].into_iter().rev();
    let flags = flags.fold(0, |flags, flag| flags << 1 | u64::from(flag));
    sum.text(path).identity(source.blob().bytes()).text(role).number(flags);
    sum.texts(implicit).texts(redeclared).number(requires.len() as u64);
    for require in requires {
        // What a file leads to is another script of the image, or it is not there.
        sum.text(&require.name).text(require.file.as_deref().unwrap_or_default());
        sum.text(require.manifest.as_deref().unwrap_or_default());
    }
}

fn add_bot(sum: &mut Summing, bot: &BotProgram, places: &[u32], maps: &mut HashMap<usize, PartId>) {
    let BotProgram { config, default_language, hooks, actions, content_types, elements, flows, error_element } = bot;
    let place = |index: &u32| places.get(*index as usize).copied().unwrap_or(u32::MAX);
    sum.text(config.as_ref().map_or("", |config| config.get())).text(default_language);
    let hooks = maps.entry(hooks.address()).or_insert_with(|| {
        let mut sum = Summing::default();
        for (kind, hooks) in hooks.iter() {
            sum.text(kind.folder()).positions(hooks.iter().map(place));
        }
        sum.into()
    });
    sum.identity(hooks.bytes());
    for named in [actions, content_types] {
        let named = maps.entry(named.address()).or_insert_with(|| {
            let mut sum = Summing::default();
            for (name, index) in named.iter() {
                sum.text(name).number(u64::from(place(index)));
            }
            sum.into()
        });
        sum.identity(named.bytes());
    }
    sum.identity(elements.part().bytes()).identity(flows.part().bytes());
    if let Some(error) = error_element {
        sum.text(&error.content_type).text(error.args.get());
    }
}

#[cfg(test)]
mod tests;
