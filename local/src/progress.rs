//! The progress bar of the commands that go through a table or a file.

use indicatif::{ProgressBar, ProgressStyle};

/// Returns a progress bar on standard error, up to `length` of `unit`, such as movies. It draws nothing when standard error isn't
/// a terminal.
pub(crate) fn bar(message: &'static str, length: u64, unit: &str) -> ProgressBar {
    let bar = ProgressBar::new(length).with_message(message);
    let template = format!("{{msg}} {{wide_bar}} {{pos}}/{{len}} {unit}, {{eta}} left");
    // Fails only on a mistake in the template.
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
