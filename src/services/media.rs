//! The files that belong to a bot, `bots/<id>/media/`: what visitors send, what scripts and editors store. Everything here may
//! block.

#[cfg(any(test, fuzzing))]
pub(super) mod fuzzing;
mod kind;
mod name;

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use parking_lot::Mutex;

use crate::beneath::{Beneath, Links, NotOpened, Opened};
use crate::clock::Clock;
use crate::config::MediaSettings;
use crate::config::layout::BOTS;
use crate::config::modules::folder_of;
use crate::model::{BotId, UserId};

use super::served;

pub use kind::{MediaKind, kind_of, mime_of, with_ending};
pub use name::shown;

/// What files are called until all of them is there. Nobody is given such a file.
const UNFINISHED: &str = ".upload-";
/// What a file takes at least of what its bot may have: else small ones would fill the disk with their names.
const LEAST: u64 = 4 << 10;
/// How long it is believed that a bot's files have the size that was counted last, where they leave no room, in milliseconds.
const RECOUNT: u64 = 10_000;
/// Milliseconds of an hour.
const HOUR: u64 = 3_600_000;
/// Most senders whose files are counted within an hour. Whoever comes after them begins the counting anew.
const SENDERS: usize = 100_000;

/// Why a file cannot be kept or given.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// The bot has as many bytes as it may have.
    #[error(
        "the files of bot \"{bot}\" would have more than {limit} bytes together (`media.perBot`); remove some of bots/{bot}/media"
    )]
    Full {
        /// The bot.
        bot: BotId,
        /// How many it may have.
        limit: u64,
    },
    /// One file is too large.
    #[error("the file has {size} bytes, at most {limit} are allowed (`{key}`)")]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// How many it may have.
        limit: u64,
        /// The key that says so.
        key: &'static str,
    },
    /// There is no such file.
    #[error("there is no file \"{0}\"")]
    Missing(String),
    /// The folder of a bot's files is a link that leads out of the workspace.
    #[error(
        "{0} is a link that leads out of the workspace: set \"scripts\": {{ \"linksOutside\": true }} in botpress.config.json if its \
         files are to lie there"
    )]
    LeadsOut(String),
    /// There is nowhere to keep it.
    #[error("files are kept in a workspace's folder, and none is served here")]
    NoWorkspace,
    /// The system refuses.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

/// The files of all bots.
#[derive(Debug)]
pub struct Media {
    settings: MediaSettings,
    /// `scripts.linksOutside`.
    links_outside: bool,
    clock: Clock,
    root: OnceLock<PathBuf>,
    /// A lock for each bot: to count what one has may take a while, and the others' visitors send files meanwhile.
    counted: Mutex<HashMap<BotId, Arc<Mutex<Option<Counted>>>>>,
    sent: Mutex<Sent>,
}

/// By what files that come from outside are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Sender {
    /// A visitor of a bot.
    Visitor(BotId, UserId),
    /// Where visitors call from, whichever ids they take and whichever bots they write to.
    Address(IpAddr),
}

/// How many files were sent within an hour.
#[derive(Debug, Default)]
struct Sent {
    hour: u64,
    files: HashMap<Sender, u32>,
}

/// What the files of a bot have.
#[derive(Debug)]
struct Counted {
    bytes: u64,
    at: u64,
    /// It was said that there is no room.
    said: bool,
}

impl Media {
    pub(super) fn new(settings: MediaSettings, links_outside: bool, clock: Clock) -> Self {
        let (counted, sent) = (Mutex::default(), Mutex::default());
        Self { settings, links_outside, clock, root: OnceLock::new(), counted, sent }
    }

    pub(super) fn serve(&self, root: &Path) {
        self.root.get_or_init(|| root.to_owned());
    }

    /// Keeps a file under a name that nobody can guess, and gives that name. When this returns, it is on the disk.
    ///
    /// # Errors
    /// There is no room, or the system refuses.
    pub fn save(&self, bot: &BotId, name: &str, bytes: &[u8]) -> Result<String, MediaError> {
        let folder = self.folder_to_write(bot)?;
        let size = (bytes.len() as u64).max(LEAST);
        self.take(bot, &folder, size)?;
        let stored = name::stored(name);
        write(&folder, &stored, bytes).inspect_err(|_| self.give_back(bot, size))?;
        Ok(stored)
    }

