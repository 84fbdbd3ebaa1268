//! The API's answers, on their way to the terminal.

use super::{Shape, say};
use serde_json::Value;

pub(super) fn show(shape: Shape, value: &Value, text: impl FnOnce() -> String) {
    if shape.json { say(&value.to_string()) } else { say(&text()) }
}

pub(super) fn rows(list: &Value, keys: &[&str]) -> Vec<Vec<String>> {
    items(list).map(|item| keys.iter().map(|key| text(&item[*key])).collect()).collect()
}

pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

pub(super) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        other => other.to_string(),
    }
}

/// Percent-encodes what has a meaning in a URL.
pub(crate) fn escape(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
    text.bytes().map(|b| if plain(b) { char::from(b).to_string() } else { format!("%{b:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_with_signs_travel_in_urls() {
        assert_eq!(escape("*9#+1.a"), "%2A9%23%2B1.a");
    }
}
