//! `/examples/…` in development: pages that act first, as in the tutorials. Each shows its own snippet and the hook to drop, and
//! says whether there is one.

use std::fmt::Write as _;

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Response, StatusCode, Uri};
use serde_json::json;

use crate::config::{hook_folder, public_address};
use crate::model::BotId;
use crate::reload::Workspace;

use super::markup::{block, head, secured, shown};
use crate::web::error::{HTML, HttpError, answer};
use crate::web::lite::in_script;
use crate::web::state::Web;

/// An example.
pub(super) struct Example {
    /// `/examples/<name>`.
    pub(super) name: &'static str,
    /// On the start page.
    pub(super) short: &'static str,
    title: &'static str,
    says: &'static str,
    /// What the page has above the snippet.
    body: &'static str,
    /// After `init`.
    script: &'static str,
    /// What a hook holds that reacts to it.
    mark: &'static str,
    /// What is said where there is none.
    missing: &'static str,
    /// The file to save among the hooks of `before_incoming_middleware`.
    file: &'static str,
    hook: &'static str,
}

/// The event's type.
const TRIGGER: &str = "proactive-trigger";
/// Without a hook.
const UNHEARD: &str =
    "<strong>No hook reacts to the event yet.</strong> The bot takes it for a message, each time the page sends it.";

/// Speaks in a new session only.
const WHEN_NEW: &str = "if (event.type === 'proactive-trigger') {
  // We only want to trigger a proactive message when the session is new,
  // otherwise the conversation will progress everytime the page is refreshed.
  if (event.state.session.lastMessages.length) {
    // This will tell the dialog engine to skip the processing of this event.
    event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  }
}
";

/// All of them.
pub(super) const EXAMPLES: [Example; 3] = [
    Example {
        name: "proactive-onload",
        short: "Example: on load",
        title: "The bot speaks when the page is opened",
        says: "The page sends an event as soon as it is read. The bot answers it like a message, so its flow speaks first. \
               Look at the corner: the chat is closed, and says that something came.",
        body: "",
        script: "window.botpressWebChat.sendEvent({
  type: 'proactive-trigger',
  channel: 'web',
  payload: { text: 'fake message' }
})",
        mark: TRIGGER,
        missing: UNHEARD,
        file: "proactive.js",
        hook: WHEN_NEW,
    },
    Example {
        name: "proactive-onclick",
        short: "Example: on click",
        title: "The bot speaks when the chat button is clicked",
        says: "Nothing happens until somebody clicks the chat button in the corner; then the page sends its event.",
        body: "",
        script: "const frame = document.querySelector('#bp-widget')
frame.addEventListener('load', () => {
  // Within the same origin a page may reach into the frame. From another one, listen to the
  // frame's message instead: event.data.name === 'webchatOpened'
  const button = frame.contentWindow.document.getElementsByTagName('button')[0]
  button.addEventListener('click', () => {
    window.botpressWebChat.sendEvent({
      type: 'proactive-trigger',
      channel: 'web',
      payload: { text: 'fake message' }
    })
  })
})",
        mark: TRIGGER,
        missing: UNHEARD,
        file: "proactive.js",
        hook: WHEN_NEW,
    },
    Example {
        name: "proactive-form",
        short: "Example: a form",
        title: "The bot helps with a form",
        says: "Go to a field, and the page tells the bot which one it is. The hook below explains it.",
        body: "<form class=\"card\"><label>Name <input name=\"name\" autocomplete=\"off\"></label>\
               <label>Tax number <input name=\"tax-number\" autocomplete=\"off\"></label>\
               <label>Bank account (IBAN) <input name=\"iban\" autocomplete=\"off\"></label></form>",
        script: "for (const field of document.querySelectorAll('form input')) {
  field.addEventListener('focus', () => {
    window.botpressWebChat.sendEvent({ type: 'show' })
    window.botpressWebChat.sendEvent({
      type: 'proactive-trigger',
      channel: 'web',
      payload: { field: field.name }
    })
  })
}",
        mark: ".field",
        missing: "<strong>No hook looks at the field yet.</strong> The bot does not know what to say to it.",
        file: "contextual-help.js",
        hook: "const help = {
  name: 'Your name as it stands in your passport.',
  'tax-number': 'Eleven digits; they are on every letter of the tax office.',
  iban: 'It begins with two letters for the country.'
}

// What the page sent lies in the payload of the web chat's own event.
const sent = event.payload.payload && event.payload.payload.payload
if (event.type === 'proactive-trigger' && sent && help[sent.field]) {
  event.setFlag(bp.IO.WellKnownFlags.SKIP_DIALOG_ENGINE, true)
  bp.events.replyToEvent(event, [{ type: 'text', text: help[sent.field] }])
}
",
    },
];

