//! Warm functions: the cost of a request without the time of the table. The binaries are those that are deployed. Each runs
//! between a Runtime API, which sends API Gateway's events, and an endpoint that replays the responses of the table from
//! memory.

mod comparison;
mod counts;
mod operations;
mod table;

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    path::PathBuf,
    process::Stdio,
    time::Duration,
};

use serde_json::Value;
use tokio::process::Command;

use self::{
    counts::{START, count},
    operations::{FUNCTIONS, Fixture, Operation},
    table::{Recording, Table},
};
use crate::{
    callgrind::{Counts, check_valgrind},
    programs::{BARE, Choice, Programs},
    runtime::{Failure, Function},
};

/// The file of the expected counts, with which `--check` compares.
const EXPECTED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/warm.json");

/// The largest difference of a count from the expected one, as a share of it. Random ids and the order of maps change a
/// count far less. Another compiler or library changes it more.
const TOLERANCE: f64 = 0.1;

/// The benchmark's limit for the median time of a request without the time of the table.
const BAR: Duration = Duration::from_micros(500);

/// The number of requests after which a function counts as warm.
const WARM_UP: usize = 100;

/// The factor by which the requests are fewer if each hashes a password.
const FEWER_HASHES: usize = 40;

/// The options on the command line.
#[derive(Debug, clap::Args)]
pub struct Options {
    #[command(flatten)]
    choice: Choice,
    /// The number of requests of each kind that are timed.
    #[arg(long, default_value_t = 2_000)]
    times: usize,
    /// Only compare the counts with those in bench/warm.json, and fail if one differs by more than a tenth.
    #[arg(long, conflicts_with_all = ["times", "write"])]
    check: bool,
    /// Write the counts into bench/warm.json.
    #[arg(long, conflicts_with = "check")]
    renew: bool,
    /// Only write a profile of each request to this directory, for callgrind_annotate. The binaries must have symbols:
    /// CARGO_PROFILE_RELEASE_STRIP=none.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "renew", "write"])]
    profiles: Option<PathBuf>,
    /// Only compare with the functions that `sam build` has written to this directory, such as those of an earlier commit.
    #[arg(long, value_name = "DIR", conflicts_with_all = ["check", "renew", "write", "profiles"])]
    before: Option<PathBuf>,
    /// Let the functions log lines without metrics, and not ask for units.
    #[arg(long, conflicts_with_all = ["check", "renew", "write"])]
    without_metrics: bool,
    /// Measure only the requests whose name contains this.
    #[arg(long, conflicts_with_all = ["renew", "write"])]
    only: Option<String>,
}

/// Measures every request of the list.
///
/// # Errors
/// Returns an error if a function or valgrind fails, or if a count differs from the expected one.
pub async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    measure(options)
        .await
        .map_err(|error| -> Box<dyn Error> { error })
}

async fn measure(options: &Options) -> Result<String, Failure> {
    check_valgrind().await?;
    let functions = FUNCTIONS.map(str::to_owned);
    let is_bare = !options.check && options.before.is_none();
    let programs = Programs::of(&options.choice, &functions, is_bare).await;
    let programs = programs.map_err(|error| error.to_string())?;
    let (fixture, mut operations) = Fixture::start().await?;
    if !is_bare {
        operations.retain(|operation| FUNCTIONS.contains(&operation.function));
    }
    if let Some(text) = &options.only {
        operations.retain(|operation| operation.name.contains(text));
    }
    let namespace = if options.without_metrics { "" } else { "marquee" };
    let bench = Bench::new(programs, &fixture, namespace, &operations).await?;
    let text = if let Some(directory) = &options.profiles {
        fs::create_dir_all(directory)?;
        for operation in &operations {
            counts::profile(&bench, operation, directory).await?;
        }
        format!("{} profiles in {}", operations.len(), directory.display())
    } else if let Some(before) = &options.before {
        let programs = comparison::programs(before).await?;
        // A server of its own, because a refresh token, for example, works once.
        let (own_fixture, mut own) = Fixture::start().await?;
        own.retain(|own| operations.iter().any(|operation| operation.name == own.name));
        let before = Bench::new(programs, &own_fixture, namespace, &own).await?;
        let sides = [(&before, &*own), (&bench, &*operations)];
        let text = comparison::compare(sides, options.times).await?;
        own_fixture.stop().await;
        text
    } else if options.check {
        guard(&bench, &operations).await?
    } else {
        full(options, &bench, &operations).await?
    };
    fixture.stop().await;
    Ok(text)
}