    /// Counts a file that somebody is about to send; false where that is one more than `most` within the hour.
    pub fn may_send(&self, sender: Sender, most: u32) -> bool {
        let hour = self.clock.now() / HOUR;
        let mut sent = self.sent.lock();
        if sent.hour != hour || sent.files.len() >= SENDERS {
            *sent = Sent { hour, files: HashMap::new() };
        }
        let count = sent.files.entry(sender).or_default();
        *count = count.saturating_add(1);
        *count <= most
    }

    /// Removes a file that was kept for nothing.
    pub fn remove(&self, bot: &BotId, stored: &str) {
        let Ok(folder) = self.folder_to_write(bot) else { return };
        let path = folder.join(stored);
        let size = fs::symlink_metadata(&path).map_or(0, |metadata| metadata.len());
        match fs::remove_file(&path) {
            Ok(()) => self.give_back(bot, size.max(LEAST)),
            Err(error) => tracing::warn!(bot = %bot, "{} is kept for nothing: {error}", path.display()),
        }
    }

    /// Opens a file. Links and whatever else is no file count as missing.
    ///
    /// # Errors
    /// It is not there, or not to be had.
    pub fn open(&self, bot: &BotId, stored: &str) -> Result<Opened, MediaError> {
        let missing = || MediaError::Missing(shown(stored));
        if !name::is_one_file(stored) {
            return Err(missing());
        }
        let (root, folder) = self.folder(bot)?;
        // Whatever it is called: its name was given by us.
        let opened = served::open((root, self.links_outside), (&folder, stored), Links::Refuse, |_| true);
        opened.map_err(|error| match error {
            NotOpened::Refused(error) => MediaError::Io { path: root.join(&folder).join(stored), error },
            _ => missing(),
        })
    }

    /// A whole file.
    ///
    /// # Errors
    /// It is not there, or has more than `media.maxSize`.
    pub fn read(&self, bot: &BotId, stored: &str) -> Result<Vec<u8>, MediaError> {
        let opened = self.open(bot, stored)?;
        self.fits(opened.metadata.len())?;
        let mut bytes = Vec::new();
        let limit = self.settings.max_size as u64 + 1;
        opened
            .file
            .take(limit)
            .read_to_end(&mut bytes)
            .map_err(|error| MediaError::Io { path: PathBuf::from(stored), error })?;
        // It may have grown meanwhile.
        self.fits(bytes.len() as u64)?;
        Ok(bytes)
    }

    /// An error if a file of that size is larger than `media.maxSize`.
    pub(super) fn fits(&self, size: u64) -> Result<(), MediaError> {
        let limit = self.settings.max_size as u64;
        if size > limit { Err(MediaError::TooLarge { size, limit, key: "media.maxSize" }) } else { Ok(()) }
    }

    /// Where a bot's files lie: in the folder that it has, or would have, by its path in the workspace.
    fn folder(&self, bot: &BotId) -> Result<(&Path, String), MediaError> {
        let root = self.root.get().ok_or(MediaError::NoWorkspace)?;
        let own = BOTS.into_iter().find_map(|bots| folder_of(root, bots, bot.as_str()));
        Ok((root, format!("{}/media", own.unwrap_or_else(|| format!("{}/{bot}", BOTS[0])))))
    }

    /// The same, to write there: it lies in the workspace, or is not there yet.
    fn folder_to_write(&self, bot: &BotId) -> Result<PathBuf, MediaError> {
        let (root, folder) = self.folder(bot)?;
        match Beneath::new(root, self.links_outside).check_folder(&folder) {
            Err(NotOpened::LeadsOut) => Err(MediaError::LeadsOut(folder)),
            _ => Ok(root.join(folder)),
        }
    }

