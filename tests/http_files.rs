//! Files: what visitors send, what callers with a token store, and what everybody is given of it.

#[path = "common/app.rs"]
mod app;
#[path = "common/client.rs"]
mod client;

use std::fs;

use app::TestApp;
use client::Answer;
use serde_json::{Value, json};

const CHANNEL: &str = "/api/v1/bots/echo/mod/channel-web";
const MEDIA: &str = "/api/v1/bots/echo/media";

const BOT: (&str, &str) = ("bots/echo/bot.config.json", r#"{ "id": "echo", "name": "Echo" }"#);

/// Says what it gets.
const ECHO: (&str, &str) = (
    "hooks/after_incoming_middleware/99_echo.js",
    r"
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    const said = { type: event.type, preview: event.preview, payload: event.payload }
    return bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(said) }])",
);

/// Starts a conversation of a visitor; the path to send files to.
async fn files_of(app: &TestApp, user: &str) -> String {
    let id = app.client.post(&format!("{CHANNEL}/conversations/{user}/new"), "").await.json()["convoId"].clone();
    format!("{CHANNEL}/messages/{user}/files?conversationId={id}")
}

/// The messages of the visitor's only conversation.
async fn messages(app: &TestApp, user: &str) -> Vec<Value> {
    app.processed().await;
    let list = app.client.get(&format!("{CHANNEL}/conversations/{user}")).await.json();
    let id = &list["conversations"][0]["id"];
    let conversation = app.client.get(&format!("{CHANNEL}/conversations/{user}/{id}")).await.json();
    conversation["messages"].as_array().unwrap().clone()
}

/// The path of an address on this server.
fn path(app: &TestApp, url: &Value) -> String {
    let url = url.as_str().unwrap();
    let port = app.client.address.port();
    url.strip_prefix(&format!("http://localhost:{port}")).unwrap_or_else(|| panic!("{url}")).to_owned()
}

