//! `votectl doctor`

use crate::context::Context;
use crate::failure::Failure;
use crate::table::{rendered, table};
use clap::Args;
use serde_json::json;
use vote_store::{
    Durability, DurabilityError, Inspection, Program, Rights, Store, ask_for_user, inspect,
    try_commands,
};

/// What the servers must be good for.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// commit.durability of the ingest service: memory, replicas(n, timeout_ms) or fsync
    #[arg(long, value_name = "LEVEL", default_value = "memory", value_parser = durability)]
    durability: Durability,

    /// Whose commands are tried as the user that is logged in; the other programs' users (vote-ingest, vote-results,
    /// votectl) are asked for where this one may do so, as an administrator
    #[arg(long, value_name = "PROGRAM", default_value = "votectl", value_parser = program)]
    program: Program,
}

fn program(name: &str) -> Result<Program, String> {
    let named = Program::ALL.into_iter().find(|one| one.as_str() == name);
    named.ok_or_else(|| "it is none of vote-ingest, vote-results, votectl".to_owned())
}

fn durability(text: &str) -> Result<Durability, DurabilityError> {
    text.parse()
}

/// Looks at every Redis server, and says what is wrong and what to do; also which commands it forbids our programs. None of
/// them is one that changes anything.
///
/// # Errors
/// [`Failure::Refused`] where something is wrong, after the report was written; [`Failure::Unavailable`] where nobody
/// says which servers there are.
pub async fn run(args: DoctorArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let store = Store::new(&context.global.redis.config()?)?;
    let mut inspections = inspect(&store, args.durability, context.clock).await?;
    for program in Program::ALL {
        let rights = if program == args.program {
            try_commands(&store, program, args.durability).await?
        } else {
            let user = program.as_str();
            ask_for_user(&store, program, args.durability, user).await?
        };
        add_rights(program, rights, &mut inspections, context);
    }
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

/// What could not be asked is a remark: it is no fault of the server.
fn add_rights(
    program: Program,
    rights: Vec<Rights>,
    inspections: &mut [Inspection],
    context: &mut Context<'_>,
) {
    for Rights { server, forbidden } in rights {
        let inspection = inspections.iter_mut().find(|one| one.server == server);
        match (forbidden, inspection) {
            (Ok(Some(finding)), Some(inspection)) => inspection.findings.push(finding),
            (Ok(_), _) => {}
            (Err(why), _) => {
                let name = program.as_str();
                context.terminal.note(&format!(
                    "{server}: what {name} may do is not known ({why}): `votectl doctor --program {name}`, logged in as its \
                     user, tries it"
                ));
            }
        }
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
