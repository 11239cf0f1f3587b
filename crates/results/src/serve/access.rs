//! Who asks: the public, or a holder of one of the readers' tokens.

use actix_web::HttpRequest;
use actix_web::http::header::AUTHORIZATION;
use vote_domain::{Secret, Visibility};
use vote_http::{Problem, ProblemCode};
use vote_runtime::settings::AccessSettings;

use crate::documents::standing::Sight;

/// The most of an `Authorization` header that is looked at.
const MAX_HEADER_BYTES: usize = 4096;

/// Who an answer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    /// Everybody: caches may keep the answer.
    Public,
    /// Production or broadcast graphics: no cache may.
    Staff,
}

/// The tokens that are known.
#[derive(Debug, Clone)]
pub(crate) struct Access {
    tokens: [Option<Secret>; 2],
}

impl Access {
    pub(crate) fn new(settings: &AccessSettings) -> Self {
        Self {
            tokens: [
                settings.production_token.clone(),
                settings.broadcast_token.clone(),
            ],
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
        // Both are compared in any case, so that time tells nothing of which came near.
        let is_known = token.is_some_and(|token| {
            self.tokens
                .iter()
                .flatten()
                .fold(false, |is_known, secret| is_known | secret.matches(token))
        });
        if is_known {
            return Ok(Audience::Staff);
        }
        Err(Problem::new(ProblemCode::Unauthorized).detail(
            "The Authorization header holds no bearer token of production or broadcast. \
             Without the header the public's view is answered.",
        ))
    }
}

fn bearer(text: &str) -> Option<&str> {
    let (scheme, token) = text.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("bearer")
        .then(|| token.trim_matches(' '))
        .filter(|token| !token.is_empty())
}

impl Audience {
    /// How much it sees of a poll's standing.
    ///
    /// # Errors
    /// `figures-restricted`, where it sees nothing.
    pub(crate) fn standing(self, visibility: Visibility) -> Result<Sight, Problem> {
        match (self, visibility) {
            (Self::Staff, _) | (Self::Public, Visibility::Public) => Ok(Sight::All),
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
            Sight::All => Ok(()),
            Sight::Percentages => Err(Problem::new(ProblemCode::FiguresRestricted).detail(
                "Of this poll only percentages are public. Its counts over time need a bearer token of \
                 production or broadcast.",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;
    use actix_web::test::TestRequest;

    use super::*;

    const PRODUCTION: &str = "production-production";
    const BROADCAST: &str = "broadcast-broadcast-b";

    fn access() -> Access {
        Access {
            tokens: [Some(Secret::new(PRODUCTION)), Some(Secret::new(BROADCAST))],
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
            assert_eq!(Audience::Staff.standing(visibility).ok(), Some(Sight::All));
            assert!(Audience::Staff.series(visibility).is_ok());
        }
    }
}
