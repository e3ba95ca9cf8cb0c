//! What is known by its digits.

use super::{Found, NUMBER, starts_alphanumeric};

pub(super) fn uuid(rest: &str) -> Found {
    const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];
    let mut at = 0;
    for (i, digits) in GROUPS.into_iter().enumerate() {
        let group = rest.get(at..at + digits)?;
        if !group.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        at += digits;
        if i + 1 < GROUPS.len() {
            at += usize::from(rest.as_bytes().get(at) == Some(&b'-'));
            if rest.as_bytes().get(at - 1) != Some(&b'-') {
                return None;
            }
        }
    }
    (!starts_alphanumeric(&rest[at..])).then_some((at, "<uuid>"))
}

/// Bytes of the word that begins here.
fn word_len(text: &str) -> usize {
    text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len())
}

pub(super) fn hex(rest: &str) -> Found {
    let is_hex = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if let Some(digits) = rest.strip_prefix("0x").or_else(|| rest.strip_prefix("0X")) {
        let len = word_len(digits);
        return (len > 0 && is_hex(&digits[..len])).then_some((2 + len, "<hex>"));
    }
    let word = &rest[..word_len(rest)];
    // Digits alone are a number, letters alone may be a word. Seven is what a commit is called by.
    let mixed = word.bytes().any(|byte| byte.is_ascii_digit()) && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    (word.len() >= 7 && mixed && is_hex(word)).then_some((word.len(), "<hex>"))
}

/// Longest identity in bytes that is taken together with what follows it.
const MAX_ID: usize = 512;

/// A word that no person made up, with what else belongs to the alphabets of Base64 and of tokens.
pub(super) fn id(rest: &str) -> Found {
    let len = word_len(rest);
    let word = &rest.as_bytes()[..len];
    if !word.is_ascii() {
        return None;
    }
    let changes = word.windows(2).filter(|pair| pair[0].is_ascii_digit() != pair[1].is_ascii_digit()).count();
    // `25ms`, `1h30m` and `2026-11-22T10` are numbers.
    let is_number = word.first().is_some_and(u8::is_ascii_digit) && number(rest, ' ').is_some_and(|(n, _)| n >= len);
    if is_number || !(changes >= 4 || (len >= 16 && changes >= 2)) {
        return None;
    }
    let more = |byte: &u8| byte.is_ascii_alphanumeric() || b"_-+/=.".contains(byte);
    let end = len + rest.bytes().skip(len).take(MAX_ID).take_while(more).count();
    Some((rest[..end].trim_end_matches('.').len(), "<id>"))
}

