//! The commit protocol, checked against a model: real lanes and the real scripts on a real Redis, taken
//! through thousands of random schedules of lost requests, lost replies, late attempts, crashes, operator's
//! changes and decisions, and votes, each shrunk to its smallest form where it breaks a promise. Writers are lanes of a
//! process each, or of one, and then share its connection.
//!
//! Other schedules than those of every run: `PROPTEST_RNG_SEED=7 PROPTEST_CASES=20000 cargo test -p
//! vote-store model`.

mod casting;
mod check;
mod decided;
mod deciding;
mod deciding_mutants;
mod figures;
mod gate;
mod harness;
mod late;
mod life;
mod mutants;
mod process;
mod requests;
mod steps;
mod system;

use std::sync::atomic::Ordering;

use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::ReferenceStateMachine as _;

use self::check::Check;
use self::deciding_mutants::DECIDING_MUTANTS;
use self::harness::Harness;
use self::mutants::{MUTANTS, Mutant};
use self::steps::{Protocol, Reference, Step};
use self::system::System;

/// Schedules of a run, and the steps of the longest.
const SCHEDULES: u32 = 2_000;
const STEPS: usize = 40;

const COMMIT: &str = include_str!("../../lua/commit.lua");
const DECIDE: &str = include_str!("../../lua/decide_quarantine.lua");

/// Every run takes the same schedules, so that a change is judged by itself and not by its luck.
const SEED: u64 = 1;

#[test]
fn the_commit_protocol_keeps_its_promises() {
    keeps_its_promises(&Harness::start(false), SCHEDULES);
}

/// A cut connection takes with it the requests of all lanes that share it.
#[test]
fn lanes_that_share_a_connection_keep_the_same_promises() {
    let harness = Harness::start(true);
    keeps_its_promises(&harness, SCHEDULES / 2);
    let together = harness.cut_together.load(Ordering::Relaxed);
    println!("{together} times a cut took the requests of both");
    assert!(together > 0, "they never shared one");
}

fn keeps_its_promises(harness: &Harness, schedules: u32) {
    // Takes PROPTEST_CASES and PROPTEST_RNG_SEED from the environment.
    let given = Config::default();
    let config = Config {
        cases: if given.cases == 256 {
            schedules
        } else {
            given.cases
        },
        rng_seed: match given.rng_seed {
            RngSeed::Random => RngSeed::Fixed(SEED),
            fixed => fixed,
        },
        // No file is left behind: a schedule that has failed is printed, and its seed.
        failure_persistence: None,
        max_shrink_iters: 20_000,
        max_shrink_time: 60_000,
        ..given
    };
    let seed = config.rng_seed;
    println!("{} schedules, PROPTEST_RNG_SEED={seed}", config.cases);
    match check_all(harness, config) {
        Ok(()) => {}
        Err(TestError::Abort(why)) => panic!("PROPTEST_RNG_SEED={seed}: {why}"),
        Err(TestError::Fail(why, (reference, steps))) => {
            let listed: Vec<String> = steps.iter().map(|step| format!("  {step:?}\n")).collect();
            panic!(
                "PROPTEST_RNG_SEED={seed}: {why}\nwith {reference:?} and the steps\n{}",
                listed.concat()
            );
        }
    }
}

/// The model itself is put to the test: a mistake in the script that it does not find is one that
/// could be made. In two halves, which run side by side.
#[test]
fn the_model_finds_mistakes_in_the_script() {
    let harness = Harness::start(false);
    find_all(
        &harness,
        &MUTANTS[..MUTANTS.len() / 2],
        COMMIT,
        Harness::mutate,
    );
}

#[test]
fn the_model_finds_the_other_mistakes_in_the_script() {
    let harness = Harness::start(false);
    find_all(
        &harness,
        &MUTANTS[MUTANTS.len() / 2..],
        COMMIT,
        Harness::mutate,
    );
}

/// And so does that of lanes that share a connection: the first ones, which are of repeats, old attempts and gaps, as a cut makes them.
#[test]
fn the_model_of_a_shared_connection_finds_mistakes_in_the_script() {
    let harness = Harness::start(true);
    find_all(&harness, &MUTANTS[..8], COMMIT, Harness::mutate);
}

#[test]
fn the_model_finds_mistakes_in_the_deciding_script() {
    let harness = Harness::start(false);
    find_all(&harness, DECIDING_MUTANTS, DECIDE, Harness::mutate_deciding);
}

fn find_all(harness: &Harness, mutants: &[Mutant], script: &str, mutate: fn(&Harness, &str)) {
    let mut survivors = Vec::new();
    for (mistake, right, wrong) in mutants {
        assert_eq!(
            script.matches(right).count(),
            1,
            "the script has changed: where would it be that {mistake}?"
        );
        mutate(harness, &script.replace(right, wrong));
        let config = Config {
            // It ends with the first that finds the mistake; some need a rare one.
            cases: 2 * SCHEDULES,
            rng_seed: RngSeed::Fixed(SEED),
            failure_persistence: None,
            max_shrink_iters: 0,
            ..Config::default()
        };
        match check_all(harness, config) {
            Ok(()) => survivors.push(mistake),
            Err(found) => println!("{mistake}: {}", first_line(&found)),
        }
    }
    assert!(survivors.is_empty(), "not found: {survivors:?}");
}

fn check_all(harness: &Harness, config: Config) -> Result<(), TestError<(Reference, Vec<Step>)>> {
    // How far a schedule has come is told to the shrinking alone: without it, nobody takes note.
    let shrinks = config.max_shrink_iters > 0;
    TestRunner::new(config)
        .run(
            &Protocol::sequential_strategy(1..STEPS),
            |(mut reference, steps, seen)| {
                harness.runtime.block_on(async {
                    let mut system = System::start(harness, &reference).await;
                    let mut check = Check::default();
                    for step in steps {
                        if let Some(seen) = seen.as_ref().filter(|_| shrinks) {
                            seen.fetch_add(1, Ordering::SeqCst);
                        }
                        reference = Protocol::apply(reference, &step);
                        system.step(&reference, &step).await;
                        check.after_step(&system);
                    }
                    system.finish().await;
                    check.at_end(&system);
                    system.stop().await;
                });
                Ok(())
            },
        )
        .map_err(|error| match error {
            TestError::Abort(why) => TestError::Abort(why),
            TestError::Fail(why, (reference, steps, _)) => TestError::Fail(why, (reference, steps)),
        })
}

fn first_line(found: &TestError<(Reference, Vec<Step>)>) -> String {
    match found {
        TestError::Abort(why) | TestError::Fail(why, _) => {
            why.message().lines().next().unwrap_or_default().to_owned()
        }
    }
}
