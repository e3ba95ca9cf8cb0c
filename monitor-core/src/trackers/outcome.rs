//! Whether a value of any type at all is a failure.
//!
//! A generic function cannot ask "is `T` a `Result`?" by a bound, and a bound would shut out the types of users. So the
//! name of the type is asked, and the value for its variant; both are safe code, and a test holds what they rely on.

use std::any::type_name;
use std::hash::{Hash, Hasher};
use std::mem::discriminant;

use crate::model::ErrorText;
use crate::record::failure::Failure;

const RESULT: &str = "core::result::Result<";

/// The failure that a value is, if it is an `Err`; `Option` and everything else is a success.
#[inline]
pub(crate) fn failure_in<T>(value: &T) -> Option<UnknownError> {
    (type_name::<T>().starts_with(RESULT) && is_second_variant(value))
        .then(|| UnknownError { result: type_name::<T>() })
}

fn is_second_variant<T>(value: &T) -> bool {
    let mut number = VariantNumber(0);
    discriminant(value).hash(&mut number);
    number.0 == 1
}

/// Takes the one number that a discriminant hashes to.
struct VariantNumber(u64);

impl Hasher for VariantNumber {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        let mut number = [0; 8];
        for (to, from) in number.iter_mut().zip(bytes) {
            *to = *from;
        }
        self.0 = u64::from_le_bytes(number);
    }

    #[inline]
    fn write_isize(&mut self, number: isize) {
        self.0 = number.cast_unsigned() as u64;
    }
}

/// An error of which only the type is known.
#[derive(Debug)]
pub(crate) struct UnknownError {
    result: &'static str,
}

impl Failure for UnknownError {
    fn describe(&self) -> ErrorText {
        ErrorText::new(error_type(self.result), "")
    }
}

/// `E` of the type name `core::result::Result<T, E>`.
fn error_type(result: &'static str) -> &'static str {
    let inside = result.strip_prefix(RESULT).and_then(|rest| rest.strip_suffix('>')).unwrap_or(result);
    let mut depth = 0_i32;
    let mut before = ' ';
    for (at, c) in inside.char_indices() {
        match c {
            '<' | '(' | '[' => depth += 1,
            '>' if before == '-' => {}
            '>' | ')' | ']' => depth -= 1,
            ',' if depth == 0 => return inside[at + 1..].trim_start(),
            _ => {}
        }
        before = c;
    }
    inside
}

/// An error that can be displayed.
pub(crate) struct Displayed<'a, E: ?Sized>(pub(crate) &'a E);

impl<E: std::fmt::Display + ?Sized> Failure for Displayed<'_, E> {
    fn describe(&self) -> ErrorText {
        super::probe::describe_display(self.0)
    }
}

/// An error with sources.
pub(crate) struct Caused<'a, E: ?Sized>(pub(crate) &'a E);

impl<E: std::error::Error + ?Sized> Failure for Caused<'_, E> {
    fn describe(&self) -> ErrorText {
        super::probe::describe_error(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU8;

    type Alias<T> = Result<T, String>;

    /// As `Result` has them, but not one.
    enum Other {
        Ok,
        Err,
    }

    #[test]
    fn an_err_of_any_layout_is_a_failure() {
        assert!(failure_in(&Err::<(), ()>(())).is_some());
        assert!(failure_in(&Err::<u64, [u8; 100]>([0; 100])).is_some());
        assert!(failure_in(&Err::<NonZeroU8, ()>(())).is_some());
        assert!(failure_in(&Err::<(), Box<dyn std::error::Error>>("x".into())).is_some());
        assert!(failure_in(&Err::<std::convert::Infallible, u8>(1)).is_some());
        assert!(failure_in(&(Err("x".into()) as Alias<Vec<u8>>)).is_some());
        assert!(failure_in(&Err::<Result<u8, u8>, Result<u8, u8>>(Ok(1))).is_some());
    }

    #[test]
    fn everything_else_is_a_success() {
        assert!(failure_in(&Ok::<(), ()>(())).is_none());
        assert!(failure_in(&Ok::<NonZeroU8, ()>(NonZeroU8::MIN)).is_none());
        assert!(failure_in(&Ok::<Box<u8>, u64>(Box::new(1))).is_none());
        assert!(failure_in(&Ok::<u8, std::convert::Infallible>(1)).is_none());
        assert!(failure_in(&Ok::<Result<u8, u8>, u8>(Err(1))).is_none());
        assert!(failure_in(&None::<u8>).is_none());
        assert!(failure_in(&Some(Err::<u8, u8>(1))).is_none());
        assert!(failure_in(&()).is_none());
        assert!(failure_in(&[Other::Ok, Other::Err]).is_none());
        assert!(failure_in(&Other::Err).is_none());
    }

    #[test]
    fn the_type_of_the_error_is_known() {
        let kind = |failure: Option<UnknownError>| failure.map(|error| error.describe().kind.into_owned());
        assert_eq!(kind(failure_in(&Err::<(u8, Vec<u8>), u16>(1))).as_deref(), Some("u16"));
        assert_eq!(
            kind(failure_in(&Err::<fn(u8) -> u8, Vec<(u8, u8)>>(vec![]))).as_deref(),
            Some("alloc::vec::Vec<(u8, u8)>")
        );
    }
}
