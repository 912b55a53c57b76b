//! What `template.yaml` deploys, held against what the code does.

mod alarms;
mod edge;
mod stack;
mod template;
