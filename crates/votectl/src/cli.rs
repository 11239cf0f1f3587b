//! The command line: what there is, how it is spelt, what it means.

use crate::commands::{
    annul, audit, dev, doctor, export, feed_token, graphics, import, poll, proof, push, quarantine,
    receipt, replay, token,
};
use crate::global::Global;
use crate::load::args::LoadArgs;
use crate::smoke::SmokeArgs;
use clap::{Parser, Subcommand};

/// Runs live votes: defines, opens, closes and seals polls, proves their figures, puts load on the services.
#[derive(Debug, Parser)]
#[command(
    name = "votectl",
    version,
    max_term_width = 100,
    propagate_version = true,
    after_help = "Exit codes: 0 done; 1 a check failed or a change was refused; 2 wrong input, nothing was done; \
                  3 Redis or a service is away, or the output can't be written; 4 all is written, and no replica has \
                  confirmed it yet."
)]
pub struct Cli {
    /// Options of all commands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Define polls and move them through their states
    #[command(subcommand)]
    Poll(poll::PollCommand),
    /// Take votes of a window of minutes out of the result, or back into it, until the poll is sealed
    Annul(annul::AnnulArgs),
    /// See votes that were set aside as suspect, and decide whether they count
    #[command(subcommand)]
    Quarantine(quarantine::QuarantineCommand),
    /// Prove that tally, minutes, ledger and sealed result agree, shard by shard
    Audit(audit::AuditArgs),
    /// Write a poll's figures as CSV or JSON, or a backup of all of it
    Export(export::ExportArgs),
    /// Restore a poll from a backup, where Redis holds nothing of it
    Import(import::ImportArgs),
    /// Record accepted votes that an ended ingest process has left in a file (a spill), as far as Redis lacks them
    Replay(replay::ReplayArgs),
    /// Make graphics of a poll for systems of broadcasters
    #[command(subcommand)]
    Graphics(graphics::GraphicsCommand),
    /// Put open-loop load on an ingest service, and reconcile its answers with the tally
    Load(Box<LoadArgs>),
    /// Test a deployment by one vote in a rehearsal of its own: in by ingest, out by results, proven in Redis
    Smoke(SmokeArgs),
    /// Run everything on this machine: Redis, both services, a demo poll
    Dev(dev::DevArgs),
    /// Look at the Redis servers: what is wrong with them, and what to do
    Doctor(doctor::DoctorArgs),
    /// Check receipts of votes
    #[command(subcommand)]
    Receipt(receipt::ReceiptCommand),
    /// Prove work for votes through channels that ask for it
    #[command(subcommand)]
    Proof(proof::ProofCommand),
    /// Make a token for a graphics system that takes only an address, and the line of it for the settings
    FeedToken(feed_token::FeedTokenArgs),
    /// Make voter tokens for trials, with the key of `votectl dev` or of a file; and tokens of gateways
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// Put a poll's feed to a data stream whenever it changes, until interrupted
    Push(Box<push::PushArgs>),
    /// Stop what a killed `dev` has left (started by `dev` itself)
    #[command(name = dev::GUARD, hide = true)]
    DevGuard(dev::GuardArgs),
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory, Parser};

    fn refused(line: &str) -> String {
        Cli::try_parse_from(line.split(' '))
            .expect_err("the line is wrong")
            .to_string()
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_of_a_command_is_taken_for_one_of_all_commands() {
        let command = Cli::command();
        let everywhere: Vec<_> = command
            .get_arguments()
            .map(|option| option.get_id().clone())
            .collect();
        assert!(everywhere.len() > 8, "{everywhere:?}");
        let mut commands: Vec<_> = command.get_subcommands().collect();
        while let Some(command) = commands.pop() {
            for option in command.get_arguments() {
                let (id, name) = (option.get_id(), command.get_name());
                assert!(!everywhere.contains(id), "{name} has another `{id}`");
            }
            commands.extend(command.get_subcommands());
        }
    }

    #[test]
    fn help_of_every_command() {
        let mut command = Cli::command();
        command.build();
        let mut text = String::new();
        collect(&mut command, &mut text);
        insta::assert_snapshot!(text);
    }

    fn collect(command: &mut clap::Command, text: &mut String) {
        let help = command.render_help();
        let name = command.get_bin_name().unwrap_or("votectl");
        text.push_str(&format!("$ {name} --help\n{help}\n"));
        for subcommand in command
            .get_subcommands_mut()
            .filter(|command| command.get_name() != "help")
        {
            if !subcommand.is_hide_set() {
                collect(subcommand, text);
            }
        }
    }

    #[test]
    fn right_lines_are_taken() {
        for line in [
            "votectl poll apply demo.yaml --dry-run --output json",
            "votectl poll apply one.yaml two.yaml --wait-for-redis 3m30s",
            "votectl --redis redis+sentinel://h:1,h:2/vote --redis-password-file /run/secrets/redis poll list",
            "votectl --redis redis://h:1 poll seal paredao-01 --grace 1m30s --yes",
            "votectl poll extend paredao-01 --until 2026-11-26T02:30:00-03:00",
            "votectl poll extend paredao-01 --for 30m",
            "votectl poll extend paredao-01 --until 23:00 --yes",
            "votectl poll reschedule paredao-01 --until 22:30 --opens-at 21:00 --reason late",
            "votectl poll visibility paredao-01 public --yes",
            "votectl poll release paredao-01 --yes --reason roda",
            "votectl poll hold paredao-01 --reason engano",
            "votectl annul paredao-01 --from 22:15 --until 22:20 --channel torcida --candidate ana --reason robots --dry-run",
            "votectl annul paredao-01 --take-back 1 --reason engano --yes",
            "votectl annul paredao-01 --list",
            "votectl feed-token obs-studio-1",
            "votectl token mint --subject maria",
            "votectl token mint --subject maria --key k.json --issuer https://id.example --audience vote --for 5m",
            "votectl token gateway sms-1 --channel sms --channel paredao-01/telefone --lines 2000/1s --votes-per-voter 10",
            "votectl token gateway leste --channel unico --voters-are-subjects --output json",
            "votectl poll forget-voters paredao-01 --yes --reason LGPD",
            "votectl push current --to-file /run/secrets/stream --format rows --rows 4 --sort rank --lang pt-BR --rate 5",
            "votectl poll demo - --for 90m",
            "votectl load --poll paredao-01 --rate 5000 --duration 30s --connections 64 --no-keys",
            "votectl load --votes 1000000",
            "votectl load --stages 1000:30s,20000:2m --min-rate 900 --max-p99 250ms --max-errors 0.1%",
            "votectl load --votes 5 --part one.json",
            "votectl load merge one.json two.json --max-errors 3",
            "votectl load --url https://vote.example",
            "votectl smoke --ingest http://ingest --results http://results:81/x --timeout 1m",
            "votectl export paredao-01 --format json --what hourly -o table",
            "votectl export paredao-01 --what backup --file paredao-01.json",
            "votectl import paredao-01.json --dry-run",
            "votectl import -",
            "votectl replay vote-spill-1.jsonl vote-spill-2.jsonl --dry-run",
            "votectl replay - --yes",
            "votectl receipt verify v1.a.b",
            "votectl quarantine show paredao-01 --reason deny_list --from 2026-11-25T23:00",
            "votectl quarantine release paredao-01 --reason deny_list --reason fast_proof --why hotel --yes",
            "votectl quarantine annul paredao-01 --reason deny_list --until 2026-11-25T23:10 --why bots",
            "votectl dev --data-dir /tmp/x --no-demo",
        ] {
            Cli::try_parse_from(line.split(' ')).unwrap_or_else(|error| panic!("{line}: {error}"));
        }
    }

    #[test]
    fn wrong_lines_say_what_would_be_right() {
        for (line, says) in [
            ("votectl poll show Paredão", "POLL"),
            ("votectl poll show ../x", "POLL"),
            ("votectl poll apply", "<FILE>"),
            ("votectl annul paredao-01", "--from"),
            (
                "votectl annul paredao-01 --from 22:15 --reason x",
                "--until",
            ),
            (
                "votectl annul paredao-01 --from 22:15 --until 22:16",
                "--reason",
            ),
            ("votectl annul paredao-01 --take-back 1", "--reason"),
            (
                "votectl annul paredao-01 --list --take-back 1 --reason x",
                "cannot be used with",
            ),
            ("votectl poll list --wait-for-redis 0s", "longer than zero"),
            ("votectl poll extend paredao-01", "--until"),
            ("votectl load --rate 0", "1..=1000000"),
            ("votectl feed-token a:b", "1 to 64 of A-Z"),
            ("votectl token mint", "--subject"),
            ("votectl token gateway sms", "--channel"),
            ("votectl token gateway a:b --channel sms", "1 to 64 of A-Z"),
            (
                "votectl token gateway sms --channel sms --lines lots",
                "is no rate",
            ),
            ("votectl push paredao-01", "--to-file"),
            ("votectl push paredao-01 --to-file x --rows 65", "1..=64"),
            ("votectl push paredao-01 --to-file x --rate 0", "1..=20"),
            (
                "votectl push paredao-01 --to-file x --lang fr",
                "one of pt, en, es",
            ),
            (
                "votectl push paredao-01 --to-file x --max-bytes 1",
                "256..=1048576",
            ),
            (
                "votectl load --votes 5 --duration 5s",
                "cannot be used with",
            ),
            (
                "votectl load --stages 5:1s --duration 5s",
                "cannot be used with",
            ),
            (
                "votectl load --stages 1000",
                "a rate, a colon and a duration",
            ),
            ("votectl load --max-errors 200%", "from 0% to 100%"),
            ("votectl load merge", "<FILE>"),
            ("votectl export paredao-01 --format xml", "csv, json"),
            ("votectl poll list --output yaml", "text, json"),
            ("votectl import", "<FILE>"),
            ("votectl replay", "<FILE>"),
            ("votectl quarantine annul paredao-01 --why x", "--reason"),
            (
                "votectl quarantine release paredao-01 --reason deny_list",
                "--why",
            ),
            (
                "votectl quarantine show paredao-01 --reason bots",
                "deny_list",
            ),
        ] {
            let error = refused(line);
            assert!(error.contains(says), "{line}: {error}");
        }
    }
}
