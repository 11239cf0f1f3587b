//! `POST /v1/polls/{poll}/votes`: one vote.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, post};
use vote_domain::{Clock, ReceiptKey};
use vote_http::{
    HotRoutes, Problem, ProblemCode, SentHeader, TimelyBody, WriteHead, WritePath, Written,
};
use vote_store::{Clocks, OpenPoll, Outcome, VoteToCast, VoteWriter};
use vote_voters::Voters;

use crate::judge::{Judge, Suspect};
use crate::limits::RateLimits;
use crate::proofs::Proofs;
use crate::suspicion::{Sent, Signs, Suspicion};
use crate::vote::{
    Arrival, CastVote, Checks, ProofCheck, Received, VoteAccepted, VoteProblems, VoterCheck,
    answer, cast, find_poll, find_voter, may_be_taken, now, read_vote,
};

/// Cast a vote
///
/// A vote answered with `201` is recorded exactly once, whatever happens afterwards. Send a fresh
/// `Idempotency-Key` with each vote and repeat the request with the same key for as long as the
/// answer is `429`, `503`, `504` or none at all: `200` then says that the vote had been recorded before, with
/// a receipt that is as good as the first.
#[utoipa::path(
    operation_id = "castVote",
    tag = "votes",
    params(
        ("poll" = String, Path, description = "The poll's id", example = "paredao-01",
            pattern = "^[a-z0-9][a-z0-9_-]{0,63}$"),
        ("Idempotency-Key" = Option<String>, Header,
            description = "Makes repeats of this request count once \
                (draft-ietf-httpapi-idempotency-key-header): 1 to 255 visible ASCII characters, in \
                double quotes or bare, such as a fresh UUID for each vote",
            pattern = r#"^([!#-+\x2D-~]{1,255}|"([!#-\[\]-~]|\\["\\]){1,255}")$"#,
            example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""),
        ("Authorization" = Option<String>, Header,
            description = "`Bearer` and the voter token, for channels that ask who votes (`voter`, `voter_and_proof_of_work`): a JWT that names the voter by \
                its `sub`. Other channels don't look at it"),
    ),
    request_body(content = CastVote<'_>, content_type = "application/json"),
    responses(
        (status = 201, description = "Recorded", body = VoteAccepted<'_>),
        (status = 200, description = "Recorded before, under the same Idempotency-Key", body = VoteAccepted<'_>,
            example = json!({
                "status": "already_accepted", "poll": "paredao-01", "candidate": "ana",
                "channel": "torcida", "direction": "eliminate",
                "receipt": "v1.AAECAwQFBgcAAAAAAAAAAAACAAAAAAAAAZqzr1Uy.EBESExQVFhcYGRobHB0eHw"
            })),
        VoteProblems,
    )
)]
#[post("/v1/polls/{poll}/votes")]
pub(crate) async fn cast_vote(
    request: HttpRequest,
    poll: Path<String>,
    TimelyBody(body): TimelyBody,
    votes: Data<Votes>,
) -> Result<HttpResponse, Problem> {
    let head = WriteHead::from(&request);
    let written = votes.write(&poll, &head, &body).await?;
    Ok(VOTES.answer(written))
}

/// Where votes go.
pub const VOTES: WritePath = WritePath {
    pattern: "/v1/polls/{poll}/votes",
    before: "/v1/polls/",
    after: "/votes",
    headers: &[
        ("content-type", "application/json"),
        ("cache-control", "no-store"),
    ],
};

/// Takes votes: what the operation needs. The same answers from the app and, for nearly all votes, before it.
#[derive(Clone)]
pub(crate) struct Votes {
    pub(crate) writer: Arc<VoteWriter>,
    pub(crate) limits: RateLimits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) clocks: Arc<Clocks>,
    pub(crate) key_required: bool,
    /// `None` where the settings say nowhere that keys of voter tokens are.
    pub(crate) voters: Option<Arc<Voters>>,
    pub(crate) proofs: Arc<Proofs>,
    pub(crate) suspicion: Arc<Suspicion>,
    /// `None` where the settings name no judge.
    pub(crate) judge: Option<Arc<Judge>>,
}

