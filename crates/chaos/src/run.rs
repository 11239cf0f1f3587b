//! Runs the scenarios one after the other, each in its own task and within its bound.

use crate::cli::{Cli, Output};
use crate::engine::findings::Findings;
use crate::engine::scene::{Options, Scene};
use crate::report::{ScenarioResult, markdown, text};
use crate::scenarios::{ALL, LeftOut, QUICK, Scenario};
use anyhow::{Context as _, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Longest time of a scenario beside its load.
const BOUND: Duration = Duration::from_secs(180);

/// By how much the load may take longer than its rate says.
const SLOWER: u64 = 4;

/// The report, and whether anything failed.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) text: String,
    pub(crate) failed: bool,
}

/// Runs what was asked for.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<Ended> {
    if cli.list {
        let mut text = String::new();
        for each in ALL {
            let quick = if QUICK.contains(&each.name) { "*" } else { " " };
            writeln!(text, "{:<26}{quick} {}", each.name, each.about)?;
        }
        text.push_str("\n* also with --quick");
        return Ok(Ended {
            text,
            failed: false,
        });
    }
    let chosen = chosen(cli)?;
    let bin_dir = bin_dir(cli)?;
    let mut signals = EndSignals::listen()?;
    let mut results = Vec::new();
    for scenario in &chosen {
        let options = options(cli, scenario.name, &bin_dir);
        let scene = Scene::new(scenario.name, Arc::new(options));
        let Some(result) = carry_out(scenario, scene.clone(), &mut signals).await else {
            bail!("stopped in scenario {}", scenario.name);
        };
        match (&result, result.failures().as_slice()) {
            (ScenarioResult::LeftOut { why, .. }, _) => scene.say(&format!("left out: {why}")),
            (_, []) => scene.say("all promises hold"),
            (_, failures) => failures
                .iter()
                .for_each(|why| scene.say(&format!("FAILED: {why}"))),
        }
        results.push(result);
    }
    let text = match cli.output {
        Output::Table => text(&results),
        Output::Markdown => markdown(&results),
        Output::Json => serde_json::to_string_pretty(&results)?,
    };
    let failed = results.iter().any(|result| !result.failures().is_empty());
    Ok(Ended { text, failed })
}

fn chosen(cli: &Cli) -> anyhow::Result<Vec<Scenario>> {
    let find = |name: &str| {
        ALL.iter()
            .find(|each| each.name == name)
            .copied()
            .with_context(|| format!("--scenario: there is no `{name}`; --list lists them"))
    };
    match (cli.scenario.as_slice(), cli.quick) {
        ([], true) => QUICK.iter().map(|name| find(name)).collect(),
        ([], false) => Ok(ALL.to_vec()),
        (names, _) => names.iter().map(|name| find(name)).collect(),
    }
}

/// Where the binaries are, all of them.
fn bin_dir(cli: &Cli) -> anyhow::Result<PathBuf> {
    let bin_dir = match &cli.bin_dir {
        Some(dir) => dir.clone(),
        None => {
            let ourselves = std::env::current_exe().context("can't find our own executable")?;
            ourselves.parent().context("no directory")?.to_owned()
        }
    };
    for binary in ["vote-ingest", "vote-results", "votectl"] {
        let path = bin_dir.join(binary);
        if !path.exists() {
            bail!(
                "{} is missing: `make chaos` builds it, or --bin-dir says where it is",
                path.display()
            );
        }
    }
    Ok(bin_dir)
}

fn options(cli: &Cli, scenario: &str, bin_dir: &Path) -> Options {
    let (rate, votes, connections) = match (scenario, cli.quick) {
        // Five minutes, and twenty seconds; its votes are those that are sent.
        ("bots", false) => (5_000, None, 512),
        ("bots", true) => (1_000, None, 128),
        (_, false) => (8_000, Some(200_000), 512),
        (_, true) => (4_000, Some(20_000), 128),
    };
    let rate = cli.rate.unwrap_or(rate);
    let seconds = if cli.quick { 20 } else { 300 };
    let votes = cli.votes.or(votes);
    let votes = votes.unwrap_or(u64::from(rate) * seconds);
    let logs = cli.logs.clone();
    Options {
        votes,
        rate,
        connections,
        bound: BOUND + Duration::from_secs(votes * SLOWER / u64::from(rate)),
        quick: cli.quick,
        tail: Duration::from_secs(cli.tail),
        settings: cli.setting.clone(),
        logs: logs.unwrap_or_else(|| bin_dir.with_file_name("chaos")),
        bin_dir: bin_dir.to_owned(),
    }
}

/// `None`: the suite was told to stop. All that the scenario has started is gone then.
async fn carry_out(
    scenario: &Scenario,
    scene: Scene,
    signals: &mut EndSignals,
) -> Option<ScenarioResult> {
    let bound = scene.options.bound;
    let mut task = tokio::spawn((scenario.run)(scene.clone()));
    let broken = |why: String| ScenarioResult::Broken {
        scenario: scene.name.to_owned(),
        why,
        seconds: scene.elapsed().as_secs(),
    };
    tokio::select! {
        done = &mut task => Some(match done {
            Ok(Ok(findings)) => ScenarioResult::Done(findings),
            Ok(Err(error)) if error.is::<LeftOut>() => ScenarioResult::LeftOut {
                scenario: scene.name.to_owned(),
                why: error.to_string(),
            },
            Ok(Err(error)) => broken(format!("{error:#}")),
            Err(error) => broken(format!("in step \"{}\": {}", scene.last_step(), panic_text(error))),
        }),
        () = tokio::time::sleep(bound) => {
            end(task).await;
            let step = scene.last_step();
            Some(broken(format!("it did not end within {} s; its last step was: {step}", bound.as_secs())))
        }
        () = signals.asked() => {
            end(task).await;
            None
        }
    }
}

/// Ends a scenario; what it owns, it kills on the way.
async fn end(task: tokio::task::JoinHandle<anyhow::Result<Findings>>) {
    task.abort();
    let _cancelled = task.await;
}

fn panic_text(error: tokio::task::JoinError) -> String {
    match error.try_into_panic() {
        Ok(panic) => match (panic.downcast_ref::<String>(), panic.downcast_ref::<&str>()) {
            (Some(text), _) => text.clone(),
            (None, Some(text)) => (*text).to_owned(),
            (None, None) => "it panicked".to_owned(),
        },
        Err(error) => error.to_string(),
    }
}

/// The signals that end the suite.
#[derive(Debug)]
struct EndSignals {
    interrupt: Signal,
    terminate: Signal,
}

impl EndSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
