//! The tables, and what they are compared with.

use std::fmt::Write as _;

use super::{load::Load, requests::Operation};
use crate::growth::grouped;

/// The text above the tables.
const HEADING: &str = "\
`peer` is a plain server of the same API, written with axum and rusqlite for this comparison (bench/peer). It answers with the
same JSON, verifies tokens of the same kind, logs each request, and waits for the disk at each commit (`synchronous=FULL`), as
Marquee does. It leaves out everything else that Marquee does for a request: entity tags, CORS, request ids, problem details,
limits, encrypted cursors, idempotency keys. Before the measurement, the benchmark checks that all servers answer with the same
movies.";

/// The text below the heading that says how it was measured.
const METHOD: &str = "\
All servers run on this machine, with this benchmark as their only client. Connections are kept open. The servers are measured
in turn, one at a time. A cell has four figures: requests per second at 1 connection / at 16 connections, medians of the rounds ·
the processor time of a request in the server's process, in milliseconds, at 1 connection / at 16 connections, the mean of the
rounds. In the columns of ratios, the first two are better if they are above 1, and the last two if they are below 1.";

/// A row of a table of requests: for each number of connections, the figures of each server.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) loads: [Vec<Figures>; 2],
}

/// A row of the table of starts.
pub(crate) struct Start {
    pub(crate) movies: u64,
    /// The time of each server, in seconds.
    pub(crate) seconds: Vec<f64>,
}

/// Everything that was measured. The first server is the peer, and the last is this build of Marquee.
pub(crate) struct Measured {
    pub(crate) names: Vec<&'static str>,
    pub(crate) small: u64,
    pub(crate) large: u64,
    pub(crate) rows: Vec<Row>,
    pub(crate) growth: Vec<Row>,
    pub(crate) starts: Vec<Start>,
    pub(crate) rounds: u32,
    pub(crate) seconds: f64,
}

impl Row {
    /// Returns a row without figures.
    pub(crate) fn new(name: &'static str, servers: usize) -> Self {
        Self {
            name,
            loads: [Vec::with_capacity(servers), Vec::with_capacity(servers)],
        }
    }

    /// Returns the figures of one server: the requests per second at 1 and at 16 connections, and the processor times.
    fn figures(&self, server: usize) -> [f64; 4] {
        let [one, many] = [&self.loads[0][server], &self.loads[1][server]];
        [one.rate, many.rate, one.processor, many.processor]
    }

    /// Returns the figures of one server divided by those of another.
    fn ratios(&self, server: usize, other: usize) -> [f64; 4] {
        let (own, others) = (self.figures(server), self.figures(other));
        std::array::from_fn(|at| own[at] / others[at])
    }
}

/// The figures of one server for one operation and one number of connections.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    /// Requests per second: the median of the rounds.
    rate: f64,
    /// The processor time of a request in the server, in milliseconds: that of all rounds divided by their requests, because
    /// the system counts it in steps of 10 ms.
    processor: f64,
    /// The same for the benchmark's own process.
    driver: f64,
}

impl Figures {
    /// Returns the figures of these rounds.
    pub(crate) fn of(rounds: &[Load]) -> Self {
        let sum = |part: fn(&Load) -> f64| rounds.iter().map(part).sum::<f64>();
        let answered = sum(|round| round.answered);
        Self {
            rate: median(
                rounds
                    .iter()
                    .map(|round| round.answered / round.seconds)
                    .collect(),
            ),
            processor: 1_000.0 * sum(|round| round.processor) / answered,
            driver: 1_000.0 * sum(|round| round.driver) / answered,
        }
    }
}

/// Returns the median, or the mean of the middle two. It is not a number if there are no values.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        length if length % 2 == 0 => f64::midpoint(values[middle - 1], values[middle]),
        _ => values[middle],
    }
}

/// A target of this build, compared with the build before.
struct Target {
    operation: Operation,
    /// The index of the figure.
    figure: usize,
    what: &'static str,
    limit: f64,
}

/// The index of the requests per second at 16 connections among the figures of a server. The processor times follow it.
const RATE: usize = 1;