/// `GET /examples/:name?bot=`.
pub(crate) async fn page(
    State(web): State<Web>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response<Body>, HttpError> {
    let example = EXAMPLES.iter().find(|example| example.name == name);
    let example = example.ok_or_else(|| HttpError::Page(format!("GET {}", uri.path())))?;
    let workspace = web.workspace.borrow().clone();
    let mut query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let wanted = query.find(|(key, _)| key == "bot").map(|(_, bot)| bot);
    let mut bots = workspace.bots.values().filter(|bot| !bot.disabled);
    let bot = match &wanted {
        Some(wanted) => bots.find(|bot| bot.id.as_str() == wanted),
        None => bots.find(|bot| !bot.private),
    };
    let bot = match (bot, &wanted) {
        (Some(bot), _) if bot.private => {
            let why = format!("bot \"{}\" is private: callers need a token, so there is no chat on pages", bot.id);
            return Err(HttpError::Unauthorized(why.into()));
        }
        (Some(bot), _) => bot,
        (None, Some(wanted)) => return Err(HttpError::NotFound(format!("Bot \"{wanted}\" not found"))),
        (None, None) => return Err(HttpError::NotFound("there is no bot that is neither disabled nor private".into())),
    };
    let html = html(example, &workspace, &bot.id, &host(&web, &headers));
    // The widget asks the server what is wrong where its frame does not come.
    let sources = "default-src 'none'; style-src 'self'; script-src 'self' 'unsafe-inline'; frame-src 'self'; \
                   connect-src 'self'; img-src data:";
    Ok(secured(answer(StatusCode::OK, HTML, html), sources))
}

/// Where pages find the server: its address from outside, or else where the caller has found it.
fn host(web: &Web, headers: &HeaderMap) -> String {
    let named = headers.get(HOST).and_then(|host| host.to_str().ok());
    match named.filter(|_| web.settings.http.external_url.is_none()) {
        Some(named) => format!("http://{named}"),
        None => public_address(&web.settings),
    }
}

fn html(example: &Example, workspace: &Workspace, bot: &BotId, host: &str) -> String {
    let mut out = head(example.title, "../start.css");
    let bot_id = in_script(&json!(bot.as_str()));
    let script = |config: &str| format!("window.botpressWebChat.init({{ {config} }})\n\n{}\n", example.script);
    // The page itself has its host from where its script came: that is right by whatever name and path it was found.
    let runs = script(&format!("botId: {bot_id}"));
    let shown_script = script(&format!("host: {}, botId: {bot_id}", in_script(&json!(host))));
    let _ = write!(
        out,
        "<header><h1>{}</h1><a class=\"grow\" href=\"../\">Start page</a></header>\n<main>\n<p>{}</p>\n{}\n",
        example.title, example.says, example.body
    );
    state(&mut out, example, workspace, bot);
    let tags = format!(
        "<script src=\"{host}/assets/modules/channel-web/inject.js\"></script>\n<script>\n{shown_script}</script>"
    );
    let folder = hook_folder(&workspace.root);
    let _ = write!(
        out,
        "<h2>In the page</h2>\n<pre>{}</pre>\n<h2>On the server: <code>{folder}/before_incoming_middleware/{}</code></h2>\n<pre>{}</pre>\n",
        block(&tags),
        example.file,
        block(example.hook)
    );
    let others = workspace.bots.values().filter(|other| !other.disabled && !other.private && other.id != *bot);
    let others: Vec<String> = others
        .map(|other| format!("<a href=\"{}?bot={}\">{}</a>", example.name, other.id, shown(&other.name)))
        .collect();
    if !others.is_empty() {
        let _ = writeln!(out, "<p class=\"soft\">With another bot: {}</p>", others.join(" "));
    }
    let _ = write!(
        out,
        "</main>\n<script src=\"../assets/modules/channel-web/inject.js\"></script>\n<script>\n{runs}</script>\n</body>\n</html>\n"
    );
    out
}

/// Says which hook reacts to the page's event, or what happens without one.
fn state(out: &mut String, example: &Example, workspace: &Workspace, bot: &BotId) {
    let program = &workspace.program;
    let runs = program.bots.get(bot.as_str()).into_iter().flat_map(|bot| bot.hooks.values().flatten());
    let reacts = runs
        .filter_map(|script| program.scripts.get(*script as usize))
        .filter(|script| [TRIGGER, example.mark].iter().all(|held| script.source.contains(held)));
    let names: Vec<String> = reacts.map(|script| format!("<code>{}</code>", shown(&script.path))).collect();
    if names.is_empty() {
        let _ = writeln!(
            out,
            "<div class=\"card wrong\"><p>{} Save the hook below as <code>{}/before_incoming_middleware/{}</code>, and try \
             again.</p></div>",
            example.missing,
            hook_folder(&workspace.root),
            example.file
        );
    } else {
        let _ = writeln!(
            out,
            "<div class=\"card\"><p><span class=\"good\">✓</span> {} reacts to the event.</p></div>",
            names.join(", ")
        );
    }
}