    /// Takes room for a file.
    fn take(&self, bot: &BotId, folder: &Path, size: u64) -> Result<(), MediaError> {
        let limit = self.settings.per_bot;
        let now = self.clock.now();
        let own = self.counted_of(bot);
        let mut own = own.lock();
        let first = || Counted { bytes: count(folder, true), at: now, said: false };
        let counted = own.get_or_insert_with(first);
        // People remove files by hand when they are told that there is no room.
        if counted.bytes.saturating_add(size) > limit && now >= counted.at + RECOUNT {
            (counted.bytes, counted.at) = (count(folder, false), now);
        }
        if counted.bytes.saturating_add(size) > limit {
            let full = MediaError::Full { bot: bot.clone(), limit };
            if !std::mem::replace(&mut counted.said, true) {
                tracing::warn!(bot = %bot, "{full}");
            }
            return Err(full);
        }
        counted.said = false;
        counted.bytes += size;
        Ok(())
    }

    fn give_back(&self, bot: &BotId, size: u64) {
        if let Some(counted) = self.counted_of(bot).lock().as_mut() {
            counted.bytes = counted.bytes.saturating_sub(size);
        }
    }

    /// What a bot's files have; nothing until they are counted.
    fn counted_of(&self, bot: &BotId) -> Arc<Mutex<Option<Counted>>> {
        Arc::clone(self.counted.lock().entry(bot.clone()).or_default())
    }
}

/// Counts the files of a folder. At `first` nobody is writing: what was left unfinished by an earlier run is removed.
fn count(folder: &Path, first: bool) -> u64 {
    let mut bytes = 0;
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if first && entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            // If it cannot be removed, it counts.
            if fs::remove_file(entry.path()).is_ok() {
                continue;
            }
        }
        bytes += entry.metadata().map_or(0, |metadata| metadata.len()).max(LEAST);
    }
    bytes
}

/// Writes a file, so that it is there as a whole or not at all.
fn write(folder: &Path, stored: &str, bytes: &[u8]) -> Result<(), MediaError> {
    let unfinished = folder.join(format!("{UNFINISHED}{stored}"));
    let whole = || {
        fs::create_dir_all(folder)?;
        let mut file = File::options().write(true).create_new(true).open(&unfinished)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, folder.join(stored))?;
        File::open(folder)?.sync_all()
    };
    whole().map_err(|error| {
        // What is left of it is no use; at the next start it is looked for again.
        let _ = fs::remove_file(&unfinished);
        MediaError::Io { path: folder.join(stored), error }
    })
}

