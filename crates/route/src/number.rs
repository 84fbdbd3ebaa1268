//! Telephone numbers: what a row of digits means here, and how another network wants it written.
//!
//! A dialled number is read once into a [`Number`], which no longer depends on how it was dialled, and written once for the
//! trunk it leaves by (ITU-T E.164; the Chinese numbering plan as the MIIT publishes it).

use model::{Country, NumberFormat, Numbers};

/// What kind of number it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Kind {
    /// A short or national service number, dialled alike everywhere: 10086, 95588, 400….
    Service,
    /// A mobile number of our own area.
    LocalMobile,
    /// Any other mobile number of our country.
    Mobile,
    /// A fixed number of our own area.
    LocalFixed,
    /// Any other fixed number of our country.
    Fixed,
    /// A number of another country.
    Foreign,
    /// Not understood: it passes as it was dialled.
    Unknown,
}

/// A number that no longer depends on how it was dialled.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Number {
    /// What kind it is.
    pub kind: Kind,
    /// Mobile and fixed: the national significant number (E.164 §6.2.4). Foreign: with its country code. Otherwise as dialled.
    digits: String,
}

/// How numbers of this place are read and written.
#[derive(Clone, Debug)]
pub struct NumberPlan {
    country: Country,
    country_code: String,
    national: String,
    international: String,
    area: String,
    /// Beginnings of mobile numbers of our own area, sorted, none the beginning of another.
    local_mobiles: Vec<String>,
}

impl NumberPlan {
    /// As the operator described it.
    pub fn new(settings: &Numbers) -> Self {
        let area = settings.area_code.strip_prefix(settings.national_prefix.as_str()).unwrap_or(&settings.area_code);
        let mut local_mobiles: Vec<String> = settings.local_mobiles.clone();
        local_mobiles.sort();
        // A beginning of a beginning says all that the longer one says, and sorts right before it.
        local_mobiles.dedup_by(|longer, shorter| longer.starts_with(shorter.as_str()));
        Self {
            country: settings.country,
            country_code: settings.country_code.clone(),
            national: settings.national_prefix.clone(),
            international: settings.international_prefix.clone(),
            area: area.to_owned(),
            local_mobiles,
        }
    }

