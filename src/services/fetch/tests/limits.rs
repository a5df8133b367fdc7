//! What servers and scripts may do with it before they are stopped.

use std::io::Write as _;

use bytes::Bytes;
use serde_json::json;

use super::server::{Reply, TestServer, text};
use super::{Calls, calls};

#[tokio::test]
async fn an_answer_that_is_too_large_is_not_read_to_its_end() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(&vec![b'x'; 2 << 20]).unwrap();
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 4_000);
    let server = TestServer::start(move |request| match request.split(' ').nth(1).unwrap() {
        "/said" => Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n".to_vec()),
        "/chunks" => Reply::Endless(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec(),
            [&b"3e8\r\n"[..], &[b'x'; 1_000], b"\r\n"].concat(),
        ),
        "/bomb" => Reply::Whole(
            [
                format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len())
                    .into_bytes(),
                packed.clone(),
            ]
            .concat(),
        ),
        "/head" => Reply::Endless(
            b"HTTP/1.1 200 OK\r\n".to_vec(),
            b"X-More: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n".repeat(100),
        ),
        _ => text(200, &"x".repeat(1_000_000)),
    })
    .await;
    let calls = Calls::new(|settings| settings.fetch.max_response = 1_000_000);
    for path in ["/said", "/chunks", "/bomb"] {
        let error = calls.get(&server.url(path)).await.unwrap_err();
        let url = server.url(path);
        assert_eq!(
            error,
            format!("ERR_TOO_LARGE fetch {url}: the answer has more than 1000000 bytes (fetch.maxResponse)")
        );
    }
    assert_eq!(calls.get(&server.url("/fits")).await.unwrap().len(), 1_000_000);
    let error = calls.get(&server.url("/head")).await.unwrap_err();
    assert!(error.contains("the head of the answer is too large") || error.contains("broke off"), "{error}");
}

#[tokio::test]
async fn an_answer_is_unpacked() {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    packed.write_all(b"unpacked").unwrap();
    let packed = packed.finish().unwrap();
    let server = TestServer::start(move |_| {
        let head = format!("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n", packed.len());
        Reply::Whole([head.as_bytes(), &packed].concat())
    })
    .await;
    let (head, body) = calls().send(json!({ "url": server.url("/") }), "").await.unwrap();
    assert_eq!(body, "unpacked");
    assert_eq!(head["headers"], json!([]), "what it was packed with is over");
    let (_, body) = calls().send(json!({ "url": server.url("/"), "method": "HEAD" }), "").await.unwrap();
    assert_eq!(body, "");
}

#[tokio::test]
async fn a_server_that_is_slow_in_whatever_way_is_given_up() {
    let server = TestServer::start(|request| match request.split(' ').nth(1).unwrap() {
        "/silent" => Reply::Hang(Vec::new()),
        "/head" => Reply::Hang(b"HTTP/1.1 200 OK\r\nX-Slow: ".to_vec()),
        _ => Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
    })
    .await;
    let calls = Calls::new(|settings| settings.fetch.timeout = 100);
    for (path, doing) in [
        ("/silent", "the server had not answered"),
        ("/head", "the server had not answered"),
        ("/body", "the whole answer was not there"),
    ] {
        let error = calls.get(&server.url(path)).await.unwrap_err();
        assert_eq!(error, format!("ETIMEDOUT fetch {}: {doing} after 100 ms (fetch.timeout)", server.url(path)));
    }
    let mut places = Vec::new();
    for _ in 0..1_000 {
        places.push(calls.fetch.0.places.turn(Some(&calls.bot), 0).await);
    }
    let error = calls.get(&server.url("/")).await.unwrap_err();
    drop(places);
    let turn = "it still waited for its turn (fetch.concurrent, fetch.connections) after 100 ms (fetch.timeout)";
    assert!(error.ends_with(turn), "{error}");
}

#[tokio::test]
async fn more_calls_than_there_are_places_wait_for_their_turn() {
    let server = TestServer::start(|_| text(200, "ok")).await;
    for (of_bot, of_all) in [(3, 512), (32, 3)] {
        let calls = Calls::new(|settings| (settings.fetch.concurrent, settings.fetch.connections) = (of_bot, of_all));
        let url = server.url("/");
        let mut all = tokio::task::JoinSet::new();
        for _ in 0..30 {
            let (fetch, bot, url) = (calls.fetch.clone(), calls.bot.clone(), url.clone());
            let head = json!({ "url": url, "method": "GET", "headers": [], "redirect": "follow" }).to_string();
            all.spawn(async move { fetch.call(Some(&bot), &head, Bytes::new()).await.unwrap().body });
        }
        assert!(all.join_all().await.iter().all(|body| &body[..] == b"ok"));
        assert!((2..=3).contains(&server.most_at_once()), "{}", server.most_at_once());
    }
}

