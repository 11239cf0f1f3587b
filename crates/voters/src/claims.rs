//! What a token claims, once its signature is known to be good.

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::config::Config;
use crate::refused::Refused;

/// Seconds since 1970 beyond this are milliseconds, or nonsense: the year 5138.
const LATEST: f64 = 1e11;

/// Names of voters are longer nowhere that we know of, and are kept in memory.
const LONGEST_SUBJECT: usize = 255;

/// The claims that matter (RFC 7519). Times may have fractions.
#[derive(Deserialize)]
pub(crate) struct Claims {
    sub: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Many(Vec<String>),
    Other(IgnoredAny),
}

/// What is known of a token that holds.
#[derive(Clone)]
pub(crate) struct Held {
    pub(crate) subject: String,
    /// Until when, in seconds since 1970, with the skew.
    pub(crate) until: f64,
    pub(crate) issued_at: Option<f64>,
}

impl Claims {
    /// Whether they hold at an instant, in seconds since 1970.
    pub(crate) fn check(self, config: &Config, now: f64) -> Result<Held, Refused> {
        let skew = config.skew.as_secs_f64();
        if config.issuer.is_some() && self.iss != config.issuer {
            return Err(Refused::WrongAudience);
        }
        self.check_audience(config.audience.as_deref())?;
        let expires_at = self.exp.ok_or(Refused::Invalid)?;
        if !is_time(expires_at) || self.nbf.is_some_and(|nbf| !is_time(nbf)) {
            return Err(Refused::Invalid);
        }
        if now >= expires_at + skew {
            return Err(Refused::Expired);
        }
        if self.nbf.is_some_and(|nbf| now + skew < nbf) {
            return Err(Refused::NotYetValid);
        }
        let subject = self.sub.ok_or(Refused::Invalid)?;
        if subject.is_empty() || subject.len() > LONGEST_SUBJECT {
            return Err(Refused::Invalid);
        }
        Ok(Held {
            subject,
            until: expires_at + skew,
            issued_at: self.iat.filter(|iat| is_time(*iat)),
        })
    }

    fn check_audience(&self, ours: Option<&str>) -> Result<(), Refused> {
        let is_ours = match (&self.aud, ours) {
            (None, None) => true,
            (None, Some(_)) | (Some(_), None) | (Some(Audience::Other(_)), _) => false,
            (Some(Audience::One(one)), Some(ours)) => one == ours,
            (Some(Audience::Many(many)), Some(ours)) => many.iter().any(|one| one == ours),
        };
        is_ours.then_some(()).ok_or(Refused::WrongAudience)
    }
}

fn is_time(seconds: f64) -> bool {
    (0.0..LATEST).contains(&seconds)
}
