//! Bodies that must stay where they are: in a closure, `Location::caller()` of a `#[track_caller]` function would name
//! the closure's caller.
//!
//! The values of the function's own `return`s and of its last expression are passed through the reading of the
//! outcome. Ways out that cannot be seen here (`?`, a `return` that a macro makes) leave the guard without a verdict; it
//! then reads them by the return type.

use proc_macro2::{Group, TokenStream};
use quote::{ToTokens, quote};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAsync, ExprClosure, ExprConst, ExprReturn, Item, MacroDelimiter, Stmt};

/// The statements of a body with `read` around every value it gives. Those of a body that is not complete yet are given
/// back as they are.
pub(crate) fn rewritten(body: &Group, read: impl Fn(TokenStream) -> TokenStream) -> TokenStream {
    let Ok(mut block) = syn::parse2::<Block>(body.to_token_stream()) else {
        return body.stream();
    };
    let mut returns = Returns { read: &read };
    returns.visit_block_mut(&mut block);
    match block.stmts.pop() {
        Some(Stmt::Expr(last, None)) if !matches!(last, Expr::Return(_)) => {
            block.stmts.push(Stmt::Expr(Expr::Verbatim(read(last.into_token_stream())), None));
        }
        Some(Stmt::Macro(last))
            if last.semi_token.is_none() && !matches!(last.mac.delimiter, MacroDelimiter::Brace(_)) =>
        {
            let value = last.into_token_stream();
            block.stmts.push(Stmt::Expr(Expr::Verbatim(read(value)), None));
        }
        Some(other) => block.stmts.push(other),
        None => {}
    }
    let Block { stmts, .. } = block;
    quote!(#(#stmts)*)
}

/// Rewrites the `return`s that leave this function, and no other's.
struct Returns<'a, F> {
    read: &'a F,
}

impl<F: Fn(TokenStream) -> TokenStream> VisitMut for Returns<'_, F> {
    fn visit_expr_return_mut(&mut self, node: &mut ExprReturn) {
        visit_mut::visit_expr_return_mut(self, node);
        if let Some(value) = node.expr.take() {
            node.expr = Some(Box::new(Expr::Verbatim((self.read)(quote!(#value)))));
        }
    }

    fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}

    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}

    fn visit_expr_const_mut(&mut self, _: &mut ExprConst) {}

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Delimiter;

    fn rewrite(body: TokenStream) -> String {
        let group = Group::new(Delimiter::Brace, body);
        rewritten(&group, |value| quote!(read(#value))).to_string()
    }

    #[test]
    fn own_returns_and_the_last_expression_are_read() {
        let body = quote!(for x in y { if x { return Ok(1); } } Err(2));
        assert_eq!(rewrite(body), quote!(for x in y { if x { return read(Ok(1)); } } read(Err(2))).to_string());
    }

    #[test]
    fn returns_of_inner_functions_are_theirs() {
        let body = quote!(let f = |x| return x; fn g() -> u8 { return 1; } let a = async { return 2; }; return f(a););
        let expected =
            quote!(let f = |x| return x; fn g() -> u8 { return 1; } let a = async { return 2; }; return read(f(a)););
        assert_eq!(rewrite(body), expected.to_string());
    }

    #[test]
    fn a_body_without_a_value_and_an_unfinished_one_stay() {
        for body in [quote!(work();), quote!(if a { return; } work();), quote!(let x = ;)] {
            assert_eq!(rewrite(body.clone()), body.to_string());
        }
    }
}
