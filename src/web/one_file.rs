//! One file that is open already, as `tower_http` serves the files of a folder: whatever it asks for, it gets that one.

use std::future::{Ready, ready};
use std::io;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use parking_lot::Mutex;
use tokio::io::{AsyncRead, AsyncSeek, ReadBuf};
use tower_http::services::fs::{Backend, File};

use crate::beneath::Opened;

/// The file, until it is taken.
#[derive(Clone)]
pub(super) struct OneFile {
    metadata: std::fs::Metadata,
    file: Arc<Mutex<Option<tokio::fs::File>>>,
}

/// The file while it is read.
pub(super) struct Reading {
    metadata: std::fs::Metadata,
    file: tokio::fs::File,
}

impl OneFile {
    pub(super) fn new(opened: Opened) -> Self {
        let file = tokio::fs::File::from_std(opened.file);
        Self { metadata: opened.metadata, file: Arc::new(Mutex::new(Some(file))) }
    }
}

impl Backend for OneFile {
    type File = Reading;
    type Metadata = std::fs::Metadata;
    type OpenFuture = Ready<io::Result<Reading>>;
    type MetadataFuture = Ready<io::Result<std::fs::Metadata>>;

    fn open(&self, _: PathBuf) -> Self::OpenFuture {
        let file = self.file.lock().take().ok_or_else(|| io::ErrorKind::NotFound.into());
        ready(file.map(|file| Reading { metadata: self.metadata.clone(), file }))
    }

    fn metadata(&self, _: PathBuf) -> Self::MetadataFuture {
        ready(Ok(self.metadata.clone()))
    }
}

impl File for Reading {
    type Metadata = std::fs::Metadata;
    type MetadataFuture<'a> = Ready<io::Result<std::fs::Metadata>>;

    fn metadata(&self) -> Self::MetadataFuture<'_> {
        ready(Ok(self.metadata.clone()))
    }
}

impl AsyncRead for Reading {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.file).poll_read(cx, into)
    }
}

impl AsyncSeek for Reading {
    fn start_seek(mut self: Pin<&mut Self>, position: io::SeekFrom) -> io::Result<()> {
        Pin::new(&mut self.file).start_seek(position)
    }

    fn poll_complete(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<u64>> {
        Pin::new(&mut self.file).poll_complete(cx)
    }
}
