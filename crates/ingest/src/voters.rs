//! Voter tokens, as the settings ask for them.

use std::sync::Arc;

use vote_http::{BoxError, Context};
use vote_runtime::settings::VotersSettings;
use vote_voters::{Algorithm, Config, ConfigError, Source, Voters};

/// Reads the keys, where the settings say where they are, and goes on reading them.
///
/// # Errors
/// Where they can't be there, or no signature can be verified. That they can't be read yet is none.
pub(crate) async fn start(
    settings: &VotersSettings,
    context: &mut Context,
) -> Result<Option<Arc<Voters>>, BoxError> {
    let source = match (&settings.jwks_url, &settings.jwks_file) {
        (Some(url), _) => {
            let source = Source::url(url, settings.jwks_ca_file.as_deref());
            source.map_err(|error| match error {
                ConfigError::Address(error) => format!("voters.jwks_url: {error}"),
                ConfigError::Authorities(error) => format!("voters.jwks_ca_file: {error}"),
            })?
        }
        (None, Some(file)) => Source::File(file.clone()),
        (None, None) => return Ok(None),
    };
    if settings.issuer.is_none() && settings.audience.is_none() {
        tracing::warn!(
            "neither voters.issuer nor voters.audience is set: a token that was made for another service with the same keys is taken"
        );
    }
    let algorithms = settings.algorithms.iter();
    let config = Config {
        source,
        issuer: settings.issuer.clone(),
        audience: settings.audience.clone(),
        algorithms: algorithms
            .map(|name| name.parse())
            .collect::<Result<Vec<Algorithm>, _>>()?,
        skew: settings.clock_skew,
        longest_token: settings.max_token_bytes,
        refresh: settings.jwks_refresh,
        least_pause: settings.jwks_min_pause,
        timeout: settings.jwks_timeout,
        remembered: settings.remembered_tokens,
    };
    let (clock, stopped) = (Arc::clone(&context.clock), context.lifecycle.stopped());
    let voters = Voters::start(config, clock, &mut context.metrics, stopped)?;
    voters.first_reading().await;
    Ok(Some(voters))
}
