//! The files of bots: given to everybody, kept for visitors and for callers with a token.

use std::io::{self, ErrorKind};
use std::ops::Range;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::http::header::CONTENT_DISPOSITION;
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::json as object;
use tokio::task::spawn_blocking;

use crate::config::public_address;
use crate::model::BotId;
use crate::services::media::{self, Media, MediaError, MediaKind, Sender};
use crate::store::{ConversationTarget, Store, UserMessage};
use crate::telemetry::seldom::Seldom;

use super::cached::{FOREVER, file};
use super::channel_web::{conversation_id, draft, json, ok, raw};
use super::error::{HttpError, TEXT, answer, refused, stored};
use super::extractors::{Authorized, Shown, Visitor, param};
use super::state::Web;
use super::{body, client_address, multipart};

/// Whatever a file holds, it runs nothing and reaches nothing.
const HARMLESS: HeaderValue = HeaderValue::from_static("sandbox; default-src 'none'");
/// Files for which the disk had no room.
static NO_ROOM: Seldom = Seldom::new();
/// `event.type` and `message_type` of a file.
const FILE: &str = "file";

/// `GET /api/v1/bots/:botId/media/:file`: for everybody, also of private bots.
pub(crate) async fn give(
    State(web): State<Web>,
    Shown(bot): Shown,
    params: RawPathParams,
    method: Method,
    asked: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let name = param(&params, "file").to_owned();
    let missing = || answer(StatusCode::NOT_FOUND, TEXT, "Not Found");
    let (files, wanted) = (Arc::clone(web.services.media()), name.clone());
    let found = blocking(move || files.open(&bot, &wanted)).await?;
    let Ok(opened) = found else { return Ok(missing()) };
    let (mime, kind) = media::kind_of(&name);
    // A file never changes: another one has another name.
    let Some(mut response) = file(&web, opened, (&method, &asked), (mime, FOREVER, HARMLESS)).await? else {
        return Ok(missing());
    };
    if kind == MediaKind::Other {
        let name = utf8_percent_encode(&name, NON_ALPHANUMERIC);
        let attachment = HeaderValue::from_str(&format!("attachment; filename*=UTF-8''{name}"));
        response
            .headers_mut()
            .insert(CONTENT_DISPOSITION, attachment.unwrap_or(HeaderValue::from_static("attachment")));
    }
    Ok(response)
}

/// `POST /api/v1/bots/:botId/media`: keeps a picture, for content; `{ url }` is its path.
pub(crate) async fn keep(
    State(web): State<Web>,
    Authorized { bot, .. }: Authorized,
    request: Request,
) -> Result<Response<Body>, HttpError> {
    let limit = web.settings.media.max_size;
    let upload = Upload::read(&web, request, (limit, "media.maxSize")).await?;
    if media::kind_of(&upload.name).1 != MediaKind::Image {
        let known = "png, jpg, gif, webp, avif, bmp or ico";
        return Err(HttpError::BadRequest(format!("only pictures can be stored here: {known}")));
    }
    let (bot, files) = (bot.id, Arc::clone(web.services.media()));
    let url = blocking(move || {
        let name = upload.save(&files, &bot)?;
        Ok(media::address(&bot, &name))
    });
    let url: String = url.await?.map_err(|error| not_kept(&web, error))?;
    json(&web, &object!({ "url": url })).await
}

/// `POST /messages/:userId/files?conversationId=`: a visitor sends a file.
pub(crate) async fn send(
    State(web): State<Web>,
    visitor: Visitor,
    request: Request,
) -> Result<Response<Body>, HttpError> {
    let id = conversation_id(request.uri())?
        .ok_or_else(|| HttpError::plain("`conversationId` is required and must be valid"))?;
    let key = visitor.key();
    let known = web.store.beside(move |store: &Store| store.conversation(&key, id, 0, 0)).await.map_err(stored)?;
    if known.is_none() {
        return Err(HttpError::no_conversation(&id.to_string()));
    }
    not_too_many(&web, &visitor, &request)?;
    let upload = Upload::read(&web, request, (web.settings.http.max_file_size, "maxFileSize")).await?;
    // It goes on where the caller hangs up: a file is kept together with its message, or not at all.
    let sending = tokio::spawn(async move { upload.send(&web, visitor, id).await });
    sending.await.map_err(|error| HttpError::internal("Error", error))?
}

