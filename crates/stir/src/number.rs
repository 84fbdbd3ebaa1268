//! Telephone numbers in the one form that is signed (RFC 8224 §8.3).

/// The canonical form of a number: digits only, with the country code and without `+`. A number that begins with neither `+`
/// nor a trunk prefix of international calls is taken to be of the country whose code is given, or to be complete if none is.
pub fn tn(number: &str, country: &str) -> String {
    let complete = number.trim_start().starts_with('+');
    // Visual separators (RFC 3966 §5.1.1). Digits, and what PBX numbers use: * and # stay (§8.3 step 2).
    let digits: String = number.chars().filter(|c| c.is_ascii_digit() || matches!(c, '*' | '#')).collect();
    if complete || country.is_empty() || digits.starts_with(country) && digits.len() > 10 {
        return digits;
    }
    if let Some(rest) = digits.strip_prefix("00") {
        return rest.to_owned();
    }
    let national = digits.strip_prefix('0').unwrap_or(&digits);
    format!("{country}{national}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_one_form() {
        for (number, country, expected) in [
            ("+1-215-555-1212", "", "12155551212"),
            ("+86 (571) 8888.1234", "86", "8657188881234"),
            ("057188881234", "86", "8657188881234"),
            ("8657188881234", "86", "8657188881234"),
            ("0012155551212", "86", "12155551212"),
            ("12155551212", "", "12155551212"),
            ("2155551212", "1", "12155551212"),
            ("*72#", "", "*72#"),
        ] {
            assert_eq!(tn(number, country), expected, "{number}");
        }
    }
}