/// The binaries, the recordings and the server that every measurement needs.
struct Bench<'a> {
    programs: Programs,
    recordings: HashMap<&'static str, Recording>,
    fixture: &'a Fixture,
    /// The namespace of the functions' metrics. Empty for none.
    namespace: &'static str,
}

impl<'a> Bench<'a> {
    /// Sends each request once with the engine as the table, and records the calls.
    async fn new(
        programs: Programs,
        fixture: &'a Fixture,
        namespace: &'static str,
        operations: &[Operation],
    ) -> Result<Self, Failure> {
        let mut bench = Self {
            programs,
            recordings: HashMap::new(),
            fixture,
            namespace,
        };
        for operation in operations {
            let recording = bench.record(operation).await?;
            bench.recordings.insert(operation.name, recording);
        }
        Ok(bench)
    }

    async fn record(&self, operation: &Operation) -> Result<Recording, Failure> {
        let table = Table::recording(self.fixture.engine()?).await?;
        let mut function = self.start(operation, &table).await?;
        let answer = function.invoke(&operation.event).await?;
        operation.check(&answer.body)?;
        function.stop().await?;
        table.recorded()
    }

    fn program(&self, operation: &Operation) -> Result<PathBuf, Failure> {
        let path = self.programs.path(operation.function);
        path.map_err(|error| error.to_string().into())
    }

    fn recording(&self, operation: &Operation) -> Result<&Recording, Failure> {
        let recording = self.recordings.get(operation.name);
        Ok(recording.ok_or("the operation wasn't recorded")?)
    }

    /// Returns the environment of the function. The function logs as on AWS, and its lines are its metrics.
    fn environment(&self, table: &Table) -> [(&'static str, String); 5] {
        [
            ("TABLE_NAME", "marquee".into()),
            ("DYNAMODB_ENDPOINT", table.url.clone()),
            ("AUTH_SECRETS_FILE", self.fixture.secrets().display().to_string()),
            ("METRICS_NAMESPACE", self.namespace.into()),
            ("RUST_LOG", "info".into()),
        ]
    }

    async fn start(&self, operation: &Operation, table: &Table) -> Result<Function, Failure> {
        let mut command = Command::new(self.program(operation)?);
        // The function writes its log, as on AWS, and the log is discarded.
        command.stderr(Stdio::from(File::options().write(true).open("/dev/null")?));
        Function::spawn(&mut command, &self.environment(table)).await
    }
}

impl Operation {
    /// Checks the status of a response.
    ///
    /// # Errors
    /// Returns an error if it isn't the expected status.
    fn check(&self, answer: &Value) -> Result<(), Failure> {
        if answer["statusCode"] == self.status {
            return Ok(());
        }
        Err(format!("{}: {answer}", self.name).into())
    }
}

/// The times of an operation.
struct Times {
    /// For each request, the time from the event to the response, without the time of the calls to the table. Shortest
    /// first.
    overheads: Vec<Duration>,
    /// The processor time of one request.
    processor: Duration,
}

impl Times {
    /// Returns the times of several turns of as many requests each.
    fn of_turns(turns: Vec<Self>) -> Self {
        let count = u32::try_from(turns.len()).unwrap_or(u32::MAX).max(1);
        let processor = turns.iter().map(|turn| turn.processor).sum::<Duration>() / count;
        let mut overheads: Vec<_> = turns.into_iter().flat_map(|turn| turn.overheads).collect();
        overheads.sort_unstable();
        Self { overheads, processor }
    }