impl Votes {
    /// When a vote came that comes now.
    ///
    /// # Errors
    /// The clock is so far off that a repeat might not be found, and count again.
    pub(crate) fn now(&self) -> Result<Arrival, Problem> {
        now(&*self.clock, &self.clocks)
    }

    /// What votes are checked against.
    pub(crate) fn checks<'a>(
        &'a self,
        receipt_key: &'a Arc<ReceiptKey>,
        signs: &'a Signs,
    ) -> Checks<'a> {
        Checks {
            key_required: self.key_required,
            proofs: Some(ProofCheck {
                proofs: &self.proofs,
                receipt_key,
                suspicion: &self.suspicion,
                signs,
            }),
        }
    }

    /// Casts a vote, which is set aside where there is too much to be said against it, and no judge vouches for it. Its client is not
    /// told. `response` is what a judge can be asked with.
    pub(crate) async fn cast(
        &self,
        open: &OpenPoll,
        mut vote: VoteToCast,
        signs: &Signs,
        response: Option<&str>,
        head: &WriteHead<'_>,
        arrival: Arrival,
    ) -> Outcome {
        let received_at = arrival.at;
        let sent = || Sent {
            client: head.client,
            is_carriers: self.limits.is_carriers(head.client),
            user_agent: head.user_agent,
            key: head.key,
            received_at,
        };
        if let Some(reason) = self.suspicion.judge(signs, sent) {
            let suspect = Suspect {
                key: vote.key,
                response,
                client: head.client,
            };
            // What the poll does not take now may be sent again, and be asked about then.
            let is_vouched_for = match &self.judge {
                Some(judge) if may_be_taken(open, &vote, received_at) => {
                    // In a place of its own: all other votes carry no room for it.
                    Box::pin(judge.vouches_for(suspect)).await
                }
                _ => false,
            };
            if !is_vouched_for {
                vote.quarantine = Some(reason);
            }
        }
        let quarantine = vote.quarantine;
        let definition = &open.poll().definition;
        let channel = &definition.channels()[usize::from(vote.channel)];
        if quarantine.is_some() && channel.eligibility.asks_for_proof() {
            self.proofs
                .note_suspect(definition.id(), channel, received_at);
        }
        let outcome = cast(open, vote, arrival).await;
        if let (Some(reason), Outcome::Accepted(_)) = (quarantine, &outcome) {
            self.suspicion.quarantined(reason);
        }
        outcome
    }
}

impl HotRoutes for Votes {
    const WRITE: Option<WritePath> = Some(VOTES);

    async fn write(
        &self,
        poll: &str,
        head: &WriteHead<'_>,
        body: &[u8],
    ) -> Result<Written, Problem> {
        // Before anything else: whoever is beyond a limit costs as little as can be.
        self.limits.admit(head.client)?;
        let open = find_poll(&self.writer, poll)?;
        let receipt_key = self
            .writer
            .receipt_key()
            .ok_or(ProblemCode::StoreUnavailable)?;
        let arrival = self.now()?;
        let received_at = arrival.at;
        let signs = Signs::default();
        let checks = self.checks(&receipt_key, &signs);
        let mut read = read_vote(head, body, open.poll(), received_at, checks)?;
        let response = read.response.take();
        let asked = VoterCheck {
            voters: self.voters.as_deref(),
            limits: &self.limits,
            checks,
        };
        let found = find_voter(read, head.authorization, asked, &open, received_at).await?;
        let (vote, issued_at) = found;
        self.suspicion.note_token(&signs, issued_at, received_at);
        let has_key = head.key != SentHeader::Missing;
        let received = Received::of(&vote, has_key, received_at);
        let response = response.as_deref();
        let outcome = self
            .cast(&open, vote, &signs, response, head, arrival)
            .await;
        answer(open.poll(), received, &outcome, &receipt_key)
    }
}
