//! An error's message without what changes from one time to the next.
//!
//! The rules are version 1 of the grouping ([`Fingerprint::VERSION`](crate::Fingerprint::VERSION)): whoever changes one
//! raises the version.
//!
//! | in the message | in the pattern |
//! |---|---|
//! | `'..'`, `".."`, `` `..` ``, `“..”`, `‘..’`, `«..»`; also without its end where the message was cut | `<text>` |
//! | `scheme://..` | `<url>` |
//! | `name@host.domain` | `<email>` |
//! | `/a/b`, `./a`, `../a`, `~/a`, `a/b/c`, `a/b.ext`, `C:\a`, `\\host\a` | `<path>` |
//! | `8-4-4-4-12` hexadecimal digits | `<uuid>` |
//! | `0x..`, and seven or more hexadecimal digits with a decimal one among them | `<hex>` |
//! | a word in which letters and digits alternate as in no language: `01ARZ3NDEKTSV4RRFFQ69G5FAV`, `x2k8p`, a token in Base64 | `<id>` |
//! | any other digits, also inside a word; with fractions, signs, groups and units: `-1.5e3`, `10:15:00`, `10.0.0.1:80`, `::1`, `25 ms`, `1h 30m`, `Mon, 22 Nov 2026` | `<n>` |
//! | the same one again after a comma, `<n>` also after a blank: `1, 2, 3` | nothing |
//!
//! A short number that says what the error is stays: after `status`, `code`, `errno`, `signal`, `sqlstate` and `http`.
//!
//! The time is linear in the length of the message: what is looked for ahead is bounded or remembered ([`Ahead`]).

mod marks;
mod numbers;

use self::marks::Ahead;
use crate::model::ErrorText;

/// Longest message that is looked at, in bytes; the rest does not count.
const MAX_BYTES: usize = 1_024;

/// The pattern of an error with those of its sources: many a type has one message for all that can happen to it, and
/// says in its sources what it was.
pub(crate) fn of_error(error: &ErrorText) -> String {
    let mut out = pattern(&error.message);
    let mut told = &error.message;
    for source in &error.sources {
        // Others say their source themselves.
        if !told.contains(source.as_str()) {
            out.push_str(": ");
            out.push_str(&pattern(source));
        }
        told = source;
    }
    out
}

/// The message with its changing parts replaced.
fn pattern(message: &str) -> String {
    // A message over its bound comes with this at its end.
    let is_cut = message.len() > MAX_BYTES || message.ends_with('…');
    let message = &message[..message.floor_char_boundary(MAX_BYTES)];
    let mut out = String::with_capacity(message.len().min(256));
    let mut ahead = Ahead::new(message, is_cut);
    let mut before = ' ';
    let mut at = 0;
    while let Some(c) = message[at..].chars().next() {
        let rest = &message[at..];
        // Inside a word nothing begins but a number.
        let found =
            if before.is_alphanumeric() { numbers::number(rest, before) } else { anything(&mut ahead, at, before) };
        let taken = match found {
            Some((len, NUMBER)) if numbers::names_the_error(&out, &rest[..len]) => {
                out.push_str(&rest[..len]);
                len
            }
            Some((len, stands_for)) => {
                push(&mut out, stands_for);
                len
            }
            None => {
                out.push(c);
                c.len_utf8()
            }
        };
        before = rest[..taken].chars().next_back().unwrap_or(c);
        at += taken;
    }
    out
}

