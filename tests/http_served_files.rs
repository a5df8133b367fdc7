//! Files that anybody is given: what lies outside their folder, and what configures the server, is reached by no link, no name and no
//! trick of the address.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use app::TestApp;
use tempfile::TempDir;

/// What nobody may read.
const SECRET: &str = "a-secret-that-nobody-may-read";

/// A workspace with secrets outside `assets/` and beside it.
fn workspace(settings: &str) -> TempDir {
    let root = tempfile::tempdir().unwrap();
    let main = format!(r#"{{ "appSecret": "{SECRET}"{settings} }}"#);
    for (path, text) in [
        ("botpress.config.json", main.as_str()),
        (".env", &format!("TOKEN={SECRET}\n")),
        ("secret.txt", SECRET),
        ("assets/fine.css", "fine"),
        ("assets/sub/deep.css", "deep"),
        ("assets/.hidden.css", SECRET),
        ("assets/.git/config.txt", SECRET),
        ("assets/tool.js", SECRET),
        ("bots/echo/bot.config.json", r#"{ "id": "echo", "name": "Echo" }"#),
        ("bots/echo/media/a.png", "a"),
    ] {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    root
}

fn link(root: &Path, from: &str, to: &str) {
    symlink(to, root.join(from)).unwrap();
}

async fn is_missing(app: &TestApp, path: &str) {
    let answer = app.client.get(path).await;
    assert_eq!(answer.status, 404, "{path}: {}", answer.body);
    assert!(!answer.body.contains(SECRET), "{path}");
}

#[tokio::test(flavor = "multi_thread")]
async fn links_out_of_assets_are_not_followed_and_links_within_are() {
    let root = workspace("");
    let refused = [
        ("conf.json", "../botpress.config.json"),
        ("env.txt", "../.env"),
        ("db.txt", "../data.db"),
        ("passwd.txt", "/etc/passwd"),
        ("environ.txt", "/proc/self/environ"),
        ("secret.txt", "../secret.txt"),
        ("hidden.css", ".hidden.css"),
        ("script.css", "tool.js"),
        ("folder.css", "sub"),
        ("loop.css", "loop.css"),
        ("zero.css", "/dev/zero"),
    ];
    for (name, to) in refused {
        link(root.path(), &format!("assets/{name}"), to);
    }
    link(root.path(), "assets/up", "..");
    link(root.path(), "assets/near.css", "sub/deep.css");
    fs::hard_link(root.path().join("botpress.config.json"), root.path().join("assets/hard.json")).unwrap();
    let app = TestApp::serve(root, |_| {}).await;
    for (name, _) in refused {
        is_missing(&app, &format!("/assets/{name}")).await;
    }
    for path in ["up/secret.txt", "up/botpress.config.json", "hard.json"] {
        is_missing(&app, &format!("/assets/{path}")).await;
    }
    for (path, text) in [("fine.css", "fine"), ("near.css", "deep"), ("sub/deep.css", "deep")] {
        assert_eq!(app.client.get(&format!("/assets/{path}")).await.body, text, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_links_may_lead_out_configuration_environment_and_database_still_stay_in() {
    let root = workspace(r#", "scripts": { "linksOutside": true }"#);
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("brand.css"), "brand").unwrap();
    link(root.path(), "assets/brand.css", elsewhere.path().join("brand.css").to_str().unwrap());
    for (name, to) in [
        ("conf.json", "../botpress.config.json"),
        ("bot.json", "../bots/echo/bot.config.json"),
        ("env.txt", "../.env"),
        ("db.txt", "../data.db"),
        ("wal.txt", "../data.db-wal"),
        ("passwd.txt", "/etc/passwd"),
    ] {
        link(root.path(), &format!("assets/{name}"), to);
    }
    let app = TestApp::serve(root, |_| {}).await;
    assert_eq!(app.client.get("/assets/brand.css").await.body, "brand");
    for name in ["conf.json", "bot.json", "env.txt", "db.txt", "wal.txt", "passwd.txt"] {
        is_missing(&app, &format!("/assets/{name}")).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_way_to_write_an_address_leads_out_of_a_folder() {
    let root = workspace("");
    fs::write(root.path().join("assets/Botpress.Config.json"), SECRET).unwrap();
    let app = TestApp::serve(root, |_| {}).await;
    let long = "x".repeat(8_000);
    for folder in ["/assets", "/api/v1/bots/echo/media"] {
        for path in [
            "../secret.txt",
            "..%2fsecret.txt",
            "%2e%2e/secret.txt",
            "%2e%2e%2fsecret.txt",
            "%252e%252e%252fsecret.txt",
            "..%252fsecret.txt",
            "..%5csecret.txt",
            "..%c0%afsecret.txt",
            "%2fetc%2fpasswd",
            "/etc/passwd",
            "//etc/passwd",
            "sub/..%2f..%2fsecret.txt",
            "secret.txt%00.css",
            "%00",
            ".",
            "..",
            "%2e",
            ".%2e",
            "fine.css%2f..%2f..%2fsecret.txt",
            "fine.css.",
            "fine.css%20",
            "fine.css%00",
            "fine.css::$DATA",
            "c:%5csecret.txt",
            "botpress.config.json",
            "Botpress.Config.json",
            "BOT.CONFIG.JSON",
            "..%2fbot.config.json",
            "data.db",
            ".env",
            ".ENV",
            ".git/config.txt",
            "tool.js",
            "TOOL.JS",
            long.as_str(),
        ] {
            let answer =
                raw(&app, &format!("GET {folder}/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
            assert!(!answer.contains(SECRET) && !answer.contains("root:"), "{folder}/{path}: {answer}");
            let status = &answer[9..12];
            assert!(["404", "400"].contains(&status), "{folder}/{path}: {answer}");
        }
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pipes_in_assets_and_among_the_files_of_a_bot_hang_nobody() {
    let root = workspace("");
    for path in ["assets/pipe.css", "bots/echo/media/pipe.png"] {
        let made = std::process::Command::new("mkfifo").arg(root.path().join(path)).status().unwrap();
        assert!(made.success());
    }
    let app = TestApp::serve(root, |_| {}).await;
    // More than there are threads for such things.
    for _ in 0..600 {
        is_missing(&app, "/assets/pipe.css").await;
    }
    is_missing(&app, "/api/v1/bots/echo/media/pipe.png").await;
    assert_eq!(app.client.get("/assets/fine.css").await.body, "fine");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_files_of_a_bot_are_read_from_its_own_folder_only() {
    let root = workspace("");
    link(root.path(), "bots/echo/media/link.png", "../../../secret.txt");
    fs::create_dir_all(root.path().join("bots/out")).unwrap();
    fs::write(root.path().join("bots/out/bot.config.json"), r#"{ "id": "out", "name": "Out" }"#).unwrap();
    link(root.path(), "bots/out/media", "/etc");
    fs::create_dir_all(root.path().join("bots/up")).unwrap();
    fs::write(root.path().join("bots/up/bot.config.json"), r#"{ "id": "up", "name": "Up" }"#).unwrap();
    link(root.path(), "bots/up/media", "../..");
    let app = TestApp::serve(root, |_| {}).await;
    assert_eq!(app.client.get("/api/v1/bots/echo/media/a.png").await.body, "a");
    for path in ["echo/media/link.png", "out/media/passwd", "up/media/botpress.config.json", "up/media/data.db"] {
        is_missing(&app, &format!("/api/v1/bots/{path}")).await;
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_that_is_swapped_while_it_is_asked_for_never_gives_a_secret() {
    let root = workspace("");
    let assets = root.path().join("assets");
    link(root.path(), "assets/swapped.css", "fine.css");
    let app = TestApp::serve(root, |_| {}).await;
    let over = std::sync::Arc::new(AtomicBool::new(false));
    let seen = std::sync::Arc::clone(&over);
    let swapping = std::thread::spawn(move || {
        while !seen.load(Ordering::Relaxed) {
            for to in ["fine.css", "../secret.txt"] {
                symlink(to, assets.join("next")).unwrap();
                fs::rename(assets.join("next"), assets.join("swapped.css")).unwrap();
            }
        }
    });
    for _ in 0..500 {
        let answer = app.client.get("/assets/swapped.css").await;
        assert!(answer.status == 404 || answer.body == "fine", "{}", answer.body);
    }
    over.store(true, Ordering::Relaxed);
    swapping.join().unwrap();
    app.stop().await;
}

/// What the server answers to bytes as they are.
fn raw(app: &TestApp, request: &str) -> String {
    let mut stream = TcpStream::connect(app.client.address).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
