//! `/lite/:botId/`: the page in the frame of the chat widget, and what it may do.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY};
use axum::http::{HeaderMap, HeaderValue, Response, StatusCode, Uri};
use axum::{Extension, http};
use serde_json::{Value, json};

use crate::config::public_address;
use crate::config::settings::HttpSettings;

use super::assets::WIDGET;
use super::cached::cached_text;
use super::error::{HTML, HttpError, TEXT, answer, escape};
use super::extractors::Bot;
use super::serve::TrailingSlash;
use super::state::Web;

/// Where the widget's files are. Relative, so that the server may lie below a path of another one.
const BASE: &str = "../../assets/modules/channel-web";

/// Languages that are written from right to left.
const FROM_THE_RIGHT: [&str; 10] = ["ar", "ckb", "dv", "fa", "he", "ps", "sd", "ug", "ur", "yi"];

/// What the page may load. Scripts and calls are the server's own; pictures, sounds, fonts and style sheets of bots are
/// wherever their authors have them.
const POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; img-src * data: blob:; \
                      media-src * data: blob:; font-src * data:; style-src *; base-uri 'none'; form-action 'none'";

/// `GET /lite/:botId/?m=channel-web&v=…&options=…&ref=…`. The query is read by the app.
pub(crate) async fn page(
    State(web): State<Web>,
    bot: Bot,
    slash: Option<Extension<TrailingSlash>>,
    uri: Uri,
    asked: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    if slash.is_none() {
        return with_slash(&bot, &uri);
    }
    let info = bot.info().ok_or_else(|| HttpError::NotFound(format!("Bot \"{}\" not found", bot.id)))?;
    let html = html(&info.name, &info.default_language, &web.settings.http);
    let mut response = cached_text(&asked, HTML, html);
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, policy(&web)?);
    // The address holds the page's configuration: nobody but this server is told.
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("strict-origin"));
    Ok(response)
}

/// The page's addresses are relative to a folder: one that was asked for without its slash is told where it is.
fn with_slash(bot: &Bot, uri: &Uri) -> Result<Response<Body>, HttpError> {
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    let target = format!("{}/{query}", bot.id);
    let location = HeaderValue::from_str(&target).map_err(|error| HttpError::BadRequest(error.to_string()))?;
    let mut response = answer(StatusCode::FOUND, TEXT, format!("Found. Redirecting to {target}"));
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

/// The page. What the app must know of the server's limits stands at its root: there are no scripts in the page itself.
fn html(name: &str, language: &str, limits: &HttpSettings) -> String {
    let entry = WIDGET.entry();
    let mut links = String::new();
    for style in &entry.styles {
        // Writing to a string cannot fail, here and below.
        let _ = writeln!(links, "<link rel=\"stylesheet\" href=\"{BASE}/{style}\">");
    }
    for module in &entry.imports {
        let _ = writeln!(links, "<link rel=\"modulepreload\" href=\"{BASE}/{module}\">");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let language = if !language.is_empty() && language.chars().all(plain) { language } else { "en" };
    let main = language.split('-').next().unwrap_or(language);
    let direction = if FROM_THE_RIGHT.contains(&main) { "rtl" } else { "ltr" };
    format!(
        "<!doctype html>\n<html lang=\"{language}\" dir=\"{direction}\" data-max-message-length=\"{}\" data-max-file-size=\"{}\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1, viewport-fit=cover\">\n\
         <title>{}</title>\n<link rel=\"icon\" href=\"data:,\">\n{links}\
         <script type=\"module\" src=\"{BASE}/{}\"></script>\n</head>\n<body>\n\
         <noscript>This chat needs JavaScript.</noscript>\n</body>\n</html>\n",
        limits.max_message_length,
        limits.max_file_size,
        escape(name),
        entry.script
    )
}

/// The content security policy, with the pages that may hold the frame.
fn policy(web: &Web) -> Result<HeaderValue, HttpError> {
    let ancestors = &web.settings.http.frame_ancestors;
    let mut text = POLICY.to_owned();
    // `*` would leave out pages on disk and in apps: every page is said by not saying anything.
    if !ancestors.iter().any(|one| one == "*") {
        text.push_str("; frame-ancestors");
        for one in ancestors {
            let _ = write!(text, " {}", if one == "self" { "'self'" } else { one });
        }
        if ancestors.is_empty() {
            text.push_str(" 'none'");
        }
    }
    // The configuration is checked when it is read.
    HeaderValue::from_str(&text).map_err(|error| HttpError::internal("Error", error))
}

/// `GET /lite/:botId/env.js`: what scripts of people's own ask of the page they run in.
pub(crate) async fn environment(
    State(web): State<Web>,
    bot: Bot,
    asked: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let external = public_address(&web.settings);
    let root = external.parse::<Uri>().map(|uri| uri.path().trim_end_matches('/').to_owned()).unwrap_or_default();
    let id = bot.id.as_str();
    let name = bot.info().map_or(id, |info| &info.name);
    let values = [
        ("BOT_ID", json!(id)),
        ("BOT_NAME", json!(name)),
        ("BOT_API_PATH", json!(format!("{root}/api/v1/bots/{id}"))),
        ("API_PATH", json!(format!("{root}/api/v1"))),
        ("BP_BASE_PATH", json!(format!("{root}/lite/{id}"))),
        ("ROOT_PATH", json!(root)),
        ("EXTERNAL_URL", json!(external)),
        ("SOCKET_TRANSPORTS", json!(["websocket", "polling"])),
    ];
    let text: String = values.iter().map(|(name, value)| format!("window.{name} = {};\n", in_script(value))).collect();
    let script = http::HeaderValue::from_static("text/javascript; charset=utf-8");
    Ok(cached_text(&asked, script, text))
}

/// JSON that is also safe within a `<script>`, and in JavaScript older than JSON's line ends.
pub(super) fn in_script(value: &Value) -> String {
    let text = value.to_string();
    text.replace('<', "\\u003c").replace('>', "\\u003e").replace('\u{2028}', "\\u2028").replace('\u{2029}', "\\u2029")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_never_becomes_markup_and_a_language_never_an_attribute() {
        let page = html("</title><script>alert(1)</script>", "\"><script>", &HttpSettings::default());
        assert!(
            page.contains("<title>&lt;/title&gt;&lt;script&gt;")
                && page.contains(
                    "<html lang=\"en\" dir=\"ltr\" data-max-message-length=\"360\" data-max-file-size=\"5242880\">"
                )
        );
        assert_eq!(in_script(&json!("</script>\u{2028}")), "\"\\u003c/script\\u003e\\u2028\"");
    }

    #[test]
    fn the_page_is_written_in_the_direction_of_its_language() {
        assert!(html("x", "ar-EG", &HttpSettings::default()).contains("<html lang=\"ar-EG\" dir=\"rtl\""));
        assert!(html("x", "fr", &HttpSettings::default()).contains("<html lang=\"fr\" dir=\"ltr\""));
    }
}
