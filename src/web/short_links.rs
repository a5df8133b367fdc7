//! `/s/:name`: short links that scripts make by `bp.http.createShortLink`.

use axum::body::Body;
use axum::extract::{RawPathParams, RawQuery, State};
use axum::http::header::LOCATION;
use axum::http::{HeaderValue, Response, StatusCode};

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use super::error::{HttpError, TEXT, answer, stored};
use super::state::Web;

/// Everything that is not ASCII is among it, too.
const NOT_IN_ADDRESSES: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'<').add(b'>').add(b'\\').add(b'^').add(b'`').add(b'{').add(b'|').add(b'}');

/// `GET /s/:name`: to where the link leads, with the caller's query behind it. Names match without regard to case.
pub(crate) async fn follow(
    State(web): State<Web>,
    params: RawPathParams,
    RawQuery(query): RawQuery,
) -> Result<Response<Body>, HttpError> {
    let name = params.iter().next().map_or("", |(_, name)| name);
    let unknown = || HttpError::Plain(StatusCode::NOT_FOUND, format!("Shortlink \"{name}\" not registered").into());
    let target = web.store.short_link(&name.to_lowercase()).map_err(stored)?.ok_or_else(unknown)?;
    // What no address may hold, line ends above all, is written in the way that any may: it never becomes a header.
    let target = utf8_percent_encode(&with_query(&target, query.as_deref()), NOT_IN_ADDRESSES).to_string();
    let location = HeaderValue::from_str(&target)
        .map_err(|_| HttpError::internal("Error", format!("short link {name:?} leads to no valid address")))?;
    let mut response = answer(StatusCode::FOUND, TEXT, format!("Found. Redirecting to {target}"));
    response.headers_mut().insert(LOCATION, location);
    Ok(response)
}

fn with_query(target: &str, query: Option<&str>) -> String {
    let Some(query) = query.filter(|query| !query.is_empty()) else { return target.to_owned() };
    let (address, fragment) = target.split_once('#').map_or((target, None), |(a, f)| (a, Some(f)));
    let joint = match address.split_once('?') {
        None => "?",
        Some((_, "")) => "",
        Some((_, existing)) if existing.ends_with('&') => "",
        Some(_) => "&",
    };
    let mut whole = format!("{address}{joint}{query}");
    if let Some(fragment) = fragment {
        whole.push('#');
        whole.push_str(fragment);
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_query_goes_behind_the_links_own_and_before_a_fragment() {
        let of = |target| with_query(target, Some("a=1&b=x%20y"));
        assert_eq!(of("http://h/lite?m=1"), "http://h/lite?m=1&a=1&b=x%20y");
        assert_eq!(of("http://h/lite"), "http://h/lite?a=1&b=x%20y");
        assert_eq!(of("http://h/lite?"), "http://h/lite?a=1&b=x%20y");
        assert_eq!(of("http://h/lite#x"), "http://h/lite?a=1&b=x%20y#x");
        assert_eq!(with_query("http://h/", None), "http://h/");
    }
}
