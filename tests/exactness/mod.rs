//! Exactness: under a model, in races, after crashes, through faults, and within budgets.

mod auditor;
mod budgets;
mod crash;
mod faults;
mod hostile;
mod model;
mod races;
mod search;
