//! What kind of file it is, by the ending of its name: what browsers may show at once, and what they only may save.

/// What browsers show at once, by ending: pictures, sound and films. Nothing that can hold a script is among it, and that is
/// why SVG is not.
const INLINE: &[(&str, &str, MediaKind)] = &[
    ("png", "image/png", MediaKind::Image),
    ("jpg", "image/jpeg", MediaKind::Image),
    ("jpeg", "image/jpeg", MediaKind::Image),
    ("gif", "image/gif", MediaKind::Image),
    ("webp", "image/webp", MediaKind::Image),
    ("avif", "image/avif", MediaKind::Image),
    ("bmp", "image/bmp", MediaKind::Image),
    ("ico", "image/x-icon", MediaKind::Image),
    ("mp3", "audio/mpeg", MediaKind::Audio),
    ("m4a", "audio/mp4", MediaKind::Audio),
    ("aac", "audio/aac", MediaKind::Audio),
    ("ogg", "audio/ogg", MediaKind::Audio),
    ("oga", "audio/ogg", MediaKind::Audio),
    ("opus", "audio/ogg", MediaKind::Audio),
    ("wav", "audio/wav", MediaKind::Audio),
    ("flac", "audio/flac", MediaKind::Audio),
    ("weba", "audio/webm", MediaKind::Audio),
    ("mp4", "video/mp4", MediaKind::Video),
    ("m4v", "video/mp4", MediaKind::Video),
    ("webm", "video/webm", MediaKind::Video),
    ("ogv", "video/ogg", MediaKind::Video),
    ("mov", "video/quicktime", MediaKind::Video),
];

/// The type of everything else.
const OTHER: &str = "application/octet-stream";

/// What a file is to browsers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaKind {
    /// A picture.
    Image,
    /// Sound.
    Audio,
    /// A film.
    Video,
    /// Anything else: never shown, only saved.
    Other,
}

/// The content type by which a file of that name is given, and its kind.
pub fn kind_of(name: &str) -> (&'static str, MediaKind) {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    let known = INLINE.iter().find(|(known, ..)| known.eq_ignore_ascii_case(ending));
    known.map_or((OTHER, MediaKind::Other), |(_, mime, kind)| (mime, *kind))
}

/// What people are told of a file's type. Of one that is shown it is what it is given as; of others what the caller said, as
/// far as that is a type and no picture, sound or film: those would be shown, and could not.
pub fn mime_of(name: &str, said: &str) -> String {
    let (mime, kind) = kind_of(name);
    let said = said.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let token = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'+' | b'_'))
    };
    let (group, rest) = said.split_once('/').unwrap_or_default();
    let fine = token(group) && token(rest) && said.len() <= 100 && !["image", "audio", "video"].contains(&group);
    if kind == MediaKind::Other && fine { said } else { mime.to_owned() }
}

/// The name with the ending of its type, where it has none that is known: what a page makes of a recording is called `blob`.
pub fn with_ending(name: &str, said: &str) -> String {
    let said = said.split(';').next().unwrap_or_default().trim();
    let known = INLINE.iter().find(|(_, mime, _)| mime.eq_ignore_ascii_case(said));
    match known {
        Some((ending, ..)) if kind_of(name).1 == MediaKind::Other => format!("{name}.{ending}"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_cannot_run_is_shown() {
        for name in ["a.html", "a.svg", "a.xml", "a.pdf", "a.js", "a.png.svg", "png", "", "a.htm", "a.xhtml", "a.txt"] {
            assert_eq!(kind_of(name), (OTHER, MediaKind::Other), "{name}");
        }
        assert_eq!(kind_of("a.html.PNG"), ("image/png", MediaKind::Image));
        assert!(INLINE.iter().all(|(_, mime, _)| ["image/", "audio/", "video/"].iter().any(|of| mime.starts_with(of))));
        assert!(INLINE.iter().all(|(_, mime, _)| !mime.contains("svg") && !mime.contains("xml")));
    }

    #[test]
    fn what_is_said_of_a_type_is_one_and_what_is_shown_is_what_it_is_given_as() {
        assert_eq!(mime_of("a.png", "text/html"), "image/png");
        assert_eq!(mime_of("a.pdf", "Application/PDF; x=1"), "application/pdf");
        for wrong in ["image/svg+xml", "video/mp4", "x", "", "a/b\"><script>", "text/"] {
            assert_eq!(mime_of("a.bin", wrong), OTHER, "{wrong}");
        }
        assert_eq!(with_ending("blob", "audio/webm; codecs=opus"), "blob.weba");
        assert_eq!(with_ending("a.html", "image/png"), "a.html.png");
        assert_eq!(with_ending("a.jpg", "image/png"), "a.jpg");
        assert_eq!(with_ending("a.html", "text/html"), "a.html");
    }
}
