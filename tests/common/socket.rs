//! A client of `/socket.io` that shows every packet: over a websocket, or polling.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use hyper::HeaderMap;
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::client::{Answer, Client};

/// How long anything may take that is waited for. Only a broken server takes that long.
const PATIENCE: Duration = Duration::from_secs(30);

/// How packets travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
pub(crate) enum Transport {
    Websocket,
    Polling,
}

/// A connection.
pub(crate) struct Socket {
    kind: Kind,
    /// Packets that came and were not looked at yet.
    came: VecDeque<String>,
    /// The headers of the answer that opened it.
    #[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
    pub(crate) headers: HeaderMap,
}

enum Kind {
    Websocket(Box<WebSocketStream<TcpStream>>),
    Polling(Poll),
}

struct Poll {
    client: Client,
    path: String,
}

#[allow(dead_code, reason = "each test file is compiled with this one by itself and uses a part of it")]
impl Socket {
    /// Opens a connection of an older client (Engine.IO 3); `query` begins with `&` or is empty.
    pub(crate) async fn open(address: SocketAddr, transport: Transport, query: &str) -> Self {
        let client = Client { address };
        match transport {
            Transport::Websocket => {
                Self::websocket(address, &format!("/socket.io/?EIO=3&transport=websocket{query}")).await
            }
            Transport::Polling => {
                let path = format!("/socket.io/?EIO=3&transport=polling{query}");
                let answer = client.get(&path).await;
                assert_eq!(answer.status, 200, "{}", answer.body);
                let came: VecDeque<String> = packets(&answer.body).into();
                let sid = came[0].split('"').nth(3).unwrap();
                let path = format!("{path}&sid={sid}");
                Self { kind: Kind::Polling(Poll { client, path }), came, headers: answer.headers }
            }
        }
    }

    /// Opens a websocket at that path.
    pub(crate) async fn websocket(address: SocketAddr, path: &str) -> Self {
        Self::websocket_with(address, path, &[]).await.unwrap_or_else(|status| panic!("{path}: {status}"))
    }

    /// The same with headers; the error is the status of an answer that refuses.
    pub(crate) async fn websocket_with(
        address: SocketAddr,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, u16> {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut request = format!("ws://{address}{path}").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().append(*name, value.parse().unwrap());
        }
        let (socket, answer) = match tokio_tungstenite::client_async(request, stream).await {
            Ok(opened) => opened,
            Err(Error::Http(answer)) => return Err(answer.status().as_u16()),
            Err(error) => panic!("{path}: {error}"),
        };
        let headers = answer.headers().clone();
        Ok(Self { kind: Kind::Websocket(Box::new(socket)), came: VecDeque::new(), headers })
    }

    /// Opens a connection and has it join `/guest` as a visitor.
    pub(crate) async fn guest(address: SocketAddr, transport: Transport, visitor: &str) -> Self {
        let mut socket = Self::open(address, transport, "").await;
        assert!(socket.next().await.starts_with("0{"));
        assert_eq!(socket.next().await, "40");
        socket.send(&format!("40/guest?visitorId={visitor},")).await;
        assert_eq!(socket.next().await, "40/guest,");
        socket
    }

    /// Sends a packet. A connection that has ended does not mind.
    pub(crate) async fn send(&mut self, packet: &str) {
        match &mut self.kind {
            Kind::Websocket(socket) => drop(socket.send(Message::text(packet)).await),
            Kind::Polling(poll) => {
                let body = format!("{}:{packet}", packet.encode_utf16().count());
                let headers = [("content-type", "text/plain;charset=UTF-8")];
                poll.client.send("POST", &poll.path, &headers, body.into_bytes()).await;
            }
        }
    }

    /// The next packet, or `None` at the end.
    pub(crate) async fn recv(&mut self) -> Option<String> {
        loop {
            let packet = self.recv_any().await?;
            if packet != "2" {
                return Some(packet);
            }
            // Newer servers ping.
            self.send("3").await;
        }
    }

    async fn recv_any(&mut self) -> Option<String> {
        while self.came.is_empty() {
            let waiting = async {
                match &mut self.kind {
                    Kind::Websocket(socket) => match socket.next().await {
                        Some(Ok(Message::Text(text))) => Some(vec![text.to_string()]),
                        Some(Ok(Message::Close(_)) | Err(_)) | None => None,
                        Some(Ok(_)) => Some(Vec::new()),
                    },
                    Kind::Polling(poll) => {
                        let Answer { status, body, .. } = poll.client.get(&poll.path).await;
                        (status == 200 && !body.is_empty()).then(|| packets(&body))
                    }
                }
            };
            let came = tokio::time::timeout(PATIENCE, waiting).await.expect("nothing comes");
            self.came.extend(came?);
        }
        self.came.pop_front()
    }

    /// Where this client polls.
    pub(crate) fn path(&self) -> &str {
        match &self.kind {
            Kind::Polling(poll) => &poll.path,
            Kind::Websocket(_) => panic!("a websocket does not poll"),
        }
    }

    /// The next packet; there must be one.
    pub(crate) async fn next(&mut self) -> String {
        self.recv().await.expect("the connection has ended")
    }

    /// The data of the next event; it must be one for guests of that name.
    pub(crate) async fn event(&mut self, name: &str) -> serde_json::Value {
        let packet = self.next().await;
        let json = packet.strip_prefix("42/guest,").unwrap_or_else(|| panic!("{packet}"));
        let mut event: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!((&event[0], &event[1]["name"]), (&"event".into(), &name.into()), "{packet}");
        event[1]["data"].take()
    }

    /// Nothing else came: the answer to a ping is the next packet.
    pub(crate) async fn quiet(&mut self) {
        self.send("2").await;
        assert_eq!(self.next().await, "3");
    }
}

/// Parts `<length>:<packet>…`; lengths are those of JavaScript.
pub(crate) fn packets(body: &str) -> Vec<String> {
    let (mut packets, mut rest) = (Vec::new(), body);
    while !rest.is_empty() {
        let (length, text) = rest.split_once(':').unwrap_or_else(|| panic!("{rest}"));
        let length: usize = length.parse().unwrap();
        let (mut units, mut end) = (0, 0);
        for c in text.chars() {
            if units >= length {
                break;
            }
            units += c.len_utf16();
            end += c.len_utf8();
        }
        let (packet, more) = text.split_at(end);
        packets.push(packet.to_owned());
        rest = more;
    }
    packets
}