/// An address of IP version 6 or of hardware; those of decimal digits alone are numbers anyway.
pub(super) fn address(rest: &str) -> Found {
    /// `ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255`, and one more that says that it is none.
    const MAX: usize = 46;
    // Most of what begins with a colon.
    if rest.starts_with(':') && (!rest.starts_with("::") || rest.starts_with(":::")) {
        return None;
    }
    let in_address = |byte: &u8| byte.is_ascii_hexdigit() || *byte == b':' || *byte == b'.';
    let len = rest.bytes().take(MAX).take_while(in_address).count();
    let full = rest[..len].trim_end_matches('.');
    let address = if full.ends_with("::") { full } else { full.trim_end_matches(':') };
    if !address.bytes().any(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let groups = address.split(':').count();
    let is_group = |group: &str| group.len() <= 4 && !group.contains('.');
    let (first, last) = address.rsplit_once(':')?;
    let last_fits = is_group(last) || last.split('.').count() == 4;
    let decimal = !address.contains("::") && address.bytes().all(|byte| !byte.is_ascii_alphabetic());
    let fits = groups >= 3 && last_fits && first.split(':').all(is_group) && !decimal;
    (fits && !starts_alphanumeric(&rest[address.len()..])).then_some((address.len(), NUMBER))
}

/// The name of a day or month in a date: before a number, or before the other one.
pub(super) fn date_word(rest: &str) -> Found {
    const NAMES: [&str; 19] = [
        "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep",
        "Oct", "Nov", "Dec",
    ];
    let name = |text: &str| text.get(..3).is_some_and(|name| NAMES.contains(&name));
    let after = rest.get(3..).filter(|_| name(rest))?;
    let after = after.strip_prefix(',').unwrap_or(after);
    let after = after.strip_prefix([' ', '-'])?.trim_start_matches(' ');
    let dated = after.starts_with(|c: char| c.is_ascii_digit()) || (name(after) && !starts_alphanumeric(&after[3..]));
    dated.then_some((3, NUMBER))
}

/// Units that go with the number before them: the same duration or size may come in another one next time.
const UNITS: [&str; 64] = [
    "ns",
    "us",
    "µs",
    "μs",
    "ms",
    "s",
    "sec",
    "secs",
    "second",
    "seconds",
    "m",
    "min",
    "mins",
    "minute",
    "minutes",
    "h",
    "hr",
    "hrs",
    "hour",
    "hours",
    "d",
    "day",
    "days",
    "w",
    "week",
    "weeks",
    "millis",
    "millisecond",
    "milliseconds",
    "microsecond",
    "microseconds",
    "nanosecond",
    "nanoseconds",
    "b",
    "k",
    "kb",
    "mb",
    "g",
    "gb",
    "t",
    "tb",
    "pb",
    "ki",
    "mi",
    "gi",
    "ti",
    "kib",
    "mib",
    "gib",
    "tib",
    "pib",
    "byte",
    "bytes",
    "kilobytes",
    "megabytes",
    "gigabytes",
    "bit",
    "bits",
    "hz",
    "khz",
    "mhz",
    "ghz",
    "percent",
    "%",
];

pub(super) fn number(rest: &str, before: char) -> Found {
    let bytes = rest.as_bytes();
    let is_digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let in_word = before.is_alphanumeric();
    let mut at = usize::from(!in_word && matches!(bytes.first(), Some(b'-' | b'+')));
    if !is_digit(at) {
        return None;
    }
    let mut is_time = false;
    loop {
        while is_digit(at) {
            at += 1;
        }
        // Fractions, groups of thousands, times, dates, addresses with ports, versions. What follows the colon of
        // `sha256:` is something of its own.
        let joint = match bytes.get(at) {
            Some(b':') => !in_word,
            Some(b'+') => is_time,
            Some(b'.' | b',' | b'-' | b'_' | b'/') => true,
            _ => false,
        };
        is_time |= bytes.get(at) == Some(&b':');
        // A date's `T` and an exponent's `e`.
        let lettered = matches!(bytes.get(at), Some(b'T' | b'e' | b'E')) && !in_word;
        let signed = usize::from(lettered && matches!(bytes.get(at + 1), Some(b'-' | b'+')));
        if joint && is_digit(at + 1) {
            at += 1;
        } else if lettered && is_digit(at + 1 + signed) {
            at += 1 + signed;
        } else {
            break;
        }
    }
    if bytes.get(at) == Some(&b'Z') && !starts_alphanumeric(&rest[at + 1..]) {
        at += 1;
    }
    if !in_word {
        at += units(&rest[at..]);
    }
    Some((at, NUMBER))
}

/// Bytes of the unit that follows a number, with the blank before it, or of the rest of `1h2m3.5s`.
fn units(rest: &str) -> usize {
    let blank = usize::from(rest.starts_with(' '));
    let mut at = blank;
    loop {
        let unit = &rest[at..];
        let len = match unit.chars().next() {
            Some('%') => 1,
            _ => unit.find(|c: char| !c.is_alphabetic()).unwrap_or(unit.len()),
        };
        if !UNITS.iter().any(|known| unit[..len].eq_ignore_ascii_case(known)) {
            // `1st`, `2nd`
            let ordinal = matches!(&unit[..len], "st" | "nd" | "rd" | "th");
            return if ordinal && at == 0 && !starts_alphanumeric(&unit[len..]) { len } else { 0 };
        }
        at += len;
        let more = rest[at..].find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len() - at);
        if !rest[at..].starts_with(|c: char| c.is_ascii_digit()) {
            return if starts_alphanumeric(&rest[at..]) { 0 } else { at };
        }
        at += more;
    }
}

/// Whether a number says what the error is and not what it was about: a status or a code, by the word before it.
pub(super) fn names_the_error(before: &str, number: &str) -> bool {
    const WORDS: [(&str, usize); 6] =
        [("status", 5), ("code", 4), ("errno", 5), ("signal", 3), ("sqlstate", 5), ("http", 3)];
    let digits = number.strip_prefix('-').unwrap_or(number);
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let before = before.trim_end_matches([' ', ':', '=', '(', '[', '#']).as_bytes();
    WORDS.iter().any(|(word, longest)| {
        let start = before.len().checked_sub(word.len());
        let found = start.is_some_and(|start| before[start..].eq_ignore_ascii_case(word.as_bytes()));
        // `barcode` is no code.
        let whole = start.is_some_and(|start| start == 0 || !before[start - 1].is_ascii_alphanumeric());
        found && whole && digits.len() <= *longest
    })
}
