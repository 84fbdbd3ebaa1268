//! Whose number the called party sees.

use crate::number::NumberPlan;
use crate::rewrite::rewrite;
use model::{CallerChoice, Dialling, NumberFormat};

/// Who calls, before a trunk has its say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calling<'a> {
    /// The number as it is known here.
    pub(crate) number: &'a str,
    /// An extension's own number beyond the trunks; empty: none.
    pub(crate) outside: &'a str,
    /// Whose call it forwards.
    pub(crate) on_behalf: Option<&'a str>,
}

/// The caller's number as this trunk is shown it. `turn` counts the calls by it, for numbers that take turns.
pub(crate) fn caller_number(dialling: &Dialling, calling: Calling<'_>, turn: u64, plan: &NumberPlan) -> String {
    let own = &dialling.caller_numbers;
    let first = own.first().map(String::as_str).filter(|number| !number.is_empty());
    let number = match dialling.caller {
        CallerChoice::PassThrough => calling.on_behalf.unwrap_or(calling.number),
        CallerChoice::Extension if !calling.outside.is_empty() => calling.outside,
        CallerChoice::Extension | CallerChoice::Fixed => first.unwrap_or(calling.number),
        CallerChoice::RoundRobin if own.is_empty() => calling.number,
        CallerChoice::RoundRobin => &own[(turn % own.len() as u64) as usize],
    };
    write(number, dialling.caller_format, plan)
}

/// A caller's number that a trunk told, as extensions are shown it.
pub(crate) fn shown_caller(dialling: &Dialling, told: &str, plan: &NumberPlan) -> String {
    write(&rewrite(&dialling.inbound_caller_rewrite, told), dialling.inbound_caller_format, plan)
}

fn write(number: &str, format: NumberFormat, plan: &NumberPlan) -> String {
    match format {
        NumberFormat::AsDialled => number.to_owned(),
        format => plan.write(&plan.read(number), format, true),
    }
}

/// A called number as this trunk wants it, from its form after the route's own rule.
pub(crate) fn called_number(dialling: &Dialling, dialled: &str, plan: &NumberPlan) -> String {
    use crate::number::Kind;
    let number = plan.read(dialled);
    let written = match dialling.format {
        NumberFormat::AsDialled if !(dialling.strip_area && number.kind == Kind::LocalFixed) => {
            // A mobile number may have been dialled with the prefix that the trunk gets by itself.
            let zero = !dialling.mobile_prefix.is_empty() && matches!(number.kind, Kind::Mobile | Kind::LocalMobile);
            if zero { plan.write(&number, NumberFormat::National, true) } else { dialled.to_owned() }
        }
        NumberFormat::AsDialled => plan.write(&number, NumberFormat::National, false),
        format => plan.write(&number, format, !dialling.strip_area),
    };
    let before = match number.kind {
        Kind::Mobile => dialling.mobile_prefix.as_str(),
        Kind::Fixed => dialling.fixed_prefix.as_str(),
        Kind::Service | Kind::LocalMobile | Kind::LocalFixed | Kind::Foreign | Kind::Unknown => "",
    };
    rewrite(&dialling.rewrite, &format!("{}{before}{written}", dialling.prefix))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Numbers, Rewrite};

    fn plan() -> NumberPlan {
        let local_mobiles = vec!["1380571".to_owned()];
        NumberPlan::new(&Numbers { area_code: "0571".to_owned(), local_mobiles, ..Numbers::default() })
    }

    #[test]
    fn a_gateway_gets_a_zero_before_mobiles_of_elsewhere_and_local_numbers_without_their_area() {
        let gateway = Dialling {
            format: NumberFormat::National,
            mobile_prefix: "0".to_owned(),
            strip_area: true,
            ..Dialling::default()
        };
        let sent = |dialled: &str| called_number(&gateway, dialled, &plan());
        for (dialled, expected) in [
            ("13900138000", "013900138000"),
            ("013900138000", "013900138000"),
            ("+8613900138000", "013900138000"),
            ("13805710000", "13805710000"),
            ("013805710000", "13805710000"),
            ("057188886666", "88886666"),
            ("88886666", "88886666"),
            ("01062345678", "01062345678"),
            ("95588", "95588"),
            ("+442012345678", "00442012345678"),
            ("777", "777"),
        ] {
            assert_eq!(sent(dialled), expected, "{dialled}");
        }
        let as_dialled = Dialling { format: NumberFormat::AsDialled, ..gateway };
        assert_eq!(called_number(&as_dialled, "13900138000", &plan()), "013900138000");
        assert_eq!(called_number(&as_dialled, "013900138000", &plan()), "013900138000");
        assert_eq!(called_number(&as_dialled, "057188886666", &plan()), "88886666");
        assert_eq!(called_number(&as_dialled, "+8610 62345678", &plan()), "+8610 62345678");
    }

    #[test]
    fn prefixes_come_before_and_rules_come_last() {
        let rule = Rewrite { begins: "9900".to_owned(), length: None, strip: 4, prepend: "88".to_owned() };
        let carrier = Dialling {
            format: NumberFormat::E164,
            prefix: "99".to_owned(),
            fixed_prefix: "17909".to_owned(),
            rewrite: vec![rule],
            ..Dialling::default()
        };
        assert_eq!(called_number(&carrier, "01062345678", &plan()), "9917909861062345678");
        assert_eq!(called_number(&carrier, "13900138000", &plan()), "998613900138000");
        assert_eq!(
            called_number(&carrier, "00123", &plan()),
            "88123",
            "not understood, so as dialled, and then the rule"
        );
        assert_eq!(called_number(&Dialling::default(), "057188886666", &plan()), "057188886666");
    }

    #[test]
    fn each_trunk_shows_whom_it_wants() {
        let calling = Calling { number: "1001", outside: "057188880001", on_behalf: None };
        let nobody = Calling { number: "1001", outside: "", on_behalf: None };
        let shown = |caller, numbers: &[&str], format, calling, turn| {
            let dialling = Dialling {
                caller,
                caller_numbers: numbers.iter().map(|n| (*n).to_owned()).collect(),
                caller_format: format,
                ..Dialling::default()
            };
            caller_number(&dialling, calling, turn, &plan())
        };
        use CallerChoice::{Extension, Fixed, PassThrough, RoundRobin};
        use NumberFormat::{AsDialled, PlusE164};
        let ours = ["88886666", "88886667"];
        assert_eq!(shown(Extension, &ours, AsDialled, calling, 0), "057188880001");
        assert_eq!(shown(Extension, &ours, PlusE164, calling, 0), "+8657188880001");
        assert_eq!(shown(Extension, &ours, PlusE164, nobody, 0), "+8657188886666");
        assert_eq!(shown(Extension, &[], PlusE164, nobody, 0), "1001");
        assert_eq!(shown(Fixed, &ours, AsDialled, calling, 5), "88886666");
        assert_eq!(shown(PassThrough, &ours, AsDialled, calling, 0), "1001");
        let turns: Vec<_> = (0..3).map(|turn| shown(RoundRobin, &ours, AsDialled, calling, turn)).collect();
        assert_eq!(turns, ["88886666", "88886667", "88886666"]);
        assert_eq!(shown(RoundRobin, &[], AsDialled, calling, 7), "1001");
    }
}
