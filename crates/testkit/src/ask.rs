//! Asking a server that may be down, frozen or busy with an election.

use std::time::Duration;

use redis::{Cmd, FromRedisValue};

use crate::redis_server::RedisServer;

/// How long one answer may take; who asks asks again.
const ANSWER: Duration = Duration::from_secs(2);

/// How long an election, a synchronisation or a migration may take. Generous: CI machines run many at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What a server answers to one command, or why it doesn't.
pub(crate) async fn ask<T: FromRedisValue>(
    server: &RedisServer,
    command: &[&str],
) -> Result<T, String> {
    let asked = async {
        let mut connection = server.try_connection().await?;
        words(command).query_async(&mut connection).await
    };
    let failed = |why: String| format!("{} to port {}: {why}", command.join(" "), server.port());
    match tokio::time::timeout(ANSWER, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(failed(error.to_string())),
        Err(_) => Err(failed(format!("no answer within {ANSWER:?}"))),
    }
}

/// What a server that must be up answers to a command that may be sent only once.
pub(crate) async fn command<T: FromRedisValue>(server: &RedisServer, command: &[&str]) -> T {
    let mut connection = server.connection().await;
    words(command)
        .query_async(&mut connection)
        .await
        .unwrap_or_else(|error| panic!("{} to port {}: {error}", command.join(" "), server.port()))
}

fn words(command: &[&str]) -> Cmd {
    let mut cmd = Cmd::new();
    for word in command {
        cmd.arg(word);
    }
    cmd
}

/// The value of `name:value` in what `INFO` or `CLUSTER INFO` says.
pub(crate) fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::field;

    #[test]
    fn a_field_is_found_by_its_whole_name() {
        let info = "# Replication\r\nrole:slave\r\nmaster_link_status:up\r\n";
        assert_eq!(field(info, "master_link_status"), Some("up"));
        assert_eq!(field(info, "link_status"), None);
    }
}
