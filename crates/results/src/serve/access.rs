//! Who asks: the public, or a holder of one of the readers' tokens.

use std::borrow::Cow;
use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::header::{AUTHORIZATION, HeaderValue};
use data_encoding::BASE64;
use url::form_urlencoded;
use vote_domain::{Secret, Visibility};
use vote_http::{Problem, ProblemCode, bearer};
use vote_runtime::settings::AccessSettings;

use crate::documents::standing::Sight;
use crate::serve::feed_tokens::FeedTokens;

/// The most of an `Authorization` header that is looked at.
const MAX_HEADER_BYTES: usize = 4096;

/// Who an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Audience {
    /// Everybody: caches may keep the answer.
    Public,
    /// Production or broadcast graphics: no cache may.
    Staff,
    /// The holder of a feed's token, which may be in its address: no shared cache may.
    Feed,
}

/// The tokens that are known.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    tokens: [Option<Secret>; 2],
    feeds: Arc<FeedTokens>,
}

impl Access {
    pub(crate) fn new(settings: &AccessSettings, feeds: Arc<FeedTokens>) -> Self {
        Self {
            tokens: [
                settings.production_token.clone(),
                settings.broadcast_token.clone(),
            ],
            feeds,
        }
    }

    /// Who asks. Without an `Authorization` header it is the public; a wrong one is refused, so that
    /// nobody takes the public's view for production's.
    ///
    /// # Errors
    /// `unauthorized`.
    pub(crate) fn audience(&self, request: &HttpRequest) -> Result<Audience, Problem> {
        let mut given = request.headers().get_all(AUTHORIZATION);
        let Some(header) = given.next() else {
            return Ok(Audience::Public);
        };
        let token = header
            .to_str()
            .ok()
            .filter(|text| text.len() <= MAX_HEADER_BYTES && given.next().is_none())
            .and_then(bearer);
        if token.is_some_and(|token| self.is_of_staff(token)) {
            return Ok(Audience::Staff);
        }
        Err(Problem::new(ProblemCode::Unauthorized).detail(
            "The Authorization header holds no bearer token of production or broadcast. \
             Without the header the public's view is answered.",
        ))
    }
}

impl Access {
    /// Who asks for a feed, which may be a system that takes only an address. Beside the bearer tokens a feed's own token is
    /// taken, in the parameter `token`, as the password of HTTP Basic, or as a bearer token. Production's and broadcast's
    /// are no good in an address: those of feeds can be revoked one by one.
    ///
    /// # Errors
    /// `unauthorized`: a token that is not known, or several at once.
    pub(crate) fn feed_audience(&self, request: &HttpRequest) -> Result<Audience, Problem> {
        let refused = || {
            Problem::new(ProblemCode::Unauthorized).detail(
                "The request holds no token that is known: one token of a feed, as `?token=`, as the password of HTTP Basic, or as a bearer token. Without any the public's view is answered.",
            )
        };
        let in_query = form_urlencoded::parse(request.query_string().as_bytes())
            .filter(|(name, _)| name == "token")
            .map(|(_, token)| token);
        let in_query: Vec<Cow<'_, str>> = in_query.take(2).collect();
        let in_header: Vec<_> = request.headers().get_all(AUTHORIZATION).take(2).collect();
        let (token, is_bearer) = match (in_query.as_slice(), in_header.as_slice()) {
            ([], []) => return Ok(Audience::Public),
            ([token], []) => (token.to_string(), false),
            ([], [header]) => given(header).ok_or_else(refused)?,
            _ => return Err(refused()),
        };
        if is_bearer && self.is_of_staff(&token) {
            return Ok(Audience::Staff);
        }
        if token.len() <= MAX_HEADER_BYTES && self.feeds.knows(&token) {
            return Ok(Audience::Feed);
        }
        Err(refused())
    }

    /// Both are compared in any case, so that time tells nothing of which came near.
    fn is_of_staff(&self, token: &str) -> bool {
        let secrets = self.tokens.iter().flatten();
        secrets.fold(false, |is_known, secret| is_known | secret.matches(token))
    }
}

/// The token of an `Authorization` header, and whether it is a bearer token.
fn given(header: &HeaderValue) -> Option<(String, bool)> {
    let text = header.to_str().ok()?;
    if text.len() > MAX_HEADER_BYTES {
        return None;
    }
    if let Some(token) = bearer(text) {
        return Some((token.to_owned(), true));
    }
    let (scheme, credentials) = text.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    // RFC 7617: `user:password`; who the user says to be does not matter.
    let decoded = BASE64
        .decode(credentials.trim_matches(' ').as_bytes())
        .ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (_user, password) = decoded.split_once(':')?;
    Some((password.to_owned(), false))
}

impl Audience {
    /// Whether it sees polls that are not announced, and all figures of every poll.
    pub(crate) const fn is_trusted(self) -> bool {
        matches!(self, Self::Staff | Self::Feed)
    }

    /// How much it sees of a poll's standing.
    ///
    /// # Errors
    /// `figures-restricted`, where it sees nothing.
    pub(crate) fn standing(self, visibility: Visibility) -> Result<Sight, Problem> {
        match (self, visibility) {
            (Self::Staff, _) => Ok(Sight::Staff),
            (Self::Feed, _) | (Self::Public, Visibility::Public) => Ok(Sight::All),
            (Self::Public, Visibility::Percentages) => Ok(Sight::Percentages),
            (Self::Public, Visibility::Embargoed) => {
                Err(Problem::new(ProblemCode::FiguresRestricted).detail(
                    "The figures of this poll are under embargo until they are released. \
                 Before, they need a bearer token of production or broadcast.",
                ))
            }
        }
    }

