//! Growth: what every operation costs, from a hundred films to a million.

use std::{error::Error, fmt::Write as _};

use wire::Cost;

use crate::{
    operations::{self, Budget, Measured},
    prepared::Prepared,
};

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// How many films the catalogues have, the smallest first. Each is made once by the product's own import and kept in
    /// target/bench; a million takes 4 GB there, and as much again while it is measured.
    #[arg(
        long,
        value_name = "FILMS,…",
        value_delimiter = ',',
        default_values_t = [100, 1_000, 10_000, 100_000, 1_000_000]
    )]
    sizes: Vec<u64>,
}

/// Operations beyond their budget, each with the reason. None is excused from costing the same at every size.
const OVER_BUDGET: [(&str, &str); 0] = [];

/// By how much two costs may differ and still be the same.
const TOLERANCE: f64 = 0.1;

/// An operation at every size.
struct Row {
    name: &'static str,
    budget: Option<Budget>,
    sizes: Vec<(Cost, Option<usize>)>,
}

/// Measures.
///
/// # Errors
/// Whatever stops it, in words for a person; also when an operation costs more at the largest size, or passes its budget.
pub(crate) async fn run(options: &Options) -> Result<String, Box<dyn Error>> {
    let mut rows: Vec<Row> = Vec::new();
    for films in &options.sizes {
        let prepared = Prepared::new(*films).await?;
        let measured = operations::measure(&prepared).await?;
        eprintln!("{films} films measured");
        add(&mut rows, measured)?;
    }
    let (text, wrong) = report(&options.sizes, &rows);
    if wrong.is_empty() {
        Ok(text)
    } else {
        Err(format!("{text}\n{}", wrong.join("\n")).into())
    }
}

fn add(rows: &mut Vec<Row>, measured: Vec<Measured>) -> Result<(), Box<dyn Error>> {
    for Measured {
        name,
        budget,
        cost,
        found,
    } in measured
    {
        match rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.sizes.push((cost, found)),
            None => rows.push(Row {
                name,
                budget,
                sizes: vec![(cost, found)],
            }),
        }
    }
    Ok(())
}

impl Row {
    /// The first size whose answer is as full as the largest's: a list of a hundred films may not fill a page.
    fn base(&self) -> usize {
        let full = self
            .sizes
            .last()
            .and_then(|(_, found)| *found)
            .unwrap_or_default();
        let near = |found: &Option<usize>| found.unwrap_or_default() * 20 >= full * 19;
        self.sizes
            .iter()
            .position(|(_, found)| near(found))
            .unwrap_or_default()
    }
}

fn report(sizes: &[u64], rows: &[Row]) -> (String, Vec<String>) {
    let mut text = String::new();
    let mut wrong = Vec::new();
    let _ = write!(text, "| operation | budget |");
    for size in sizes {
        let _ = write!(text, " {size} |");
    }
    let _ = writeln!(text, " verdict |\n|---|---|{}---|", "---|".repeat(sizes.len()));
    for row in rows {
        let _ = write!(text, "| {} | {} |", row.name, budget(row.budget));
        for (cost, found) in &row.sizes {
            let found = found.map_or(String::new(), |found| format!(" ({found})"));
            let _ = write!(
                text,
                " {} · {} · {} · {}{found} |",
                cost.trips,
                cost.calls.len(),
                cost.reads,
                cost.writes
            );
        }
        let verdict = verdict(sizes, row);
        let _ = writeln!(text, " {} |", verdict.as_ref().map_or_else(|e| e, |v| v));
        if let Err(text) = verdict {
            wrong.push(format!("{}: {text}", row.name));
        }
    }
    (text, wrong)
}

fn verdict(sizes: &[u64], row: &Row) -> Result<String, String> {
    let base = row.base();
    let (Some((first, _)), Some((last, _))) = (row.sizes.get(base), row.sizes.last()) else {
        return Err("not measured".into());
    };
    if last.trips != first.trips || differ(first.reads, last.reads) || differ(first.writes, last.writes) {
        return Err(format!("differs from that at {}", sizes[base]));
    }
    let over = |b: Budget, c: &Cost| c.trips > b.trips || c.reads > b.reads || c.writes > b.writes;
    if let Some(budget) = row.budget
        && row.sizes.iter().any(|(cost, _)| over(budget, cost))
    {
        let excused = OVER_BUDGET.iter().find(|(name, _)| row.name.starts_with(name));
        return excused.map_or_else(|| Err("over its budget".into()), |(_, why)| Ok((*why).to_owned()));
    }
    Ok(match base {
        0 => "same".into(),
        _ => format!("same from {}", sizes[base]),
    })
}

fn budget(budget: Option<Budget>) -> String {
    budget.map_or(String::new(), |b| {
        format!("{} · {} · {}", b.trips, b.reads, b.writes)
    })
}

fn differ(one: f64, other: f64) -> bool {
    one.max(other) > (1.0 + TOLERANCE) * one.min(other)
}
