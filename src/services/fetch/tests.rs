//! Calls of a real server on this machine.

mod limits;
mod server;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use serde_json::{Value, json};
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig, crypto};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::Fetch;
use crate::config::{HostPattern, Settings};
use crate::model::BotId;
use server::{Reply, TestServer, text};

/// Calls as one bot, with settings that a test may change.
struct Calls {
    fetch: Fetch,
    bot: BotId,
}

impl Calls {
    fn new(change: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = Settings::default();
        change(&mut settings);
        Self { fetch: Fetch::new(&settings), bot: BotId::parse("bot").unwrap() }
    }

    /// The answer's head and body, or why there is none.
    async fn send(&self, head: Value, body: &str) -> Result<(Value, String), String> {
        let mut whole = json!({ "method": "GET", "headers": [], "redirect": "follow" });
        whole.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        let fetched =
            self.fetch.call(Some(&self.bot), &whole.to_string(), Bytes::copy_from_slice(body.as_bytes())).await;
        let fetched = fetched.map_err(|failed| format!("{} {}", failed.code, failed.message))?;
        let body = fetched.body.iter().map(|byte| char::from(*byte)).collect();
        Ok((serde_json::from_str(&fetched.head).unwrap(), body))
    }

    async fn get(&self, url: &str) -> Result<String, String> {
        self.send(json!({ "url": url }), "").await.map(|(_, body)| body)
    }
}

fn calls() -> Calls {
    Calls::new(|_| {})
}

#[tokio::test]
async fn what_a_script_sends_arrives_and_what_the_server_says_comes_back() {
    let server = TestServer::start(|request| {
        Reply::Whole(
            format!(
                "HTTP/1.1 418 Short and stout\r\nX-Name: caf\u{e9}\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\
                 Content-Length: {}\r\n\r\n{request}",
                request.chars().count()
            )
            .chars()
            .map(|c| u8::try_from(u32::from(c)).unwrap())
            .collect(),
        )
    })
    .await;
    let headers =
        json!([["X-Own", "gr\u{fc}n"], ["Content-Type", "text/plain"], ["Content-Length", "999"], ["Host", "evil"]]);
    let head = json!({ "url": server.url("/a%20b?q=1#part"), "method": "DELETE", "headers": headers });
    let (head, body) = calls().send(head, "x").await.unwrap();
    let mut lines: Vec<&str> = body.lines().filter(|line| !line.is_empty()).collect();
    lines[1..].sort_unstable();
    let host = format!("host: {}", server.address);
    let agent = format!("user-agent: nudge/{}", env!("CARGO_PKG_VERSION"));
    let expected = [
        "DELETE /a%20b?q=1 HTTP/1.1",
        "accept-encoding: gzip",
        "accept: */*",
        "content-length: 1",
        "content-type: text/plain",
        &host,
        &agent,
        "x",
        "x-own: gr\u{fc}n",
    ];
    assert_eq!(lines, expected);
    assert_eq!(head["status"], 418);
    assert_eq!(head["statusText"], "Short and stout");
    assert_eq!(head["url"], server.url("/a%20b?q=1"));
    assert_eq!(head["redirected"], false);
    let of = |name: &str| -> Vec<&str> {
        let headers = head["headers"].as_array().unwrap().iter();
        headers.filter(|pair| pair[0] == name).map(|pair| pair[1].as_str().unwrap()).collect()
    };
    assert_eq!((of("x-name"), of("set-cookie")), (vec!["caf\u{e9}"], vec!["a=1", "b=2"]));
}

