//! `votectl poll show POLL`

use crate::commands::annul;
use crate::commands::figures::{Figures, standing_text};
use crate::commands::poll::candidates;
use crate::commands::poll::said::in_zone;
use crate::commands::poll_arg::PollArg;
use crate::context::Context;
use crate::failure::Failure;
use serde_json::json;
use std::fmt::Write;
use vote_domain::{LimitPeriod, Poll, Release};

/// Shows one poll: what it is, its figures, what was done to it.
///
/// # Errors
/// When there is no such poll, or Redis can't be read.
pub(super) async fn run(args: PollArg, context: &mut Context<'_>) -> Result<(), Failure> {
    let (operator, poll) = context.find(&args.poll).await?;
    for remark in candidates::remarks(&poll.definition) {
        context.terminal.note(&remark);
    }
    let now = context.now();
    let figures = Figures::read(&operator, &poll, now).await?;
    if context.json() {
        return context.write_json(&json!({
            "poll": poll.without_key_seed(),
            "phase": poll.phase(now),
            "release": poll.release_state(),
            "standing": figures.standing,
            "late": figures.late.total(),
            "quarantine": figures.set_aside,
            "sha256": figures.sealed.map(|sealed| sealed.sha256),
        }));
    }
    let mut text = definition_text(&poll);
    text.push_str(&format!("\n{}\n", standing_text(&figures.standing)));
    if !figures.late.is_zero() {
        text.push_str(&format!(
            "\n{} votes came too late and are not counted\n",
            figures.late.total()
        ));
    }
    if let Some(aside) = &figures.set_aside {
        text.push_str(&format!("\n{}\n", aside.line()));
    }
    if !poll.annulments.is_empty() {
        let annulments = annul::annulments_text(&poll);
        text.push_str(&format!("\nannulments\n\n{annulments}\n"));
    }
    if let Some(sealed) = figures.sealed {
        text.push_str(&format!(
            "\nsealed at {} by {}\nsha256 {}\n",
            poll.definition.shown(sealed.sealed_at),
            sealed.sealed_by,
            sealed.sha256
        ));
    }
    text.push_str("\nlog\n");
    for entry in &poll.log {
        text.push_str(&format!(
            "  {}  {:<8} {:<12} {}{}\n",
            poll.definition.shown(entry.at),
            entry.action,
            entry.by,
            in_zone(&entry.detail, &poll.definition),
            entry
                .reason
                .as_ref()
                .map(|reason| format!(" ({reason})"))
                .unwrap_or_default()
        ));
    }
    context.terminal.line(text.trim_end())
}

/// What production has said of the figures on air, and at which revision they are held.
fn on_air(poll: &Poll) -> String {
    let state = poll.release_state();
    let rule = poll.definition.release_rule();
    match (state, poll.held_figures(), &poll.release) {
        (Release::Held, Some(figures), _) => format!("{state} at revision {}", figures.revision),
        (Release::Held, None, _) => format!("{state}, without figures"),
        (_, _, None) => format!("{state} (release: {rule})"),
        (_, _, Some(_)) => state.to_string(),
    }
}

fn definition_text(poll: &Poll) -> String {
    let definition = &poll.definition;
    let mut text = format!("{} ({})\n\n", definition.title(), definition.id());
    let time = |at| definition.shown(at);
    let shards = definition.shards().to_string();
    for (name, value) in [
        ("kind", definition.kind().to_string()),
        ("direction", definition.direction().to_string()),
        (
            "state",
            format!("{} (revision {})", poll.state, poll.revision),
        ),
        ("opens", time(definition.opens_at())),
        ("closes", time(poll.closes_at)),
        ("time zone", definition.timezone().to_owned()),
        ("visibility", definition.visibility().to_string()),
        ("on air", on_air(poll)),
        ("language", definition.language().to_string()),
        ("shards", shards),
    ] {
        // Writing to a text can't fail.
        let _written = writeln!(text, "  {name:<11}{value}");
    }
    for channel in definition.channels() {
        let limit = channel
            .votes_per_voter
            .map(|limit| match channel.period() {
                LimitPeriod::Poll => format!(", {limit} a voter"),
                period => format!(", {limit} a voter and {period}"),
            })
            .unwrap_or_default();
        let _written = writeln!(
            text,
            "  {:<11}{} (weight {}, {}{limit})",
            "channel", channel.id, channel.weight, channel.eligibility
        );
    }
    text.push_str(&candidates::lines(poll));
    text
}
