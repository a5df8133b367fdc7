//! The pages and files of the chat widget over HTTP: the frame's page and its policy, assets, their caching and packing.

#[path = "common/app.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod app;
#[path = "common/client.rs"]
#[allow(dead_code, reason = "other test files use the rest")]
mod client;

use app::TestApp;
use client::Answer;

const BOT: (&str, &str) =
    ("bots/shop/bot.config.json", r#"{ "name": "Mia & <Sons>", "defaultLanguage": "ar", "languages": ["ar"] }"#);
/// Where the widget's files are.
const FILES: &str = "/assets/modules/channel-web";

async fn get(app: &TestApp, path: &str, headers: &[(&str, &str)]) -> Answer {
    app.client.send("GET", path, headers, Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_frames_page_says_whose_it_is_and_may_load_only_its_own_scripts() {
    let app = TestApp::start_with(&[BOT]).await;
    let page = app.client.get("/lite/shop/?m=channel-web&v=Embedded&options=%7B%7D").await;
    assert_eq!((page.status, page.content_type()), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains("<html lang=\"ar\" dir=\"rtl\" data-max-message-length=\"360\""), "{}", page.body);
    assert!(page.body.contains("<title>Mia &amp; &lt;Sons&gt;</title>"), "{}", page.body);
    assert!(!page.body.contains("<script>") && !page.body.contains("style="), "{}", page.body);
    let policy = page.header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; script-src 'self'; connect-src 'self';"), "{policy}");
    // Any page may hold it, also one that is a file: a list would leave those out.
    assert!(!policy.contains("frame-ancestors") && !page.headers.contains_key("x-frame-options"), "{policy}");
    assert_eq!((page.header("x-content-type-options"), page.header("referrer-policy")), ("nosniff", "strict-origin"));
    assert_eq!(page.header("cache-control"), "no-cache");
    let again = get(&app, "/lite/shop/", &[("if-none-match", page.header("etag"))]).await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
    assert_eq!(again.header("content-security-policy"), policy);
    let unknown = app.client.get("/lite/nobody/").await;
    assert_eq!(unknown.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_file_that_the_frames_page_names_is_there_wherever_the_server_lies() {
    let app = TestApp::start_with(&[BOT]).await;
    let page = app.client.get("/lite/shop/").await;
    let mut found = 0;
    for part in page.body.split(['"']).filter(|part| part.contains("assets/")) {
        // Relative to the folder of the page: below a path of a proxy it works as well.
        let path = part.strip_prefix("../..").unwrap_or_else(|| panic!("{part} is not relative"));
        let file = app.client.get(path).await;
        assert_eq!((file.status, file.header("cache-control")), (200, "public, max-age=31536000, immutable"), "{part}");
        found += 1;
    }
    assert!(found > 0, "{}", page.body);
    let bare = app.client.get("/lite/shop?v=Fullscreen").await;
    assert_eq!((bare.status, bare.header("location")), (302, "shop/?v=Fullscreen"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_that_may_hold_the_chat_can_be_listed() {
    let list = r#"{ "frameAncestors": ["self", "https://*.example.org"] }"#;
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", list)]).await;
    let policy = app.client.get("/lite/shop/").await.header("content-security-policy").to_owned();
    assert!(policy.ends_with("; frame-ancestors 'self' https://*.example.org"), "{policy}");
    app.stop().await;
    let app = TestApp::start_with(&[BOT, ("config/channel-web.json", r#"{ "frameAncestors": [] }"#)]).await;
    let policy = app.client.get("/lite/shop/").await.header("content-security-policy").to_owned();
    assert!(policy.ends_with("; frame-ancestors 'none'"), "{policy}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn scripts_of_people_find_the_names_of_the_original_in_env_js() {
    let url = r#"{ "httpServer": { "externalUrl": "https://x.example/bots/" } }"#;
    let app = TestApp::start_with(&[BOT, ("botpress.config.json", url)]).await;
    let script = app.client.get("/lite/shop/env.js").await;
    assert_eq!((script.status, script.content_type()), (200, "text/javascript; charset=utf-8"));
    let expected = "window.BOT_ID = \"shop\";\nwindow.BOT_NAME = \"Mia & \\u003cSons\\u003e\";\n\
                    window.BOT_API_PATH = \"/bots/api/v1/bots/shop\";\nwindow.API_PATH = \"/bots/api/v1\";\n\
                    window.BP_BASE_PATH = \"/bots/lite/shop\";\nwindow.ROOT_PATH = \"/bots\";\n\
                    window.EXTERNAL_URL = \"https://x.example/bots\";\n\
                    window.SOCKET_TRANSPORTS = [\"websocket\",\"polling\"];\n";
    assert_eq!(script.body, expected);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_script_can_be_had_by_everybody_packed_as_they_like_and_once() {
    let app = TestApp::start_with(&[]).await;
    for (name, content_type) in [
        ("inject.js", "text/javascript; charset=utf-8"),
        ("inject.css", "text/css; charset=utf-8"),
        ("default.css", "text/css; charset=utf-8"),
        ("examples/embedded-webchat.html", "text/html; charset=utf-8"),
    ] {
        let path = format!("{FILES}/{name}");
        let plain = get(&app, &path, &[("origin", "https://shop.example")]).await;
        assert_eq!((plain.status, plain.content_type()), (200, content_type), "{name}");
        assert_eq!((plain.header("content-encoding"), plain.header("vary").contains("accept-encoding")), ("", true));
        assert_eq!(plain.header("access-control-allow-origin"), "*");
        assert_eq!(plain.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(
            (plain.header("cache-control"), plain.header("x-content-type-options")),
            ("public, max-age=300", "nosniff")
        );
        let head = app.client.send("HEAD", &path, &[], Vec::new()).await;
        assert_eq!((head.status, head.header("content-length")), (200, plain.body.len().to_string().as_str()));
        let known = get(&app, &path, &[("if-none-match", plain.header("etag")), ("accept-encoding", "br")]).await;
        assert_eq!((known.status, known.body.as_str(), known.header("content-encoding")), (304, "", ""));
    }
    let packed =
        app.client.send("HEAD", &format!("{FILES}/inject.js"), &[("accept-encoding", "gzip, br")], Vec::new()).await;
    assert_eq!(packed.header("content-encoding"), "br");
    let size: usize = packed.header("content-length").parse().unwrap();
    assert!((1..5_000).contains(&size), "inject.js is {size} bytes");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whose_work_is_in_the_widget_and_on_what_terms_is_given_along() {
    let app = TestApp::start_with(&[]).await;
    let terms = app.client.get(&format!("{FILES}/licenses.txt")).await;
    assert_eq!((terms.status, terms.content_type()), (200, "text/plain; charset=utf-8"));
    for name in ["@preact/signals", "@preact/signals-core", "dompurify", "lucide-preact", "marked", "preact"] {
        assert!(terms.body.contains(&format!("## {name} - ")), "{name}: {}", terms.body);
    }
    for copyright in ["Apache License", "Jason Miller", "Lucide", "MarkedJS"] {
        assert!(terms.body.contains(copyright), "{copyright}: {}", terms.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_serves_its_pictures_and_style_sheets_and_nothing_else() {
    let app = TestApp::start_with(&[
        BOT,
        ("assets/shop/style.css", ".bpw-header { color: red }"),
        ("assets/logo.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("assets/.secret.css", "x"),
        ("assets/tool.js", "x"),
        ("assets/folder.css/x.txt", "x"),
        ("data/assets/old.css", "of the original's folder"),
        ("outside.css", "x"),
    ])
    .await;
    let style = app.client.get("/assets/shop/style.css").await;
    assert_eq!((style.status, style.content_type()), (200, "text/css; charset=utf-8"));
    assert_eq!((style.body.as_str(), style.header("cache-control")), (".bpw-header { color: red }", "no-cache"));
    assert_eq!(style.header("cross-origin-resource-policy"), "cross-origin");
    let known = get(&app, "/assets/shop/style.css", &[("if-modified-since", style.header("last-modified"))]).await;
    assert_eq!(known.status, 304);
    let part = get(&app, "/assets/shop/style.css", &[("range", "bytes=0-3")]).await;
    assert_eq!((part.status, part.body.as_str()), (206, ".bpw"));
    let picture = app.client.get("/assets/logo.svg").await;
    assert!(picture.header("content-security-policy").contains("sandbox"));
    assert_eq!(app.client.get("/assets/old.css").await.status, 200);
    for path in [
        "/assets/nope.css",
        "/assets/.secret.css",
        "/assets/tool.js",
        "/assets/../outside.css",
        "/assets/%2e%2e/outside.css",
        "/assets/..%2foutside.css",
        "/assets/shop%2f..%2f..%2foutside.css",
        "/assets/shop",
        "/assets/folder.css",
        "/assets/logo.svg/x.css",
        "/assets/shop/",
        "/assets/",
        "/assets",
        "/assets/modules/channel-web/nope.js",
        "/assets/modules/channel-web/manifest.json",
    ] {
        let answer = app.client.get(path).await;
        assert_eq!(
            (answer.status, answer.content_type()),
            (404, "text/html; charset=utf-8"),
            "{path}: {}",
            answer.body
        );
        assert!(answer.body.contains("Cannot GET /assets"), "{path}: {}", answer.body);
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_start_page_shows_bots_hooks_errors_and_events_and_is_there_in_development_only() {
    let hook = "if (event.type === 'boom') {\n  bp.nothing.at.all()\n}\n";
    let files = [
        BOT,
        ("hooks/before_incoming_middleware/boom.js", hook),
        ("hooks/after_incoming_middleware/broken.js", "const x = = 1\n"),
    ];
    let app = TestApp::start_in_development(&files).await;
    let event = r#"{"type":"boom","payload":"<script>"}"#;
    let sent = app.client.post("/api/v1/bots/shop/mod/channel-web/events/ada", event).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    app.processed().await;
    let page = app.client.get("/").await;
    assert_eq!((page.status, page.content_type()), (200, "text/html; charset=utf-8"));
    for part in [
        "Mia &amp; &lt;Sons&gt;",
        "href=\"s/shop\"",
        "href=\"examples/proactive-onload?bot=shop\"",
        "<code>hooks/before_incoming_middleware/boom.js</code>",
        "hooks/after_incoming_middleware/broken.js:1",
        "const x = = 1",
        "hooks/before_incoming_middleware/boom.js:2",
        "&gt; 2 |   bp.nothing.at.all()",
        "<code>event.payload</code> is <code>{&quot;type&quot;:&quot;boom&quot;,&quot;payload&quot;:&quot;&lt;script&gt;&quot;}",
        "<strong>boom</strong> from <code>ada</code> to <code>shop</code>",
        "Save this as <code>hooks/before_incoming_middleware/hello.js</code>",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(!page.body.contains("<script"), "{}", page.body);
    assert_eq!(app.client.get("/start.css").await.content_type(), "text/css; charset=utf-8");
    app.stop().await;
    let app = TestApp::start_with(&files).await;
    for path in ["/", "/start.css", "/examples/proactive-onload"] {
        assert_eq!(app.client.get(path).await.status, 404, "{path}");
    }
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_bot_has_no_links_to_a_chat_that_cannot_be() {
    let private = ("bots/desk/bot.config.json", r#"{ "name": "Desk", "private": true }"#);
    let app = TestApp::start_in_development(&[BOT, private]).await;
    let page = app.client.get("/").await;
    assert!(
        page.body.contains("href=\"s/shop\"") && page.body.contains("Private: callers need a token"),
        "{}",
        page.body
    );
    assert!(!page.body.contains("s/desk") && !page.body.contains("bot=desk"), "{}", page.body);
    assert!(!app.client.get("/examples/proactive-onload").await.body.contains("bot=desk"));
    let refused = app.client.get("/examples/proactive-onload?bot=desk").await;
    assert_eq!(refused.status, 401);
    assert!(refused.body.contains("is private"), "{}", refused.body);
    app.stop().await;
    let app = TestApp::start_in_development(&[private]).await;
    assert_eq!(app.client.get("/examples/proactive-onload").await.status, 404);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_widget_in_an_example_page_may_ask_the_server_why_its_frame_does_not_come() {
    let app = TestApp::start_in_development(&[BOT]).await;
    let page = app.client.get("/examples/proactive-onload").await;
    assert!(page.header("content-security-policy").contains("connect-src 'self'"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_docs_of_an_error_are_a_page_of_the_server_itself() {
    let app = TestApp::start_with(&[BOT]).await;
    let error = app.client.get("/api/v1/bots/nobody").await.json();
    let page = app.client.get(error["docs"].as_str().unwrap()).await;
    assert_eq!((page.status, page.content_type()), (200, "text/html; charset=utf-8"));
    assert!(page.body.contains(error["errorCode"].as_str().unwrap()), "{}", page.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_page_says_whether_a_hook_reacts_and_where_to_save_one() {
    let app = TestApp::start_in_development(&[BOT]).await;
    let page = app.client.get("/examples/proactive-form?bot=shop").await;
    assert_eq!(page.status, 200);
    assert!(page.body.contains("No hook looks at the field yet"), "{}", page.body);
    assert!(page.body.contains("hooks/before_incoming_middleware/contextual-help.js"), "{}", page.body);
    let address = app.client.address;
    assert!(page.body.contains(&format!("host: \"http://{address}\", botId: \"shop\"")), "{}", page.body);
    for path in
        ["/examples/nothing", "/examples/proactive-onload?bot=nobody", "/examples/proactive-onload?bot=%22%3E%3Cb%3E"]
    {
        let answer = app.client.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
    }
    // A name of the server that would leave the script is written as text.
    let evil = [("host", "x\"</script><script>alert(1)//")];
    let page = get(&app, "/examples/proactive-onload", &evil).await;
    assert!(!page.body.contains("<script>alert(1)"), "{}", page.body);
    app.stop().await;
    let hook = ("hooks/before_incoming_middleware/mine.js", "if (event.type === 'proactive-trigger') {}\n");
    let app = TestApp::start_in_development(&[BOT, hook]).await;
    let page = app.client.get("/examples/proactive-onload").await;
    assert!(
        page.body.contains("<code>hooks/before_incoming_middleware/mine.js</code> reacts to the event"),
        "{}",
        page.body
    );
    // One that speaks when the page is opened explains no form.
    let page = app.client.get("/examples/proactive-form").await;
    assert!(page.body.contains("No hook looks at the field yet"), "{}", page.body);
    assert!(!page.body.contains("With another bot"), "{}", page.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_page_offers_other_bots_and_not_its_own() {
    let app = TestApp::start_in_development(&[BOT, ("bots/b/bot.config.json", r#"{ "name": "B" }"#)]).await;
    let page = app.client.get("/examples/proactive-onload?bot=shop").await;
    assert!(page.body.contains("With another bot: <a href=\"proactive-onload?bot=b\">B</a></p>"), "{}", page.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_page_talks_to_the_server_it_came_from_and_shows_the_address_for_others() {
    let url = r#"{ "httpServer": { "externalUrl": "https://bots.example.org/chat" } }"#;
    let app = TestApp::start_in_development(&[BOT, ("botpress.config.json", url)]).await;
    let page = app.client.get("/examples/proactive-onload?bot=shop").await;
    let (shown, runs) = page.body.rsplit_once("<script>").unwrap();
    assert!(shown.contains("init({ host: \"https://bots.example.org/chat\", botId: \"shop\" })"), "{shown}");
    // Its policy lets it load nothing of another server, and what a hook here does would not be seen there.
    assert!(runs.contains("init({ botId: \"shop\" })") && !runs.contains("bots.example.org"), "{runs}");
    assert!(page.header("content-security-policy").contains("frame-src 'self'"));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_example_page_knows_the_hooks_of_its_own_bot_wherever_they_lie() {
    let hook = "if (event.type === 'proactive-trigger') {}\n";
    let files = [
        ("bots/Shop/bot.config.json", "{}"),
        ("bots/desk/bot.config.json", "{}"),
        ("bots/Shop/hooks/before_incoming_middleware/mine.js", hook),
    ];
    let app = TestApp::start_in_development(&files).await;
    let [shop, desk] = ["shop", "desk"].map(|bot| format!("/examples/proactive-onload?bot={bot}"));
    let page = app.client.get(&shop).await;
    assert!(page.body.contains("bots/Shop/hooks/before_incoming_middleware/mine.js</code> reacts"), "{}", page.body);
    assert!(app.client.get(&desk).await.body.contains("No hook reacts to the event yet"));
    app.stop().await;
    // A folder for hooks of all bots may be called anything.
    let app = TestApp::start_in_development(&[
        ("bots/desk/bot.config.json", "{}"),
        ("hooks/before_incoming_middleware/robots/all.js", hook),
    ])
    .await;
    let page = app.client.get(&desk).await;
    assert!(page.body.contains("robots/all.js</code> reacts to the event"), "{}", page.body);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_other_origins_cannot_read_what_an_author_sees_of_scripts_and_visitors() {
    let app =
        TestApp::start_in_development(&[BOT, ("hooks/after_incoming_middleware/broken.js", "const x = = 1\n")]).await;
    let origin = [("origin", "https://evil.example")];
    for path in ["/", "/start.css", "/examples/proactive-onload", "/api/v1/traces/1", "/api/v1/bots/shop/traces/ann"] {
        let answer = get(&app, path, &origin).await;
        assert_eq!(answer.header("access-control-allow-origin"), "", "{path}");
        let asked = app.client.send("OPTIONS", path, &origin, Vec::new()).await;
        assert_eq!(asked.header("access-control-allow-origin"), "", "{path}");
    }
    // What goes wrong in which file is told to programs, and is a number for everybody else.
    let told = app.client.get("/status").await.json()["problems"].clone();
    assert!(told[0].as_str().unwrap().contains("hooks/after_incoming_middleware/broken.js"), "{told}");
    assert_eq!(get(&app, "/status", &origin).await.json()["problems"], 1);
    // What pages of people need stays open to them.
    let chat = get(&app, "/api/v1/bots/shop/mod/channel-web/botInfo", &origin).await;
    assert_eq!((chat.status, chat.header("access-control-allow-origin")), (200, "*"));
    app.stop().await;
}