/// What begins here, with its length in bytes.
type Found = Option<(usize, &'static str)>;

/// What a number is replaced by.
const NUMBER: &str = "<n>";

fn anything(ahead: &mut Ahead<'_>, at: usize, before: char) -> Found {
    let rest = ahead.rest(at);
    ahead
        .quoted(at)
        .or_else(|| ahead.url(at))
        .or_else(|| marks::email(rest))
        .or_else(|| numbers::uuid(rest))
        .or_else(|| ahead.path(at))
        .or_else(|| numbers::address(rest))
        .or_else(|| numbers::hex(rest))
        .or_else(|| numbers::id(rest))
        .or_else(|| numbers::date_word(rest))
        .or_else(|| numbers::number(rest, before))
}

/// Adds what stands for something, unless the same one stands before it in a list: how long a list is changes, too.
fn push(out: &mut String, stands_for: &str) {
    let separators: &[&str] = if stands_for == NUMBER { &[", ", ",", " "] } else { &[", ", ","] };
    let listed = |separator: &&str| out.strip_suffix(*separator).is_some_and(|list| list.ends_with(stands_for));
    match separators.iter().copied().find(|separator| listed(separator)) {
        Some(separator) => out.truncate(out.len() - separator.len()),
        None => out.push_str(stands_for),
    }
}

fn starts_alphanumeric(text: &str) -> bool {
    text.chars().next().is_some_and(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn assert_pattern(message: &str, expected: &str) {
        assert_eq!(pattern(message), expected, "of {message:?}");
    }

    #[test]
    fn numbers_lose_their_value() {
        assert_pattern("user 42 not found", "user <n> not found");
        assert_pattern("user42 not found", "user<n> not found");
        assert_pattern("row -7 of 1,000,000", "row <n> of <n>");
        assert_pattern("took 1.5e-3 s", "took <n>");
        assert_pattern("timed out after 250ms", "timed out after <n>");
        assert_pattern("timed out after 3 seconds", "timed out after <n>");
        assert_pattern("disk 97% full, 12 MiB left", "disk <n> full, <n> left");
        assert_pattern("connect to 10.0.0.1:5432 failed", "connect to <n> failed");
        assert_pattern("at 2026-11-22T10:15:00.123Z", "at <n>");
        assert_pattern("v1.2.3 is too old", "v<n> is too old");
        assert_pattern("5 mistakes", "<n> mistakes");
        assert_pattern("part 3/7", "part <n>");
    }

    #[test]
    fn identities_lose_their_value() {
        assert_pattern("no order 67e55044-10b1-426f-9247-bb680e5fe0c8.", "no order <uuid>.");
        assert_pattern("object 9fceb02d0ae598e95dc970b74767f19372d61af8 missing", "object <hex> missing");
        assert_pattern("fault at 0x7ffd12", "fault at <hex>");
        assert_pattern("a decade of deadbeef", "a decade of deadbeef");
        assert_pattern("key deadbee1", "key <hex>");
    }

    #[test]
    fn paths_lose_their_names() {
        assert_pattern("cannot open /var/lib/x.db: denied", "cannot open <path>: denied");
        assert_pattern("cannot open ../x.db.", "cannot open <path>.");
        assert_pattern(r"cannot open C:\Users\x\y.txt", "cannot open <path>");
        assert_pattern(r"cannot open \\server\share", "cannot open <path>");
        assert_pattern("in src/store/errors.rs:12:5", "in <path>");
        assert_pattern("a read/write error", "a read/write error");
        assert_pattern("and / or", "and / or");
        assert_pattern("GET https://example.org/a?b=1 failed", "GET <url> failed");
        assert_pattern("postgres://u@h:5432/db, retry", "<url>, retry");
    }

    #[test]
    fn quoted_texts_lose_their_words() {
        assert_pattern("unknown key 'colour' in \"a b\"", "unknown key <text> in <text>");
        assert_pattern("`x` is not a name", "<text> is not a name");
        assert_pattern("“größe” fehlt", "<text> fehlt");
        assert_pattern("can't read what isn't there", "can't read what isn't there");
        assert_pattern("can't find 'it's here'", "can't find <text>");
        assert_pattern(r#"bad text "a \" b" here"#, "bad text <text> here");
        assert_pattern("an open 'quote", "an open 'quote");
    }

    #[test]
    fn the_rest_stays() {
        assert_pattern("", "");
        assert_pattern("connection refused (os error 111)", "connection refused (os error <n>)");
        assert_pattern("größer als erlaubt – ja", "größer als erlaubt – ja");
        assert_pattern("a\nb", "a\nb");
        assert_eq!(pattern(&"ä".repeat(4_000)).len(), MAX_BYTES);
    }

    #[test]
    fn one_error_keeps_its_pattern_whatever_it_is_about() {
        for (one, other) in [
            ("no user bob@example.com", "no user alice.b@mail.example.org"),
            ("connect to [2001:db8::1]:5432 failed", "connect to [fe80::a1b2:3]:80 failed"),
            ("connect to ::1 failed", "connect to ::ffff:10.0.0.1 failed"),
            ("no lease for 00:1a:2b:3c:4d:5e", "no lease for 9a:bb:cc:dd:ee:ff"),
            ("denied, request 79104EXAMPLEB723K", "denied, request 4J2ZQ9XW81P7TT0A"),
            ("no order 01ARZ3NDEKTSV4RRFFQ69G5FAV", "no order 01BX5ZZKBKACTAV9WEVGEMMVRZ"),
            ("bad token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIx_Mjoz", "bad token eyJhbGciOiJSUzI1NiJ9.e30.abc-Q"),
            ("commit 9fceb02 not found", "commit a3f2d1c not found"),
            ("no blob sha256:9fceb02d0ae598e95dc970b7", "no blob sha256:a1fceb02d0ae598e95dc970b"),
            ("missing ids: 1, 2, 3", "missing ids: 4,5"),
            ("details: [8, 13, 18]", "details: [8]"),
            ("expected one of `a`, `b`, `c`", "expected one of `d`, `e`"),
            ("timed out after 1 minute", "timed out after 2 hours"),
            ("timed out after 1h2m3.5s", "timed out after 1m 30s"),
            ("limit is 512Mi", "limit is 2G"),
            ("the 1st retry failed", "the 22nd retry failed"),
            ("expired at Mon, 22 Nov 2026 10:15:00 GMT", "expired at Tue, 01 Dec 2026 10:15:00 GMT"),
            ("expired at 2026-11-22T10:15:00+01:00", "expired at 2026-11-22T10:15:00Z"),
            ("cannot open uploads/abc.png", "cannot open uploads/2026/def.png"),
        ] {
            assert_eq!(pattern(one), pattern(other), "of {one:?} and {other:?}");
        }
    }

    #[test]
    fn what_says_which_error_it_is_stays() {
        assert_pattern("server returned status 404", "server returned status 404");
        assert_pattern("exit status: -1", "exit status: -1");
        assert_pattern("error (code: 2067), errno=13", "error (code: 2067), errno=13");
        assert_pattern("HTTP 503, SQLSTATE[23505]", "HTTP 503, SQLSTATE[23505]");
        assert_pattern("killed by signal: 9", "killed by signal: 9");
        assert_pattern("barcode 17, code 123456, status of 5", "barcode <n>, code <n>, status of <n>");
    }

    #[test]
    fn sources_belong_to_the_pattern_unless_the_message_has_them() {
        let of = |message: &str, sources: &[&str]| {
            let sources = sources.iter().map(|&source| source.to_owned()).collect();
            of_error(&ErrorText { sources, ..ErrorText::new("Sdk", message) })
        };
        assert_eq!(of("service error", &[]), "service error");
        assert_eq!(of("service error", &["no key 7", "timed out"]), "service error: no key <n>: timed out");
        assert_eq!(of("no key 7: timed out", &["timed out"]), "no key <n>: timed out");
        assert_eq!(of("failed", &["no key 7: timed out", "timed out"]), "failed: no key <n>: timed out");
    }

    #[test]
    fn words_of_a_language_are_no_identities() {
        for text in
            ["x86_64", "i18n", "utf8", "sha256", "http2", "ipv6to4", "May I", "Sun shines", "a::b", "n/a", "5xx"]
        {
            assert!(!["<id>", "<hex>", "<path>"].iter().any(|mark| pattern(text).contains(mark)), "{text}");
        }
        assert_pattern("May I come on Sun at noon", "May I come on Sun at noon");
        assert_pattern("core::num::a", "core::num::a");
        assert_pattern("text/html, @types/node", "text/html, @types/node");
    }

    #[test]
    fn a_quote_that_was_cut_off_ends_where_the_message_does() {
        let cut = |text: &str| pattern(&format!("bad body: \"{}", text.repeat(300)));
        assert_eq!(cut("abc def "), "bad body: <text>");
        assert_pattern("bad body: \"abc de…", "bad body: <text>");
        assert_pattern("it's 'tis …", "it's 'tis …");
    }

    #[test]
    fn a_hostile_message_has_a_pattern_that_is_not_much_longer() {
        for piece in
            ["-", "/", "_", ":", "\\", "=", "+", "'a ", "“", "a+", "a-", "a/", "f:", "::", "a@", "-@", "1s", "a1-"]
        {
            let message = piece.repeat(1_024 / piece.len());
            assert!(pattern(&message).len() <= 3 * message.len(), "of {piece:?} again and again");
        }
    }
}
