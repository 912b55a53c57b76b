//! Exactness: answers equal to a model's, exact counts in races, no lost writes after crashes and faults, and costs
//! within their budgets.

mod account_costs;
mod account_crashes;
mod auditor;
mod budgets;
mod chaos;
mod contention;
mod covers;
mod crash;
mod faults;
mod filtered_walks;
mod filters;
mod first_try;
mod hostile;
mod hostile_corrections;
mod idempotency;
mod imdb_ids;
mod last_ids;
mod logins;
mod model;
mod newest;
mod outages;
mod races;
mod repair;
mod rewriting;
mod search;
mod second_try;
mod shards;
mod stored_covers;
mod unfinished;
mod vocabulary;