/// The targets of the in-process connector, compared with the build without it.
const TARGETS: [Target; 5] = [
    Target {
        operation: Operation::Get,
        figure: RATE,
        what: "requests per second at 16 connections",
        limit: 2.0,
    },
    Target {
        operation: Operation::Get,
        figure: RATE + 1,
        what: "processor time at 1 connection",
        limit: 0.6,
    },
    Target {
        operation: Operation::Get,
        figure: RATE + 2,
        what: "processor time at 16 connections",
        limit: 0.6,
    },
    Target {
        operation: Operation::Toggle,
        figure: RATE,
        what: "requests per second at 16 connections",
        limit: 1.5,
    },
    Target {
        operation: Operation::Create,
        figure: RATE,
        what: "requests per second at 16 connections",
        limit: 1.5,
    },
];

/// The target of a start with the large catalog, in seconds.
const START: f64 = 0.3;

impl Measured {
    /// Returns the page.
    pub(crate) fn text(&self) -> String {
        let mut text = format!(
            "{HEADING}\n\n{METHOD} There were {} rounds of {} s.\n",
            self.rounds, self.seconds
        );
        for (movies, rows) in [(self.small, &self.rows), (self.large, &self.growth)] {
            let _ = write!(text, "\n## Requests, {} movies\n\n", grouped(movies));
            self.requests(rows, &mut text);
        }
        let _ = write!(
            text,
            "\n## Start\n\nFrom the start of the process to its last ready line, in seconds.\n\n"
        );
        self.start(&mut text);
        let loads = self.rows.iter().chain(&self.growth).flat_map(|row| &row.loads[1]);
        let driver = loads.map(|load| load.driver).fold(0.0, f64::max);
        let _ = write!(
            text,
            "\nThe benchmark itself used at most {driver:.3} ms of processor time for a request at 16 connections.\n"
        );
        self.targets(&mut text);
        text
    }

    fn heads(&self, text: &mut String, first: &str) {
        let last = self.last();
        let ratios = (0..last)
            .rev()
            .map(|other| format!("{} ÷ {}", self.names[last], self.names[other]));
        let names = self.names.iter().map(|name| (*name).to_owned());
        let heads: Vec<String> = [first.to_owned()]
            .into_iter()
            .chain(names)
            .chain(ratios)
            .collect();
        let _ = write!(
            text,
            "| {} |\n|{}\n",
            heads.join(" | "),
            "---|".repeat(heads.len())
        );
    }

    /// The index of this build.
    fn last(&self) -> usize {
        self.names.len().saturating_sub(1)
    }

    fn requests(&self, rows: &[Row], text: &mut String) {
        self.heads(text, "request");
        let last = self.last();
        for row in rows {
            let _ = write!(text, "| {} |", row.name);
            for server in 0..=last {
                let [one, many, of_one, of_many] = row.figures(server);
                let _ = write!(
                    text,
                    " {} / {} · {of_one:.2} / {of_many:.2} |",
                    whole(one),
                    whole(many)
                );
            }
            for other in (0..last).rev() {
                let [one, many, of_one, of_many] = row.ratios(last, other);
                let _ = write!(text, " {one:.2} / {many:.2} · {of_one:.2} / {of_many:.2} |");
            }
            text.push('\n');
        }
    }

    fn start(&self, text: &mut String) {
        self.heads(text, "movies");
        let last = self.last();
        for start in &self.starts {
            let _ = write!(text, "| {} |", grouped(start.movies));
            for seconds in &start.seconds {
                let _ = write!(text, " {seconds:.3} |");
            }
            for other in (0..last).rev() {
                let _ = write!(text, " {:.2} |", start.seconds[last] / start.seconds[other]);
            }
            text.push('\n');
        }
    }

