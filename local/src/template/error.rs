//! Why a template can't be used.

use std::fmt;

/// Why a template can't be used.
#[derive(Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// The text isn't YAML or isn't a template.
    Unreadable(String),
    /// A resource lacks something, or declares something that isn't supported on one machine.
    Resource {
        /// The resource's logical id.
        resource: String,
        /// What is wrong with it.
        reason: String,
    },
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(reason) => write!(f, "the template can't be read: {reason}"),
            Self::Resource { resource, reason } => write!(f, "the template's resource {resource}: {reason}"),
        }
    }
}

impl std::error::Error for TemplateError {}

impl TemplateError {
    /// An error of one resource.
    pub(super) fn in_resource(resource: &str, reason: impl fmt::Display) -> Self {
        Self::Resource {
            resource: resource.to_owned(),
            reason: reason.to_string(),
        }
    }
}
