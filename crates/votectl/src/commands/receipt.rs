//! `votectl receipt verify RECEIPT`

use crate::commands::figures::{sealed_result, sealed_result_of};
use crate::context::Context;
use crate::failure::Failure;
use clap::{Args, Subcommand};
use data_encoding::HEXLOWER_PERMISSIVE;
use serde::Serialize;
use std::path::{Path, PathBuf};
use vote_domain::{Receipt, ReceiptKey, wire_time};
use vote_store::PollOperator;

/// Commands about receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Say whether a receipt is genuine, and whether its batch is in the tally
    Verify(VerifyArgs),
}

/// The receipt to verify.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// The receipt, as the vote's answer gave it (`v1.….…`)
    pub receipt: String,

    /// File with the key in 64 hexadecimal digits, where the services don't share it through Redis
    #[arg(
        long,
        value_name = "FILE",
        env = "VOTE__RECEIPTS__KEY_FILE",
        hide_env_values = true
    )]
    pub key_file: Option<PathBuf>,
}

/// What a genuine receipt says.
#[derive(Debug, Serialize)]
struct Finding {
    genuine: bool,
    counted: bool,
    poll: String,
    writer: String,
    shard: u16,
    sequence: u64,
    place: u32,
    /// Absent for the receipt of a repeat.
    #[serde(skip_serializing_if = "Option::is_none")]
    accepted_at: Option<String>,
    /// When a repeat was received: the vote had been accepted before.
    #[serde(skip_serializing_if = "Option::is_none")]
    repeated_at: Option<String>,
    /// The last batch of this writer that the ledger holds; absent when it holds none.
    last_sequence: Option<u64>,
    sealed: bool,
}

/// Runs a command about receipts.
///
/// # Errors
/// [`Failure::Refused`] when the receipt isn't genuine or its batch isn't in the tally.
pub async fn run(command: ReceiptCommand, context: &mut Context<'_>) -> Result<(), Failure> {
    match command {
        ReceiptCommand::Verify(args) => verify(args, context).await,
    }
}

async fn verify(args: VerifyArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let operator = context.operator()?;
    let key = match &args.key_file {
        Some(file) => key_from(file)?,
        None => operator.receipt_key().await?.ok_or_else(|| {
            Failure::usage(
                "Redis holds no key of receipts: no vote has been accepted yet, or give --key-file",
            )
        })?,
    };
    let receipt = Receipt::verify(args.receipt.trim(), &key).map_err(Failure::refused)?;
    let (last_sequence, sealed) = last_sequence(&operator, &receipt, context).await?;
    let at = wire_time::format(receipt.at);
    let when = match receipt.is_repeat {
        true => format!("accepted before it was repeated at {at}"),
        false => format!("accepted at {at}"),
    };
    let finding = Finding {
        genuine: true,
        counted: last_sequence.is_some_and(|last| receipt.sequence <= last),
        poll: receipt.poll.to_string(),
        writer: receipt.writer.to_string(),
        shard: receipt.shard,
        sequence: receipt.sequence,
        place: receipt.place,
        accepted_at: (!receipt.is_repeat).then(|| at.clone()),
        repeated_at: receipt.is_repeat.then_some(at),
        last_sequence,
        sealed,
    };
    if context.json() {
        context.write_json(&finding)?;
    } else {
        context.terminal.line(&format!(
            "genuine: a vote in poll {}, {when} (writer {}, shard {}, batch {}, place {})",
            finding.poll, finding.writer, finding.shard, finding.sequence, finding.place
        ))?;
    }
    let ledger = if sealed { "sealed ledger" } else { "ledger" };
    let last = last_sequence.map_or_else(
        || "no batch of its writer".to_owned(),
        |last| format!("batches up to {last}"),
    );
    if !finding.counted {
        return Err(Failure::refused(format!(
            "its batch {} is not in the tally: the {ledger} holds {last}",
            receipt.sequence
        )));
    }
    if !context.json() {
        context
            .terminal
            .line(&format!("counted: the {ledger} holds {last}"))?;
    }
    Ok(())
}

/// The last batch of the receipt's writer in the ledger of its shard, and whether that ledger is sealed.
///
/// What the poll is decides whether its result is looked at. Where Redis has lost the poll, the result is all that is left.
async fn last_sequence(
    operator: &PollOperator,
    receipt: &Receipt,
    context: &mut Context<'_>,
) -> Result<(Option<u64>, bool), Failure> {
    let sealed = match operator.get(&receipt.poll).await? {
        Some(poll) => sealed_result_of(operator, &poll).await?,
        None => sealed_result(operator, &receipt.poll).await?,
    };
    if let Some(sealed) = sealed {
        let last = sealed.last_sequence(receipt.shard, &receipt.writer);
        return Ok((last, true));
    }
    let poll = context.poll(operator, &receipt.poll).await?;
    let last = operator.last_sequence(&poll, receipt.shard, receipt.writer);
    Ok((last.await?, false))
}

fn key_from(file: &Path) -> Result<ReceiptKey, Failure> {
    let text = std::fs::read_to_string(file).map_err(|error| {
        Failure::usage(format!(
            "--key-file: can't read {}: {error}",
            file.display()
        ))
    })?;
    let bytes = HEXLOWER_PERMISSIVE.decode(text.trim().as_bytes()).ok();
    match bytes.and_then(|bytes| <[u8; 32]>::try_from(bytes).ok()) {
        Some(bytes) => Ok(ReceiptKey::from_bytes(bytes)),
        // What it holds instead may be a secret.
        None => Err(Failure::usage(format!(
            "--key-file: {} must hold 64 hexadecimal digits",
            file.display()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::key_from;

    #[test]
    fn a_key_file_holds_64_hexadecimal_digits() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("key");
        std::fs::write(&file, format!("{}\n", "aB".repeat(32))).expect("the file can be written");
        key_from(&file).expect("the key is right");
        std::fs::write(&file, "secret").expect("the file can be written");
        let error = key_from(&file).expect_err("it is refused");
        assert_eq!(error.code(), 2);
        assert!(!error.to_string().contains("secret"));
    }
}