/// Counts a file that a visitor is about to send.
fn not_too_many(web: &Web, visitor: &Visitor, request: &Request) -> Result<(), HttpError> {
    let (limits, files) = (&web.settings.http, web.services.media());
    let refused = |said: String| HttpError::Plain(StatusCode::TOO_MANY_REQUESTS, said.into());
    // First, so that whoever takes a new id for each file does not fill the list of visitors either.
    let most = limits.max_files_per_hour_of_address;
    let address = client_address::address(request.extensions(), request.headers(), limits.trusted_proxies);
    if let Some(address) = address.filter(|_| most != 0)
        && !files.may_send(Sender::Address(address), most)
    {
        let said = format!("{most} files an hour can come from one address at most (`maxFilesPerHourOfAddress`)");
        return Err(refused(said));
    }
    let most = limits.max_files_per_hour;
    if !files.may_send(Sender::Visitor(visitor.bot.clone(), visitor.user.clone()), most) {
        return Err(refused(format!("A visitor can send {most} files an hour at most (`maxFilesPerHour`)")));
    }
    Ok(())
}

/// A file on its way in.
struct Upload {
    /// What it is called, with the ending of what it is.
    name: String,
    /// What the caller calls it.
    called: String,
    /// The type that the caller says it has.
    said: String,
    body: body::Bytes,
    /// Where it stands in the body.
    at: Range<usize>,
}

impl Upload {
    async fn read(web: &Web, request: Request, limit: (usize, &'static str)) -> Result<Self, HttpError> {
        let (size, key) = limit;
        let (parts, body) = request.into_parts();
        let body = body::upload(web, body, size.saturating_add(multipart::BESIDE), key).await?;
        let upload = Self::find(&parts.headers, body)?;
        if upload.bytes().len() > size {
            return Err(body::oversize(size, key));
        }
        Ok(upload)
    }

    fn find(headers: &HeaderMap, body: body::Bytes) -> Result<Self, HttpError> {
        let part = multipart::file(headers, &body.bytes, FILE)?;
        let name = media::with_ending(&part.file_name, &part.content_type);
        Ok(Self { name, called: part.file_name, said: part.content_type, body, at: part.at })
    }

    fn bytes(&self) -> &[u8] {
        &self.body.bytes[self.at.clone()]
    }

    /// Puts it on the disk. Blocks.
    fn save(&self, files: &Media, bot: &BotId) -> Result<String, MediaError> {
        files.save(bot, &self.name, self.bytes())
    }

    async fn send(self, web: &Web, visitor: Visitor, id: i64) -> Result<Response<Body>, HttpError> {
        let (bot, files) = (visitor.bot.clone(), Arc::clone(web.services.media()));
        let saving = blocking(move || self.save(&files, &bot).map(|name| (name, self)));
        let (name, upload) = saving.await?.map_err(|error| not_kept(web, error))?;
        let original = media::shown(&upload.called);
        let text = format!("Uploaded a file: {original}");
        let payload = raw(&object!({
            "text": text,
            "type": FILE,
            "storage": "local",
            "url": format!("{}{}", public_address(&web.settings), media::address(&visitor.bot, &name)),
            "name": name,
            "originalName": original,
            "mime": media::mime_of(&name, &upload.said),
            "size": upload.bytes().len(),
        }))?;
        // The rest needs none of it.
        drop(upload);
        let message = UserMessage {
            message_type: FILE.into(),
            message_text: Some(text),
            payload: payload.clone(),
            raw: None,
            data: None,
        };
        let (bot, files) = (visitor.bot.clone(), Arc::clone(web.services.media()));
        let accepted =
            web.dispatcher.accept(draft(visitor, FILE, payload), ConversationTarget::Conversation(id), Some(message));
        match accepted.await {
            Ok(_) => Ok(ok()),
            Err(error) => {
                blocking(move || files.remove(&bot, &name)).await?;
                Err(refused(error))
            }
        }
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, HttpError> {
    spawn_blocking(work).await.map_err(|error| HttpError::internal("Error", error))
}

/// A file that is not kept. Of where files lie, callers are told nothing.
fn not_kept(web: &Web, error: MediaError) -> HttpError {
    match error {
        MediaError::Full { .. } => HttpError::Plain(
            StatusCode::INSUFFICIENT_STORAGE,
            "This bot has no room for more files (`media.perBot`)".into(),
        ),
        MediaError::Io { error: ref why, .. } if no_room(why) => {
            // The store knows nothing of these files.
            if let Some(times) = NO_ROOM.happens(web.clock.now()) {
                tracing::error!("{error}; make room on its disk ({times} files were refused; said once a minute)");
            }
            HttpError::NotStored(why.to_string())
        }
        other => HttpError::internal("Error", other),
    }
}

/// Whether the disk, or what its owner may have of it, is full.
fn no_room(error: &io::Error) -> bool {
    [ErrorKind::StorageFull, ErrorKind::QuotaExceeded, ErrorKind::FileTooLarge].contains(&error.kind())
}
