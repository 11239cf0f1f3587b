//! The command line of both binaries.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use vote_runtime::settings::{ServiceName, Settings, schema_json};

use crate::exit::{self, fail, usage};
use crate::healthcheck::healthcheck;
use crate::openapi;
use crate::process::run;
use crate::service::Service;

/// The variable that `--spill` goes over.
const SPILL_DIR: &str = "VOTE__SPILL__DIR";

#[derive(Debug, Parser)]
struct Arguments {
    /// Settings file (.toml, .yaml, .yml or .json); VOTE__… variables go over it.
    #[arg(long, value_name = "FILE", env = "VOTE__CONFIG_FILE")]
    config: Option<PathBuf>,

    /// Directory for the accepted votes that Redis may not have when the process ends (goes over VOTE__SPILL__DIR).
    #[arg(long, value_name = "DIR")]
    spill: Option<PathBuf>,

    /// Check the settings and exit.
    #[arg(long, conflicts_with_all = ["print_openapi", "print_settings_schema"])]
    check_config: bool,

    /// Print the OpenAPI document and exit.
    #[arg(long)]
    print_openapi: bool,

    /// Print the JSON Schema of the settings and exit.
    #[arg(long, conflicts_with = "print_openapi")]
    print_settings_schema: bool,

    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Ask the running service's /readyz; exit 0 if it is ready, 1 if not.
    Healthcheck {
        /// Ask /healthz instead: exit 0 as long as the process answers, whether or not Redis does.
        #[arg(long)]
        live: bool,
    },
}

/// The whole of a binary: `fn main() -> ExitCode { vote_http::main::<Ingest>() }`.
#[must_use]
pub fn main<S: Service>() -> ExitCode {
    main_from::<S>(std::env::args_os()).into()
}

/// [`main`] with arguments of the caller's, the program's name first; returns the exit code: 0, 1 for a
/// failure, 2 for wrong settings, 3 where accepted votes are left over that Redis may not have. Wrong arguments, `--help` and `--version` end the process themselves.
#[must_use]
pub fn main_from<S: Service>(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let command = Arguments::command()
        .name(S::NAME.as_str())
        .bin_name(S::NAME.as_str())
        .version(S::VERSION)
        .about(S::ABOUT)
        .mut_arg("spill", |option| {
            option.hide(S::NAME != ServiceName::Ingest)
        })
        .after_help("Settings: VOTE__… variables and a file; docs/settings.md has them all.");
    let arguments = Arguments::from_arg_matches(&command.get_matches_from(arguments))
        .unwrap_or_else(|error| error.exit());
    if arguments.print_openapi {
        let document = openapi::complete(S::openapi());
        return print(&openapi::to_json(&document));
    }
    if arguments.print_settings_schema {
        return schema_json()
            .map_or_else(|error| fail(&error.to_string()), |schema| print(&schema));
    }
    let mut env = environment();
    if let Some(dir) = arguments.spill {
        env.retain(|(name, _)| name != SPILL_DIR);
        env.push((SPILL_DIR.to_owned(), dir.to_string_lossy().into_owned()));
    }
    let settings = match Settings::load(S::NAME, arguments.config.as_deref(), env.iter().cloned()) {
        Ok(settings) => settings,
        Err(error) => return usage(&error),
    };
    if arguments.check_config {
        return print("The settings are right.\n");
    }
    if let Some(Command::Healthcheck { live }) = arguments.command {
        let path = if live { "/healthz" } else { "/readyz" };
        return healthcheck(settings.admin.bind, path);
    }
    run::<S>(settings, &env)
}

/// The process' environment. Variables that are not Unicode are left out, but for ours, of which the
/// settings shall see that something is wrong.
fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| {
            let name = name.into_string().ok()?;
            let value = value
                .into_string()
                .unwrap_or_else(|value| value.to_string_lossy().into_owned());
            Some((name, value))
        })
        .collect()
}

fn print(text: &str) -> u8 {
    match io::stdout().write_all(text.as_bytes()) {
        Ok(()) => exit::SUCCESS,
        Err(error) => fail(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
