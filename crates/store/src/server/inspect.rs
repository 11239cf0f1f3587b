//! Looks at the servers behind an address.

use vote_domain::Clock;

use super::clock::Difference;
use super::facts::Facts;
use super::findings::{Finding, Problem, findings};
use super::greeting::Greeting;
use crate::commit::{Durability, check_fsync};
use crate::error::StoreError;
use crate::forbidden::is_forbidden;
use crate::nodes::{Link, Nodes};
use crate::store::Store;

/// What is known of one server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// Its address, `host:port`.
    pub server: String,
    /// What it is, such as `redis 7.0.15`; empty where it could not be asked.
    pub version: String,
    /// What its clock is beside ours.
    pub clock: Measured,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
}

/// What is known of a server's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Nothing: it was not reached.
    Unknown,
    /// It does not let our user ask.
    Forbidden,
    /// How far ours is from it.
    Apart(Difference),
}

/// Looks at every server of `store` that holds votes, for votes that count as `durability` says, and compares `clock` with its
/// own.
///
/// # Errors
/// Where nobody says which servers there are.
pub async fn inspect(
    store: &Store,
    durability: Durability,
    clock: &dyn Clock,
) -> Result<Vec<Inspection>, StoreError> {
    let nodes = store.nodes();
    let mut inspections = Vec::new();
    for node in nodes.masters().await? {
        let link = nodes.connection_to(&node).await;
        let mut measured = Measured::Unknown;
        let (version, findings) = match link {
            Ok(mut link) => {
                measured = compare(&mut link, clock).await;
                let (version, mut findings) = look_at(&mut link, &nodes, durability).await;
                if let Measured::Apart(difference) = measured {
                    findings.extend(difference.finding());
                }
                (version, findings)
            }
            Err(error) => (String::new(), vec![unusable(&error.to_string())]),
        };
        inspections.push(Inspection {
            server: node.to_string(),
            version,
            clock: measured,
            findings,
        });
    }
    Ok(inspections)
}

/// Where it may not be asked, the rights that are missing are found apart (`try_commands`).
async fn compare(link: &mut Link, clock: &dyn Clock) -> Measured {
    match Difference::ask(link, clock).await {
        Ok(difference) => Measured::Apart(difference),
        Err(error) if is_forbidden(&error) => Measured::Forbidden,
        Err(_) => Measured::Unknown,
    }
}

async fn look_at(link: &mut Link, nodes: &Nodes, durability: Durability) -> (String, Vec<Finding>) {
    let greeting = match Greeting::ask(link).await {
        Ok(greeting) => greeting,
        Err(error) => return (String::new(), vec![unusable(&error.to_string())]),
    };
    let version = format!("{} {}", greeting.server, greeting.version);
    let mut found = match Facts::ask(link).await {
        Ok(facts) => findings(&facts, durability),
        Err(error) if is_forbidden(&error) => vec![Finding::new(
            Problem::Forbidden,
            "our user may not ask INFO: whether it keeps what it acknowledges is not known",
            "allow the user +info",
        )],
        Err(error) => vec![unusable(&error.to_string())],
    };
    if durability == Durability::Fsync
        && let Err(error) = check_fsync(link, nodes.response_timeout()).await
    {
        let remedy = "set appendonly to yes and appendfsync to always, or change commit.durability";
        found.push(Finding::new(Problem::Fsync, error.to_string(), remedy));
    }
    (version, found)
}

fn unusable(why: &str) -> Finding {
    Finding::new(Problem::Unusable, why, "see redis.url and the server's log")
}
