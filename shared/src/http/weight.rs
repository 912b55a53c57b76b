//! Weights in what a client accepts.

/// Returns the weight if `parameter` is one, `q=` and a number (RFC 9110 §12.4.2). A malformed number counts as 0.
#[must_use]
pub fn weight(parameter: &str) -> Option<f32> {
    let (name, number) = parameter.split_once('=')?;
    let is_weight = name.trim().eq_ignore_ascii_case("q");
    is_weight.then(|| number.trim().parse().unwrap_or(0.0))
}
