//! How numbers and names are written for people: in the table, in log lines, in messages of failed assertions.
//!
//! Three significant digits and a unit that keeps them short. Exact values are for serde's form.

use std::time::Duration;

use super::units::{to_f64, to_ns};

const SECOND_NS: u64 = 1_000_000_000;

/// `0 ns`, `812 ns`, `1.23 µs`, `45.6 ms`, `2.34 s`, `3m 12s`, `1h 05m`, `4d 07h`, `120d`.
pub(crate) fn format_duration(duration: Duration) -> String {
    let ns = to_ns(duration);
    if ns < 1_000 {
        return format!("{ns} ns");
    }
    for (unit_ns, unit) in [(1_000, "µs"), (1_000_000, "ms")] {
        if let Some(digits) = three_digits(ns, unit_ns) {
            return format!("{digits} {unit}");
        }
    }
    // 59.96 s would be written as 60.0 s.
    if ns < 59_950_000_000
        && let Some(digits) = three_digits(ns, SECOND_NS)
    {
        return format!("{digits} s");
    }
    let seconds = rounded(ns, SECOND_NS);
    let (minutes, hours) = (rounded(ns, 60 * SECOND_NS), rounded(ns, 3_600 * SECOND_NS));
    if seconds < 3_600 {
        format!("{}m {:02}s", seconds / 60, seconds % 60)
    } else if minutes < 24 * 60 {
        format!("{}h {:02}m", minutes / 60, minutes % 60)
    } else if hours < 100 * 24 {
        format!("{}d {:02}h", hours / 24, hours % 24)
    } else {
        format!("{}d", rounded(ns, 86_400 * SECOND_NS))
    }
}

/// `value / unit` with three significant digits; `None` when it rounds to 1,000 or more.
fn three_digits(value: u64, unit: u64) -> Option<String> {
    let scaled = |by: u64| (u128::from(value) * u128::from(by) + u128::from(unit) / 2) / u128::from(unit);
    match (scaled(100), scaled(10), scaled(1)) {
        (hundredths @ 0..1_000, _, _) => Some(format!("{}.{:02}", hundredths / 100, hundredths % 100)),
        (_, tenths @ 0..1_000, _) => Some(format!("{}.{}", tenths / 10, tenths % 10)),
        (_, _, ones @ 0..1_000) => Some(ones.to_string()),
        _ => None,
    }
}

fn rounded(value: u64, unit: u64) -> u64 {
    value / unit + u64::from(value % unit >= unit - unit / 2)
}

/// `1,234,567`.
pub(crate) fn format_count(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `9,999`, then `12.3k`, `4.56M`: for cells that hold several counts.
pub(crate) fn format_compact(count: u64) -> String {
    if count < 10_000 { format_count(count) } else { format_rate(to_f64(count)).replace(' ', "") }
}

/// `0`, `0.05`, `3.40`, `45.6`, `812`, `1.23 k`, `4.56 M`, `7.89 G`.
pub(crate) fn format_rate(rate: f64) -> String {
    scaled(rate, ["", " k", " M", " G", " T"])
}

/// `812 B`, `1.23 kB`, `4.56 MB`, in powers of 1,000.
pub(crate) fn format_bytes(bytes: f64) -> String {
    scaled(bytes, [" B", " kB", " MB", " GB", " TB"])
}

fn scaled(value: f64, units: [&str; 5]) -> String {
    let mut value = value.max(0.0);
    let mut unit = 0;
    // From 999.5 on the next unit's 1.00 is nearer than this one's 999.
    while value >= 999.5 && unit + 1 < units.len() {
        value /= 1_000.0;
        unit += 1;
    }
    let digits = if value < 9.995 {
        format!("{value:.2}")
    } else if value < 99.95 {
        format!("{value:.1}")
    } else {
        format!("{value:.0}")
    };
    // Whole numbers of the base unit, most of all 0, need no decimals.
    let digits = if unit == 0 { digits.trim_end_matches(".00") } else { &digits };
    format!("{digits}{}", units[unit])
}

/// `0 %`, `<0.1 %`, `1.2 %`, `100 %`, from a fraction.
pub(crate) fn format_percent(fraction: f64) -> String {
    let percent = fraction * 100.0;
    if percent <= 0.0 {
        "0 %".to_owned()
    } else if percent < 0.05 {
        "<0.1 %".to_owned()
    } else if percent >= 100.0 {
        "100 %".to_owned()
    } else {
        // Never rounded up to 100 %: that is for all.
        format!("{:.1} %", percent.min(99.9))
    }
}

/// `1 call`, `3,402 calls`.
pub(crate) fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", format_count(count), if count == 1 { "" } else { "s" })
}

