//! Names of jobs as names of files: any name gives a safe one, and two names give two.

use std::fmt::Write as _;

use super::crc64::crc64;

/// Characters of a name that are kept in full; with all that is put around it a file name stays within 255 bytes.
const LONGEST: usize = 160;

/// The name of a job as part of a file name.
///
/// Lower-case letters, digits, `-` and `_` stay; every other byte becomes `%` and two hexadecimal digits. Capitals are
/// among the others because some file systems don't tell them from small ones. What becomes longer than 160 characters
/// is cut, and a checksum of the whole name is put at the end.
pub(super) fn encoded(name: &str) -> String {
    let mut text = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => text.push(char::from(byte)),
            other => _ = write!(text, "%{other:02x}"),
        }
        if text.len() > LONGEST {
            text.truncate(LONGEST);
            // `~` stands in no other name.
            let _ = write!(text, "~{:016x}", crc64(name.as_bytes()));
            break;
        }
    }
    text
}

/// A name as it is shown in messages: on one line, and not at full length if that is great.
pub(crate) fn shown(name: &str) -> String {
    crate::base::names::bounded_name(name).escape_debug().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_stays_and_others_become_safe() {
        for (name, text) in [
            ("data_import-2", "data_import-2"),
            ("", ""),
            ("Data", "%44ata"),
            ("../../etc/passwd", "%2e%2e%2f%2e%2e%2fetc%2fpasswd"),
            ("a%2fb", "a%252fb"),
            ("ü\0", "%c3%bc%00"),
        ] {
            assert_eq!(encoded(name), text);
        }
    }

    #[test]
    fn long_names_fit_and_differ() {
        let (one, other) = (format!("{}1", "ü".repeat(500)), format!("{}2", "ü".repeat(500)));
        assert!(encoded(&one).len() <= 180 && encoded(&one) != encoded(&other));
        assert_eq!(encoded(&"x".repeat(160)).len(), 160);
    }
}
