//! The parts of the attribute's expansion that only the compiler cares for.

use std::marker::PhantomData;

/// Stands for the type that a function returns.
///
/// The attribute never writes that type down. It returns [`never`](Self::never) in dead code instead, which ties `R` to
/// it, and then checks the body against `R`: coercions and `impl Trait` work as in the bare function.
#[derive(Debug)]
pub struct Return<R>(PhantomData<fn() -> R>);

impl<R> Clone for Return<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Return<R> {}

impl<R> Return<R> {
    /// A stand-in for a type that the compiler infers.
    #[expect(clippy::new_without_default, reason = "only the attribute's expansion makes one")]
    #[must_use]
    pub const fn new() -> Self {
        Self(PhantomData)
    }

    /// A value for dead code.
    #[cold]
    #[must_use]
    #[expect(clippy::unreachable, reason = "it stands behind `if false`")]
    pub fn never(&self) -> R {
        unreachable!("the attribute calls it in dead code only")
    }
}

/// Runs a body that returns what its function returns.
#[inline(always)]
pub fn run<R>(_: &Return<R>, body: impl FnOnce() -> R) -> R {
    body()
}

/// The path of a closure in a call site, which the default name is made from.
#[must_use]
pub fn path_of<T>(_: &T) -> &'static str {
    std::any::type_name::<T>()
}
