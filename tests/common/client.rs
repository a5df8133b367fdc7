//! A small HTTP client: one connection a request, nothing hidden.

use std::net::SocketAddr;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HOST, HeaderMap};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// What the server answered.
#[derive(Debug)]
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// As text; what is no UTF-8 in it is replaced.
    pub(crate) body: String,
    pub(crate) bytes: Vec<u8>,
}

#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
impl Answer {
    /// `content-type`, or an empty string.
    pub(crate) fn content_type(&self) -> &str {
        self.header("content-type")
    }

    /// A header's text, or an empty string.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The body as JSON; panics with the body if it is none.
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {} {}", self.status, self.body))
    }
}

/// Talks to one server.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Client {
    pub(crate) address: SocketAddr,
}

#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
impl Client {
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], Vec::new()).await
    }

    /// Posts JSON text.
    pub(crate) async fn post(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        self.send("POST", path, &[(CONTENT_TYPE.as_str(), "application/json")], body.into()).await
    }

    /// Posts a form with one file.
    pub(crate) async fn post_file(&self, path: &str, headers: &[(&str, &str)], file: (&str, &str, &[u8])) -> Answer {
        let (name, content_type, content) = file;
        let head = format!(
            "--BOUNDARY\r\nContent-Disposition: form-data; name=\"file\"; filename=\"{name}\"\r\nContent-Type: {content_type}\r\n\r\n"
        );
        let body = [head.as_bytes(), content, b"\r\n--BOUNDARY--\r\n"].concat();
        let mut headers = headers.to_vec();
        headers.push((CONTENT_TYPE.as_str(), "multipart/form-data; boundary=BOUNDARY"));
        self.send("POST", path, &headers, body).await
    }

    pub(crate) async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Answer {
        let stream = TcpStream::connect(self.address).await.expect("connect");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let mut request = Request::builder()
            .method(method.parse::<Method>().unwrap())
            .uri(path)
            .header(HOST, self.address.to_string());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).unwrap_or_else(|error| panic!("{path}: {error}"));
        let response = sender.send_request(request).await.unwrap_or_else(|error| panic!("{method} {path}: {error}"));
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("body").to_bytes();
        Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8_lossy(&body).into_owned(),
            bytes: body.to_vec(),
        }
    }
}