    /// Whether it sees a poll's series.
    ///
    /// # Errors
    /// `figures-restricted`, where it doesn't.
    pub(crate) fn series(self, visibility: Visibility) -> Result<(), Problem> {
        match self.standing(visibility)? {
            Sight::Staff | Sight::All => Ok(()),
            Sight::Percentages => Err(Problem::new(ProblemCode::FiguresRestricted).detail(
                "Of this poll only percentages are public. Its counts over time need a bearer token of \
                 production or broadcast.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;
    use proptest::prelude::*;

    use super::*;

    const PRODUCTION: &str = "production-production";
    const BROADCAST: &str = "broadcast-broadcast-b";

    fn access() -> Access {
        Access {
            tokens: [Some(Secret::new(PRODUCTION)), Some(Secret::new(BROADCAST))],
            feeds: Arc::default(),
        }
    }

    fn audience(access: &Access, headers: &[&[u8]]) -> Result<Audience, ProblemCode> {
        let mut request = TestRequest::default();
        for header in headers {
            let value = HeaderValue::from_bytes(header).expect("a header");
            request = request.append_header((AUTHORIZATION, value));
        }
        access
            .audience(&request.to_http_request())
            .map_err(|problem| problem.code())
    }

    #[test]
    fn each_token_is_known_and_no_header_is_the_public() {
        assert_eq!(audience(&access(), &[]), Ok(Audience::Public));
        for header in [
            format!("Bearer {PRODUCTION}"),
            format!("bearer {BROADCAST}"),
            format!("BEARER   {BROADCAST}  "),
        ] {
            let known = audience(&access(), &[header.as_bytes()]);
            assert_eq!(known, Ok(Audience::Staff), "{header}");
        }
    }

    #[test]
    fn whatever_else_is_sent_is_refused() {
        let good = format!("Bearer {PRODUCTION}");
        let long = format!("Bearer {}", "x".repeat(100_000));
        for header in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer wrong",
            PRODUCTION,
            &good[..good.len() - 1],
            &format!("{good}x"),
            &format!("Basic {PRODUCTION}"),
            &long,
        ] {
            let refused = audience(&access(), &[header.as_bytes()]);
            assert_eq!(refused, Err(ProblemCode::Unauthorized), "{header:.40}");
        }
        let not_text = audience(&access(), &[b"Bearer \xff\xfe"]);
        assert_eq!(not_text, Err(ProblemCode::Unauthorized));
        let twice = audience(&access(), &[good.as_bytes(), good.as_bytes()]);
        assert_eq!(twice, Err(ProblemCode::Unauthorized));
    }

    #[test]
    fn without_any_token_set_none_is_right() {
        let none = Access {
            tokens: [None, None],
            feeds: Arc::default(),
        };
        for header in ["Bearer ", "Bearer x", &format!("Bearer {PRODUCTION}")] {
            let refused = audience(&none, &[header.as_bytes()]);
            assert_eq!(refused, Err(ProblemCode::Unauthorized));
        }
    }

    #[test]
    fn who_sees_what() {
        use Visibility as V;
        for (visibility, standing, series) in [
            (V::Public, Some(Sight::All), true),
            (V::Percentages, Some(Sight::Percentages), false),
            (V::Embargoed, None, false),
        ] {
            assert_eq!(Audience::Public.standing(visibility).ok(), standing);
            assert_eq!(Audience::Public.series(visibility).is_ok(), series);
            assert_eq!(
                Audience::Staff.standing(visibility).ok(),
                Some(Sight::Staff)
            );
            // What is for graphics is what may go on air.
            assert_eq!(Audience::Feed.standing(visibility).ok(), Some(Sight::All));
            assert!(Audience::Staff.series(visibility).is_ok());
        }
    }

    proptest! {
        /// Whoever has no token sees what the public sees, or nothing.
        #[test]
        fn any_header_is_the_public_or_refused(value in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..80),
            "(Bearer|bearer|Basic| |\t|,|production|broadcast|-|b){0,12}".prop_map(String::into_bytes),
        ]) {
            let Ok(text) = HeaderValue::from_bytes(&value) else {
                return Ok(());
            };
            let text = text.to_str().unwrap_or_default();
            let has_one = [PRODUCTION, BROADCAST].iter().any(|token| bearer(text) == Some(token));
            let found = audience(&access(), &[&value]);
            prop_assert_eq!(has_one, matches!(found, Ok(Audience::Staff | Audience::Feed)), "{:?}", found);
        }

        /// A token that was changed opens nothing.
        #[test]
        fn a_changed_token_is_none(which in any::<bool>(), place in any::<prop::sample::Index>(), byte in b'!'..=b'~') {
            let token = if which { PRODUCTION } else { BROADCAST };
            let mut bytes = token.as_bytes().to_vec();
            let place = place.index(bytes.len());
            let is_same = bytes[place] == byte;
            bytes[place] = byte;
            let header = [b"Bearer ", bytes.as_slice()].concat();
            prop_assert_eq!(audience(&access(), &[&header]).is_ok(), is_same);
        }

        #[test]
        fn a_password_is_read_as_it_was(user in "[^:]{0,10}", password in "\\PC{0,20}") {
            let credentials = BASE64.encode(format!("{user}:{password}").as_bytes());
            let header = HeaderValue::try_from(format!("Basic {credentials}")).expect("a value");
            prop_assert_eq!(given(&header), Some((password, false)));
        }
    }
}
