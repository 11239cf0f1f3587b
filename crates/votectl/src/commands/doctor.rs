//! `votectl doctor`

use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use clap::Args;
use serde_json::json;
use vote_store::{Durability, DurabilityError, Inspection, Store, inspect};

/// What the servers must be good for.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// commit.durability of the ingest service: memory, replicas(n, timeout_ms) or fsync
    #[arg(long, value_name = "LEVEL", default_value = "memory", value_parser = durability)]
    durability: Durability,
}

fn durability(text: &str) -> Result<Durability, DurabilityError> {
    text.parse()
}

/// Looks at every Redis server, and says what is wrong and what to do.
///
/// # Errors
/// [`Failure::Refused`] where something is wrong, after the report was written; [`Failure::Unavailable`] where nobody
/// says which servers there are.
pub async fn run(args: DoctorArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let store = Store::new(&context.global.redis.config()?)?;
    let inspections = inspect(&store, args.durability).await?;
    if context.json() {
        let servers: Vec<_> = inspections.iter().map(server_json).collect();
        context.write_json(&json!({ "servers": servers }))?;
    } else {
        context.terminal.line(&text(&inspections))?;
    }
    let findings: usize = inspections.iter().map(|server| server.findings.len()).sum();
    match findings {
        0 => Ok(()),
        1 => Err(Failure::refused("1 thing is wrong with Redis")),
        count => Err(Failure::refused(format!(
            "{count} things are wrong with Redis"
        ))),
    }
}

fn server_json(inspection: &Inspection) -> serde_json::Value {
    let findings = inspection.findings.iter().map(|finding| {
        json!({
            "problem": finding.problem.as_str(),
            "seen": finding.seen,
            "remedy": finding.remedy,
        })
    });
    json!({
        "server": inspection.server,
        "version": inspection.version,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn text(inspections: &[Inspection]) -> String {
    let mut table = table(["SERVER", "VERSION", "PROBLEM", "SEEN", "WHAT TO DO"]);
    for server in inspections {
        if server.findings.is_empty() {
            table.add_row([server.server.as_str(), server.version.as_str(), "-", "", ""]);
        }
        for finding in &server.findings {
            table.add_row([
                server.server.as_str(),
                server.version.as_str(),
                finding.problem.as_str(),
                finding.seen.as_str(),
                finding.remedy.as_str(),
            ]);
        }
    }
    rendered(table, 5..5)
}
