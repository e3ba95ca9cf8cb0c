//! Host code run so that it can neither panic into ours nor fill the memory.

use std::fmt::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::record::failure::count_panicked_callback;

/// Stands for a text whose formatting panicked.
pub(crate) const PANICKED: &str = "(panicked)";

/// Runs host code; `None` when it panics.
///
/// Unwind safety is asserted: what the code was given is either read only or the host's own, and the panic is dropped
/// where the host would otherwise have met it.
#[inline]
pub(crate) fn contained<T>(host: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(host))
        .inspect_err(|_| count_panicked_callback())
        // What a panic carries may itself panic when dropped.
        .map_err(std::mem::forget)
        .ok()
}

/// The formatted text, cut at a character boundary so that it fits, with `…` for what is gone.
pub(crate) fn bounded_text(max_bytes: usize, arguments: fmt::Arguments<'_>) -> String {
    let mut writer = Bounded { text: String::new(), max_bytes, cut: false };
    match contained(|| writer.write_fmt(arguments)) {
        // The `Display` impl itself gave up: what it wrote before is kept.
        Some(_) => writer.text,
        None => PANICKED.to_owned(),
    }
}

struct Bounded {
    text: String,
    max_bytes: usize,
    cut: bool,
}

impl Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        if self.cut {
            return Err(fmt::Error);
        }
        if self.text.len() + piece.len() <= self.max_bytes {
            self.text.push_str(piece);
            return Ok(());
        }
        // An error ends the formatting of most types, so an endless one ends too.
        self.cut = true;
        let room = self.max_bytes - '…'.len_utf8();
        if self.text.len() < room {
            self.text.push_str(&piece[..piece.floor_char_boundary(room - self.text.len())]);
        }
        self.text.truncate(self.text.floor_char_boundary(room));
        self.text.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_kept_and_a_long_one_cut_between_characters() {
        assert_eq!(bounded_text(8, format_args!("{}", "12345678")), "12345678");
        assert_eq!(bounded_text(8, format_args!("{}", "123456789")), "12345…");
        assert_eq!(bounded_text(8, format_args!("{}", "ääääää")), "ää…");
        assert_eq!(bounded_text(8, format_args!("{}{}", "1234567", "äää")), "12345…");
    }

    #[test]
    fn an_endless_text_ends() {
        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("again ")?;
                }
            }
        }
        let text = bounded_text(64, format_args!("{Endless}"));
        assert!(text.len() <= 64 && text.ends_with('…'), "{text}");
    }

    #[test]
    fn a_panic_stays_inside() {
        struct Panics;
        impl fmt::Display for Panics {
            fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
                panic!("in Display")
            }
        }
        assert_eq!(bounded_text(64, format_args!("{Panics}")), PANICKED);
    }
}
