//! How a proxy is read, and when which one is taken.

use super::{Proxy, excepts};
use crate::target::Target;

fn parsed(text: &str) -> Proxy {
    text.parse().expect("a proxy")
}

#[test]
fn a_proxy_is_read_with_its_user_and_shown_without() {
    for (text, shown) in [
        ("http://proxy.example:3128", "http://proxy.example:3128"),
        ("HTTP://proxy.example:3128/", "http://proxy.example:3128"),
        ("proxy.example", "http://proxy.example:1080"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("http://ana:s3cret@proxy:3128", "http://proxy:3128"),
    ] {
        assert_eq!(parsed(text).to_string(), shown);
    }
    // user:p@ss, as RFC 7617 has it.
    for text in ["http://user:p%40ss@proxy", "http://user:p@ss@proxy"] {
        let proxy = parsed(text);
        assert_eq!(
            proxy.authorization(),
            "proxy-authorization: Basic dXNlcjpwQHNz\r\n"
        );
        let shown = format!("{proxy} {proxy:?}");
        assert!(
            !shown.contains("user") && !shown.contains("ss@") && !shown.contains("dXNl"),
            "{shown}"
        );
    }
    assert_eq!(parsed("http://proxy").authorization(), "");
}

#[test]
fn what_is_no_proxy_says_why_and_does_not_repeat_a_password() {
    for (text, rule) in [
        ("socks5://ana:s3cret@proxy", "only http://"),
        ("https://ana:s3cret@proxy", "only http://"),
        ("http://ana:s3cret@:80", "host is missing"),
        ("http://ana:s3cret@proxy:0", "port must be"),
        ("http://ana:s3cret@proxy:x", "port must be"),
        ("http://ana:s3cret@proxy/path", "host and port only"),
        ("http://[s3cret", "the host has a character"),
        ("[s3cret]:80", "the host has a character"),
        ("ana,s3cret", "the host has a character"),
        ("http://ana:s3cret@pro\r\nxy", "host and port only"),
    ] {
        let error = text.parse::<Proxy>().expect_err("it is refused");
        let shown = format!("{error} {error:?}");
        assert!(
            shown.contains(rule) && !shown.contains("s3cret"),
            "{text}: {shown}"
        );
    }
}

/// The proxy that is chosen for a URL with these variables.
fn chosen(url: &str, given: Option<&str>, variables: &[(&str, &str)]) -> Option<String> {
    let target: Target = url.parse().expect("a base URL");
    let variable = |name: &str| {
        let mut found = variables.iter().filter(|(other, _)| *other == name);
        found.next().map(|(_, text)| (*text).to_owned())
    };
    let proxy = Proxy::choose(&target, given, variable).expect("proxies");
    proxy.map(|proxy| proxy.to_string())
}

#[test]
fn the_proxy_is_chosen_as_curl_does_it() {
    let (plain, tls) = ("http://vote.example", "https://vote.example");
    let a = Some("http://a:1".to_owned());
    assert_eq!(chosen(plain, None, &[]), None);
    assert_eq!(chosen(plain, None, &[("http_proxy", "a:1")]), a);
    assert_eq!(chosen(plain, None, &[("HTTP_PROXY", "a:1")]), None);
    assert_eq!(chosen(plain, None, &[("https_proxy", "a:1")]), None);
    assert_eq!(chosen(tls, None, &[("HTTPS_PROXY", "a:1")]), a);
    let both = [("HTTPS_PROXY", "b:1"), ("https_proxy", "a:1")];
    assert_eq!(chosen(tls, None, &both), a);
    for url in [plain, tls] {
        let all = [
            ("ALL_PROXY", "a:1"),
            ("http_proxy", ""),
            ("https_proxy", ""),
        ];
        assert_eq!(chosen(url, None, &all), a);
        let here = [("http_proxy", "b:1"), ("https_proxy", "b:1")];
        assert_eq!(chosen(url, Some("a:1"), &here), a);
        assert_eq!(chosen(url, Some(""), &here), None);
        let excepted = [("no_proxy", "example"), ("NO_PROXY", "other")];
        assert_eq!(chosen(url, Some("a:1"), &excepted), None);
    }
    // A loopback address is no exception.
    assert_eq!(
        chosen("http://127.0.0.1", None, &[("http_proxy", "a:1")]),
        a
    );
    let target: Target = plain.parse().expect("a base URL");
    let wrong = Proxy::choose(&target, None, |name| {
        (name == "http_proxy").then(|| "socks5://x".to_owned())
    });
    let error = wrong.expect_err("it is refused").to_string();
    assert!(error.starts_with("http_proxy: "), "{error}");
}

#[test]
fn exceptions_are_hosts_domains_addresses_and_networks() {
    for (list, host) in [
        ("*", "vote.example"),
        ("vote.example", "vote.example"),
        ("other, .EXAMPLE", "vote.example."),
        ("example.", "vote.example"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.0/8 127.0.0.0/8", "127.1.2.3"),
        ("0.0.0.0/0", "9.9.9.9"),
        ("::1", "::1"),
        ("[fd00::]/8", "fd12::3"),
        ("::/0", "fd12::3"),
    ] {
        assert!(excepts(list, host), "{list} {host}");
    }
    for (list, host) in [
        ("", "vote.example"),
        (".", "vote.example"),
        ("ample", "vote.example"),
        ("vote.example.org", "vote.example"),
        ("127.0.0.0/8", "128.0.0.1"),
        ("127.0.0.0/99", "127.0.0.1"),
        ("10.0.0.1", "10.0.0.2"),
        ("localhost", "127.0.0.1"),
    ] {
        assert!(!excepts(list, host), "{list} {host}");
    }
}
