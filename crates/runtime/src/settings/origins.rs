//! Origins and header names for CORS, as browsers send them.

use url::{Host, Url};

/// What stands for any port of this machine, at the end of an origin.
const ANY_PORT: &str = ":*";

/// The longest host is of 253 characters (RFC 1035, section 2.3.4).
const MAX_BYTES: usize = 512;

/// What is right, for who has written something else, such as a list of JSON in a variable.
const RIGHT: &str = "an origin is https://host[:port], without quotes or brackets; several are separated by commas in the environment";

/// An origin as a browser writes it in `Origin`: lower case, an international name in punycode, no default port.
/// `*` is any origin, and `http://localhost:*` this machine at any port.
///
/// # Errors
/// Why the text is none, and what would be right where that can be said.
pub(super) fn parse_origin(text: &str) -> Result<String, String> {
    if text == "*" {
        return Ok(text.to_owned());
    }
    if text == "null" {
        return Err(
            "`null` is what every sandboxed page and every local file sends: only `*` allows it"
                .to_owned(),
        );
    }
    if let Some(base) = text.strip_suffix(ANY_PORT) {
        let origin = origin(base)?;
        return if is_this_machine(&origin) {
            Ok(origin + ANY_PORT)
        } else {
            Err("any port is for localhost, 127.0.0.1 and [::1] alone".to_owned())
        };
    }
    origin(text)
}

/// The one origin of a site on the web, as a browser writes it.
///
/// # Errors
/// Why the text is none.
pub(super) fn parse_web_origin(text: &str) -> Result<String, String> {
    let origin = origin(text)?;
    if origin.starts_with("http://") || origin.starts_with("https://") {
        return Ok(origin);
    }
    Err("a page's origin begins with http:// or https://".to_owned())
}

fn origin(text: &str) -> Result<String, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("an origin has at most {MAX_BYTES} bytes"));
    }
    if text.contains(['"', '\'', ',', ';']) {
        return Err(RIGHT.to_owned());
    }
    if text.contains('*') {
        return Err("a `*` stands alone, or for the port of this machine, as in http://localhost:*; name each origin".to_owned());
    }
    if text.contains(|char: char| char.is_whitespace() || char.is_control() || char == '\\') {
        return Err("an origin has no blanks, backslashes or control characters".to_owned());
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return Err(match origin(&format!("https://{text}")) {
            Ok(right) => format!("it has no scheme: {right} would be right"),
            Err(_) => format!("it begins with no scheme: {RIGHT}"),
        });
    };
    // RFC 3986, section 3.1.
    let is_scheme = |char: char| char.is_ascii_alphanumeric() || matches!(char, '+' | '-' | '.');
    if !scheme.starts_with(|char: char| char.is_ascii_alphabetic())
        || !scheme.chars().all(is_scheme)
    {
        return Err(format!("it begins with no scheme: {RIGHT}"));
    }
    if rest.is_empty() || rest.starts_with('/') {
        return Err("it has no host".to_owned());
    }
    let url = Url::parse(text).map_err(|error| format!("it can't be read ({error}): {RIGHT}"))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an origin has no user or password".to_owned());
    }
    let origin = match url.scheme() {
        "http" | "https" => url.origin().ascii_serialization(),
        "ftp" | "file" | "ws" | "wss" => {
            return Err(format!("no page has an origin of the scheme {scheme}"));
        }
        _ => app_origin(&url)?,
    };
    if rest.contains(['/', '?', '#']) {
        return Err(format!(
            "an origin ends after host and port: {origin} would be right"
        ));
    }
    Ok(origin)
}

/// The origin of an app's own scheme, such as `capacitor://localhost`.
fn app_origin(url: &Url) -> Result<String, String> {
    let host = match url.host() {
        Some(Host::Domain(host)) if host.is_ascii() && !host.contains('%') => host.to_lowercase(),
        _ => return Err("it has no host".to_owned()),
    };
    let port = url.port().map_or(String::new(), |port| format!(":{port}"));
    Ok(format!("{}://{host}{port}", url.scheme()))
}

