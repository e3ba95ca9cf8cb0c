//! A value alone on its cache lines.

use std::ops::Deref;

/// Keeps a value written by one thread away from the values of others.
///
/// 128 bytes and not 64, because processors fetch lines in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct Padded<T>(pub(crate) T);

impl<T> Deref for Padded<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}