    /// Returns the time within which this share of the requests was answered.
    fn of(&self, share: f64) -> Duration {
        let last = self.overheads.len().saturating_sub(1);
        let at = (last as f64 * share).round() as usize;
        self.overheads.get(at).copied().unwrap_or_default()
    }
}

/// Measures the times of an operation. Its calls are answered from the recording. With `expected`, each request must make this
/// many calls.
async fn time(
    bench: &Bench<'_>,
    operation: &Operation,
    recording: &Recording,
    times: usize,
    expected: Option<usize>,
) -> Result<Times, Failure> {
    let (warm_up, times) = if operation.hashes {
        (1, times.div_ceil(FEWER_HASHES))
    } else {
        (WARM_UP, times)
    };
    let table = Table::replaying().await?;
    table.replay(recording);
    let mut function = bench.start(operation, &table).await?;
    for _ in 0..warm_up {
        operation.check(&function.invoke(&operation.event).await?.body)?;
    }
    let pid = function.pid().ok_or("the function has ended")?;
    let before = processor_time(pid)?;
    let mut overheads = Vec::with_capacity(times);
    let mut calls = 0;
    for _ in 0..times {
        table.busy();
        let answer = function.invoke(&operation.event).await?;
        operation.check(&answer.body)?;
        let busy = table.busy();
        overheads.push((answer.came - answer.handed).saturating_sub(busy.time));
        calls += busy.calls;
    }
    let used = processor_time(pid)?.saturating_sub(before);
    function.stop().await?;
    table.check()?;
    overheads.sort_unstable();
    if let Some(rounds) = expected
        && calls != rounds * times
    {
        return Err(format!(
            "{}: {calls} calls in {times} requests, and not {rounds} each",
            operation.name
        )
        .into());
    }
    Ok(Times {
        overheads,
        processor: used / u32::try_from(times)?,
    })
}

/// Returns the time for which the threads of a process have run (Linux: the first number of a task's `schedstat`, in
/// nanoseconds).
fn processor_time(pid: u32) -> Result<Duration, Failure> {
    let mut all = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split_whitespace().next().ok_or("an empty schedstat")?;
        all += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(all))
}

/// Counts the instructions and allocations of every operation that hashes no password, one function after another.
async fn counts(bench: &Bench<'_>, operations: &[Operation]) -> Result<BTreeMap<String, Counts>, Failure> {
    let mut counts = BTreeMap::new();
    for function in FUNCTIONS.into_iter().chain(BARE) {
        let of_function = |operation: &&Operation| operation.function == function && !operation.hashes;
        let operations: Vec<&Operation> = operations.iter().filter(of_function).collect();
        counts.extend(count(bench, &operations).await?);
    }
    Ok(counts)
}

/// The text above the tables.
const TEXT: &str = "\
Each release binary runs as it is deployed, over plain HTTP and with logs written, between a Runtime API that hands out API
Gateway's events and a table that answers from memory what the engine answered once.

- *p50* and *p99*: time from the moment the event is handed out until the whole answer has arrived, less the time in which a
  call to the table was in progress. They include loopback to the Runtime API and to the table, and whatever else the machine
  does.
- *bare*: the p50, measured right after, of a bare function that makes the same calls in the same round trips, gets the
  same answers and ignores them. The SDK and the Runtime API take this time whatever a function does.
- *beyond*: p50 less *bare*, or 0 where noise makes the bare function the slower one.
- *processor*: processor time of the function's process.
- *instructions* and *allocations*: counted by callgrind, so they don't depend on the machine's load. Callgrind's processor
  has no SHA instructions, so signing takes more instructions here than on AWS.
- *the SDK's*: the share of the instructions that the calls to the table take at least: the difference between a bare function
  that makes one GetItem and one that makes no call, times the number of calls.

";

/// The names of the requests to the two bare functions.
const NO_CALL: &str = "a bare function";
const ONE_CALL: &str = "a bare function, GetItem";