    /// Writes the targets: those for a build before only if there is one.
    fn targets(&self, text: &mut String) {
        let last = self.last();
        let verdict = |met: bool| if met { "met" } else { "**not met**" };
        text.push_str("\n| target | measured | |\n|---|---|---|\n");
        for target in TARGETS.iter().filter(|_| last > 1) {
            let Some(row) = self.rows.iter().find(|row| row.name == target.operation.name()) else {
                continue;
            };
            let ratio = row.ratios(last, last - 1)[target.figure];
            let (bound, met) = match target.figure {
                0..=RATE => ("at least", ratio >= target.limit),
                _ => ("at most", ratio <= target.limit),
            };
            let _ = writeln!(
                text,
                "| {}: {bound} {} times the {} of the build before | {ratio:.2} times | {} |",
                row.name,
                target.limit,
                target.what,
                verdict(met)
            );
        }
        if let Some(start) = self.starts.last()
            && let Some(seconds) = start.seconds.get(last)
        {
            let _ = writeln!(
                text,
                "| a start with {} movies: at most {START} s | {seconds:.2} s | {} |",
                grouped(start.movies),
                verdict(*seconds <= START)
            );
        }
    }
}

/// Returns a number of requests without its fraction.
fn whole(rate: f64) -> String {
    grouped(rate.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(rate: f64, processor: f64) -> Figures {
        Figures {
            rate,
            processor,
            driver: 0.01,
        }
    }

    fn measured(names: &[&'static str], last: [f64; 3]) -> String {
        let others = names.len() - 1;
        let rows = Operation::ALL.map(|operation| {
            let row = |rate: f64, own: f64| {
                let mut loads = vec![load(rate, 0.4); others];
                loads.push(load(own, last[2]));
                loads
            };
            Row {
                name: operation.name(),
                loads: [row(1_000.0, last[0]), row(4_000.0, last[1])],
            }
        });
        let seconds = vec![0.3; names.len()];
        Measured {
            names: names.into(),
            small: 16_975,
            large: 170_000,
            rows: rows.into(),
            growth: Vec::new(),
            starts: vec![Start {
                movies: 170_000,
                seconds,
            }],
            rounds: 5,
            seconds: 1.0,
        }
        .text()
    }

    #[test]
    fn this_build_is_compared_with_the_others_and_with_the_targets() {
        let text = measured(&["peer", "before", "marquee"], [1_500.0, 8_000.0, 0.24]);
        let get = "| get | 1,000 / 4,000 · 0.40 / 0.40 | 1,000 / 4,000 · 0.40 / 0.40 | 1,500 / 8,000 · 0.24 / 0.24 | \
                   1.50 / 2.00 · 0.60 / 0.60 | 1.50 / 2.00 · 0.60 / 0.60 |\n";
        assert!(text.contains(get), "{text}");
        assert!(
            text.contains("| request | peer | before | marquee | marquee ÷ before | marquee ÷ peer |\n"),
            "{text}"
        );
        assert!(
            text.contains("| 170,000 | 0.300 | 0.300 | 0.300 | 1.00 | 1.00 |\n"),
            "{text}"
        );
        assert_eq!(text.matches("| met |").count(), 6, "{text}");
        let text = measured(&["peer", "before", "marquee"], [1_500.0, 5_900.0, 0.25]);
        assert_eq!(text.matches("| **not met** |").count(), 5, "{text}");
    }

    #[test]
    fn without_a_build_before_only_the_start_has_a_target() {
        let text = measured(&["peer", "marquee"], [1_500.0, 8_000.0, 0.24]);
        assert_eq!(text.matches(" met |").count(), 1, "{text}");
    }

    #[test]
    fn a_rate_is_a_median_and_a_processor_time_a_mean_of_all_requests() {
        let round = |answered: f64, processor: f64| Load {
            answered,
            seconds: 2.0,
            processor,
            driver: 0.0,
        };
        let figures = Figures::of(&[round(100.0, 0.5), round(0.0, 0.0), round(300.0, 1.5)]);
        assert_eq!(figures.rate.to_bits(), 50.0_f64.to_bits());
        assert_eq!(figures.processor.to_bits(), 5.0_f64.to_bits());
    }

    #[test]
    fn a_median_is_the_middle_value() {
        assert_eq!(median(vec![9.0, 1.0, 2.0]).to_bits(), 2.0_f64.to_bits());
        assert_eq!(median(vec![4.0, 1.0]).to_bits(), 2.5_f64.to_bits());
        assert!(median(Vec::new()).is_nan());
    }
}
