//! `votectl poll apply FILE…`

use crate::commands::poll::candidates;
use crate::commands::poll::channels;
use crate::commands::poll::file;
use crate::commands::poll::release::confirm_release;
use crate::commands::poll::said::{in_zone, refused};
use crate::commands::poll::visibility::confirm_showing;
use crate::context::Context;
use crate::failure::Failure;
use crate::new_poll::new_poll;
use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::PathBuf;
use vote_domain::{Difference, Poll, PollDefinition, PollFile, PollState, Reapplied};
use vote_store::PollOperator;

/// What a poll's file may leave out.
const OPTIONAL: &[&str] = &[
    "kind",
    "timezone",
    "visibility",
    "release",
    "language",
    "shards",
    "channels",
];

/// Which files to apply.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The poll's file in YAML or JSON; `-` reads standard input. Of several all are checked before one is applied
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Only show what would change
    #[arg(long)]
    dry_run: bool,

    /// Don't ask for a confirmation where the audience would see more than before, or figures would go on air
    #[arg(long)]
    yes: bool,
}

/// What applying a file comes to.
#[derive(Debug)]
struct Change {
    /// The poll as it will be.
    next: Poll,
    /// The revision that it was changed from, 0 for a new one.
    from: u64,
    differences: Vec<Difference>,
    /// What stays although the file says otherwise, since a command has changed it.
    kept: Vec<Difference>,
    /// Fields that the file leaves to their defaults, where that is what they get.
    defaults: Vec<&'static str>,
}

/// Creates or changes polls, each from its file. Nothing is written where one of them is wrong or refused.
///
/// # Errors
/// [`Failure::Usage`] with every rule that a file breaks; [`Failure::Refused`] when a poll's state doesn't allow the
/// change.
pub(super) async fn run(args: ApplyArgs, context: &mut Context<'_>) -> Result<(), Failure> {
    let files = all(args.files.iter().map(|file| file::read(file)))?;
    each_once(&files)?;
    let operator = context.operator()?;
    let mut planned = Vec::new();
    for file in &files {
        let current = operator.get(file.definition().id()).await?;
        let change = plan(current.as_ref(), file, context);
        planned.push(change.map(|change| (current, change)));
    }
    let planned = all(planned.into_iter())?;
    for (_, change) in &planned {
        for remark in remarks(change, context.now()) {
            context.terminal.note(&remark);
        }
    }
    if !args.dry_run {
        for (current, change) in &planned {
            let visibility = change.next.definition.visibility();
            if let Some(current) = current {
                confirm_showing(current, visibility, args.yes, context)?;
                confirm_release(current, &change.next, args.yes, context)?;
            }
        }
        for (_, change) in &planned {
            write(&operator, change, context).await?;
        }
    }
    let changes: Vec<_> = planned.into_iter().map(|(_, change)| change).collect();
    report(&changes, args.dry_run, context)
}

/// All of them, or what is wrong with any.
fn all<T>(results: impl Iterator<Item = Result<T, Failure>>) -> Result<Vec<T>, Failure> {
    let (mut good, mut failures) = (Vec::new(), Vec::new());
    for result in results {
        match result {
            Ok(one) => good.push(one),
            Err(failure) => failures.push(failure),
        }
    }
    if failures.len() < 2 {
        return failures.pop().map_or(Ok(good), Err);
    }
    let texts: Vec<String> = failures.iter().map(Failure::to_string).collect();
    let text = texts.join("\n");
    let wrong_input = |failure: &Failure| matches!(failure, Failure::Usage(_));
    Err(if failures.iter().any(wrong_input) {
        Failure::usage(text)
    } else {
        Failure::refused(text)
    })
}

fn each_once(files: &[PollFile]) -> Result<(), Failure> {
    let mut ids = BTreeSet::new();
    match files
        .iter()
        .find(|file| !ids.insert(file.definition().id()))
    {
        None => Ok(()),
        Some(file) => Err(Failure::usage(format!(
            "two of the files are of the poll `{}`; nothing was written",
            file.definition().id()
        ))),
    }
}

async fn write(
    operator: &PollOperator,
    change: &Change,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    if change.next.revision != change.from {
        context.wrote(operator.save(&change.next, change.from).await?);
    } else if change.next.state != PollState::Void {
        // An earlier attempt may have failed between the document and the last shard's fence.
        super::change::fence_again(operator, &change.next, context).await?;
    }
    context.memory.see(&change.next, context.clock.now());
    Ok(())
}

