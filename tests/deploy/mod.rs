//! What is deployed: the template as SAM would deploy it.

mod template;