/// The text with everything replaced that could move a terminal's cursor, recolour it or reorder its characters:
/// names and labels come from the host, and through it from anywhere.
pub(crate) fn one_line(text: &str) -> String {
    let unsafe_to_show = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{ad}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
    };
    text.chars().map(|c| if unsafe_to_show(c) { '\u{fffd}' } else { c }).collect()
}

/// At most `width` characters: a longer text loses its middle, since names differ at both ends.
pub(crate) fn cut_middle(text: &str, width: usize) -> String {
    let length = text.chars().count();
    if length <= width {
        return text.to_owned();
    }
    if width == 0 {
        return String::new();
    }
    // Paths differ most at their end.
    let head = (width - 1) / 3;
    let tail = width - 1 - head;
    let start = text.chars().take(head);
    start.chain(['…']).chain(text.chars().skip(length - tail)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_carry_into_the_next_unit() {
        for (ns, text) in [
            (0, "0 ns"),
            (812, "812 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (1_234, "1.23 µs"),
            (9_994, "9.99 µs"),
            (9_996, "10.0 µs"),
            (99_960, "100 µs"),
            (999_499, "999 µs"),
            (999_500, "1.00 ms"),
            (45_600_000, "45.6 ms"),
            (999_999_999, "1.00 s"),
            (2_340_000_000, "2.34 s"),
            (59_949_999_999, "59.9 s"),
            (59_950_000_000, "1m 00s"),
            (192_000_000_000, "3m 12s"),
            (3_599_600_000_000, "1h 00m"),
            (3_900_000_000_000, "1h 05m"),
            (86_399_000_000_000, "1d 00h"),
            (371_000_000_000_000, "4d 07h"),
            (u64::MAX, "213504d"),
        ] {
            assert_eq!(format_duration(Duration::from_nanos(ns)), text, "{ns}");
        }
        assert_eq!(format_duration(Duration::MAX), "213504d");
    }

    #[test]
    fn counts_have_separators() {
        for (count, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (u64::MAX, "18,446,744,073,709,551,615")] {
            assert_eq!(format_count(count), text);
        }
        let compact = [9_999, 12_345, 4_560_000].map(format_compact);
        assert_eq!(compact, ["9,999", "12.3k", "4.56M"]);
    }

    #[test]
    fn rates_and_sizes_scale() {
        let rates = [0.0, 0.049, 3.4, 45.64, 812.0, 999.6, 1_234_000.0, 1e15, f64::INFINITY].map(format_rate);
        assert_eq!(rates, ["0", "0.05", "3.40", "45.6", "812", "1.00 k", "1.23 M", "1000 T", "inf T"]);
        assert_eq!([7.0, 1_500.0, 2.5e9].map(format_bytes), ["7 B", "1.50 kB", "2.50 GB"]);
    }

    #[test]
    fn few_failures_do_not_read_as_none_nor_nearly_all_as_all() {
        let shown = [0.0, 0.000_01, 0.000_99, 0.012, 0.999_9, 1.0].map(format_percent);
        assert_eq!(shown, ["0 %", "<0.1 %", "0.1 %", "1.2 %", "99.9 %", "100 %"]);
    }

    #[test]
    fn a_long_name_keeps_both_ends() {
        assert_eq!(cut_middle("short", 5), "short");
        assert_eq!(cut_middle("indexer::walk::Walker::read_file", 16), "index…:read_file");
        assert_eq!(cut_middle("äöüäöüäöü", 4), "ä…öü");
        for width in 0..12 {
            assert_eq!(cut_middle("äöüäöüäöüäöü", width).chars().count(), width);
        }
    }

    #[test]
    fn nothing_shown_can_steer_a_terminal() {
        assert_eq!(one_line("a\u{1b}[31m\nb\u{202e}c"), "a\u{fffd}[31m\u{fffd}b\u{fffd}c");
        assert_eq!(one_line("\u{61c}\u{2060}\u{ad}\u{fff9}\u{e0041}"), "\u{fffd}".repeat(5));
    }
}