fn plan(current: Option<&Poll>, file: &PollFile, context: &Context<'_>) -> Result<Change, Failure> {
    let (now, by) = (context.now(), &context.global.by);
    let left_out = || {
        let names = OPTIONAL.iter().copied();
        names.filter(|name| !file.names(name)).collect()
    };
    let Some(current) = current else {
        return Ok(Change {
            next: new_poll(file.definition().clone(), now, by)?,
            from: 0,
            differences: Vec::new(),
            kept: Vec::new(),
            defaults: left_out(),
        });
    };
    let held = current.held();
    let Reapplied { definition, kept } = file
        .onto(&current.definition, &held)
        .map_err(|error| refused(&current.definition, error))?;
    let mut differences = current.definition.differences(&definition);
    let next = current.redefine(definition, now, by).map_err(|error| {
        let hint = another_id(current.effective_state(now));
        refused(&current.definition, format!("{error}{hint}"))
    })?;
    differences.retain(|difference| difference.from != difference.to);
    Ok(Change {
        next,
        from: current.revision,
        differences,
        kept,
        defaults: if held.unnamed { Vec::new() } else { left_out() },
    })
}

/// Last week's file with this week's candidates is the usual cause.
fn another_id(state: PollState) -> &'static str {
    match state {
        PollState::Draft | PollState::Open | PollState::Paused => "",
        PollState::Closed | PollState::Sealed | PollState::Void => {
            ". If the file is for another poll, choose another id: this one is taken for good (`votectl poll list` has all)"
        }
    }
}

/// What is no mistake, or not yet, and yet should be known.
fn remarks(change: &Change, now: Timestamp) -> Vec<String> {
    let poll = &change.next;
    let definition = &poll.definition;
    let id = definition.id();
    let kept = change.kept.iter().map(|Difference { field, from, to }| {
        let (from, to) = (in_zone(from, definition), in_zone(to, definition));
        let command = match field.as_str() {
            "visibility" => format!("visibility {id}"),
            "release" => format!("release {id}` or `votectl poll hold {id}"),
            _ => format!("reschedule {id}"),
        };
        format!(
            "poll {id}: {field} stays {from}, for a command has changed it since; the file says {to}. \
             `votectl poll {command}` changes it"
        )
    });
    let draft = poll.state == PollState::Draft;
    // A draft can be changed until it is opened.
    let past = (draft && poll.is_over(now)).then(|| {
        format!(
            "poll {id}: its end, {}, has come: it can't be opened until it is applied with a later closes_at",
            definition.shown(poll.closes_at)
        )
    });
    let names = candidates::remarks(definition);
    let first = draft.then(|| channels::remark(definition, true)).flatten();
    let limits = channels::first_limits(poll, change.from);
    kept.chain(past)
        .chain(first)
        .chain(limits)
        .chain(names)
        .collect()
}

fn report(changes: &[Change], dry_run: bool, context: &mut Context<'_>) -> Result<(), Failure> {
    if context.json() {
        let documents: Vec<Value> = changes
            .iter()
            .map(|change| document(change, dry_run))
            .collect();
        return match documents.as_slice() {
            [one] => context.write_json(one),
            several => context.write_json(&several),
        };
    }
    for change in changes {
        let text = text(change, action(change), dry_run, context.now());
        context.terminal.line(&text)?;
    }
    Ok(())
}

fn action(change: &Change) -> &'static str {
    match change.from {
        0 => "created",
        from if from == change.next.revision => "unchanged",
        _ => "changed",
    }
}

fn document(change: &Change, dry_run: bool) -> Value {
    json!({
        "poll": change.next.definition.id(),
        "action": action(change),
        "dry_run": dry_run,
        "state": change.next.state,
        "revision": change.next.revision,
        "differences": change.differences,
        "kept": change.kept,
        "defaults": change.defaults,
    })
}

fn text(change: &Change, action: &str, dry_run: bool, now: Timestamp) -> String {
    let definition = &change.next.definition;
    let id = definition.id();
    let mut text = match (action, dry_run) {
        ("unchanged", _) => {
            return format!(
                "poll {id} is unchanged ({}, revision {})",
                change.next.state, change.from
            );
        }
        (_, true) => format!("poll {id} would be {action}, nothing was written\n"),
        (_, false) => format!(
            "poll {id} {action} ({}, revision {})\n",
            change.next.state, change.next.revision
        ),
    };
    if change.from == 0 {
        let candidates: Vec<&str> = definition
            .candidates()
            .iter()
            .map(|candidate| candidate.id.as_str())
            .collect();
        let channels: Vec<String> = definition
            .channels()
            .iter()
            .map(|channel| {
                format!(
                    "{} (weight {}, {})",
                    channel.id, channel.weight, channel.eligibility
                )
            })
            .collect();
        for (field, value) in [
            ("title", definition.title().to_owned()),
            ("kind", definition.kind().to_string()),
            ("direction", definition.direction().to_string()),
            ("opens_at", definition.shown(definition.opens_at())),
            ("closes_at", definition.shown(definition.closes_at())),
            ("timezone", definition.timezone().to_owned()),
            ("visibility", definition.visibility().to_string()),
            ("release", definition.release_rule().to_string()),
            ("language", definition.language().to_string()),
            ("shards", definition.shards().to_string()),
            ("candidates", candidates.join(", ")),
            ("channels", channels.join(", ")),
        ] {
            let is_default = change.defaults.contains(&field);
            let default = if is_default { " (default)" } else { "" };
            text.push_str(&format!("+ {field}: {value}{default}\n"));
        }
        if !change.next.is_over(now) {
            text.push_str(&format!("{}\n", when_it_opens(definition, now)));
        }
    }
    for Difference { field, from, to } in &change.differences {
        let (from, to) = (in_zone(from, definition), in_zone(to, definition));
        text.push_str(&format!("- {field}: {from}\n+ {field}: {to}\n"));
    }
    text.trim_end().to_owned()
}

