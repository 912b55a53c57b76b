//! What `template.yaml` deploys, held against what the code does.

mod alarms;
mod edge;
mod privileges;
mod stack;
mod sweep;
mod template;
