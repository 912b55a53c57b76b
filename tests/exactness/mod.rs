//! Exactness: under a model, in races, after crashes, through faults, and within budgets.

mod auditor;
mod budgets;
mod contention;
mod crash;
mod faults;
mod hostile;
mod imdb_ids;
mod logins;
mod model;
mod outages;
mod races;
mod search;