/// Whatever is in it, nothing of it can run.
fn is_harmless(answer: &Answer) {
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert_eq!(answer.header("content-security-policy"), "sandbox; default-src 'none'");
    let kind = answer.content_type();
    let shown = ["image/", "audio/", "video/"].iter().any(|of| kind.starts_with(of)) && !kind.contains("svg");
    let saved = answer.header("content-disposition").starts_with("attachment; filename*=UTF-8''");
    assert!(shown || (saved && kind == "application/octet-stream"), "{kind} {}", answer.header("content-disposition"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_visitor_sends_a_file_and_the_bot_gets_its_address() {
    let app = TestApp::start_with(&[BOT, ECHO]).await;
    let send = files_of(&app, "ann").await;
    let content = b"\x89PNG\r\n\x1a\n\0\xff--BOUNDARY";
    let answer = app.client.post_file(&send, &[], ("Ein Kätzchen.png", "image/png", content)).await;
    assert_eq!((answer.status, answer.content_type(), &*answer.body), (200, "text/plain; charset=utf-8", "OK"));
    let messages = messages(&app, "ann").await;
    assert_eq!(messages.len(), 2);
    let payload = &messages[0]["payload"];
    let stored = payload["name"].as_str().unwrap();
    assert!(stored.ends_with("-Ein_K_tzchen.png"), "{stored}");
    assert_eq!(
        payload,
        &json!({
            "text": "Uploaded a file: Ein Kätzchen.png",
            "type": "file",
            "storage": "local",
            "url": format!("http://localhost:{}{MEDIA}/{stored}", app.client.address.port()),
            "name": stored,
            "originalName": "Ein Kätzchen.png",
            "mime": "image/png",
            "size": content.len(),
        })
    );
    assert_eq!(messages[0]["message_type"], "file");
    assert_eq!(messages[0]["message_text"], "Uploaded a file: Ein Kätzchen.png");
    let said: Value = serde_json::from_str(messages[1]["message_text"].as_str().unwrap()).unwrap();
    assert_eq!((&said["type"], &said["payload"]), (&json!("file"), payload));
    assert_eq!(fs::read(app.folder.path().join("bots/echo/media").join(stored)).unwrap(), content);
    let answer = app.client.get(&path(&app, &payload["url"])).await;
    assert_eq!((answer.status, answer.content_type(), &answer.bytes[..]), (200, "image/png", &content[..]));
    assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
    is_harmless(&answer);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_visitors_send_never_runs_whatever_they_call_it() {
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", r#"{ "maxMessagesHistory": 100 }"#)]).await;
    let send = files_of(&app, "eve").await;
    let script: &[u8] = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(document.domain)</script></svg>";
    let long = format!("{}.html", "x".repeat(5_000));
    let hostile = [
        ("page.html", "text/html"),
        ("image.svg", "image/svg+xml"),
        ("page.xhtml", "application/xhtml+xml"),
        ("a.js", "text/javascript"),
        ("a.pdf", "application/pdf"),
        ("photo\u{202e}gnp.html", "text/html"),
        ("../../../hooks/before_incoming_middleware/evil.js", "text/javascript"),
        ("..", "text/html"),
        (".htaccess", "text/plain"),
        ("C:\\evil.html", "text/html"),
        ("", "text/html; charset=utf-8"),
        ("a%0D%0Aset-cookie: x=1.html", "text/html"),
        ("a\0.html", "text/html"),
        ("<img src=x onerror=alert(1)>", "text/html"),
        ("really.png", "text/html"),
        ("x.html", "image/png"),
        ("x.html", "a/b%22><script>"),
        (&long, "text/html"),
    ];
    for (name, content_type) in hostile {
        let answer = app.client.post_file(&send, &[], (name, content_type, script)).await;
        assert_eq!(answer.status, 200, "{name:?}: {}", answer.body);
    }
    let messages = messages(&app, "eve").await;
    assert_eq!(messages.len(), hostile.len());
    for message in &messages {
        let payload = &message["payload"];
        let stored = payload["name"].as_str().unwrap();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        assert!(stored.len() <= 101 && stored.chars().all(plain) && !stored.starts_with('.'), "{stored}");
        let shown = payload["originalName"].as_str().unwrap();
        assert!(!shown.contains(['/', '\\', '\r', '\n', '\0', '\u{202e}']) && shown.len() < 500, "{shown:?}");
        let mime = payload["mime"].as_str().unwrap();
        assert!(!mime.contains(['<', '"']) && !mime.contains("svg"), "{mime}");
        let answer = app.client.get(&path(&app, &payload["url"])).await;
        assert_eq!((answer.status, &answer.bytes[..]), (200, script), "{stored}");
        is_harmless(&answer);
    }
    let names: Vec<String> = fs::read_dir(app.folder.path().join("bots/echo"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(names.len(), 2, "{names:?}");
    assert!(!app.folder.path().join("hooks").exists());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_cannot_be_taken_are_refused_and_nothing_is_kept() {
    let settings = r#"{ "maxFileSize": "100kb", "maxFilesPerHour": 6 }"#;
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", settings)]).await;
    let send = files_of(&app, "ann").await;
    let of_ann = send.split_once('=').unwrap().1;
    let file = ("a.txt", "text/plain", &b"hello"[..]);
    for query in ["", "?conversationId=", "?conversationId=null", "?conversationId=x"] {
        let answer = app.client.post_file(&format!("{CHANNEL}/messages/ann/files{query}"), &[], file).await;
        assert_eq!((answer.status, &*answer.body), (400, "`conversationId` is required and must be valid"), "{query}");
    }
    for (user, id) in [("ann", "99999"), ("bob", of_ann), ("ann", "99999999999999999999")] {
        let path = format!("{CHANNEL}/messages/{user}/files?conversationId={id}");
        let answer = app.client.post_file(&path, &[], file).await;
        assert_eq!(answer.status, 404, "{}", answer.body);
        assert!(answer.body.contains("BP_CONV_NOT_FOUND"), "{}", answer.body);
    }
    let large = vec![b'x'; (100 << 10) + 1];
    let answer = app.client.post_file(&send, &[], ("a.txt", "text/plain", &large)).await;
    assert_eq!((answer.status, answer.json()["type"].clone()), (413, json!("entity.too.large")));
    let huge = vec![b'x'; 300 << 10];
    assert_eq!(app.client.post_file(&send, &[], ("a.txt", "text/plain", &huge)).await.status, 413);
    let form: &[(&str, &str)] = &[("content-type", "multipart/form-data; boundary=X")];
    for body in ["", "--X\r\n\r\nhello", "--X\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nhello\r\n--X--"] {
        let answer = app.client.send("POST", &send, form, body.into()).await;
        assert_eq!((answer.status, answer.json()["errorCode"].clone()), (400, json!("BP_0040")), "{}", answer.body);
    }
    let answer = app.client.post(&send, "{}").await;
    assert!(answer.status == 400 && answer.body.contains("the field `file`"), "{}", answer.body);
    let answer = app.client.post_file(&send, &[], file).await;
    assert_eq!(answer.status, 429, "{}", answer.body);
    assert!(answer.body.contains("`maxFilesPerHour`"), "{}", answer.body);
    assert!(!app.folder.path().join("bots/echo/media").exists());
    assert_eq!(app.client.get("/status").await.json()["queue"]["accepted"], 0);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_sends_so_many_files_whichever_visitors_it_is() {
    let settings = ("config/channel-web.json", r#"{ "maxFilesPerHourOfAddress": 2 }"#);
    let main = ("botpress.config.json", r#"{ "httpServer": { "trustedProxies": 1 } }"#);
    let app = TestApp::start_with(&[BOT, settings, main]).await;
    for (user, from, status) in
        [("ann", "1.2.3.4", 200), ("bob", "1.2.3.4", 200), ("eve", "1.2.3.4", 429), ("eve", "1.2.3.5", 200)]
    {
        let send = files_of(&app, user).await;
        let file = ("a.txt", "text/plain", &b"hello"[..]);
        let answer = app.client.post_file(&send, &[("x-forwarded-for", from)], file).await;
        assert_eq!(answer.status, status, "{user}: {}", answer.body);
        assert!(status == 200 || answer.body.contains("`maxFilesPerHourOfAddress`"), "{}", answer.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bot_has_room_for_so_many_files_and_a_visitor_is_told() {
    let main = ("botpress.config.json", r#"{ "media": { "perBot": "10kb" } }"#);
    let app = TestApp::start_with(&[BOT, main]).await;
    let send = files_of(&app, "ann").await;
    for status in [200, 200, 507, 507] {
        let answer = app.client.post_file(&send, &[], ("a.txt", "text/plain", b"hello")).await;
        assert_eq!(answer.status, status, "{}", answer.body);
        assert!(status == 200 || answer.body.contains("`media.perBot`"), "{}", answer.body);
    }
    assert_eq!(messages(&app, "ann").await.len(), 2);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn media_that_a_bot_brings_along_is_for_everybody_in_whole_and_in_parts() {
    let private = ("data/bots/secret/bot.config.json", r#"{ "id": "secret", "name": "Secret", "private": true }"#);
    let files = [
        private,
        ("data/bots/secret/media/film one.mp4", "0123456789"),
        ("data/bots/secret/media/.hidden.png", "x"),
        ("data/bots/secret/media/sub/x.png", "x"),
        ("data/bots/secret/secret.png", "x"),
    ];
    let app = TestApp::start_with(&files).await;
    let media = "/api/v1/bots/secret/media";
    let film = format!("{media}/film%20one.mp4");
    let answer = app.client.get(&film).await;
    assert_eq!((answer.status, answer.content_type(), &*answer.body), (200, "video/mp4", "0123456789"));
    assert_eq!(answer.header("accept-ranges"), "bytes");
    is_harmless(&answer);
    let part = app.client.send("GET", &film, &[("range", "bytes=2-4")], Vec::new()).await;
    assert_eq!((part.status, &*part.body, part.header("content-range")), (206, "234", "bytes 2-4/10"));
    is_harmless(&part);
    let past = app.client.send("GET", &film, &[("range", "bytes=20-30")], Vec::new()).await;
    assert_eq!((past.status, &*past.body), (416, ""));
    let head = app.client.send("HEAD", &film, &[], Vec::new()).await;
    assert_eq!((head.status, head.header("content-length"), &*head.body), (200, "10", ""));
    for missing in [
        "nope.png",
        "..",
        "%2e%2e",
        "..%2fsecret.png",
        "%2e%2e%2fsecret.png",
        "sub",
        "sub%2fx.png",
        ".hidden.png",
        "film%20one.mp4%00",
        "..%5csecret.png",
        "%2fetc%2fpasswd",
    ] {
        let answer = app.client.get(&format!("{media}/{missing}")).await;
        assert_eq!(
            (answer.status, answer.content_type(), &*answer.body),
            (404, "text/plain; charset=utf-8", "Not Found"),
            "{missing}"
        );
    }
    for elsewhere in ["sub/x.png", "../secret.png", ""] {
        assert_eq!(app.client.get(&format!("{media}/{elsewhere}")).await.status, 404, "{elsewhere}");
    }
    assert_eq!(app.client.get("/api/v1/bots/nobot/media/x.png").await.json()["errorCode"], "BP_0044");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_a_token_stores_a_picture_and_nothing_else() {
    let app = TestApp::start_with(&[BOT, ("botpress.config.json", r#"{ "media": { "maxSize": "100kb" } }"#)]).await;
    let token = format!("Bearer {}", app.token(&[]));
    let token: &[(&str, &str)] = &[("authorization", &token)];
    let picture = ("a b.webp", "image/webp", &b"RIFF"[..]);
    assert_eq!(app.client.post_file(MEDIA, &[], picture).await.status, 401);
    let answer = app.client.post_file(MEDIA, token, picture).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let json = answer.json();
    let url = json["url"].as_str().unwrap();
    assert!(url.starts_with(&format!("{MEDIA}/")) && url.ends_with("-a_b.webp"), "{url}");
    assert_eq!(app.client.get(url).await.body, "RIFF");
    for (name, content_type) in [("a.svg", "image/svg+xml"), ("a.html", "text/html"), ("a.mp4", "video/mp4"), ("a", "")]
    {
        let answer = app.client.post_file(MEDIA, token, (name, content_type, b"x")).await;
        assert_eq!((answer.status, answer.json()["errorCode"].clone()), (400, json!("BP_0040")), "{name}");
    }
    let large = vec![0; (100 << 10) + 1];
    assert_eq!(app.client.post_file(MEDIA, token, ("a.png", "image/png", &large)).await.status, 413);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_sent_to_the_welcome_bot_leaves_it_in_service_after_a_restart() {
    let channel = "/api/v1/bots/welcome-bot/mod/channel-web";
    let app = TestApp::start_with(&[]).await;
    let id = app.client.post(&format!("{channel}/conversations/ann/new"), "").await.json()["convoId"].clone();
    let send = format!("{channel}/messages/ann/files?conversationId={id}");
    assert_eq!(app.client.post_file(&send, &[], ("a.txt", "text/plain", b"x")).await.status, 200);
    app.processed().await;
    let folder = tempfile::tempdir().unwrap();
    app::copy(app.folder.path(), folder.path());
    app.stop().await;
    assert!(folder.path().join("bots/welcome-bot/media").exists());
    let app = TestApp::serve(folder, |options| options.production = true).await;
    assert_eq!(app.client.get(&format!("{channel}/botInfo")).await.status, 200);
    app.stop().await;
}

/// Saves, reads, and gets it wrong.
const KEEPS: (&str, &str) = (
    "hooks/before_incoming_middleware/keeps.js",
    r"
    const { saveFile, readFile, getFilePath } = bp.cms
    const why = async run => { try { await run(); return 'nothing' } catch (error) { return error.message } }
    const stored = await saveFile('echo', '../Ein Foto.png', Buffer.from([0, 255, 128]))
    const back = await readFile('echo', stored)
    const others = []
    for (const content of [new Uint8Array([1, 2, 3]).subarray(1), new Uint8Array([4]).buffer, 'déjà']) {
      others.push((await readFile('other', await saveFile('other', 'x', content))).toString('hex'))
    }
    const wrong = [
      await why(() => saveFile('echo', 'x', 5)),
      await why(() => saveFile('echo', '', Buffer.from('x'))),
      await why(() => saveFile('nobody', 'x', Buffer.from('x'))),
      await why(() => saveFile('echo', 'x', Buffer.alloc(101 << 10))),
      await why(() => readFile('echo', '../bot.config.json')),
      await why(() => readFile('echo')),
      await why(() => getFilePath('echo')),
    ]
    const path = getFilePath('echo', stored)
    const said = { stored, path, back: back.toString('hex'), isBuffer: Buffer.isBuffer(back), others, wrong }
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
    await bp.events.replyToEvent(event, [{ type: 'text', text: JSON.stringify(said) }, { type: 'file', url: path }])",
);

#[tokio::test(flavor = "multi_thread")]
async fn scripts_keep_files_and_get_them_back_byte_by_byte() {
    let other = ("bots/other/bot.config.json", r#"{ "id": "other", "name": "Other" }"#);
    let main = ("botpress.config.json", r#"{ "media": { "maxSize": "100kb" } }"#);
    let app = TestApp::start_with(&[BOT, other, main, KEEPS]).await;
    app.client.post(&format!("{CHANNEL}/messages/ann"), r#"{"type":"text","text":"hi"}"#).await;
    let messages = messages(&app, "ann").await;
    let said: Value = serde_json::from_str(messages[1]["message_text"].as_str().unwrap()).unwrap();
    let stored = said["stored"].as_str().unwrap();
    assert!(stored.ends_with("-Ein_Foto.png") && !stored.contains('/'), "{stored}");
    assert_eq!((&said["back"], &said["isBuffer"]), (&json!("00ff80"), &json!(true)));
    assert_eq!(said["others"], json!(["0203", "04", "64c3a96ac3a0"]));
    assert_eq!(
        said["wrong"],
        json!([
            "bp.cms.saveFile: \"content\" must be a Buffer, got a number",
            "bp.cms.saveFile: \"fileName\" must be a string that is not empty, got an empty string",
            "bp.cms.saveFile: there is no bot \"nobody\"",
            "bp.cms.saveFile: the file has 103424 bytes, at most 102400 are allowed (`media.maxSize`)",
            "bp.cms.readFile: there is no file \"bot.config.json\"",
            "bp.cms.readFile: \"fileName\" must be a string that is not empty, got undefined",
            "bp.cms.getFilePath: \"fileName\" must be a string, got undefined",
        ])
    );
    assert_eq!(said["path"], format!("{MEDIA}/{stored}"));
    assert_eq!(app.client.get(said["path"].as_str().unwrap()).await.bytes, [0, 255, 128]);
    assert_eq!(path(&app, &messages[2]["payload"]["url"]), said["path"].as_str().unwrap());
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flow_stores_the_file_that_a_visitor_sent() {
    let flow = r##"{ "version": "0.0.1", "startNode": "entry", "catchAll": {}, "nodes": [{ "name": "entry", "onReceive": null,
        "onEnter": ["builtin/storeFileLocally", "say #builtin_text {\"text\": \"{{{temp.storedFile}}}\"}"],
        "next": [{ "condition": "true", "node": "END" }] }] }"##;
    let app = TestApp::start_with(&[BOT, ("bots/echo/flows/main.flow.json", flow)]).await;
    let send = files_of(&app, "ann").await;
    assert_eq!(app.client.post_file(&send, &[], ("a b.png", "image/png", b"\x89PNG\xff")).await.status, 200);
    let messages = messages(&app, "ann").await;
    let (sent, kept) = (&messages[0]["payload"]["url"], messages[1]["message_text"].as_str().unwrap());
    assert!(kept.starts_with(&format!("{MEDIA}/")) && kept.ends_with("-a_b.png"), "{kept}");
    assert_ne!(path(&app, sent), kept);
    assert_eq!(app.client.get(kept).await.bytes, b"\x89PNG\xff");
    app.stop().await;
}
