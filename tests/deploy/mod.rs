//! What `template.yaml` deploys, held against what the code does.

mod privileges;
mod sweep;
