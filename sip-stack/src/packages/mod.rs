//! What NOTIFYs say: the documents of the event packages that the switch serves. Facts in, text out; nobody's state is kept here.

mod dialog_info;
mod pidf;
mod reginfo;
mod summary;

pub use dialog_info::{Dialog, DialogInfo, DialogState, Identity};
pub use pidf::{Activity, Presence};
pub use reginfo::{Contact, ContactEvent, RegInfo};
pub use summary::Summary;

use std::fmt::Write;

/// Text that stands inside an element or a quoted attribute. What XML cannot hold at all is left out.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\t' | '\n' | '\r' => f.write_char(' ')?,
                c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => {}
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_its_element() {
        assert_eq!(Escaped("a\"<b>&\u{0}\u{1b}\n张").to_string(), "a&quot;&lt;b&gt;&amp; 张");
    }
}