fn is_this_machine(origin: &str) -> bool {
    let host = origin.split_once("://").map(|(_, host)| host);
    matches!(host, Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// The name of a request header, in lower case.
///
/// # Errors
/// Why the text is none.
pub(super) fn parse_header(text: &str) -> Result<String, String> {
    if text == "*" {
        return Err("`*` leaves Authorization out: name each header".to_owned());
    }
    // RFC 9110, section 5.6.2.
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() || !text.bytes().all(is_token) {
        return Err("it is no header name".to_owned());
    }
    Ok(text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_has_one_origin_of_the_web() {
        assert_eq!(
            parse_web_origin("HTTPS://Vote.Example.com:443"),
            Ok("https://vote.example.com".to_owned())
        );
        for wrong in [
            "*",
            "http://localhost:*",
            "null",
            "vote.example.com",
            "https://vote.example.com/",
            "https://vote.example.com/polls",
            "capacitor://localhost",
            "https://user@vote.example.com",
            "https://a.example,https://b.example",
        ] {
            assert!(parse_web_origin(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn origins_are_as_browsers_send_them() {
        for (given, sent) in [
            ("*", "*"),
            ("https://vote.example.com", "https://vote.example.com"),
            ("HTTPS://Vote.Example.COM", "https://vote.example.com"),
            ("https://vote.example.com:443", "https://vote.example.com"),
            ("http://vote.example.com:80", "http://vote.example.com"),
            ("http://vote.example.com:443", "http://vote.example.com:443"),
            (
                "https://vote.example.com:8443",
                "https://vote.example.com:8443",
            ),
            ("https://votação.example", "https://xn--votao-dra1a.example"),
            ("https://VOTAÇÃO.example", "https://xn--votao-dra1a.example"),
            (
                "https://xn--votao-dra1a.example",
                "https://xn--votao-dra1a.example",
            ),
            ("http://[0:0::1]:3000", "http://[::1]:3000"),
            ("http://127.1", "http://127.0.0.1"),
            ("http://localhost:*", "http://localhost:*"),
            ("HTTP://LocalHost:*", "http://localhost:*"),
            ("http://127.0.0.1:*", "http://127.0.0.1:*"),
            ("https://[::1]:*", "https://[::1]:*"),
            ("capacitor://localhost", "capacitor://localhost"),
            ("Ionic://LocalHost", "ionic://localhost"),
        ] {
            assert_eq!(parse_origin(given).as_deref(), Ok(sent), "{given}");
        }
    }

    #[test]
    fn what_no_browser_sends_is_refused_with_what_would_be_right() {
        let long = format!("https://{}", "a".repeat(100_000));
        for (given, said) in [
            ("", "begins with no scheme"),
            ("null", "sandboxed"),
            ("example.com", "https://example.com would be right"),
            ("Example.com:443/", "begins with no scheme"),
            ("localhost:3000", "https://localhost:3000 would be right"),
            ("https:example.com", "begins with no scheme"),
            ("https://", "no host"),
            ("https:///example.com", "no host"),
            ("https://a.example/", "https://a.example would be right"),
            (
                "https://A.example:443/path",
                "https://a.example would be right",
            ),
            ("https://a.example?x", "https://a.example would be right"),
            ("https://a.example#x", "https://a.example would be right"),
            ("https://user@a.example", "no user"),
            ("https://*.a.example", "stands alone"),
            ("https://a.example:*", "localhost"),
            ("http://localhost.evil.example:*", "localhost"),
            ("http://localhost:*:*", "stands alone"),
            ("https://a.example:99999", "can't be read"),
            ("https://a b.example", "blanks"),
            ("https://a\tb.example", "blanks"),
            ("https:\\\\a.example", "blanks"),
            ("https://a.example\0", "control"),
            ("ftp://a.example", "scheme ftp"),
            ("file://a", "scheme file"),
            ("app://%ff", "no host"),
            (
                r#"["https://a.example"]"#,
                "https://host[:port], without quotes",
            ),
            (r#"["https://a.example""#, "separated by commas"),
            (r#""https://b.example"]"#, "separated by commas"),
            ("https://a.example'", "separated by commas"),
            ("['*']", "separated by commas"),
            ("https://a.example;https://b.example", "separated by commas"),
            (&long, "at most 512 bytes"),
        ] {
            let refused = parse_origin(given).expect_err(given);
            assert!(refused.contains(said), "{given:.40}: {refused:.200}");
        }
    }

    #[test]
    fn header_names_are_tokens() {
        assert_eq!(parse_header("X-Client"), Ok("x-client".to_owned()));
        for text in ["", "*", "x client", "x:y", "á", "x\r\ny"] {
            assert!(parse_header(text).is_err(), "{text:?}");
        }
    }
}
