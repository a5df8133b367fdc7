//! Where the server is reached.

use super::settings::Settings;

/// Where the server is reached from outside, without a slash at the end.
pub fn public_address(settings: &Settings) -> String {
    match &settings.http.external_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => local_address(settings),
    }
}

/// Where the server is reached on its own machine, without a slash at the end.
pub fn local_address(settings: &Settings) -> String {
    let host = match settings.http.host.as_str() {
        "" | "0.0.0.0" | "::" => "localhost",
        host => host,
    };
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    format!("http://{host}:{}", settings.http.port.unwrap_or(3_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_address_is_one_that_can_be_opened() {
        let mut settings = Settings::default();
        assert_eq!(public_address(&settings), "http://localhost:3000");
        settings.http.host = "0.0.0.0".into();
        settings.http.port = Some(8080);
        assert_eq!(public_address(&settings), "http://localhost:8080");
        settings.http.host = "::1".into();
        assert_eq!(public_address(&settings), "http://[::1]:8080");
        settings.http.external_url = Some("https://bot.example.org/".into());
        assert_eq!(public_address(&settings), "https://bot.example.org");
        assert_eq!(local_address(&settings), "http://[::1]:8080");
    }
}
