//! `Box::pin(..)` at the end of a body: what `async_trait`, `async_recursion` and hands write.

use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use quote::TokenStreamExt;

use crate::tokens::{is_group, is_punct, is_word, mentions};

/// A body that ends in `Box::pin(..)`: the future can be tracked where it is, without a second box.
pub(crate) struct Tail {
    /// The statements before, and `Box::pin`.
    before: TokenStream,
    /// The parentheses of `Box::pin(..)`.
    parentheses: Group,
    /// `async move { .. }`, or another expression.
    pub(crate) future: TokenStream,
}

impl Tail {
    /// Looks for it in the tokens of a body. A body with a `return` before the end has another way out, which would
    /// go by untracked: such a body is not taken apart. Only if the body `gives_a_future` for certain may anything be in
    /// the box; otherwise it must be seen to be one, an async block.
    pub(crate) fn find(body: TokenStream, gives_a_future: bool) -> Option<Tail> {
        let mut tokens: Vec<TokenTree> = body.into_iter().collect();
        let Some(TokenTree::Group(parentheses)) = tokens.pop() else {
            return None;
        };
        if parentheses.delimiter() != Delimiter::Parenthesis {
            return None;
        }
        let start = start_of_box_pin(&tokens)?;
        let ends_statement = |token: &TokenTree| is_punct(Some(token), ';') || is_group(Some(token), Delimiter::Brace);
        let before_it = start.checked_sub(1).and_then(|last| tokens.get(last));
        if !before_it.is_none_or(ends_statement) || mentions(tokens.iter().cloned().collect(), "return") {
            return None;
        }
        let future = argument(parentheses.stream());
        let fits = is_async_block(&future) || gives_a_future && is_one_expression(&future);
        let future = fits.then(|| future.into_iter().collect())?;
        Some(Tail { before: tokens.into_iter().collect(), parentheses, future })
    }

    /// The statements of the body with the block in it replaced.
    pub(crate) fn with(&self, future: TokenStream) -> TokenStream {
        let mut parentheses = Group::new(Delimiter::Parenthesis, future);
        parentheses.set_span(self.parentheses.span());
        let mut tokens = self.before.clone();
        tokens.append(parentheses);
        tokens
    }
}

/// Where the path `Box::pin`, `std::boxed::Box::pin` or `::std::boxed::Box::pin` at the end of the tokens begins.
fn start_of_box_pin(tokens: &[TokenTree]) -> Option<usize> {
    let mut start = tokens.len().checked_sub(1)?;
    let colons_before =
        |start: usize| start >= 2 && is_punct(tokens.get(start - 1), ':') && is_punct(tokens.get(start - 2), ':');
    if !is_word(tokens.get(start), "pin") || !colons_before(start) {
        return None;
    }
    start = start.checked_sub(3)?;
    if !is_word(tokens.get(start), "Box") {
        return None;
    }
    while colons_before(start) {
        match start.checked_sub(3).filter(|&earlier| matches!(tokens.get(earlier), Some(TokenTree::Ident(_)))) {
            Some(earlier) => start = earlier,
            None => return Some(start - 2),
        }
    }
    Some(start)
}

/// The tokens in the parentheses, a comma after them left out.
fn argument(tokens: TokenStream) -> Vec<TokenTree> {
    let mut tokens: Vec<TokenTree> = tokens.into_iter().collect();
    if is_punct(tokens.last(), ',') {
        tokens.pop();
    }
    tokens
}

/// Whether the tokens are `async { .. }` or `async move { .. }`.
pub(crate) fn is_async_block(tokens: &[TokenTree]) -> bool {
    let block = 1 + usize::from(is_word(tokens.get(1), "move"));
    is_word(tokens.first(), "async") && is_group(tokens.get(block), Delimiter::Brace) && tokens.len() == block + 1
}

/// Whether the tokens are an expression from which no way leads out of the function.
fn is_one_expression(tokens: &[TokenTree]) -> bool {
    !tokens.is_empty() && !mentions(tokens.iter().cloned().collect(), "return")
}

#[cfg(test)]
mod tests {
    use super::*;
    use quote::quote;

    #[test]
    fn the_block_is_found_behind_every_spelling() {
        for body in [
            quote!(Box::pin(async move { 1 })),
            quote!(::std::boxed::Box::pin(async { 1 })),
            quote!(let x = 1; alloc::boxed::Box::pin(async move { x },)),
            quote!(if a { b(); } Box::pin(async move { 1 })),
        ] {
            assert!(Tail::find(body.clone(), false).is_some(), "{body}");
        }
    }

    #[test]
    fn a_body_with_another_way_out_or_another_end_is_left_alone() {
        for body in [
            quote!(),
            quote!(inner()),
            quote!(if a { return b; } Box::pin(async move { 1 })),
            quote!(Box::pin(async move { 1 }.map(f))),
            quote!(Box::pin(future)),
            quote!(let x = Box::pin(async move { 1 })),
            quote!(Other::pin(async move { 1 })),
            quote!(Box::pin(async move { 1 }).boxed()),
        ] {
            assert!(Tail::find(body.clone(), false).is_none(), "{body}");
        }
    }

    #[test]
    fn where_a_future_is_given_for_certain_it_may_be_any_expression() {
        for body in [quote!(Box::pin(async move { 1 }.map(f))), quote!(Box::pin(future)), quote!(Box::pin(f(a, b),))] {
            assert!(Tail::find(body.clone(), true).is_some(), "{body}");
        }
        for body in [
            quote!(Box::pin()),
            quote!(Box::pin(match a {
                b => return c,
            })),
            quote!(Box::pin(a).boxed()),
        ] {
            assert!(Tail::find(body.clone(), true).is_none(), "{body}");
        }
    }
}
