//! `#[derive(MonitorState)]`: the states of a machine from the variants of an enum.

mod check;
mod expand;
mod parse;

use proc_macro2::TokenStream;
use syn::Result;

/// The implementation of the trait, or the one error.
pub(crate) fn derive(item: TokenStream) -> Result<TokenStream> {
    let machine = parse::machine(item)?;
    let machine = check::check(machine)?;
    Ok(expand::implementation(&machine))
}
