//! Opens files beneath a folder: whatever links lie on the way, and whatever is swapped meanwhile, nothing else is opened.
//!
//! The kernel itself stays within the folder while it looks for the file (`openat2` of Linux). Where it cannot, the file is opened as
//! usual, and where it really lies is asked of the descriptor, not of its name. A hard link cannot be told from a file.

use std::fs::{File, Metadata};
use std::io::{self, Read as _};
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, openat};
use rustix::io::Errno;

/// How often a search is begun anew because something on the way was renamed meanwhile.
#[cfg(target_os = "linux")]
const ATTEMPTS: usize = 8;

/// Why a file is not opened.
#[derive(Debug, thiserror::Error)]
pub enum NotOpened {
    /// There is none.
    #[error("there is no such file")]
    Missing,
    /// A link on the way leads out of the folder, or may not be there at all.
    #[error("a link leads out of its folder")]
    LeadsOut,
    /// It is a folder, a pipe, a device.
    #[error("it is no file, but a folder, a pipe or a device")]
    NoFile,
    /// The system refuses.
    #[error("{0}")]
    Refused(io::Error),
}

/// An open file.
#[derive(Debug)]
pub struct Opened {
    /// At its beginning.
    pub file: File,
    /// Of this very file.
    pub metadata: Metadata,
    /// Where it lies, links followed: relative to the root; absolute if that is outside.
    pub real: PathBuf,
    /// Where it lies below its folder; nothing if that is outside.
    pub below: Option<PathBuf>,
}

/// Opens files beneath a root.
#[derive(Debug, Clone)]
pub struct Beneath {
    root: PathBuf,
    /// Links may lead where they like.
    outside: bool,
    /// Whether the kernel is asked to stay within the folder.
    by_kernel: bool,
}

/// Which links are followed on the way to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// Those that stay in the folder, or all where they may lead outside.
    Follow,
    /// None.
    Refuse,
}

impl Beneath {
    /// Below that folder; with `outside`, links may lead out of it.
    pub fn new(root: &Path, outside: bool) -> Self {
        Self { root: root.to_owned(), outside, by_kernel: cfg!(target_os = "linux") }
    }

    /// Opens the regular file `path` of the folder `folder` for reading. Both are relative. Never waits for a pipe or a device.
    ///
    /// # Errors
    /// There is none, it lies elsewhere, it is no regular file, or the system refuses.
    pub fn open(&self, folder: &str, path: &str, links: Links) -> Result<Opened, NotOpened> {
        let (root, folder) = self.folder(folder)?;
        let (file, metadata) = is_regular(self.open_at(&folder, Path::new(path), READING, links)?.into())?;
        let place = real(&file)?;
        let below = place.strip_prefix(&folder.real).ok().map(Path::to_owned);
        let stays = match links {
            Links::Refuse => below.as_deref() == Some(Path::new(path)),
            Links::Follow => self.outside || below.is_some(),
        };
        if !stays {
            return Err(NotOpened::LeadsOut);
        }
        let real = place.strip_prefix(&root.real).map(Path::to_owned).unwrap_or(place);
        Ok(Opened { file, metadata, real, below })
    }

    /// Checks that a folder is there and lies beneath the root.
    ///
    /// # Errors
    /// There is none, it lies elsewhere, or the system refuses.
    pub fn check_folder(&self, folder: &str) -> Result<(), NotOpened> {
        self.folder(folder).map(drop)
    }

    /// The root and a folder in it.
    fn folder(&self, folder: &str) -> Result<(OpenFolder, OpenFolder), NotOpened> {
        // Where that can be said: what lies in a folder may be read where the folder itself may not.
        #[cfg(target_os = "linux")]
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        #[cfg(not(target_os = "linux"))]
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        // The root may be reached by links.
        let root =
            OpenFolder::of(openat(CWD, &self.root, flags, Mode::empty()).map_err(|errno| why(errno, Links::Follow))?)?;
        let folder = OpenFolder::of(self.open_at(&root, Path::new(folder), flags, Links::Follow)?)?;
        if !self.outside && !folder.real.starts_with(&root.real) {
            return Err(NotOpened::LeadsOut);
        }
        Ok((root, folder))
    }

    fn open_at(&self, folder: &OpenFolder, path: &Path, flags: OFlags, links: Links) -> Result<OwnedFd, NotOpened> {
        #[cfg(target_os = "linux")]
        if self.by_kernel {
            match self.open_by_kernel(&folder.handle, path, flags, links) {
                // An older kernel, or one that is kept from it.
                Err(Errno::NOSYS | Errno::PERM) => {}
                // It takes every absolute link for one that leads out.
                Err(Errno::XDEV) if links == Links::Follow => return self.open_resolved(folder, path, flags),
                opened => return opened.map_err(|errno| why(errno, links)),
            }
        }
        let last = if links == Links::Refuse { OFlags::NOFOLLOW } else { OFlags::empty() };
        openat(&folder.handle, path, flags | last, Mode::empty()).map_err(|errno| why(errno, links))
    }

