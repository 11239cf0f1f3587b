//! What a voter without scripts is shown, where the vote did not simply lead to its receipt. One small page: no template.

use std::fmt::Write as _;

use actix_web::HttpResponse;
use actix_web::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use vote_http::Problem;
use vote_http::form::Field;
use vote_site::PUBLIC_CSS;
use vote_site::words::Words;

const OPENER_POLICY: HeaderName = HeaderName::from_static("cross-origin-opener-policy");

/// What a page is made for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) words: &'static Words,
    /// The origin of the pages; empty where it is this one.
    pub(crate) site: &'p str,
    /// The poll, as its address names it.
    pub(crate) poll: &'p str,
}

impl Place<'_> {
    /// The address of the poll's page.
    pub(crate) fn poll_page(&self) -> String {
        format!("{}/polls/{}{}", self.site, self.poll, self.query())
    }

    /// The address of a receipt's page.
    pub(crate) fn receipt_page(&self, receipt: &str) -> String {
        format!(
            "{}/polls/{}/receipts/{receipt}{}",
            self.site,
            self.poll,
            self.query()
        )
    }

    fn query(&self) -> String {
        format!("?lang={}", self.words.tag)
    }
}

/// The answer of a problem: a page with its status and fields, and a button that sends the same vote again where that is
/// the thing to do.
pub(crate) fn of_problem(place: Place<'_>, problem: Problem, fields: &[Field<'_>]) -> HttpResponse {
    let advice = place.words.advice(problem.code().as_str());
    let mut form = String::new();
    if advice.can_repeat {
        form.push_str("<form method=\"post\">\n");
        for (name, value) in fields {
            // Into a text nothing fails.
            let _ = writeln!(
                form,
                "<input type=\"hidden\" name=\"{}\" value=\"{}\">",
                escaped(name),
                escaped(value)
            );
        }
        let _ = writeln!(
            form,
            "<button class=\"vote\" type=\"submit\">{}</button>\n</form>",
            escaped(place.words.resend)
        );
    }
    let text = page(place, advice.title, advice.what, &form);
    // It keeps the problem, so that its cause is logged.
    let mut answer = HttpResponse::from_error(problem);
    protect(answer.headers_mut(), place);
    answer.set_body(text).map_into_boxed_body()
}

/// The answer to a vote that had been recorded before, where there is no receipt any more.
pub(crate) fn already_accepted(place: Place<'_>) -> HttpResponse {
    let text = page(place, place.words.already_accepted, "", "");
    let mut answer = HttpResponse::Ok().body(text);
    protect(answer.headers_mut(), place);
    answer
}

fn page(place: Place<'_>, title: &str, what: &str, form: &str) -> String {
    let words = place.words;
    format!(
        "<!doctype html>\n<html lang=\"{tag}\">\n<head>\n<meta charset=\"utf-8\">\n<title>{title}</title>\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"robots\" content=\"noindex\">\n\
         <link rel=\"stylesheet\" href=\"{css}\">\n</head>\n<body>\n<main id=\"content\">\n<h1>{title}</h1>\n\
         <p class=\"what\">{what}</p>\n<div class=\"choices\">\n{form}<a class=\"quiet\" href=\"{back}\">{back_text}</a>\n\
         </div>\n</main>\n</body>\n</html>\n",
        tag = escaped(words.tag),
        title = escaped(title),
        css = escaped(&format!("{}{PUBLIC_CSS}", place.site)),
        what = escaped(what),
        back = escaped(&place.poll_page()),
        back_text = escaped(words.back),
    )
}

fn protect(headers: &mut HeaderMap, place: Place<'_>) {
    let fixed = HeaderValue::from_static;
    let site = if place.site.is_empty() {
        "'self'"
    } else {
        place.site
    };
    let policy = format!(
        "default-src 'none'; style-src {site}; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {site}"
    );
    // An origin of the settings is ASCII.
    let policy = HeaderValue::try_from(policy).unwrap_or(fixed("default-src 'none'"));
    headers.insert(CONTENT_TYPE, fixed("text/html; charset=utf-8"));
    headers.insert(CACHE_CONTROL, fixed("no-store"));
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // With `no-referrer` browsers would send the form again with `Origin: null`.
    headers.insert(REFERRER_POLICY, fixed("strict-origin"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, fixed("nosniff"));
    headers.insert(OPENER_POLICY, fixed("same-origin"));
}

/// A text within HTML, also in an attribute in double quotes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_can_be_nothing_else_than_text() {
        assert_eq!(
            escaped("\"><script>alert('1&2')</script>"),
            "&quot;&gt;&lt;script&gt;alert(&#39;1&amp;2&#39;)&lt;/script&gt;"
        );
        assert_eq!(escaped("Paredão"), "Paredão");
    }
}
