//! The argument `record`: which calls are kept individually.

use std::time::Duration;

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::parse::{Parse, ParseStream};
use syn::{Error, LitStr, Result};

const ALLOWED: &str = "`record` must be \"auto\", \"all\", \"errors\", \"slow(250ms)\" or \"none\"; a duration is a \
                       whole number above 0 and one of ns, us, ms, s, m";

/// Which calls are kept as individual records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Record {
    Auto,
    All,
    Errors,
    Slow(Duration),
    None,
}

impl Parse for Record {
    fn parse(input: ParseStream<'_>) -> Result<Record> {
        let literal = input.parse::<LitStr>().map_err(|error| Error::new(error.span(), ALLOWED))?;
        Record::from_text(&literal.value()).ok_or_else(|| Error::new(literal.span(), ALLOWED))
    }
}

impl Record {
    fn from_text(text: &str) -> Option<Record> {
        match text {
            "auto" => Some(Record::Auto),
            "all" => Some(Record::All),
            "errors" => Some(Record::Errors),
            "none" => Some(Record::None),
            _ => duration(text.strip_prefix("slow(")?.strip_suffix(')')?).map(Record::Slow),
        }
    }

    /// The policy as the argument says it.
    pub(crate) fn written(self) -> String {
        match self {
            Record::Auto => "auto".to_owned(),
            Record::All => "all".to_owned(),
            Record::Errors => "errors".to_owned(),
            Record::None => "none".to_owned(),
            Record::Slow(limit) if limit.subsec_nanos() == 0 => format!("slow({}s)", limit.as_secs()),
            // Only minutes and seconds reach beyond what nanoseconds can count, and those are whole seconds.
            Record::Slow(limit) => format!("slow({}ns)", limit.as_nanos()),
        }
    }

    /// The policy as an expression of `RecordPolicy`.
    pub(crate) fn tokens(self, private: &TokenStream) -> TokenStream {
        let policy = quote_spanned!(Span::mixed_site()=> #private::RecordPolicy);
        match self {
            Record::Auto => quote_spanned!(Span::mixed_site()=> #policy::Auto),
            Record::All => quote_spanned!(Span::mixed_site()=> #policy::All),
            Record::Errors => quote_spanned!(Span::mixed_site()=> #policy::Errors),
            Record::None => quote_spanned!(Span::mixed_site()=> #policy::None),
            Record::Slow(limit) => {
                let (seconds, nanos) = (limit.as_secs(), limit.subsec_nanos());
                quote_spanned!(Span::mixed_site()=> #policy::Slow(::core::time::Duration::new(#seconds, #nanos)))
            }
        }
    }
}

/// `250ms`: a whole number above 0 and a unit.
fn duration(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().ok().filter(|&number| number > 0)?;
    match unit {
        "ns" => Some(Duration::from_nanos(number)),
        "us" => Some(Duration::from_micros(number)),
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "m" => number.checked_mul(60).map(Duration::from_secs),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_policy_is_understood() {
        assert_eq!(Record::from_text("auto"), Some(Record::Auto));
        assert_eq!(Record::from_text("all"), Some(Record::All));
        assert_eq!(Record::from_text("errors"), Some(Record::Errors));
        assert_eq!(Record::from_text("none"), Some(Record::None));
    }

    #[test]
    fn every_unit_is_understood() {
        let slow = |text: &str| Record::from_text(&format!("slow({text})"));
        assert_eq!(slow("7ns"), Some(Record::Slow(Duration::from_nanos(7))));
        assert_eq!(slow("7us"), Some(Record::Slow(Duration::from_micros(7))));
        assert_eq!(slow("250ms"), Some(Record::Slow(Duration::from_millis(250))));
        assert_eq!(slow("2s"), Some(Record::Slow(Duration::from_secs(2))));
        assert_eq!(slow("2m"), Some(Record::Slow(Duration::from_mins(2))));
    }

    #[test]
    fn what_is_written_is_read_as_the_same() {
        for text in
            ["auto", "all", "errors", "none", "slow(7ns)", "slow(1500ms)", "slow(3s)", "slow(300000000000000000m)"]
        {
            let record = Record::from_text(text).unwrap();
            assert_eq!(Record::from_text(&record.written()), Some(record), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "Auto",
            "slow",
            "slow()",
            "slow(ms)",
            "slow(5)",
            "slow(0ms)",
            "slow(-5ms)",
            "slow(1h)",
            "slow(5 ms)",
            "slow(1.5s)",
        ] {
            assert_eq!(Record::from_text(text), None, "{text:?}");
        }
        assert_eq!(Record::from_text("slow(18446744073709551615m)"), None);
        assert_eq!(Record::from_text("slow(99999999999999999999ms)"), None);
    }
}