    /// Reads a number as it was dialled or as another network wrote it.
    pub fn read(&self, dialled: &str) -> Number {
        let plain: String = dialled.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
        let (plus, digits) = plain.strip_prefix('+').map_or((false, plain.as_str()), |rest| (true, rest));
        let unknown = || Number { kind: Kind::Unknown, digits: dialled.to_owned() };
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return unknown();
        }
        let abroad = match (plus, digits.strip_prefix(self.international.as_str())) {
            (true, _) => Some(digits),
            (false, Some(rest)) if !self.international.is_empty() && rest.len() >= 5 => Some(rest),
            (false, _) => None,
        };
        let read = match abroad {
            // E.164 numbers have at most 15 digits (§6.1); some networks add a few.
            Some(e164) if !(5..=18).contains(&e164.len()) => None,
            Some(e164) => match self.own(e164) {
                Some(national) => self.significant(national).or_else(|| self.service(national)),
                None => Some(Number { kind: Kind::Foreign, digits: e164.to_owned() }),
            },
            None => self.domestic(digits),
        };
        read.unwrap_or_else(unknown)
    }

    /// Writes a number for another network. `keep_area` is false where that network wants numbers of our own area without its code.
    pub fn write(&self, number: &Number, format: NumberFormat, keep_area: bool) -> String {
        let digits = number.digits.as_str();
        match (number.kind, format) {
            (Kind::Service | Kind::Unknown, _) => digits.to_owned(),
            (Kind::LocalFixed, NumberFormat::National) if !keep_area => digits[self.area.len()..].to_owned(),
            (Kind::Mobile | Kind::LocalMobile, NumberFormat::National) => digits.to_owned(),
            (Kind::Fixed | Kind::LocalFixed, NumberFormat::National) => format!("{}{digits}", self.national),
            (Kind::Foreign, NumberFormat::National | NumberFormat::International) => {
                format!("{}{digits}", self.international)
            }
            (Kind::Foreign, NumberFormat::E164) => digits.to_owned(),
            (Kind::Foreign, NumberFormat::PlusE164) => format!("+{digits}"),
            (_, NumberFormat::E164) => format!("{}{digits}", self.country_code),
            (_, NumberFormat::PlusE164) => format!("+{}{digits}", self.country_code),
            (_, NumberFormat::International) => format!("{}{}{digits}", self.international, self.country_code),
            (_, NumberFormat::AsDialled) => self.write(number, NumberFormat::National, keep_area),
        }
    }

    fn own<'a>(&self, e164: &'a str) -> Option<&'a str> {
        if self.country_code.is_empty() { None } else { e164.strip_prefix(self.country_code.as_str()) }
    }

    /// Digits without any sign of another country.
    fn domestic(&self, digits: &str) -> Option<Number> {
        let trunk_call = (!self.national.is_empty()).then(|| digits.strip_prefix(self.national.as_str())).flatten();
        if let Some(number) = trunk_call.and_then(|rest| self.significant(rest)) {
            return Some(number);
        }
        if self.country == Country::Cn && is_mobile(digits) {
            return self.significant(digits);
        }
        self.service(digits).or_else(|| self.subscriber(digits))
    }

    /// A national significant number.
    fn significant(&self, digits: &str) -> Option<Number> {
        let subscriber = (!self.area.is_empty()).then(|| digits.strip_prefix(self.area.as_str())).flatten();
        let local = subscriber.is_some_and(|subscriber| (6..=8).contains(&subscriber.len()));
        let kind = match self.country {
            Country::Cn if is_mobile(digits) && self.is_local_mobile(digits) => Kind::LocalMobile,
            Country::Cn if is_mobile(digits) => Kind::Mobile,
            Country::Cn if !is_fixed(digits) => return None,
            Country::Other if !(6..=15).contains(&digits.len()) => return None,
            Country::Cn | Country::Other if local => Kind::LocalFixed,
            Country::Cn | Country::Other => Kind::Fixed,
        };
        Some(Number { kind, digits: digits.to_owned() })
    }

    fn service(&self, digits: &str) -> Option<Number> {
        let is = match self.country {
            Country::Cn => is_service(digits),
            Country::Other => (2..=5).contains(&digits.len()),
        };
        is.then(|| Number { kind: Kind::Service, digits: digits.to_owned() })
    }

    /// A number of our own area, dialled without its code.
    fn subscriber(&self, digits: &str) -> Option<Number> {
        let fits = match self.country {
            Country::Cn => matches!(digits.len(), 7 | 8) && matches!(digits.as_bytes()[0], b'2'..=b'8'),
            Country::Other => (6..=8).contains(&digits.len()),
        };
        let whole = (fits && !self.area.is_empty()).then(|| format!("{}{digits}", self.area))?;
        self.significant(&whole)
    }

    fn is_local_mobile(&self, digits: &str) -> bool {
        // The only candidate is the last that does not sort after the number.
        let at = self.local_mobiles.partition_point(|begins| begins.as_str() <= digits);
        at.checked_sub(1).is_some_and(|at| digits.starts_with(self.local_mobiles[at].as_str()))
    }
}

/// `1[3-9]` and nine digits more.
fn is_mobile(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1])
}

/// An area code (10, 2x, or three digits) and a subscriber number of seven or eight, which begins with 2 to 8.
fn is_fixed(digits: &str) -> bool {
    match digits.as_bytes() {
        [b'4' | b'8', b'0', b'0', ..] => false,
        [b'1', b'0', b'2'..=b'8', rest @ ..] | [b'2', _, b'2'..=b'8', rest @ ..] => rest.len() == 7,
        [b'3'..=b'9', _, _, b'2'..=b'8', rest @ ..] => matches!(rest.len(), 6 | 7),
        _ => false,
    }
}

