//! Two builds of the functions, compared in one run.

use std::{fmt::Write as _, path::Path};

use super::{
    Bench, Times, counts, difference,
    operations::{FUNCTIONS, Operation},
    time,
};
use crate::{
    callgrind::Counts,
    programs::{Choice, Programs},
    runtime::Failure,
};

/// How often the two builds take turns, so that both get the same share of whatever else the machine does.
const TURNS: usize = 4;

/// The text above the table.
const TEXT: &str = "\
Each pair is the build before and the build now, measured in turn in one run, as for docs/performance/warm.md: time less the
table's, processor time, and counts of callgrind.

| request | p50 µs | | processor µs | | instructions | | | allocations | | |
|---|---|---|---|---|---|---|---|---|---|---|
";

/// Returns the functions that `sam build` has written to this directory.
///
/// # Errors
/// Returns an error if the template can't be read.
pub(super) async fn programs(before: &Path) -> Result<Programs, Failure> {
    let functions = FUNCTIONS.map(str::to_owned);
    let programs = Programs::of(&Choice::bootstraps(before), &functions, false).await;
    programs.map_err(|error| error.to_string().into())
}

/// Measures each operation of our functions with both builds, and returns a table.
///
/// # Errors
/// Returns an error if a function or valgrind fails.
pub(super) async fn compare(sides: [(&Bench<'_>, &[Operation]); 2], times: usize) -> Result<String, Failure> {
    let [(before, earlier), (now, operations)] = sides;
    let counted = [counts(before, earlier).await?, counts(now, operations).await?];
    let mut text = TEXT.to_owned();
    let ours = |operation: &Operation| FUNCTIONS.contains(&operation.function) && !operation.hashes;
    for (earlier, operation) in earlier.iter().zip(operations).filter(|(_, now)| ours(now)) {
        let mut turns = [Vec::new(), Vec::new()];
        for _ in 0..TURNS {
            for ((bench, operation), turns) in
                [(before, earlier), (now, operation)].into_iter().zip(&mut turns)
            {
                let recording = bench.recording(operation)?;
                turns.push(time(bench, operation, recording, times.div_ceil(TURNS), None).await?);
            }
        }
        let timed = turns.map(Times::of_turns);
        let p50s = timed.each_ref().map(|times| times.of(0.5).as_micros());
        let processors = timed.each_ref().map(|times| times.processor.as_micros());
        let of = |count: fn(&Counts) -> u64| {
            let [before, now] = counted
                .each_ref()
                .map(|all| all.get(operation.name).map_or(0, count));
            let change = difference(now, before) * 100.0;
            format!("{before} | {now} | {change:+.0} %")
        };
        writeln!(
            text,
            "| {} | {} | {} | {} | {} | {} | {} |",
            operation.name,
            p50s[0],
            p50s[1],
            processors[0],
            processors[1],
            of(|counts| counts.instructions),
            of(|counts| counts.allocations),
        )?;
    }
    Ok(text)
}