#[tokio::test]
async fn a_request_that_would_be_two_is_refused() {
    for (head, why) in [
        (json!({ "headers": [["X", "a\r\nY: b"]] }), r#"the value of the header "X""#),
        (json!({ "headers": [["X\r\nY", "b"]] }), r#"the header "X\r\nY""#),
        (json!({ "headers": [["X", "\u{20ac}"]] }), r#"the value of the header "X""#),
        (json!({ "method": "GET / HTTP/1.1\r\n" }), r#"the method "GET / HTTP/1.1\r\n""#),
        (json!({ "method": "CONNECT" }), r#"the method "CONNECT""#),
        (json!({ "more": 1 }), "unknown field `more`"),
    ] {
        let mut whole = json!({ "url": "http://127.0.0.1:1/" });
        whole.as_object_mut().unwrap().extend(head.as_object().unwrap().clone());
        let error = calls().send(whole, "").await.unwrap_err();
        assert!(error.contains("the request is malformed: ") && error.contains(why), "{error}");
    }
}

#[tokio::test]
async fn an_empty_body_is_announced_where_servers_wait_for_one() {
    let server = TestServer::start(|request| {
        text(200, request.to_lowercase().contains("content-length: 0").to_string().as_str())
    })
    .await;
    for (method, announced) in
        [("POST", "true"), ("PUT", "true"), ("PATCH", "true"), ("GET", "false"), ("DELETE", "false")]
    {
        let (_, body) = calls().send(json!({ "url": server.url("/"), "method": method }), "").await.unwrap();
        assert_eq!(body, announced, "{method}");
    }
    let (head, body) = calls().send(json!({ "url": server.url("/"), "method": "HEAD" }), "").await.unwrap();
    assert_eq!((head["status"].clone(), body.as_str()), (json!(200), ""));
}

#[tokio::test]
async fn a_redirect_is_followed_as_browsers_do() {
    let other = TestServer::start(|request| text(200, request)).await;
    let elsewhere = other.url("/there");
    let server = TestServer::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/302" => Reply::Whole(b"HTTP/1.1 302 Found\r\nLocation: /end\r\nContent-Length: 2\r\n\r\nno".to_vec()),
        "/307" => Reply::Whole(b"HTTP/1.1 307 T\r\nLocation: end?x\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/other" => {
            Reply::Whole(format!("HTTP/1.1 308 P\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n").into_bytes())
        }
        "/loop" => Reply::Whole(b"HTTP/1.1 301 M\r\nLocation: /loop\r\nContent-Length: 0\r\n\r\n".to_vec()),
        "/cloud" => Reply::Whole(
            b"HTTP/1.1 301 M\r\nLocation: http://169.254.169.254/latest\r\nContent-Length: 0\r\n\r\n".to_vec(),
        ),
        "/file" => {
            Reply::Whole(b"HTTP/1.1 301 M\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n".to_vec())
        }
        "/nowhere" => Reply::Whole(b"HTTP/1.1 302 F\r\nContent-Length: 2\r\n\r\nok".to_vec()),
        _ => text(200, request),
    })
    .await;
    let calls = calls();
    let post = |path: &str| {
        let headers = json!([["Authorization", "secret"], ["Cookie", "c"], ["Content-Type", "text/x"], ["X-Own", "1"]]);
        json!({ "url": server.url(path), "method": "POST", "headers": headers })
    };
    let (head, body) = calls.send(post("/302"), "data").await.unwrap();
    assert!(body.starts_with("GET /end ") && !body.contains("data") && !body.contains("content-type"), "{body}");
    assert!(body.contains("authorization: secret"), "{body}");
    assert_eq!((head["redirected"].clone(), head["url"].clone()), (json!(true), json!(server.url("/end"))));
    let (_, body) = calls.send(post("/307"), "data").await.unwrap();
    assert!(
        body.starts_with("POST /end?x ") && body.ends_with("data") && body.contains("content-type: text/x"),
        "{body}"
    );
    let (_, body) = calls.send(post("/other"), "data").await.unwrap();
    assert!(body.starts_with("POST /there ") && body.ends_with("data") && body.contains("x-own: 1"), "{body}");
    assert!(!body.contains("secret") && !body.contains("cookie"), "another host must not see them: {body}");
    let base = server.url("");
    let failed = |path: &str, why: &str| format!("{base}{path}: {why}");
    for (path, redirect, why) in [
        ("/loop", "follow", "more than 5 redirects (fetch.redirects)"),
        (
            "/cloud",
            "follow",
            "the address 169.254.169.254 may not be called: it is the metadata service of a cloud, which tells secrets of this machine",
        ),
        ("/file", "follow", "only http and https can be called, not file"),
        ("/302", "error", &format!("it redirects to {base}/end, and `redirect` is 'error'")),
    ] {
        let error = calls.send(json!({ "url": server.url(path), "redirect": redirect }), "").await.unwrap_err();
        assert_eq!(error.split_once(" fetch ").unwrap().1, failed(path, why));
    }
    let (head, body) = calls.send(json!({ "url": server.url("/302"), "redirect": "manual" }), "").await.unwrap();
    assert_eq!((head["status"].clone(), head["redirected"].clone(), body.as_str()), (json!(302), json!(false), "no"));
    assert_eq!(calls.get(&server.url("/nowhere")).await.unwrap(), "ok");
}

#[tokio::test]
async fn whoever_cannot_be_reached_is_said_to_be_so() {
    let free = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = calls().get(&format!("http://ann:secret@{free}/a?key=secret")).await.unwrap_err();
    assert_eq!(
        error,
        format!("ECONNREFUSED fetch http://{free}/a: the server could not be reached (connection refused)")
    );
    let error = calls().get("http://nobody.invalid/").await.unwrap_err();
    assert!(
        error.starts_with("ENOTFOUND fetch http://nobody.invalid/: the host nobody.invalid is not known ("),
        "{error}"
    );
    let error = calls().get("ftp://x.org/").await.unwrap_err();
    assert_eq!(error, "ERR_INVALID_URL fetch: only http and https can be called, not ftp");
    let error = calls().get("//x").await.unwrap_err();
    assert_eq!(error, "ERR_INVALID_URL fetch: \"//x\" is no address (relative URL without a base)");
    let server =
        TestServer::start(|_| Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort".to_vec())).await;
    let error = calls().get(&server.url("/")).await.unwrap_err();
    assert!(error.starts_with("ECONNRESET") && error.contains("the connection broke off ("), "{error}");
    let server = TestServer::start(|_| Reply::Close(b"SSH-2.0-OpenSSH\r\n".to_vec())).await;
    let error = calls().get(&server.url("/")).await.unwrap_err();
    assert!(error.contains("the connection broke off (invalid HTTP"), "{error}");
}

#[tokio::test]
async fn what_may_not_be_called_is_judged_by_name_and_by_address() {
    let server = TestServer::start(|_| text(200, "ok")).await;
    let port = server.address.port();
    let all = calls();
    assert_eq!(all.get(&format!("http://localhost:{port}/")).await.as_deref(), Ok("ok"));
    assert_eq!(all.get(&format!("http://0x7f.1:{port}/")).await.as_deref(), Ok("ok"));
    for host in ["169.254.169.254", "2852039166", "[::ffff:a9fe:a9fe]", "0.0.0.0", "[::]", "[fe80::1]"] {
        let error = all.get(&format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(error.starts_with("EACCES") && error.contains("may not be called: "), "{host}: {error}");
    }
    let public = Calls::new(|settings| settings.fetch.private = false);
    for host in ["localhost", "127.0.0.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "10.0.0.1"] {
        let error = public.get(&format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(error.contains("(`fetch.private` is false)"), "{host}: {error}");
    }
    let hosts = |texts: &[&str]| texts.iter().map(|text| HostPattern::parse(text).unwrap()).collect::<Vec<_>>();
    let listed = Calls::new(|settings| settings.fetch.allow = Some(hosts(&["localhost", "*.example.org"])));
    assert_eq!(listed.get(&format!("http://LOCALHOST:{port}/")).await.as_deref(), Ok("ok"));
    let error = listed.get(&format!("http://127.0.0.1:{port}/")).await.unwrap_err();
    assert_eq!(
        error,
        format!(
            "EACCES fetch http://127.0.0.1:{port}/: the host 127.0.0.1 may not be called: it is not in `fetch.allow`"
        )
    );
    let denied = Calls::new(|settings| settings.fetch.deny = hosts(&["127.0.0.1", "::1", "secret.example"]));
    let error = denied.get(&format!("http://localhost:{port}/")).await.unwrap_err();
    assert!(error.ends_with("may not be called: it is in `fetch.deny`"), "{error}");
    let error = denied.get("http://Secret.Example./").await.unwrap_err();
    assert!(error.ends_with("the host secret.example may not be called: it is in `fetch.deny`"), "{error}");
}

#[tokio::test]
async fn a_connection_serves_the_same_bots_next_call_and_nobody_elses() {
    let server = TestServer::start(|request| {
        if request.starts_with("GET /last ") {
            Reply::Close(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec())
        } else {
            text(200, "ok")
        }
    })
    .await;
    let mut calls = calls();
    for _ in 0..5 {
        assert_eq!(calls.get(&server.url("/")).await.as_deref(), Ok("ok"));
        calls.settled().await;
    }
    assert_eq!(server.connections(), 1);
    calls.bot = BotId::parse("other").unwrap();
    assert_eq!(calls.get(&server.url("/last")).await.as_deref(), Ok("ok"));
    assert_eq!(server.connections(), 2);
    // That one is closed by its server, sooner or later; whoever calls next must not see it.
    assert_eq!(calls.get(&server.url("/")).await.as_deref(), Ok("ok"));
}

#[tokio::test]
async fn a_connection_that_its_server_closes_meanwhile_fails_no_call_that_may_be_made_again() {
    let requests = AtomicUsize::new(0);
    // It reads the second and the fourth one and closes the connection instead of an answer.
    let server = TestServer::start(move |_| match requests.fetch_add(1, Ordering::SeqCst) {
        1 | 3 => Reply::Close(Vec::new()),
        _ => text(200, "ok"),
    })
    .await;
    let calls = calls();
    assert_eq!(calls.get(&server.url("/")).await.as_deref(), Ok("ok"));
    calls.settled().await;
    assert_eq!(calls.get(&server.url("/")).await.as_deref(), Ok("ok"));
    assert_eq!(server.connections(), 2);
    calls.settled().await;
    let error = calls.send(json!({ "url": server.url("/"), "method": "POST" }), "").await.unwrap_err();
    assert!(error.starts_with("ECONNRESET"), "it may have been taken in: {error}");
    assert_eq!(server.connections(), 2);
}

impl Calls {
    /// Waits until connections that are done with are kept.
    async fn settled(&self) {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn credentials_in_an_address_become_a_header() {
    let server = TestServer::start(|request| text(200, request)).await;
    let body = calls().get(&server.url("/").replace("http://", "http://ann:p%40ss@")).await.unwrap();
    assert!(body.contains("authorization: Basic YW5uOnBAc3M="), "{body}");
}

#[tokio::test]
async fn a_secure_server_is_called_when_its_certificate_is_trusted() {
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let certificate = issued.cert.der().clone();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(issued.signing_key.serialize_der()));
    let provider = || Arc::new(crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
    let config = config.with_no_client_auth().with_single_cert(vec![certificate.clone()], key).unwrap();
    let server = TestServer::start_secure(|_| text(200, "safe"), TlsAcceptor::from(Arc::new(config))).await;
    let trusting = |with: bool| {
        let mut roots = RootCertStore::empty();
        if with {
            roots.add(certificate.clone()).unwrap();
        }
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let config = config.with_root_certificates(roots).with_no_client_auth();
        let calls = calls();
        assert!(calls.fetch.0.connections.tls.set(TlsConnector::from(Arc::new(config))).is_ok());
        calls
    };
    let SocketAddr::V4(address) = server.address else { panic!("{}", server.address) };
    let url = |host: &str| format!("https://{host}:{}/", address.port());
    assert_eq!(trusting(true).get(&url("localhost")).await.as_deref(), Ok("safe"));
    let error = trusting(false).get(&url("localhost")).await.unwrap_err();
    assert!(error.ends_with("no secure connection could be made (invalid peer certificate: UnknownIssuer)"), "{error}");
    let error = trusting(true).get(&url("127.0.0.1")).await.unwrap_err();
    assert!(error.contains("no secure connection could be made (invalid peer certificate: "), "{error}");
}
