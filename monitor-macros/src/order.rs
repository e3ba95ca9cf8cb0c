//! Attributes that stand together on one item.
//!
//! The compiler expands them from the first to the last. One that makes something else of an `async fn` or of a block
//! of them (`#[tokio::main]`, `#[async_recursion]`, `#[async_trait]`) has to come before ours: only then is it known
//! what is to be tracked, and of which type. Where such a one still stands on the item, ours moves to the end.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::parse::{Parse, ParseStream, Parser};
use syn::{Attribute, Path, Result};

use crate::args::MOVED;
use crate::tokens;

/// Attributes of the compiler itself that may stand on functions and blocks and that rewrite nothing.
const INERT: &[&str] = &[
    "allow",
    "automatically_derived",
    "bench",
    "cfg",
    "cold",
    "coverage",
    "deny",
    "deprecated",
    "diagnostic",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "ignore",
    "inline",
    "instruction_set",
    "link_section",
    "macro_use",
    "must_use",
    "no_mangle",
    "non_exhaustive",
    "optimize",
    "path",
    "should_panic",
    "target_feature",
    "test",
    "track_caller",
    "warn",
];

/// Prefixes of tools' attributes.
const TOOLS: &[&str] = &["clippy", "diagnostic", "miri", "rust_analyzer", "rustdoc", "rustfmt"];

/// The item's outer attributes, and the rest of it.
pub(crate) fn split_attributes(item: TokenStream) -> Result<(Vec<Attribute>, TokenStream)> {
    let split = |input: ParseStream<'_>| Ok((input.call(Attribute::parse_outer)?, TokenStream::parse(input)?));
    split.parse2(item)
}

/// Whether one of the attributes may rewrite the item.
pub(crate) fn has_rewriting(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let path = attribute.path();
        let is_inert = path.get_ident().is_some_and(|name| INERT.iter().any(|inert| name == inert))
            || path.segments.first().is_some_and(|first| TOOLS.iter().any(|tool| first.ident == tool))
            || tokens::mentions(attribute.meta.to_token_stream(), "unsafe");
        !is_inert
    })
}

/// The item with the attribute `name` of ours behind its others.
pub(crate) fn moved_to_the_end(
    item: TokenStream,
    krate: Option<&Path>,
    name: &str,
    arguments: &TokenStream,
) -> Result<TokenStream> {
    let (attributes, rest) = split_attributes(item)?;
    let krate = krate.map_or_else(|| quote_spanned!(Span::call_site()=> ::monitor_core), ToTokens::to_token_stream);
    let (name, moved) =
        (proc_macro2::Ident::new(name, Span::call_site()), proc_macro2::Ident::new(MOVED, Span::call_site()));
    Ok(quote!(#(#attributes)* #[#krate::#name(#moved, #arguments)] #rest))
}