/// The path by which a file is fetched.
pub fn address(bot: &BotId, stored: &str) -> String {
    format!("/api/v1/bots/{bot}/media/{}", name::in_address(stored))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn media(files: &[(&str, &str)], per_bot: u64) -> (tempfile::TempDir, Media, BotId) {
        let root = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let media = Media::new(MediaSettings { max_size: 10_000, per_bot }, false, Clock::manual(HOUR));
        media.serve(root.path());
        (root, media, BotId::parse("shop").unwrap())
    }

    #[test]
    fn a_file_lies_with_its_bot_in_either_layout_under_a_name_of_its_own() {
        for folder in ["bots/shop", "data/bots/Shop", "bots/shop"] {
            let (root, media, bot) = media(&[(&format!("{folder}/bot.config.json"), "{}")], 1 << 30);
            let [one, two] = [(); 2].map(|()| media.save(&bot, "a cat.png", b"meow").unwrap());
            assert_ne!(one, two);
            assert!(one.ends_with("-a_cat.png"), "{one}");
            assert_eq!(fs::read(root.path().join(folder).join("media").join(&one)).unwrap(), b"meow");
            assert_eq!(media.read(&bot, &one).unwrap(), b"meow");
            media.remove(&bot, &one);
            assert!(matches!(media.read(&bot, &one), Err(MediaError::Missing(_))));
            assert_eq!(media.read(&bot, &two).unwrap(), b"meow");
        }
    }

    #[test]
    fn no_name_leads_out_of_the_folder_and_links_are_no_files() {
        let (root, media, bot) = media(&[("bots/shop/media/a.png", "a"), ("bots/shop/bot.config.json", "{}")], 1 << 30);
        let folder = root.path().join("bots/shop/media");
        std::os::unix::fs::symlink(root.path().join("bots/shop/bot.config.json"), folder.join("link.json")).unwrap();
        fs::create_dir(folder.join("sub")).unwrap();
        assert!(media.open(&bot, "a.png").is_ok());
        for name in [
            "../bot.config.json",
            "..",
            ".",
            "",
            "/etc/passwd",
            "sub",
            "link.json",
            "a.png\0",
            "sub/../a.png",
            ".upload-x",
        ] {
            assert!(matches!(media.open(&bot, name), Err(MediaError::Missing(_))), "{name:?}");
        }
    }

    #[test]
    fn a_folder_that_leads_out_of_the_workspace_gives_and_keeps_nothing_unless_links_may() {
        let (root, media, bot) = media(&[("bots/shop/bot.config.json", "{}"), ("bots/a/media/x", "")], 1 << 30);
        let elsewhere = tempfile::tempdir().unwrap();
        fs::write(elsewhere.path().join("a.png"), "a").unwrap();
        let folder = root.path().join("bots/shop/media");
        std::os::unix::fs::symlink(elsewhere.path(), &folder).unwrap();
        assert!(matches!(media.open(&bot, "a.png"), Err(MediaError::Missing(_))));
        let refused = media.save(&bot, "b", b"b").unwrap_err().to_string();
        assert!(refused.contains("bots/shop/media is a link") && refused.contains("linksOutside"), "{refused}");
        let open = Media::new(media.settings.clone(), true, media.clock.clone());
        open.serve(root.path());
        assert_eq!(open.read(&bot, "a.png").unwrap(), b"a");
        assert!(open.save(&bot, "b", b"b").is_ok());
        fs::remove_file(&folder).unwrap();
        std::os::unix::fs::symlink("..", &folder).unwrap();
        assert!(matches!(open.open(&bot, "bot.config.json"), Err(MediaError::Missing(_))), "configuration");
    }

    #[test]
    fn a_bot_has_room_for_so_much_and_small_files_count_as_larger_ones() {
        let files = [("bots/shop/media/old.png", "x"), ("bots/shop/media/.upload-left-by-a-crash", "x")];
        let (root, media, bot) = media(&files, 3 * LEAST);
        let first = media.save(&bot, "a", b"1").unwrap();
        assert!(!root.path().join(files[1].0).exists());
        media.save(&bot, "b", b"2").unwrap();
        let full = media.save(&bot, "c", b"3").unwrap_err();
        assert!(full.to_string().contains("`media.perBot`"), "{full}");
        media.remove(&bot, &first);
        media.save(&bot, "c", b"3").unwrap();
        assert!(media.save(&BotId::parse("other").unwrap(), "c", b"3").is_ok());
        let large = root.path().join("bots/shop/media/large");
        fs::write(large, [0; 10_001]).unwrap();
        assert!(matches!(media.read(&bot, "large"), Err(MediaError::TooLarge { size: 10_001, .. })));
    }

    #[test]
    fn while_the_files_of_one_bot_are_counted_the_others_keep_theirs() {
        let (_root, media, bot) = media(&[], 1 << 30);
        media.save(&bot, "a", b"1").unwrap();
        let own = media.counted_of(&bot);
        let counting = own.lock();
        media.save(&BotId::parse("other").unwrap(), "b", b"2").unwrap();
        drop(counting);
        media.save(&bot, "c", b"3").unwrap();
    }

    #[test]
    fn a_visitor_and_an_address_send_so_many_files_an_hour() {
        let (_root, media, bot) = media(&[], 1 << 30);
        let [ann, bob] = ["ann", "bob"].map(|name| Sender::Visitor(bot.clone(), UserId::parse(name).unwrap()));
        let address = Sender::Address([1, 2, 3, 4].into());
        for sender in [&ann, &address] {
            assert_eq!([(); 3].map(|()| media.may_send(sender.clone(), 2)), [true, true, false]);
        }
        assert!(media.may_send(bob, 2));
        media.clock.advance(std::time::Duration::from_secs(3_600));
        assert!(media.may_send(ann, 2) && media.may_send(address, 2));
    }
}
