//! `/lite/:botId/`: the page in the frame of the chat widget.

use axum::body::Body;
use axum::http::{Response, StatusCode};

use super::assets::WIDGET;
use super::edge::Bot;
use super::error::{HTML, HttpError, answer};

/// Where the widget's files are.
const BASE: &str = "/assets/modules/channel-web";

/// `GET /lite/:botId/?m=channel-web&v=…&options=…&ref=…`. The query is read by the app.
pub(crate) async fn page(_bot: Bot) -> Result<Response<Body>, HttpError> {
    let entry = WIDGET.entry();
    let styles: String =
        entry.styles.iter().map(|name| format!("<link rel=\"stylesheet\" href=\"{BASE}/{name}\">\n")).collect();
    let html = format!(
        "<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>Chat</title>\n\
         {styles}<script type=\"module\" src=\"{BASE}/{}\"></script>\n</head>\n<body></body>\n</html>\n",
        entry.script
    );
    Ok(answer(StatusCode::OK, HTML, html))
}