/// 1xx to 1xxxxx, 95xxx and 96xxx with up to three digits more, 400 and 800 with seven.
fn is_service(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    match bytes {
        [b'4' | b'8', b'0', b'0', ..] => bytes.len() == 10,
        [b'9', b'5' | b'6', ..] => (5..=8).contains(&bytes.len()),
        [b'1', ..] => (3..=6).contains(&bytes.len()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hangzhou() -> NumberPlan {
        let local_mobiles = vec!["1380571".to_owned(), "139571".to_owned()];
        NumberPlan::new(&Numbers { area_code: "0571".to_owned(), local_mobiles, ..Numbers::default() })
    }

    #[test]
    fn chinese_numbers_are_read_however_they_are_dialled() {
        let plan = hangzhou();
        for (dialled, kind, digits) in [
            ("13900138000", Kind::Mobile, "13900138000"),
            ("013900138000", Kind::Mobile, "13900138000"),
            ("+86 139-0013-8000", Kind::Mobile, "13900138000"),
            ("008613900138000", Kind::Mobile, "13900138000"),
            ("13805710000", Kind::LocalMobile, "13805710000"),
            ("88886666", Kind::LocalFixed, "57188886666"),
            ("057188886666", Kind::LocalFixed, "57188886666"),
            ("+8657188886666", Kind::LocalFixed, "57188886666"),
            ("01062345678", Kind::Fixed, "1062345678"),
            ("0755-2345678", Kind::Fixed, "7552345678"),
            ("075523456789", Kind::Fixed, "75523456789"),
            ("4008123123", Kind::Service, "4008123123"),
            ("+864008123123", Kind::Service, "4008123123"),
            ("10086", Kind::Service, "10086"),
            ("95588", Kind::Service, "95588"),
            ("110", Kind::Service, "110"),
            ("0044201234567", Kind::Foreign, "44201234567"),
            ("+85223456789", Kind::Foreign, "85223456789"),
            ("9001", Kind::Unknown, "9001"),
            ("alice", Kind::Unknown, "alice"),
            ("*97", Kind::Unknown, "*97"),
            ("", Kind::Unknown, ""),
            ("00", Kind::Unknown, "00"),
            ("12900138000", Kind::Unknown, "12900138000"),
        ] {
            assert_eq!(plan.read(dialled), Number { kind, digits: digits.to_owned() }, "{dialled}");
        }
    }

    #[test]
    fn each_network_gets_the_form_it_wants() {
        let plan = hangzhou();
        let forms = |dialled: &str| {
            let number = plan.read(dialled);
            use NumberFormat::{E164, International, National, PlusE164};
            [National, E164, PlusE164, International].map(|format| plan.write(&number, format, true))
        };
        assert_eq!(forms("013900138000"), ["13900138000", "8613900138000", "+8613900138000", "008613900138000"]);
        assert_eq!(forms("88886666"), ["057188886666", "8657188886666", "+8657188886666", "008657188886666"]);
        assert_eq!(forms("0044201234567"), ["0044201234567", "44201234567", "+44201234567", "0044201234567"]);
        assert_eq!(forms("95588"), ["95588", "95588", "95588", "95588"]);
        assert_eq!(plan.write(&plan.read("057188886666"), NumberFormat::National, false), "88886666");
        assert_eq!(plan.write(&plan.read("01062345678"), NumberFormat::National, false), "01062345678");
    }

    #[test]
    fn other_countries_have_prefixes_of_their_own() {
        let numbers = Numbers {
            country: Country::Other,
            country_code: "1".to_owned(),
            national_prefix: "1".to_owned(),
            international_prefix: "011".to_owned(),
            area_code: "212".to_owned(),
            ..Numbers::default()
        };
        let plan = NumberPlan::new(&numbers);
        assert_eq!(plan.read("12125551234").kind, Kind::LocalFixed);
        assert_eq!(plan.read("5551234"), plan.read("+12125551234"));
        assert_eq!(plan.read("16465551234").kind, Kind::Fixed);
        assert_eq!(plan.read("0114420123456").kind, Kind::Foreign);
        assert_eq!(plan.read("911").kind, Kind::Service);
        assert_eq!(plan.write(&plan.read("16465551234"), NumberFormat::PlusE164, true), "+16465551234");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_harm_and_written_in_every_form(text in "[+0-9a-z*# .()-]{0,64}") {
            let plan = hangzhou();
            let number = plan.read(&text);
            for format in NumberFormat::ALL {
                for keep_area in [false, true] {
                    let written = plan.write(&number, format, keep_area);
                    // What was understood means the same however it is written (E.164 without its plus names no country).
                    if number.kind != Kind::Unknown && format != NumberFormat::E164 {
                        prop_assert_eq!(plan.read(&written), number.clone(), "{}", written);
                    }
                }
            }
        }

        #[test]
        fn numbers_of_people_survive_every_form(
            text in "(1[3-9][0-9]{9}|0?1[3-9][0-9]{9}|0(10|2[0-9])[2-8][0-9]{7}|0[3-9][1-9][0-9][2-8][0-9]{6,7}|[2-8][0-9]{7}|00[1-79][0-9]{7,12})"
        ) {
            let plan = hangzhou();
            let number = plan.read(&text);
            prop_assert_ne!(number.kind, Kind::Unknown);
            for format in [NumberFormat::National, NumberFormat::PlusE164, NumberFormat::International] {
                prop_assert_eq!(plan.read(&plan.write(&number, format, false)), number.clone());
            }
        }

        #[test]
        fn a_mobile_is_local_exactly_if_a_beginning_in_the_list_is_its_own(
            list in proptest::collection::vec("1[3-9][0-9]{0,6}", 0..40), number in "1[3-9][0-9]{9}"
        ) {
            let plan = NumberPlan::new(&Numbers { local_mobiles: list.clone(), ..Numbers::default() });
            let expected = list.iter().any(|begins| number.starts_with(begins.as_str()));
            prop_assert_eq!(plan.read(&number).kind == Kind::LocalMobile, expected);
        }
    }
}
