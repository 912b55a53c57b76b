//! `template.yaml` and the other files of the deployment, checked against the code.

mod alarms;
mod edge;
mod events;
mod mail;
mod mail_template;
mod privileges;
mod routes;
mod stack;
mod sweep;
mod template;
