//! HTTP: the Converse API, the web channel, short links, status. Errors and shapes are those of the reference's `http.md`.
//!
//! A request is checked from the outside in: path, bot, token, user, body. Only then is something stored.

mod assets;
mod body;
mod bots;
mod cached;
mod channel_web;
mod client_address;
mod conversations;
mod converse;
mod error;
mod error_page;
mod extractors;
mod form;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod json_members;
mod lite;
mod media;
mod memory_budget;
mod message;
mod multipart;
mod one_file;
mod own_host;
mod realtime;
mod serve;
mod short_links;
mod slow_clients;
mod start;
mod state;
mod status;
mod strict_head;
mod turns;
mod unread_body;
mod visitors;

use std::any::Any;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Response, Uri};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::cors::{AllowHeaders, Any as AnyOrigin, CorsLayer};

use error::HttpError;

pub use memory_budget::MemoryBudget;
pub use realtime::Realtime;
pub use serve::serve;
pub use state::Web;

/// Every route.
pub fn router(web: Web) -> Router {
    let channel_web = |path: &str| format!("/api/v1/bots/{{bot}}/mod/channel-web{path}");
    let mut router = Router::new()
        .route("/api/v1/bots/{bot}", get(bots::configuration))
        .route("/api/v1/bots/{bot}/actions", get(bots::actions))
        .route("/api/v1/bots/{bot}/converse/{user}", post(converse::public))
        .route("/api/v1/bots/{bot}/converse/{user}/secured", post(converse::secured))
        .route(&channel_web("/botInfo"), get(channel_web::bot_info))
        .route(&channel_web("/messages/{user}"), post(channel_web::message))
        .route(&channel_web("/messages/{user}/files"), post(media::send))
        .route(&channel_web("/events/{user}"), post(channel_web::event))
        .route(&channel_web("/conversations/{user}"), get(conversations::list))
        .route(&channel_web("/conversations/{user}/new"), post(conversations::new))
        .route(&channel_web("/conversations/{user}/{conversation}"), get(conversations::one))
        .route(&channel_web("/visitors"), post(visitors::new))
        .route(&channel_web("/visitors/{user}/secret"), get(visitors::secret))
        .route(&channel_web("/conversations/{user}/{conversation}/reset"), post(conversations::reset))
        .route(
            &channel_web("/conversations/{user}/{conversation}/reference/{reference}"),
            post(conversations::reference),
        )
        .route(&channel_web("/conversations/{user}/{conversation}/download/txt"), get(conversations::download))
        .route("/api/v1/bots/{bot}/media", post(media::keep))
        .route("/api/v1/bots/{bot}/media/{file}", get(media::give))
        .route("/s/{name}", get(short_links::follow))
        .route("/lite/{bot}", get(lite::page))
        .route("/lite/{bot}/env.js", get(lite::environment))
        .route("/assets/modules/channel-web/{*path}", get(assets::widget))
        .route("/assets/{*path}", get(assets::of_workspace))
        .route(error::DOCS, get(error_page::page))
        .route("/status", get(status::status))
        .route("/metrics", get(status::metrics));
    router = router.fallback(nothing_here).method_not_allowed_fallback(nothing_here);
    let (production, cors) = (web.settings.production, web.settings.http.cors);
    router = guarded(router, production);
    if cors {
        let open = CorsLayer::new()
            .allow_origin(AnyOrigin)
            .allow_headers(AllowHeaders::mirror_request())
            .allow_methods([Method::GET, Method::HEAD, Method::PUT, Method::PATCH, Method::POST, Method::DELETE]);
        router = router.layer(open);
    }
    if !production {
        // Not for pages of other origins: what they tell of scripts and visitors is the author's, who also visits other sites
        // with the browser that reaches this server.
        let own = Router::new()
            .route("/", get(start::page))
            .route("/start.css", get(start::style))
            .route("/examples/{name}", get(start::examples::page))
            .route("/api/v1/traces/{event}", get(status::trace))
            .route("/api/v1/bots/{bot}/traces/{user}", get(status::traces_of_user))
            .method_not_allowed_fallback(nothing_here)
            .layer(axum::middleware::from_fn_with_state(web.clone(), own_host::only));
        router = router.merge(guarded(own, production));
    }
    // Outside: `/socket.io` has rules of its own for other origins.
    router = router
        .route("/socket.io", any(realtime::exchange::serve))
        .route("/socket.io/{*path}", any(realtime::exchange::serve));
    router.layer(axum::middleware::map_response(cached::private)).with_state(web)
}

/// What every route has around it: a panic is an answer, and in development errors are told in full.
fn guarded(router: Router<Web>, production: bool) -> Router<Web> {
    let router = router.layer(CatchPanicLayer::custom(panicked));
    if production { router } else { router.layer(axum::middleware::map_response(error::with_detail)) }
}

/// A path or a method that nobody serves: JSON for programs, a page for people.
async fn nothing_here(method: Method, uri: Uri) -> HttpError {
    let path = uri.path();
    if path == "/api" || path.starts_with("/api/") {
        HttpError::NotFound(format!("Cannot {method} {path}"))
    } else {
        HttpError::Page(format!("{method} {path}"))
    }
}

fn panicked(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let said = panic.downcast_ref::<String>().map(String::as_str);
    let said = said.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    HttpError::internal("Error", format!("a handler panicked: {said}")).into_response()
}