/// Measures the times and counts of every operation, and returns the section of the page.
async fn full(options: &Options, bench: &Bench<'_>, operations: &[Operation]) -> Result<String, Failure> {
    let counts = counts(bench, operations).await?;
    if options.renew {
        let mut guarded = counts.clone();
        guarded.retain(|name, _| {
            let function = name.strip_prefix(START).unwrap_or_default();
            ![NO_CALL, ONE_CALL].contains(&name.as_str()) && !BARE.contains(&function)
        });
        fs::write(EXPECTED, serde_json::to_string_pretty(&guarded)? + "\n")?;
    }
    let of_call = counts.get(NO_CALL).zip(counts.get(ONE_CALL));
    let of_call = of_call.map(|(none, one)| one.instructions.saturating_sub(none.instructions));
    let mut text = TEXT.to_owned()
        + "| request | calls | p50 µs | bare µs | beyond µs | p99 µs | processor µs | instructions | the SDK's | \
           allocations |\n|---|---|---|---|---|---|---|---|---|---|\n";
    let (mut slow, mut beyond_the_bar) = (Vec::new(), Vec::new());
    for operation in operations {
        let calls: usize = operation.calls.iter().sum();
        let times = time(
            bench,
            operation,
            bench.recording(operation)?,
            options.times,
            Some(calls),
        )
        .await?;
        let (half, most) = (times.of(0.5), times.of(0.99));
        let judged = FUNCTIONS.contains(&operation.function) && !operation.hashes;
        let mut beside = " | ".to_owned();
        if judged {
            let recording = bench.recording(operation)?.last(calls);
            let recording = recording.ok_or("too few calls were recorded")?;
            let bare = operation.bare(&recording);
            let bare = time(bench, &bare, &recording, options.times, Some(calls)).await?;
            let beyond = half.saturating_sub(bare.of(0.5));
            if half > BAR {
                slow.push(operation.name);
            }
            if beyond > BAR {
                beyond_the_bar.push(operation.name);
            }
            beside = format!("{} | {}", bare.of(0.5).as_micros(), beyond.as_micros());
        }
        let counted = counts.get(operation.name).map_or_else(
            || " | | ".to_owned(),
            |counts| {
                let sdk = u64::try_from(calls).ok().zip(of_call);
                let sdk = sdk.map_or_else(String::new, |(calls, of_call)| {
                    format!("{} %", calls * of_call * 100 / counts.instructions.max(1))
                });
                format!("{} | {sdk} | {}", counts.instructions, counts.allocations)
            },
        );
        let [half, most, processor] = [half, most, times.processor].map(|time| time.as_micros());
        writeln!(
            text,
            "| {} | {calls} | {half} | {beside} | {most} | {processor} | {counted} |",
            operation.name
        )?;
    }
    text += "\n| from a process's start to its first poll | instructions | allocations |\n|---|---|---|\n";
    for (name, counts) in &counts {
        if let Some(function) = name.strip_prefix(START) {
            let Counts {
                instructions,
                allocations,
            } = counts;
            writeln!(text, "| `{function}` | {instructions} | {allocations} |")?;
        }
    }
    text += &match slow.is_empty() {
        true => format!("\np50 is at most {BAR:?} for every request.\n"),
        false => format!("\np50 is over {BAR:?} for: {}.\n", slow.join("; ")),
    };
    text += &match beyond_the_bar.is_empty() {
        true => format!("\nBeyond the bare function, every request is within {BAR:?}."),
        false => format!(
            "\nBeyond the bare function, these are over {BAR:?}: {}.",
            beyond_the_bar.join("; ")
        ),
    };
    text += " A login hashes a password and isn't judged.\n";
    Ok(text)
}

/// Compares the counts with the expected ones.
///
/// # Errors
/// Returns an error if one differs by more than the tolerance.
async fn guard(bench: &Bench<'_>, operations: &[Operation]) -> Result<String, Failure> {
    let expected: BTreeMap<String, Counts> = serde_json::from_str(&fs::read_to_string(EXPECTED)?)?;
    let counts = counts(bench, operations).await?;
    let mut text = String::from(
        "| request | instructions | expected | allocations | expected |\n\
         |---|---|---|---|---|\n",
    );
    let mut off = Vec::new();
    for (name, counted) in &counts {
        let expected = expected
            .get(name)
            .ok_or_else(|| format!("{EXPECTED} lacks {name}"))?;
        write!(text, "| {name} |")?;
        for (what, count, expected) in [
            ("instructions", counted.instructions, expected.instructions),
            ("allocations", counted.allocations, expected.allocations),
        ] {
            let share = difference(count, expected);
            write!(text, " {count} | {:+.1} % |", share * 100.0)?;
            if share.abs() > TOLERANCE {
                off.push(format!("{name}: {count} {what} and not {expected}"));
            }
        }
        text.push('\n');
    }
    if off.is_empty() {
        return Ok(text);
    }
    Err(format!(
        "{text}\n{}\nIf the new counts are right, write them: cargo measure warm --renew",
        off.join("\n")
    )
    .into())
}

/// Returns the difference between a count and the expected one, as a share of the expected one.
fn difference(count: u64, expected: u64) -> f64 {
    (count as f64 - expected as f64) / expected as f64
}