    /// Opens what a path leads to, if that lies in the folder: by its own path, on which no link may be by then.
    #[cfg(target_os = "linux")]
    fn open_resolved(&self, folder: &OpenFolder, path: &Path, flags: OFlags) -> Result<OwnedFd, NotOpened> {
        let resolved = folder.real.join(path).canonicalize().map_err(|_| NotOpened::LeadsOut)?;
        let inside = resolved.strip_prefix(&folder.real).map_err(|_| NotOpened::LeadsOut)?;
        let opened = self.open_by_kernel(&folder.handle, inside, flags, Links::Refuse);
        opened.map_err(|errno| why(errno, Links::Refuse))
    }

    #[cfg(target_os = "linux")]
    fn open_by_kernel(&self, folder: &OwnedFd, path: &Path, flags: OFlags, links: Links) -> Result<OwnedFd, Errno> {
        use rustix::fs::{ResolveFlags, openat2};
        let mut resolve = ResolveFlags::NO_MAGICLINKS;
        resolve.set(ResolveFlags::NO_SYMLINKS, links == Links::Refuse);
        resolve.set(ResolveFlags::BENEATH, !self.outside || links == Links::Refuse);
        let mut outcome = Err(Errno::AGAIN);
        for _ in 0..ATTEMPTS {
            outcome = openat2(folder, path, flags, Mode::empty(), resolve);
            if !matches!(outcome, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        outcome
    }
}

/// How files are opened for reading: nobody waits for a pipe.
const READING: OFlags = OFlags::RDONLY.union(OFlags::NONBLOCK).union(OFlags::NOCTTY).union(OFlags::CLOEXEC);

/// Opens a regular file for reading, wherever it lies. Never waits for a pipe or a device.
///
/// # Errors
/// There is none, it is no regular file, or the system refuses.
pub fn regular(path: &Path) -> Result<(File, Metadata), NotOpened> {
    let opened = openat(CWD, path, READING, Mode::empty()).map_err(|errno| why(errno, Links::Follow))?;
    is_regular(File::from(opened))
}

/// The whole text of a regular file, wherever it lies.
///
/// # Errors
/// As for [`regular`]; or it is no UTF-8.
pub fn text(path: &Path) -> Result<String, NotOpened> {
    let (mut file, _) = regular(path)?;
    let mut text = String::new();
    file.read_to_string(&mut text).map_err(NotOpened::Refused)?;
    Ok(text)
}

fn is_regular(file: File) -> Result<(File, Metadata), NotOpened> {
    let metadata = file.metadata().map_err(NotOpened::Refused)?;
    if metadata.is_file() { Ok((file, metadata)) } else { Err(NotOpened::NoFile) }
}

/// An open folder, and where it really lies.
struct OpenFolder {
    handle: OwnedFd,
    real: PathBuf,
}

impl OpenFolder {
    fn of(handle: OwnedFd) -> Result<Self, NotOpened> {
        let real = real(&handle)?;
        Ok(Self { handle, real })
    }
}

/// Where an open file lies by now.
fn real(file: &impl AsFd) -> Result<PathBuf, NotOpened> {
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd as _;
        let number = file.as_fd().as_raw_fd();
        let path = std::fs::read_link(format!("/proc/self/fd/{number}")).map_err(NotOpened::Refused)?;
        // Of a file that was removed meanwhile the kernel says so behind its name.
        let gone = rustix::fs::fstat(file).map_err(|errno| NotOpened::Refused(errno.into()))?.st_nlink == 0;
        if gone { Err(NotOpened::Missing) } else { Ok(path) }
    }
    #[cfg(target_vendor = "apple")]
    {
        use std::os::unix::ffi::OsStringExt as _;
        let path = rustix::fs::getpath(file).map_err(|errno| NotOpened::Refused(errno.into()))?;
        Ok(std::ffi::OsString::from_vec(path.into_bytes()).into())
    }
    #[cfg(not(any(target_os = "linux", target_vendor = "apple")))]
    {
        let _ = file;
        Err(NotOpened::Refused(io::ErrorKind::Unsupported.into()))
    }
}

fn why(errno: Errno, links: Links) -> NotOpened {
    match errno {
        Errno::NOENT | Errno::NOTDIR | Errno::NAMETOOLONG | Errno::INVAL => NotOpened::Missing,
        // Links that lead to each other are nobody's way out.
        Errno::LOOP if links == Links::Follow => NotOpened::Missing,
        Errno::XDEV | Errno::LOOP => NotOpened::LeadsOut,
        // A socket.
        Errno::NXIO => NotOpened::NoFile,
        errno => NotOpened::Refused(errno.into()),
    }
}

#[cfg(test)]
mod tests;