/// Whoever applies a file looks here for how the poll opens.
fn when_it_opens(definition: &PollDefinition, now: Timestamp) -> String {
    let id = definition.id();
    if now < definition.opens_at() {
        return format!(
            "it opens by itself at {}, if `votectl poll open {id}` is said before; until then it is not public",
            definition.shown(definition.opens_at())
        );
    }
    format!("it takes votes after `votectl poll open {id}`")
}

#[cfg(test)]
mod tests {
    use super::{action, plan, text};
    use crate::built_in::DEMO_FILE;
    use crate::commands::poll::file::parse;
    use crate::context::Context;
    use crate::global::Global;
    use crate::memory::Memory;
    use crate::terminal::Terminal;
    use vote_domain::{ManualClock, Poll, Transition};

    fn planned(current: Option<&Poll>, file: &str) -> Result<String, String> {
        let clock = ManualClock::new("2026-11-24T00:00:00Z".parse().expect("it can be parsed"));
        let mut terminal = Terminal::scripted(Vec::new(), Vec::new(), None);
        let global = Global::given(&["--by", "ana"]);
        let memory = Memory::within(None, String::new());
        let context = Context::new(global, &mut terminal, &clock, memory);
        let file = parse("demo.yaml", file.as_bytes()).map_err(|error| error.to_string())?;
        let change = plan(current, &file, &context).map_err(|error| error.to_string())?;
        Ok(text(&change, action(&change), false, context.now()))
    }

    fn demo() -> Poll {
        let file = parse("demo.yaml", DEMO_FILE.as_bytes()).expect("the file is right");
        Poll::draft(
            file.definition().clone(),
            "2026-11-24T00:00:00Z".parse().expect("it can be parsed"),
            "ana",
        )
    }

    #[test]
    fn a_new_poll_is_shown_whole() {
        insta::assert_snapshot!(planned(None, DEMO_FILE).expect("the file is right"));
    }

    #[test]
    fn the_same_file_changes_nothing() {
        assert_eq!(
            planned(Some(&demo()), DEMO_FILE).expect("the file is right"),
            "poll paredao-01 is unchanged (draft, revision 1)"
        );
    }

    #[test]
    fn what_differs_is_shown_field_by_field() {
        let file = DEMO_FILE
            .replace("weight: 30", "weight: 40")
            .replace("title: Paredão 1", "title: O primeiro paredão");
        insta::assert_snapshot!(planned(Some(&demo()), &file).expect("the file is right"));
    }

    #[test]
    fn an_open_poll_refuses_a_change_of_its_rules() {
        let open = demo()
            .transition(
                Transition::Open,
                "2026-11-24T00:00:00Z".parse().expect("it can be parsed"),
                "ana",
            )
            .expect("the file is right");
        let file = DEMO_FILE.replace("weight: 30", "weight: 40");
        let refused = planned(Some(&open), &file).expect_err("it is refused");
        assert!(
            refused.contains("paredao-01")
                && refused.contains("weight")
                && refused.contains("open"),
            "{refused}"
        );
    }

    #[test]
    fn an_id_of_a_poll_that_is_over_is_not_used_again() {
        let at = "2026-11-24T00:00:00Z".parse().expect("it can be parsed");
        let after = |transitions: &[Transition]| {
            transitions.iter().fold(demo(), |poll, transition| {
                poll.transition(*transition, at, "ana").expect("legal")
            })
        };
        let file = DEMO_FILE
            .replace("name: Ana", "name: Amanda")
            .replace("weight: 30", "weight: 40");
        for over in [
            after(&[Transition::Void]),
            after(&[Transition::Open, Transition::Close]),
            after(&[Transition::Open, Transition::Close, Transition::Seal]),
        ] {
            let refused = planned(Some(&over), &file).expect_err("it is refused");
            assert!(
                refused.contains("choose another id") && refused.contains("paredao-01"),
                "{refused}"
            );
        }
        let running = after(&[Transition::Open]);
        let refused = planned(Some(&running), &file).expect_err("it is refused");
        assert!(!refused.contains("another id"), "{refused}");
    }

    #[test]
    fn a_wrong_file_is_told_all_its_mistakes() {
        let file = DEMO_FILE
            .replace("weight: 30", "weight: 0")
            .replace("direction: eliminate", "direction: sideways");
        let error = planned(None, &file).expect_err("it is refused");
        assert!(
            error.contains("2 mistakes") && error.contains("weight") && error.contains("direction"),
            "{error}"
        );
    }
}