#[tokio::test]
async fn a_bot_calls_while_other_bots_wait_for_servers_that_hang_and_hold_all_that_may_be_held() {
    let server = TestServer::start(|request| match request.split(' ').nth(1).unwrap() {
        "/hang" => Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec()),
        "/long" => text(200, &"x".repeat(600_000)),
        _ => text(200, "ok"),
    })
    .await;
    let calls = Calls::new(|settings| {
        (settings.fetch.concurrent, settings.fetch.connections, settings.fetch.buffered) = (3, 4, 1 << 20);
    });
    let head = |path: &str| {
        let head = json!({ "url": server.url(path), "method": "GET", "headers": [], "redirect": "follow" });
        head.to_string()
    };
    let hostile = crate::model::BotId::parse("hostile").unwrap();
    let held = calls.fetch.call(Some(&hostile), &head("/long"), Bytes::new()).await.unwrap();
    let mut hanging = tokio::task::JoinSet::new();
    for bot in ["hostile", "other"].into_iter().cycle().take(20) {
        let (fetch, bot, head) = (calls.fetch.clone(), crate::model::BotId::parse(bot).unwrap(), head("/hang"));
        hanging.spawn(async move { fetch.call(Some(&bot), &head, Bytes::new()).await });
    }
    while calls.fetch.0.places.under_way() < 4 {
        tokio::task::yield_now().await;
    }
    let answer = calls.fetch.call(Some(&calls.bot), &head("/short"), Bytes::new()).await.unwrap();
    assert_eq!(&answer.body[..], b"ok");
    drop(held);
}

#[tokio::test]
async fn requests_are_limited_one_by_one_and_all_that_wait_together() {
    let server = TestServer::start(|_| Reply::Hang(Vec::new())).await;
    let calls = Calls::new(|settings| {
        (settings.fetch.max_request, settings.fetch.concurrent, settings.fetch.timeout) = (10_000, 2, 200);
    });
    let head = || json!({ "url": server.url("/"), "method": "POST" });
    let error = calls.send(head(), &"x".repeat(10_000)).await.unwrap_err();
    assert!(error.contains("bytes with its headers, at most 10000 are allowed (fetch.maxRequest)"), "{error}");
    let body = "x".repeat(9_000);
    let all = tokio::join!(calls.send(head(), &body), calls.send(head(), &body), calls.send(head(), &body));
    assert!(all.0.unwrap_err().starts_with("ETIMEDOUT") && all.1.unwrap_err().starts_with("ETIMEDOUT"));
    let error = all.2.unwrap_err();
    assert!(error.contains("the requests of this bot that are under way have 20000 bytes already"), "{error}");
    // They are given back.
    assert!(calls.send(head(), &body).await.unwrap_err().starts_with("ETIMEDOUT"));
}

#[tokio::test]
async fn answers_beyond_what_is_held_at_once_wait_until_others_are_taken() {
    let server = TestServer::start(|_| text(200, &"x".repeat(600_000))).await;
    let calls = Calls::new(|settings| (settings.fetch.buffered, settings.fetch.timeout) = (1 << 20, 300));
    let head = json!({ "url": server.url("/"), "method": "GET", "headers": [], "redirect": "follow" }).to_string();
    let first = calls.fetch.call(Some(&calls.bot), &head, Bytes::new()).await.unwrap();
    let late = calls.fetch.call(Some(&calls.bot), &head, Bytes::new()).await.unwrap_err();
    assert!(late.message.ends_with("the whole answer was not there after 300 ms (fetch.timeout)"), "{late:?}");
    drop(first);
    assert!(calls.fetch.call(Some(&calls.bot), &head, Bytes::new()).await.is_ok());
}

#[tokio::test]
async fn a_call_that_nobody_waits_for_any_more_ends_with_its_connection() {
    let server =
        TestServer::start(|_| Reply::Hang(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf".to_vec())).await;
    let calls = calls();
    let url = server.url("/");
    tokio::select! {
        _ = calls.get(&url) => panic!("there is no answer"),
        () = server.hanging() => {}
    }
    server.gone().await;
    assert_eq!(calls.fetch.0.places.under_way(), 0);
}
