//! A minimal HTTP/1.1 client over one kept-alive connection: enough to talk to a server and to measure it, light enough not
//! to be measured.

use anyhow::{Context as _, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Largest head of a response.
const HEAD: usize = 16 * 1024;

/// Where requests go: what `--url` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// `host:port` to connect to.
    pub(super) address: String,
    /// The `Host` header.
    pub(super) host: String,
    /// Path before `/api`, without a final `/`.
    pub(super) base: String,
    /// Sent along as a bearer token.
    pub(super) token: Option<String>,
    /// The secret of the visitor in whose name is spoken; sent along.
    pub(super) secret: Option<String>,
}

impl Target {
    /// Reads `http://host[:port][/base]`.
    pub(super) fn parse(url: &str) -> anyhow::Result<Self> {
        let Some(rest) = url.strip_prefix("http://") else {
            bail!("--url must begin with http:// (got {url:?}): this command does not speak TLS");
        };
        let (host, base) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        ensure!(!host.is_empty() && !host.contains('@'), "--url names no host: {url:?}");
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        let address = if has_port { host.to_owned() } else { format!("{host}:80") };
        let (host, base) = (host.to_owned(), base.trim_end_matches('/').to_owned());
        Ok(Self { address, host, base, token: None, secret: None })
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
    request: Vec<u8>,
    /// The server said that it closes: the next request needs a new connection.
    pub(super) closed: bool,
}

/// What came back; the body stays in the connection's buffer until the next request.
#[derive(Debug)]
pub(super) struct Response {
    /// Status code.
    pub(super) status: u16,
    /// The body.
    pub(super) body: Vec<u8>,
}

impl Connection {
    /// Connects.
    pub(super) async fn open(target: &Target) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(&target.address)
            .await
            .with_context(|| format!("cannot connect to {}; is the server running?", target.address))?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::with_capacity(HEAD), request: Vec::new(), closed: false })
    }

    /// Sends a request and reads the whole response. Without a `body` it is a GET.
    pub(super) async fn send(&mut self, target: &Target, path: &str, body: Option<&[u8]>) -> anyhow::Result<Response> {
        let Target { host, base, .. } = target;
        let header = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!("{name}{value}\r\n")).unwrap_or_default()
        };
        let token = header("authorization: Bearer ", &target.token);
        let secret = header("x-visitor-secret: ", &target.secret);
        self.request.clear();
        let head = match body {
            None => format!("GET {base}{path} HTTP/1.1\r\nhost: {host}\r\n{token}{secret}\r\n"),
            Some(body) => format!(
                "POST {base}{path} HTTP/1.1\r\nhost: {host}\r\n{token}{secret}content-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            ),
        };
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(body.unwrap_or_default());
        self.stream.write_all(&self.request).await?;
        self.receive().await
    }

    async fn receive(&mut self) -> anyhow::Result<Response> {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            ensure!(self.buffer.len() < HEAD, "the head of the response is longer than {HEAD} bytes");
            self.fill().await?;
        };
        let head = Head::parse(&self.buffer[..head_end])?;
        self.closed = head.close;
        self.buffer.drain(..head_end);
        let body = match head.length {
            Length::Bytes(length) => self.take(length).await?,
            Length::Chunked => self.chunks().await?,
        };
        Ok(Response { status: head.status, body })
    }

    async fn fill(&mut self) -> anyhow::Result<()> {
        ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the server closed the connection");
        Ok(())
    }

    async fn take(&mut self, length: usize) -> anyhow::Result<Vec<u8>> {
        while self.buffer.len() < length {
            self.fill().await?;
        }
        Ok(self.buffer.drain(..length).collect())
    }

    async fn chunks(&mut self) -> anyhow::Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let line_end = loop {
                if let Some(at) = self.buffer.windows(2).position(|window| window == b"\r\n") {
                    break at;
                }
                self.fill().await?;
            };
            let line: Vec<u8> = self.buffer.drain(..line_end + 2).collect();
            let size = std::str::from_utf8(&line)?.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(size, 16).context("a chunk of the response has no length")?;
            let chunk = self.take(size + 2).await?;
            if size == 0 {
                return Ok(body);
            }
            body.extend_from_slice(&chunk[..size]);
        }
    }
}

enum Length {
    Bytes(usize),
    Chunked,
}

struct Head {
    status: u16,
    length: Length,
    close: bool,
}

impl Head {
    fn parse(bytes: &[u8]) -> anyhow::Result<Self> {
        let text = std::str::from_utf8(bytes).context("the head of the response is no text")?;
        let mut lines = text.split("\r\n");
        let status = lines
            .next()
            .and_then(|line| line.strip_prefix("HTTP/1.1 "))
            .and_then(|rest| rest.get(..3)?.parse().ok())
            .context("the answer is not HTTP/1.1")?;
        let mut head = Self { status, length: Length::Bytes(0), close: false };
        for (name, value) in lines.filter_map(|line| line.split_once(':')) {
            let value = value.trim();
            match name.to_ascii_lowercase().as_str() {
                "content-length" => head.length = Length::Bytes(value.parse().context("content-length is no number")?),
                "transfer-encoding" if value.eq_ignore_ascii_case("chunked") => head.length = Length::Chunked,
                "connection" => head.close = value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        Ok(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::parse("http://localhost:3000/").unwrap();
        assert_eq!(
            target,
            Target {
                address: "localhost:3000".into(),
                host: "localhost:3000".into(),
                base: String::new(),
                token: None,
                secret: None
            }
        );
        let target = Target::parse("http://bots.example.org/chat/").unwrap();
        assert_eq!((target.address.as_str(), target.base.as_str()), ("bots.example.org:80", "/chat"));
        let target = Target::parse("http://[::1]").unwrap();
        assert_eq!(target.address, "[::1]:80");
        assert!(Target::parse("https://x").unwrap_err().to_string().contains("TLS"));
        assert!(Target::parse("http:///x").is_err());
    }

    #[tokio::test]
    async fn responses_are_read_however_the_bytes_arrive() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let target = Target::parse(&format!("http://{}", listener.local_addr().unwrap())).unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap();
            for byte in b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK" {
                stream.write_all(&[*byte]).await.unwrap();
                stream.flush().await.unwrap();
                tokio::task::yield_now().await;
            }
            let chunked = b"HTTP/1.1 503 x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n";
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(chunked).await.unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        let mut connection = Connection::open(&target).await.unwrap();
        let first = connection.send(&target, "/a", Some(b"{}")).await.unwrap();
        assert_eq!((first.status, first.body.as_slice(), connection.closed), (200, b"OK".as_slice(), false));
        let second = connection.send(&target, "/b", None).await.unwrap();
        assert_eq!((second.status, second.body.as_slice(), connection.closed), (503, b"abcde".as_slice(), true));
        assert!(server.await.unwrap().starts_with("POST /a HTTP/1.1\r\nhost: 127.0.0.1"));
    }
}
