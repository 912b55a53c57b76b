//! What `template.yaml` deploys, held against what the code does.

mod alarms;
mod edge;
mod events;
mod privileges;
mod routes;
mod stack;
mod sweep;
mod template;
