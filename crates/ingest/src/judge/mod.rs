//! An external judge: somebody else who is asked whether a suspect vote is a person's, by the `siteverify` that Turnstile, hCaptcha and
//! reCAPTCHA share. It can only let a suspect vote count, or leave it set aside.

mod answer;
mod breaker;
mod line;
mod memory;
mod metrics;
mod question;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use vote_domain::{KeyDigest, Secret};
use vote_http::form::{self, Field};
use vote_http::{BoxError, Context};
use vote_runtime::settings::{JudgeSettings, OnSilence};

use self::answer::{Said, Wanted};
use self::breaker::{Breaker, Change};
use self::line::Line;
use self::memory::{Entered, Heard, MOST, Memory, Ruling, Tell};
use self::metrics::JudgeMetrics;
use self::question::{Mark, Question};

/// The longest text that a judge may have given out, in bytes: Turnstile's have at most 2,048, others' have been seen with some more.
pub(crate) const LONGEST_RESPONSE: usize = 8_192;
/// The fields in which the judges' own widgets put it into a form. hCaptcha's fills two of them.
pub(crate) const FORM_FIELDS: [&str; 3] = [
    "cf-turnstile-response",
    "h-captcha-response",
    "g-recaptcha-response",
];

/// The judges' text in a form, where one of them has left it there.
pub(crate) fn response_of<'f>(fields: &'f [Field<'_>]) -> Option<&'f str> {
    let mut found = FORM_FIELDS
        .iter()
        .filter_map(|name| form::value(fields, name));
    found.find(|response| !response.is_empty())
}

/// A suspect vote.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Suspect<'a> {
    /// What a repeat of it is known by.
    pub(crate) key: Option<KeyDigest>,
    /// What its client was given by the judge.
    pub(crate) response: Option<&'a str>,
    pub(crate) client: Option<IpAddr>,
}

/// Asks the judge.
pub(crate) struct Judge {
    line: Line,
    secret: Secret,
    wanted: Wanted,
    settings: JudgeSettings,
    memory: Memory,
    breaker: Breaker,
    in_flight: Arc<Semaphore>,
    metrics: JudgeMetrics,
    /// Where it is asked: not on the threads that serve connections, and to its end when a client has gone.
    runtime: Handle,
}

impl Judge {
    /// As the settings say; `None` where they name no judge.
    ///
    /// # Errors
    /// It could never be asked.
    pub(crate) fn start(context: &mut Context) -> Result<Option<Arc<Self>>, BoxError> {
        let metrics = JudgeMetrics::register(&mut context.metrics);
        let settings = context.settings.judge.clone();
        let (Some(url), Some(secret)) = (&settings.url, &settings.secret) else {
            return Ok(None);
        };
        if context.settings.suspicion.threshold == 0 {
            tracing::warn!(
                "judge.url is set, and suspicion.threshold is 0: no vote is suspect, and nobody is asked"
            );
        }
        let least = f64::from(settings.min_score_percent) / 100.0;
        Ok(Some(Arc::new(Self {
            line: Line::new(url, settings.ca_file.as_deref(), settings.max_in_flight)?,
            secret: secret.clone(),
            wanted: Wanted {
                min_score: (settings.min_score_percent > 0).then_some(least),
                hostnames: settings.hostnames.clone(),
                action: settings.action.clone(),
            },
            memory: Memory::new(MOST),
            breaker: Breaker::default(),
            in_flight: Arc::new(Semaphore::new(settings.max_in_flight)),
            metrics,
            runtime: Handle::current(),
            settings,
        })))
    }

    /// Whether a suspect vote counts after all. It takes `judge.time_limit_ms` at the most.
    pub(crate) async fn vouches_for(self: &Arc<Self>, vote: Suspect<'_>) -> bool {
        let Some(response) = vote.response else {
            self.metrics.not_asked.inc();
            return false;
        };
        let ruling = self.ruling(response, &vote).await;
        self.metrics.ruled(ruling);
        match ruling {
            Ruling::Passed => true,
            Ruling::Refused => false,
            Ruling::Silent => self.settings.on_silence == OnSilence::Accept,
        }
    }

    async fn ruling(self: &Arc<Self>, response: &str, vote: &Suspect<'_>) -> Ruling {
        let mark = vote.key.map(|key| Mark::new(key, response));
        let heard = match self.enter(mark) {
            Entered::Ruled(ruling) => return ruling,
            Entered::NotNow => return Ruling::Silent,
            Entered::Asked(heard) => heard,
            Entered::Ask {
                permit,
                tell,
                was_asked,
            } => {
                let question = Question {
                    secret: &self.secret,
                    response,
                    client: vote.client.filter(|_| self.settings.send_address),
                    mark: mark.filter(|_| self.settings.idempotency_key),
                };
                let (form, heard) = (question.body(), tell.subscribe());
                let asking = Arc::clone(self).ask(form, (mark, was_asked), permit, tell);
                self.runtime.spawn(asking);
                heard
            }
        };
        hear(heard).await
    }

    /// Looks a vote up. One without a key is another vote each time.
    fn enter(&self, mark: Option<Mark>) -> Entered<OwnedSemaphorePermit> {
        let now = Instant::now();
        let permit = || {
            // First what says nothing to anybody: a question of the breaker's is to go out.
            let permit = Arc::clone(&self.in_flight).try_acquire_owned().ok()?;
            self.breaker.lets_ask(now).then_some(permit)
        };
        let Some(mark) = mark else {
            return permit().map_or(Entered::NotNow, |permit| Entered::Ask {
                permit,
                tell: watch::Sender::new(None),
                was_asked: false,
            });
        };
        self.memory.enter(mark, now, permit)
    }

    async fn ask(
        self: Arc<Self>,
        form: String,
        (mark, was_asked): (Option<Mark>, bool),
        permit: OwnedSemaphorePermit,
        tell: Tell,
    ) {
        let began = Instant::now();
        let asking = self.line.ask(&form, &self.wanted);
        let said = tokio::time::timeout(self.settings.time_limit, asking).await;
        let said = said.unwrap_or(Said::Nothing("it did not answer in time"));
        self.metrics.took(began.elapsed());
        self.note(said);
        let ruling = match said {
            Said::Yes => Ruling::Passed,
            // The first question may have used it up, of which nobody has heard.
            Said::Spent if was_asked => Ruling::Silent,
            Said::No | Said::Spent => Ruling::Refused,
            Said::Nothing(_) => Ruling::Silent,
        };
        if let Some(mark) = mark {
            self.memory.keep(mark, ruling);
        }
        drop(permit);
        tell.send_replace(Some(ruling));
    }

    fn note(&self, said: Said) {
        let why = match said {
            Said::Nothing(why) => Some(why),
            Said::Yes | Said::No | Said::Spent => None,
        };
        match self.breaker.note(why.is_none(), Instant::now()) {
            Change::Rests => tracing::error!(
                why,
                "the judge does not answer: for now one vote in some seconds is asked about"
            ),
            Change::Answers => tracing::info!("the judge answers again"),
            Change::None => {}
        }
    }
}

/// What the judge says, as soon as it is known.
async fn hear(mut heard: Heard) -> Ruling {
    let ruling = heard.wait_for(Option::is_some).await;
    // It only fails where the process ends.
    ruling
        .ok()
        .and_then(|ruling| *ruling)
        .unwrap_or(Ruling::Silent)
}
