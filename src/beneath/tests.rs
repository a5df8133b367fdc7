//! Links, pipes and races: what is opened, and what is not.

use std::fs;
use std::os::unix::fs::symlink;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// A workspace whose folder `assets` holds files and links of every kind.
fn workspace() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    let place = |path: &str| root.path().join(path);
    for path in ["assets/sub", "assets/folder.css"] {
        fs::create_dir_all(place(path)).unwrap();
    }
    for path in ["assets/a.css", "assets/sub/b.css", "secret.json"] {
        fs::write(place(path), path).unwrap();
    }
    for (link, to) in [
        ("assets/near.css", "sub/b.css"),
        ("assets/up-and-down.css", "sub/../a.css"),
        ("assets/out.json", "../secret.json"),
        ("assets/back.css", "../assets/a.css"),
        ("assets/etc", "/etc"),
        ("assets/loop.css", "loop.css"),
        ("assets/nowhere.css", "nothing.css"),
        ("assets/above", ".."),
        ("static", "assets"),
        ("etc", "/etc"),
    ] {
        symlink(to, place(link)).unwrap();
    }
    symlink(place("assets/a.css"), place("assets/absolute.css")).unwrap();
    root
}

fn openers(root: &Path, outside: bool) -> [Beneath; 2] {
    let by_kernel = Beneath::new(root, outside);
    [Beneath { by_kernel: false, ..by_kernel.clone() }, by_kernel]
}

fn outcome(beneath: &Beneath, folder: &str, path: &str, links: Links) -> String {
    match beneath.open(folder, path, links) {
        Ok(opened) => format!("{}", opened.real.display()),
        Err(NotOpened::Missing) => "missing".into(),
        Err(NotOpened::LeadsOut) => "out".into(),
        Err(NotOpened::NoFile) => "no file".into(),
        Err(NotOpened::Refused(error)) => format!("refused: {error}"),
    }
}

#[test]
fn files_and_links_within_a_folder_are_opened_and_nothing_outside_it_is() {
    let root = workspace();
    for beneath in openers(root.path(), false) {
        for (path, expected) in [
            ("a.css", "assets/a.css"),
            ("sub/b.css", "assets/sub/b.css"),
            ("near.css", "assets/sub/b.css"),
            ("up-and-down.css", "assets/a.css"),
            ("absolute.css", "assets/a.css"),
            ("out.json", "out"),
            ("etc/passwd", "out"),
            ("above/secret.json", "out"),
            ("../secret.json", "out"),
            ("/etc/passwd", "out"),
            ("loop.css", "missing"),
            ("a.css/b", "missing"),
            ("folder.css", "no file"),
        ] {
            assert_eq!(outcome(&beneath, "assets", path, Links::Follow), expected, "{path} {}", beneath.by_kernel);
        }
        assert_eq!(outcome(&beneath, "static", "a.css", Links::Follow), "assets/a.css");
        assert_eq!(outcome(&beneath, "etc", "passwd", Links::Follow), "out");
        assert_eq!(outcome(&beneath, "assets", &"x".repeat(300), Links::Follow), "missing");
        assert_eq!(outcome(&beneath, "assets", "a.css\0.png", Links::Follow), "missing");
        assert!(matches!(beneath.check_folder("etc"), Err(NotOpened::LeadsOut)));
        assert!(beneath.check_folder("static").is_ok());
    }
}

#[test]
fn where_links_are_refused_even_those_within_the_folder_are_none() {
    let root = workspace();
    for beneath in openers(root.path(), true) {
        assert_eq!(outcome(&beneath, "assets", "a.css", Links::Refuse), "assets/a.css");
        for path in ["near.css", "absolute.css", "out.json", "sub/../a.css"] {
            assert_ne!(outcome(&beneath, "assets", path, Links::Refuse), "assets/a.css", "{path}");
        }
        assert_eq!(outcome(&beneath, "assets", "out.json", Links::Refuse), "out");
    }
}

#[test]
fn where_links_may_lead_out_it_is_known_where_they_led() {
    let root = workspace();
    for beneath in openers(root.path(), true) {
        assert_eq!(outcome(&beneath, "assets", "out.json", Links::Follow), "secret.json");
        assert_eq!(outcome(&beneath, "etc", "passwd", Links::Follow), "/etc/passwd");
        let opened = beneath.open("assets", "etc/passwd", Links::Follow).unwrap();
        assert_eq!((opened.below, opened.real), (None, "/etc/passwd".into()));
    }
}

#[test]
fn pipes_sockets_and_devices_are_no_files_and_nobody_waits_for_them() {
    let root = workspace();
    let pipe = root.path().join("assets/pipe.css");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(root.path().join("assets/socket.css")).unwrap();
    symlink("/dev/zero", root.path().join("assets/zero.css")).unwrap();
    for beneath in openers(root.path(), true) {
        for path in ["pipe.css", "socket.css", "zero.css"] {
            assert_eq!(outcome(&beneath, "assets", path, Links::Follow), "no file", "{path} {}", beneath.by_kernel);
        }
    }
}

#[test]
fn a_link_that_is_swapped_all_the_time_never_leads_out() {
    let root = workspace();
    let over = AtomicBool::new(false);
    let place = |name: &str| root.path().join("assets").join(name);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                for to in ["a.css", "../secret.json", "/etc/passwd", "sub"] {
                    symlink(to, place("next")).unwrap();
                    fs::rename(place("next"), place("swapped.css")).unwrap();
                }
            }
        });
        for beneath in openers(root.path(), false) {
            for _ in 0..5_000 {
                let found = outcome(&beneath, "assets", "swapped.css", Links::Follow);
                assert!(["assets/a.css", "out", "no file", "missing"].contains(&found.as_str()), "{found}");
            }
        }
        over.store(true, Ordering::Relaxed);
    });
}
