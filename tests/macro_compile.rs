//! What the attributes must take, and what they must refuse with a good word.
//!
//! The messages are those of the compiler that `rust-version` names: `TRYBUILD=overwrite` writes them anew.

/// Every form of function, argument and block, alone and beside other macros.
#[test]
fn valid_code_compiles_and_runs() {
    let cases = trybuild::TestCases::new();
    cases.pass("pass/*.rs");
}

/// Every mistake has one error that says what is allowed, at the place of the mistake; errors and lints of a body stay
/// where they were.
#[test]
fn mistakes_are_refused_with_one_clear_error() {
    let cases = trybuild::TestCases::new();
    cases.compile_fail("ui/*.rs");
}
