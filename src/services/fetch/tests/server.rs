//! A server that says whatever a test wants, byte by byte.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio_rustls::TlsAcceptor;

/// What is said to one request.
pub(super) enum Reply {
    /// These bytes; the connection stays.
    Whole(Vec<u8>),
    /// These bytes, then the connection is closed.
    Close(Vec<u8>),
    /// These bytes, and nothing more for ever.
    Hang(Vec<u8>),
    /// The first bytes, then the second ones over and over.
    Endless(Vec<u8>, Vec<u8>),
}

/// A whole answer.
pub(super) fn text(status: u16, body: &str) -> Reply {
    Reply::Whole(format!("HTTP/1.1 {status} Said\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

/// It runs until the test's runtime ends.
pub(super) struct TestServer {
    pub(super) address: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    connections: AtomicUsize,
    now: AtomicUsize,
    most: AtomicUsize,
    hanging: Notify,
    gone: Notify,
}

impl TestServer {
    pub(super) async fn start(answer: impl Fn(&str) -> Reply + Send + Sync + 'static) -> Self {
        Self::listen(Arc::new(answer), None).await
    }

    pub(super) async fn start_secure(answer: impl Fn(&str) -> Reply + Send + Sync + 'static, tls: TlsAcceptor) -> Self {
        Self::listen(Arc::new(answer), Some(tls)).await
    }

    async fn listen(answer: Arc<dyn Fn(&str) -> Reply + Send + Sync>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let shared = Arc::clone(&seen);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections.fetch_add(1, Ordering::SeqCst);
                let (answer, seen, tls) = (Arc::clone(&answer), Arc::clone(&shared), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => talk(stream, &*answer, &seen).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                talk(stream, &*answer, &seen).await;
                            }
                        }
                    }
                    seen.gone.notify_one();
                });
            }
        });
        Self { address, seen }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections were made.
    pub(super) fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }

    /// How many requests were being answered at the same time, at most.
    pub(super) fn most_at_once(&self) -> usize {
        self.seen.most.load(Ordering::SeqCst)
    }

    /// Waits until it has got a request that it does not answer to the end.
    pub(super) async fn hanging(&self) {
        self.seen.hanging.notified().await;
    }

    /// Waits until a connection has ended.
    pub(super) async fn gone(&self) {
        self.seen.gone.notified().await;
    }
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    answer: &(dyn Fn(&str) -> Reply + Send + Sync),
    seen: &Seen,
) {
    while let Some(request) = read(&mut stream).await {
        let now = seen.now.fetch_add(1, Ordering::SeqCst) + 1;
        seen.most.fetch_max(now, Ordering::SeqCst);
        // Whoever else is there gets a turn while this one is being answered.
        for _ in 0..50 {
            tokio::task::yield_now().await;
        }
        let reply = answer(&request);
        seen.now.fetch_sub(1, Ordering::SeqCst);
        let fine = match reply {
            Reply::Whole(bytes) => stream.write_all(&bytes).await.is_ok(),
            Reply::Close(bytes) => {
                let _ = stream.write_all(&bytes).await;
                let _ = stream.shutdown().await;
                false
            }
            Reply::Hang(bytes) => {
                let _ = stream.write_all(&bytes).await;
                seen.hanging.notify_one();
                let _ = stream.read(&mut [0; 16]).await;
                false
            }
            Reply::Endless(head, more) => {
                let _ = stream.write_all(&head).await;
                while stream.write_all(&more).await.is_ok() {}
                false
            }
        };
        if !fine {
            return;
        }
    }
}

/// A request with its body, as text of which each character is a byte.
async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut text = String::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = text.find("\r\n\r\n") {
            let length = text.to_lowercase();
            let length = length.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
            if text.len() >= end + 4 + length.map_or(0, |length| length.parse().unwrap()) {
                return Some(text);
            }
        }
        match stream.read(&mut chunk).await {
            Ok(0) | Err(_) => return None,
            Ok(read) => text.extend(chunk[..read].iter().map(|byte| char::from(*byte))),
        }
    }
}
